// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: what an instruction is, and how to get past it.
 *
 * Runs once, when a probe is inserted. An instruction is looked up by its
 * encoding, its opcode map and its opcode, then by prefix and ModRM where these
 * make another instruction of it. What no table names is refused: a probe that
 * cannot be had is a nuisance, one that changes what the program does is a bug.
 */
#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "decode.h"
#include "internal.h"
#include "opcodes.h"

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
	u8 reg = operand_reg(d, modrm_reg(d), width), rm;
	bool load = d->op & 2;

	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (d->rep || (is_mem(d) && !is_riprel(d)))
		return step(au);	/* f2, f3: transactions, on some CPUs */
	if (is_mem(d)) {
		au->reg = reg;
		return emulate(au, load ? EMU_LOAD : EMU_STORE, width);
	}
	rm = operand_reg(d, modrm_rm(d), width);
	au->reg = load ? reg : rm;
	au->mem.base = load ? rm : reg;
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
			  (u64)d->insn.immediate2.value << 32;
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
	enum uprobe_refusal why;

	/* There are CPUs that take f2 before loope for loopne. */
	if (d->rep)
		return UPROBE_REFUSE_MODE;
	why = branch(au, d, ops[d->op & 3]);
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

	uprobe_find_mem(d, &au->mem);
	why = look_closer(au, d, uprobe_look_up(d));
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
	if (uprobe_decode(&d, bytes, n, is64)) {
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
