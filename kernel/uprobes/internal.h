/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User-space probes, core: the private types, and the rules that tie them.
 *
 * Who holds what
 *
 *   probed_file   one inode with probepoints. Held by each of its probepoints;
 *                 holds the inode as long as it has any on its tree.
 *   probepoint    one instruction of it. Held by each uprobe registered on it,
 *                 each site, each pending return, and while it is on the list
 *                 of return points.
 *   return_link   says that a function returns to a point. Owned by the point.
 *   uprobe_site   a probepoint in one mm. Owned by the mm's table; the hits in
 *                 progress keep it by SRCU, who gets past its instruction by
 *                 naming it in uprobe_thread->site. Removed in three moves: unhashed, a grace
 *                 period, no thread names it (reclaim.c).
 *   uprobe_mm     all of one mm. Held by the mm, by each uprobe_thread, and by
 *                 reclaim while there is something to reclaim.
 *   uprobe_thread what a thread that ever hit a probe needs. Dies with it.
 *
 * Lock order, outermost first
 *
 *   probed_file->lock          registration on one file
 *     probed_file->make_lock   its probepoints, their links; inside only i_mmap_rwsem and
 *                              the spinlocks at the end of this list
 *     mm->mmap_lock
 *       all_lock                   the list of all uprobe_mm (site.c)
 *       uprobe_mm->lock        sites, slots and the area of one mm
 *         (page faults, the area's pages)
 *           mapping->i_mmap_rwsem
 *             uprobe_mm->index_lock, probed_file->points_lock, files_lock and
 *             refusals_lock (probepoint.c), uprobe_mm->threads_lock, links_lock
 *             (retpoint.c), the buckets of pending returns, hits_lock (hits.c):
 *             spinlocks, nothing is taken inside but the scheduler's locks, by
 *             threads_lock
 *
 * At fork() the lock of the parent's uprobe_mm is taken before that of the child's.
 *
 * uprobe_munmap() is called with i_mmap_rwsem held at times: it may take
 * spinlocks only. No lock is held while a handler runs; an SRCU reader is.
 * Nobody waits for a grace period with any of these held.
 */
#ifndef _KERNEL_UPROBES_INTERNAL_H
#define _KERNEL_UPROBES_INTERNAL_H

#include <linux/bitmap.h>
#include <linux/hash.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>
#include <linux/sched.h>
#include <linux/sched/coredump.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/timer.h>
#include <linux/timex.h>
#include <linux/uprobes.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <asm/uprobes.h>

#ifndef CONFIG_X86
#error "kernel/uprobes needs the architecture's half, and only x86 has it"
#endif

/* Handlers run, and sites are used, inside of a reader of this domain. */
extern struct srcu_struct uprobes_srcu;

/* --------------------------------------------------------------- defer.c */

/**
 * struct deferral - something to do after a grace period
 * @node: on the list of those that wait
 * @fn: does it
 */
struct deferral {
	struct llist_node	node;
	void			(*fn)(struct deferral *d);
};

void defer(struct deferral *d, void (*fn)(struct deferral *d));

/* ---------------------------------------------------------------- drop.c */

/**
 * enum uprobe_drop - what is not done, or no longer, and why
 * @UPROBE_DROP_FOREIGN: not planted: somebody's int3 is there
 * @UPROBE_DROP_CHANGED: not planted, or backed out: text is not the file's
 * @UPROBE_DROP_MAPPING: not planted: shared, writable or huge mapping, also of a process
 *	that no filter wants
 * @UPROBE_DROP_REFUSED: not planted: refused in the mode of this mm
 * @UPROBE_DROP_MISSED: perhaps not planted everywhere: processes forked or mapped the file
 *	all the time
 * @UPROBE_DROP_FAULT: not planted, or backed out: text cannot be read or written
 * @UPROBE_DROP_MODE: backed out: executed in the other mode, in a code segment of the
 *	program's own, or with a 16-bit stack segment
 * @UPROBE_DROP_AREA: backed out, or return not followed: no XOL area, no slot
 * @UPROBE_DROP_NOMEM: no memory: hit without handlers, not planted, return not followed, or
 *	a debugger is shown the breakpoint
 * @UPROBE_DROP_REF_CTR: the ref counter could not be changed
 * @UPROBE_DROP_DEPTH: return not followed: too many are pending
 * @UPROBE_DROP_STACK: return not followed: stack cannot be read or written
 * @UPROBE_DROP_SKIPPED: return not followed: it does not go behind a call, or what is there
 *	is refused; or nothing can be planted there, and the trampoline is switched off
 * @UPROBE_DROP_RETURN: a pending return never came
 * @UPROBE_DROP_STRAY: a return that nobody was waiting for; or return not followed: it
 *	goes to a trampoline where nobody is waited for
 * @UPROBE_DROPS: how many there are
 *
 * Each is counted for the whole system and, where a probepoint is known, there.
 */
enum uprobe_drop {
	UPROBE_DROP_FOREIGN,
	UPROBE_DROP_CHANGED,
	UPROBE_DROP_MAPPING,
	UPROBE_DROP_REFUSED,
	UPROBE_DROP_MISSED,
	UPROBE_DROP_FAULT,
	UPROBE_DROP_MODE,
	UPROBE_DROP_AREA,
	UPROBE_DROP_NOMEM,
	UPROBE_DROP_REF_CTR,
	UPROBE_DROP_DEPTH,
	UPROBE_DROP_STACK,
	UPROBE_DROP_SKIPPED,
	UPROBE_DROP_RETURN,
	UPROBE_DROP_STRAY,
	UPROBE_DROPS
};

extern const char *const uprobe_drop_name[UPROBE_DROPS];

/* Numbers for debugfs "stats", beside the drops. */
enum uprobe_stat {
	UPROBE_STAT_PLANTED,
	UPROBE_STAT_UNPLANTED,
	UPROBE_STAT_REPLANTED,	/* text had been given back to the file */
	UPROBE_STAT_STEALS,	/* slots taken from other sites */
	UPROBE_STAT_SLOT_WAITS,	/* every slot was being executed */
	UPROBE_STAT_SECOND_TRAPS, /* exceptions behind a copy, whoever wanted them */
	UPROBE_STAT_KICKS,	/* running threads asked whether they are in a slot */
	UPROBE_STAT_AREAS,	/* areas made */
	UPROBE_STAT_RETURNS,
	UPROBE_STAT_RETURN_POINTS, /* return addresses where a site was planted */
	UPROBE_STAT_TRAMPOLINES, /* return addresses that were replaced */
	UPROBE_STATS
};

/* Of one CPU, so that a count shares no cache line: drop.c sums them up. */
struct uprobe_counts {
	u64 drop[UPROBE_DROPS];
	u64 stat[UPROBE_STATS];
};

DECLARE_PER_CPU(struct uprobe_counts, uprobe_counts);

/* Count what is done. */
static inline void uprobe_stat_inc(enum uprobe_stat what)
{
	this_cpu_inc(uprobe_counts.stat[what]);
}

void uprobe_drop(struct probepoint *pp, enum uprobe_drop why);
u64 uprobe_drop_sum(enum uprobe_drop why);
u64 uprobe_stat_sum(enum uprobe_stat what);
extern const char *const uprobe_stat_name[UPROBE_STATS];

/* ---------------------------------------------------------------- hits.c */

#define HITS_PER_BLOCK	256

/**
 * struct hits_block - hit counters of some probepoints
 * @node: on the list of blocks with room (hits_lock)
 * @used: how many are taken (hits_lock)
 * @taken: which (hits_lock)
 * @counts: all of them, per CPU; what is not taken is 0
 */
struct hits_block {
	struct list_head	node;
	unsigned int		used;
	DECLARE_BITMAP(taken, HITS_PER_BLOCK);
	unsigned long __percpu	*counts;
};

int hits_take(struct probepoint *pp);
void hits_give_back(struct probepoint *pp);
unsigned long hits_sum(const struct probepoint *pp);

/* ---------------------------------------------------------- probepoint.c */

/**
 * struct probed_file - an inode and its probepoints
 * @hash: on files_hash until it is @retired; RCU readers
 * @inode: referenced until @retired: not longer than the callers of the interface
 *	keep its mount busy. Afterwards a name only
 * @dev: of the inode, for people
 * @ino: the same
 * @retired: the last probepoint is hidden; who found it before looks again (@make_lock)
 * @refs: one per probepoint, one per user of the pointer
 * @lock: serializes registration and removal on this file. Held while mmap_lock of
 *	others is waited for, so a hit never waits for it
 * @make_lock: serializes the making and hiding of probepoints, and of links to them.
 *	Hits wait for it, but not where somebody may wait for the file with it held:
 *	see inode_is_served()
 * @points_lock: covers @points
 * @points: probepoints that have uprobes, or to which functions return, or that are
 *	@left, by offset; changed with @make_lock held as well
 * @code_bits: 32 or 64, by its ELF header; 0 while none has been seen
 *	(@make_lock; debugfs reads it without)
 * @sb: kept mounted while there are probepoints whose users do not keep it
 *	(@make_lock)
 * @release: gives back @inode and @sb
 * @rcu: frees it
 */
struct probed_file {
	struct hlist_node	hash;
	struct inode		*inode;
	dev_t			dev;
	unsigned long		ino;
	bool			retired;
	refcount_t		refs;
	struct mutex		lock;		/* registration */
	struct mutex		make_lock;	/* points, links */
	spinlock_t		points_lock;	/* points */
	struct rb_root		points;
	u8			code_bits;
	struct super_block	*sb;
	struct work_struct	release;
	struct rcu_head		rcu;
};

struct return_link;

/**
 * struct probepoint - one instruction of one file
 * @node: in @file->points while there are uprobes, or it is a return point, or @left
 *	(@file->points_lock)
 * @file: held
 * @offset: first byte of the instruction in the file
 * @ref_ctr_offset: see &struct uprobe; one per probepoint. Changes only while
 *	there are no uprobes
 * @refs: see "Who holds what"
 * @uprobes: the requests; changed under @file->lock, added with @file->make_lock held as
 *	well; read under uprobes_srcu
 * @insn: the records for 32-bit ([0]) and 64-bit ([1]) code; constant
 * @refusal: why a record cannot be used; constant
 * @sites: sites that exist, planted or barred
 * @left: when it was taken out, or is, a breakpoint may have remained (@file->lock)
 * @hits: per CPU, in @hits_block
 * @hits_block: holds them
 * @drops: by cause
 * @wants_returns: an uprobe of it has a ret_handler (links_lock)
 * @pops: bytes that the function entered here releases when it returns, for 32-bit
 *	and 64-bit code; written before @wants_returns is set for the first time
 * @returns: of a function: the live links to where it returns (links_lock)
 * @links: of a return point: all links that it ever had, the live ones last
 *	(links_lock)
 * @live_links: how many of them are live (links_lock to change)
 * @return_node: on the list of those that the worker looks at, return points and what
 *	could not be taken out at once, until it has taken it out
 *	(@file->make_lock and links_lock to change)
 * @free: frees it
 */
struct probepoint {
	struct rb_node		node;
	struct probed_file	*file;
	loff_t			offset;
	loff_t			ref_ctr_offset;
	refcount_t		refs;
	struct list_head	uprobes;
	struct arch_uprobe	insn[2];
	enum uprobe_refusal	refusal[2];
	atomic_t		sites;
	unsigned long __percpu	*hits;
	struct hits_block	*hits_block;
	atomic_t		drops[UPROBE_DROPS];
	bool			wants_returns;
	bool			left;
	u16			pops[2];
	struct list_head	returns;
	struct list_head	links;
	unsigned int		live_links;
	struct list_head	return_node;
	struct deferral		free;
};

/* One flag test for all who have no probes: is there any probepoint at all? */
extern atomic_t probepoints_active;

static inline bool probepoints_exist(void)
{
	return atomic_read(&probepoints_active) != 0;
}

struct probed_file *probed_file_find(struct inode *inode);
struct probed_file *probed_file_lock(struct inode *inode);
struct probed_file *probed_file_lock_make(struct inode *inode);
bool inode_is_served(struct inode *inode);
void probed_file_put(struct probed_file *file);
void probed_file_retire_idle(struct probed_file *file);

struct probepoint *probepoint_get(struct probed_file *file, loff_t offset,
				  loff_t ref_ctr_offset);
struct probepoint *probepoint_get_return(struct probed_file *file, loff_t offset,
					 bool anywhere, bool *made);

/**
 * struct probepoint_place - where somebody is who goes through all probepoints
 * @bucket: of the table of files
 * @file: its number in there
 * @offset: in it
 */
struct probepoint_place {
	unsigned int	bucket;
	unsigned int	file;
	loff_t		offset;
};

void probepoint_find_pops(struct probepoint *pp);
struct probepoint *probepoint_find(struct probed_file *file, loff_t min, loff_t max);
void probepoint_hide(struct probepoint *pp);
void probepoints_setup(void);
void probepoint_put(struct probepoint *pp);
bool probepoint_wanted(struct probepoint *pp, struct mm_struct *mm);
bool probepoint_has_returns(struct probepoint *pp);
struct probepoint *probepoint_at(struct probepoint_place *place);

struct refusal_note {
	dev_t		dev;
	unsigned long	ino;
	loff_t		offset;
	bool		is64;
	u8		len;
	u8		insn[MAX_UINSN_BYTES];
	enum uprobe_refusal why;
};

#define UPROBE_REFUSALS_KEPT	64
unsigned int probepoint_refusals(struct refusal_note *notes);

/* ---------------------------------------------------------------- site.c */

/**
 * enum site_state - is the breakpoint there?
 * @SITE_PLANTED: our int3 is over the instruction
 * @SITE_BARRED: it is not and will not be: what is there is not ours. A trap
 *	at this address belongs to the program
 */
enum site_state {
	SITE_PLANTED,
	SITE_BARRED,
};

#define SITE_LOOKED_AT	2

/**
 * enum site_naming - of a site that was unhashed: does a thread name it?
 * @SITE_NOT_ASKED: nobody wants to know
 * @SITE_ASKED: none that was seen yet
 * @SITE_NAMED: yes, or it will be known a little later only
 */
enum site_naming {
	SITE_NOT_ASKED,
	SITE_ASKED,
	SITE_NAMED,
};

/**
 * struct uprobe_site - a probepoint in one mm
 * @hash: in @um->table, by @vaddr; RCU and SRCU readers
 * @node: in @um->index, by @vaddr (@um->index_lock)
 * @vaddr: the address of the breakpoint
 * @slot: address of its slot or 0; changed under @um->lock, read by hits, which
 *	name it in their uprobe_thread and look again
 * @pp: held
 * @insn: the record of @pp for the mode of this mm
 * @um: the mm's
 * @last_hit: coarse time of the last step, to find the slot to steal
 * @state: enum site_state; changed under @um->lock
 * @stale: the mapping at @vaddr may have changed: look before use. SITE_LOOKED_AT
 *	while that is done, so that what happens meanwhile is not overlooked
 * @loose: the text may be changed without notice, or somebody has written to it:
 *	compare on each hit. Who makes a mapping writable marks its sites stale,
 *	so where text is only executable this is false
 * @under: a debugger has written int3 here while it was planted: what others read,
 *	what a hit is to the program, and what stays when the site goes. Changed
 *	under @um->lock; means nothing for a site that was barred meanwhile
 * @special: all four at once. 0: planted, and nothing to be looked at
 * @ref_ctr: the ref counter of this mm was incremented (@um->lock)
 * @ref_ctr_came: if so, it came with fork(), as did the breakpoint (@um->lock)
 * @returns: functions return to it in this mm (@um->lock)
 * @naming: enum site_naming (@um->lock)
 * @link: one of them, as a hint; of @pp, so as long-lived as the site
 * @queue: while it is hashed, on @um->stale, or on the list of who took it from there, or
 *	on none (@um->index_lock); then on @um->dead, and @um->aging (@um->lock)
 * @rcu: frees it
 */
struct uprobe_site {
	struct rhash_head	hash;
	struct rb_node		node;
	unsigned long		vaddr;
	unsigned long		slot;
	struct probepoint	*pp;
	const struct arch_uprobe *insn;
	struct uprobe_mm	*um;
	unsigned long		last_hit;
	union {
		struct {
			u8	state;
			u8	stale;
			bool	loose;
			bool	under;
		};
		u32		special;
	};
	bool			ref_ctr;
	bool			ref_ctr_came;
	bool			returns;
	u8			naming;
	struct return_link	*link;
	struct list_head	queue;
	struct rcu_head		rcu;
};

static_assert(SITE_PLANTED == 0);
static_assert(offsetofend(struct uprobe_site, under) ==
	      offsetofend(struct uprobe_site, special));

/* Is its breakpoint where it was planted, as far as is known? */
static inline bool site_usable(const struct uprobe_site *site)
{
	return !READ_ONCE(site->stale) && READ_ONCE(site->state) == SITE_PLANTED;
}

/* ----------------------------------------------------------------- xol.c */

#define XOL_SLOTS_PER_PAGE	(PAGE_SIZE / UPROBE_XOL_SLOT_BYTES)
#define XOL_MAX_PAGES		(IS_ENABLED(CONFIG_64BIT) ? 2048 : 32)
#define XOL_MAX_SLOTS		(XOL_MAX_PAGES * XOL_SLOTS_PER_PAGE)

/**
 * struct xol_page - who owns the slots of one page of the area
 * @used: how many are owned
 * @busy: scratch of a search for a slot to steal: a thread is in it
 * @owner: the sites; the first slot of the first page is the trampoline
 */
struct xol_page {
	unsigned int		used;
	DECLARE_BITMAP(busy, XOL_SLOTS_PER_PAGE);
	struct uprobe_site	*owner[XOL_SLOTS_PER_PAGE];
};

/**
 * struct xol_area - the executable area of one mm
 * @vaddr: where it begins, 0 while there is none; the trampoline is there.
 *	Written under mmap_lock and um->lock, read from any context
 * @file: the shmem file behind it
 * @nr_pages: how many pages have been taken into use; the vma has them all
 * @full: so many pages from the first on have no slot to spare
 * @used: slots owned
 * @limit: how many there may be, the trampoline included
 * @pages: @nr_pages of them, with room for a power of two
 */
struct xol_area {
	unsigned long		vaddr;
	struct file		*file;
	unsigned int		nr_pages;
	unsigned int		full;
	unsigned int		used;
	unsigned int		limit;
	struct xol_page		**pages;
};

/**
 * struct uprobe_mm - the probes of one mm
 * @mm: grabbed; for its users see @refs
 * @refs: see "Who holds what"
 * @forked: this mm came out of fork() with breakpoints, and the data beside them
 * @inherited: there may be breakpoints of ours without sites: this mm came out
 *	of fork() with them, or mremap() moved them (@lock)
 * @forks: how often it has begun to be copied by fork() (mmap_lock for writing)
 * @sites_lost: changes when a site is marked stale, or is not planted any more
 * @any_under: there may be sites with a debugger's int3 under them (@lock)
 * @foreign: addresses at which there is an int3 that somebody else wrote, and no
 *	planted site: it must not be taken for one that fork() has brought
 * @nr_foreign: how many (@lock)
 * @foreign_doubt: some may have gone since they were looked at (no lock)
 * @foreign_from: between this and @foreign_to there are too many to know them: none there
 *	is taken for ours. Only ever grows (@lock)
 * @foreign_to: the address behind the last of them, 0 while there are none (@lock)
 * @gone: the mm's users are gone (@lock)
 * @table: sites by address
 * @index_lock: covers @index and @stale
 * @index: sites in the order of their addresses
 * @stale: those to be looked at before long, whether they are hit or not
 * @lock: see "Lock order"
 * @area: its fields are under @lock
 * @dead: sites unhashed since the last grace period began (@lock)
 * @aging: sites unhashed before that (@lock)
 * @nr_returns: how many sites have @returns (@lock to change)
 * @threads_lock: covers @threads, and their lists of returns by the trampoline
 * @threads: the threads that have hit a probe here
 * @returns: the returns that are waited for, NULL if there never was one. Set once,
 *	freed when the mm's users are gone
 * @pending: those that wait at the trampoline, and those being set up there
 * @trampolined: there were any: no site could be planted where they go
 * @drop_wanted: the area is needed for @pending only: kick when that is 0
 * @all: on the list of all, for debugfs
 * @reclaiming: bits of reclaim.c; if not 0 reclaim may hold a reference
 * @delay: until reclaim looks again for a thread that stays in a slot, in jiffies
 * @gp: the grace period that reclaim waits for
 * @rcu: frees it
 * @work: reclaim
 */
struct uprobe_mm {
	struct mm_struct	*mm;
	refcount_t		refs;
	bool			forked;
	bool			inherited;
	bool			any_under;
	long			forks;
	atomic_long_t		sites_lost;
	struct xarray		foreign;
	unsigned int		nr_foreign;
	bool			foreign_doubt;
	unsigned long		foreign_from;
	unsigned long		foreign_to;
	bool			gone;
	struct rhashtable	table;
	spinlock_t		index_lock;	/* index, stale */
	struct rb_root		index;
	struct list_head	stale;
	struct mutex		lock;		/* sites, slots, area */
	struct xol_area		area;
	struct list_head	dead;
	struct list_head	aging;
	unsigned int		nr_returns;
	spinlock_t		threads_lock;	/* threads, their return_instances */
	struct list_head	threads;
	struct return_table	*returns;
	atomic_t		pending;
	bool			trampolined;
	bool			drop_wanted;
	struct list_head	all;
	unsigned long		reclaiming;
	unsigned int		delay;
	struct deferral		gp;
	struct rcu_head		rcu;
	struct delayed_work	work;
};

/* Its mapping may have changed: look before it is used again. site_doubt(): or soon. */
static inline void site_mark_stale(struct uprobe_site *site)
{
	WRITE_ONCE(site->stale, true);
	/* Behind that: pairs with retpoint_ready(). */
	smp_mb__before_atomic();
	atomic_long_inc(&site->um->sites_lost);
}

static inline struct uprobe_mm *uprobe_mm_of(struct mm_struct *mm)
{
	/* Pairs with the publication in uprobe_mm_get(). */
	return smp_load_acquire(&mm->uprobes_state.xol_area);
}

struct return_table;

struct uprobe_mm *uprobe_mm_get(struct mm_struct *mm);
void uprobe_mm_hold(struct uprobe_mm *um);
void uprobe_mm_put(struct uprobe_mm *um);
void uprobe_mm_for_each(void (*fn)(struct uprobe_mm *um, void *data), void *data);

struct uprobe_site *site_find(struct uprobe_mm *um, unsigned long vaddr);
struct uprobe_site *site_add(struct uprobe_mm *um, struct probepoint *pp,
			     unsigned long vaddr);
void site_set_state(struct uprobe_site *site, enum site_state state);
void site_set_returns(struct uprobe_site *site);
void site_retire(struct uprobe_site *site);
void site_free(struct uprobe_site *site);
void sites_end(struct uprobe_mm *um);
struct uprobe_site *site_first_from(struct uprobe_mm *um, unsigned long vaddr);
void site_doubt(struct uprobe_site *site);
void sites_take_stale(struct uprobe_mm *um, struct list_head *stale);
struct uprobe_site *site_next_stale(struct uprobe_mm *um, struct list_head *stale);
void sites_mark_stale(struct uprobe_mm *um, unsigned long start, unsigned long end);

struct uprobe_thread;

unsigned long xol_slot_get(struct uprobe_site *site, struct uprobe_thread *t);
void xol_slot_release(struct uprobe_site *site);
int xol_area_make(struct uprobe_mm *um, unsigned long at);
bool xol_area_drop(struct uprobe_mm *um);
void xol_area_keep_private(struct uprobe_mm *um);
void xol_area_free(struct uprobe_mm *um);
unsigned int xol_slot_limit(void);

#ifdef VM_SEALED
static inline bool xol_area_intact(struct uprobe_mm *um, unsigned long slot,
				   const struct arch_uprobe *insn)
{
	return true;
}
#else
bool xol_area_intact(struct uprobe_mm *um, unsigned long slot,
		     const struct arch_uprobe *insn);
#endif

/* The time of &uprobe_site.last_hit: some unit that grows from hit to hit and wraps. */
#define XOL_CLOCK_SHIFT	(IS_ENABLED(CONFIG_64BIT) ? 0 : 12)

static inline unsigned long xol_clock(void)
{
	return get_cycles() >> XOL_CLOCK_SHIFT;
}

/*
 * It is written when it is that old: in less than a millisecond not twice, however many
 * threads hit.
 */
#define XOL_HIT_STEP	(SZ_1M >> XOL_CLOCK_SHIFT)

/* ---------------------------------------------------------------- text.c */

bool text_vma_ok(struct vm_area_struct *vma);
bool text_vma_could(struct vm_area_struct *vma);
struct page *text_get_page(struct mm_struct *mm, unsigned long vaddr, unsigned int gup_flags,
			   struct vm_area_struct **vma);
int text_read(struct mm_struct *mm, unsigned long vaddr, u8 *buf, unsigned int n);
int text_restore(struct mm_struct *mm, unsigned long vaddr, const struct arch_uprobe *insn);

enum text_state {
	TEXT_ORIGINAL,		/* the instruction as analysed */
	TEXT_PLANTED,		/* the same with int3 on its first byte */
	TEXT_FOREIGN,		/* int3, but not over our instruction; or over it, not by us */
	TEXT_CHANGED,		/* something else */
};

int text_look(struct mm_struct *mm, unsigned long vaddr, const struct arch_uprobe *insn);

/**
 * struct text_page - the page of text that was used last, as the next use is often there
 * @page: held, or NULL
 * @vma: of @page
 * @vaddr: of @page
 * @own: it may be written to as it is; else it is not kept from one use to the next
 *
 * For one mapping. Empty again, by text_page_put(), before mmap_lock is given back.
 */
struct text_page {
	struct page		*page;
	struct vm_area_struct	*vma;
	unsigned long		vaddr;
	bool			own;
};

int text_look_again(struct text_page *tp, struct mm_struct *mm, unsigned long vaddr,
		    const struct arch_uprobe *insn);
int text_plant(struct text_page *tp, struct mm_struct *mm, unsigned long vaddr);
void text_page_put(struct text_page *tp);

/* -------------------------------------------------------------- refctr.c */

void refctr_inc(struct uprobe_site *site);
void refctr_dec(struct uprobe_site *site);
void refctr_disown(struct uprobe_site *site);
void refctr_leave(struct uprobe_site *site);
void refctr_adopt(struct uprobe_site *site);
void refctr_mapped(struct uprobe_mm *um, struct vm_area_struct *vma);

/* -------------------------------------------------------------- insert.c */

int insert_everywhere(struct probepoint **pps, unsigned int n);
void remove_everywhere(struct probepoint **pps, unsigned int n);
void remove_where_free(struct probepoint *pp);
int insert_site(struct probepoint *pp, struct vm_area_struct *vma, unsigned long vaddr,
		struct text_page *text, bool again, bool *planted);
void remove_site(struct uprobe_site *site);
void bar_site(struct uprobe_site *site, enum uprobe_drop why);
int restore_text(struct uprobe_site *site);
struct uprobe_site *adopt_site(struct uprobe_mm *um, struct probepoint *pp,
			       unsigned long vaddr);
struct uprobe_site *revalidate_site(struct uprobe_mm *um, unsigned long vaddr);
void revalidate_stale(struct uprobe_mm *um);

static inline loff_t vma_offset_of(const struct vm_area_struct *vma, unsigned long vaddr)
{
	return ((loff_t)vma->vm_pgoff << PAGE_SHIFT) + (vaddr - vma->vm_start);
}

static inline unsigned long vma_vaddr_of(const struct vm_area_struct *vma, loff_t offset)
{
	return vma->vm_start + (offset - ((loff_t)vma->vm_pgoff << PAGE_SHIFT));
}

/*
 * mmap_lock for writing, unless others have it: they may for as long as a page takes that
 * a process serves. (6.12 has no mmap_write_trylock(). Who takes it in this moment is
 * waited for, so this is for workers.)
 */
static inline bool mmap_write_lock_if_free(struct mm_struct *mm)
{
	return !rwsem_is_locked(&mm->mmap_lock) && !mmap_write_lock_killable(mm);
}

/* ---------------------------------------------------------------- hide.c */

void inherit_under(struct uprobe_mm *um, struct mm_struct *newmm);
/* May an int3 at @vaddr be somebody else's, for all that is known? */
static inline bool is_foreign(struct uprobe_mm *um, unsigned long vaddr)
{
	return (vaddr >= um->foreign_from && vaddr < um->foreign_to) ||
	       xa_load(&um->foreign, vaddr);
}

void note_foreign(struct uprobe_mm *um, unsigned long vaddr, bool there);
void doubt_foreign(struct uprobe_mm *um, unsigned long start, unsigned long end);
void settle_foreign(struct uprobe_mm *um);

/* -------------------------------------------------------------- thread.c */

/**
 * enum uprobe_thread_state - is the thread in a slot?
 * @THREAD_OUT: no; or it is not known to others yet that it goes there
 * @THREAD_STEPS: it is in the slot of a stepped copy, until it traps
 * @THREAD_BOOSTED: it was sent into the slot of a boosted copy, and nobody has
 *	looked since. Only in this state may another CPU find, while the thread
 *	does not run, that it has left the slot: uprobe_thread->slot and ->site
 *	are 0 then
 */
enum uprobe_thread_state {
	THREAD_OUT,
	THREAD_STEPS,
	THREAD_BOOSTED,
};

/**
 * struct uprobe_thread - a thread that has hit a probe
 * @pub: what unchanged kernel code reads
 * @um: held; the mm it hit in
 * @task: the thread; as long as this is on @link
 * @link: on @um->threads
 * @state: enum uprobe_thread_state; written by the thread itself
 * @site: the site that the thread is getting past. While it is set the site is
 *	not freed
 * @slot: the slot that the thread may be in, or is about to enter. While it is
 *	set the slot is not given to another site
 * @arch: what the copy borrowed
 * @signal_waits: a signal was told to wait for the end of the copy
 * @overdue: runs while @signal_waits; when it is over the signal is taken anyway
 * @in_handler: handlers run
 * @id: what its pending returns are marked with
 * @vfork: 0, or @id if it runs in the mm and on the stack of the one that made it
 * @depth: returns that it has noted and not seen, at least
 * @sweep_at: look for dead ones when @depth reaches this
 * @stopped_at: handlers have run for the instruction here, and then the thread was
 *	stopped before it: see stop_here(). Or 0
 * @stopped_sp: the stack pointer then
 * @too_deep: how many it could not note
 * @ready: a function that was entered, where it returns to, and that its return would
 *	be seen there; as long as @sites_lost of the mm is the same
 * @spare: pending returns to use again
 * @spares: how many
 * @child_area: this thread came out of fork() with pending returns: make an area
 *	here before it runs
 * @rcu: frees it
 */
struct uprobe_thread {
	struct uprobe_task	pub;
	struct uprobe_mm	*um;
	struct task_struct	*task;
	struct list_head	link;
	u8			state;
	bool			signal_waits;
	bool			in_handler;
	struct uprobe_site	*site;
	unsigned long		slot;
	struct arch_uprobe_task	arch;
	struct timer_list	overdue;
	u32			id;
	u32			vfork;
	unsigned int		depth;
	unsigned int		sweep_at;
	unsigned long		stopped_at;
	unsigned long		stopped_sp;
	unsigned int		too_deep;
	unsigned int		spares;
	struct {
		const struct uprobe_site *site;
		unsigned long	ret;
		struct return_link *link;
		long		lost;
	} ready;
	struct pending_return	*spare;
	unsigned long		child_area;
	struct rcu_head		rcu;
};

static inline struct uprobe_thread *uprobe_thread_of(struct task_struct *t)
{
	struct uprobe_task *pub = t->utask;

	return pub ? container_of(pub, struct uprobe_thread, pub) : NULL;
}

/* Does getting past this instruction take a slot? */
static inline bool insn_needs_slot(const struct arch_uprobe *insn)
{
	return insn->strategy == UPROBE_BOOST || insn->strategy == UPROBE_STEP;
}

static inline bool site_crosses_page(const struct uprobe_site *site)
{
	return offset_in_page(site->vaddr) + site->insn->len > PAGE_SIZE;
}

struct uprobe_thread *uprobe_thread_get(struct uprobe_mm *um);
void uprobe_signal_overdue(struct timer_list *timer);
void uprobe_threads_name_sites(struct uprobe_mm *um);
bool uprobe_threads_name_slot(struct uprobe_mm *um, unsigned long slot);

/* ------------------------------------------------------------- returns.c */

/*
 * Pending returns per thread. Each costs the kernel some 100 bytes, and no
 * program that works recurses deeper through a probed function.
 */
#define UPROBE_RETURN_LIMIT	65536

/**
 * struct pending_return - a function was entered, its return is waited for
 * @pub: what unchanged kernel code reads. Its orig_ret_vaddr, the address that is
 *	returned to, is right in any case; it is on a thread's list only if the
 *	trampoline's address is in @slot
 * @pprev: what points to @pub, or NULL (@um->threads_lock)
 * @next: in its bucket; or the next spare one
 * @copy: during fork() by its owner, and out of date after that: the child's, or NULL
 * @pp: held; where the function was entered
 * @func: the address at which it was entered
 * @slot: the stack address of the return address
 * @after: the stack address just below the stack pointer when it has returned:
 *	@slot, or higher by what the function releases
 * @owner: uprobe_thread->id of the thread that noted it
 * @vfork: uprobe_thread->vfork of that thread
 * @trampoline: it will come to the trampoline
 * @rcu: frees it, if it was on a list
 */
struct pending_return {
	struct return_instance	pub;
	struct return_instance	**pprev;
	struct pending_return	*next;
	struct pending_return	*copy;
	struct probepoint	*pp;
	unsigned long		func;
	unsigned long		slot;
	unsigned long		after;
	u32			owner;
	u32			vfork;
	bool			trampoline;
	struct rcu_head		rcu;
};

/* Pending returns are kept by the page of stack that they lie in. */
#define RETURN_BUCKET_BITS	8

static inline unsigned int return_bucket_nr(unsigned long slot)
{
	return hash_long(slot >> PAGE_SHIFT, RETURN_BUCKET_BITS);
}

/*
 * Returns in one bucket: they are walked with its lock held. With this in each a
 * thread can still recurse to its limit, with calls as near to each other as they
 * can be.
 */
#define RETURN_BUCKET_LIMIT	2048

struct return_table *returns_make(struct uprobe_mm *um);
bool returns_unfit(struct return_table *table, unsigned long ret);
void returns_note_unfit(struct return_table *table, unsigned long ret);
struct pending_return *returns_alloc(struct uprobe_thread *t, struct probepoint *pp);

/* The table of an mm that has users, made if there is none; NULL without memory. */
static inline struct return_table *returns_get(struct uprobe_mm *um)
{
	/* Pairs with the publication in returns_make(). */
	struct return_table *table = smp_load_acquire(&um->returns);

	return likely(table) ? table : returns_make(um);
}

/*
 * A pending return that holds @pp, not noted yet; NULL without memory. A thread that
 * enters a function again uses what it had for the last time, and touches nothing that
 * others use.
 */
static inline struct pending_return *returns_new(struct uprobe_thread *t,
						 struct probepoint *pp)
{
	struct pending_return *p = t->spare;

	if (unlikely(!p || p->pp != pp))
		return returns_alloc(t, pp);
	t->spare = p->next;
	t->spares--;
	return p;
}

/* Is it time for a sweep? Always at the limit. */
static inline bool returns_due(const struct uprobe_thread *t)
{
	return t->depth >= t->sweep_at;
}

/* Spare pending returns that a thread keeps, each with its probepoint. */
#define UPROBE_SPARE_RETURNS	4

void returns_free(struct uprobe_mm *um, struct uprobe_thread *t, struct pending_return *p);

/* returns_free() of one that the current thread has returned by. */
static inline void returns_done(struct uprobe_mm *um, struct uprobe_thread *t,
				struct pending_return *p)
{
	if (unlikely(p->trampoline || p->owner != t->id || !t->depth ||
		     t->spares >= UPROBE_SPARE_RETURNS)) {
		returns_free(um, t, p);
		return;
	}
	t->depth--;
	t->spares++;
	p->next = t->spare;
	t->spare = p;
}

void returns_give_up(struct uprobe_mm *um, struct uprobe_thread *t,
		     struct pending_return *list);
bool returns_note(struct uprobe_mm *um, struct uprobe_thread *t, struct pending_return *p);
bool returns_note_among(struct uprobe_mm *um, struct uprobe_thread *t,
			struct pending_return *p, bool chained);
unsigned long returns_find(struct return_table *table, struct uprobe_thread *t,
			   unsigned long slot, unsigned long after, bool trampoline);
void returns_unlist(struct uprobe_mm *um, struct pending_return *list);
struct pending_return *returns_take(struct uprobe_mm *um, struct uprobe_thread *t,
				    unsigned long after, unsigned long ret);
struct pending_return *returns_take_all(struct uprobe_mm *um, struct uprobe_thread *t,
					unsigned long after, unsigned long ret,
					bool trampoline);
void returns_remove(struct uprobe_mm *um, struct pending_return *p);
void returns_sweep(struct uprobe_mm *um, struct uprobe_thread *t);
bool returns_any(struct uprobe_mm *um);
int returns_copy(struct uprobe_thread *child, struct uprobe_thread *parent,
		 struct uprobe_mm *from);
void returns_leave(struct uprobe_mm *um, struct uprobe_thread *t);
void returns_end(struct uprobe_mm *um);

/* ------------------------------------------------------------ retpoint.c */

/**
 * struct return_link - a function returns to a point
 * @hash: in the table of live links, by @func and @point
 * @node: on the point's links (links_lock)
 * @point: whose it is
 * @returns: on the function's returns, while it is live (links_lock)
 * @func: the function, or NULL if it is not live; links_lock to change. Readers
 *	compare it only
 * @rcu: frees it
 */
struct return_link {
	struct hlist_node	hash;
	struct list_head	node;
	struct probepoint	*point;
	struct list_head	returns;
	struct probepoint	*func;
	struct rcu_head		rcu;
};

/* Lowered by a test. */
extern unsigned int retpoint_limit;

/* Do functions return to it? To change that takes pp->file->make_lock, or is a live one less. */
static inline bool retpoint_is(const struct probepoint *pp)
{
	return READ_ONCE(pp->live_links) != 0;
}

void retpoint_want(struct probepoint *func);
void retpoint_unwant(struct probepoint *func);
void retpoint_take_over(struct probepoint *pp);
struct return_link *retpoint_link(const struct probepoint *func, const struct probepoint *point);

/**
 * enum return_way - how a return is followed
 * @RETURN_BY_SITE: a site is where it goes
 * @RETURN_BY_TRAMPOLINE: no site can be there, or not now
 * @RETURN_BY_NOTHING: the word on the stack is no return address
 */
enum return_way {
	RETURN_BY_SITE,
	RETURN_BY_TRAMPOLINE,
	RETURN_BY_NOTHING,
};

enum return_way retpoint_make(struct uprobe_site *site, unsigned long ret);
void retpoint_tidy_later(void);
bool retpoint_tidy_is(const struct work_struct *work);
void retpoint_free_links(struct probepoint *pp);

/* ----------------------------------------------------------- uretprobe.c */

bool uretprobe_enter(struct uprobe_site *site, struct uprobe_thread *t,
		     struct pt_regs *regs);
void uretprobe_enter_late(struct uprobe_site *site, struct uprobe_thread *t,
			  struct pt_regs *regs);
void uretprobe_arrive(struct uprobe_site *site, struct uprobe_thread *t,
		      struct pt_regs *regs);
bool uretprobe_return(struct uprobe_mm *um, struct uprobe_thread *t,
		      struct pt_regs *regs);
void uretprobe_undo(struct uprobe_thread *t, struct pt_regs *regs);

/* ------------------------------------------------------------- reclaim.c */

void reclaim_kick(struct uprobe_mm *um);
bool reclaim_is(const struct work_struct *work);
void reclaim_setup(struct uprobe_mm *um);
void reclaim_init(void);

#endif /* _KERNEL_UPROBES_INTERNAL_H */
