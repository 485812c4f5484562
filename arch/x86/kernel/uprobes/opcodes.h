/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User-space probes, x86: the list of instructions.
 */
#ifndef _X86_UPROBES_OPCODES_H
#define _X86_UPROBES_OPCODES_H

#include <asm/uprobes.h>

struct decoded;

/* ------------------------------------------------------------------ */

/*
 * What a table says about an opcode: a refusal, that it can be executed in a
 * slot, or the name of the function that looks closer.
 */
enum kind {
	/* Refusals have the numbers of enum uprobe_refusal, from 1 on */
	NO	= 0,
	BRKP	= UPROBE_REFUSE_BREAKPOINT,
	SYSC	= UPROBE_REFUSE_SYSCALL,
	PRIV	= UPROBE_REFUSE_PRIVILEGED,
	FAR	= UPROBE_REFUSE_FAR,
	SEGM	= UPROBE_REFUSE_SEGMENT,

	STEP	= UPROBE_REFUSALS,	/* in a slot */
	STEP_32,			/* the same, exists in 32-bit code only */
	STEP_M,				/* the same, with ModRM */
	STEP_ML,			/* with ModRM, lock is legal with memory */

	ARITH,
	PUSH,
	POP,
	BOUND,
	MOVSXD,
	PUSH_IMM,
	JCC,
	GROUP1,
	GROUP1_32,
	TEST_RR,
	MOV_RM,
	LEA,
	GROUP1A,
	NOP_90,
	PUSHF,
	POPF,
	TEST_AX,
	MOV_IMM,
	RET,
	LES_LDS,
	GROUP11,
	LEAVE,
	INTO,
	LOOP,
	CALL_REL,
	JMP_REL,
	GROUP3,
	GROUP4,
	GROUP5,

	GROUP6,
	GROUP7,
	PREFETCH,
	HINT_NOP,
	CET_NOP,
	MOVX,
	POPCNT,
	GROUP8,
	GROUP9,
	GROUP15,
};

enum kind uprobe_look_up(const struct decoded *d);

#endif /* _X86_UPROBES_OPCODES_H */
