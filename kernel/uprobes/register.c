// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registration: the public interface, and the one of kernel 6.12 on top of it.
 *
 * Unregistering, step by step: the uprobe is taken off its probepoint's list, so
 * hits that begin now do not see it; its breakpoints are taken out; and a grace
 * period of uprobes_srcu is waited for, after which no handler of it runs. Who
 * may still call it until then: hits that are walking the list, among them ones
 * whose handlers sleep, and returns, which walk the same list. A handler that
 * unregisters does not wait, since it would wait for itself.
 */
#define pr_fmt(fmt) "uprobes: " fmt

#include <linux/export.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "internal.h"

DEFINE_SRCU(uprobes_srcu);

/* ------------------------------------------------------------ which file */

/*
 * Keep the file of a probe that was given by path or by address. Its file system
 * may be unmounted meanwhile; it ends when the probe does.
 */
static void keep_file(struct uprobe *u, struct inode *inode)
{
	ihold(inode);
	atomic_inc(&inode->i_sb->s_active);
	u->held = inode;
	u->inode = inode;
}

static void give_back(struct inode *held, struct mm_struct *only)
{
	if (held) {
		struct super_block *sb = held->i_sb;

		iput(held);
		deactivate_super(sb);
	}
	if (only)
		mmdrop(only);
}

static int find_by_path(struct uprobe *u)
{
	struct inode *inode;
	struct path path;
	int err;

	err = kern_path(u->path, LOOKUP_FOLLOW, &path);
	if (err)
		return err;
	/* Of an overlay: the file whose pages are mapped. */
	inode = d_real_inode(path.dentry);
	if (S_ISREG(inode->i_mode))
		keep_file(u, inode);
	else
		err = -EINVAL;
	path_put(&path);
	return err;
}

static int find_by_pid(struct uprobe *u)
{
	struct vm_area_struct *vma;
	struct task_struct *task;
	struct mm_struct *mm;
	int err = -ENOENT;

	rcu_read_lock();
	task = find_task_by_vpid(u->pid);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	if (!task)
		return -ESRCH;
	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm)
		return -ESRCH;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, u->vaddr);
	if (vma && text_vma_ok(vma) && (vma->vm_flags & VM_EXEC)) {
		keep_file(u, file_inode(vma->vm_file));
		u->offset = vma_offset_of(vma, u->vaddr);
		u->only = mm;
		mmgrab(mm);
		err = 0;
	}
	mmap_read_unlock(mm);
	mmput(mm);
	return err;
}

struct late_release {
	struct deferral		grace;
	struct work_struct	work;
	struct inode		*held;
	struct mm_struct	*only;
};

static void release_late(struct work_struct *work)
{
	struct late_release *r = container_of(work, struct late_release, work);

	give_back(r->held, r->only);
	kfree(r);
}

/* May take as long as a file system takes to be unmounted: others wait for this worker. */
static void release_elsewhere(struct deferral *d)
{
	struct late_release *r = container_of(d, struct late_release, grace);

	INIT_WORK(&r->work, release_late);
	queue_work(system_unbound_wq, &r->work);
}

/*
 * In a handler there was no waiting: others may still compare their mm with
 * @u->only, which must not come to mean "all" for them.
 */
static void forget_file_later(struct uprobe *u)
{
	struct late_release *r;

	if (!u->held && !u->only)
		return;
	r = kmalloc(sizeof(*r), GFP_KERNEL | __GFP_NOFAIL);
	r->held = u->held;
	r->only = u->only;
	defer(&r->grace, release_elsewhere);
}

static void forget_file(struct uprobe *u)
{
	give_back(u->held, u->only);
	/* Of a consumer there is nothing to forget, and nobody has waited for its handlers. */
	if (u->held) {
		u->inode = NULL;
		u->held = NULL;
	}
	if (u->only) {
		u->offset = 0;
		u->only = NULL;
	}
}

static int check_file(const struct uprobe *u)
{
	struct inode *inode = u->inode;

	if (!S_ISREG(inode->i_mode))
		return -EINVAL;
	/* Text is read by the page. */
	if (!inode->i_mapping->a_ops->read_folio && !shmem_mapping(inode->i_mapping))
		return -EIO;
	if (u->offset < 0 || u->offset >= i_size_read(inode))
		return -EINVAL;
	if (!u->ref_ctr_offset)
		return 0;
	if (u->ref_ctr_offset < 0 || !IS_ALIGNED(u->ref_ctr_offset, sizeof(s16)) ||
	    u->ref_ctr_offset > i_size_read(inode) - (loff_t)sizeof(s16))
		return -EINVAL;
	return 0;
}

/* --------------------------------------------------- in, and out, by file */

static int by_place(const struct probepoint *a, const struct probepoint *b)
{
	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int compare_points(const void *a, const void *b)
{
	return by_place(*(struct probepoint * const *)a, *(struct probepoint * const *)b);
}

/* A registered uprobe, whose probepoint is held: its handler may unregister it any time. */
struct listed {
	struct uprobe *u;
	struct probepoint *pp;
};

static int compare_listed(const void *a, const void *b)
{
	return by_place(((const struct listed *)a)->pp, ((const struct listed *)b)->pp);
}

/* Sort, and give back the references of those that are there twice. Returns how many stay. */
static unsigned int sort_points(struct probepoint **pps, unsigned int n)
{
	unsigned int i, m = 1;

	sort(pps, n, sizeof(*pps), compare_points, NULL);
	for (i = 1; i < n; i++) {
		if (pps[i] == pps[m - 1])
			probepoint_put(pps[i]);
		else
			pps[m++] = pps[i];
	}
	return m;
}

/* Plant these, sorted, whose uprobes are listed: what is in one file in one go. */
static int plant(struct probepoint **pps, unsigned int n)
{
	unsigned int i, end;
	int err = 0;

	for (i = 0; i < n && !err; i = end) {
		struct probed_file *file = pps[i]->file;

		for (end = i + 1; end < n && pps[end]->file == file; end++)
			;
		mutex_lock(&file->lock);
		/* Their handlers may have taken them out meanwhile, the last ones of the file. */
		if (!READ_ONCE(file->retired))
			err = insert_everywhere(pps + i, end - i);
		mutex_unlock(&file->lock);
	}
	return err;
}

/* List @u at its probepoint, which is held for @u and for the caller. */
static int add(struct uprobe *u, struct probepoint **found)
{
	struct probed_file *file;
	struct probepoint *pp;

	file = probed_file_lock(u->inode);
	if (IS_ERR(file))
		return PTR_ERR(file);
	pp = probepoint_get(file, u->offset, u->ref_ctr_offset);
	if (!IS_ERR(pp)) {
		refcount_inc(&pp->refs);
		*found = pp;
		WRITE_ONCE(u->pp, pp);
		if (u->ret_handler)
			retpoint_want(pp);
		/* In front: as in 6.12 the last one registered is called first. */
		list_add_rcu(&u->node, &pp->uprobes);
	}
	probed_file_retire_idle(file);
	mutex_unlock(&file->make_lock);
	mutex_unlock(&file->lock);
	probed_file_put(file);
	return PTR_ERR_OR_ZERO(pp);
}

/* Of some of one file: off the lists, and out of all mms. @pps: room for as many. */
static void hide(const struct listed *ls, unsigned int n, struct probepoint **pps)
{
	struct probed_file *file = ls[0].pp->file;
	unsigned int i, m = 0;

	mutex_lock(&file->lock);
	for (i = 0; i < n; i++) {
		struct probepoint *pp = ls[i].pp;
		struct uprobe *u = ls[i].u;

		if (!(i % 64))
			cond_resched();
		/* Twice in one array, or by its handler meanwhile? */
		if (u->pp != pp || !u->node.prev)
			continue;
		list_del_rcu(&u->node);
		/* Nobody follows it. Says that this has been done. */
		u->node.prev = NULL;
		if (u->ret_handler)
			retpoint_unwant(pp);
		if (!m || pps[m - 1] != pp)
			pps[m++] = pp;
	}
	if (m)
		remove_everywhere(pps, m);
	mutex_lock(&file->make_lock);
	for (i = 0; i < m; i++) {
		if (!list_empty(&pps[i]->uprobes))
			continue;
		/* One that functions return to is the worker's. */
		if (pps[i]->left)
			retpoint_take_over(pps[i]);
		else if (list_empty(&pps[i]->return_node))
			probepoint_hide(pps[i]);
		else if (!atomic_read(&pps[i]->sites))
			retpoint_tidy_later();
	}
	probed_file_retire_idle(file);
	mutex_unlock(&file->make_lock);
	mutex_unlock(&file->lock);
}

/* They are sorted on the way, and not held any more afterwards. */
static void unplant(struct listed *ls, unsigned int n, struct probepoint **pps)
{
	unsigned int i, end;

	sort(ls, n, sizeof(*ls), compare_listed, NULL);
	for (i = 0; i < n; i = end) {
		for (end = i + 1; end < n && ls[end].pp->file == ls[i].pp->file; end++)
			;
		hide(ls + i, end - i, pps);
	}
	for (i = 0; i < n; i++)
		probepoint_put(ls[i].pp);
}

/* Hold the probepoint of @u; false if it is not registered, or not any more. */
static bool hold(struct uprobe *u, struct listed *l)
{
	struct probepoint *pp;
	int idx;

	if (IS_ERR_OR_NULL(u))
		return false;
	/* It is freed a grace period after the last one let go. */
	idx = srcu_read_lock(&uprobes_srcu);
	pp = READ_ONCE(u->pp);
	if (pp && !refcount_inc_not_zero(&pp->refs))
		pp = NULL;
	srcu_read_unlock(&uprobes_srcu, idx);
	*l = (struct listed) { u, pp };
	return pp;
}

static bool in_handler(void)
{
	struct uprobe_thread *t = uprobe_thread_of(current);

	return t && t->in_handler;
}

static void wait_for_handlers(void)
{
	if (!in_handler())
		synchronize_srcu_expedited(&uprobes_srcu);
}

/*
 * A handler has unregistered it: hits that were on their way then may still stand on it,
 * and go on from there to the next one of its list.
 */
static bool handlers_are_past(struct uprobe *u)
{
	if (likely(!u->leaving))
		return true;
	if (!poll_state_synchronize_srcu(&uprobes_srcu, u->grace))
		wait_for_handlers();
	if (!poll_state_synchronize_srcu(&uprobes_srcu, u->grace))
		return false;
	u->leaving = false;
	return true;
}

/* Checked, and listed at its probepoint; or refused with nothing left behind. */
static int register_begin(struct uprobe *u, struct probepoint **pp)
{
	int err;

	if (!u || (!u->handler && !u->ret_handler))
		return -EINVAL;
	if (u->pp || !handlers_are_past(u))
		return -EBUSY;
	/* What a handler that unregistered it has left behind. */
	if (u->held)
		u->inode = NULL;
	u->held = NULL;
	u->only = NULL;
	if (u->path)
		err = find_by_path(u);
	else if (!u->inode)
		err = u->pid > 0 ? find_by_pid(u) : -EINVAL;
	else
		err = 0;
	if (err)
		return err;

	err = check_file(u);
	if (!err)
		err = add(u, pp);
	if (err)
		forget_file(u);
	return err;
}

static void unregister_finish(struct uprobe *u)
{
	struct probepoint *pp;

	if (IS_ERR_OR_NULL(u) || !READ_ONCE(u->pp))
		return;
	if (in_handler()) {
		u->grace = start_poll_synchronize_srcu(&uprobes_srcu);
		/* Who finds no probepoint any more sees that. */
		WRITE_ONCE(u->leaving, true);
	}
	/* First: see hold(). Two handlers may be at it. */
	pp = xchg(&u->pp, NULL);
	if (!pp)
		return;
	probepoint_put(pp);
	if (in_handler())
		forget_file_later(u);
	else
		forget_file(u);
}

/* ------------------------------------------------------- public interface */

/**
 * register_uprobes - register several probes, or none
 * @us: the probes, filled in by the caller; see &struct uprobe
 * @n: how many
 *
 * Each is planted in every process that maps its file, now and later, as far as
 * its filter agrees. What cannot be planted in some process for a reason that
 * lies there is counted (debugfs, uprobes/list) and is no error.
 *
 * Context: may sleep. May be called from a handler. Not with mmap_lock held.
 * Return: 0, or the error of the first that failed, and none is registered:
 *
 * * %-EINVAL: no handler; no file; not a regular file; offset beyond its end;
 *   ref counter not aligned, beyond the end, or another than the one that is in
 *   use for this instruction
 * * %-EBUSY: it is registered already; or a handler has unregistered it, handlers may
 *	still be running, and this is one, which cannot wait for them
 * * %-ESRCH, %-ENOENT: no such process; no text of a file at that address
 * * %-EIO: a file without pages, or that cannot be read
 * * %-ENOEXEC: no instruction there
 * * %-EOPNOTSUPP: the instruction is refused; the reason is in the kernel log
 *   and in debugfs, uprobes/refused
 * * %-EINTR: the caller is being killed
 * * %-ENOMEM, and what looking up the path gives
 */
int register_uprobes(struct uprobe **us, unsigned int n)
{
	struct probepoint *one, **pps = &one;
	unsigned int i, listed;
	int err = 0;

	if (!us || !n)
		return -EINVAL;
	if (n > 1)
		pps = kvmalloc_array(n, sizeof(*pps), GFP_KERNEL);
	if (!pps)
		return -ENOMEM;

	/* All listed before the walk: who maps the file meanwhile, or after it, sees them. */
	for (listed = 0; listed < n; listed++) {
		err = register_begin(us[listed], &pps[listed]);
		if (err)
			break;
		cond_resched();
	}
	if (listed) {
		unsigned int points = sort_points(pps, listed);

		if (!err)
			err = plant(pps, points);
		for (i = 0; i < points; i++)
			probepoint_put(pps[i]);
		/* Planted in part: handlers may be running. */
		if (err)
			unregister_uprobes(us, listed);
	}
	if (pps != &one)
		kvfree(pps);
	return err;
}
EXPORT_SYMBOL_GPL(register_uprobes);

/**
 * unregister_uprobes - unregister several probes
 * @us: the probes; entries that are NULL, an error pointer or not registered are
 *	passed over
 * @n: how many
 *
 * When it returns no handler of them runs, or will; nor of those that a handler had
 * unregistered before. One grace period for all.
 *
 * From a handler: they are out of the way for hits that begin later, but may
 * still be running elsewhere, so their memory must stay until
 * uprobe_unregister_sync() has been called from outside of handlers.
 *
 * Context: may sleep. Not with mmap_lock held.
 */
void unregister_uprobes(struct uprobe **us, unsigned int n)
{
	struct probepoint *point, **pps = &point;
	struct listed one, *ls = &one;
	unsigned int i, m = 0;
	bool leaving = false;

	if (!us)
		return;
	if (n > 1) {
		ls = kvmalloc_array(n, sizeof(*ls), GFP_KERNEL | __GFP_NOFAIL);
		pps = kvmalloc_array(n, sizeof(*pps), GFP_KERNEL | __GFP_NOFAIL);
	}
	for (i = 0; i < n; i++) {
		m += hold(us[i], &ls[m]);
		leaving |= !IS_ERR_OR_NULL(us[i]) && READ_ONCE(us[i]->leaving);
	}
	if (m)
		unplant(ls, m, pps);
	if (m || leaving)
		wait_for_handlers();
	for (i = 0; m && i < n; i++)
		unregister_finish(us[i]);
	if (n > 1) {
		kvfree(ls);
		kvfree(pps);
	}
}
EXPORT_SYMBOL_GPL(unregister_uprobes);

/**
 * register_uprobe - register a probe
 * @u: the probe; see register_uprobes()
 *
 * Return: see register_uprobes().
 */
int register_uprobe(struct uprobe *u)
{
	return register_uprobes(&u, 1);
}
EXPORT_SYMBOL_GPL(register_uprobe);

/**
 * unregister_uprobe - unregister a probe
 * @u: the probe; see unregister_uprobes()
 */
void unregister_uprobe(struct uprobe *u)
{
	unregister_uprobes(&u, 1);
}
EXPORT_SYMBOL_GPL(unregister_uprobe);

/* ----------------------------------------------- the interface of 6.12 */

/* A request that came as a consumer. Freed a grace period after it went. */
struct consumer_uprobe {
	struct uprobe		u;
	struct uprobe_consumer	*uc;
	struct deferral		free;
};

static struct uprobe_consumer *consumer_of(struct uprobe *u)
{
	return container_of(u, struct consumer_uprobe, u)->uc;
}

static int consumer_handler(struct uprobe *u, struct pt_regs *regs)
{
	struct uprobe_consumer *uc = consumer_of(u);

	return uc->handler(uc, regs);
}

static void consumer_ret_handler(struct uprobe *u, unsigned long func, struct pt_regs *regs)
{
	struct uprobe_consumer *uc = consumer_of(u);

	uc->ret_handler(uc, func, regs);
}

static bool consumer_filter(struct uprobe *u, struct mm_struct *mm)
{
	struct uprobe_consumer *uc = consumer_of(u);

	return uc->filter(uc, mm);
}

static struct kmem_cache *consumer_cache __ro_after_init;

static void free_consumer(struct deferral *d)
{
	kmem_cache_free(consumer_cache, container_of(d, struct consumer_uprobe, free));
}

/**
 * uprobe_register - register a consumer
 * @inode: the file; the caller keeps it referenced
 * @offset: of the instruction in it
 * @ref_ctr_offset: of a 16-bit counter in it, or 0
 * @uc: the consumer, which stays until uprobe_unregister_sync() has returned
 *
 * Context: may sleep.
 * Return: a handle for the other functions, or an ERR_PTR: see
 * register_uprobes(), but a refused instruction is %-ENOTSUPP, which users of
 * 6.12 test for.
 */
struct uprobe *uprobe_register(struct inode *inode, loff_t offset, loff_t ref_ctr_offset,
			       struct uprobe_consumer *uc)
{
	struct consumer_uprobe *cu;
	struct uprobe *u;
	int err;

	if (!inode || !uc)
		return ERR_PTR(-EINVAL);
	cu = kmem_cache_zalloc(consumer_cache, GFP_KERNEL);
	if (!cu)
		return ERR_PTR(-ENOMEM);
	cu->uc = uc;
	cu->u.inode = inode;
	cu->u.offset = offset;
	cu->u.ref_ctr_offset = ref_ctr_offset;
	cu->u.handler = uc->handler ? consumer_handler : NULL;
	cu->u.ret_handler = uc->ret_handler ? consumer_ret_handler : NULL;
	cu->u.filter = uc->filter ? consumer_filter : NULL;

	u = &cu->u;
	err = register_uprobes(&u, 1);
	if (err) {
		/* It may have been listed for a moment, and this may be a handler. */
		defer(&cu->free, free_consumer);
		return ERR_PTR(err == -EOPNOTSUPP ? -ENOTSUPP : err);
	}
	return u;
}
EXPORT_SYMBOL_GPL(uprobe_register);

/**
 * uprobe_apply - the consumer's filter has changed
 * @u: from uprobe_register()
 * @uc: the consumer
 * @add: more mms are wanted, or fewer
 *
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int uprobe_apply(struct uprobe *u, struct uprobe_consumer *uc, bool add)
{
	struct probed_file *file;
	int err = 0;

	if (IS_ERR_OR_NULL(u) || !u->pp)
		return -ENOENT;
	file = u->pp->file;
	mutex_lock(&file->lock);
	if (add)
		err = insert_everywhere(&u->pp, 1);
	else
		remove_everywhere(&u->pp, 1);
	mutex_unlock(&file->lock);
	return err;
}
EXPORT_SYMBOL_GPL(uprobe_apply);

/**
 * uprobe_unregister_nosync - unregister a consumer, first part
 * @u: from uprobe_register(), an error pointer or NULL; gone afterwards
 * @uc: the consumer; may still be called until uprobe_unregister_sync()
 *
 * Context: may sleep.
 */
void uprobe_unregister_nosync(struct uprobe *u, struct uprobe_consumer *uc)
{
	struct consumer_uprobe *cu;
	struct probepoint *pp;
	struct listed l;

	if (!hold(u, &l))
		return;
	unplant(&l, 1, &pp);
	unregister_finish(u);
	cu = container_of(u, struct consumer_uprobe, u);
	defer(&cu->free, free_consumer);
}
EXPORT_SYMBOL_GPL(uprobe_unregister_nosync);

/**
 * uprobe_unregister_sync - wait until no handler runs that was unregistered
 *
 * Context: may sleep; returns at once in a handler, see unregister_uprobes().
 */
void uprobe_unregister_sync(void)
{
	wait_for_handlers();
}
EXPORT_SYMBOL_GPL(uprobe_unregister_sync);

/**
 * uprobes_init - called before the first user process is made
 */
void __init uprobes_init(void)
{
	static_assert(ARRAY_SIZE(((struct probepoint *)0)->refusal) == 2);

	probepoints_setup();
	reclaim_init();
	consumer_cache = KMEM_CACHE(consumer_uprobe, SLAB_PANIC);
}
