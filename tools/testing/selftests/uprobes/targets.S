/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 64-bit instructions to probe.
 *
 * rbx, rsi, rdi, rbp, r12, r13 point into a data page; rcx is 7, rdx is 5,
 * r14 is 3; r10 is the block's branch target, r11 points to a copy of it and
 * the first three words on the stack are that address too.
 */
#include "targets_macros.S"

	INSN_TABLE

/* ---- nop, endbr, moves ---- */
	T A, nop
	T A, data16 nop
	T A, pause
	T A, endbr64
	T A, .byte 0xf3, 0x0f, 0x1e, 0xfb
	T A, nopl (%rax)
	T A, nopw 0x200(%rax,%rax,1)
	T A, .byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
	T A, .byte 0x90, 0x90
	T A, mov %rax, %rcx
	T A, mov %rsp, %rbp
	T A, mov %esp, %ecx
	T A, mov %rbx, %rsp
	T A, mov %r15d, %r8d
	T A, mov %ax, %r9w
	T A, mov %ah, %bl
	T A, mov %sil, %r8b
	T A, mov $0x12345678, %eax
	T A, mov $-5, %rax
	T A, movabs $0x1122334455667788, %r9
	T A, mov (%rbx), %rax
	T A, mov 8(%rsp), %rdx
	T A, mov %rdx, 16(%rbx)
	T A, mov %dl, 3(%rsi,%rcx,4)
	T A, movl $0x7f001122, 24(%rbx)
	T A, movw $0x7f00, 24(%rbx)
	T A, movb $1, 24(%rbx)
	T A, movq $-3, 24(%rbx)
	T A, movzbl (%rbx), %eax
	T A, movzwl 2(%rbx), %r8d
	T A, movsbq 5(%rbx), %rax
	T A, movswl 5(%rbx), %eax
	T A, movslq 5(%rbx), %rax
	T A, movsbl %ch, %eax
	T A, mov (%ebx), %eax
	T A, xchg %rax, %rdx
	T A, xchg %rdx, (%rbx)
	T A, xchg %r8b, %r9b
	T A, bswap %rax
	T A, bswap %r9d
	T A, movbe (%rbx), %eax
	T A, cltq
	T A, cqto
	T A, cwtl
	T A, cltd
	T A, movnti %rax, 32(%rbx)
	T M, xlat
/* ---- arithmetic and logic ---- */
	T A, add %rax, %rdx
	T A, add $1, %rax
	T A, add $0x12345678, %rax
	T A, add %rcx, (%rbx)
	T A, add 8(%rbx), %rcx
	T A, addb $0x7f, (%rbx)
	T A, adc %rax, %rdx
	T A, adc $0, %r15d
	T A, sbb %eax, %eax
	T A, sbb $0, %rdx
	T A, sub $0x28, %rsp
	T A, sub $0x188, %rsp
	T A, add $8, %rsp
	T A, and $-16, %rsp
	T A, sub %rcx, %rax
	T A, cmp %rax, %rdx
	T A, cmpl $7, 4(%rbx)
	T A, cmpb $0, (%rbx)
	T A, cmp $0x7fffffff, %eax
	T A, test %rax, %rax
	T A, testb $8, (%rbx)
	T A, test $0x40, %al
	T A, and $0xf0, %eax
	T A, or %rdx, (%rbx)
	T A, orb $1, 1(%rbx)
	T A, xor %eax, %eax
	T A, xor %r8, 64(%rbx)
	T A, not %rax
	T A, notl (%rbx)
	T A, neg %rdx
	T A, negb (%rbx)
	T A, inc %rax
	T A, decl (%rbx)
	T A, mul %rcx
	T A, imul %rdx
	T A, imul %rdx, %rax
	T A, imul $100, %rdx, %rax
	T A, imul $0x1000, (%rbx), %eax
	T A, div %rcx
	T A, idivl %ecx
	T A, divl 128(%rbx)
	T A, shl $5, %rax
	T A, shl %cl, %rdx
	T A, shr %rdx
	T A, sar $3, %r9
	T A, sarl %cl, (%rbx)
	T A, rol $9, %eax
	T A, ror %cl, %r8
	T A, rcl $1, %rax
	T A, rcr $3, %rdx
	T A, shld $4, %rax, %rdx
	T A, shrd %cl, %rax, (%rbx)
	T A, bt %rcx, %rax
	T A, btl $4, (%rbx)
	T A, bts %rcx, (%rbx)
	T A, btr $63, %rax
	T A, btc $3, %edx
	T A, bsf %rax, %rdx
	T A, bsr (%rbx), %eax
	T A, tzcnt %rax, %rdx
	T A, lzcnt (%rbx), %rax
	T A, popcnt %rax, %rdx
	T A, crc32b %dl, %eax
	T A, cmc
	T A, clc
	T A, stc
	T A, cld
	T A, lahf
	T A, sahf
/* ---- lea, stack ---- */
	T A, lea 8(%rsp), %rax
	T A, lea -8(%rsp), %rsp
	T A, lea (%rdx,%rcx,8), %r9
	T A, lea 0x1000(,%rcx,4), %eax
	T A, lea 5(%rbx), %ax
	T A, lea 4(%ebx,%ecx,2), %rdx
	T A, lea 6f(%rip), %rax
	T A, lea 7f(%rip), %r12d
	T A, push %rbp
	T A, push %rsp
	T A, push %r12
	T A, push $-1
	T A, push $0x12345
	T A, pushq (%rbx)
	T A, pushq 8(%rsp)
	T A, pushw %ax
	T A, pop %rbp
	T A, pop %rsp
	T A, pop %r12
	T A, popq (%rbx)
	T A, popq 8(%rsp)
	T A, popw %cx
	T M, pushfq
	T M|F_POPF, popfq
	T A, leave
	T M, enter $16, $0
/* ---- branches ---- */
	T A, jmp 7f
	T A, {disp32} jmp 7f
	T A, jmp *%r10
	T A, jmp *(%r11)
	T A, jmp *8(%rsp)
	T A, jmp *6f(%rip)
	T A, notrack jmp *%r10
	T A, call 7f
	T A, data16 rex.W call 7f
	T A, call *%r10
	T A, call *(%r11)
	T A, call *8(%rsp)
	T A, call *6f(%rip)
	T A, notrack call *%r10
	T A, ret
	T A, ret $16
	T A, repz ret
	T M, bnd ret
	T M, bnd jmp 7f
	T M, loop 7f
	T M, loopne 7f
	T M, jrcxz 7f
	.irp cc, o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g
	T A, j\cc 7f
	T A, {disp32} j\cc 7f
	T A, cmov\cc %rdx, %rax
	T A, set\cc %al
	.endr
	T A, cmovne (%rbx), %eax
	T A, sete 3(%rbx)
	T M, cs jne 7f
	T M, ds jne 7f
/* ---- string ---- */
	T A, movsb
	T A, movsq
	T A, rep movsb
	T A, rep movsq
	T A, stosl
	T A, rep stosb
	T A, rep stosq
	T A, lodsb
	T A, scasb
	T A, repne scasb
	T A, repe cmpsb
	T A, cmpsl
	T M, std
/* ---- lock ---- */
	T A, lock incl (%rbx)
	T A, lock add %rcx, 8(%rbx)
	T A, lock xadd %eax, (%rbx)
	T A, lock cmpxchg %rdx, (%rbx)
	T A, lock orl $1, (%rbx)
	T A, lock btsq $7, (%rbx)
	T A, lock orq $0, (%rsp)
	T A, lock cmpxchg16b (%r12)
	T A, cmpxchg %dl, (%rbx)
	T A, xadd %rdx, %rax
	T A, mfence
	T A, lfence
	T A, sfence
	T A, prefetcht0 (%rbx)
	T A, prefetchw (%rbx)
	T A, clflush (%rbx)
/* ---- segment prefixes ---- */
	T A, mov %fs:0, %rax
	T A|F_GSDATA, mov %gs:16, %rax
	T A|F_GSDATA, addl $3, %gs:(,%rcx,8)
	T M, mov %cs:(%rbx), %eax
	T M, mov %ds:(%rbx), %eax
	T M|F_FSGSBASE, rdfsbase %rax
	T M|F_FSGSBASE, rdgsbase %rdx
/* ---- SSE ---- */
	T A, movaps %xmm0, %xmm1
	T A, movaps %xmm2, 32(%rbx)
	T A, movups 1(%rbx), %xmm3
	T A, movdqa (%rbx), %xmm4
	T A, movdqu %xmm5, 5(%rbx)
	T A, movq %rax, %xmm0
	T A, movq %xmm1, %rdx
	T A, movd %xmm2, %eax
	T A, movss (%rbx), %xmm6
	T A, movsd %xmm7, 8(%rbx)
	T A, movlps %xmm1, (%rbx)
	T A, movhps (%rbx), %xmm2
	T A, movntdq %xmm1, 16(%rbx)
	T A, pxor %xmm0, %xmm0
	T A, paddd %xmm1, %xmm2
	T A, paddq (%rbx), %xmm2
	T A, psubb %xmm3, %xmm4
	T A, pcmpeqb (%rbx), %xmm0
	T A, pmovmskb %xmm0, %eax
	T A, movmskps %xmm3, %edx
	T A, pand %xmm1, %xmm2
	T A, pandn %xmm1, %xmm2
	T A, punpcklbw %xmm1, %xmm2
	T A, pshufd $0x1b, %xmm1, %xmm2
	T A, shufps $0x4e, %xmm1, %xmm2
	T A, pslldq $3, %xmm1
	T A, psrlq $7, %xmm1
	T A, addsd %xmm1, %xmm2
	T A, mulpd (%rbx), %xmm2
	T A, divss %xmm1, %xmm2
	T A, sqrtsd %xmm1, %xmm2
	T A, ucomisd %xmm1, %xmm2
	T A, comiss (%rbx), %xmm2
	T A, cvtsi2sd %rax, %xmm1
	T A, cvttsd2si %xmm1, %rax
	T A, cvtps2pd %xmm1, %xmm2
	T A, cvtdq2ps (%rbx), %xmm2
	T A, andpd %xmm1, %xmm2
	T A, unpcklpd %xmm1, %xmm2
	T A, minsd %xmm1, %xmm2
	T A, pinsrw $3, %eax, %xmm1
	T A, pextrw $2, %xmm1, %eax
	T A, pshufb %xmm1, %xmm2
	T A, palignr $5, %xmm1, %xmm2
	T A, ptest %xmm1, %xmm2
	T A, pminub %xmm1, %xmm2
	T A, pcmpistri $0x0c, %xmm1, %xmm2
	T A, roundsd $1, %xmm1, %xmm2
	T A, pinsrq $1, %rax, %xmm1
	T A, pextrb $3, %xmm1, (%rbx)
	T A, pmovzxbw (%rbx), %xmm1
	T A, haddps %xmm1, %xmm2
	T A, ldmxcsr 132(%rbx)
	T A, stmxcsr 16(%rbx)
	T M, movq (%rbx), %mm0
	T M, paddb %mm1, %mm2
	T M, emms
/* ---- x87 ---- */
	T A, fldl (%rbx)
	T A, flds (%rbx)
	T A, fildll (%rbx)
	T A, fstpl 16(%rbx)
	T A, fstpt 16(%rbx)
	T A, faddp
	T A, fmul %st(1), %st
	T A, fld1
	T A, fxch
	T A, fchs
	T A, fucomip %st(1), %st
	T A, fnstcw 8(%rbx)
	T A, fldcw 136(%rbx)
	T M, fnstsw %ax
	T M, fninit
	T M, fsincos
/* ---- AVX and friends ---- */
	T A, vmovups %ymm0, (%rbx)
	T A, vmovdqu 5(%rbx), %ymm1
	T A, vmovdqa (%rbx), %xmm2
	T A, vmovaps %ymm3, %ymm4
	T A, vmovq %xmm1, %rax
	T A, vmovd %eax, %xmm1
	T A, vaddps %ymm1, %ymm2, %ymm3
	T A, vmulsd (%rbx), %xmm2, %xmm3
	T A, vxorps %xmm9, %xmm9, %xmm9
	T A, vpxor %xmm1, %xmm2, %xmm3
	T A, vpcmpeqb (%rbx), %xmm2, %xmm3
	T A, vpmovmskb %xmm1, %eax
	T A, vpshufb %xmm1, %xmm2, %xmm3
	T A, vptest %ymm1, %ymm2
	T A, vbroadcastss (%rbx), %ymm3
	T A, vinsertf128 $1, (%rbx), %ymm1, %ymm2
	T A, vextractf128 $1, %ymm1, 32(%rbx)
	T A, vperm2f128 $1, %ymm1, %ymm2, %ymm3
	T A, vcvtsi2sd %rax, %xmm1, %xmm2
	T A, vucomisd %xmm1, %xmm2
	T A, vzeroupper
	T A, vzeroall
	T A, vpxor %ymm1, %ymm2, %ymm3
	T A, vpcmpeqb (%rbx), %ymm0, %ymm1
	T A, vpmovmskb %ymm1, %eax
	T A, vpminub %ymm1, %ymm2, %ymm3
	T A, vpbroadcastb %xmm1, %ymm2
	T A, vpermq $0x1b, %ymm1, %ymm2
	T A, vpaddd 64(%rbx), %ymm1, %ymm2
	T A, vpor %ymm1, %ymm2, %ymm12
	T A, vinserti128 $1, %xmm1, %ymm2, %ymm3
	T A, vpalignr $4, %ymm1, %ymm2, %ymm3
	T A, andn %rax, %rdx, %r8
	T A, bextr %rcx, %rax, %rdx
	T A, blsr %rax, %rdx
	T A, bzhi %rcx, %rax, %rdx
	T A, shlx %rcx, %rax, %rdx
	T A, sarx %rcx, (%rbx), %rdx
	T A, rorx $5, %rax, %rdx
	T A, mulx %rax, %r8, %r9
	T A, pdep %rax, %rdx, %r8
	T A, vfmadd231sd %xmm1, %xmm2, %xmm3
	T A, vfmadd132ps (%rbx), %ymm2, %ymm3
/* ---- long and odd encodings ---- */
	T A, .byte 0x66, 0x66, 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
	T A, lock addq $0x12345678, 0x100(%rbx,%rcx,8)
	T A, movq $0x12345678, 0x100(%rbx,%rcx,8)
	T A, movabs $0x123456789ab0, %rsp
	T M, .byte 0x48, 0x40, 0x89, 0xc1
	T M, .byte 0xf3, 0x48, 0x89, 0xc1

	INSN_TABLE_END
