// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: taking an instruction apart.
 *
 * The lengths come from the kernel's decoder. It takes the last legacy prefix
 * for the one that selects the instruction, where a CPU takes f2 or f3 before
 * 66 wherever they stand, and it keeps no more than four. So it is shown the
 * prefixes in the order that makes both agree.
 */
#include <linux/kernel.h>
#include <linux/processor.h>
#include <linux/string.h>

#include "decode.h"

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

/* A REX prefix with another prefix behind it is ignored. */
static bool note_prefixes(struct decoded *d, const u8 *bytes, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (note_prefix(d, bytes[i]))
			d->prefixes = i + 1;
		else if (d->is64 && is_rex(bytes[i]))
			d->prefixes = i;	/* perhaps the last one */
		else
			return true;
	}
	return false;
}

static bool has_vex(const struct decoded *d)
{
	return d->enc != ENC_LEGACY && d->enc != ENC_REX2;
}

/* ------------------------------------------------------------------ */
/* What the kernel's decoder does not know			      */
/* ------------------------------------------------------------------ */

/*
 * It is shown an instruction of the same shape; the opcode is then taken from
 * the original bytes. The stand-ins come without and with an immediate byte.
 */
#define PLAIN_0F	0x58	/* addps */
#define IMM8_0F		0x70	/* pshufw */
#define PLAIN_0F38	0x00	/* pshufb */
#define IMM8_0F3A	0x0f	/* palignr */

/* XOP is VEX with other numbers for the maps, and without mandatory prefixes. */
static unsigned int show_xop(const struct decoded *d, u8 *code)
{
	u8 map = code[1] & X86_VEX_M_MAX;

	code[0] = 0xc4;
	code[1] &= ~X86_VEX_M_MAX;
	if (!d->is64)
		code[1] |= 0xc0;	/* or it would be les */
	code[2] ^= 1;			/* the stand-ins have 66 */
	if (map == XOP_MAP_PLAIN) {
		code[1] |= MAP_0F38;
		code[3] = PLAIN_0F38;
		return 0;
	}
	code[1] |= MAP_0F3A;
	code[3] = IMM8_0F3A;
	return map == XOP_MAP_IMM32 ? sizeof(u32) - 1 : 0;
}

/* FMA4 and vpermil2: the immediate names a fourth register. */
static bool is_fma4(const struct decoded *d, const u8 *code)
{
	if (code[0] != 0xc4 || (code[1] & X86_VEX_M_MAX) != MAP_0F3A ||
	    (!d->is64 && X86_MODRM_MOD(code[1]) != 3))
		return false;
	switch (code[3]) {
	case 0x48 ... 0x49:
	case 0x5c ... 0x5f:
	case 0x68 ... 0x6f:
	case 0x78 ... 0x7f:
		return true;
	default:
		return false;
	}
}

/* @op: the byte behind 0f */
static unsigned int show_0f(const struct decoded *d, u8 *op)
{
	switch (op[0]) {
	case 0x19:			/* hints to do nothing */
	case 0x1d:
		op[0] = 0x1f;
		return 0;
	case 0x20 ... 0x23:		/* moves of control registers: never memory */
		op[1] |= 0xc0;
		return 0;
	case 0x2b:			/* movntss, movntsd: SSE4a */
		op[0] = PLAIN_0F;
		return 0;
	case 0x40 ... 0x4f:		/* cmov, set: they ignore f2 and f3 */
	case 0x90 ... 0x9f:
		op[0] = 0xaf;
		return 0;
	case 0x78:			/* SSE4a's have two immediates */
		if (d->rep != 0xf2 && (d->rep || !d->opsize))
			return 0;
		op[0] = IMM8_0F;
		return 1;
	case 0x79:
		if (d->rep || d->opsize)
			op[0] = PLAIN_0F;
		return 0;
	case 0xff:			/* ud0 has ModRM */
		op[0] = 0xb9;
		return 0;
	default:
		return 0;
	}
}

/* Returns how many bytes of immediate are not shown. */
static unsigned int show(const struct decoded *d, u8 *code)
{
	unsigned int rex = d->is64 && is_rex(code[0]);

	if (code[0] == 0x8f && (code[1] & X86_VEX_M_MAX) >= XOP_MAP_IMM8 &&
	    (code[1] & X86_VEX_M_MAX) <= XOP_MAP_IMM32)
		return show_xop(d, code);
	if (is_fma4(d, code))
		code[3] = IMM8_0F3A;
	else if (code[rex] == 0x0f)
		return show_0f(d, code + rex + 1);
	return 0;
}

/* ------------------------------------------------------------------ */

static u8 map_of_legacy(const struct insn *insn)
{
	switch (insn->opcode.nbytes) {
	case 1:
		return MAP_ONE_BYTE;
	case 2:
		return MAP_0F;
	default:
		return insn->opcode.bytes[1] == 0x38 ? MAP_0F38 : MAP_0F3A;
	}
}

static u8 pp_of_legacy(const struct decoded *d)
{
	if (d->rep)
		return d->rep == 0xf3 ? P_F3 : P_F2;
	return d->opsize ? P_66 : P_NONE;
}

/* @code: the original bytes behind the prefixes */
static void find_opcode(struct decoded *d, const u8 *code)
{
	struct insn *insn = &d->insn;

	d->op = code[insn->rex_prefix.nbytes + insn->vex_prefix.nbytes + insn->opcode.nbytes - 1];
	if (insn->vex_prefix.nbytes) {
		d->enc = insn->vex_prefix.nbytes == 4 ? ENC_EVEX : ENC_VEX;
		d->map = insn_vex_m_bits(insn);
		d->pp = 1 << insn_vex_p_bits(insn);
		if (code[0] == 0x8f) {
			d->enc = ENC_XOP;
			d->map = code[1] & X86_VEX_M_MAX;
			d->pp = 1 << X86_VEX_P(code[2]);
		}
	} else {
		d->enc = insn->rex_prefix.nbytes > 1 ? ENC_REX2 : ENC_LEGACY;
		d->map = map_of_legacy(insn);
		d->pp = pp_of_legacy(d);
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

/*
 * With 66 a near branch has 16 bits: of its operand, of what it pushes and of
 * the ip that it goes to. In 64-bit code Intel ignores 66, AMD does not; REX.W
 * goes before it.
 */
static u8 branch_width(const struct decoded *d)
{
	if (!d->is64)
		return d->opsize ? 2 : 4;
	if (!d->opsize || X86_REX_W(d->rex))
		return 8;
	switch (boot_cpu_data.x86_vendor) {
	case X86_VENDOR_INTEL:
	case X86_VENDOR_CENTAUR:
	case X86_VENDOR_ZHAOXIN:
		return 8;
	case X86_VENDOR_AMD:
	case X86_VENDOR_HYGON:
		return 2;
	default:
		return 0;
	}
}

static bool is_long_branch(const struct decoded *d)
{
	if (d->enc != ENC_LEGACY)
		return false;
	if (d->map == MAP_ONE_BYTE)
		return d->op == 0xe8 || d->op == 0xe9;
	return d->map == MAP_0F && (d->op & 0xf0) == 0x80;
}

/* The decoder has read four bytes of distance, as Intel does. */
static void shorten_branch(struct decoded *d)
{
	d->insn.immediate.value = (s16)d->insn.immediate.value;
	d->len -= sizeof(u32) - sizeof(u16);
}

bool uprobe_decode(struct decoded *d, const u8 *bytes, unsigned int n, bool is64)
{
	u8 shown[UPROBE_INSN_MAX + 3] = {};
	unsigned int sorts = 0, rest, hidden;

	memset(d, 0, sizeof(*d));
	d->is64 = is64;
	n = min_t(unsigned int, n, UPROBE_INSN_MAX);
	if (!note_prefixes(d, bytes, n))
		return false;

	if (d->addrsize)
		shown[sorts++] = PREFIX_ADDRSIZE;
	if (d->opsize)
		shown[sorts++] = PREFIX_OPSIZE;
	if (d->rep)
		shown[sorts++] = d->rep;
	rest = n - d->prefixes;
	memcpy(shown + sorts, bytes + d->prefixes, rest);
	hidden = show(d, shown + sorts);

	if (insn_decode(&d->insn, shown, sorts + rest, is64 ? INSN_MODE_64 : INSN_MODE_32))
		return false;
	if (d->insn.prefixes.nbytes != sorts)
		return false;
	d->len = d->insn.length - sorts + d->prefixes + hidden;
	if (d->len > n)
		return false;

	find_opcode(d, bytes + d->prefixes);
	find_modrm(d);
	if (d->insn.rex_prefix.nbytes)
		d->rex = d->insn.rex_prefix.bytes[0];
	if (has_vex(d) && (d->lock || d->opsize || d->rep || d->rex))
		return false;
	if (X86_REX_W(d->rex))
		d->width = 8;
	else
		d->width = d->opsize ? 2 : 4;
	d->branch = branch_width(d);
	if (is64 && d->branch == 2 && is_long_branch(d))
		shorten_branch(d);
	return true;
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

void uprobe_find_mem(const struct decoded *d, struct uprobe_mem *m)
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
