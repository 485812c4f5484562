// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: where a return address lies, what is at the place that it
 * names, and changing it.
 */
#include <linux/compat.h>
#include <linux/cpufeature.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>
#include <asm/insn.h>
#include <asm/ptrace.h>
#include <asm/shstk.h>
#include <asm/uprobes.h>

/* Inline: twice for each return that is followed. */
static __always_inline
int read_ret(struct pt_regs *regs, unsigned long slot, unsigned long *ret)
{
	bool is64 = user_64bit_mode(regs);
	u32 ret32;

	if (!user_access_begin((void __user *)slot, sizeof(*ret)))
		return -EFAULT;
	if (is64) {
		unsafe_get_user(*ret, (unsigned long __user *)slot, fault);
	} else {
		unsafe_get_user(ret32, (u32 __user *)slot, fault);
		*ret = ret32;
	}
	user_access_end();
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}

static int write_ret(struct pt_regs *regs, unsigned long slot, unsigned long ret)
{
	if (user_64bit_mode(regs))
		return put_user(ret, (unsigned long __user *)slot);
	return put_user((u32)ret, (u32 __user *)slot);
}

void arch_uretprobe_await(struct pt_regs *regs)
{
	unsigned long slot = arch_uretprobe_slot(regs);
	unsigned long last = slot + sizeof(unsigned long) - 1;
	struct page *page;

	/* As the program would: a signal may be what brings the page. Both, if it crosses. */
	if (get_user_pages_unlocked(slot, 1, &page, FOLL_INTERRUPTIBLE) != 1)
		return;
	put_page(page);
	if ((slot ^ last) >= PAGE_SIZE &&
	    get_user_pages_unlocked(last, 1, &page, FOLL_INTERRUPTIBLE) == 1)
		put_page(page);
}

int arch_uretprobe_write(struct pt_regs *regs, unsigned long slot, unsigned long ret,
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

int arch_uretprobe_peek(struct pt_regs *regs, unsigned long slot, unsigned long *ret)
{
	int err;

	pagefault_disable();
	err = read_ret(regs, slot, ret);
	pagefault_enable();
	return err;
}

/* The bytes of a near indirect call from its opcode on, or 0 if it is none. */
static unsigned int indirect_call_bytes(const u8 *op, unsigned int n)
{
	u8 mod, rm, base = 0;
	unsigned int len = 2;

	if (n < 2 || op[0] != 0xff || (op[1] >> 3 & 7) != 2)
		return 0;
	mod = op[1] >> 6;
	rm = op[1] & 7;
	if (mod == 3)
		return len;
	if (rm == 4) {
		if (n < 3)
			return 0;
		base = op[2] & 7;
		len++;
	}
	if (mod == 1)
		return len + 1;
	/* A displacement alone, of %rip in 64-bit code. */
	if (mod == 2 || rm == 5 || (rm == 4 && base == 5))
		return len + 4;
	return len;
}

bool arch_uretprobe_call_before(const u8 *bytes, unsigned int n)
{
	const u8 *end = bytes + n;
	unsigned int len;

	if (n >= 5 && end[-5] == 0xe8)
		return true;
	/* What prefixes there are does not matter: they come before the opcode. */
	for (len = 2; len <= min(n, 7U); len++)
		if (indirect_call_bytes(end - len, len) == len)
			return true;
	return false;
}

unsigned int arch_uretprobe_pops(const u8 *text, unsigned int n, bool is64)
{
	unsigned int at = 0;
	struct insn insn;

	while (at < n) {
		if (insn_decode(&insn, text + at, n - at, is64 ? INSN_MODE_64 : INSN_MODE_32))
			break;
		if (insn.opcode.nbytes == 1 && !insn.vex_prefix.nbytes) {
			if (insn.opcode.bytes[0] == 0xc2)
				return (u16)insn.immediate.value;
			if (insn.opcode.bytes[0] == 0xc3)
				break;
		}
		at += insn.length;
	}
	return 0;
}

/*
 * What the C libraries have there: mov or pop, and the system call. Of the first byte
 * a breakpoint may have taken the place.
 */
static bool looks_like_restorer(unsigned long addr)
{
	static const u8 rt64[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	static const u8 rt64_short[] = { 0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	static const u8 rt32[] = { 0xb8, 0xad, 0, 0, 0, 0xcd, 0x80 };
	static const u8 old32[] = { 0x58, 0xb8, 0x77, 0, 0, 0, 0xcd, 0x80 };
	u8 now[sizeof(rt64)];

	if (copy_from_user_nofault(now, (u8 __user *)addr, sizeof(now)))
		return false;
	return !memcmp(now + 1, rt64 + 1, sizeof(rt64) - 1) ||
	       !memcmp(now + 1, rt64_short + 1, sizeof(rt64_short) - 1) ||
	       !memcmp(now + 1, rt32 + 1, sizeof(rt32) - 1) ||
	       !memcmp(now + 1, old32 + 1, sizeof(old32) - 1);
}

bool arch_uretprobe_call_ends(unsigned long addr)
{
	u8 bytes[UPROBE_CALL_BYTES];

	return (!copy_from_user_nofault(bytes, (u8 __user *)addr - sizeof(bytes), sizeof(bytes)) &&
		arch_uretprobe_call_before(bytes, sizeof(bytes))) ||
	       looks_like_restorer(addr);
}

bool arch_uretprobe_is_restorer(unsigned long addr)
{
	struct sighand_struct *sighand = rcu_dereference_protected(current->sighand, true);
	bool found = false;
	int sig;

	if (!looks_like_restorer(addr))
		return false;
	spin_lock_irq(&sighand->siglock);
	for (sig = 0; sig < _NSIG && !found; sig++) {
		const struct sigaction *sa = &sighand->action[sig].sa;

		found = (sa->sa_flags & SA_RESTORER) && sa->sa_handler != SIG_DFL &&
			sa->sa_handler != SIG_IGN && (unsigned long)sa->sa_restorer == addr;
	}
	spin_unlock_irq(&sighand->siglock);
	return found;
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
