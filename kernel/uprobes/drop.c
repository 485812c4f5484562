// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is dropped is counted, by cause: for the whole system per CPU, so that a
 * count on the hit path shares no cache line, and per probepoint.
 */
#include <linux/percpu.h>

#include "internal.h"

const char *const uprobe_drop_name[UPROBE_DROPS] = {
	[UPROBE_DROP_FOREIGN]	= "foreign",
	[UPROBE_DROP_CHANGED]	= "changed",
	[UPROBE_DROP_MAPPING]	= "mapping",
	[UPROBE_DROP_REFUSED]	= "refused",
	[UPROBE_DROP_MISSED]	= "missed",
	[UPROBE_DROP_FAULT]	= "fault",
	[UPROBE_DROP_MODE]	= "mode",
	[UPROBE_DROP_AREA]	= "area",
	[UPROBE_DROP_NOMEM]	= "nomem",
	[UPROBE_DROP_REF_CTR]	= "refctr",
	[UPROBE_DROP_DEPTH]	= "depth",
	[UPROBE_DROP_STACK]	= "stack",
	[UPROBE_DROP_SKIPPED]	= "skipped",
	[UPROBE_DROP_RETURN]	= "return",
	[UPROBE_DROP_STRAY]	= "stray",
};

const char *const uprobe_stat_name[UPROBE_STATS] = {
	[UPROBE_STAT_PLANTED]	 = "planted",
	[UPROBE_STAT_UNPLANTED]	 = "unplanted",
	[UPROBE_STAT_REPLANTED]	 = "replanted",
	[UPROBE_STAT_STEALS]	 = "steals",
	[UPROBE_STAT_SLOT_WAITS] = "slot_waits",
	[UPROBE_STAT_SECOND_TRAPS] = "second_traps",
	[UPROBE_STAT_KICKS]	 = "kicks",
	[UPROBE_STAT_AREAS]	 = "areas",
	[UPROBE_STAT_RETURNS]	 = "returns",
	[UPROBE_STAT_RETURN_POINTS] = "return_points",
	[UPROBE_STAT_TRAMPOLINES] = "trampolines",
};

DEFINE_PER_CPU(struct uprobe_counts, uprobe_counts);

/**
 * uprobe_drop - count what is not done
 * @pp: the probepoint it concerns, or NULL
 * @why: the cause
 *
 * Context: any.
 */
void uprobe_drop(struct probepoint *pp, enum uprobe_drop why)
{
	this_cpu_inc(uprobe_counts.drop[why]);
	if (pp)
		atomic_inc(&pp->drops[why]);
}

/**
 * uprobe_drop_sum - a drop counter over all CPUs
 * @why: the cause
 *
 * Return: the sum; counts in progress may be missed.
 */
u64 uprobe_drop_sum(enum uprobe_drop why)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu(uprobe_counts, cpu).drop[why];
	return sum;
}

/**
 * uprobe_stat_sum - a counter over all CPUs
 * @what: the counter
 *
 * Return: the sum; counts in progress may be missed.
 */
u64 uprobe_stat_sum(enum uprobe_stat what)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu(uprobe_counts, cpu).stat[what];
	return sum;
}
