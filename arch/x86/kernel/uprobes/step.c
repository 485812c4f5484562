// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: executing a copy in a slot.
 *
 * The thread goes to user mode with its ip in the slot, and with the program's
 * own flags. All that the step takes from it for that time is ip, a segment
 * base where the copy needs one, and thread.trap_nr, which tells afterwards
 * whether the copy raised an exception.
 */
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/fsgsbase.h>
#include <asm/gsseg.h>
#include <asm/insn-eval.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>
#include <asm/segment.h>

#include "internal.h"

/* No exception has this number. */
#define TRAP_NR_NONE	(~0UL)

/* ------------------------------------------------------------------ */
/* Text								      */
/* ------------------------------------------------------------------ */

void arch_uprobe_slot_image(const struct arch_uprobe *au, u8 *slot)
{
	memcpy(slot, au->xol, au->xol_len);
	memset(slot + au->xol_len, UPROBE_SWBP_INSN, UPROBE_XOL_SLOT_BYTES - au->xol_len);
}

bool arch_uprobe_mode_ok(const struct arch_uprobe *au, const struct pt_regs *regs)
{
	struct pt_regs *r = (struct pt_regs *)regs;

	if (v8086_mode(r))
		return false;
	if (user_64bit_mode(r))
		return au->is64;
	/* Not a code segment from the LDT, where ip is not the address. */
#ifdef CONFIG_X86_64
	return !au->is64 && regs->cs == __USER32_CS;
#else
	return !au->is64 && regs->cs == __USER_CS;
#endif
}

bool arch_uprobe_flat_code(struct pt_regs *regs)
{
	if (v8086_mode(regs))
		return false;
	if (user_64bit_mode(regs))
		return true;
#ifdef CONFIG_X86_64
	if (regs->cs == __USER32_CS)
		return true;
#else
	if (regs->cs == __USER_CS)
		return true;
#endif
	return insn_get_seg_base(regs, INAT_SEG_REG_CS) == 0;
}

bool arch_uprobe_single_steps(const struct pt_regs *regs)
{
	return regs->flags & X86_EFLAGS_TF;
}

bool arch_uprobe_long_int3(const u8 *bytes)
{
	return bytes[0] == 0xcd && bytes[1] == 3;
}

/* 8 bytes of what the text is to look like, from byte @from on, and which count */
static bool differs(const struct arch_uprobe *au, unsigned int from, u64 text)
{
	unsigned int left = au->len - from;
	u64 mask = left >= sizeof(u64) ? ~0ULL : (1ULL << (left * 8)) - 1;
	u64 insn;

	memcpy(&insn, au->insn + from, sizeof(insn));
	if (!from)
		insn = (insn & ~0xffULL) | UPROBE_SWBP_INSN;
	return (insn ^ text) & mask;
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

	*same = ok && !differs(au, 0, text[0]) &&
		(au->len <= sizeof(u64) || !differs(au, sizeof(u64), text[1]));
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
	base = uprobe_riprel_base(au, vaddr, slot, at->saved_base);
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

static void borrow_base(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			unsigned long vaddr, unsigned long slot)
{
}

static void return_base(struct arch_uprobe_task *at)
{
}

#endif

/* ------------------------------------------------------------------ */
/* The step							      */
/* ------------------------------------------------------------------ */

void arch_uprobe_pre_xol(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			 struct pt_regs *regs, unsigned long vaddr, unsigned long slot)
{
	at->borrowed = 0;
	if (au->fixups & UPROBE_FIX_BORROW)
		borrow_base(au, at, vaddr, slot);
	at->saved_trap_nr = current->thread.trap_nr;
	current->thread.trap_nr = TRAP_NR_NONE;
	regs->ip = slot;
}

bool arch_uprobe_xol_done(const struct arch_uprobe *au, const struct pt_regs *regs,
			  unsigned long slot)
{
	unsigned long end = slot + au->xol_len;

	return regs->ip == end || regs->ip == end + UPROBE_SWBP_INSN_SIZE;
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

void arch_uprobe_post_xol(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			  struct pt_regs *regs, unsigned long vaddr, unsigned long slot)
{
	return_base(at);
	restore_trap_nr(at);
	regs->ip = au->is64 ? vaddr + au->len : (u32)(vaddr + au->len);
}

void arch_uprobe_abort_xol(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			   struct pt_regs *regs, unsigned long vaddr)
{
	return_base(at);
	restore_trap_nr(at);
	regs->ip = vaddr;
}
