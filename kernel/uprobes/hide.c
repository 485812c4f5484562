// SPDX-License-Identifier: GPL-2.0-only
/*
 * The text of a process as others find it: without our breakpoints.
 *
 * Debuggers, /proc/PID/mem, process_vm_readv() and core files read the original
 * byte where our int3 is. What they write there goes underneath: our int3 stays
 * in memory, and what the place has for everybody else is kept beside the site.
 * It is one of two bytes:
 *
 *	the original	an ordinary site
 *	int3		a debugger's breakpoint, uprobe_site->under. After the
 *			probe's handlers a hit goes on to the program as SIGTRAP.
 *			When the site goes, the int3 in memory is the debugger's
 *
 * Any other byte changes the program: it goes to memory and bars the site. Where
 * the debugger was first the site is barred too, until he puts back the original.
 *
 * The program itself reads memory as it is: nothing could be shown to it but by
 * taking away its right to read the page, and then each read would trap.
 *
 * Everything here happens with mmap_lock held for reading at least, so that sites
 * do not go, and um->lock, so that each copy is made before or after another.
 */
#include <linux/cacheflush.h>
#include <linux/highmem.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "internal.h"

/* fork() has brought breakpoints: make the sites of those in a range. */
static void adopt_range(struct uprobe_mm *um, struct vm_area_struct *vma,
			unsigned long start, unsigned long end)
{
	loff_t offset = vma_offset_of(vma, start), last = vma_offset_of(vma, end - 1);
	struct probed_file *file = probed_file_find(file_inode(vma->vm_file));
	struct uprobe_site *site;
	struct probepoint *pp;

	if (!file)
		return;
	while ((pp = probepoint_find(file, offset, last))) {
		unsigned long vaddr = vma_vaddr_of(vma, pp->offset);

		offset = pp->offset + 1;
		site = site_find(um, vaddr) ? NULL : adopt_site(um, pp, vaddr);
		if (IS_ERR(site))
			uprobe_drop(pp, UPROBE_DROP_NOMEM);
		else if (site)
			/* Whether it is wanted here is for its first hit to ask. */
			site_mark_stale(site);
		probepoint_put(pp);
	}
	probed_file_put(file);
}

/*
 * So many are known by their addresses. More are in no debugger's use, but can be written:
 * where they are an int3 without a site is the program's own.
 */
#define FOREIGN_LIMIT	SZ_16K

static void lose_foreign(struct uprobe_mm *um, unsigned long from, unsigned long to)
{
	lockdep_assert_held(&um->lock);
	um->foreign_from = um->foreign_to ? min(um->foreign_from, from) : from;
	um->foreign_to = max(um->foreign_to, to);
}

/* What a note says */
#define FOREIGN_THERE	xa_mk_value(0)
#define FOREIGN_DOUBT	xa_mk_value(1)	/* unless the mapping has gone since */

/**
 * note_foreign - somebody else's int3 is there, or is not any more
 * @um: the mm's probes, @um->lock held
 * @vaddr: where
 * @there: is it?
 */
void note_foreign(struct uprobe_mm *um, unsigned long vaddr, bool there)
{
	void *old;

	lockdep_assert_held(&um->lock);
	if (!there) {
		if (xa_erase(&um->foreign, vaddr))
			um->nr_foreign--;
		return;
	}
	if (um->nr_foreign >= FOREIGN_LIMIT) {
		lose_foreign(um, vaddr, vaddr + 1);
		return;
	}
	old = xa_store(&um->foreign, vaddr, FOREIGN_THERE, GFP_KERNEL_ACCOUNT);
	if (xa_is_err(old))
		uprobe_drop(NULL, UPROBE_DROP_NOMEM);
	else if (!old)
		um->nr_foreign++;
}

/**
 * doubt_foreign - the text of a range may go, and what was written to it
 * @um: the mm's probes
 * @start: first address
 * @end: first address behind
 *
 * Or stay, where its mapping is only split.
 *
 * Context: as for sites_mark_stale().
 */
void doubt_foreign(struct uprobe_mm *um, unsigned long start, unsigned long end)
{
	unsigned long vaddr;
	bool any = false;
	void *entry;

	if (likely(xa_empty(&um->foreign)))
		return;
	xa_for_each_range(&um->foreign, vaddr, entry, start, end - 1) {
		/* Not one that has been erased meanwhile. */
		xa_cmpxchg(&um->foreign, vaddr, FOREIGN_THERE, FOREIGN_DOUBT, GFP_ATOMIC);
		any = true;
	}
	if (!any)
		return;
	WRITE_ONCE(um->foreign_doubt, true);
	reclaim_kick(um);
}

/**
 * settle_foreign - forget what was written to text that has gone
 * @um: the mm's probes, @um->lock and its mmap_lock held
 *
 * Where there is text the note stays, with what is there: if that is no int3 any more
 * nobody asks for the note.
 */
void settle_foreign(struct uprobe_mm *um)
{
	struct vm_area_struct *vma;
	unsigned long vaddr;
	void *entry;

	mmap_assert_locked(um->mm);
	lockdep_assert_held(&um->lock);
	xa_for_each(&um->foreign, vaddr, entry) {
		if (entry != FOREIGN_DOUBT)
			continue;
		vma = vma_lookup(um->mm, vaddr);
		if (vma && text_vma_could(vma))
			xa_cmpxchg(&um->foreign, vaddr, entry, FOREIGN_THERE, GFP_KERNEL_ACCOUNT);
		else
			note_foreign(um, vaddr, false);
		cond_resched();
	}
}

/* @len bytes were written where no site is planted, or one that has just been barred. */
static void note_written(struct uprobe_mm *um, unsigned long vaddr, const u8 *bytes, size_t len)
{
	struct uprobe_site *site;
	bool planted;
	size_t i;

	for (i = 0; i < len; i++, vaddr++) {
		if (bytes[i] != UPROBE_SWBP_INSN && xa_empty(&um->foreign))
			continue;
		site = bytes[i] == UPROBE_SWBP_INSN ? site_find(um, vaddr) : NULL;
		planted = site && site->state == SITE_PLANTED;
		note_foreign(um, vaddr, bytes[i] == UPROBE_SWBP_INSN && !planted);
	}
}

/* Returns with @um->lock held, or NULL if there is nothing of ours in @vma. */
static struct uprobe_mm *lock_sites(struct vm_area_struct *vma, unsigned long start,
				    unsigned long end)
{
	struct mm_struct *mm = vma->vm_mm;
	struct uprobe_mm *um;

	mmap_assert_locked(mm);
	if (likely(!test_bit(MMF_HAS_UPROBES, &mm->flags)) || !text_vma_could(vma))
		return NULL;
	um = uprobe_mm_get(mm);
	if (!um) {
		uprobe_drop(NULL, UPROBE_DROP_NOMEM);
		return NULL;
	}
	mutex_lock(&um->lock);
	if (um->inherited)
		adopt_range(um, vma, start, end);
	return um;
}

/* The first site of this mapping in a range. One that is stale may be of another. */
static struct uprobe_site *first_site(struct uprobe_mm *um, struct vm_area_struct *vma,
				      unsigned long start, unsigned long end)
{
	struct uprobe_site *site;

	do {
		site = site_first_from(um, start);
		if (!site || site->vaddr >= end)
			return NULL;
		start = site->vaddr + 1;
	} while (file_inode(vma->vm_file) != site->pp->file->inode ||
		 vma_offset_of(vma, site->vaddr) != site->pp->offset);
	return site;
}

/* In @dst, what is at @vaddr and @len bytes long: no breakpoints of ours. */
static void show_originals(struct uprobe_mm *um, struct vm_area_struct *vma, unsigned long vaddr,
			   u8 *dst, size_t len)
{
	unsigned long end = vaddr + len;
	struct uprobe_site *site;

	lockdep_assert_held(&um->lock);
	for (site = first_site(um, vma, vaddr, end); site;
	     site = first_site(um, vma, site->vaddr + 1, end)) {
		u8 *byte = dst + (site->vaddr - vaddr);

		if (site->state == SITE_PLANTED && !site->under && *byte == UPROBE_SWBP_INSN)
			*byte = site->insn->insn[0];
	}
}

/**
 * uprobe_copy_from_user_page - read for somebody else
 * @vma: a mapping, its mmap_lock held
 * @page: a page of it
 * @vaddr: the address to read from, in @page
 * @dst: the buffer
 * @src: where @vaddr is mapped for the kernel
 * @len: how many bytes, within @page
 *
 * Context: may sleep.
 */
void uprobe_copy_from_user_page(struct vm_area_struct *vma, struct page *page,
				unsigned long vaddr, void *dst, const void *src, size_t len)
{
	struct uprobe_mm *um = lock_sites(vma, vaddr, vaddr + len);

	copy_from_user_page(vma, page, vaddr, dst, src, len);
	if (likely(!um))
		return;
	show_originals(um, vma, vaddr, dst, len);
	mutex_unlock(&um->lock);
}

/* Somebody writes @byte where @site is; @text is the place, the rest has been written. */
static void write_at_site(struct uprobe_site *site, struct vm_area_struct *vma, u8 *text, u8 byte)
{
	u8 original = site->insn->insn[0];

	lockdep_assert_held(&site->um->lock);
	if (site->state == SITE_PLANTED) {
		WRITE_ONCE(site->under, byte == UPROBE_SWBP_INSN);
		if (byte == UPROBE_SWBP_INSN)
			site->um->any_under = true;
		else if (byte != original)
			bar_site(site, UPROBE_DROP_CHANGED);
		else if (*text == UPROBE_SWBP_INSN)
			return;
		WRITE_ONCE(*text, byte);
		return;
	}

	WRITE_ONCE(*text, byte);
	if (byte != original || !text_vma_ok(vma) ||
	    !(retpoint_is(site->pp) || probepoint_wanted(site->pp, vma->vm_mm)) ||
	    text_look(vma->vm_mm, site->vaddr, site->insn) != TEXT_ORIGINAL)
		return;
	/* What barred it has gone. The state comes first: see plant(). */
	WRITE_ONCE(site->under, false);
	site_set_state(site, SITE_PLANTED);
	WRITE_ONCE(*text, UPROBE_SWBP_INSN);
	refctr_inc(site);
}

/**
 * uprobe_copy_to_user_page - write for somebody else
 * @vma: a mapping, its mmap_lock held
 * @page: a page of it, to be written to
 * @vaddr: the address to write to, in @page
 * @dst: where @vaddr is mapped for the kernel
 * @src: the bytes
 * @len: how many, within @page
 *
 * Context: may sleep.
 */
void uprobe_copy_to_user_page(struct vm_area_struct *vma, struct page *page,
			      unsigned long vaddr, void *dst, const void *src, size_t len)
{
	unsigned long at = vaddr, end = vaddr + len;
	struct uprobe_mm *um = lock_sites(vma, vaddr, end);
	struct uprobe_site *site;

	if (likely(!um)) {
		copy_to_user_page(vma, page, vaddr, dst, src, len);
		return;
	}
	/* First what is between: a site is looked at with its whole instruction. */
	for (site = first_site(um, vma, at, end); site; site = first_site(um, vma, at, end)) {
		copy_to_user_page(vma, page, at, dst + (at - vaddr), src + (at - vaddr),
				  site->vaddr - at);
		at = site->vaddr + 1;
	}
	copy_to_user_page(vma, page, at, dst + (at - vaddr), src + (at - vaddr), end - at);

	for (site = first_site(um, vma, vaddr, end); site;
	     site = first_site(um, vma, site->vaddr + 1, end))
		write_at_site(site, vma, dst + (site->vaddr - vaddr),
			      *(const u8 *)(src + (site->vaddr - vaddr)));
	note_written(um, vaddr, src, len);
	/* With the instructions that begin before and end in it. */
	for (site = first_site(um, vma, vaddr - (MAX_UINSN_BYTES - 1), end); site;
	     site = first_site(um, vma, site->vaddr + 1, end))
		WRITE_ONCE(site->loose, true);
	mutex_unlock(&um->lock);
}

/**
 * uprobe_copy_page_to_iter - process_vm_readv()
 * @mm: who is read; the caller holds users of it, and no lock
 * @vaddr: an address
 * @page: the page that is or was there, pinned
 * @offset: of @vaddr in @page
 * @len: how many bytes, within @page
 * @to: where they go
 *
 * Where there may be breakpoints the bytes take a way round: our text is changed
 * under mmap_lock, which cannot be held while they are written to the reader.
 *
 * Context: may sleep.
 * Return: how many bytes were copied.
 */
size_t uprobe_copy_page_to_iter(struct mm_struct *mm, unsigned long vaddr, struct page *page,
				size_t offset, size_t len, struct iov_iter *to)
{
	struct vm_area_struct *vma;
	void *buf = NULL, *src;
	bool text;

	if (likely(!test_bit(MMF_HAS_UPROBES, &mm->flags)))
		return copy_page_to_iter(page, offset, len, to);

	mmap_read_lock(mm);
	vaddr = untagged_addr_remote(mm, vaddr);
	vma = vma_lookup(mm, vaddr);
	text = vma && text_vma_could(vma);
	if (text)
		buf = kmalloc(len, GFP_KERNEL);
	if (buf) {
		src = kmap_local_page(page);
		uprobe_copy_from_user_page(vma, page, vaddr, buf, src + offset, len);
		kunmap_local(src);
	}
	mmap_read_unlock(mm);
	if (!text)
		return copy_page_to_iter(page, offset, len, to);
	len = buf ? copy_to_iter(buf, len, to) : 0;
	kfree(buf);
	return len;
}

#ifdef CONFIG_ELF_CORE
/**
 * uprobe_get_dump_page - a page for the core file
 * @vaddr: its address
 *
 * Context: current dumps core, may sleep.
 * Return: as get_dump_page(): a page, referenced, or NULL.
 */
struct page *uprobe_get_dump_page(unsigned long vaddr)
{
	struct page *page = get_dump_page(vaddr), *copy = NULL;
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	struct uprobe_mm *um;
	void *src, *dst;
	bool poisoned;

	if (!page || likely(!test_bit(MMF_HAS_UPROBES, &mm->flags)))
		return page;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, vaddr);
	if (vma && text_vma_could(vma))
		copy = alloc_page(GFP_KERNEL);
	if (copy) {
		um = lock_sites(vma, vaddr, vaddr + PAGE_SIZE);
		src = kmap_local_page(page);
		dst = kmap_local_page(copy);
		/* Then the caller finds that out as well, and leaves a hole. */
		poisoned = copy_mc_to_kernel(dst, src, PAGE_SIZE);
		if (um && !poisoned)
			show_originals(um, vma, vaddr, dst, PAGE_SIZE);
		kunmap_local(dst);
		kunmap_local(src);
		if (um)
			mutex_unlock(&um->lock);
		if (poisoned) {
			__free_page(copy);
			copy = NULL;
		}
	}
	mmap_read_unlock(mm);
	if (!copy)
		return page;
	put_page(page);
	return copy;
}
#endif

/**
 * inherit_under - fork() copies text with a debugger's breakpoints under ours
 * @um: the parent's probes; its mmap_lock is held for writing
 * @newmm: the child's mm, which has no mappings yet
 *
 * The other sites of the child are made when they are needed. Of these nobody
 * could tell afterwards that the int3 is somebody else's too.
 */
void inherit_under(struct uprobe_mm *um, struct mm_struct *newmm)
{
	struct uprobe_mm *child;
	struct uprobe_site *site, *copy;
	unsigned long vaddr;
	struct rb_node *n;
	void *entry;

	mmap_assert_write_locked(um->mm);
	if (likely(!um->any_under && !um->foreign_to && xa_empty(&um->foreign)))
		return;
	child = uprobe_mm_get(newmm);
	if (!child) {
		uprobe_drop(NULL, UPROBE_DROP_NOMEM);
		return;
	}
	mutex_lock(&um->lock);
	mutex_lock_nested(&child->lock, SINGLE_DEPTH_NESTING);
	for (n = rb_first(&um->index); n; n = rb_next(n)) {
		site = rb_entry(n, struct uprobe_site, node);
		/* Where track was lost none would be adopted. */
		if (site->state != SITE_PLANTED ||
		    !(site->under || is_foreign(um, site->vaddr)))
			continue;
		copy = site_add(child, site->pp, site->vaddr);
		if (!copy) {
			uprobe_drop(site->pp, UPROBE_DROP_NOMEM);
			continue;
		}
		copy->under = site->under;
		if (site->returns)
			site_set_returns(copy);
		copy->ref_ctr = site->ref_ctr;
		/* Its mapping need not be copied. */
		site_doubt(copy);
		site_set_state(copy, SITE_PLANTED);
		child->any_under |= site->under;
	}
	xa_for_each(&um->foreign, vaddr, entry)
		note_foreign(child, vaddr, true);
	if (um->foreign_to)
		lose_foreign(child, um->foreign_from, um->foreign_to);
	mutex_unlock(&child->lock);
	mutex_unlock(&um->lock);
}
