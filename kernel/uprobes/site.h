/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of sites by address, and the look-ups in it, inline for who looks on each
 * hit. Everybody else calls site_find().
 */
#ifndef _KERNEL_UPROBES_SITE_H
#define _KERNEL_UPROBES_SITE_H

#include <linux/hash.h>
#include <linux/rhashtable.h>

#include "internal.h"

/*
 * The table takes the low bits, so all bits of the address have to get there:
 * hash_long() of a 32-bit kernel would leave aligned ones in the same few chains.
 */
static inline u32 site_hash(const void *key, u32 len, u32 seed)
{
	return ((*(const unsigned long *)key ^ seed) * GOLDEN_RATIO_64) >> 32;
}

/* What a memcmp() of the keys would say, without the call. */
static inline int site_differs(struct rhashtable_compare_arg *arg, const void *obj)
{
	return ((const struct uprobe_site *)obj)->vaddr != *(const unsigned long *)arg->key;
}

static const struct rhashtable_params site_params = {
	.head_offset	= offsetof(struct uprobe_site, hash),
	.key_offset	= offsetof(struct uprobe_site, vaddr),
	.key_len	= sizeof(unsigned long),
	.hashfn		= site_hash,
	.obj_cmpfn	= site_differs,
	.automatic_shrinking = true,
};

/* See site_find(). */
static inline struct uprobe_site *site_look_up(struct uprobe_mm *um, unsigned long vaddr)
{
	return rhashtable_lookup_fast(&um->table, &vaddr, site_params);
}

/* The live link by which a function returns to a site that is there; or NULL. */
static inline struct return_link *retpoint_look(struct uprobe_site *site, unsigned long ret)
{
	struct uprobe_site *rsite = site_look_up(site->um, ret);
	struct return_link *link;

	if (unlikely(!rsite))
		return NULL;
	/* Pairs with plant(). */
	link = smp_load_acquire(&rsite->link);
	if (unlikely(!link || !site_usable(rsite)))
		return NULL;
	if (likely(READ_ONCE(link->func) == site->pp))
		return link;
	return retpoint_link(site->pp, rsite->pp);
}

/**
 * retpoint_ready - is there a site where a function will return to?
 * @site: where the function was entered
 * @t: the current thread's state, which remembers the last answer
 * @ret: the address that it returns to
 *
 * Context: an uprobes_srcu reader.
 * Return: true if so.
 */
static inline bool retpoint_ready(struct uprobe_site *site, struct uprobe_thread *t,
				  unsigned long ret)
{
	/* Before the look. While it is the same no site was lost, so the link is there. */
	long lost = atomic_long_read_acquire(&site->um->sites_lost);
	struct return_link *link;

	if (likely(t->ready.site == site && t->ready.ret == ret && t->ready.lost == lost &&
		   READ_ONCE(t->ready.link->func) == site->pp))
		return true;
	link = retpoint_look(site, ret);
	if (!link)
		return false;
	t->ready.site = site;
	t->ready.ret = ret;
	t->ready.lost = lost;
	t->ready.link = link;
	return true;
}

#endif /* _KERNEL_UPROBES_SITE_H */
