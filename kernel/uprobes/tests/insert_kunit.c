// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of planting: what is in the text of a process that maps the file,
 * from before its probes come until after they have gone.
 */
#include <linux/sched/mm.h>

#include "support.h"

static struct uprobe_site *site_at(unsigned long vaddr)
{
	struct uprobe_mm *um = uprobe_mm_of(current->mm);
	struct uprobe_site *site;

	if (!um)
		return NULL;
	mutex_lock(&um->lock);
	site = site_find(um, vaddr);
	mutex_unlock(&um->lock);
	return site;
}

static int drops(struct uprobe *u, enum uprobe_drop why)
{
	return atomic_read(&u->pp->drops[why]);
}

static int look(unsigned long vaddr, const struct arch_uprobe *insn)
{
	int state;

	mmap_read_lock(current->mm);
	state = text_look(current->mm, vaddr, insn);
	mmap_read_unlock(current->mm);
	return state;
}

static const struct arch_uprobe *record(struct uprobe *u)
{
	return &u->pp->insn[IS_ENABLED(CONFIG_X86_64)];
}

/* --------------------------------------------------------- in and out */

static void planted_and_taken_out(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);
	unsigned long text = uprobe_test_map_text(test, file), at = text + AT_STEP;
	u8 before[64], after[64];

	uprobe_test_peek(test, at - 32, before, sizeof(before));
	uprobe_test_register(test, u);
	uprobe_test_peek(test, at - 32, after, sizeof(after));
	KUNIT_EXPECT_EQ(test, after[32], UPROBE_SWBP_INSN);
	/* Nothing but the first byte, in a page of the process. */
	after[32] = before[32];
	KUNIT_EXPECT_MEMEQ(test, after, before, sizeof(before));
	KUNIT_EXPECT_TRUE(test, uprobe_test_own_page(test, at));
	KUNIT_EXPECT_FALSE(test, uprobe_test_own_page(test, text + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, atomic_read(&u->pp->sites), 1);
	KUNIT_EXPECT_EQ(test, look(at, record(u)), TEXT_PLANTED);
	KUNIT_ASSERT_NOT_NULL(test, site_at(at));
	KUNIT_EXPECT_EQ(test, site_at(at)->state, SITE_PLANTED);
	/* No area as long as nobody has hit it. */
	KUNIT_EXPECT_EQ(test, uprobe_test_um(test)->area.vaddr, 0UL);

	unregister_uprobe(u);
	KUNIT_EXPECT_NULL(test, site_at(at));
	KUNIT_EXPECT_FALSE(test, uprobe_test_own_page(test, at));
	uprobe_test_peek(test, at - 32, after, sizeof(after));
	KUNIT_EXPECT_MEMEQ(test, after, before, sizeof(before));
}

static void page_goes_with_its_last_breakpoint(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *a = uprobe_test_probe(test, file, AT_NOP);
	struct uprobe *b = uprobe_test_probe(test, file, AT_STEP);
	unsigned long text = uprobe_test_map_text(test, file);

	uprobe_test_register(test, a);
	uprobe_test_register(test, b);
	unregister_uprobe(a);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, text + AT_NOP), 0x90);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, text + AT_STEP), UPROBE_SWBP_INSN);
	KUNIT_EXPECT_TRUE(test, uprobe_test_own_page(test, text));
	unregister_uprobe(b);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, text + AT_STEP), step_insn[0]);
	KUNIT_EXPECT_FALSE(test, uprobe_test_own_page(test, text));
}

/* What somebody else has written to the page is not given away with it. */
static void changed_page_stays(struct kunit *test)
{
	static const u8 other[] = { 0x0f, 0x0b };
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_NOP);
	unsigned long text = uprobe_test_map_text(test, file);
	u8 now[sizeof(other)];

	uprobe_test_register(test, u);
	uprobe_test_poke(test, text + AT_STEP, other, sizeof(other));
	unregister_uprobe(u);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, text + AT_NOP), 0x90);
	KUNIT_EXPECT_TRUE(test, uprobe_test_own_page(test, text));
	uprobe_test_peek(test, text + AT_STEP, now, sizeof(now));
	KUNIT_EXPECT_MEMEQ(test, now, other, sizeof(other));
}

static void two_on_one_instruction(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *a = uprobe_test_probe(test, file, AT_STEP);
	struct uprobe *b = uprobe_test_probe(test, file, AT_STEP);
	unsigned long at = uprobe_test_map_text(test, file) + AT_STEP;
	int active = atomic_read(&probepoints_active);

	uprobe_test_register(test, a);
	uprobe_test_register(test, b);
	KUNIT_EXPECT_PTR_EQ(test, a->pp, b->pp);
	KUNIT_EXPECT_EQ(test, atomic_read(&probepoints_active), active + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->pp->sites), 1);
	unregister_uprobe(a);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, at), UPROBE_SWBP_INSN);
	unregister_uprobe(b);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, at), step_insn[0]);
}

/* ------------------------------------------------- text that is not ours */

static void foreign_int3(struct kunit *test)
{
	static const u8 int3 = UPROBE_SWBP_INSN;
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);
	unsigned long at = uprobe_test_map_text(test, file) + AT_STEP;

	uprobe_test_poke(test, at, &int3, 1);
	uprobe_test_register(test, u);
	KUNIT_EXPECT_EQ(test, drops(u, UPROBE_DROP_FOREIGN), 1);
	KUNIT_ASSERT_NOT_NULL(test, site_at(at));
	KUNIT_EXPECT_EQ(test, site_at(at)->state, SITE_BARRED);
	unregister_uprobe(u);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, at), UPROBE_SWBP_INSN);
}

static void changed_text(struct kunit *test)
{
	static const u8 other[] = { 0x0f, 0x59, 0xc1 };
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);
	unsigned long at = uprobe_test_map_text(test, file) + AT_STEP;
	u8 now[sizeof(other)];

	uprobe_test_poke(test, at, other, sizeof(other));
	uprobe_test_register(test, u);
	KUNIT_EXPECT_EQ(test, drops(u, UPROBE_DROP_CHANGED), 1);
	KUNIT_EXPECT_EQ(test, look(at, record(u)), TEXT_CHANGED);
	uprobe_test_peek(test, at, now, sizeof(now));
	KUNIT_EXPECT_MEMEQ(test, now, other, sizeof(other));
	unregister_uprobe(u);
	uprobe_test_peek(test, at, now, sizeof(now));
	KUNIT_EXPECT_MEMEQ(test, now, other, sizeof(other));
}

/* Once it is the file's text again, the next uprobe plants it. */
static void changed_back(struct kunit *test)
{
	static const u8 other = 0x91;
	struct file *file = uprobe_test_file(test);
	struct uprobe *a = uprobe_test_probe(test, file, AT_NOP);
	struct uprobe *b = uprobe_test_probe(test, file, AT_NOP);
	unsigned long at = uprobe_test_map_text(test, file) + AT_NOP;
	static const u8 nop = 0x90;

	uprobe_test_poke(test, at, &other, 1);
	uprobe_test_register(test, a);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, at), other);
	uprobe_test_poke(test, at, &nop, 1);
	uprobe_test_register(test, b);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, at), UPROBE_SWBP_INSN);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->pp->sites), 1);
}

/*
 * The program has changed what is behind the breakpoint: it is not left with an
 * int3 that nobody answers.
 */
static void changed_behind(struct kunit *test)
{
	static const u8 other[] = { 0x59, 0xc1 };
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);
	unsigned long at = uprobe_test_map_text(test, file) + AT_STEP;
	u8 now[3];

	uprobe_test_register(test, u);
	uprobe_test_poke(test, at + 1, other, sizeof(other));
	KUNIT_EXPECT_EQ(test, look(at, record(u)), TEXT_FOREIGN);
	unregister_uprobe(u);
	uprobe_test_peek(test, at, now, sizeof(now));
	KUNIT_EXPECT_EQ(test, now[0], step_insn[0]);
	KUNIT_EXPECT_MEMEQ(test, now + 1, other, sizeof(other));
}

/* A whole instruction written over ours is the program's. */
static void overwritten(struct kunit *test)
{
	static const u8 other[] = { 0x0f, 0x59, 0xc1 };
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);
	unsigned long at = uprobe_test_map_text(test, file) + AT_STEP;
	u8 now[sizeof(other)];

	uprobe_test_register(test, u);
	uprobe_test_poke(test, at, other, sizeof(other));
	unregister_uprobe(u);
	uprobe_test_peek(test, at, now, sizeof(now));
	KUNIT_EXPECT_MEMEQ(test, now, other, sizeof(other));
	KUNIT_EXPECT_NULL(test, site_at(at));
}

static void text_states(struct kunit *test)
{
	static const struct {
		u8 bytes[3];
		int state;
	} texts[] = {
		{ { 0x0f, 0x58, 0xc1 }, TEXT_ORIGINAL },
		{ { 0xcc, 0x58, 0xc1 }, TEXT_PLANTED },
		{ { 0xcc, 0x58, 0xc2 }, TEXT_FOREIGN },
		{ { 0xcc, 0x59, 0xc1 }, TEXT_FOREIGN },
		{ { 0x0e, 0x58, 0xc1 }, TEXT_CHANGED },
		{ { 0x0f, 0x58, 0xc2 }, TEXT_CHANGED },
		{ { 0x90, 0x90, 0x90 }, TEXT_CHANGED },
	};
	struct file *file = uprobe_test_file(test);
	struct arch_uprobe insn;
	unsigned long text;
	int i;

	KUNIT_ASSERT_EQ(test, arch_uprobe_analyze(&insn, step_insn, sizeof(step_insn),
						  IS_ENABLED(CONFIG_X86_64)), UPROBE_ACCEPTED);
	text = uprobe_test_map_text(test, file);
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		/* On one page, and across two. */
		uprobe_test_poke(test, text + 0x700, texts[i].bytes, 3);
		KUNIT_EXPECT_EQ(test, look(text + 0x700, &insn), texts[i].state);
		uprobe_test_poke(test, text + PAGE_SIZE - 1, texts[i].bytes, 3);
		KUNIT_EXPECT_EQ(test, look(text + PAGE_SIZE - 1, &insn), texts[i].state);
	}
	KUNIT_EXPECT_LT(test, look(text - 64 * PAGE_SIZE, &insn), 0);
}

/* ------------------------------------------------- mappings come and go */

static void wrong_mappings(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);
	unsigned long shared = uprobe_test_map(test, file, PROT_READ | PROT_EXEC, MAP_SHARED);
	unsigned long writable = uprobe_test_map(test, file, PROT_READ | PROT_WRITE | PROT_EXEC,
						 MAP_PRIVATE);

	uprobe_test_register(test, u);
	KUNIT_EXPECT_EQ(test, drops(u, UPROBE_DROP_MAPPING), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&u->pp->sites), 0);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, shared + AT_STEP), step_insn[0]);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, writable + AT_STEP), step_insn[0]);

	/* The same when they come later. */
	shared = uprobe_test_map(test, file, PROT_READ | PROT_EXEC, MAP_SHARED);
	KUNIT_EXPECT_EQ(test, drops(u, UPROBE_DROP_MAPPING), 3);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, shared + AT_STEP), step_insn[0]);
}

/* A mapping to read the file is left alone, whether it came before or after. */
static void mapped_to_read(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);
	unsigned long before, after;

	before = uprobe_test_map(test, file, PROT_READ, MAP_PRIVATE);
	uprobe_test_register(test, u);
	after = uprobe_test_map(test, file, PROT_READ, MAP_PRIVATE);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, before + AT_STEP), step_insn[0]);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, after + AT_STEP), step_insn[0]);
}

static void mapped_later(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *a = uprobe_test_probe(test, file, AT_STEP);
	struct uprobe *b = uprobe_test_probe(test, file, AT_NEXT_PAGE);
	unsigned long first, second;

	uprobe_test_register(test, a);
	uprobe_test_register(test, b);
	first = uprobe_test_map_text(test, file);
	second = uprobe_test_map_text(test, file);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->pp->sites), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->pp->sites), 2);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, first + AT_STEP), UPROBE_SWBP_INSN);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, second + AT_STEP), UPROBE_SWBP_INSN);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, second + AT_NEXT_PAGE), UPROBE_SWBP_INSN);
	unregister_uprobe(a);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, first + AT_STEP), step_insn[0]);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, second + AT_STEP), step_insn[0]);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, second + AT_NEXT_PAGE), UPROBE_SWBP_INSN);
}

/* Only a part of the file is mapped, with or without the instruction in it. */
static void part_of_the_file(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_NEXT_PAGE);
	unsigned long first, second;

	first = kunit_vm_mmap(test, file, 0, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0);
	second = kunit_vm_mmap(test, file, 0, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE,
			       PAGE_SIZE);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(first) || IS_ERR_VALUE(second));
	uprobe_test_register(test, u);
	KUNIT_EXPECT_EQ(test, atomic_read(&u->pp->sites), 1);
	KUNIT_EXPECT_FALSE(test, uprobe_test_own_page(test, first));
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, second + AT_NEXT_PAGE - PAGE_SIZE),
			UPROBE_SWBP_INSN);
}

static void unmapped_and_mapped_again(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);
	unsigned long text = uprobe_test_map_text(test, file);
	unsigned long again;

	uprobe_test_register(test, u);
	KUNIT_EXPECT_EQ(test, atomic_read(&u->pp->sites), 1);
	KUNIT_ASSERT_EQ(test, vm_munmap(text, FILE_MAPPED), 0);
	KUNIT_EXPECT_TRUE(test, wait_for(atomic_read(&u->pp->sites) == 0));
	KUNIT_EXPECT_NULL(test, site_at(text + AT_STEP));

	again = vm_mmap(file, text, FILE_MAPPED, PROT_READ | PROT_EXEC,
			MAP_PRIVATE | MAP_FIXED, 0);
	KUNIT_ASSERT_EQ(test, again, text);
	KUNIT_EXPECT_EQ(test, atomic_read(&u->pp->sites), 1);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, text + AT_STEP), UPROBE_SWBP_INSN);
}

/* Another file, and the same one shifted, in the place of a planted mapping. */
static void replaced_at_once(struct kunit *test)
{
	struct file *file = uprobe_test_file(test), *other = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_NEXT_PAGE);
	unsigned long text = uprobe_test_map_text(test, file);

	uprobe_test_register(test, u);
	KUNIT_ASSERT_EQ(test, vm_mmap(file, text, PAGE_SIZE, PROT_READ | PROT_EXEC,
				      MAP_PRIVATE | MAP_FIXED, PAGE_SIZE), text);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, text + AT_NEXT_PAGE - PAGE_SIZE),
			UPROBE_SWBP_INSN);
	KUNIT_EXPECT_TRUE(test, wait_for(atomic_read(&u->pp->sites) == 2));

	KUNIT_ASSERT_EQ(test, vm_mmap(other, text, FILE_MAPPED, PROT_READ | PROT_EXEC,
				      MAP_PRIVATE | MAP_FIXED, 0), text);
	KUNIT_EXPECT_TRUE(test, wait_for(atomic_read(&u->pp->sites) == 0));
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, text + AT_NEXT_PAGE), 0x90);
	KUNIT_EXPECT_FALSE(test, uprobe_test_own_page(test, text + AT_NEXT_PAGE));
}

/* The process gives its pages back to the file, and our breakpoint with them. */
static void pages_given_back(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);
	unsigned long text = uprobe_test_map_text(test, file), at = text + AT_STEP;
	u64 before = uprobe_stat_sum(UPROBE_STAT_REPLANTED);

	uprobe_test_register(test, u);
	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, text, FILE_MAPPED, MADV_DONTNEED), 0);
	KUNIT_EXPECT_TRUE(test, wait_for(uprobe_test_byte(test, at) == UPROBE_SWBP_INSN));
	KUNIT_EXPECT_EQ(test, uprobe_stat_sum(UPROBE_STAT_REPLANTED), before + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&u->pp->sites), 1);
	unregister_uprobe(u);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, at), step_insn[0]);
}

/* ------------------------------------------------------ several processes */

static u8 byte_at(unsigned long vaddr)
{
	u8 byte = 0;

	uprobe_test_read(vaddr, &byte, 1);
	return byte;
}

static void process_ends(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);
	unsigned long text = uprobe_test_map_text(test, file), theirs;
	struct mm_struct *home;

	uprobe_test_register(test, u);
	home = uprobe_test_other_mm(test);
	theirs = vm_mmap(file, 0, FILE_MAPPED, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0);
	KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(theirs));
	KUNIT_EXPECT_EQ(test, byte_at(theirs + AT_STEP), UPROBE_SWBP_INSN);
	KUNIT_EXPECT_EQ(test, atomic_read(&u->pp->sites), 2);
	uprobe_test_end_other_mm(home);

	KUNIT_EXPECT_EQ(test, atomic_read(&u->pp->sites), 1);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, text + AT_STEP), UPROBE_SWBP_INSN);
}

/* The mm that the filter agrees to. */
static struct mm_struct *wanted_mm;

static bool filter(struct uprobe_consumer *self, struct mm_struct *mm)
{
	return mm == READ_ONCE(wanted_mm);
}

static int old_handler(struct uprobe_consumer *self, struct pt_regs *regs)
{
	return 0;
}

static void filtered(struct kunit *test)
{
	struct uprobe_consumer uc = { .handler = old_handler, .filter = filter };
	struct file *file = uprobe_test_file(test);
	unsigned long text = uprobe_test_map_text(test, file), theirs;
	struct mm_struct *home;
	struct uprobe *u;

	WRITE_ONCE(wanted_mm, current->mm);
	home = uprobe_test_other_mm(test);
	theirs = vm_mmap(file, 0, FILE_MAPPED, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0);
	KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(theirs));

	u = uprobe_register(file_inode(file), AT_STEP, 0, &uc);
	KUNIT_EXPECT_FALSE(test, IS_ERR(u));
	if (!IS_ERR(u)) {
		KUNIT_EXPECT_EQ(test, byte_at(theirs + AT_STEP), step_insn[0]);
		KUNIT_EXPECT_EQ(test, atomic_read(&u->pp->sites), 1);
		/* Both: the first stays until it is told otherwise. */
		WRITE_ONCE(wanted_mm, current->mm);
		KUNIT_EXPECT_EQ(test, uprobe_apply(u, &uc, true), 0);
		KUNIT_EXPECT_EQ(test, byte_at(theirs + AT_STEP), UPROBE_SWBP_INSN);
		KUNIT_EXPECT_EQ(test, atomic_read(&u->pp->sites), 2);
		KUNIT_EXPECT_EQ(test, uprobe_apply(u, &uc, false), 0);
		KUNIT_EXPECT_EQ(test, byte_at(theirs + AT_STEP), UPROBE_SWBP_INSN);
		KUNIT_EXPECT_EQ(test, atomic_read(&u->pp->sites), 1);
		WRITE_ONCE(wanted_mm, NULL);
		KUNIT_EXPECT_EQ(test, uprobe_apply(u, &uc, false), 0);
		KUNIT_EXPECT_EQ(test, byte_at(theirs + AT_STEP), step_insn[0]);
		KUNIT_EXPECT_EQ(test, atomic_read(&u->pp->sites), 0);
	}
	uprobe_unregister_nosync(u, &uc);
	uprobe_unregister_sync();
	uprobe_test_end_other_mm(home);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, text + AT_STEP), step_insn[0]);
}

/* As a child finds itself after fork(): breakpoints, but no sites. */
static void inherited(struct kunit *test)
{
	static const u8 int3 = UPROBE_SWBP_INSN;
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);
	unsigned long at = uprobe_test_map_text(test, file) + AT_STEP;

	uprobe_test_poke(test, at, &int3, 1);
	set_bit(MMF_HAS_UPROBES, &current->mm->flags);
	uprobe_test_register(test, u);
	KUNIT_EXPECT_EQ(test, drops(u, UPROBE_DROP_FOREIGN), 0);
	KUNIT_ASSERT_NOT_NULL(test, site_at(at));
	KUNIT_EXPECT_EQ(test, site_at(at)->state, SITE_PLANTED);
	unregister_uprobe(u);
	KUNIT_EXPECT_EQ(test, uprobe_test_byte(test, at), step_insn[0]);
}

static void fork_marks_the_child(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);
	struct mm_struct *child = mm_alloc();
	bool before, with;

	KUNIT_ASSERT_NOT_NULL(test, child);
	uprobe_test_map_text(test, file);
	mmap_write_lock(current->mm);
	uprobe_dup_mmap(current->mm, child);
	mmap_write_unlock(current->mm);
	before = test_bit(MMF_HAS_UPROBES, &child->flags);

	KUNIT_EXPECT_EQ(test, register_uprobe(u), 0);
	mmap_write_lock(current->mm);
	uprobe_dup_mmap(current->mm, child);
	mmap_write_unlock(current->mm);
	with = test_bit(MMF_HAS_UPROBES, &child->flags);
	mmput(child);
	KUNIT_EXPECT_FALSE(test, before);
	KUNIT_EXPECT_TRUE(test, with);
}

/* --------------------------------------------------------- ref counters */

#define AT_COUNTER	(PAGE_SIZE + 0x80)

static s16 counter(struct kunit *test, unsigned long data)
{
	s16 value = -1;

	uprobe_test_peek(test, data + AT_COUNTER, &value, sizeof(value));
	return value;
}

static void ref_counter(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);
	static const s16 zero, full = S16_MAX;
	unsigned long data, late;

	uprobe_test_write(test, file, AT_COUNTER, &zero, sizeof(zero));
	uprobe_test_map_text(test, file);
	data = uprobe_test_map(test, file, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	u->ref_ctr_offset = AT_COUNTER;
	uprobe_test_register(test, u);
	KUNIT_EXPECT_EQ(test, counter(test, data), 1);
	/* One for each site. */
	late = uprobe_test_map_text(test, file);
	KUNIT_EXPECT_EQ(test, counter(test, data), 2);
	KUNIT_ASSERT_EQ(test, vm_munmap(late, FILE_MAPPED), 0);
	KUNIT_EXPECT_TRUE(test, wait_for(counter(test, data) == 1));
	unregister_uprobe(u);
	KUNIT_EXPECT_EQ(test, counter(test, data), 0);

	/* Not over the edge. */
	uprobe_test_poke(test, data + AT_COUNTER, &full, sizeof(full));
	uprobe_test_register(test, u);
	KUNIT_EXPECT_EQ(test, drops(u, UPROBE_DROP_REF_CTR), 1);
	KUNIT_EXPECT_EQ(test, counter(test, data), S16_MAX);
	unregister_uprobe(u);
	KUNIT_EXPECT_EQ(test, counter(test, data), S16_MAX);
}

/* As the dynamic linker does it: text first, data after it. */
static void ref_counter_mapped_later(struct kunit *test)
{
	struct file *file = uprobe_test_file(test);
	struct uprobe *u = uprobe_test_probe(test, file, AT_STEP);
	static const s16 zero;
	unsigned long data;

	uprobe_test_write(test, file, AT_COUNTER, &zero, sizeof(zero));
	u->ref_ctr_offset = AT_COUNTER;
	uprobe_test_register(test, u);
	uprobe_test_map_text(test, file);
	data = uprobe_test_map(test, file, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	KUNIT_EXPECT_EQ(test, counter(test, data), 1);
	unregister_uprobe(u);
	KUNIT_EXPECT_EQ(test, counter(test, data), 0);
}

static struct kunit_case insert_cases[] = {
	KUNIT_CASE(planted_and_taken_out),
	KUNIT_CASE(page_goes_with_its_last_breakpoint),
	KUNIT_CASE(changed_page_stays),
	KUNIT_CASE(two_on_one_instruction),
	KUNIT_CASE(foreign_int3),
	KUNIT_CASE(changed_text),
	KUNIT_CASE(changed_back),
	KUNIT_CASE(changed_behind),
	KUNIT_CASE(overwritten),
	KUNIT_CASE(text_states),
	KUNIT_CASE(wrong_mappings),
	KUNIT_CASE(mapped_to_read),
	KUNIT_CASE(mapped_later),
	KUNIT_CASE(part_of_the_file),
	KUNIT_CASE(unmapped_and_mapped_again),
	KUNIT_CASE(replaced_at_once),
	KUNIT_CASE(pages_given_back),
	KUNIT_CASE(process_ends),
	KUNIT_CASE(filtered),
	KUNIT_CASE(inherited),
	KUNIT_CASE(fork_marks_the_child),
	KUNIT_CASE(ref_counter),
	KUNIT_CASE(ref_counter_mapped_later),
	{ }
};

static struct kunit_suite insert_suite = {
	.name = "uprobes_insert",
	.test_cases = insert_cases,
};

kunit_test_suite(insert_suite);
