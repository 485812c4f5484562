// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: instructions that the kernel executes itself.
 *
 * Each emulator first reads its operands, then writes memory, and changes
 * registers last, so that one that faults has changed nothing but RF.
 *
 * A branch to a non-canonical address faults at the branch, as both vendors
 * document it. Segment limits and 16-bit stack segments are not looked at: user
 * access checks keep the kernel safe from what comes of it.
 */
#include <linux/bug.h>
#include <linux/sched/signal.h>
#include <asm/debugreg.h>
#include <asm/fsgsbase.h>
#include <asm/insn-eval.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>
#include <asm/segment.h>

#include "internal.h"
#include "usermem.h"

#define FLAGS_ARITH	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | \
			 X86_EFLAGS_ZF | X86_EFLAGS_SF | X86_EFLAGS_OF)

/* What popf writes in user mode. IF would need an IOPL that Linux never gives. */
#define FLAGS_POPF	(FLAGS_ARITH | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_NT | \
			 X86_EFLAGS_AC | X86_EFLAGS_ID)

/**
 * struct emu - one execution
 * @au: the record
 * @regs: the thread's registers, as they were before the instruction
 * @next: where to go on, the next instruction unless an emulator branches
 * @branched: a branch was taken
 * @interrupted: not executed, without a fault: see uprobe_in_rseq()
 */
struct emu {
	const struct arch_uprobe *au;
	struct pt_regs *regs;
	unsigned long next;
	bool branched;
	bool interrupted;
};

/* ------------------------------------------------------------------ */
/* Registers							      */
/* ------------------------------------------------------------------ */

static unsigned long *reg_at(const struct emu *e, u8 offset)
{
	return (void *)e->regs + offset;
}

static u64 get_reg(const struct emu *e, u8 offset, unsigned int width)
{
	const void *reg = reg_at(e, offset);

	if (likely(width == sizeof(long)))
		return *(const unsigned long *)reg;
	switch (width) {
	case 1:
		return *(const u8 *)reg;
	case 2:
		return *(const u16 *)reg;
	default:
		return *(const u32 *)reg;
	}
}

static void set_reg(const struct emu *e, u8 offset, u64 val, unsigned int width)
{
	if (likely(width == sizeof(long)))
		*reg_at(e, offset) = val;
	else
		insn_assign_reg(reg_at(e, offset), val, width);
}

static u64 low_part(u64 val, unsigned int width)
{
	switch (width) {
	case 1:
		return (u8)val;
	case 2:
		return (u16)val;
	case 4:
		return (u32)val;
	default:
		return val;
	}
}

static unsigned long mode_truncate(const struct emu *e, unsigned long val)
{
	return e->au->is64 ? val : (u32)val;
}

/* ------------------------------------------------------------------ */
/* Addresses							      */
/* ------------------------------------------------------------------ */

static unsigned long effective_address(const struct emu *e)
{
	const struct uprobe_mem *m = &e->au->mem;
	unsigned long ea = m->disp;

	if (m->base == UPROBE_MEM_RIP)
		ea += e->regs->ip + e->au->len;
	else if (m->base != UPROBE_MEM_NONE)
		ea += *reg_at(e, m->base);
	if (m->index != UPROBE_MEM_NONE)
		ea += *reg_at(e, m->index) << m->scale;
	return low_part(ea, m->addr_bytes);
}

static int segment_index(u8 prefix)
{
	switch (prefix) {
	case PREFIX_FS:
		return INAT_SEG_REG_FS;
	case PREFIX_GS:
		return INAT_SEG_REG_GS;
	case 0x26:
		return INAT_SEG_REG_ES;
	case 0x2e:
		return INAT_SEG_REG_CS;
	case 0x36:
		return INAT_SEG_REG_SS;
	default:
		return INAT_SEG_REG_DS;
	}
}

/* False, with the signal raised, if the segment cannot be used at all */
static bool add_segment_base(const struct emu *e, u8 prefix, unsigned long *addr)
{
	unsigned long base;

#ifdef CONFIG_X86_64
	/* What the CPU has loaded: the GDT is per CPU, and descriptors change. */
	if (prefix == PREFIX_FS || prefix == PREFIX_GS) {
		u16 sel;

		if (prefix == PREFIX_FS)
			savesegment(fs, sel);
		else
			savesegment(gs, sel);
		if (!e->au->is64 && sel <= 3) {
			uprobe_raise_gp();
			return false;
		}
		base = prefix == PREFIX_FS ? x86_fsbase_read_cpu() :
					     x86_gsbase_read_cpu_inactive();
		*addr = mode_truncate(e, *addr + base);
		return true;
	}
#endif
	if (!uprobe_segment_base(e->regs, segment_index(prefix), &base)) {
		uprobe_raise_gp();
		return false;
	}
	*addr = mode_truncate(e, *addr + base);
	return true;
}

static bool memory_operand(const struct emu *e, unsigned long *addr, bool *stack)
{
	const struct uprobe_mem *m = &e->au->mem;

	*addr = effective_address(e);
	*stack = m->seg == 0x36 || (!m->seg && (m->base == offsetof(struct pt_regs, sp) ||
						m->base == offsetof(struct pt_regs, bp)));
	return !m->seg || add_segment_base(e, m->seg, addr);
}

static bool load_operand(struct emu *e, unsigned int width, u64 *val)
{
	unsigned long addr;
	bool stack;

	return memory_operand(e, &addr, &stack) &&
	       uprobe_read_user(e->regs, addr, width, stack, val, &e->interrupted);
}

static bool store_operand(struct emu *e, u64 val)
{
	unsigned long addr;
	bool stack;

	return memory_operand(e, &addr, &stack) &&
	       uprobe_write_user(e->regs, addr, e->au->width, stack, val,
				 &e->interrupted);
}

/* Stack addresses are flat except for 32-bit code that made it otherwise. */
static bool stack_address(const struct emu *e, unsigned long sp, unsigned long *addr)
{
	*addr = mode_truncate(e, sp);
	if (e->au->is64 || e->regs->ss == __USER_DS)
		return true;
	return add_segment_base(e, 0x36, addr);
}

static __always_inline bool write_stack(struct emu *e, unsigned long sp, u64 val)
{
	unsigned long addr;

	return stack_address(e, sp, &addr) &&
	       uprobe_write_user(e->regs, addr, e->au->width, true, val, &e->interrupted);
}

static bool read_stack(struct emu *e, unsigned long sp, u64 *val)
{
	unsigned long addr;

	return stack_address(e, sp, &addr) &&
	       uprobe_read_user(e->regs, addr, e->au->width, true, val, &e->interrupted);
}

/* ------------------------------------------------------------------ */
/* Branches							      */
/* ------------------------------------------------------------------ */

/* With 66, where that counts, ip is cut to what the operand has. */
static bool branch_to(struct emu *e, unsigned long target)
{
	target = low_part(mode_truncate(e, target), e->au->width);
	if (!uprobe_canonical(target)) {
		uprobe_raise_gp();
		return false;
	}
	e->next = target;
	e->branched = true;
	return true;
}

static bool branch_if(struct emu *e, bool taken)
{
	return !taken || branch_to(e, e->next + e->au->imm);
}

/* Conditions come in pairs, the odd one is the opposite. */
static bool condition(unsigned long flags, unsigned int cc)
{
	bool sf_ne_of = !(flags & X86_EFLAGS_SF) != !(flags & X86_EFLAGS_OF);
	bool holds;

	switch (cc >> 1) {
	case 0:
		holds = flags & X86_EFLAGS_OF;
		break;
	case 1:
		holds = flags & X86_EFLAGS_CF;
		break;
	case 2:
		holds = flags & X86_EFLAGS_ZF;
		break;
	case 3:
		holds = flags & (X86_EFLAGS_CF | X86_EFLAGS_ZF);
		break;
	case 4:
		holds = flags & X86_EFLAGS_SF;
		break;
	case 5:
		holds = flags & X86_EFLAGS_PF;
		break;
	case 6:
		holds = sf_ne_of;
		break;
	default:
		holds = sf_ne_of || (flags & X86_EFLAGS_ZF);
		break;
	}
	return holds != (cc & 1);
}

static bool emu_nop(struct emu *e)
{
	return true;
}

static bool emu_jmp(struct emu *e)
{
	return branch_if(e, true);
}

static bool emu_jcc(struct emu *e)
{
	return branch_if(e, condition(e->regs->flags, e->au->reg));
}

static bool emu_jcxz(struct emu *e)
{
	return branch_if(e, !low_part(e->regs->cx, e->au->mem.addr_bytes));
}

/* loop, loope, loopne: the counter is written only once the target is known good */
static bool count_down(struct emu *e, bool wanted)
{
	unsigned int width = e->au->mem.addr_bytes;
	u64 count = low_part(e->regs->cx - 1, width);

	if (!branch_if(e, count && wanted))
		return false;
	set_reg(e, offsetof(struct pt_regs, cx), count, width);
	return true;
}

static bool emu_loop(struct emu *e)
{
	return count_down(e, true);
}

static bool emu_loope(struct emu *e)
{
	return count_down(e, e->regs->flags & X86_EFLAGS_ZF);
}

static bool emu_loopne(struct emu *e)
{
	return count_down(e, !(e->regs->flags & X86_EFLAGS_ZF));
}

/* Linux gives a shadow stack to 64-bit code only. */
static bool push_shadow(const struct emu *e, unsigned long ret, u64 *ssp)
{
	return !e->au->is64 || uprobe_shadow_push(ret, ssp);
}

static bool check_shadow(const struct emu *e, unsigned long ret, u64 *ssp)
{
	return !e->au->is64 || uprobe_shadow_check(ret, ssp);
}

static bool call_to(struct emu *e, unsigned long target, bool shadow)
{
	unsigned long sp = mode_truncate(e, e->regs->sp - e->au->width);
	unsigned long ret = e->next;
	u64 ssp = 0;

	if (!branch_to(e, target) || (shadow && !push_shadow(e, ret, &ssp)) ||
	    !write_stack(e, sp, ret))
		return false;
	uprobe_shadow_commit(ssp);
	e->regs->sp = sp;
	return true;
}

/* A call to the next instruction reads ip: it leaves the shadow stack alone (SDM, CALL). */
static bool emu_call(struct emu *e)
{
	return call_to(e, e->next + e->au->imm, e->au->imm != 0);
}

static bool emu_call_reg(struct emu *e)
{
	return call_to(e, *reg_at(e, e->au->mem.base), true);
}

static bool emu_call_mem(struct emu *e)
{
	u64 target;

	return load_operand(e, e->au->width, &target) && call_to(e, target, true);
}

static bool emu_jmp_reg(struct emu *e)
{
	return branch_to(e, *reg_at(e, e->au->mem.base));
}

static bool emu_jmp_mem(struct emu *e)
{
	u64 target;

	return load_operand(e, e->au->width, &target) && branch_to(e, target);
}

static bool emu_ret(struct emu *e)
{
	u64 target, ssp = 0;

	if (!read_stack(e, e->regs->sp, &target) || !branch_to(e, target) ||
	    !check_shadow(e, target, &ssp))
		return false;
	uprobe_shadow_commit(ssp);
	e->regs->sp = mode_truncate(e, e->regs->sp + e->au->width + e->au->imm);
	return true;
}

/* ------------------------------------------------------------------ */
/* Stack							      */
/* ------------------------------------------------------------------ */

static bool push_value(struct emu *e, u64 val)
{
	unsigned long sp = mode_truncate(e, e->regs->sp - e->au->width);

	if (!write_stack(e, sp, val))
		return false;
	e->regs->sp = sp;
	return true;
}

static bool pop_value(struct emu *e, unsigned long sp, u64 *val)
{
	if (!read_stack(e, sp, val))
		return false;
	e->regs->sp = mode_truncate(e, sp + e->au->width);
	return true;
}

static bool emu_push_reg(struct emu *e)
{
	return push_value(e, *reg_at(e, e->au->reg));
}

static bool emu_push_imm(struct emu *e)
{
	return push_value(e, e->au->imm);
}

static bool emu_pop_reg(struct emu *e)
{
	u64 val;

	if (!pop_value(e, e->regs->sp, &val))
		return false;
	set_reg(e, e->au->reg, val, e->au->width);
	return true;
}

static bool emu_pushf(struct emu *e)
{
	return push_value(e, e->regs->flags & ~(X86_EFLAGS_RF | X86_EFLAGS_VM));
}

static bool emu_popf(struct emu *e)
{
	u64 val;

	if (!pop_value(e, e->regs->sp, &val))
		return false;
	e->regs->flags = (e->regs->flags & ~FLAGS_POPF) | (val & FLAGS_POPF);
	return true;
}

static bool emu_leave(struct emu *e)
{
	u64 val;

	if (!pop_value(e, e->regs->bp, &val))
		return false;
	e->regs->bp = val;
	return true;
}

/* ------------------------------------------------------------------ */
/* Moves							      */
/* ------------------------------------------------------------------ */

static bool emu_lea(struct emu *e)
{
	set_reg(e, e->au->reg, effective_address(e), e->au->width);
	return true;
}

static bool emu_mov_reg(struct emu *e)
{
	set_reg(e, e->au->reg, get_reg(e, e->au->mem.base, e->au->width), e->au->width);
	return true;
}

static bool emu_mov_imm(struct emu *e)
{
	set_reg(e, e->au->reg, e->au->imm, e->au->width);
	return true;
}

static bool emu_load(struct emu *e)
{
	u64 val;

	if (!load_operand(e, e->au->width, &val))
		return false;
	set_reg(e, e->au->reg, val, e->au->width);
	return true;
}

static bool emu_load_zx(struct emu *e)
{
	u64 val;

	if (!load_operand(e, e->au->imm, &val))
		return false;
	set_reg(e, e->au->reg, val, e->au->width);
	return true;
}

static bool emu_load_sx(struct emu *e)
{
	u64 val;

	if (!load_operand(e, e->au->imm, &val))
		return false;
	set_reg(e, e->au->reg, sign_extend64(val, e->au->imm * 8 - 1), e->au->width);
	return true;
}

static bool emu_store(struct emu *e)
{
	return store_operand(e, get_reg(e, e->au->reg, e->au->width));
}

static bool emu_store_imm(struct emu *e)
{
	return store_operand(e, e->au->imm);
}

/* ------------------------------------------------------------------ */
/* Arithmetic							      */
/* ------------------------------------------------------------------ */

/*
 * The CPU knows its flags best, those that its manual leaves undefined too, so
 * it is asked: the same operation on the same values, in the same width.
 */
#define ALU(insn)							\
	asm(insn "\n\tpushf\n\tpop %[flags]"				\
	    : [d] "+q" (d), [flags] "=r" (flags) : [s] "q" (s) : "cc")

#define DEFINE_ALU(name)						\
static inline unsigned long alu_##name(u64 *dst, u64 src, unsigned int width) \
{									\
	unsigned long d = *dst, s = src, flags;				\
									\
	if (likely(width == sizeof(long))) {				\
		ALU(#name " %[s], %[d]");				\
		*dst = d;						\
		return flags;						\
	}								\
	switch (width) {						\
	case 1:								\
		ALU(#name " %b[s], %b[d]");				\
		break;							\
	case 2:								\
		ALU(#name " %w[s], %w[d]");				\
		break;							\
	default:							\
		ALU(#name " %k[s], %k[d]");				\
		break;							\
	}								\
	*dst = d;							\
	return flags;							\
}

DEFINE_ALU(add)
DEFINE_ALU(or)
DEFINE_ALU(and)
DEFINE_ALU(sub)
DEFINE_ALU(xor)
DEFINE_ALU(cmp)
DEFINE_ALU(test)

static void set_arith_flags(struct emu *e, unsigned long flags)
{
	e->regs->flags = (e->regs->flags & ~FLAGS_ARITH) | (flags & FLAGS_ARITH);
}

static u64 reg_or_imm(const struct emu *e, u8 reg)
{
	return reg == UPROBE_MEM_NONE ? e->au->imm : get_reg(e, reg, e->au->width);
}

/* Registers, and what is written to the first of them */
#define DEFINE_ARITH(name)						\
static bool emu_##name(struct emu *e)					\
{									\
	u64 dst = get_reg(e, e->au->reg, e->au->width);			\
									\
	set_arith_flags(e, alu_##name(&dst, reg_or_imm(e, e->au->mem.base), \
				      e->au->width));			\
	set_reg(e, e->au->reg, dst, e->au->width);			\
	return true;							\
}

DEFINE_ARITH(add)
DEFINE_ARITH(or)
DEFINE_ARITH(and)
DEFINE_ARITH(sub)
DEFINE_ARITH(xor)

/* By 1, and the carry stays as it is. */
#define DEFINE_COUNT(name, alu)						\
static bool emu_##name(struct emu *e)					\
{									\
	u64 dst = get_reg(e, e->au->reg, e->au->width);			\
	unsigned long flags = alu(&dst, 1, e->au->width);		\
									\
	set_arith_flags(e, (flags & ~X86_EFLAGS_CF) |			\
			   (e->regs->flags & X86_EFLAGS_CF));		\
	set_reg(e, e->au->reg, dst, e->au->width);			\
	return true;							\
}

DEFINE_COUNT(inc, alu_add)
DEFINE_COUNT(dec, alu_sub)

static bool emu_cmp(struct emu *e)
{
	u64 dst = get_reg(e, e->au->reg, e->au->width);

	set_arith_flags(e, alu_cmp(&dst, reg_or_imm(e, e->au->mem.base), e->au->width));
	return true;
}

static bool emu_test(struct emu *e)
{
	u64 dst = get_reg(e, e->au->reg, e->au->width);

	set_arith_flags(e, alu_test(&dst, reg_or_imm(e, e->au->mem.base), e->au->width));
	return true;
}

static bool emu_cmp_mem(struct emu *e)
{
	u64 dst;

	if (!load_operand(e, e->au->width, &dst))
		return false;
	set_arith_flags(e, alu_cmp(&dst, reg_or_imm(e, e->au->reg), e->au->width));
	return true;
}

static bool emu_test_mem(struct emu *e)
{
	u64 dst;

	if (!load_operand(e, e->au->width, &dst))
		return false;
	set_arith_flags(e, alu_test(&dst, reg_or_imm(e, e->au->reg), e->au->width));
	return true;
}

static bool emu_cmp_load(struct emu *e)
{
	u64 dst = get_reg(e, e->au->reg, e->au->width), src;

	if (!load_operand(e, e->au->width, &src))
		return false;
	set_arith_flags(e, alu_cmp(&dst, src, e->au->width));
	return true;
}

/* ------------------------------------------------------------------ */

static bool (* const emulators[])(struct emu *e) = {
	[EMU_NOP]	= emu_nop,
	[EMU_JMP]	= emu_jmp,
	[EMU_JCC]	= emu_jcc,
	[EMU_JCXZ]	= emu_jcxz,
	[EMU_LOOP]	= emu_loop,
	[EMU_LOOPE]	= emu_loope,
	[EMU_LOOPNE]	= emu_loopne,
	[EMU_CALL]	= emu_call,
	[EMU_JMP_REG]	= emu_jmp_reg,
	[EMU_JMP_MEM]	= emu_jmp_mem,
	[EMU_CALL_REG]	= emu_call_reg,
	[EMU_CALL_MEM]	= emu_call_mem,
	[EMU_RET]	= emu_ret,
	[EMU_PUSH_REG]	= emu_push_reg,
	[EMU_PUSH_IMM]	= emu_push_imm,
	[EMU_POP_REG]	= emu_pop_reg,
	[EMU_PUSHF]	= emu_pushf,
	[EMU_POPF]	= emu_popf,
	[EMU_LEAVE]	= emu_leave,
	[EMU_LEA]	= emu_lea,
	[EMU_MOV_REG]	= emu_mov_reg,
	[EMU_MOV_IMM]	= emu_mov_imm,
	[EMU_LOAD]	= emu_load,
	[EMU_LOAD_ZX]	= emu_load_zx,
	[EMU_LOAD_SX]	= emu_load_sx,
	[EMU_STORE]	= emu_store,
	[EMU_STORE_IMM]	= emu_store_imm,
	[EMU_ADD]	= emu_add,
	[EMU_OR]	= emu_or,
	[EMU_AND]	= emu_and,
	[EMU_SUB]	= emu_sub,
	[EMU_XOR]	= emu_xor,
	[EMU_INC]	= emu_inc,
	[EMU_DEC]	= emu_dec,
	[EMU_CMP]	= emu_cmp,
	[EMU_TEST]	= emu_test,
	[EMU_CMP_MEM]	= emu_cmp_mem,
	[EMU_TEST_MEM]	= emu_test_mem,
	[EMU_CMP_LOAD]	= emu_cmp_load,
};

static_assert(ARRAY_SIZE(emulators) == EMU_OPS);

/* With TIF_BLOCKSTEP the debugger wants to hear of taken branches only. */
static bool wants_trap(const struct emu *e)
{
	return e->branched || !test_thread_flag(TIF_BLOCKSTEP);
}

bool arch_uprobe_emulate(const struct arch_uprobe *au, struct pt_regs *regs)
{
	/* The flag counts as it was before: popf may change it. */
	bool stepping = regs->flags & X86_EFLAGS_TF;
	struct emu e = { .au = au, .regs = regs };
	bool done;

	e.next = mode_truncate(&e, regs->ip + au->len);
	done = emulators[au->op](&e);
	if (!done) {
		/* As every fault does, for the instruction to be executed again. */
		if (likely(!e.interrupted) || signal_pending(current))
			regs->flags |= X86_EFLAGS_RF;
		return !e.interrupted;
	}
	regs->ip = e.next;
	regs->flags &= ~X86_EFLAGS_RF;

	if (unlikely(stepping) && wants_trap(&e)) {
		/* As a debug exception does: nothing of an earlier one stays. */
		current->thread.virtual_dr6 = DR_STEP;
		send_sigtrap(regs, 0, TRAP_TRACE);
	}
	return true;
}
