// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: system calls entered from the breakpoint.
 *
 * Where the program would have trapped by itself it has trapped already: the
 * breakpoint exception has done on its way in what all entries have in common,
 * and will do on its way out what all exits have. Here is what only a system
 * call has, each step once and in the order of the true entry: the registers as
 * it leaves them, the work before the call (user dispatch, ptrace, seccomp,
 * tracepoints, audit), the call, the work after it. Restart, the child's side
 * of fork and clone, exec and sigreturn then need nothing of their own: they
 * only know the registers at the top of the stack, and those are the right ones.
 *
 * The exception's way out looks for pending work a second time. What the first
 * look has done is not there any more: a call that is restarted has its number
 * back in ax, and no error.
 *
 * The single step of a program that has set TF falls due behind the instruction
 * after the call, as with the true entry, which returns by iret: nothing to do.
 */
#include <linux/bug.h>
#include <linux/cpufeature.h>
#include <linux/entry-common.h>
#include <linux/errno.h>
#include <linux/irqflags.h>
#include <linux/nospec.h>
#include <linux/randomize_kstack.h>
#include <linux/sched.h>
#include <linux/syscalls.h>
#include <linux/thread_info.h>
#include <asm/asm.h>
#include <asm/nospec-branch.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>
#include <asm/segment.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

#include "internal.h"

/* In ax is from now on what the program gets if there is no call in the end. */
static int take_number(struct pt_regs *regs, unsigned long orig_ax)
{
	regs->orig_ax = orig_ax;
	regs->ax = -ENOSYS;
	return (int)orig_ax;
}

#ifdef CONFIG_X86_64

/*
 * A true entry of a system call lets no branch that the program has taken
 * have a say in what is predicted from here on; an exception does not care.
 */
static __always_inline void forget_branches(void)
{
	if (cpu_feature_enabled(X86_FEATURE_CLEAR_BHB_LOOP))
		asm volatile("call clear_bhb_loop"
			     : ASM_CALL_CONSTRAINT : : "ax", "cx", "cc", "memory");
}

/* FRED says of these two, not of int3, that a step is due right behind them. */
static void mark_software_event(struct pt_regs *regs)
{
	if (cpu_feature_enabled(X86_FEATURE_FRED))
		regs->fred_ss.swevent = 1;
}

static int enter_64(struct pt_regs *regs)
{
	regs->flags &= ~X86_EFLAGS_RF;

	/* Without FRED it is the instruction that overwrites these. */
	if (!cpu_feature_enabled(X86_FEATURE_FRED)) {
		regs->cx = regs->ip;
		regs->r11 = regs->flags;
		regs->cs = __USER_CS;
		regs->ss = __USER_DS;
	}
	return take_number(regs, regs->ax);
}

static void call_64(struct pt_regs *regs, int nr)
{
	unsigned int n = nr, x32 = n - __X32_SYSCALL_BIT;

	if (n < NR_syscalls)
		regs->ax = x64_sys_call(regs, array_index_nospec(n, NR_syscalls));
	else if (x32_enabled && x32 < X32_NR_syscalls)
		regs->ax = x32_sys_call(regs, array_index_nospec(x32, X32_NR_syscalls));
	else if (nr != -1)
		regs->ax = __x64_sys_ni_syscall(regs);
}

#else

static void forget_branches(void)
{
}

static void mark_software_event(struct pt_regs *regs)
{
}

#endif

#if defined(CONFIG_X86_32) || defined(CONFIG_IA32_EMULATION)

/* 64-bit code may use it too, and keeps the upper halves of its registers. */
static int enter_int80(struct pt_regs *regs)
{
	if (IS_ENABLED(CONFIG_IA32_EMULATION))
		current_thread_info()->status |= TS_COMPAT;
	return take_number(regs, (u32)regs->ax);
}

static void call_int80(struct pt_regs *regs, int nr)
{
	unsigned int n = nr;

	if (n < IA32_NR_syscalls)
		regs->ax = ia32_sys_call(regs, array_index_nospec(n, IA32_NR_syscalls));
	else if (nr != -1)
		regs->ax = __ia32_sys_ni_syscall(regs);
}

#endif

/**
 * arch_uprobe_syscall - do the system call whose instruction is displaced
 * @au: the record; may be gone when the call is entered
 * @regs: the thread's registers, ip at the instruction; they must be those at
 *	the top of its stack, where everybody else will look for them
 *
 * Context: the breakpoint exception, interrupts on, no lock held. Returns with
 * interrupts off, or never.
 */
void arch_uprobe_syscall(const struct arch_uprobe *au, struct pt_regs *regs)
{
	enum uprobe_syscall_entry entry = au->op;
	unsigned long next = regs->ip + au->len;

	add_random_kstack_offset();
	regs->ip = au->is64 ? next : (u32)next;
	mark_software_event(regs);
	forget_branches();

	/* @au is not touched any more. A number of -1 says: no call, ax is set. */
	switch (entry) {
#ifdef CONFIG_X86_64
	case UPROBE_ENTRY_64:
		call_64(regs, syscall_enter_from_user_mode_work(regs, enter_64(regs)));
		break;
#endif
#if defined(CONFIG_X86_32) || defined(CONFIG_IA32_EMULATION)
	case UPROBE_ENTRY_INT80:
		call_int80(regs, syscall_enter_from_user_mode_work(regs, enter_int80(regs)));
		break;
#endif
	default:
		/* analyze.c gives out no other. */
		WARN_ON_ONCE(1);
		local_irq_disable();
		return;
	}
	syscall_exit_to_user_mode_work(regs);
}
