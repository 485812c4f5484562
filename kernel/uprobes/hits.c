// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often a probepoint was hit, per CPU: a hit writes to no line that another CPU
 * writes to.
 *
 * A counter of its own for each would cost more than all else of a probepoint: to find
 * room for 8 bytes, the allocator of per-CPU memory searches through all that it has
 * handed out before. So it is asked for blocks.
 */
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "internal.h"

static DEFINE_SPINLOCK(hits_lock);	/* blocks, and what is taken of each */
static LIST_HEAD(blocks);		/* those with room */

static void free_block(struct hits_block *block)
{
	free_percpu(block->counts);
	kfree(block);
}

/* Charged to nobody: others will use it too, and stay longer. */
static struct hits_block *make_block(void)
{
	struct hits_block *block = kzalloc(sizeof(*block), GFP_KERNEL);

	if (!block)
		return NULL;
	block->counts = __alloc_percpu(HITS_PER_BLOCK * sizeof(unsigned long),
				       sizeof(unsigned long));
	if (!block->counts) {
		kfree(block);
		return NULL;
	}
	return block;
}

/* Take one of a block with room, if there is any. */
static bool take_one(struct probepoint *pp)
{
	struct hits_block *block;
	unsigned int i;

	lockdep_assert_held(&hits_lock);
	block = list_first_entry_or_null(&blocks, struct hits_block, node);
	if (!block)
		return false;
	i = find_first_zero_bit(block->taken, HITS_PER_BLOCK);
	__set_bit(i, block->taken);
	if (++block->used == HITS_PER_BLOCK)
		list_del_init(&block->node);
	pp->hits = block->counts + i;
	pp->hits_block = block;
	return true;
}

/**
 * hits_take - a hit counter for a probepoint
 * @pp: has none; sets @pp->hits and @pp->hits_block
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int hits_take(struct probepoint *pp)
{
	struct hits_block *more;
	bool taken;

	spin_lock(&hits_lock);
	taken = take_one(pp);
	spin_unlock(&hits_lock);
	if (taken)
		return 0;

	more = make_block();
	if (!more)
		return -ENOMEM;
	spin_lock(&hits_lock);
	list_add_tail(&more->node, &blocks);
	take_one(pp);
	spin_unlock(&hits_lock);
	return 0;
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
	bool unused;
	int cpu;

	if (!block)
		return;
	for_each_possible_cpu(cpu)
		WRITE_ONCE(*per_cpu_ptr(pp->hits, cpu), 0);

	spin_lock(&hits_lock);
	__clear_bit(pp->hits - block->counts, block->taken);
	if (block->used-- == HITS_PER_BLOCK)
		list_add_tail(&block->node, &blocks);
	unused = !block->used && !list_is_singular(&blocks);
	if (unused)
		list_del(&block->node);
	spin_unlock(&hits_lock);
	if (unused)
		free_block(block);
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
		sum += READ_ONCE(*per_cpu_ptr(pp->hits, cpu));
	return sum;
}
