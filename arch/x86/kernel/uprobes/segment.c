// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: segments of 32-bit code, where an address or ip may be
 * relative to a base of the program's own.
 */
#include <linux/bits.h>
#include <linux/mmu_context.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <asm/desc.h>
#include <asm/inat.h>
#include <asm/ptrace.h>
#include <asm/segment.h>

#include "internal.h"

/* What was in the register when the thread entered the kernel */
static u16 selector(const struct pt_regs *regs, int reg)
{
	u16 sel = 0;

#ifdef CONFIG_X86_64
	if (reg == INAT_SEG_REG_DS)
		savesegment(ds, sel);
	else if (reg == INAT_SEG_REG_ES)
		savesegment(es, sel);
#else
	if (reg == INAT_SEG_REG_DS)
		sel = regs->ds;
	else if (reg == INAT_SEG_REG_ES)
		sel = regs->es;
#endif
	else if (reg == INAT_SEG_REG_CS)
		sel = regs->cs;
	else if (reg == INAT_SEG_REG_SS)
		sel = regs->ss;
#ifdef CONFIG_X86_32
	else if (reg == INAT_SEG_REG_FS)
		sel = regs->fs;
	else if (reg == INAT_SEG_REG_GS)
		savesegment(gs, sel);
#endif
	return sel;
}

static bool ldt_base(unsigned int entry, unsigned long *base)
{
	bool found = false;
#ifdef CONFIG_MODIFY_LDT_SYSCALL
	mm_context_t *context = &current->mm->context;

	mutex_lock(&context->lock);
	if (context->ldt && entry < context->ldt->nr_entries) {
		*base = get_desc_base(&context->ldt->entries[entry]);
		found = true;
	}
	mutex_unlock(&context->lock);
#endif
	return found;
}

/**
 * uprobe_segment_base - where a segment begins
 * @regs: of current, which is not in virtual-8086 mode
 * @reg: INAT_SEG_REG_CS, _SS, _DS or _ES; in a 32-bit kernel also _FS or _GS
 * @base: set to its linear address
 *
 * As the CPU would load it now. Not insn_get_seg_base(): that reads the GDT itself, which
 * is per CPU, and which a guest of Xen may not read; and it takes the upper half of an LDT
 * for errors. What of the GDT is the program's own the thread has in its tls_array, all
 * else that it may load there has no base.
 *
 * Context: may sleep.
 * Return: false if the selector is null, or behind the end of the LDT: using it is #GP.
 *	What the descriptor says but for its base is not looked at.
 */
bool uprobe_segment_base(struct pt_regs *regs, int reg, unsigned long *base)
{
	u16 sel = selector(regs, reg);
	unsigned int entry = sel >> 3;

	*base = 0;
	if (user_64bit_mode(regs))
		return true;
	if (sel <= SEGMENT_RPL_MASK)
		return false;
	if (sel & SEGMENT_TI_MASK)
		return ldt_base(entry, base);
	if (entry >= GDT_ENTRY_TLS_MIN && entry <= GDT_ENTRY_TLS_MAX)
		*base = get_desc_base(&current->thread.tls_array[entry - GDT_ENTRY_TLS_MIN]);
	return true;
}

/* The code segments that the kernel has for programs have no base. */
static bool is_flat_cs(unsigned long cs)
{
#ifdef CONFIG_X86_64
	if (cs == __USER32_CS)
		return true;
#endif
	return cs == __USER_CS;
}

bool arch_uprobe_linear(struct pt_regs *regs, unsigned long ip, unsigned long *vaddr)
{
	unsigned long base;

	*vaddr = ip;
	if (user_64bit_mode(regs))
		return true;
	if (v8086_mode(regs))
		base = (u16)regs->cs << 4;
	else if (is_flat_cs(regs->cs))
		return true;
	else if (!uprobe_segment_base(regs, INAT_SEG_REG_CS, &base))
		return false;
	*vaddr = (u32)(base + ip);
	return true;
}

#define AR_BIG	BIT(22)

/* A stack segment of the program's own may be a small one, where only sp counts. */
bool arch_uprobe_flat_stack(const struct pt_regs *regs)
{
	unsigned int ss = regs->ss & 0xffff, rights = 0;
	bool known;

	asm("lar %[ss], %[rights]"
	    : [rights] "+r" (rights), "=@ccz" (known) : [ss] "r" (ss));
	return known && (rights & AR_BIG);
}
