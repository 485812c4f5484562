// SPDX-License-Identifier: GPL-2.0-only
/*
 * User-space probes, x86: bytes and the record that is made of them.
 */
#include <linux/string.h>
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
	{ "ud1 has no policy", 0, UPROBE_REFUSE_UNKNOWN, I(0x0f, 0xb9, 0xc0) },
	{ "ud2", 0, UPROBE_REFUSE_UNKNOWN, I(0x0f, 0x0b) },
	{ "ud2 with a hypervisor's signature", 0, UPROBE_REFUSE_UNKNOWN,
	  I(0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2) },
	{ "3DNow", 0, UPROBE_REFUSE_UNKNOWN, I(0x0f, 0x0f, 0xc1, 0x9e) },
	{ "XOP vprotb", 0, UPROBE_REFUSE_UNKNOWN, I(0x8f, 0xe9, 0x78, 0x90, 0xc1) },
	{ "XOP, 32 bit", 1, UPROBE_REFUSE_UNKNOWN, I(0x8f, 0xe9, 0x78, 0x90, 0xc1) },
	{ "REX2 add", 0, UPROBE_REFUSE_UNKNOWN, I(0xd5, 0x18, 0x01, 0xc0) },
	{ "EVEX map 4 (APX)", 0, UPROBE_REFUSE_UNKNOWN, I(0x62, 0xf4, 0x7c, 0x18, 0x01, 0xc0) },
	{ "EVEX with an APX register bit", 0, UPROBE_REFUSE_UNKNOWN,
	  I(0x62, 0xf9, 0x7c, 0x48, 0x10, 0x00) },
	{ "AMX tileloadd", 0, UPROBE_REFUSE_UNKNOWN, I(0xc4, 0xe2, 0x7b, 0x4b, 0x04, 0x18) },
	{ "jmpe, popcnt without f3", 0, UPROBE_REFUSE_UNKNOWN, I(0x0f, 0xb8, 0xc1) },
	{ "key locker", 0, UPROBE_REFUSE_UNKNOWN, I(0xf3, 0x0f, 0x38, 0xdc, 0x00) },
	{ "salc", 1, UPROBE_REFUSE_UNKNOWN, I(0xd6) },

	{ "push es in 64 bit", 0, UPROBE_REFUSE_UNDECODABLE, I(0x06) },
	{ "lock on a register", 0, UPROBE_REFUSE_UNDECODABLE, I(0xf0, 0x01, 0xc0) },
	{ "lock cmp", 0, UPROBE_REFUSE_UNDECODABLE, I(0xf0, 0x39, 0x00) },
	{ "lock mov", 0, UPROBE_REFUSE_UNDECODABLE, I(0xf0, 0x89, 0x00) },
	{ "lock nop", 0, UPROBE_REFUSE_UNDECODABLE, I(0xf0, 0x90) },
	{ "lea of a register", 0, UPROBE_REFUSE_UNDECODABLE, I(0x48, 0x8d, 0xc0) },
	{ "REX before VEX", 0, UPROBE_REFUSE_UNDECODABLE, I(0x48, 0xc5, 0xf8, 0x77) },
	{ "66 before VEX", 0, UPROBE_REFUSE_UNDECODABLE, I(0x66, 0xc5, 0xf8, 0x77) },
	{ "syscall dressed as VEX", 0, UPROBE_REFUSE_UNDECODABLE, I(0xc5, 0x00, 0x05) },
	{ "sixteen bytes", 0, UPROBE_REFUSE_UNDECODABLE,
	  I(0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e,
	    0x48, 0xc7, 0xc0, 1, 0, 0, 0) },
	{ "nothing but prefixes", 0, UPROBE_REFUSE_UNDECODABLE,
	  I(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
	    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66) },

	{ "int3", 0, UPROBE_REFUSE_BREAKPOINT, I(0xcc) },
	{ "int3 behind a prefix", 0, UPROBE_REFUSE_BREAKPOINT, I(0x66, 0xcc) },
	{ "int1", 0, UPROBE_REFUSE_BREAKPOINT, I(0xf1) },

	{ "syscall", 0, UPROBE_REFUSE_SYSCALL, I(0x0f, 0x05) },
	{ "sysenter", 1, UPROBE_REFUSE_SYSCALL, I(0x0f, 0x34) },
	{ "int 0x80", 0, UPROBE_REFUSE_SYSCALL, I(0xcd, 0x80) },
	{ "into", 1, UPROBE_REFUSE_SYSCALL, I(0xce) },

	{ "hlt", 0, UPROBE_REFUSE_PRIVILEGED, I(0xf4) },
	{ "cli", 0, UPROBE_REFUSE_PRIVILEGED, I(0xfa) },
	{ "in", 0, UPROBE_REFUSE_PRIVILEGED, I(0xe4, 0x60) },
	{ "rep outs", 0, UPROBE_REFUSE_PRIVILEGED, I(0xf3, 0x6e) },
	{ "mov to cr0", 0, UPROBE_REFUSE_PRIVILEGED, I(0x0f, 0x22, 0xc0) },
	{ "wrmsr", 0, UPROBE_REFUSE_PRIVILEGED, I(0x0f, 0x30) },
	{ "swapgs", 0, UPROBE_REFUSE_PRIVILEGED, I(0x0f, 0x01, 0xf8) },
	{ "xsaves", 0, UPROBE_REFUSE_PRIVILEGED, I(0x0f, 0xc7, 0x28) },

	{ "lret", 0, UPROBE_REFUSE_FAR, I(0xcb) },
	{ "iret", 0, UPROBE_REFUSE_FAR, I(0x48, 0xcf) },
	{ "ljmp through memory", 0, UPROBE_REFUSE_FAR, I(0xff, 0x28) },
	{ "lcall direct", 1, UPROBE_REFUSE_FAR, I(0x9a, 0, 0, 0, 0, 0x23, 0) },

	{ "mov to ss", 0, UPROBE_REFUSE_SEGMENT, I(0x8e, 0xd0) },
	{ "pop fs", 0, UPROBE_REFUSE_SEGMENT, I(0x0f, 0xa1) },
	{ "pop ds", 1, UPROBE_REFUSE_SEGMENT, I(0x1f) },
	{ "les", 1, UPROBE_REFUSE_SEGMENT, I(0xc4, 0x00) },
	{ "lss", 0, UPROBE_REFUSE_SEGMENT, I(0x0f, 0xb2, 0x00) },
	{ "wrfsbase", 0, UPROBE_REFUSE_SEGMENT, I(0xf3, 0x48, 0x0f, 0xae, 0xd0) },
	{ "mov gs to %gs:(%rip)", 0, UPROBE_REFUSE_SEGMENT,
	  I(0x65, 0x8c, 0x2d, 0, 0, 0, 0) },

	{ "data16 jmp", 0, UPROBE_REFUSE_MODE, I(0x66, 0xe9, 0, 0, 0, 0) },
	{ "data16 ret", 0, UPROBE_REFUSE_MODE, I(0x66, 0xc3) },
	{ "data16 jcc, 32 bit", 1, UPROBE_REFUSE_MODE, I(0x66, 0x0f, 0x84, 0, 0) },
	{ "pause or xchg", 0, UPROBE_REFUSE_MODE, I(0xf3, 0x41, 0x90) },
	{ "repne loope", 0, UPROBE_REFUSE_MODE, I(0xf2, 0xe1, 0x10) },
	{ "null segment behind fs", 0, UPROBE_REFUSE_MODE, I(0x64, 0x2e, 0x8b, 0x00) },

	{ "15 bytes and %rip", 0, UPROBE_REFUSE_TOO_LONG,
	  I(0xf2, 0x66, 0x67, 0xf0, 0x48, 0x81, 0x05, 0, 0, 0, 0, 1, 0, 0, 0) },

	{ "xbegin", 0, UPROBE_REFUSE_TRANSACTION, I(0xc7, 0xf8, 0, 0, 0, 0) },
	{ "xabort", 0, UPROBE_REFUSE_TRANSACTION, I(0xc6, 0xf8, 1) },
	{ "xend", 0, UPROBE_REFUSE_TRANSACTION, I(0x0f, 0x01, 0xd5) },
	{ "xtest", 0, UPROBE_REFUSE_TRANSACTION, I(0x0f, 0x01, 0xd6) },

	{ "sgdt", 0, UPROBE_REFUSE_STATE, I(0x0f, 0x01, 0x00) },
	{ "smsw", 0, UPROBE_REFUSE_STATE, I(0x0f, 0x01, 0xe0) },
	{ "str", 0, UPROBE_REFUSE_STATE, I(0x0f, 0x00, 0xc8) },
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
	{ "jecxz", 0, EMU_JCXZ, 0, 4, 4, { NO_MEM }, I(0x67, 0xe3, 4) },
	{ "loop", 0, EMU_LOOP, 0, 8, -4, { NO_MEM }, I(0xe2, 0xfc) },
	{ "loopne with cx", 1, EMU_LOOPNE, 0, 2, -4, { NO_MEM }, I(0x67, 0xe0, 0xfc) },
	{ "call", 0, EMU_CALL, 0, 8, -5, { NO_MEM }, I(0xe8, 0xfb, 0xff, 0xff, 0xff) },
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
	{ "cmp $-1,%eax", 0, EMU_CMP, REG(ax), 4, -1, { NO_MEM }, I(0x83, 0xf8, 0xff) },
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

static const struct stepped_row {
	const char *desc;
	bool is32;
	u8 fixups;
	struct test_insn insn;
} stepped_rows[] = {
	/* The last opcode byte of each of these is a jump or call without VEX. */
	{ "vmovdqu %ymm0,(%rdi)", 0, 0, I(0xc5, 0xfe, 0x7f, 0x07) },
	{ "vpsadbw", 0, 0, I(0xc5, 0xfd, 0xe8, 0xc1) },
	{ "vpxor", 0, 0, I(0xc5, 0xfd, 0xef, 0xc0) },
	{ "vmovdqu64 %zmm16,(%rax)", 0, 0, I(0x62, 0xe1, 0xfe, 0x48, 0x7f, 0x00) },
	{ "movdqu", 0, 0, I(0xf3, 0x0f, 0x6f, 0x06) },
	{ "movdqu, redundant 66", 0, 0, I(0x66, 0xf3, 0x0f, 0x6f, 0x06) },
	{ "movdqu, 66 behind f3", 0, 0, I(0xf3, 0x66, 0x0f, 0x6f, 0x06) },
	{ "pshufb, cs between prefix and opcode", 0, 0, I(0x66, 0x2e, 0x0f, 0x38, 0x00, 0xc1) },
	{ "vzeroupper", 0, 0, I(0xc5, 0xf8, 0x77) },
	{ "vpgatherdd", 0, 0, I(0xc4, 0xe2, 0x6d, 0x90, 0x04, 0x08) },
	{ "lock cmpxchg", 0, 0, I(0xf0, 0x0f, 0xb1, 0x0e) },
	{ "lock xadd", 0, 0, I(0xf0, 0x48, 0x0f, 0xc1, 0x06) },
	{ "lock cmpxchg16b", 0, 0, I(0xf0, 0x48, 0x0f, 0xc7, 0x0e) },
	{ "rep movsb", 0, 0, I(0xf3, 0xa4) },
	{ "xchg %r8,%rax is no nop", 0, 0, I(0x49, 0x90) },
	{ "cpuid", 0, 0, I(0x0f, 0xa2) },
	{ "rdtscp", 0, 0, I(0x0f, 0x01, 0xf9) },
	{ "xgetbv", 0, 0, I(0x0f, 0x01, 0xd0) },
	{ "rdpid", 0, 0, I(0xf3, 0x0f, 0xc7, 0xf8) },
	{ "mfence", 0, 0, I(0x0f, 0xae, 0xf0) },
	{ "xsave", 0, 0, I(0x0f, 0xae, 0x27) },
	{ "rdfsbase", 0, 0, I(0xf3, 0x48, 0x0f, 0xae, 0xc0) },
	{ "rdsspq", 0, 0, I(0xf3, 0x48, 0x0f, 0x1e, 0xc8) },
	{ "fld", 0, 0, I(0xdb, 0x2e) },
	{ "mov through memory", 0, 0, I(0x48, 0x8b, 0x44, 0x24, 0x08) },
	{ "movabs from memory", 0, 0, I(0xa1, 1, 2, 3, 4, 5, 6, 7, 8) },
	{ "push in 16 bits", 0, 0, I(0x66, 0x50) },
	{ "push through memory", 0, 0, I(0xff, 0x30) },
	{ "adc %rax,%rbx needs CF", 0, 0, I(0x48, 0x11, 0xc3) },
	{ "disp32 without a base", 1, 0, I(0x8b, 0x05, 0, 0, 0, 0) },
	{ "aam", 1, 0, I(0xd4, 0x0a) },
	{ "inc %eax", 1, 0, I(0x40) },
	{ "VEX in 32 bit", 1, 0, I(0xc5, 0xfe, 0x7f, 0x07) },

	{ "cmpl $0,(%rip)", 0, UPROBE_FIX_GS, I(0x83, 0x3d, 0, 0, 0, 0, 0) },
	{ "vmovaps (%rip)", 0, UPROBE_FIX_GS, I(0xc5, 0xf8, 0x28, 0x05, 0, 0, 0, 0) },
	{ "addl %fs:(%rip)", 0, UPROBE_FIX_FS | UPROBE_FIX_OLD_BASE,
	  I(0x64, 0x03, 0x05, 0, 0, 0, 0) },
	{ "addl, last of two", 0, UPROBE_FIX_GS | UPROBE_FIX_OLD_BASE,
	  I(0x64, 0x65, 0x03, 0x05, 0, 0, 0, 0) },
	{ "mov %gs,(%rip)", 0, UPROBE_FIX_FS, I(0x8c, 0x2d, 0, 0, 0, 0) },
	{ "mov %fs,(%rip)", 0, UPROBE_FIX_GS, I(0x8c, 0x25, 0, 0, 0, 0) },
};

KUNIT_ARRAY_PARAM_DESC(stepped, stepped_rows, desc);

static void test_stepped(struct kunit *test)
{
	const struct stepped_row *row = test->param_value;
	struct arch_uprobe au;

	KUNIT_ASSERT_EQ(test, test_analyze(&au, &row->insn, !row->is32), UPROBE_ACCEPTED);
	KUNIT_EXPECT_EQ(test, au.strategy, UPROBE_STEP);
	KUNIT_EXPECT_EQ(test, au.len, row->insn.n);
	KUNIT_EXPECT_EQ(test, au.fixups, row->fixups);
	if (!row->fixups) {
		KUNIT_EXPECT_EQ(test, au.xol_len, row->insn.n);
		KUNIT_EXPECT_MEMEQ(test, au.xol, row->insn.bytes, row->insn.n);
	}
}

/* ------------------------------------------------------------------ */

/* A file that ends within an instruction has no such instruction. */
static void test_cut_off(struct kunit *test)
{
	static const struct test_insn insns[] = {
		I(0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8),
		I(0x66, 0x48, 0x8d, 0x3d, 4, 0, 0, 0),
		I(0x62, 0xe1, 0xfe, 0x48, 0x7f, 0x00),
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
		0x83, 0x3d, 1, 2, 3, 4, 5, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x11, 0x22, 0x33,
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
	KUNIT_CASE_PARAM(test_stepped, stepped_gen_params),
	KUNIT_CASE(test_cut_off),
	KUNIT_CASE(test_original_bytes),
	KUNIT_CASE(test_reasons),
	{}
};

static struct kunit_suite analyze_suite = {
	.name = "uprobes_x86_analyze",
	.test_cases = analyze_cases,
};

kunit_test_suite(analyze_suite);
