/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User-space probes, x86: the list of instructions.
 */
#ifndef _X86_UPROBES_OPCODES_H
#define _X86_UPROBES_OPCODES_H

#include <asm/uprobes.h>

struct decoded;

/*
 * What a table says about an opcode: a refusal, that it can be executed in a
 * slot, or the name of the function that looks closer.
 */
enum kind {
	/* Refusals have the numbers of enum uprobe_refusal, from 1 on */
	NO	= 0,
	BRKP	= UPROBE_REFUSE_BREAKPOINT,
	FAR	= UPROBE_REFUSE_FAR,
	APX	= UPROBE_REFUSE_APX,

	SLOT	= UPROBE_REFUSALS,	/* in a slot */
	SLOT_32,			/* the same, exists in 32-bit code only */
	SLOT_M,				/* in a slot, with ModRM */
	SLOT_M32,			/* the same, exists in 32-bit code only */
	SLOT_ML,			/* with ModRM, lock is legal with memory */
	STEP_32,			/* in a slot, and nothing but int3 behind it */
	STEP_M,
	LEAVES,				/* in a slot, but does not come back to it */
	LEAVES_32,

	ARITH,
	PUSH,
	POP,
	MOVSXD,
	PUSH_IMM,
	STRING,
	JCC,
	GROUP1,
	GROUP1_32,
	TEST_RR,
	MOV_RM,
	LEA,
	MOV_SEG,
	GROUP1A,
	NOP_90,
	PUSHF,
	POPF,
	TEST_AX,
	MOV_IMM,
	RET,
	GROUP11,
	LEAVE,
	INT,
	X87,
	LOOP,
	CALL_REL,
	JMP_REL,
	GROUP3,
	GROUP4,
	GROUP5,

	GROUP6,
	GROUP7,
	SYSCALL,
	PREFETCH,
	NOW3D,
	HINT_NOP,
	CET_NOP,
	SSE4A,
	MOVX,
	PADLOCK,
	POPCNT,
	GROUP8,
	GROUP9,
	GROUP15,
};

enum kind uprobe_look_up(const struct decoded *d);
bool uprobe_known_group7(const struct decoded *d);
bool uprobe_known_group15(const struct decoded *d);
bool uprobe_known_3dnow(const struct decoded *d);

#endif /* _X86_UPROBES_OPCODES_H */
