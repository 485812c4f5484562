// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hit: from the trap to the site, the handlers, past the instruction, and on.
 *
 * Where a thread is, is in uprobe_thread->state, and these verbs change it:
 *
 *	THREAD_OUT	it runs the program's own code
 *	  -- enter_slot() -->
 *	THREAD_STEPS, THREAD_BOOSTED: it is in the slot of uprobe_thread->site
 *	  -- finish_copy(), when it is behind the copy -->
 *	  -- abort_copy(), when the copy faults or is not to be executed -->
 *	  -- left_copy(), when it has gone on by itself -->
 *	THREAD_OUT
 *
 * A stepped copy ends in a trap. A boosted one ends in a jump, so that the state
 * is out of date until settle() looks, which comes first in all that shows where
 * the thread is, or uses its uprobe_thread.
 *
 * uprobe_int3() and uprobe_debug() are called by the exceptions themselves,
 * before anybody else is asked, with interrupts off.
 */
#include <linux/ptrace.h>
#include <linux/resume_user_mode.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/uaccess.h>

#include "internal.h"
#include "site.h"

/* ------------------------------------------------------------ the slot */

/* The slot of @site, which the thread names from now on; 0 if there can be none. */
static unsigned long claim_slot(struct uprobe_site *site, struct uprobe_thread *t)
{
	unsigned long slot = READ_ONCE(site->slot);
	bool waited = false;

	if (likely(slot)) {
		WRITE_ONCE(t->slot, slot);
		/* See the two columns in xol.c. */
		smp_mb();
		if (likely(READ_ONCE(site->slot) == slot))
			return slot;
		WRITE_ONCE(t->slot, 0);
	}
	while (!(slot = xol_slot_get(site, t))) {
		/*
		 * Every slot has a thread in it. Such a thread may sleep in a
		 * page fault: let this one die.
		 */
		if (!waited)
			uprobe_stat_inc(UPROBE_STAT_SLOT_WAITS);
		waited = true;
		if (schedule_timeout_killable(1) && fatal_signal_pending(current))
			return 0;
	}
	return IS_ERR_VALUE(slot) ? 0 : slot;
}

/*
 * Send the thread into the slot of @site, which it names. Returns false, with
 * nothing done, if there can be no slot.
 */
static bool enter_slot(struct uprobe_site *site, struct uprobe_thread *t, struct pt_regs *regs)
{
	unsigned long slot, now;

	WARN_ON_ONCE(t->state != THREAD_OUT || t->slot || t->site != site);

	slot = claim_slot(site, t);
	if (unlikely(!slot || !xol_area_intact(site->um, slot, site->insn))) {
		WRITE_ONCE(t->slot, 0);
		return false;
	}

	/* Often enough to find the oldest, and no write where many hit at once. */
	now = xol_clock();
	if (now - READ_ONCE(site->last_hit) > XOL_HIT_STEP)
		WRITE_ONCE(site->last_hit, now);

	arch_uprobe_pre_xol(site->insn, &t->arch, regs, site->vaddr, slot);
	/* Last: who finds the thread boosted believes the ip in @regs. */
	barrier();
	WRITE_ONCE(t->state, site->insn->strategy == UPROBE_BOOST ? THREAD_BOOSTED : THREAD_STEPS);
	return true;
}

/* The thread is out; @t->state has said so before @t->slot does. */
static void leave_slot(struct uprobe_thread *t)
{
	/* Pairs with uprobe_threads_name_slot() and _sites(): this thread is out. */
	smp_store_release(&t->slot, 0);
	/* The same for the site, last: @t->slot is never set without it. */
	smp_store_release(&t->site, NULL);
	if (unlikely(t->signal_waits)) {
		timer_delete(&t->overdue);
		t->signal_waits = false;
		/* If it has been taken by another thread meanwhile: no harm. */
		set_thread_flag(TIF_SIGPENDING);
	}
}

static void finish_copy(struct uprobe_thread *t, struct pt_regs *regs)
{
	struct uprobe_site *site = t->site;

	arch_uprobe_post_xol(site->insn, &t->arch, regs, site->vaddr, t->slot);
	leave_slot(t);
}

static void abort_copy(struct uprobe_thread *t, struct pt_regs *regs)
{
	struct uprobe_site *site = t->site;

	WRITE_ONCE(t->state, THREAD_OUT);
	barrier();
	arch_uprobe_abort_xol(site->insn, &t->arch, regs, site->vaddr);
	leave_slot(t);
}

static void left_copy(struct uprobe_thread *t, struct pt_regs *regs)
{
	arch_uprobe_left_xol(&t->arch, regs);
	leave_slot(t);
}

/* How long a signal waits for a copy. Hardly any rep instruction takes that long. */
#define SIGNAL_PATIENCE	(HZ / 10)

/**
 * uprobe_signal_overdue - a signal has waited too long for the end of a copy
 * @timer: of &struct uprobe_thread, whose thread is there: it stops the timer
 *	before it goes
 */
void uprobe_signal_overdue(struct timer_list *timer)
{
	struct uprobe_thread *t = from_timer(t, timer, overdue);

	/* It may sleep in a page fault, and sees the flag when it wakes up. */
	set_tsk_thread_flag(t->task, TIF_SIGPENDING);
	if (!wake_up_state(t->task, TASK_INTERRUPTIBLE))
		kick_process(t->task);
}

/*
 * Where is the thread, and if it need not be in a slot any more, out of it.
 * UPROBE_BEFORE: it is in front of the copy, and stays there.
 *
 * While this looks, state is THREAD_OUT, so that nobody else clears what it
 * looks at if it is preempted; they know only then what its ip means.
 */
static enum uprobe_place settle(struct uprobe_thread *t, struct pt_regs *regs)
{
	enum uprobe_place place = UPROBE_ELSEWHERE;
	u8 state = t->state;

	if (state == THREAD_OUT)
		return UPROBE_ELSEWHERE;
	WRITE_ONCE(t->state, THREAD_OUT);
	barrier();
	/* Far away from its slot, as most are that were boosted? */
	if (t->slot && instruction_pointer(regs) - t->slot <= UPROBE_XOL_SLOT_BYTES)
		place = arch_uprobe_place(t->site->insn, regs, t->slot);

	switch (place) {
	case UPROBE_BEFORE:
		barrier();
		WRITE_ONCE(t->state, state);
		break;
	case UPROBE_BEHIND:
		finish_copy(t, regs);
		break;
	case UPROBE_ELSEWHERE:
		if (state == THREAD_STEPS) {
			/* By no way that we know of. It borrowed all the same. */
			unsigned long ip = instruction_pointer(regs);

			arch_uprobe_abort_xol(t->site->insn, &t->arch, regs, ip);
			leave_slot(t);
		} else {
			left_copy(t, regs);
		}
		break;
	}
	return place;
}

/* -------------------------------------------------------- finding a site */

enum trap_owner {
	TRAP_OURS,	/* there is a site */
	TRAP_PROGRAM,	/* the program's int3: it gets its signal */
	TRAP_GONE,	/* no int3 there any more: execute what is */
};

/* What the program executes there, in memory of any kind. Returns 0 or -errno. */
static int read_trap(struct mm_struct *mm, unsigned long vaddr, u8 *bytes, unsigned int n)
{
	if (!copy_from_user_nofault(bytes, (const void __user *)vaddr, n))
		return 0;
	return text_read(mm, vaddr, bytes, n);
}

/*
 * Whose is the trap at @vaddr in @vma? @found is set to the site if there is one, with or
 * without our breakpoint.
 */
static enum trap_owner look_in(struct uprobe_mm *um, struct vm_area_struct *vma,
			       unsigned long vaddr, struct uprobe_site **found)
{
	enum trap_owner owner = TRAP_GONE;
	struct probed_file *file = NULL;
	struct mm_struct *mm = um->mm;
	struct probepoint *pp = NULL;
	u8 bytes[2];

	lockdep_assert_held(&um->lock);
	*found = revalidate_site(um, vaddr);
	if (!*found && text_vma_could(vma)) {
		file = probed_file_find(file_inode(vma->vm_file));
		if (file) {
			loff_t offset = vma_offset_of(vma, vaddr);

			pp = probepoint_find(file, offset, offset);
		}
	}
	if (pp)
		*found = adopt_site(um, pp, vaddr);
	if (IS_ERR(*found)) {
		/* Ours, but no memory: the thread runs into it again. */
		*found = NULL;
		uprobe_drop(pp, UPROBE_DROP_NOMEM);
		goto out;
	}
	/* A child of a process that is wanted need not be; but it may return here. */
	if (*found && (pp || um->forked) && !probepoint_wanted((*found)->pp, mm)) {
		if ((*found)->returns) {
			refctr_disown(*found);
		} else {
			remove_site(*found);
			/* Without memory it stays, and gets the thread past it. */
			*found = site_find(um, vaddr);
		}
	}
	if (*found && (*found)->state == SITE_PLANTED)
		owner = TRAP_OURS;
	else if ((!read_trap(mm, vaddr, bytes, 1) && bytes[0] == UPROBE_SWBP_INSN) ||
		 (!read_trap(mm, vaddr - 1, bytes, 2) && arch_uprobe_long_int3(bytes)))
		owner = TRAP_PROGRAM;
out:
	if (pp)
		probepoint_put(pp);
	if (file)
		probed_file_put(file);
	return owner;
}

/*
 * The address has no site, or one that must be looked at first: after fork(),
 * after a change of the mapping, or because somebody else put int3 there.
 *
 * Called without a reader: mmap_lock, and pages, come when another process likes.
 * Returns as one, @idx, so that what was @found stays.
 */
static noinline enum trap_owner look_closer(unsigned long vaddr, struct uprobe_site **found,
					    int *idx)
	__acquires(&uprobes_srcu)
{
	struct mm_struct *mm = current->mm;
	enum trap_owner owner = TRAP_GONE;
	struct vm_area_struct *vma;
	struct uprobe_mm *um;

	*found = NULL;
	if (mmap_write_lock_killable(mm)) {
		*idx = srcu_read_lock(&uprobes_srcu);
		return TRAP_GONE;
	}
	um = uprobe_mm_get(mm);
	vma = vma_lookup(mm, vaddr);
	if (um && vma) {
		mutex_lock(&um->lock);
		owner = look_in(um, vma, vaddr, found);
		*idx = srcu_read_lock(&uprobes_srcu);
		mutex_unlock(&um->lock);
	} else {
		*idx = srcu_read_lock(&uprobes_srcu);
	}
	mmap_write_unlock(mm);
	return owner;
}

/*
 * Is what the site has there still our breakpoint? If the text was changed behind it, put
 * back the first byte and leave the program alone.
 */
static bool check_text(struct uprobe_site *site)
{
	int state;

	lockdep_assert_held(&site->um->lock);
	if (READ_ONCE(site->state) != SITE_PLANTED)
		return false;
	state = text_look(site->um->mm, site->vaddr, site->insn);
	if (state == TEXT_PLANTED)
		return true;
	/* If it cannot be told now the thread comes here again. */
	if (state != -EINTR && state != -ENOMEM &&
	    (state != TEXT_FOREIGN || !restore_text(site)))
		bar_site(site, state < 0 ? UPROBE_DROP_FAULT : UPROBE_DROP_CHANGED);
	return false;
}

/*
 * The trap says that there was an int3. Is it ours, over the instruction that
 * was analysed? Returns the site, or NULL; as a reader, @idx, which it is not all the
 * time: see look_closer().
 */
static noinline struct uprobe_site *text_still_ours(struct uprobe_site *site, int *idx)
	__must_hold(&uprobes_srcu)
{
	struct mm_struct *mm = current->mm;
	unsigned long vaddr = site->vaddr;
	struct uprobe_mm *um = site->um;
	bool same;

	if (likely(arch_uprobe_same_text(site->insn, vaddr, &same) && same))
		return site;

	srcu_read_unlock(&uprobes_srcu, *idx);
	if (mmap_write_lock_killable(mm)) {
		*idx = srcu_read_lock(&uprobes_srcu);
		return NULL;
	}
	mutex_lock(&um->lock);
	site = site_find(um, vaddr);
	if (site && !check_text(site))
		site = NULL;
	*idx = srcu_read_lock(&uprobes_srcu);
	mutex_unlock(&um->lock);
	mmap_write_unlock(mm);
	return site;
}

/* Take the breakpoint out of this mm: the hit cannot be got past. Not called by a reader. */
static noinline void back_out(struct uprobe_mm *um, unsigned long vaddr, enum uprobe_drop why)
{
	struct mm_struct *mm = current->mm;
	struct uprobe_site *site;

	if (mmap_write_lock_killable(mm))
		return;
	mutex_lock(&um->lock);
	site = site_find(um, vaddr);
	if (site && site->state == SITE_PLANTED && !restore_text(site)) {
		refctr_dec(site);
		bar_site(site, why);
	}
	mutex_unlock(&um->lock);
	mmap_write_unlock(mm);
}

/* -------------------------------------------------------------- handlers */

/*
 * Every handler wants out of this mm: check with the filters, and go. Not as a reader, see
 * look_closer(); the site stays as long as it is named, that is until hit() is done with
 * it. Who lists an uprobe meanwhile walks afterwards, and plants again.
 */
static noinline int withdraw(struct uprobe_site *site, struct uprobe_thread *t, int idx)
	__must_hold(&uprobes_srcu)
{
	struct uprobe_mm *um = site->um;

	WRITE_ONCE(t->site, site);
	srcu_read_unlock(&uprobes_srcu, idx);
	if (!mmap_write_lock_killable(um->mm)) {
		mutex_lock(&um->lock);
		/* Another thread may have been faster, or a function returns here by now. */
		if (site->state == SITE_PLANTED && site_find(um, site->vaddr) == site &&
		    !(site->returns && retpoint_is(site->pp)) &&
		    !probepoint_wanted(site->pp, um->mm))
			remove_site(site);
		mutex_unlock(&um->lock);
		mmap_write_unlock(um->mm);
	}
	return srcu_read_lock(&uprobes_srcu);
}

/* What the handlers of a hit were like, together */
#define HANDLERS_ANY	1
#define HANDLERS_STAY	2	/* one of them does not want out of this mm */
#define HANDLERS_RETURN	4	/* one of them waits for the return */

enum handlers_want {
	WANT_NOTHING,
	WANT_RETURN,
	WANT_OUT,
};

static enum handlers_want call_handlers(struct uprobe_site *site, struct uprobe_thread *t,
					struct pt_regs *regs)
{
	struct probepoint *pp = site->pp;
	unsigned int seen = 0;
	struct uprobe *u;

	this_cpu_inc(*pp->hits);
	/* Functions return to it, no more. */
	if (list_empty(&pp->uprobes))
		return WANT_NOTHING;
	t->pub.auprobe = (struct arch_uprobe *)site->insn;
	t->in_handler = true;
	list_for_each_entry_srcu(u, &pp->uprobes, node, srcu_read_lock_held(&uprobes_srcu)) {
		if (unlikely(u->only) && u->only != current->mm)
			continue;
		seen |= HANDLERS_ANY;
		if (!u->handler || !(u->handler(u, regs) & UPROBE_HANDLER_REMOVE))
			seen |= HANDLERS_STAY;
		if (u->ret_handler)
			seen |= HANDLERS_RETURN;
	}
	t->in_handler = false;
	t->pub.auprobe = NULL;

	if (unlikely((seen & (HANDLERS_ANY | HANDLERS_STAY)) == HANDLERS_ANY))
		return site->returns && retpoint_is(pp) ? WANT_NOTHING : WANT_OUT;
	return (seen & HANDLERS_RETURN) && instruction_pointer(regs) == site->vaddr ?
	       WANT_RETURN : WANT_NOTHING;
}

/*
 * The return address may have to be waited for, or the place where it leads to, both as
 * long as another process likes: not as a reader. The site stays as long as it is
 * named, that is until hit() is done with it. Returns the new index of the reader.
 */
static noinline int enter_late(struct uprobe_site *site, struct uprobe_thread *t,
			       struct pt_regs *regs, int idx)
{
	WRITE_ONCE(t->site, site);
	srcu_read_unlock(&uprobes_srcu, idx);
	uretprobe_enter_late(site, t, regs);
	return srcu_read_lock(&uprobes_srcu);
}

/*
 * A thread may be stopped at an instruction after its handlers have run: by a
 * debugger's int3 under the probe, which he gets past by a step without it, between
 * two rounds of a rep, or by a signal that could not wait for the copy. The next hit
 * is the same execution, unless the thread goes on elsewhere: see resumed().
 */
static void stop_here(struct uprobe_thread *t, struct pt_regs *regs)
{
	t->stopped_at = instruction_pointer(regs);
	t->stopped_sp = user_stack_pointer(regs);
	set_thread_flag(TIF_UPROBE);
}

/*
 * On the way to user mode. While a signal is pending the stop may be still to come; a
 * signal handler has a stack pointer of its own, and comes back.
 */
static void resumed(struct uprobe_thread *t, struct pt_regs *regs)
{
	if (signal_pending(current))
		set_thread_flag(TIF_UPROBE);
	else if (instruction_pointer(regs) != t->stopped_at &&
		 user_stack_pointer(regs) == t->stopped_sp)
		t->stopped_at = 0;
}

static bool stopped_here(struct uprobe_thread *t, struct pt_regs *regs)
{
	unsigned long vaddr = t->stopped_at;

	t->stopped_at = 0;
	return vaddr == instruction_pointer(regs) && t->stopped_sp == user_stack_pointer(regs);
}

/* ------------------------------------------------------------------ hits */

/*
 * The thread has trapped while it was in a slot, as far as was known. Returns true if
 * that was the int3 behind a stepped copy, and no hit.
 */
static noinline bool trapped_in_slot(struct uprobe_thread *t, struct pt_regs *regs,
				     enum uprobe_place place)
{
	unsigned long vaddr = uprobe_get_swbp_addr(regs);

	if (place == UPROBE_BEHIND) {
		uprobe_stat_inc(UPROBE_STAT_SECOND_TRAPS);
		return true;
	}
	/* A jump to the int3 that ends the slot before. */
	abort_copy(t, regs);
	instruction_pointer_set(regs, vaddr + UPROBE_SWBP_INSN_SIZE);
	return false;
}

/*
 * Executed in the other mode, or in a segment of the program's own: the breakpoint goes.
 * Returns false if the trap is the program's own; as a reader, which it is not all the time.
 */
static noinline bool wrong_mode(struct pt_regs *regs, int *idx)
{
	unsigned long ip = uprobe_get_swbp_addr(regs), vaddr;
	struct uprobe_site *site;
	enum trap_owner owner;

	if (!arch_uprobe_linear(regs, ip, &vaddr))
		return false;
	srcu_read_unlock(&uprobes_srcu, *idx);
	owner = look_closer(vaddr, &site, idx);
	if (owner == TRAP_OURS) {
		struct uprobe_mm *um = site->um;

		srcu_read_unlock(&uprobes_srcu, *idx);
		back_out(um, vaddr, UPROBE_DROP_MODE);
		*idx = srcu_read_lock(&uprobes_srcu);
	}
	if (owner == TRAP_PROGRAM)
		return false;
	instruction_pointer_set(regs, ip);
	return true;
}

/*
 * The address has no site, as far as is known, or one that something is special about.
 * Returns the site of which this is a hit; NULL if the thread goes on where @regs say;
 * an ERR_PTR if the trap is the program's own. Called by a reader, @idx, and returns as one.
 */
static noinline struct uprobe_site *find_slowly(struct uprobe_mm *um, struct uprobe_site *site,
						struct uprobe_thread *t, struct pt_regs *regs,
						int *idx)
{
	unsigned long vaddr = uprobe_get_swbp_addr(regs), linear;
	enum trap_owner owner;

	if (unlikely(!arch_uprobe_linear(regs, vaddr, &linear) || linear != vaddr))
		return wrong_mode(regs, idx) ? NULL : ERR_PTR(-ENOENT);
	if (!site && um && vaddr == READ_ONCE(um->area.vaddr))
		goto trampoline;
	if (!site || !site_usable(site)) {
		srcu_read_unlock(&uprobes_srcu, *idx);
		owner = look_closer(vaddr, &site, idx);
		/* xol_area_drop() hides the trampoline while it looks, under mmap_lock. */
		um = uprobe_mm_of(current->mm);
		if (owner == TRAP_PROGRAM && um && vaddr == READ_ONCE(um->area.vaddr))
			goto trampoline;
		if (owner == TRAP_PROGRAM)
			return ERR_PTR(-ENOENT);
		if (owner == TRAP_GONE) {
			instruction_pointer_set(regs, vaddr);
			return NULL;
		}
	}
	/* If it is not ours any more: execute what is there now. */
	if (READ_ONCE(site->loose) && arch_uprobe_mode_ok(site->insn, regs)) {
		site = text_still_ours(site, idx);
		if (!site)
			instruction_pointer_set(regs, vaddr);
	}
	return site;

trampoline:
	return uretprobe_return(um, t, regs) ? NULL : ERR_PTR(-ENOENT);
}

/*
 * The thread may sleep in it for as long as it likes, or exec: neither as a reader nor
 * with a site that is named.
 */
static noinline bool enter_syscall(struct uprobe_site *site, struct uprobe_thread *t,
				   struct pt_regs *regs, int idx)
	__releases(&uprobes_srcu)
{
	struct arch_uprobe insn = *site->insn;

	/* Pairs with uprobe_threads_name_sites(). */
	smp_store_release(&t->site, NULL);
	srcu_read_unlock(&uprobes_srcu, idx);
	arch_uprobe_syscall(&insn, regs);
	return true;
}

/*
 * Interrupted in a restartable sequence, or by a signal: as if it went to user mode, and
 * once more.
 */
static noinline void emulate_again(struct uprobe_site *site, struct uprobe_thread *t,
				   struct pt_regs *regs)
{
	do {
		resume_user_mode_work(regs);
		if (instruction_pointer(regs) != site->vaddr)
			return;
		if (signal_pending(current)) {
			stop_here(t, regs);
			return;
		}
	} while (!arch_uprobe_emulate(site->insn, regs));
}

/* Returns false if the trap is the program's own. */
static bool hit(struct uprobe_mm *um, struct pt_regs *regs)
{
	unsigned long vaddr = uprobe_get_swbp_addr(regs);
	struct uprobe_thread *t = uprobe_thread_of(current);
	struct uprobe_site *site = NULL;
	enum handlers_want want;
	bool ours = true;
	int idx;

	/* A boosted copy has just been left, as a rule. */
	if (t && t->state != THREAD_OUT) {
		enum uprobe_place place = settle(t, regs);

		if (unlikely(place != UPROBE_ELSEWHERE) && trapped_in_slot(t, regs, place))
			return true;
	}

	idx = srcu_read_lock(&uprobes_srcu);
	if (likely(um))
		site = site_look_up(um, vaddr);
	if (unlikely(!site || READ_ONCE(site->special))) {
		site = find_slowly(um, site, t, regs, &idx);
		if (IS_ERR_OR_NULL(site)) {
			ours = !site;
			goto out;
		}
	}
	if (unlikely(!arch_uprobe_mode_ok(site->insn, regs))) {
		ours = wrong_mode(regs, &idx);
		goto out;
	}
	instruction_pointer_set(regs, vaddr);

	if (unlikely(!t))
		t = uprobe_thread_get(site->um);
	if (unlikely(!t)) {
		/* Try again: a thread that cannot be stepped cannot go on. */
		uprobe_drop(site->pp, UPROBE_DROP_NOMEM);
		goto out;
	}

	if (likely(!t->stopped_at) || !stopped_here(t, regs)) {
		/* A function has ended before the next instruction begins. */
		if (retpoint_is(site->pp)) {
			uretprobe_arrive(site, t, regs);
			if (instruction_pointer(regs) != vaddr)
				goto out;
		}
		want = call_handlers(site, t, regs);
		if (want == WANT_RETURN && !uretprobe_enter(site, t, regs))
			idx = enter_late(site, t, regs, idx);
		else if (unlikely(want == WANT_OUT))
			idx = withdraw(site, t, idx);
	}

	/* A handler that moved the thread did so in place of the instruction. */
	if (instruction_pointer(regs) != vaddr)
		goto out;

	if (unlikely(READ_ONCE(site->under))) {
		/* To the program this is an int3 like any other. */
		stop_here(t, regs);
		instruction_pointer_set(regs, vaddr + UPROBE_SWBP_INSN_SIZE);
		ours = false;
		goto out;
	}

	if (site->insn->strategy == UPROBE_SYSCALL)
		return enter_syscall(site, t, regs, idx);
	/*
	 * What follows may wait for user memory, for as long as another process
	 * likes: not as a reader. The site stays as long as it is named.
	 */
	WRITE_ONCE(t->site, site);
	srcu_read_unlock(&uprobes_srcu, idx);
	if (site->insn->strategy == UPROBE_EMULATE) {
		if (unlikely(!arch_uprobe_emulate(site->insn, regs)))
			emulate_again(site, t, regs);
	} else {
		if (enter_slot(site, t, regs))
			return true;
		if (!fatal_signal_pending(current))
			back_out(site->um, vaddr, UPROBE_DROP_AREA);
	}
	/* Pairs with uprobe_threads_name_sites(). */
	smp_store_release(&t->site, NULL);
	return true;
out:
	if (unlikely(t && t->site))
		/* The same. */
		smp_store_release(&t->site, NULL);
	srcu_read_unlock(&uprobes_srcu, idx);
	return ours;
}

/**
 * uprobe_int3 - a thread has executed int3 in user mode
 * @regs: its registers, ip behind the int3
 *
 * Context: the breakpoint exception, interrupts off; they are on while handlers
 * run.
 * Return: true if it was ours; @regs then say where the thread goes on.
 */
bool uprobe_int3(struct pt_regs *regs)
{
	struct mm_struct *mm = current->mm;
	struct uprobe_mm *um;
	bool ours;

	if (unlikely(!mm))
		return false;
	um = uprobe_mm_of(mm);
	/* A child of fork() has breakpoints before it has this. */
	if (unlikely(!um) && !test_bit(MMF_HAS_UPROBES, &mm->flags))
		return false;

	local_irq_enable();
	ours = hit(um, regs);
	local_irq_disable();
	return ours;
}

/**
 * uprobe_debug - a thread has got a debug exception in user mode
 * @regs: its registers
 * @dr6: what the CPU says about it; loses what was ours
 *
 * If the program, or its debugger, has set TF, or a watchpoint was hit by the
 * copy of an instruction, the exception comes right behind the copy. The thread
 * is moved to where it would have come from, and the exception takes its
 * ordinary course. If TF was ours that was all.
 *
 * Context: the debug exception, interrupts off.
 * Return: true if the exception was ours alone.
 */
bool uprobe_debug(struct pt_regs *regs, unsigned long *dr6)
{
	struct uprobe_thread *t = uprobe_thread_of(current);
	enum uprobe_place place;
	bool ours;

	if (likely(!t || t->state == THREAD_OUT))
		return false;
	ours = arch_uprobe_own_debug(&t->arch, regs, dr6);
	place = settle(t, regs);
	if (place == UPROBE_BEHIND) {
		uprobe_stat_inc(UPROBE_STAT_SECOND_TRAPS);
	} else if (place == UPROBE_BEFORE && !ours) {
		/* Between two rounds of a rep: by TF or a watchpoint. It is at the original. */
		abort_copy(t, regs);
		stop_here(t, regs);
	}
	return ours;
}

#define SYNCHRONOUS_SIGNALS	(sigmask(SIGSEGV) | sigmask(SIGBUS) | sigmask(SIGILL) | \
				 sigmask(SIGTRAP) | sigmask(SIGFPE) | sigmask(SIGSYS))

/*
 * Is there a signal that the kernel has forced upon the thread? The copy has caused it: by
 * memory that is poisoned, for one, which is no trap of it.
 */
static bool signal_is_forced(void)
{
	struct sigpending *pending = &current->pending;
	bool forced = false;
	unsigned long flags;
	struct sigqueue *q;

	if (likely(!sigtestsetmask(&pending->signal, SYNCHRONOUS_SIGNALS)))
		return false;
	if (WARN_ON_ONCE(!lock_task_sighand(current, &flags)))
		return false;
	list_for_each_entry(q, &pending->list, list)
		forced |= q->info.si_code > SI_USER &&
			  (sigmask(q->info.si_signo) & SYNCHRONOUS_SIGNALS);
	unlock_task_sighand(current, &flags);
	return forced;
}

/**
 * uprobe_deny_signal - may the current thread take its signals now?
 *
 * Not in front of a copy: a signal that arrives before the copy has run waits
 * for it, so that handlers run once per execution. One that the copy itself has
 * caused, or that kills, ends the matter: the thread is at the original
 * instruction again. So does one that has waited too long: the copy may need a
 * page that does not come before the signal is taken (userfaultfd). Handlers have
 * run then, and do not run once more when the thread comes back.
 *
 * Context: get_signal().
 * Return: true if they have to wait.
 */
bool uprobe_deny_signal(void)
{
	struct uprobe_thread *t = uprobe_thread_of(current);
	struct pt_regs *regs = task_pt_regs(current);
	bool trapped;

	if (likely(!t || t->state == THREAD_OUT))
		return false;
	if (settle(t, regs) != UPROBE_BEFORE)
		return false;

	trapped = arch_uprobe_xol_trapped();
	if (!trapped && !signal_is_forced() && !fatal_signal_pending(current) &&
	    !(t->signal_waits && !timer_pending(&t->overdue)) &&
	    (t->state == THREAD_STEPS ||
	     arch_uprobe_trap_behind(t->site->insn, &t->arch, regs))) {
		if (!t->signal_waits) {
			t->signal_waits = true;
			mod_timer(&t->overdue, jiffies + SIGNAL_PATIENCE);
		}
		clear_thread_flag(TIF_SIGPENDING);
		/*
		 * A SIGKILL that came in between has either been seen by the
		 * test below, or sets the flag after it was cleared here. The
		 * same goes for the timer.
		 */
		smp_mb__after_atomic();
		if (!__fatal_signal_pending(current) && timer_pending(&t->overdue))
			return true;
		set_thread_flag(TIF_SIGPENDING);
	}
	abort_copy(t, regs);
	if (!trapped)
		stop_here(t, regs);
	return false;
}

/**
 * uprobe_notify_resume - TIF_UPROBE was set
 * @regs: the current thread's registers
 *
 * Somebody wants to know whether the thread is in a slot. Or it was stopped at a
 * probe. Or it is a child that came out of fork() with pending returns, and gets its
 * trampoline before it runs.
 *
 * Context: return to user mode, may sleep.
 */
void uprobe_notify_resume(struct pt_regs *regs)
{
	struct uprobe_thread *t = uprobe_thread_of(current);
	unsigned long at;

	clear_thread_flag(TIF_UPROBE);
	if (!t)
		return;
	settle(t, regs);
	if (t->stopped_at)
		resumed(t, regs);
	if (!t->child_area)
		return;
	at = t->child_area;
	t->child_area = 0;
	if (xol_area_make(t->um, at) || READ_ONCE(t->um->area.vaddr) != at)
		uretprobe_undo(t, regs);
}

/**
 * uprobe_get_trap_addr - where a thread that has trapped is, for its signal
 * @regs: its registers; of a thread that is behind a copy they are put right, as
 *	its signal frame shows them
 *
 * Also for rseq, which wants to know whether the thread is in a sequence.
 *
 * Context: an exception of the current thread, from user or kernel mode, or its
 * return to user mode.
 * Return: the original address if the thread is in a slot.
 */
unsigned long uprobe_get_trap_addr(struct pt_regs *regs)
{
	struct uprobe_thread *t = uprobe_thread_of(current);

	if (unlikely(t && t->state != THREAD_OUT && user_mode(regs) &&
		     settle(t, regs) == UPROBE_BEFORE))
		return t->site->vaddr;
	return instruction_pointer(regs);
}

/**
 * uprobe_leave - the thread does not execute the copy any more, if it is before one
 * @regs: its registers
 *
 * It is to go on somewhere else, or about to get a signal that the copy has
 * caused. The thread is at the original instruction afterwards, and has back
 * what was borrowed.
 *
 * Context: as for uprobe_get_trap_addr().
 */
void uprobe_leave(struct pt_regs *regs)
{
	struct uprobe_thread *t = uprobe_thread_of(current);

	if (likely(!t) || !user_mode(regs))
		return;
	if (unlikely(t->state != THREAD_OUT && settle(t, regs) == UPROBE_BEFORE))
		abort_copy(t, regs);
	/* If it comes back to where it was stopped that is another execution. */
	t->stopped_at = 0;
}

/**
 * uprobe_get_swbp_addr - the address of the int3 that a thread has executed
 * @regs: its registers after the trap
 *
 * Modules outside of the tree look it up by name.
 *
 * Return: the address.
 */
unsigned long uprobe_get_swbp_addr(struct pt_regs *regs)
{
	return instruction_pointer(regs) - UPROBE_SWBP_INSN_SIZE;
}

/**
 * uprobe_get_trampoline_vaddr - the address that replaces return addresses
 *
 * Context: any, also NMI.
 * Return: the address, or UPROBE_NO_TRAMPOLINE_VADDR if the current mm has none.
 */
unsigned long uprobe_get_trampoline_vaddr(void)
{
	struct uprobe_mm *um = current->mm ? uprobe_mm_of(current->mm) : NULL;
	unsigned long trampoline = um ? READ_ONCE(um->area.vaddr) : 0;

	return trampoline ?: UPROBE_NO_TRAMPOLINE_VADDR;
}
