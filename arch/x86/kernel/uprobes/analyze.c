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
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <asm/ia32.h>

#include "decode.h"
#include "internal.h"
#include "opcodes.h"

/* For tests: what there is another way for, is done that other way. */
#define AVOID_EMULATE	0x1
#define AVOID_BOOST	0x2

static unsigned int avoid;

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "uprobes."

module_param(avoid, uint, 0644);
MODULE_PARM_DESC(avoid, "for probes registered from now on: 1 do not emulate, 2 do not boost");

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
	[UPROBE_REFUSE_FAR] = { "far",
		"The instruction is a far call, or a far jump through a %rip-relative operand." },
	[UPROBE_REFUSE_SEGMENT] = { "segment",
		"The instruction needs the base of the segment that it reads or loads itself." },
	[UPROBE_REFUSE_MODE] = { "mode",
		"The instruction with these prefixes does different things on different CPUs." },
	[UPROBE_REFUSE_TOO_LONG] = { "too-long",
		"The instruction needs a segment prefix but has no room for it in 15 bytes." },
	[UPROBE_REFUSE_STATE] = { "state",
		"The instruction tells an enclave where it stands." },
	[UPROBE_REFUSE_APX] = { "apx",
		"The instruction is of APX or later, which this kernel does not enable." },
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
		[UPROBE_BOOST]	 = "boost",
		[UPROBE_STEP]	 = "step",
		[UPROBE_SYSCALL] = "syscall",
	};

	static_assert(ARRAY_SIZE(names) == UPROBE_STRATEGIES);
	return au->strategy < UPROBE_STRATEGIES ? names[au->strategy] : "none";
}

/* ------------------------------------------------------------------ */
/* Answers								      */
/* ------------------------------------------------------------------ */

/* Boosted unless make_copy() finds that it cannot come back by itself */
static enum uprobe_refusal slot(struct arch_uprobe *au)
{
	au->strategy = avoid & AVOID_BOOST ? UPROBE_STEP : UPROBE_BOOST;
	return UPROBE_ACCEPTED;
}

/* For what the way back of a boosted copy is not good enough; callers say why. */
static enum uprobe_refusal step(struct arch_uprobe *au)
{
	au->strategy = UPROBE_STEP;
	return UPROBE_ACCEPTED;
}

static enum uprobe_refusal leaves(struct arch_uprobe *au)
{
	au->strategy = UPROBE_BOOST;
	au->fixups |= UPROBE_FIX_LEAVES;
	return UPROBE_ACCEPTED;
}

static enum uprobe_refusal system_call(struct arch_uprobe *au, enum uprobe_syscall_entry entry)
{
	au->strategy = UPROBE_SYSCALL;
	au->op = entry;
	return UPROBE_ACCEPTED;
}

/* Would a copy in a slot do something else? Also pushf and popf, because of TF. */
static bool only_emulated(const struct arch_uprobe *au, enum uprobe_emu op)
{
	switch (op) {
	case EMU_JMP ... EMU_RET:
	case EMU_PUSHF:
	case EMU_POPF:
		return true;
	case EMU_LEA:
		return au->mem.base == UPROBE_MEM_RIP;
	default:
		return false;
	}
}

static enum uprobe_refusal emulate(struct arch_uprobe *au, enum uprobe_emu op,
				   unsigned int width)
{
	if ((avoid & AVOID_EMULATE) && !only_emulated(au, op))
		return slot(au);
	au->strategy = UPROBE_EMULATE;
	au->op = op;
	au->width = width;
	return UPROBE_ACCEPTED;
}

static bool lock_ok(const struct decoded *d, bool lockable)
{
	return !d->lock || (lockable && is_mem(d));
}

static enum uprobe_refusal slot_modrm(struct arch_uprobe *au, const struct decoded *d,
				      bool lockable)
{
	if (d->mod == NO_MODRM || !lock_ok(d, lockable))
		return UPROBE_REFUSE_UNDECODABLE;
	return slot(au);
}

static enum uprobe_refusal step_modrm(struct arch_uprobe *au, const struct decoded *d)
{
	return slot_modrm(au, d, false) ?: step(au);
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
 * Near branches. bnd (f2) has no effect since the kernel dropped MPX, f3 is for
 * ret, where it was once good for branch prediction.
 */
static enum uprobe_refusal branch(struct arch_uprobe *au, const struct decoded *d,
				  enum uprobe_emu op)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (!d->branch)
		return UPROBE_REFUSE_MODE;
	if (d->rep == 0xf3 && op != EMU_RET)
		return UPROBE_REFUSE_UNKNOWN;
	au->imm = immediate(d);
	return emulate(au, op, d->branch);
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

/* cmp and test of a %rip-relative operand, with a register */
static enum uprobe_refusal compare_mem(struct arch_uprobe *au, const struct decoded *d,
				       enum uprobe_emu op)
{
	unsigned int width = width_by_opcode(d);

	au->reg = operand_reg(d, modrm_reg(d), width);
	return emulate(au, op, width);
}

/* The same, with an immediate */
static enum uprobe_refusal compare_mem_imm(struct arch_uprobe *au, const struct decoded *d,
					   enum uprobe_emu op)
{
	au->reg = UPROBE_MEM_NONE;
	au->imm = immediate(d);
	return emulate(au, op, width_by_opcode(d));
}

static enum uprobe_refusal arith(struct arch_uprobe *au, const struct decoded *d)
{
	unsigned int what = d->op >> 3, form = d->op & 7;
	enum uprobe_emu op = arith_emu[what];
	bool wide = d->width >= 4 && plain(d) && op;

	if (form >= 4) {
		if (d->lock)
			return UPROBE_REFUSE_UNDECODABLE;
		return form == 5 && wide ? arith_imm(au, d, op, 0) : slot(au);
	}
	if (!lock_ok(d, form < 2 && what != ARITH_CMP))
		return UPROBE_REFUSE_UNDECODABLE;
	if (is_riprel(d) && what == ARITH_CMP && plain(d))
		return compare_mem(au, d, form < 2 ? EMU_CMP_MEM : EMU_CMP_LOAD);
	if (is_mem(d) || !wide || !(form & 1))
		return slot(au);
	if (form == 1)
		return arith_reg(au, d, op, modrm_rm(d), modrm_reg(d));
	return arith_reg(au, d, op, modrm_reg(d), modrm_rm(d));
}

static enum uprobe_refusal group1(struct arch_uprobe *au, const struct decoded *d)
{
	enum uprobe_emu op = arith_emu[d->reg];

	if (!lock_ok(d, d->reg != ARITH_CMP))
		return UPROBE_REFUSE_UNDECODABLE;
	if (is_riprel(d) && d->reg == ARITH_CMP && plain(d))
		return compare_mem_imm(au, d, EMU_CMP_MEM);
	if (is_mem(d) || !plain(d) || !op || width_by_opcode(d) < 4)
		return slot(au);
	return arith_imm(au, d, op, modrm_rm(d));
}

static enum uprobe_refusal test_rr(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (is_riprel(d) && plain(d))
		return compare_mem(au, d, EMU_TEST_MEM);
	if (is_mem(d) || !plain(d) || width_by_opcode(d) < 4)
		return slot(au);
	return arith_reg(au, d, EMU_TEST, modrm_rm(d), modrm_reg(d));
}

static enum uprobe_refusal test_ax(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (!plain(d) || width_by_opcode(d) < 4)
		return slot(au);
	return arith_imm(au, d, EMU_TEST, 0);
}

static enum uprobe_refusal group3(struct arch_uprobe *au, const struct decoded *d)
{
	/* test, test, not, neg, mul, imul, div, idiv */
	if (!lock_ok(d, d->reg == 2 || d->reg == 3))
		return UPROBE_REFUSE_UNDECODABLE;
	if (d->reg > 1 || !plain(d))
		return slot(au);
	if (is_riprel(d))
		return compare_mem_imm(au, d, EMU_TEST_MEM);
	if (is_mem(d) || width_by_opcode(d) < 4)
		return slot(au);
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
		return slot(au);	/* f2, f3: transactions, on some CPUs */
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
		return d->lock ? UPROBE_REFUSE_UNDECODABLE : slot(au);
	au->reg = operand_reg(d, opcode_reg(d), width);
	au->imm = immediate(d);
	if (width == 8)
		au->imm = (u32)d->insn.immediate1.value |
			  (u64)d->insn.immediate2.value << 32;
	return emulate(au, EMU_MOV_IMM, width);
}

/*
 * Whatever the copy does, the int3 behind it aborts the transaction, as that of
 * the probe would do. So it is made to abort to there.
 */
static enum uprobe_refusal xbegin(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->opsize)
		return UPROBE_REFUSE_MODE;
	au->imm = immediate(d);
	au->fixups |= UPROBE_FIX_ABORT;
	return step(au);
}

static enum uprobe_refusal group11(struct arch_uprobe *au, const struct decoded *d)
{
	unsigned int width = width_by_opcode(d);

	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (d->reg == 7 && d->mod == 3 && d->rm == 0)
		return d->op & 1 ? xbegin(au, d) : slot(au);	/* or xabort */
	if (d->reg)
		return UPROBE_REFUSE_UNDECODABLE;
	if (d->rep || (is_mem(d) && !is_riprel(d)))
		return slot(au);
	au->imm = immediate(d);
	if (is_mem(d))
		return emulate(au, EMU_STORE_IMM, width);
	au->reg = operand_reg(d, modrm_rm(d), width);
	return emulate(au, EMU_MOV_IMM, width);
}

/* movzx, movsx, movsxd: worth emulating only where a copy must borrow a base */
static enum uprobe_refusal mov_extend(struct arch_uprobe *au, const struct decoded *d,
				      enum uprobe_emu op, unsigned int bytes)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (!is_riprel(d) || d->rep)
		return slot_modrm(au, d, false);
	au->reg = reg_offset(modrm_reg(d));
	au->imm = min_t(unsigned int, bytes, d->width);
	return emulate(au, op, d->width);
}

/* In 16 bits, vendors do not read the same number of bytes. In 32-bit code: arpl */
static enum uprobe_refusal movsxd(struct arch_uprobe *au, const struct decoded *d)
{
	if (!d->is64 || d->width == 2)
		return slot_modrm(au, d, false);
	return mov_extend(au, d, EMU_LOAD_SX, 4);
}

static enum uprobe_refusal lea(struct arch_uprobe *au, const struct decoded *d)
{
	if (!is_mem(d) || d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (d->rep)
		return is_riprel(d) ? UPROBE_REFUSE_UNKNOWN : slot(au);
	au->reg = reg_offset(modrm_reg(d));
	au->mem.seg = 0;
	return emulate(au, EMU_LEA, d->width);
}

static enum uprobe_refusal push(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (!stack_plain(d))
		return slot(au);
	au->reg = reg_offset(opcode_reg(d));
	return emulate(au, EMU_PUSH_REG, stack_width(d));
}

static enum uprobe_refusal pop(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (!stack_plain(d))
		return slot(au);
	au->reg = reg_offset(opcode_reg(d));
	return emulate(au, EMU_POP_REG, stack_width(d));
}

static enum uprobe_refusal stack_op(struct arch_uprobe *au, const struct decoded *d,
				    enum uprobe_emu op)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (!stack_plain(d))
		return slot(au);
	au->imm = immediate(d);
	return emulate(au, op, stack_width(d));
}

/* pushf, popf: a boosted copy may have to run with a TF that is not the program's. */
static enum uprobe_refusal flags_op(struct arch_uprobe *au, const struct decoded *d,
				    enum uprobe_emu op)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	return stack_plain(d) ? emulate(au, op, stack_width(d)) : step(au);
}

/* With rep, a signal that comes in the middle must be able to wait for the end. */
static enum uprobe_refusal string(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	return d->rep ? step(au) : slot(au);
}

/* Debug exceptions wait while ss is new: the next instruction must be the next one. */
static enum uprobe_refusal mov_seg(struct arch_uprobe *au, const struct decoded *d)
{
	switch (d->reg) {
	case 2:
		return step_modrm(au, d);
	case 0:
	case 3 ... 5:
		return slot_modrm(au, d, false);
	default:
		return UPROBE_REFUSE_UNDECODABLE;
	}
}

/* 8f: pop, or with what would be another ModRM.reg the first byte of XOP */
static enum uprobe_refusal group1a(struct arch_uprobe *au, const struct decoded *d)
{
	return d->reg ? UPROBE_REFUSE_UNKNOWN : slot_modrm(au, d, false);
}

static enum uprobe_refusal group4(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->reg > 1)
		return UPROBE_REFUSE_UNDECODABLE;
	return slot_modrm(au, d, true);		/* inc, dec */
}

static enum uprobe_refusal inc_dec(struct arch_uprobe *au, const struct decoded *d)
{
	if (is_mem(d) || !plain(d) || d->width < 4)
		return slot_modrm(au, d, true);
	au->reg = reg_offset(modrm_rm(d));
	return emulate(au, d->reg ? EMU_DEC : EMU_INC, d->width);
}

static enum uprobe_refusal group5(struct arch_uprobe *au, const struct decoded *d)
{
	switch (d->reg) {
	case 0:
	case 1:
		return inc_dec(au, d);
	case 2:
		return branch_rm(au, d, EMU_CALL_MEM, EMU_CALL_REG);
	case 4:
		return branch_rm(au, d, EMU_JMP_MEM, EMU_JMP_REG);
	case 3:					/* lcall */
		return is_mem(d) && !d->lock ? UPROBE_REFUSE_FAR : UPROBE_REFUSE_UNDECODABLE;
	case 5:					/* ljmp */
		return is_mem(d) && !d->lock ? leaves(au) : UPROBE_REFUSE_UNDECODABLE;
	case 6:
		return slot_modrm(au, d, false);	/* push */
	default:
		return UPROBE_REFUSE_UNDECODABLE;
	}
}

/* int $4 is a trap, as into is; what has no gate for user mode faults. */
static enum uprobe_refusal int_n(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	switch ((u8)immediate(d)) {
	case 3:
		return UPROBE_REFUSE_BREAKPOINT;
	case 0x80:
		return ia32_enabled() ? system_call(au, UPROBE_ENTRY_INT80) : slot(au);
	default:
		return slot(au);
	}
}

/* These leave the pointers to the last instruction and its operand alone. */
static bool x87_control(const struct decoded *d)
{
	u8 modrm = d->insn.modrm.bytes[0];

	switch (d->op) {
	case 0xd9:			/* fldenv, fldcw, fnstenv, fnstcw */
		return is_mem(d) && d->reg >= 4;
	case 0xdb:
		return modrm == 0xe2 || modrm == 0xe3;	/* fnclex, fninit */
	case 0xdd:			/* frstor, fnsave, fnstsw */
		return is_mem(d) && (d->reg == 4 || d->reg >= 6);
	case 0xdf:
		return modrm == 0xe0;			/* fnstsw */
	default:
		return false;
	}
}

static enum uprobe_refusal x87(struct arch_uprobe *au, const struct decoded *d)
{
	if (x87_control(d))
		return slot_modrm(au, d, false);
	au->fixups |= UPROBE_FIX_FPU;
	return step_modrm(au, d);
}

static enum uprobe_refusal loop(struct arch_uprobe *au, const struct decoded *d)
{
	static const u8 ops[] = { EMU_LOOPNE, EMU_LOOPE, EMU_LOOP, EMU_JCXZ };

	/* There are CPUs that take f2 before loope for loopne. */
	if (d->rep)
		return UPROBE_REFUSE_MODE;
	return branch(au, d, ops[d->op & 3]);
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
	/* With REX.B it is an xchg; whether f3 makes a pause of that the CPU knows. */
	if (!X86_REX_B(d->rex))
		return no_op(au, d);
	return d->lock ? UPROBE_REFUSE_UNDECODABLE : slot(au);
}

static enum uprobe_refusal only_32(struct arch_uprobe *au, const struct decoded *d,
				   enum uprobe_refusal (*answer)(struct arch_uprobe *au))
{
	if (d->is64 || d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	return answer(au);
}

/* ------------------------------------------------------------------ */
/* Looking closer: 0f						      */
/* ------------------------------------------------------------------ */

/*
 * Where the CPU has UMIP the kernel does these, and goes on behind them without the debug
 * exception by which the way back of a borrowed base is watched when it is not open.
 */
static enum uprobe_refusal maybe_done_by_kernel(struct arch_uprobe *au, const struct decoded *d)
{
	return step_modrm(au, d);
}

static enum uprobe_refusal group6(struct arch_uprobe *au, const struct decoded *d)
{
	/* sldt, str, lldt, ltr, verr, verw, and with f2 lkgs */
	if (d->reg > 6 || (d->reg == 6 && d->rep != 0xf2))
		return UPROBE_REFUSE_UNKNOWN;
	return is_mem(d) ? maybe_done_by_kernel(au, d) : slot_modrm(au, d, false);
}

static enum uprobe_refusal group7_reg(struct arch_uprobe *au, const struct decoded *d)
{
	u8 modrm = d->insn.modrm.bytes[0];

	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	if (modrm == 0xd7 && d->pp == P_NONE)
		return UPROBE_REFUSE_STATE;	/* enclu: the enclave gets the address behind it */
	if (modrm == 0xef && d->pp == P_NONE)
		return step(au);		/* wrpkru: may deny what a way back is read with */
	if (modrm == 0xec && d->pp == P_F3)
		return leaves(au);		/* uiret */
	return uprobe_known_group7(d) ? slot(au) : UPROBE_REFUSE_UNKNOWN;
}

static enum uprobe_refusal group7(struct arch_uprobe *au, const struct decoded *d)
{
	if (!is_mem(d))
		return group7_reg(au, d);
	/* sgdt, sidt, lgdt, lidt, smsw, with f3 rstorssp, lmsw, invlpg */
	if (d->reg == 5 && d->rep != 0xf3)
		return UPROBE_REFUSE_UNKNOWN;
	return maybe_done_by_kernel(au, d);
}

static enum uprobe_refusal syscall(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->lock)
		return UPROBE_REFUSE_UNDECODABLE;
	/* In 32-bit code the kernel knows by itself where to return to. */
	return d->is64 ? system_call(au, UPROBE_ENTRY_64) : leaves(au);
}

/* Hints that touch no memory as far as the program can tell */
static enum uprobe_refusal hint(struct arch_uprobe *au, const struct decoded *d)
{
	/* AMD's with a register is a nop, or undefined. */
	if (d->op == 0x0d && !is_mem(d))
		return slot_modrm(au, d, false);
	return no_op(au, d);
}

static enum uprobe_refusal now_3d(struct arch_uprobe *au, const struct decoded *d)
{
	return uprobe_known_3dnow(d) ? slot_modrm(au, d, false) : UPROBE_REFUSE_UNKNOWN;
}

static enum uprobe_refusal cet_nop(struct arch_uprobe *au, const struct decoded *d)
{
	/* rdssp writes its register if there is a shadow stack */
	if (d->rep == 0xf3 && d->mod == 3 && d->reg == 1)
		return slot_modrm(au, d, false);
	return no_op(au, d);
}

/* extrq, insertq; without a prefix vmread, vmwrite */
static enum uprobe_refusal sse4a(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->pp == P_F3 || (d->pp != P_NONE && is_mem(d)))
		return UPROBE_REFUSE_UNKNOWN;
	if (d->pp == P_66 && d->op == 0x78 && d->reg)
		return UPROBE_REFUSE_UNKNOWN;
	return slot_modrm(au, d, false);
}

/* VIA's cryptography, which is rep-prefixed as strings are */
static enum uprobe_refusal padlock(struct arch_uprobe *au, const struct decoded *d)
{
	if (is_mem(d) || d->rm)
		return UPROBE_REFUSE_UNKNOWN;
	return string(au, d);
}

static enum uprobe_refusal movx(struct arch_uprobe *au, const struct decoded *d)
{
	return mov_extend(au, d, d->op & 8 ? EMU_LOAD_SX : EMU_LOAD_ZX, d->op & 1 ? 2 : 1);
}

static enum uprobe_refusal group8(struct arch_uprobe *au, const struct decoded *d)
{
	if (d->reg < 4)
		return UPROBE_REFUSE_UNDECODABLE;
	return slot_modrm(au, d, d->reg > 4);	/* bt, bts, btr, btc */
}

static enum uprobe_refusal group9(struct arch_uprobe *au, const struct decoded *d)
{
	if (is_mem(d)) {
		/* cmpxchg8b, xrstors, xsavec, xsaves, vm*, vmptrst */
		if (d->reg == 0 || d->reg == 2)
			return UPROBE_REFUSE_UNDECODABLE;
		return slot_modrm(au, d, d->reg == 1);
	}
	/* rdrand, with f3 senduipi; rdseed, with f3 rdpid */
	if (d->reg < 6 || d->rep == 0xf2)
		return UPROBE_REFUSE_UNKNOWN;
	return slot_modrm(au, d, false);
}

static enum uprobe_refusal group15(struct arch_uprobe *au, const struct decoded *d)
{
	if (!uprobe_known_group15(d))
		return UPROBE_REFUSE_UNKNOWN;
	/* xrstor: may load a protection key register as wrpkru does */
	if (is_mem(d) && d->reg == 5)
		return step_modrm(au, d);
	return slot_modrm(au, d, false);
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
	case SLOT:
		return d->lock ? UPROBE_REFUSE_UNDECODABLE : slot(au);
	case SLOT_32:
		return only_32(au, d, slot);
	case SLOT_M:
		return slot_modrm(au, d, false);
	case SLOT_M32:
		return d->is64 ? UPROBE_REFUSE_UNDECODABLE : slot_modrm(au, d, false);
	case SLOT_ML:
		return slot_modrm(au, d, true);
	case STEP_32:
		return only_32(au, d, step);
	case STEP_M:
		return step_modrm(au, d);
	case LEAVES:
		return d->lock ? UPROBE_REFUSE_UNDECODABLE : leaves(au);
	case LEAVES_32:
		return only_32(au, d, leaves);
	case ARITH:
		return arith(au, d);
	case PUSH:
		return push(au, d);
	case POP:
		return pop(au, d);
	case MOVSXD:
		return movsxd(au, d);
	case PUSH_IMM:
		return stack_op(au, d, EMU_PUSH_IMM);
	case STRING:
		return string(au, d);
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
	case MOV_SEG:
		return mov_seg(au, d);
	case GROUP1A:
		return group1a(au, d);
	case NOP_90:
		return nop_90(au, d);
	case PUSHF:
		return flags_op(au, d, EMU_PUSHF);
	case POPF:
		return flags_op(au, d, EMU_POPF);
	case MOV_IMM:
		return mov_imm(au, d);
	case RET:
		return ret(au, d);
	case GROUP11:
		return group11(au, d);
	case LEAVE:
		return stack_op(au, d, EMU_LEAVE);
	case INT:
		return int_n(au, d);
	case X87:
		return x87(au, d);
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
	case SYSCALL:
		return syscall(au, d);
	case PREFETCH:
		return hint(au, d);
	case NOW3D:
		return now_3d(au, d);
	case HINT_NOP:
		return no_op(au, d);
	case CET_NOP:
		return cet_nop(au, d);
	case SSE4A:
		return sse4a(au, d);
	case MOVX:
		return movx(au, d);
	case PADLOCK:
		return padlock(au, d);
	case POPCNT:				/* without f3 something of the Itanium */
		return d->rep == 0xf3 ? slot_modrm(au, d, false) : UPROBE_REFUSE_UNKNOWN;
	case GROUP8:
		return group8(au, d);
	case GROUP9:
		return group9(au, d);
	case GROUP15:
		return group15(au, d);
	default:
		return (enum uprobe_refusal)kind;
	}
}

/* ------------------------------------------------------------------ */
/* The copy							      */
/* ------------------------------------------------------------------ */

/*
 * Moves between memory and the fs or gs selector. What is read must be the
 * program's own, and what is loaded must stay: so another one is borrowed. (The
 * rest that has to do with selectors and bases has no memory operand.)
 */
static bool uses_segment(const struct decoded *d, u8 seg)
{
	if (d->enc != ENC_LEGACY)
		return false;
	if (d->map == MAP_ONE_BYTE)
		return (d->op == 0x8c || d->op == 0x8e) && d->reg == (seg == PREFIX_FS ? 4 : 5);
	return d->map == MAP_0F && d->op == (seg == PREFIX_FS ? 0xb4 : 0xb5);	/* lfs, lgs */
}

/* Can the copy give back what it has borrowed, by loading the null selector? */
static bool gives_back(const struct arch_uprobe *au)
{
	return !(au->fixups & (UPROBE_FIX_FS | UPROBE_FIX_OLD_BASE)) && uprobe_gs_returns() &&
	       uprobe_gs_return_fits(au->xol_len);
}

/*
 * bt, bts, btr, btc with a register address a bit anywhere. 67 cuts that address,
 * and no base that is added afterwards can have the copy cut it in the same place.
 */
static bool cuts_bit_address(const struct decoded *d)
{
	if (d->enc != ENC_LEGACY || d->map != MAP_0F || !d->addrsize)
		return false;
	return d->op == 0xa3 || d->op == 0xab || d->op == 0xb3 || d->op == 0xbb;
}

static enum uprobe_refusal borrow(struct arch_uprobe *au, const struct decoded *d)
{
	u8 seg = d->seg;

	if (au->fixups & UPROBE_FIX_LEAVES)
		return UPROBE_REFUSE_FAR;
	if (cuts_bit_address(d))
		return UPROBE_REFUSE_UNKNOWN;
	if (seg) {
		au->fixups |= UPROBE_FIX_OLD_BASE;
		if (seg == PREFIX_GS && !uprobe_gs_borrowable()) {
			au->fixups |= UPROBE_FIX_GS_BASE;
			seg = PREFIX_FS;
		}
	} else {
		/* Programs seldom use gs, and most CPUs switch it no slower. */
		seg = uses_segment(d, PREFIX_GS) || !uprobe_gs_borrowable() ? PREFIX_FS : PREFIX_GS;
	}
	if (uses_segment(d, seg) || (d->seg && uses_segment(d, d->seg)))
		return UPROBE_REFUSE_SEGMENT;

	if (seg == d->seg) {
		memcpy(au->xol, au->insn, au->len);
		au->xol_len = au->len;
	} else {
		au->xol_len = uprobe_riprel_copy(au->xol, au->insn, au->len, d->prefixes, seg);
		if (!au->xol_len)
			return UPROBE_REFUSE_TOO_LONG;
	}
	au->fixups |= seg == PREFIX_FS ? UPROBE_FIX_FS : UPROBE_FIX_GS;
	if (!gives_back(au))
		au->strategy = UPROBE_STEP;
	return UPROBE_ACCEPTED;
}

static enum uprobe_refusal make_copy(struct arch_uprobe *au, const struct decoded *d)
{
	if (is_riprel(d))
		return borrow(au, d);
	memcpy(au->xol, au->insn, au->len);
	au->xol_len = au->len;
	/* xbegin: a distance of 0 */
	if (au->fixups & UPROBE_FIX_ABORT)
		memset(au->xol + au->len - sizeof(u32), 0, sizeof(u32));
	return UPROBE_ACCEPTED;
}

/*
 * Does a null segment prefix take back an fs or gs before it? Where the copy has
 * both, the CPU knows.
 */
static bool segment_is_open(const struct arch_uprobe *au, const struct decoded *d)
{
	if (!d->seg_masked || !is_mem(d))
		return false;
	if (au->strategy == UPROBE_EMULATE)
		return au->op != EMU_NOP && au->op != EMU_LEA;
	return is_riprel(d);
}

static enum uprobe_refusal decide(struct arch_uprobe *au, const struct decoded *d)
{
	enum uprobe_refusal why;

	if (insn_has_emulate_prefix((struct insn *)&d->insn))
		return UPROBE_REFUSE_UNKNOWN;

	uprobe_find_mem(d, &au->mem);
	why = look_closer(au, d, uprobe_look_up(d));
	if (why)
		return why;
	if (segment_is_open(au, d))
		return UPROBE_REFUSE_MODE;
	if (au->strategy == UPROBE_BOOST || au->strategy == UPROBE_STEP)
		return make_copy(au, d);
	return UPROBE_ACCEPTED;
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
