// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what others see of probed text, and of what they write to it:
 * each time the memory, the view, and the site.
 */
#include <linux/sched/mm.h>
#include <linux/uio.h>

#include "support.h"

static const u8 int3 = UPROBE_SWBP_INSN;

/* A mapped file with a probe at AT_STEP. */
struct probed {
	struct file *file;
	struct uprobe *u;
	unsigned long text;
	unsigned long at;
};

static struct probed probed_text(struct kunit *test)
{
	struct probed p = { .file = uprobe_test_file(test) };

	p.u = uprobe_test_probe(test, p.file, AT_STEP);
	p.text = uprobe_test_map_text(test, p.file);
	p.at = p.text + AT_STEP;
	return p;
}

/* Good as long as nobody removes it: the probe is the test's. */
static struct uprobe_site *site_at(struct kunit *test, unsigned long vaddr)
{
	struct uprobe_mm *um = uprobe_test_um(test);
	struct uprobe_site *site;

	mutex_lock(&um->lock);
	site = site_find(um, vaddr);
	mutex_unlock(&um->lock);
	return site;
}

static u8 others_byte(struct kunit *test, unsigned long vaddr)
{
	u8 byte = 0;

	uprobe_test_others_read(test, vaddr, &byte, 1);
	return byte;
}

static void expect(struct kunit *test, unsigned long at, u8 memory, u8 view,
		   enum site_state state, bool under)
{
	struct uprobe_site *site = site_at(test, at);

	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, at), memory);
	KUNIT_EXPECT_EQ(test, others_byte(test, at), view);
	KUNIT_ASSERT_NOT_NULL(test, site);
	KUNIT_EXPECT_EQ(test, site->state, state);
	if (state == SITE_PLANTED)
		KUNIT_EXPECT_EQ(test, site->under, under);
}

static int drops(struct uprobe *u, enum uprobe_drop why)
{
	return atomic_read(&u->pp->drops[why]);
}

static void reads_are_the_file(struct kunit *test)
{
	static const loff_t more[] = { AT_NOP, AT_STEP2, AT_NEXT_PAGE, PAGE_SIZE - 1 };
	struct probed p = probed_text(test);
	u8 *before = kunit_kmalloc(test, FILE_MAPPED, GFP_KERNEL);
	u8 *now = kunit_kmalloc(test, FILE_MAPPED, GFP_KERNEL);
	int i, n;

	KUNIT_ASSERT_NOT_NULL(test, before);
	KUNIT_ASSERT_NOT_NULL(test, now);
	uprobe_test_peek(test, p.text, before, FILE_MAPPED);
	uprobe_test_register(test, p.u);
	for (i = 0; i < ARRAY_SIZE(more); i++) {
		uprobe_test_register(test, uprobe_test_probe(test, p.file, more[i]));
		KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, p.text + more[i]), int3);
	}
	uprobe_test_others_read(test, p.text, now, FILE_MAPPED);
	KUNIT_EXPECT_MEMEQ(test, now, before, FILE_MAPPED);
	for (i = -4; i < 4; i++) {
		for (n = 1; n < 9; n++) {
			uprobe_test_others_read(test, p.at + i, now, n);
			KUNIT_EXPECT_MEMEQ(test, now, before + AT_STEP + i, n);
		}
	}
}

static void read_to_iter(struct kunit *test)
{
	struct probed p = probed_text(test);
	struct vm_area_struct *vma;
	struct iov_iter to;
	struct page *page;
	struct kvec vec;
	u8 now[16];

	uprobe_test_register(test, p.u);
	mmap_read_lock(current->mm);
	page = get_user_page_vma_remote(current->mm, p.at, FOLL_FORCE, &vma);
	mmap_read_unlock(current->mm);
	KUNIT_ASSERT_FALSE(test, IS_ERR(page));
	vec.iov_base = now;
	vec.iov_len = sizeof(now);
	iov_iter_kvec(&to, ITER_DEST, &vec, 1, sizeof(now));
	KUNIT_EXPECT_EQ(test, uprobe_copy_page_to_iter(current->mm, p.at - 8, page, AT_STEP - 8,
						       sizeof(now), &to), sizeof(now));
	put_page(page);
	KUNIT_EXPECT_EQ(test, now[7], 0x90);
	KUNIT_EXPECT_MEMEQ(test, now + 8, step_insn, sizeof(step_insn));
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, p.at), int3);
}

static void breakpoint_underneath(struct kunit *test)
{
	struct probed p = probed_text(test);
	u8 word[8];

	uprobe_test_register(test, p.u);
	expect(test, p.at, int3, step_insn[0], SITE_PLANTED, false);
	/* What was read is written back with one byte of it changed. */
	uprobe_test_others_read(test, p.at - 2, word, sizeof(word));
	word[2] = int3;
	uprobe_test_others_write(test, p.at - 2, word, sizeof(word));
	expect(test, p.at, int3, int3, SITE_PLANTED, true);
	word[2] = step_insn[0];
	uprobe_test_others_write(test, p.at - 2, word, sizeof(word));
	expect(test, p.at, int3, step_insn[0], SITE_PLANTED, false);
	KUNIT_EXPECT_EQ(test, drops(p.u, UPROBE_DROP_CHANGED), 0);
	unregister_uprobe(p.u);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, p.at), step_insn[0]);
	KUNIT_EXPECT_FALSE(test, uprobe_test_own_page(test, p.at));
}

static void breakpoint_outlives_the_probe(struct kunit *test)
{
	struct probed p = probed_text(test);

	uprobe_test_register(test, p.u);
	uprobe_test_others_write(test, p.at, &int3, 1);
	unregister_uprobe(p.u);
	KUNIT_EXPECT_NULL(test, site_at(test, p.at));
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, p.at), int3);
	KUNIT_EXPECT_EQ(test, others_byte(test, p.at), int3);

	/* And is found by the next one. */
	uprobe_test_register(test, p.u);
	expect(test, p.at, int3, int3, SITE_BARRED, false);
	KUNIT_EXPECT_EQ(test, drops(p.u, UPROBE_DROP_FOREIGN), 1);
}

static void breakpoint_was_there_first(struct kunit *test)
{
	struct probed p = probed_text(test);

	uprobe_test_others_write(test, p.at, &int3, 1);
	uprobe_test_register(test, p.u);
	expect(test, p.at, int3, int3, SITE_BARRED, false);
	KUNIT_EXPECT_EQ(test, drops(p.u, UPROBE_DROP_FOREIGN), 1);
	uprobe_test_others_write(test, p.at, step_insn, 1);
	expect(test, p.at, int3, step_insn[0], SITE_PLANTED, false);
	uprobe_test_others_write(test, p.at, &int3, 1);
	expect(test, p.at, int3, int3, SITE_PLANTED, true);
}

static void other_bytes_are_written(struct kunit *test)
{
	static const u8 other[] = { 0x66, 0x0f, 0x58, 0xc1 };
	struct probed p = probed_text(test);
	u8 now[sizeof(other)];

	uprobe_test_register(test, p.u);
	uprobe_test_others_write(test, p.at, other, sizeof(other));
	expect(test, p.at, other[0], other[0], SITE_BARRED, false);
	uprobe_test_peek(test, p.at, now, sizeof(now));
	KUNIT_EXPECT_MEMEQ(test, now, other, sizeof(other));
	KUNIT_EXPECT_EQ(test, drops(p.u, UPROBE_DROP_CHANGED), 1);

	/* Half of the instruction is not the instruction. */
	uprobe_test_others_write(test, p.at, step_insn, 1);
	expect(test, p.at, step_insn[0], step_insn[0], SITE_BARRED, false);
	uprobe_test_others_write(test, p.at, step_insn, sizeof(step_insn));
	expect(test, p.at, int3, step_insn[0], SITE_PLANTED, false);
	unregister_uprobe(p.u);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, p.at), step_insn[0]);
}

static void nobody_wants_it_back(struct kunit *test)
{
	struct probed p = probed_text(test);

	uprobe_test_register(test, p.u);
	uprobe_test_others_write(test, p.at, &int3, 1);
	unregister_uprobe(p.u);
	uprobe_test_others_write(test, p.at, step_insn, 1);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, p.at), step_insn[0]);
	KUNIT_EXPECT_NULL(test, site_at(test, p.at));
}

/* Sites are of a mapping: another one at the same addresses is not touched. */
static void another_mapping(struct kunit *test)
{
	struct probed p = probed_text(test);
	unsigned long again;

	uprobe_test_register(test, p.u);
	again = vm_mmap(uprobe_test_file(test), p.text, FILE_MAPPED, PROT_READ | PROT_EXEC,
			MAP_PRIVATE | MAP_FIXED, 0);
	KUNIT_ASSERT_EQ(test, again, p.text);
	uprobe_test_others_write(test, p.at, &int3, 1);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, p.at), int3);
	KUNIT_EXPECT_EQ(test, others_byte(test, p.at), int3);
	uprobe_test_others_write(test, p.at, step_insn, 1);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, p.at), step_insn[0]);
}

static bool not_here(struct uprobe *u, struct mm_struct *mm)
{
	return false;
}

/* As a child finds itself after fork(): breakpoints, but no sites. */
static void inherited(struct kunit *test)
{
	struct probed p = probed_text(test);

	p.u->filter = not_here;
	uprobe_test_register(test, p.u);
	KUNIT_EXPECT_EQ(test, atomic_read(&p.u->pp->sites), 0);
	uprobe_test_poke(test, p.at, &int3, 1);
	set_bit(MMF_HAS_UPROBES, &current->mm->flags);
	KUNIT_EXPECT_EQ(test, others_byte(test, p.at), step_insn[0]);
	expect(test, p.at, int3, step_insn[0], SITE_PLANTED, false);
	uprobe_test_others_write(test, p.at, &int3, 1);
	expect(test, p.at, int3, int3, SITE_PLANTED, true);
	uprobe_test_others_write(test, p.at, step_insn, 1);
	unregister_uprobe(p.u);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, p.at), step_insn[0]);
}

static void fork_takes_it_along(struct kunit *test)
{
	struct probed p = probed_text(test);
	struct mm_struct *child = mm_alloc();
	struct uprobe_site *copy = NULL;
	struct uprobe_mm *um;
	bool under = false;
	int sites;

	KUNIT_ASSERT_NOT_NULL(test, child);
	KUNIT_EXPECT_EQ(test, register_uprobe(p.u), 0);
	KUNIT_EXPECT_EQ(test, access_remote_vm(current->mm, p.at, (void *)&int3, 1,
					       FOLL_FORCE | FOLL_WRITE), 1);
	mmap_write_lock(current->mm);
	uprobe_dup_mmap(current->mm, child);
	mmap_write_unlock(current->mm);
	um = uprobe_mm_of(child);
	if (um) {
		mutex_lock(&um->lock);
		copy = site_find(um, p.at);
		under = copy && copy->under && copy->state == SITE_PLANTED && um->forked;
		mutex_unlock(&um->lock);
	}
	sites = atomic_read(&p.u->pp->sites);
	mmput(child);
	KUNIT_EXPECT_NOT_NULL(test, copy);
	KUNIT_EXPECT_TRUE(test, under);
	KUNIT_EXPECT_EQ(test, sites, 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&p.u->pp->sites), 1);
}

static struct kunit_case hide_cases[] = {
	KUNIT_CASE(reads_are_the_file),
	KUNIT_CASE(read_to_iter),
	KUNIT_CASE(breakpoint_underneath),
	KUNIT_CASE(breakpoint_outlives_the_probe),
	KUNIT_CASE(breakpoint_was_there_first),
	KUNIT_CASE(other_bytes_are_written),
	KUNIT_CASE(nobody_wants_it_back),
	KUNIT_CASE(another_mapping),
	KUNIT_CASE(inherited),
	KUNIT_CASE(fork_takes_it_along),
	{ }
};

static struct kunit_suite hide_suite = {
	.name = "uprobes_hide",
	.test_cases = hide_cases,
};

kunit_test_suite(hide_suite);
