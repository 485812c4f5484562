// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: bytes and the record that is made of them.
 */
#include <linux/moduleparam.h>
#include <linux/processor.h>
#include <linux/string.h>
#include <asm/ia32.h>
#include <asm/ptrace.h>

#include "tests.h"

#define REG(r)	offsetof(struct pt_regs, r)

/* ------------------------------------------------------------------ */

static const struct refused_row {
	const char *desc;
	bool is32;
	enum uprobe_refusal why;
	struct test_insn insn;
} refused_rows[] = {
	{ "undefined", 0, UPROBE_REFUSE_UNKNOWN, I(0x0f, 0x04) },
	{ "ud2 with a hypervisor's signature", 0, UPROBE_REFUSE_UNKNOWN,
	  I(0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2) },
	{ "3DNow that there is not", 0, UPROBE_REFUSE_UNKNOWN, I(0x0f, 0x0f, 0xc1, 0x9f) },
	{ "XOP that there is not", 0, UPROBE_REFUSE_UNKNOWN, I(0x8f, 0xe9, 0x78, 0x00, 0xc1) },
	{ "XOP llwpcb", 0, UPROBE_REFUSE_UNKNOWN, I(0x8f, 0xe9, 0x78, 0x12, 0xc0) },
	{ "pop with another reg", 0, UPROBE_REFUSE_UNKNOWN, I(0x8f, 0xd0) },
	{ "jmpe, popcnt without f3", 0, UPROBE_REFUSE_UNKNOWN, I(0x0f, 0xb8, 0xc1) },
	{ "mandatory prefix that there is not", 0, UPROBE_REFUSE_UNKNOWN,
	  I(0xf3, 0x0f, 0x38, 0x17, 0xc1) },
	{ "rep jmp", 0, UPROBE_REFUSE_UNKNOWN, I(0xf3, 0xeb, 0x00) },
	{ "addr32 bt %eax,(%rip)", 0, UPROBE_REFUSE_UNKNOWN,
	  I(0x67, 0x0f, 0xa3, 0x05, 0, 0, 0, 0) },
	{ "rep lea (%rip)", 0, UPROBE_REFUSE_UNKNOWN, I(0xf3, 0x8d, 0x05, 0, 0, 0, 0) },

	{ "push es in 64 bit", 0, UPROBE_REFUSE_UNDECODABLE, I(0x06) },
	{ "into in 64 bit", 0, UPROBE_REFUSE_UNDECODABLE, I(0xce) },
	{ "lock on a register", 0, UPROBE_REFUSE_UNDECODABLE, I(0xf0, 0x01, 0xc0) },
	{ "lock cmp", 0, UPROBE_REFUSE_UNDECODABLE, I(0xf0, 0x39, 0x00) },
	{ "lock mov", 0, UPROBE_REFUSE_UNDECODABLE, I(0xf0, 0x89, 0x00) },
	{ "lock nop", 0, UPROBE_REFUSE_UNDECODABLE, I(0xf0, 0x90) },
	{ "lock syscall", 0, UPROBE_REFUSE_UNDECODABLE, I(0xf0, 0x0f, 0x05) },
	{ "lea of a register", 0, UPROBE_REFUSE_UNDECODABLE, I(0x48, 0x8d, 0xc0) },
	{ "mov to cs", 0, UPROBE_REFUSE_UNDECODABLE, I(0x8e, 0xc8) },
	{ "REX before VEX", 0, UPROBE_REFUSE_UNDECODABLE, I(0x48, 0xc5, 0xf8, 0x77) },
	{ "66 before VEX", 0, UPROBE_REFUSE_UNDECODABLE, I(0x66, 0xc5, 0xf8, 0x77) },
	{ "66 before XOP", 0, UPROBE_REFUSE_UNDECODABLE,
	  I(0x66, 0x8f, 0xe9, 0x78, 0x90, 0xc1) },
	{ "FMA4 without 66", 0, UPROBE_REFUSE_UNDECODABLE,
	  I(0xc4, 0xe3, 0xf8, 0x69, 0xc1, 0x20) },
	{ "syscall dressed as VEX", 0, UPROBE_REFUSE_UNDECODABLE, I(0xc5, 0x00, 0x05) },
	{ "sixteen bytes", 0, UPROBE_REFUSE_UNDECODABLE,
	  I(0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e,
	    0x48, 0xc7, 0xc0, 1, 0, 0, 0) },
	{ "nothing but prefixes", 0, UPROBE_REFUSE_UNDECODABLE,
	  I(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
	    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66) },

	{ "int3", 0, UPROBE_REFUSE_BREAKPOINT, I(0xcc) },
	{ "int3 behind a prefix", 0, UPROBE_REFUSE_BREAKPOINT, I(0x66, 0xcc) },
	{ "int $3", 1, UPROBE_REFUSE_BREAKPOINT, I(0xcd, 0x03) },
	{ "int1", 0, UPROBE_REFUSE_BREAKPOINT, I(0xf1) },

	{ "lcall through memory", 0, UPROBE_REFUSE_FAR, I(0xff, 0x18) },
	{ "lcall direct", 1, UPROBE_REFUSE_FAR, I(0x9a, 0, 0, 0, 0, 0x23, 0) },
	{ "ljmp *(%rip)", 0, UPROBE_REFUSE_FAR, I(0xff, 0x2d, 0, 0, 0, 0) },

	{ "mov %gs,%gs:(%rip)", 0, UPROBE_REFUSE_SEGMENT, I(0x65, 0x8c, 0x2d, 0, 0, 0, 0) },
	{ "mov %fs:(%rip),%fs", 0, UPROBE_REFUSE_SEGMENT, I(0x64, 0x8e, 0x25, 0, 0, 0, 0) },
	{ "lgs %gs:(%rip)", 0, UPROBE_REFUSE_SEGMENT, I(0x65, 0x0f, 0xb5, 0x05, 0, 0, 0, 0) },

	{ "xbegin rel16", 0, UPROBE_REFUSE_MODE, I(0x66, 0xc7, 0xf8, 0, 0) },
	{ "repne loope", 0, UPROBE_REFUSE_MODE, I(0xf2, 0xe1, 0x10) },
	{ "null segment behind fs", 0, UPROBE_REFUSE_MODE,
	  I(0x64, 0x2e, 0x8b, 0x05, 0, 0, 0, 0) },
	{ "null segment behind fs, jmp", 0, UPROBE_REFUSE_MODE, I(0x64, 0x2e, 0xff, 0x20) },

	{ "15 bytes and %rip", 0, UPROBE_REFUSE_TOO_LONG,
	  I(0xf2, 0x66, 0x67, 0xf0, 0x48, 0x81, 0x05, 0, 0, 0, 0, 1, 0, 0, 0) },

	{ "enclu", 0, UPROBE_REFUSE_STATE, I(0x0f, 0x01, 0xd7) },

	{ "REX2 add", 0, UPROBE_REFUSE_APX, I(0xd5, 0x18, 0x01, 0xc0) },
	{ "EVEX map 4", 0, UPROBE_REFUSE_APX, I(0x62, 0xf4, 0x7c, 0x18, 0x01, 0xc0) },
	{ "EVEX with a register of APX", 0, UPROBE_REFUSE_APX,
	  I(0x62, 0xf9, 0x7c, 0x48, 0x10, 0x00) },
};

KUNIT_ARRAY_PARAM_DESC(refused, refused_rows, desc);

static void test_refused(struct kunit *test)
{
	const struct refused_row *row = test->param_value;
	struct arch_uprobe au;

	KUNIT_EXPECT_EQ(test, test_analyze(&au, &row->insn, !row->is32), row->why);
	KUNIT_EXPECT_MEMEQ(test, au.insn, row->insn.bytes,
			   au.len ?: min_t(unsigned int, row->insn.n, UPROBE_INSN_MAX));
	if (row->why == UPROBE_REFUSE_UNDECODABLE)
		KUNIT_EXPECT_EQ(test, au.len, 0);
	else
		KUNIT_EXPECT_GT(test, au.len, 0);
}

/* ------------------------------------------------------------------ */

#define NO_MEM		.base = UPROBE_MEM_NONE
#define ANY_MEM		.base = 0xaa
#define COUNTER(bytes)	.base = UPROBE_MEM_NONE, .index = UPROBE_MEM_NONE, .addr_bytes = (bytes)
#define RIP_MEM(d)	.disp = (d), .base = UPROBE_MEM_RIP, .index = UPROBE_MEM_NONE, \
			.addr_bytes = 8

static const struct emulated_row {
	const char *desc;
	bool is32;
	enum uprobe_emu op;
	u8 reg, width;
	s64 imm;
	struct uprobe_mem mem;
	struct test_insn insn;
} emulated_rows[] = {
	{ "nop", 0, EMU_NOP, 0, 0, 0, { ANY_MEM }, I(0x90) },
	{ "pause", 0, EMU_NOP, 0, 0, 0, { ANY_MEM }, I(0xf3, 0x90) },
	{ "cs nopw", 0, EMU_NOP, 0, 0, 0, { ANY_MEM },
	  I(0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0) },
	{ "nop that looks %rip-relative", 0, EMU_NOP, 0, 0, 0, { ANY_MEM },
	  I(0x0f, 0x1f, 0x05, 0, 0, 0, 0) },
	{ "endbr64", 0, EMU_NOP, 0, 0, 0, { ANY_MEM }, I(0xf3, 0x0f, 0x1e, 0xfa) },
	{ "endbr32", 1, EMU_NOP, 0, 0, 0, { ANY_MEM }, I(0xf3, 0x0f, 0x1e, 0xfb) },
	{ "prefetchw", 0, EMU_NOP, 0, 0, 0, { ANY_MEM }, I(0x0f, 0x0d, 0x08) },
	{ "jmp short", 0, EMU_JMP, 0, 8, -2, { NO_MEM }, I(0xeb, 0xfe) },
	{ "bnd jmp", 0, EMU_JMP, 0, 8, 16, { NO_MEM }, I(0xf2, 0xe9, 16, 0, 0, 0) },
	{ "jne", 0, EMU_JCC, 5, 8, 0x1234, { NO_MEM }, I(0x0f, 0x85, 0x34, 0x12, 0, 0) },
	{ "jle short, predicted", 0, EMU_JCC, 14, 8, 4, { NO_MEM }, I(0x3e, 0x7e, 4) },
	{ "jecxz", 0, EMU_JCXZ, 0, 8, 4, { COUNTER(4) }, I(0x67, 0xe3, 4) },
	{ "loop", 0, EMU_LOOP, 0, 8, -4, { COUNTER(8) }, I(0xe2, 0xfc) },
	{ "loopne with cx", 1, EMU_LOOPNE, 0, 4, -4, { COUNTER(2) }, I(0x67, 0xe0, 0xfc) },
	{ "data16 loop", 1, EMU_LOOP, 0, 2, -4, { COUNTER(4) }, I(0x66, 0xe2, 0xfc) },
	{ "data16 jcc, 32 bit", 1, EMU_JCC, 4, 2, -2, { NO_MEM },
	  I(0x66, 0x0f, 0x84, 0xfe, 0xff) },
	{ "data16 call, 32 bit", 1, EMU_CALL, 0, 2, 1, { NO_MEM }, I(0x66, 0xe8, 1, 0) },
	{ "data16 jmp *%eax, 32 bit", 1, EMU_JMP_REG, 0, 2, 0, { .base = REG(ax) },
	  I(0x66, 0xff, 0xe0) },
	{ "call", 0, EMU_CALL, 0, 8, -5, { NO_MEM }, I(0xe8, 0xfb, 0xff, 0xff, 0xff) },
	{ "REX that does not count", 0, EMU_NOP, 0, 0, 0, { ANY_MEM }, I(0x49, 0x66, 0x90) },
	{ "addr32 call", 0, EMU_CALL, 0, 8, 1, { NO_MEM }, I(0x67, 0xe8, 1, 0, 0, 0) },
	{ "data16 data16 rex.W call", 0, EMU_CALL, 0, 8, 1, { NO_MEM },
	  I(0x66, 0x66, 0x48, 0xe8, 1, 0, 0, 0) },
	{ "call, 32 bit", 1, EMU_CALL, 0, 4, 1, { NO_MEM }, I(0xe8, 1, 0, 0, 0) },
	{ "notrack jmp *%rdi", 0, EMU_JMP_REG, 0, 8, 0, { .base = REG(di) },
	  I(0x3e, 0xff, 0xe7) },
	{ "jmp *(%rip)", 0, EMU_JMP_MEM, 0, 8, 0,
	  { .disp = 0x20, .base = UPROBE_MEM_RIP, .index = UPROBE_MEM_NONE, .addr_bytes = 8 },
	  I(0xff, 0x25, 0x20, 0, 0, 0) },
	{ "call *-8(%rbx,%rcx,4)", 0, EMU_CALL_MEM, 0, 8, 0,
	  { .disp = -8, .base = REG(bx), .index = REG(cx), .scale = 2, .addr_bytes = 8 },
	  I(0xff, 0x54, 0x8b, 0xf8) },
	{ "call *%fs:0x10", 0, EMU_CALL_MEM, 0, 8, 0,
	  { .disp = 16, .base = UPROBE_MEM_NONE, .index = UPROBE_MEM_NONE,
	    .seg = PREFIX_FS, .addr_bytes = 8 },
	  I(0x64, 0xff, 0x14, 0x25, 0x10, 0, 0, 0) },
	{ "ret", 0, EMU_RET, 0, 8, 0, { NO_MEM }, I(0xc3) },
	{ "rep ret", 0, EMU_RET, 0, 8, 0, { NO_MEM }, I(0xf3, 0xc3) },
	{ "ret $0xfff0", 0, EMU_RET, 0, 8, 0xfff0, { NO_MEM }, I(0xc2, 0xf0, 0xff) },
	{ "push %rbp", 0, EMU_PUSH_REG, REG(bp), 8, 0, { NO_MEM }, I(0x55) },
	{ "push $-1", 0, EMU_PUSH_IMM, 0, 8, -1, { NO_MEM }, I(0x6a, 0xff) },
	{ "pop %ebx", 1, EMU_POP_REG, REG(bx), 4, 0, { NO_MEM }, I(0x5b) },
	{ "popf", 0, EMU_POPF, 0, 8, 0, { NO_MEM }, I(0x9d) },
	{ "leave", 0, EMU_LEAVE, 0, 8, 0, { NO_MEM }, I(0xc9) },
	{ "lea (%rip)", 0, EMU_LEA, REG(ax), 8, 0,
	  { .disp = 4, .base = UPROBE_MEM_RIP, .index = UPROBE_MEM_NONE, .addr_bytes = 8 },
	  I(0x48, 0x8d, 0x05, 4, 0, 0, 0) },
	{ "data16 lea, as TLS code has it", 0, EMU_LEA, REG(di), 8, 0,
	  { .disp = 4, .base = UPROBE_MEM_RIP, .index = UPROBE_MEM_NONE, .addr_bytes = 8 },
	  I(0x66, 0x48, 0x8d, 0x3d, 4, 0, 0, 0) },
	{ "lea of a gs operand", 0, EMU_LEA, REG(ax), 4, 0,
	  { .base = REG(bx), .index = UPROBE_MEM_NONE, .addr_bytes = 4 },
	  I(0x65, 0x67, 0x8d, 0x03) },
	{ "lea (%bp,%di), 32 bit", 1, EMU_LEA, REG(ax), 4, 0,
	  { .base = REG(bp), .index = REG(di), .addr_bytes = 2 }, I(0x67, 0x8d, 0x03) },
	{ "mov %rsp,%rbp", 0, EMU_MOV_REG, REG(bp), 8, 0, { .base = REG(sp) },
	  I(0x48, 0x89, 0xe5) },
	{ "mov, the other way to write it", 0, EMU_MOV_REG, REG(sp), 8, 0, { .base = REG(bp) },
	  I(0x48, 0x8b, 0xe5) },
	{ "mov %bh,%al", 0, EMU_MOV_REG, REG(ax), 1, 0, { .base = REG(bx) + 1 },
	  I(0x88, 0xf8) },
	{ "mov %dil,%al", 0, EMU_MOV_REG, REG(ax), 1, 0, { .base = REG(di) },
	  I(0x40, 0x88, 0xf8) },
	{ "movabs", 0, EMU_MOV_IMM, REG(ax), 8, 0x8877665544332211, { NO_MEM },
	  I(0x48, 0xb8, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88) },
	{ "mov (%rip),%eax", 0, EMU_LOAD, REG(ax), 4, 0,
	  { .disp = -4, .base = UPROBE_MEM_RIP, .index = UPROBE_MEM_NONE, .addr_bytes = 8 },
	  I(0x8b, 0x05, 0xfc, 0xff, 0xff, 0xff) },
	{ "movb $1,(%rip)", 0, EMU_STORE_IMM, 0, 1, 1,
	  { .disp = 0, .base = UPROBE_MEM_RIP, .index = UPROBE_MEM_NONE, .addr_bytes = 8 },
	  I(0xc6, 0x05, 0, 0, 0, 0, 1) },
	{ "movslq (%rip),%rdx", 0, EMU_LOAD_SX, REG(dx), 8, 4,
	  { .disp = 0, .base = UPROBE_MEM_RIP, .index = UPROBE_MEM_NONE, .addr_bytes = 8 },
	  I(0x48, 0x63, 0x15, 0, 0, 0, 0) },
	{ "sub $8,%rsp", 0, EMU_SUB, REG(sp), 8, 8, { NO_MEM }, I(0x48, 0x83, 0xec, 8) },
	{ "xor %eax,%eax", 0, EMU_XOR, REG(ax), 4, 0, { .base = REG(ax) }, I(0x31, 0xc0) },
	{ "inc %rdi", 0, EMU_INC, REG(di), 8, 0, { NO_MEM }, I(0x48, 0xff, 0xc7) },
	{ "dec %ecx", 0, EMU_DEC, REG(cx), 4, 0, { NO_MEM }, I(0xff, 0xc9) },
	{ "cmp $-1,%eax", 0, EMU_CMP, REG(ax), 4, -1, { NO_MEM }, I(0x83, 0xf8, 0xff) },
	{ "cmpl $-1,(%rip)", 0, EMU_CMP_MEM, UPROBE_MEM_NONE, 4, -1, { RIP_MEM(4) },
	  I(0x83, 0x3d, 4, 0, 0, 0, 0xff) },
	{ "cmpw $0x1234,(%rip)", 0, EMU_CMP_MEM, UPROBE_MEM_NONE, 2, 0x1234, { RIP_MEM(4) },
	  I(0x66, 0x81, 0x3d, 4, 0, 0, 0, 0x34, 0x12) },
	{ "cmpb $0,(%rip)", 0, EMU_CMP_MEM, UPROBE_MEM_NONE, 1, 0, { RIP_MEM(4) },
	  I(0x80, 0x3d, 4, 0, 0, 0, 0) },
	{ "cmp %rbx,(%rip)", 0, EMU_CMP_MEM, REG(bx), 8, 0, { RIP_MEM(4) },
	  I(0x48, 0x39, 0x1d, 4, 0, 0, 0) },
	{ "cmp %bh,(%rip)", 0, EMU_CMP_MEM, REG(bx) + 1, 1, 0, { RIP_MEM(4) },
	  I(0x38, 0x3d, 4, 0, 0, 0) },
	{ "cmp (%rip),%bx", 0, EMU_CMP_LOAD, REG(bx), 2, 0, { RIP_MEM(4) },
	  I(0x66, 0x3b, 0x1d, 4, 0, 0, 0) },
	{ "testb $1,(%rip)", 0, EMU_TEST_MEM, UPROBE_MEM_NONE, 1, 1, { RIP_MEM(4) },
	  I(0xf6, 0x05, 4, 0, 0, 0, 1) },
	{ "test %eax,(%rip)", 0, EMU_TEST_MEM, REG(ax), 4, 0, { RIP_MEM(4) },
	  I(0x85, 0x05, 4, 0, 0, 0) },
	{ "test $0x80000000,%eax", 0, EMU_TEST, REG(ax), 4, (s32)0x80000000, { NO_MEM },
	  I(0xa9, 0, 0, 0, 0x80) },
};

KUNIT_ARRAY_PARAM_DESC(emulated, emulated_rows, desc);

static void test_emulated(struct kunit *test)
{
	const struct emulated_row *row = test->param_value;
	struct arch_uprobe au;

	KUNIT_ASSERT_EQ(test, test_analyze(&au, &row->insn, !row->is32), UPROBE_ACCEPTED);
	KUNIT_EXPECT_EQ(test, au.strategy, UPROBE_EMULATE);
	KUNIT_EXPECT_EQ(test, au.len, row->insn.n);
	KUNIT_EXPECT_EQ(test, au.xol_len, 0);
	KUNIT_EXPECT_EQ(test, au.op, row->op);
	KUNIT_EXPECT_EQ(test, au.reg, row->reg);
	KUNIT_EXPECT_EQ(test, au.width, row->width);
	KUNIT_EXPECT_EQ(test, au.imm, row->imm);
	if (row->mem.base == 0xaa)
		return;
	KUNIT_EXPECT_EQ(test, au.mem.base, row->mem.base);
	if (!row->mem.addr_bytes)
		return;
	KUNIT_EXPECT_EQ(test, au.mem.disp, row->mem.disp);
	KUNIT_EXPECT_EQ(test, au.mem.index, row->mem.index);
	KUNIT_EXPECT_EQ(test, au.mem.scale, row->mem.scale);
	KUNIT_EXPECT_EQ(test, au.mem.addr_bytes, row->mem.addr_bytes);
	if (!row->is32)
		KUNIT_EXPECT_EQ(test, au.mem.seg, row->mem.seg);
}

/* ------------------------------------------------------------------ */

#define BOOST		UPROBE_BOOST
#define STEP		UPROBE_STEP
#define FX_LEAVES	UPROBE_FIX_LEAVES
#define FX_FPU		UPROBE_FIX_FPU
#define FX_GS		UPROBE_FIX_GS
#define FX_FS		UPROBE_FIX_FS
#define FX_OLD		UPROBE_FIX_OLD_BASE

/* What is executed in a slot, and the bytes there if these are others */
static const struct slot_row {
	const char *desc;
	bool is32;
	u8 strategy, fixups;
	struct test_insn insn, copy;
} slot_rows[] = {
	/* The last opcode byte of each of these is a jump or call without VEX. */
	{ "vmovdqu %ymm0,(%rdi)", 0, BOOST, 0, I(0xc5, 0xfe, 0x7f, 0x07) },
	{ "vpsadbw", 0, BOOST, 0, I(0xc5, 0xfd, 0xe8, 0xc1) },
	{ "vpxor", 0, BOOST, 0, I(0xc5, 0xfd, 0xef, 0xc0) },
	{ "vmovdqu64 %zmm16,(%rax)", 0, BOOST, 0, I(0x62, 0xe1, 0xfe, 0x48, 0x7f, 0x00) },
	{ "movdqu", 0, BOOST, 0, I(0xf3, 0x0f, 0x6f, 0x06) },
	{ "movdqu, redundant 66", 0, BOOST, 0, I(0x66, 0xf3, 0x0f, 0x6f, 0x06) },
	{ "movdqu, 66 behind f3", 0, BOOST, 0, I(0xf3, 0x66, 0x0f, 0x6f, 0x06) },
	{ "pshufb, cs between prefix and opcode", 0, BOOST, 0,
	  I(0x66, 0x2e, 0x0f, 0x38, 0x00, 0xc1) },
	{ "vzeroupper", 0, BOOST, 0, I(0xc5, 0xf8, 0x77) },
	{ "vpgatherdd", 0, BOOST, 0, I(0xc4, 0xe2, 0x6d, 0x90, 0x04, 0x08) },
	{ "vaddph", 0, BOOST, 0, I(0x62, 0xf5, 0x74, 0x48, 0x58, 0xc2) },
	{ "vfmaddcsh", 0, BOOST, 0, I(0x62, 0xf6, 0x76, 0x08, 0x57, 0xc2) },
	{ "vpdpbusd", 0, BOOST, 0, I(0xc4, 0xe2, 0x71, 0x50, 0xc2) },
	{ "vsha512msg1", 0, BOOST, 0, I(0xc4, 0xe2, 0x7f, 0xcc, 0xc1) },
	{ "vsm3rnds2", 0, BOOST, 0, I(0xc4, 0xe3, 0x71, 0xde, 0xc2, 0x04) },
	{ "cmpoxadd", 0, BOOST, 0, I(0xc4, 0xe2, 0x71, 0xe0, 0x03) },
	{ "aadd", 0, BOOST, 0, I(0x0f, 0x38, 0xfc, 0x03) },
	{ "tileloadd", 0, BOOST, 0, I(0xc4, 0xe2, 0x7b, 0x4b, 0x04, 0x18) },
	{ "tdpbssd", 0, BOOST, 0, I(0xc4, 0xe2, 0x73, 0x5e, 0xc2) },
	{ "aesenc128kl", 0, BOOST, 0, I(0xf3, 0x0f, 0x38, 0xdc, 0x00) },

	/* What the kernel's decoder does not know */
	{ "vfmaddpd of FMA4", 0, BOOST, 0, I(0xc4, 0xe3, 0xf1, 0x69, 0xc2, 0x30) },
	{ "vfmaddpd of FMA4, 32 bit", 1, BOOST, 0, I(0xc4, 0xe3, 0xf1, 0x69, 0xc2, 0x30) },
	{ "XOP vprotb", 0, BOOST, 0, I(0x8f, 0xe9, 0x78, 0x90, 0xc1) },
	{ "XOP vprotb, 32 bit", 1, BOOST, 0, I(0x8f, 0xe9, 0x78, 0x90, 0xc1) },
	{ "XOP vprotd with a byte", 0, BOOST, 0, I(0x8f, 0xe8, 0x78, 0xc2, 0xec, 0x0e) },
	{ "XOP bextr with four bytes", 0, BOOST, 0,
	  I(0x8f, 0xea, 0x78, 0x10, 0xc1, 1, 2, 3, 4) },
	{ "3DNow pfadd", 0, BOOST, 0, I(0x0f, 0x0f, 0xc1, 0x9e) },
	{ "extrq with two bytes", 0, BOOST, 0, I(0x66, 0x0f, 0x78, 0xc0, 4, 8) },
	{ "insertq", 0, BOOST, 0, I(0xf2, 0x0f, 0x79, 0xc1) },
	{ "movntsd", 0, BOOST, 0, I(0xf2, 0x0f, 0x2b, 0x44, 0x24, 0x08) },
	{ "setne, f3", 0, BOOST, 0, I(0xf3, 0x0f, 0x95, 0x04, 0x24) },
	{ "ud0", 0, BOOST, 0, I(0x0f, 0xff, 0x44, 0x24, 0x08) },
	{ "mov to cr0 has no memory form", 0, BOOST, 0, I(0x0f, 0x22, 0x04) },
	{ "xcrypt", 0, STEP, 0, I(0xf3, 0x0f, 0xa7, 0xc8) },

	{ "lock cmpxchg", 0, BOOST, 0, I(0xf0, 0x0f, 0xb1, 0x0e) },
	{ "lock xadd", 0, BOOST, 0, I(0xf0, 0x48, 0x0f, 0xc1, 0x06) },
	{ "lock cmpxchg16b", 0, BOOST, 0, I(0xf0, 0x48, 0x0f, 0xc7, 0x0e) },
	{ "xchg %r8,%rax is no nop", 0, BOOST, 0, I(0x49, 0x90) },
	{ "the same, or pause", 0, BOOST, 0, I(0xf3, 0x41, 0x90) },
	{ "cpuid", 0, BOOST, 0, I(0x0f, 0xa2) },
	{ "rdtscp", 0, BOOST, 0, I(0x0f, 0x01, 0xf9) },
	{ "xgetbv", 0, BOOST, 0, I(0x0f, 0x01, 0xd0) },
	{ "rdpid", 0, BOOST, 0, I(0xf3, 0x0f, 0xc7, 0xf8) },
	{ "mfence", 0, BOOST, 0, I(0x0f, 0xae, 0xf0) },
	{ "umwait", 0, BOOST, 0, I(0xf2, 0x0f, 0xae, 0xf0) },
	{ "xsave", 0, BOOST, 0, I(0x0f, 0xae, 0x27) },
	{ "rdfsbase", 0, BOOST, 0, I(0xf3, 0x48, 0x0f, 0xae, 0xc0) },
	{ "wrgsbase", 0, BOOST, 0, I(0xf3, 0x48, 0x0f, 0xae, 0xd8) },
	{ "rdsspq", 0, BOOST, 0, I(0xf3, 0x48, 0x0f, 0x1e, 0xc8) },
	{ "enter", 0, BOOST, 0, I(0xc8, 0x10, 0, 0) },
	{ "mov through memory", 0, BOOST, 0, I(0x48, 0x8b, 0x44, 0x24, 0x08) },
	{ "movabs from memory", 0, BOOST, 0, I(0xa1, 1, 2, 3, 4, 5, 6, 7, 8) },
	{ "push in 16 bits", 0, BOOST, 0, I(0x66, 0x50) },
	{ "push through memory", 0, BOOST, 0, I(0xff, 0x30) },
	{ "adc %rax,%rbx needs CF", 0, BOOST, 0, I(0x48, 0x11, 0xc3) },
	{ "null segment behind fs", 0, BOOST, 0, I(0x64, 0x2e, 0x8b, 0x00) },
	{ "disp32 without a base", 1, BOOST, 0, I(0x8b, 0x05, 0, 0, 0, 0) },
	{ "aam", 1, BOOST, 0, I(0xd4, 0x0a) },
	{ "bound", 1, BOOST, 0, I(0x62, 0x00) },
	{ "inc %eax", 1, BOOST, 0, I(0x40) },
	{ "VEX in 32 bit", 1, BOOST, 0, I(0xc5, 0xfe, 0x7f, 0x07) },

	/* What faults or traps, in the slot as it does at its place */
	{ "ud2", 0, BOOST, 0, I(0x0f, 0x0b) },
	{ "hlt", 0, BOOST, 0, I(0xf4) },
	{ "cli", 0, BOOST, 0, I(0xfa) },
	{ "in", 0, BOOST, 0, I(0xe4, 0x60) },
	{ "wrmsr", 0, BOOST, 0, I(0x0f, 0x30) },
	{ "swapgs", 0, BOOST, 0, I(0x0f, 0x01, 0xf8) },
	{ "xsaves", 0, BOOST, 0, I(0x0f, 0xc7, 0x28) },
	{ "vmcall", 0, BOOST, 0, I(0x0f, 0x01, 0xc1) },
	{ "sgdt", 0, STEP, 0, I(0x0f, 0x01, 0x00) },
	{ "smsw", 0, BOOST, 0, I(0x0f, 0x01, 0xe0) },
	{ "str", 0, BOOST, 0, I(0x0f, 0x00, 0xc8) },
	{ "int $4", 0, BOOST, 0, I(0xcd, 0x04) },
	{ "into", 1, BOOST, 0, I(0xce) },

	/* Transactions */
	{ "xbegin", 0, STEP, UPROBE_FIX_ABORT, I(0xc7, 0xf8, 0x34, 0x12, 0, 0),
	  I(0xc7, 0xf8, 0, 0, 0, 0) },
	{ "xabort", 0, BOOST, 0, I(0xc6, 0xf8, 1) },
	{ "xend", 0, BOOST, 0, I(0x0f, 0x01, 0xd5) },
	{ "xtest", 0, BOOST, 0, I(0x0f, 0x01, 0xd6) },

	/* Segments */
	{ "mov to es", 0, BOOST, 0, I(0x8e, 0xc0) },
	{ "mov to gs", 0, BOOST, 0, I(0x8e, 0xe8) },
	{ "mov to ss", 0, STEP, 0, I(0x8e, 0xd0) },
	{ "pop fs", 0, BOOST, 0, I(0x0f, 0xa1) },
	{ "pop ds", 1, BOOST, 0, I(0x1f) },
	{ "pop ss", 1, STEP, 0, I(0x17) },
	{ "les", 1, BOOST, 0, I(0xc4, 0x00) },
	{ "lfs", 0, BOOST, 0, I(0x0f, 0xb4, 0x00) },
	{ "lss", 0, STEP, 0, I(0x0f, 0xb2, 0x00) },

	/* Signals, flags, keys */
	{ "movsb", 0, BOOST, 0, I(0xa4) },
	{ "rep movsb", 0, STEP, 0, I(0xf3, 0xa4) },
	{ "repne scasb", 0, STEP, 0, I(0xf2, 0xae) },
	{ "rep outs", 0, STEP, 0, I(0xf3, 0x6e) },
	{ "pushf in 16 bits", 0, STEP, 0, I(0x66, 0x9c) },
	{ "popf in 16 bits", 0, STEP, 0, I(0x66, 0x9d) },
	{ "wrpkru", 0, STEP, 0, I(0x0f, 0x01, 0xef) },
	{ "rdpkru", 0, BOOST, 0, I(0x0f, 0x01, 0xee) },
	{ "xrstor", 0, STEP, 0, I(0x0f, 0xae, 0x28) },
	{ "fxrstor", 0, BOOST, 0, I(0x0f, 0xae, 0x08) },

	/* x87 */
	{ "fld", 0, STEP, FX_FPU, I(0xdb, 0x2e) },
	{ "fnop", 0, STEP, FX_FPU, I(0xd9, 0xd0) },
	{ "fldcw", 0, BOOST, 0, I(0xd9, 0x28) },
	{ "fnstenv", 0, BOOST, 0, I(0xd9, 0x30) },
	{ "fnstsw %ax", 0, BOOST, 0, I(0xdf, 0xe0) },
	{ "fnsave", 0, BOOST, 0, I(0xdd, 0x30) },
	{ "fisttp, next to frstor", 0, STEP, FX_FPU, I(0xdd, 0x08) },
	{ "fninit", 0, BOOST, 0, I(0xdb, 0xe3) },
	{ "fwait", 0, BOOST, 0, I(0x9b) },
	{ "emms", 0, BOOST, 0, I(0x0f, 0x77) },

	/* Away */
	{ "lret", 0, BOOST, FX_LEAVES, I(0xcb) },
	{ "lret $8", 0, BOOST, FX_LEAVES, I(0xca, 8, 0) },
	{ "iret", 0, BOOST, FX_LEAVES, I(0x48, 0xcf) },
	{ "ljmp through memory", 0, BOOST, FX_LEAVES, I(0xff, 0x28) },
	{ "ljmp direct", 1, BOOST, FX_LEAVES, I(0xea, 0, 0, 0, 0, 0x23, 0) },
	{ "sysenter", 1, BOOST, FX_LEAVES, I(0x0f, 0x34) },
	{ "syscall in 32 bit", 1, BOOST, FX_LEAVES, I(0x0f, 0x05) },

	/* Borrowers: BOOST where gs returns by itself */
	{ "addl $0,(%rip)", 0, BOOST, FX_GS, I(0x83, 0x05, 0, 0, 0, 0, 0),
	  I(0x65, 0x83, 0x05, 0, 0, 0, 0, 0) },
	{ "vmovaps (%rip)", 0, BOOST, FX_GS, I(0xc5, 0xf8, 0x28, 0x05, 0, 0, 0, 0),
	  I(0x65, 0xc5, 0xf8, 0x28, 0x05, 0, 0, 0, 0) },
	{ "XOP vpperm (%rip)", 0, BOOST, FX_GS,
	  I(0x8f, 0xe8, 0x78, 0xa3, 0x05, 0, 0, 0, 0, 0x10),
	  I(0x65, 0x8f, 0xe8, 0x78, 0xa3, 0x05, 0, 0, 0, 0, 0x10) },
	{ "3DNow pfmul (%rip)", 0, BOOST, FX_GS, I(0x0f, 0x0f, 0x05, 0, 0, 0, 0, 0xb4),
	  I(0x65, 0x0f, 0x0f, 0x05, 0, 0, 0, 0, 0xb4) },
	{ "addr32 bt $1,(%rip)", 0, BOOST, FX_GS, I(0x67, 0x0f, 0xba, 0x25, 0, 0, 0, 0, 1),
	  I(0x65, 0x67, 0x0f, 0xba, 0x25, 0, 0, 0, 0, 1) },
	{ "bt %eax,(%rip)", 0, BOOST, FX_GS, I(0x0f, 0xa3, 0x05, 0, 0, 0, 0),
	  I(0x65, 0x0f, 0xa3, 0x05, 0, 0, 0, 0) },
	{ "movsxd (%rip),%ax", 0, BOOST, FX_GS, I(0x66, 0x63, 0x05, 0, 0, 0, 0),
	  I(0x65, 0x66, 0x63, 0x05, 0, 0, 0, 0) },
	{ "push (%rip)", 0, BOOST, FX_GS, I(0xff, 0x35, 0, 0, 0, 0),
	  I(0x65, 0xff, 0x35, 0, 0, 0, 0) },
	{ "12 bytes with gs", 0, BOOST, FX_GS,
	  I(0x48, 0x81, 0x05, 0, 0, 0, 0, 1, 2, 3, 4),
	  I(0x65, 0x48, 0x81, 0x05, 0, 0, 0, 0, 1, 2, 3, 4) },
	{ "13 bytes with gs", 0, STEP, FX_GS,
	  I(0xf0, 0x48, 0x81, 0x05, 0, 0, 0, 0, 1, 2, 3, 4),
	  I(0x65, 0xf0, 0x48, 0x81, 0x05, 0, 0, 0, 0, 1, 2, 3, 4) },
	{ "xrstor (%rip)", 0, STEP, FX_GS, I(0x0f, 0xae, 0x2d, 0, 0, 0, 0),
	  I(0x65, 0x0f, 0xae, 0x2d, 0, 0, 0, 0) },
	{ "fldl (%rip)", 0, STEP, FX_GS | FX_FPU, I(0xdd, 0x05, 0, 0, 0, 0),
	  I(0x65, 0xdd, 0x05, 0, 0, 0, 0) },
	{ "fldcw (%rip)", 0, BOOST, FX_GS, I(0xd9, 0x2d, 0, 0, 0, 0),
	  I(0x65, 0xd9, 0x2d, 0, 0, 0, 0) },
	{ "addl %fs:(%rip)", 0, STEP, FX_FS | FX_OLD, I(0x64, 0x03, 0x05, 0, 0, 0, 0) },
	{ "addl, last of two", 0, STEP, FX_GS | FX_OLD, I(0x64, 0x65, 0x03, 0x05, 0, 0, 0, 0) },
	{ "mov %gs,(%rip)", 0, STEP, FX_FS, I(0x8c, 0x2d, 0, 0, 0, 0),
	  I(0x64, 0x8c, 0x2d, 0, 0, 0, 0) },
	{ "mov %fs,(%rip)", 0, BOOST, FX_GS, I(0x8c, 0x25, 0, 0, 0, 0),
	  I(0x65, 0x8c, 0x25, 0, 0, 0, 0) },
	{ "mov (%rip),%gs", 0, STEP, FX_FS, I(0x8e, 0x2d, 0, 0, 0, 0),
	  I(0x64, 0x8e, 0x2d, 0, 0, 0, 0) },
	{ "mov (%rip),%fs", 0, BOOST, FX_GS, I(0x8e, 0x25, 0, 0, 0, 0),
	  I(0x65, 0x8e, 0x25, 0, 0, 0, 0) },
	{ "mov (%rip),%ss", 0, STEP, FX_GS, I(0x8e, 0x15, 0, 0, 0, 0),
	  I(0x65, 0x8e, 0x15, 0, 0, 0, 0) },
	{ "lgs (%rip)", 0, STEP, FX_FS, I(0x0f, 0xb5, 0x05, 0, 0, 0, 0),
	  I(0x64, 0x0f, 0xb5, 0x05, 0, 0, 0, 0) },
	{ "lfs (%rip)", 0, BOOST, FX_GS, I(0x0f, 0xb4, 0x05, 0, 0, 0, 0),
	  I(0x65, 0x0f, 0xb4, 0x05, 0, 0, 0, 0) },
};

KUNIT_ARRAY_PARAM_DESC(slot, slot_rows, desc);

static enum uprobe_strategy slot_strategy(const struct slot_row *row)
{
	if ((row->fixups & UPROBE_FIX_BORROW) && !uprobe_gs_returns())
		return UPROBE_STEP;
	return row->strategy;
}

static void test_slot(struct kunit *test)
{
	const struct slot_row *row = test->param_value;
	const struct test_insn *copy = row->copy.n ? &row->copy : &row->insn;
	struct arch_uprobe au;

	test_borrows_gs(test, row->fixups);
	KUNIT_ASSERT_EQ(test, test_analyze(&au, &row->insn, !row->is32), UPROBE_ACCEPTED);
	KUNIT_EXPECT_EQ(test, au.strategy, slot_strategy(row));
	KUNIT_EXPECT_EQ(test, au.len, row->insn.n);
	KUNIT_EXPECT_EQ(test, au.fixups, row->fixups);
	KUNIT_EXPECT_EQ(test, au.xol_len, copy->n);
	KUNIT_EXPECT_MEMEQ(test, au.xol, copy->bytes, MAX_UINSN_BYTES);
	if (row->fixups & UPROBE_FIX_ABORT)
		KUNIT_EXPECT_EQ(test, au.imm, 0x1234);
}

/* ------------------------------------------------------------------ */

static const struct syscall_row {
	const char *desc;
	bool is32;
	enum uprobe_syscall_entry entry;
	struct test_insn insn;
} syscall_rows[] = {
	{ "syscall", 0, UPROBE_ENTRY_64, I(0x0f, 0x05) },
	{ "data16 rex.W syscall", 0, UPROBE_ENTRY_64, I(0x66, 0x48, 0x0f, 0x05) },
	{ "int $0x80", 1, UPROBE_ENTRY_INT80, I(0xcd, 0x80) },
	{ "int $0x80 in 64 bit", 0, UPROBE_ENTRY_INT80, I(0xcd, 0x80) },
};

KUNIT_ARRAY_PARAM_DESC(syscall, syscall_rows, desc);

static void test_syscall(struct kunit *test)
{
	const struct syscall_row *row = test->param_value;
	struct arch_uprobe au;

	KUNIT_ASSERT_EQ(test, test_analyze(&au, &row->insn, !row->is32), UPROBE_ACCEPTED);
	KUNIT_EXPECT_EQ(test, au.len, row->insn.n);
	if (row->entry == UPROBE_ENTRY_INT80 && !ia32_enabled()) {
		KUNIT_EXPECT_EQ(test, au.strategy, UPROBE_BOOST);
		return;
	}
	KUNIT_EXPECT_EQ(test, au.strategy, UPROBE_SYSCALL);
	KUNIT_EXPECT_EQ(test, au.op, row->entry);
	KUNIT_EXPECT_EQ(test, au.xol_len, 0);
}

/* ------------------------------------------------------------------ */

/* 66 before a near branch in 64-bit code: what Intel makes of it, and what AMD does */
static const struct data16_row {
	const char *desc;
	enum uprobe_emu op;
	struct {
		u8 len, width;
		s32 imm;
	} intel, amd;
	struct test_insn insn;
} data16_rows[] = {
	{ "jmp", EMU_JMP, { 6, 8, 0x40302010 }, { 4, 2, 0x2010 },
	  I(0x66, 0xe9, 0x10, 0x20, 0x30, 0x40) },
	{ "jmp short", EMU_JMP, { 3, 8, -2 }, { 3, 2, -2 }, I(0x66, 0xeb, 0xfe) },
	{ "jne", EMU_JCC, { 7, 8, 0xfffe }, { 5, 2, -2 },
	  I(0x66, 0x0f, 0x85, 0xfe, 0xff, 0, 0) },
	{ "call", EMU_CALL, { 6, 8, 1 }, { 4, 2, 1 }, I(0x66, 0xe8, 1, 0, 0, 0) },
	{ "call *%rax", EMU_CALL_REG, { 3, 8, 0 }, { 3, 2, 0 }, I(0x66, 0xff, 0xd0) },
	{ "jmp *(%rax)", EMU_JMP_MEM, { 3, 8, 0 }, { 3, 2, 0 }, I(0x66, 0xff, 0x20) },
	{ "ret", EMU_RET, { 2, 8, 0 }, { 2, 2, 0 }, I(0x66, 0xc3) },
	{ "loop", EMU_LOOP, { 3, 8, -3 }, { 3, 2, -3 }, I(0x66, 0xe2, 0xfd) },
	{ "rex.W call", EMU_CALL, { 7, 8, 1 }, { 7, 8, 1 }, I(0x66, 0x48, 0xe8, 1, 0, 0, 0) },
};

KUNIT_ARRAY_PARAM_DESC(data16, data16_rows, desc);

static void test_data16(struct kunit *test)
{
	const struct data16_row *row = test->param_value;
	enum uprobe_refusal why;
	struct arch_uprobe au;
	bool amd;

	why = test_analyze(&au, &row->insn, true);
	switch (boot_cpu_data.x86_vendor) {
	case X86_VENDOR_INTEL:
	case X86_VENDOR_CENTAUR:
	case X86_VENDOR_ZHAOXIN:
		amd = false;
		break;
	case X86_VENDOR_AMD:
	case X86_VENDOR_HYGON:
		amd = true;
		break;
	default:
		KUNIT_EXPECT_EQ(test, why, row->amd.width == row->intel.width ?
					   UPROBE_ACCEPTED : UPROBE_REFUSE_MODE);
		return;
	}
	KUNIT_ASSERT_EQ(test, why, UPROBE_ACCEPTED);
	KUNIT_EXPECT_EQ(test, au.strategy, UPROBE_EMULATE);
	KUNIT_EXPECT_EQ(test, au.op, row->op);
	KUNIT_EXPECT_EQ(test, au.len, amd ? row->amd.len : row->intel.len);
	KUNIT_EXPECT_EQ(test, au.width, amd ? row->amd.width : row->intel.width);
	KUNIT_EXPECT_EQ(test, au.imm, amd ? row->amd.imm : row->intel.imm);
}

/* ------------------------------------------------------------------ */

/* By the name that the boot command line has */
static void set_avoid(struct kunit *test, const char *val)
{
	const struct kernel_param *kp;

	for (kp = __start___param; kp < __stop___param; kp++)
		if (!strcmp(kp->name, "uprobes.avoid"))
			break;
	KUNIT_ASSERT_TRUE(test, kp < __stop___param);
	KUNIT_ASSERT_EQ(test, kp->ops->set(val, kp), 0);
}

static const struct avoid_row {
	const char *desc;
	u8 strategies[4];	/* by the parameter */
	u8 fixups;
	struct test_insn insn;
} avoid_rows[] = {
	{ "mov (%rip)", { UPROBE_EMULATE, BOOST, UPROBE_EMULATE, STEP }, FX_GS,
	  I(0x8b, 0x05, 0, 0, 0, 0) },
	{ "sub $8,%rsp", { UPROBE_EMULATE, BOOST, UPROBE_EMULATE, STEP }, 0,
	  I(0x48, 0x83, 0xec, 8) },
	{ "push", { UPROBE_EMULATE, BOOST, UPROBE_EMULATE, STEP }, 0, I(0x55) },
	{ "nop", { UPROBE_EMULATE, BOOST, UPROBE_EMULATE, STEP }, 0, I(0x90) },
	{ "lea (%rax)", { UPROBE_EMULATE, BOOST, UPROBE_EMULATE, STEP }, 0, I(0x8d, 0x00) },
	{ "lea (%rip)", { }, 0, I(0x8d, 0x05, 0, 0, 0, 0) },
	{ "call", { }, 0, I(0xe8, 0, 0, 0, 0) },
	{ "ret", { }, 0, I(0xc3) },
	{ "pushf", { }, 0, I(0x9c) },
	{ "mov through memory", { BOOST, BOOST, STEP, STEP }, 0, I(0x8b, 0x00) },
	{ "add (%rip)", { BOOST, BOOST, STEP, STEP }, FX_GS, I(0x03, 0x05, 0, 0, 0, 0) },
	{ "rep movsb", { STEP, STEP, STEP, STEP }, 0, I(0xf3, 0xa4) },
	{ "iret cannot be stepped", { BOOST, BOOST, BOOST, BOOST }, FX_LEAVES, I(0xcf) },
	{ "syscall", { UPROBE_SYSCALL, UPROBE_SYSCALL, UPROBE_SYSCALL, UPROBE_SYSCALL }, 0,
	  I(0x0f, 0x05) },
};

static_assert(UPROBE_EMULATE == 0);

KUNIT_ARRAY_PARAM_DESC(avoid, avoid_rows, desc);

static void test_avoid(struct kunit *test)
{
	static const char * const values[] = { "0", "1", "2", "3" };
	const struct avoid_row *row = test->param_value;
	enum uprobe_strategy expected;
	struct arch_uprobe au;
	unsigned int i;

	test_borrows_gs(test, row->fixups);
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		set_avoid(test, values[i]);
		KUNIT_EXPECT_EQ(test, test_analyze(&au, &row->insn, true), UPROBE_ACCEPTED);
		expected = row->strategies[i];
		if (expected == UPROBE_BOOST && (row->fixups & FX_GS) && !uprobe_gs_returns())
			expected = UPROBE_STEP;
		KUNIT_EXPECT_EQ(test, au.strategy, expected);
		KUNIT_EXPECT_EQ(test, au.fixups, expected == UPROBE_EMULATE ? 0 : row->fixups);
	}
}

static void forget_avoid(struct kunit *test)
{
	set_avoid(test, "0");
}

/* ------------------------------------------------------------------ */

/* A file that ends within an instruction has no such instruction. */
static void test_cut_off(struct kunit *test)
{
	static const struct test_insn insns[] = {
		I(0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8),
		I(0x66, 0x48, 0x8d, 0x3d, 4, 0, 0, 0),
		I(0x62, 0xe1, 0xfe, 0x48, 0x7f, 0x00),
		I(0x8f, 0xea, 0x78, 0x10, 0xc1, 1, 2, 3, 4),
		I(0x66, 0x0f, 0x78, 0xc0, 4, 8),
		I(0xc3),
	};
	struct arch_uprobe au;
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(insns); i++) {
		for (n = 0; n < insns[i].n; n++)
			KUNIT_EXPECT_EQ(test, arch_uprobe_analyze(&au, insns[i].bytes, n, true),
					UPROBE_REFUSE_UNDECODABLE);
		KUNIT_EXPECT_EQ(test, arch_uprobe_analyze(&au, insns[i].bytes, n, true),
				UPROBE_ACCEPTED);
	}
}

static void test_original_bytes(struct kunit *test)
{
	static const u8 text[MAX_UINSN_BYTES] = {
		0x83, 0x05, 1, 2, 3, 4, 5, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x11, 0x22, 0x33,
	};
	u8 expected[MAX_UINSN_BYTES] = {};
	struct arch_uprobe au;

	memset(&au, 0xff, sizeof(au));
	KUNIT_ASSERT_EQ(test, arch_uprobe_analyze(&au, text, sizeof(text), true),
			UPROBE_ACCEPTED);
	memcpy(expected, text, 7);
	KUNIT_EXPECT_MEMEQ(test, au.insn, expected, sizeof(expected));
	KUNIT_EXPECT_TRUE(test, au.is64);
}

/* Every reason has a word of its own, and a table row that gives it. */
static void test_reasons(struct kunit *test)
{
	unsigned int i, j;

	for (i = 0; i < UPROBE_REFUSALS; i++) {
		const struct uprobe_reason *r = arch_uprobe_refusal(i);
		unsigned int rows = 0;

		KUNIT_ASSERT_NOT_NULL(test, r->word);
		KUNIT_ASSERT_NOT_NULL(test, r->text);
		KUNIT_EXPECT_NULL(test, strpbrk(r->word, " \t\n|"));
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_STRNEQ(test, r->word, arch_uprobe_refusal(j)->word);
		for (j = 0; j < ARRAY_SIZE(refused_rows); j++)
			rows += refused_rows[j].why == i;
		if (i != UPROBE_ACCEPTED)
			KUNIT_EXPECT_GT_MSG(test, rows, 0, "no row for %s", r->word);
	}
	KUNIT_EXPECT_STREQ(test, arch_uprobe_refusal(UPROBE_REFUSALS)->word, "unknown");
}

static struct kunit_case analyze_cases[] = {
	KUNIT_CASE_PARAM(test_refused, refused_gen_params),
	KUNIT_CASE_PARAM(test_emulated, emulated_gen_params),
	KUNIT_CASE_PARAM(test_slot, slot_gen_params),
	KUNIT_CASE_PARAM(test_syscall, syscall_gen_params),
	KUNIT_CASE_PARAM(test_data16, data16_gen_params),
	KUNIT_CASE_PARAM(test_avoid, avoid_gen_params),
	KUNIT_CASE(test_cut_off),
	KUNIT_CASE(test_original_bytes),
	KUNIT_CASE(test_reasons),
	{}
};

static struct kunit_suite analyze_suite = {
	.name = "uprobes_x86_analyze",
	.exit = forget_avoid,
	.test_cases = analyze_cases,
};

kunit_test_suite(analyze_suite);
