/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 32-bit instructions to probe.
 *
 * ebx, esi, edi, ebp point into a data page; ecx is 7, edx is 2. The first
 * three words on the stack and the first of the data page hold the address of
 * the block's branch target; so does edi where F_DITARGET is given.
 */
#include "targets_macros.S"

	INSN_TABLE
/* ---- nop, endbr, moves ---- */
	T A, nop
	T A, data16 nop
	T A, pause
	T A, endbr32
	T A, nopl (%eax)
	T A, nopw 0x200(%eax,%eax,1)
	T A, mov %eax, %ecx
	T A, mov %esp, %ebp
	T A, mov %ebx, %esp
	T A, mov %ax, %cx
	T A, mov %ah, %bl
	T A, mov $0x12345678, %eax
	T A, mov $0x1234, %ax
	T A, mov (%ebx), %eax
	T A, mov 8(%esp), %edx
	T A, mov %edx, 16(%ebx)
	T A, mov %dl, 3(%esi,%ecx,4)
	T A, mov insn_data+8, %eax
	T A, mov %eax, insn_data+8
	T A, mov insn_data+8, %edx
	T A, movl $0x7f001122, 24(%ebx)
	T A, movw $0x7f00, 24(%ebx)
	T A, movb $1, 24(%ebx)
	T A, movzbl (%ebx), %eax
	T A, movzwl 2(%ebx), %edx
	T A, movswl 5(%ebx), %eax
	T A, movsbl %ch, %eax
	T A, xchg %eax, %edx
	T A, xchg %edx, (%ebx)
	T A, bswap %eax
	T A, cwtl
	T A, cltd
/* ---- arithmetic and logic; 0x40 to 0x4f are inc and dec here ---- */
	T A, inc %eax
	T A, inc %edx
	T A, dec %ecx
	T A, dec %ebp
	T A, inc %ax
	T A, incl (%ebx)
	T A, add %eax, %edx
	T A, add $1, %eax
	T A, add $0x12345678, %eax
	T A, add %ecx, (%ebx)
	T A, add 8(%ebx), %ecx
	T A, adc %eax, %edx
	T A, sbb %eax, %eax
	T A, sub $0x1c, %esp
	T A, add $12, %esp
	T A, and $-16, %esp
	T A, cmp %eax, %edx
	T A, cmpl $7, 4(%ebx)
	T A, cmpb $0, (%ebx)
	T A, test %eax, %eax
	T A, testb $8, (%ebx)
	T A, or %edx, (%ebx)
	T A, xor %eax, %eax
	T A, notl (%ebx)
	T A, neg %edx
	T A, mul %ecx
	T A, imul %edx, %eax
	T A, imul $100, %edx, %eax
	T A, div %ecx
	T A, divl 128(%ebx)
	T A, shl $5, %eax
	T A, sar %cl, %edx
	T A, rol $9, %eax
	T A, rcr $1, %eax
	T A, shld $4, %eax, %edx
	T A, bt %ecx, %eax
	T A, btsl $4, (%ebx)
	T A, bsf %eax, %edx
	T A, clc
	T A, stc
	T A, cld
	T A, lahf
	T A, sahf
	T M, daa
	T M, aas
	T M, aam
	T M, .byte 0xd6
/* ---- lea, stack ---- */
	T A, lea 8(%esp), %eax
	T A, lea -8(%esp), %esp
	T A, lea (%edx,%ecx,8), %esi
	T A, lea 0x1000(,%ecx,4), %eax
	T A, lea insn_data, %eax
	T A, push %ebp
	T A, push %esp
	T A, push $-1
	T A, push $0x12345
	T A, pushl (%ebx)
	T A, pushl 8(%esp)
	T A, pushw %ax
	T A, pop %ebp
	T A, pop %esp
	T A, popl (%ebx)
	T A, popl 8(%esp)
	T M, pushf
	T M|F_POPF, popf
	T A, leave
	T M, enter $16, $0
	T M, pusha
	T M, popa
/* ---- branches ---- */
	T A, jmp 7f
	T A, {disp32} jmp 7f
	T A|F_DITARGET, jmp *%edi
	T A, jmp *insn_data
	T A, jmp *4(%esp)
	T A|F_DITARGET, notrack jmp *%edi
	T A, call 7f
	T A|F_DITARGET, call *%edi
	T A, call *insn_data
	T A, call *4(%esp)
	T A, ret
	T A, ret $16
	T A, repz ret
	T M, loop 7f
	T M, jecxz 7f
	.irp cc, o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g
	T A, j\cc 7f
	T A, {disp32} j\cc 7f
	T A, cmov\cc %edx, %eax
	T A, set\cc %al
	.endr
/* ---- string, lock, segments ---- */
	T A, movsb
	T A, movsl
	T A, rep movsb
	T A, rep movsl
	T A, rep stosb
	T A, rep stosl
	T A, lodsb
	T A, repne scasb
	T A, repe cmpsb
	T A, lock incl (%ebx)
	T A, lock xadd %eax, (%ebx)
	T A, lock cmpxchg %edx, (%ebx)
	T A, lock cmpxchg8b (%ebx)
	T A, lock orl $0, (%esp)
	T A, mov %gs:0, %eax
	T A, prefetcht0 (%ebx)
	T M, mfence
/* ---- SSE, x87, AVX ---- */
	T A, movaps %xmm0, %xmm1
	T A, movups 1(%ebx), %xmm3
	T A, movdqa %xmm2, 32(%ebx)
	T A, movd %eax, %xmm0
	T A, movq (%ebx), %xmm6
	T A, movss (%ebx), %xmm6
	T A, pxor %xmm0, %xmm0
	T A, paddd %xmm1, %xmm2
	T A, pcmpeqb (%ebx), %xmm0
	T A, pmovmskb %xmm0, %eax
	T A, pshufd $0x1b, insn_data, %xmm2
	T A, addsd %xmm1, %xmm2
	T A, cvtsi2sd %eax, %xmm1
	T A, cvttsd2si %xmm1, %eax
	T A, ucomisd %xmm1, %xmm2
	T A, fldl (%ebx)
	T A, fstpl 16(%ebx)
	T A, fldt (%ebx)
	T A, faddp
	T A, fxch
	T A, fnstcw 8(%ebx)
	T A, fldcw 136(%ebx)
	T A, vmovups %ymm0, (%ebx)
	T A, vmovdqu 5(%ebx), %ymm1
	T A, vxorps %xmm1, %xmm2, %xmm3
	T A, vpaddd insn_data, %ymm1, %ymm2
	T A, vzeroupper
	T A, andn %eax, %edx, %esi
	INSN_TABLE_END
