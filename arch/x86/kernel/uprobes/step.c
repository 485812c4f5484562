// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: executing a copy in a slot.
 *
 * The thread goes to user mode with its ip in the slot, and with the program's
 * own flags. All that is taken from it for that time is ip, a segment base where
 * the copy needs one, and thread.trap_nr, which tells afterwards whether the copy
 * raised an exception. TF is used in three cases only, all rare: a signal waits for
 * the end of a boosted copy, its way back is not open this time, or a debugger
 * wants a stop at each branch, of which that way is none.
 */
#include <linux/bits.h>
#include <linux/cpufeature.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/debugreg.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/fsgsbase.h>
#include <asm/gsseg.h>
#include <asm/pkru.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>
#include <asm/segment.h>

#include "internal.h"

/* No exception has this number. */
#define TRAP_NR_NONE	(~0UL)

/* ------------------------------------------------------------------ */
/* Text								      */
/* ------------------------------------------------------------------ */

/*
 * The way back of a boosted copy: jmp *disp32(%rip) to an address kept at
 * the end of the slot, as no jump with a displacement reaches from above the stack
 * to everywhere. (Aligned: the program may have alignment checks on.) In 32-bit
 * code any does. A borrowed gs is given back before that by loading the null
 * selector, which has no base. The selector is read from the top of the address:
 * below 47 bits that is 0.
 */
#define GS_RETURN_BYTES		6	/* mov disp32(%rip),%gs */
#define JUMP64_BYTES		6	/* jmp *disp32(%rip) */
#define JUMP32_BYTES		5	/* jmp rel32 */
#define TARGET_AT		(UPROBE_XOL_SLOT_BYTES - sizeof(u64))
#define SELECTOR_AT		(UPROBE_XOL_SLOT_BYTES - sizeof(u16))

static_assert(UPROBE_INSN_MAX + JUMP64_BYTES <= TARGET_AT);
static_assert(UPROBE_INSN_MAX + JUMP32_BYTES <= UPROBE_XOL_SLOT_BYTES);

/* An instruction that ends in a displacement from its end to byte @at of the slot */
static unsigned int put_riprel(u8 *image, unsigned int n, u16 opcode, unsigned int at)
{
	u32 disp = at - (n + sizeof(opcode) + sizeof(disp));

	memcpy(image + n, &opcode, sizeof(opcode));
	memcpy(image + n + sizeof(opcode), &disp, sizeof(disp));
	return n + sizeof(opcode) + sizeof(disp);
}

static void put_way_back(const struct arch_uprobe *au, unsigned long vaddr,
			 unsigned long slot, u8 *image)
{
	unsigned int n = au->xol_len;
	u64 target = vaddr + au->len;
	u32 rel;

	if (au->is64) {
		if (au->fixups & UPROBE_FIX_GS)
			n = put_riprel(image, n, 0x2d8e, SELECTOR_AT);
		put_riprel(image, n, 0x25ff, TARGET_AT);
		memcpy(image + TARGET_AT, &target, sizeof(target));
	} else {
		rel = target - (slot + n + JUMP32_BYTES);
		image[n] = 0xe9;
		memcpy(image + n + 1, &rel, sizeof(rel));
	}
}

void arch_uprobe_slot_image(const struct arch_uprobe *au, unsigned long vaddr,
			    unsigned long slot, u8 *image)
{
	memset(image, UPROBE_SWBP_INSN, UPROBE_XOL_SLOT_BYTES);
	memcpy(image, au->xol, au->xol_len);
	if (au->strategy == UPROBE_BOOST && !(au->fixups & UPROBE_FIX_LEAVES))
		put_way_back(au, vaddr, slot, image);
}

/* Is there room in a slot for a copy of @len bytes that borrows gs? */
bool uprobe_gs_return_fits(unsigned int len)
{
	return len + GS_RETURN_BYTES + JUMP64_BYTES <= TARGET_AT;
}

bool arch_uprobe_long_int3(const u8 *bytes)
{
	return bytes[0] == 0xcd && bytes[1] == 3;
}

/* The first n bytes of a word */
static const u64 low_bytes[sizeof(u64) + 1] = {
	0, 0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff,
	~0ULL,
};

/* Is it the instruction, but for its first byte, which is int3? */
static bool planted(const struct arch_uprobe *au, const u64 *text)
{
	unsigned int first = min_t(unsigned int, au->len, sizeof(u64));
	unsigned int second = min_t(unsigned int, au->len - first, sizeof(u64));
	u64 insn[2];

	memcpy(insn, au->insn, sizeof(insn));
	return ((insn[0] ^ text[0]) & low_bytes[first]) ==
			(u8)(au->insn[0] ^ UPROBE_SWBP_INSN) &&
	       !((insn[1] ^ text[1]) & low_bytes[second]);
}

static_assert(MAX_UINSN_BYTES == 2 * sizeof(u64));

/* Two words that may reach beyond the instruction, but not into another page */
static bool read_words(unsigned long vaddr, u64 *text)
{
	u64 __user *p = (u64 __user *)vaddr;

	if (!user_access_begin(p, MAX_UINSN_BYTES))
		return false;
	unsafe_get_user(text[0], p, fault);
	unsafe_get_user(text[1], p + 1, fault);
	user_access_end();
	return true;
fault:
	user_access_end();
	return false;
}

static bool read_bytes(unsigned long vaddr, u8 *text, unsigned int n)
{
	u8 __user *p = (u8 __user *)vaddr;
	unsigned int i;

	if (!user_access_begin(p, n))
		return false;
	for (i = 0; i < n; i++)
		unsafe_get_user(text[i], p + i, fault);
	user_access_end();
	return true;
fault:
	user_access_end();
	return false;
}

bool arch_uprobe_same_text(const struct arch_uprobe *au, unsigned long vaddr, bool *same)
{
	u64 text[2] = {};
	bool ok;

	pagefault_disable();
	if (offset_in_page(vaddr) <= PAGE_SIZE - sizeof(text))
		ok = read_words(vaddr, text);
	else
		ok = read_bytes(vaddr, (u8 *)text, au->len);
	pagefault_enable();

	*same = ok && planted(au, text);
	return ok;
}

/* ------------------------------------------------------------------ */
/* Segment bases						      */
/* ------------------------------------------------------------------ */

#ifdef CONFIG_X86_64

static u16 read_selector(u8 seg)
{
	u16 sel;

	if (seg == PREFIX_FS)
		savesegment(fs, sel);
	else
		savesegment(gs, sel);
	return sel;
}

static void load_selector(u8 seg, u16 sel)
{
	if (seg == PREFIX_FS)
		loadsegment(fs, sel);
	else
		load_gs_index(sel);
}

static unsigned long read_base(u8 seg)
{
	return seg == PREFIX_FS ? x86_fsbase_read_cpu() : x86_gsbase_read_cpu_inactive();
}

/*
 * The CPU's base, and what a context switch takes for it: without FSGSBASE the
 * switch does not read a base that goes with selector 0, it believes thread.
 */
static void write_base(u8 seg, unsigned long base)
{
	if (seg == PREFIX_FS) {
		current->thread.fsbase = base;
		x86_fsbase_write_cpu(base);
	} else {
		current->thread.gsbase = base;
		x86_gsbase_write_cpu_inactive(base);
	}
}

/*
 * The way from a slot to its site is down, so a borrowed base is negative as a
 * rule. In gs that is what an NMI between an exception and its swapgs takes for
 * the kernel's, unless it looks with FSGSBASE. fs means nothing to the kernel.
 */
bool uprobe_gs_borrowable(void)
{
	return boot_cpu_has(X86_FEATURE_FSGSBASE);
}

/*
 * Does a load of the null selector clear the base, and does a context switch
 * notice? Then a program without a gs of its own can give back gs by itself.
 */
bool uprobe_gs_returns(void)
{
	return boot_cpu_has(X86_FEATURE_FSGSBASE) && !boot_cpu_has_bug(X86_BUG_NULL_SEG);
}

/*
 * No base can be far enough from the slot if the program's own is at the edge
 * of the address space. Then the original would not reach user memory either,
 * so let the copy fault: a slot is in the lower half, so this is past its end.
 */
static unsigned long loadable_base(unsigned long base)
{
	if (__is_canonical_address(base, __VIRTUAL_MASK_SHIFT + 1))
		return base;
	return (1UL << __VIRTUAL_MASK_SHIFT) - 1;
}

/* What the copy gives back, nothing: is that what the program had? */
static bool gave_back(const struct arch_uprobe_task *at)
{
	return !at->saved_base && !read_selector(PREFIX_GS);
}

static void borrow_base(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			unsigned long vaddr, unsigned long slot)
{
	u8 seg = au->fixups & UPROBE_FIX_FS ? PREFIX_FS : PREFIX_GS;
	unsigned long base;

	preempt_disable();
	at->saved_base = read_base(seg);
	at->saved_sel = 0;
	/* A selector would bring its own base along at the next switch. */
	if (!boot_cpu_has(X86_FEATURE_FSGSBASE)) {
		at->saved_sel = read_selector(seg);
		if (at->saved_sel)
			load_selector(seg, 0);
	}
	base = uprobe_riprel_base(au, vaddr, slot, au->fixups & UPROBE_FIX_GS_BASE ?
						   read_base(PREFIX_GS) : at->saved_base);
	if (seg == PREFIX_GS && WARN_ON_ONCE(!uprobe_gs_borrowable()))
		base = 0;
	write_base(seg, loadable_base(base));
	at->borrowed = seg;
	preempt_enable();
}

static void return_base(struct arch_uprobe_task *at)
{
	u8 seg = at->borrowed;

	if (!seg)
		return;
	preempt_disable();
	if (at->saved_sel)
		load_selector(seg, at->saved_sel);
	/* Above 3 a selector has just loaded its base from the descriptor. */
	if (at->saved_sel <= 3)
		write_base(seg, at->saved_base);
	else if (seg == PREFIX_FS)
		current->thread.fsbase = 0;
	else
		current->thread.gsbase = 0;
	at->borrowed = 0;
	preempt_enable();
}

#else

/* No swapgs here, and no 64-bit code: records of it are made for tests only. */
bool uprobe_gs_borrowable(void)
{
	return true;
}

bool uprobe_gs_returns(void)
{
	return false;
}

static bool gave_back(const struct arch_uprobe_task *at)
{
	return true;
}

static void borrow_base(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			unsigned long vaddr, unsigned long slot)
{
}

static void return_base(struct arch_uprobe_task *at)
{
}

#endif

/* ------------------------------------------------------------------ */
/* x87								      */
/* ------------------------------------------------------------------ */

/* What fxsave writes, 16 bytes aligned */
struct fx_image {
	struct fxregs_state fx;
} __aligned(16);

#ifdef CONFIG_X86_64
static void fix_pointers_64(struct fxregs_state *fx, const struct arch_uprobe *au,
			    unsigned long vaddr, unsigned long slot)
{
	unsigned long reached = slot + au->xol_len + au->mem.disp;
	unsigned long meant = vaddr + au->len + au->mem.disp;

	if (au->mem.addr_bytes == 4) {
		reached = (u32)reached;
		meant = (u32)meant;
	}
	asm volatile("fxsave64 %0" : "=m" (*fx));
	if (fx->rip != slot)
		return;
	fx->rip = vaddr;
	if ((au->fixups & UPROBE_FIX_BORROW) && fx->rdp == reached)
		fx->rdp = meant;
	asm volatile("fxrstor64 %0" : : "m" (*fx));
}
#else
static void fix_pointers_64(struct fxregs_state *fx, const struct arch_uprobe *au,
			    unsigned long vaddr, unsigned long slot)
{
}
#endif

/* With the selectors that 32-bit code is shown */
static void fix_pointers_32(struct fxregs_state *fx, unsigned long vaddr, unsigned long slot)
{
	asm volatile("fxsave %0" : "=m" (*fx));
	if (fx->fip != slot)
		return;
	fx->fip = vaddr;
	asm volatile("fxrstor %0" : : "m" (*fx));
}

/*
 * An x87 instruction leaves its address behind, and its operand's, as fnstenv,
 * fxsave and signal frames show. Where that is the slot put the original's.
 */
static void fix_fpu_pointers(const struct arch_uprobe *au, unsigned long vaddr,
			     unsigned long slot)
{
	struct fx_image image;
	unsigned long flags;

	if (!boot_cpu_has(X86_FEATURE_FXSR))
		return;
	/* Not fpregs_lock(): in the debug exception interrupts are off already. */
	local_irq_save(flags);
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
	if (au->is64)
		fix_pointers_64(&image.fx, au, vaddr, slot);
	else
		fix_pointers_32(&image.fx, vaddr, slot);
	local_irq_restore(flags);
}

/* ------------------------------------------------------------------ */
/* In the slot							      */
/* ------------------------------------------------------------------ */

/*
 * The way back reads the slot as data. The program may have denied itself that,
 * by protection key 0, which fetching instructions does not care about.
 */
static bool way_back_open(const struct arch_uprobe *au, const struct arch_uprobe_task *at,
			  unsigned long vaddr)
{
	if (au->fixups & UPROBE_FIX_LEAVES)
		return true;
	if (au->is64 && (read_pkru() & PKRU_AD_BIT))
		return false;
	if (!(au->fixups & UPROBE_FIX_GS))
		return true;
	/* Text can be above 47 bits, with five levels. */
	return gave_back(at) && !(((u64)vaddr + au->len) >> 48);
}

/* A debugger that wants a stop at each branch would be shown the jump back. */
static bool shows_branches(const struct pt_regs *regs)
{
	return (regs->flags & X86_EFLAGS_TF) && test_thread_flag(TIF_BLOCKSTEP);
}

void arch_uprobe_pre_xol(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			 struct pt_regs *regs, unsigned long vaddr, unsigned long slot)
{
	at->borrowed = 0;
	if (au->fixups & UPROBE_FIX_BORROW)
		borrow_base(au, at, vaddr, slot);
	at->saved_trap_nr = current->thread.trap_nr;
	current->thread.trap_nr = TRAP_NR_NONE;
	regs->ip = slot;
	if (au->strategy == UPROBE_BOOST && (!way_back_open(au, at, vaddr) || shows_branches(regs)))
		arch_uprobe_trap_behind(au, at, regs);
}

enum uprobe_place arch_uprobe_place(const struct arch_uprobe *au, const struct pt_regs *regs,
				    unsigned long slot)
{
	unsigned long done = regs->ip - slot - au->xol_len;

	if (regs->ip == slot)
		return UPROBE_BEFORE;
	if (!done)
		return UPROBE_BEHIND;
	if (au->strategy == UPROBE_STEP && done == UPROBE_SWBP_INSN_SIZE)
		return UPROBE_BEHIND;
	if (au->strategy == UPROBE_BOOST && au->is64 && (au->fixups & UPROBE_FIX_GS) &&
	    done == GS_RETURN_BYTES)
		return UPROBE_BEHIND;
	return UPROBE_ELSEWHERE;
}

/* Not set_task_blockstep(): that leaves interrupts on, in the debug exception too. */
static void set_block_steps(bool on)
{
	unsigned long flags, ctl;

	local_irq_save(flags);
	ctl = get_debugctlmsr();
	update_debugctlmsr(on ? ctl | DEBUGCTLMSR_BTF : ctl & ~DEBUGCTLMSR_BTF);
	update_thread_flag(TIF_BLOCKSTEP, on);
	local_irq_restore(flags);
}

/*
 * Not if the copy goes elsewhere. If the program has set TF the exception comes
 * anyway, and is the program's; with block steps it has to be asked for.
 */
bool arch_uprobe_trap_behind(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			     struct pt_regs *regs)
{
	if (au->fixups & UPROBE_FIX_LEAVES)
		return false;
	if (shows_branches(regs)) {
		set_block_steps(false);
		at->block = true;
		at->tf = true;
	} else if (!(regs->flags & X86_EFLAGS_TF)) {
		regs->flags |= X86_EFLAGS_TF;
		at->tf = true;
	}
	return true;
}

static void return_tf(struct arch_uprobe_task *at, struct pt_regs *regs)
{
	if (!at->tf)
		return;
	at->tf = false;
	if (at->block) {
		at->block = false;
		set_block_steps(true);
	} else {
		regs->flags &= ~X86_EFLAGS_TF;
	}
}

bool arch_uprobe_own_debug(struct arch_uprobe_task *at, struct pt_regs *regs,
			   unsigned long *dr6)
{
	if (!at->tf || !(*dr6 & DR_STEP))
		return false;
	return_tf(at, regs);
	*dr6 &= ~DR_STEP;
	current->thread.virtual_dr6 &= ~DR_STEP;
	return !*dr6;
}

bool arch_uprobe_xol_trapped(void)
{
	return current->thread.trap_nr != TRAP_NR_NONE;
}

/* What a fault of the copy left in trap_nr belongs into its signal frame. */
static void restore_trap_nr(const struct arch_uprobe_task *at)
{
	if (!arch_uprobe_xol_trapped())
		current->thread.trap_nr = at->saved_trap_nr;
}

static void give_back(struct arch_uprobe_task *at, struct pt_regs *regs)
{
	return_base(at);
	return_tf(at, regs);
	restore_trap_nr(at);
}

unsigned long arch_uprobe_behind(const struct arch_uprobe *au, unsigned long vaddr)
{
	unsigned long ip = vaddr + au->len;

	if (au->fixups & UPROBE_FIX_ABORT)
		ip += au->imm;
	return au->is64 ? ip : (u32)ip;
}

void arch_uprobe_post_xol(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			  struct pt_regs *regs, unsigned long vaddr, unsigned long slot)
{
	give_back(at, regs);
	if (au->fixups & UPROBE_FIX_FPU)
		fix_fpu_pointers(au, vaddr, slot);
	/* It has been executed: a breakpoint on the next one counts. */
	regs->flags &= ~X86_EFLAGS_RF;
	regs->ip = arch_uprobe_behind(au, vaddr);
}

void arch_uprobe_abort_xol(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			   struct pt_regs *regs, unsigned long vaddr)
{
	give_back(at, regs);
	regs->ip = vaddr;
}

void arch_uprobe_left_xol(struct arch_uprobe_task *at, struct pt_regs *regs)
{
	/* The base has been given back by the copy. */
	at->borrowed = 0;
	return_tf(at, regs);
	restore_trap_nr(at);
}

void arch_uprobe_fork(const struct arch_uprobe_task *at, struct task_struct *child)
{
	if (child->thread.trap_nr == TRAP_NR_NONE)
		child->thread.trap_nr = at->saved_trap_nr;
}
