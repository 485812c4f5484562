/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the core share: a file with instructions in it, and the
 * mm of the test's thread to map it in. Everything goes with the test.
 */
#ifndef _KERNEL_UPROBES_TESTS_SUPPORT_H
#define _KERNEL_UPROBES_TESTS_SUPPORT_H

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mman.h>

#include "../internal.h"

/* The file is nops, with these in it. */
#define AT_NOP		0x100	/* emulated */
#define AT_STEP		0x200	/* addps %xmm1,%xmm0: executed in a slot */
#define AT_STEP2	0x300	/* the same */
#define AT_REFUSED	0x400	/* lcall *(%rax) */
#define AT_BREAKPOINT	0x500	/* the file's own int3 */
#define AT_NONSENSE	0x600	/* bytes that are no instruction in either mode */
#define AT_NEXT_PAGE	(PAGE_SIZE + 0x100)
#define AT_CUT		(2 * PAGE_SIZE)	/* cut off by the end of the file */
#define FILE_BYTES	(2 * PAGE_SIZE + 3)
#define FILE_MAPPED	(2 * PAGE_SIZE)

extern const u8 step_insn[3];

struct file *uprobe_test_file(struct kunit *test);
void uprobe_test_write(struct kunit *test, struct file *file, loff_t pos,
		       const void *bytes, size_t n);
struct uprobe *uprobe_test_probe(struct kunit *test, struct file *file, loff_t offset);
void uprobe_test_register(struct kunit *test, struct uprobe *u);

unsigned long uprobe_test_map(struct kunit *test, struct file *file, unsigned long prot,
			      unsigned long flags);
unsigned long uprobe_test_map_text(struct kunit *test, struct file *file);
unsigned long uprobe_test_map_stack(struct kunit *test, unsigned long bytes);
struct uprobe_mm *uprobe_test_um(struct kunit *test);
bool uprobe_test_site_named(struct uprobe_mm *um, struct uprobe_site *site);
void uprobe_test_enter(struct kunit *test, struct uprobe_thread *t, struct pt_regs *regs);

int uprobe_test_read(unsigned long vaddr, void *buf, int n);
void uprobe_test_peek(struct kunit *test, unsigned long vaddr, void *buf, int n);
u8 uprobe_test_byte(struct kunit *test, unsigned long vaddr);
void uprobe_test_poke(struct kunit *test, unsigned long vaddr, const void *bytes, int n);
void uprobe_test_others_read(struct kunit *test, unsigned long vaddr, void *buf, int n);
void uprobe_test_others_write(struct kunit *test, unsigned long vaddr, const void *bytes, int n);
bool uprobe_test_own_page(struct kunit *test, unsigned long vaddr);

struct mm_struct *uprobe_test_other_mm(struct kunit *test);
void uprobe_test_end_other_mm(struct mm_struct *old);

/* Some things are done later, by reclaim. Too long means never. */
#define UPROBE_TEST_PATIENCE	(20 * HZ)

#define wait_for(cond)								\
({										\
	unsigned long until = jiffies + UPROBE_TEST_PATIENCE;			\
	bool met;								\
										\
	while (!(met = (cond)) && time_before(jiffies, until))			\
		msleep(20);							\
	met;									\
})

#endif /* _KERNEL_UPROBES_TESTS_SUPPORT_H */
