/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way into a block of targets.h with given registers, and out of it with
 * all of them saved. No flag changes between the instruction under test and
 * the pushf. Not reentrant: one thread at a time.
 */
#include "targets.h"
#include "targets_regs.S"

	.bss
	.balign	8
run_state:	.skip 8
run_code:	.skip 8
run_sp:		.skip 8
run_di:		.skip 8
run_path:	.skip 8
	.globl	insn_have_avx
insn_have_avx:	.skip 8

	.section .rodata
mxcsr_default:	.long 0x1f80

#ifdef __x86_64__

	.text
	.globl	insn_run
	.type	insn_run, @function
insn_run:
	KEEP_REGS
	mov	%rdi, run_state(%rip)
	mov	%rsi, run_code(%rip)
	mov	%rsp, run_sp(%rip)
	cmpl	$0, insn_have_avx(%rip)
	je	1f
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovups	ST_YMM+32*\n(%rdi), %ymm\n
	.endr
1:	fxrstor64 ST_FX(%rdi)
	pushq	ST_FLAGS(%rdi)
	popfq
	mov	32(%rdi), %rsp
	LOAD_REGS
	jmp	*run_code(%rip)

	.globl	insn_exit_branch, insn_exit_next
insn_exit_branch:
	movq	$1, run_path(%rip)
	jmp	1f
insn_exit_next:
	movq	$0, run_path(%rip)
1:	mov	%rdi, run_di(%rip)
	mov	run_state(%rip), %rdi
	SAVE_REGS
	mov	run_sp(%rip), %rsp
	pushfq
	popq	ST_FLAGS(%rdi)
	cld
	mov	run_di(%rip), %rax
	mov	%rax, 56(%rdi)
	mov	run_path(%rip), %rax
	mov	%rax, ST_PATH(%rdi)
	fxsave64 ST_FX(%rdi)
	cmpl	$0, insn_have_avx(%rip)
	je	1f
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovups	%ymm\n, ST_YMM+32*\n(%rdi)
	.endr
	vzeroupper
1:	fninit
	ldmxcsr	mxcsr_default(%rip)
	GIVE_BACK_REGS
	ret
	.size	insn_run, . - insn_run

#else /* 32 bit */

	.text
	.globl	insn_run
	.type	insn_run, @function
insn_run:
	KEEP_REGS
	mov	20(%esp), %edi
	mov	24(%esp), %esi
	mov	%edi, run_state
	mov	%esi, run_code
	mov	%esp, run_sp
	cmpl	$0, insn_have_avx
	je	1f
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	vmovups	ST_YMM+32*\n(%edi), %ymm\n
	.endr
1:	fxrstor	ST_FX(%edi)
	pushl	ST_FLAGS(%edi)
	popf
	mov	16(%edi), %esp
	LOAD_REGS
	jmp	*run_code

	.globl	insn_exit_branch, insn_exit_next
insn_exit_branch:
	movl	$1, run_path
	jmp	1f
insn_exit_next:
	movl	$0, run_path
1:	mov	%edi, run_di
	mov	run_state, %edi
	SAVE_REGS
	mov	run_sp, %esp
	pushf
	popl	ST_FLAGS(%edi)
	cld
	mov	run_di, %eax
	mov	%eax, 28(%edi)
	mov	run_path, %eax
	mov	%eax, ST_PATH(%edi)
	fxsave	ST_FX(%edi)
	cmpl	$0, insn_have_avx
	je	1f
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	vmovups	%ymm\n, ST_YMM+32*\n(%edi)
	.endr
	vzeroupper
1:	fninit
	ldmxcsr	mxcsr_default
	GIVE_BACK_REGS
	ret
	.size	insn_run, . - insn_run

#endif

	.section .note.GNU-stack, "", @progbits
