// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the table of sites: against a plain array of addresses, in
 * random order, with what a range and a point would find at each step.
 */
#include <linux/prandom.h>

#include "support.h"

/* Few addresses, so that each is used, freed and used again. */
#define ADDRESSES	61

static unsigned long address(unsigned int i)
{
	return 0x400000 + i * 0x333;
}

struct model {
	struct uprobe_site *at[ADDRESSES];
	unsigned int n;
};

static struct uprobe_site *model_first_from(struct model *m, unsigned long vaddr)
{
	unsigned int i;

	for (i = 0; i < ADDRESSES; i++)
		if (m->at[i] && address(i) >= vaddr)
			return m->at[i];
	return NULL;
}

static void compare(struct kunit *test, struct uprobe_mm *um, struct model *m,
		    struct probepoint *pp)
{
	unsigned int i;

	for (i = 0; i < ADDRESSES; i++) {
		unsigned long a = address(i);

		KUNIT_ASSERT_PTR_EQ(test, site_find(um, a), m->at[i]);
		KUNIT_ASSERT_NULL(test, site_find(um, a + 1));
		KUNIT_ASSERT_PTR_EQ(test, site_first_from(um, a), model_first_from(m, a));
		KUNIT_ASSERT_PTR_EQ(test, site_first_from(um, a + 1), model_first_from(m, a + 1));
	}
	KUNIT_ASSERT_PTR_EQ(test, site_first_from(um, 0), model_first_from(m, 0));
	KUNIT_ASSERT_NULL(test, site_first_from(um, ULONG_MAX));
	KUNIT_ASSERT_EQ(test, atomic_read(&pp->sites), m->n);
}

static struct probepoint *any_point(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);

	/* For the mm. */
	uprobe_test_map_stack(test, PAGE_SIZE);
	uprobe_test_register(test, u);
	return u->pp;
}

static void random_adds_and_removes(struct kunit *test)
{
	struct probepoint *pp = any_point(test);
	struct uprobe_mm *um = uprobe_test_um(test);
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	struct rnd_state rnd;
	int step;

	KUNIT_ASSERT_NOT_NULL(test, m);
	prandom_seed_state(&rnd, 20070226);
	for (step = 0; step < 3000; step++) {
		unsigned int i = prandom_u32_state(&rnd) % ADDRESSES;

		mutex_lock(&um->lock);
		if (m->at[i]) {
			site_retire(m->at[i]);
			m->at[i] = NULL;
			m->n--;
		} else {
			m->at[i] = site_add(um, pp, address(i));
			m->n += !!m->at[i];
		}
		mutex_unlock(&um->lock);
		if (step % 16 == 0)
			compare(test, um, m, pp);
	}
	compare(test, um, m, pp);
}

/*
 * Text is aligned, and mapped at the same place in many pages: what addresses have
 * in common must not bring sites together in the table, which then refuses more.
 */
static void aligned_addresses(struct kunit *test)
{
	static const unsigned long distances[] = { 1, 16, 64, PAGE_SIZE };
	struct probepoint *pp = any_point(test);
	struct uprobe_mm *um = uprobe_test_um(test);
	unsigned int i, d, missing;

	for (d = 0; d < ARRAY_SIZE(distances); d++) {
		unsigned long base = 0x10000000UL * (d + 1);

		missing = 0;
		mutex_lock(&um->lock);
		for (i = 0; i < 2000; i++)
			missing += !site_add(um, pp, base + i * distances[d]);
		mutex_unlock(&um->lock);
		KUNIT_EXPECT_EQ_MSG(test, missing, 0, "at a distance of %lu", distances[d]);
	}
}

static void new_site(struct kunit *test)
{
	struct probepoint *pp = any_point(test);
	struct uprobe_mm *um = uprobe_test_um(test);
	unsigned int refs = refcount_read(&pp->refs);
	struct uprobe_site *site;

	mutex_lock(&um->lock);
	site = site_add(um, pp, 0x1000);
	mutex_unlock(&um->lock);
	KUNIT_ASSERT_NOT_NULL(test, site);
	KUNIT_EXPECT_EQ(test, site->vaddr, 0x1000UL);
	KUNIT_EXPECT_PTR_EQ(test, site->pp, pp);
	KUNIT_EXPECT_PTR_EQ(test, site->um, um);
	KUNIT_EXPECT_PTR_EQ(test, site->insn, &pp->insn[IS_ENABLED(CONFIG_X86_64)]);
	/* A trap there is the program's, until it says otherwise. */
	KUNIT_EXPECT_EQ(test, site->state, SITE_BARRED);
	KUNIT_EXPECT_FALSE(test, site->stale);
	KUNIT_EXPECT_EQ(test, site->slot, 0UL);
	KUNIT_EXPECT_EQ(test, refcount_read(&pp->refs), refs + 1);

	/* Nobody finds it from now on, and reclaim lets go of its probepoint. */
	mutex_lock(&um->lock);
	site_retire(site);
	KUNIT_EXPECT_NULL(test, site_find(um, 0x1000));
	mutex_unlock(&um->lock);
	KUNIT_EXPECT_EQ(test, atomic_read(&pp->sites), 0);
	KUNIT_EXPECT_TRUE(test, wait_for(refcount_read(&pp->refs) == refs));
}

/* A thread that is getting past a site keeps it, for as long as that takes. */
static void named_site_is_kept(struct kunit *test)
{
	struct probepoint *pp = any_point(test);
	struct uprobe_mm *um = uprobe_test_um(test);
	unsigned int refs = refcount_read(&pp->refs);
	struct uprobe_thread *t = uprobe_thread_get(um);
	struct uprobe_site *site;

	KUNIT_ASSERT_NOT_NULL(test, t);
	mutex_lock(&um->lock);
	site = site_add(um, pp, 0x1000);
	WRITE_ONCE(t->site, site);
	KUNIT_EXPECT_TRUE(test, uprobe_test_site_named(um, site));
	if (site)
		site_retire(site);
	mutex_unlock(&um->lock);
	KUNIT_ASSERT_NOT_NULL(test, site);

	/* The hits that found it are over. Reclaim comes and goes. */
	KUNIT_EXPECT_TRUE(test, wait_for(!list_empty(&um->aging)));
	msleep(200);
	KUNIT_EXPECT_FALSE(test, list_empty(&um->aging));
	KUNIT_EXPECT_EQ(test, refcount_read(&pp->refs), refs + 1);
	KUNIT_EXPECT_PTR_EQ(test, site->pp, pp);

	/* As at the end of a step. */
	smp_store_release(&t->site, NULL);
	KUNIT_EXPECT_TRUE(test, wait_for(refcount_read(&pp->refs) == refs));
}

static void add_at_all(struct kunit *test, struct uprobe_mm *um, struct probepoint *pp)
{
	unsigned int i;

	mutex_lock(&um->lock);
	for (i = 0; i < ADDRESSES; i++)
		KUNIT_EXPECT_NOT_NULL(test, site_add(um, pp, address(i)));
	mutex_unlock(&um->lock);
}

/* Each range from an address to another, ends included or not. */
static void stale_ranges(struct kunit *test)
{
	struct probepoint *pp = any_point(test);
	struct uprobe_mm *um = uprobe_test_um(test);
	unsigned int from, to, i, wrong = 0;

	add_at_all(test, um, pp);
	/* Reclaim looks at what is stale: not while this goes on. */
	KUNIT_ASSERT_FALSE(test, mmap_write_lock_killable(current->mm));
	for (from = 0; from < ADDRESSES; from += 4) {
		for (to = from; to < ADDRESSES; to += 3) {
			for (i = 0; i < ADDRESSES; i++)
				WRITE_ONCE(site_find(um, address(i))->stale, false);
			sites_mark_stale(um, address(from), address(to) + (to & 1));
			for (i = 0; i < ADDRESSES; i++) {
				bool in = i >= from && (i < to || (i == to && (to & 1)));

				wrong += site_find(um, address(i))->stale != in;
			}
		}
	}
	for (i = 0; i < ADDRESSES; i++)
		WRITE_ONCE(site_find(um, address(i))->stale, false);
	mmap_write_unlock(current->mm);
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

/* What is stale and has no mapping any more goes without anybody's help. */
static void stale_sites_go(struct kunit *test)
{
	struct probepoint *pp = any_point(test);
	struct uprobe_mm *um = uprobe_test_um(test);

	add_at_all(test, um, pp);
	KUNIT_EXPECT_EQ(test, atomic_read(&pp->sites), ADDRESSES);
	sites_mark_stale(um, address(10), address(20));
	KUNIT_EXPECT_TRUE(test, wait_for(atomic_read(&pp->sites) == ADDRESSES - 10));
	mutex_lock(&um->lock);
	KUNIT_EXPECT_NOT_NULL(test, site_find(um, address(9)));
	KUNIT_EXPECT_NULL(test, site_find(um, address(10)));
	KUNIT_EXPECT_NULL(test, site_find(um, address(19)));
	KUNIT_EXPECT_NOT_NULL(test, site_find(um, address(20)));
	mutex_unlock(&um->lock);
}

/* One that is retired while it waits, one that is marked twice, one that is not stale any more. */
static void stale_sites_wait_once(struct kunit *test)
{
	struct probepoint *pp = any_point(test);
	struct uprobe_mm *um = uprobe_test_um(test);

	add_at_all(test, um, pp);
	/* Reclaim looks at what is stale: not while this goes on. */
	KUNIT_ASSERT_FALSE(test, mmap_write_lock_killable(current->mm));
	sites_mark_stale(um, address(10), address(20));
	sites_mark_stale(um, address(5), address(15));
	mutex_lock(&um->lock);
	site_retire(site_find(um, address(12)));
	WRITE_ONCE(site_find(um, address(13))->stale, false);
	mutex_unlock(&um->lock);
	mmap_write_unlock(current->mm);

	KUNIT_EXPECT_TRUE(test, wait_for(atomic_read(&pp->sites) == ADDRESSES - 14));
	mutex_lock(&um->lock);
	KUNIT_EXPECT_NOT_NULL(test, site_find(um, address(4)));
	KUNIT_EXPECT_NULL(test, site_find(um, address(12)));
	KUNIT_EXPECT_NOT_NULL(test, site_find(um, address(13)));
	KUNIT_EXPECT_NULL(test, site_find(um, address(19)));
	KUNIT_EXPECT_TRUE(test, list_empty(&um->stale));
	mutex_unlock(&um->lock);
}

static void mm_state_is_one(struct kunit *test)
{
	struct uprobe_mm *um;

	uprobe_test_map_stack(test, PAGE_SIZE);
	KUNIT_EXPECT_NULL(test, uprobe_mm_of(current->mm));
	KUNIT_EXPECT_FALSE(test, test_bit(MMF_HAS_UPROBES, &current->mm->flags));
	um = uprobe_test_um(test);
	KUNIT_EXPECT_PTR_EQ(test, um->mm, current->mm);
	KUNIT_EXPECT_FALSE(test, um->inherited);
	KUNIT_EXPECT_TRUE(test, test_bit(MMF_HAS_UPROBES, &current->mm->flags));
	KUNIT_EXPECT_PTR_EQ(test, uprobe_mm_get(current->mm), um);
}

static struct kunit_case site_cases[] = {
	KUNIT_CASE(mm_state_is_one),
	KUNIT_CASE(new_site),
	KUNIT_CASE(named_site_is_kept),
	KUNIT_CASE_SLOW(random_adds_and_removes),
	KUNIT_CASE(aligned_addresses),
	KUNIT_CASE(stale_ranges),
	KUNIT_CASE(stale_sites_go),
	KUNIT_CASE(stale_sites_wait_once),
	{ }
};

static struct kunit_suite site_suite = {
	.name = "uprobes_site",
	.test_cases = site_cases,
};

kunit_test_suite(site_suite);
