// SPDX-License-Identifier: GPL-2.0-only
/*
 * The returns that are waited for in one mm, by the stack address that the return
 * address lies at. By mm, not by thread: a fiber may be left by one thread and
 * resumed by another.
 *
 * A bucket has the returns of a few pages of stack, so a thread that calls and
 * returns stays in cache lines of its own. In it they are sorted by stack address,
 * lowest first: on one stack that is the innermost first, and the first one looked
 * at is the right one. Of those with the same address (each but the first was
 * jumped to) the one noted last comes first.
 *
 * A return is given up
 *	- when its stack address is used for another call. An address that is
 *	  returned to from one call only is the same in a tail call and in the same
 *	  call made once more, after a longjmp() say. It is taken for the latter if
 *	  the function is waited for there already: it, and what was jumped to from
 *	  it, are over;
 *	- by a sweep, when its stack address does not hold the return address any
 *	  more. A thread sweeps when it has noted twice as many as the last sweep
 *	  left, so that what is there is bounded by what is in use.
 *
 * A vfork() child runs on its parent's stack, and the parent will return from the
 * same functions: what the child notes is its own, and what it returns from is
 * left there for its parent.
 */
#include <linux/bits.h>
#include <linux/cache.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/ptrace.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

#define BUCKETS		BIT(RETURN_BUCKET_BITS)
#define UNFIT_BITS	8

/* So few are not worth a sweep. */
#define SWEEP_FIRST	64
#define SWEEP_ORPHANS	1024

struct return_bucket {
	spinlock_t		lock;	/* the rest; who only asks whether there are any looks */
	unsigned int		n;
	struct pending_return	*first;
} ____cacheline_aligned_in_smp;

/**
 * struct return_table - the pending returns of one mm
 * @bucket: by stack page
 * @unfit: addresses that are returned to, where no site can be planted; overwritten
 *	as they come
 * @orphans: pending returns of threads that have gone since the last sweep, at most
 */
struct return_table {
	struct return_bucket	bucket[BUCKETS];
	unsigned long		unfit[BIT(UNFIT_BITS)];
	atomic_t		orphans;
};

static struct return_bucket *bucket_of(struct return_table *table, unsigned long slot)
{
	return &table->bucket[return_bucket_nr(slot)];
}

/**
 * returns_make - make the table of an mm
 * @um: the mm's probes; it has users
 *
 * Context: may sleep.
 * Return: the table, of somebody else if he was faster, or NULL if there is no memory.
 */
struct return_table *returns_make(struct uprobe_mm *um)
{
	struct return_table *table, *old;
	unsigned int i;

	table = kvzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;
	for (i = 0; i < BUCKETS; i++)
		spin_lock_init(&table->bucket[i].lock);
	old = cmpxchg_release(&um->returns, NULL, table);
	if (!old)
		return table;
	kvfree(table);
	/* The same. */
	return smp_load_acquire(&um->returns);
}

static unsigned long *unfit_of(struct return_table *table, unsigned long ret)
{
	return &table->unfit[hash_long(ret, UNFIT_BITS)];
}

/**
 * returns_unfit - is it known that no site can be planted there?
 * @table: of the mm
 * @ret: an address that is returned to
 *
 * Return: true if so. It may have become possible meanwhile.
 */
bool returns_unfit(struct return_table *table, unsigned long ret)
{
	/* 0 stands for none. */
	return ret && READ_ONCE(*unfit_of(table, ret)) == ret;
}

/**
 * returns_note_unfit - remember that no site can be planted there
 * @table: of the mm
 * @ret: an address that is returned to
 */
void returns_note_unfit(struct return_table *table, unsigned long ret)
{
	WRITE_ONCE(*unfit_of(table, ret), ret);
}

/* ------------------------------------------------------- one, and a list */

/**
 * returns_alloc - returns_new() if the thread has none of that probepoint at hand
 * @t: the current thread's state
 * @pp: where the function was entered
 *
 * Context: may sleep.
 * Return: the pending return, which holds @pp, or NULL if there is no memory.
 */
struct pending_return *returns_alloc(struct uprobe_thread *t, struct probepoint *pp)
{
	struct pending_return *p = t->spare;

	if (p) {
		t->spare = p->next;
		t->spares--;
		probepoint_put(p->pp);
	} else {
		p = kmalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
		if (!p)
			return NULL;
	}
	refcount_inc(&pp->refs);
	p->pp = pp;
	p->pprev = NULL;
	p->copy = NULL;
	return p;
}

/* Interrupts see it from now on, on the list of @t, until unlink_pub(). */
static void link_pub(struct uprobe_mm *um, struct uprobe_thread *t, struct pending_return *p)
{
	spin_lock(&um->threads_lock);
	p->pub.next = t->pub.return_instances;
	p->pprev = &t->pub.return_instances;
	if (p->pub.next)
		container_of(p->pub.next, struct pending_return, pub)->pprev = &p->pub.next;
	/* An interrupt may follow it at once. */
	smp_store_release(&t->pub.return_instances, &p->pub);
	spin_unlock(&um->threads_lock);
}

/* It is on no list of its thread any more. */
static void unlink_pub(struct uprobe_mm *um, struct pending_return *p)
{
	struct return_instance *next;

	spin_lock(&um->threads_lock);
	if (p->pprev) {
		next = p->pub.next;
		WRITE_ONCE(*p->pprev, next);
		if (next)
			container_of(next, struct pending_return, pub)->pprev = p->pprev;
		p->pprev = NULL;
	}
	spin_unlock(&um->threads_lock);
}

/**
 * returns_free - nobody waits for it any more
 * @um: the mm's probes
 * @t: the current thread's state, or NULL
 * @p: on no bucket's list
 */
void returns_free(struct uprobe_mm *um, struct uprobe_thread *t, struct pending_return *p)
{
	if (t && p->owner == t->id && t->depth)
		t->depth--;
	if (likely(!p->trampoline)) {
		if (t && t->spares < UPROBE_SPARE_RETURNS) {
			p->next = t->spare;
			t->spare = p;
			t->spares++;
			return;
		}
		probepoint_put(p->pp);
		kfree(p);
		return;
	}
	unlink_pub(um, p);
	probepoint_put(p->pp);
	/* An interrupt may be looking at it. */
	kfree_rcu(p, rcu);
	/* The area may have been there for this one only. */
	if (atomic_dec_and_test(&um->pending) && READ_ONCE(um->drop_wanted))
		reclaim_kick(um);
}

static void free_list(struct uprobe_mm *um, struct uprobe_thread *t, struct pending_return *list)
{
	struct pending_return *p;

	while ((p = list)) {
		list = p->next;
		returns_free(um, t, p);
		cond_resched();
	}
}

/**
 * returns_unlist - call chains do not see them any more
 * @um: the mm's probes
 * @list: a list of them, on no bucket's list
 */
void returns_unlist(struct uprobe_mm *um, struct pending_return *list)
{
	struct pending_return *p;

	for (p = list; p; p = p->next)
		unlink_pub(um, p);
}

/**
 * returns_give_up - they will not come any more
 * @um: the mm's probes
 * @t: the current thread's state, or NULL
 * @list: a list of them, on no bucket's list
 *
 * Counted only where somebody would have been called.
 */
void returns_give_up(struct uprobe_mm *um, struct uprobe_thread *t, struct pending_return *list)
{
	struct pending_return *p;

	for (p = list; p; p = p->next)
		if (READ_ONCE(p->pp->wants_returns))
			uprobe_drop(p->pp, UPROBE_DROP_RETURN);
	free_list(um, t, list);
}

/* ------------------------------------------------------- noting and taking */

/* Where the returns with this stack address begin, or would be. */
static struct pending_return **first_at(struct return_bucket *b, unsigned long slot)
{
	struct pending_return **pos = &b->first;

	lockdep_assert_held(&b->lock);
	while (*pos && (*pos)->slot < slot)
		pos = &(*pos)->next;
	return pos;
}

/* Take off the list of @b at @pos, and append to the one that ends at @tail. */
static struct pending_return **move(struct return_bucket *b, struct pending_return **pos,
				    struct pending_return **tail)
{
	struct pending_return *p = *pos;

	lockdep_assert_held(&b->lock);
	b->n--;
	WRITE_ONCE(*pos, p->next);
	p->next = NULL;
	*tail = p;
	return &p->next;
}

/* What @p, which is about to be noted at @pos, says is over. */
static struct pending_return *take_stale(struct return_bucket *b, struct pending_return **pos,
					 const struct pending_return *p)
{
	struct pending_return *q, *through = NULL, *stale = NULL, **tail = &stale;

	for (q = *pos; q && q->slot == p->slot; q = q->next)
		if (q->vfork == p->vfork && q->func == p->func)
			through = q;

	while ((q = *pos) && q->slot == p->slot) {
		/* A trampoline's address has been overwritten by the call. */
		bool over = q->trampoline || q->pub.orig_ret_vaddr != p->pub.orig_ret_vaddr;

		if (q->vfork == p->vfork && (over || through))
			tail = move(b, pos, tail);
		else
			pos = &q->next;
		if (q == through)
			through = NULL;
	}
	return stale;
}

/* With the lock of @b, whose list it is put on at @pos. */
static void put_at(struct return_bucket *b, struct pending_return **pos,
		   struct uprobe_thread *t, struct pending_return *p)
{
	lockdep_assert_held(&b->lock);
	p->owner = t->id;
	t->depth++;
	p->next = *pos;
	WRITE_ONCE(*pos, p);
	b->n++;
}

/**
 * returns_note_among - wait for a return, whatever else is waited for there
 * @um: the mm's probes, with a table
 * @t: the current thread's state
 * @p: filled in but for what is done here; by the trampoline or not
 * @chained: the return address is the trampoline's: it was jumped to, for sure
 *
 * Return: false if too many are waited for thereabouts: @p is still the caller's, for
 * returns_free(). Else it is not: the return may be over by now.
 */
bool returns_note_among(struct uprobe_mm *um, struct uprobe_thread *t,
			struct pending_return *p, bool chained)
{
	struct return_bucket *b = bucket_of(um->returns, p->after);
	struct pending_return **pos, *stale = NULL;

	p->vfork = t->vfork;
	/* First: once it is in its bucket another thread may return by it, and free it. */
	if (p->trampoline)
		link_pub(um, t, p);

	spin_lock(&b->lock);
	if (b->n >= RETURN_BUCKET_LIMIT) {
		spin_unlock(&b->lock);
		return false;
	}
	pos = first_at(b, p->slot);
	if (*pos && (*pos)->slot == p->slot && !chained)
		stale = take_stale(b, pos, p);
	put_at(b, pos, t, p);
	spin_unlock(&b->lock);

	if (stale)
		returns_give_up(um, t, stale);
	return true;
}

/**
 * returns_note - wait for a return at a site
 * @um: the mm's probes, with a table
 * @t: the current thread's state
 * @p: filled in but for what is done here; not by the trampoline
 *
 * Return: as returns_note_among().
 */
bool returns_note(struct uprobe_mm *um, struct uprobe_thread *t, struct pending_return *p)
{
	struct return_bucket *b = bucket_of(um->returns, p->after);
	struct pending_return **pos;

	p->vfork = t->vfork;

	spin_lock(&b->lock);
	pos = first_at(b, p->slot);
	if (likely(!(*pos && (*pos)->slot == p->slot) && b->n < RETURN_BUCKET_LIMIT)) {
		put_at(b, pos, t, p);
		spin_unlock(&b->lock);
		return true;
	}
	spin_unlock(&b->lock);
	return returns_note_among(um, t, p, false);
}

/*
 * Of the notes of other threads at one place in its stack: which does a vfork() child return
 * by? By its parent's, or that of its parent's parent if that has none: those who wait for
 * their children were made one after the other.
 */
static bool is_nearer(const struct pending_return *p, const struct pending_return *than)
{
	return !than || p->vfork > than->vfork;
}

/**
 * returns_find - where the function returns to whose return was noted last at a stack address
 * @table: of the mm
 * @t: the current thread's state
 * @slot: the stack address
 * @after: what goes with it; see &struct pending_return
 * @trampoline: wait for it at the trampoline
 *
 * Return: the address, or 0 if there is none.
 */
unsigned long returns_find(struct return_table *table, struct uprobe_thread *t,
			   unsigned long slot, unsigned long after, bool trampoline)
{
	struct return_bucket *b = bucket_of(table, after);
	struct pending_return *p, *found = NULL;
	unsigned long ret;

	spin_lock(&b->lock);
	for (p = *first_at(b, slot); p && p->slot == slot; p = p->next) {
		if (p->trampoline != trampoline || (p->vfork && !t->vfork))
			continue;
		if (!found || (found->vfork != t->vfork &&
			       (p->vfork == t->vfork || is_nearer(p, found))))
			found = p;
	}
	/* Another thread may return by it as soon as the lock is given back. */
	ret = found ? found->pub.orig_ret_vaddr : 0;
	spin_unlock(&b->lock);
	return ret;
}

static bool returns_now(const struct pending_return *p, unsigned long after, unsigned long ret,
			bool trampoline)
{
	return (p->after == after || p->slot == after) && p->trampoline == trampoline &&
	       (trampoline || p->pub.orig_ret_vaddr == ret);
}

/* A vfork() child returns from its parent's function: what it takes is a copy. */
static struct pending_return *copy_for_child(struct uprobe_mm *um, struct return_bucket *b,
					     unsigned long after, unsigned long ret,
					     bool trampoline)
{
	struct pending_return *p, *copy, *list = NULL, **tail = &list;
	const struct pending_return *nearest = NULL;

	for (p = b->first; p && p->slot <= after; p = p->next)
		if (returns_now(p, after, ret, trampoline) && is_nearer(p, nearest))
			nearest = p;
	for (p = b->first; p && p->slot <= after; p = p->next) {
		if (!returns_now(p, after, ret, trampoline) || p->vfork != nearest->vfork)
			continue;
		copy = kmemdup(p, sizeof(*p), GFP_NOWAIT);
		if (!copy) {
			uprobe_drop(p->pp, UPROBE_DROP_NOMEM);
			continue;
		}
		refcount_inc(&copy->pp->refs);
		if (trampoline)
			atomic_inc(&um->pending);
		copy->owner = 0;
		copy->pprev = NULL;
		copy->next = NULL;
		*tail = copy;
		tail = &copy->next;
	}
	return list;
}

/**
 * returns_take_all - the current thread has returned from one function or more
 * @um: the mm's probes, with a table
 * @t: its state
 * @after: the stack address just below its stack pointer
 * @ret: where it is
 * @trampoline: it is at the trampoline, whatever @ret is
 *
 * Return: those that it has returned from, innermost first, or NULL.
 */
struct pending_return *returns_take_all(struct uprobe_mm *um, struct uprobe_thread *t,
					unsigned long after, unsigned long ret,
					bool trampoline)
{
	struct return_bucket *b = bucket_of(um->returns, after);
	struct pending_return *list = NULL, **tail = &list, **pos = &b->first;

	spin_lock(&b->lock);
	while (*pos && (*pos)->slot <= after) {
		if ((*pos)->vfork == t->vfork && returns_now(*pos, after, ret, trampoline))
			tail = move(b, pos, tail);
		else
			pos = &(*pos)->next;
	}
	if (unlikely(!list && t->vfork))
		list = copy_for_child(um, b, after, ret, trampoline);
	spin_unlock(&b->lock);
	return list;
}

/**
 * returns_take - the current thread is where functions return to
 * @um: the mm's probes, with a table
 * @t: its state
 * @after: the stack address just below its stack pointer
 * @ret: where it is
 *
 * Return: as returns_take_all(): as a rule one, the innermost, which was not jumped to.
 */
struct pending_return *returns_take(struct uprobe_mm *um, struct uprobe_thread *t,
				    unsigned long after, unsigned long ret)
{
	struct return_bucket *b = bucket_of(um->returns, after);
	struct pending_return *p;

	spin_lock(&b->lock);
	p = b->first;
	if (likely(p && p->slot == after && p->pub.orig_ret_vaddr == ret &&
		   p->vfork == t->vfork && !p->trampoline &&
		   !(p->next && p->next->slot == after))) {
		WRITE_ONCE(b->first, p->next);
		b->n--;
		spin_unlock(&b->lock);
		p->next = NULL;
		return p;
	}
	spin_unlock(&b->lock);
	return returns_take_all(um, t, after, ret, false);
}

/**
 * returns_remove - take one off
 * @um: the mm's probes, with a table
 * @p: noted, by the current thread
 */
void returns_remove(struct uprobe_mm *um, struct pending_return *p)
{
	struct return_bucket *b = bucket_of(um->returns, p->after);
	struct pending_return **pos;

	spin_lock(&b->lock);
	for (pos = first_at(b, p->slot); *pos; pos = &(*pos)->next) {
		if (*pos == p) {
			*pos = p->next;
			b->n--;
			break;
		}
	}
	spin_unlock(&b->lock);
}

/* ------------------------------------------------------------------ sweep */

static size_t word_size(void)
{
	return is_64bit_mm(current->mm) ? sizeof(u64) : sizeof(u32);
}

/*
 * Does the stack still hold the address that this one waits at? -EFAULT if that
 * cannot be seen without sleeping.
 */
static int still_there(struct uprobe_mm *um, const struct pending_return *p)
{
	unsigned long now = 0, trampoline = READ_ONCE(um->area.vaddr);

	if (copy_from_user_nofault(&now, (void __user *)p->slot, word_size()))
		return -EFAULT;
	if (trampoline && now == trampoline)
		return true;
	return !p->trampoline && now == p->pub.orig_ret_vaddr;
}

/*
 * Of one bucket; returns how many of @t are left. What cannot be read may be
 * swapped out, or not for this thread's eyes: it stays as long as there is a mapping.
 * @um->mm's mmap_lock is held for reading.
 */
static unsigned int sweep_bucket(struct uprobe_mm *um, struct uprobe_thread *t,
				 struct return_bucket *b)
{
	struct pending_return *dead = NULL, **tail = &dead, **pos;
	unsigned long page = ~0UL;
	unsigned int left = 0;
	bool mapped = false;

	mmap_assert_locked(um->mm);
	spin_lock(&b->lock);
	for (pos = &b->first; *pos;) {
		/* The stack is in use by this one's parent, or child: it is theirs to say. */
		int there = (*pos)->vfork == t->vfork ? still_there(um, *pos) : true;

		if (there == -EFAULT) {
			if ((*pos)->slot >> PAGE_SHIFT != page) {
				page = (*pos)->slot >> PAGE_SHIFT;
				mapped = vma_lookup(um->mm, (*pos)->slot);
			}
			there = mapped;
		}
		if (!there) {
			tail = move(b, pos, tail);
			continue;
		}
		left += (*pos)->owner == t->id;
		pos = &(*pos)->next;
	}
	spin_unlock(&b->lock);
	returns_give_up(um, t, dead);
	return left;
}

/* At what depth the next sweep is due, if @left are alive: the work pays then. */
static unsigned int next_sweep(unsigned int left)
{
	return min(left + max(left, SWEEP_FIRST), UPROBE_RETURN_LIMIT);
}

/**
 * returns_sweep - drop what longjmp(), exceptions and stacks given up left behind
 * @um: the mm's probes, with a table
 * @t: the current thread's state
 *
 * Context: may sleep.
 */
void returns_sweep(struct uprobe_mm *um, struct uprobe_thread *t)
{
	struct return_table *table = um->returns;
	unsigned int i, left = 0;

	/* What is left of them is in use, or is found by the next sweep. */
	atomic_set(&table->orphans, 0);
	for (i = 0; i < BUCKETS; i++) {
		if (!READ_ONCE(table->bucket[i].first))
			continue;
		if (mmap_read_lock_killable(um->mm))
			return;
		left += sweep_bucket(um, t, &table->bucket[i]);
		mmap_read_unlock(um->mm);
		cond_resched();
	}
	t->depth = left;
	t->sweep_at = next_sweep(left);
}

/* ------------------------------------------------------- fork, exit, exec */

/**
 * returns_any - is any return waited for?
 * @um: the mm's probes
 *
 * Return: true if so.
 */
bool returns_any(struct uprobe_mm *um)
{
	/* Pairs with the publication in returns_make(). */
	struct return_table *table = smp_load_acquire(&um->returns);
	unsigned int i;

	for (i = 0; table && i < BUCKETS; i++)
		if (READ_ONCE(table->bucket[i].first))
			return true;
	return false;
}

/*
 * Copies of what is in @b, in order. Those of @owner are remembered in the originals
 * for a moment: nobody else copies these on his behalf. Returns -ENOMEM with none made.
 */
static int copy_bucket(struct return_bucket *b, struct return_bucket *to, u32 owner)
{
	struct pending_return *spare = NULL, *p, *copy, **tail;
	unsigned int have = 0, want;

	for (;;) {
		spin_lock(&b->lock);
		want = b->n;
		if (want <= have)
			break;
		spin_unlock(&b->lock);
		for (; have < want; have++) {
			copy = kmalloc(sizeof(*copy), GFP_KERNEL_ACCOUNT);
			if (!copy) {
				while ((copy = spare)) {
					spare = copy->next;
					kfree(copy);
				}
				return -ENOMEM;
			}
			copy->next = spare;
			spare = copy;
		}
	}
	tail = &to->first;
	to->n = want;
	for (p = b->first; p; p = p->next) {
		copy = spare;
		spare = copy->next;
		*copy = *p;
		copy->copy = NULL;
		if (owner && p->owner == owner)
			p->copy = copy;
		refcount_inc(&copy->pp->refs);
		copy->next = NULL;
		*tail = copy;
		tail = &copy->next;
	}
	spin_unlock(&b->lock);
	while ((copy = spare)) {
		spare = copy->next;
		kfree(copy);
	}
	return 0;
}

/**
 * returns_copy - a child runs on copies of the stacks of its parent's mm
 * @child: its state; it has not run yet
 * @parent: the state of current, or NULL
 * @from: the probes of its mm
 *
 * Return: 0 or -ENOMEM, with some copied.
 */
int returns_copy(struct uprobe_thread *child, struct uprobe_thread *parent,
		 struct uprobe_mm *from)
{
	struct return_table *old = from->returns, *table = returns_get(child->um);
	struct return_instance **tail = &child->pub.return_instances, *ri;
	struct pending_return *p;
	unsigned int i;

	if (!table)
		return -ENOMEM;
	/* Another thread may just be taking away one that is still on this list. */
	spin_lock(&from->threads_lock);
	for (ri = parent ? parent->pub.return_instances : NULL; ri; ri = ri->next)
		container_of(ri, struct pending_return, pub)->copy = NULL;
	spin_unlock(&from->threads_lock);

	for (i = 0; i < BUCKETS; i++) {
		if (!READ_ONCE(old->bucket[i].first))
			continue;
		if (copy_bucket(&old->bucket[i], &table->bucket[i], parent ? parent->id : 0))
			return -ENOMEM;
		for (p = table->bucket[i].first; p; p = p->next) {
			p->pprev = NULL;
			p->vfork = 0;
			if (parent && p->owner == parent->id) {
				p->owner = child->id;
				child->depth++;
			} else {
				p->owner = 0;
				atomic_inc(&table->orphans);
			}
			if (p->trampoline)
				atomic_inc(&child->um->pending);
		}
		cond_resched();
	}
	child->sweep_at = next_sweep(child->depth);
	if (!parent)
		return 0;

	/* Its call chains are its parent's. */
	spin_lock(&from->threads_lock);
	for (ri = parent->pub.return_instances; ri; ri = ri->next) {
		p = container_of(ri, struct pending_return, pub)->copy;
		if (!p)
			continue;
		p->pprev = tail;
		p->pub.next = NULL;
		*tail = &p->pub;
		tail = &p->pub.next;
	}
	spin_unlock(&from->threads_lock);
	return 0;
}

static struct pending_return *take_vforked(struct return_bucket *b, u32 vfork)
{
	struct pending_return *list = NULL, **tail = &list, **pos;

	spin_lock(&b->lock);
	for (pos = &b->first; *pos;) {
		if ((*pos)->vfork == vfork)
			tail = move(b, pos, tail);
		else
			pos = &(*pos)->next;
	}
	spin_unlock(&b->lock);
	return list;
}

/**
 * returns_leave - a thread leaves the mm
 * @um: the mm's probes
 * @t: its state
 *
 * What it has noted stays: other threads may resume its fibers. The one by which it
 * gets too much sweeps. When the last thread goes all of it goes.
 */
void returns_leave(struct uprobe_mm *um, struct uprobe_thread *t)
{
	struct return_table *table = um->returns;
	struct return_instance *ri;
	struct pending_return *p;
	unsigned int i;

	if (table && t->vfork && t->depth)
		for (i = 0; i < BUCKETS; i++)
			free_list(um, t, take_vforked(&table->bucket[i], t->vfork));
	else if (table && t->depth &&
		 atomic_add_return(t->depth, &table->orphans) >= SWEEP_ORPHANS &&
		 t->task == current)
		returns_sweep(um, t);

	/* Not freed before they are off this list. */
	spin_lock(&um->threads_lock);
	while ((ri = t->pub.return_instances)) {
		p = container_of(ri, struct pending_return, pub);
		WRITE_ONCE(t->pub.return_instances, ri->next);
		if (ri->next)
			container_of(ri->next, struct pending_return, pub)->pprev =
				&t->pub.return_instances;
		p->pprev = NULL;
	}
	spin_unlock(&um->threads_lock);

	if (table && !t->vfork && atomic_read(&um->mm->mm_users) <= 1)
		for (i = 0; i < BUCKETS; i++)
			free_list(um, t, take_vforked(&table->bucket[i], 0));

	while ((p = t->spare)) {
		t->spare = p->next;
		probepoint_put(p->pp);
		kfree(p);
	}
	t->spares = 0;
}

/**
 * returns_end - the mm has no users any more
 * @um: its probes
 *
 * What is pending now did not get lost: the program has ended.
 */
void returns_end(struct uprobe_mm *um)
{
	struct return_table *table = um->returns;
	unsigned int i;

	if (!table)
		return;
	for (i = 0; i < BUCKETS; i++)
		free_list(um, NULL, table->bucket[i].first);
	um->returns = NULL;
	kvfree(table);
}
