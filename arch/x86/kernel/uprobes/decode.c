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

bool uprobe_decode(struct decoded *d, const u8 *bytes, unsigned int n, bool is64)
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
