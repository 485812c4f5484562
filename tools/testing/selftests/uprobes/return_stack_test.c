// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stacks that are left, entered and abandoned in every way, with a return probe
 * on every function of the program: its own, libc's, and those that switch.
 */
#include "return_engine.h"

#include <pthread.h>
#include <setjmp.h>
#include <sys/time.h>
#include <ucontext.h>

#define STACK	262144

static uint8_t low_stacks[2][STACK] __attribute__((aligned(64)));

static uint8_t *new_stacks(int n)
{
	void *at = mmap(NULL, n * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	if (at == MAP_FAILED)
		_exit(99);
	return at;
}

/* ---- plain functions ---- */

static PROBED long leaf(long x)
{
	asm volatile("" : "+r" (x));
	RETURNS(leaf);
	return x * 3 + 1;
}

static PROBED long recurse(long depth)
{
	long x = depth ? recurse(depth - 1) + depth : leaf(0);

	RETURNS(recurse);
	return x;
}

SCENARIO(recursion)
{
	for (int i = 0; i < 20; i++)
		printf("%ld\n", recurse(100));
	printf("%ld\n", recurse(50000));
	printf("%ld\n", recurse(50000));
	return 3;
}

/* ---- stacks switched by hand ---- */

/*
 * Both save the registers that a function has to keep and the stack pointer in
 * *@save, and go on at @to. The first returns there, as most do; the other pops
 * the address and jumps, as Boost.Context does.
 */
void switch_return(void **save, void *to);
void switch_jump(void **save, void *to);
void fiber_start(void);

#ifdef __x86_64__
#define SWITCH(name, last)				\
	asm("	.text\n"				\
	    "	.globl	" #name "\n"			\
	    "	.type	" #name ", @function\n"		\
	    #name ":\n"					\
	    "	push	%rbp\n"				\
	    "	push	%rbx\n"				\
	    "	push	%r12\n"				\
	    "	push	%r13\n"				\
	    "	push	%r14\n"				\
	    "	push	%r15\n"				\
	    "	mov	%rsp, (%rdi)\n"			\
	    "	mov	%rsi, %rsp\n"			\
	    "	pop	%r15\n"				\
	    "	pop	%r14\n"				\
	    "	pop	%r13\n"				\
	    "	pop	%r12\n"				\
	    "	pop	%rbx\n"				\
	    "	pop	%rbp\n"				\
	    "	" last "\n"				\
	    "	.size	" #name ", . - " #name "\n")

SWITCH(switch_return, "ret");
SWITCH(switch_jump, "pop %rcx; jmp *%rcx");
#define SAVED	6	/* registers */
#define FIRST	2	/* of them is rbx: r15, r14, r13, r12, rbx, rbp */
asm("	.text\n"
	"fiber_start:\n"
	"	mov	%r13, %rdi\n"
	"	call	fiber_body\n"
	"	ud2\n");
#else
#define SWITCH(name, last)				\
	asm("	.text\n"				\
	    "	.globl	" #name "\n"			\
	    "	.type	" #name ", @function\n"		\
	    #name ":\n"					\
	    "	mov	4(%esp), %eax\n"		\
	    "	mov	8(%esp), %edx\n"		\
	    "	push	%ebp\n"				\
	    "	push	%ebx\n"				\
	    "	push	%esi\n"				\
	    "	push	%edi\n"				\
	    "	mov	%esp, (%eax)\n"			\
	    "	mov	%edx, %esp\n"			\
	    "	pop	%edi\n"				\
	    "	pop	%esi\n"				\
	    "	pop	%ebx\n"				\
	    "	pop	%ebp\n"				\
	    "	" last "\n"				\
	    "	.size	" #name ", . - " #name "\n")

SWITCH(switch_return, "ret");
SWITCH(switch_jump, "pop %ecx; jmp *%ecx");
#define SAVED	4
#define FIRST	2	/* edi, esi, ebx, ebp */
asm("	.text\n"
	"fiber_start:\n"
	"	push	%ebx\n"
	"	call	fiber_body\n"
	"	ud2\n");
#endif

#define ROUNDS	20
#define FIBERS	3

struct fiber {
	void *sp, *back;
	bool jumps;
	int id, rounds;
	long sum;
};

static PROBED void yield(struct fiber *f)
{
	if (f->jumps) {
		switch_jump(&f->sp, f->back);
		RETURNED(switch_jump, 1);
	} else {
		switch_return(&f->sp, f->back);
		RETURNED(switch_return, 1);
	}
	RETURNS(yield);
}

static PROBED void resume(struct fiber *f)
{
	if (f->jumps) {
		switch_jump(&f->back, f->sp);
		RETURNED(switch_jump, 1);
	} else {
		switch_return(&f->back, f->sp);
		RETURNED(switch_return, 1);
	}
	RETURNS(resume);
}

/* Suspended at its deepest, and once more on the way back */
static PROBED long descend(struct fiber *f, long depth)
{
	long x;

	if (!depth)
		yield(f);
	x = depth ? descend(f, depth - 1) + depth : leaf(1);
	if (depth == 1)
		yield(f);
	RETURNS(descend);
	return x;
}

__attribute__((used)) void fiber_body(struct fiber *f)
{
	for (;;) {
		f->sum += descend(f, 3 + f->id) + recurse(5 * f->id);
		f->rounds++;
		yield(f);
	}
}

static void fiber_init(struct fiber *f, int id, uint8_t *stack, bool jumps)
{
	/* So that the stack is aligned where fiber_body() is entered */
	void **sp = (void **)(stack + STACK - 64 - (sizeof(long) == 4 ? 12 : 0));

	memset(f, 0, sizeof(*f));
	f->id = id;
	f->jumps = jumps;
	*--sp = fiber_start;
	for (int i = 0; i < SAVED; i++)
		*--sp = i == SAVED - 1 - FIRST ? f : NULL;
	f->sp = sp;
}

static void take_turns(struct fiber *f)
{
	static const uint8_t orders[][FIBERS] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	uint32_t x = 1;

	for (unsigned int o = 0; o < ARRAY_SIZE(orders); o++)
		for (int i = 0; i < ROUNDS * FIBERS; i++)
			resume(&f[orders[o][i % FIBERS]]);
	/* In disorder, and from other depths of this stack */
	for (int i = 0; i < 400; i++) {
		x = x * 1103515245 + 12345;
		resume(&f[(x >> 16) % FIBERS]);
		if (x & 1 << 20)
			recurse((x >> 24) % 10);
	}
	for (int i = 0; i < FIBERS; i++)
		printf("fiber %d: %d rounds, %ld\n", i, f[i].rounds, f[i].sum);
}

/* Below the program's own stack all: one by the program's data, two mapped ones */
static void fibers(bool jumps, bool ascending)
{
	uint8_t *mapped = new_stacks(FIBERS);
	struct fiber f[FIBERS];

	for (int i = 0; i < FIBERS; i++)
		fiber_init(&f[i], i, mapped + STACK * (ascending ? i : FIBERS - 1 - i), jumps);
	fiber_init(&f[1], 1, low_stacks[0], jumps);
	take_turns(f);
}

SCENARIO(fibers_that_return)
{
	fibers(false, true);
	fibers(false, false);
	return 0;
}

SCENARIO(fibers_that_jump)
{
	fibers(true, true);
	fibers(true, false);
	return 0;
}

/* The scheduler too is on a low stack: the others are above of it. */
static struct fiber scheduler;

static PROBED void schedule(struct fiber *f)
{
	(void)f;
	fibers(false, true);
	fibers(true, true);
	RETURNS(schedule);
}

static void *scheduler_stack_end;

static void on_other_stack(void (*run)(struct fiber *f), uint8_t *stack)
{
	ucontext_t here, there;

	getcontext(&there);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = STACK;
	there.uc_link = &here;
	scheduler_stack_end = stack + STACK;
	makecontext(&there, (void (*)(void))run, 1, &scheduler);
	swapcontext(&here, &there);
	RETURNED(swapcontext, 1);
}

SCENARIO(fibers_above)
{
	on_other_stack(schedule, low_stacks[1]);
	return 0;
}

static PROBED void *resume_thread(void *arg)
{
	resume(arg);
	RETURNS(resume_thread);
	return NULL;
}

SCENARIO(fibers_on_other_threads)
{
	uint8_t *mapped = new_stacks(2);
	struct fiber f[2];
	pthread_t t[2];

	for (int i = 0; i < 2; i++)
		fiber_init(&f[i], i, mapped + STACK * i, i);
	for (int i = 0; i < 40; i++) {
		if (i % 5 == 4) {
			resume(&f[0]);
			resume(&f[1]);
			continue;
		}
		for (int k = 0; k < 2; k++)
			if (pthread_create(&t[k], NULL, resume_thread, &f[k]))
				return 98;
		for (int k = 0; k < 2; k++)
			pthread_join(t[k], NULL);
	}
	for (int i = 0; i < 2; i++)
		printf("fiber %d: %d rounds, %ld\n", i, f[i].rounds, f[i].sum);
	return 0;
}

/* ---- libc's contexts ---- */

static ucontext_t context[FIBERS], home;

static PROBED long yield_context(int me, long depth)
{
	long x = depth;

	if (!depth) {
		swapcontext(&context[me], &home);
		RETURNED(swapcontext, 1);
		x = leaf(me);
	} else {
		x += yield_context(me, depth - 1);
	}
	RETURNS(yield_context);
	return x;
}

static PROBED void context_body(int me)
{
	long sum = 0;

	for (int i = 0; i < ROUNDS; i++)
		sum += yield_context(me, 4 + me);
	printf("context %d: %ld\n", me, sum);
	RETURNS(context_body);
}

SCENARIO(contexts)
{
	int left[FIBERS] = { ROUNDS + 1, ROUNDS + 1, ROUNDS + 1 };
	uint8_t *mapped = new_stacks(FIBERS);
	uint32_t x = 7;

	for (int i = 0; i < FIBERS; i++) {
		getcontext(&context[i]);
		context[i].uc_stack.ss_sp = i == 1 ? low_stacks[0] : mapped + STACK * i;
		context[i].uc_stack.ss_size = STACK;
		context[i].uc_link = &home;
		makecontext(&context[i], (void (*)(void))context_body, 1, i);
	}
	while (left[0] + left[1] + left[2]) {
		int i;

		x = x * 1103515245 + 12345;
		i = (x >> 16) % FIBERS;
		if (!left[i])
			continue;
		left[i]--;
		swapcontext(&home, &context[i]);
		RETURNED(swapcontext, 1);
	}
	return 0;
}

/* ---- out of functions that never return ---- */

static jmp_buf out;

static PROBED long jumps_at(long depth, bool jump)
{
	long x = depth;

	if (depth)
		x += jumps_at(depth - 1, jump);
	else if (jump)
		longjmp(out, 1);
	RETURNS(jumps_at);
	return x;
}

/* Each time at the same place of the stack, and called from the same place */
SCENARIO(jumped_out_and_called_again)
{
	volatile int jumps = 0;
	volatile long sum = 0;

	for (volatile int i = 0; i < 1000; i++) {
		if (setjmp(out))
			jumps++;
		else
			sum += jumps_at(i % 7, i % 3);
		sum += leaf(i);
	}
	printf("%d jumps, %ld\n", jumps, sum);
	return 0;
}

SCENARIO(jumped_out_of_the_deep)
{
	volatile int jumps = 0;
	volatile long sum = 0;

	for (volatile int i = 0; i < 6; i++) {
		if (setjmp(out))
			jumps++;
		else
			sum += jumps_at(15000 + i, i % 2);
		sum += recurse(1000);
	}
	printf("%d jumps, %ld\n", jumps, sum);
	return 0;
}

static long (*volatile callee)(long x);

static PROBED long never_returns(long x)
{
	longjmp(out, x);
}

/*
 * Called again from the same place with the same stack, but another function:
 * to the kernel that looks like a tail call of the one by the other. The
 * program does not mind.
 */
SCENARIO(another_function_in_its_place)
{
	volatile int jumps = 0;
	volatile long sum = 0;

	for (volatile int i = 0; i < 100; i++) {
		callee = i % 2 ? leaf : never_returns;
		if (setjmp(out))
			jumps++;
		else
			sum += callee(i + 1);
	}
	MAY_RETURN(never_returns, jumps);
	printf("%d jumps, %ld\n", jumps, sum);
	return 0;
}

/* ---- returns of another kind ---- */

/* One return for all three; the last one has a number of its own to pop. */
long tail_a(long x), tail_b(long x), tail_c(long x);
long tail_self(long n);
long call_pops(long x);
void pops(void);

asm("	.text\n"
	"	.type	tail_a, @function\n"
	"	.type	tail_b, @function\n"
	"	.type	tail_c, @function\n"
	"	.type	tail_self, @function\n"
	"	.type	call_pops, @function\n"
	"	.type	pops, @function\n"
#ifdef __x86_64__
	"tail_a:	add	$1, %rdi\n"
	"		jmp	tail_b\n"
	"tail_b:	add	$20, %rdi\n"
	"		jmp	tail_c\n"
	"tail_c:	lea	300(%rdi), %rax\n"
	"		ret\n"
	"tail_self:	sub	$1, %rdi\n"
	"		jg	tail_self\n"
	"		lea	5(%rdi), %rax\n"
	"		ret\n"
	"call_pops:	mov	%rsp, %rdx\n"
	"		sub	$8, %rsp\n"
	"		push	%rdi\n"
	"		push	$2\n"
	"		call	pops\n"
	"		add	$8, %rsp\n"
	"		cmp	%rsp, %rdx\n"
	"		je	1f\n"
	"		ud2\n"
	"1:		ret\n"
	"pops:	mov	8(%rsp), %rax\n"
	"		add	16(%rsp), %rax\n"
	"		ret	$16\n"
#else
	"tail_a:	addl	$1, 4(%esp)\n"
	"		jmp	tail_b\n"
	"tail_b:	addl	$20, 4(%esp)\n"
	"		jmp	tail_c\n"
	"tail_c:	mov	4(%esp), %eax\n"
	"		add	$300, %eax\n"
	"		ret\n"
	"tail_self:	subl	$1, 4(%esp)\n"
	"		jg	tail_self\n"
	"		mov	4(%esp), %eax\n"
	"		add	$5, %eax\n"
	"		ret\n"
	"call_pops:	mov	%esp, %edx\n"
	"		push	4(%esp)\n"
	"		push	$2\n"
	"		call	pops\n"
	"		cmp	%esp, %edx\n"
	"		je	1f\n"
	"		ud2\n"
	"1:		ret\n"
	"pops:	mov	4(%esp), %eax\n"
	"		add	8(%esp), %eax\n"
	"		ret	$8\n"
#endif
	);

static PROBED long tail_deep(long depth)
{
	long x = depth ? tail_deep(depth - 1) : 0;

	x += tail_a(depth) + tail_b(depth);
	RETURNED(tail_a, 1);
	RETURNED(tail_b, 2);
	RETURNED(tail_c, 2);
	RETURNS(tail_deep);
	return x;
}

SCENARIO(tail_calls)
{
	long sum = 0;

	for (int i = 0; i < 30; i++)
		sum += tail_deep(i) + leaf(i);
	printf("%ld\n", sum);
	return 0;
}

/* The n-th entry of one call: as many returns, or a single one? */
SCENARIO(tail_calls_of_itself)
{
	long sum = 0;

	for (int i = 0; i < 30; i++) {
		sum += tail_self(20);
		RETURNED(tail_self, 1);
		MAY_RETURN(tail_self, 19);
	}
	printf("%ld\n", sum);
	return 0;
}

SCENARIO(arguments_popped)
{
	long sum = 0;

	for (int i = 0; i < 100; i++) {
		sum += call_pops(i);
		RETURNED(call_pops, 1);
		RETURNED(pops, 1);
	}
	printf("%ld\n", sum);
	return 0;
}

/* ---- signal handlers, on other stacks and on the same ---- */

static volatile int handled;
static volatile bool leave;
static sigjmp_buf left;

static PROBED void on_inner(int sig)
{
	(void)sig;
	handled += leaf(2) == 7;
	RETURNS(on_inner);
}

static PROBED void on_signal(int sig)
{
	(void)sig;
	handled += recurse(10) == 56;
	raise(SIGUSR2);
	if (leave)
		siglongjmp(left, 1);
	RETURNS(on_signal);
}

static PROBED long interrupted(long depth)
{
	long x = depth ? interrupted(depth - 1) + 1 : raise(SIGUSR1);

	RETURNS(interrupted);
	return x;
}

static void with_handlers(void *stack)
{
	struct sigaction sa = {
		.sa_handler = on_signal,
		.sa_flags = stack ? SA_ONSTACK : 0,
	};
	stack_t ss = {
		.ss_sp = stack,
		.ss_size = STACK,
	};
	volatile long sum = 0;

	if (stack && sigaltstack(&ss, NULL))
		_exit(97);
	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_handler = on_inner;
	sigaction(SIGUSR2, &sa, NULL);
	handled = 0;
	leave = false;
	for (int i = 0; i < 40; i++)
		sum += interrupted(i % 12);
	leave = true;
	for (volatile int i = 0; i < 40; i++) {
		if (sigsetjmp(left, 1))
			sum += 100;
		else
			sum += interrupted(i % 12);
		sum += leaf(i);
	}
	printf("%d handled, %ld\n", handled, sum);
}

SCENARIO(signals_on_this_stack)
{
	with_handlers(NULL);
	return 0;
}

SCENARIO(signals_on_a_stack_below)
{
	with_handlers(low_stacks[0]);
	return 0;
}

static uint8_t *above;

static PROBED void handlers_above(struct fiber *f)
{
	(void)f;
	with_handlers(above);
	RETURNS(handlers_above);
}

SCENARIO(signals_on_a_stack_above)
{
	above = new_stacks(1);
	on_other_stack(handlers_above, low_stacks[0]);
	return (void *)above < scheduler_stack_end;
}

/* How many come is for the clock to say. */
SCENARIO(signals_at_any_time)
{
	struct itimerval every = {
		.it_interval.tv_usec = 3000,
		.it_value.tv_usec = 3000,
	}, never = { };
	struct sigaction sa = {
		.sa_handler = on_inner,
		.sa_flags = SA_ONSTACK | SA_RESTART,
	};
	stack_t ss = {
		.ss_sp = new_stacks(1),
		.ss_size = STACK,
	};
	long sum = 0;

	sigaltstack(&ss, NULL);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (int i = 0; i < 60; i++)
		sum += recurse(60) + tail_deep(10);
	setitimer(ITIMER_REAL, &never, NULL);
	printf("%ld\n", sum);
	return 0;
}

/* ---- in which order? ---- */

#define TRACE_SIZE	1048576

/* One letter for each return in the trace, that of the event; @got may hold @size. */
static void returns_in_order(const char *trace, char *got, size_t size)
{
	static const char event[] = ": " EVENT_PREFIX "tail_";
	size_t n = 0;

	for (const char *at = trace; n < size - 1 && (at = strstr(at, event)); ) {
		at += strlen(event);
		got[n++] = *at;
	}
	got[n] = 0;
}

TEST(innermost_first)
{
	static const char * const functions[] = { "tail_a", "tail_b", "tail_c" };
	char path[64], events[3][32], *trace = calloc(3, TRACE_SIZE);
	char *got = trace + TRACE_SIZE, *want = got + TRACE_SIZE, *end = want;
	struct result *r = calloc(1, sizeof(*r));
	struct program p;
	cpu_set_t one;

	ASSERT_NE(NULL, trace);
	ASSERT_NE(NULL, r);
	/* So that the trace is in order by itself */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	ASSERT_EQ(0, scenario_program(&p, path, sizeof(path), "tail_calls"));
	write_text(TRACEFS "/trace", O_TRUNC, "");
	for (int i = 0; i < 3; i++) {
		int k = function_index(&p.files[0], functions[i]);

		ASSERT_LE(0, k);
		snprintf(events[i], sizeof(events[i]), EVENT_PREFIX "tail_%c", 'a' + i);
		ASSERT_EQ(0, trace_add("r:uprobes/%s %s:0x%llx", events[i], path,
				       (unsigned long long)p.files[0].offsets[k]));
		ASSERT_EQ(0, trace_enable(events[i], 1));
	}
	run_program(&p, r);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, trace_enable(events[i], 0));
	EXPECT_EQ(0, r->status);
	EXPECT_LT(0, read_text(TRACEFS "/trace", trace, TRACE_SIZE));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, trace_del(events[i]));

	/* tail_deep() calls tail_a() and then tail_b(), once at each depth. */
	for (int i = 0; i < 30 * 31 / 2; i++)
		end = stpcpy(end, "cbacb");
	returns_in_order(trace, got, TRACE_SIZE);
	EXPECT_STREQ(want, got);
	scenario_drop(&p);
	free(trace);
	free(r);
}

/* ---- would it be noticed? ---- */

TEST(mistakes_are_noticed)
{
	static const struct mistake mistakes[] = {
		{ "leaf", { .how = SPOIL_MISSED } },
		{ "recurse", { .how = SPOIL_DOUBLE } },
		{ "leaf", { .how = SPOIL_VALUE } },
		{ "recurse", { .how = SPOIL_SIGNAL } },
	};
	struct program p;
	char path[64];

	ASSERT_EQ(0, scenario_program(&p, path, sizeof(path), "jumped_out_of_the_deep"));
	for (unsigned int i = 0; i < ARRAY_SIZE(mistakes); i++) {
		int n = differences(&p, PROBE_RETURNS, &mistakes[i]);

		EXPECT_LT(0, n)
			TH_LOG("mistake %u", i);
		EXPECT_GT(1000, n);
	}
	scenario_drop(&p);
}

int main(int argc, char **argv)
{
	return return_test_main(argc, argv);
}
