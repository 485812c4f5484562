// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that have hit a probe: made at the first hit, gone with exec or exit.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "internal.h"

static struct uprobe_thread *make_thread(struct uprobe_mm *um)
{
	struct uprobe_thread *t = kzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);

	if (!t)
		return NULL;
	t->um = um;
	t->sweep_at = 64;
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
	t = make_thread(um);
	if (t)
		/* Interrupts look at what it points to. */
		smp_store_release(&current->utask, &t->pub);
	return t;
}

/**
 * uprobe_threads_name_site - is any thread getting past this site?
 * @um: the mm's probes
 * @site: unhashed, a grace period ago
 *
 * Return: true if so.
 */
bool uprobe_threads_name_site(struct uprobe_mm *um, const struct uprobe_site *site)
{
	struct uprobe_thread *t;
	bool found = false;

	spin_lock(&um->threads_lock);
	list_for_each_entry(t, &um->threads, link) {
		/* Pairs with the release when a step ends. */
		found = smp_load_acquire(&t->site) == site;
		if (found)
			break;
	}
	spin_unlock(&um->threads_lock);
	return found;
}

/**
 * uprobe_threads_name_slot - is any thread in this slot, or about to enter it?
 * @um: the mm's probes
 * @slot: the slot's address
 *
 * Return: true if so.
 */
bool uprobe_threads_name_slot(struct uprobe_mm *um, unsigned long slot)
{
	struct uprobe_thread *t;
	bool found = false;

	spin_lock(&um->threads_lock);
	list_for_each_entry(t, &um->threads, link) {
		/* Pairs with the release when a step ends. */
		found = smp_load_acquire(&t->slot) == slot;
		if (found)
			break;
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
	/* A fatal signal has ended any step by now: see uprobe_deny_signal(). */
	WARN_ON_ONCE(thread->slot && t == current && !(t->flags & PF_EXITING));

	WRITE_ONCE(t->utask, NULL);
	uretprobe_forget(thread);
	spin_lock(&um->threads_lock);
	list_del(&thread->link);
	spin_unlock(&um->threads_lock);
	/* An interrupt on this CPU may be reading it; so may a tracer's BPF. */
	kfree_rcu(thread, rcu);
	uprobe_mm_put(um);
}

/**
 * uprobe_copy_process - a thread has been made
 * @t: the new thread, which has not run yet
 * @flags: CLONE_*
 *
 * If it runs on a copy of the caller's stack, or on that very stack, it will
 * return from the same functions.
 *
 * Context: may sleep.
 */
void uprobe_copy_process(struct task_struct *t, unsigned long flags)
{
	struct uprobe_thread *parent = uprobe_thread_of(current), *child;
	bool same_mm = current->mm == t->mm;
	struct uprobe_mm *um;

	t->utask = NULL;
	if (!parent || !parent->pub.return_instances)
		return;
	if (same_mm && !(flags & CLONE_VFORK))
		return;

	um = uprobe_mm_get(t->mm);
	child = um ? make_thread(um) : NULL;
	if (!child)
		goto lost;
	if (uretprobe_copy(child, parent)) {
		t->utask = &child->pub;
		uprobe_free_utask(t);
		goto lost;
	}
	if (!same_mm) {
		/* The trampoline's address is on its stack. */
		mutex_lock(&parent->um->lock);
		child->child_area = parent->um->area.vaddr;
		mutex_unlock(&parent->um->lock);
		set_tsk_thread_flag(t, TIF_UPROBE);
	}
	t->utask = &child->pub;
	return;
lost:
	/* The child will run into a trampoline that is not there: it must not. */
	uprobe_drop(NULL, UPROBE_DROP_NOMEM);
	send_sig(SIGKILL, t, 1);
}
