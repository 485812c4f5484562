// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: where a return address lies, and changing it.
 */
#include <linux/compat.h>
#include <linux/cpufeature.h>
#include <linux/errno.h>
#include <linux/sched/signal.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>
#include <asm/ptrace.h>
#include <asm/shstk.h>
#include <asm/uprobes.h>

static bool is_64bit(const struct pt_regs *regs)
{
	return user_64bit_mode((struct pt_regs *)regs);
}

static unsigned int ret_size(const struct pt_regs *regs)
{
	return is_64bit(regs) ? sizeof(u64) : sizeof(u32);
}

static int read_ret(const struct pt_regs *regs, unsigned long slot, unsigned long *ret)
{
	u32 ret32;

	if (is_64bit(regs))
		return get_user(*ret, (unsigned long __user *)slot);
	if (get_user(ret32, (u32 __user *)slot))
		return -EFAULT;
	*ret = ret32;
	return 0;
}

static int write_ret(const struct pt_regs *regs, unsigned long slot, unsigned long ret)
{
	if (is_64bit(regs))
		return put_user(ret, (unsigned long __user *)slot);
	return put_user((u32)ret, (u32 __user *)slot);
}

int arch_uretprobe_read(const struct pt_regs *regs, unsigned long *slot, unsigned long *ret)
{
	*slot = is_64bit(regs) ? regs->sp : (u32)regs->sp;
	return read_ret(regs, *slot, ret);
}

int arch_uretprobe_write(const struct pt_regs *regs, unsigned long slot, unsigned long ret,
			 unsigned long old)
{
	if (write_ret(regs, slot, ret))
		return -EFAULT;
	if (!cpu_feature_enabled(X86_FEATURE_USER_SHSTK))
		return 0;

	/* A ret compares the two stacks: both change, or none. */
	if (shstk_update_last_frame(ret)) {
		/* Was writable a moment ago: only the program can make this fail. */
		(void)write_ret(regs, slot, old);
		return -EFAULT;
	}
	return 0;
}

unsigned long arch_uretprobe_slot_after(const struct pt_regs *regs)
{
	unsigned long sp = regs->sp - ret_size(regs);

	return is_64bit(regs) ? sp : (u32)sp;
}

#ifdef CONFIG_X86_64
/*
 * Our trampoline is an int3 and needs no system call. The number stays taken,
 * and a program that uses it gets what it would get for any odd instruction.
 */
SYSCALL_DEFINE0(uretprobe)
{
	force_sig(SIGILL);
	return -1;
}
#endif
