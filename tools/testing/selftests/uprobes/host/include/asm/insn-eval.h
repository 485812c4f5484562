/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HOST_ASM_INSN_EVAL_H
#define HOST_ASM_INSN_EVAL_H

#include <asm/ptrace.h>

unsigned long insn_get_seg_base(struct pt_regs *regs, int seg);

static inline void insn_assign_reg(unsigned long *reg, __u64 val, int bytes)
{
	if (bytes == 4)
		*reg = (__u32)val;
	else
		memcpy(reg, &val, bytes);
}

#endif
