// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the hit counters: each probepoint has its own, which begins at 0,
 * whoever had it before.
 */
#include <linux/percpu.h>

#include "support.h"

/* Some more than two blocks, whatever is taken of the first one already. */
#define POINTS	(2 * HITS_PER_BLOCK + 10)

static struct probepoint *take_all(struct kunit *test)
{
	struct probepoint *pps = kunit_kcalloc(test, POINTS, sizeof(*pps), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, pps);
	for (i = 0; i < POINTS; i++)
		KUNIT_EXPECT_EQ(test, hits_take(&pps[i]), 0);
	return pps;
}

static void give_back_all(struct probepoint *pps)
{
	unsigned int i;

	for (i = 0; i < POINTS; i++)
		hits_give_back(&pps[i]);
}

static void each_has_its_own(struct kunit *test)
{
	struct probepoint *pps = take_all(test);
	unsigned int i, wrong = 0;
	int cpu;

	for (i = 0; i < POINTS; i++) {
		wrong += hits_sum(&pps[i]) != 0;
		for_each_possible_cpu(cpu)
			per_cpu_ptr(pps[i].hits, cpu)[0] += i;
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	for (i = 0; i < POINTS; i++)
		wrong += hits_sum(&pps[i]) != (unsigned long)i * num_possible_cpus();
	KUNIT_EXPECT_EQ(test, wrong, 0);
	give_back_all(pps);
}

static void begins_at_zero(struct kunit *test)
{
	struct probepoint *first = take_all(test), *second;
	unsigned int i, wrong = 0;

	for (i = 0; i < POINTS; i++)
		this_cpu_add(*first[i].hits, 7);
	give_back_all(first);
	second = take_all(test);
	for (i = 0; i < POINTS; i++)
		wrong += hits_sum(&second[i]) != 0;
	KUNIT_EXPECT_EQ(test, wrong, 0);
	give_back_all(second);
}

/* A full block has room again: that is used before another block is made. */
static void room_is_used_again(struct kunit *test)
{
	struct probepoint *pps = take_all(test), *more;
	struct probepoint *gone = &pps[HITS_PER_BLOCK];
	struct hits_block *full = gone->hits_block;
	unsigned long __percpu *hits = gone->hits;
	unsigned int i, used, found = 0;

	KUNIT_ASSERT_NOT_NULL(test, full);
	used = full->used;
	KUNIT_EXPECT_EQ(test, used, HITS_PER_BLOCK);
	hits_give_back(gone);
	memset(gone, 0, sizeof(*gone));
	KUNIT_EXPECT_EQ(test, full->used, used - 1);

	more = take_all(test);
	for (i = 0; i < POINTS; i++)
		found += more[i].hits == hits;
	KUNIT_EXPECT_EQ(test, found, 1);
	give_back_all(more);
	give_back_all(pps);
}

/* None was taken, for want of memory. */
static void none_to_give_back(struct kunit *test)
{
	struct probepoint pp = { };

	hits_give_back(&pp);
	KUNIT_EXPECT_NULL(test, pp.hits_block);
}

static struct kunit_case hits_cases[] = {
	KUNIT_CASE(each_has_its_own),
	KUNIT_CASE(begins_at_zero),
	KUNIT_CASE(room_is_used_again),
	KUNIT_CASE(none_to_give_back),
	{}
};

static struct kunit_suite hits_suite = {
	.name = "uprobes_hits",
	.test_cases = hits_cases,
};

kunit_test_suite(hits_suite);

MODULE_DESCRIPTION("KUnit tests of the hit counters");
MODULE_LICENSE("GPL");
