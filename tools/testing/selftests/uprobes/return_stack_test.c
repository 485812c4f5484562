// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions that are deep, jumped out of, tail called, or called by signals on
 * other stacks, with a return probe on every function of the program, libc's
 * too.
 */
#include "return_functions.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/time.h>
#include <ucontext.h>

SCENARIO(recursion)
{
	for (int i = 0; i < 20; i++)
		printf("%ld\n", recurse(100));
	printf("%ld\n", recurse(50000));
	printf("%ld\n", recurse(50000));
	return 3;
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
	with_handlers(low_stack);
	return 0;
}

static uint8_t *above;

static PROBED void handlers_above(void)
{
	with_handlers(above);
	/* It returns to where no call is before. */
	MAY_RETURN(handlers_above, 1);
}

SCENARIO(signals_on_a_stack_above)
{
	ucontext_t here, there;

	above = new_stacks(1);
	getcontext(&there);
	there.uc_stack.ss_sp = low_stack;
	there.uc_stack.ss_size = STACK;
	there.uc_link = &here;
	makecontext(&there, handlers_above, 0);
	swapcontext(&here, &there);
	return above < low_stack;
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

/* ---- a return address on a page that comes when another thread likes ---- */

/* late_call() enters late_function() with the stack pointer that it is given. */
void late_call(void *sp);
extern const char late_back[];

asm("	.text\n"
	"	.globl	late_call, late_function, late_back\n"
	"	.type	late_call, @function\n"
	"late_call:\n"
#ifdef __x86_64__
	"	push	%rbp\n"
	"	mov	%rsp, %rbp\n"
	"	mov	%rdi, %rsp\n"
	"	jmp	late_function\n"
	"	call	late_function\n"	/* for show: what is behind it is returned to */
	"late_back:\n"
	"	mov	%rbp, %rsp\n"
	"	pop	%rbp\n"
#else
	"	push	%ebp\n"
	"	mov	%esp, %ebp\n"
	"	mov	8(%ebp), %esp\n"
	"	jmp	late_function\n"
	"	call	late_function\n"
	"late_back:\n"
	"	mov	%ebp, %esp\n"
	"	pop	%ebp\n"
#endif
	"	ret\n"
	"	.size	late_call, . - late_call\n"
	"	.type	late_function, @function\n"
	"late_function:\n"
	"	ret\n"
	"	.size	late_function, . - late_function\n");

struct late_page {
	int uffd;
	uint8_t *page;
	uint8_t image[PAGE] __attribute__((aligned(PAGE)));
};

static struct late_page late;

/* Waits for the fault, and then some more: the one who faults has to sleep. */
static void *bring_page(void *arg)
{
	struct late_page *l = arg;
	struct uffdio_copy copy = {
		.dst = (unsigned long)l->page,
		.src = (unsigned long)l->image,
		.len = PAGE,
	};
	struct uffd_msg msg;

	if (read(l->uffd, &msg, sizeof(msg)) != sizeof(msg) || msg.event != UFFD_EVENT_PAGEFAULT)
		return NULL;
	usleep(20000);
	return ioctl(l->uffd, UFFDIO_COPY, &copy) ? NULL : arg;
}

SCENARIO(return_address_comes_late)
{
	struct late_page *l = &late;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	const size_t at = PAGE / 2;
	pthread_t thread;
	void *brought;
	int n = 0;

	l->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	l->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (unsigned long)l->page;
	reg.range.len = PAGE;
	if (l->uffd < 0 || l->page == MAP_FAILED || ioctl(l->uffd, UFFDIO_API, &api) ||
	    ioctl(l->uffd, UFFDIO_REGISTER, &reg))
		return 96;
	*(const char **)(l->image + at) = late_back;
	for (int i = 0; i < 5; i++) {
		madvise(l->page, PAGE, MADV_DONTNEED);
		if (pthread_create(&thread, NULL, bring_page, l))
			return 97;
		late_call(l->page + at);
		RETURNED(late_function, 1);
		RETURNED(late_call, 1);
		pthread_join(thread, &brought);
		n += !!brought;
	}
	printf("%d pages came\n", n);
	close(l->uffd);
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

/* ---- a return that other threads try to take ---- */

/**
 * struct theft - what theft_call() and theft_jump() take, by assembly too
 * @frame: the frame pointer there, for theft_end
 * @sp: their stack pointer
 * @where: theft_call() calls it, theft_jump() jumps to it
 * @function: theft_place and theft_other call it
 */
struct theft {
	unsigned long frame, sp, where, function;
};

void theft_call(struct theft *t);
void theft_jump(struct theft *t);
extern const char theft_end[];		/* here both return to their callers */
extern const char theft_place[], theft_place_back[];
extern const char theft_other[], theft_other_back[], theft_function[];

/* No functions by their symbols: only the test below probes one of them. */
asm("	.text\n"
	"	.globl	theft_call, theft_jump, theft_end, theft_function\n"
	"	.globl	theft_place, theft_place_back, theft_other, theft_other_back\n"
#ifdef __x86_64__
	"theft_call:\n"
	"	push	%rbp\n"
	"	mov	%rsp, %rbp\n"
	"	mov	%rbp, (%rdi)\n"
	"	mov	16(%rdi), %rax\n"
	"	mov	24(%rdi), %rdx\n"
	"	mov	8(%rdi), %rsp\n"
	"	call	*%rax\n"
	"theft_end:\n"
	"	mov	%rbp, %rsp\n"
	"	pop	%rbp\n"
	"	ret\n"
	"theft_jump:\n"
	"	push	%rbp\n"
	"	mov	%rsp, %rbp\n"
	"	mov	%rbp, (%rdi)\n"
	"	mov	16(%rdi), %rax\n"
	"	mov	8(%rdi), %rsp\n"
	"	jmp	*%rax\n"
	"theft_place:\n"
	"	call	*%rdx\n"
	"theft_place_back:\n"
	"	ret\n"
	"theft_other:\n"
	"	call	*%rdx\n"
	"theft_other_back:\n"
	"	ret\n"
#else
	"theft_call:\n"
	"	mov	4(%esp), %ecx\n"
	"	push	%ebp\n"
	"	mov	%esp, %ebp\n"
	"	mov	%ebp, (%ecx)\n"
	"	mov	8(%ecx), %eax\n"
	"	mov	12(%ecx), %edx\n"
	"	mov	4(%ecx), %esp\n"
	"	call	*%eax\n"
	"theft_end:\n"
	"	mov	%ebp, %esp\n"
	"	pop	%ebp\n"
	"	ret\n"
	"theft_jump:\n"
	"	mov	4(%esp), %ecx\n"
	"	push	%ebp\n"
	"	mov	%esp, %ebp\n"
	"	mov	%ebp, (%ecx)\n"
	"	mov	8(%ecx), %eax\n"
	"	mov	4(%ecx), %esp\n"
	"	jmp	*%eax\n"
	"theft_place:\n"
	"	call	*%edx\n"
	"theft_place_back:\n"
	"	ret\n"
	"theft_other:\n"
	"	call	*%edx\n"
	"theft_other_back:\n"
	"	ret\n"
#endif
	"theft_function:\n"
	"	nop\n"
	"	ret\n");

#ifdef __x86_64__
#define REG_IP		REG_RIP
#define REG_BP		REG_RBP
#else
#define REG_IP		REG_EIP
#define REG_BP		REG_EBP
#endif

#define THIEVES		2
#define THEFT_SECONDS	3

/* Where the calls are, and where returns from them come by */
struct theft_route {
	unsigned long place, by;
};

struct theft_party {
	pthread_t thread;
	struct theft theft;
	bool steals;
	const struct theft_route *routes;
	unsigned int nr;
	volatile bool *stop;
	unsigned long n, astray;
};

static __thread struct theft_party *own_party;

/* Somebody else has had the return, or there was none to take. */
static void on_astray(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	own_party->astray++;
	uc->uc_mcontext.gregs[REG_BP] = own_party->theft.frame;
	uc->uc_mcontext.gregs[REG_IP] = (unsigned long)theft_end;
}

static void *take_part(void *arg)
{
	struct theft_party *p = arg;
	stack_t ss = { .ss_sp = new_stacks(1), .ss_size = STACK };

	own_party = p;
	sigaltstack(&ss, NULL);
	while (!*p->stop) {
		const struct theft_route *r = &p->routes[p->n++ % p->nr];

		p->theft.where = p->steals ? r->by : r->place;
		if (p->steals)
			theft_jump(&p->theft);
		else
			theft_call(&p->theft);
	}
	return NULL;
}

FIXTURE(theft) {
	struct probe out;
	struct theft_route routes[3];	/* the first by the trampoline */
	unsigned long *stack;		/* its upper end */
};

FIXTURE_VARIANT(theft) {
	unsigned int first, nr;		/* of the routes */
};

FIXTURE_VARIANT_ADD(theft, by_the_trampoline) {
	.first = 0,
	.nr = 1,
};

FIXTURE_VARIANT_ADD(theft, by_two_sites) {
	.first = 1,
	.nr = 2,
};

FIXTURE_VARIANT_ADD(theft, by_all_of_them) {
	.first = 0,
	.nr = 3,
};

/* As if it had been called in a thread where nobody steals */
static void call_undisturbed(struct _test_data_theft *self, unsigned long place)
{
	struct theft t = {
		.sp = (unsigned long)self->stack,
		.where = place,
		.function = (unsigned long)theft_function,
	};

	theft_call(&t);
}

FIXTURE_SETUP(theft)
{
	struct sigaction sa = {
		.sa_sigaction = on_astray,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	uint8_t *copy;
	struct map m;

	self->stack = (unsigned long *)(new_stacks(1) + STACK / 2);
	copy = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	ASSERT_NE(MAP_FAILED, copy);
	copy += PAGE / 2;
	memcpy(copy, theft_place, theft_other - theft_place);

	ASSERT_EQ(0, probe_addr_all(&self->out, theft_function, PROBE_RET));
	call_undisturbed(self, (unsigned long)copy);
	EXPECT_EQ(1, probe_hits(&self->out));
	ASSERT_TRUE(xol_map(0, &m));
	self->routes[0] = (struct theft_route){ (unsigned long)copy, m.start };
	self->routes[1] = (struct theft_route){
		(unsigned long)theft_place, (unsigned long)theft_place_back
	};
	self->routes[2] = (struct theft_route){
		(unsigned long)theft_other, (unsigned long)theft_other_back
	};
	sigaction(SIGTRAP, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
}

FIXTURE_TEARDOWN(theft)
{
	probe_close(&self->out);
}

/*
 * One thread calls a function again and again with the same stack pointer; others come
 * with that of its return to where it returns. At each return one of them is reported.
 */
TEST_F(theft, takes_a_return)
{
	struct theft_party parties[1 + THIEVES] = { };
	unsigned long taken = 0, before = probe_hits(&self->out), hits;
	volatile bool stop = false;

	/*
	 * Planted before anybody goes there: QEMU 7.2 may go on executing what a page had
	 * when it was translated on one CPU and written to on another.
	 */
	for (unsigned int i = 0; i < variant->nr; i++)
		call_undisturbed(self, self->routes[variant->first + i].place);
	before = probe_hits(&self->out);
	/* What is above the return address, until it is called. */
	self->stack[-1] = (unsigned long)theft_end;
	for (unsigned int i = 0; i < ARRAY_SIZE(parties); i++) {
		struct theft_party *p = &parties[i];

		p->steals = i;
		p->routes = self->routes + variant->first;
		p->nr = variant->nr;
		p->stop = &stop;
		p->theft.sp = (unsigned long)(p->steals ? self->stack - 1 : self->stack);
		p->theft.function = (unsigned long)theft_function;
		ASSERT_EQ(0, pthread_create(&p->thread, NULL, take_part, p));
	}
	sleep(THEFT_SECONDS);
	stop = true;
	for (unsigned int i = 0; i < ARRAY_SIZE(parties); i++) {
		pthread_join(parties[i].thread, NULL);
		if (parties[i].steals)
			taken += parties[i].n - parties[i].astray;
	}
	hits = probe_hits(&self->out) - before;
	TH_LOG("%lu calls, %lu went astray; %lu times somebody else went there; %lu reported",
	       parties[0].n, parties[0].astray, taken, hits);
	EXPECT_LT(100, parties[0].n);
	EXPECT_LT(0, hits);
	EXPECT_GE(parties[0].n, hits);
	/* The trampoline leads nowhere but for a return, and there is one for each call. */
	if (variant->first + variant->nr == 1) {
		EXPECT_EQ(parties[0].n, hits);
		EXPECT_EQ(parties[0].astray, taken);
	}

	for (unsigned int i = 0; i < ARRAY_SIZE(self->routes); i++) {
		before = probe_hits(&self->out);
		for (int k = 0; k < 10; k++)
			call_undisturbed(self, self->routes[i].place);
		EXPECT_EQ(before + 10, probe_hits(&self->out))
			TH_LOG("place %u", i);
	}
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
