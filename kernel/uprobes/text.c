// SPDX-License-Identifier: GPL-2.0-only
/*
 * One instruction in the text of an mm: read it, put int3 over it, take it away.
 * Knows pages, not probes.
 *
 * Text is a private mapping of a file. Writing goes through the ordinary fault
 * path, as a debugger's does: it breaks copy-on-write, charges the page to the
 * process, and leaves the mapping as it is. Only the first byte is ever
 * written, so every other thread sees the instruction or the breakpoint,
 * nothing between. When the last breakpoint of a page has gone and the page is
 * the file's again byte for byte, the private copy is dropped.
 *
 * All of it is called with mmap_lock held: for reading to look, for writing to
 * change.
 */
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>

#include "internal.h"

/**
 * text_vma_could - might this mapping have had a breakpoint?
 * @vma: the mapping
 *
 * Its protection may have changed since it was planted.
 *
 * Return: true for private mappings of a file that may be executable.
 */
bool text_vma_could(struct vm_area_struct *vma)
{
	return vma->vm_file && (vma->vm_flags & VM_MAYEXEC) &&
	       !(vma->vm_flags & (VM_MAYSHARE | VM_HUGETLB));
}

/**
 * text_vma_ok - is this a mapping to plant breakpoints in?
 * @vma: the mapping
 *
 * Executable now: who maps a file to read it finds the file. Not where the
 * program may write at any time: what would be analysed is not what is executed.
 *
 * Return: true if so.
 */
bool text_vma_ok(struct vm_area_struct *vma)
{
	return text_vma_could(vma) && (vma->vm_flags & (VM_EXEC | VM_WRITE)) == VM_EXEC;
}

/**
 * text_read - bytes of an mm, whatever their protection
 * @mm: mmap_lock held
 * @vaddr: from where
 * @buf: to where
 * @n: how many, at most a page
 *
 * Return: 0 or -errno.
 */
int text_read(struct mm_struct *mm, unsigned long vaddr, u8 *buf, unsigned int n)
{
	mmap_assert_locked(mm);

	while (n) {
		unsigned int in_page = offset_in_page(vaddr);
		unsigned int chunk = min_t(unsigned int, n, PAGE_SIZE - in_page);
		struct vm_area_struct *vma;
		struct page *page;

		page = get_user_page_vma_remote(mm, vaddr, FOLL_FORCE, &vma);
		if (IS_ERR(page))
			return PTR_ERR(page);
		memcpy_from_page(buf, page, in_page, chunk);
		put_page(page);
		buf += chunk;
		vaddr += chunk;
		n -= chunk;
	}
	return 0;
}

/**
 * text_look - what is at the place of an instruction?
 * @mm: mmap_lock held
 * @vaddr: the place
 * @insn: the instruction as analysed
 *
 * Return: an enum text_state, or -errno.
 */
int text_look(struct mm_struct *mm, unsigned long vaddr, const struct arch_uprobe *insn)
{
	u8 now[MAX_UINSN_BYTES];
	int err;

	err = text_read(mm, vaddr, now, insn->len);
	if (err)
		return err;
	if (memcmp(now + 1, insn->insn + 1, insn->len - 1))
		return now[0] == UPROBE_SWBP_INSN ? TEXT_FOREIGN : TEXT_CHANGED;
	if (now[0] == insn->insn[0])
		return TEXT_ORIGINAL;
	return now[0] == UPROBE_SWBP_INSN ? TEXT_PLANTED : TEXT_CHANGED;
}

/* The private page at @vaddr, made if need be, and its mapping. */
static struct page *own_page(struct mm_struct *mm, unsigned long vaddr,
			     struct vm_area_struct **vma)
{
	struct page *page;

	mmap_assert_write_locked(mm);
	page = get_user_page_vma_remote(mm, vaddr, FOLL_FORCE | FOLL_WRITE, vma);
	if (!IS_ERR(page) && !PageAnon(page)) {
		/* Whoever mapped this so that writes reach the file: not us. */
		put_page(page);
		return ERR_PTR(-EFAULT);
	}
	return page;
}

static void write_byte(struct page *page, unsigned long vaddr, u8 byte)
{
	u8 *kaddr = kmap_local_page(page);

	/* One store: others execute this page. */
	WRITE_ONCE(kaddr[offset_in_page(vaddr)], byte);
	kunmap_local(kaddr);
	set_page_dirty_lock(page);
}

/**
 * text_plant - put int3 over the first byte of an instruction
 * @mm: mmap_lock held for writing
 * @vaddr: the place; what is there has been looked at under this lock
 * @insn: the instruction
 *
 * Return: 0 or -errno, with nothing changed.
 */
int text_plant(struct mm_struct *mm, unsigned long vaddr, const struct arch_uprobe *insn)
{
	struct vm_area_struct *vma;
	struct page *page;

	page = own_page(mm, vaddr, &vma);
	if (IS_ERR(page))
		return PTR_ERR(page);
	write_byte(page, vaddr, UPROBE_SWBP_INSN);
	put_page(page);
	return 0;
}

/*
 * Is this private page what the file has at its place? Compared from @vaddr on: probes
 * go in the order in which they lie there at times, and the next one is behind it.
 */
static bool same_as_file(struct vm_area_struct *vma, unsigned long vaddr, struct page *page)
{
	pgoff_t index = vma_offset_of(vma, vaddr & PAGE_MASK) >> PAGE_SHIFT;
	unsigned int at = offset_in_page(vaddr);
	const u8 *own, *files;
	struct folio *folio;
	bool same;

	folio = filemap_get_folio(vma->vm_file->f_mapping, index);
	if (IS_ERR(folio))
		return false;
	same = folio_test_uptodate(folio);
	if (same) {
		own = kmap_local_page(page);
		files = kmap_local_page(folio_file_page(folio, index));
		same = !memcmp(own + at, files + at, PAGE_SIZE - at) &&
		       !memcmp(own, files, at);
		kunmap_local(files);
		kunmap_local(own);
	}
	folio_put(folio);
	return same;
}

/**
 * text_restore - take our int3 away, and the private page if it was all for it
 * @mm: mmap_lock held for writing
 * @vaddr: the place
 * @insn: the instruction; nothing is written unless the place has int3. What is
 *	behind it may have been changed: a thread that came to our int3 would be
 *	lost all the same
 *
 * Return: 0 or -errno, with nothing changed. It is no error if our breakpoint
 * is not there any more.
 */
int text_restore(struct mm_struct *mm, unsigned long vaddr, const struct arch_uprobe *insn)
{
	struct vm_area_struct *vma;
	struct page *page;
	bool give_back;
	int state;

	state = text_look(mm, vaddr, insn);
	if (state < 0)
		return state;
	if (state != TEXT_PLANTED && state != TEXT_FOREIGN)
		return 0;

	page = own_page(mm, vaddr, &vma);
	if (IS_ERR(page))
		return PTR_ERR(page);
	write_byte(page, vaddr, insn->insn[0]);
	/* A page that somebody has pinned to write to must stay what it is. */
	give_back = text_vma_could(vma) && !folio_maybe_dma_pinned(page_folio(page)) &&
		    same_as_file(vma, vaddr, page);
	put_page(page);
	if (!give_back)
		return 0;

	zap_page_range_single(vma, vaddr & PAGE_MASK, PAGE_SIZE, NULL);
	if (vma->vm_flags & VM_LOCKED) {
		/* mlock() promised that no access faults. */
		page = get_user_page_vma_remote(mm, vaddr, FOLL_FORCE, &vma);
		if (!IS_ERR(page))
			put_page(page);
	}
	return 0;
}
