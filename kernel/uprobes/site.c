// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sites: the probepoints of one mm, by address.
 *
 * A hit finds its site in an RCU hash table. The same sites are in a tree by
 * address, for the questions about ranges that mm code asks.
 */
#include <linux/mmu_context.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "internal.h"
#include "site.h"

static DEFINE_MUTEX(all_lock);		/* all_mms */
static LIST_HEAD(all_mms);

/**
 * uprobe_mm_get - what is known about the probes of an mm, made if need be
 * @mm: users of it are held by the caller, or it is current->mm
 *
 * Context: may sleep.
 * Return: valid as long as @mm has users, or NULL if there is no memory.
 */
struct uprobe_mm *uprobe_mm_get(struct mm_struct *mm)
{
	struct uprobe_mm *um = uprobe_mm_of(mm), *old;

	if (um)
		return um;
	um = kzalloc(sizeof(*um), GFP_KERNEL);
	if (!um)
		return NULL;
	if (rhashtable_init(&um->table, &site_params)) {
		kfree(um);
		return NULL;
	}
	um->mm = mm;
	mmgrab(mm);
	refcount_set(&um->refs, 1);
	um->forked = test_bit(MMF_HAS_UPROBES, &mm->flags);
	um->inherited = um->forked;
	xa_init_flags(&um->foreign, XA_FLAGS_ACCOUNT);
	spin_lock_init(&um->index_lock);
	um->index = RB_ROOT;
	INIT_LIST_HEAD(&um->stale);
	mutex_init(&um->lock);
	INIT_LIST_HEAD(&um->dead);
	INIT_LIST_HEAD(&um->aging);
	spin_lock_init(&um->threads_lock);
	INIT_LIST_HEAD(&um->threads);
	atomic_set(&um->pending, 0);
	reclaim_setup(um);

	mutex_lock(&all_lock);
	/* Pairs with uprobe_mm_of(): who sees the pointer sees what it points to. */
	old = cmpxchg_release(&mm->uprobes_state.xol_area, NULL, um);
	if (!old)
		list_add(&um->all, &all_mms);
	mutex_unlock(&all_lock);
	if (!old) {
		set_bit(MMF_HAS_UPROBES, &mm->flags);
		return um;
	}
	rhashtable_destroy(&um->table);
	mmdrop(mm);
	kfree(um);
	return uprobe_mm_of(mm);
}

/**
 * uprobe_mm_hold - take a reference
 * @um: held already, or its mm has users
 */
void uprobe_mm_hold(struct uprobe_mm *um)
{
	refcount_inc(&um->refs);
}

/**
 * uprobe_mm_put - give back a reference
 * @um: the mm's probes
 *
 * Context: may sleep.
 */
void uprobe_mm_put(struct uprobe_mm *um)
{
	if (!refcount_dec_and_test(&um->refs))
		return;
	WARN_ON_ONCE(!RB_EMPTY_ROOT(&um->index) || um->area.file ||
		     !list_empty(&um->dead) || !list_empty(&um->aging));
	mutex_lock(&all_lock);
	list_del(&um->all);
	mutex_unlock(&all_lock);
	xa_destroy(&um->foreign);
	mmdrop(um->mm);
	/* uprobe_munmap() may be looking at it. */
	kfree_rcu(um, rcu);
}

/**
 * uprobe_mm_for_each - visit all that are not busy, for debugfs
 * @fn: called with @um->lock held
 * @data: passed on
 */
void uprobe_mm_for_each(void (*fn)(struct uprobe_mm *um, void *data), void *data)
{
	struct uprobe_mm *um;

	mutex_lock(&all_lock);
	list_for_each_entry(um, &all_mms, all) {
		/* Held over page faults: everybody else must not wait for one. */
		if (!mutex_trylock(&um->lock))
			continue;
		if (!um->gone)
			fn(um, data);
		mutex_unlock(&um->lock);
	}
	mutex_unlock(&all_lock);
}

/**
 * site_find - the site at an address
 * @um: the mm's probes
 * @vaddr: the address
 *
 * Context: a reader of uprobes_srcu, or @um->lock held; the result is good for
 * as long.
 * Return: the site or NULL.
 */
struct uprobe_site *site_find(struct uprobe_mm *um, unsigned long vaddr)
{
	return site_look_up(um, vaddr);
}

static bool site_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct uprobe_site, node)->vaddr <
	       rb_entry(b, struct uprobe_site, node)->vaddr;
}

/**
 * site_add - make a site, which hits find from now on
 * @um: the mm's probes, @um->lock held
 * @pp: held by the caller; the site takes a reference of its own
 * @vaddr: where no site is
 *
 * The site is made barred: until our breakpoint has been written, a trap there
 * is the program's.
 *
 * Return: the site or NULL if there is no memory.
 */
struct uprobe_site *site_add(struct uprobe_mm *um, struct probepoint *pp,
			     unsigned long vaddr)
{
	struct uprobe_site *site;

	lockdep_assert_held(&um->lock);

	site = kzalloc(sizeof(*site), GFP_KERNEL_ACCOUNT);
	if (!site)
		return NULL;
	site->vaddr = vaddr;
	site->pp = pp;
	site->insn = &pp->insn[is_64bit_mm(um->mm)];
	site->um = um;
	site->state = SITE_BARRED;
	INIT_LIST_HEAD(&site->queue);
	/* The page behind is the file's, and changes with it. */
	site->loose = site_crosses_page(site);
	if (rhashtable_insert_fast(&um->table, &site->hash, site_params)) {
		kfree(site);
		return NULL;
	}
	refcount_inc(&pp->refs);
	atomic_inc(&pp->sites);
	spin_lock(&um->index_lock);
	rb_add(&site->node, &um->index, site_less);
	spin_unlock(&um->index_lock);
	return site;
}

/**
 * site_set_state - planted or barred
 * @site: hashed, @site->um->lock held
 * @state: the other state
 */
void site_set_state(struct uprobe_site *site, enum site_state state)
{
	lockdep_assert_held(&site->um->lock);
	WARN_ON_ONCE(site->state == state);
	WRITE_ONCE(site->state, state);
	if (state != SITE_PLANTED) {
		/* Behind that: pairs with retpoint_ready(). */
		smp_mb__before_atomic();
		atomic_long_inc(&site->um->sites_lost);
	}
	uprobe_stat_inc(state == SITE_PLANTED ? UPROBE_STAT_PLANTED : UPROBE_STAT_UNPLANTED);
}

/**
 * site_set_returns - functions return to it in this mm
 * @site: hashed, @site->um->lock held
 */
void site_set_returns(struct uprobe_site *site)
{
	struct uprobe_mm *um = site->um;

	lockdep_assert_held(&um->lock);
	if (site->returns)
		return;
	site->returns = true;
	WRITE_ONCE(um->nr_returns, um->nr_returns + 1);
}

static void leave_probepoint(struct uprobe_site *site)
{
	if (atomic_dec_and_test(&site->pp->sites) && retpoint_is(site->pp))
		retpoint_tidy_later();
}

/**
 * site_retire - hits do not find it any more; reclaim will free it
 * @site: hashed and barred, @site->um->lock held
 *
 * First of three: the grace period that ends the hits in progress, and the
 * proof that no thread is in its slot, are reclaim's.
 */
void site_retire(struct uprobe_site *site)
{
	struct uprobe_mm *um = site->um;

	lockdep_assert_held(&um->lock);
	WARN_ON_ONCE(site->state == SITE_PLANTED);

	rhashtable_remove_fast(&um->table, &site->hash, site_params);
	spin_lock(&um->index_lock);
	rb_erase(&site->node, &um->index);
	list_del_init(&site->queue);
	spin_unlock(&um->index_lock);
	if (site->returns)
		WRITE_ONCE(um->nr_returns, um->nr_returns - 1);
	leave_probepoint(site);
	list_add_tail(&site->queue, &um->dead);
	reclaim_kick(um);
}

/**
 * site_free - give back what a site owns, and the site
 * @site: unhashed, on no list; no hit and no thread names it; @site->um->lock held
 *
 * Context: may sleep.
 */
void site_free(struct uprobe_site *site)
{
	lockdep_assert_held(&site->um->lock);
	xol_slot_release(site);
	probepoint_put(site->pp);
	kfree_rcu(site, rcu);
}

static void end_site(void *ptr, void *arg)
{
	struct uprobe_site *site = ptr;

	if (site->state == SITE_PLANTED)
		site_set_state(site, SITE_BARRED);
	leave_probepoint(site);
	site_free(site);
}

/**
 * sites_end - free all sites, and the table, of an mm that ends
 * @um: the mm's probes, @um->lock held; its mm has no users, so there is no hit in
 *	progress and no thread that names a site
 *
 * Context: may sleep.
 */
void sites_end(struct uprobe_mm *um)
{
	struct uprobe_site *site, *next;

	lockdep_assert_held(&um->lock);
	WARN_ON_ONCE(atomic_read(&um->mm->mm_users));

	/* uprobe_munmap() may be looking at it. */
	spin_lock(&um->index_lock);
	um->index = RB_ROOT;
	INIT_LIST_HEAD(&um->stale);
	spin_unlock(&um->index_lock);
	rhashtable_free_and_destroy(&um->table, end_site, NULL);

	/* Those that were retired before */
	list_splice_tail_init(&um->dead, &um->aging);
	list_for_each_entry_safe(site, next, &um->aging, queue) {
		list_del(&site->queue);
		site_free(site);
		cond_resched();
	}
}

/**
 * site_first_from - the site with the lowest address that is not below one
 * @um: the mm's probes
 * @vaddr: where to begin
 *
 * Context: @um->lock or @um->index_lock held.
 * Return: the site or NULL.
 */
struct uprobe_site *site_first_from(struct uprobe_mm *um, unsigned long vaddr)
{
	struct rb_node *n = um->index.rb_node;
	struct uprobe_site *found = NULL;

	while (n) {
		struct uprobe_site *site = rb_entry(n, struct uprobe_site, node);

		if (site->vaddr >= vaddr) {
			found = site;
			n = n->rb_left;
		} else {
			n = n->rb_right;
		}
	}
	return found;
}

static void doubt(struct uprobe_site *site)
{
	lockdep_assert_held(&site->um->index_lock);
	site_mark_stale(site);
	if (list_empty(&site->queue))
		list_add_tail(&site->queue, &site->um->stale);
}

/**
 * site_doubt - mark a site stale, and have it looked at before long
 * @site: hashed, @site->um->lock held
 *
 * By the next one who looks at those of its mm: reclaim, if it is kicked.
 */
void site_doubt(struct uprobe_site *site)
{
	lockdep_assert_held(&site->um->lock);
	spin_lock(&site->um->index_lock);
	doubt(site);
	spin_unlock(&site->um->index_lock);
}

/**
 * sites_take_stale - take those that are in doubt, to look at them
 * @um: the mm's probes, @um->lock held until the list is empty again
 * @stale: an empty list, for site_next_stale(); site_retire() takes a site from it, too
 */
void sites_take_stale(struct uprobe_mm *um, struct list_head *stale)
{
	lockdep_assert_held(&um->lock);
	spin_lock(&um->index_lock);
	list_splice_init(&um->stale, stale);
	spin_unlock(&um->index_lock);
}

/**
 * site_next_stale - take one of these sites
 * @um: the mm's probes, @um->lock held
 * @stale: from sites_take_stale()
 *
 * Return: the site, which may not be stale any more, or NULL if that was all.
 */
struct uprobe_site *site_next_stale(struct uprobe_mm *um, struct list_head *stale)
{
	struct uprobe_site *site;

	lockdep_assert_held(&um->lock);
	spin_lock(&um->index_lock);
	site = list_first_entry_or_null(stale, struct uprobe_site, queue);
	if (site)
		list_del_init(&site->queue);
	spin_unlock(&um->index_lock);
	return site;
}

/**
 * sites_mark_stale - the mapping of a range may be about to change
 * @um: the mm's probes
 * @start: first address
 * @end: first address behind
 *
 * The next hit there, or reclaim, looks before the site is used again.
 *
 * Context: any process context, i_mmap_rwsem may be held.
 */
void sites_mark_stale(struct uprobe_mm *um, unsigned long start, unsigned long end)
{
	struct uprobe_site *site;
	struct rb_node *n;
	bool any = false;

	spin_lock(&um->index_lock);
	site = site_first_from(um, start);
	for (n = site ? &site->node : NULL; n; n = rb_next(n)) {
		site = rb_entry(n, struct uprobe_site, node);
		if (site->vaddr >= end)
			break;
		doubt(site);
		any = true;
	}
	spin_unlock(&um->index_lock);
	if (any)
		reclaim_kick(um);
}
