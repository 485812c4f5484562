// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each instruction of the programs given, and random ones, as the arch half and
 * as an independent decoder, Zydis, see them: length, addressing relative to
 * %rip, memory operand, and where control goes afterwards.
 *
 *	compare [-b] [-c COUNT] [-s SEED] [FILE...]
 *
 * Where they differ is either in the table below, with the reason, or makes this
 * program fail. With -b one of the facts is made wrong on purpose, now and then.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "world.h"
#include "decode.h"
#include "elf_text.h"
#include "random.h"

enum subject {
	ONLY_OURS,		/* accepted, but no instruction there */
	ONLY_THEIRS,		/* cannot be decoded here */
	LENGTH,
	RIPREL,
	MEMORY,
	FLOW,
	SUBJECTS
};

static const char * const subject_names[SUBJECTS] = {
	"only-ours", "only-theirs", "length", "rip-relative", "memory", "control-flow",
};

#include "reviewed.h"

/* ------------------------------------------------------------------ */
/* Where control goes						      */
/* ------------------------------------------------------------------ */

enum flow {
	NEXT,			/* to the next instruction, or nowhere: it faults */
	JUMP,			/* near, by a displacement */
	CONDITIONAL,
	CALL,
	JUMP_INDIRECT,
	CALL_INDIRECT,
	RETURN,
	AWAY,			/* far, or into the kernel by sysenter */
	SYSTEM_CALL,
	TRANSACTION,		/* xbegin */
};

static const char * const flow_names[] = {
	"next", "jump", "conditional", "call", "jump-indirect", "call-indirect", "return",
	"away", "system-call", "transaction",
};

static enum flow our_flow(const struct arch_uprobe *au)
{
	if (au->strategy == UPROBE_SYSCALL)
		return SYSTEM_CALL;
	if (au->strategy != UPROBE_EMULATE) {
		if (au->fixups & UPROBE_FIX_LEAVES)
			return AWAY;
		return au->fixups & UPROBE_FIX_ABORT ? TRANSACTION : NEXT;
	}
	switch (au->op) {
	case EMU_JMP:
		return JUMP;
	case EMU_JCC:
	case EMU_JCXZ:
	case EMU_LOOP:
	case EMU_LOOPE:
	case EMU_LOOPNE:
		return CONDITIONAL;
	case EMU_CALL:
		return CALL;
	case EMU_JMP_REG:
	case EMU_JMP_MEM:
		return JUMP_INDIRECT;
	case EMU_CALL_REG:
	case EMU_CALL_MEM:
		return CALL_INDIRECT;
	case EMU_RET:
		return RETURN;
	default:
		return NEXT;
	}
}

static bool far(const ZydisDecodedInstruction *z)
{
	return z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ||
	       z->mnemonic == ZYDIS_MNEMONIC_IRET || z->mnemonic == ZYDIS_MNEMONIC_IRETD ||
	       z->mnemonic == ZYDIS_MNEMONIC_IRETQ || z->mnemonic == ZYDIS_MNEMONIC_UIRET;
}

static enum flow their_flow(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops)
{
	bool direct = ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;

	if (z->mnemonic == ZYDIS_MNEMONIC_XBEGIN)
		return TRANSACTION;
	/* Never in a transaction: int3 has ended it. */
	if (z->mnemonic == ZYDIS_MNEMONIC_XABORT || z->mnemonic == ZYDIS_MNEMONIC_XEND)
		return NEXT;
	if (far(z))
		return AWAY;
	switch (z->meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
		return CONDITIONAL;
	case ZYDIS_CATEGORY_UNCOND_BR:
		return direct ? JUMP : JUMP_INDIRECT;
	case ZYDIS_CATEGORY_CALL:
		return direct ? CALL : CALL_INDIRECT;
	case ZYDIS_CATEGORY_RET:
		return RETURN;
	case ZYDIS_CATEGORY_SYSCALL:
		return z->mnemonic == ZYDIS_MNEMONIC_SYSENTER ||
		       z->machine_mode != ZYDIS_MACHINE_MODE_LONG_64 ? AWAY : SYSTEM_CALL;
	case ZYDIS_CATEGORY_INTERRUPT:
		return z->mnemonic == ZYDIS_MNEMONIC_INT && ops[0].imm.value.u == 0x80 ?
			SYSTEM_CALL : NEXT;
	default:
		return NEXT;
	}
}

static bool same_target(const struct arch_uprobe *au, enum flow flow,
			const ZydisDecodedOperand *ops)
{
	if (flow == JUMP || flow == CONDITIONAL || flow == CALL || flow == TRANSACTION)
		return au->imm == ops[0].imm.value.s;
	return true;
}

/* ------------------------------------------------------------------ */
/* Memory operands						      */
/* ------------------------------------------------------------------ */

/* The operand that ModRM names, if that is memory */
static const ZydisDecodedOperand *their_memory(const ZydisDecodedInstruction *z,
					       const ZydisDecodedOperand *ops)
{
	unsigned int i;

	for (i = 0; i < z->operand_count; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    ops[i].encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM)
			return &ops[i];
	return NULL;
}

static u8 register_offset(ZydisRegister reg)
{
	if (reg == ZYDIS_REGISTER_NONE)
		return UPROBE_MEM_NONE;
	if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
		return UPROBE_MEM_RIP;
	return reg_offset(ZydisRegisterGetId(reg));
}

static u8 segment_prefix(ZydisRegister seg, bool is64)
{
	switch (seg) {
	case ZYDIS_REGISTER_ES:
		return is64 ? 0 : 0x26;
	case ZYDIS_REGISTER_CS:
		return is64 ? 0 : 0x2e;
	case ZYDIS_REGISTER_SS:
		return is64 ? 0 : 0x36;
	case ZYDIS_REGISTER_DS:
		return is64 ? 0 : 0x3e;
	case ZYDIS_REGISTER_FS:
		return PREFIX_FS;
	case ZYDIS_REGISTER_GS:
		return PREFIX_GS;
	default:
		return 0;
	}
}

/* In the vector encodings the record's operand is not used: only what kind it is. */
static bool same_memory(const struct decoded *d, const struct uprobe_mem *m,
			const ZydisDecodedInstruction *z, const ZydisDecodedOperand *theirs)
{
	bool wide = m->addr_bytes > 2;

	if (is_mem(d) != !!theirs)
		return false;
	if (!theirs || d->enc != ENC_LEGACY)
		return true;
	return m->addr_bytes * 8 == z->address_width &&
	       m->disp == (wide ? (s32)theirs->mem.disp.value : (s16)theirs->mem.disp.value) &&
	       m->base == register_offset(theirs->mem.base) &&
	       m->index == register_offset(theirs->mem.index) &&
	       (m->index == UPROBE_MEM_NONE || !wide || 1 << m->scale == theirs->mem.scale) &&
	       (m->seg == segment_prefix(theirs->mem.segment, d->is64) ||
		theirs->mem.type == ZYDIS_MEMOP_TYPE_AGEN);
}

/* ------------------------------------------------------------------ */
/* One instruction						      */
/* ------------------------------------------------------------------ */

static unsigned long compared, accepted, reviewed[SUBJECTS], differ[SUBJECTS];
static unsigned long by_review[ARRAY_SIZE(reviews)];
static unsigned long per_encoding[2][ENC_XOP + 1];
static bool breaks;

static void differs(enum subject what, const u8 *b, bool is64, const struct decoded *d,
		    const struct arch_uprobe *au, const ZydisDecodedInstruction *z,
		    const char *ours, const char *theirs)
{
	const struct subject_case c = { d, au, z, b };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reviews); i++) {
		if (reviews[i].what == what && reviews[i].applies(&c)) {
			by_review[i]++;
			reviewed[what]++;
			return;
		}
	}
	if (differ[what]++ >= 12)
		return;
	printf("%s (%d bit):", subject_names[what], is64 ? 64 : 32);
	for (i = 0; i < UPROBE_INSN_MAX; i++)
		printf(" %02x", b[i]);
	printf("  ours %u %s %s, theirs %u %s %s\n", d ? d->len : 0,
	       arch_uprobe_strategy_name(au), ours, z ? z->length : 0,
	       z ? ZydisMnemonicGetString(z->mnemonic) : "-", theirs);
}

/* A self-test: now and then something that is not so */
static void spoil(struct decoded *d, struct arch_uprobe *au, struct uprobe_mem *m)
{
	switch (rnd(1000)) {
	case 0:
		d->len++;
		break;
	case 1:
		if (au->fixups & UPROBE_FIX_BORROW)
			au->fixups &= ~UPROBE_FIX_BORROW;
		break;
	case 2:
		m->disp++;
		break;
	case 3:
		if (au->strategy == UPROBE_EMULATE && au->op == EMU_JMP)
			au->op = EMU_CALL;
		break;
	}
}

static void compare_accepted(const u8 *b, bool is64, const struct decoded *d,
			     const struct arch_uprobe *au, const ZydisDecodedInstruction *z,
			     const ZydisDecodedOperand *ops)
{
	const ZydisDecodedOperand *theirs = their_memory(z, ops);
	bool riprel = theirs && register_offset(theirs->mem.base) == UPROBE_MEM_RIP;
	enum flow flow = our_flow(au);
	bool ours;

	if (au->strategy == UPROBE_EMULATE)
		ours = au->op == EMU_NOP ? riprel : au->mem.base == UPROBE_MEM_RIP;
	else
		ours = au->fixups & UPROBE_FIX_BORROW;
	if (ours != riprel)
		differs(RIPREL, b, is64, d, au, z, ours ? "yes" : "no", riprel ? "yes" : "no");
	if (flow != their_flow(z, ops))
		differs(FLOW, b, is64, d, au, z, flow_names[flow],
			flow_names[their_flow(z, ops)]);
	else if (!same_target(au, flow, ops))
		differs(FLOW, b, is64, d, au, z, "to elsewhere", "");
}

static void compare_one(const u8 *b, unsigned int n, bool is64, bool valid,
			const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops)
{
	struct arch_uprobe au;
	struct uprobe_mem m = {};
	struct decoded d;
	bool known, ok;

	compared++;
	known = uprobe_decode(&d, b, n, is64);
	ok = !arch_uprobe_analyze(&au, b, n, is64);
	if (!valid) {
		if (ok)
			differs(ONLY_OURS, b, is64, &d, &au, NULL, "", "");
		return;
	}
	if (!known) {
		differs(ONLY_THEIRS, b, is64, NULL, &au, z, "", "");
		return;
	}
	uprobe_find_mem(&d, &m);
	if (breaks)
		spoil(&d, &au, &m);
	if (d.len != z->length || (ok && au.len != z->length)) {
		differs(LENGTH, b, is64, &d, &au, z, "", "");
		return;
	}
	if (!same_memory(&d, &m, z, their_memory(z, ops)))
		differs(MEMORY, b, is64, &d, &au, z, is_mem(&d) ? "yes" : "no",
			their_memory(z, ops) ? "yes" : "no");
	if (!ok)
		return;
	accepted++;
	per_encoding[is64][d.enc]++;
	compare_accepted(b, is64, &d, &au, z, ops);
}

static void from_file(const struct elf_text *t, const u8 *bytes, unsigned int n)
{
	compare_one(bytes, n, t->is64, true, &t->z, t->ops);
}

static void random_ones(unsigned long count)
{
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	ZydisDecoder dec[2][2];
	unsigned long i;

	for (i = 0; i < 4; i++)
		zydis_init(&dec[i / 2][i % 2], i % 2);
	ZydisDecoderEnableMode(&dec[1][1], ZYDIS_DECODER_MODE_AMD_BRANCHES, ZYAN_TRUE);
	for (i = 0; i < count; i++) {
		bool is64 = rnd(3), amd = rnd(2), valid;
		u8 b[MAX_UINSN_BYTES];

		random_insn(b);
		world.vendor = amd ? X86_VENDOR_AMD : X86_VENDOR_INTEL;
		valid = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&dec[amd][is64], b, UPROBE_INSN_MAX,
							    &z, ops));
		compare_one(b, sizeof(b), is64, valid, &z, ops);
	}
}

int main(int argc, char **argv)
{
	unsigned long count = 10000000, wrong = 0, files;
	unsigned int i;
	int opt;

	rnd_seed(1);
	while ((opt = getopt(argc, argv, "bc:s:")) != -1) {
		switch (opt) {
		case 'b':
			breaks = true;
			break;
		case 'c':
			count = strtoul(optarg, NULL, 0);
			break;
		case 's':
			rnd_seed(strtoull(optarg, NULL, 0));
			break;
		default:
			return 2;
		}
	}
	for (i = optind; i < argc; i++) {
		struct elf_text t;

		elf_walk(&t, argv[i], from_file);
	}
	files = compared;
	random_ones(count);

	printf("compared with Zydis: %lu instructions of %d files, %lu random ones\n", files,
	       argc - optind, compared - files);
	for (i = 0; i < 2; i++)
		printf("  accepted, %s: %lu legacy, %lu VEX, %lu EVEX, %lu XOP\n",
		       i ? "64 bit" : "32 bit", per_encoding[i][ENC_LEGACY],
		       per_encoding[i][ENC_VEX], per_encoding[i][ENC_EVEX],
		       per_encoding[i][ENC_XOP]);
	for (i = 0; i < SUBJECTS; i++) {
		printf("  %-14s %8lu reviewed, %lu unexplained\n", subject_names[i], reviewed[i],
		       differ[i]);
		wrong += differ[i];
	}
	for (i = 0; i < ARRAY_SIZE(reviews); i++)
		printf("  %8lu %s: %s\n", by_review[i], subject_names[reviews[i].what],
		       reviews[i].why);
	return wrong || !accepted;
}
