// SPDX-License-Identifier: GPL-2.0-only
/*
 * The XOL area of an mm, and its slots.
 *
 * The area is a private, executable mapping of a shmem file that nobody else
 * has, made in the context of the process by the first hit that needs a slot or
 * a return trampoline. It is ordinary memory: charged, swapped out and in. The
 * process can neither write to it (there is no VM_MAYWRITE, so no mprotect(),
 * ptrace() or /proc/PID/mem gets there; the file is sealed against /proc/PID/
 * map_files) nor unmap or move it (VM_SEALED, where the kernel has it). fork()
 * does not copy it and core dumps leave it out. The kernel writes to the file.
 *
 * The vma has its full size at once, which costs address space only; pages come
 * as slots are needed, up to the limit.
 *
 * A slot is owned by a site, and written once before the site shows it. Several
 * threads may be in it at a time. It changes its owner only when no thread is in
 * it, and the proof is this pair:
 *
 *	thread that hits			thread that wants the slot
 *	----------------			--------------------------
 *	thread->slot = s = site->slot		site->slot = 0
 *	smp_mb()				smp_mb()
 *	site->slot still s? then go		any thread->slot == s? then give up
 *
 * At least one of the two sees what the other has written. Who gets its slot
 * under the lock names it there, and is sure of it. A thread that was sent
 * into a boosted copy goes on naming the slot until somebody looks: see
 * look_at() in thread.c.
 */
#include <linux/dcache.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_context.h>
#include <linux/moduleparam.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include "internal.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "uprobes."

static unsigned int xol_slots __ro_after_init = XOL_MAX_SLOTS;
module_param(xol_slots, uint, 0444);
MODULE_PARM_DESC(xol_slots, "slots per process at most, the return trampoline included");

/**
 * xol_slot_limit - how many slots an mm may have, the trampoline included
 *
 * Return: 2 to XOL_MAX_SLOTS; the boot parameter uprobes.xol_slots.
 */
unsigned int xol_slot_limit(void)
{
	return clamp_t(unsigned int, xol_slots, 2, XOL_MAX_SLOTS);
}

static unsigned long slot_vaddr(const struct xol_area *area, unsigned int nr)
{
	return area->vaddr + nr * UPROBE_XOL_SLOT_BYTES;
}

/* ---------------------------------------------------------------- pages */

/* Write @image to a slot; fill the rest of a fresh page with int3. */
static int write_slot(struct xol_area *area, unsigned int nr, const u8 *image, bool fresh)
{
	pgoff_t index = nr / XOL_SLOTS_PER_PAGE;
	struct folio *folio;
	u8 *kaddr;
	int err;

	static_assert(PAGE_SIZE % UPROBE_XOL_SLOT_BYTES == 0);

	err = shmem_get_folio(file_inode(area->file), index, 0, &folio, SGP_CACHE);
	if (err)
		return err;
	kaddr = kmap_local_page(folio_file_page(folio, index));
	if (fresh)
		memset(kaddr, UPROBE_SWBP_INSN, PAGE_SIZE);
	memcpy(kaddr + nr % XOL_SLOTS_PER_PAGE * UPROBE_XOL_SLOT_BYTES, image,
	       UPROBE_XOL_SLOT_BYTES);
	kunmap_local(kaddr);
	folio_mark_dirty(folio);
	folio_unlock(folio);
	folio_put(folio);
	return 0;
}

static int make_room(struct xol_area *area)
{
	unsigned int n = area->nr_pages;
	struct xol_page **pages;

	if (n && !is_power_of_2(n))
		return 0;
	pages = kvrealloc(area->pages, (n ? 2 * n : 1) * sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return -ENOMEM;
	area->pages = pages;
	return 0;
}

/* Take one more page into use. */
static int add_page(struct xol_area *area)
{
	u8 image[UPROBE_XOL_SLOT_BYTES];
	struct xol_page *page;
	int err;

	err = make_room(area);
	if (err)
		return err;
	page = kzalloc(sizeof(*page), GFP_KERNEL_ACCOUNT);
	if (!page)
		return -ENOMEM;
	memset(image, UPROBE_SWBP_INSN, sizeof(image));
	err = write_slot(area, area->nr_pages * XOL_SLOTS_PER_PAGE, image, true);
	if (err) {
		kfree(page);
		return err;
	}
	/* The trampoline: nobody's slot, and already the int3 that it consists of. */
	if (!area->nr_pages)
		page->used = 1;
	area->pages[area->nr_pages++] = page;
	return 0;
}

/* ----------------------------------------------------------------- area */

static char *area_name(struct dentry *dentry, char *buf, int len)
{
	return dynamic_dname(buf, len, "[uprobes]");
}

static const struct dentry_operations area_dentry_ops = {
	.d_dname = area_name,
};

static unsigned long area_bytes(void)
{
	return PAGE_ALIGN(xol_slot_limit() * UPROBE_XOL_SLOT_BYTES);
}

static struct file *area_file(void)
{
	struct file *file = shmem_kernel_file_setup("[uprobes]", area_bytes(), VM_NORESERVE);
	struct inode *inode;

	if (IS_ERR(file))
		return file;
	/* The name that tools look for in maps; nobody else can see this dentry yet. */
	file->f_path.dentry->d_op = &area_dentry_ops;
	inode = file_inode(file);
	inode->i_mode = S_IFREG | 0500;
	SHMEM_I(inode)->seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
				F_SEAL_FUTURE_WRITE;
	return file;
}

/* Where mmap() of a program of this kind begins to look for a hole, up or down. */
static unsigned long mmap_base_of(struct mm_struct *mm)
{
#ifdef CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES
	if (!is_64bit_mm(mm))
		return mm->mmap_compat_base;
#endif
	return mm->mmap_base;
}

/*
 * One page above the highest mapping, which is the stack or the vdso as a rule:
 * far from where the program's own mappings would ever go. Below 47 bits in any
 * case. If there is no room, which is so in 32 bit: where mmap() would put it, as
 * the hole below the stack is the stack's to grow into.
 */
static unsigned long area_place(struct mm_struct *mm)
{
	unsigned long limit = min_t(unsigned long, TASK_SIZE, DEFAULT_MAP_WINDOW);
	unsigned long base = min(mmap_base_of(mm), limit);
	struct vm_unmapped_area_info info = {
		.flags	    = VM_UNMAPPED_AREA_TOPDOWN,
		.length	    = area_bytes(),
		.low_limit  = max_t(unsigned long, PAGE_SIZE, mmap_min_addr),
		.high_limit = base,
	};
	VMA_ITERATOR(vmi, mm, limit);
	struct vm_area_struct *last;
	unsigned long addr;

	last = vma_prev(&vmi);
	addr = last ? last->vm_end + PAGE_SIZE : limit;
	if (addr < limit && limit - addr >= info.length &&
	    !find_vma_intersection(mm, addr, addr + info.length))
		return addr;

	if (test_bit(MMF_TOPDOWN, &mm->flags)) {
		addr = vm_unmapped_area(&info);
		if (!IS_ERR_VALUE(addr))
			return addr;
	}
	info.flags = 0;
	info.low_limit = max(base, info.low_limit);
	info.high_limit = limit;
	return vm_unmapped_area(&info);
}

static int map_area(struct mm_struct *mm, struct file *file, unsigned long at,
		    unsigned long *vaddr)
{
	unsigned long addr = at ?: area_place(mm), unused;
	/* mlockall(MCL_FUTURE) is about what the program maps. */
	unsigned long locked = mm->def_flags & VM_LOCKED_MASK;
	struct vm_area_struct *vma;

	mmap_assert_write_locked(mm);
	if (IS_ERR_VALUE(addr))
		return addr;
	mm->def_flags &= ~locked;
	addr = do_mmap(file, addr, area_bytes(), PROT_READ | PROT_EXEC,
		       MAP_PRIVATE | MAP_FIXED_NOREPLACE,
		       VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP, 0, &unused, NULL);
	mm->def_flags |= locked;
	if (IS_ERR_VALUE(addr))
		return addr;
	vma = vma_lookup(mm, addr);
	if (WARN_ON_ONCE(!vma || vma->vm_file != file))
		return -EFAULT;
	vm_flags_clear(vma, VM_MAYWRITE);
#ifdef VM_SEALED
	vm_flags_set(vma, VM_SEALED);
#endif
	*vaddr = addr;
	return 0;
}

/**
 * xol_area_make - make the area of the current mm if it has none
 * @um: current->mm's
 * @at: the address it must have, or 0
 *
 * Context: may sleep; takes mmap_lock.
 * Return: 0 or -errno.
 */
int xol_area_make(struct uprobe_mm *um, unsigned long at)
{
	struct mm_struct *mm = current->mm;
	unsigned long vaddr;
	struct file *file;
	int err;

	if (WARN_ON_ONCE(um->mm != mm))
		return -EINVAL;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	mutex_lock(&um->lock);
	err = 0;
	if (um->area.vaddr)
		goto unlock;
	file = area_file();
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto unlock;
	}
	um->area.file = file;
	um->area.limit = xol_slot_limit();
	err = add_page(&um->area);
	if (!err)
		err = map_area(mm, file, at, &vaddr);
	if (err) {
		xol_area_free(um);
		goto unlock;
	}
	/* Pairs with the reads without a lock: who sees it may send threads there. */
	smp_store_release(&um->area.vaddr, vaddr);
	uprobe_stat_inc(UPROBE_STAT_AREAS);
unlock:
	mutex_unlock(&um->lock);
	mmap_write_unlock(mm);
	return err;
}

/**
 * xol_area_free - forget the area
 * @um: @um->lock held; nothing is mapped any more, or nobody is left to see it
 */
void xol_area_free(struct uprobe_mm *um)
{
	struct xol_area *area = &um->area;

	lockdep_assert_held(&um->lock);
	WRITE_ONCE(area->vaddr, 0);
	while (area->nr_pages)
		kfree(area->pages[--area->nr_pages]);
	kvfree(area->pages);
	area->pages = NULL;
	area->full = 0;
	WARN_ON_ONCE(area->used);
	if (area->file)
		fput(area->file);
	area->file = NULL;
}

/* madvise() splits it where it is told about a part of it, which no seal keeps off. */
static void change_area(struct uprobe_mm *um, unsigned long vaddr, vm_flags_t set,
			vm_flags_t clear)
{
	VMA_ITERATOR(vmi, um->mm, vaddr);
	struct vm_area_struct *vma;

	mmap_assert_write_locked(um->mm);
	for_each_vma_range(vmi, vma, vaddr + area_bytes())
		if (vma->vm_file == um->area.file)
			vm_flags_mod(vma, set, clear);
}

#ifdef VM_SEALED

/* All that is mapped there is the area. */
static bool unmap_area(struct uprobe_mm *um, unsigned long vaddr)
{
	change_area(um, vaddr, 0, VM_SEALED);
	if (!do_munmap(um->mm, vaddr, area_bytes(), NULL))
		return true;
	change_area(um, vaddr, VM_SEALED, 0);
	return false;
}

#else

/* What the program has mapped there in place of it stays: see xol_area_intact(). */
static bool unmap_area(struct uprobe_mm *um, unsigned long vaddr)
{
	unsigned long end = vaddr + area_bytes(), start;
	struct vm_area_struct *vma;

	while ((vma = find_vma_intersection(um->mm, vaddr, end))) {
		start = vma->vm_start;
		vaddr = vma->vm_end;
		if (vma->vm_file == um->area.file &&
		    do_munmap(um->mm, start, vaddr - start, NULL))
			return false;
	}
	return true;
}

#endif

/**
 * xol_area_drop - unmap the area if it is of no use any more
 * @um: its mm has users, mmap_lock held for writing; @um->lock held
 *
 * Context: current->mm is the mm.
 * Return: false if it is in use.
 */
bool xol_area_drop(struct uprobe_mm *um)
{
	struct xol_area *area = &um->area;
	unsigned long vaddr;

	mmap_assert_write_locked(um->mm);
	lockdep_assert_held(&um->lock);

	vaddr = area->vaddr;
	if (!vaddr)
		return true;
	if (area->used || atomic_read(&um->pending))
		return false;
	WRITE_ONCE(area->vaddr, 0);
	/*
	 * Pairs with enter_by_trampoline(), which counts itself as pending before it
	 * reads the address.
	 */
	smp_mb();
	if (atomic_read(&um->pending)) {
		WRITE_ONCE(area->vaddr, vaddr);
		return false;
	}

	if (!unmap_area(um, vaddr)) {
		WRITE_ONCE(area->vaddr, vaddr);
		return false;
	}
	xol_area_free(um);
	return true;
}

/**
 * xol_area_keep_private - fork() is about to copy the mm
 * @um: mmap_lock of its mm held for writing
 *
 * The program may have said MADV_DOFORK, which no seal keeps off.
 */
void xol_area_keep_private(struct uprobe_mm *um)
{
	if (um->area.vaddr)
		change_area(um, um->area.vaddr, VM_DONTCOPY | VM_DONTDUMP, 0);
}

#ifndef VM_SEALED
/**
 * xol_area_intact - does the slot hold what was written to it?
 * @um: current->mm's
 * @slot: the slot
 * @insn: what it is for
 *
 * Where mappings cannot be sealed the program may have unmapped the area, or
 * put something else there.
 *
 * Context: may sleep.
 * Return: true if so.
 */
bool xol_area_intact(struct uprobe_mm *um, unsigned long slot, const struct arch_uprobe *insn)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	bool intact;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, slot);
	intact = vma && vma->vm_file == um->area.file &&
		 (vma->vm_flags & (VM_EXEC | VM_MAYWRITE)) == VM_EXEC &&
		 vma_offset_of(vma, slot) == slot - um->area.vaddr;
	mmap_read_unlock(mm);
	return intact;
}
#endif

/* ---------------------------------------------------------------- slots */

/* A slot that nobody owns, or -1. */
static int find_free(struct xol_area *area)
{
	unsigned int p, i;

	for (p = area->full; p < area->nr_pages; p++) {
		struct xol_page *page = area->pages[p];

		if (page->used == XOL_SLOTS_PER_PAGE) {
			area->full = p + 1;
			continue;
		}
		for (i = p ? 0 : 1; i < XOL_SLOTS_PER_PAGE; i++) {
			if (p * XOL_SLOTS_PER_PAGE + i >= area->limit)
				return -1;
			if (!page->owner[i])
				return p * XOL_SLOTS_PER_PAGE + i;
		}
	}
	if (area->nr_pages * XOL_SLOTS_PER_PAGE >= area->limit || add_page(area))
		return -1;
	return p * XOL_SLOTS_PER_PAGE + (p ? 0 : 1);
}

static void disown(struct xol_area *area, unsigned int nr)
{
	struct xol_page *page = area->pages[nr / XOL_SLOTS_PER_PAGE];

	page->owner[nr % XOL_SLOTS_PER_PAGE] = NULL;
	area->full = min_t(unsigned int, area->full, nr / XOL_SLOTS_PER_PAGE);
	page->used--;
	area->used--;
}

static void own(struct xol_area *area, unsigned int nr, struct uprobe_site *site)
{
	struct xol_page *page = area->pages[nr / XOL_SLOTS_PER_PAGE];

	page->owner[nr % XOL_SLOTS_PER_PAGE] = site;
	page->used++;
	area->used++;
}

/* How long ago @site was hit; another CPU's clock may be a little ahead. */
static unsigned long age_of(const struct uprobe_site *site, unsigned long now)
{
	long age = now - READ_ONCE(site->last_hit);

	return max(age, 0L);
}

/* The slot whose owner was hit longest ago, of those that are not busy; or -1. */
static int find_oldest(struct xol_area *area, unsigned long now)
{
	unsigned long oldest_age = 0;
	int oldest = -1;
	unsigned int p, i;

	for (p = 0; p < area->nr_pages; p++) {
		for (i = 0; i < XOL_SLOTS_PER_PAGE; i++) {
			struct uprobe_site *site = area->pages[p]->owner[i];
			unsigned long age;

			if (!site || test_bit(i, area->pages[p]->busy))
				continue;
			age = age_of(site, now);
			if (oldest < 0 || age > oldest_age) {
				oldest_age = age;
				oldest = p * XOL_SLOTS_PER_PAGE + i;
			}
		}
	}
	return oldest;
}

/* Try to take a slot from its owner. */
static bool steal(struct uprobe_mm *um, unsigned int nr)
{
	struct xol_area *area = &um->area;
	struct uprobe_site *owner =
		area->pages[nr / XOL_SLOTS_PER_PAGE]->owner[nr % XOL_SLOTS_PER_PAGE];
	unsigned long slot = slot_vaddr(area, nr);

	WRITE_ONCE(owner->slot, 0);
	/* See the two columns at the top. */
	smp_mb();
	if (uprobe_threads_name_slot(um, slot)) {
		WRITE_ONCE(owner->slot, slot);
		return false;
	}
	disown(area, nr);
	uprobe_stat_inc(UPROBE_STAT_STEALS);
	return true;
}

/* Take the slot that was hit longest ago and that no thread is in; or -1. */
static int find_victim(struct uprobe_mm *um, unsigned long now)
{
	struct xol_area *area = &um->area;
	unsigned int p;
	int nr;

	for (p = 0; p < area->nr_pages; p++)
		bitmap_zero(area->pages[p]->busy, XOL_SLOTS_PER_PAGE);
	/* At most once more than there are threads in slots. */
	while ((nr = find_oldest(area, now)) >= 0 && !steal(um, nr)) {
		cond_resched();
		__set_bit(nr % XOL_SLOTS_PER_PAGE, area->pages[nr / XOL_SLOTS_PER_PAGE]->busy);
	}
	return nr;
}

/**
 * xol_slot_get - the slot of a site, found, made or stolen
 * @site: of current->mm; the caller keeps it
 * @t: current's; names the slot afterwards, so that it is not stolen again
 *
 * Context: may sleep; no locks held.
 * Return: the slot's address; 0 if every slot is being executed at the moment;
 * an error pointer value if there can be no slot.
 */
unsigned long xol_slot_get(struct uprobe_site *site, struct uprobe_thread *t)
{
	struct uprobe_mm *um = site->um;
	u8 image[UPROBE_XOL_SLOT_BYTES];
	unsigned long slot;
	int nr, err;

	do {
		if (!READ_ONCE(um->area.vaddr)) {
			err = xol_area_make(um, 0);
			if (err)
				return err;
		}
		mutex_lock(&um->lock);
		if (um->area.vaddr)
			break;
		mutex_unlock(&um->lock);
	} while (true);

	slot = site->slot;
	if (slot)
		goto unlock;
	nr = find_free(&um->area);
	if (nr < 0)
		nr = find_victim(um, xol_clock());
	if (nr < 0)
		goto unlock;

	slot = slot_vaddr(&um->area, nr);
	arch_uprobe_slot_image(site->insn, site->vaddr, slot, image);
	err = write_slot(&um->area, nr, image, false);
	if (err) {
		slot = err;
		goto unlock;
	}
	own(&um->area, nr, site);
	/* Not the next victim at once. */
	WRITE_ONCE(site->last_hit, xol_clock());
	/* Written before it is seen. Pairs with the read in the hit path. */
	smp_store_release(&site->slot, slot);
unlock:
	/* Thieves hold the lock: the next one sees it. */
	if (slot && !IS_ERR_VALUE(slot))
		WRITE_ONCE(t->slot, slot);
	mutex_unlock(&um->lock);
	return slot;
}

/**
 * xol_slot_release - a site that goes gives back its slot
 * @site: unhashed, no thread names it; @site->um->lock held
 */
void xol_slot_release(struct uprobe_site *site)
{
	struct xol_area *area = &site->um->area;

	lockdep_assert_held(&site->um->lock);
	if (!site->slot)
		return;
	disown(area, (site->slot - area->vaddr) / UPROBE_XOL_SLOT_BYTES);
	site->slot = 0;
}
