/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _X86_UPROBES_TESTS_H
#define _X86_UPROBES_TESTS_H

#include <kunit/test.h>
#include "../internal.h"

/* An instruction in a table: I(0x48, 0x89, 0xe5) */
struct test_insn {
	u8 n;
	u8 bytes[MAX_UINSN_BYTES];
};

#define I(...)	{ sizeof((u8[]){ __VA_ARGS__ }), { __VA_ARGS__ } }

/* As the core reads a file: there is always something behind an instruction. */
static inline enum uprobe_refusal test_analyze(struct arch_uprobe *au,
					       const struct test_insn *insn, bool is64)
{
	u8 text[MAX_UINSN_BYTES];

	memset(text, 0x90, sizeof(text));
	memcpy(text, insn->bytes, insn->n);
	return arch_uprobe_analyze(au, text, sizeof(text), is64);
}

/* The tables say what is borrowed where gs can be: on CPUs with FSGSBASE. */
static inline void test_borrows_gs(struct kunit *test, u8 fixups)
{
	if ((fixups & UPROBE_FIX_BORROW) && !uprobe_gs_borrowable())
		kunit_skip(test, "gs is not borrowed without FSGSBASE");
}

#endif /* _X86_UPROBES_TESTS_H */
