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
#include <linux/mmu_context.h>
#include <linux/ptrace.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

static struct pending_return *pending_of(struct return_instance *ri)
{
	return ri ? container_of(ri, struct pending_return, pub) : NULL;
}

static bool slot_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct pending_return, node)->slot <
	       rb_entry(b, struct pending_return, node)->slot;
}

static bool slot_less_or_same(struct rb_node *a, const struct rb_node *b)
{
	return !slot_less((struct rb_node *)b, a);
}

/* Note @p as the innermost of the current thread. */
static void link_pending(struct uprobe_thread *t, struct pending_return *p)
{
	struct pending_return *next = pending_of(t->pub.return_instances);

	p->pub.next = t->pub.return_instances;
	p->pprev = &t->pub.return_instances;
	if (next)
		next->pprev = &p->pub.next;
	rb_add(&p->node, &t->returns, slot_less);
	t->depth++;
	/* An interrupt may follow it at once. */
	smp_store_release(&t->pub.return_instances, &p->pub);
}

static void unlink_pending(struct uprobe_thread *t, struct pending_return *p)
{
	struct pending_return *next = pending_of(p->pub.next);

	WRITE_ONCE(*p->pprev, p->pub.next);
	if (next)
		next->pprev = p->pprev;
	rb_erase(&p->node, &t->returns);
	t->depth--;
}

/* No longer pending; the area may have been there for this one only. */
static void pending_dec(struct uprobe_mm *um)
{
	if (atomic_dec_and_test(&um->pending) && READ_ONCE(um->drop_wanted))
		reclaim_kick(um);
}

/* Free @p, which is unlinked. An interrupt may be looking at it. */
static void free_pending(struct uprobe_mm *um, struct pending_return *p)
{
	probepoint_put(p->pp);
	kfree_rcu(p, rcu);
	pending_dec(um);
}

/*
 * The pending return with the highest stack address that is not above @slot; of
 * those with the same, the one noted last.
 */
static struct pending_return *find_at_or_below(struct uprobe_thread *t, unsigned long slot)
{
	struct rb_node *n = t->returns.rb_node;
	struct pending_return *found = NULL;

	while (n) {
		struct pending_return *p = rb_entry(n, struct pending_return, node);

		if (p->slot <= slot) {
			found = p;
			n = n->rb_right;
		} else {
			n = n->rb_left;
		}
	}
	return found;
}

static struct pending_return *find_at(struct uprobe_thread *t, unsigned long slot)
{
	struct pending_return *p = find_at_or_below(t, slot);

	return p && p->slot == slot ? p : NULL;
}

/* Is the trampoline's address still where it was put? */
static bool still_pending(const struct pending_return *p, unsigned long trampoline)
{
	unsigned long now = 0;
	size_t width = is_64bit_mm(current->mm) ? 8 : 4;

	return !copy_from_user(&now, (void __user *)p->slot, width) && now == trampoline;
}

/* It will not come any more. */
static void give_up(struct uprobe_thread *t, struct pending_return *p)
{
	uprobe_drop(p->pp, UPROBE_DROP_RETURN);
	unlink_pending(t, p);
	free_pending(t->um, p);
}

/* Drop what longjmp(), exceptions and stacks that were given up left behind. */
static void sweep(struct uprobe_thread *t, unsigned long trampoline)
{
	struct return_instance *ri, *next;

	for (ri = t->pub.return_instances; ri; ri = next) {
		next = ri->next;
		if (!still_pending(pending_of(ri), trampoline))
			give_up(t, pending_of(ri));
	}
	t->sweep_at = max(64U, t->depth * 2);
}

/* The address of the trampoline; the area is made if need be. 0 if it cannot. */
static unsigned long trampoline_get(struct uprobe_mm *um)
{
	/* Pairs with the publication in xol_area_make(). */
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
	struct pending_return *p, *old;
	enum uprobe_drop why;
	bool chained;

	atomic_inc(&um->pending);
	/* Before the area is looked at: pairs with xol_area_drop(). */
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

	old = find_at(t, slot);
	chained = ret == trampoline;
	if (chained) {
		why = UPROBE_DROP_STRAY;
		if (!old)
			goto drop;
		ret = old->pub.orig_ret_vaddr;
	} else {
		for (; old; old = find_at(t, slot))
			give_up(t, old);
	}

	why = UPROBE_DROP_NOMEM;
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		goto drop;
	why = UPROBE_DROP_STACK;
	if (!chained && arch_uretprobe_write(regs, slot, trampoline, ret)) {
		kfree(p);
		goto drop;
	}
	refcount_inc(&site->pp->refs);
	p->pp = site->pp;
	p->func = instruction_pointer(regs);
	p->slot = slot;
	p->pub.orig_ret_vaddr = ret;
	link_pending(t, p);
	return;
drop:
	pending_dec(um);
	uprobe_drop(site->pp, why);
}

static void call_ret_handlers(struct pending_return *p, struct pt_regs *regs)
{
	struct uprobe *u;

	list_for_each_entry_srcu(u, &p->pp->uprobes, node, srcu_read_lock_held(&uprobes_srcu))
		if (u->ret_handler && (!u->only || u->only == current->mm))
			u->ret_handler(u, p->func, regs);
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
	unsigned long after = arch_uretprobe_slot_after(regs), slot;
	struct pending_return *p;

	/* A ret that drops arguments takes it from further down. */
	p = t ? find_at_or_below(t, after) : NULL;
	if (!p || after - p->slot > U16_MAX) {
		uprobe_drop(NULL, UPROBE_DROP_STRAY);
		return false;
	}
	slot = p->slot;
	instruction_pointer_set(regs, p->pub.orig_ret_vaddr);
	uprobe_stat_inc(UPROBE_STAT_RETURNS);

	for (; p; p = find_at(t, slot)) {
		/* First, so that a call chain taken in a handler is right. */
		unlink_pending(t, p);
		t->in_handler = true;
		call_ret_handlers(p, regs);
		t->in_handler = false;
		free_pending(um, p);
	}
	return true;
}

/**
 * uretprobe_forget - the thread is going: so are its pending returns
 * @t: its state
 */
void uretprobe_forget(struct uprobe_thread *t)
{
	struct pending_return *p;

	while ((p = pending_of(t->pub.return_instances))) {
		unlink_pending(t, p);
		free_pending(t->um, p);
	}
}

/**
 * uretprobe_copy - a child runs on a copy of its parent's stack
 * @child: its state, without pending returns
 * @parent: the parent's, current
 *
 * Return: 0 or -ENOMEM.
 */
int uretprobe_copy(struct uprobe_thread *child, struct uprobe_thread *parent)
{
	struct pending_return *p, *copy, *last = NULL;

	for (p = pending_of(parent->pub.return_instances); p; p = pending_of(p->pub.next)) {
		copy = kmemdup(p, sizeof(*p), GFP_KERNEL_ACCOUNT);
		if (!copy)
			return -ENOMEM;
		refcount_inc(&copy->pp->refs);
		atomic_inc(&child->um->pending);
		/* Outermost last, as in the parent. */
		copy->pub.next = NULL;
		copy->pprev = last ? &last->pub.next : &child->pub.return_instances;
		*copy->pprev = &copy->pub;
		/* The inner one of two with the same slot was added first here. */
		rb_add(&copy->node, &child->returns, slot_less_or_same);
		child->depth++;
		last = copy;
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
	struct pending_return *p;

	while ((p = pending_of(t->pub.return_instances))) {
		arch_uretprobe_write(regs, p->slot, p->pub.orig_ret_vaddr,
				     p->pub.orig_ret_vaddr);
		uprobe_drop(p->pp, UPROBE_DROP_AREA);
		unlink_pending(t, p);
		free_pending(t->um, p);
	}
}
