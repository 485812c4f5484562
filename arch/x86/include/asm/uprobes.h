/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User-space probes: what x86 gives to the core (kernel/uprobes/).
 *
 * The core knows no instruction: it hands over the bytes once, at insertion,
 * and gets a record. On a hit it asks for the record to be executed, by
 * emulation or by a step over a copy in a slot. The arch half knows no
 * uprobe, no mm-wide table and no lock of the core.
 */
#ifndef _ASM_X86_UPROBES_H
#define _ASM_X86_UPROBES_H

#include <linux/build_bug.h>
#include <linux/types.h>
#include <asm/ptrace.h>
#include <asm/segment.h>

struct task_struct;

typedef u8 uprobe_opcode_t;

#define UPROBE_SWBP_INSN		0xcc	/* int3 */
#define UPROBE_SWBP_INSN_SIZE		1
#define MAX_UINSN_BYTES			16	/* an instruction has at most 15 */

/* A copy of at most 15 bytes and what ends it: int3, or a jump of 14 bytes. */
#define UPROBE_XOL_SLOT_BYTES		32

/**
 * enum uprobe_strategy - how a thread gets past the displaced instruction
 * @UPROBE_EMULATE: the kernel does what the instruction does; needs no slot
 * @UPROBE_BOOST: the copy in the site's slot is followed by a jump to the next
 *	original instruction: no second exception, so the kernel learns only by
 *	looking, arch_uprobe_place(), where the thread is
 * @UPROBE_STEP: the copy runs into an int3 behind it; arch_uprobe_post_xol() then
 *	puts right what depends on the place. (An int3 rather than TF: the
 *	program's own TF keeps its meaning, no instruction sees a flag that it
 *	should not, and a rep instruction runs to its end in one go.)
 * @UPROBE_SYSCALL: the kernel enters the system call as if the program had
 *	executed it at the original address; needs no slot
 * @UPROBE_STRATEGIES: how many there are
 */
enum uprobe_strategy {
	UPROBE_EMULATE,
	UPROBE_BOOST,
	UPROBE_STEP,
	UPROBE_SYSCALL,
	UPROBE_STRATEGIES
};

/**
 * enum uprobe_place - where a thread is that was sent into a slot
 * @UPROBE_BEFORE: at the copy: it has not been executed, or has faulted, or is a
 *	rep instruction with some rounds done
 * @UPROBE_BEHIND: behind the copy, on the way back
 * @UPROBE_ELSEWHERE: not in the slot any more
 */
enum uprobe_place {
	UPROBE_BEFORE,
	UPROBE_BEHIND,
	UPROBE_ELSEWHERE,
};

/**
 * enum uprobe_refusal - why an instruction is not probed
 * @UPROBE_ACCEPTED: it is probed
 * @UPROBE_REFUSE_UNDECODABLE: no instruction, or cut off by the end of file
 * @UPROBE_REFUSE_UNKNOWN: decodes, but is on no list: default deny
 * @UPROBE_REFUSE_BREAKPOINT: int3, int1, int $3: somebody's own
 * @UPROBE_REFUSE_FAR: lcall pushes the slot's address; ljmp through a %rip-relative
 *	operand would leave with a borrowed base
 * @UPROBE_REFUSE_SEGMENT: needs one segment's base, and reads or loads the same
 * @UPROBE_REFUSE_MODE: means different things on different CPUs
 * @UPROBE_REFUSE_TOO_LONG: no room for a segment prefix in 15 bytes
 * @UPROBE_REFUSE_STATE: tells somebody else where it stands
 * @UPROBE_REFUSE_APX: of APX or later, which this kernel does not enable
 * @UPROBE_REFUSALS: how many there are
 *
 * arch_uprobe_refusal() has the word and the sentence for each.
 */
enum uprobe_refusal {
	UPROBE_ACCEPTED,
	UPROBE_REFUSE_UNDECODABLE,
	UPROBE_REFUSE_UNKNOWN,
	UPROBE_REFUSE_BREAKPOINT,
	UPROBE_REFUSE_FAR,
	UPROBE_REFUSE_SEGMENT,
	UPROBE_REFUSE_MODE,
	UPROBE_REFUSE_TOO_LONG,
	UPROBE_REFUSE_STATE,
	UPROBE_REFUSE_APX,
	UPROBE_REFUSALS
};

/**
 * struct uprobe_reason - a refusal in words
 * @word: one word, stable, for scripts
 * @text: a sentence for people
 */
struct uprobe_reason {
	const char *word;
	const char *text;
};

/**
 * struct uprobe_mem - a memory operand, as decoded
 * @disp: displacement; for a %rip-relative operand counted from the next
 *	instruction
 * @base: offset into struct pt_regs of the base register, or a UPROBE_MEM_*
 * @index: the same for the index register
 * @scale: 0 to 3, the index is shifted left by it
 * @seg: the prefix byte of the segment whose base is added: 0, 0x64 (fs) or 0x65
 *	(gs) in 64-bit code; in 32-bit code the effective one, as any may have a base
 * @addr_bytes: address size, 2, 4 or 8
 */
struct uprobe_mem {
	s32	disp;
	u8	base;
	u8	index;
	u8	scale;
	u8	seg;
	u8	addr_bytes;
};

#define UPROBE_MEM_NONE		0xff
#define UPROBE_MEM_RIP		0xfe

/**
 * struct arch_uprobe - the record of one instruction, for one mode
 * @insn: the original bytes, always; zero beyond @len. Read by perf
 * @xol: the bytes to execute out of line (@insn, or with a segment prefix)
 * @len: length of the instruction, 1 to 15
 * @xol_len: length of @xol, 1 to 15; 0 where the strategy needs no slot
 * @strategy: enum uprobe_strategy
 * @fixups: UPROBE_FIX_* bits (arch/x86/kernel/uprobes/internal.h)
 * @op: for UPROBE_EMULATE, index of the emulator
 * @reg: offset into struct pt_regs of the register operand, or a condition
 * @width: operand size in bytes
 * @is64: decoded for 64-bit code
 * @imm: immediate, or displacement of a near branch
 * @mem: the memory operand, where the strategy or a fix-up needs it
 *
 * Written by arch_uprobe_analyze() before anybody can see it, then constant.
 */
struct arch_uprobe {
	u8	insn[MAX_UINSN_BYTES];
	u8	xol[MAX_UINSN_BYTES];
	u8	len;
	u8	xol_len;
	u8	strategy;
	u8	fixups;
	u8	op;
	u8	reg;
	u8	width;
	bool	is64;
	s64	imm;
	struct uprobe_mem mem;
};

/**
 * struct arch_uprobe_task - what a copy in a slot borrowed from the thread
 * @saved_base: the segment base to give back
 * @saved_sel: the selector to give back (CPUs without FSGSBASE)
 * @saved_trap_nr: thread.trap_nr before the copy
 * @borrowed: 0, or the prefix byte (0x64, 0x65) of the segment borrowed
 * @tf: a debug exception behind the copy is ours
 * @block: that is because block steps were taken from a debugger for that time,
 *	else because the program does not have TF set
 */
struct arch_uprobe_task {
	unsigned long	saved_base;
	unsigned long	saved_trap_nr;
	u16		saved_sel;
	u8		borrowed;
	bool		tf;
	bool		block;
};

/*
 * At insertion, process context or KUnit, no lock needed.
 *
 * analyze: @bytes holds the @n bytes that the file has from the instruction on
 * (16, or fewer at its end). Fills in all of @au and returns UPROBE_ACCEPTED,
 * or returns a reason; @au->insn and @au->len (0 if undecodable) are then set
 * all the same, for the message.
 */
enum uprobe_refusal arch_uprobe_analyze(struct arch_uprobe *au, const u8 *bytes,
					unsigned int n, bool is64);
const struct uprobe_reason *arch_uprobe_refusal(enum uprobe_refusal why);
const char *arch_uprobe_strategy_name(const struct arch_uprobe *au);

/* Are these two bytes the long form of int3, which is never ours? */
bool arch_uprobe_long_int3(const u8 *bytes);

/*
 * All UPROBE_XOL_SLOT_BYTES bytes of the slot at address @slot for an instruction
 * at @vaddr: the copy, for UPROBE_BOOST the way back, then int3 to the end.
 */
void arch_uprobe_slot_image(const struct arch_uprobe *au, unsigned long vaddr,
			    unsigned long slot, u8 *image);

/*
 * On a hit: by the thread that hit, interrupts on, may sleep. @regs->ip is
 * @vaddr, the address of the displaced instruction, when they are called.
 *
 * linear: the address of @ip, which is relative to the base of the code segment in segments
 * that a program has made; false if it has none.
 * flat_stack: are all bits of sp of a thread in 32-bit code its stack pointer?
 * mode_ok: does the thread run the kind of code (64 or 32 bit) that @au is for?
 * same_text: compares user memory at @vaddr with int3 and the rest of
 * @au->insn without sleeping; false if the memory cannot be read that way.
 * emulate: executes the instruction. If it faults, @regs are unchanged but for RF, and the
 * signal that the program would have got is queued. Reports a single step
 * where the program, or its debugger, had TF set. False if it was not executed,
 * because rseq wants to know first that the thread was preempted, which goes on at
 * the abort handler, or, if it stays, here once more; or because it waits for a page
 * and a signal is to be taken first.
 */
bool arch_uprobe_flat_stack(const struct pt_regs *regs);

static inline bool arch_uprobe_mode_ok(const struct arch_uprobe *au, struct pt_regs *regs)
{
	if (v8086_mode(regs))
		return false;
	if (user_64bit_mode(regs))
		return au->is64;
	/* Not a code segment from the LDT, where ip is not the address. */
#ifdef CONFIG_X86_64
	if (au->is64 || regs->cs != __USER32_CS)
		return false;
#else
	if (regs->cs != __USER_CS)
		return false;
#endif
	return likely(regs->ss == __USER_DS) || arch_uprobe_flat_stack(regs);
}

bool arch_uprobe_linear(struct pt_regs *regs, unsigned long ip, unsigned long *vaddr);
bool arch_uprobe_same_text(const struct arch_uprobe *au, unsigned long vaddr, bool *same);
bool arch_uprobe_emulate(const struct arch_uprobe *au, struct pt_regs *regs);

/*
 * UPROBE_SYSCALL: does the system call, with all that belongs to its entry and
 * exit. It may sleep for as long as it likes, exec, or never return: the caller
 * holds nothing, and does not touch @au or what belongs to the mm afterwards.
 * Returns with interrupts off.
 */
void arch_uprobe_syscall(const struct arch_uprobe *au, struct pt_regs *regs);

/*
 * UPROBE_BOOST and UPROBE_STEP. pre_xol points @regs at @slot and borrows what
 * the copy needs; then the thread goes to user mode. Whenever it is in the kernel
 * again, place says from @regs how far it got, and one of these ends the matter:
 *
 * post_xol: behind the copy; puts right @regs, and gives back what was borrowed
 * abort_xol: the copy has faulted or is not to be executed; gives back what was
 *	borrowed and points @regs at @vaddr again
 * left_xol: it has left a boosted copy by itself
 *
 * Any context of that thread, interrupts on or off.
 *
 * behind: where post_xol would have the thread go on; also from NMI
 * trap_behind: have the thread come back by a debug exception when it has
 *	executed the boosted copy; false if that cannot be
 * own_debug: was a debug exception, with what @dr6 says, only that one? Takes
 *	back what trap_behind() did
 * xol_trapped: has the copy raised an exception since pre_xol, other than one
 *	that was resolved?
 * fork: @child is a copy of the current thread, which has left a boosted copy by
 *	itself and does not know it yet
 */
void arch_uprobe_pre_xol(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			 struct pt_regs *regs, unsigned long vaddr, unsigned long slot);
enum uprobe_place arch_uprobe_place(const struct arch_uprobe *au, const struct pt_regs *regs,
				    unsigned long slot);
void arch_uprobe_post_xol(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			  struct pt_regs *regs, unsigned long vaddr, unsigned long slot);
unsigned long arch_uprobe_behind(const struct arch_uprobe *au, unsigned long vaddr);
void arch_uprobe_abort_xol(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			   struct pt_regs *regs, unsigned long vaddr);
void arch_uprobe_left_xol(struct arch_uprobe_task *at, struct pt_regs *regs);
bool arch_uprobe_trap_behind(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			     struct pt_regs *regs);
bool arch_uprobe_own_debug(struct arch_uprobe_task *at, struct pt_regs *regs,
			   unsigned long *dr6);
bool arch_uprobe_xol_trapped(void);
void arch_uprobe_fork(const struct arch_uprobe_task *at, struct task_struct *child);

/*
 * Return probes. slot: at a function's first instruction, where the return address
 * lies, a stack address. peek: what is at @slot now, if that can be read without
 * sleeping. await: have it there, which may take as long as the program likes; or until
 * a signal is to be taken.
 * write: puts another one there in place of @old, shadow stack included; 0 or
 * -EFAULT with nothing changed.
 * slot_after: just after a return, the stack address that the return address
 * was taken from (by a plain ret; with ret imm16 it is that or lower).
 */
static inline unsigned long arch_uretprobe_slot(struct pt_regs *regs)
{
	return user_64bit_mode(regs) ? regs->sp : (u32)regs->sp;
}

static inline unsigned long arch_uretprobe_slot_after(struct pt_regs *regs)
{
	return user_64bit_mode(regs) ? regs->sp - sizeof(u64) : (u32)(regs->sp - sizeof(u32));
}

void arch_uretprobe_await(struct pt_regs *regs);
int arch_uretprobe_write(struct pt_regs *regs, unsigned long slot, unsigned long ret,
			 unsigned long old);
int arch_uretprobe_peek(struct pt_regs *regs, unsigned long slot, unsigned long *ret);

/*
 * call_before: do these @n bytes end with a call? As many as there are before
 * the place in question, UPROBE_CALL_BYTES at most.
 * call_ends: is there one in the current process' memory, which has no breakpoints
 * there, or one of what C libraries and the vdso return from signal handlers by?
 * pops: what the first ret in a function of at most @n bytes releases above the
 * return address.
 * is_restorer: has the current process told the kernel to return from signal
 * handlers by this address, and is what is there known for it? No call is before that.
 */
#define UPROBE_CALL_BYTES		7
bool arch_uretprobe_call_before(const u8 *bytes, unsigned int n);
unsigned int arch_uretprobe_pops(const u8 *text, unsigned int n, bool is64);
bool arch_uretprobe_call_ends(unsigned long addr);
bool arch_uretprobe_is_restorer(unsigned long addr);

#endif /* _ASM_X86_UPROBES_H */
