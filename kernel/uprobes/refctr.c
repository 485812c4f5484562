// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ref counters (SDT semaphores): a 16-bit counter in the data of a program that
 * is one higher for each site that is planted for it. The program tests it to
 * see whether anybody listens.
 *
 * A counter's mapping may come after the text's: a site remembers whether it
 * has counted.
 */
#include <linux/highmem.h>
#include <linux/mm.h>

#include "internal.h"

/* Is the counter of @pp in @vma? Private and writable: data, as loaded. */
static bool holds_ref_ctr(struct vm_area_struct *vma, struct probepoint *pp)
{
	unsigned long vaddr = vma_vaddr_of(vma, pp->ref_ctr_offset);

	return vma->vm_file && file_inode(vma->vm_file) == pp->file->inode &&
	       (vma->vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE &&
	       vma_offset_of(vma, vma->vm_start) <= pp->ref_ctr_offset &&
	       vaddr >= vma->vm_start && vaddr < vma->vm_end;
}

static struct vm_area_struct *find_ref_ctr(struct mm_struct *mm, struct probepoint *pp)
{
	VMA_ITERATOR(vmi, mm, 0);
	struct vm_area_struct *vma;

	for_each_vma(vmi, vma)
		if (holds_ref_ctr(vma, pp))
			return vma;
	return NULL;
}

/* Returns 0; -ERANGE if the program has changed it; or -errno if its page cannot be had. */
static int add_to_ref_ctr(struct uprobe_site *site, struct vm_area_struct *vma, int delta)
{
	unsigned long vaddr = vma_vaddr_of(vma, site->pp->ref_ctr_offset);
	struct page *page;
	int err = 0;
	s16 *ctr;

	page = text_get_page(vma->vm_mm, vaddr, FOLL_WRITE, &vma);
	if (IS_ERR(page)) {
		err = PTR_ERR(page);
		goto out;
	}
	ctr = kmap_local_page(page) + offset_in_page(vaddr);
	/* Aligned at registration: within the page, and one access. */
	if (*ctr + delta >= 0 && *ctr + delta <= S16_MAX)
		WRITE_ONCE(*ctr, *ctr + delta);
	else
		err = -ERANGE;
	kunmap_local(ctr);
	if (!err)
		set_page_dirty_lock(page);
	put_page(page);
out:
	if (err)
		uprobe_drop(site->pp, UPROBE_DROP_REF_CTR);
	return err;
}

/**
 * refctr_inc - a site has been planted
 * @site: @site->um->lock and its mmap_lock held
 *
 * If the counter is not mapped yet, refctr_mapped() will do it.
 */
void refctr_inc(struct uprobe_site *site)
{
	struct vm_area_struct *vma;

	lockdep_assert_held(&site->um->lock);
	if (!site->pp->ref_ctr_offset || site->ref_ctr)
		return;
	vma = find_ref_ctr(site->um->mm, site->pp);
	if (vma)
		site->ref_ctr = !add_to_ref_ctr(site, vma, 1);
}

/**
 * refctr_leave - a site goes, and its count stays
 * @site: as for refctr_inc()
 */
void refctr_leave(struct uprobe_site *site)
{
	lockdep_assert_held(&site->um->lock);
	site->ref_ctr = false;
	site->ref_ctr_came = false;
}

/**
 * refctr_dec - a planted site goes
 * @site: as for refctr_inc()
 *
 * If it does not go after all, and the page could not be had, the next time will do.
 */
void refctr_dec(struct uprobe_site *site)
{
	struct vm_area_struct *vma;
	int err = 0;

	lockdep_assert_held(&site->um->lock);
	if (!site->ref_ctr)
		return;
	vma = find_ref_ctr(site->um->mm, site->pp);
	if (vma)
		err = add_to_ref_ctr(site, vma, -1);
	if (!err || err == -ERANGE)
		refctr_leave(site);
}

/**
 * refctr_disown - a planted site stays, but not for who would have it counted
 * @site: as for refctr_inc()
 *
 * What came with fork() may or may not have been counted by the parent. A counter
 * that is too high makes the program do a little more; one that is too low loses
 * the events of others.
 */
void refctr_disown(struct uprobe_site *site)
{
	lockdep_assert_held(&site->um->lock);
	if (site->ref_ctr_came)
		site->ref_ctr = false;
	else
		refctr_dec(site);
	site->ref_ctr_came = false;
}

/**
 * refctr_adopt - a site for a breakpoint that came with fork()
 * @site: as for refctr_inc()
 *
 * The data came with it, and in it the parent's count for this site.
 */
void refctr_adopt(struct uprobe_site *site)
{
	lockdep_assert_held(&site->um->lock);
	if (site->pp->ref_ctr_offset)
		site->ref_ctr = find_ref_ctr(site->um->mm, site->pp);
	site->ref_ctr_came = site->ref_ctr;
}

/**
 * refctr_mapped - data of a file has been mapped: count for sites that wait for it
 * @um: the mm's probes
 * @vma: a private writable mapping of a file; mmap_lock held
 */
void refctr_mapped(struct uprobe_mm *um, struct vm_area_struct *vma)
{
	struct uprobe_site *site;
	struct rb_node *n;

	mutex_lock(&um->lock);
	for (n = rb_first(&um->index); n; n = rb_next(n)) {
		site = rb_entry(n, struct uprobe_site, node);
		if (site->state == SITE_PLANTED && site->pp->ref_ctr_offset &&
		    !site->ref_ctr && holds_ref_ctr(vma, site->pp))
			site->ref_ctr = !add_to_ref_ctr(site, vma, 1);
	}
	mutex_unlock(&um->lock);
}
