/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For what executes an instruction with given registers: the general registers
 * between the CPU and an array that di points to, in the order in which
 * instructions number them. No flag changes. Included.
 */

#ifdef __x86_64__

	/* What a function of C must give back as it was */
	.macro KEEP_REGS
	.irp	reg, rbx, rbp, r12, r13, r14, r15
	push	%\reg
	.endr
	.endm

	.macro GIVE_BACK_REGS
	.irp	reg, r15, r14, r13, r12, rbp, rbx
	pop	%\reg
	.endr
	.endm

	/* All but sp, and di last */
	.macro LOAD_REGS
	mov	0(%rdi), %rax
	mov	8(%rdi), %rcx
	mov	16(%rdi), %rdx
	mov	24(%rdi), %rbx
	mov	40(%rdi), %rbp
	mov	48(%rdi), %rsi
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	8*\n(%rdi), %r\n
	.endr
	mov	56(%rdi), %rdi
	.endm

	/* All but di */
	.macro SAVE_REGS
	mov	%rax, 0(%rdi)
	mov	%rcx, 8(%rdi)
	mov	%rdx, 16(%rdi)
	mov	%rbx, 24(%rdi)
	mov	%rsp, 32(%rdi)
	mov	%rbp, 40(%rdi)
	mov	%rsi, 48(%rdi)
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	%r\n, 8*\n(%rdi)
	.endr
	.endm

#else

	.macro KEEP_REGS
	.irp	reg, ebx, ebp, esi, edi
	push	%\reg
	.endr
	.endm

	.macro GIVE_BACK_REGS
	.irp	reg, edi, esi, ebp, ebx
	pop	%\reg
	.endr
	.endm

	.macro LOAD_REGS
	mov	0(%edi), %eax
	mov	4(%edi), %ecx
	mov	8(%edi), %edx
	mov	12(%edi), %ebx
	mov	20(%edi), %ebp
	mov	24(%edi), %esi
	mov	28(%edi), %edi
	.endm

	.macro SAVE_REGS
	mov	%eax, 0(%edi)
	mov	%ecx, 4(%edi)
	mov	%edx, 8(%edi)
	mov	%ebx, 12(%edi)
	mov	%esp, 16(%edi)
	mov	%ebp, 20(%edi)
	mov	%esi, 24(%edi)
	.endm

#endif
