/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User-space probes, x86: an instruction taken apart. For analyze.c and what it
 * uses; nobody needs it once the record is made.
 */
#ifndef _X86_UPROBES_DECODE_H
#define _X86_UPROBES_DECODE_H

#include <linux/types.h>
#include <asm/insn.h>
#include <asm/insn-eval.h>
#include <asm/ptrace.h>

#include "internal.h"

enum encoding {
	ENC_LEGACY,
	ENC_VEX,
	ENC_EVEX,
	ENC_XOP,
	ENC_REX2,
};

enum opcode_map {
	MAP_ONE_BYTE,
	MAP_0F,
	MAP_0F38,
	MAP_0F3A,
	LEGACY_MAPS,
	EVEX_MAP_APX	= 4,
	EVEX_MAP_FP16_A	= 5,
	EVEX_MAP_FP16_B	= 6,
	VEX_MAP_MSR	= 7,
	XOP_MAP_IMM8	= 8,
	XOP_MAP_PLAIN	= 9,
	XOP_MAP_IMM32	= 10,
	MAPS
};

/* What selects an instruction beside its opcode, as bits: sets of them are tested. */
enum mandatory_prefix {
	P_NONE	= 0x01,
	P_66	= 0x02,
	P_F3	= 0x04,
	P_F2	= 0x08,
	P_ANY	= 0x0f,
};

/**
 * struct decoded - an instruction taken apart
 * @insn: as the kernel's decoder sees it
 * @enc: enum encoding
 * @map: enum opcode_map, or a number beyond
 * @op: last byte of the opcode
 * @len: length in bytes
 * @pp: enum mandatory_prefix; f2 and f3 go before 66
 * @prefixes: how many legacy prefixes it starts with, and REX prefixes before one,
 *	which do not count
 * @rep: 0, 0xf2 or 0xf3, the last of them
 * @seg: last segment prefix that counts, or 0; in 64-bit code fs or gs only
 * @seg_masked: a null segment prefix follows @seg
 * @opsize: has 66
 * @addrsize: has 67
 * @lock: has f0
 * @rex: the REX byte, or 0
 * @is64: 64-bit code
 * @mod: fields of ModRM, with REX bits; @mod is 0xff where there is none
 * @reg: likewise
 * @rm: likewise
 * @width: operand size of an instruction that has 2, 4 and 8
 * @branch: operand size of a near branch; 0 if nobody knows
 */
struct decoded {
	struct insn insn;
	u8 enc, map, op, len, pp;
	u8 prefixes, rep, seg;
	bool seg_masked, opsize, addrsize, lock;
	u8 rex;
	bool is64;
	u8 mod, reg, rm;
	u8 width, branch;
};

#define NO_MODRM	0xff

static inline bool is_mem(const struct decoded *d)
{
	return d->mod < 3;
}

static inline bool is_riprel(const struct decoded *d)
{
	return d->is64 && d->mod == 0 && d->rm == 5;
}

static inline s64 immediate(const struct decoded *d)
{
	return d->insn.immediate.value;
}

static inline u8 reg_offset(unsigned int regno)
{
	return pt_regs_offset(NULL, regno);
}

/* A register operand: without REX, 4 to 7 of the byte registers are ah to bh. */
static inline u8 operand_reg(const struct decoded *d, unsigned int regno, unsigned int width)
{
	if (width == 1 && !d->rex && regno >= 4)
		return reg_offset(regno - 4) + 1;
	return reg_offset(regno);
}

static inline unsigned int modrm_reg(const struct decoded *d)
{
	return d->reg | (X86_REX_R(d->rex) ? 8 : 0);
}

static inline unsigned int modrm_rm(const struct decoded *d)
{
	return d->rm | (X86_REX_B(d->rex) ? 8 : 0);
}

static inline bool is_rex(u8 byte)
{
	return (byte & 0xf0) == 0x40;
}

/* The register in the low bits of the opcode */
static inline unsigned int opcode_reg(const struct decoded *d)
{
	return (d->op & 7) | (X86_REX_B(d->rex) ? 8 : 0);
}

bool uprobe_decode(struct decoded *d, const u8 *bytes, unsigned int n, bool is64);
void uprobe_find_mem(const struct decoded *d, struct uprobe_mem *m);

#endif /* _X86_UPROBES_DECODE_H */
