// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often a probepoint was hit, per CPU: a hit writes to no line that another CPU
 * writes to.
 *
 * A counter of its own for each would cost more than all else of a probepoint: to find
 * room for 8 bytes, the allocator of per-CPU memory searches through all that it has
 * handed out before. So it is asked for blocks.
 */
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/slab.h>

#include "internal.h"

/* Inside of it only memory is asked for. */
static DEFINE_MUTEX(hits_lock);		/* blocks, and all fields of each */
static LIST_HEAD(blocks);		/* those with room */

static struct hits_block *make_block(gfp_t gfp)
{
	struct hits_block *block = kzalloc(sizeof(*block), gfp);

	lockdep_assert_held(&hits_lock);
	if (!block)
		return NULL;
	block->counts = __alloc_percpu_gfp(HITS_PER_BLOCK * sizeof(unsigned long),
					   sizeof(unsigned long), gfp);
	if (!block->counts) {
		kfree(block);
		return NULL;
	}
	list_add(&block->node, &blocks);
	return block;
}

/**
 * hits_take - a hit counter for a probepoint
 * @pp: has none; sets @pp->hits and @pp->hits_block
 * @gfp: whom to charge if a block has to be made for it
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int hits_take(struct probepoint *pp, gfp_t gfp)
{
	struct hits_block *block;
	unsigned int i;

	mutex_lock(&hits_lock);
	block = list_first_entry_or_null(&blocks, struct hits_block, node);
	if (!block)
		block = make_block(gfp);
	if (block) {
		i = find_first_zero_bit(block->taken, HITS_PER_BLOCK);
		__set_bit(i, block->taken);
		if (++block->used == HITS_PER_BLOCK)
			list_del_init(&block->node);
		pp->hits = block->counts + i;
		pp->hits_block = block;
	}
	mutex_unlock(&hits_lock);
	return block ? 0 : -ENOMEM;
}

/**
 * hits_give_back - the counter is not needed any more
 * @pp: nobody hits it, or will; may have no counter
 *
 * A block that is not used at all goes too, but for the only one with room: probes
 * that come and go would make it again and again.
 *
 * Context: may sleep.
 */
void hits_give_back(struct probepoint *pp)
{
	struct hits_block *block = pp->hits_block;
	int cpu;

	if (!block)
		return;
	for_each_possible_cpu(cpu)
		*per_cpu_ptr(pp->hits, cpu) = 0;

	mutex_lock(&hits_lock);
	__clear_bit(pp->hits - block->counts, block->taken);
	if (block->used-- == HITS_PER_BLOCK)
		list_add_tail(&block->node, &blocks);
	if (!block->used && !list_is_singular(&blocks))
		list_del(&block->node);
	else
		block = NULL;
	mutex_unlock(&hits_lock);
	if (!block)
		return;
	free_percpu(block->counts);
	kfree(block);
}

/**
 * hits_sum - how often was it hit?
 * @pp: held
 *
 * Return: the sum over all CPUs; hits in progress may be missed.
 */
unsigned long hits_sum(const struct probepoint *pp)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += *per_cpu_ptr(pp->hits, cpu);
	return sum;
}
