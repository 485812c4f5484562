// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: what an instruction is, and how to get past it.
 *
 * Runs once, when a probe is inserted. An instruction is looked up by its
 * encoding, its opcode map and its opcode, then by prefix and ModRM where these
 * make another instruction of it. What no table names is refused: a probe that
 * cannot be had is a nuisance, one that changes what the program does is a bug.
 *
 * The lengths come from the kernel's decoder. It takes the last legacy prefix
 * for the one that selects the instruction, where a CPU takes f2 or f3 before
 * 66 wherever they stand, and it keeps no more than four. So it is shown the
 * prefixes in the order that makes both agree.
 */
#include <linux/build_bug.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/insn.h>
#include <asm/insn-eval.h>
#include <asm/ptrace.h>

#include "internal.h"

/* ------------------------------------------------------------------ */
/* Reasons								      */
/* ------------------------------------------------------------------ */

static const struct uprobe_reason reasons[] = {
	[UPROBE_ACCEPTED] = { "accepted",
		"The instruction can be probed." },
	[UPROBE_REFUSE_UNDECODABLE] = { "undecodable",
		"These bytes are no valid instruction, or the file ends within it." },
	[UPROBE_REFUSE_UNKNOWN] = { "unknown",
		"The instruction is not on the list of those known to be safe to displace." },
	[UPROBE_REFUSE_BREAKPOINT] = { "breakpoint",
		"The instruction is itself a breakpoint, which belongs to somebody else." },
	[UPROBE_REFUSE_SYSCALL] = { "syscall",
		"The instruction enters the kernel, and the kernel would see the copy's address." },
	[UPROBE_REFUSE_PRIVILEGED] = { "privileged",
		"The instruction is privileged or depends on the I/O permissions." },
	[UPROBE_REFUSE_FAR] = { "far",
		"The instruction is a far transfer, which may change the mode of execution." },
	[UPROBE_REFUSE_SEGMENT] = { "segment",
		"The instruction loads a segment register or a segment base." },
	[UPROBE_REFUSE_MODE] = { "mode",
		"The instruction with these prefixes does different things on different CPUs." },
	[UPROBE_REFUSE_TOO_LONG] = { "too-long",
		"The instruction needs a segment prefix but has no room for it in 15 bytes." },
	[UPROBE_REFUSE_TRANSACTION] = { "transaction",
		"The instruction belongs to a hardware transaction, which a breakpoint aborts." },
	[UPROBE_REFUSE_STATE] = { "state",
		"The instruction reads system state that the kernel may have to supply." },
};
static_assert(ARRAY_SIZE(reasons) == UPROBE_REFUSALS);

const struct uprobe_reason *arch_uprobe_refusal(enum uprobe_refusal why)
{
	return &reasons[why < UPROBE_REFUSALS ? why : UPROBE_REFUSE_UNKNOWN];
}

const char *arch_uprobe_strategy_name(const struct arch_uprobe *au)
{
	static const char * const names[] = {
		[UPROBE_EMULATE] = "emulate",
		[UPROBE_STEP]	 = "step",
	};

	static_assert(ARRAY_SIZE(names) == UPROBE_STRATEGIES);
	return au->strategy < UPROBE_STRATEGIES ? names[au->strategy] : "none";
}

/* ------------------------------------------------------------------ */
/* Decoding							      */
/* ------------------------------------------------------------------ */

enum encoding {
	ENC_LEGACY,
	ENC_VEX,
	ENC_EVEX,
};

enum opcode_map {
	MAP_ONE_BYTE,
	MAP_0F,
	MAP_0F38,
	MAP_0F3A,
	LEGACY_MAPS,
	EVEX_MAP_FP16_A = 5,
	EVEX_MAP_FP16_B = 6,
	MAPS
};

/**
 * struct decoded - an instruction taken apart
 * @insn: as the kernel's decoder sees it
 * @enc: enum encoding
 * @map: enum opcode_map, or a number beyond
 * @op: last byte of the opcode
 * @len: length in bytes
 * @prefixes: how many legacy prefixes it starts with
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
 */
struct decoded {
	struct insn insn;
	u8 enc, map, op, len;
	u8 prefixes, rep, seg;
	bool seg_masked, opsize, addrsize, lock;
	u8 rex;
	bool is64;
	u8 mod, reg, rm;
	u8 width;
};

#define NO_MODRM	0xff

/* Notes a legacy prefix, in the order in which they come. */
static bool note_prefix(struct decoded *d, u8 byte)
{
	switch (byte) {
	case 0xf0:
		d->lock = true;
		return true;
	case 0xf2:
	case 0xf3:
		d->rep = byte;
		return true;
	case PREFIX_OPSIZE:
		d->opsize = true;
		return true;
	case PREFIX_ADDRSIZE:
		d->addrsize = true;
		return true;
	case PREFIX_FS:
	case PREFIX_GS:
		d->seg = byte;
		d->seg_masked = false;
		return true;
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		if (d->is64)
			d->seg_masked = d->seg;
		else
			d->seg = byte;
		return true;
	default:
		return false;
	}
}

static bool has_vex(const struct decoded *d)
{
	return d->enc != ENC_LEGACY;
}

static void find_opcode(struct decoded *d)
{
	struct insn *insn = &d->insn;
	const u8 *op = insn->opcode.bytes;

	switch (insn->vex_prefix.nbytes) {
	case 0:
		d->enc = ENC_LEGACY;
		d->op = op[insn->opcode.nbytes - 1];
		if (insn->opcode.nbytes == 1)
			d->map = MAP_ONE_BYTE;
		else if (insn->opcode.nbytes == 2)
			d->map = MAP_0F;
		else
			d->map = op[1] == 0x38 ? MAP_0F38 : MAP_0F3A;
		break;
	case 4:
		d->enc = ENC_EVEX;
		d->op = op[0];
		d->map = insn_vex_m_bits(insn);
		break;
	default:
		d->enc = ENC_VEX;
		d->op = op[0];
		d->map = insn_vex_m_bits(insn);
		break;
	}
}

static void find_modrm(struct decoded *d)
{
	u8 modrm = d->insn.modrm.bytes[0];

	d->mod = NO_MODRM;
	if (!d->insn.modrm.nbytes)
		return;
	d->mod = X86_MODRM_MOD(modrm);
	d->reg = X86_MODRM_REG(modrm);
	d->rm = X86_MODRM_RM(modrm);
}

static bool decode(struct decoded *d, const u8 *bytes, unsigned int n, bool is64)
{
	u8 sorted[UPROBE_INSN_MAX + 3];
	unsigned int sorts = 0, rest;

	memset(d, 0, sizeof(*d));
	d->is64 = is64;
	n = min_t(unsigned int, n, UPROBE_INSN_MAX);
	while (d->prefixes < n && note_prefix(d, bytes[d->prefixes]))
		d->prefixes++;

	if (d->addrsize)
		sorted[sorts++] = PREFIX_ADDRSIZE;
	if (d->opsize)
		sorted[sorts++] = PREFIX_OPSIZE;
	if (d->rep)
		sorted[sorts++] = d->rep;
	rest = n - d->prefixes;
	memcpy(sorted + sorts, bytes + d->prefixes, rest);

	if (insn_decode(&d->insn, sorted, sorts + rest, is64 ? INSN_MODE_64 : INSN_MODE_32))
		return false;
	if (d->insn.prefixes.nbytes != sorts)
		return false;
	d->len = d->insn.length - sorts + d->prefixes;

	find_opcode(d);
	find_modrm(d);
	if (d->insn.rex_prefix.nbytes)
		d->rex = d->insn.rex_prefix.bytes[0];
	if (has_vex(d) && (d->lock || d->opsize || d->rep || d->rex))
		return false;
	if (X86_REX_W(d->rex))
		d->width = 8;
	else
		d->width = d->opsize ? 2 : 4;
	return true;
}

static bool is_mem(const struct decoded *d)
{
	return d->mod < 3;
}

static bool is_riprel(const struct decoded *d)
{
	return d->is64 && d->mod == 0 && d->rm == 5;
}

static s64 immediate(const struct decoded *d)
{
	return d->insn.immediate.value;
}

static u8 reg_offset(unsigned int regno)
{
	return pt_regs_offset(NULL, regno);
}

/* A register operand: without REX, 4 to 7 of the byte registers are ah to bh. */
static u8 operand_reg(const struct decoded *d, unsigned int regno, unsigned int width)
{
	if (width == 1 && !d->rex && regno >= 4)
		return reg_offset(regno - 4) + 1;
	return reg_offset(regno);
}

static unsigned int modrm_reg(const struct decoded *d)
{
	return d->reg | (X86_REX_R(d->rex) ? 8 : 0);
}

static unsigned int modrm_rm(const struct decoded *d)
{
	return d->rm | (X86_REX_B(d->rex) ? 8 : 0);
}

/* The register in the low bits of the opcode */
static unsigned int opcode_reg(const struct decoded *d)
{
	return (d->op & 7) | (X86_REX_B(d->rex) ? 8 : 0);
}

/* What memory is addressed by in 16-bit forms, by ModRM.rm */
static void find_mem16(const struct decoded *d, struct uprobe_mem *m)
{
	static const struct {
		s8 base, index;
	} forms[8] = {
		{ 3, 6 }, { 3, 7 }, { 5, 6 }, { 5, 7 }, { 6, -1 }, { 7, -1 }, { 5, -1 }, { 3, -1 },
	};

	if (d->mod == 0 && d->rm == 6)
		return;
	m->base = reg_offset(forms[d->rm].base);
	if (forms[d->rm].index >= 0)
		m->index = reg_offset(forms[d->rm].index);
}

static void find_sib(const struct decoded *d, struct uprobe_mem *m)
{
	u8 sib = d->insn.sib.bytes[0];
	unsigned int index = X86_SIB_INDEX(sib) | (X86_REX_X(d->rex) ? 8 : 0);

	m->scale = X86_SIB_SCALE(sib);
	if (index != 4)
		m->index = reg_offset(index);
	if (d->mod || X86_SIB_BASE(sib) != 5)
		m->base = reg_offset(X86_SIB_BASE(sib) | (X86_REX_B(d->rex) ? 8 : 0));
}

/* In 32-bit code every access goes through a segment, which may have a base. */
static u8 segment32(const struct decoded *d, const struct uprobe_mem *m)
{
	if (d->seg)
		return d->seg;
	if (m->base == reg_offset(4) || m->base == reg_offset(5))
		return 0x36;
	return 0x3e;
}

static void find_mem(const struct decoded *d, struct uprobe_mem *m)
{
	m->base = UPROBE_MEM_NONE;
	m->index = UPROBE_MEM_NONE;
	m->addr_bytes = d->insn.addr_bytes;
	if (!is_mem(d))
		return;

	m->disp = d->insn.displacement.value;
	if (m->addr_bytes == 2)
		find_mem16(d, m);
	else if (is_riprel(d))
		m->base = UPROBE_MEM_RIP;
	else if (d->rm == 4)
		find_sib(d, m);
	else if (d->mod || d->rm != 5)
		m->base = reg_offset(modrm_rm(d));
	m->seg = d->is64 ? d->seg : segment32(d, m);
}

/* ------------------------------------------------------------------ */
/* Policy: legacy encoding						      */
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

#define RANGES(r)	{ r, ARRAY_SIZE(r) }

static const struct range_list vex_maps[MAPS] = {
	[MAP_0F]	  = RANGES(vex_0f),
	[MAP_0F38]	  = RANGES(vex_0f38),
	[MAP_0F3A]	  = RANGES(vex_0f3a),
};

static const struct range_list evex_maps[MAPS] = {
	[MAP_0F]	  = RANGES(evex_0f),
	[MAP_0F38]	  = RANGES(evex_0f38),
	[MAP_0F3A]	  = RANGES(evex_0f3a),
	[EVEX_MAP_FP16_A] = RANGES(evex_fp16_a),
	[EVEX_MAP_FP16_B] = RANGES(evex_fp16_b),
};

static const struct range_list legacy_maps[LEGACY_MAPS] = {
	[MAP_0F38]	  = RANGES(map_0f38),
	[MAP_0F3A]	  = RANGES(map_0f3a),
};

static bool in_ranges(const struct range_list *list, u8 op)
{
	unsigned int i;

	for (i = 0; i < list->n; i++)
		if (op >= list->ranges[i].first && op <= list->ranges[i].last)
			return true;
	return false;
}

/* ------------------------------------------------------------------ */
/* Answers								      */
/* ------------------------------------------------------------------ */

static enum uprobe_refusal step(struct arch_uprobe *au)
{
	au->strategy = UPROBE_STEP;
	return UPROBE_ACCEPTED;
}

static enum uprobe_refusal emulate(struct arch_uprobe *au, enum uprobe_emu op,
				   unsigned int width)
{
	au->strategy = UPROBE_EMULATE;
	au->op = op;
	au->width = width;
	return UPROBE_ACCEPTED;
}

static bool lock_ok(const struct decoded *d, bool lockable)
{
	return !d->lock || (lockable && is_mem(d));
}

static enum uprobe_refusal step_modrm(struct arch_uprobe *au, const struct decoded *d,
				      bool lockable)
{
	if (d->mod == NO_MODRM || !lock_ok(d, lockable))
		return UPROBE_REFUSE_UNDECODABLE;
	return step(au);
}

/*
 * An f2 or f3 that means nothing is ignored by today's CPUs; the copy leaves it
 * to the CPU what to make of it, the emulators do not.
 */
static bool plain(const struct decoded *d)
{
	return !d->rep && !d->lock;
}

/* Width of an operand whose opcode has byte forms with even numbers */
static unsigned int width_by_opcode(const struct decoded *d)
{
	return d->op & 1 ? d->width : 1;
}

/* Stack operands: 4 bytes in 32-bit code, 8 in 64-bit code, or 2 with 66. */
static unsigned int stack_width(const struct decoded *d)
{
	return d->is64 ? 8 : 4;
}

static bool stack_plain(const struct decoded *d)
{
	return plain(d) && !d->opsize;
}

/*
 * Near branches. With 66 a target has 16 bits, except that Intel ignores 66 in
 * 64-bit code, and so does everybody where REX.W is there too, as linkers write
 * it to fill a place. bnd (f2) has no effect since the kernel dropped MPX, f3 is
 * for ret, where it was once good for branch prediction.
 */
static enum uprobe_refusal branch(struct arch_uprobe *au, const struct decoded *d,
				  enum uprobe_emu op)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (d->opsize && !X86_REX_W(d->rex))
		return UPROBE_REFUSE_MODE;
	if (d->rep == 0xf3 && op != EMU_RET)
		return UPROBE_REFUSE_UNKNOWN;
	au->imm = immediate(d);
	return emulate(au, op, stack_width(d));
}

static enum uprobe_refusal branch_rm(struct arch_uprobe *au, const struct decoded *d,
				     enum uprobe_emu by_mem, enum uprobe_emu by_reg)
{
	enum uprobe_refusal why = branch(au, d, is_mem(d) ? by_mem : by_reg);

	au->imm = 0;
	if (!why && !is_mem(d))
		au->mem.base = reg_offset(modrm_rm(d));
	return why;
}

static enum uprobe_refusal no_op(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->lock || (d->map != MAP_ONE_BYTE && d->mod == NO_MODRM))
		return UPROBE_REFUSE_UNDECODABLE;
	return emulate(au, EMU_NOP, 0);
}

/* ------------------------------------------------------------------ */
/* Looking closer: one-byte opcodes				      */
/* ------------------------------------------------------------------ */

/* By bits 5 to 3 of the opcode or by ModRM.reg; 0 is for what has no emulator */
static const u8 arith_emu[8] = {
	EMU_ADD, EMU_OR, 0, 0, EMU_AND, EMU_SUB, EMU_XOR, EMU_CMP,
};

#define ARITH_CMP	7

static enum uprobe_refusal arith_reg(struct arch_uprobe *au, const struct decoded *d,
				     enum uprobe_emu op, unsigned int dst, unsigned int src)
{
	au->reg = reg_offset(dst);
	au->mem.base = reg_offset(src);
	return emulate(au, op, d->width);
}

static enum uprobe_refusal arith_imm(struct arch_uprobe *au, const struct decoded *d,
				     enum uprobe_emu op, unsigned int dst)
{
	au->reg = reg_offset(dst);
	au->mem.base = UPROBE_MEM_NONE;
	au->imm = immediate(d);
	return emulate(au, op, d->width);
}

static enum uprobe_refusal arith(struct arch_uprobe *au, const struct decoded *d)
{
	unsigned int what = d->op >> 3, form = d->op & 7;
	enum uprobe_emu op = arith_emu[what];
	bool wide = d->width >= 4 && plain(d) && op;

	if (form >= 4) {
		if (d->lock)
			return UPROBE_REFUSE_UNDECODABLE;
		return form == 5 && wide ? arith_imm(au, d, op, 0) : step(au);
	}
	if (!lock_ok(d, form < 2 && what != ARITH_CMP))
		return UPROBE_REFUSE_UNDECODABLE;
	if (is_mem(d) || !wide || !(form & 1))
		return step(au);
	if (form == 1)
		return arith_reg(au, d, op, modrm_rm(d), modrm_reg(d));
	return arith_reg(au, d, op, modrm_reg(d), modrm_rm(d));
}

static enum uprobe_refusal group1(struct arch_uprobe *au, const struct decoded *d)
{
	enum uprobe_emu op = arith_emu[d->reg];

	if (!lock_ok(d, d->reg != ARITH_CMP))
		return UPROBE_REFUSE_UNDECODABLE;
	if (is_mem(d) || !plain(d) || !op || width_by_opcode(d) < 4)
		return step(au);
	return arith_imm(au, d, op, modrm_rm(d));
}

static enum uprobe_refusal test_rr(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (is_mem(d) || !plain(d) || width_by_opcode(d) < 4)
		return step(au);
	return arith_reg(au, d, EMU_TEST, modrm_rm(d), modrm_reg(d));
}

static enum uprobe_refusal test_ax(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (!plain(d) || width_by_opcode(d) < 4)
		return step(au);
	return arith_imm(au, d, EMU_TEST, 0);
}

static enum uprobe_refusal group3(struct arch_uprobe *au, const struct decoded *d)
{
	/* test, test, not, neg, mul, imul, div, idiv */
	if (!lock_ok(d, d->reg == 2 || d->reg == 3))
		return UPROBE_REFUSE_UNDECODABLE;
	if (d->reg > 1 || is_mem(d) || !plain(d) || width_by_opcode(d) < 4)
		return step(au);
	return arith_imm(au, d, EMU_TEST, modrm_rm(d));
}

static enum uprobe_refusal mov_rm(struct arch_uprobe *au, const struct decoded *d)
{
	unsigned int width = width_by_opcode(d);
	u8 reg = operand_reg(d, modrm_reg(d), width);
	bool load = d->op & 2;

	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (d->rep || (is_mem(d) && !is_riprel(d)))
		return step(au);	/* f2, f3: transactions, on some CPUs */
	if (is_mem(d)) {
		au->reg = reg;
		return emulate(au, load ? EMU_LOAD : EMU_STORE, width);
	}
	au->reg = operand_reg(d, modrm_rm(d), width);
	au->mem.base = reg;
	if (load)
		swap(au->reg, au->mem.base);
	return emulate(au, EMU_MOV_REG, width);
}

static enum uprobe_refusal mov_imm(struct arch_uprobe *au, const struct decoded *d)
{
	unsigned int width = d->op & 8 ? d->width : 1;

	if (!plain(d))
		return d->lock ? UPROBE_REFUSE_UNDECODABLE : step(au);
	au->reg = operand_reg(d, opcode_reg(d), width);
	au->imm = immediate(d);
	if (width == 8)
		au->imm = (u32)d->insn.immediate1.value |
			  (s64)d->insn.immediate2.value << 32;
	return emulate(au, EMU_MOV_IMM, width);
}

static enum uprobe_refusal group11(struct arch_uprobe *au, const struct decoded *d)
{
	unsigned int width = width_by_opcode(d);

	if (d->reg == 7 && d->mod == 3 && d->rm == 0)
		return UPROBE_REFUSE_TRANSACTION;	/* xabort, xbegin */
	if (d->reg || d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (d->rep || (is_mem(d) && !is_riprel(d)))
		return step(au);
	au->imm = immediate(d);
	if (is_mem(d))
		return emulate(au, EMU_STORE_IMM, width);
	au->reg = operand_reg(d, modrm_rm(d), width);
	return emulate(au, EMU_MOV_IMM, width);
}

/* movzx, movsx, movsxd: worth emulating only where a step must borrow a base */
static enum uprobe_refusal mov_extend(struct arch_uprobe *au, const struct decoded *d,
				      enum uprobe_emu op, unsigned int bytes)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (!is_riprel(d) || d->rep)
		return step_modrm(au, d, false);
	au->reg = reg_offset(modrm_reg(d));
	au->imm = min_t(unsigned int, bytes, d->width);
	return emulate(au, op, d->width);
}

static enum uprobe_refusal lea(struct arch_uprobe *au, const struct decoded *d)
{
	if (!is_mem(d) || d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (d->rep)
		return UPROBE_REFUSE_UNKNOWN;
	au->reg = reg_offset(modrm_reg(d));
	au->mem.seg = 0;
	return emulate(au, EMU_LEA, d->width);
}

static enum uprobe_refusal push(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (!stack_plain(d))
		return step(au);
	au->reg = reg_offset(opcode_reg(d));
	return emulate(au, EMU_PUSH_REG, stack_width(d));
}

static enum uprobe_refusal pop(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (!stack_plain(d))
		return step(au);
	au->reg = reg_offset(opcode_reg(d));
	return emulate(au, EMU_POP_REG, stack_width(d));
}

static enum uprobe_refusal stack_op(struct arch_uprobe *au, const struct decoded *d,
				    enum uprobe_emu op)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (!stack_plain(d))
		return step(au);
	au->imm = immediate(d);
	return emulate(au, op, stack_width(d));
}

/* 8f: pop, or with what would be another ModRM.reg the first byte of XOP */
static enum uprobe_refusal group1a(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->reg)
		return UPROBE_REFUSE_UNKNOWN;
	return step_modrm(au, d, false);
}

static enum uprobe_refusal group4(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->reg > 1)
		return UPROBE_REFUSE_UNDECODABLE;
	return step_modrm(au, d, true);		/* inc, dec */
}

static enum uprobe_refusal group5(struct arch_uprobe *au, const struct decoded *d)
{
	switch (d->reg) {
	case 0:
	case 1:
		return step_modrm(au, d, true);	/* inc, dec */
	case 2:
		return branch_rm(au, d, EMU_CALL_MEM, EMU_CALL_REG);
	case 4:
		return branch_rm(au, d, EMU_JMP_MEM, EMU_JMP_REG);
	case 3:
	case 5:
		return is_mem(d) ? UPROBE_REFUSE_FAR : UPROBE_REFUSE_UNDECODABLE;
	case 6:
		return step_modrm(au, d, false);	/* push */
	default:
		return UPROBE_REFUSE_UNDECODABLE;
	}
}

static enum uprobe_refusal loop(struct arch_uprobe *au, const struct decoded *d)
{
	static const u8 ops[] = { EMU_LOOPNE, EMU_LOOPE, EMU_LOOP, EMU_JCXZ };
	enum uprobe_refusal why = branch(au, d, ops[d->op & 3]);

	au->width = d->insn.addr_bytes;
	return why;
}

static enum uprobe_refusal jcc(struct arch_uprobe *au, const struct decoded *d)
{
	au->reg = d->op & 15;
	return branch(au, d, EMU_JCC);
}

static enum uprobe_refusal ret(struct arch_uprobe *au, const struct decoded *d)
{
	enum uprobe_refusal why = branch(au, d, EMU_RET);

	au->imm = d->op == 0xc2 ? (u16)immediate(d) : 0;
	return why;
}

static enum uprobe_refusal nop_90(struct arch_uprobe *au, const struct decoded *d)
{
	/* With REX.B it is an xchg; whether f3 makes a pause of that is open. */
	if (!X86_REX_B(d->rex))
		return no_op(au, d);
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	return d->rep == 0xf3 ? UPROBE_REFUSE_MODE : step(au);
}

static enum uprobe_refusal only_32(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->is64 || d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	return step(au);
}

/* ------------------------------------------------------------------ */
/* Looking closer: 0f						      */
/* ------------------------------------------------------------------ */

static enum uprobe_refusal group6(struct arch_uprobe *au, const struct decoded *d)
{
	switch (d->reg) {
	case 0:
	case 1:
		return UPROBE_REFUSE_STATE;	/* sldt, str */
	case 2:
	case 3:
		return UPROBE_REFUSE_PRIVILEGED;	/* lldt, ltr */
	case 4:
	case 5:
		return step_modrm(au, d, false);	/* verr, verw */
	default:
		return UPROBE_REFUSE_UNKNOWN;
	}
}

/* The register forms of 0f 01, each its own instruction, by ModRM */
static enum uprobe_refusal group7_reg(struct arch_uprobe *au, const struct decoded *d)
{
	switch (d->insn.modrm.bytes[0]) {
	case 0xd0:				/* xgetbv */
	case 0xee:				/* rdpkru */
	case 0xef:				/* wrpkru */
	case 0xf9:				/* rdtscp */
		return d->rep || d->opsize ? UPROBE_REFUSE_UNKNOWN : step_modrm(au, d, false);
	case 0xe8:				/* serialize */
		return d->rep || d->opsize ? UPROBE_REFUSE_UNKNOWN : step_modrm(au, d, false);
	case 0xea:				/* saveprevssp */
		return d->rep == 0xf3 ? step_modrm(au, d, false) : UPROBE_REFUSE_UNKNOWN;
	case 0xd5:				/* xend */
	case 0xd6:				/* xtest */
		return UPROBE_REFUSE_TRANSACTION;
	case 0xe0 ... 0xe7:			/* smsw */
		return UPROBE_REFUSE_STATE;
	case 0xca ... 0xcb:			/* clac, stac */
	case 0xc8 ... 0xc9:			/* monitor, mwait */
	case 0xd1:				/* xsetbv */
	case 0xf0 ... 0xf8:			/* lmsw, swapgs */
		return UPROBE_REFUSE_PRIVILEGED;
	default:
		return UPROBE_REFUSE_UNKNOWN;
	}
}

static enum uprobe_refusal group7(struct arch_uprobe *au, const struct decoded *d)
{
	if (!is_mem(d))
		return group7_reg(au, d);
	switch (d->reg) {
	case 0:
	case 1:
	case 4:
		return UPROBE_REFUSE_STATE;	/* sgdt, sidt, smsw */
	case 5:					/* rstorssp */
		return d->rep == 0xf3 ? step_modrm(au, d, false) : UPROBE_REFUSE_UNKNOWN;
	default:
		return UPROBE_REFUSE_PRIVILEGED;	/* lgdt, lidt, lmsw, invlpg */
	}
}

/* Hints that touch no memory as far as the program can tell */
static enum uprobe_refusal prefetch(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->op == 0x0d && !is_mem(d))
		return UPROBE_REFUSE_UNKNOWN;
	return no_op(au, d);
}

static enum uprobe_refusal cet_nop(struct arch_uprobe *au, const struct decoded *d)
{
	/* rdssp writes its register if there is a shadow stack */
	if (d->rep == 0xf3 && d->mod == 3 && d->reg == 1)
		return step_modrm(au, d, false);
	return no_op(au, d);
}

static enum uprobe_refusal movx(struct arch_uprobe *au, const struct decoded *d)
{
	return mov_extend(au, d, d->op & 8 ? EMU_LOAD_SX : EMU_LOAD_ZX, d->op & 1 ? 2 : 1);
}

static enum uprobe_refusal group8(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->reg < 4)
		return UPROBE_REFUSE_UNDECODABLE;
	return step_modrm(au, d, d->reg > 4);	/* bt, bts, btr, btc */
}

static enum uprobe_refusal group9(struct arch_uprobe *au, const struct decoded *d)
{
	if (is_mem(d)) {
		switch (d->reg) {
		case 1:
			return step_modrm(au, d, true);	/* cmpxchg8b, cmpxchg16b */
		case 4:
			return step_modrm(au, d, false);	/* xsavec */
		case 0:
		case 2:
			return UPROBE_REFUSE_UNDECODABLE;
		default:
			return UPROBE_REFUSE_PRIVILEGED;	/* xsaves, xrstors, vm* */
		}
	}
	switch (d->reg) {
	case 6:					/* rdrand */
		return d->rep ? UPROBE_REFUSE_UNKNOWN : step_modrm(au, d, false);
	case 7:					/* rdseed, with f3 rdpid */
		return d->rep == 0xf2 ? UPROBE_REFUSE_UNKNOWN : step_modrm(au, d, false);
	default:
		return UPROBE_REFUSE_UNKNOWN;
	}
}

static enum uprobe_refusal group15_mem(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->rep)
		return d->reg == 6 ? UPROBE_REFUSE_PRIVILEGED : UPROBE_REFUSE_UNKNOWN;
	if (d->opsize && d->reg < 6)
		return UPROBE_REFUSE_UNKNOWN;
	/* fxsave, fxrstor, ldmxcsr, stmxcsr, xsave, xrstor, xsaveopt or clwb, clflush */
	return step_modrm(au, d, false);
}

static enum uprobe_refusal group15_reg(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->opsize || d->rep == 0xf2)
		return UPROBE_REFUSE_UNKNOWN;
	if (!d->rep)				/* lfence, mfence, sfence */
		return d->reg >= 5 ? step_modrm(au, d, false) : UPROBE_REFUSE_UNKNOWN;
	switch (d->reg) {
	case 0:
	case 1:					/* rdfsbase, rdgsbase */
	case 5:					/* incssp */
		return step_modrm(au, d, false);
	case 2:
	case 3:
		return UPROBE_REFUSE_SEGMENT;	/* wrfsbase, wrgsbase */
	default:
		return UPROBE_REFUSE_UNKNOWN;
	}
}

/* ------------------------------------------------------------------ */
/* Looking up							      */
/* ------------------------------------------------------------------ */

static enum uprobe_refusal look_closer(struct arch_uprobe *au, const struct decoded *d,
				       enum kind kind)
{
	switch (kind) {
	case NO:
		return UPROBE_REFUSE_UNKNOWN;
	case STEP:
		return d->lock ? UPROBE_REFUSE_UNDECODABLE : step(au);
	case STEP_32:
		return only_32(au, d);
	case STEP_M:
		return step_modrm(au, d, false);
	case STEP_ML:
		return step_modrm(au, d, true);
	case ARITH:
		return arith(au, d);
	case PUSH:
		return push(au, d);
	case POP:
		return pop(au, d);
	case BOUND:
		return d->is64 ? UPROBE_REFUSE_UNDECODABLE : step_modrm(au, d, false);
	case MOVSXD:
		return d->is64 ? mov_extend(au, d, EMU_LOAD_SX, 4) : step_modrm(au, d, false);
	case PUSH_IMM:
		return stack_op(au, d, EMU_PUSH_IMM);
	case JCC:
		return jcc(au, d);
	case GROUP1:
		return group1(au, d);
	case GROUP1_32:
		return d->is64 ? UPROBE_REFUSE_UNDECODABLE : group1(au, d);
	case TEST_RR:
		return test_rr(au, d);
	case TEST_AX:
		return test_ax(au, d);
	case MOV_RM:
		return mov_rm(au, d);
	case LEA:
		return lea(au, d);
	case GROUP1A:
		return group1a(au, d);
	case NOP_90:
		return nop_90(au, d);
	case PUSHF:
		return stack_op(au, d, EMU_PUSHF);
	case POPF:
		return stack_op(au, d, EMU_POPF);
	case MOV_IMM:
		return mov_imm(au, d);
	case RET:
		return ret(au, d);
	case LES_LDS:
		return d->is64 ? UPROBE_REFUSE_UNDECODABLE : UPROBE_REFUSE_SEGMENT;
	case GROUP11:
		return group11(au, d);
	case LEAVE:
		return stack_op(au, d, EMU_LEAVE);
	case INTO:
		return d->is64 ? UPROBE_REFUSE_UNDECODABLE : UPROBE_REFUSE_SYSCALL;
	case LOOP:
		return loop(au, d);
	case CALL_REL:
		return branch(au, d, EMU_CALL);
	case JMP_REL:
		return branch(au, d, EMU_JMP);
	case GROUP3:
		return group3(au, d);
	case GROUP4:
		return group4(au, d);
	case GROUP5:
		return group5(au, d);
	case GROUP6:
		return group6(au, d);
	case GROUP7:
		return group7(au, d);
	case PREFETCH:
		return prefetch(au, d);
	case HINT_NOP:
		return no_op(au, d);
	case CET_NOP:
		return cet_nop(au, d);
	case MOVX:
		return movx(au, d);
	case POPCNT:				/* without f3 something of the Itanium */
		return d->rep == 0xf3 ? step_modrm(au, d, false) : UPROBE_REFUSE_UNKNOWN;
	case GROUP8:
		return group8(au, d);
	case GROUP9:
		return group9(au, d);
	case GROUP15:
		return is_mem(d) ? group15_mem(au, d) : group15_reg(au, d);
	default:
		return (enum uprobe_refusal)kind;
	}
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

static enum uprobe_refusal legacy(struct arch_uprobe *au, const struct decoded *d)
{
	switch (d->map) {
	case MAP_ONE_BYTE:
		return look_closer(au, d, one_byte_map[d->op]);
	case MAP_0F:
		return look_closer(au, d, map_0f[d->op]);
	case MAP_0F38:
		if (no_0f38(d))
			return UPROBE_REFUSE_UNKNOWN;
		fallthrough;
	default:
		if (!in_ranges(&legacy_maps[d->map], d->op))
			return UPROBE_REFUSE_UNKNOWN;
		return step_modrm(au, d, false);
	}
}

static enum uprobe_refusal vex(struct arch_uprobe *au, const struct decoded *d)
{
	const struct range_list *maps = d->enc == ENC_EVEX ? evex_maps : vex_maps;

	if (d->map >= MAPS || !in_ranges(&maps[d->map], d->op))
		return UPROBE_REFUSE_UNKNOWN;

	/* APX gave a meaning to two bits of EVEX that were fixed before. */
	if (d->enc == ENC_EVEX && ((d->insn.vex_prefix.bytes[1] & 0x08) ||
				   !(d->insn.vex_prefix.bytes[2] & 0x04)))
		return UPROBE_REFUSE_UNKNOWN;

	/* vzeroupper, vzeroall: the only ones without ModRM */
	if (d->enc == ENC_VEX && d->map == MAP_0F && d->op == 0x77)
		return step(au);
	return step_modrm(au, d, false);
}

/* ------------------------------------------------------------------ */
/* The copy							      */
/* ------------------------------------------------------------------ */

/* mov from gs and from fs: the value must be the program's, so borrow the other */
static bool reads_selector(const struct decoded *d, u8 seg)
{
	return d->enc == ENC_LEGACY && d->map == MAP_ONE_BYTE && d->op == 0x8c &&
	       d->reg == (seg == PREFIX_FS ? 4 : 5);
}

static enum uprobe_refusal borrow(struct arch_uprobe *au, const struct decoded *d)
{
	u8 seg = d->seg;

	if (seg) {
		if (reads_selector(d, seg))
			return UPROBE_REFUSE_SEGMENT;
		memcpy(au->xol, au->insn, au->len);
		au->xol_len = au->len;
		au->fixups |= UPROBE_FIX_OLD_BASE;
	} else {
		/* Programs seldom use gs, and most CPUs switch it no slower. */
		seg = reads_selector(d, PREFIX_GS) ? PREFIX_FS : PREFIX_GS;
		au->xol_len = uprobe_riprel_copy(au->xol, au->insn, au->len, d->prefixes, seg);
		if (!au->xol_len)
			return UPROBE_REFUSE_TOO_LONG;
	}
	au->fixups |= seg == PREFIX_FS ? UPROBE_FIX_FS : UPROBE_FIX_GS;
	return UPROBE_ACCEPTED;
}

static enum uprobe_refusal make_copy(struct arch_uprobe *au, const struct decoded *d)
{
	if (is_riprel(d))
		return borrow(au, d);
	memcpy(au->xol, au->insn, au->len);
	au->xol_len = au->len;
	return UPROBE_ACCEPTED;
}

static enum uprobe_refusal decide(struct arch_uprobe *au, const struct decoded *d)
{
	enum uprobe_refusal why;

	if (insn_has_emulate_prefix((struct insn *)&d->insn) || d->insn.rex_prefix.nbytes > 1)
		return UPROBE_REFUSE_UNKNOWN;

	find_mem(d, &au->mem);
	why = d->enc == ENC_LEGACY ? legacy(au, d) : vex(au, d);
	if (why)
		return why;

	/* Does a null segment prefix take back an fs or gs before it? */
	if (d->seg_masked && is_mem(d) && !(au->strategy == UPROBE_EMULATE &&
					    (au->op == EMU_NOP || au->op == EMU_LEA)))
		return UPROBE_REFUSE_MODE;
	return au->strategy == UPROBE_STEP ? make_copy(au, d) : UPROBE_ACCEPTED;
}

enum uprobe_refusal arch_uprobe_analyze(struct arch_uprobe *au, const u8 *bytes,
					unsigned int n, bool is64)
{
	enum uprobe_refusal why = UPROBE_REFUSE_UNDECODABLE;
	struct decoded d;

	memset(au, 0, sizeof(*au));
	au->is64 = is64;
	if (decode(&d, bytes, n, is64)) {
		au->len = d.len;
		memcpy(au->insn, bytes, d.len);
		why = decide(au, &d);
	}
	if (why == UPROBE_REFUSE_UNDECODABLE) {
		au->len = 0;
		memcpy(au->insn, bytes, min_t(unsigned int, n, UPROBE_INSN_MAX));
	}
	return why;
}
