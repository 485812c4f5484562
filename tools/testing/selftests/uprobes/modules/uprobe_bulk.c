// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hundreds of thousands of probes at once for the tests of the instructions: a
 * perf event for each would be too slow. Every probe has its own count and
 * tells its own errno. See uprobe_bulk.h.
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/ptrace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uprobes.h>

#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#ifdef CONFIG_X86_64
#include <asm/fsgsbase.h>
#endif

#include "uprobe_bulk.h"

#define BULK_MAX	1000000

struct bulk_probe {
	struct uprobe	u;
	atomic_long_t	hits;
	u64		arg;
	u8		spoil;
};

struct bulk_set {
	struct mutex		lock;		/* all, but what handlers read */
	struct inode		*inode;
	struct bulk_probe	*probes;
	struct uprobe		**us;
	u32			n;
};

static void spoil_memory(u64 arg)
{
	u8 __user *at = (u8 __user *)(unsigned long)arg;
	u8 byte;

	if (!get_user(byte, at) && put_user(byte ^ 0x10, at))
		pr_warn("uprobe_bulk: no write to %#llx\n", arg);
}

/* The registers are put into memory first, and taken from there at the end. */
static void spoil_vector(void)
{
	kernel_fpu_begin();
	current->thread.fpu.fpstate->regs.fxsave.xmm_space[0] ^= 4;
	kernel_fpu_end();
}

static void spoil_base(void)
{
#ifdef CONFIG_X86_64
	preempt_disable();
	x86_fsbase_write_cpu(x86_fsbase_read_cpu() ^ 8);
	preempt_enable();
#endif
}

static void spoil(struct bulk_probe *p, struct pt_regs *regs)
{
	switch (p->spoil) {
	case SPOIL_REGISTER:
		regs->bp ^= 0x20;
		break;
	case SPOIL_FLAG:
		regs->flags ^= X86_EFLAGS_CF;
		break;
	case SPOIL_MEMORY:
		spoil_memory(p->arg);
		break;
	case SPOIL_VECTOR:
		spoil_vector();
		break;
	case SPOIL_BASE:
		spoil_base();
		break;
	case SPOIL_SKIP:
		regs->ip += p->arg;
		break;
	case SPOIL_SIGNAL:
		send_sig(SIGUSR1, current, 0);
		break;
	case SPOIL_MISSED:
		atomic_long_dec(&p->hits);
		break;
	case SPOIL_DOUBLE:
		atomic_long_inc(&p->hits);
		break;
	case SPOIL_VALUE:
		regs->ax ^= 1;
		break;
	}
}

static int on_hit(struct uprobe *u, struct pt_regs *regs)
{
	struct bulk_probe *p = container_of(u, struct bulk_probe, u);

	atomic_long_inc(&p->hits);
	if (unlikely(p->spoil))
		spoil(p, regs);
	return 0;
}

static void on_return(struct uprobe *u, unsigned long func, struct pt_regs *regs)
{
	struct bulk_probe *p = container_of(u, struct bulk_probe, u);

	/* Of this very function, as far as a file's offset tells */
	if (offset_in_page(func) != offset_in_page(u->offset))
		return;
	on_hit(&p->u, regs);
}

static int add(struct bulk_set *set, const struct bulk_add *req)
{
	u64 __user *offsets = (u64 __user *)(unsigned long)req->offsets;
	s32 __user *errors = (s32 __user *)(unsigned long)req->errors;
	u64 offset;
	u32 i;
	int err;

	if (set->probes || !req->n || req->n > BULK_MAX)
		return -EINVAL;
	CLASS(fd, f)(req->fd);
	if (!fd_file(f))
		return -EBADF;
	set->probes = kvcalloc(req->n, sizeof(*set->probes), GFP_KERNEL_ACCOUNT);
	set->us = kvcalloc(req->n, sizeof(*set->us), GFP_KERNEL_ACCOUNT);
	if (!set->probes || !set->us)
		return -ENOMEM;
	set->inode = file_inode(fd_file(f));
	ihold(set->inode);
	set->n = req->n;

	for (i = 0; i < req->n; i++) {
		struct uprobe *u = &set->probes[i].u;

		if (fatal_signal_pending(current))
			return -EINTR;
		if (get_user(offset, offsets + i))
			return -EFAULT;
		u->inode = set->inode;
		u->offset = offset;
		if (req->returns)
			u->ret_handler = on_return;
		else
			u->handler = on_hit;
		set->us[i] = u;
		err = register_uprobe(u);
		if (put_user(err, errors + i))
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

static int hits(struct bulk_set *set, struct bulk_hits *req)
{
	u64 __user *counts = (u64 __user *)(unsigned long)req->counts;
	u64 n;
	u32 i;

	req->sum = 0;
	for (i = 0; i < set->n; i++) {
		n = atomic_long_read(&set->probes[i].hits);
		req->sum += n;
		if (counts && put_user(n, counts + i))
			return -EFAULT;
	}
	return 0;
}

static int set_spoil(struct bulk_set *set, const struct bulk_spoil *req)
{
	struct bulk_probe *p;

	if (req->index >= set->n || req->how >= SPOIL_HOWS)
		return -EINVAL;
	p = &set->probes[req->index];
	p->arg = req->arg;
	p->spoil = req->how;
	return 0;
}

static long bulk_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct bulk_set *set = file->private_data;
	void __user *user = (void __user *)arg;
	union {
		struct bulk_add add;
		struct bulk_hits hits;
		struct bulk_spoil spoil;
	} req;
	int err;

	if (_IOC_SIZE(cmd) > sizeof(req) || copy_from_user(&req, user, _IOC_SIZE(cmd)))
		return -EFAULT;
	mutex_lock(&set->lock);
	switch (cmd) {
	case BULK_ADD:
		err = add(set, &req.add);
		break;
	case BULK_HITS:
		err = hits(set, &req.hits);
		if (!err && copy_to_user(user, &req.hits, sizeof(req.hits)))
			err = -EFAULT;
		break;
	case BULK_SPOIL:
		err = set_spoil(set, &req.spoil);
		break;
	default:
		err = -ENOTTY;
	}
	mutex_unlock(&set->lock);
	return err;
}

static int bulk_open(struct inode *inode, struct file *file)
{
	struct bulk_set *set = kzalloc(sizeof(*set), GFP_KERNEL);

	if (!set)
		return -ENOMEM;
	mutex_init(&set->lock);
	file->private_data = set;
	return 0;
}

static int bulk_release(struct inode *inode, struct file *file)
{
	struct bulk_set *set = file->private_data;

	/* What was not registered is passed over. */
	unregister_uprobes(set->us, set->n);
	iput(set->inode);
	kvfree(set->us);
	kvfree(set->probes);
	mutex_destroy(&set->lock);
	kfree(set);
	return 0;
}

static const struct file_operations bulk_fops = {
	.owner		= THIS_MODULE,
	.open		= bulk_open,
	.release	= bulk_release,
	.unlocked_ioctl	= bulk_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct dentry *file;

static int __init uprobe_bulk_init(void)
{
	file = debugfs_create_file_unsafe(BULK_FILE, 0600, NULL, NULL, &bulk_fops);
	return PTR_ERR_OR_ZERO(file);
}

static void __exit uprobe_bulk_exit(void)
{
	debugfs_remove(file);
}

module_init(uprobe_bulk_init);
module_exit(uprobe_bulk_exit);
MODULE_DESCRIPTION("Many user-space probes at once");
MODULE_LICENSE("GPL");
