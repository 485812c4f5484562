/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User-space probes, x86: what the files of this folder tell each other.
 *
 * analyze.c fills in the record, with riprel.c for the bytes of the copy.
 * emulate.c and step.c only read it.
 */
#ifndef _X86_UPROBES_INTERNAL_H
#define _X86_UPROBES_INTERNAL_H

#include <linux/types.h>
#include <asm/uprobes.h>

struct pt_regs;

#define UPROBE_INSN_MAX		15	/* no x86 instruction is longer */

#define PREFIX_OPSIZE		0x66
#define PREFIX_ADDRSIZE		0x67
#define PREFIX_FS		0x64
#define PREFIX_GS		0x65

/*
 * arch_uprobe.fixups, for UPROBE_BOOST and UPROBE_STEP.
 *
 * FS, GS: where the copy addresses memory relative to %rip it needs a segment
 * base for the way from the slot to the site. A boosted one borrows gs only, and
 * gives it back itself, by loading the null selector.
 */
#define UPROBE_FIX_FS		0x01	/* fs is borrowed */
#define UPROBE_FIX_GS		0x02	/* gs is borrowed */
#define UPROBE_FIX_OLD_BASE	0x04	/* the program uses that base too: add to it */
#define UPROBE_FIX_GS_BASE	0x40	/* that base is gs's, though fs is borrowed */
#define UPROBE_FIX_BORROW	(UPROBE_FIX_FS | UPROBE_FIX_GS)
#define UPROBE_FIX_LEAVES	0x08	/* boosted; goes where it wants, never comes back */
#define UPROBE_FIX_FPU		0x10	/* x87: its instruction and data pointers */
#define UPROBE_FIX_ABORT	0x20	/* xbegin: aborted at once, @imm is the way to there */

/*
 * arch_uprobe.op, for UPROBE_EMULATE. Unless it says otherwise, @reg is the
 * register written, @width what is read and written, @mem the memory operand.
 * Where two registers are involved, mem.base is the source.
 */
enum uprobe_emu {
	EMU_NOP,
	EMU_JMP,		/* @imm: distance from the next instruction; @width: of ip */
	EMU_JCC,		/* the same; @reg: condition, 0 to 15 */
	EMU_JCXZ,		/* the same; mem.addr_bytes: of the counter */
	EMU_LOOP,		/* the same */
	EMU_LOOPE,
	EMU_LOOPNE,
	EMU_CALL,		/* @imm: distance from the next instruction */
	EMU_JMP_REG,
	EMU_JMP_MEM,
	EMU_CALL_REG,
	EMU_CALL_MEM,
	EMU_RET,		/* @imm: bytes to release above the address */
	EMU_PUSH_REG,
	EMU_PUSH_IMM,
	EMU_POP_REG,
	EMU_PUSHF,
	EMU_POPF,
	EMU_LEAVE,
	EMU_LEA,
	EMU_MOV_REG,		/* source: mem.base */
	EMU_MOV_IMM,
	EMU_LOAD,
	EMU_LOAD_ZX,		/* @imm: bytes in memory; @width: of the register */
	EMU_LOAD_SX,
	EMU_STORE,
	EMU_STORE_IMM,
	EMU_ADD,		/* source: mem.base, or @imm if that is UPROBE_MEM_NONE */
	EMU_OR,
	EMU_AND,
	EMU_SUB,
	EMU_XOR,
	EMU_INC,
	EMU_DEC,
	EMU_CMP,
	EMU_TEST,
	EMU_CMP_MEM,		/* memory with @reg, or @imm if that is UPROBE_MEM_NONE */
	EMU_TEST_MEM,
	EMU_CMP_LOAD,		/* @reg with memory */
	EMU_OPS
};

/* arch_uprobe.op, for UPROBE_SYSCALL: which of the kernel's entries */
enum uprobe_syscall_entry {
	UPROBE_ENTRY_64,	/* syscall in 64-bit code */
	UPROBE_ENTRY_INT80,	/* int $0x80 in any code */
};

bool uprobe_segment_base(struct pt_regs *regs, int reg, unsigned long *base);
unsigned int uprobe_riprel_copy(u8 *copy, const u8 *insn, unsigned int len,
				unsigned int prefixes, u8 seg);
bool uprobe_gs_borrowable(void);
bool uprobe_gs_returns(void);
bool uprobe_gs_return_fits(unsigned int len);
unsigned long uprobe_riprel_base(const struct arch_uprobe *au, unsigned long vaddr,
				 unsigned long slot, unsigned long old);

#endif /* _X86_UPROBES_INTERNAL_H */
