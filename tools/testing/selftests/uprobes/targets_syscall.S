/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instructions that enter a system call, each in a function that executes it
 * with the registers of a struct sys_regs and saves there what it left.
 *
 * Two words lie on the stack over the instruction: room for a register, and
 * above it the struct. A thread that comes out on a stack of its own finds the
 * same two there. Nothing else is kept anywhere, so any number of threads may
 * be in such a function; a child of vfork that does not return from it leaves
 * the parent's frame alone.
 */
#include "targets_syscall.h"
#include "targets_regs.S"

#ifdef __x86_64__

	/* ENTRY name, instruction; name_end is where the caller's registers come back */
	.macro ENTRY name:req, insn:vararg
	.text
	.balign	16
	.globl	\name, \name\()_insn, \name\()_next, \name\()_end
	.type	\name, @function
\name:
	KEEP_REGS
	push	%rdi
	push	%rdi
	mov	%ss, %eax
	mov	%rax, SYS_OLD_SS(%rdi)
	mov	SYS_LOAD_SS(%rdi), %rax
	test	%eax, %eax
	jz	1f
	mov	%eax, %ss
1:	pushq	SYS_FLAGS(%rdi)
	popfq
	LOAD_REGS
\name\()_insn:
	\insn
\name\()_next:
	mov	%rdi, (%rsp)
	mov	8(%rsp), %rdi
	SAVE_REGS
	mov	(%rsp), %rax
	mov	%rax, 56(%rdi)
	pushfq
	popq	SYS_FLAGS(%rdi)
	pushq	$2
	popfq
	mov	%cs, %eax
	mov	%rax, SYS_CS(%rdi)
	mov	%ss, %eax
	mov	%rax, SYS_SS(%rdi)
	cmpq	$0, SYS_LOAD_SS(%rdi)
	jz	3f
	mov	SYS_OLD_SS(%rdi), %rax
	mov	%eax, %ss
3:	cmpq	$0, 0(%rdi)
	jne	2f
	mov	SYS_CHILD(%rdi), %rax
	test	%rax, %rax
	jz	2f
	sub	$8, %rsp
	call	*%rax
	ud2
\name\()_end:
2:	add	$16, %rsp
	GIVE_BACK_REGS
	ret
	.size	\name, . - \name
	.endm

	ENTRY	sys_plain, syscall
	ENTRY	sys_rex, rex.w syscall
	ENTRY	sys_int80, int $0x80

	.globl	sigret, sigret_insn
sigret:
	mov	$15, %eax
sigret_insn:
	syscall
	ud2

#else

	.macro ENTRY name:req, insn:vararg
	.text
	.balign	16
	.globl	\name, \name\()_insn, \name\()_next, \name\()_end
	.type	\name, @function
\name:
	KEEP_REGS
	mov	20(%esp), %edi
	push	%edi
	push	%edi
	pushl	SYS_FLAGS(%edi)
	popfl
	LOAD_REGS
\name\()_insn:
	\insn
\name\()_next:
	mov	%edi, (%esp)
	mov	4(%esp), %edi
	SAVE_REGS
	mov	(%esp), %eax
	mov	%eax, 28(%edi)
	pushfl
	popl	SYS_FLAGS(%edi)
	pushl	$2
	popfl
	mov	%cs, %eax
	mov	%eax, SYS_CS(%edi)
	mov	%ss, %eax
	mov	%eax, SYS_SS(%edi)
	cmpl	$0, 0(%edi)
	jne	2f
	mov	SYS_CHILD(%edi), %eax
	test	%eax, %eax
	jz	2f
	push	%edi
	call	*%eax
	ud2
\name\()_end:
2:	add	$8, %esp
	GIVE_BACK_REGS
	ret
	.size	\name, . - \name
	.endm

	ENTRY	sys_int80, int $0x80

	.globl	sigret, sigret_insn
sigret:
	mov	$173, %eax
sigret_insn:
	int	$0x80
	ud2

#endif

	.section .note.GNU-stack, "", @progbits
