/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User-space probes.
 *
 * Three readers, three sections: consumers (who wants to know), the hooks that
 * mm, fork, signal and entry code call, and the state that unchanged kernel
 * code reads. What the architecture provides is in <asm/uprobes.h>. This file
 * is part of <linux/mm_types.h> and stays light for that reason.
 */
#ifndef _LINUX_UPROBES_H
#define _LINUX_UPROBES_H

#include <linux/errno.h>
#include <linux/list.h>
#include <linux/types.h>

struct arch_uprobe;
struct inode;
struct iov_iter;
struct mm_struct;
struct page;
struct probepoint;
struct pt_regs;
struct return_instance;
struct task_struct;
struct uprobe_mm;
struct vm_area_struct;

/* ------------------------------------------------------------------ */
/* Consumers							      */
/* ------------------------------------------------------------------ */

/**
 * UPROBE_HANDLER_REMOVE - what a handler returns to leave this process
 *
 * The breakpoint is taken out of the current mm when every handler of the
 * probepoint asked for it and every @filter says that the mm is not wanted. A
 * probe that has no @handler, or no @filter, asks for nothing: it stays.
 */
#define UPROBE_HANDLER_REMOVE		1

/**
 * struct uprobe - one request: which instruction, which handlers, which mms
 * @path: the file by name, looked up in the caller's mount namespace at
 *	registration; or NULL
 * @inode: the file itself, kept referenced by the caller until the probe is
 *	unregistered; used where @path is NULL
 * @offset: the instruction's first byte, counted from the start of the file
 * @ref_ctr_offset: offset in the same file of a 16-bit counter (an SDT
 *	semaphore) that is one higher in every mm where the probe is planted;
 *	0 where there is none
 * @pid: with neither @path nor @inode: the process, by its number in the
 *	caller's pid namespace; the probe then stays within that mm
 * @vaddr: with @pid: the address of the instruction in that process
 * @handler: called before the instruction, with the registers as it finds
 *	them (ip at the instruction). May sleep, may change @regs; if it moves
 *	ip the instruction is not executed. Returns 0 or UPROBE_HANDLER_REMOVE
 * @ret_handler: called when the function entered at the instruction has
 *	returned; @func is the instruction's address, @regs are those of the
 *	caller, ip at the return address. May sleep
 * @filter: says which mms to plant in; none means all. Called with locks
 *	held: no probe may be registered or unregistered from it
 *
 * The caller owns the structure and leaves it alone between register_uprobe()
 * and unregister_uprobe(). At least one of @handler and @ret_handler is set.
 */
struct uprobe {
	const char	*path;
	struct inode	*inode;
	loff_t		offset;
	loff_t		ref_ctr_offset;
	pid_t		pid;
	unsigned long	vaddr;

	int		(*handler)(struct uprobe *u, struct pt_regs *regs);
	void		(*ret_handler)(struct uprobe *u, unsigned long func,
				       struct pt_regs *regs);
	bool		(*filter)(struct uprobe *u, struct mm_struct *mm);

	/* private: owned by kernel/uprobes/register.c */
	struct list_head   node;	/* on probepoint->uprobes */
	struct probepoint *pp;		/* set while registered */
	struct inode	  *held;	/* reference behind @path or @pid */
	struct mm_struct  *only;	/* the one mm of a @pid probe, grabbed */
	unsigned long	   grace;	/* when it is @leaving: hits are past it then */
	bool		   leaving;	/* a handler has unregistered it */
};

/**
 * struct uprobe_consumer - the request as kernel 6.12 knows it
 * @handler: as in &struct uprobe
 * @ret_handler: as in &struct uprobe; the value returned is ignored
 * @filter: as in &struct uprobe
 * @cons_node: not used; part of the interface of 6.12
 *
 * A thin layer over &struct uprobe for users written to that interface.
 */
struct uprobe_consumer {
	int (*handler)(struct uprobe_consumer *self, struct pt_regs *regs);
	int (*ret_handler)(struct uprobe_consumer *self, unsigned long func,
			   struct pt_regs *regs);
	bool (*filter)(struct uprobe_consumer *self, struct mm_struct *mm);

	struct list_head cons_node;
};

#ifdef CONFIG_UPROBES

int register_uprobe(struct uprobe *u);
void unregister_uprobe(struct uprobe *u);
int register_uprobes(struct uprobe **us, unsigned int n);
void unregister_uprobes(struct uprobe **us, unsigned int n);

struct uprobe *uprobe_register(struct inode *inode, loff_t offset,
			       loff_t ref_ctr_offset, struct uprobe_consumer *uc);
int uprobe_apply(struct uprobe *u, struct uprobe_consumer *uc, bool add);
void uprobe_unregister_nosync(struct uprobe *u, struct uprobe_consumer *uc);
void uprobe_unregister_sync(void);

/* ------------------------------------------------------------------ */
/* Hooks								      */
/* ------------------------------------------------------------------ */

void uprobes_init(void);

/* mm/: after a vma has been linked, before a range of one goes away */
int uprobe_mmap(struct vm_area_struct *vma);
void uprobe_munmap(struct vm_area_struct *vma, unsigned long start, unsigned long end);

/*
 * Memory of a process for somebody else, who finds no breakpoint of ours there.
 * Without CONFIG_UPROBES each is the function that it is named after.
 */
void uprobe_copy_from_user_page(struct vm_area_struct *vma, struct page *page,
				unsigned long vaddr, void *dst, const void *src, size_t len);
void uprobe_copy_to_user_page(struct vm_area_struct *vma, struct page *page,
			      unsigned long vaddr, void *dst, const void *src, size_t len);
size_t uprobe_copy_page_to_iter(struct mm_struct *mm, unsigned long vaddr, struct page *page,
				size_t offset, size_t len, struct iov_iter *to);
struct page *uprobe_get_dump_page(unsigned long vaddr);

/* kernel/fork.c */
static inline void uprobe_start_dup_mmap(void) { }
static inline void uprobe_end_dup_mmap(void) { }
void uprobe_dup_mmap(struct mm_struct *oldmm, struct mm_struct *newmm);
void uprobe_copy_process(struct task_struct *t, unsigned long flags);
void uprobe_free_utask(struct task_struct *t);
void uprobe_clear_state(struct mm_struct *mm);

/* exceptions (interrupts off), signals, return to user mode */
bool uprobe_int3(struct pt_regs *regs);
bool uprobe_debug(struct pt_regs *regs, unsigned long *dr6);
bool uprobe_deny_signal(void);
void uprobe_notify_resume(struct pt_regs *regs);
unsigned long uprobe_get_trap_addr(struct pt_regs *regs);

/* who shows where a thread is, or moves it */
unsigned long uprobe_user_ip(const struct pt_regs *regs);
unsigned long uprobe_task_ip(struct task_struct *task, struct pt_regs *regs);
void uprobe_leave(struct pt_regs *regs);

/* perf's user call chains, any context; modules outside of the tree */
unsigned long uprobe_get_trampoline_vaddr(void);
unsigned long uprobe_get_swbp_addr(struct pt_regs *regs);

#define UPROBE_NO_TRAMPOLINE_VADDR	(~0UL)

/* ------------------------------------------------------------------ */
/* State that unchanged kernel code reads				      */
/* ------------------------------------------------------------------ */

/**
 * struct uprobe_task - what current->utask points to
 * @vaddr: scratch for the front ends while handlers run
 * @auprobe: the record of the probepoint whose handlers run, else NULL; its
 *	@insn are the original bytes (arch/x86/events/core.c)
 * @return_instances: pending returns that go by the trampoline, the one that was
 *	noted last first (kernel/events/callchain.c reads them from NMI); all
 *	others are in the table of the mm
 *
 * The rest of a thread's state is in kernel/uprobes/internal.h. Freed after an
 * RCU grace period.
 */
struct uprobe_task {
	unsigned long		vaddr;
	struct arch_uprobe	*auprobe;
	struct return_instance	*return_instances;
};

/**
 * struct return_instance - one pending return by the trampoline
 * @next: the one that was noted before it
 * @orig_ret_vaddr: where the function will return to
 */
struct return_instance {
	struct return_instance	*next;
	unsigned long		orig_ret_vaddr;
};

/**
 * struct uprobes_state - embedded in struct mm_struct
 * @xol_area: all that is known about the probes of this mm, or NULL. The name
 *	is kernel/fork.c's, which clears it; it holds more than the area
 */
struct uprobes_state {
	struct uprobe_mm	*xol_area;
};

#else /* !CONFIG_UPROBES */

struct uprobes_state {
};

#define uprobe_get_trap_addr(regs)	instruction_pointer(regs)
#define uprobe_user_ip(regs)		instruction_pointer((struct pt_regs *)(regs))
#define uprobe_task_ip(task, regs)	((void)(task), instruction_pointer(regs))

#define uprobe_copy_from_user_page	copy_from_user_page
#define uprobe_copy_to_user_page	copy_to_user_page
#define uprobe_copy_page_to_iter(mm, vaddr, page, offset, len, to) \
	((void)(mm), (void)(vaddr), copy_page_to_iter(page, offset, len, to))
#define uprobe_get_dump_page		get_dump_page

static inline int register_uprobe(struct uprobe *u) { return -EOPNOTSUPP; }
static inline void unregister_uprobe(struct uprobe *u) { }
static inline int register_uprobes(struct uprobe **us, unsigned int n) { return -EOPNOTSUPP; }
static inline void unregister_uprobes(struct uprobe **us, unsigned int n) { }

static inline struct uprobe *uprobe_register(struct inode *inode, loff_t offset,
					     loff_t ref_ctr_offset,
					     struct uprobe_consumer *uc)
{
	return (struct uprobe *)-EOPNOTSUPP;
}

static inline int uprobe_apply(struct uprobe *u, struct uprobe_consumer *uc, bool add)
{
	return -EOPNOTSUPP;
}

static inline void uprobe_unregister_nosync(struct uprobe *u, struct uprobe_consumer *uc) { }
static inline void uprobe_unregister_sync(void) { }

static inline void uprobes_init(void) { }
static inline int uprobe_mmap(struct vm_area_struct *vma) { return 0; }
static inline void uprobe_munmap(struct vm_area_struct *vma,
				 unsigned long start, unsigned long end) { }
static inline void uprobe_start_dup_mmap(void) { }
static inline void uprobe_end_dup_mmap(void) { }
static inline void uprobe_dup_mmap(struct mm_struct *oldmm, struct mm_struct *newmm) { }
static inline void uprobe_copy_process(struct task_struct *t, unsigned long flags) { }
static inline void uprobe_free_utask(struct task_struct *t) { }
static inline void uprobe_clear_state(struct mm_struct *mm) { }
static inline bool uprobe_int3(struct pt_regs *regs) { return false; }
static inline bool uprobe_debug(struct pt_regs *regs, unsigned long *dr6) { return false; }
static inline bool uprobe_deny_signal(void) { return false; }
static inline void uprobe_notify_resume(struct pt_regs *regs) { }
static inline void uprobe_leave(struct pt_regs *regs) { }

#endif /* !CONFIG_UPROBES */
#endif /* _LINUX_UPROBES_H */
