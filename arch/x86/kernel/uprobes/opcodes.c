// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: which instructions are known, by encoding, opcode map,
 * mandatory prefix and opcode. What no table here names is refused.
 *
 * What is privileged is known, too, and so is what exists in order to fault: the
 * copy faults as the original does. Nothing that is here depends on where it
 * stands, except as analyze.c says.
 */
#include <linux/kernel.h>

#include "decode.h"
#include "opcodes.h"

static const u8 one_byte_map[256] = {
	[0x00 ... 0x05] = ARITH,				/* add */
	[0x06 ... 0x07] = SLOT_32,				/* push, pop es */
	[0x08 ... 0x0d] = ARITH,				/* or */
	[0x0e]		= SLOT_32,				/* push cs */
	[0x10 ... 0x15] = ARITH,				/* adc */
	[0x16]		= SLOT_32,	[0x17] = STEP_32,	/* push, pop ss */
	[0x18 ... 0x1d] = ARITH,				/* sbb */
	[0x1e ... 0x1f] = SLOT_32,				/* push, pop ds */
	[0x20 ... 0x25] = ARITH,	[0x27] = SLOT_32,	/* and, daa */
	[0x28 ... 0x2d] = ARITH,	[0x2f] = SLOT_32,	/* sub, das */
	[0x30 ... 0x35] = ARITH,	[0x37] = SLOT_32,	/* xor, aaa */
	[0x38 ... 0x3d] = ARITH,	[0x3f] = SLOT_32,	/* cmp, aas */
	[0x40 ... 0x4f] = SLOT_32,				/* inc, dec */
	[0x50 ... 0x57] = PUSH,
	[0x58 ... 0x5f] = POP,
	[0x60 ... 0x61] = SLOT_32,				/* pusha, popa */
	[0x62]		= SLOT_M32,				/* bound */
	[0x63]		= MOVSXD,				/* or arpl */
	[0x68]		= PUSH_IMM,	[0x6a] = PUSH_IMM,
	[0x69]		= SLOT_M,	[0x6b] = SLOT_M,	/* imul */
	[0x6c ... 0x6f] = STRING,				/* ins, outs */
	[0x70 ... 0x7f] = JCC,
	[0x80 ... 0x81] = GROUP1,	[0x82] = GROUP1_32,	[0x83] = GROUP1,
	[0x84 ... 0x85] = TEST_RR,
	[0x86 ... 0x87] = SLOT_ML,				/* xchg */
	[0x88 ... 0x8b] = MOV_RM,
	[0x8c]		= SLOT_M,				/* mov from a segment register */
	[0x8d]		= LEA,
	[0x8e]		= MOV_SEG,				/* mov to a segment register */
	[0x8f]		= GROUP1A,				/* pop */
	[0x90]		= NOP_90,
	[0x91 ... 0x97] = SLOT,					/* xchg with ax */
	[0x98 ... 0x99] = SLOT,					/* cwde, cdq */
	[0x9a]		= FAR,					/* lcall */
	[0x9b]		= SLOT,					/* fwait */
	[0x9c]		= PUSHF,	[0x9d] = POPF,
	[0x9e ... 0x9f] = SLOT,					/* sahf, lahf */
	[0xa0 ... 0xa3] = SLOT,					/* mov at an absolute address */
	[0xa4 ... 0xa7] = STRING,				/* movs, cmps */
	[0xa8 ... 0xa9] = TEST_AX,
	[0xaa ... 0xaf] = STRING,				/* stos, lods, scas */
	[0xb0 ... 0xbf] = MOV_IMM,
	[0xc0 ... 0xc1] = SLOT_M,				/* shifts by a constant */
	[0xc2 ... 0xc3] = RET,
	[0xc4 ... 0xc5] = SLOT_M32,				/* les, lds; else they are VEX */
	[0xc6 ... 0xc7] = GROUP11,
	[0xc8]		= SLOT,					/* enter */
	[0xc9]		= LEAVE,
	[0xca ... 0xcb] = LEAVES,				/* lret */
	[0xcc]		= BRKP,					/* int3 */
	[0xcd]		= INT,
	[0xce]		= SLOT_32,				/* into */
	[0xcf]		= LEAVES,				/* iret */
	[0xd0 ... 0xd3] = SLOT_M,				/* shifts by one, by cl */
	[0xd4 ... 0xd5] = SLOT_32,				/* aam, aad */
	[0xd6]		= SLOT,					/* salc, or udb */
	[0xd7]		= SLOT,					/* xlat */
	[0xd8 ... 0xdf] = X87,
	[0xe0 ... 0xe3] = LOOP,					/* and jcxz */
	[0xe4 ... 0xe7] = SLOT,					/* in, out */
	[0xe8]		= CALL_REL,
	[0xe9]		= JMP_REL,
	[0xea]		= LEAVES_32,				/* ljmp */
	[0xeb]		= JMP_REL,
	[0xec ... 0xef] = SLOT,					/* in, out */
	[0xf1]		= BRKP,					/* int1 */
	[0xf4]		= SLOT,					/* hlt */
	[0xf5]		= SLOT,					/* cmc */
	[0xf6 ... 0xf7] = GROUP3,
	[0xf8 ... 0xf9] = SLOT,					/* clc, stc */
	[0xfa ... 0xfb] = SLOT,					/* cli, sti */
	[0xfc ... 0xfd] = SLOT,					/* cld, std */
	[0xfe]		= GROUP4,
	[0xff]		= GROUP5,
};

static const u8 map_0f[256] = {
	[0x00]		= GROUP6,
	[0x01]		= GROUP7,
	[0x02 ... 0x03] = SLOT_M,				/* lar, lsl */
	[0x05]		= SYSCALL,
	[0x06 ... 0x09] = SLOT,					/* clts, sysret, invd, wbinvd */
	[0x0b]		= SLOT,					/* ud2 */
	[0x0d]		= PREFETCH,
	[0x0e]		= SLOT,					/* femms */
	[0x0f]		= NOW3D,
	[0x10 ... 0x17] = SLOT_M,
	[0x18]		= PREFETCH,
	[0x19 ... 0x1d] = HINT_NOP,				/* bnd*, cldemote */
	[0x1e]		= CET_NOP,				/* endbr, rdssp */
	[0x1f]		= HINT_NOP,				/* nop */
	[0x20 ... 0x23] = SLOT_M,				/* control, debug registers */
	[0x28 ... 0x2f] = SLOT_M,
	[0x30 ... 0x33] = SLOT,					/* wrmsr, rdtsc, rdmsr, rdpmc */
	[0x34]		= LEAVES,	[0x35] = SLOT,		/* sysenter, sysexit */
	[0x37]		= SLOT,					/* getsec */
	[0x40 ... 0x4f] = SLOT_M,				/* cmov */
	[0x50 ... 0x76] = SLOT_M,
	[0x77]		= SLOT,					/* emms */
	[0x78 ... 0x79] = SSE4A,				/* or vmread, vmwrite */
	[0x7c ... 0x7f] = SLOT_M,
	[0x80 ... 0x8f] = JCC,
	[0x90 ... 0x9f] = SLOT_M,				/* set */
	[0xa0 ... 0xa1] = SLOT,					/* push, pop fs */
	[0xa2]		= SLOT,					/* cpuid */
	[0xa3 ... 0xa5] = SLOT_M,				/* bt, shld */
	[0xa6 ... 0xa7] = PADLOCK,
	[0xa8 ... 0xa9] = SLOT,					/* push, pop gs */
	[0xaa]		= SLOT,					/* rsm */
	[0xab]		= SLOT_ML,				/* bts */
	[0xac ... 0xad] = SLOT_M,				/* shrd */
	[0xae]		= GROUP15,
	[0xaf]		= SLOT_M,				/* imul */
	[0xb0 ... 0xb1] = SLOT_ML,				/* cmpxchg */
	[0xb2]		= STEP_M,				/* lss */
	[0xb3]		= SLOT_ML,				/* btr */
	[0xb4 ... 0xb5] = SLOT_M,				/* lfs, lgs */
	[0xb6 ... 0xb7] = MOVX,					/* movzx */
	[0xb8]		= POPCNT,
	[0xb9]		= SLOT_M,				/* ud1 */
	[0xba]		= GROUP8,
	[0xbb]		= SLOT_ML,				/* btc */
	[0xbc ... 0xbd] = SLOT_M,				/* bsf, bsr, tzcnt, lzcnt */
	[0xbe ... 0xbf] = MOVX,					/* movsx */
	[0xc0 ... 0xc1] = SLOT_ML,				/* xadd */
	[0xc2]		= SLOT_M,
	[0xc3]		= SLOT_M,				/* movnti */
	[0xc4 ... 0xc6] = SLOT_M,
	[0xc7]		= GROUP9,
	[0xc8 ... 0xcf] = SLOT,					/* bswap */
	[0xd0 ... 0xff] = SLOT_M,				/* the last is ud0 */
};

/*
 * Where one kind fits all that is allowed: the opcodes as ranges, and the
 * mandatory prefixes that make an instruction of them
 */
struct range {
	u8 first, last;
	u8 pp;
};

#define NP_66		(P_NONE | P_66)
#define NP_F3		(P_NONE | P_F3)
#define NP_66_F3	(P_NONE | P_66 | P_F3)
#define NP_66_F2	(P_NONE | P_66 | P_F2)
#define NP_F3_F2	(P_NONE | P_F3 | P_F2)
#define P66_F3		(P_66 | P_F3)
#define P66_F2		(P_66 | P_F2)
#define P66_F3_F2	(P_66 | P_F3 | P_F2)
#define PF3_F2		(P_F3 | P_F2)

static const struct range map_0f38[] = {
	{ 0x00, 0x0b, NP_66 },	/* ssse3 */
	{ 0x10, 0x10, P_66 },	{ 0x14, 0x15, P_66 },	/* blends */
	{ 0x17, 0x17, P_66 },	/* ptest */
	{ 0x1c, 0x1e, NP_66 },	/* pabs */
	{ 0x20, 0x25, P_66 },	{ 0x28, 0x2b, P_66 },	/* sse4 */
	{ 0x30, 0x35, P_66 },	{ 0x37, 0x41, P_66 },
	{ 0x80, 0x82, P_66 },	/* invept, invvpid, invpcid */
	{ 0xc8, 0xcd, P_NONE },	/* sha */
	{ 0xcf, 0xcf, P_66 },	/* gf2p8mulb */
	{ 0xd8, 0xd8, P_F3 },	/* key locker */
	{ 0xdb, 0xdb, P_66 },	{ 0xdc, 0xdf, P66_F3 },	/* aes, key locker */
	{ 0xf0, 0xf1, NP_66_F2 },	/* movbe, crc32 */
	{ 0xf5, 0xf5, P_66 },	/* wruss */
	{ 0xf6, 0xf6, NP_66_F3 },	/* wrss, adcx, adox */
	{ 0xf8, 0xf8, P66_F3_F2 },	/* movdir64b, enqcmd, urdmsr */
	{ 0xf9, 0xf9, P_NONE },	/* movdiri */
	{ 0xfa, 0xfb, P_F3 },	/* key locker */
	{ 0xfc, 0xfc, P_ANY },	/* aadd, aand, aor, axor */
};

static const struct range map_0f3a[] = {
	{ 0x08, 0x0e, P_66 },	{ 0x0f, 0x0f, NP_66 },	/* rounds, blends, palignr */
	{ 0x14, 0x17, P_66 },	{ 0x20, 0x22, P_66 },	/* extracts, inserts */
	{ 0x40, 0x42, P_66 },	{ 0x44, 0x44, P_66 },	/* dp, mpsadbw, pclmulqdq */
	{ 0x60, 0x63, P_66 },	/* string compares */
	{ 0xcc, 0xcc, P_NONE },	/* sha */
	{ 0xce, 0xcf, P_66 },	/* gf2p8affine */
	{ 0xdf, 0xdf, P_66 },	/* aes */
	{ 0xf0, 0xf0, P_F3 },	/* hreset */
};

static const struct range vex_0f[] = {
	{ 0x10, 0x12, P_ANY },	{ 0x13, 0x15, NP_66 },	/* moves */
	{ 0x16, 0x16, NP_66_F3 },	{ 0x17, 0x17, NP_66 },
	{ 0x28, 0x29, NP_66 },	{ 0x2a, 0x2a, PF3_F2 },	/* moves, conversions, compares */
	{ 0x2b, 0x2b, NP_66 },	{ 0x2c, 0x2d, PF3_F2 },	{ 0x2e, 0x2f, NP_66 },
	{ 0x41, 0x42, NP_66 },	{ 0x44, 0x47, NP_66 },	/* mask registers */
	{ 0x4a, 0x4b, NP_66 },
	{ 0x50, 0x50, NP_66 },	{ 0x51, 0x51, P_ANY },	/* arithmetic */
	{ 0x52, 0x53, NP_F3 },	{ 0x54, 0x57, NP_66 },
	{ 0x58, 0x5a, P_ANY },	{ 0x5b, 0x5b, NP_66_F3 },	{ 0x5c, 0x5f, P_ANY },
	{ 0x60, 0x6e, P_66 },	{ 0x6f, 0x6f, P66_F3 },	/* integers */
	{ 0x70, 0x70, P66_F3_F2 },	{ 0x71, 0x76, P_66 },
	{ 0x77, 0x77, P_NONE },	/* vzeroupper, vzeroall */
	{ 0x7c, 0x7d, P66_F2 },	{ 0x7e, 0x7f, P66_F3 },
	{ 0x90, 0x91, NP_66 },	{ 0x92, 0x93, NP_66_F2 },	/* mask registers */
	{ 0x98, 0x99, NP_66 },
	{ 0xae, 0xae, P_NONE },	/* vldmxcsr, vstmxcsr */
	{ 0xc2, 0xc2, P_ANY },	{ 0xc4, 0xc5, P_66 },	{ 0xc6, 0xc6, NP_66 },
	{ 0xd0, 0xd0, P66_F2 },	{ 0xd1, 0xe5, P_66 },	{ 0xe6, 0xe6, P66_F3_F2 },
	{ 0xe7, 0xef, P_66 },	{ 0xf0, 0xf0, P_F2 },	{ 0xf1, 0xfe, P_66 },
};

static const struct range vex_0f38[] = {
	{ 0x00, 0x0f, P_66 },	{ 0x13, 0x13, P_66 },	{ 0x16, 0x1a, P_66 },
	{ 0x1c, 0x1e, P_66 },	{ 0x20, 0x25, P_66 },	{ 0x28, 0x41, P_66 },
	{ 0x45, 0x47, P_66 },
	{ 0x49, 0x49, NP_66_F2 },	{ 0x4b, 0x4b, P66_F3_F2 },	/* amx: configure, load */
	{ 0x50, 0x51, P_ANY },	{ 0x52, 0x53, P_66 },	/* vnni */
	{ 0x58, 0x5a, P_66 },	/* broadcasts */
	{ 0x5c, 0x5c, PF3_F2 },	{ 0x5e, 0x5e, P_ANY },	/* amx: products */
	{ 0x6c, 0x6c, NP_66 },
	{ 0x72, 0x72, P_F3 },	/* vcvtneps2bf16 */
	{ 0x78, 0x79, P_66 },	{ 0x8c, 0x8c, P_66 },	{ 0x8e, 0x8e, P_66 },
	{ 0x90, 0x93, P_66 },	/* gathers */
	{ 0x96, 0x9f, P_66 },	{ 0xa6, 0xaf, P_66 },	/* fma */
	{ 0xb0, 0xb0, P_ANY },	{ 0xb1, 0xb1, P66_F3 },	/* ne-convert */
	{ 0xb4, 0xbf, P_66 },	/* ifma, fma */
	{ 0xcb, 0xcd, P_F2 },	{ 0xcf, 0xcf, P_66 },	/* sha512, gf2p8mulb */
	{ 0xd2, 0xd3, NP_66_F3 },	/* vnni */
	{ 0xda, 0xda, P_ANY },	{ 0xdb, 0xdf, P_66 },	/* sm3, sm4, aes */
	{ 0xe0, 0xef, P_66 },	/* cmpccxadd */
	{ 0xf2, 0xf3, P_NONE },	{ 0xf5, 0xf5, NP_F3_F2 },	/* bmi */
	{ 0xf6, 0xf6, P_F2 },	{ 0xf7, 0xf7, P_ANY },
};

static const struct range vex_0f3a[] = {
	{ 0x00, 0x02, P_66 },	{ 0x04, 0x06, P_66 },	{ 0x08, 0x0f, P_66 },
	{ 0x14, 0x19, P_66 },	{ 0x1d, 0x1d, P_66 },	{ 0x20, 0x22, P_66 },
	{ 0x30, 0x33, P_66 },	{ 0x38, 0x39, P_66 },	{ 0x40, 0x42, P_66 },
	{ 0x44, 0x44, P_66 },	{ 0x46, 0x46, P_66 },
	{ 0x48, 0x49, P_66 },	/* vpermil2 */
	{ 0x4a, 0x4c, P_66 },
	{ 0x5c, 0x5f, P_66 },	/* fma4 */
	{ 0x60, 0x63, P_66 },
	{ 0x68, 0x6f, P_66 },	{ 0x78, 0x7f, P_66 },	/* fma4 */
	{ 0xce, 0xcf, P_66 },	{ 0xde, 0xdf, P_66 },
	{ 0xf0, 0xf0, P_F2 },	/* rorx */
};

static const struct range vex_msr[] = {
	{ 0xf8, 0xf8, PF3_F2 },	/* urdmsr, uwrmsr */
};

static const struct range evex_0f[] = {
	{ 0x10, 0x12, P_ANY },	{ 0x13, 0x15, NP_66 },
	{ 0x16, 0x16, NP_66_F3 },	{ 0x17, 0x17, NP_66 },
	{ 0x28, 0x29, NP_66 },	{ 0x2a, 0x2a, PF3_F2 },	{ 0x2b, 0x2b, NP_66 },
	{ 0x2c, 0x2d, PF3_F2 },	{ 0x2e, 0x2f, NP_66 },
	{ 0x51, 0x51, P_ANY },	{ 0x54, 0x57, NP_66 },	{ 0x58, 0x5a, P_ANY },
	{ 0x5b, 0x5b, NP_66_F3 },	{ 0x5c, 0x5f, P_ANY },
	{ 0x60, 0x6e, P_66 },	{ 0x6f, 0x70, P66_F3_F2 },	{ 0x71, 0x76, P_66 },
	{ 0x78, 0x79, P_ANY },	{ 0x7a, 0x7b, P66_F3_F2 },	{ 0x7e, 0x7e, P66_F3 },
	{ 0x7f, 0x7f, P66_F3_F2 },
	{ 0xc2, 0xc2, P_ANY },	{ 0xc4, 0xc5, P_66 },	{ 0xc6, 0xc6, NP_66 },
	{ 0xd1, 0xe5, P_66 },	{ 0xe6, 0xe6, P66_F3_F2 },	{ 0xe7, 0xef, P_66 },
	{ 0xf1, 0xfe, P_66 },
};

static const struct range evex_0f38[] = {
	{ 0x00, 0x0f, P_66 },	{ 0x10, 0x15, P66_F3 },	{ 0x16, 0x1f, P_66 },
	{ 0x20, 0x2a, P66_F3 },	{ 0x2b, 0x2f, P_66 },	{ 0x30, 0x35, P66_F3 },
	{ 0x36, 0x37, P_66 },	{ 0x38, 0x3a, P66_F3 },	{ 0x3b, 0x47, P_66 },
	{ 0x4c, 0x51, P_66 },
	{ 0x52, 0x52, P66_F3_F2 },	{ 0x53, 0x53, P66_F2 },	/* vnni, bf16, 4vnniw */
	{ 0x54, 0x5b, P_66 },	{ 0x62, 0x66, P_66 },
	{ 0x68, 0x68, P_F2 },	/* vp2intersect */
	{ 0x70, 0x71, P_66 },	{ 0x72, 0x72, P66_F3_F2 },	{ 0x73, 0x7f, P_66 },
	{ 0x83, 0x83, P_66 },	{ 0x88, 0x8f, P_66 },
	{ 0x90, 0x93, P_66 },	/* gathers */
	{ 0x96, 0x99, P_66 },	{ 0x9a, 0x9b, P66_F2 },	{ 0x9c, 0x9f, P_66 },	/* fma */
	{ 0xa0, 0xa3, P_66 },	/* scatters */
	{ 0xa6, 0xa9, P_66 },	{ 0xaa, 0xab, P66_F2 },	{ 0xac, 0xaf, P_66 },	/* fma */
	{ 0xb4, 0xbf, P_66 },	{ 0xc4, 0xc4, P_66 },
	{ 0xc6, 0xc8, P_66 },	{ 0xca, 0xcd, P_66 },	/* AVX-512PF and ER */
	{ 0xcf, 0xcf, P_66 },	{ 0xdc, 0xdf, P_66 },
};

static const struct range evex_0f3a[] = {
	{ 0x00, 0x07, P_66 },	{ 0x08, 0x08, NP_66 },	{ 0x09, 0x09, P_66 },
	{ 0x0a, 0x0a, NP_66 },	{ 0x0b, 0x25, P_66 },	{ 0x26, 0x27, NP_66 },
	{ 0x38, 0x44, P_66 },	{ 0x50, 0x55, P_66 },	{ 0x56, 0x57, NP_66 },
	{ 0x66, 0x67, NP_66 },	{ 0x70, 0x73, P_66 },	{ 0xc2, 0xc2, NP_F3 },
	{ 0xce, 0xcf, P_66 },
};

static const struct range evex_fp16_a[] = {
	{ 0x10, 0x11, P_F3 },	{ 0x1d, 0x1d, NP_66 },	{ 0x2a, 0x2a, P_F3 },
	{ 0x2c, 0x2d, P_F3 },	{ 0x2e, 0x2f, P_NONE },	{ 0x51, 0x51, NP_F3 },
	{ 0x58, 0x59, NP_F3 },	{ 0x5a, 0x5a, P_ANY },	{ 0x5b, 0x5b, NP_66_F3 },
	{ 0x5c, 0x5f, NP_F3 },	{ 0x6e, 0x6e, P_66 },	{ 0x78, 0x79, NP_66_F3 },
	{ 0x7a, 0x7a, P66_F2 },	{ 0x7b, 0x7b, P66_F3 },	{ 0x7c, 0x7c, NP_66 },
	{ 0x7d, 0x7d, P_ANY },	{ 0x7e, 0x7e, P_66 },
};

static const struct range evex_fp16_b[] = {
	{ 0x13, 0x13, NP_66 },	{ 0x2c, 0x2d, P_66 },	{ 0x42, 0x43, P_66 },
	{ 0x4c, 0x4f, P_66 },	{ 0x56, 0x57, PF3_F2 },	{ 0x96, 0x9f, P_66 },
	{ 0xa6, 0xaf, P_66 },	{ 0xb6, 0xbf, P_66 },	{ 0xd6, 0xd7, PF3_F2 },
};

static const struct range xop_imm8[] = {
	{ 0x85, 0x87, P_NONE },	{ 0x8e, 0x8f, P_NONE },	/* multiply and add */
	{ 0x95, 0x97, P_NONE },	{ 0x9e, 0x9f, P_NONE },
	{ 0xa2, 0xa3, P_NONE },	/* vpcmov, vpperm */
	{ 0xa6, 0xa6, P_NONE },	{ 0xb6, 0xb6, P_NONE },
	{ 0xc0, 0xc3, P_NONE },	/* rotates */
	{ 0xcc, 0xcf, P_NONE },	{ 0xec, 0xef, P_NONE },	/* compares */
};

static const struct range xop_plain[] = {
	{ 0x01, 0x02, P_NONE },	/* tbm */
	{ 0x80, 0x83, P_NONE },	/* vfrcz */
	{ 0x90, 0x9b, P_NONE },	/* rotates, shifts */
	{ 0xc1, 0xc3, P_NONE },	{ 0xc6, 0xc7, P_NONE },	{ 0xcb, 0xcb, P_NONE },
	{ 0xd1, 0xd3, P_NONE },	{ 0xd6, 0xd7, P_NONE },	{ 0xdb, 0xdb, P_NONE },
	{ 0xe1, 0xe3, P_NONE },
};

static const struct range xop_imm32[] = {
	{ 0x10, 0x10, P_NONE },	/* bextr */
};

/* 3DNow, by the byte behind the operands; the geometry processor's two at 86 */
static const struct range now_3d[] = {
	{ 0x0c, 0x0d, P_ANY },	{ 0x1c, 0x1d, P_ANY },	{ 0x86, 0x87, P_ANY },
	{ 0x8a, 0x8a, P_ANY },	{ 0x8e, 0x8e, P_ANY },	{ 0x90, 0x90, P_ANY },
	{ 0x94, 0x94, P_ANY },	{ 0x96, 0x97, P_ANY },	{ 0x9a, 0x9a, P_ANY },
	{ 0x9e, 0x9e, P_ANY },	{ 0xa0, 0xa0, P_ANY },	{ 0xa4, 0xa4, P_ANY },
	{ 0xa6, 0xa7, P_ANY },	{ 0xaa, 0xaa, P_ANY },	{ 0xae, 0xae, P_ANY },
	{ 0xb0, 0xb0, P_ANY },	{ 0xb4, 0xb4, P_ANY },	{ 0xb6, 0xb7, P_ANY },
	{ 0xbb, 0xbb, P_ANY },	{ 0xbf, 0xbf, P_ANY },
};

/* The register forms of 0f 01, each its own instruction, by ModRM */
static const struct range group7_regs[] = {
	{ 0xc0, 0xc5, P_NONE },	/* enclv, vmcall to vmxoff, pconfig */
	{ 0xc6, 0xc6, NP_F3_F2 },	/* wrmsrns, rdmsrlist, wrmsrlist */
	{ 0xc8, 0xc9, P_NONE },	/* monitor, mwait */
	{ 0xca, 0xca, NP_F3_F2 },	/* clac, eretu, erets */
	{ 0xcb, 0xcb, P_NONE },	/* stac */
	{ 0xcc, 0xce, P_66 },	{ 0xcf, 0xcf, NP_66 },	/* tdx, encls */
	{ 0xd0, 0xd1, P_NONE },	/* xgetbv, xsetbv */
	{ 0xd4, 0xd6, P_NONE },	/* vmfunc, xend, xtest */
	{ 0xd8, 0xd8, P_NONE },	{ 0xd9, 0xd9, NP_F3_F2 },	/* vmrun, vmmcall, vmgexit */
	{ 0xda, 0xdf, P_NONE },	/* svm */
	{ 0xe0, 0xe7, P_ANY },	/* smsw */
	{ 0xe8, 0xe8, NP_F3_F2 },	/* serialize, setssbsy, xsusldtrk */
	{ 0xe9, 0xe9, P_F2 },	/* xresldtrk */
	{ 0xea, 0xea, P_F3 },	/* saveprevssp */
	{ 0xed, 0xed, P_F3 },	/* testui */
	{ 0xee, 0xee, NP_F3 },	/* rdpkru, clui */
	{ 0xef, 0xef, P_F3 },	/* stui */
	{ 0xf0, 0xf7, P_ANY },	/* lmsw */
	{ 0xf8, 0xf8, P_NONE },	{ 0xf9, 0xf9, P_NONE },	/* swapgs, rdtscp */
	{ 0xfa, 0xfa, NP_F3 },	{ 0xfb, 0xfb, P_NONE },	/* monitorx, mcommit, mwaitx */
	{ 0xfc, 0xfc, P_NONE },	{ 0xfd, 0xfd, NP_F3_F2 },	/* clzero, rdpru, rmp* */
	{ 0xfe, 0xff, NP_F3_F2 },	/* invlpgb, tlbsync, rmp* */
};

/* By ModRM.reg: with memory, and with a register */
static const u8 group15[2][8] = {
	{
		P_NONE, P_NONE,			/* fxsave, fxrstor */
		P_NONE, P_NONE,			/* ldmxcsr, stmxcsr */
		NP_F3, P_NONE,			/* xsave or ptwrite, xrstor */
		NP_66_F3,			/* xsaveopt, clwb, clrssbsy */
		NP_66,				/* clflush, clflushopt */
	}, {
		P_F3, P_F3, P_F3, P_F3,		/* rdfsbase, rdgsbase, wrfsbase, wrgsbase */
		P_F3,				/* ptwrite */
		NP_F3,				/* lfence, incssp */
		P_ANY,				/* mfence, tpause, umonitor, umwait */
		P_NONE,				/* sfence */
	},
};

struct range_list {
	const struct range *ranges;
	unsigned int n;
};

static const struct range_list legacy_maps[LEGACY_MAPS] = {
	[MAP_0F38]	  = { map_0f38, ARRAY_SIZE(map_0f38) },
	[MAP_0F3A]	  = { map_0f3a, ARRAY_SIZE(map_0f3a) },
};

static const struct range_list vex_maps[MAPS] = {
	[MAP_0F]	  = { vex_0f, ARRAY_SIZE(vex_0f) },
	[MAP_0F38]	  = { vex_0f38, ARRAY_SIZE(vex_0f38) },
	[MAP_0F3A]	  = { vex_0f3a, ARRAY_SIZE(vex_0f3a) },
	[VEX_MAP_MSR]	  = { vex_msr, ARRAY_SIZE(vex_msr) },
};

static const struct range_list evex_maps[MAPS] = {
	[MAP_0F]	  = { evex_0f, ARRAY_SIZE(evex_0f) },
	[MAP_0F38]	  = { evex_0f38, ARRAY_SIZE(evex_0f38) },
	[MAP_0F3A]	  = { evex_0f3a, ARRAY_SIZE(evex_0f3a) },
	[EVEX_MAP_FP16_A] = { evex_fp16_a, ARRAY_SIZE(evex_fp16_a) },
	[EVEX_MAP_FP16_B] = { evex_fp16_b, ARRAY_SIZE(evex_fp16_b) },
};

static const struct range_list xop_maps[MAPS] = {
	[XOP_MAP_IMM8]	  = { xop_imm8, ARRAY_SIZE(xop_imm8) },
	[XOP_MAP_PLAIN]	  = { xop_plain, ARRAY_SIZE(xop_plain) },
	[XOP_MAP_IMM32]	  = { xop_imm32, ARRAY_SIZE(xop_imm32) },
};

static bool in_ranges(const struct range *r, unsigned int n, u8 op, u8 pp)
{
	const struct range *end = r + n;

	for (; r < end; r++)
		if (op >= r->first && op <= r->last)
			return r->pp & pp;
	return false;
}

static bool is_listed(const struct range_list *maps, const struct decoded *d)
{
	return d->map < MAPS && in_ranges(maps[d->map].ranges, maps[d->map].n, d->op, d->pp);
}

static enum kind legacy(const struct decoded *d)
{
	switch (d->map) {
	case MAP_ONE_BYTE:
		return one_byte_map[d->op];
	case MAP_0F:
		return map_0f[d->op];
	default:
		return is_listed(legacy_maps, d) ? SLOT_M : NO;
	}
}

static enum kind vex(const struct decoded *d)
{
	if (!is_listed(vex_maps, d))
		return NO;
	/* vzeroupper, vzeroall: the only ones without ModRM */
	return d->map == MAP_0F && d->op == 0x77 ? SLOT : SLOT_M;
}

static enum kind evex(const struct decoded *d)
{
	const u8 *payload = d->insn.vex_prefix.bytes;

	/* APX gave a meaning to two bits that were fixed before. */
	if (d->map == EVEX_MAP_APX || (payload[1] & 0x08) || !(payload[2] & 0x04))
		return APX;
	return is_listed(evex_maps, d) ? SLOT_M : NO;
}

/**
 * uprobe_look_up() - what the tables say about an instruction
 * @d: the instruction
 *
 * Return: a refusal, what to do, or who knows more.
 */
enum kind uprobe_look_up(const struct decoded *d)
{
	switch (d->enc) {
	case ENC_LEGACY:
		return legacy(d);
	case ENC_REX2:
		return APX;
	case ENC_VEX:
		return vex(d);
	case ENC_EVEX:
		return evex(d);
	case ENC_XOP:
		return is_listed(xop_maps, d) ? SLOT_M : NO;
	default:
		return NO;
	}
}

/* Is it one of those that need no closer look? */
bool uprobe_known_group7(const struct decoded *d)
{
	return in_ranges(group7_regs, ARRAY_SIZE(group7_regs), d->insn.modrm.bytes[0], d->pp);
}

bool uprobe_known_group15(const struct decoded *d)
{
	return group15[!is_mem(d)][d->reg] & d->pp;
}

bool uprobe_known_3dnow(const struct decoded *d)
{
	return in_ranges(now_3d, ARRAY_SIZE(now_3d), immediate(d), d->pp);
}
