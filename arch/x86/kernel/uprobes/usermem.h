/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User-space probes, x86: the memory operands of emulated instructions. What
 * returns false has raised a signal, or wants the thread to try again.
 */
#ifndef _X86_UPROBES_USERMEM_H
#define _X86_UPROBES_USERMEM_H

#include <linux/cpufeature.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>

/*
 * Is the thread in a restartable sequence, as far as it says itself? Then it may
 * not touch memory once it has been preempted: the access has to be the last
 * thing before rseq is asked, or not be made at all. If the word cannot be read
 * the answer is yes.
 */
static inline bool uprobe_in_rseq(void)
{
#ifdef CONFIG_RSEQ
	u64 cs;

	return current->rseq && (get_user(cs, &current->rseq->rseq_cs) || cs);
#else
	return false;
#endif
}

/* Where it says so; NULL if it never does. sys_rseq() has checked the address. */
static __always_inline u64 __user *uprobe_rseq_word(void)
{
#ifdef CONFIG_RSEQ
	return current->rseq ? &current->rseq->rseq_cs : NULL;
#else
	return NULL;
#endif
}

/*
 * @stack: addressed through the stack segment, which faults differently.
 * @interrupted: set if the access was not made for rseq's sake, or as a signal comes
 *	first.
 */
bool uprobe_read_carefully(const struct pt_regs *regs, unsigned long addr, unsigned int width,
			   bool stack, u64 *val, bool *interrupted);
bool uprobe_write_carefully(const struct pt_regs *regs, unsigned long addr, unsigned int width,
			    bool stack, u64 val, bool *interrupted);

/*
 * Most operands are of 4 or 8 bytes, there, and not in a restartable sequence: what is
 * in the way comes out afterwards, a page that is not there for one.
 */
static __always_inline bool uprobe_reads(unsigned long addr, unsigned int width, u64 *val)
{
	u64 __user *rseq = uprobe_rseq_word();
	unsigned long word;
	u64 in_rseq = 0;
	u32 half;

	if (!user_access_begin((void __user *)addr, sizeof(word)))
		return false;
	pagefault_disable();
	if (rseq)
		unsafe_get_user(in_rseq, rseq, out);
	if (in_rseq)
		goto out;
	if (width == sizeof(word)) {
		unsafe_get_user(word, (unsigned long __user *)addr, out);
		*val = word;
	} else if (width == sizeof(half)) {
		unsafe_get_user(half, (u32 __user *)addr, out);
		*val = half;
	} else {
		goto out;
	}
	pagefault_enable();
	user_access_end();
	return true;
out:
	pagefault_enable();
	user_access_end();
	return false;
}

static __always_inline bool uprobe_writes(unsigned long addr, unsigned int width, u64 val)
{
	u64 __user *rseq = uprobe_rseq_word();
	u64 in_rseq = 0;

	if (!user_access_begin((void __user *)addr, sizeof(long)))
		return false;
	pagefault_disable();
	if (rseq)
		unsafe_get_user(in_rseq, rseq, out);
	if (in_rseq)
		goto out;
	if (width == sizeof(long))
		unsafe_put_user((unsigned long)val, (unsigned long __user *)addr, out);
	else if (width == sizeof(u32))
		unsafe_put_user((u32)val, (u32 __user *)addr, out);
	else
		goto out;
	pagefault_enable();
	user_access_end();
	return true;
out:
	pagefault_enable();
	user_access_end();
	return false;
}

static __always_inline
bool uprobe_read_user(const struct pt_regs *regs, unsigned long addr, unsigned int width,
		      bool stack, u64 *val, bool *interrupted)
{
	if (likely(!(regs->flags & X86_EFLAGS_AC) && uprobe_reads(addr, width, val)))
		return true;
	return uprobe_read_carefully(regs, addr, width, stack, val, interrupted);
}

static __always_inline
bool uprobe_write_user(const struct pt_regs *regs, unsigned long addr, unsigned int width,
		       bool stack, u64 val, bool *interrupted)
{
	if (likely(!(regs->flags & X86_EFLAGS_AC) && uprobe_writes(addr, width, val)))
		return true;
	return uprobe_write_carefully(regs, addr, width, stack, val, interrupted);
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
