// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: the bytes of a copy, and the base it needs.
 */
#include <linux/string.h>

#include "tests.h"

static const struct copy_row {
	const char *desc;
	struct test_insn insn, copy;
} copy_rows[] = {
	{ "no prefix", I(0x83, 0x05, 1, 2, 3, 4, 5), I(0x65, 0x83, 0x05, 1, 2, 3, 4, 5) },
	{ "before REX", I(0x48, 0x03, 0x05, 1, 2, 3, 4),
	  I(0x65, 0x48, 0x03, 0x05, 1, 2, 3, 4) },
	{ "before a mandatory prefix", I(0xf2, 0x0f, 0x10, 0x05, 1, 2, 3, 4),
	  I(0x65, 0xf2, 0x0f, 0x10, 0x05, 1, 2, 3, 4) },
	{ "before VEX", I(0xc4, 0xe2, 0x7d, 0x18, 0x05, 1, 2, 3, 4),
	  I(0x65, 0xc4, 0xe2, 0x7d, 0x18, 0x05, 1, 2, 3, 4) },
	{ "before EVEX", I(0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x05, 1, 2, 3, 4),
	  I(0x65, 0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x05, 1, 2, 3, 4) },
	{ "before lock", I(0xf0, 0xff, 0x05, 1, 2, 3, 4),
	  I(0x65, 0xf0, 0xff, 0x05, 1, 2, 3, 4) },
	{ "before 67", I(0x67, 0x03, 0x05, 1, 2, 3, 4),
	  I(0x65, 0x67, 0x03, 0x05, 1, 2, 3, 4) },
	{ "instead of a null segment", I(0x2e, 0x03, 0x05, 1, 2, 3, 4),
	  I(0x65, 0x03, 0x05, 1, 2, 3, 4) },
	{ "fs where gs is read", I(0x8c, 0x2d, 1, 2, 3, 4), I(0x64, 0x8c, 0x2d, 1, 2, 3, 4) },
	{ "fs is there already", I(0x64, 0x03, 0x05, 1, 2, 3, 4),
	  I(0x64, 0x03, 0x05, 1, 2, 3, 4) },
	{ "gs counts, fs does not", I(0x64, 0x65, 0x03, 0x05, 1, 2, 3, 4),
	  I(0x64, 0x65, 0x03, 0x05, 1, 2, 3, 4) },
	{ "14 bytes become 15",
	  I(0xf2, 0x67, 0xf0, 0x48, 0x81, 0x05, 1, 2, 3, 4, 5, 6, 7, 8),
	  I(0x65, 0xf2, 0x67, 0xf0, 0x48, 0x81, 0x05, 1, 2, 3, 4, 5, 6, 7, 8) },
	{ "15 bytes, one prefix twice",
	  I(0x67, 0x67, 0xf2, 0xf0, 0x48, 0x81, 0x05, 1, 2, 3, 4, 5, 6, 7, 8),
	  I(0x65, 0x67, 0xf2, 0xf0, 0x48, 0x81, 0x05, 1, 2, 3, 4, 5, 6, 7, 8) },
	{ "15 bytes, a null segment among them",
	  I(0x67, 0x3e, 0xf2, 0xf0, 0x48, 0x81, 0x05, 1, 2, 3, 4, 5, 6, 7, 8),
	  I(0x65, 0x67, 0xf2, 0xf0, 0x48, 0x81, 0x05, 1, 2, 3, 4, 5, 6, 7, 8) },
	{ "15 bytes, the last of f2, f3, f2 counts",
	  I(0xf2, 0xf3, 0xf2, 0xf0, 0x48, 0x81, 0x05, 1, 2, 3, 4, 5, 6, 7, 8),
	  I(0x65, 0xf3, 0xf2, 0xf0, 0x48, 0x81, 0x05, 1, 2, 3, 4, 5, 6, 7, 8) },
	{ "15 bytes with fs", I(0x64, 0x67, 0xf2, 0xf0, 0x48, 0x81, 0x05, 1, 2, 3, 4, 5, 6, 7, 8),
	  I(0x64, 0x67, 0xf2, 0xf0, 0x48, 0x81, 0x05, 1, 2, 3, 4, 5, 6, 7, 8) },
	{ "before XOP", I(0x8f, 0xe9, 0x78, 0x90, 0x05, 1, 2, 3, 4),
	  I(0x65, 0x8f, 0xe9, 0x78, 0x90, 0x05, 1, 2, 3, 4) },
	{ "no REX that did not count before", I(0x48, 0x2e, 0x03, 0x05, 1, 2, 3, 4),
	  I(0x65, 0x03, 0x05, 1, 2, 3, 4) },
	{ "only the last REX", I(0x49, 0x48, 0x03, 0x05, 1, 2, 3, 4),
	  I(0x65, 0x48, 0x03, 0x05, 1, 2, 3, 4) },
	{ "not relative at all", I(0x03, 0x04, 0x25, 1, 2, 3, 4),
	  I(0x03, 0x04, 0x25, 1, 2, 3, 4) },
};

KUNIT_ARRAY_PARAM_DESC(copy, copy_rows, desc);

static void test_copy(struct kunit *test)
{
	const struct copy_row *row = test->param_value;
	struct arch_uprobe au;

	test_borrows_gs(test, UPROBE_FIX_BORROW);
	KUNIT_ASSERT_EQ(test, test_analyze(&au, &row->insn, true), UPROBE_ACCEPTED);
	KUNIT_EXPECT_EQ(test, au.len, row->insn.n);
	KUNIT_EXPECT_EQ(test, au.xol_len, row->copy.n);
	KUNIT_EXPECT_MEMEQ(test, au.xol, row->copy.bytes, MAX_UINSN_BYTES);
	KUNIT_EXPECT_MEMEQ(test, au.insn, row->insn.bytes, MAX_UINSN_BYTES);
}

/* In 32-bit code the same ModRM is an absolute address and needs nothing. */
static void test_copy_32(struct kunit *test)
{
	static const struct test_insn insn = I(0x83, 0x3d, 1, 2, 3, 4, 5);
	struct arch_uprobe au;

	KUNIT_ASSERT_EQ(test, test_analyze(&au, &insn, false), UPROBE_ACCEPTED);
	KUNIT_EXPECT_EQ(test, au.fixups, 0);
	KUNIT_EXPECT_EQ(test, au.xol_len, insn.n);
	KUNIT_EXPECT_MEMEQ(test, au.xol, insn.bytes, insn.n);
}

/* ------------------------------------------------------------------ */

/* Within reach of 32-bit code */
#define LOW_SLOT	0xffffd040UL
#define VADDR		0x401000UL

static const struct image_row {
	const char *desc;
	bool is32;
	struct test_insn insn;
} image_rows[] = {
	{ "one byte", 0, I(0xf5) },
	{ "two bytes", 0, I(0x0f, 0xa2) },
	{ "15 bytes", 0,
	  I(0x67, 0xf2, 0xf0, 0x48, 0x81, 0x04, 0x25, 1, 2, 3, 4, 5, 6, 7, 8) },
	{ "borrows gs", 0, I(0x03, 0x05, 1, 2, 3, 4) },
	{ "borrows gs, the longest that can", 0,
	  I(0x48, 0x81, 0x05, 1, 2, 3, 4, 5, 6, 7, 8) },
	{ "borrows gs, too long", 0, I(0xf0, 0x48, 0x81, 0x05, 1, 2, 3, 4, 5, 6, 7, 8) },
	{ "borrows fs", 0, I(0x64, 0x03, 0x05, 1, 2, 3, 4) },
	{ "stepped", 0, I(0xf3, 0xa4) },
	{ "leaves", 0, I(0x48, 0xcf) },
	{ "32 bit", 1, I(0x0f, 0xa2) },
	{ "32 bit, 15 bytes", 1,
	  I(0x67, 0x67, 0xf2, 0xf0, 0x3e, 0x81, 0x84, 0x48, 1, 2, 3, 4, 5, 6, 7) },
	{ "32 bit, leaves", 1, I(0xcb) },
};

KUNIT_ARRAY_PARAM_DESC(image, image_rows, desc);

/**
 * struct image_check - reading an image as the CPU does
 * @bytes: the image, and one byte behind it
 * @used: which bytes have been seen to be right
 * @at: where the next instruction is
 */
struct image_check {
	u8 bytes[UPROBE_XOL_SLOT_BYTES + 1];
	bool used[UPROBE_XOL_SLOT_BYTES];
	unsigned int at;
};

static void expect_bytes(struct kunit *test, struct image_check *c, const void *bytes,
			 unsigned int n)
{
	KUNIT_ASSERT_LE(test, c->at + n, UPROBE_XOL_SLOT_BYTES);
	KUNIT_EXPECT_MEMEQ(test, c->bytes + c->at, bytes, n);
	memset(c->used + c->at, true, n);
	c->at += n;
}

static s32 take_disp(struct kunit *test, struct image_check *c)
{
	s32 disp = 0;

	KUNIT_ASSERT_LE(test, c->at + sizeof(disp), UPROBE_XOL_SLOT_BYTES);
	memcpy(&disp, c->bytes + c->at, sizeof(disp));
	memset(c->used + c->at, true, sizeof(disp));
	c->at += sizeof(disp);
	return disp;
}

/* What an instruction reads relative to %rip; the program may check alignment. */
static u64 take_memory(struct kunit *test, struct image_check *c, unsigned int width)
{
	unsigned int from;
	u64 val = 0;

	from = take_disp(test, c);
	from += c->at;
	KUNIT_ASSERT_LE(test, from + width, UPROBE_XOL_SLOT_BYTES);
	KUNIT_EXPECT_EQ(test, from % width, 0);
	memcpy(&val, c->bytes + from, width);
	memset(c->used + from, true, width);
	return val;
}

static void check_way_back(struct kunit *test, const struct arch_uprobe *au,
			   struct image_check *c)
{
	static const u8 jmp_rel[] = { 0xe9 }, mov_gs[] = { 0x8e, 0x2d }, jmp_mem[] = { 0xff, 0x25 };
	unsigned long target = VADDR + au->len;
	u32 to;

	if (!au->is64) {
		expect_bytes(test, c, jmp_rel, sizeof(jmp_rel));
		to = take_disp(test, c);
		to += LOW_SLOT + c->at;
		KUNIT_EXPECT_EQ(test, to, target);
		return;
	}
	if (au->fixups & UPROBE_FIX_GS) {
		expect_bytes(test, c, mov_gs, sizeof(mov_gs));
		KUNIT_EXPECT_EQ(test, take_memory(test, c, sizeof(u16)), 0);
	}
	expect_bytes(test, c, jmp_mem, sizeof(jmp_mem));
	KUNIT_EXPECT_EQ(test, take_memory(test, c, sizeof(u64)), target);
}

static void test_image(struct kunit *test)
{
	const struct image_row *row = test->param_value;
	struct image_check *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	struct arch_uprobe au;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, c);
	KUNIT_ASSERT_EQ(test, test_analyze(&au, &row->insn, !row->is32), UPROBE_ACCEPTED);
	c->bytes[UPROBE_XOL_SLOT_BYTES] = 0x5a;
	arch_uprobe_slot_image(&au, VADDR, LOW_SLOT, c->bytes);
	KUNIT_EXPECT_EQ(test, c->bytes[UPROBE_XOL_SLOT_BYTES], 0x5a);

	expect_bytes(test, c, au.xol, au.xol_len);
	if (au.strategy == UPROBE_BOOST && !(au.fixups & UPROBE_FIX_LEAVES))
		check_way_back(test, &au, c);
	for (i = 0; i < UPROBE_XOL_SLOT_BYTES; i++)
		if (!c->used[i])
			KUNIT_EXPECT_EQ(test, c->bytes[i], UPROBE_SWBP_INSN);
}

#ifdef CONFIG_X86_64

#define SLOT	0x7ffffffde040UL

static const struct base_row {
	const char *desc;
	struct test_insn insn;
	unsigned long vaddr, old;
	unsigned long target;	/* what the original reaches */
} base_rows[] = {
	{ "below the slot", I(0x03, 0x05, 0x10, 0, 0, 0), 0x401000, 0x1111, 0x401016 },
	{ "backwards", I(0x03, 0x05, 0xfa, 0xff, 0xff, 0xff), 0x401000, 0x1111, 0x401000 },
	{ "immediate behind the displacement", I(0x83, 0x05, 0x10, 0, 0, 0, 7), 0x401000, 0,
	  0x401017 },
	{ "fs base is added", I(0x64, 0x03, 0x05, 0x10, 0, 0, 0), 0x401000, 0x7f0000000000,
	  0x7f0000401017 },
	{ "negative fs base", I(0x64, 0x03, 0x05, 0x10, 0, 0, 0), 0x401000, -0x1000UL,
	  0x400017 },
	{ "67 cuts the sum", I(0x67, 0x03, 0x05, 0x10, 0, 0, 0), 0x555500401000, 0x1111,
	  0x401017 },
	{ "67 cuts a sum that overflows", I(0x67, 0x03, 0x05, 0, 0, 0, 0x7f), 0x5555f0000000, 0,
	  0x6f000007 },
	{ "67 cuts before the base comes", I(0x67, 0x64, 0x03, 0x05, 0x10, 0, 0, 0),
	  0x555500401000, 0x7f0000000000, 0x7f0000401018 },
};

KUNIT_ARRAY_PARAM_DESC(base, base_rows, desc);

/* What the CPU does with the copy: cut if there is 67, then add the base. */
static unsigned long copy_reaches(const struct arch_uprobe *au, unsigned long base)
{
	unsigned long ea = SLOT + au->xol_len + au->mem.disp;

	if (au->mem.addr_bytes == 4)
		ea = (u32)ea;
	return base + ea;
}

static void test_base(struct kunit *test)
{
	const struct base_row *row = test->param_value;
	struct arch_uprobe au;
	unsigned long base;

	KUNIT_ASSERT_EQ(test, test_analyze(&au, &row->insn, true), UPROBE_ACCEPTED);
	KUNIT_ASSERT_NE(test, au.fixups & UPROBE_FIX_BORROW, 0);
	base = uprobe_riprel_base(&au, row->vaddr, SLOT, row->old);
	KUNIT_EXPECT_EQ(test, copy_reaches(&au, base), row->target);
}

#endif

static void test_too_long(struct kunit *test)
{
	static const u8 insn[] = {
		0xf2, 0x66, 0x67, 0xf0, 0x48, 0x81, 0x05, 0, 0, 0, 0, 1, 0, 0, 0,
	};
	u8 copy[MAX_UINSN_BYTES];

	KUNIT_EXPECT_EQ(test, uprobe_riprel_copy(copy, insn, 15, 4, PREFIX_GS), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(copy, 0, sizeof(copy)));
}

static struct kunit_case riprel_cases[] = {
	KUNIT_CASE_PARAM(test_copy, copy_gen_params),
	KUNIT_CASE(test_copy_32),
	KUNIT_CASE_PARAM(test_image, image_gen_params),
#ifdef CONFIG_X86_64
	KUNIT_CASE_PARAM(test_base, base_gen_params),
#endif
	KUNIT_CASE(test_too_long),
	{}
};

static struct kunit_suite riprel_suite = {
	.name = "uprobes_x86_riprel",
	.test_cases = riprel_cases,
};

kunit_test_suite(riprel_suite);
