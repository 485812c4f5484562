// SPDX-License-Identifier: GPL-2.0-only
/* The kernel around the arch half: memory is the block, and what is not is not mapped. */
#include "world.h"
#include "internal.h"

struct world world = { .fsgsbase = true };

static struct mm_struct mm;
static struct task_struct task = { .mm = &mm };

struct task_struct *current = &task;

bool host_access_ok(unsigned long addr, unsigned int width, bool write)
{
	unsigned long end = write && world.read_only ? world.read_only : world.block_end;

	return addr >= world.block && addr < end && end - addr >= width;
}

struct vm_area_struct *lock_mm_and_find_vma(struct mm_struct *mm, unsigned long addr,
					    struct pt_regs *regs)
{
	static struct vm_area_struct whole = { VM_READ | VM_WRITE | VM_EXEC };
	static struct vm_area_struct read_only = { VM_READ | VM_EXEC };

	if (addr < world.block || addr >= world.block_end)
		return NULL;
	return world.read_only && addr >= world.read_only ? &read_only : &whole;
}

/* In place of segment.c: a program here has no segments of its own. */
bool uprobe_segment_base(struct pt_regs *regs, int reg, unsigned long *base)
{
	*base = reg == INAT_SEG_REG_FS ? world.base[0] : reg == INAT_SEG_REG_GS ? world.base[1] : 0;
	return true;
}

bool arch_uprobe_flat_stack(const struct pt_regs *regs)
{
	return true;
}

static bool fpu_loaded;

void switch_fpu_return(void)
{
	asm volatile("xrstor64 (%0)" : : "r" (world.xstate), "a" (-1), "d" (-1) : "memory");
	fpu_loaded = true;
}

void host_irq_restore(void)
{
	if (fpu_loaded)
		asm volatile("xsave64 (%0)" : : "r" (world.xstate), "a" (-1), "d" (-1) : "memory");
	fpu_loaded = false;
}
