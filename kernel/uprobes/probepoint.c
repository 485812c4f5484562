// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probepoints: found by file and offset, analysed when they are made.
 *
 * Two levels, because both questions are asked: "is this file probed at all?"
 * by every mmap of an executable file, without a lock; and "what is between
 * these two offsets?" once it is.
 */
#define pr_fmt(fmt) "uprobes: " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/highmem.h>
#include <linux/magic.h>
#include <linux/pagemap.h>
#include <linux/ratelimit.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include <uapi/linux/elf.h>

#include "internal.h"

atomic_t probepoints_active = ATOMIC_INIT(0);

static DEFINE_HASHTABLE(files_hash, 8);
static DEFINE_SPINLOCK(files_lock);	/* changes of files_hash */

/**
 * probed_file_find - the entry of an inode that has probepoints
 * @inode: the inode
 *
 * Return: the entry, held, or NULL.
 */
struct probed_file *probed_file_find(struct inode *inode)
{
	struct probed_file *file;

	rcu_read_lock();
	hash_for_each_possible_rcu(files_hash, file, hash, (unsigned long)inode) {
		if (file->inode == inode && refcount_inc_not_zero(&file->refs)) {
			rcu_read_unlock();
			return file;
		}
	}
	rcu_read_unlock();
	return NULL;
}

/* Last part of retiring a file that was kept mounted. */
static void release_file(struct work_struct *work)
{
	struct probed_file *file = container_of(work, struct probed_file, release);
	struct super_block *sb = file->sb;

	iput(file->inode);
	deactivate_super(sb);
	probed_file_put(file);
}

/* The entry of an inode, held, made if there is none; or an ERR_PTR(-ENOMEM). */
static struct probed_file *probed_file_get(struct inode *inode)
{
	struct probed_file *file, *new;

	file = probed_file_find(inode);
	if (file)
		return file;

	new = kzalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return ERR_PTR(-ENOMEM);
	new->inode = inode;
	new->dev = inode->i_sb->s_dev;
	new->ino = inode->i_ino;
	ihold(inode);
	refcount_set(&new->refs, 1);
	mutex_init(&new->lock);
	mutex_init(&new->make_lock);
	spin_lock_init(&new->points_lock);
	new->points = RB_ROOT;
	INIT_WORK(&new->release, release_file);

	spin_lock(&files_lock);
	file = probed_file_find(inode);
	if (!file)
		hash_add_rcu(files_hash, &new->hash, (unsigned long)inode);
	spin_unlock(&files_lock);

	if (!file)
		return new;
	iput(inode);
	kfree(new);
	return file;
}

/**
 * probed_file_lock - the entry of an inode, made if there is none, and locked
 * @inode: the inode, referenced by the caller
 *
 * Context: may sleep.
 * Return: the entry, held, with both of its locks held, or an ERR_PTR(-ENOMEM).
 */
struct probed_file *probed_file_lock(struct inode *inode)
{
	struct probed_file *file;

	for (;;) {
		file = probed_file_get(inode);
		if (IS_ERR(file))
			return file;
		mutex_lock(&file->lock);
		mutex_lock(&file->make_lock);
		if (!file->retired)
			return file;
		/* Its last probepoint went before we got the lock. */
		mutex_unlock(&file->make_lock);
		mutex_unlock(&file->lock);
		probed_file_put(file);
	}
}

/**
 * probed_file_lock_make - the same for a hit, which makes probepoints
 * @inode: the inode, referenced by the caller
 *
 * Context: may sleep, but does not wait for what a process does.
 * Return: the entry, held, with its make_lock held; or an ERR_PTR: -ENOMEM; -EAGAIN if
 * somebody may be waiting for the file; -EINTR if current is being killed.
 */
struct probed_file *probed_file_lock_make(struct inode *inode)
{
	struct probed_file *file;
	int err;

	for (;;) {
		file = probed_file_get(inode);
		if (IS_ERR(file))
			return file;
		if (!inode_is_served(inode))
			err = mutex_lock_killable(&file->make_lock);
		else
			err = mutex_trylock(&file->make_lock) ? 0 : -EAGAIN;
		if (!err && !file->retired)
			return file;
		if (!err)
			mutex_unlock(&file->make_lock);
		probed_file_put(file);
		if (err)
			return ERR_PTR(err);
	}
}

/**
 * probed_file_put - give back a reference
 * @file: the entry
 *
 * Context: any.
 */
void probed_file_put(struct probed_file *file)
{
	if (!refcount_dec_and_test(&file->refs))
		return;
	WARN_ON_ONCE(!file->retired);
	kfree_rcu(file, rcu);
}

/**
 * probed_file_retire_idle - nobody finds it any more, if it has no probepoints
 * @file: held, @file->make_lock held
 *
 * Context: may sleep (gives back the inode).
 */
void probed_file_retire_idle(struct probed_file *file)
{
	lockdep_assert_held(&file->make_lock);
	if (file->retired || !RB_EMPTY_ROOT(&file->points))
		return;
	WRITE_ONCE(file->retired, true);
	spin_lock(&files_lock);
	hash_del_rcu(&file->hash);
	spin_unlock(&files_lock);
	if (likely(!file->sb)) {
		iput(file->inode);
		return;
	}
	/* It may be the last to use the file system: not with our locks. */
	refcount_inc(&file->refs);
	queue_work(system_unbound_wq, &file->release);
}

/* ------------------------------------------------------------ refusals */

static DEFINE_SPINLOCK(refusals_lock);
static struct refusal_note refusals[UPROBE_REFUSALS_KEPT];
static unsigned int refusals_seen;

static void note_refusal(struct inode *inode, loff_t offset, const struct arch_uprobe *au,
			 bool is64, enum uprobe_refusal why)
{
	static DEFINE_RATELIMIT_STATE(rs, 5 * HZ, 10);
	const struct uprobe_reason *reason = arch_uprobe_refusal(why);
	struct refusal_note *note;

	spin_lock(&refusals_lock);
	note = &refusals[refusals_seen++ % UPROBE_REFUSALS_KEPT];
	note->dev = inode->i_sb->s_dev;
	note->ino = inode->i_ino;
	note->offset = offset;
	note->is64 = is64;
	note->len = au->len;
	memcpy(note->insn, au->insn, sizeof(note->insn));
	note->why = why;
	spin_unlock(&refusals_lock);

	if (__ratelimit(&rs))
		pr_info("inode %lu offset %#llx: refused, %s: %s (%*ph)\n", inode->i_ino,
			offset, reason->word, reason->text, au->len ?: 4, au->insn);
}

/**
 * probepoint_refusals - the last refusals, oldest first
 * @notes: room for UPROBE_REFUSALS_KEPT of them
 *
 * Return: how many there are.
 */
unsigned int probepoint_refusals(struct refusal_note *notes)
{
	unsigned int n, i;

	spin_lock(&refusals_lock);
	n = min_t(unsigned int, refusals_seen, UPROBE_REFUSALS_KEPT);
	for (i = 0; i < n; i++)
		notes[i] = refusals[(refusals_seen - n + i) % UPROBE_REFUSALS_KEPT];
	spin_unlock(&refusals_lock);
	return n;
}

/* ------------------------------------------------------------ analysis */

#define VBOXSF_SUPER_MAGIC	0x786f4256
#define ORANGEFS_SUPER_MAGIC	0x20030528

/**
 * inode_is_served - does its file system read through an open file only?
 * @inode: the inode
 *
 * Nearly all of these ask a process, or another machine, for what is in the file, and
 * wait for it as long as that likes.
 *
 * Return: true if so.
 */
bool inode_is_served(struct inode *inode)
{
	switch (inode->i_sb->s_magic) {
	case AFS_FS_MAGIC:
	case CEPH_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case CODA_SUPER_MAGIC:
	case FUSE_SUPER_MAGIC:
	case ISOFS_SUPER_MAGIC:
	case NFS_SUPER_MAGIC:
	case ORANGEFS_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case UDF_SUPER_MAGIC:
	case V9FS_MAGIC:
	case VBOXSF_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

/* An open file of @mapping: that of somebody who has mapped it; or NULL. */
static struct file *borrow_file(struct address_space *mapping)
{
	struct vm_area_struct *vma;
	struct file *file = NULL;

	i_mmap_lock_read(mapping);
	vma_interval_tree_foreach(vma, &mapping->i_mmap, 0, ULONG_MAX) {
		file = get_file(vma->vm_file);
		break;
	}
	i_mmap_unlock_read(mapping);
	return file;
}

/* The page of @inode at @index, up to date and held, or an ERR_PTR. */
static struct folio *read_file_page(struct inode *inode, pgoff_t index)
{
	struct address_space *mapping = inode->i_mapping;
	struct file *file = NULL;
	struct folio *folio;

	folio = filemap_get_folio(mapping, index);
	if (!IS_ERR(folio)) {
		if (folio_test_uptodate(folio))
			return folio;
		folio_put(folio);
	}
	if (shmem_mapping(mapping))
		return shmem_read_folio_gfp(mapping, index, mapping_gfp_mask(mapping));
	if (!mapping->a_ops->read_folio)
		return ERR_PTR(-EIO);
	if (inode_is_served(inode)) {
		file = borrow_file(mapping);
		if (!file)
			return ERR_PTR(-EIO);
	}
	folio = read_mapping_folio(mapping, index, file);
	if (file)
		fput(file);
	return folio;
}

/* Up to @n bytes from @offset; how many there were, or -errno. */
static int read_file(struct inode *inode, loff_t offset, u8 *buf, unsigned int n)
{
	loff_t size = i_size_read(inode);
	unsigned int done = 0;

	while (done < n && offset < size) {
		unsigned int in_page = offset_in_page(offset);
		unsigned int chunk = min_t(loff_t, min_t(unsigned int, n - done,
							 PAGE_SIZE - in_page), size - offset);
		pgoff_t index = offset >> PAGE_SHIFT;
		struct folio *folio = read_file_page(inode, index);

		if (IS_ERR(folio))
			return PTR_ERR(folio);
		memcpy_from_page(buf + done, folio_file_page(folio, index), in_page, chunk);
		folio_put(folio);
		done += chunk;
		offset += chunk;
	}
	return done;
}

/* The kind of code in a file: its ELF class, or the kernel's own kind. */
static bool file_is_64bit(struct probed_file *file)
{
	bool is64 = IS_ENABLED(CONFIG_X86_64);
	u8 ident[EI_NIDENT];
	int n;

	lockdep_assert_held(&file->make_lock);
	if (file->code_bits)
		return file->code_bits == 64;
	n = read_file(file->inode, 0, ident, sizeof(ident));
	/* Not, or not yet: asked again for the next probepoint. */
	if (n != sizeof(ident) || memcmp(ident, ELFMAG, SELFMAG))
		return is64;
	is64 = ident[EI_CLASS] == ELFCLASS64;
	WRITE_ONCE(file->code_bits, is64 ? 64 : 32);
	return is64;
}

/*
 * Fill in both records: a file may be mapped by processes of either kind. The
 * kind of the file decides whether the probepoint is refused; where the other
 * kind maps it, its record decides.
 */
static int analyze(struct probepoint *pp, struct probed_file *file, bool quiet)
{
	struct inode *inode = file->inode;
	bool is64 = file_is_64bit(file);
	u8 bytes[MAX_UINSN_BYTES] = { };
	int n, mode;

	n = read_file(inode, pp->offset, bytes, sizeof(bytes));
	if (n < 0)
		return n;
	for (mode = 0; mode < 2; mode++)
		pp->refusal[mode] = arch_uprobe_analyze(&pp->insn[mode], bytes, n, mode);

	if (pp->refusal[is64] == UPROBE_ACCEPTED)
		return 0;
	if (!quiet)
		note_refusal(inode, pp->offset, &pp->insn[is64], is64, pp->refusal[is64]);
	return pp->refusal[is64] == UPROBE_REFUSE_UNDECODABLE ? -ENOEXEC : -EOPNOTSUPP;
}

/* So much of a function is looked at to find how it returns. */
#define POPS_BYTES	2048

/**
 * probepoint_find_pops - what does the function that begins here release?
 * @pp: held, @pp->file->make_lock held
 *
 * Context: may sleep: reads the file.
 */
void probepoint_find_pops(struct probepoint *pp)
{
	struct inode *inode = pp->file->inode;
	bool is64 = file_is_64bit(pp->file);
	u8 *text = kmalloc(POPS_BYTES, GFP_KERNEL);
	int n;

	if (!text)
		return;
	n = read_file(inode, pp->offset, text, POPS_BYTES);
	if (n > 0)
		pp->pops[is64] = arch_uretprobe_pops(text, n, is64);
	kfree(text);
}

/* Does a call end where this offset begins? */
static bool call_before(struct inode *inode, loff_t offset)
{
	unsigned int n = min_t(loff_t, offset, UPROBE_CALL_BYTES);
	u8 bytes[UPROBE_CALL_BYTES];

	return read_file(inode, offset - n, bytes, n) == n &&
	       arch_uretprobe_call_before(bytes, n);
}

/* --------------------------------------------------------- probepoints */

static struct probepoint *find_locked(struct probed_file *file, loff_t min, loff_t max)
{
	struct rb_node *n = file->points.rb_node;
	struct probepoint *found = NULL;

	lockdep_assert_held(&file->points_lock);
	/* The leftmost one that is not below @min. */
	while (n) {
		struct probepoint *pp = rb_entry(n, struct probepoint, node);

		if (pp->offset >= min) {
			found = pp;
			n = n->rb_left;
		} else {
			n = n->rb_right;
		}
	}
	return found && found->offset <= max ? found : NULL;
}

/**
 * probepoint_find - the first probepoint in a range of a file
 * @file: the file
 * @min: first offset
 * @max: last offset
 *
 * Return: the probepoint, held, or NULL.
 */
struct probepoint *probepoint_find(struct probed_file *file, loff_t min, loff_t max)
{
	struct probepoint *pp;

	spin_lock(&file->points_lock);
	pp = find_locked(file, min, max);
	if (pp)
		refcount_inc(&pp->refs);
	spin_unlock(&file->points_lock);
	return pp;
}

/* Where a probepoint would be in the tree of its file; good while file->make_lock is held. */
struct place {
	struct rb_node *parent;
	struct rb_node **link;
};

/* The probepoint at @offset, held; or NULL, and the @place for it. */
static struct probepoint *find_place(struct probed_file *file, loff_t offset,
				     struct place *place)
{
	struct probepoint *pp;

	lockdep_assert_held(&file->make_lock);
	place->parent = NULL;
	place->link = &file->points.rb_node;
	while (*place->link) {
		place->parent = *place->link;
		pp = rb_entry(place->parent, struct probepoint, node);
		if (offset == pp->offset) {
			refcount_inc(&pp->refs);
			return pp;
		}
		place->link = offset < pp->offset ? &place->parent->rb_left :
						    &place->parent->rb_right;
	}
	return NULL;
}

/* There are thousands at times: none of the space that kmalloc() rounds up to. */
static struct kmem_cache *probepoint_cache __ro_after_init;

/**
 * probepoints_setup - called once, before there are any
 */
void __init probepoints_setup(void)
{
	probepoint_cache = KMEM_CACHE(probepoint, SLAB_PANIC);
}

static void free_point(struct probepoint *pp)
{
	retpoint_free_links(pp);
	hits_give_back(pp);
	kmem_cache_free(probepoint_cache, pp);
}

static void free_point_later(struct deferral *d)
{
	free_point(container_of(d, struct probepoint, free));
}

/*
 * A new probepoint, at its place in the tree. If it is there because a program returns there it is
 * charged to that program, and a refusal is no news.
 */
static struct probepoint *make_point(struct probed_file *file, const struct place *place,
				     loff_t offset, bool returned_to)
{
	gfp_t gfp = returned_to ? GFP_KERNEL_ACCOUNT : GFP_KERNEL;
	struct probepoint *pp;
	int err;

	lockdep_assert_held(&file->make_lock);
	pp = kmem_cache_zalloc(probepoint_cache, gfp);
	if (!pp)
		return ERR_PTR(-ENOMEM);
	pp->offset = offset;
	INIT_LIST_HEAD(&pp->uprobes);
	INIT_LIST_HEAD(&pp->returns);
	INIT_LIST_HEAD(&pp->links);
	INIT_LIST_HEAD(&pp->return_node);
	refcount_set(&pp->refs, 1);

	err = hits_take(pp);
	if (!err)
		err = analyze(pp, file, returned_to);
	if (err) {
		free_point(pp);
		return ERR_PTR(err);
	}

	refcount_inc(&file->refs);
	pp->file = file;
	/* Before it can be found: who finds none has nothing to do. */
	atomic_inc(&probepoints_active);
	spin_lock(&file->points_lock);
	rb_link_node(&pp->node, place->parent, place->link);
	rb_insert_color(&pp->node, &file->points);
	spin_unlock(&file->points_lock);
	return pp;
}

/**
 * probepoint_get - the probepoint of an instruction, made if there is none
 * @file: held, @file->make_lock held
 * @offset: of the instruction
 * @ref_ctr_offset: of its counter, or 0
 *
 * Context: may sleep: reads the file.
 * Return: the probepoint, held, or an ERR_PTR: -EINVAL if it has uprobes with
 * another counter, -ENOEXEC if there is no instruction, -EOPNOTSUPP if it is
 * refused, -EIO if the file cannot be read, -ENOMEM.
 */
struct probepoint *probepoint_get(struct probed_file *file, loff_t offset,
				  loff_t ref_ctr_offset)
{
	struct probepoint *pp;
	struct place place;

	pp = find_place(file, offset, &place);
	if (!pp) {
		pp = make_point(file, &place, offset, false);
		if (!IS_ERR(pp))
			pp->ref_ctr_offset = ref_ctr_offset;
		return pp;
	}
	/* Of a place that is only returned to it is not known yet. */
	if (list_empty(&pp->uprobes))
		WRITE_ONCE(pp->ref_ctr_offset, ref_ctr_offset);
	if (pp->ref_ctr_offset == ref_ctr_offset)
		return pp;
	pr_info_ratelimited("inode %lu offset %#llx: has the ref counter %#llx, not %#llx\n",
			    file->inode->i_ino, offset, pp->ref_ctr_offset,
			    ref_ctr_offset);
	probepoint_put(pp);
	return ERR_PTR(-EINVAL);
}

/**
 * probepoint_get_return - the probepoint where a function returns to
 * @file: held, @file->make_lock held
 * @offset: where it returns to
 * @anywhere: an instruction begins there, for sure; else that is taken for granted
 *	only if there is a probepoint, or the instruction before it is a call
 * @made: set to true if there was none
 *
 * None is made in a file that is served by somebody, who would be waited for with a
 * lock held that hits take.
 *
 * Context: may sleep: reads the file.
 * Return: as probepoint_get(); -EIO for such a file system.
 */
struct probepoint *probepoint_get_return(struct probed_file *file, loff_t offset,
					 bool anywhere, bool *made)
{
	struct probepoint *pp;
	struct place place;

	pp = find_place(file, offset, &place);
	*made = !pp;
	if (pp)
		return pp;
	if (inode_is_served(file->inode))
		return ERR_PTR(-EIO);
	if (!anywhere && !call_before(file->inode, offset))
		return ERR_PTR(-ENOEXEC);
	return make_point(file, &place, offset, true);
}

/**
 * probepoint_hide - nobody finds it any more
 * @pp: has no uprobes and no live links left; @pp->file->make_lock is held
 *
 * Sites and pending returns may hold it for some time yet. A later registration
 * makes a new one, and reads the file again.
 */
void probepoint_hide(struct probepoint *pp)
{
	struct probed_file *file = pp->file;

	lockdep_assert_held(&file->make_lock);
	WARN_ON_ONCE(!list_empty(&pp->uprobes) || retpoint_is(pp));

	spin_lock(&file->points_lock);
	rb_erase(&pp->node, &file->points);
	spin_unlock(&file->points_lock);
	atomic_dec(&probepoints_active);
}

/**
 * probepoint_put - give back a reference
 * @pp: the probepoint
 *
 * Context: any.
 */
void probepoint_put(struct probepoint *pp)
{
	if (!refcount_dec_and_test(&pp->refs))
		return;
	probed_file_put(pp->file);
	/* Lists of its uprobes are walked by hits. */
	defer(&pp->free, free_point_later);
}

/**
 * probepoint_wanted - does any uprobe of it want this mm?
 * @pp: held
 * @mm: the mm
 *
 * Context: may sleep if a filter does.
 * Return: true if so.
 */
bool probepoint_wanted(struct probepoint *pp, struct mm_struct *mm)
{
	struct uprobe *u;
	bool wanted = false;
	int idx;

	idx = srcu_read_lock(&uprobes_srcu);
	list_for_each_entry_srcu(u, &pp->uprobes, node, srcu_read_lock_held(&uprobes_srcu)) {
		wanted = (!u->only || u->only == mm) && (!u->filter || u->filter(u, mm));
		if (wanted)
			break;
	}
	srcu_read_unlock(&uprobes_srcu, idx);
	return wanted;
}

/**
 * probepoint_has_returns - does any uprobe of it want returns?
 * @pp: held
 *
 * Return: true if so.
 */
bool probepoint_has_returns(struct probepoint *pp)
{
	struct uprobe *u;
	bool found = false;
	int idx;

	idx = srcu_read_lock(&uprobes_srcu);
	list_for_each_entry_srcu(u, &pp->uprobes, node, srcu_read_lock_held(&uprobes_srcu))
		found |= !!u->ret_handler;
	srcu_read_unlock(&uprobes_srcu, idx);
	return found;
}

/* The file of that number in a bucket, held, or NULL. */
static struct probed_file *file_at(unsigned int bucket, unsigned int number)
{
	struct probed_file *file, *found = NULL;

	rcu_read_lock();
	hlist_for_each_entry_rcu(file, &files_hash[bucket], hash) {
		if (!number-- && refcount_inc_not_zero(&file->refs)) {
			found = file;
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

/**
 * probepoint_at - the first in the trees, from a place on, for debugfs
 * @place: where to begin, all zero at first; moved to where it was found. With one
 *	added to its offset it is where the next one may be.
 *
 * Files may come and go between two steps: good enough to look at.
 *
 * Context: may sleep.
 * Return: the probepoint, held, or NULL if there is no more.
 */
struct probepoint *probepoint_at(struct probepoint_place *place)
{
	struct probed_file *file;
	struct probepoint *pp;

	while (place->bucket < HASH_SIZE(files_hash)) {
		file = file_at(place->bucket, place->file);
		if (!file) {
			place->bucket++;
			place->file = 0;
			continue;
		}
		pp = probepoint_find(file, place->offset, LLONG_MAX);
		probed_file_put(file);
		if (pp) {
			place->offset = pp->offset;
			return pp;
		}
		place->file++;
		place->offset = 0;
	}
	return NULL;
}
