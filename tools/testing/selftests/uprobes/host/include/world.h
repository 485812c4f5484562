/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel around the arch half, as far as the arch half looks at it: one
 * thread, its registers and segment bases, and one block of memory. All the
 * headers that it includes are this one.
 */
#ifndef HOST_WORLD_H
#define HOST_WORLD_H

#include <linux/kernel.h>
#include <asm/inat.h>

/* libc's header would bring names along that the arch half uses. */
#ifndef SIGSEGV
#define SIGBUS		7
#define SIGSEGV		11
#define SI_KERNEL	0x80
#define BUS_ADRALN	1
#define BUS_ADRERR	2
#define BUS_MCEERR_AR	4
#define SEGV_MAPERR	1
#define SEGV_ACCERR	2
#define SEGV_PKUERR	4
#define TRAP_TRACE	2
#endif

struct pt_regs {
	unsigned long ax, cx, dx, bx, sp, bp, si, di;
	unsigned long r8, r9, r10, r11, r12, r13, r14, r15;
	unsigned long ip, flags, cs, ss, orig_ax;
};

/**
 * struct world - what the arch half finds around it
 * @base: of fs and gs, in this order, as the CPU has them
 * @sel: their selectors
 * @pkru: the register
 * @fsgsbase: the CPU has the instructions
 * @null_seg: loading the null selector leaves the base as it is
 * @block: start of the user memory that there is
 * @block_end: and its end
 * @read_only: from here to @block_end nothing can be written
 * @sig: the signal that has been raised, 0 for none
 * @code: its si_code
 * @addr: its si_addr
 * @vendor: of the CPU, X86_VENDOR_*
 * @xstate: the FPU's registers while the thread is in the kernel, or NULL
 */
struct world {
	unsigned long base[2];
	u16 sel[2];
	u32 pkru;
	bool fsgsbase, null_seg;
	unsigned long block, block_end, read_only;
	int sig, code;
	unsigned long addr;
	unsigned int vendor;
	void *xstate;
};

extern struct world world;

struct mm_struct {
	int unused;
};

struct task_struct {
	struct {
		unsigned long virtual_dr6, trap_nr, error_code, cr2;
		unsigned long fsbase, gsbase;
	} thread;
	struct mm_struct *mm;
};

extern struct task_struct *current;

/* Flags and numbers that the processor defines */
#define X86_EFLAGS_CF	0x00000001
#define X86_EFLAGS_PF	0x00000004
#define X86_EFLAGS_AF	0x00000010
#define X86_EFLAGS_ZF	0x00000040
#define X86_EFLAGS_SF	0x00000080
#define X86_EFLAGS_TF	0x00000100
#define X86_EFLAGS_IF	0x00000200
#define X86_EFLAGS_DF	0x00000400
#define X86_EFLAGS_OF	0x00000800
#define X86_EFLAGS_IOPL	0x00003000
#define X86_EFLAGS_NT	0x00004000
#define X86_EFLAGS_RF	0x00010000
#define X86_EFLAGS_VM	0x00020000
#define X86_EFLAGS_AC	0x00040000
#define X86_EFLAGS_VIF	0x00080000
#define X86_EFLAGS_VIP	0x00100000
#define X86_EFLAGS_ID	0x00200000

#define DR_STEP		0x4000
#define DR_TRAP_BITS	0xf

#define X86_TRAP_DE	0
#define X86_TRAP_DB	1
#define X86_TRAP_BP	3
#define X86_TRAP_OF	4
#define X86_TRAP_BR	5
#define X86_TRAP_UD	6
#define X86_TRAP_SS	12
#define X86_TRAP_GP	13
#define X86_TRAP_PF	14
#define X86_TRAP_AC	17
#define X86_TRAP_CP	21

#define X86_PF_PROT	0x01
#define X86_PF_WRITE	0x02
#define X86_PF_USER	0x04
#define X86_PF_PK	0x20

#define PKRU_AD_BIT	0x1

/* What Linux takes for 64-bit and for 32-bit code, and for data */
#define __USER32_CS	0x23
#define __USER_DS	0x2b
#define __USER_CS	0x33

#undef PAGE_SIZE
#undef PAGE_MASK
#define PAGE_SHIFT	12
#define PAGE_SIZE	4096UL
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)
#define TASK_SIZE_MAX	((1UL << 47) - PAGE_SIZE)

#define __VIRTUAL_MASK_SHIFT	47

static inline bool __is_canonical_address(u64 addr, u8 bits)
{
	return (u64)((s64)(addr << (64 - bits)) >> (64 - bits)) == addr;
}

#ifndef likely
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#endif
#undef WARN_ON_ONCE
#define WARN_ON_ONCE(c)	({ assert(!(c)); 0; })
#ifndef __user
#define __user
#endif
#ifndef __aligned
#define __aligned(n)	__attribute__((__aligned__(n)))
#endif

static inline s64 sign_extend64(u64 val, int bit)
{
	return (s64)(val << (63 - bit)) >> (63 - bit);
}

static inline s32 sign_extend32(u32 val, int bit)
{
	return (s32)(val << (31 - bit)) >> (31 - bit);
}

/* ------------------------------------------------------------------ */
/* Registers							      */
/* ------------------------------------------------------------------ */

static inline int pt_regs_offset(struct pt_regs *regs, int regno)
{
	return regno < 16 ? regno * (int)sizeof(unsigned long) : -EDOM;
}

static inline bool user_64bit_mode(struct pt_regs *regs)
{
	return regs->cs == __USER_CS;
}

static inline bool v8086_mode(struct pt_regs *regs)
{
	return false;
}

static inline void insn_assign_reg(unsigned long *reg, u64 val, int bytes)
{
	if (bytes == 4)
		*reg = (u32)val;
	else
		memcpy(reg, &val, bytes);
}

#define segment_of_fs	0
#define segment_of_gs	1
#define savesegment(seg, val)	((val) = world.sel[segment_of_##seg])
#define loadsegment(seg, val)	host_load_segment(segment_of_##seg, val)
#define load_gs_index(val)	host_load_segment(1, val)

static inline void host_load_segment(int seg, u16 sel)
{
	world.sel[seg] = sel;
	world.base[seg] = 0;
}

static inline unsigned long x86_fsbase_read_cpu(void)
{
	return world.base[0];
}

static inline unsigned long x86_gsbase_read_cpu_inactive(void)
{
	return world.base[1];
}

static inline void x86_fsbase_write_cpu(unsigned long base)
{
	world.base[0] = base;
}

static inline void x86_gsbase_write_cpu_inactive(unsigned long base)
{
	world.base[1] = base;
}

static inline u32 read_pkru(void)
{
	return world.pkru;
}

#define X86_FEATURE_FSGSBASE	1
#define X86_FEATURE_FXSR	2
#define X86_FEATURE_USER_SHSTK	4
#define X86_BUG_NULL_SEG	3

static inline bool boot_cpu_has(int what)
{
	return what == X86_FEATURE_FSGSBASE ? world.fsgsbase : what != X86_FEATURE_USER_SHSTK;
}

#define X86_VENDOR_INTEL	0
#define X86_VENDOR_AMD		2
#define X86_VENDOR_CENTAUR	5
#define X86_VENDOR_HYGON	9
#define X86_VENDOR_ZHAOXIN	10
#define boot_cpu_data		(*(const struct { unsigned int x86_vendor; } *)&world.vendor)

/* There is int $0x80. */
#define ia32_enabled()		true

/* A parameter is set by a function. */
void host_set_avoid(unsigned int val);

#define module_param(name, type, mode)					\
	static_assert((mode) <= 0777, "mode");				\
	void host_set_##name(type val) { (name) = val; }
#define MODULE_PARM_DESC(name, text)					\
	static_assert(sizeof(text) > sizeof(#name), "text")

#define cpu_feature_enabled(what)	boot_cpu_has(what)

static inline bool boot_cpu_has_bug(int what)
{
	return what == X86_BUG_NULL_SEG && world.null_seg;
}

#define preempt_disable()	do { } while (0)
#define preempt_enable()	do { } while (0)
#define local_irq_disable()	do { } while (0)
#define local_irq_enable()	do { } while (0)
#define local_irq_save(flags)	((flags) = 0)
#define local_irq_restore(flags)	((void)(flags), host_irq_restore())

/* 512 bytes, with what the 32-bit form has in the same place */
struct fxregs_state {
	u16 cwd, swd, twd, fop;
	union {
		struct {
			u64 rip, rdp;
		};
		struct {
			u32 fip, fcs, foo, fos;
		};
	};
	u32 mxcsr, mxcsr_mask;
	u32 rest[120];
};

/*
 * The thread's FPU registers become the CPU's, and with the end of the stretch
 * without interrupts again the thread's.
 */
void switch_fpu_return(void);
void host_irq_restore(void);

/* ------------------------------------------------------------------ */
/* Memory and signals						      */
/* ------------------------------------------------------------------ */

#define VM_READ			1UL
#define VM_WRITE		2UL
#define VM_EXEC			4UL
#define VM_SHADOW_STACK		0UL
#define FAULT_FLAG_DEFAULT	0
#define FAULT_FLAG_USER		1
#define FAULT_FLAG_WRITE	2
#ifndef EHWPOISON
#define EHWPOISON		133
#endif

struct vm_area_struct {
	unsigned long vm_flags;
};

bool host_access_ok(unsigned long addr, unsigned int width, bool write);
struct vm_area_struct *lock_mm_and_find_vma(struct mm_struct *mm, unsigned long addr,
					    struct pt_regs *regs);

static inline void mmap_read_unlock(struct mm_struct *mm) { }
static inline void pagefault_disable(void) { }
static inline void pagefault_enable(void) { }
static inline void pagefault_out_of_memory(void) { }
static inline void user_access_end(void) { }

static inline bool task_work_pending(struct task_struct *task)
{
	return false;
}

static inline void cond_resched(void) { }

static inline bool signal_pending(struct task_struct *task)
{
	return false;
}

static inline bool fatal_signal_pending(struct task_struct *task)
{
	return false;
}

static inline bool arch_vma_access_permitted(const struct vm_area_struct *vma, bool write,
					     bool execute, bool foreign)
{
	return true;
}

static inline int vma_pkey(const struct vm_area_struct *vma)
{
	return 0;
}

#define vm_fault_t		unsigned int

#define VM_FAULT_OOM		0x01
#define VM_FAULT_SIGBUS		0x02
#define VM_FAULT_HWPOISON	0x10
#define VM_FAULT_HWPOISON_LARGE	0x20
#define VM_FAULT_SIGSEGV	0x40
#define VM_FAULT_RETRY		0x400
#define VM_FAULT_COMPLETED	0x4000
#define VM_FAULT_ERROR		0x73
#define VM_FAULT_GET_HINDEX(fault)	((fault) >> 16 & 0xf)
#define hstate_index_to_shift(index)	(PAGE_SHIFT + (index))

/* What is in the block has been mapped from the beginning. */
static inline vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long addr,
					 unsigned int flags, struct pt_regs *regs)
{
	return host_access_ok(addr, 1, flags & FAULT_FLAG_WRITE) ? 0 : VM_FAULT_SIGBUS;
}

static inline long copy_from_user_nofault(void *to, const void *from, size_t n)
{
	if (!host_access_ok((unsigned long)from, n, false))
		return -EFAULT;
	memcpy(to, from, n);
	return 0;
}

static inline bool user_access_begin(const void *p, size_t n)
{
	return host_access_ok((unsigned long)p, n, false);
}

static inline int host_read(void *val, const void *p, unsigned int n)
{
	if (!host_access_ok((unsigned long)p, n, false))
		return -EFAULT;
	memcpy(val, p, n);
	return 0;
}

static inline int host_write(const void *val, void *p, unsigned int n)
{
	if (!host_access_ok((unsigned long)p, n, true))
		return -EFAULT;
	memcpy(p, val, n);
	return 0;
}

#define untagged_addr(addr)	(addr)
#define get_user(val, p)	host_read(&(val), p, sizeof(val))
#define put_user(val, p)	({					\
	__typeof__(val) val__ = (val);					\
									\
	host_write(&val__, p, sizeof(val__)); })
#define unsafe_get_user(val, p, label)	do {				\
	if (host_read(&(val), p, sizeof(val)))				\
		goto label;						\
} while (0)
#define unsafe_put_user(val, p, label)	do {				\
	__typeof__(val) val__ = (val);					\
									\
	if (host_write(&val__, p, sizeof(val)))				\
		goto label;						\
} while (0)

static inline void host_signal(int sig, int code, unsigned long addr)
{
	world.sig = sig;
	world.code = code;
	world.addr = addr;
}

static inline void force_sig(int sig)
{
	host_signal(sig, SI_KERNEL, 0);
}

static inline void force_sig_fault(int sig, int code, const void *addr)
{
	host_signal(sig, code, (unsigned long)addr);
}

static inline void force_sig_pkuerr(const void *addr, u32 pkey)
{
	host_signal(SIGSEGV, SEGV_PKUERR, (unsigned long)addr);
}

static inline void force_sig_mceerr(int code, const void *addr, short lsb)
{
	host_signal(SIGBUS, code, (unsigned long)addr);
}

/* The flag TF is never set where an emulator runs here. */
#define TIF_BLOCKSTEP		0
#define TIF_NEED_FPU_LOAD	1
#define TIF_NOTIFY_RESUME	2

static inline bool test_thread_flag(int flag)
{
	return flag == TIF_NEED_FPU_LOAD && world.xstate;
}

static inline void update_thread_flag(int flag, bool on)
{
	assert(0);
}

#define DEBUGCTLMSR_BTF		2

static inline unsigned long get_debugctlmsr(void)
{
	assert(0);
	return 0;
}

static inline void update_debugctlmsr(unsigned long ctl)
{
	assert(0);
}

static inline void send_sigtrap(struct pt_regs *regs, int error_code, int si_code)
{
	assert(0);
}

#endif
