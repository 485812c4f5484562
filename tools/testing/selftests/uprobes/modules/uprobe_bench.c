// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probes with empty handlers, for measuring what they cost. Written to the
 * consumer interface of kernel 6.12, so that it builds for a stock kernel; with
 * "at_once" the same through register_uprobes(), where there is one.
 *
 * The probes are there while the parameter "planted" is true: from loading to
 * unloading, or as it is written to.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/uprobes.h>

#define MAX_OFFSETS	16
#define MAX_PROBES	1000000

static char *path;
module_param(path, charp, 0400);
MODULE_PARM_DESC(path, "the program");

static unsigned long long offsets[MAX_OFFSETS];
static int nr_offsets;
module_param_array(offsets, ullong, &nr_offsets, 0400);
MODULE_PARM_DESC(offsets, "the instructions, as offsets into it");

static unsigned int count;
module_param(count, uint, 0400);
MODULE_PARM_DESC(count, "how many, if they are not named one by one: the first is offsets[0]");

static unsigned int distance;
module_param(distance, uint, 0400);
MODULE_PARM_DESC(distance, "bytes from each of these to the next");

static bool ret;
module_param(ret, bool, 0400);
MODULE_PARM_DESC(ret, "probe the return of the functions that begin there");

static bool at_once;
module_param(at_once, bool, 0400);
MODULE_PARM_DESC(at_once, "register them with one call");

static struct inode *inode;
static struct uprobe **probes;
static struct uprobe_consumer *consumers;
static unsigned int nr_probes;

static int on_entry(struct uprobe_consumer *self, struct pt_regs *regs)
{
	return 0;
}

static int on_return(struct uprobe_consumer *self, unsigned long func, struct pt_regs *regs)
{
	return 0;
}

static loff_t offset_of(unsigned int i)
{
	return count ? offsets[0] + (u64)i * distance : offsets[i];
}

static void take_out_each(void)
{
	unsigned int i;

	for (i = 0; i < nr_probes; i++) {
		if (!IS_ERR_OR_NULL(probes[i]))
			uprobe_unregister_nosync(probes[i], &consumers[i]);
		probes[i] = NULL;
	}
	uprobe_unregister_sync();
}

static int plant_each(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < nr_probes; i++) {
		if (ret)
			consumers[i].ret_handler = on_return;
		else
			consumers[i].handler = on_entry;
		probes[i] = uprobe_register(inode, offset_of(i), 0, &consumers[i]);
		if (IS_ERR(probes[i])) {
			err = PTR_ERR(probes[i]);
			take_out_each();
			/* A number that is no errno of user space would be passed on. */
			return err == -ENOTSUPP ? -EOPNOTSUPP : err;
		}
	}
	return 0;
}

#ifdef HAVE_REGISTER_UPROBES
static struct uprobe *uprobes;

static int on_uprobe(struct uprobe *u, struct pt_regs *regs)
{
	return 0;
}

static void on_uprobe_return(struct uprobe *u, unsigned long func, struct pt_regs *regs)
{
}

static int prepare_at_once(void)
{
	uprobes = kvcalloc(nr_probes, sizeof(*uprobes), GFP_KERNEL);
	return uprobes ? 0 : -ENOMEM;
}

static int plant_at_once(void)
{
	unsigned int i;

	for (i = 0; i < nr_probes; i++) {
		uprobes[i] = (struct uprobe) {
			.inode = inode,
			.offset = offset_of(i),
			.handler = ret ? NULL : on_uprobe,
			.ret_handler = ret ? on_uprobe_return : NULL,
		};
		probes[i] = &uprobes[i];
	}
	return register_uprobes(probes, nr_probes);
}

static void take_out_at_once(void)
{
	unregister_uprobes(probes, nr_probes);
}

static void forget_at_once(void)
{
	kvfree(uprobes);
}
#else
static int prepare_at_once(void)
{
	return -EOPNOTSUPP;
}

static int plant_at_once(void)
{
	return -EOPNOTSUPP;
}

static void take_out_at_once(void)
{
}

static void forget_at_once(void)
{
}
#endif

/* Parameters that are given at loading are set before the module's init. */
static bool loaded;
static bool planted = true;

static int plant(void)
{
	return at_once ? plant_at_once() : plant_each();
}

static void take_out(void)
{
	if (at_once)
		take_out_at_once();
	else
		take_out_each();
}

static int set_planted(const char *val, const struct kernel_param *kp)
{
	bool want;
	int err;

	err = kstrtobool(val, &want);
	if (err)
		return err;
	if (loaded && want != planted) {
		if (want)
			err = plant();
		else
			take_out();
	}
	if (!err)
		planted = want;
	return err;
}

static const struct kernel_param_ops planted_ops = {
	.set = set_planted,
	.get = param_get_bool,
};

module_param_cb(planted, &planted_ops, &planted, 0600);
MODULE_PARM_DESC(planted, "are the probes there");

static void forget(void)
{
	forget_at_once();
	kvfree(consumers);
	kvfree(probes);
	iput(inode);
}

static int __init uprobe_bench_init(void)
{
	struct path where;
	int err;

	nr_probes = count ?: nr_offsets;
	if (!path || !nr_offsets || nr_probes > MAX_PROBES)
		return -EINVAL;
	err = kern_path(path, LOOKUP_FOLLOW, &where);
	if (err)
		return err;
	inode = d_real_inode(where.dentry);
	ihold(inode);
	path_put(&where);

	probes = kvcalloc(nr_probes, sizeof(*probes), GFP_KERNEL);
	consumers = kvcalloc(nr_probes, sizeof(*consumers), GFP_KERNEL);
	err = probes && consumers ? 0 : -ENOMEM;
	if (!err && at_once)
		err = prepare_at_once();
	if (!err && planted)
		err = plant();
	if (err)
		forget();
	else
		loaded = true;
	return err;
}

static void __exit uprobe_bench_exit(void)
{
	if (planted)
		take_out();
	forget();
}

module_init(uprobe_bench_init);
module_exit(uprobe_bench_exit);
MODULE_DESCRIPTION("User-space probes with empty handlers");
MODULE_LICENSE("GPL");
