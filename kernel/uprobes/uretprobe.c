// SPDX-License-Identifier: GPL-2.0-only
/*
 * Return probes: from the entry of a function to its return.
 *
 * At the entry the return address is read, a site is planted there (retpoint.c),
 * and the return is noted (returns.c). The stack is left alone. A hit at that
 * address with the stack pointer that the function leaves behind is the return.
 *
 * Not everything that gets there is one. An exception that is caught around the
 * call ends in a jump to the instruction behind it, with the same stack pointer;
 * but calls that the landing pad has made have overwritten the return address by
 * then, which a ret leaves where it was.
 *
 * A word that is not the address of text behind a call, or of an instruction that is
 * refused, is taken for something else, and left alone. Where no site can be planted
 * (memory without a file, text that the program may write, the vdso) the return
 * address is replaced by that of an int3 in the XOL area, the trampoline; or the
 * return is skipped.
 */
#include <linux/mmu_context.h>
#include <linux/moduleparam.h>
#include <linux/ptrace.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "internal.h"
#include "site.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "uprobes."

/* ------------------------------------------------------------ the switch */

enum fallback { FALLBACK_TRAMPOLINE, FALLBACK_SKIP };

static const char *const fallback_name[] = {
	[FALLBACK_TRAMPOLINE]	= "trampoline",
	[FALLBACK_SKIP]		= "skip",
};

static int fallback_set(const char *val, const struct kernel_param *kp)
{
	int nr = sysfs_match_string(fallback_name, val);

	if (nr < 0)
		return nr;
	WRITE_ONCE(*(int *)kp->arg, nr);
	return 0;
}

static int fallback_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", fallback_name[READ_ONCE(*(int *)kp->arg)]);
}

static const struct kernel_param_ops fallback_ops = {
	.set = fallback_set,
	.get = fallback_get,
};

static int return_fallback = FALLBACK_TRAMPOLINE;
module_param_cb(return_fallback, &fallback_ops, &return_fallback, 0644);
MODULE_PARM_DESC(return_fallback, "where no site can be planted to return to: trampoline or skip");

/* ----------------------------------------------------------------- entry */

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

/*
 * No site can be planted at its return address, or that is the trampoline's
 * already. Takes @p, which it notes or frees.
 */
static void enter_by_trampoline(struct uprobe_mm *um, struct uprobe_thread *t,
				struct pending_return *p, struct pt_regs *regs)
{
	struct probepoint *pp = p->pp;
	unsigned long trampoline, ret;
	enum uprobe_drop why;
	bool chained;

	why = UPROBE_DROP_SKIPPED;
	trampoline = READ_ONCE(um->area.vaddr);
	if (READ_ONCE(return_fallback) == FALLBACK_SKIP &&
	    (!trampoline || p->pub.orig_ret_vaddr != trampoline))
		goto drop;

	p->trampoline = true;
	WRITE_ONCE(um->trampolined, true);
	atomic_inc(&um->pending);
	/* Before the area is looked at: pairs with xol_area_drop(). */
	smp_mb__after_atomic();

	why = UPROBE_DROP_AREA;
	trampoline = trampoline_get(um);
	if (!trampoline)
		goto drop;
	chained = p->pub.orig_ret_vaddr == trampoline;
	if (chained) {
		why = UPROBE_DROP_STRAY;
		ret = returns_find(um->returns, t, p->slot, p->after, true);
		if (!ret)
			goto drop;
		p->pub.orig_ret_vaddr = ret;
	} else {
		why = UPROBE_DROP_STACK;
		if (arch_uretprobe_write(regs, p->slot, trampoline, p->pub.orig_ret_vaddr))
			goto drop;
		uprobe_stat_inc(UPROBE_STAT_TRAMPOLINES);
	}
	if (returns_note_among(um, t, p, chained))
		return;
	why = UPROBE_DROP_DEPTH;
	if (!chained)
		arch_uretprobe_write(regs, p->slot, p->pub.orig_ret_vaddr, trampoline);
drop:
	uprobe_drop(pp, why);
	returns_free(um, NULL, p);
}

/* Returns false if there are as many as there may be. */
static noinline bool make_room(struct uprobe_mm *um, struct uprobe_thread *t)
{
	/* Are they all alive? Not asked each time. */
	if (t->depth < UPROBE_RETURN_LIMIT || !(t->too_deep++ % SZ_4K))
		returns_sweep(um, t);
	return t->depth < UPROBE_RETURN_LIMIT;
}

/* Fill in what is known of a return, on its way to @ret, at the entry of its function. */
static __always_inline
void describe(struct pending_return *p, const struct uprobe_site *site, unsigned long slot,
	      unsigned long ret)
{
	p->pub.orig_ret_vaddr = ret;
	p->func = site->vaddr;
	p->slot = slot;
	p->after = slot + site->pp->pops[site->insn->is64];
	p->owner = 0;
	p->trampoline = false;
}

/**
 * uretprobe_enter - a function with return probes has been entered
 * @site: where
 * @t: the current thread's state
 * @regs: its registers, ip at the function
 *
 * As a rule the return address is there, and so is a site where it leads to.
 *
 * Context: an uprobes_srcu reader, so nothing is waited for that another process has
 * in its hands.
 * Return: false if nothing was done yet: that is for uretprobe_enter_late().
 */
bool uretprobe_enter(struct uprobe_site *site, struct uprobe_thread *t, struct pt_regs *regs)
{
	struct uprobe_mm *um = site->um;
	struct pending_return *p;
	unsigned long slot, ret;
	enum uprobe_drop why;

	why = UPROBE_DROP_NOMEM;
	if (unlikely(!returns_get(um)))
		goto drop;
	slot = arch_uretprobe_slot(regs);
	if (unlikely(arch_uretprobe_peek(regs, slot, &ret) || returns_due(t) ||
		     !retpoint_ready(site, t, ret)))
		return false;
	p = returns_new(t, site->pp);
	if (unlikely(!p))
		goto drop;
	describe(p, site, slot, ret);
	if (likely(returns_note(um, t, p)))
		return true;
	returns_free(um, NULL, p);
	why = UPROBE_DROP_DEPTH;
drop:
	uprobe_drop(site->pp, why);
	return true;
}

/* How can the return to @ret be followed? A site is made if there is none. */
static enum return_way find_way(struct uprobe_site *site, struct uprobe_thread *t,
				unsigned long ret)
{
	bool ready;
	int idx;

	idx = srcu_read_lock(&uprobes_srcu);
	ready = retpoint_ready(site, t, ret);
	srcu_read_unlock(&uprobes_srcu, idx);
	if (ready)
		return RETURN_BY_SITE;
	if (ret && ret == READ_ONCE(site->um->area.vaddr))
		return RETURN_BY_TRAMPOLINE;
	return retpoint_make(site, ret);
}

/**
 * uretprobe_enter_late - the same, with all that may have to be waited for
 * @site: where; the thread names it
 * @t: the current thread's state
 * @regs: its registers, ip at the function
 *
 * Context: may sleep as long as another process likes; not an uprobes_srcu reader.
 */
void uretprobe_enter_late(struct uprobe_site *site, struct uprobe_thread *t,
			  struct pt_regs *regs)
{
	struct uprobe_mm *um = site->um;
	struct pending_return *p;
	unsigned long slot, ret;
	enum uprobe_drop why;
	enum return_way way;

	why = UPROBE_DROP_NOMEM;
	if (!returns_get(um))
		goto drop;
	why = UPROBE_DROP_STACK;
	slot = arch_uretprobe_slot(regs);
	if (arch_uretprobe_peek(regs, slot, &ret)) {
		arch_uretprobe_await(regs);
		if (arch_uretprobe_peek(regs, slot, &ret))
			goto drop;
	}
	why = UPROBE_DROP_DEPTH;
	if (returns_due(t) && !make_room(um, t))
		goto drop;
	why = UPROBE_DROP_SKIPPED;
	way = find_way(site, t, ret);
	if (way == RETURN_BY_NOTHING)
		goto drop;
	why = UPROBE_DROP_NOMEM;
	p = returns_new(t, site->pp);
	if (!p)
		goto drop;
	describe(p, site, slot, ret);
	if (way == RETURN_BY_TRAMPOLINE) {
		enter_by_trampoline(um, t, p, regs);
		return;
	}
	if (returns_note(um, t, p))
		return;
	returns_free(um, NULL, p);
	why = UPROBE_DROP_DEPTH;
drop:
	uprobe_drop(site->pp, why);
}

/* ---------------------------------------------------------------- return */

/* The thread has returned from all in @list. */
static __always_inline
void call_ret_handlers(struct uprobe_mm *um, struct uprobe_thread *t,
		       struct pending_return *list, struct pt_regs *regs)
{
	struct pending_return *p;
	struct uprobe *u;

	uprobe_stat_inc(UPROBE_STAT_RETURNS);
	while ((p = list)) {
		list = p->next;
		t->in_handler = true;
		list_for_each_entry_srcu(u, &p->pp->uprobes, node,
					 srcu_read_lock_held(&uprobes_srcu))
			if (u->ret_handler && (!u->only || u->only == current->mm))
				u->ret_handler(u, p->func, regs);
		t->in_handler = false;
		returns_done(um, t, p);
	}
}

/* Does the stack still hold what @p has returned by? If it cannot be seen: yes. */
static bool slot_untouched(struct uprobe_mm *um, const struct pending_return *p,
			   struct pt_regs *regs)
{
	unsigned long ret, trampoline = READ_ONCE(um->area.vaddr);

	if (arch_uretprobe_peek(regs, p->slot, &ret))
		return true;
	return ret == p->pub.orig_ret_vaddr || (trampoline && ret == trampoline);
}

/**
 * uretprobe_arrive - a thread is at a place where functions return to
 * @site: where
 * @t: the current thread's state
 * @regs: its registers, ip at @site
 *
 * Context: may sleep; an uprobes_srcu reader.
 */
void uretprobe_arrive(struct uprobe_site *site, struct uprobe_thread *t, struct pt_regs *regs)
{
	struct uprobe_mm *um = site->um;
	struct pending_return *list, *p;

	/* Pairs with the publication in returns_make(). */
	if (!smp_load_acquire(&um->returns))
		return;
	list = returns_take(um, t, arch_uretprobe_slot_after(regs), site->vaddr);
	/* Who jumped to the one that has returned may have moved the return address. */
	while (list && unlikely(!slot_untouched(um, list, regs))) {
		p = list;
		list = p->next;
		p->next = NULL;
		returns_give_up(um, t, p);
	}
	if (list)
		call_ret_handlers(um, t, list, regs);
}

/* A ret that drops arguments takes it from further down. */
static struct pending_return *take_below(struct uprobe_mm *um, struct uprobe_thread *t,
					 unsigned long after)
{
	struct pending_return *p, *found = NULL;
	struct return_instance *ri;

	/* Others may take away theirs from this list, but not those of this stack. */
	spin_lock(&um->threads_lock);
	for (ri = t->pub.return_instances; ri; ri = ri->next) {
		p = container_of(ri, struct pending_return, pub);
		if (p->slot <= after && after - p->slot <= U16_MAX &&
		    (!found || p->slot > found->slot))
			found = p;
	}
	after = found ? found->after : 0;
	spin_unlock(&um->threads_lock);
	return found ? returns_take_all(um, t, after, 0, true) : NULL;
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
	unsigned long after = arch_uretprobe_slot_after(regs);
	struct pending_return *list = NULL;

	/* Pairs with the publication in returns_make(). */
	if (smp_load_acquire(&um->returns)) {
		/* It may have resumed another thread's fiber. */
		t = t ?: uprobe_thread_get(um);
		if (!t) {
			/* Try again: there is no other way from here. */
			instruction_pointer_set(regs, uprobe_get_swbp_addr(regs));
			return true;
		}
		list = returns_take_all(um, t, after, 0, true) ?: take_below(um, t, after);
	}
	if (!list) {
		uprobe_drop(NULL, UPROBE_DROP_STRAY);
		return false;
	}
	instruction_pointer_set(regs, list->pub.orig_ret_vaddr);
	/* Handlers that look at call chains take the next one for that of the caller. */
	returns_unlist(um, list);
	call_ret_handlers(um, t, list, regs);
	return true;
}

/**
 * uretprobe_undo - put the true return addresses back
 * @t: the current thread's state; its mm has no trampoline
 * @regs: its registers
 */
void uretprobe_undo(struct uprobe_thread *t, struct pt_regs *regs)
{
	struct return_instance *ri;
	struct pending_return *p;

	while ((ri = t->pub.return_instances)) {
		p = container_of(ri, struct pending_return, pub);
		arch_uretprobe_write(regs, p->slot, p->pub.orig_ret_vaddr,
				     p->pub.orig_ret_vaddr);
		uprobe_drop(p->pp, UPROBE_DROP_AREA);
		returns_remove(t->um, p);
		returns_free(t->um, t, p);
	}
}
