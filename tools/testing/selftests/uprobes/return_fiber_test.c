// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fibers: stacks that a program switches by hand or by libc, in all orders and
 * from thread to thread, with a return probe on every function, those that
 * switch too.
 */
#include "return_functions.h"

#include <pthread.h>
#include <ucontext.h>

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
	    "	.irp	r, rbp, rbx, r12, r13, r14, r15\n"	\
	    "	push	%\\r\n"				\
	    "	.endr\n"				\
	    "	mov	%rsp, (%rdi)\n"			\
	    "	mov	%rsi, %rsp\n"			\
	    "	.irp	r, r15, r14, r13, r12, rbx, rbp\n"	\
	    "	pop	%\\r\n"				\
	    "	.endr\n"				\
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
	    "	.irp	r, ebp, ebx, esi, edi\n"	\
	    "	push	%\\r\n"				\
	    "	.endr\n"				\
	    "	mov	%esp, (%eax)\n"			\
	    "	mov	%edx, %esp\n"			\
	    "	.irp	r, edi, esi, ebx, ebp\n"	\
	    "	pop	%\\r\n"				\
	    "	.endr\n"				\
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
	fiber_init(&f[1], 1, low_stack, jumps);
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
static PROBED void schedule(void)
{
	fibers(false, true);
	fibers(true, true);
	/* To the bottom of a stack that was made by hand: no call is before that. */
	MAY_RETURN(schedule, 1);
}

static uint8_t scheduler_stack[STACK] __attribute__((aligned(64)));

SCENARIO(fibers_above)
{
	ucontext_t here, there;

	getcontext(&there);
	there.uc_stack.ss_sp = scheduler_stack;
	there.uc_stack.ss_size = STACK;
	there.uc_link = &here;
	makecontext(&there, schedule, 0);
	swapcontext(&here, &there);
	RETURNED(swapcontext, 1);
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
	/* The same. */
	MAY_RETURN(context_body, 1);
}

SCENARIO(contexts)
{
	int left[FIBERS] = { ROUNDS + 1, ROUNDS + 1, ROUNDS + 1 };
	uint8_t *mapped = new_stacks(FIBERS);
	uint32_t x = 7;

	for (int i = 0; i < FIBERS; i++) {
		getcontext(&context[i]);
		context[i].uc_stack.ss_sp = i == 1 ? low_stack : mapped + STACK * i;
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

int main(int argc, char **argv)
{
	return return_test_main(argc, argv);
}
