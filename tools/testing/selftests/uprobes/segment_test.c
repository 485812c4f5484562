// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs that run in segments of their own, or in code of the other width. A probe
 * that is hit there in a way that its instruction was not decoded for is backed out,
 * and the program executes what it would have.
 */
#include "common.h"

#include <asm/ldt.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>

#ifdef __x86_64__
#define G_IP	REG_RIP
#define G_CS(uc)	((uc)->uc_mcontext.gregs[REG_CSGSFS] & 0xffff)
#else
#define G_IP	REG_EIP
#define G_CS(uc)	((uc)->uc_mcontext.gregs[REG_CS] & 0xffff)
#endif

#define SELECTOR(nr)	((nr) * 8 + 7)	/* LDT, ring 3 */

/* Which entry of the LDT is what */
enum {
	SMALL_STACK, OWN_STACK, FLAT_CODE, BASED_CODE, BASED_DATA,
	LAST_CODE = LDT_ENTRIES - 2, LAST_STACK,
};

/* What 32-bit code can reach: the program is linked below 4 GB. */
static uint8_t low_stack[4 * PAGE] __attribute__((aligned(PAGE)));

struct far_pointer {
	uint32_t offset;
	uint16_t selector;
} __attribute__((packed));

extern const char stack_push[], far_text[], far_push[], far_own_int3[], far_end[], far_back[];
#ifndef __x86_64__
extern const char small_nop[], small_push[], data_jump[], data_there[];
#endif

/*
 * far_text has the same meaning in both widths: 3 more than ax. far_own_int3 is an int3 of
 * the program's. Where they jump back to is on the stack. (To QEMU the accesses of far calls
 * and returns are those of a kernel: it faults.)
 */
asm("	.text\n"
#ifdef __x86_64__
	/* push and pop with dx in ss; leaves ax in bx */
	"stack_code:	mov	%ss, %ecx\n"
	"		mov	%edx, %ss\n"
	"		nop\n"
	"stack_push:	push	%rax\n"
	"		pop	%rbx\n"
	"		mov	%ecx, %ss\n"
	"		ret\n"
	/* far jump by way of si with the stack at di; nothing of 64 bits outlives that */
	"far_code:	push	%rbx\n"
	"		push	%rbp\n"
	"		push	%r12\n"
	"		push	%r13\n"
	"		push	%r14\n"
	"		push	%r15\n"
	"		mov	%rsp, saved_sp(%rip)\n"
	"		mov	%rdi, %rsp\n"
	"		ljmp	*(%rsi)\n"
	"far_back:	mov	saved_sp(%rip), %rsp\n"
	"		pop	%r15\n"
	"		pop	%r14\n"
	"		pop	%r13\n"
	"		pop	%r12\n"
	"		pop	%rbp\n"
	"		pop	%rbx\n"
	"		ret\n"
	"		.code32\n"
#else
	"stack_code:	mov	%ss, %ecx\n"
	"		mov	%edx, %ss\n"
	"		nop\n"
	"stack_push:	push	%eax\n"
	"		pop	%ebx\n"
	"		mov	%ecx, %ss\n"
	"		ret\n"
	/* ax is pushed at bx in the segment dx; leaves the stack pointer in bx */
	"small_code:	mov	%esp, saved_sp\n"
	"		mov	%ss, %ecx\n"
	"		mov	%edx, %ss\n"
	"		mov	%ebx, %esp\n"
	"small_nop:	nop\n"
	"small_push:	push	%eax\n"
	"		mov	%esp, %ebx\n"
	"		mov	%ecx, %ss\n"
	"		mov	saved_sp, %esp\n"
	"		ret\n"
	/* jumps to where ax points to in the segment dx; leaves 1 in bx */
	"data_code:	mov	%ds, %ecx\n"
	"		mov	%edx, %ds\n"
	"data_jump:	jmp	*(%eax)\n"
	"data_there:	mov	%ecx, %ds\n"
	"		mov	$1, %ebx\n"
	"		ret\n"
	"far_code:	mov	%esp, saved_sp\n"
	"		mov	%edi, %esp\n"
	"		ljmp	*(%esi)\n"
	"far_back:	mov	saved_sp, %esp\n"
	"		ret\n"
#endif
	"		.balign	64\n"
	"far_text:	nop\n"
	"far_push:	push	%eax\n"
	"		pop	%ecx\n"
	"		lea	3(%ecx), %eax\n"
	"		ljmp	*(%esp)\n"
	"		.balign	64\n"
	"far_own_int3:	int3\n"
	"		ljmp	*(%esp)\n"
	"far_end:\n"
#ifdef __x86_64__
	"		.code64\n"
#endif
	"		.local	saved_sp\n"
	"		.comm	saved_sp, 8, 8\n");

static bool make_segment(unsigned int nr, const void *base, unsigned int limit,
			 unsigned int contents, bool wide)
{
	struct user_desc desc = {
		.entry_number = nr,
		.base_addr = (unsigned long)base,
		.limit = limit,
		.seg_32bit = wide,
		.contents = contents,
		.limit_in_pages = limit > 0xffff,
	};

	return !syscall(SYS_modify_ldt, 0x11, &desc, sizeof(desc));
}

#define DATA	0
#define CODE	(MODIFY_LDT_CONTENTS_CODE)

static unsigned long run_stack(unsigned long ax, unsigned int selector)
{
	unsigned long bx;

	asm volatile("call stack_code" : "=b" (bx) : "a" (ax), "d" (selector)
		     : "ecx", "memory", "cc");
	return bx;
}

static unsigned int run_far(unsigned int ax, const void *where, const void *base,
			    unsigned int selector)
{
	struct far_pointer *back = (void *)(low_stack + sizeof(low_stack) - 64);
	struct far_pointer to = {
		.offset = (unsigned long)where - (unsigned long)base,
		.selector = selector,
	};

	back->offset = (unsigned long)far_back;
	asm volatile("mov %%cs, %0" : "=m" (back->selector));
	asm volatile("call far_code" : "+a" (ax)
		     : "D" (back), "S" (&to)
		     : "ecx", "edx", "memory", "cc"
#ifdef __x86_64__
		     , "r8", "r9", "r10", "r11"
#endif
		     );
	return ax;
}

/* All of a stack segment's limits are those of the kernel's own: a hit as any other. */
static void check_own_stack(struct __test_metadata *_metadata, unsigned int nr)
{
	struct probe p;

	ASSERT_TRUE(make_segment(nr, NULL, 0xfffff, DATA, true));
	ASSERT_EQ(5, run_stack(5, SELECTOR(nr)));
	ASSERT_EQ(0, probe_addr(&p, stack_push, 0));
	for (unsigned int i = 0; i < 3; i++)
		EXPECT_EQ(i, run_stack(i, SELECTOR(nr)));
	EXPECT_EQ(3, probe_hits(&p));
	probe_close(&p);
}

TEST(stack_of_its_own)
{
	check_own_stack(_metadata, OWN_STACK);
}

/* A selector that is negative, if it is taken for a signed one */
TEST(stack_from_the_end_of_the_table)
{
	check_own_stack(_metadata, LAST_STACK);
}

#ifndef __x86_64__
static uint8_t small_stack[65536] __attribute__((aligned(PAGE)));

static unsigned long run_small(unsigned long ax, unsigned long bx)
{
	asm volatile("call small_code" : "+b" (bx) : "a" (ax), "d" (SELECTOR(SMALL_STACK))
		     : "ecx", "memory", "cc");
	return bx;
}

/* Of a stack pointer with more than 16 bits the rest is not part of the address. */
TEST(stack_of_16_bits)
{
	static const char *const insns[] = { small_nop, small_push };
	static uint8_t native[sizeof(small_stack)];
	unsigned long sp = 0x12340100, left;
	struct probe p;
	long before;

	ASSERT_TRUE(make_segment(SMALL_STACK, small_stack, 0xffff, DATA, false));
	left = run_small(0x11223344, sp);
	ASSERT_EQ(sp - 4, left);
	ASSERT_EQ(0x11223344, *(uint32_t *)(small_stack + 0xfc));
	memcpy(native, small_stack, sizeof(native));

	for (unsigned int i = 0; i < ARRAY_SIZE(insns); i++) {
		before = debugfs_stat("drop_mode");
		ASSERT_LE(0, before);
		ASSERT_EQ(0, probe_addr(&p, insns[i], 0));
		for (int n = 0; n < 3; n++) {
			memset(small_stack, 0, sizeof(small_stack));
			EXPECT_EQ(left, run_small(0x11223344, sp));
			EXPECT_EQ(0, memcmp(small_stack, native, sizeof(native)));
		}
		EXPECT_EQ(0, probe_hits(&p));
		EXPECT_EQ(before + 1, debugfs_stat("drop_mode"));
		probe_close(&p);
	}
}

static const void *const target[] = { data_there };

static bool jumps(unsigned long at, unsigned int selector)
{
	unsigned int bx = 0;

	asm volatile("call data_code" : "+b" (bx) : "a" (at), "d" (selector)
		     : "ecx", "memory", "cc");
	return bx == 1;
}

/* An emulated access to a segment that begins elsewhere */
TEST(data_with_base)
{
	unsigned long base = (unsigned long)target - 0x40;
	struct user_desc tls = {
		.entry_number = -1,
		.base_addr = base,
		.limit = 0xfffff,
		.limit_in_pages = 1,
		.seg_32bit = 1,
	};
	unsigned int selectors[2] = { SELECTOR(BASED_DATA) };
	struct probe p;

	ASSERT_TRUE(make_segment(BASED_DATA, (const void *)base, 0xfffff, DATA, true));
	ASSERT_EQ(0, syscall(SYS_set_thread_area, &tls));
	selectors[1] = tls.entry_number * 8 + 3;
	for (unsigned int i = 0; i < ARRAY_SIZE(selectors); i++) {
		ASSERT_TRUE(jumps(0x40, selectors[i]));
		ASSERT_EQ(0, probe_addr(&p, data_jump, 0));
		for (int n = 0; n < 3; n++)
			EXPECT_TRUE(jumps(0x40, selectors[i]));
		EXPECT_EQ(3, probe_hits(&p));
		probe_close(&p);
	}
}

static volatile unsigned long segv_ip, segv_trap, segv_error;

static void on_segv(int sig, siginfo_t *info, void *ctx)
{
	greg_t *regs = ((ucontext_t *)ctx)->uc_mcontext.gregs;

	segv_ip = regs[REG_EIP];
	segv_trap = regs[REG_TRAPNO];
	segv_error = regs[REG_ERR];
	regs[REG_EIP] = (unsigned long)data_there;
}

/*
 * Any of the null selectors, 0 to 3, can be loaded, and not be used (SDM volume 3, 3.4.2).
 * QEMU lets them be used where nothing is probed, so that is not compared.
 */
TEST(null_data)
{
	struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };
	struct probe p;

	ASSERT_EQ(0, sigaction(SIGSEGV, &sa, NULL));
	for (unsigned int sel = 0; sel < 4; sel++) {
		segv_ip = 0;
		ASSERT_EQ(0, probe_addr(&p, data_jump, 0));
		ASSERT_TRUE(jumps((unsigned long)target, sel));
		EXPECT_EQ((unsigned long)data_jump, segv_ip);
		EXPECT_EQ(13, segv_trap);
		EXPECT_EQ(0, segv_error);
		probe_close(&p);
	}
}
#endif

FIXTURE(far) {
	const void *base;
	unsigned int selector;
	uint8_t text[128];
};

FIXTURE_VARIANT(far) {
	bool kernels;		/* not in the LDT */
	bool based;
	bool last;		/* from the end of the LDT */
};

FIXTURE_VARIANT_ADD(far, flat) {
};

FIXTURE_VARIANT_ADD(far, with_base) {
	.based = true,
};

FIXTURE_VARIANT_ADD(far, with_base_and_last) {
	.based = true,
	.last = true,
};

#ifdef __x86_64__
/* The kernel's segment for 32-bit programs, which a 64-bit one can use as well */
FIXTURE_VARIANT_ADD(far, other_width) {
	.kernels = true,
};
#endif

#define KERNELS_32	0x23

static unsigned int own_code(void)
{
	unsigned int cs;

	asm("mov %%cs, %0" : "=r" (cs));
	return cs;
}

FIXTURE_SETUP(far)
{
	self->selector = KERNELS_32;
	if (!variant->kernels) {
		unsigned int nr = variant->based ? BASED_CODE : FLAT_CODE;

		if (variant->last)
			nr = LAST_CODE;

		/* So that nothing is below it, should that be taken for an address. */
		self->base = variant->based ? far_text - 16 : NULL;
		ASSERT_TRUE(make_segment(nr, self->base, 0xfffff, CODE, true));
		self->selector = SELECTOR(nr);
	}
	memcpy(self->text, far_text, far_end - far_text);
	ASSERT_EQ(8, run_far(5, far_text, self->base, self->selector));
}

FIXTURE_TEARDOWN(far)
{
	EXPECT_EQ(0, memcmp(self->text, far_text, far_end - far_text));
}

TEST_F(far, backed_out)
{
	static const char *const insns[] = { far_text, far_push };
	struct probe p;
	long before;

	for (unsigned int i = 0; i < ARRAY_SIZE(insns); i++) {
		before = debugfs_stat("drop_mode");
		ASSERT_LE(0, before);
		ASSERT_EQ(0, probe_addr(&p, insns[i], 0));
		EXPECT_NE(0, memcmp(self->text, far_text, far_end - far_text));
		for (int n = 0; n < 3; n++)
			EXPECT_EQ(10, run_far(7, far_text, self->base, self->selector));
		EXPECT_EQ(0, probe_hits(&p));
		EXPECT_EQ(before + 1, debugfs_stat("drop_mode"));
		EXPECT_EQ(0, memcmp(self->text, far_text, far_end - far_text));
		probe_close(&p);
	}
}

/* A child of fork() has the breakpoint before anything is known of it. */
TEST_F(far, backed_out_in_a_child)
{
	struct probe p;
	pid_t child;

	ASSERT_EQ(0, probe_addr(&p, far_push, 0));
	child = fork();
	if (!child)
		_exit(run_far(7, far_text, self->base, self->selector));
	EXPECT_EQ(10, child_status(child));
	EXPECT_EQ(0, probe_hits(&p));
	probe_close(&p);
}

/* Out of that process: another one that runs the file as it is meant has its hits. */
TEST_F(far, backed_out_here_only)
{
	struct where w;
	struct probe p;
	int go[2];
	pid_t child;
	char c;

	ASSERT_EQ(0, pipe(go));
	child = fork();
	if (!child) {
		close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		for (int i = 0; i < 3; i++)
			if (run_far(7, far_text, NULL, own_code()) != 10)
				_exit(2);
		_exit(0);
	}
	ASSERT_TRUE(where_is(far_push, &w));
	ASSERT_EQ(0, probe_all(&p, w.path, w.offset, 0));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(10, run_far(7, far_text, self->base, self->selector));
	EXPECT_EQ(0, probe_hits(&p));
	EXPECT_EQ(1, write(go[1], "g", 1));
	EXPECT_EQ(0, child_status(child));
	EXPECT_EQ(3, probe_hits(&p));
	probe_close(&p);
}

static volatile unsigned long trap_ip, trap_cs;
static volatile int traps;

static void on_trap(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;

	traps++;
	trap_ip = uc->uc_mcontext.gregs[G_IP];
	trap_cs = G_CS(uc);
}

/*
 * The program's own int3, in a segment where its ip is also the address of a probe: the
 * signal is the program's, and the probe stays.
 */
TEST_F(far, int3_of_its_own)
{
	static uint8_t alternate[8 * PAGE] __attribute__((aligned(PAGE)));
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	struct sigaction sa = {
		.sa_sigaction = on_trap,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	const void *base = self->base;
	struct probe p;

	ASSERT_EQ(0, sigaltstack(&stack, NULL));
	ASSERT_EQ(0, sigaction(SIGTRAP, &sa, NULL));
	if (variant->based) {
		base = (void *)((unsigned long)far_own_int3 - (unsigned long)stack_push);
		ASSERT_TRUE(make_segment(self->selector >> 3, base, 0xfffff, CODE, true));
	}
	ASSERT_EQ(0, probe_addr(&p, stack_push, 0));
	run_far(7, far_own_int3, base, self->selector);
	EXPECT_EQ(1, traps);
	EXPECT_EQ((unsigned long)far_own_int3 + 1 - (unsigned long)base, trap_ip);
	EXPECT_EQ(self->selector, trap_cs);
	ASSERT_TRUE(make_segment(OWN_STACK, NULL, 0xfffff, DATA, true));
	EXPECT_EQ(5, run_stack(5, SELECTOR(OWN_STACK)));
	EXPECT_EQ(1, probe_hits(&p));
	probe_close(&p);
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
