// SPDX-License-Identifier: GPL-2.0-only
/*
 * Return points: probepoints where functions with return probes return to. They
 * are found and planted as the functions are entered, one mm and one return
 * address at a time, and are probepoints like others, with or without uprobes.
 *
 * A link says that a function returns to a point. A point has sites, in the mms
 * where that was seen, as long as one of its links is live. When the last
 * ret_handler of a function goes its links go, which takes a moment; the points
 * that are left without any are taken out by a worker.
 *
 *	entered		the function is in its mm's table: site_find()
 *	linked		under make_lock of the point's file. As long as it is about to be
 *			planted the point counts one site more, so that no worker is at it
 *	planted		under mmap_lock and @um->lock, as any site; if the link is still live:
 *			who has killed it takes those locks afterwards
 *
 * A point is found by hits as long as it is in its file's tree, so a child of
 * fork(), which has the breakpoints and not the sites, finds it there too.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/mmu_context.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "internal.h"
#include "site.h"

static DEFINE_SPINLOCK(links_lock);	/* links, points; changes of live_links */
static DEFINE_HASHTABLE(links_hash, 14); /* live links by function and point, RCU readers */
static LIST_HEAD(points);		/* all that have or had links, or are left, held */
static unsigned int nr_points;
static unsigned int nr_links;		/* live or not */

static void tidy(struct work_struct *work);
static DECLARE_DELAYED_WORK(tidy_work, tidy);

/* How long points without sites may wait for the worker, and for it to come again. */
#define TIDY_DELAY	(HZ / 10 + 1)
#define TIDY_AGAIN_MAX	(30 * HZ)

/*
 * As many points as there may be: each is looked at when its file is mapped. A
 * program says where it returns to, so it could make up any number: each may have a share
 * of them only. Beyond these returns are followed by the trampoline. So they are beyond
 * so many links: a point may have one of each function.
 */
unsigned int retpoint_limit __read_mostly = SZ_128K;
#define SITES_MAX	SZ_16K		/* in one mm */
#define LINKS_MAX	SZ_512K

/* ------------------------------------------------------------------ links */

/**
 * retpoint_want - returns from a function are wanted
 * @func: its probepoint; both locks of @func->file held
 *
 * Context: may sleep: reads the file.
 */
void retpoint_want(struct probepoint *func)
{
	lockdep_assert_held(&func->file->lock);
	lockdep_assert_held(&func->file->make_lock);
	if (func->wants_returns)
		return;
	probepoint_find_pops(func);
	spin_lock(&links_lock);
	WRITE_ONCE(func->wants_returns, true);
	spin_unlock(&links_lock);
}

static unsigned long link_key(const struct probepoint *func, const struct probepoint *point)
{
	return (unsigned long)func ^ ((unsigned long)point << 1);
}

static void kill_link(struct return_link *link)
{
	lockdep_assert_held(&links_lock);
	hash_del_rcu(&link->hash);
	WRITE_ONCE(link->func, NULL);
	list_del(&link->returns);
	/* In front are those to use again. */
	list_move(&link->node, &link->point->links);
	WRITE_ONCE(link->point->live_links, link->point->live_links - 1);
}

/**
 * retpoint_unwant - an uprobe has gone: does nobody want these returns any more?
 * @func: its probepoint; @func->file->lock held
 */
void retpoint_unwant(struct probepoint *func)
{
	struct return_link *link;
	unsigned int n = 0;
	bool idle = false;

	lockdep_assert_held(&func->file->lock);
	if (!func->wants_returns || probepoint_has_returns(func))
		return;
	spin_lock(&links_lock);
	/* None come any more, so that the lock may be given up in between. */
	WRITE_ONCE(func->wants_returns, false);
	while ((link = list_first_entry_or_null(&func->returns, struct return_link, returns))) {
		kill_link(link);
		idle |= !link->point->live_links;
		if (!(++n % 64)) {
			spin_unlock(&links_lock);
			cond_resched();
			spin_lock(&links_lock);
		}
	}
	spin_unlock(&links_lock);
	if (idle)
		mod_delayed_work(system_unbound_wq, &tidy_work, 0);
}

/**
 * retpoint_link - the live link of a function and a point
 * @func: the function
 * @point: the point
 *
 * One that is used again meanwhile may lead a reader without the lock astray, who then
 * finds none.
 *
 * Context: an uprobes_srcu reader, or links_lock.
 * Return: the link, which is as long-lived as @point; or NULL.
 */
struct return_link *retpoint_link(const struct probepoint *func, const struct probepoint *point)
{
	struct return_link *link, *found = NULL;

	rcu_read_lock();
	hash_for_each_possible_rcu(links_hash, link, hash, link_key(func, point)) {
		if (link->point == point && READ_ONCE(link->func) == func) {
			found = link;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

/* The worker looks at it from now on, and takes it out in the end. */
static void leave_to_worker(struct probepoint *point)
{
	lockdep_assert_held(&point->file->make_lock);
	lockdep_assert_held(&links_lock);
	refcount_inc(&point->refs);
	list_add_tail(&point->return_node, &points);
	WRITE_ONCE(nr_points, nr_points + 1);
}

/* The live link of the two, made if there is none; NULL if it cannot be. */
static struct return_link *link_to(struct probepoint *func, struct probepoint *point)
{
	struct return_link *link, *new;

	lockdep_assert_held(&point->file->make_lock);
	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);

	spin_lock(&links_lock);
	link = retpoint_link(func, point);
	if (link || !func->wants_returns)
		goto unlock;
	/* One that is not live may be used again: who looks at it compares. */
	link = list_first_entry_or_null(&point->links, struct return_link, node);
	if (!link || link->func) {
		link = nr_links < LINKS_MAX ? new : NULL;
		if (!link)
			goto unlock;
		new = NULL;
		nr_links++;
		link->point = point;
		list_add_tail(&link->node, &point->links);
	}
	list_move_tail(&link->node, &point->links);
	list_add(&link->returns, &func->returns);
	WRITE_ONCE(link->func, func);
	hash_add_rcu(links_hash, &link->hash, link_key(func, point));
	WRITE_ONCE(point->live_links, point->live_links + 1);
	if (list_empty(&point->return_node)) {
		leave_to_worker(point);
		uprobe_stat_inc(UPROBE_STAT_RETURN_POINTS);
	}
unlock:
	spin_unlock(&links_lock);
	kfree(new);
	return link;
}

/**
 * retpoint_free_links - a probepoint is freed
 * @pp: nobody looks at it any more
 */
void retpoint_free_links(struct probepoint *pp)
{
	struct return_link *link, *next;
	unsigned int n = 0;

	WARN_ON_ONCE(pp->live_links || !list_empty(&pp->returns));
	list_for_each_entry_safe(link, next, &pp->links, node) {
		kfree_rcu(link, rcu);
		n++;
	}
	if (!n)
		return;
	spin_lock(&links_lock);
	nr_links -= n;
	spin_unlock(&links_lock);
}

/* --------------------------------------------------------------- planting */

/* Why a return is not followed by a site of its own. */
enum outcome {
	PLANTED,
	UNFIT,		/* it will not be the next time either */
	NOT_NOW,
	NO_RETURN,	/* the address is not one that a function returns to */
};

/* Text of a file where a site may be; not our own area. */
static bool fit(struct uprobe_mm *um, struct vm_area_struct *vma)
{
	return vma && text_vma_ok(vma) && vma->vm_file != um->area.file;
}

/*
 * The point is there and linked: its site in this mm. If it was made just now no
 * breakpoint there is ours, though fork() may have brought others.
 */
static enum outcome plant(struct uprobe_site *entered, struct probepoint *point,
			  struct return_link *link, unsigned long ret, bool made)
{
	struct uprobe_mm *um = entered->um;
	struct mm_struct *mm = um->mm;
	enum outcome outcome = UNFIT;
	struct text_page text = { };
	struct vm_area_struct *vma;
	struct uprobe_site *site;
	bool planted, served;

	if (mmap_write_lock_killable(mm))
		return NOT_NOW;
	vma = vma_lookup(mm, ret);
	if (!fit(um, vma) || file_inode(vma->vm_file) != point->file->inode ||
	    vma_offset_of(vma, ret) != point->offset)
		goto unlock;
	served = inode_is_served(file_inode(vma->vm_file));
	if (made && um->inherited &&
	    text_look(mm, ret, &point->insn[is_64bit_mm(mm)]) != TEXT_ORIGINAL)
		goto unlock;
	outcome = NOT_NOW;
	if (READ_ONCE(link->func) != entered->pp)
		goto unlock;
	/* Its page may not be there: only if a probe is. */
	if (!served && insert_site(point, vma, ret, &text, true, &planted))
		goto unlock;
	outcome = UNFIT;
	mutex_lock(&um->lock);
	site = site_find(um, ret);
	if (site && site->pp == point && site_usable(site)) {
		site_set_returns(site);
		/* Its hits call uprobes that do not want this mm; the counter does not. */
		if (point->ref_ctr_offset && !probepoint_wanted(point, mm))
			refctr_disown(site);
		/* Last: who sees it does not come here. */
		smp_store_release(&site->link, link);
		outcome = PLANTED;
	} else if (served || (site && site->pp == point && site->state == SITE_PLANTED)) {
		outcome = NOT_NOW;
	}
	mutex_unlock(&um->lock);
unlock:
	text_page_put(&text);
	mmap_write_unlock(mm);
	return outcome;
}

/* Do others return there in this mm already? */
static bool is_planted(struct uprobe_site *entered, unsigned long ret)
{
	bool planted;
	int idx;

	idx = srcu_read_lock(&uprobes_srcu);
	planted = retpoint_look(entered, ret);
	srcu_read_unlock(&uprobes_srcu, idx);
	return planted;
}

/* Is there a site in this mm, of whomever? */
static bool has_site(struct uprobe_mm *um, unsigned long vaddr)
{
	struct uprobe_site *site;
	bool has;
	int idx;

	idx = srcu_read_lock(&uprobes_srcu);
	site = site_look_up(um, vaddr);
	has = site && site_usable(site);
	srcu_read_unlock(&uprobes_srcu, idx);
	return has;
}

/*
 * As long as there are points in it the file's users need not keep it mounted. The caller
 * does at the moment.
 */
static void keep_mounted(struct probed_file *pf)
{
	lockdep_assert_held(&pf->make_lock);
	if (pf->sb)
		return;
	pf->sb = pf->inode->i_sb;
	atomic_inc(&pf->sb->s_active);
}

static enum outcome make_in(struct uprobe_site *site, struct file *file, loff_t offset,
			    unsigned long ret)
{
	struct return_link *link = NULL;
	enum outcome outcome = NOT_NOW;
	struct probepoint *point;
	struct probed_file *pf;
	bool made;

	/* Others may make room. */
	if (READ_ONCE(nr_points) >= READ_ONCE(retpoint_limit) ||
	    (READ_ONCE(site->um->nr_returns) >= SITES_MAX && !has_site(site->um, ret)))
		return NOT_NOW;
	/* None is planted there, see plant(). */
	if (inode_is_served(file_inode(file)) && !has_site(site->um, ret))
		return NOT_NOW;
	pf = probed_file_lock_make(file_inode(file));
	if (IS_ERR(pf))
		return NOT_NOW;
	point = probepoint_get_return(pf, offset, arch_uretprobe_is_restorer(ret), &made);
	if (IS_ERR(point)) {
		/* Behind a call that does not return there may be anything. */
		if (PTR_ERR(point) == -ENOEXEC || PTR_ERR(point) == -EOPNOTSUPP)
			outcome = NO_RETURN;
		else if (PTR_ERR(point) != -ENOMEM && PTR_ERR(point) != -EINTR)
			outcome = UNFIT;
		goto unlock;
	}
	keep_mounted(pf);
	link = link_to(site->pp, point);
	if (link)
		atomic_inc(&point->sites);
	else if (made)
		/* For a function that nobody probes any more. */
		probepoint_hide(point);
unlock:
	probed_file_retire_idle(pf);
	mutex_unlock(&pf->make_lock);
	if (link) {
		outcome = is_planted(site, ret) ? PLANTED : plant(site, point, link, ret, made);
		/* Where it has no site it may have none anywhere. */
		if (atomic_dec_and_test(&point->sites) || outcome != PLANTED)
			retpoint_tidy_later();
	}
	if (!IS_ERR(point))
		probepoint_put(point);
	probed_file_put(pf);
	return outcome;
}

/**
 * retpoint_make - have a site where a function will return to
 * @site: where the function was entered; current->mm's, which has a return_table. The
 *	thread names it
 * @ret: the address that it returns to
 *
 * Context: may sleep as long as another process likes; not an uprobes_srcu reader.
 * Return: how the return can be followed.
 */
enum return_way retpoint_make(struct uprobe_site *site, unsigned long ret)
{
	struct uprobe_mm *um = site->um;
	enum outcome outcome = UNFIT;
	struct vm_area_struct *vma;
	struct file *file = NULL;
	loff_t offset = 0;
	bool text;

	if (returns_unfit(um->returns, ret))
		return RETURN_BY_TRAMPOLINE;
	if (mmap_read_lock_killable(um->mm))
		return RETURN_BY_NOTHING;
	vma = vma_lookup(um->mm, ret);
	text = vma && (vma->vm_flags & VM_EXEC);
	if (fit(um, vma)) {
		file = get_file(vma->vm_file);
		offset = vma_offset_of(vma, ret);
	}
	mmap_read_unlock(um->mm);
	/* The beginning of a program, a part of a function: other things are on its stack. */
	if (!text || (!file && !arch_uretprobe_call_ends(ret)))
		return RETURN_BY_NOTHING;
	if (file) {
		outcome = make_in(site, file, offset, ret);
		fput(file);
	}
	if (outcome == UNFIT)
		returns_note_unfit(um->returns, ret);
	switch (outcome) {
	case PLANTED:
		return RETURN_BY_SITE;
	case NO_RETURN:
		return RETURN_BY_NOTHING;
	default:
		return RETURN_BY_TRAMPOLINE;
	}
}

/* --------------------------------------------------------------- the worker */

/*
 * May this mm have a breakpoint of a point that has no site anywhere? Only if it has
 * come out of fork() with it: where sites are made for all it has none.
 */
static bool might_have(struct mm_struct *mm)
{
	struct uprobe_mm *um;
	bool might;

	if (!test_bit(MMF_HAS_UPROBES, &mm->flags))
		return false;
	rcu_read_lock();
	um = uprobe_mm_of(mm);
	might = !um || READ_ONCE(um->inherited);
	rcu_read_unlock();
	return might;
}

/* Might a process have its breakpoint, with or without a site? */
static bool has_breakpoints(struct probepoint *pp)
{
	struct address_space *mapping = pp->file->inode->i_mapping;
	pgoff_t pgoff = pp->offset >> PAGE_SHIFT;
	struct vm_area_struct *vma;
	bool found = false;

	if (atomic_read(&pp->sites))
		return true;
	i_mmap_lock_read(mapping);
	vma_interval_tree_foreach(vma, &mapping->i_mmap, pgoff, pgoff) {
		found = text_vma_could(vma) && might_have(vma->vm_mm);
		if (found)
			break;
	}
	i_mmap_unlock_read(mapping);
	return found;
}

static void kill_links(struct probepoint *point)
{
	struct return_link *link;
	unsigned int n = 0;

	/* None come any more, so that the lock may be given up in between. */
	lockdep_assert_held(&point->file->make_lock);
	spin_lock(&links_lock);
	while (point->live_links) {
		link = list_last_entry(&point->links, struct return_link, node);
		kill_link(link);
		if (!(++n % 64)) {
			spin_unlock(&links_lock);
			cond_resched();
			spin_lock(&links_lock);
		}
	}
	spin_unlock(&links_lock);
}

/* Returns true if it should be looked at again. */
static bool tidy_point(struct probepoint *pp)
{
	struct probed_file *file = pp->file;
	bool again, gone;

	if (retpoint_is(pp) && (atomic_read(&pp->sites) || !list_empty(&pp->uprobes)))
		return false;

	/* Who has it may be reading a file that takes its time. */
	if (!mutex_trylock(&file->lock))
		return true;
	mutex_lock(&file->make_lock);
	/* Once more: nobody plants it now. */
	if (retpoint_is(pp) && list_empty(&pp->uprobes) && !has_breakpoints(pp))
		kill_links(pp);
	if (!retpoint_is(pp)) {
		mutex_unlock(&file->make_lock);
		remove_where_free(pp);
		mutex_lock(&file->make_lock);
	}
	gone = !pp->left;
	/* Unless a function has returned to it meanwhile. */
	if (!retpoint_is(pp) && gone) {
		/* With uprobes it will be hidden when they go. */
		if (list_empty(&pp->uprobes))
			probepoint_hide(pp);
		spin_lock(&links_lock);
		list_del_init(&pp->return_node);
		WRITE_ONCE(nr_points, nr_points - 1);
		spin_unlock(&links_lock);
		probepoint_put(pp);
	}
	/* A process that is about to end may still map it. */
	again = retpoint_is(pp) ? list_empty(&pp->uprobes) && !atomic_read(&pp->sites) : !gone;
	probed_file_retire_idle(file);
	mutex_unlock(&file->make_lock);
	mutex_unlock(&file->lock);
	return again;
}

/* Tidy comes back by itself, more and more rarely: for those that are new it is to come soon. */
static bool backs_off;

static void tidy(struct work_struct *work)
{
	static unsigned long delay = 1;
	unsigned int n = READ_ONCE(nr_points);
	struct probed_file *file;
	struct probepoint *pp;
	bool again = false;

	/* Each once; those that come meanwhile are in use. */
	while (n--) {
		spin_lock(&links_lock);
		pp = list_first_entry_or_null(&points, struct probepoint, return_node);
		if (pp) {
			list_move_tail(&pp->return_node, &points);
			refcount_inc(&pp->refs);
		}
		spin_unlock(&links_lock);
		if (!pp)
			break;
		file = pp->file;
		refcount_inc(&file->refs);
		again |= tidy_point(pp);
		probepoint_put(pp);
		probed_file_put(file);
		cond_resched();
	}
	WRITE_ONCE(backs_off, again);
	if (again)
		queue_delayed_work(system_unbound_wq, &tidy_work, delay);
	/* At once if somebody was just about to let go of the file. */
	delay = again ? min(2 * delay, TIDY_AGAIN_MAX) : 1;
}

/**
 * retpoint_tidy_is - is it this that a worker does?
 * @work: or NULL
 *
 * Return: true if so.
 */
bool retpoint_tidy_is(const struct work_struct *work)
{
	return work && work->func == tidy;
}

/**
 * retpoint_take_over - have the worker take out a probepoint that nobody wants any more
 * @pp: without uprobes, with breakpoints left; make_lock of its file held. The caller keeps
 *	the file mounted
 */
void retpoint_take_over(struct probepoint *pp)
{
	keep_mounted(pp->file);
	spin_lock(&links_lock);
	if (list_empty(&pp->return_node))
		leave_to_worker(pp);
	spin_unlock(&links_lock);
	retpoint_tidy_later();
}

/**
 * retpoint_tidy_later - some points may have lost their last site
 *
 * Context: any process context.
 */
void retpoint_tidy_later(void)
{
	if (!READ_ONCE(nr_points))
		return;
	if (xchg(&backs_off, false))
		mod_delayed_work(system_unbound_wq, &tidy_work, TIDY_DELAY);
	else
		queue_delayed_work(system_unbound_wq, &tidy_work, TIDY_DELAY);
}
