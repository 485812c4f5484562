/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Restartable sequences for rseq_test: each increments a counter, without an
 * atomic instruction. The rseq area is in di; ax says what came of it: 0 it is
 * done, 1 it was aborted, 2 the thread is not on the CPU that it is for.
 */
#ifdef __x86_64__
#define AT(x)	x(%rip)
#define AREA	%rdi
#define AX	%rax
#define CX	%rcx
#define DX	%rdx
#define SP	%rsp
	.macro WORDS what:vararg
	.quad	\what
	.endm
	.macro WIDE what:vararg
	.quad	\what
	.endm
#else
#define AT(x)	x
#define AREA	%edi
#define AX	%eax
#define CX	%ecx
#define DX	%edx
#define SP	%esp
	.macro WORDS what:vararg
	.long	\what
	.endm
	.macro WIDE what:vararg
	.long	\what, 0
	.endm
#endif

/* From here on the thread is said to be in the sequence from 1 to 2. */
	.macro ENTER
	.balign	16
10:	lea	AT(5f), AX
	mov	AX, 8(AREA)
	.endm

/* 3 is where it goes when it is aborted. */
	.macro ABORT
	.long	0x53053053
3:	mov	$1, %eax
	ret
	.pushsection .data.rseq_cs, "aw", @progbits
	.balign	32
5:	.long	0, 0
	WIDE	1b
	WIDE	2b - 1b
	WIDE	3b
	.popsection
	.endm

/* 4 is where it goes if it is on the wrong CPU. */
	.macro LEAVE
2:	xor	%eax, %eax
	ret
	ABORT
4:	mov	$2, %eax
	ret
	.endm

/* A struct sequence: the beginning, then eight words for the instructions. */
	.macro ROW what:vararg
	.pushsection .data.sequences, "aw", @progbits
	WORDS	\what
	.popsection
	.endm

/* A load, arithmetic and a store, at an address that the code knows */
	.macro BY_ADDRESS cpu
	ENTER
1:	cmpl	$\cpu, 4(AREA)
11:	jne	4f
12:	mov	AT(counters + 64 * \cpu), AX
13:	imul	$1, AX, AX
14:	add	$1, AX
15:	nop
16:	mov	AX, AT(counters + 64 * \cpu)
	LEAVE
	ROW	10b, 1b, 11b, 12b, 13b, 14b, 15b, 16b, 0
	.endm

/* One instruction that does it all */
	.macro AT_ONCE cpu
	ENTER
1:	cmpl	$\cpu, 4(AREA)
11:	jne	4f
12:	nop
13:	addl	$1, AT(counters + 64 * \cpu)
	LEAVE
	ROW	10b, 1b, 11b, 12b, 13b, 0, 0, 0, 0
	.endm

/* Through registers, with a string instruction as the store */
	.macro BY_STRING cpu
	ENTER
	lea	AT(counters + 64 * \cpu), CX
	mov	AREA, DX
1:	cmpl	$\cpu, 4(DX)
11:	jne	4f
12:	mov	(CX), %eax
13:	lea	1(AX), %eax
14:	mov	CX, AREA
15:	cld
16:	stosl
	LEAVE
	ROW	10b, 1b, 11b, 12b, 13b, 14b, 15b, 16b, 0
	.endm

	.pushsection .data.sequences, "aw", @progbits
	.balign	32
	.globl	sequences
sequences:
	.popsection

	.text
	.irp	cpu, 0, 1, 2, 3
	BY_ADDRESS \cpu
	.endr
	.irp	cpu, 0, 1, 2, 3
	AT_ONCE	\cpu
	.endr
	.irp	cpu, 0, 1, 2, 3
	BY_STRING \cpu
	.endr

/* Counts only while that is allowed, on whatever CPU. */
	.pushsection .data.sequences, "aw", @progbits
	.globl	flagged
flagged:
	.popsection
	ENTER
1:	cmpl	$0, AT(allowed)
11:	je	4f
12:	mov	AT(guarded), AX
13:	add	$1, AX
14:	mov	AX, AT(guarded)
	LEAVE
	ROW	10b, 1b, 11b, 12b, 13b, 14b, 0, 0, 0

/*
 * The sequence has ended, and the thread is still said to be in it: 11 writes to
 * memory, and 12 follows. The counter is incremented.
 */
	.macro BEHIND write:vararg
	ENTER
	mov	AT(guarded), CX
	add	$1, CX
1:	nop
2:	nop
11:	\write
	.endm

	.macro COUNTED
	xor	%eax, %eax
	ret
	ABORT
	ROW	10b, 11b, 0, 12b, 0, 0, 0, 0, 0
	.endm

	.pushsection .data.sequences, "aw", @progbits
	.globl	behind
behind:
	.popsection
	BEHIND	push CX
12:	pop	DX
	mov	DX, AT(guarded)
	COUNTED
	BEHIND	call 12f
12:	pop	DX
	mov	CX, AT(guarded)
	COUNTED
#ifdef __x86_64__
	BEHIND	mov CX, AT(guarded)
12:	nop
	COUNTED
#endif

/* The same with another stack: the pointer to it is in "grown". */
	.macro GROWING write:vararg
	ENTER
	mov	AT(guarded), CX
	add	$1, CX
1:	nop
2:	xchg	SP, AT(grown)
11:	\write
12:	pop	DX
	xchg	SP, AT(grown)
	.endm

	.pushsection .data.sequences, "aw", @progbits
	.globl	growing
growing:
	.popsection
	GROWING	push CX
	mov	DX, AT(guarded)
	COUNTED
	GROWING	call 12f
	mov	CX, AT(guarded)
	COUNTED

	.section .note.GNU-stack, "", @progbits
