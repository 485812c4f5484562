// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a probepoint to its sites: plant it in every mm that maps the file, and
 * take it out again.
 *
 * Which mms: the file's i_mmap tree is walked, and after that each mm is locked
 * and looked at again. A process that forks meanwhile puts its child on the tree
 * before it lets go of its own mmap_lock. So when a walk finds nothing to do, or only
 * in mms that have not forked since they were seen on the tree, there is no child that
 * was missed: the walk is repeated until that is so, but not for ever (MOST_PASSES).
 * A process that maps the file later sees the probepoint in uprobe_mmap().
 */
#include <linux/fs.h>
#include <linux/mmu_context.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "internal.h"

/* ------------------------------------------------------------- one site */

/*
 * Has mremap() taken breakpoints of @pp away from their sites? It tells of the
 * old mapping when that is unmapped, and not at all if it is kept.
 */
static void look_for_moved(struct uprobe_mm *um, struct probepoint *pp)
{
	struct uprobe_site *site;
	struct rb_node *n;

	revalidate_stale(um);
	for (n = rb_first(&um->index); n && !um->inherited; n = rb_next(n)) {
		site = rb_entry(n, struct uprobe_site, node);
		if (site->pp != pp || site->state != SITE_PLANTED ||
		    text_look(um->mm, site->vaddr, site->insn) != TEXT_ORIGINAL)
			continue;
		um->inherited = true;
		site_doubt(site);
		reclaim_kick(um);
	}
}

/**
 * adopt_site - make the site of a breakpoint that came with fork() or mremap()
 * @um: the mm's probes, @um->lock and its mmap_lock held
 * @pp: held
 * @vaddr: where @pp is mapped, and no site is
 *
 * An int3 over the right instruction is taken for ours where there are
 * breakpoints without sites at all.
 *
 * Return: the site, NULL if what is there is not our breakpoint, or an ERR_PTR: -ENOMEM;
 * -EINTR if current is being killed; -EAGAIN in a worker, see text.c.
 */
struct uprobe_site *adopt_site(struct uprobe_mm *um, struct probepoint *pp,
			       unsigned long vaddr)
{
	struct vm_area_struct *vma;
	struct uprobe_site *site;
	int state;

	lockdep_assert_held(&um->lock);
	if (pp->refusal[is_64bit_mm(um->mm)] != UPROBE_ACCEPTED)
		return NULL;
	state = text_look(um->mm, vaddr, &pp->insn[is_64bit_mm(um->mm)]);
	if (state == -ENOMEM || state == -EINTR || state == -EAGAIN)
		return ERR_PTR(state);
	if (state != TEXT_PLANTED)
		return NULL;
	if (!um->inherited)
		look_for_moved(um, pp);
	if (!um->inherited || is_foreign(um, vaddr))
		return NULL;
	site = site_add(um, pp, vaddr);
	if (!site)
		return ERR_PTR(-ENOMEM);
	vma = vma_lookup(um->mm, vaddr);
	site->loose |= !vma || (vma->vm_flags & VM_WRITE);
	if (retpoint_is(pp))
		site_set_returns(site);
	site_set_state(site, SITE_PLANTED);
	if (um->forked)
		refctr_adopt(site);
	else
		refctr_inc(site);
	return site;
}

/**
 * bar_site - what is at a site is not ours: leave it alone from now on
 * @site: planted, @site->um->lock held
 * @why: the cause
 *
 * The ref counter stays until the site goes, as the program cannot have been
 * told.
 */
void bar_site(struct uprobe_site *site, enum uprobe_drop why)
{
	lockdep_assert_held(&site->um->lock);
	site_set_state(site, SITE_BARRED);
	uprobe_drop(site->pp, why);
}

/**
 * restore_text - take our int3 out of the text
 * @site: @site->um->lock and its mmap_lock held, for writing
 *
 * Where a debugger has one at the same place it is his from now on. If ours is not there
 * any more it may have gone elsewhere: see adopt_site().
 *
 * Return: 0, it is not there; or -errno, with nothing changed.
 */
int restore_text(struct uprobe_site *site)
{
	int err;

	lockdep_assert_held(&site->um->lock);
	if (unlikely(site->under)) {
		note_foreign(site->um, site->vaddr, true);
		return 0;
	}
	err = text_restore(site->um->mm, site->vaddr, site->insn);
	if (err <= 0)
		return err;
	/* By mremap() of its page. */
	site->um->inherited = true;
	return 0;
}

/* The text is in that @state. @site is barred until our int3 is there. */
static int plant(struct uprobe_site *site, struct text_page *text, int state)
{
	struct mm_struct *mm = site->um->mm;
	enum uprobe_drop why;
	int err;

	switch (state) {
	case TEXT_ORIGINAL:
		/* The site is there before the breakpoint is. */
		WRITE_ONCE(site->under, false);
		site_set_state(site, SITE_PLANTED);
		err = text_plant(text, mm, site->vaddr);
		if (!err) {
			/* Of text that was here before. */
			if (unlikely(!xa_empty(&site->um->foreign)))
				note_foreign(site->um, site->vaddr, false);
			refctr_inc(site);
			return 0;
		}
		site_set_state(site, SITE_BARRED);
		if (err == -ENOMEM || err == -EINTR)
			return err;
		why = UPROBE_DROP_FAULT;
		break;
	case TEXT_PLANTED:
	case TEXT_FOREIGN:
		why = UPROBE_DROP_FOREIGN;
		break;
	case TEXT_CHANGED:
		why = UPROBE_DROP_CHANGED;
		break;
	default:
		if (state == -ENOMEM || state == -EINTR)
			return state;
		why = UPROBE_DROP_FAULT;
		break;
	}
	uprobe_drop(site->pp, why);
	return 0;
}

/**
 * insert_site - plant a probepoint at one address
 * @pp: held
 * @vma: a mapping of its file, its mmap_lock held for writing
 * @vaddr: where @pp is in it
 * @text: the page of @vma that was used last
 * @again: look again where there is a site, planted or barred
 * @planted: set to true if there is a breakpoint now that was not before
 *
 * What cannot be planted for a reason that lies in the program is counted and
 * is no error.
 *
 * Return: 0, -ENOMEM, or -EINTR if current is being killed.
 */
int insert_site(struct probepoint *pp, struct vm_area_struct *vma, unsigned long vaddr,
		struct text_page *text, bool again, bool *planted)
{
	struct mm_struct *mm = vma->vm_mm;
	struct uprobe_site *site;
	struct uprobe_mm *um;
	int state, err = 0;

	mmap_assert_write_locked(mm);

	if (pp->refusal[is_64bit_mm(mm)] != UPROBE_ACCEPTED) {
		if (again)
			uprobe_drop(pp, UPROBE_DROP_REFUSED);
		return 0;
	}
	um = uprobe_mm_get(mm);
	if (!um)
		return -ENOMEM;

	mutex_lock(&um->lock);
	site = site_find(um, vaddr);
	if (site && (again || READ_ONCE(site->stale)))
		site = revalidate_site(um, vaddr);
	if (site && site->pp != pp) {
		/* Of a probepoint that has no uprobes, but could not be taken out. */
		remove_site(site);
		site = NULL;
		if (site_find(um, vaddr)) {
			err = -ENOMEM;
			goto unlock;
		}
	}
	if (site && (site->state == SITE_PLANTED || !again)) {
		/* If it was only returned to, or left: now it has uprobes. */
		if (site->state == SITE_PLANTED)
			refctr_inc(site);
		goto unlock;
	}
	state = text_look_again(text, mm, vaddr, &pp->insn[is_64bit_mm(mm)]);
	if (!site) {
		/* Our breakpoint, that came with fork()? */
		if (state == TEXT_PLANTED)
			site = adopt_site(um, pp, vaddr);
		if (site) {
			err = PTR_ERR_OR_ZERO(site);
			goto unlock;
		}
		site = site_add(um, pp, vaddr);
		if (!site) {
			err = -ENOMEM;
			goto unlock;
		}
	}
	err = plant(site, text, state);
	if (err) {
		/* A barred one may still be counted, and stays if that cannot be undone. */
		refctr_dec(site);
		if (!site->ref_ctr)
			site_retire(site);
	} else if (site->state == SITE_PLANTED) {
		*planted = true;
	}
unlock:
	mutex_unlock(&um->lock);
	return err;
}

/**
 * remove_site - take a site out
 * @site: hashed; its mm's mmap_lock held for writing, @site->um->lock held
 *
 * If the breakpoint cannot be taken out, for want of memory or because current is
 * being killed, the site stays: it still gets its threads past the instruction,
 * and there is nobody to call.
 */
void remove_site(struct uprobe_site *site)
{
	struct mm_struct *mm = site->um->mm;

	mmap_assert_write_locked(mm);
	lockdep_assert_held(&site->um->lock);

	if (site->state == SITE_PLANTED) {
		if (restore_text(site))
			return;
		site_set_state(site, SITE_BARRED);
	}
	refctr_dec(site);
	site_retire(site);
}

/**
 * revalidate_site - is a site still what it was when it was planted?
 * @um: the mm's probes, @um->lock and its mmap_lock held for writing
 * @vaddr: the address of a site
 *
 * The mapping may have gone, moved, or been replaced; its private pages may
 * have been given back to the file with our breakpoint in them, which is then
 * planted again.
 *
 * Return: the site, planted or barred, or NULL if there is none any more.
 */
struct uprobe_site *revalidate_site(struct uprobe_mm *um, unsigned long vaddr)
{
	struct uprobe_site *site = site_find(um, vaddr);
	struct text_page text = { };
	struct vm_area_struct *vma;
	struct probepoint *pp;
	int err;

	mmap_assert_write_locked(um->mm);
	lockdep_assert_held(&um->lock);

	if (!site)
		return NULL;
	pp = site->pp;
	WRITE_ONCE(site->stale, SITE_LOOKED_AT);

	vma = vma_lookup(um->mm, vaddr);
	if (!vma || !text_vma_could(vma) || file_inode(vma->vm_file) != pp->file->inode ||
	    vma_offset_of(vma, vaddr) != pp->offset) {
		/* If mremap() moved it, its breakpoint is found at the new place. */
		um->inherited = true;
		/* And taken for one that has been counted, where there are such. */
		if (um->forked)
			refctr_leave(site);
		else
			refctr_dec(site);
		if (site->state == SITE_PLANTED)
			site_set_state(site, SITE_BARRED);
		site_retire(site);
		return NULL;
	}
	if (site->state == SITE_BARRED)
		goto looked;
	WRITE_ONCE(site->loose, site_crosses_page(site) || (vma->vm_flags & VM_WRITE));

	switch (text_look(um->mm, vaddr, site->insn)) {
	case -EAGAIN:
wait:
		/* For somebody who may wait: the worker would come here again and again. */
		site_doubt(site);
		break;
	case -EINTR:
	case -ENOMEM:
later:
		/* For the next one who looks. */
		site_doubt(site);
		reclaim_kick(um);
		break;
	case TEXT_PLANTED:
		break;
	case TEXT_ORIGINAL:
		/* mremap() may have taken the page elsewhere, with our breakpoint in it. */
		um->inherited = true;
		if (!text_vma_ok(vma) || (list_empty(&pp->uprobes) && !retpoint_is(pp))) {
			/* Given back, and nobody wants it: as if removed. */
			remove_site(site);
			if (!site_find(um, vaddr))
				return NULL;
			/* It could not be looked at again: for the next one who looks. */
			site_doubt(site);
			break;
		}
		WRITE_ONCE(site->under, false);
		err = text_plant(&text, um->mm, vaddr);
		text_page_put(&text);
		if (!err)
			uprobe_stat_inc(UPROBE_STAT_REPLANTED);
		else if (err == -EAGAIN)
			goto wait;
		else if (err == -EINTR || err == -ENOMEM)
			goto later;
		else
			bar_site(site, UPROBE_DROP_FAULT);
		break;
	case TEXT_FOREIGN:
		/* Our int3 over an instruction that was changed behind it. */
		if (restore_text(site)) {
			WRITE_ONCE(site->loose, true);
			break;
		}
		fallthrough;
	case TEXT_CHANGED:
		bar_site(site, UPROBE_DROP_CHANGED);
		break;
	default:
		bar_site(site, UPROBE_DROP_FAULT);
		break;
	}
looked:
	/* Unless it was marked again. */
	(void)cmpxchg(&site->stale, SITE_LOOKED_AT, false);
	return site;
}

/**
 * revalidate_stale - revalidate_site() for all that are in doubt
 * @um: as for revalidate_site()
 *
 * One that is in doubt again afterwards is left for the next time.
 */
void revalidate_stale(struct uprobe_mm *um)
{
	struct uprobe_site *site;
	LIST_HEAD(stale);

	mmap_assert_write_locked(um->mm);
	lockdep_assert_held(&um->lock);

	if (READ_ONCE(um->foreign_doubt)) {
		WRITE_ONCE(um->foreign_doubt, false);
		settle_foreign(um);
	}
	sites_take_stale(um, &stale);
	while ((site = site_next_stale(um, &stale))) {
		if (READ_ONCE(site->stale))
			revalidate_site(um, site->vaddr);
		cond_resched();
	}
}

/* ------------------------------------------------------------ everywhere */

/*
 * A mapping of a file that was seen in its i_mmap tree, and has to be found again when
 * mmap_lock of its mm is held.
 */
struct mapping_ref {
	struct mm_struct *mm;		/* grabbed */
	unsigned long start, end;
	pgoff_t pgoff;			/* of @start */
	long forks;			/* forks_of() @mm when it was seen */
	long lost;			/* sites_lost_of() @mm when it had been visited */
};

#define FEW_MAPPINGS	4

struct mapping_list {
	struct mapping_ref *ref;
	unsigned int n;
	unsigned int users;		/* of the first ones users of mm are held, too */
	unsigned int room;
	struct mapping_ref few[FEW_MAPPINGS];
};

static void init_mappings(struct mapping_list *list)
{
	list->n = 0;
	list->users = 0;
	list->ref = list->few;
	list->room = FEW_MAPPINGS;
}

static void put_mappings(struct mapping_list *list)
{
	/* Not mmput(): the last one would wait for all that an exit waits for. */
	while (list->users)
		mmput_async(list->ref[--list->users].mm);
	while (list->n)
		mmdrop(list->ref[--list->n].mm);
}

static void free_mappings(struct mapping_list *list)
{
	put_mappings(list);
	if (list->ref != list->few)
		kvfree(list->ref);
}

static int more_mappings(struct mapping_list *list, unsigned int n)
{
	struct mapping_ref *more = kvmalloc_array(n, sizeof(*more), GFP_KERNEL);

	if (!more)
		return -ENOMEM;
	free_mappings(list);
	list->ref = more;
	list->room = n;
	return 0;
}

#define FORKS_UNKNOWN	-1L

/*
 * How often @mm has forked, with all that it maps of one file being copied or not yet: the
 * lock of the i_mmap tree is held, so a fork that has come as far as there is over, and
 * its child on the tree, or will be counted, or still has mmap_lock.
 */
static long forks_of(struct mm_struct *mm)
{
	long forks = FORKS_UNKNOWN;
	struct uprobe_mm *um;

	/* Its users may be gone. */
	rcu_read_lock();
	um = uprobe_mm_of(mm);
	if (um)
		/* Before the lock is looked at. */
		forks = smp_load_acquire(&um->forks);
	rcu_read_unlock();
	return rwsem_is_locked(&mm->mmap_lock) ? FORKS_UNKNOWN : forks;
}

/* Has it forked since, perhaps? mmap_lock is held, so the answer stays right. */
static bool has_forked(const struct mapping_ref *ref)
{
	struct uprobe_mm *um = uprobe_mm_of(ref->mm);

	mmap_assert_write_locked(ref->mm);
	return ref->forks == FORKS_UNKNOWN || !um || um->forks != ref->forks;
}

/* What changes when sites of @mm may have gone: by a change of its mappings, too. */
static long sites_lost_of(struct mm_struct *mm)
{
	struct uprobe_mm *um;
	long lost = 0;

	/* Its users may be gone. */
	rcu_read_lock();
	um = uprobe_mm_of(mm);
	if (um)
		lost = atomic_long_read(&um->sites_lost);
	rcu_read_unlock();
	return lost;
}

static bool same_mapping(const struct mapping_ref *ref, const struct vm_area_struct *vma)
{
	return ref->mm == vma->vm_mm && ref->start == vma->vm_start &&
	       ref->end == vma->vm_end && ref->pgoff == vma->vm_pgoff;
}

/*
 * Was this one visited in the last pass? Then there is nothing to do: who has forked
 * meanwhile has a child on the tree. @at: where to look in the list of that pass, moved
 * on. The tree has the same order as then, but for what has come and gone: a mapping that
 * is not found is visited once more.
 */
static bool was_done(const struct mapping_list *last, unsigned int *at,
		     const struct vm_area_struct *vma)
{
	unsigned int i, others = 0;

	for (i = *at; i < last->n && others < FEW_MAPPINGS; i++) {
		const struct mapping_ref *ref = &last->ref[i];

		if (same_mapping(ref, vma)) {
			*at = i + 1;
			return ref->lost == sites_lost_of(ref->mm);
		}
		if (atomic_read(&ref->mm->mm_users))
			others++;
		else if (i == *at)
			/* Once is enough: there may be very many of them. */
			*at = i + 1;
	}
	return false;
}

/* How many of these, which are in the order of their offsets, lie in front of @offset? */
static unsigned int points_before(struct probepoint **pps, unsigned int n, loff_t offset)
{
	unsigned int low = 0, mid;

	while (low < n) {
		mid = low + (n - low) / 2;
		if (pps[mid]->offset < offset)
			low = mid + 1;
		else
			n = mid;
	}
	return low;
}

static unsigned int points_before_page(struct probepoint **pps, unsigned int n, pgoff_t pgoff)
{
	return points_before(pps, n, (loff_t)pgoff << PAGE_SHIFT);
}

/*
 * All mappings in which one of the @n probepoints may be planted, but for those that were
 * done in the last pass. Those in others are counted, if @count says so.
 */
static int find_mappings(struct probepoint **pps, unsigned int n, struct mapping_list *list,
			 const struct mapping_list *last, bool count)
{
	struct address_space *mapping = pps[0]->file->inode->i_mapping;
	pgoff_t from = pps[0]->offset >> PAGE_SHIFT;
	pgoff_t to = pps[n - 1]->offset >> PAGE_SHIFT;

	for (;;) {
		unsigned int i, found = 0, at = 0;
		struct vm_area_struct *vma;

		/* No allocation in here: reclaim takes this lock. */
		i_mmap_lock_read(mapping);
		vma_interval_tree_foreach(vma, &mapping->i_mmap, from, to) {
			if (!text_vma_could(vma) && !(count && (vma->vm_flags & VM_EXEC)))
				continue;
			i = points_before_page(pps, n, vma->vm_pgoff);
			if (i == points_before_page(pps, n, vma->vm_pgoff + vma_pages(vma)))
				continue;
			if (was_done(last, &at, vma))
				continue;
			if (found++ >= list->room || !mmget_not_zero(vma->vm_mm))
				continue;
			mmgrab(vma->vm_mm);
			list->users++;
			list->ref[list->n++] = (struct mapping_ref) {
				.mm = vma->vm_mm,
				.start = vma->vm_start,
				.end = vma->vm_end,
				.pgoff = vma->vm_pgoff,
				.forks = forks_of(vma->vm_mm),
			};
		}
		i_mmap_unlock_read(mapping);
		if (found <= list->room)
			return 0;
		if (more_mappings(list, found + found / 8 + 1))
			return -ENOMEM;
	}
}

/* A mm whose fork() failed half way, or that the OOM killer emptied. */
static bool mm_is_unstable(struct mm_struct *mm)
{
	return check_stable_address_space(mm);
}

static unsigned long ref_vaddr(const struct mapping_ref *ref, const struct probepoint *pp)
{
	return ref->start + (pp->offset - ((loff_t)ref->pgoff << PAGE_SHIFT));
}

/* The mapping of @pp that was seen at @ref, now that its mmap_lock is held; or NULL. */
static struct vm_area_struct *mapping_now(struct probepoint *pp, const struct mapping_ref *ref)
{
	unsigned long vaddr = ref_vaddr(ref, pp);
	struct vm_area_struct *vma;

	vma = vma_lookup(ref->mm, vaddr);
	if (!vma || !vma->vm_file || file_inode(vma->vm_file) != pp->file->inode ||
	    vma_offset_of(vma, vaddr) != pp->offset)
		return NULL;
	return vma;
}

/*
 * Passes over the mappings of a batch of probepoints, all of one file, whose lock is
 * held, if by somebody who waits for this. @visit is called with mmap_lock of the
 * mapping's mm held for writing, once a pass for each probepoint and mapping.
 */
struct walk {
	struct probepoint **pps;	/* in the order of their offsets */
	unsigned int n;
	bool first;			/* the first one of several */
	bool done;			/* something was done in this mapping */
	bool again;			/* there may be children to see */
	unsigned int in_doubt;		/* so many passes look again even if nothing was done */
	bool moved;			/* a mapping was not where it had been seen */
	bool if_free;			/* pass over an mm whose mmap_lock others have */
	bool left;			/* one was passed over, or may have been missed */
	struct text_page text;		/* of the mapping that is being visited */
	int (*visit)(struct walk *w, struct probepoint *pp, struct vm_area_struct *vma,
		     unsigned long vaddr);
};

/* Others may wait for mmap_lock: after each page it is theirs. */
static void let_others(struct walk *w, struct mm_struct *mm)
{
	if (!need_resched() && !mmap_lock_is_contended(mm))
		return;
	text_page_put(&w->text);
	mmap_write_unlock(mm);
	cond_resched();
	mmap_write_lock(mm);
}

static bool lock_to_visit(struct walk *w, struct mm_struct *mm)
{
	if (!w->if_free) {
		mmap_write_lock(mm);
		return true;
	}
	/* It is set before anything is planted. */
	if (!test_bit(MMF_HAS_UPROBES, &mm->flags))
		return false;
	if (mmap_write_lock_if_free(mm))
		return true;
	w->left = true;
	return false;
}

/*
 * The probepoints of @w in one mapping, of which the mm wants some, or not, as @wanted
 * says: the lock is taken if there are any.
 */
static int walk_mapping(struct walk *w, struct mapping_ref *ref, bool wanted)
{
	unsigned int i = points_before_page(w->pps, w->n, ref->pgoff);
	unsigned int end = points_before_page(w->pps, w->n, ref->pgoff +
					      ((ref->end - ref->start) >> PAGE_SHIFT));
	struct vm_area_struct *vma;
	bool locked = false;
	loff_t page = -1;
	int err = 0;

	w->done = false;
	for (; i < end && !err; i++) {
		struct probepoint *pp = w->pps[i];

		if (!locked)
			cond_resched();
		if (probepoint_wanted(pp, ref->mm) != wanted)
			continue;
		if (!locked && !lock_to_visit(w, ref->mm))
			break;
		if (locked && pp->offset >> PAGE_SHIFT != page)
			let_others(w, ref->mm);
		locked = true;
		page = pp->offset >> PAGE_SHIFT;
		if (mm_is_unstable(ref->mm))
			break;
		vma = mapping_now(pp, ref);
		if (vma) {
			err = w->visit(w, pp, vma, ref_vaddr(ref, pp));
		} else {
			/* It may have forked before that, and may be elsewhere. */
			w->again = true;
			w->moved = true;
		}
	}
	text_page_put(&w->text);
	ref->lost = sites_lost_of(ref->mm);
	if (!locked)
		return err;
	w->again |= (w->done || w->in_doubt) && has_forked(ref);
	mmap_write_unlock(ref->mm);
	return err;
}

/*
 * Two or three passes do where processes fork now and then. If they fork, or map and unmap
 * the file, all the time, in each pass there may be something that another one has to look
 * at: that ends here.
 */
#define MOST_PASSES	10

static int walk_mappings(struct walk *w, bool wanted)
{
	struct mapping_list lists[2], *list = &lists[0], *last = &lists[1];
	unsigned int passes = MOST_PASSES;
	int err;

	init_mappings(list);
	init_mappings(last);
	w->first = true;
	do {
		w->again = false;
		w->moved = false;
		err = find_mappings(w->pps, w->n, list, last, wanted && w->first);
		/* Users are given back one by one: the process may have ended. */
		while (list->users && !err) {
			err = walk_mapping(w, &list->ref[list->users - 1], wanted);
			mmput_async(list->ref[--list->users].mm);
			cond_resched();
			if (wanted && !err && fatal_signal_pending(current))
				err = -EINTR;
		}
		put_mappings(last);
		/* In place of one that was done before, perhaps: look at all. */
		if (w->moved)
			put_mappings(list);
		swap(list, last);
		w->first = false;
		if (w->in_doubt)
			w->in_doubt--;
	} while (w->again && !err && --passes);
	w->left |= w->again && !err;
	free_mappings(list);
	free_mappings(last);
	return err;
}

static int insert_visit(struct walk *w, struct probepoint *pp, struct vm_area_struct *vma,
			unsigned long vaddr)
{
	/* Somebody else may have done it, behind a fork(). */
	w->done |= w->first;
	if (text_vma_ok(vma))
		return insert_site(pp, vma, vaddr, &w->text, w->first, &w->done);
	if (w->first && (vma->vm_flags & VM_EXEC))
		uprobe_drop(pp, UPROBE_DROP_MAPPING);
	return 0;
}

/**
 * insert_everywhere - plant probepoints in every mm that wants them
 * @pps: probepoints of one file in the order of their offsets, held, their uprobes
 *	listed; the lock of the file is held
 * @n: how many, at least one
 *
 * That some may have been missed, because the walk would not end, is counted for each.
 *
 * Context: may sleep; takes mmap_lock of others.
 * Return: 0, -ENOMEM, or -EINTR if current is being killed; with some planted.
 */
int insert_everywhere(struct probepoint **pps, unsigned int n)
{
	struct walk w = { .pps = pps, .n = n, .visit = insert_visit };
	unsigned int i;
	int err;

	lockdep_assert_held(&pps[0]->file->lock);
	err = walk_mappings(&w, true);
	for (i = 0; i < n && w.left; i++)
		uprobe_drop(pps[i], UPROBE_DROP_MISSED);
	return err;
}

/* In one mm, whose mmap_lock is held for writing. */
static int remove_visit(struct walk *w, struct probepoint *pp, struct vm_area_struct *vma,
			unsigned long vaddr)
{
	struct mm_struct *mm = vma->vm_mm;
	struct uprobe_site *site;
	struct uprobe_mm *um;

	/* Under the lock: uprobe_mmap() may be at it. */
	if (!text_vma_could(vma) || !test_bit(MMF_HAS_UPROBES, &mm->flags))
		return 0;
	um = uprobe_mm_get(mm);
	if (!um) {
		if (!retpoint_is(pp) && vma->anon_vma &&
		    text_restore(mm, vaddr, &pp->insn[is_64bit_mm(mm)]) < 0)
			pp->left = true;
		return 0;
	}
	mutex_lock(&um->lock);
	site = site_find(um, vaddr);
	if (site && READ_ONCE(site->stale))
		site = revalidate_site(um, vaddr);
	/* A breakpoint that came with fork() may be returned to. */
	if (!site && !retpoint_is(pp))
		site = adopt_site(um, pp, vaddr);
	if (IS_ERR(site)) {
		pp->left = true;
	} else if (site && site->pp == pp) {
		if (site->returns && retpoint_is(pp)) {
			refctr_dec(site);
		} else if (site->state == SITE_PLANTED) {
			remove_site(site);
			if (site_find(um, vaddr)) {
				refctr_dec(site);
				pp->left = true;
			} else {
				w->done = true;
			}
		} else {
			remove_site(site);
		}
	}
	mutex_unlock(&um->lock);
	return 0;
}

/*
 * A hit of the parent may have taken out what its child has now. So many generations of
 * that are looked for.
 */
#define IN_DOUBT	8

static_assert(IN_DOUBT < MOST_PASSES);

static void remove_walks(struct probepoint **pps, unsigned int n, bool if_free)
{
	struct walk w = { .pps = pps, .n = n, .visit = remove_visit, .if_free = if_free,
		.in_doubt = IN_DOUBT };
	unsigned int i;

	for (i = 0; i < n; i++)
		pps[i]->left = false;
	if (!walk_mappings(&w, false) && !w.left)
		return;
	for (i = 0; i < n; i++)
		pps[i]->left = true;
}

struct remove_work {
	struct work_struct work;
	struct probepoint **pps;
	unsigned int n;
};

static void remove_in_worker(struct work_struct *work)
{
	struct remove_work *w = container_of(work, struct remove_work, work);

	remove_walks(w->pps, w->n, false);
}

/**
 * remove_everywhere - take probepoints out of every mm that does not want them
 * @pps: probepoints of one file in the order of their offsets, held; the lock of the
 *	file is held
 * @n: how many, at least one
 *
 * Those of which some may remain, for want of memory, as current is being killed, or as
 * processes fork all the time, are marked so (@left): a site does no harm without uprobes,
 * but a child of fork() may have the breakpoint without it.
 *
 * Context: may sleep; takes mmap_lock of others.
 */
void remove_everywhere(struct probepoint **pps, unsigned int n)
{
	struct remove_work w = { .pps = pps, .n = n };

	lockdep_assert_held(&pps[0]->file->lock);
	remove_walks(pps, n, false);
	if (likely(!fatal_signal_pending(current)))
		return;
	/* Who is being killed cannot fault in pages: some may be left. */
	INIT_WORK_ONSTACK(&w.work, remove_in_worker);
	queue_work(system_unbound_wq, &w.work);
	flush_work(&w.work);
	destroy_work_on_stack(&w.work);
}

/**
 * remove_where_free - remove_everywhere() for a worker, which waits for nobody's mmap_lock
 * @pp: held, the lock of its file is held; @left also if there is a mm that could not be
 *	looked at
 *
 * Context: may sleep.
 */
void remove_where_free(struct probepoint *pp)
{
	lockdep_assert_held(&pp->file->lock);
	remove_walks(&pp, 1, true);
}
