// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to an mm: mappings come and go, it is copied, it ends.
 *
 * Processes that are not probed pay one test in each of these hooks.
 */
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "internal.h"

/* Apart, so that mappings of files without probes do not pay for its frame. */
static noinline void plant_in_mapping(struct vm_area_struct *vma, struct probed_file *file)
{
	struct mm_struct *mm = vma->vm_mm;
	struct text_page text = { };
	struct probepoint *pp;
	loff_t offset, last;
	bool planted;

	offset = vma_offset_of(vma, vma->vm_start);
	last = offset + (vma->vm_end - vma->vm_start) - 1;
	while (!fatal_signal_pending(current) && (pp = probepoint_find(file, offset, last))) {
		offset = pp->offset + 1;
		if (!text_vma_ok(vma))
			uprobe_drop(pp, UPROBE_DROP_MAPPING);
		else if (probepoint_wanted(pp, mm) &&
			 insert_site(pp, vma, vma_vaddr_of(vma, pp->offset), &text, true,
				     &planted) == -ENOMEM)
			uprobe_drop(pp, UPROBE_DROP_NOMEM);
		probepoint_put(pp);
		cond_resched();
	}
	text_page_put(&text);
	probed_file_put(file);
}

/**
 * uprobe_mmap - a mapping has come, or has changed its protection or its bounds
 * @vma: the mapping, linked; mmap_lock is held for writing
 *
 * Plants what is wanted there. What cannot be planted is counted.
 *
 * Context: may sleep.
 * Return: 0; mmap() does not fail because of a probe.
 */
int uprobe_mmap(struct vm_area_struct *vma)
{
	struct probed_file *file;
	struct uprobe_mm *um;

	if (!probepoints_exist() || !vma->vm_file)
		return 0;

	um = uprobe_mm_of(vma->vm_mm);
	if (um && (vma->vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE) {
		refctr_mapped(um, vma);
		/* Text that may be written to from now on: see @loose. */
		sites_mark_stale(um, vma->vm_start, vma->vm_end);
	}

	if (!(vma->vm_flags & VM_EXEC))
		return 0;
	file = probed_file_find(file_inode(vma->vm_file));
	if (file)
		plant_in_mapping(vma, file);
	return 0;
}

/**
 * uprobe_munmap - pages of a mapping are about to go
 * @vma: the mapping of a file
 * @start: the first address
 * @end: the first behind
 *
 * Called for a mapping that ends, moves or changes its bounds, and for one whose
 * pages are dropped (truncation, MADV_DONTNEED), with mmap_lock or i_mmap_rwsem.
 */
void uprobe_munmap(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	struct uprobe_mm *um;

	/* Truncation holds no user of the mm, which may be ending. */
	rcu_read_lock();
	um = uprobe_mm_of(vma->vm_mm);
	if (um && atomic_read(&vma->vm_mm->mm_users) && text_vma_could(vma)) {
		doubt_foreign(um, start, end);
		sites_mark_stale(um, start, end);
	}
	rcu_read_unlock();
}

/**
 * uprobe_dup_mmap - fork() is about to copy an mm
 * @oldmm: the parent's, mmap_lock held for writing
 * @newmm: the child's, not in use yet
 *
 * The breakpoints are copied with the text. Their sites are made when they are
 * hit, or looked at: most children exec first.
 */
void uprobe_dup_mmap(struct mm_struct *oldmm, struct mm_struct *newmm)
{
	struct uprobe_mm *um = uprobe_mm_of(oldmm);

	mmap_assert_write_locked(oldmm);
	if (um ? um->inherited || !RB_EMPTY_ROOT(&um->index) :
		 test_bit(MMF_HAS_UPROBES, &oldmm->flags))
		set_bit(MMF_HAS_UPROBES, &newmm->flags);
	if (!um)
		return;
	/* See insert.c. */
	WRITE_ONCE(um->forks, um->forks + 1);
	inherit_under(um, newmm);
	xol_area_keep_private(um);
}

/**
 * uprobe_clear_state - the last user of an mm has gone
 * @mm: the mm; its mappings are still there, its threads are not
 *
 * Context: may sleep.
 */
void uprobe_clear_state(struct mm_struct *mm)
{
	struct uprobe_mm *um = uprobe_mm_of(mm);

	/* Files may be mapped nowhere any more. */
	if (unlikely(test_bit(MMF_HAS_UPROBES, &mm->flags)))
		retpoint_tidy_later();
	if (likely(!um))
		return;

	returns_end(um);
	mutex_lock(&um->lock);
	um->gone = true;
	sites_end(um);
	xol_area_free(um);
	mutex_unlock(&um->lock);

	WRITE_ONCE(mm->uprobes_state.xol_area, NULL);
	uprobe_mm_put(um);
}
