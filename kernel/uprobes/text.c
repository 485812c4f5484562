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
 *
 * A page that is not there is waited for. What looks after all processes (reclaim, and
 * retpoint.c's tidy()) does not wait for one of a file that somebody serves: as long as that
 * likes nothing would be done for anybody. It gets -EAGAIN.
 */
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/userfaultfd_k.h>

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

/* May the current thread wait for a page of this mapping? */
static bool may_wait(struct vm_area_struct *vma)
{
	/* Others register and unregister: they may. */
	if (likely(!(current->flags & PF_WQ_WORKER)) ||
	    !(reclaim_is(current_work()) || retpoint_tidy_is(current_work())))
		return true;
	return !vma->vm_file || !inode_is_served(file_inode(vma->vm_file));
}

/**
 * text_get_page - get_user_page_vma_remote() of text and data of a file
 * @mm: mmap_lock held
 * @vaddr: the address
 * @gup_flags: FOLL_*
 * @vma: set to the mapping
 *
 * Return: the page, held; or an ERR_PTR: -EAGAIN if it may not be waited for. A mapping that
 * has no page of its own has no breakpoint of ours: there that is an -EFAULT like any other.
 */
struct page *text_get_page(struct mm_struct *mm, unsigned long vaddr, unsigned int gup_flags,
			   struct vm_area_struct **vma)
{
	struct vm_area_struct *there = vma_lookup(mm, vaddr);
	struct page *page;

	if (likely(!there || may_wait(there)))
		return get_user_page_vma_remote(mm, vaddr, gup_flags, vma);
	page = get_user_page_vma_remote(mm, vaddr, (gup_flags & ~FOLL_WRITE) | FOLL_NOFAULT, vma);
	if (page == ERR_PTR(-EFAULT))
		return there->anon_vma ? ERR_PTR(-EAGAIN) : page;
	if (IS_ERR(page) || !(gup_flags & FOLL_WRITE))
		return page;
	/* To copy one that fork() has left shared takes a fault, but nobody is asked. */
	if (!PageAnon(page))
		gup_flags |= FOLL_NOFAULT;
	put_page(page);
	page = get_user_page_vma_remote(mm, vaddr, gup_flags, vma);
	return page == ERR_PTR(-EFAULT) ? ERR_PTR(-EAGAIN) : page;
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

		page = text_get_page(mm, vaddr, FOLL_FORCE, &vma);
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

/*
 * May this page be written to as it is? Only this process has it, and will, while its
 * mmap_lock is held for writing: it cannot fork. What takes it out of the page tables
 * meanwhile (reclaim, migration) finds that it is held, and leaves it to be found again.
 */
static bool page_is_own(struct vm_area_struct *vma, struct page *page)
{
	/* Somebody wants to be told of the first write to a page: by a fault. */
	if (userfaultfd_wp(vma) ||
	    (IS_ENABLED(CONFIG_MEM_SOFT_DIRTY) && !(vma->vm_flags & VM_SOFTDIRTY)))
		return false;
	return PageAnon(page) && PageAnonExclusive(page);
}

/**
 * text_page_put - forget the page that was used last
 * @tp: has one or not
 */
void text_page_put(struct text_page *tp)
{
	if (tp->page)
		put_page(tp->page);
	tp->page = NULL;
}

/* Have the page at @vaddr, as it is if that will do. Returns 0 or -errno, with none. */
static int text_page_get(struct text_page *tp, struct mm_struct *mm, unsigned long vaddr,
			 unsigned int gup_flags)
{
	struct page *page;

	/* Not any more if it was given back to the file, or the file was truncated. */
	if (tp->page && tp->vaddr == (vaddr & PAGE_MASK) && folio_mapped(page_folio(tp->page)) &&
	    (tp->own || !(gup_flags & FOLL_WRITE)))
		return 0;
	text_page_put(tp);
	page = text_get_page(mm, vaddr, FOLL_FORCE | gup_flags, &tp->vma);
	if (IS_ERR(page))
		return PTR_ERR(page);
	tp->page = page;
	tp->vaddr = vaddr & PAGE_MASK;
	tp->own = page_is_own(tp->vma, page);
	return 0;
}

/* Another one may be there the next time, unless it is the process' own. */
static void text_page_keep_own(struct text_page *tp)
{
	if (tp->page && !tp->own)
		text_page_put(tp);
}

/* The private page at @vaddr, made if need be. Returns 0 or -errno, with none. */
static int text_page_get_own(struct text_page *tp, struct mm_struct *mm, unsigned long vaddr)
{
	int err;

	mmap_assert_write_locked(mm);
	err = text_page_get(tp, mm, vaddr, FOLL_WRITE);
	if (err || PageAnon(tp->page))
		return err;
	/* Whoever mapped this so that writes reach the file: not us. */
	text_page_put(tp);
	return -EFAULT;
}

static int look(struct text_page *tp, struct mm_struct *mm, unsigned long vaddr,
		const struct arch_uprobe *insn)
{
	unsigned int n = min_t(unsigned int, insn->len, PAGE_SIZE - offset_in_page(vaddr));
	u8 now[MAX_UINSN_BYTES];
	int err;

	mmap_assert_locked(mm);
	err = text_page_get(tp, mm, vaddr, 0);
	if (err)
		return err;
	memcpy_from_page(now, tp->page, offset_in_page(vaddr), n);
	err = text_read(mm, vaddr + n, now + n, insn->len - n);
	/* Not all of it is there any more: then it is not the instruction. */
	if (err == -EFAULT)
		return now[0] == UPROBE_SWBP_INSN ? TEXT_FOREIGN : TEXT_CHANGED;
	if (err)
		return err;
	if (memcmp(now + 1, insn->insn + 1, insn->len - 1))
		return now[0] == UPROBE_SWBP_INSN ? TEXT_FOREIGN : TEXT_CHANGED;
	if (now[0] == insn->insn[0])
		return TEXT_ORIGINAL;
	return now[0] == UPROBE_SWBP_INSN ? TEXT_PLANTED : TEXT_CHANGED;
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
	struct text_page tp = { };
	int state = look(&tp, mm, vaddr, insn);

	text_page_put(&tp);
	return state;
}

/**
 * text_look_again - text_look() at one place of several
 * @tp: the page that was used last
 * @mm: mmap_lock held for writing
 * @vaddr: the place
 * @insn: the instruction as analysed
 *
 * Return: as text_look().
 */
int text_look_again(struct text_page *tp, struct mm_struct *mm, unsigned long vaddr,
		    const struct arch_uprobe *insn)
{
	int state = look(tp, mm, vaddr, insn);

	mmap_assert_write_locked(mm);
	text_page_keep_own(tp);
	return state;
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
 * @tp: the page that was used last
 * @mm: mmap_lock held for writing
 * @vaddr: the place; what is there has been looked at under this lock
 *
 * Return: 0 or -errno, with nothing changed.
 */
int text_plant(struct text_page *tp, struct mm_struct *mm, unsigned long vaddr)
{
	int err = text_page_get_own(tp, mm, vaddr);

	if (err)
		return err;
	write_byte(tp->page, vaddr, UPROBE_SWBP_INSN);
	text_page_keep_own(tp);
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
 * Return: 0; 1 if our breakpoint is not there any more; or -errno, with nothing changed.
 */
int text_restore(struct mm_struct *mm, unsigned long vaddr, const struct arch_uprobe *insn)
{
	struct text_page tp = { };
	struct page *page;
	bool give_back;
	int err;

	err = look(&tp, mm, vaddr, insn);
	if (err >= 0 && err != TEXT_PLANTED && err != TEXT_FOREIGN) {
		text_page_put(&tp);
		return 1;
	}
	if (err >= 0)
		err = text_page_get_own(&tp, mm, vaddr);
	if (err) {
		text_page_put(&tp);
		return err;
	}
	write_byte(tp.page, vaddr, insn->insn[0]);
	/* A page that is written to meanwhile, by whom it may, must stay what it is. */
	give_back = text_vma_could(tp.vma) && !(tp.vma->vm_flags & VM_WRITE) &&
		    (!(tp.vma->vm_flags & VM_LOCKED) || may_wait(tp.vma)) &&
		    !folio_maybe_dma_pinned(page_folio(tp.page)) &&
		    same_as_file(tp.vma, vaddr, tp.page);
	text_page_put(&tp);
	if (!give_back)
		return 0;

	zap_page_range_single(tp.vma, vaddr & PAGE_MASK, PAGE_SIZE, NULL);
	if (tp.vma->vm_flags & VM_LOCKED) {
		/* mlock() promised that no access faults. */
		page = text_get_page(mm, vaddr, FOLL_FORCE, &tp.vma);
		if (!IS_ERR(page))
			put_page(page);
	}
	return 0;
}
