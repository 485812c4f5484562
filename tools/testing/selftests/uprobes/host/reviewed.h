/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the arch half and Zydis 4.0 differ, and why that is right. For
 * compare.c; whatever is not here is a fault.
 */
#ifndef HOST_REVIEWED_H
#define HOST_REVIEWED_H

/**
 * struct subject_case - an instruction about which the two do not agree
 * @d: what the arch half made of it, NULL if nothing
 * @au: the record, of use only if it was accepted
 * @z: what Zydis made of it, NULL if nothing
 * @b: the bytes
 */
struct subject_case {
	const struct decoded *d;
	const struct arch_uprobe *au;
	const ZydisDecodedInstruction *z;
	const u8 *b;
};

struct review {
	enum subject what;
	bool (*applies)(const struct subject_case *c);
	const char *why;
};

static bool is_copy(const struct subject_case *c)
{
	return (c->au->strategy == UPROBE_BOOST || c->au->strategy == UPROBE_STEP) &&
	       !(c->au->fixups & (UPROBE_FIX_LEAVES | UPROBE_FIX_ABORT));
}

static bool legacy_copy(const struct subject_case *c)
{
	return is_copy(c) && c->d->enc == ENC_LEGACY;
}

static bool vector_copy(const struct subject_case *c)
{
	return is_copy(c) && c->d->enc != ENC_LEGACY;
}

static bool is_bnd_nop(const struct subject_case *c)
{
	return c->d->enc == ENC_LEGACY && c->d->map == MAP_0F &&
	       (c->d->op == 0x1a || c->d->op == 0x1b) &&
	       c->au->strategy == UPROBE_EMULATE && c->au->op == EMU_NOP;
}

static bool knights_corner(const struct subject_case *c)
{
	switch (c->z->meta.isa_set) {
	case ZYDIS_ISA_SET_KNCE:
	case ZYDIS_ISA_SET_KNCJKBR:
	case ZYDIS_ISA_SET_KNCSTREAM:
	case ZYDIS_ISA_SET_KNCV:
	case ZYDIS_ISA_SET_KNC_MISC:
	case ZYDIS_ISA_SET_KNC_PF_HINT:
		return true;
	default:
		return false;
	}
}

/* No base: mod 0 and 5 in SIB, whatever REX.B says. Without 67 it agrees. */
static bool no_r13(const struct subject_case *c)
{
	return c->d->is64 && c->d->addrsize && c->d->mod == 0 && c->d->rm == 4 &&
	       X86_SIB_BASE(c->d->insn.sib.bytes[0]) == 5 && X86_REX_B(c->d->rex);
}

static const struct review reviews[] = {
	{ ONLY_OURS, vector_copy,
	  "reserved prefix, W, L or form of a known vector opcode: the CPU judges the copy" },
	{ ONLY_OURS, legacy_copy,
	  "reserved form or prefix of a known opcode: the CPU judges the copy" },
	{ ONLY_OURS, is_bnd_nop,
	  "forms that only MPX refuses; without MPX they are nops" },
	{ ONLY_THEIRS, knights_corner,
	  "Knights Corner, which shares nothing with what this kernel runs on" },
	{ MEMORY, is_bnd_nop,
	  "a nop: MPX would ignore 67, and has no %rip-relative form" },
	{ MEMORY, no_r13,
	  "Zydis takes r13 for the base where there is none, with 67 and REX.B" },
};

#endif
