// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what is done a grace period later: not before the readers have
 * left, once each, in whatever batch.
 */
#include "support.h"

struct item {
	struct deferral d;
	atomic_t calls;
	unsigned int again;	/* so often it defers itself */
};

static void note_call(struct deferral *d)
{
	struct item *item = container_of(d, struct item, d);
	bool again = item->again && item->again--;

	atomic_inc(&item->calls);
	if (again)
		defer(d, note_call);
}

static bool called(struct item *item, int n)
{
	return atomic_read(&item->calls) == n;
}

/* A second one comes while the batch of the first one waits. */
static void waits_for_readers(struct kunit *test)
{
	struct item *items = kunit_kcalloc(test, 2, sizeof(*items), GFP_KERNEL);
	int idx;

	KUNIT_ASSERT_NOT_NULL(test, items);
	idx = srcu_read_lock(&uprobes_srcu);
	defer(&items[0].d, note_call);
	msleep(300);
	defer(&items[1].d, note_call);
	msleep(300);
	KUNIT_EXPECT_TRUE(test, called(&items[0], 0));
	KUNIT_EXPECT_TRUE(test, called(&items[1], 0));
	srcu_read_unlock(&uprobes_srcu, idx);
	KUNIT_EXPECT_TRUE(test, wait_for(called(&items[0], 1) && called(&items[1], 1)));
}

/* When it is called it may be deferred again, or be gone. */
static void defers_itself(struct kunit *test)
{
	struct item *item = kunit_kzalloc(test, sizeof(*item), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, item);
	item->again = 3;
	defer(&item->d, note_call);
	KUNIT_EXPECT_TRUE(test, wait_for(called(item, 4)));
	msleep(200);
	KUNIT_EXPECT_TRUE(test, called(item, 4));
}

#define MANY	2000

static bool all_called(struct item *items)
{
	int i;

	for (i = 0; i < MANY; i++)
		if (!called(&items[i], 1))
			return false;
	return true;
}

static void many(struct kunit *test)
{
	struct item *items = kunit_kcalloc(test, MANY, sizeof(*items), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, items);
	for (i = 0; i < MANY; i++) {
		/* Over several batches */
		if (!(i % (MANY / 10)))
			msleep(20);
		defer(&items[i].d, note_call);
	}
	KUNIT_EXPECT_TRUE(test, wait_for(all_called(items)));
	/* Nobody calls them any more. */
	msleep(200);
	KUNIT_EXPECT_TRUE(test, all_called(items));
}

static struct kunit_case defer_cases[] = {
	KUNIT_CASE(waits_for_readers),
	KUNIT_CASE(defers_itself),
	KUNIT_CASE(many),
	{}
};

static struct kunit_suite defer_suite = {
	.name = "uprobes_defer",
	.test_cases = defer_cases,
};

kunit_test_suite(defer_suite);
