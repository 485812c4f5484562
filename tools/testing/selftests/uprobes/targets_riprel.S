/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instructions with a %rip-relative operand, in the test's data page. D is
 * where rbx points too; the registers are as in targets.S.
 */
#include "targets_macros.S"

#define D	insn_data+1024
#define DSEG	insn_data+1024-SEG_BASE

	INSN_TABLE
/* ---- loads, stores ---- */
	T A, mov D(%rip), %rax
	T A, mov D+4(%rip), %r15d
	T A, mov D(%rip), %cx
	T A, mov D(%rip), %dl
	T A, mov D+8(%rip), %esp
	T A, mov %rdx, D(%rip)
	T A, mov %ecx, D+12(%rip)
	T A, mov %ax, D+1(%rip)
	T A, mov %ah, D+1(%rip)
	T A, mov %r9b, D+1(%rip)
	T A, movb $5, D(%rip)
	T A, movw $0x1234, D(%rip)
	T A, movl $0x12345678, D(%rip)
	T A, movq $-2, D(%rip)
	T A, movzbl D(%rip), %eax
	T A, movzwl D(%rip), %r8d
	T A, movsbl D+5(%rip), %eax
	T A, movsbq D+5(%rip), %r9
	T A, movswl D+5(%rip), %eax
	T A, movslq D+5(%rip), %rdx
	T A, movnti %rax, D(%rip)
	T A, xchg %rax, D(%rip)
	T A, xchg %cl, D(%rip)
	T M, movbe D(%rip), %rax
	T A, cmovne D(%rip), %rax
	T A, cmovb D(%rip), %eax
	T A, sete D+3(%rip)
	T A, push D(%rip)
	T A, pop D(%rip)
	T A, lea D(%rip), %rax
	T A, lea D(%rip), %eax
	T A, lea D(%rip), %r9w
	T A, call *6f(%rip)
	T A, jmp *6f(%rip)
	T A, nopl D(%rip)
	T A, prefetcht0 D(%rip)
/* ---- arithmetic, with and without an immediate behind the displacement ---- */
	T A, add D(%rip), %rax
	T A, add %rax, D(%rip)
	T A, addq $1, D(%rip)
	T A, addl $0x12345678, D(%rip)
	T A, adc %rdx, D(%rip)
	T A, adc D(%rip), %r8
	T A, sbb D(%rip), %eax
	T A, sub %ecx, D(%rip)
	T A, subw $0x1234, D(%rip)
	T A, and %rax, D(%rip)
	T A, andb $0xf0, D(%rip)
	T A, or D(%rip), %al
	T A, xor %r12, D(%rip)
	T A, cmp D(%rip), %rax
	T A, cmp %cl, D(%rip)
	T A, cmpl $0, D(%rip)
	T A, cmpb $0x70, D(%rip)
	T A, cmpq $0x11223344, D(%rip)
	T A, test %rax, D(%rip)
	T A, testb $8, D(%rip)
	T A, testl $0x10000, D(%rip)
	T A, incl D(%rip)
	T A, decq D(%rip)
	T A, notq D(%rip)
	T A, negl D(%rip)
	T A, mulq D(%rip)
	T A, imull D(%rip)
	T A, imul D(%rip), %rdx
	T A, imul $77, D(%rip), %rdx
	T A, imul $0x10001, D(%rip), %eax
	T A, divl D+128(%rip)
	T A, idivq D+144(%rip)
	T A, shlq $3, D(%rip)
	T A, sarl %cl, D(%rip)
	T A, shrb D(%rip)
	T A, rolq %cl, D(%rip)
	T A, shld $5, %rax, D(%rip)
	T A, shrd %cl, %rdx, D(%rip)
	T A, btl $7, D(%rip)
	T A, btsq %rcx, D(%rip)
	T A, btrl $9, D(%rip)
	T A, bsf D(%rip), %rax
	T A, bsr D(%rip), %edx
	T A, popcnt D(%rip), %rax
	T A, crc32l D(%rip), %eax
	T A, cmpxchg %rdx, D(%rip)
	T A, xadd %rax, D(%rip)
	T A, cmpxchg8b D(%rip)
/* ---- lock ---- */
	T A, lock incl D(%rip)
	T A, lock decq D(%rip)
	T A, lock addl $5, D(%rip)
	T A, lock add %rax, D(%rip)
	T A, lock subq $0x12345678, D(%rip)
	T A, lock orb $0x40, D(%rip)
	T A, lock cmpxchg %ecx, D(%rip)
	T A, lock cmpxchg16b D(%rip)
	T A, lock xadd %rdx, D(%rip)
	T A, lock btsl $3, D(%rip)
/* ---- SSE, x87 ---- */
	T A, movaps D(%rip), %xmm1
	T A, movaps %xmm2, D+16(%rip)
	T A, movups D+1(%rip), %xmm9
	T A, movdqa D(%rip), %xmm4
	T A, movdqu %xmm5, D+5(%rip)
	T A, movq D(%rip), %xmm6
	T A, movq %xmm6, D(%rip)
	T A, movd D(%rip), %xmm6
	T A, movss D(%rip), %xmm7
	T A, movsd %xmm7, D(%rip)
	T A, movhps D(%rip), %xmm2
	T A, addsd D(%rip), %xmm2
	T A, mulss D(%rip), %xmm2
	T A, xorps D(%rip), %xmm2
	T A, andpd D(%rip), %xmm2
	T A, paddd D(%rip), %xmm1
	T A, pshufb D(%rip), %xmm1
	T A, pshufd $0x1b, D(%rip), %xmm2
	T A, shufps $0x4e, D(%rip), %xmm2
	T A, pcmpeqb D(%rip), %xmm3
	T A, pinsrw $3, D(%rip), %xmm3
	T A, palignr $5, D(%rip), %xmm3
	T A, ucomisd D(%rip), %xmm2
	T A, comiss D(%rip), %xmm2
	T A, cvtsi2sdq D(%rip), %xmm2
	T A, cvttsd2si D(%rip), %rax
	T A, ldmxcsr D+132(%rip)
	T A, stmxcsr D+12(%rip)
	T M, movq D(%rip), %mm1
	T A, fldl D(%rip)
	T A, fstpl D(%rip)
	T A, fldt D(%rip)
	T A, fildll D(%rip)
	T A, faddl D(%rip)
	T A, fldcw D+136(%rip)
	T A, fnstcw D(%rip)
/* ---- AVX ---- */
	T A, vmovups D(%rip), %ymm1
	T A, vmovups %ymm1, D(%rip)
	T A, vmovdqa D(%rip), %ymm9
	T A, vmovdqu D+3(%rip), %xmm1
	T A, vmovsd D(%rip), %xmm1
	T A, vmovq D(%rip), %xmm1
	T A, vaddsd D(%rip), %xmm1, %xmm2
	T A, vmulps D(%rip), %ymm1, %ymm2
	T A, vxorpd D(%rip), %xmm1, %xmm2
	T A, vpaddq D(%rip), %xmm1, %xmm2
	T A, vpand D(%rip), %ymm1, %ymm2
	T A, vpshufb D(%rip), %ymm1, %ymm2
	T A, vpcmpeqb D(%rip), %ymm1, %ymm2
	T A, vpermd D(%rip), %ymm1, %ymm2
	T A, vperm2f128 $1, D(%rip), %ymm1, %ymm2
	T A, vinsertf128 $1, D(%rip), %ymm1, %ymm2
	T A, vextractf128 $1, %ymm1, D(%rip)
	T A, vbroadcastsd D(%rip), %ymm1
	T A, vpbroadcastd D(%rip), %ymm1
	T A, vucomisd D(%rip), %xmm1
	T A, vcvtsi2sdq D(%rip), %xmm1, %xmm2
	T A, vpinsrd $1, D(%rip), %xmm1, %xmm2
	T A, vblendvps %ymm1, D(%rip), %ymm2, %ymm3
	T A, vfmadd213sd D(%rip), %xmm1, %xmm2
	T A, andn D(%rip), %rax, %rdx
	T A, shlx %rcx, D(%rip), %rdx
	T A, rorx $9, D(%rip), %rdx
	T A, mulx D(%rip), %r8, %r9
	T A, blsr D(%rip), %rax
	T M, {evex} vmovups D(%rip), %xmm3
	T M, {evex} vpaddd D(%rip), %ymm1, %ymm2
/* ---- address size, segment prefixes, long ones ---- */
	T A, mov D(%eip), %rax
	T A, addl $7, D(%eip)
	T A, movaps D(%eip), %xmm1
	T A, lea D(%eip), %rax
	T A|F_GSBASE, mov %gs:DSEG(%rip), %rax
	T A|F_GSBASE, addl $3, %gs:DSEG(%rip)
	T A|F_GSBASE, lock incq %gs:DSEG(%rip)
	T A|F_GSBASE, movdqu %xmm1, %gs:DSEG(%rip)
	T A|F_GSBASE, vpaddd %gs:DSEG(%rip), %ymm1, %ymm2
	T A|F_GSBASE, mov %gs:DSEG(%eip), %rdx
	T A|F_GSBASE, mov D(%rip), %rdx
	T A|F_GSBASE, subl $3, D(%rip)
	T A|F_FSBASE, mov %fs:DSEG(%rip), %rax
	T A|F_FSBASE, sub %rcx, %fs:DSEG(%rip)
	T A|F_FSBASE, subq $100, %fs:DSEG(%rip)
	T A|F_FSBASE, movups %fs:DSEG(%rip), %xmm1
	T A|F_FSBASE, add %rdx, D(%rip)
	T A|F_FSBASE|F_GSBASE, xor %rdx, D(%rip)
	T A|F_FSBASE|F_GSBASE, xor %rdx, %gs:DSEG(%rip)
	T M, cs mov D(%rip), %rax
	T A, lock addw $0x1234, D(%rip)
	INSN_TABLE_END
