// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is done a grace period of uprobes_srcu later, and nobody waits for: in batches.
 *
 * Who unregisters does wait, for an expedited grace period, which is as short as our
 * readers are. It would not be if one that is in no hurry was about to begin: SRCU
 * delays such a one by a tick, and begins no other meanwhile. So the latter are asked
 * for rarely, by one worker, for all that has come together until then; and not one
 * behind the other while somebody unregisters probe after probe.
 *
 *	deferred	on the list
 *	its batch	waits for a grace period: no other batch does
 *	done		in the worker, which may sleep
 */
#include "internal.h"

#define DEFER_DELAY	(HZ / 20 + 1)

static void next_batch(struct work_struct *work);

static LLIST_HEAD(deferred);
static DECLARE_DELAYED_WORK(batch_work, next_batch);
/* The worker's, of which there is one; while a grace period runs @batch_head is SRCU's. */
static struct llist_node *batch;
static bool batch_over;
static struct rcu_head batch_head;

static void batch_is_over(struct rcu_head *head)
{
	/* Pairs with next_batch(): the head is free for the next one. */
	smp_store_release(&batch_over, true);
	mod_delayed_work(system_unbound_wq, &batch_work, 0);
}

static void next_batch(struct work_struct *work)
{
	struct deferral *d, *next;

	if (batch) {
		/* Pairs with batch_is_over(), which has this called again. */
		if (!smp_load_acquire(&batch_over))
			return;
		llist_for_each_entry_safe(d, next, batch, node) {
			d->fn(d);
			cond_resched();
		}
		batch = NULL;
		/* Who unregisters has that long to get on. */
		if (!llist_empty(&deferred))
			queue_delayed_work(system_unbound_wq, &batch_work, DEFER_DELAY);
		return;
	}
	batch_over = false;
	batch = llist_del_all(&deferred);
	if (batch)
		call_srcu(&uprobes_srcu, &batch_head, batch_is_over);
}

/**
 * defer - do something when the hits that are in progress now are over
 * @d: part of what it is about; the caller's again when @fn is called
 * @fn: called by a worker, after a grace period of uprobes_srcu; may sleep
 *
 * Context: any but NMI.
 */
void defer(struct deferral *d, void (*fn)(struct deferral *d))
{
	d->fn = fn;
	/* While a batch is waited for this does nothing, and its end looks at the list. */
	if (llist_add(&d->node, &deferred))
		queue_delayed_work(system_unbound_wq, &batch_work, DEFER_DELAY);
}
