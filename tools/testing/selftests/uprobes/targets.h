/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One instruction in a block of code that can be entered with any registers
 * and left without changing one; shared by the tests and the tables in .S.
 *
 *	+0   the instruction, then a jump to the first exit
 *	+32  where its branches go: a jump to the second exit
 *	+48  the two exits' addresses, which make the block position independent
 */
#ifndef UPROBES_SELFTEST_TARGETS_H
#define UPROBES_SELFTEST_TARGETS_H

#define INSN_BLOCK	64
#define INSN_TARGET	32

/* Must the kernel accept a probe here? What compilers emit: yes. */
#define F_MUST		0x01
/* rdfsbase and the like: only where the kernel allows it */
#define F_FSGSBASE	0x02
/* Run it with the address of the data page in the gs base. */
#define F_GSDATA	0x04
/* Run it with flags, not an address, on top of the stack. */
#define F_POPF		0x08

/* Run it with the fs or gs base at SEG_BASE. */
#define F_FSBASE	0x10
#define F_GSBASE	0x20
#define SEG_BASE	0x10000
/* 32 bit: run it with the branch target in edi. */
#define F_DITARGET	0x40

#define A		F_MUST
#define M		0

/* struct insn_state: offsets for assembly */
#define ST_FLAGS	128
#define ST_PATH		136
#define ST_FX		192
#define ST_YMM		704
#define ST_SIZE		1216

#ifndef __ASSEMBLER__

#include <stdint.h>

/* In the order of the encoding: ax cx dx bx sp bp si di r8..r15. */
struct insn_state {
	unsigned long gpr[16];
	unsigned long pad[sizeof(long) == 4 ? 16 : 0];
	uint64_t flags;
	uint64_t path;		/* 0: fell through, 1: branched */
	uint64_t pad2[6];
	uint8_t fx[512] __attribute__((aligned(64)));
	uint8_t ymm[16][32];
};

struct insn_entry {
	unsigned long block;
	unsigned long text;
	uint32_t len;
	uint32_t flags;
};

extern const struct insn_entry insn_table[], insn_table_end[];
extern int insn_have_avx;

/* Enter @code with the registers in @st; they are there again on return. */
void insn_run(struct insn_state *st, const void *code);

#endif /* !__ASSEMBLER__ */
#endif /* UPROBES_SELFTEST_TARGETS_H */
