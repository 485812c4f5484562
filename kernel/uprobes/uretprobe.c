// SPDX-License-Identifier: GPL-2.0-only
/*
 * Return probes by trampoline: at the entry of a function its return address is
 * replaced by the address of an int3 in the XOL area.
 *
 * A pending return is known by the stack address that its return address lies
 * at: it is the return of that call, whatever stack it is on and in whatever
 * order stacks are left. It is dead when that stack address is used for another
 * call, or no longer holds the trampoline's address; the dead are dropped and
 * counted. Several functions may share one stack address: each but the first
 * was jumped to, and all of them return at once, innermost first.
 */
#include <linux/ptrace.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <asm/mmu_context.h>

#include "internal.h"

static struct pending_return *pending_of(struct return_instance *ri)
{
	return ri ? container_of(ri, struct pending_return, pub) : NULL;
}

/* Unlink and free @*link, which is @p. An interrupt may be looking at it. */
static void drop_pending(struct uprobe_thread *t, struct return_instance **link,
			 struct pending_return *p)
{
	WRITE_ONCE(*link, p->pub.next);
	t->depth--;
	atomic_dec(&t->um->pending);
	probepoint_put(p->pp);
	kfree_rcu(p, rcu);
}

static struct return_instance **find_slot(struct uprobe_thread *t, unsigned long slot)
{
	struct return_instance **link = &t->pub.return_instances;

	while (*link && pending_of(*link)->slot != slot)
		link = &(*link)->next;
	return link;
}

/* Is the trampoline's address still where it was put? */
static bool still_pending(const struct pending_return *p, unsigned long trampoline)
{
	unsigned long now = 0;
	size_t width = is_64bit_mm(current->mm) ? 8 : 4;

	return !copy_from_user(&now, (void __user *)p->slot, width) && now == trampoline;
}

/* Drop what longjmp(), exceptions and stacks that were given up left behind. */
static void sweep(struct uprobe_thread *t, unsigned long trampoline)
{
	struct return_instance **link = &t->pub.return_instances;

	while (*link) {
		struct pending_return *p = pending_of(*link);

		if (still_pending(p, trampoline)) {
			link = &(*link)->next;
		} else {
			uprobe_drop(p->pp, UPROBE_DROP_RETURN);
			drop_pending(t, link, p);
		}
	}
	t->sweep_at = max(64U, t->depth * 2);
}

/* The address of the trampoline; the area is made if need be. 0 if it cannot. */
static unsigned long trampoline_get(struct uprobe_mm *um)
{
	unsigned long trampoline = smp_load_acquire(&um->area.vaddr);

	if (likely(trampoline))
		return trampoline;
	if (xol_area_make(um, 0))
		return 0;
	return READ_ONCE(um->area.vaddr);
}

/**
 * uretprobe_enter - a function with return probes has been entered
 * @site: where
 * @t: the current thread's state
 * @regs: its registers, ip at the function
 *
 * Context: may sleep; an uprobes_srcu reader.
 */
void uretprobe_enter(struct uprobe_site *site, struct uprobe_thread *t, struct pt_regs *regs)
{
	struct uprobe_mm *um = site->um;
	unsigned long trampoline, slot, ret;
	struct return_instance **link;
	struct pending_return *p;
	enum uprobe_drop why;
	bool chained;

	/* Before the area is looked at: see xol_area_drop(). */
	atomic_inc(&um->pending);
	smp_mb__after_atomic();

	why = UPROBE_DROP_AREA;
	trampoline = trampoline_get(um);
	if (!trampoline)
		goto drop;
	why = UPROBE_DROP_STACK;
	if (arch_uretprobe_read(regs, &slot, &ret))
		goto drop;

	if (t->depth >= t->sweep_at)
		sweep(t, trampoline);
	why = UPROBE_DROP_DEPTH;
	if (t->depth >= UPROBE_RETURN_LIMIT)
		goto drop;

	link = find_slot(t, slot);
	chained = ret == trampoline;
	if (chained) {
		why = UPROBE_DROP_STRAY;
		if (!*link)
			goto drop;
		ret = (*link)->orig_ret_vaddr;
	} else {
		while (*link) {
			uprobe_drop(pending_of(*link)->pp, UPROBE_DROP_RETURN);
			drop_pending(t, link, pending_of(*link));
			link = find_slot(t, slot);
		}
	}

	why = UPROBE_DROP_NOMEM;
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		goto drop;
	why = UPROBE_DROP_STACK;
	if (!chained && arch_uretprobe_write(regs, slot, trampoline)) {
		kfree(p);
		goto drop;
	}
	refcount_inc(&site->pp->refs);
	p->pp = site->pp;
	p->func = instruction_pointer(regs);
	p->slot = slot;
	p->pub.orig_ret_vaddr = ret;
	p->pub.next = t->pub.return_instances;
	/* An interrupt may follow it at once. */
	smp_store_release(&t->pub.return_instances, &p->pub);
	t->depth++;
	return;
drop:
	atomic_dec(&um->pending);
	uprobe_drop(site->pp, why);
}

static void call_ret_handlers(struct pending_return *p, struct pt_regs *regs)
{
	struct uprobe *u;

	list_for_each_entry_srcu(u, &p->pp->uprobes, node, srcu_read_lock_held(&uprobes_srcu))
		if (u->ret_handler && (!u->only || u->only == current->mm))
			u->ret_handler(u, p->func, regs);
}

/*
 * The return that has just come from the stack address below @after. A ret that
 * drops arguments takes it from further down: then it is the nearest one.
 */
static struct return_instance **find_returned(struct uprobe_thread *t, unsigned long after)
{
	struct return_instance **link = find_slot(t, after);
	struct return_instance **best = NULL, **l;
	unsigned long distance = U16_MAX + 1;

	if (*link)
		return link;
	for (l = &t->pub.return_instances; *l; l = &(*l)->next) {
		unsigned long slot = pending_of(*l)->slot;

		if (slot < after && after - slot < distance) {
			distance = after - slot;
			best = l;
		}
	}
	return best;
}

/**
 * uretprobe_return - a thread has arrived at the trampoline
 * @um: current->mm's
 * @t: the current thread's state, or NULL
 * @regs: its registers, ip behind the trampoline's int3
 *
 * Context: may sleep; an uprobes_srcu reader.
 * Return: false if nobody waits for a return: the trap is the program's own
 * doing.
 */
bool uretprobe_return(struct uprobe_mm *um, struct uprobe_thread *t, struct pt_regs *regs)
{
	struct return_instance **link;
	unsigned long slot;

	link = t ? find_returned(t, arch_uretprobe_slot_after(regs)) : NULL;
	if (!link) {
		uprobe_drop(NULL, UPROBE_DROP_STRAY);
		return false;
	}
	slot = pending_of(*link)->slot;
	instruction_pointer_set(regs, (*link)->orig_ret_vaddr);
	uprobe_stat_inc(UPROBE_STAT_RETURNS);

	/* Off the list before its handlers run: a call chain taken in one is right. */
	for (link = find_slot(t, slot); *link; link = find_slot(t, slot)) {
		struct pending_return *p = pending_of(*link);

		WRITE_ONCE(*link, p->pub.next);
		t->depth--;
		t->in_handler = true;
		call_ret_handlers(p, regs);
		t->in_handler = false;
		atomic_dec(&um->pending);
		probepoint_put(p->pp);
		kfree_rcu(p, rcu);
	}
	if (!atomic_read(&um->pending))
		reclaim_kick(um);
	return true;
}

/**
 * uretprobe_forget - the thread is going: so are its pending returns
 * @t: its state
 */
void uretprobe_forget(struct uprobe_thread *t)
{
	while (t->pub.return_instances)
		drop_pending(t, &t->pub.return_instances, pending_of(t->pub.return_instances));
}

/**
 * uretprobe_copy - a child goes on on a copy of its parent's stack
 * @child: its state, without pending returns
 * @parent: the parent's, current
 *
 * Return: 0 or -ENOMEM.
 */
int uretprobe_copy(struct uprobe_thread *child, struct uprobe_thread *parent)
{
	struct return_instance **tail = &child->pub.return_instances;
	struct return_instance *ri;

	for (ri = parent->pub.return_instances; ri; ri = ri->next) {
		struct pending_return *p;

		p = kmemdup(pending_of(ri), sizeof(*p), GFP_KERNEL_ACCOUNT);
		if (!p)
			return -ENOMEM;
		p->pub.next = NULL;
		refcount_inc(&p->pp->refs);
		atomic_inc(&child->um->pending);
		child->depth++;
		*tail = &p->pub;
		tail = &p->pub.next;
	}
	child->sweep_at = max(64U, child->depth * 2);
	return 0;
}

/**
 * uretprobe_undo - put the true return addresses back
 * @t: the current thread's state; its mm has no trampoline
 * @regs: its registers
 */
void uretprobe_undo(struct uprobe_thread *t, struct pt_regs *regs)
{
	while (t->pub.return_instances) {
		struct pending_return *p = pending_of(t->pub.return_instances);

		arch_uretprobe_write(regs, p->slot, p->pub.orig_ret_vaddr);
		uprobe_drop(p->pp, UPROBE_DROP_AREA);
		drop_pending(t, &t->pub.return_instances, p);
	}
}
