// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: which instructions are known, by encoding, opcode map
 * and opcode. What no table here names is refused.
 */
#include <linux/kernel.h>

#include "decode.h"
#include "opcodes.h"

static const u8 one_byte_map[256] = {
	[0x00 ... 0x05] = ARITH,				/* add */
	[0x06]		= STEP_32,	[0x07] = SEGM,		/* push, pop es */
	[0x08 ... 0x0d] = ARITH,				/* or */
	[0x0e]		= STEP_32,				/* push cs */
	[0x10 ... 0x15] = ARITH,				/* adc */
	[0x16]		= STEP_32,	[0x17] = SEGM,		/* push, pop ss */
	[0x18 ... 0x1d] = ARITH,				/* sbb */
	[0x1e]		= STEP_32,	[0x1f] = SEGM,		/* push, pop ds */
	[0x20 ... 0x25] = ARITH,	[0x27] = STEP_32,	/* and, daa */
	[0x28 ... 0x2d] = ARITH,	[0x2f] = STEP_32,	/* sub, das */
	[0x30 ... 0x35] = ARITH,	[0x37] = STEP_32,	/* xor, aaa */
	[0x38 ... 0x3d] = ARITH,	[0x3f] = STEP_32,	/* cmp, aas */
	[0x40 ... 0x4f] = STEP_32,				/* inc, dec */
	[0x50 ... 0x57] = PUSH,
	[0x58 ... 0x5f] = POP,
	[0x60 ... 0x61] = STEP_32,				/* pusha, popa */
	[0x62]		= BOUND,
	[0x63]		= MOVSXD,				/* or arpl */
	[0x68]		= PUSH_IMM,	[0x6a] = PUSH_IMM,
	[0x69]		= STEP_M,	[0x6b] = STEP_M,	/* imul */
	[0x6c ... 0x6f] = PRIV,					/* ins, outs */
	[0x70 ... 0x7f] = JCC,
	[0x80 ... 0x81] = GROUP1,	[0x82] = GROUP1_32,	[0x83] = GROUP1,
	[0x84 ... 0x85] = TEST_RR,
	[0x86 ... 0x87] = STEP_ML,				/* xchg */
	[0x88 ... 0x8b] = MOV_RM,
	[0x8c]		= STEP_M,				/* mov from a segment register */
	[0x8d]		= LEA,
	[0x8e]		= SEGM,					/* mov to a segment register */
	[0x8f]		= GROUP1A,				/* pop, or XOP */
	[0x90]		= NOP_90,
	[0x91 ... 0x97] = STEP,					/* xchg with ax */
	[0x98 ... 0x99] = STEP,					/* cwde, cdq */
	[0x9a]		= FAR,					/* lcall */
	[0x9b]		= STEP,					/* fwait */
	[0x9c]		= PUSHF,	[0x9d] = POPF,
	[0x9e ... 0x9f] = STEP,					/* sahf, lahf */
	[0xa0 ... 0xa3] = STEP,					/* mov at an absolute address */
	[0xa4 ... 0xa7] = STEP,					/* movs, cmps */
	[0xa8 ... 0xa9] = TEST_AX,
	[0xaa ... 0xaf] = STEP,					/* stos, lods, scas */
	[0xb0 ... 0xbf] = MOV_IMM,
	[0xc0 ... 0xc1] = STEP_M,				/* shifts by a constant */
	[0xc2 ... 0xc3] = RET,
	[0xc4 ... 0xc5] = LES_LDS,				/* where they are not VEX */
	[0xc6 ... 0xc7] = GROUP11,
	[0xc8]		= STEP,					/* enter */
	[0xc9]		= LEAVE,
	[0xca ... 0xcb] = FAR,					/* lret */
	[0xcc]		= BRKP,					/* int3 */
	[0xcd]		= SYSC,					/* int */
	[0xce]		= INTO,
	[0xcf]		= FAR,					/* iret */
	[0xd0 ... 0xd3] = STEP_M,				/* shifts by one, by cl */
	[0xd4 ... 0xd5] = STEP_32,				/* aam, aad */
	[0xd7]		= STEP,					/* xlat */
	[0xd8 ... 0xdf] = STEP_M,				/* x87 */
	[0xe0 ... 0xe3] = LOOP,					/* and jcxz */
	[0xe4 ... 0xe7] = PRIV,					/* in, out */
	[0xe8]		= CALL_REL,
	[0xe9]		= JMP_REL,
	[0xea]		= FAR,					/* ljmp */
	[0xeb]		= JMP_REL,
	[0xec ... 0xef] = PRIV,					/* in, out */
	[0xf1]		= BRKP,					/* int1 */
	[0xf4]		= PRIV,					/* hlt */
	[0xf5]		= STEP,					/* cmc */
	[0xf6 ... 0xf7] = GROUP3,
	[0xf8 ... 0xf9] = STEP,					/* clc, stc */
	[0xfa ... 0xfb] = PRIV,					/* cli, sti */
	[0xfc ... 0xfd] = STEP,					/* cld, std */
	[0xfe]		= GROUP4,
	[0xff]		= GROUP5,
};

static const u8 map_0f[256] = {
	[0x00]		= GROUP6,
	[0x01]		= GROUP7,
	[0x02 ... 0x03] = STEP_M,				/* lar, lsl */
	[0x05]		= SYSC,					/* syscall */
	[0x06 ... 0x09] = PRIV,					/* clts, sysret, invd, wbinvd */
	[0x0d]		= PREFETCH,
	[0x10 ... 0x17] = STEP_M,
	[0x18]		= PREFETCH,
	[0x1a ... 0x1c] = HINT_NOP,				/* bnd*, cldemote */
	[0x1e]		= CET_NOP,				/* endbr, rdssp */
	[0x1f]		= HINT_NOP,				/* nop */
	[0x20 ... 0x23] = PRIV,					/* control, debug registers */
	[0x28 ... 0x2f] = STEP_M,
	[0x30]		= PRIV,					/* wrmsr */
	[0x31]		= STEP,					/* rdtsc */
	[0x32]		= PRIV,					/* rdmsr */
	[0x33]		= STEP,					/* rdpmc, where it is allowed */
	[0x34]		= SYSC,					/* sysenter */
	[0x35]		= PRIV,					/* sysexit */
	[0x40 ... 0x4f] = STEP_M,				/* cmov */
	[0x50 ... 0x76] = STEP_M,
	[0x77]		= STEP,					/* emms */
	[0x78 ... 0x79] = PRIV,					/* vmread, vmwrite */
	[0x7c ... 0x7f] = STEP_M,
	[0x80 ... 0x8f] = JCC,
	[0x90 ... 0x9f] = STEP_M,				/* set */
	[0xa0]		= STEP,		[0xa1] = SEGM,		/* push, pop fs */
	[0xa2]		= STEP,					/* cpuid */
	[0xa3 ... 0xa5] = STEP_M,				/* bt, shld */
	[0xa8]		= STEP,		[0xa9] = SEGM,		/* push, pop gs */
	[0xab]		= STEP_ML,				/* bts */
	[0xac ... 0xad] = STEP_M,				/* shrd */
	[0xae]		= GROUP15,
	[0xaf]		= STEP_M,				/* imul */
	[0xb0 ... 0xb1] = STEP_ML,				/* cmpxchg */
	[0xb2]		= SEGM,					/* lss */
	[0xb3]		= STEP_ML,				/* btr */
	[0xb4 ... 0xb5] = SEGM,					/* lfs, lgs */
	[0xb6 ... 0xb7] = MOVX,					/* movzx */
	[0xb8]		= POPCNT,
	[0xba]		= GROUP8,
	[0xbb]		= STEP_ML,				/* btc */
	[0xbc ... 0xbd] = STEP_M,				/* bsf, bsr, tzcnt, lzcnt */
	[0xbe ... 0xbf] = MOVX,					/* movsx */
	[0xc0 ... 0xc1] = STEP_ML,				/* xadd */
	[0xc2]		= STEP_M,
	[0xc3]		= STEP_M,				/* movnti */
	[0xc4 ... 0xc6] = STEP_M,
	[0xc7]		= GROUP9,
	[0xc8 ... 0xcf] = STEP,					/* bswap */
	[0xd0 ... 0xfe] = STEP_M,
};

/* Where one kind fits all that is allowed, the opcodes as ranges */
struct range {
	u8 first, last;
};

static const struct range map_0f38[] = {
	{ 0x00, 0x0b },	/* ssse3 */
	{ 0x10, 0x10 },	{ 0x14, 0x15 }, { 0x17, 0x17 },	/* blends, ptest */
	{ 0x1c, 0x1e },	/* pabs */
	{ 0x20, 0x25 },	{ 0x28, 0x2b }, { 0x30, 0x35 }, { 0x37, 0x41 },	/* sse4 */
	{ 0xc8, 0xcd },	{ 0xcf, 0xcf },	/* sha, gf2p8mulb */
	{ 0xdb, 0xdf },	/* aes, see no_0f38() */
	{ 0xf0, 0xf1 },	/* movbe, crc32 */
	{ 0xf6, 0xf6 },	/* adcx, adox, see no_0f38() */
	{ 0xf8, 0xf9 },	/* movdir64b, see no_0f38(); movdiri */
};

static const struct range map_0f3a[] = {
	{ 0x08, 0x0f },	{ 0x14, 0x17 }, { 0x20, 0x22 },	/* rounds, blends, inserts */
	{ 0x40, 0x42 },	{ 0x44, 0x44 }, { 0x60, 0x63 },	/* dp, pclmulqdq, string compares */
	{ 0xcc, 0xcc },	{ 0xce, 0xcf }, { 0xdf, 0xdf },	/* sha, gf2p8affine, aes */
};

/* ------------------------------------------------------------------ */
/* Policy: VEX and EVEX						      */
/* ------------------------------------------------------------------ */

static const struct range vex_0f[] = {
	{ 0x10, 0x17 },	{ 0x28, 0x2f },	/* moves, conversions, compares */
	{ 0x41, 0x42 },	{ 0x44, 0x47 }, { 0x4a, 0x4b },	/* mask registers */
	{ 0x50, 0x77 },	/* arithmetic, shuffles, vzeroupper */
	{ 0x7c, 0x7f },	/* horizontal, moves */
	{ 0x90, 0x93 },	{ 0x98, 0x99 },	/* mask registers */
	{ 0xae, 0xae },	/* vldmxcsr, vstmxcsr */
	{ 0xc2, 0xc2 },	{ 0xc4, 0xc6 }, { 0xd0, 0xfe },
};

static const struct range vex_0f38[] = {
	{ 0x00, 0x0f },	{ 0x13, 0x13 }, { 0x16, 0x1a }, { 0x1c, 0x1e },
	{ 0x20, 0x41 },	{ 0x45, 0x47 },
	{ 0x50, 0x53 },	/* vnni */
	{ 0x58, 0x5a },	{ 0x72, 0x72 }, { 0x78, 0x79 }, { 0x8c, 0x8c }, { 0x8e, 0x8e },
	{ 0x90, 0x93 },	/* gathers */
	{ 0x96, 0x9f },	{ 0xa6, 0xaf },	/* fma */
	{ 0xb0, 0xb1 },	{ 0xb4, 0xbf },	/* ne-convert, ifma, fma */
	{ 0xcb, 0xcd },	{ 0xcf, 0xcf }, { 0xd2, 0xd3 }, { 0xda, 0xdf },
	{ 0xf2, 0xf3 },	{ 0xf5, 0xf7 },	/* bmi */
};

static const struct range vex_0f3a[] = {
	{ 0x00, 0x02 },	{ 0x04, 0x06 }, { 0x08, 0x0f }, { 0x14, 0x19 }, { 0x1d, 0x1d },
	{ 0x20, 0x22 },	{ 0x30, 0x33 }, { 0x38, 0x39 }, { 0x40, 0x42 }, { 0x44, 0x44 },
	{ 0x46, 0x46 },	{ 0x4a, 0x4c }, { 0x60, 0x63 }, { 0xce, 0xcf }, { 0xde, 0xdf },
	{ 0xf0, 0xf0 },
};

static const struct range evex_0f[] = {
	{ 0x10, 0x17 },	{ 0x28, 0x2f }, { 0x51, 0x76 }, { 0x78, 0x7b }, { 0x7e, 0x7f },
	{ 0xc2, 0xc2 },	{ 0xc4, 0xc6 }, { 0xd1, 0xfe },
};

static const struct range evex_0f38[] = {
	{ 0x00, 0x47 },	{ 0x4c, 0x5b }, { 0x62, 0x66 }, { 0x68, 0x68 }, { 0x70, 0x8f },
	{ 0x90, 0x93 },	{ 0x96, 0xbf },	/* gathers, scatters, fma */
	{ 0xc4, 0xc4 },	{ 0xc8, 0xcd }, { 0xcf, 0xcf }, { 0xdc, 0xdf },
};

static const struct range evex_0f3a[] = {
	{ 0x00, 0x27 },	{ 0x38, 0x44 }, { 0x50, 0x73 }, { 0xc2, 0xc2 }, { 0xce, 0xcf },
};

static const struct range evex_fp16_a[] = {
	{ 0x10, 0x11 },	{ 0x1d, 0x1d }, { 0x2a, 0x2f }, { 0x51, 0x5f }, { 0x6e, 0x6e },
	{ 0x78, 0x7e },
};

static const struct range evex_fp16_b[] = {
	{ 0x13, 0x13 },	{ 0x2c, 0x2d }, { 0x42, 0x43 }, { 0x4c, 0x4f }, { 0x56, 0x57 },
	{ 0x96, 0xbf },	{ 0xd6, 0xd7 },
};

struct range_list {
	const struct range *ranges;
	unsigned int n;
};

static const struct range_list vex_maps[MAPS] = {
	[MAP_0F]	  = { vex_0f, ARRAY_SIZE(vex_0f) },
	[MAP_0F38]	  = { vex_0f38, ARRAY_SIZE(vex_0f38) },
	[MAP_0F3A]	  = { vex_0f3a, ARRAY_SIZE(vex_0f3a) },
};

static const struct range_list evex_maps[MAPS] = {
	[MAP_0F]	  = { evex_0f, ARRAY_SIZE(evex_0f) },
	[MAP_0F38]	  = { evex_0f38, ARRAY_SIZE(evex_0f38) },
	[MAP_0F3A]	  = { evex_0f3a, ARRAY_SIZE(evex_0f3a) },
	[EVEX_MAP_FP16_A] = { evex_fp16_a, ARRAY_SIZE(evex_fp16_a) },
	[EVEX_MAP_FP16_B] = { evex_fp16_b, ARRAY_SIZE(evex_fp16_b) },
};

static const struct range_list legacy_maps[LEGACY_MAPS] = {
	[MAP_0F38]	  = { map_0f38, ARRAY_SIZE(map_0f38) },
	[MAP_0F3A]	  = { map_0f3a, ARRAY_SIZE(map_0f3a) },
};

static bool in_ranges(const struct range_list *list, u8 op)
{
	unsigned int i;

	for (i = 0; i < list->n; i++)
		if (op >= list->ranges[i].first && op <= list->ranges[i].last)
			return true;
	return false;
}

/* What shares an opcode with something on the list, but is not meant */
static bool no_0f38(const struct decoded *d)
{
	switch (d->op) {
	case 0xdb ... 0xdf:			/* key locker, with f3 */
		return d->rep || !d->opsize;
	case 0xf6:				/* wrss, without a prefix */
		return !d->rep && !d->opsize;
	case 0xf8:				/* enqcmd, with f2 and f3 */
		return d->rep || !is_mem(d);
	default:
		return false;
	}
}

static enum kind legacy(const struct decoded *d)
{
	switch (d->map) {
	case MAP_ONE_BYTE:
		return one_byte_map[d->op];
	case MAP_0F:
		return map_0f[d->op];
	default:
		if (d->map == MAP_0F38 && no_0f38(d))
			return NO;
		return in_ranges(&legacy_maps[d->map], d->op) ? STEP_M : NO;
	}
}

static enum kind vex(const struct decoded *d)
{
	if (d->map >= MAPS || !in_ranges(&vex_maps[d->map], d->op))
		return NO;
	/* vzeroupper, vzeroall: the only ones without ModRM */
	return d->map == MAP_0F && d->op == 0x77 ? STEP : STEP_M;
}

static enum kind evex(const struct decoded *d)
{
	const u8 *payload = d->insn.vex_prefix.bytes;

	/* APX gave a meaning to two bits that were fixed before. */
	if ((payload[1] & 0x08) || !(payload[2] & 0x04))
		return NO;
	return d->map < MAPS && in_ranges(&evex_maps[d->map], d->op) ? STEP_M : NO;
}

enum kind uprobe_look_up(const struct decoded *d)
{
	switch (d->enc) {
	case ENC_LEGACY:
		return legacy(d);
	case ENC_VEX:
		return vex(d);
	case ENC_EVEX:
		return evex(d);
	default:
		return NO;
	}
}
