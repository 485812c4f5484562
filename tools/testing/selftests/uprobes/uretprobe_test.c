// SPDX-License-Identifier: GPL-2.0-only
/*
 * Return probes: what the handler sees, and that a program in which functions
 * return in unusual ways, or not at all, does what it does without them.
 */
#include "common.h"

#include <setjmp.h>
#include <ucontext.h>

#define noinline __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))

/* ---- the functions under test ---- */

static noinline long give(long x)
{
	asm volatile("" : "+r" (x));
	return x * 3 + 1;
}

static noinline long outer(long x)
{
	return give(x) + give(x + 1) + 1000;
}

static noinline long recurse(long depth)
{
	asm volatile("" : "+r" (depth));	/* not a pure function */
	if (!depth)
		return 0;
	return recurse(depth - 1) + depth;
}

/* Its return is that of give(): a jump, not a call, and one return address. */
long tail_caller(long x);
asm("	.text\n"
	"	.globl	tail_caller\n"
	"	.type	tail_caller, @function\n"
	"tail_caller:\n"
#ifdef __x86_64__
	"	lea	5(%rdi), %rdi\n"
	"	jmp	tail_callee\n"
	"tail_callee:\n"
	"	lea	7(%rdi), %rax\n"
	"	ret\n"
#else
	"	addl	$5, 4(%esp)\n"
	"	jmp	tail_callee\n"
	"tail_callee:\n"
	"	mov	4(%esp), %eax\n"
	"	add	$7, %eax\n"
	"	ret\n"
#endif
	);
extern const char tail_callee[];

/* Each kind of first instruction: it is displaced when the return is noted. */
#define ENTRY(name, first)				\
	long name(void);				\
	asm("	.text\n"				\
	    "	.globl	" #name "\n"			\
	    #name ":	" first "\n"			\
	    "	mov	$42, %eax\n"			\
	    "	jmp	entry_end\n")

asm("	.text\n"
#ifdef __x86_64__
	"entry_end_pop: pop %rcx\n"
#else
	"entry_end_pop: pop %ecx\n"
#endif
	"entry_end: ret\n");

ENTRY(entry_nop, "nop");
ENTRY(entry_step, "imul $3, %edx, %edx");
#ifdef __x86_64__
ENTRY(entry_endbr, "endbr64");
ENTRY(entry_push, "push %rbp; pop %rbp");
ENTRY(entry_rip, "mov entry_end(%rip), %edx");
#else
ENTRY(entry_endbr, "endbr32");
ENTRY(entry_push, "push %ebp; pop %ebp");
ENTRY(entry_rip, "mov entry_end, %edx");
#endif
ENTRY(entry_jmp, "jmp 1f; ud2; 1:");
/* the return is the very instruction that is probed */
extern const char entry_ret[];
asm("	.text\n"
	"entry_ret: ret\n");

/* ---- plain ---- */

static noinline void *whence(void)
{
	return __builtin_extract_return_addr(__builtin_return_address(0));
}

/* The stack is not written, and nothing is mapped for that. */
TEST(true_return_address)
{
	struct probe out;

	ASSERT_EQ(0, probe_addr(&out, whence, PROBE_RET));
	for (int i = 0; i < 10; i++) {
		void *back = whence();

		EXPECT_LT((unsigned long)true_return_address, (unsigned long)back);
		EXPECT_GT((unsigned long)true_return_address + 4096, (unsigned long)back);
	}
	EXPECT_EQ(10, probe_hits(&out));
	probe_close(&out);
}

TEST(counts)
{
	struct probe in, out;

	ASSERT_EQ(0, probe_addr(&in, give, 0));
	ASSERT_EQ(0, probe_addr(&out, give, PROBE_RET));
	for (long i = 0; i < 100; i++)
		ASSERT_EQ(i * 3 + 1, give(i));
	EXPECT_EQ(100, probe_hits(&in));
	EXPECT_EQ(100, probe_hits(&out));
	probe_close(&out);
	EXPECT_EQ(7, give(2));
	EXPECT_EQ(101, probe_hits(&in));
	probe_close(&in);
	EXPECT_EQ(7, give(2));
}

static long call_ret(void)
{
	long ax = 77;

	asm volatile("call entry_ret" : "+a" (ax) : : "memory", "cc");
	return ax;
}

TEST(first_instructions)
{
	static const struct {
		const char *name;
		long (*run)(void);
		const void *at;
		long value;
	} entries[] = {
		{ "nop", entry_nop, entry_nop, 42 },
		{ "step", entry_step, entry_step, 42 },
		{ "endbr", entry_endbr, entry_endbr, 42 },
		{ "push", entry_push, entry_push, 42 },
		{ "rip", entry_rip, entry_rip, 42 },
		{ "jmp", entry_jmp, entry_jmp, 42 },
		{ "ret", call_ret, entry_ret, 77 },
	};
	struct probe out;

	for (unsigned int i = 0; i < ARRAY_SIZE(entries); i++) {
		ASSERT_EQ(0, probe_addr(&out, entries[i].at, PROBE_RET));
		for (int n = 0; n < 10; n++) {
			EXPECT_EQ(entries[i].value, entries[i].run())
				TH_LOG("%s", entries[i].name);
		}
		EXPECT_EQ(10, probe_hits(&out))
			TH_LOG("%s", entries[i].name);
		probe_close(&out);
		EXPECT_EQ(entries[i].value, entries[i].run());
	}
}

TEST(nested)
{
	struct probe a, b;

	ASSERT_EQ(0, probe_addr(&a, outer, PROBE_RET));
	ASSERT_EQ(0, probe_addr(&b, give, PROBE_RET));
	for (long i = 0; i < 20; i++)
		ASSERT_EQ(i * 6 + 1005, outer(i));
	EXPECT_EQ(20, probe_hits(&a));
	EXPECT_EQ(40, probe_hits(&b));
	probe_close(&a);
	probe_close(&b);
}

TEST(recursion)
{
	struct probe out;

	ASSERT_EQ(0, probe_addr(&out, recurse, PROBE_RET));
	EXPECT_EQ(5050, recurse(100));
	EXPECT_EQ(101, probe_hits(&out));
	EXPECT_EQ(5050, recurse(100));
	EXPECT_EQ(202, probe_hits(&out));
	probe_close(&out);
	EXPECT_EQ(5050, recurse(100));
}

TEST(tail_call)
{
	struct probe a, b;

	ASSERT_EQ(0, probe_addr(&a, tail_caller, PROBE_RET));
	ASSERT_EQ(0, probe_addr(&b, tail_callee, PROBE_RET));
	for (long i = 0; i < 20; i++)
		ASSERT_EQ(i + 12, tail_caller(i));
	EXPECT_EQ(20, probe_hits(&a));
	EXPECT_EQ(20, probe_hits(&b));
	probe_close(&a);
	probe_close(&b);
}

/* $retval, and in @func the entry and in the ip the caller, by tracefs. */
TEST(value_seen)
{
	char *trace = calloc(1, 1 << 20), want[64];
	unsigned long long func, ret;
	struct where w;
	char *line;
	int found = 0, n;

	ASSERT_TRUE(where_is(give, &w));
	write_text(TRACEFS "/trace", O_TRUNC, "");
	ASSERT_EQ(0, trace_add("r:uprobes/utest_value %s:0x%llx value=$retval:u32", w.path,
			       (unsigned long long)w.offset));
	ASSERT_EQ(0, trace_enable("utest_value", 1));
	for (long i = 0; i < 10; i++)
		give(i);
	ASSERT_EQ(0, trace_enable("utest_value", 0));
	EXPECT_EQ(10, trace_hits("utest_value"));
	ASSERT_LT(0, read_text(TRACEFS "/trace", trace, 1 << 20));
	EXPECT_EQ(0, trace_del("utest_value"));

	line = trace;
	for (long i = 0; i < 10; i++) {
		line = strstr(line, "utest_value: (0x");
		ASSERT_NE(NULL, line);
		line += strlen("utest_value: ");
		n = sscanf(line, "(0x%llx <- 0x%llx)", &ret, &func);
		ASSERT_EQ(2, n);
		EXPECT_EQ((unsigned long)give, func);
		EXPECT_LT((unsigned long)value_seen, ret);
		EXPECT_GT((unsigned long)value_seen + 4096, ret);
		snprintf(want, sizeof(want), "value=%ld", i * 3 + 1);
		EXPECT_NE(NULL, strstr(line, want));
		found++;
	}
	EXPECT_EQ(10, found);
	free(trace);
}

/* ---- returns that never come ---- */

static jmp_buf jump;

static noinline long jumps_out(long x)
{
	if (x & 1)
		longjmp(jump, 1);
	asm volatile("" : "+r" (x));
	return x;
}

TEST(jumped_over)
{
	struct probe a, b;
	volatile int jumps = 0, plain = 0;

	ASSERT_EQ(0, probe_addr(&a, jumps_out, PROBE_RET));
	ASSERT_EQ(0, probe_addr(&b, give, PROBE_RET));
	for (volatile int i = 0; i < 200; i++) {
		if (setjmp(jump)) {
			jumps++;
		} else {
			jumps_out(i);
			plain++;
		}
		ASSERT_EQ(7, give(2));
	}
	EXPECT_EQ(100, jumps);
	EXPECT_EQ(100, plain);
	EXPECT_EQ(100, probe_hits(&a));
	EXPECT_EQ(200, probe_hits(&b));
	probe_close(&a);
	probe_close(&b);
}

static noinline long jumps_from(long depth)
{
	jumps_out(!depth);
	return depth ? jumps_from(depth - 1) + 1 : 0;
}

TEST(jumped_over_deep)
{
	struct probe a, b;
	volatile int jumps = 0;

	ASSERT_EQ(0, probe_addr(&a, jumps_from, PROBE_RET));
	ASSERT_EQ(0, probe_addr(&b, recurse, PROBE_RET));
	for (volatile int i = 0; i < 50; i++) {
		if (setjmp(jump))
			jumps++;
		else
			jumps_from(20);
		ASSERT_EQ(55, recurse(10));
	}
	EXPECT_EQ(50, jumps);
	EXPECT_EQ(0, probe_hits(&a));
	EXPECT_EQ(50 * 11, probe_hits(&b));
	probe_close(&a);
	probe_close(&b);
}

/* ---- other stacks ---- */

static uint8_t low_stack[65536] __attribute__((aligned(64)));
static volatile int handled;

static void on_usr1(int sig)
{
	handled += give(2) == 7;
}

static noinline long signals_itself(long x)
{
	raise(SIGUSR1);
	return give(x);
}

static void run_on_altstack(struct __test_metadata *_metadata, void *stack, size_t size)
{
	struct sigaction sa = {
		.sa_handler = on_usr1,
		.sa_flags = SA_ONSTACK,
	};
	stack_t ss = {
		.ss_sp = stack,
		.ss_size = size,
	};
	struct probe a, b, c;

	ASSERT_EQ(0, sigaltstack(&ss, NULL));
	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	ASSERT_EQ(0, probe_addr(&a, signals_itself, PROBE_RET));
	ASSERT_EQ(0, probe_addr(&b, give, PROBE_RET));
	ASSERT_EQ(0, probe_addr(&c, on_usr1, PROBE_RET));
	handled = 0;
	for (long i = 0; i < 20; i++)
		ASSERT_EQ(i * 3 + 1, signals_itself(i));
	EXPECT_EQ(20, handled);
	EXPECT_EQ(20, probe_hits(&a));
	EXPECT_EQ(40, probe_hits(&b));
	EXPECT_EQ(20, probe_hits(&c));
	probe_close(&a);
	probe_close(&b);
	probe_close(&c);
}

TEST(signal_stack_below)
{
	run_on_altstack(_metadata, low_stack, sizeof(low_stack));
}

/* A signal stack above the one that is interrupted. */
static ucontext_t main_context, fiber[2];
static struct __test_metadata *inner_metadata;
static uint8_t *above;

static void on_fiber(void)
{
	run_on_altstack(inner_metadata, above, 65536);
}

TEST(signal_stack_above)
{
	above = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, above);
	inner_metadata = _metadata;
	getcontext(&fiber[0]);
	fiber[0].uc_stack.ss_sp = low_stack;
	fiber[0].uc_stack.ss_size = sizeof(low_stack);
	fiber[0].uc_link = &main_context;
	makecontext(&fiber[0], on_fiber, 0);
	swapcontext(&main_context, &fiber[0]);
}

/* Two fibers take turns inside probed functions; they return crosswise. */
static noinline long yields(int me, long x)
{
	swapcontext(&fiber[me], &fiber[!me]);
	return x + give(x);
}

static int fiber_rounds[2];

static void fiber_body(int me)
{
	for (long i = 0; i < 50; i++)
		fiber_rounds[me] += yields(me, i) == i * 4 + 1;
	swapcontext(&fiber[me], me ? &main_context : &fiber[1]);
}

FIXTURE(fibers) {
	uint8_t *stacks;
};

FIXTURE_VARIANT(fibers) {
	int first_is_low;
};

FIXTURE_VARIANT_ADD(fibers, low_first) {
	.first_is_low = 1,
};

FIXTURE_VARIANT_ADD(fibers, high_first) {
	.first_is_low = 0,
};

FIXTURE_SETUP(fibers)
{
	self->stacks = mmap(NULL, 2 * 65536, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->stacks);
}

FIXTURE_TEARDOWN(fibers)
{
	munmap(self->stacks, 2 * 65536);
}

TEST_F(fibers, take_turns)
{
	struct probe a, b;

	fiber_rounds[0] = 0;
	fiber_rounds[1] = 0;
	for (int i = 0; i < 2; i++) {
		getcontext(&fiber[i]);
		fiber[i].uc_stack.ss_sp = self->stacks + 65536 * (i == variant->first_is_low);
		fiber[i].uc_stack.ss_size = 65536;
		fiber[i].uc_link = &main_context;
		makecontext(&fiber[i], (void (*)(void))fiber_body, 1, i);
	}
	ASSERT_EQ(0, probe_addr(&a, yields, PROBE_RET));
	ASSERT_EQ(0, probe_addr(&b, give, PROBE_RET));
	swapcontext(&main_context, &fiber[0]);

	EXPECT_EQ(50, fiber_rounds[0]);
	EXPECT_EQ(50, fiber_rounds[1]);
	EXPECT_EQ(100, probe_hits(&a));
	EXPECT_EQ(100, probe_hits(&b));
	probe_close(&a);
	probe_close(&b);
}

/* ---- detached while a return is pending ---- */

static struct probe pending[2];

static noinline long detaches(long x)
{
	probe_close(&pending[x & 1]);
	return x + 10;
}

TEST(detached_while_pending)
{
	for (long i = 0; i < 20; i++) {
		ASSERT_EQ(0, probe_addr(&pending[i & 1], detaches, PROBE_RET));
		ASSERT_EQ(i + 10, detaches(i));
	}
	EXPECT_TRUE(xol_gone(0, 5));
}

/* A return probe and a probe on the place that is returned to. */
long calls_give(long x);
extern const char calls_give_back[];
asm("	.text\n"
	"	.globl	calls_give\n"
	"calls_give:\n"
#ifdef __x86_64__
	"	sub	$8, %rsp\n"
	"	call	give_target\n"
	"calls_give_back:\n"
	"	add	$8, %rsp\n"
	"	ret\n"
	"give_target: lea 1(%rdi), %rax\n"
	"	ret\n"
#else
	"	push	4(%esp)\n"
	"	call	give_target\n"
	"calls_give_back:\n"
	"	add	$4, %esp\n"
	"	ret\n"
	"give_target: mov 4(%esp), %eax\n"
	"	inc	%eax\n"
	"	ret\n"
#endif
	);
extern const char give_target[];

TEST(probe_where_it_returns)
{
	struct probe a, b;

	ASSERT_EQ(0, probe_addr(&a, give_target, PROBE_RET));
	ASSERT_EQ(0, probe_addr(&b, calls_give_back, 0));
	for (long i = 0; i < 30; i++)
		ASSERT_EQ(i + 1, calls_give(i));
	EXPECT_EQ(30, probe_hits(&a));
	EXPECT_EQ(30, probe_hits(&b));
	probe_close(&a);
	for (long i = 0; i < 30; i++)
		ASSERT_EQ(i + 1, calls_give(i));
	EXPECT_EQ(60, probe_hits(&b));
	probe_close(&b);
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
