// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that have hit a probe: made at the first hit, gone with exec or exit.
 */
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "internal.h"

static atomic_t last_id = ATOMIC_INIT(0);

static struct uprobe_thread *make_thread(struct uprobe_mm *um, struct task_struct *task)
{
	struct uprobe_thread *t = kzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);

	if (!t)
		return NULL;
	t->um = um;
	t->task = task;
	/* Wraps: then two threads may share their sweeps. */
	t->id = atomic_inc_return(&last_id) ?: atomic_inc_return(&last_id);
	t->sweep_at = 64;
	timer_setup(&t->overdue, uprobe_signal_overdue, 0);
	uprobe_mm_hold(um);
	spin_lock(&um->threads_lock);
	list_add(&t->link, &um->threads);
	spin_unlock(&um->threads_lock);
	return t;
}

/**
 * uprobe_thread_get - the current thread's state, made if need be
 * @um: current->mm's
 *
 * Context: may sleep.
 * Return: the state or NULL if there is no memory.
 */
struct uprobe_thread *uprobe_thread_get(struct uprobe_mm *um)
{
	struct uprobe_thread *t = uprobe_thread_of(current);

	if (likely(t))
		return t;
	t = make_thread(um, current);
	if (t)
		/* Interrupts look at what it points to. */
		smp_store_release(&current->utask, &t->pub);
	return t;
}

/*
 * A thread that does not run cannot change its state, its names or its ip. If it
 * is boosted and its ip is not in the slot, it has left by itself: take its names
 * away. It gets into the slot again only by another hit, which names it anew.
 */
static int release_left(struct task_struct *task, void *arg)
{
	struct uprobe_thread *t = arg;

	if (task != current && task_curr(task))
		return -EAGAIN;
	if (t->state != THREAD_BOOSTED || !t->slot)
		return 0;
	if (arch_uprobe_place(t->site->insn, task_pt_regs(task), t->slot) != UPROBE_ELSEWHERE)
		return 0;
	/* As in leave_slot(): what it did in the slot comes before. */
	smp_store_release(&t->slot, 0);
	/* The same for the site. */
	smp_store_release(&t->site, NULL);
	return 0;
}

/*
 * @t names a slot or a site. If only because nobody has looked since it was
 * boosted: look, or where it runs at the moment, have it look itself.
 */
static void look_at(struct uprobe_thread *t)
{
	lockdep_assert_held(&t->um->lock);
	lockdep_assert_held(&t->um->threads_lock);
	if (READ_ONCE(t->state) != THREAD_BOOSTED)
		return;
	if (t->task == current) {
		release_left(current, t);
		return;
	}
	if (task_call_func(t->task, release_left, t) == -EAGAIN) {
		uprobe_stat_inc(UPROBE_STAT_KICKS);
		set_tsk_thread_flag(t->task, TIF_UPROBE);
		kick_process(t->task);
	}
}

/**
 * uprobe_threads_name_sites - which sites are threads getting past?
 * @um: the mm's probes, @um->lock held
 *
 * Of those with SITE_ASKED, which were unhashed a grace period ago, each that is named
 * gets SITE_NAMED. For all of them at once: sites and threads may both be many.
 */
void uprobe_threads_name_sites(struct uprobe_mm *um)
{
	struct uprobe_site *site;
	struct uprobe_thread *t;

	/* What is named by then is not freed. */
	lockdep_assert_held(&um->lock);
	spin_lock(&um->threads_lock);
	list_for_each_entry(t, &um->threads, link) {
		/* Pairs with the release when a thread leaves. */
		site = smp_load_acquire(&t->site);
		if (!site || site->naming == SITE_NOT_ASKED)
			continue;
		look_at(t);
		/* And with the release in release_left(). */
		if (smp_load_acquire(&t->site) == site)
			site->naming = SITE_NAMED;
	}
	spin_unlock(&um->threads_lock);
}

/**
 * uprobe_threads_name_slot - is any thread in this slot, or about to enter it?
 * @um: the mm's probes, @um->lock held
 * @slot: the slot's address
 *
 * Return: true if so, or if it will be known a little later only.
 */
bool uprobe_threads_name_slot(struct uprobe_mm *um, unsigned long slot)
{
	struct uprobe_thread *t;
	bool found = false;

	spin_lock(&um->threads_lock);
	list_for_each_entry(t, &um->threads, link) {
		/* Pairs with the release when a thread leaves. */
		if (smp_load_acquire(&t->slot) != slot)
			continue;
		look_at(t);
		/* And with the release in release_left(). */
		found |= smp_load_acquire(&t->slot) == slot;
	}
	spin_unlock(&um->threads_lock);
	return found;
}

/**
 * uprobe_free_utask - the thread leaves its mm
 * @t: the thread: current, or one that never ran
 *
 * Called by exec and exit, and for a fork() that failed.
 *
 * Context: may sleep.
 */
void uprobe_free_utask(struct task_struct *t)
{
	struct uprobe_thread *thread = uprobe_thread_of(t);
	struct uprobe_mm *um;

	if (!thread)
		return;
	um = thread->um;
	/* By its jump, or, where the area is not sealed, by what was mapped over the slot. */
	if (t == current && thread->state != THREAD_OUT)
		arch_uprobe_left_xol(&thread->arch, task_pt_regs(t));

	timer_shutdown_sync(&thread->overdue);
	WRITE_ONCE(t->utask, NULL);
	returns_leave(um, thread);
	spin_lock(&um->threads_lock);
	list_del(&thread->link);
	spin_unlock(&um->threads_lock);
	/* An interrupt on this CPU may be reading it; so may a tracer's BPF. */
	kfree_rcu(thread, rcu);
	uprobe_mm_put(um);
}

/*
 * A child by vfork() runs on its parent's stack: what it notes is its own, and what it
 * returns by a copy of its parent's. Returns false if there is no memory to know that.
 */
static bool vforked(struct uprobe_mm *um, struct task_struct *t)
{
	struct uprobe_thread *child = make_thread(um, t);

	if (!child)
		return false;
	child->vfork = child->id;
	t->utask = &child->pub;
	return true;
}

/**
 * uprobe_copy_process - a thread has been made
 * @t: the new thread, which has not run yet
 * @flags: CLONE_*
 *
 * If it runs on copies of the caller's stacks, or on its very stack, it will
 * return from the same functions.
 *
 * Context: may sleep.
 */
void uprobe_copy_process(struct task_struct *t, unsigned long flags)
{
	struct uprobe_thread *parent = uprobe_thread_of(current), *child;
	struct uprobe_mm *from, *um;

	t->utask = NULL;
	if (parent && parent->state != THREAD_OUT)
		arch_uprobe_fork(&parent->arch, t);
	if (!current->mm || !t->mm || !test_bit(MMF_HAS_UPROBES, &current->mm->flags))
		return;
	from = uprobe_mm_of(current->mm);
	if (current->mm == t->mm) {
		if ((flags & CLONE_VFORK) && from && !vforked(from, t))
			goto lost;
		return;
	}
	if (!from || !returns_any(from))
		return;

	um = uprobe_mm_get(t->mm);
	child = um ? make_thread(um, t) : NULL;
	if (!child)
		goto lost;
	if (returns_copy(child, parent, from)) {
		t->utask = &child->pub;
		uprobe_free_utask(t);
		goto lost;
	}
	if (atomic_read(&um->pending)) {
		/* The trampoline's address is on its stack. */
		mutex_lock(&from->lock);
		child->child_area = from->area.vaddr;
		mutex_unlock(&from->lock);
		set_tsk_thread_flag(t, TIF_UPROBE);
	}
	t->utask = &child->pub;
	return;
lost:
	uprobe_drop(NULL, UPROBE_DROP_NOMEM);
	/* The child may run into a trampoline that is not there: it must not. */
	if (atomic_read(&from->pending))
		send_sig(SIGKILL, t, 1);
}
