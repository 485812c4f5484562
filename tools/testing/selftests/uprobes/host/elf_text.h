/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instructions of an ELF file, by a linear disassembly, with Zydis, of the
 * sections that are executed.
 *
 * int3 is padding. What Zydis cannot decode is data, byte by byte. Tables in the
 * text mostly look like instructions here and there, so a piece of text that
 * no function of .eh_frame covers is data as a whole if Zydis fails anywhere
 * in it; and each function is disassembled from its first byte.
 */
#ifndef HOST_ELF_TEXT_H
#define HOST_ELF_TEXT_H

#include <linux/types.h>
#include <Zydis/Zydis.h>

/**
 * struct elf_text - a file and the place in it
 * @name: as it was given
 * @bytes: all of it
 * @size: how many
 * @is64: it is for 64-bit code
 * @offset: of the current instruction in the file
 * @vaddr: its address as linked
 * @z: what Zydis says about it
 * @ops: and about its operands
 * @padding: int3 so far
 * @data: bytes so far that are no instruction
 */
struct elf_text {
	const char *name;
	u8 *bytes;
	size_t size;
	bool is64;
	size_t offset;
	unsigned long vaddr;
	ZydisDecodedInstruction z;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	unsigned long padding, data;
};

/* @n: how many bytes the file has from the instruction on, 16 at most */
typedef void (*each_insn)(const struct elf_text *t, const u8 *bytes, unsigned int n);

void zydis_init(ZydisDecoder *dec, bool is64);
void elf_walk(struct elf_text *t, const char *name, each_insn fn);

#endif
