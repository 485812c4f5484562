/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User-space probes, x86: the memory operands of emulated instructions. What
 * returns false has raised a signal, or wants the thread to try again.
 */
#ifndef _X86_UPROBES_USERMEM_H
#define _X86_UPROBES_USERMEM_H

#include <linux/cpufeature.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>

/* @stack: addressed through the stack segment, which faults differently */
bool uprobe_read_carefully(const struct pt_regs *regs, unsigned long addr, unsigned int width,
			   bool stack, u64 *val);
bool uprobe_write_carefully(const struct pt_regs *regs, unsigned long addr, unsigned int width,
			    bool stack, u64 val);

/* Most operands are words, and there: whatever is in the way comes out afterwards. */
static inline bool uprobe_read_user(const struct pt_regs *regs, unsigned long addr,
				    unsigned int width, bool stack, u64 *val)
{
	unsigned long word;

	if (likely(width == sizeof(word) && !(regs->flags & X86_EFLAGS_AC) &&
		   !get_user(word, (unsigned long __user *)addr))) {
		*val = word;
		return true;
	}
	return uprobe_read_carefully(regs, addr, width, stack, val);
}

static inline bool uprobe_write_user(const struct pt_regs *regs, unsigned long addr,
				     unsigned int width, bool stack, u64 val)
{
	if (likely(width == sizeof(long) && !(regs->flags & X86_EFLAGS_AC) &&
		   !put_user((unsigned long)val, (unsigned long __user *)addr)))
		return true;
	return uprobe_write_carefully(regs, addr, width, stack, val);
}

bool uprobe_canonical(unsigned long addr);
void uprobe_raise_gp(void);

/*
 * A call writes the shadow stack and then the stack, a ret compares the two.
 * Either moves the shadow stack pointer only when nothing can fail any more, by
 * a commit of @ssp, which is 0 for a thread without a shadow stack.
 */
#ifdef CONFIG_X86_USER_SHADOW_STACK
bool uprobe_shadow_do_push(unsigned long ret, u64 *ssp);
bool uprobe_shadow_do_check(unsigned long ret, u64 *ssp);
void uprobe_shadow_commit(u64 ssp);
#else
static inline bool uprobe_shadow_do_push(unsigned long ret, u64 *ssp) { return true; }
static inline bool uprobe_shadow_do_check(unsigned long ret, u64 *ssp) { return true; }
static inline void uprobe_shadow_commit(u64 ssp) { }
#endif

static inline bool uprobe_shadow_push(unsigned long ret, u64 *ssp)
{
	return !cpu_feature_enabled(X86_FEATURE_USER_SHSTK) || uprobe_shadow_do_push(ret, ssp);
}

static inline bool uprobe_shadow_check(unsigned long ret, u64 *ssp)
{
	return !cpu_feature_enabled(X86_FEATURE_USER_SHSTK) || uprobe_shadow_do_check(ret, ssp);
}

#endif /* _X86_UPROBES_USERMEM_H */
