// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: the memory operands of emulated instructions.
 *
 * An access either succeeds or ends in the signal that the program would have
 * got from the CPU: by page fault, by a non-canonical address (SIGSEGV, or
 * SIGBUS through the stack segment), by alignment check, or by a shadow stack
 * that does not agree.
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/oom.h>
#include <linux/pagemap.h>
#include <linux/pkeys.h>
#include <linux/sched/signal.h>
#include <linux/task_work.h>
#include <linux/uaccess.h>
#include <asm/fpu/api.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>
#include <asm/shstk.h>
#include <asm/special_insns.h>
#include <asm/trap_pf.h>
#include <asm/trapnr.h>

#include "usermem.h"

/* ------------------------------------------------------------------ */
/* Faults							      */
/* ------------------------------------------------------------------ */

static void note_trap(unsigned int trap_nr, unsigned long error_code)
{
	current->thread.trap_nr = trap_nr;
	current->thread.error_code = error_code;
}

void uprobe_raise_gp(void)
{
	note_trap(X86_TRAP_GP, 0);
	force_sig(SIGSEGV);
}

static void raise_ss(void)
{
	note_trap(X86_TRAP_SS, 0);
	force_sig(SIGBUS);
}

static void raise_ac(void)
{
	note_trap(X86_TRAP_AC, 0);
	force_sig_fault(SIGBUS, BUS_ADRALN, NULL);
}

bool uprobe_canonical(unsigned long addr)
{
#ifdef CONFIG_X86_64
	return __is_canonical_address(addr, __VIRTUAL_MASK_SHIFT + 1);
#else
	return true;
#endif
}

/**
 * struct access - one operand in user memory
 * @addr: linear address
 * @width: bytes, 1 to 8
 * @write: it is written
 * @stack: it is addressed through the stack segment
 */
struct access {
	unsigned long addr;
	unsigned int width;
	bool write;
	bool stack;
};

static void raise_pf(const struct access *a, unsigned long addr, unsigned long error_code,
		     int sig, int code)
{
	note_trap(X86_TRAP_PF, error_code | X86_PF_USER | (a->write ? X86_PF_WRITE : 0));
	current->thread.cr2 = addr;
	force_sig_fault(sig, code, (void __user *)addr);
}

static bool vma_permits(const struct vm_area_struct *vma, bool write)
{
	/* Writable, but by calls only */
	if (write && (vma->vm_flags & VM_SHADOW_STACK))
		return false;
	return vma->vm_flags & (write ? VM_WRITE : VM_READ | VM_WRITE | VM_EXEC);
}

static void raise_pkey(const struct access *a, unsigned long addr, int pkey)
{
	note_trap(X86_TRAP_PF, X86_PF_PROT | X86_PF_PK | X86_PF_USER |
			       (a->write ? X86_PF_WRITE : 0));
	current->thread.cr2 = addr;
	force_sig_pkuerr((void __user *)addr, pkey);
}

/* Does the CPU find a page there, if one that it may not access as it wants? */
static unsigned long page_present(unsigned long addr)
{
	u8 byte;

	return copy_from_user_nofault(&byte, (u8 __user *)addr, 1) ? 0 : X86_PF_PROT;
}

/*
 * Resolves a fault at @addr, which has no tag, the way a fault from user mode is resolved (with
 * userfaultfd this is not the same as one from the kernel), or raises the signal.
 * Returns true if the access is worth another try; false with @interrupted set if a
 * signal wants to be taken before the page comes.
 */
static bool resolve_fault(const struct access *a, unsigned long addr, bool *interrupted)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	vm_fault_t fault;
	int pkey = 0;

	if (addr >= TASK_SIZE_MAX) {
		raise_pf(a, addr, X86_PF_PROT, SIGSEGV, SEGV_MAPERR);
		return false;
	}

	/* A stack may have to grow. If there is none the lock has been given back. */
	vma = lock_mm_and_find_vma(mm, addr, NULL);
	if (!vma) {
		raise_pf(a, addr, 0, SIGSEGV, SEGV_MAPERR);
		return false;
	}
	/* The key first, as the CPU says whether it is that. */
	if (!arch_vma_access_permitted(vma, a->write, false, false)) {
		pkey = vma_pkey(vma);
		mmap_read_unlock(mm);
		raise_pkey(a, addr, pkey);
		return false;
	}
	if (!vma_permits(vma, a->write)) {
		mmap_read_unlock(mm);
		raise_pf(a, addr, page_present(addr), SIGSEGV, SEGV_ACCERR);
		return false;
	}
	fault = handle_mm_fault(vma, addr, FAULT_FLAG_DEFAULT | FAULT_FLAG_USER |
				(a->write ? FAULT_FLAG_WRITE : 0), NULL);
	if (fault & VM_FAULT_COMPLETED)
		return true;
	if (fault & VM_FAULT_RETRY) {
		*interrupted = signal_pending(current);
		return !*interrupted;
	}
	mmap_read_unlock(mm);
	if (!(fault & VM_FAULT_ERROR))
		return true;

	if (fault & VM_FAULT_OOM) {
		/* Wait for the OOM killer as the fault handler does. */
		pagefault_out_of_memory();
		return !fatal_signal_pending(current);
	}
	if (fault & (VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE)) {
		note_trap(X86_TRAP_PF, X86_PF_USER | (a->write ? X86_PF_WRITE : 0));
		current->thread.cr2 = addr;
		force_sig_mceerr(BUS_MCEERR_AR, (void __user *)addr,
				 fault & VM_FAULT_HWPOISON_LARGE ?
				 hstate_index_to_shift(VM_FAULT_GET_HINDEX(fault)) : PAGE_SHIFT);
	} else if (fault & VM_FAULT_SIGSEGV) {
		raise_pf(a, addr, page_present(addr), SIGSEGV, SEGV_MAPERR);
	} else {
		raise_pf(a, addr, page_present(addr), SIGBUS, BUS_ADRERR);
	}
	return false;
}

/* The same for both pages that it may touch, in the order in which the CPU does. */
static bool resolve_faults(const struct access *a, bool *interrupted)
{
	unsigned long first = a->addr, last;

#ifdef CONFIG_X86_64
	first = (unsigned long)untagged_addr((void __user *)first);
#endif
	last = first + a->width - 1;
	return resolve_fault(a, first, interrupted) &&
	       ((first ^ last) < PAGE_SIZE || resolve_fault(a, last & PAGE_MASK, interrupted));
}

/* Faults that do not depend on what is mapped */
static bool check_access(const struct pt_regs *regs, const struct access *a)
{
	unsigned long addr = a->addr;

#ifdef CONFIG_X86_64
	addr = (unsigned long)untagged_addr((void __user *)addr);
#endif
	if (!uprobe_canonical(addr) || !uprobe_canonical(addr + a->width - 1)) {
		if (a->stack)
			raise_ss();
		else
			uprobe_raise_gp();
		return false;
	}
	if ((regs->flags & X86_EFLAGS_AC) && (addr & (a->width - 1))) {
		raise_ac();
		return false;
	}
	return true;
}

static int try_read(const struct access *a, u64 *val)
{
	u8 v8 = 0;
	u16 v16 = 0;
	u32 v32 = 0;
	u64 v64 = 0;
	int err;

	switch (a->width) {
	case 1:
		err = get_user(v8, (u8 __user *)a->addr);
		*val = v8;
		return err;
	case 2:
		err = get_user(v16, (u16 __user *)a->addr);
		*val = v16;
		return err;
	case 4:
		err = get_user(v32, (u32 __user *)a->addr);
		*val = v32;
		return err;
	default:
		err = get_user(v64, (u64 __user *)a->addr);
		*val = v64;
		return err;
	}
}

static int try_write(const struct access *a, u64 val)
{
	switch (a->width) {
	case 1:
		return put_user((u8)val, (u8 __user *)a->addr);
	case 2:
		return put_user((u16)val, (u16 __user *)a->addr);
	case 4:
		return put_user((u32)val, (u32 __user *)a->addr);
	default:
		return put_user(val, (u64 __user *)a->addr);
	}
}

/*
 * Without resolving faults, which is not the same from the kernel as from user mode: a
 * wait for userfaultfd would not end for signals.
 */
static int try_access(const struct access *a, u64 *val)
{
	int err;

	pagefault_disable();
	err = a->write ? try_write(a, *val) : try_read(a, val);
	pagefault_enable();
	return err;
}

/*
 * In a restartable sequence: make the access unless rseq has to hear of something
 * first, which is what TIF_NOTIFY_RESUME says; the thread came from user mode
 * without it. With interrupts off nothing gets in between.
 */
static int try_undisturbed(const struct access *a, u64 *val)
{
	int err = -EAGAIN;

	local_irq_disable();
	if (!test_thread_flag(TIF_NOTIFY_RESUME))
		err = try_access(a, val);
	local_irq_enable();
	return err;
}

/*
 * What is done on the way to user mode before the program tries again: signals, and work
 * that the access itself may have queued, as one does that has found poisoned memory. It
 * is present until that work is done.
 */
static bool something_comes_first(void)
{
	return signal_pending(current) || task_work_pending(current);
}

static bool access_carefully(const struct pt_regs *regs, const struct access *a, u64 *val,
			     bool *interrupted)
{
	bool in_rseq = uprobe_in_rseq();
	int err;

	if (!check_access(regs, a))
		return false;
	for (;;) {
		err = in_rseq ? try_undisturbed(a, val) : try_access(a, val);
		if (likely(!err))
			return true;
		*interrupted = err == -EAGAIN;
		if (*interrupted || !resolve_faults(a, interrupted) ||
		    fatal_signal_pending(current))
			return false;
		*interrupted = something_comes_first();
		if (*interrupted)
			return false;
		cond_resched();
	}
}

bool uprobe_read_carefully(const struct pt_regs *regs, unsigned long addr, unsigned int width,
			   bool stack, u64 *val, bool *interrupted)
{
	struct access a = { .addr = addr, .width = width, .stack = stack };

	return access_carefully(regs, &a, val, interrupted);
}

bool uprobe_write_carefully(const struct pt_regs *regs, unsigned long addr, unsigned int width,
			    bool stack, u64 val, bool *interrupted)
{
	struct access a = { .addr = addr, .width = width, .write = true, .stack = stack };

	return access_carefully(regs, &a, &val, interrupted);
}

/* ------------------------------------------------------------------ */
/* Shadow stack							      */
/* ------------------------------------------------------------------ */

#ifdef CONFIG_X86_USER_SHADOW_STACK

/* The value that Intel's manual gives for a near ret is 1. */
static void raise_cp_ret(void)
{
	note_trap(X86_TRAP_CP, 1);
	force_sig_fault(SIGSEGV, SEGV_CPERR, NULL);
}

static u64 get_ssp(void)
{
	u64 ssp;

	fpregs_lock_and_load();
	rdmsrl(MSR_IA32_PL3_SSP, ssp);
	fpregs_unlock();
	return ssp;
}

static void set_ssp(u64 ssp)
{
	fpregs_lock_and_load();
	wrmsrl(MSR_IA32_PL3_SSP, ssp);
	fpregs_unlock();
}

/* Writes below the shadow stack pointer, which moves only in uprobe_shadow_commit(). */
bool uprobe_shadow_do_push(unsigned long ret, u64 *ssp)
{
	struct access a = { .width = sizeof(u64), .write = true };

	*ssp = 0;
	if (!shstk_is_enabled())
		return true;
	*ssp = get_ssp() - sizeof(u64);
	a.addr = *ssp;
	if (write_user_shstk_64((u64 __user *)*ssp, ret)) {
		raise_pf(&a, a.addr, X86_PF_SHSTK, SIGSEGV, SEGV_ACCERR);
		return false;
	}
	return true;
}

/* True if there is none, or if it says that @ret is where to return to */
bool uprobe_shadow_do_check(unsigned long ret, u64 *ssp)
{
	struct access a = { .width = sizeof(u64) };
	u64 val;

	*ssp = 0;
	if (!shstk_is_enabled())
		return true;
	a.addr = get_ssp();
	if (try_read(&a, &val)) {
		raise_pf(&a, a.addr, X86_PF_SHSTK, SIGSEGV, SEGV_ACCERR);
		return false;
	}
	if (val != ret) {
		raise_cp_ret();
		return false;
	}
	*ssp = a.addr + sizeof(u64);
	return true;
}

void uprobe_shadow_commit(u64 ssp)
{
	if (ssp)
		set_ssp(ssp);
}

#endif
