/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A list of instructions to execute: made on the host by insn_list, which has a
 * disassembler, and read by insn_list_test, which has none.
 */
#ifndef UPROBES_SELFTEST_INSN_LIST_H
#define UPROBES_SELFTEST_INSN_LIST_H

#include <stdint.h>

/* Where the test has its memory: low, for 32-bit addresses. Nothing around it. */
#define LIST_TEXT	0x20000000UL
#define LIST_DATA	0x30000000UL
#define LIST_DATA_SIZE	0x4000UL

#define LIST_MADE	0x0001	/* by the generator; else found in a file */
#define LIST_RIPREL	0x0002	/* 32 bits at @field: a way to its data */
#define LIST_BRANCH	0x0004	/* @field_size bytes at @field: a way within text */
#define LIST_CYCLES	0x0008	/* ax, dx: a time */
#define LIST_RANDOM	0x0010	/* register @reg and the carry: a random number */
#define LIST_SYSCALL	0x0020	/* ax must be the number of a harmless system call */
#define LIST_INT80	0x0040	/* the same, in the numbers of 32 bit */
#define LIST_X87	0x0080	/* see what fnstenv says afterwards */
#define LIST_COUNT	0x0100	/* rep: not too often */
#define LIST_INDIRECT	0x0200	/* a near branch to where a register or memory says */

/* What QEMU's own CPU gets wrong (7.2), and so is left out there */
#define LIST_QEMU	0x0400	/* always */
#define LIST_QEMU_FAR	0x0800	/* with SMAP, or if a page is not there */
#define LIST_QEMU_INTEL	0x1000	/* if it says to be Intel's */
#define LIST_QEMU_TF	0x2000	/* with TF */

#define LIST_X87_STORE	0x4000	/* stores where the last x87 instruction was */

/* In the order of the encoding: ax cx dx bx sp bp si di r8..r15 */
#define LIST_NONE	0xff

struct listed_mem {
	int32_t disp;
	uint8_t base;		/* or LIST_NONE */
	uint8_t index;
	uint8_t scale;		/* factor, 1 to 8 */
	uint8_t seg;		/* 0x64, 0x65, or 0 */
};

struct listed_insn {
	uint8_t bytes[15];
	uint8_t len;
	uint16_t what;
	uint8_t field;
	uint8_t field_size;
	uint8_t reg;
	uint8_t addr_size;	/* 2, 4, 8 */
	uint8_t nr_mems;
	uint8_t pad;
	struct listed_mem mems[2];
};

#endif /* UPROBES_SELFTEST_INSN_LIST_H */
