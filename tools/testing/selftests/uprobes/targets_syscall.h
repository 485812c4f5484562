/* SPDX-License-Identifier: GPL-2.0-only */
/* What targets_syscall.S and its test share. */
#ifndef UPROBES_SELFTEST_TARGETS_SYSCALL_H
#define UPROBES_SELFTEST_TARGETS_SYSCALL_H

#ifdef __x86_64__
#define SYS_GPRS	16
#define SYS_WORD	8
#else
#define SYS_GPRS	8
#define SYS_WORD	4
#endif

/* struct sys_regs: offsets for assembly */
#define SYS_FLAGS	(SYS_WORD * SYS_GPRS)
#define SYS_CS		(SYS_FLAGS + SYS_WORD)
#define SYS_SS		(SYS_FLAGS + 2 * SYS_WORD)
#define SYS_LOAD_SS	(SYS_FLAGS + 3 * SYS_WORD)
#define SYS_OLD_SS	(SYS_FLAGS + 4 * SYS_WORD)
#define SYS_CHILD	(SYS_FLAGS + 5 * SYS_WORD)

#ifndef __ASSEMBLER__

/**
 * struct sys_regs - registers before and after the instruction
 * @gpr: in the order of the encoding: ax cx dx bx sp bp si di r8..r15; sp is
 *	only reported
 * @flags: likewise both ways
 * @cs: reported
 * @ss: reported
 * @load_ss: a selector to run with, or 0 (64 bit)
 * @old_ss: private
 * @child: called, and does not return, if ax is 0 behind the instruction
 */
struct sys_regs {
	unsigned long gpr[SYS_GPRS];
	unsigned long flags;
	unsigned long cs;
	unsigned long ss;
	unsigned long load_ss;
	unsigned long old_ss;
	void (*child)(struct sys_regs *r);
};

enum { AX, CX, DX, BX, SP, BP, SI, DI, R8, R9, R10, R11 };

#define SYS_ENTRY(name)							\
	extern const char name##_insn[], name##_next[], name##_end[];	\
	void name(struct sys_regs *r)

#ifdef __x86_64__
SYS_ENTRY(sys_plain);
SYS_ENTRY(sys_rex);
#endif
SYS_ENTRY(sys_int80);

/* Does sigreturn; sigret_insn is its instruction. */
extern const char sigret[], sigret_insn[];

#endif /* !__ASSEMBLER__ */
#endif /* UPROBES_SELFTEST_TARGETS_SYSCALL_H */
