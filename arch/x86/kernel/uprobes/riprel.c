// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: copies that address memory relative to %rip.
 *
 * In its slot, such a copy would reach (slot + xol_len + disp), but the program
 * means (vaddr + len + disp). The copy therefore gets a segment prefix, and as
 * long as it runs the base of that segment is the difference. This leaves ModRM, the
 * displacement and all general registers alone, so it works for every
 * instruction and every encoding alike. Instructions that form an address
 * without going there (lea) do not see the base and never come here.
 *
 * Bytes in, bytes out: nothing here knows a thread.
 */
#include <linux/bits.h>
#include <linux/string.h>

#include "internal.h"

/*
 * The four null segment prefixes, an fs or gs in whose place another one comes,
 * and REX, which counts only behind all of these
 */
static bool is_ignored(u8 byte)
{
	return byte == PREFIX_FS || byte == PREFIX_GS || byte == 0x26 || byte == 0x2e ||
	       byte == 0x36 || byte == 0x3e || (byte & 0xf0) == 0x40;
}

/*
 * Appends @insn without what 64-bit code ignores: segment prefixes, whose
 * effect on an fs or gs before them is not the same everywhere, REX prefixes that
 * would count without these, and, with @squeeze, prefixes that are there twice.
 */
static unsigned int copy_without(u8 *copy, const u8 *insn, unsigned int len,
				 unsigned int prefixes, bool squeeze)
{
	unsigned int n = 0, i;

	for (i = 0; i < len; i++) {
		if (i < prefixes && is_ignored(insn[i]))
			continue;
		if (i < prefixes && squeeze &&
		    memchr(insn + i + 1, insn[i], prefixes - i - 1))
			continue;
		if (n == UPROBE_INSN_MAX - 1)
			return 0;
		copy[n++] = insn[i];
	}
	return n;
}

/**
 * uprobe_riprel_copy() - put a segment prefix before an instruction
 * @copy: where to, %MAX_UINSN_BYTES long
 * @insn: the instruction; an fs or gs prefix does not count any more
 * @len: its length
 * @prefixes: how many prefixes it starts with, without a REX that counts
 * @seg: the prefix to add
 *
 * The new prefix comes first, as nothing may stand between a REX, VEX or EVEX
 * prefix and the opcode. Of a prefix that is repeated the last one stays, which
 * is the one that decides among f2 and f3.
 *
 * Return: length of the copy, or 0 if it has no room in 15 bytes.
 */
unsigned int uprobe_riprel_copy(u8 *copy, const u8 *insn, unsigned int len,
				unsigned int prefixes, u8 seg)
{
	unsigned int n;

	memset(copy, 0, MAX_UINSN_BYTES);
	n = copy_without(copy + 1, insn, len, prefixes, false);
	if (!n)
		n = copy_without(copy + 1, insn, len, prefixes, true);
	if (!n) {
		memset(copy, 0, MAX_UINSN_BYTES);
		return 0;
	}
	memset(copy + 1 + n, 0, MAX_UINSN_BYTES - 1 - n);
	copy[0] = seg;
	return n + 1;
}

/**
 * uprobe_riprel_base() - the segment base that takes the copy to its operand
 * @au: the record, with one of %UPROBE_FIX_BORROW
 * @vaddr: address of the original
 * @slot: address of the copy
 * @old: the base of that segment as the program knows it
 *
 * With a 67 prefix each of the two addresses is cut to 32 bits before the base
 * is added, so the difference is one of the cut addresses.
 *
 * Return: the base to borrow.
 */
unsigned long uprobe_riprel_base(const struct arch_uprobe *au, unsigned long vaddr,
				 unsigned long slot, unsigned long old)
{
	unsigned long wanted = vaddr + au->len + au->mem.disp;
	unsigned long reached = slot + au->xol_len + au->mem.disp;

	if (au->mem.addr_bytes == 4) {
		wanted = (u32)wanted;
		reached = (u32)reached;
	}
	if (au->fixups & UPROBE_FIX_OLD_BASE)
		wanted += old;
	return wanted - reached;
}
