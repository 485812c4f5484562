/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User-space probes, x86: the memory operands of emulated instructions. What
 * returns false has raised a signal, or wants the thread to try again.
 */
#ifndef _X86_UPROBES_USERMEM_H
#define _X86_UPROBES_USERMEM_H

#include <linux/types.h>

struct pt_regs;

/* @stack: addressed through the stack segment, which faults differently */
bool uprobe_read_user(const struct pt_regs *regs, unsigned long addr, unsigned int width,
		      bool stack, u64 *val);
bool uprobe_write_user(const struct pt_regs *regs, unsigned long addr, unsigned int width,
		       bool stack, u64 val);

bool uprobe_canonical(unsigned long addr);
void uprobe_raise_gp(void);

/*
 * A call writes the shadow stack and then the stack, a ret compares the two.
 * Either moves the shadow stack pointer only when nothing can fail any more, by
 * a commit of @ssp, which is 0 for a thread without a shadow stack.
 */
#ifdef CONFIG_X86_USER_SHADOW_STACK
bool uprobe_shadow_push(unsigned long ret, u64 *ssp);
bool uprobe_shadow_check(unsigned long ret, u64 *ssp);
void uprobe_shadow_commit(u64 ssp);
#else
static inline bool uprobe_shadow_push(unsigned long ret, u64 *ssp) { return true; }
static inline bool uprobe_shadow_check(unsigned long ret, u64 *ssp) { return true; }
static inline void uprobe_shadow_commit(u64 ssp) { }
#endif

#endif /* _X86_UPROBES_USERMEM_H */
