/* SPDX-License-Identifier: GPL-2.0-only */
/* The registers, for the arch half in user space: only names and order matter. */
#ifndef HOST_ASM_PTRACE_H
#define HOST_ASM_PTRACE_H

#include <errno.h>
#include <stddef.h>

struct pt_regs {
	unsigned long ax, cx, dx, bx, sp, bp, si, di;
	unsigned long r8, r9, r10, r11, r12, r13, r14, r15;
	unsigned long ip, flags, cs, ss, orig_ax;
};

static inline int pt_regs_offset(struct pt_regs *regs, int regno)
{
	return regno < 16 ? regno * (int)sizeof(unsigned long) : -EDOM;
}

#endif
