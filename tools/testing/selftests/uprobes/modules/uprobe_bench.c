// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probes with empty handlers, for measuring what a hit costs. Written to the
 * consumer interface of kernel 6.12 alone. Unloading it takes the probes out.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/uprobes.h>

#define MAX_PROBES	16

static char *path;
module_param(path, charp, 0400);
MODULE_PARM_DESC(path, "the program");

static unsigned long long offsets[MAX_PROBES];
static int nr_offsets;
module_param_array(offsets, ullong, &nr_offsets, 0400);
MODULE_PARM_DESC(offsets, "the instructions, as offsets into it");

static bool ret;
module_param(ret, bool, 0400);
MODULE_PARM_DESC(ret, "probe the return of the functions that begin there");

static struct inode *inode;
static struct uprobe *probes[MAX_PROBES];

static int on_entry(struct uprobe_consumer *self, struct pt_regs *regs)
{
	return 0;
}

static int on_return(struct uprobe_consumer *self, unsigned long func, struct pt_regs *regs)
{
	return 0;
}

static struct uprobe_consumer entry_consumers[MAX_PROBES];
static struct uprobe_consumer return_consumers[MAX_PROBES];

static struct uprobe_consumer *consumer(int i)
{
	return ret ? &return_consumers[i] : &entry_consumers[i];
}

static void take_out(void)
{
	int i;

	for (i = 0; i < nr_offsets; i++)
		if (!IS_ERR_OR_NULL(probes[i]))
			uprobe_unregister_nosync(probes[i], consumer(i));
	uprobe_unregister_sync();
	iput(inode);
}

static int __init uprobe_bench_init(void)
{
	struct path where;
	int err, i;

	if (!path)
		return -EINVAL;
	err = kern_path(path, LOOKUP_FOLLOW, &where);
	if (err)
		return err;
	inode = d_real_inode(where.dentry);
	ihold(inode);
	path_put(&where);

	for (i = 0; i < nr_offsets; i++) {
		entry_consumers[i].handler = on_entry;
		return_consumers[i].ret_handler = on_return;
		probes[i] = uprobe_register(inode, offsets[i], 0, consumer(i));
		if (IS_ERR(probes[i])) {
			err = PTR_ERR(probes[i]);
			take_out();
			/* A number that is no errno of user space would be passed on. */
			return err == -ENOTSUPP ? -EOPNOTSUPP : err;
		}
	}
	return 0;
}

static void __exit uprobe_bench_exit(void)
{
	take_out();
}

module_init(uprobe_bench_init);
module_exit(uprobe_bench_exit);
MODULE_DESCRIPTION("User-space probes with empty handlers");
MODULE_LICENSE("GPL");
