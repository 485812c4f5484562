// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is done later, for one mm, so that nobody waits for it: sites that were
 * taken out are freed, sites whose mapping changed are looked at, and the area
 * goes when it is of no use any more.
 *
 * A site that was unhashed is freed when
 *	- a grace period has passed: the hits that had found it are over, or have
 *	  named it in their uprobe_thread;
 *	- no thread names it: those that did have left its slot.
 * A thread may stay in a slot for long, in a page fault: then reclaim comes back.
 *
 * The grace period is not waited for (defer.c), so a handler that sleeps for ever holds
 * up memory, not a task.
 */
#include <linux/kthread.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>

#include "internal.h"

/* A thread stays in a slot: look again after 20 ms, and then ever more rarely. */
#define DELAY_FIRST	(HZ / 50 + 1)
#define DELAY_MOST	HZ

/*
 * Bits of uprobe_mm->reclaiming: reclaim holds a reference; it was asked since
 * its pass began. Who asks may hold no lock.
 */
enum { RECLAIMING, RECLAIM_ASKED };

/* Not one that others use: a worker may come to wait for a page of a program's file. */
static struct workqueue_struct *uprobes_wq __ro_after_init;

static void grace_period_over(struct deferral *d)
{
	struct uprobe_mm *um = container_of(d, struct uprobe_mm, gp);

	queue_delayed_work(uprobes_wq, &um->work, 0);
}

/**
 * reclaim_kick - there is something to reclaim
 * @um: held, or its mm has users
 *
 * Context: any process context.
 */
void reclaim_kick(struct uprobe_mm *um)
{
	set_bit(RECLAIM_ASKED, &um->reclaiming);
	/* Full order: reclaim() clears them, and looks, the other way round. */
	if (test_and_set_bit(RECLAIMING, &um->reclaiming))
		return;
	/* Not if it is going: uprobe_munmap() holds no user of the mm at times. */
	if (!refcount_inc_not_zero(&um->refs))
		return;
	defer(&um->gp, grace_period_over);
}

/* Free the sites that nobody can name any more. A grace period is over for all. */
static bool free_aged(struct uprobe_mm *um)
{
	struct uprobe_site *site, *next;
	bool freed = false;

	lockdep_assert_held(&um->lock);
	if (list_empty(&um->aging))
		return false;
	list_for_each_entry(site, &um->aging, queue)
		site->naming = SITE_ASKED;
	uprobe_threads_name_sites(um);
	list_for_each_entry_safe(site, next, &um->aging, queue) {
		cond_resched();
		if (site->naming == SITE_NAMED)
			continue;
		list_del(&site->queue);
		site_free(site);
		freed = true;
	}
	return freed;
}

/* Will a hit of any site ask for the area, or has one asked? */
static bool sites_need_area(struct uprobe_mm *um)
{
	struct uprobe_site *site;
	struct rb_node *n;

	if (um->area.used)
		return true;
	for (n = rb_first(&um->index); n; n = rb_next(n)) {
		site = rb_entry(n, struct uprobe_site, node);
		if (site->state == SITE_PLANTED &&
		    (insn_needs_slot(site->insn) ||
		     (um->trampolined && READ_ONCE(site->pp->wants_returns))))
			return true;
	}
	return false;
}

/*
 * What needs the mm: it may have no users any more. Returns false if its locks are
 * held, which may be for as long as another process likes.
 */
static bool tidy_mm(struct uprobe_mm *um)
{
	struct mm_struct *mm = um->mm;
	bool done = false;

	if (!mmget_not_zero(mm))
		return true;
	/* Unmapping is accounted to current->mm. */
	kthread_use_mm(mm);
	if (!mmap_write_lock_if_free(mm))
		goto put;
	if (!mutex_trylock(&um->lock))
		goto unlock;
	done = true;
	/* Its fork() failed half way: it has mappings that are still the parent's. */
	if (!check_stable_address_space(mm))
		revalidate_stale(um);
	/*
	 * MMF_HAS_UPROBES stays: a thread may have executed an int3 of ours
	 * before it was taken out, and be on its way to uprobe_int3() still.
	 */
	if (um->area.vaddr && !sites_need_area(um)) {
		/* If returns are pending, the last of them kicks again. */
		/* Before they are counted: pairs with the last one's atomic_dec_and_test(). */
		smp_store_mb(um->drop_wanted, true);
		if (xol_area_drop(um))
			WRITE_ONCE(um->drop_wanted, false);
	} else {
		WRITE_ONCE(um->drop_wanted, false);
	}
	mutex_unlock(&um->lock);
unlock:
	mmap_write_unlock(mm);
put:
	kthread_unuse_mm(mm);
	/* Not mmput(): the last one would wait for all that an exit waits for. */
	mmput_async(mm);
	return done;
}

static void look_later(struct uprobe_mm *um, unsigned long delay)
{
	um->delay = delay;
	queue_delayed_work(uprobes_wq, &um->work, delay);
}

static void reclaim(struct work_struct *work)
{
	struct uprobe_mm *um = container_of(work, struct uprobe_mm, work.work);
	unsigned long longer = min(um->delay * 2, DELAY_MOST);
	bool grace_period, busy, again = false, asked, freed, tidied = true;

	/* Held over page faults, by others. */
	if (!mutex_trylock(&um->lock)) {
		look_later(um, longer);
		return;
	}
	freed = free_aged(um);
	busy = !list_empty(&um->aging);
	mutex_unlock(&um->lock);

	/* What was kicked for until now is done by this pass. */
	asked = test_and_clear_bit(RECLAIM_ASKED, &um->reclaiming);
	if (asked || freed)
		tidied = tidy_mm(um);
	if (!tidied)
		set_bit(RECLAIM_ASKED, &um->reclaiming);

	if (!mutex_trylock(&um->lock)) {
		look_later(um, longer);
		return;
	}
	grace_period = !list_empty(&um->dead);
	if (grace_period) {
		list_splice_tail_init(&um->dead, &um->aging);
	} else if (!busy && tidied) {
		clear_bit(RECLAIMING, &um->reclaiming);
		/* Pairs with reclaim_kick(): one of us sees the other. */
		smp_mb__after_atomic();
		again = test_bit(RECLAIM_ASKED, &um->reclaiming) &&
			!test_and_set_bit(RECLAIMING, &um->reclaiming);
	}
	mutex_unlock(&um->lock);

	um->delay = tidied && (freed || !busy) ? DELAY_FIRST : longer;
	if (grace_period)
		defer(&um->gp, grace_period_over);
	else if (busy || again || !tidied)
		look_later(um, um->delay);
	else
		uprobe_mm_put(um);
}

/**
 * reclaim_is - is it this that a worker does?
 * @work: or NULL
 *
 * Return: true if so.
 */
bool reclaim_is(const struct work_struct *work)
{
	return work && work->func == reclaim;
}

/**
 * reclaim_setup - of a new uprobe_mm
 * @um: the new one
 */
void reclaim_setup(struct uprobe_mm *um)
{
	INIT_DELAYED_WORK(&um->work, reclaim);
	um->delay = DELAY_FIRST;
}

/**
 * reclaim_init - called once, before there is any
 */
void __init reclaim_init(void)
{
	uprobes_wq = alloc_workqueue("uprobes", WQ_UNBOUND, 0);
	if (!uprobes_wq)
		panic("uprobes: no workqueue");
}
