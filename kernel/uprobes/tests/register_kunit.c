// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of registration: what is accepted, what is refused and with which
 * error, and that a refusal leaves nothing behind.
 */
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/pipe_fs_i.h>

#include "support.h"

KUNIT_DEFINE_ACTION_WRAPPER(put_path, path_put, const struct path *);
KUNIT_DEFINE_ACTION_WRAPPER(put_file, fput, struct file *);
KUNIT_DEFINE_ACTION_WRAPPER(put_mount, mntput, struct vfsmount *);

static int old_handler(struct uprobe_consumer *self, struct pt_regs *regs)
{
	return 0;
}

/* --------------------------------------------------------- one file, rows */

struct row {
	const char *name;
	loff_t offset;
	loff_t ref_ctr_offset;
	int err;		/* of register_uprobe() */
	int old_err;		/* of uprobe_register() */
	bool no_handler;
};

static const struct row rows[] = {
	{ "emulated",		   AT_NOP,	   0,	       0,	    0 },
	{ "stepped",		   AT_STEP,	   0,	       0,	    0 },
	{ "first byte of file",	   0,		   0,	       0,	    0 },
	{ "with ref counter",	   AT_NOP,	   0x800,      0,	    0 },
	{ "no handler",		   AT_NOP,	   0,	       -EINVAL,	    -EINVAL, true },
	{ "offset negative",	   -1,		   0,	       -EINVAL,	    -EINVAL },
	{ "offset smallest",	   LLONG_MIN,	   0,	       -EINVAL,	    -EINVAL },
	{ "offset at the end",	   FILE_BYTES,	   0,	       -EINVAL,	    -EINVAL },
	{ "offset past the end",   1 << 30,	   0,	       -EINVAL,	    -EINVAL },
	{ "offset largest",	   LLONG_MAX,	   0,	       -EINVAL,	    -EINVAL },
	{ "ref counter odd",	   AT_NOP,	   0x801,      -EINVAL,	    -EINVAL },
	{ "ref counter negative",  AT_NOP,	   -2,	       -EINVAL,	    -EINVAL },
	{ "ref counter half out",  AT_NOP,	   FILE_BYTES - 1, -EINVAL, -EINVAL },
	{ "ref counter past end",  AT_NOP,	   FILE_BYTES + 1, -EINVAL, -EINVAL },
	{ "cut off by the end",	   AT_CUT,	   0,	       -ENOEXEC,    -ENOEXEC },
	{ "no instruction",	   AT_NONSENSE,	   0,	       -ENOEXEC,    -ENOEXEC },
	{ "refused",		   AT_REFUSED,	   0,	       -EOPNOTSUPP, -ENOTSUPP },
	{ "breakpoint of file",	   AT_BREAKPOINT,  0,	       -EOPNOTSUPP, -ENOTSUPP },
};

KUNIT_ARRAY_PARAM_DESC(row, rows, name);

static void register_row(struct kunit *test)
{
	const struct row *row = test->param_value;
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, row->offset);
	unsigned long text = uprobe_test_map_text(test, file);
	int active = atomic_read(&probepoints_active);
	struct probed_file *probed;

	u->ref_ctr_offset = row->ref_ctr_offset;
	if (row->no_handler)
		u->handler = NULL;
	KUNIT_EXPECT_EQ(test, register_uprobe(u), row->err);
	if (!row->err) {
		KUNIT_EXPECT_NOT_NULL(test, u->pp);
		KUNIT_EXPECT_EQ(test, atomic_read(&probepoints_active), active + 1);
		KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, text + row->offset),
				UPROBE_SWBP_INSN);
		KUNIT_EXPECT_EQ(test, register_uprobe(u), -EBUSY);
		unregister_uprobe(u);
	}
	KUNIT_EXPECT_NULL(test, u->pp);
	KUNIT_EXPECT_EQ(test, atomic_read(&probepoints_active), active);
	probed = probed_file_find(file_inode(file));
	if (probed) {
		/* Kept by sites that reclaim has not got to yet; no probepoint in it. */
		KUNIT_EXPECT_NULL(test, probepoint_find(probed, 0, LLONG_MAX));
		probed_file_put(probed);
	}
	if (row->err)
		KUNIT_EXPECT_FALSE(test, uprobe_test_own_page(test, text));
}

static void register_row_as_in_6_12(struct kunit *test)
{
	const struct row *row = test->param_value;
	struct uprobe_consumer uc = { .handler = row->no_handler ? NULL : old_handler };
	struct file *file = uprobe_test_file(test);
	int active = atomic_read(&probepoints_active);
	struct uprobe *u;

	u = uprobe_register(file_inode(file), row->offset, row->ref_ctr_offset, &uc);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(u), row->old_err);
	if (!row->old_err)
		KUNIT_EXPECT_EQ(test, atomic_read(&probepoints_active), active + 1);
	/* As callers do: whatever it is. */
	uprobe_unregister_nosync(u, &uc);
	uprobe_unregister_sync();
	KUNIT_EXPECT_EQ(test, atomic_read(&probepoints_active), active);
}

/* ------------------------------------------------------------- arguments */

static void nothing_to_register(struct kunit *test)
{
	struct uprobe *none[1] = { NULL };
	struct uprobe_consumer uc = { .handler = old_handler };
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_NOP);

	KUNIT_EXPECT_EQ(test, register_uprobe(NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, register_uprobes(NULL, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, register_uprobes(none, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, register_uprobes(&u, 0), -EINVAL);
	KUNIT_EXPECT_NULL(test, u->pp);
	u->inode = NULL;
	KUNIT_EXPECT_EQ(test, register_uprobe(u), -EINVAL);

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(uprobe_register(NULL, AT_NOP, 0, &uc)), -EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(uprobe_register(file_inode(file), AT_NOP, 0, NULL)),
			-EINVAL);
}

static void nothing_to_unregister(struct kunit *test)
{
	struct uprobe_consumer uc = { .handler = old_handler };
	struct file *file = uprobe_test_file(test);
	struct uprobe *never = uprobe_test_probe(test, file, AT_NOP);
	struct uprobe *good = uprobe_test_probe(test, file, AT_STEP);
	struct uprobe *mixed[] = { NULL, never, ERR_PTR(-EINVAL), good };
	int active = atomic_read(&probepoints_active);

	unregister_uprobe(NULL);
	unregister_uprobe(ERR_PTR(-ENOMEM));
	unregister_uprobe(never);
	unregister_uprobes(NULL, 3);
	uprobe_unregister_nosync(NULL, &uc);
	uprobe_unregister_nosync(ERR_PTR(-EINVAL), &uc);
	KUNIT_EXPECT_EQ(test, uprobe_apply(NULL, &uc, true), -ENOENT);
	KUNIT_EXPECT_EQ(test, uprobe_apply(ERR_PTR(-EINVAL), &uc, false), -ENOENT);
	KUNIT_EXPECT_EQ(test, atomic_read(&probepoints_active), active);

	uprobe_test_register(test, good);
	unregister_uprobes(mixed, ARRAY_SIZE(mixed));
	KUNIT_EXPECT_NULL(test, good->pp);
	KUNIT_EXPECT_EQ(test, atomic_read(&probepoints_active), active);
	unregister_uprobe(good);
	KUNIT_EXPECT_EQ(test, atomic_read(&probepoints_active), active);
}

static void ref_counter_must_agree(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *first = uprobe_test_probe(test, file, AT_NOP);
	struct uprobe *second = uprobe_test_probe(test, file, AT_NOP);

	first->ref_ctr_offset = 0x800;
	uprobe_test_register(test, first);
	KUNIT_EXPECT_EQ(test, register_uprobe(second), -EINVAL);
	second->ref_ctr_offset = 0x802;
	KUNIT_EXPECT_EQ(test, register_uprobe(second), -EINVAL);
	KUNIT_EXPECT_NULL(test, second->pp);
	second->ref_ctr_offset = 0x800;
	KUNIT_EXPECT_EQ(test, register_uprobe(second), 0);
	KUNIT_EXPECT_PTR_EQ(test, second->pp, first->pp);
	/* As in 6.12 it is called first. */
	KUNIT_EXPECT_PTR_EQ(test, list_first_entry(&first->pp->uprobes, struct uprobe, node),
			    second);
	unregister_uprobe(second);

	/* With the last one its counter is forgotten. */
	unregister_uprobe(first);
	second->ref_ctr_offset = 0x802;
	KUNIT_EXPECT_EQ(test, register_uprobe(second), 0);
}

/* The record is made from what the file holds at the first registration. */
static void file_is_read_again(struct kunit *test)
{
	static const u8 other[] = { 0x66, 0x90 };
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_NOP);
	bool mode = IS_ENABLED(CONFIG_X86_64);

	uprobe_test_register(test, u);
	KUNIT_EXPECT_EQ(test, u->pp->insn[mode].len, 1);
	unregister_uprobe(u);

	uprobe_test_write(test, file, AT_NOP, other, sizeof(other));
	uprobe_test_register(test, u);
	KUNIT_EXPECT_EQ(test, u->pp->insn[mode].len, 2);
	KUNIT_EXPECT_MEMEQ(test, u->pp->insn[mode].insn, other, sizeof(other));
}

/* A hit elsewhere may stand on what a handler has unregistered. */
static void unregistered_by_a_handler(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_NOP);
	struct uprobe_thread *t;
	int idx;

	uprobe_test_map_text(test, file);
	t = uprobe_thread_get(uprobe_test_um(test));
	KUNIT_ASSERT_NOT_NULL(test, t);
	uprobe_test_register(test, u);

	idx = srcu_read_lock(&uprobes_srcu);
	t->in_handler = true;
	unregister_uprobe(u);
	u->offset = AT_STEP;
	KUNIT_EXPECT_EQ(test, register_uprobe(u), -EBUSY);
	t->in_handler = false;
	srcu_read_unlock(&uprobes_srcu, idx);

	/* Who is no handler waits: to register it, and to know that it is out of use. */
	uprobe_test_register(test, u);
	KUNIT_EXPECT_EQ(test, u->pp->offset, AT_STEP);
	t->in_handler = true;
	unregister_uprobe(u);
	t->in_handler = false;
	KUNIT_EXPECT_TRUE(test, u->leaving);
	unregister_uprobe(u);
	KUNIT_EXPECT_TRUE(test, poll_state_synchronize_srcu(&uprobes_srcu, u->grace));
}

/* ------------------------------------------------------- kinds of files */

static void directory(struct kunit *test)
{
	struct path *root = kunit_kzalloc(test, sizeof(*root), GFP_KERNEL);
	struct uprobe *u = uprobe_test_probe(test, uprobe_test_file(test), 0);

	KUNIT_ASSERT_NOT_NULL(test, root);
	u->path = "/";
	KUNIT_EXPECT_EQ(test, register_uprobe(u), -EINVAL);
	KUNIT_EXPECT_NULL(test, u->held);

	KUNIT_ASSERT_EQ(test, kern_path("/", LOOKUP_FOLLOW, root), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_path, root), 0);
	u->path = NULL;
	u->inode = d_inode(root->dentry);
	KUNIT_EXPECT_EQ(test, register_uprobe(u), -EINVAL);
}

static void no_such_path(struct kunit *test)
{
	struct uprobe *u = uprobe_test_probe(test, uprobe_test_file(test), 0);

	u->path = "/no/such/file";
	KUNIT_EXPECT_EQ(test, register_uprobe(u), -ENOENT);
	KUNIT_EXPECT_NULL(test, u->held);
}

static void pipe(struct kunit *test)
{
	struct uprobe *u = uprobe_test_probe(test, uprobe_test_file(test), 0);
	struct file *ends[2];

	KUNIT_ASSERT_EQ(test, create_pipe_files(ends, 0), 0);
	u->inode = file_inode(ends[0]);
	KUNIT_EXPECT_EQ(test, register_uprobe(u), -EINVAL);
	fput(ends[0]);
	fput(ends[1]);
}

static void procfs_file(struct kunit *test)
{
	struct uprobe *u = uprobe_test_probe(test, uprobe_test_file(test), 0);
	struct file_system_type *type = get_fs_type("proc");
	struct vfsmount *mnt;
	struct file *file;

	if (!type)
		kunit_skip(test, "no procfs");
	mnt = vfs_kern_mount(type, 0, "proc", NULL);
	put_filesystem(type);
	KUNIT_ASSERT_FALSE(test, IS_ERR(mnt));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_mount, mnt), 0);
	file = file_open_root_mnt(mnt, "version", O_RDONLY, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_file, file), 0);

	KUNIT_ASSERT_TRUE(test, S_ISREG(file_inode(file)->i_mode));
	u->inode = file_inode(file);
	KUNIT_EXPECT_EQ(test, register_uprobe(u), -EIO);
}

#define PATH_NAME "/uprobes-kunit"

static void unlink_path(void *unused)
{
	struct path parent;
	struct dentry *dentry = kern_path_locked(PATH_NAME, &parent);

	if (IS_ERR(dentry))
		return;
	vfs_unlink(mnt_idmap(parent.mnt), d_inode(parent.dentry), dentry, NULL);
	inode_unlock(d_inode(parent.dentry));
	dput(dentry);
	path_put(&parent);
}

static void by_path(struct kunit *test)
{
	struct uprobe *u = uprobe_test_probe(test, uprobe_test_file(test), 0);
	struct file *file = filp_open(PATH_NAME, O_CREAT | O_EXCL | O_RDWR, 0700);
	struct inode *inode;
	int held;

	if (IS_ERR(file))
		kunit_skip(test, "cannot write to the root: %ld", PTR_ERR(file));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_file, file), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, unlink_path, NULL), 0);
	uprobe_test_write(test, file, 0, step_insn, sizeof(step_insn));

	inode = file_inode(file);
	held = atomic_read(&inode->i_count);
	u->path = PATH_NAME;
	u->inode = NULL;
	uprobe_test_register(test, u);
	KUNIT_EXPECT_PTR_EQ(test, u->inode, inode);
	KUNIT_EXPECT_GT(test, atomic_read(&inode->i_count), held);
	unregister_uprobe(u);
	KUNIT_EXPECT_NULL(test, u->held);
	KUNIT_EXPECT_TRUE(test, wait_for(atomic_read(&inode->i_count) == held));

	/* A refusal keeps no reference either. */
	u->offset = 1000;
	KUNIT_EXPECT_EQ(test, register_uprobe(u), -EINVAL);
	KUNIT_EXPECT_NULL(test, u->held);
	KUNIT_EXPECT_EQ(test, atomic_read(&inode->i_count), held);
}

/* ------------------------------------------------------------ by process */

/* Registration by pid looks at processes; the test's thread is made to be one. */
static int register_as_process(struct uprobe *u)
{
	int err;

	current->flags &= ~PF_KTHREAD;
	err = register_uprobe(u);
	current->flags |= PF_KTHREAD;
	return err;
}

static void no_such_process(struct kunit *test)
{
	struct uprobe *u = uprobe_test_probe(test, uprobe_test_file(test), 0);

	u->inode = NULL;
	u->pid = PID_MAX_LIMIT + 1;
	u->vaddr = PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, register_uprobe(u), -ESRCH);
	/* A process, but a kernel thread. */
	u->pid = 2;
	KUNIT_EXPECT_EQ(test, register_uprobe(u), -ESRCH);
	u->pid = -1;
	KUNIT_EXPECT_EQ(test, register_uprobe(u), -EINVAL);
	u->pid = 0;
	KUNIT_EXPECT_EQ(test, register_uprobe(u), -EINVAL);
}

static void process_without_text_there(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, 0);
	unsigned long stack = uprobe_test_map_stack(test, PAGE_SIZE);
	unsigned long shared = uprobe_test_map(test, file, PROT_READ | PROT_EXEC, MAP_SHARED);
	unsigned long data = uprobe_test_map(test, file, PROT_READ, MAP_PRIVATE);

	u->inode = NULL;
	u->pid = task_pid_vnr(current);
	u->vaddr = 0;
	KUNIT_EXPECT_EQ(test, register_as_process(u), -ENOENT);
	u->vaddr = stack - PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, register_as_process(u), -ENOENT);
	u->vaddr = shared + AT_NOP;
	KUNIT_EXPECT_EQ(test, register_as_process(u), -ENOENT);
	u->vaddr = data + AT_NOP;
	KUNIT_EXPECT_EQ(test, register_as_process(u), -ENOENT);
	u->vaddr = ULONG_MAX;
	KUNIT_EXPECT_EQ(test, register_as_process(u), -ENOENT);
	KUNIT_EXPECT_NULL(test, u->only);
	KUNIT_EXPECT_NULL(test, u->held);
}

static void by_process(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, 0);
	unsigned long text = uprobe_test_map_text(test, file), elsewhere;
	struct mm_struct *home;

	u->inode = NULL;
	u->pid = task_pid_vnr(current);
	u->vaddr = text + AT_REFUSED;
	KUNIT_EXPECT_EQ(test, register_as_process(u), -EOPNOTSUPP);
	KUNIT_EXPECT_NULL(test, u->only);
	KUNIT_EXPECT_NULL(test, u->held);

	u->vaddr = text + AT_NEXT_PAGE;
	KUNIT_ASSERT_EQ(test, register_as_process(u), 0);
	KUNIT_EXPECT_PTR_EQ(test, u->inode, file_inode(file));
	KUNIT_EXPECT_EQ(test, u->offset, (loff_t)AT_NEXT_PAGE);
	KUNIT_EXPECT_PTR_EQ(test, u->only, current->mm);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, u->vaddr), UPROBE_SWBP_INSN);

	/* Another process that maps the file is left alone. */
	home = uprobe_test_other_mm(test);
	elsewhere = vm_mmap(file, 0, FILE_MAPPED, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0);
	KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(elsewhere));
	if (!IS_ERR_VALUE(elsewhere)) {
		u8 byte = 0;

		uprobe_test_read(elsewhere + AT_NEXT_PAGE, &byte, 1);
		KUNIT_EXPECT_EQ(test, byte, 0x90);
	}
	uprobe_test_end_other_mm(home);

	unregister_uprobe(u);
	KUNIT_EXPECT_NULL(test, u->only);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, text + AT_NEXT_PAGE), 0x90);
}

/* ------------------------------------------------------------------ many */

static void all_of_them(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	unsigned long text = uprobe_test_map_text(test, file);
	int active = atomic_read(&probepoints_active);
	struct uprobe *us[] = {
		uprobe_test_probe(test, file, AT_NOP),
		uprobe_test_probe(test, file, AT_STEP),
		uprobe_test_probe(test, file, AT_STEP),
		uprobe_test_probe(test, file, AT_NEXT_PAGE),
	};
	int i;

	KUNIT_ASSERT_EQ(test, register_uprobes(us, ARRAY_SIZE(us)), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&probepoints_active), active + 3);
	for (i = 0; i < ARRAY_SIZE(us); i++)
		KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, text + us[i]->offset),
				UPROBE_SWBP_INSN);
	unregister_uprobes(us, ARRAY_SIZE(us));
	for (i = 0; i < ARRAY_SIZE(us); i++) {
		KUNIT_EXPECT_NULL(test, us[i]->pp);
		KUNIT_EXPECT_NE(test, uprobe_test_byte(test, text + us[i]->offset),
				UPROBE_SWBP_INSN);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&probepoints_active), active);
}

static void one_bad_one(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	unsigned long text = uprobe_test_map_text(test, file);
	int active = atomic_read(&probepoints_active);
	struct uprobe *us[] = {
		uprobe_test_probe(test, file, AT_NOP),
		uprobe_test_probe(test, file, AT_STEP),
		uprobe_test_probe(test, file, AT_REFUSED),
		uprobe_test_probe(test, file, AT_NEXT_PAGE),
	};
	int i;

	KUNIT_EXPECT_EQ(test, register_uprobes(us, ARRAY_SIZE(us)), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, atomic_read(&probepoints_active), active);
	for (i = 0; i < ARRAY_SIZE(us); i++) {
		KUNIT_EXPECT_NULL(test, us[i]->pp);
		KUNIT_EXPECT_NE(test, uprobe_test_byte(test, text + us[i]->offset),
				UPROBE_SWBP_INSN);
	}
	KUNIT_EXPECT_FALSE(test, uprobe_test_own_page(test, text));

	us[2]->offset = AT_STEP2;
	KUNIT_EXPECT_EQ(test, register_uprobes(us, ARRAY_SIZE(us)), 0);
}

/* In no order, two on one instruction, one of them taken out by itself and named twice. */
static void of_two_files(struct kunit *test)
{
	struct file *a = uprobe_test_file(test), *b = uprobe_test_file(test);
	unsigned long at_a = uprobe_test_map_text(test, a);
	unsigned long again = uprobe_test_map_text(test, a);
	unsigned long at_b = uprobe_test_map_text(test, b);
	int active = atomic_read(&probepoints_active);
	struct uprobe *us[] = {
		uprobe_test_probe(test, b, AT_NEXT_PAGE),
		uprobe_test_probe(test, a, AT_STEP),
		uprobe_test_probe(test, b, AT_NOP),
		uprobe_test_probe(test, a, AT_NEXT_PAGE),
		uprobe_test_probe(test, a, AT_STEP),
		uprobe_test_probe(test, a, 0),
	};
	struct uprobe *some[] = { us[3], us[1], NULL, us[1], us[0] };
	int i;

	KUNIT_ASSERT_EQ(test, register_uprobes(us, ARRAY_SIZE(us)), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&probepoints_active), active + 5);
	for (i = 0; i < ARRAY_SIZE(us); i++) {
		bool in_a = us[i]->inode == file_inode(a);

		KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, (in_a ? at_a : at_b) + us[i]->offset),
				UPROBE_SWBP_INSN);
		if (in_a)
			KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, again + us[i]->offset),
					UPROBE_SWBP_INSN);
	}

	unregister_uprobes(some, ARRAY_SIZE(some));
	KUNIT_EXPECT_EQ(test, atomic_read(&probepoints_active), active + 3);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, at_a + AT_STEP), UPROBE_SWBP_INSN);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, again), UPROBE_SWBP_INSN);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, at_b + AT_NOP), UPROBE_SWBP_INSN);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, at_a + AT_NEXT_PAGE), 0x90);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, again + AT_NEXT_PAGE), 0x90);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, at_b + AT_NEXT_PAGE), 0x90);
	KUNIT_EXPECT_NULL(test, us[1]->pp);
	KUNIT_EXPECT_NOT_NULL(test, us[4]->pp);

	unregister_uprobes(us, ARRAY_SIZE(us));
	KUNIT_EXPECT_EQ(test, atomic_read(&probepoints_active), active);
	KUNIT_EXPECT_FALSE(test, uprobe_test_own_page(test, at_a));
	KUNIT_EXPECT_FALSE(test, uprobe_test_own_page(test, again + AT_NEXT_PAGE));
	KUNIT_EXPECT_FALSE(test, uprobe_test_own_page(test, at_b));
}

/* One that was there before stays when a group that names it again fails. */
static void group_with_a_registered_one(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *old = uprobe_test_probe(test, file, AT_STEP);
	struct uprobe *us[] = { uprobe_test_probe(test, file, AT_NOP), old };

	uprobe_test_register(test, old);
	KUNIT_EXPECT_EQ(test, register_uprobes(us, ARRAY_SIZE(us)), -EBUSY);
	KUNIT_EXPECT_NULL(test, us[0]->pp);
	KUNIT_EXPECT_NOT_NULL(test, old->pp);
}

/* -------------------------------------------------------------- refusals */

static void refusals_are_noted(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct refusal_note *notes, *last;
	unsigned int n;

	notes = kunit_kcalloc(test, UPROBE_REFUSALS_KEPT, sizeof(*notes), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, notes);
	KUNIT_EXPECT_EQ(test, register_uprobe(uprobe_test_probe(test, file, AT_REFUSED)),
			-EOPNOTSUPP);
	n = probepoint_refusals(notes);
	KUNIT_ASSERT_GT(test, n, 0);
	last = &notes[n - 1];
	KUNIT_EXPECT_EQ(test, last->dev, file_inode(file)->i_sb->s_dev);
	KUNIT_EXPECT_EQ(test, last->ino, file_inode(file)->i_ino);
	KUNIT_EXPECT_EQ(test, last->offset, (loff_t)AT_REFUSED);
	KUNIT_EXPECT_EQ(test, last->why, UPROBE_REFUSE_FAR);
	KUNIT_EXPECT_EQ(test, last->len, 2);
	KUNIT_EXPECT_EQ(test, last->insn[0], 0xff);
	KUNIT_EXPECT_EQ(test, last->insn[1], 0x18);
	KUNIT_EXPECT_EQ(test, last->is64, IS_ENABLED(CONFIG_X86_64));
}

/* More than are kept: the last ones stay, oldest first. */
static void refusals_wrap(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, 0);
	const int more = UPROBE_REFUSALS_KEPT + 6;
	struct refusal_note *notes;
	int i;

	notes = kunit_kcalloc(test, UPROBE_REFUSALS_KEPT, sizeof(*notes), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, notes);
	for (i = 0; i < more; i++) {
		static const u8 refused[] = { 0xff, 0x18 };

		u->offset = 0x800 + 4 * i;
		uprobe_test_write(test, file, u->offset, refused, sizeof(refused));
		KUNIT_ASSERT_EQ(test, register_uprobe(u), -EOPNOTSUPP);
	}
	KUNIT_ASSERT_EQ(test, probepoint_refusals(notes), UPROBE_REFUSALS_KEPT);
	for (i = 0; i < UPROBE_REFUSALS_KEPT; i++) {
		KUNIT_EXPECT_EQ(test, notes[i].ino, file_inode(file)->i_ino);
		KUNIT_EXPECT_EQ(test, notes[i].offset,
				(loff_t)(0x800 + 4 * (more - UPROBE_REFUSALS_KEPT + i)));
	}
}

/* ----------------------------------------------------------- probepoints */

static void found_by_range(struct kunit *test)
{
	static const loff_t at[] = { AT_STEP2, AT_NOP, AT_NEXT_PAGE, AT_STEP };
	struct file *file = uprobe_test_file(test);
	struct probed_file *probed;
	struct probepoint *pp;
	struct {
		loff_t min, max, found;
	} asks[] = {
		{ 0, LLONG_MAX, AT_NOP },
		{ 0, AT_NOP - 1, -1 },
		{ AT_NOP, AT_NOP, AT_NOP },
		{ AT_NOP + 1, AT_STEP2, AT_STEP },
		{ AT_STEP + 1, AT_STEP2 - 1, -1 },
		{ AT_STEP2 + 1, LLONG_MAX, AT_NEXT_PAGE },
		{ AT_NEXT_PAGE + 1, LLONG_MAX, -1 },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(at); i++)
		uprobe_test_register(test, uprobe_test_probe(test, file, at[i]));
	probed = probed_file_find(file_inode(file));
	KUNIT_ASSERT_NOT_NULL(test, probed);
	for (i = 0; i < ARRAY_SIZE(asks); i++) {
		pp = probepoint_find(probed, asks[i].min, asks[i].max);
		KUNIT_EXPECT_EQ(test, pp ? pp->offset : -1, asks[i].found);
		if (pp)
			probepoint_put(pp);
	}
	probed_file_put(probed);
}

/* The last one gone, the inode is let go. */
static void nothing_is_kept(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct inode *inode = file_inode(file);
	int i, held = atomic_read(&inode->i_count);

	for (i = 0; i < 200; i++) {
		struct uprobe *u = uprobe_test_probe(test, file, i % 2 ? AT_NOP : AT_STEP);

		uprobe_test_register(test, u);
		unregister_uprobe(u);
	}
	KUNIT_EXPECT_TRUE(test, wait_for(atomic_read(&inode->i_count) == held));
	KUNIT_EXPECT_NULL(test, probed_file_find(inode));
}

static struct kunit_case register_cases[] = {
	KUNIT_CASE_PARAM(register_row, row_gen_params),
	KUNIT_CASE_PARAM(register_row_as_in_6_12, row_gen_params),
	KUNIT_CASE(nothing_to_register),
	KUNIT_CASE(nothing_to_unregister),
	KUNIT_CASE(ref_counter_must_agree),
	KUNIT_CASE(file_is_read_again),
	KUNIT_CASE(unregistered_by_a_handler),
	KUNIT_CASE(directory),
	KUNIT_CASE(no_such_path),
	KUNIT_CASE(pipe),
	KUNIT_CASE(procfs_file),
	KUNIT_CASE(by_path),
	KUNIT_CASE(no_such_process),
	KUNIT_CASE(process_without_text_there),
	KUNIT_CASE(by_process),
	KUNIT_CASE(all_of_them),
	KUNIT_CASE(of_two_files),
	KUNIT_CASE(one_bad_one),
	KUNIT_CASE(group_with_a_registered_one),
	KUNIT_CASE(refusals_are_noted),
	KUNIT_CASE(refusals_wrap),
	KUNIT_CASE(found_by_range),
	KUNIT_CASE_SLOW(nothing_is_kept),
	{ }
};

static struct kunit_suite register_suite = {
	.name = "uprobes_register",
	.test_cases = register_cases,
};

kunit_test_suite(register_suite);
