/* SPDX-License-Identifier: GPL-2.0-only */
/* For the tables of instructions: how a row is written. Included by them. */
#include "targets.h"

#ifdef __x86_64__
#define INSN_AT(x)	x(%rip)
#define INSN_PTR	.quad
#else
#define INSN_AT(x)	x
#define INSN_PTR	.long
#endif

/* T flags, instruction: a block in .text.insns and a row of insn_table. */
	.macro T flags:req, text:vararg
	.pushsection .text.insns, "ax", @progbits
	.balign INSN_BLOCK, 0xcc
.Lblock\@:
	\text
.Lnext\@:
	jmp	*INSN_AT(.Lblock\@+48)
	.org	.Lblock\@+INSN_TARGET, 0xcc
7:	jmp	*INSN_AT(.Lblock\@+56)
	.org	.Lblock\@+48, 0xcc
	INSN_PTR	insn_exit_next
	.org	.Lblock\@+56, 0xcc
6:	INSN_PTR	insn_exit_branch
	.popsection
	.pushsection .rodata.insn_text, "a", @progbits
.Ltext\@:
	.asciz	"\text"
	.popsection
	.pushsection .rodata.insn_table, "a", @progbits
	INSN_PTR	.Lblock\@, .Ltext\@
	.long	.Lnext\@ - .Lblock\@, \flags
	.popsection
	.endm

/* The table goes between these two. */
	.macro INSN_TABLE
	.pushsection .rodata.insn_table, "a", @progbits
	.balign	8
	.globl	insn_table
insn_table:
	.popsection
	.endm

	.macro INSN_TABLE_END
	.pushsection .rodata.insn_table, "a", @progbits
	.globl	insn_table_end
insn_table_end:
	.popsection
	.section .note.GNU-stack, "", @progbits
	.endm
