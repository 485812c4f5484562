// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: registers and memory before and after an emulated
 * instruction. Faults raise signals, which a kernel thread cannot take: these
 * are for the selftests.
 */
#include <linux/mman.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>
#include <asm/segment.h>

#include "tests.h"

#define TEXT	0x401000UL	/* never read */
#define PAGE_AT	0x10000000UL	/* within reach of 32-bit code */

/*
 * A register and its value. Page: counted from the mapped page. Text: from the
 * instruction.
 */
enum counted_from { NUMBER, FROM_PAGE, FROM_TEXT };

struct reg_value {
	u8 set;
	u8 reg;
	u8 from;
	s64 value;
};

#define R(r, v)		{ 1, offsetof(struct pt_regs, r), NUMBER, v }
#define PAGE(r, v)	{ 1, offsetof(struct pt_regs, r), FROM_PAGE, v }
#define GOTO(v)		{ 1, offsetof(struct pt_regs, ip), FROM_TEXT, v }
#define FLAGS(v)	{ 1, offsetof(struct pt_regs, flags), NUMBER, v }

/* A word of memory in the page; nothing if it has no bytes */
struct mem_value {
	u16 at;
	u8 bytes;
	u8 from;
	u64 value;
};

#define IF	(X86_EFLAGS_FIXED | X86_EFLAGS_IF)
#define CF	X86_EFLAGS_CF
#define PF	X86_EFLAGS_PF
#define AF	X86_EFLAGS_AF
#define ZF	X86_EFLAGS_ZF
#define SF	X86_EFLAGS_SF
#define OF	X86_EFLAGS_OF
#define DF	X86_EFLAGS_DF

#define MAX_REGS	4

/* In the table: ..., 0xef, 0xbf, 0x0f is the way from there to the page. */
static_assert(PAGE_AT - TEXT == 0x0fbff000);

static const struct emulate_row {
	const char *desc;
	bool is32;
	struct test_insn insn;
	struct reg_value before[MAX_REGS], after[MAX_REGS];
	struct mem_value mem_before, mem_after;
} emulate_rows[] = {
#ifdef CONFIG_X86_64
	{ "nop", 0, I(0x90) },
	{ "endbr64 keeps flags", 0, I(0xf3, 0x0f, 0x1e, 0xfa), { FLAGS(IF | ZF | DF) } },

	/* Branches */
	{ "jmp", 0, I(0xe9, 0x10, 0, 0, 0), .after = { GOTO(0x15) } },
	{ "jmp to itself", 0, I(0xeb, 0xfe), .after = { GOTO(0) } },
	{ "jo", 0, I(0x70, 4), { FLAGS(IF | OF) }, { GOTO(6) } },
	{ "jno not taken", 0, I(0x71, 4), { FLAGS(IF | OF) } },
	{ "jb", 0, I(0x72, 4), { FLAGS(IF | CF) }, { GOTO(6) } },
	{ "je", 0, I(0x74, 4), { FLAGS(IF | ZF) }, { GOTO(6) } },
	{ "je not taken", 0, I(0x74, 4), { FLAGS(IF | CF | SF | OF | PF) } },
	{ "jbe by CF", 0, I(0x76, 4), { FLAGS(IF | CF) }, { GOTO(6) } },
	{ "jbe by ZF", 0, I(0x76, 4), { FLAGS(IF | ZF) }, { GOTO(6) } },
	{ "ja", 0, I(0x77, 4), { FLAGS(IF | SF | OF) }, { GOTO(6) } },
	{ "js", 0, I(0x78, 4), { FLAGS(IF | SF) }, { GOTO(6) } },
	{ "jp", 0, I(0x7a, 4), { FLAGS(IF | PF) }, { GOTO(6) } },
	{ "jl by SF", 0, I(0x7c, 4), { FLAGS(IF | SF) }, { GOTO(6) } },
	{ "jl by OF", 0, I(0x7c, 4), { FLAGS(IF | OF) }, { GOTO(6) } },
	{ "jl not taken", 0, I(0x7c, 4), { FLAGS(IF | SF | OF | ZF) } },
	{ "jle by ZF", 0, I(0x7e, 4), { FLAGS(IF | ZF | SF | OF) }, { GOTO(6) } },
	{ "jg", 0, I(0x7f, 4), { FLAGS(IF | SF | OF) }, { GOTO(6) } },
	{ "jg not taken", 0, I(0x7f, 4), { FLAGS(IF | SF) } },
	{ "jrcxz looks at all of rcx", 0, I(0xe3, 4), { R(cx, 0x100000000) } },
	{ "jecxz looks at half", 0, I(0x67, 0xe3, 4), { R(cx, 0x100000000) }, { GOTO(7) } },
	{ "loop", 0, I(0xe2, 4), { R(cx, 2) }, { R(cx, 1), GOTO(6) } },
	{ "loop ends", 0, I(0xe2, 4), { R(cx, 1) }, { R(cx, 0) } },
	{ "loop with ecx clears the rest", 0, I(0x67, 0xe2, 4), { R(cx, 0x500000001) },
	  { R(cx, 0) } },
	{ "loope ends by ZF", 0, I(0xe1, 4), { R(cx, 5) }, { R(cx, 4) } },
	{ "loopne", 0, I(0xe0, 4), { R(cx, 5) }, { R(cx, 4), GOTO(6) } },

	/* Calls and returns */
	{ "call", 0, I(0xe8, 0x10, 0, 0, 0), { PAGE(sp, 0x100) },
	  { PAGE(sp, 0xf8), GOTO(0x15) }, .mem_after = { 0xf8, 8, FROM_TEXT, 5 } },
	{ "call *%rsp", 0, I(0xff, 0xd4), { PAGE(sp, 0x100) },
	  { PAGE(sp, 0xf8), PAGE(ip, 0x100) }, .mem_after = { 0xf8, 8, FROM_TEXT, 2 } },
	{ "call *(%rsp)", 0, I(0xff, 0x14, 0x24), { PAGE(sp, 0x100) },
	  { PAGE(sp, 0xf8), R(ip, 0x1234) },
	  { 0x100, 8, NUMBER, 0x1234 }, { 0xf8, 8, FROM_TEXT, 3 } },
	{ "call *-8(%rsp) reads before it writes", 0, I(0xff, 0x54, 0x24, 0xf8),
	  { PAGE(sp, 0x100) }, { PAGE(sp, 0xf8), R(ip, 0x1234) },
	  { 0xf8, 8, NUMBER, 0x1234 }, { 0xf8, 8, FROM_TEXT, 4 } },
	{ "jmp *%rax", 0, I(0xff, 0xe0), { R(ax, 0x7777) }, { R(ip, 0x7777) } },
	{ "jmp *8(%rbx,%rcx,8)", 0, I(0xff, 0x64, 0xcb, 8), { PAGE(bx, 0), R(cx, 3) },
	  { R(ip, 0x4444) }, { 32, 8, NUMBER, 0x4444 } },
	{ "ret", 0, I(0xc3), { PAGE(sp, 0x80) }, { PAGE(sp, 0x88), R(ip, 0x5678) },
	  { 0x80, 8, NUMBER, 0x5678 } },
	{ "ret $0x10", 0, I(0xc2, 0x10, 0), { PAGE(sp, 0x80) },
	  { PAGE(sp, 0x98), R(ip, 0x5678) }, { 0x80, 8, NUMBER, 0x5678 } },

	/* Stack */
	{ "push %rax", 0, I(0x50), { PAGE(sp, 8), R(ax, 0x1122334455667788) }, { PAGE(sp, 0) },
	  .mem_after = { 0, 8, NUMBER, 0x1122334455667788 } },
	{ "push %rsp, the value before", 0, I(0x54), { PAGE(sp, 0x20) }, { PAGE(sp, 0x18) },
	  .mem_after = { 0x18, 8, FROM_PAGE, 0x20 } },
	{ "push $-1", 0, I(0x6a, 0xff), { PAGE(sp, 0x20) }, { PAGE(sp, 0x18) },
	  .mem_after = { 0x18, 8, NUMBER, ~0ULL } },
	{ "pop %rsi", 0, I(0x5e), { PAGE(sp, 0x20) }, { PAGE(sp, 0x28), R(si, 99) },
	  { 0x20, 8, NUMBER, 99 } },
	{ "pop %rsp, what was read", 0, I(0x5c), { PAGE(sp, 0x20) }, { R(sp, 99) },
	  { 0x20, 8, NUMBER, 99 } },
	{ "pushf without RF", 0, I(0x9c),
	  { PAGE(sp, 0x20), FLAGS(IF | CF | X86_EFLAGS_RF) },
	  { PAGE(sp, 0x18), FLAGS(IF | CF) }, .mem_after = { 0x18, 8, NUMBER, IF | CF } },
	{ "popf cannot have IOPL, or clear IF", 0, I(0x9d), { PAGE(sp, 0x20), FLAGS(IF | CF) },
	  { PAGE(sp, 0x28), FLAGS(IF | ZF | DF | X86_EFLAGS_AC | X86_EFLAGS_ID) },
	  { 0x20, 8, NUMBER, ZF | DF | X86_EFLAGS_AC | X86_EFLAGS_ID | X86_EFLAGS_IOPL |
	    X86_EFLAGS_VM | X86_EFLAGS_RF | X86_EFLAGS_VIF | X86_EFLAGS_VIP } },
	{ "leave", 0, I(0xc9), { R(sp, 5), PAGE(bp, 0x40) }, { PAGE(sp, 0x48), R(bp, 77) },
	  { 0x40, 8, NUMBER, 77 } },

	/* Addresses */
	{ "lea 8(%rip)", 0, I(0x48, 0x8d, 0x05, 8, 0, 0, 0),
	  .after = { { 1, offsetof(struct pt_regs, ax), FROM_TEXT, 15 } } },
	{ "lea, 32-bit address", 0, I(0x67, 0x48, 0x8d, 0x44, 0x0b, 1),
	  { R(bx, 0x1ffffffff), R(cx, 0x10) }, { R(ax, 0x10) } },
	{ "lea, 32-bit result", 0, I(0x8d, 0x04, 0x8b), { R(bx, 0x1ffffffff), R(cx, 1), R(ax, -1) },
	  { R(ax, 3) } },
	{ "lea, 16-bit result", 0, I(0x66, 0x8d, 0x43, 1), { R(bx, 0xffff), R(ax, 0x11112222) },
	  { R(ax, 0x11110000) } },

	/* Moves */
	{ "mov %ebx,%eax clears the rest", 0, I(0x89, 0xd8), { R(bx, -1), R(ax, -1) },
	  { R(ax, 0xffffffff) } },
	{ "mov %bx,%ax keeps it", 0, I(0x66, 0x89, 0xd8), { R(bx, 0x1234), R(ax, -1) },
	  { R(ax, 0xffffffffffff1234) } },
	{ "mov %bh,%al", 0, I(0x88, 0xf8), { R(bx, 0x1234), R(ax, 0x5555) }, { R(ax, 0x5512) } },
	{ "mov $-1,%rax from 32 bits", 0, I(0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff),
	  .after = { R(ax, -1) } },
	{ "mov $-1,%eax", 0, I(0xb8, 0xff, 0xff, 0xff, 0xff), .after = { R(ax, 0xffffffff) } },
	{ "mov $0x77,%ah", 0, I(0xb4, 0x77), { R(ax, 0x1111) }, { R(ax, 0x7711) } },

	/* Arithmetic: results and all six flags */
	{ "add carries", 0, I(0x48, 0x83, 0xc0, 1), { R(ax, -1), FLAGS(IF) },
	  { R(ax, 0), FLAGS(IF | CF | PF | AF | ZF) } },
	{ "add overflows", 0, I(0x01, 0xd8), { R(ax, 0x7fffffff), R(bx, 1), FLAGS(IF | CF | DF) },
	  { R(ax, 0x80000000), FLAGS(IF | PF | AF | SF | OF | DF) } },
	{ "sub $8,%rsp", 0, I(0x48, 0x83, 0xec, 8), { R(sp, 0x1000), FLAGS(IF | ZF) },
	  { R(sp, 0xff8), FLAGS(IF | AF) } },
	{ "sub borrows", 0, I(0x29, 0xd8), { R(ax, 0), R(bx, 1), FLAGS(IF) },
	  { R(ax, 0xffffffff), FLAGS(IF | CF | PF | AF | SF) } },
	{ "cmp changes flags only", 0, I(0x48, 0x39, 0xd8), { R(ax, 5), R(bx, 5), FLAGS(IF) },
	  { FLAGS(IF | ZF | PF) } },
	{ "cmp, 32 bits of it", 0, I(0x39, 0xd8), { R(ax, 0x100000005), R(bx, 5), FLAGS(IF) },
	  { FLAGS(IF | ZF | PF) } },
	{ "inc keeps the carry", 0, I(0xff, 0xc0), { R(ax, 0xffffffff), FLAGS(IF | CF) },
	  { R(ax, 0), FLAGS(IF | CF | ZF | AF | PF) } },
	{ "inc sets no carry", 0, I(0x48, 0xff, 0xc0), { R(ax, -1), FLAGS(IF | SF) },
	  { R(ax, 0), FLAGS(IF | ZF | AF | PF) } },
	{ "dec keeps the carry", 0, I(0x49, 0xff, 0xcc), { R(r12, 2), FLAGS(IF | CF | ZF) },
	  { R(r12, 1), FLAGS(IF | CF) } },
	{ "dec sets no carry", 0, I(0xff, 0xc9), { R(cx, 0), FLAGS(IF) },
	  { R(cx, 0xffffffff), FLAGS(IF | SF | AF | PF) } },
	{ "xor %eax,%eax", 0, I(0x31, 0xc0), { R(ax, -1), FLAGS(IF | CF | OF | SF) },
	  { R(ax, 0), FLAGS(IF | ZF | PF) } },
	{ "test", 0, I(0x48, 0x85, 0xc0), { R(ax, -1), FLAGS(IF | CF | OF | ZF) },
	  { FLAGS(IF | SF | PF) } },
	{ "and $-16,%rsp", 0, I(0x48, 0x83, 0xe4, 0xf0), { R(sp, 0x1238), FLAGS(IF | CF) },
	  { R(sp, 0x1230), FLAGS(IF | PF) } },
	{ "cmpl $-1,(%rip)", 0, I(0x83, 0x3d, 0xf9, 0xef, 0xbf, 0x0f, 0xff),
	  { FLAGS(IF | OF | PF | DF) }, { FLAGS(IF | CF | AF | DF) },
	  { 0, 8, NUMBER, 0xaaaaaaaa00000001 }, { 0, 8, NUMBER, 0xaaaaaaaa00000001 } },
	{ "cmpb $0x80,(%rip) overflows", 0, I(0x80, 0x3d, 0xf9, 0xef, 0xbf, 0x0f, 0x80),
	  { FLAGS(IF | ZF) }, { FLAGS(IF | CF | SF | OF) },
	  { 0, 8, NUMBER, 0x5555555555555555 }, { 0, 8, NUMBER, 0x5555555555555555 } },
	{ "cmp %bh,(%rip)", 0, I(0x38, 0x3d, 0xfa, 0xef, 0xbf, 0x0f),
	  { R(bx, 0x1234), FLAGS(IF) }, { FLAGS(IF | ZF | PF) },
	  { 0, 8, NUMBER, 0xff12 }, { 0, 8, NUMBER, 0xff12 } },
	{ "cmp (%rip),%bx", 0, I(0x66, 0x3b, 0x1d, 0xf9, 0xef, 0xbf, 0x0f),
	  { R(bx, 0x70001), FLAGS(IF) }, { FLAGS(IF | CF | PF | AF | SF) },
	  { 0, 8, NUMBER, 0x50002 }, { 0, 8, NUMBER, 0x50002 } },
	{ "cmp (%rip),%rbx", 0, I(0x48, 0x3b, 0x1d, 0xf9, 0xef, 0xbf, 0x0f),
	  { R(bx, 7), FLAGS(IF | CF) }, { FLAGS(IF) },
	  { 0, 8, NUMBER, 5 }, { 0, 8, NUMBER, 5 } },
	{ "testw $0x8001,(%rip)", 0, I(0x66, 0xf7, 0x05, 0xf7, 0xef, 0xbf, 0x0f, 0x01, 0x80),
	  { FLAGS(IF | CF | OF) }, { FLAGS(IF | SF | PF) },
	  { 0, 8, NUMBER, 0xff00 }, { 0, 8, NUMBER, 0xff00 } },
	{ "test %rax,(%rip)", 0, I(0x48, 0x85, 0x05, 0xf9, 0xef, 0xbf, 0x0f),
	  { R(ax, -2), FLAGS(IF | CF) }, { FLAGS(IF | ZF | PF) },
	  { 0, 8, NUMBER, 1 }, { 0, 8, NUMBER, 1 } },
	{ "or", 0, I(0x09, 0xd8), { R(ax, 0xf0), R(bx, 0x0f), FLAGS(IF | CF) },
	  { R(ax, 0xff), FLAGS(IF | PF) } },
#endif

	/* 32-bit code */
	{ "call, 32 bit", 1, I(0xe8, 0x10, 0, 0, 0), { PAGE(sp, 0x100) },
	  { PAGE(sp, 0xfc), GOTO(0x15) }, .mem_after = { 0xfc, 4, FROM_TEXT, 5 } },
	{ "jmp beyond 4 GB wraps", 1, I(0xe9, 0, 0, 0xc0, 0xff),
	  .after = { R(ip, 0x401005 - 0x400000) } },
	{ "jmp below 0 wraps", 1, I(0xe9, 0xf0, 0xef, 0xbf, 0xff), .after = { R(ip, 0xfffffff5) } },
	{ "ret, 32 bit", 1, I(0xc3), { PAGE(sp, 0x80) }, { PAGE(sp, 0x84), R(ip, 0x5678) },
	  { 0x80, 4, NUMBER, 0x5678 } },
	{ "push %ebp", 1, I(0x55), { PAGE(sp, 0x80), R(bp, 0x12345678) }, { PAGE(sp, 0x7c) },
	  .mem_after = { 0x7c, 4, NUMBER, 0x12345678 } },
	{ "pop %ebp", 1, I(0x5d), { PAGE(sp, 0x80) }, { PAGE(sp, 0x84), R(bp, 0x9abcdef0) },
	  { 0x80, 4, NUMBER, 0x9abcdef0 } },
	{ "leave, 32 bit", 1, I(0xc9), { PAGE(bp, 0x40) }, { PAGE(sp, 0x44), R(bp, 77) },
	  { 0x40, 4, NUMBER, 77 } },
	{ "data16 jmp cuts ip", 1, I(0x66, 0xe9, 0x10, 0), .after = { R(ip, 0x1014) } },
	{ "data16 je, not taken, does not", 1, I(0x66, 0x0f, 0x84, 0x10, 0), { FLAGS(IF) } },
	{ "data16 loop counts in ecx", 1, I(0x66, 0xe2, 4), { R(cx, 0x10001) },
	  { R(cx, 0x10000), R(ip, 0x1007) } },
	{ "data16 call pushes ip", 1, I(0x66, 0xe8, 0x10, 0), { PAGE(sp, 0x100) },
	  { PAGE(sp, 0xfe), R(ip, 0x1014) }, { 0xfc, 4, NUMBER, 0x77777777 },
	  { 0xfc, 4, NUMBER, 0x10047777 } },
	{ "data16 ret", 1, I(0x66, 0xc3), { PAGE(sp, 0x80) }, { PAGE(sp, 0x82), R(ip, 0x5678) },
	  { 0x80, 4, NUMBER, 0x12345678 }, { 0x80, 4, NUMBER, 0x12345678 } },
	{ "data16 jmp through memory", 1, I(0x66, 0xff, 0x20), { PAGE(ax, 0x80) },
	  { R(ip, 0x5678) }, { 0x80, 4, NUMBER, 0x12345678 }, { 0x80, 4, NUMBER, 0x12345678 } },
	{ "jmp with cx", 1, I(0x67, 0xe3, 4), { R(cx, 0x10000) }, { GOTO(7) } },
	{ "lea (%bp,%di)", 1, I(0x67, 0x8d, 0x03), { R(bp, 0x1ffff), R(di, 2) }, { R(ax, 1) } },
};

KUNIT_ARRAY_PARAM_DESC(emulate, emulate_rows, desc);

static unsigned long absolute(u8 from, u64 value)
{
	switch (from) {
	case FROM_PAGE:
		return PAGE_AT + value;
	case FROM_TEXT:
		return TEXT + value;
	default:
		return value;
	}
}

static void set_regs(struct pt_regs *regs, const struct reg_value *v)
{
	unsigned int i;

	for (i = 0; i < MAX_REGS && v[i].set; i++)
		*(unsigned long *)((void *)regs + v[i].reg) = absolute(v[i].from, v[i].value);
}

static void set_mem(u8 *page, const struct mem_value *v)
{
	u64 value = absolute(v->from, v->value);

	if (v->from == NUMBER)
		value = v->value;
	memcpy(page + v->at, &value, v->bytes);
}

static void test_emulate(struct kunit *test)
{
	const struct emulate_row *row = test->param_value;
	struct pt_regs regs = {}, expected;
	struct arch_uprobe au;
	u8 *before, *after;

	before = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	after = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, before);
	KUNIT_ASSERT_NOT_NULL(test, after);
	KUNIT_ASSERT_EQ(test, kunit_vm_mmap(test, NULL, PAGE_AT, PAGE_SIZE,
					    PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, 0),
			PAGE_AT);
	set_mem(before, &row->mem_before);
	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)PAGE_AT, before, PAGE_SIZE), 0);

	KUNIT_ASSERT_EQ(test, test_analyze(&au, &row->insn, !row->is32), UPROBE_ACCEPTED);
	KUNIT_ASSERT_EQ(test, au.strategy, UPROBE_EMULATE);

	regs.cs = __USER_CS;
	regs.ss = __USER_DS;
#ifdef CONFIG_X86_32
	regs.ds = __USER_DS;
#endif
	regs.flags = IF;
	regs.ip = TEXT;
	set_regs(&regs, row->before);
	expected = regs;
	expected.ip = TEXT + row->insn.n;
	set_regs(&expected, row->after);
	set_mem(before, &row->mem_after);

	arch_uprobe_emulate(&au, &regs);

	KUNIT_EXPECT_EQ(test, regs.ip, expected.ip);
	KUNIT_EXPECT_EQ(test, regs.sp, expected.sp);
	KUNIT_EXPECT_EQ(test, regs.flags, expected.flags);
	KUNIT_EXPECT_MEMEQ(test, &regs, &expected, sizeof(regs));
	KUNIT_ASSERT_EQ(test, copy_from_user(after, (void __user *)PAGE_AT, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, memcmp(before, after, PAGE_SIZE), 0);
}

/* ------------------------------------------------------------------ */

static const struct text_row {
	const char *desc;
	u16 at;			/* in the page */
	u8 spoil;		/* which byte differs, counted from 1; 0: none */
	bool readable, same;
} text_rows[] = {
	{ "as it should be", 0, 0, true, true },
	{ "at an odd place", 123, 0, true, true },
	{ "no breakpoint", 0, 1, true, false },
	{ "second byte", 0, 2, true, false },
	{ "ninth byte", 0, 9, true, false },
	{ "last byte", 0, 10, true, false },
	{ "byte behind it", 0, 11, true, true },
	{ "up to the end of the page", PAGE_SIZE - 10, 0, true, true },
	{ "last byte at the end of the page", PAGE_SIZE - 10, 10, true, false },
	{ "into a hole", PAGE_SIZE - 9, 0, false, false },
};

KUNIT_ARRAY_PARAM_DESC(text, text_rows, desc);

static void test_same_text(struct kunit *test)
{
	static const struct test_insn insn = I(0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8);
	const struct text_row *row = test->param_value;
	u8 text[MAX_UINSN_BYTES];
	struct arch_uprobe au;
	bool same = !row->same;
	unsigned int n;

	KUNIT_ASSERT_EQ(test, kunit_vm_mmap(test, NULL, PAGE_AT, PAGE_SIZE,
					    PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, 0),
			PAGE_AT);
	KUNIT_ASSERT_EQ(test, test_analyze(&au, &insn, true), UPROBE_ACCEPTED);

	memset(text, 0x90, sizeof(text));
	memcpy(text, insn.bytes, insn.n);
	text[0] = UPROBE_SWBP_INSN;
	if (row->spoil)
		text[row->spoil - 1] ^= 0x40;
	n = min_t(unsigned int, sizeof(text), PAGE_SIZE - row->at);
	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)PAGE_AT + row->at, text, n), 0);

	KUNIT_EXPECT_EQ(test, arch_uprobe_same_text(&au, PAGE_AT + row->at, &same),
			row->readable);
	if (row->readable)
		KUNIT_EXPECT_EQ(test, same, row->same);
}

/* ------------------------------------------------------------------ */

static const struct place_row {
	const char *desc;
	bool is32;
	struct test_insn insn;
	u8 behind[2];		/* counted from the start of the slot */
} place_rows[] = {
	{ "boosted", 0, I(0x0f, 0xa2), { 2 } },
	{ "boosted, 32 bit", 1, I(0x0f, 0xa2), { 2 } },
	{ "boosted, with gs", 0, I(0x03, 0x05, 0, 0, 0, 0), { 7, 13 } },
	{ "stepped, also behind its int3", 0, I(0xf3, 0xa4), { 2, 3 } },
	{ "stepped, with fs", 0, I(0x64, 0x03, 0x05, 0, 0, 0, 0), { 7, 8 } },
	{ "xbegin, which jumps to its end", 0, I(0xc7, 0xf8, 1, 0, 0, 0), { 6, 7 } },
};

KUNIT_ARRAY_PARAM_DESC(place, place_rows, desc);

/* Without FSGSBASE there is no mov to gs: what borrows is stepped. */
static bool is_behind(const struct place_row *row, const struct arch_uprobe *au, unsigned int at)
{
	if (au->strategy == UPROBE_STEP && (au->fixups & UPROBE_FIX_BORROW))
		return at == au->xol_len || at == au->xol_len + UPROBE_SWBP_INSN_SIZE;
	return memchr(row->behind, at, sizeof(row->behind));
}

static void test_place(struct kunit *test)
{
	const struct place_row *row = test->param_value;
	const unsigned long slot = 0x7fff0040;
	enum uprobe_place expected;
	struct pt_regs regs = {};
	struct arch_uprobe au;
	unsigned int at;

	KUNIT_ASSERT_EQ(test, test_analyze(&au, &row->insn, !row->is32), UPROBE_ACCEPTED);
	for (at = 0; at <= UPROBE_XOL_SLOT_BYTES; at++) {
		expected = UPROBE_ELSEWHERE;
		if (!at)
			expected = UPROBE_BEFORE;
		else if (is_behind(row, &au, at))
			expected = UPROBE_BEHIND;
		regs.ip = slot + at;
		KUNIT_EXPECT_EQ_MSG(test, arch_uprobe_place(&au, &regs, slot), expected,
				    "at %u", at);
	}
	regs.ip = slot - 1;
	KUNIT_EXPECT_EQ(test, arch_uprobe_place(&au, &regs, slot), UPROBE_ELSEWHERE);
}

/* Where a copy leads, without taking it: ip, and what is noted about traps */
static void test_slot(struct kunit *test)
{
	static const struct test_insn insn = I(0xf3, 0xa4);
	const unsigned long slot = 0x7fff0040;
	unsigned long trap_nr = current->thread.trap_nr;
	struct pt_regs regs = { .ip = TEXT, .flags = IF };
	struct arch_uprobe_task at = {};
	struct arch_uprobe au;

	KUNIT_ASSERT_EQ(test, test_analyze(&au, &insn, true), UPROBE_ACCEPTED);

	arch_uprobe_pre_xol(&au, &at, &regs, TEXT, slot);
	KUNIT_EXPECT_EQ(test, regs.ip, slot);
	KUNIT_EXPECT_EQ(test, regs.flags, IF);
	KUNIT_EXPECT_EQ(test, at.borrowed, 0);
	KUNIT_EXPECT_FALSE(test, arch_uprobe_xol_trapped());
	regs.ip = slot + 2;
	arch_uprobe_post_xol(&au, &at, &regs, TEXT, slot);
	KUNIT_EXPECT_EQ(test, regs.ip, TEXT + 2);
	KUNIT_EXPECT_EQ(test, current->thread.trap_nr, trap_nr);

	arch_uprobe_pre_xol(&au, &at, &regs, TEXT, slot);
	current->thread.trap_nr = 14;
	KUNIT_EXPECT_TRUE(test, arch_uprobe_xol_trapped());
	arch_uprobe_abort_xol(&au, &at, &regs, TEXT);
	KUNIT_EXPECT_EQ(test, regs.ip, TEXT);
	KUNIT_EXPECT_EQ(test, current->thread.trap_nr, 14);
	current->thread.trap_nr = trap_nr;
}

/* A boosted copy that is to come back by a debug exception, and does */
static void test_trap_behind(struct kunit *test)
{
	static const struct test_insn insn = I(0x0f, 0xa2), away = I(0xcb);
	const unsigned long slot = 0x7fff0040;
	unsigned long trap_nr = current->thread.trap_nr, dr6 = DR_STEP;
	struct pt_regs regs = { .ip = TEXT, .flags = IF };
	struct arch_uprobe_task at = {};
	struct arch_uprobe au;

	KUNIT_ASSERT_EQ(test, test_analyze(&au, &insn, true), UPROBE_ACCEPTED);
	arch_uprobe_pre_xol(&au, &at, &regs, TEXT, slot);
	KUNIT_EXPECT_TRUE(test, arch_uprobe_trap_behind(&au, &at, &regs));
	KUNIT_EXPECT_EQ(test, regs.flags, IF | X86_EFLAGS_TF);
	regs.ip = slot + 2;
	KUNIT_EXPECT_TRUE(test, arch_uprobe_own_debug(&at, &regs, &dr6));
	KUNIT_EXPECT_EQ(test, dr6, 0);
	arch_uprobe_post_xol(&au, &at, &regs, TEXT, slot);
	KUNIT_EXPECT_EQ(test, regs.ip, TEXT + 2);
	KUNIT_EXPECT_EQ(test, regs.flags, IF);

	/* The program's own TF stays, and so does its exception. */
	regs.ip = TEXT;
	regs.flags = IF | X86_EFLAGS_TF;
	dr6 = DR_STEP;
	arch_uprobe_pre_xol(&au, &at, &regs, TEXT, slot);
	KUNIT_EXPECT_TRUE(test, arch_uprobe_trap_behind(&au, &at, &regs));
	KUNIT_EXPECT_FALSE(test, arch_uprobe_own_debug(&at, &regs, &dr6));
	KUNIT_EXPECT_EQ(test, dr6, DR_STEP);
	arch_uprobe_abort_xol(&au, &at, &regs, TEXT);
	KUNIT_EXPECT_EQ(test, regs.flags, IF | X86_EFLAGS_TF);

	KUNIT_ASSERT_EQ(test, test_analyze(&au, &away, true), UPROBE_ACCEPTED);
	KUNIT_EXPECT_FALSE(test, arch_uprobe_trap_behind(&au, &at, &regs));
	KUNIT_EXPECT_EQ(test, current->thread.trap_nr, trap_nr);
}

static struct kunit_case emulate_cases[] = {
	KUNIT_CASE_PARAM(test_emulate, emulate_gen_params),
	KUNIT_CASE_PARAM(test_same_text, text_gen_params),
	KUNIT_CASE_PARAM(test_place, place_gen_params),
	KUNIT_CASE(test_slot),
	KUNIT_CASE(test_trap_behind),
	{}
};

static struct kunit_suite emulate_suite = {
	.name = "uprobes_x86_emulate",
	.test_cases = emulate_cases,
};

kunit_test_suite(emulate_suite);
