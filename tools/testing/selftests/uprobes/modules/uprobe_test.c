// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's half of module_test: registers probes through the interface for
 * kernel code, and says in its parameters what came of it.
 *
 *	insmod uprobe_test.ko run=NAME path=FILE offsets=A,B,... [pid= vaddr=]
 *
 * Loading runs the "begin" of that name, unloading its "end". Numbers that are
 * returned go to "results" in the order given below, calls of handlers to "hits".
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/namei.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uprobes.h>

#define MAX_PROBES	16
#define MAX_RESULTS	32

static char *run = "";
module_param(run, charp, 0400);
MODULE_PARM_DESC(run, "which of the tests below");

static char *path;
module_param(path, charp, 0400);
MODULE_PARM_DESC(path, "the program");

static unsigned long long offsets[MAX_PROBES];
static int nr_offsets;
module_param_array(offsets, ullong, &nr_offsets, 0400);
MODULE_PARM_DESC(offsets, "instructions, as offsets into it; what each is depends on the test");

static int pid;
module_param(pid, int, 0400);
MODULE_PARM_DESC(pid, "a process");

static unsigned long vaddr;
module_param(vaddr, ulong, 0400);
MODULE_PARM_DESC(vaddr, "an instruction in that process");

static int results[MAX_RESULTS];
static int nr_results;
module_param_array(results, int, &nr_results, 0400);
MODULE_PARM_DESC(results, "what the calls returned");

static unsigned long hits[MAX_PROBES];
static int nr_hits = MAX_PROBES;
module_param_array(hits, ulong, &nr_hits, 0400);
MODULE_PARM_DESC(hits, "calls of the handlers; the last is that of return handlers");

static DEFINE_SPINLOCK(hits_lock);
static struct uprobe probes[MAX_PROBES];

static void say(int result)
{
	if (nr_results < MAX_RESULTS)
		results[nr_results++] = result;
}

static unsigned int index_of(const struct uprobe *u)
{
	return u - probes;
}

static void count(unsigned int i)
{
	spin_lock(&hits_lock);
	hits[i]++;
	spin_unlock(&hits_lock);
}

static int count_entry(struct uprobe *u, struct pt_regs *regs)
{
	count(index_of(u));
	return 0;
}

static void count_return(struct uprobe *u, unsigned long func, struct pt_regs *regs)
{
	count(MAX_PROBES - 1);
}

static struct uprobe *prepare(unsigned int i)
{
	struct uprobe *u = &probes[i];

	*u = (struct uprobe) {
		.path = path,
		.offset = offsets[i],
		.handler = count_entry,
	};
	return u;
}

static void end_all(void)
{
	struct uprobe *us[MAX_PROBES];
	unsigned int i;

	for (i = 0; i < MAX_PROBES; i++)
		us[i] = &probes[i];
	/* Most were never registered, or are no longer: that is fine. */
	unregister_uprobes(us, MAX_PROBES);
}

/* ------------------------------------------------------------------ errno */

/* offsets: a nop, another nop, a refused instruction, past the end */
static int errno_begin(void)
{
	struct uprobe *us[3], *u;

	say(register_uprobe(NULL));

	u = prepare(0);
	u->handler = NULL;
	say(register_uprobe(u));

	u = prepare(0);
	u->path = NULL;
	say(register_uprobe(u));

	u = prepare(0);
	say(register_uprobe(u));
	say(register_uprobe(u));		/* it is registered */
	unregister_uprobe(u);
	say(register_uprobe(u));
	unregister_uprobe(u);
	unregister_uprobe(u);			/* it no longer is */

	unregister_uprobe(NULL);
	unregister_uprobe(ERR_PTR(-EINVAL));
	unregister_uprobes(NULL, 3);
	u = prepare(1);
	unregister_uprobe(u);			/* it never was */
	us[0] = NULL;
	us[1] = ERR_PTR(-ENOMEM);
	us[2] = u;
	unregister_uprobes(us, 3);

	u = prepare(0);
	u->path = "/no/such/file";
	say(register_uprobe(u));
	u->path = "/";
	say(register_uprobe(u));
	u->path = "/proc/version";
	say(register_uprobe(u));

	say(register_uprobe(prepare(3)));
	say(register_uprobe(prepare(2)));
	u = prepare(0);
	u->offset = -1;
	say(register_uprobe(u));
	u = prepare(0);
	u->ref_ctr_offset = 3;
	say(register_uprobe(u));

	/* All or none; and the one that was in it can be used alone. */
	us[0] = prepare(0);
	us[1] = prepare(2);
	us[2] = prepare(1);
	say(register_uprobes(us, 3));
	say(register_uprobe(us[0]));
	unregister_uprobe(us[0]);
	say(register_uprobes(NULL, 3));

	u = prepare(0);
	u->path = NULL;
	u->pid = pid;
	u->vaddr = 16;				/* nothing is mapped there */
	say(register_uprobe(u));
	u->pid = 0x3fffffff;
	say(register_uprobe(u));
	return 0;
}

/* --------------------------------------------------------------- consumer */

static int consumer_entry(struct uprobe_consumer *self, struct pt_regs *regs)
{
	count(0);
	return 0;
}

static struct uprobe_consumer nobody;
static struct uprobe_consumer somebody = { .handler = consumer_entry };

/* offsets: as for errno. The interface of 6.12. */
static int consumer_begin(void)
{
	struct inode *inode;
	struct path where;
	struct uprobe *u;
	int err;

	err = kern_path(path, LOOKUP_FOLLOW, &where);
	if (err)
		return err;
	inode = d_real_inode(where.dentry);

	say(PTR_ERR_OR_ZERO(uprobe_register(inode, offsets[0], 0, &nobody)));
	say(PTR_ERR_OR_ZERO(uprobe_register(inode, offsets[3], 0, &somebody)));
	say(PTR_ERR_OR_ZERO(uprobe_register(inode, offsets[2], 0, &somebody)));
	say(PTR_ERR_OR_ZERO(uprobe_register(inode, offsets[0], 1, &somebody)));

	u = uprobe_register(inode, offsets[0], 0, &somebody);
	say(PTR_ERR_OR_ZERO(u));
	say(uprobe_apply(u, &somebody, false));
	say(uprobe_apply(u, &somebody, true));
	uprobe_unregister_nosync(u, &somebody);
	uprobe_unregister_nosync(NULL, &somebody);
	uprobe_unregister_nosync(ERR_PTR(-EINVAL), &somebody);
	uprobe_unregister_sync();
	path_put(&where);
	return 0;
}

/* ------------------------------------------------------------------ count */

/* offsets: probes[i] is at offsets[i]; the first has a return handler too */
static int count_begin(void)
{
	struct uprobe *us[MAX_PROBES];
	int i;

	for (i = 0; i < nr_offsets; i++)
		us[i] = prepare(i);
	us[0]->ret_handler = count_return;
	say(register_uprobes(us, nr_offsets));
	return 0;
}

/* -------------------------------------------------------------------- pid */

static int pid_begin(void)
{
	struct uprobe *u = prepare(0);

	u->path = NULL;
	u->offset = 0;
	u->pid = pid;
	u->vaddr = vaddr;
	u->ret_handler = count_return;
	say(register_uprobe(u));
	return 0;
}

/* ----------------------------------------------------------------- filter */

static struct mm_struct *wanted_mm;

static bool is_wanted(struct uprobe *u, struct mm_struct *mm)
{
	return mm == wanted_mm;
}

/* Only in the process that loads the module. */
static int filter_begin(void)
{
	struct uprobe *u = prepare(0);

	wanted_mm = current->mm;
	u->filter = is_wanted;
	say(register_uprobe(u));
	return 0;
}

/* ----------------------------------------------------------------- remove */

static int remove_entry(struct uprobe *u, struct pt_regs *regs)
{
	count(index_of(u));
	return UPROBE_HANDLER_REMOVE;
}

static int remove_begin(void)
{
	struct uprobe *u = prepare(0);

	u->handler = remove_entry;
	say(register_uprobe(u));
	return 0;
}

/* It does not, once it has been there. */
static bool was_not_there(struct uprobe *u, struct mm_struct *mm)
{
	return !READ_ONCE(hits[index_of(u)]);
}

static int remove_filtered_begin(void)
{
	struct uprobe *u = prepare(0);

	u->handler = remove_entry;
	u->filter = was_not_there;
	say(register_uprobe(u));
	return 0;
}

/* --------------------------------------------------------------- change_ip */

/* The function is left at once, with another value. */
static int leave_entry(struct uprobe *u, struct pt_regs *regs)
{
	unsigned long to = 0;

	count(index_of(u));
	if (copy_from_user(&to, (void __user *)regs->sp, user_64bit_mode(regs) ? 8 : 4))
		return 0;
	regs->sp += user_64bit_mode(regs) ? 8 : 4;
	regs->ax = 4711;
	instruction_pointer_set(regs, to);
	return 0;
}

static int change_ip_begin(void)
{
	struct uprobe *u = prepare(0);

	u->handler = leave_entry;
	say(register_uprobe(u));
	return 0;
}

/* --------------------------------------------------------------- registers */

/* offsets: a multiplication of ax by one. It gets another factor. */
static int set_ax_entry(struct uprobe *u, struct pt_regs *regs)
{
	count(index_of(u));
	regs->ax = 1000;
	return 0;
}

static int registers_begin(void)
{
	struct uprobe *u = prepare(0);

	u->handler = set_ax_entry;
	say(register_uprobe(u));
	return 0;
}

/* ------------------------------------------------------------------- sleep */

static int sleep_entry(struct uprobe *u, struct pt_regs *regs)
{
	msleep(20);
	count(index_of(u));
	return 0;
}

static void sleep_return(struct uprobe *u, unsigned long func, struct pt_regs *regs)
{
	msleep(20);
	count(MAX_PROBES - 1);
}

static int sleep_begin(void)
{
	struct uprobe *u = prepare(0);

	u->handler = sleep_entry;
	u->ret_handler = sleep_return;
	say(register_uprobe(u));
	return 0;
}

/* --------------------------------------------------------------------- nap */

/* One hit in eight sleeps, at every instruction named. */
static int nap_entry(struct uprobe *u, struct pt_regs *regs)
{
	unsigned int i = index_of(u);

	count(i);
	if (!(READ_ONCE(hits[i]) & 7))
		usleep_range(200, 400);
	return 0;
}

static int nap_begin(void)
{
	int i;

	for (i = 0; i < nr_offsets; i++) {
		prepare(i)->handler = nap_entry;
		say(register_uprobe(&probes[i]));
	}
	return 0;
}

/* ----------------------------------------------------------------- reenter */

static atomic_t turn;

/*
 * offsets: an instruction, and another one. The handler of the first registers a probe
 * at the second, the next time takes it out again, and at its tenth call itself. Neither
 * can be registered again while this runs.
 */
static int reenter_entry(struct uprobe *u, struct pt_regs *regs)
{
	int n = atomic_inc_return(&turn);
	struct uprobe *other = &probes[(n + 1) / 2];

	count(index_of(u));
	if (n % 2) {
		say(register_uprobe(other));
		return 0;
	}
	unregister_uprobe(other);
	say(register_uprobe(other) == -EBUSY ? 0 : 1);
	if (n == 10) {
		unregister_uprobe(u);
		say(register_uprobe(u) == -EBUSY ? 0 : 1);
	}
	return 0;
}

static int reenter_begin(void)
{
	struct uprobe *u = prepare(0);
	unsigned int i;

	for (i = 1; i <= 5; i++)
		prepare(i)->offset = offsets[1];
	u->handler = reenter_entry;
	say(register_uprobe(u));
	return 0;
}

static void reenter_end(void)
{
	end_all();
	/* What a handler took out may still be running somewhere. */
	uprobe_unregister_sync();
}

/* -------------------------------------------------------------------- busy */

/* Registered and taken out many times while the process is hitting. */
static int busy_begin(void)
{
	int i, j, err = 0;

	for (i = 0; i < 200 && !err; i++) {
		for (j = 0; j < nr_offsets && !err; j++) {
			prepare(j)->ret_handler = j ? NULL : count_return;
			err = register_uprobe(&probes[j]);
		}
		end_all();
	}
	say(err);
	return 0;
}

/* ------------------------------------------------------------------ choice */

static const struct {
	const char *name;
	int (*begin)(void);
	void (*end)(void);
} tests[] = {
	{ "errno",	errno_begin,	 end_all },
	{ "consumer",	consumer_begin,	 end_all },
	{ "count",	count_begin,	 end_all },
	{ "pid",	pid_begin,	 end_all },
	{ "filter",	filter_begin,	 end_all },
	{ "remove",	remove_begin,	 end_all },
	{ "remove_filtered", remove_filtered_begin, end_all },
	{ "change_ip",	change_ip_begin, end_all },
	{ "registers",	registers_begin, end_all },
	{ "sleep",	sleep_begin,	 end_all },
	{ "nap",	nap_begin,	 end_all },
	{ "reenter",	reenter_begin,	 reenter_end },
	{ "busy",	busy_begin,	 end_all },
};

static int chosen;

static int __init uprobe_test_init(void)
{
	nr_results = 0;
	for (chosen = 0; chosen < ARRAY_SIZE(tests); chosen++)
		if (!strcmp(tests[chosen].name, run))
			return tests[chosen].begin();
	return -ENOENT;
}

static void __exit uprobe_test_exit(void)
{
	tests[chosen].end();
}

module_init(uprobe_test_init);
module_exit(uprobe_test_exit);
MODULE_DESCRIPTION("Test of the interface of user-space probes");
MODULE_LICENSE("GPL");
