// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals around a displaced instruction: those that come from outside while
 * it is being executed, those that it causes, and those of a single step. The
 * program must see what it would see without the probe.
 */
#include "common.h"

#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/user.h>
#include <ucontext.h>

#ifdef __x86_64__
#define REG_IP	REG_RIP
#define REG_SP	REG_RSP
#define REG_AX	REG_RAX
#define REG_BX	REG_RBX
#define REG_CX	REG_RCX
#define user_ip	rip
#else
#define REG_IP	REG_EIP
#define REG_SP	REG_ESP
#define REG_AX	REG_EAX
#define REG_BX	REG_EBX
#define REG_CX	REG_ECX
#define user_ip	eip
#endif

#define TRAP_FLAG	0x100

/*
 * Code with names on its instructions. The functions take what they need in
 * registers through inline assembly, so both word sizes share the text.
 */
extern const char code_start[], code_end[];
extern const char loop_nop[], loop_step[], loop_push[], loop_test[];
extern const char load_insn[], store_insn[], rmw_insn[], sse_insn[], rip_insn[];
extern const char push_insn[], div_insn[];
extern const char step_1[], step_2[], step_3[], step_4[], step_5[], step_6[], step_7[], step_end[];

asm("	.text\n"
	"code_start:\n"
	/* a loop of ax rounds that leaves 3 * ax in dx */
	"run_loop:	xor	%edx, %edx\n"
	"loop_nop:	nop\n"
	"loop_step:	adc	$3, %edx\n"	/* carry is never set here */
#ifdef __x86_64__
	"loop_push:	push	%rdx\n"
	"		pop	%rcx\n"
#else
	"loop_push:	push	%edx\n"
	"		pop	%ecx\n"
#endif
	"loop_test:	test	%ecx, %ecx\n"
	"		jz	1f\n"
	"		dec	%eax\n"
	"		jnz	loop_nop\n"
	"1:		ret\n"
	/* what an operand in memory, by way of bx, can be part of */
#ifdef __x86_64__
	"run_load:\n"
	"load_insn:	movzbl	5(%rbx), %eax\n"
	"		ret\n"
	"run_store:\n"
	"store_insn:	movl	$7, 8(%rbx)\n"
	"		ret\n"
	"run_rmw:\n"
	"rmw_insn:	shll	$1, 8(%rbx)\n"
	"		ret\n"
	"run_sse:\n"
	"sse_insn:	movups	5(%rbx), %xmm0\n"
	"		ret\n"
	"run_rip:\n"
	"rip_insn:	shll	$1, fault_page+8(%rip)\n"
	"		ret\n"
	/* push with the stack pointer in bx, which may point nowhere */
	"run_push:	mov	%rsp, %rcx\n"
	"		mov	%rbx, %rsp\n"
	"push_insn:	push	%rax\n"
	"		mov	%rcx, %rsp\n"
	"		ret\n"
#else
	"run_load:\n"
	"load_insn:	movzbl	5(%ebx), %eax\n"
	"		ret\n"
	"run_store:\n"
	"store_insn:	movl	$7, 8(%ebx)\n"
	"		ret\n"
	"run_rmw:\n"
	"rmw_insn:	shll	$1, 8(%ebx)\n"
	"		ret\n"
	"run_sse:\n"
	"sse_insn:	movups	5(%ebx), %xmm0\n"
	"		ret\n"
	"run_rip:\n"
	"rip_insn:	shll	$1, fault_page+8\n"
	"		ret\n"
	"run_push:	mov	%esp, %ecx\n"
	"		mov	%ebx, %esp\n"
	"push_insn:	push	%eax\n"
	"		mov	%ecx, %esp\n"
	"		ret\n"
#endif
	"run_div:	xor	%edx, %edx\n"
	"		mov	$100, %eax\n"
	"div_insn:	divl	%ecx\n"
	"		ret\n"
	/* seven kinds of instructions for a single step */
	"run_steps:\n"
	"step_1:	nop\n"
	"step_2:	add	$1, %eax\n"
#ifdef __x86_64__
	"step_3:	push	%rax\n"
	"step_4:	pop	%rcx\n"
#else
	"step_3:	push	%eax\n"
	"step_4:	pop	%ecx\n"
#endif
	"step_5:	jmp	step_6\n"
	"		ud2\n"
	"step_6:	imul	$3, %ecx, %ecx\n"
	"step_7:	call	1f\n"
	"step_end:	ret\n"
	"1:		ret\n"
	"code_end:\n");

struct result {
	unsigned long ax, cx, dx;
};

/* Call one of them. A handler may have changed any of the registers. */
#define RUN(name, ax, bx, cx) ({						\
	unsigned long __ax = (ax), __bx = (unsigned long)(bx);			\
	unsigned long __cx = (cx), __dx;					\
	asm volatile("call " #name						\
		     : "+a" (__ax), "+b" (__bx), "+c" (__cx), "=d" (__dx)	\
		     : : "memory", "cc");					\
	(struct result){ __ax, __cx, __dx };					\
})

/* ---- signals from outside ---- */

static volatile sig_atomic_t ticks, astray;
static struct map area;

static void on_tick(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;
	unsigned long ip = uc->uc_mcontext.gregs[REG_IP];

	ticks++;
	if (area.start <= ip && ip < area.end)
		astray++;
	if (uc->uc_mcontext.gregs[REG_EFL] & TRAP_FLAG)
		astray++;
}

TEST(timer_while_stepping)
{
	const char *const places[] = { loop_nop, loop_step, loop_push, loop_test };
	struct itimerval every = { { 0, 100 }, { 0, 100 } }, never = { };
	struct probe probes[ARRAY_SIZE(places)];
	struct sigaction sa = {
		.sa_sigaction = on_tick,
		.sa_flags = SA_SIGINFO | SA_RESTART,
	};
	unsigned long rounds = 1, n = 500;
	double end;

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		ASSERT_EQ(0, probe_addr(&probes[i], places[i], 0));
	/* The area is made for the first hit. */
	ASSERT_EQ(3, RUN(run_loop, 1, 0, 0).dx);
	ASSERT_TRUE(xol_map(0, &area));
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	end = seconds_now() + 60;
	while (ticks < 300 && seconds_now() < end) {
		ASSERT_EQ(3 * n, RUN(run_loop, n, 0, 0).dx);
		rounds += n;
	}
	setitimer(ITIMER_REAL, &never, NULL);

	EXPECT_LT(0, ticks);
	EXPECT_EQ(0, astray);
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		EXPECT_EQ(rounds, probe_hits(&probes[i]))
			TH_LOG("probe %u", i);
		probe_close(&probes[i]);
	}
}

/* Killed in the middle of it, again and again: nothing must be left behind. */
TEST(killed_while_stepping)
{
	struct probe probe[2];
	pid_t pid;

	ASSERT_EQ(0, probe_addr_all(&probe[0], loop_step, 0));
	ASSERT_EQ(0, probe_addr_all(&probe[1], loop_push, 0));
	for (int i = 0; i < 30; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			for (;;)
				RUN(run_loop, 1000, 0, 0);
		}
		usleep(1000 + 500 * i);
		kill(pid, SIGKILL);
		ASSERT_EQ(1000 + SIGKILL, child_status(pid));
	}
	EXPECT_LT(0, probe_hits(&probe[0]));
	probe_close(&probe[0]);
	probe_close(&probe[1]);
	EXPECT_EQ(3 * 1000, RUN(run_loop, 1000, 0, 0).dx);
}

/* ---- signals that the instruction causes ---- */

struct seen {
	int count, sig, code;
	unsigned long ip, sp, flags, addr, cr2, trapno, err;
};

static struct seen seen;
static void *mend_page;		/* made usable by the handler */
static unsigned long mend_cx;	/* or put into cx */
static unsigned long mend_bx;

static void on_fault(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;
	greg_t *regs = uc->uc_mcontext.gregs;

	seen.count++;
	seen.sig = sig;
	seen.code = info->si_code;
	seen.ip = regs[REG_IP];
	seen.sp = regs[REG_SP];
	seen.flags = regs[REG_EFL] & ~0x10000UL;	/* RF is the CPU's own */
	seen.addr = (unsigned long)info->si_addr;
#ifdef __x86_64__
	seen.cr2 = regs[REG_CR2];
#else
	seen.cr2 = uc->uc_mcontext.cr2;
#endif
	seen.trapno = regs[REG_TRAPNO];
	seen.err = regs[REG_ERR];
	if (mend_page)
		mprotect(mend_page, PAGE, PROT_READ | PROT_WRITE);
	if (mend_cx)
		regs[REG_CX] = mend_cx;
	if (mend_bx)
		regs[REG_BX] = mend_bx;
	if (seen.count > 3)
		_exit(99);
}

static char altstack[65536];

static void catch_faults(void)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	struct sigaction sa = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	stack_t ss = {
		.ss_sp = altstack,
		.ss_size = sizeof(altstack),
	};

	sigaltstack(&ss, NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(sigs); i++)
		sigaction(sigs[i], &sa, NULL);
}

static void check_seen(struct __test_metadata *_metadata, const struct seen *want)
{
	EXPECT_EQ(want->count, seen.count);
	EXPECT_EQ(want->sig, seen.sig);
	EXPECT_EQ(want->code, seen.code);
	EXPECT_EQ(want->ip, seen.ip);
	EXPECT_EQ(want->sp, seen.sp);
	EXPECT_EQ(want->flags, seen.flags);
	EXPECT_EQ(want->addr, seen.addr);
	EXPECT_EQ(want->cr2, seen.cr2);
	EXPECT_EQ(want->trapno, seen.trapno);
	EXPECT_EQ(want->err, seen.err);
}

FIXTURE(fault) {
	uint8_t *page;
};

FIXTURE_SETUP(fault)
{
	self->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->page);
	memset(self->page, 0x5a, PAGE);
	catch_faults();
}

FIXTURE_TEARDOWN(fault)
{
	munmap(self->page, PAGE);
}

/* Each is done twice, and the second time with the probe in place. */

TEST_F(fault, load)
{
	struct probe probe = { };
	struct seen first = { };

	for (int round = 0; round < 2; round++) {
		if (round)
			ASSERT_EQ(0, probe_addr(&probe, load_insn, 0));
		mprotect(self->page, PAGE, PROT_NONE);
		memset(&seen, 0, sizeof(seen));
		mend_page = self->page;
		EXPECT_EQ(0x5a, RUN(run_load, 0, self->page, 0).ax);
		EXPECT_EQ(1, seen.count);
		EXPECT_EQ((unsigned long)load_insn, seen.ip);
		EXPECT_EQ((unsigned long)self->page + 5, seen.addr);
		if (!round)
			first = seen;
		check_seen(_metadata, &first);
		/* once for the try that failed, once for the one after it */
		if (round)
			EXPECT_EQ(2, probe_hits(&probe));
		probe_close(&probe);
	}
}

TEST_F(fault, store)
{
	struct probe probe = { };
	struct seen first = { };

	for (int round = 0; round < 2; round++) {
		if (round)
			ASSERT_EQ(0, probe_addr(&probe, store_insn, 0));
		mprotect(self->page, PAGE, PROT_READ);
		memset(&seen, 0, sizeof(seen));
		mend_page = self->page;
		RUN(run_store, 0, self->page, 0);
		EXPECT_EQ(7, *(int *)(self->page + 8));
		EXPECT_EQ((unsigned long)store_insn, seen.ip);
		if (!round)
			first = seen;
		check_seen(_metadata, &first);
		if (round)
			EXPECT_EQ(2, probe_hits(&probe));
		probe_close(&probe);
	}
}

/* The next three need a slot, the last one also a borrowed segment base. */
static void check_rmw(struct __test_metadata *_metadata, uint8_t *page, const char *place)
{
	struct probe probe = { };
	struct seen first = { };

	for (int round = 0; round < 2; round++) {
		if (round)
			ASSERT_EQ(0, probe_addr(&probe, place, 0));
		*(int *)(page + 8) = 0x1234;
		mprotect(page, PAGE, PROT_READ);
		memset(&seen, 0, sizeof(seen));
		mend_page = page;
		if (place == rmw_insn)
			RUN(run_rmw, 0, page, 0);
		else
			RUN(run_rip, 0, page, 0);
		EXPECT_EQ(0x2468, *(int *)(page + 8));
		EXPECT_EQ(1, seen.count);
		EXPECT_EQ((unsigned long)place, seen.ip);
		EXPECT_EQ((unsigned long)page + 8, seen.addr);
		if (!round)
			first = seen;
		check_seen(_metadata, &first);
		if (round)
			EXPECT_EQ(2, probe_hits(&probe));
		probe_close(&probe);
	}
}

uint8_t fault_page[PAGE] __attribute__((aligned(PAGE)));

TEST_F(fault, read_modify_write)
{
	check_rmw(_metadata, self->page, rmw_insn);
}

TEST_F(fault, relative_to_ip)
{
	check_rmw(_metadata, fault_page, rip_insn);
}

TEST_F(fault, vector_load)
{
	struct probe probe = { };
	struct seen first = { };

	for (int round = 0; round < 2; round++) {
		if (round)
			ASSERT_EQ(0, probe_addr(&probe, sse_insn, 0));
		mprotect(self->page, PAGE, PROT_NONE);
		memset(&seen, 0, sizeof(seen));
		mend_page = self->page;
		RUN(run_sse, 0, self->page, 0);
		EXPECT_EQ((unsigned long)sse_insn, seen.ip);
		if (!round)
			first = seen;
		check_seen(_metadata, &first);
		if (round)
			EXPECT_EQ(2, probe_hits(&probe));
		probe_close(&probe);
	}
}

/* A push is emulated in many implementations: the fault must be the same. */
TEST_F(fault, push)
{
	struct probe probe = { };
	struct seen first = { };

	for (int round = 0; round < 2; round++) {
		if (round)
			ASSERT_EQ(0, probe_addr(&probe, push_insn, 0));
		mprotect(self->page, PAGE, PROT_READ);
		memset(&seen, 0, sizeof(seen));
		mend_page = self->page;
		RUN(run_push, 0x77, self->page + 128, 0);
		EXPECT_EQ(0x77, *(long *)(self->page + 128 - sizeof(long)));
		EXPECT_EQ((unsigned long)push_insn, seen.ip);
		EXPECT_EQ((unsigned long)self->page + 128, seen.sp);
		if (!round)
			first = seen;
		check_seen(_metadata, &first);
		if (round)
			EXPECT_EQ(2, probe_hits(&probe));
		probe_close(&probe);
	}
}

#ifdef __x86_64__
/* A non-canonical address is another exception and has no fault address. */
TEST_F(fault, non_canonical)
{
	struct probe probe = { };
	struct seen first = { };

	for (int round = 0; round < 2; round++) {
		if (round)
			ASSERT_EQ(0, probe_addr(&probe, load_insn, 0));
		memset(&seen, 0, sizeof(seen));
		mend_page = NULL;
		mend_bx = (unsigned long)self->page;
		EXPECT_EQ(0x5a, RUN(run_load, 0, 0x8000000000000000UL, 0).ax);
		if (!round)
			first = seen;
		check_seen(_metadata, &first);
		if (round)
			EXPECT_EQ(2, probe_hits(&probe));
		probe_close(&probe);
	}
}
#endif

TEST_F(fault, divide)
{
	struct probe probe = { };
	struct seen first = { };

	mend_page = NULL;
	mend_cx = 5;
	for (int round = 0; round < 2; round++) {
		if (round)
			ASSERT_EQ(0, probe_addr(&probe, div_insn, 0));
		memset(&seen, 0, sizeof(seen));
		EXPECT_EQ(20, RUN(run_div, 0, 0, 0).ax);
		EXPECT_EQ(SIGFPE, seen.sig);
		EXPECT_EQ((unsigned long)div_insn, seen.addr);
		if (!round)
			first = seen;
		check_seen(_metadata, &first);
		if (round)
			EXPECT_EQ(2, probe_hits(&probe));
		probe_close(&probe);
	}
}

/* Nobody mends it: the process dies of it, as it would have. */
TEST_F(fault, deadly)
{
	struct probe probe;
	pid_t pid;

	ASSERT_EQ(0, probe_addr_all(&probe, load_insn, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		mprotect(self->page, PAGE, PROT_NONE);
		RUN(run_load, 0, self->page, 0);
		_exit(0);
	}
	EXPECT_EQ(1000 + SIGSEGV, child_status(pid));
	EXPECT_EQ(1, probe_hits(&probe));
	probe_close(&probe);
}

/* ---- single steps ---- */

#define MAX_STEPS	64

static unsigned long stops[2][MAX_STEPS];
static int nr_stops[2];
static int stepping_round;

static void on_trap(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;
	unsigned long ip = uc->uc_mcontext.gregs[REG_IP];
	int r = stepping_round;

	if (info->si_code != TRAP_TRACE)
		ip |= 1UL << (8 * sizeof(long) - 1);
	if (nr_stops[r] < MAX_STEPS)
		stops[r][nr_stops[r]++] = ip;
	else
		uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static __attribute__((noinline)) void step_itself(void)
{
#ifdef __x86_64__
	asm volatile("xor %%eax, %%eax\n\t"
		     "pushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\t"
		     "call run_steps\n\t"
		     "pushfq\n\tandl $~0x100, (%%rsp)\n\tpopfq"
		     : : : "rax", "rcx", "memory", "cc");
#else
	asm volatile("xor %%eax, %%eax\n\t"
		     "pushf\n\torl $0x100, (%%esp)\n\tpopf\n\t"
		     "call run_steps\n\t"
		     "pushf\n\tandl $~0x100, (%%esp)\n\tpopf"
		     : : : "eax", "ecx", "memory", "cc");
#endif
}

static const char *const step_places[] = {
	step_1, step_2, step_3, step_4, step_5, step_6, step_7, step_end
};

TEST(own_trap_flag)
{
	struct probe probes[ARRAY_SIZE(step_places)] = { };
	struct sigaction sa = {
		.sa_sigaction = on_trap,
		.sa_flags = SA_SIGINFO,
	};

	sigaction(SIGTRAP, &sa, NULL);
	step_itself();
	for (unsigned int i = 0; i < ARRAY_SIZE(step_places); i++)
		ASSERT_EQ(0, probe_addr(&probes[i], step_places[i], 0));
	stepping_round = 1;
	step_itself();

	EXPECT_LT(10, nr_stops[0]);
	EXPECT_EQ(nr_stops[0], nr_stops[1]);
	for (int i = 0; i < nr_stops[0] && i < nr_stops[1]; i++) {
		EXPECT_EQ(stops[0][i], stops[1][i])
			TH_LOG("stop %d", i);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(step_places); i++) {
		EXPECT_EQ(1, probe_hits(&probes[i]));
		probe_close(&probes[i]);
	}
}

/* Steps a fresh child through run_steps; the ips go to @ips. */
static int steps_by_ptrace(struct __test_metadata *_metadata, unsigned long *ips)
{
	struct user_regs_struct regs;
	int n = 0, status;
	pid_t pid = fork();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		RUN(run_steps, 0, 0, 0);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	for (int i = 0; i < 100000; i++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) ||
		    waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			break;
		EXPECT_EQ(SIGTRAP, WSTOPSIG(status));
		ptrace(PTRACE_GETREGS, pid, 0, &regs);
		if (regs.user_ip >= (unsigned long)step_1 &&
		    regs.user_ip < (unsigned long)code_end && n < MAX_STEPS)
			ips[n++] = regs.user_ip;
		else if (n)
			break;
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return n;
}

TEST(ptrace_steps)
{
	struct probe probes[ARRAY_SIZE(step_places)];
	int plain, probed;

	plain = steps_by_ptrace(_metadata, stops[0]);
	for (unsigned int i = 0; i < ARRAY_SIZE(step_places); i++)
		ASSERT_EQ(0, probe_addr_all(&probes[i], step_places[i], 0));
	probed = steps_by_ptrace(_metadata, stops[1]);

	EXPECT_LE(9, plain);
	EXPECT_EQ(plain, probed);
	for (int i = 0; i < plain && i < probed; i++) {
		EXPECT_EQ(stops[0][i], stops[1][i])
			TH_LOG("stop %d", i);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(step_places); i++)
		probe_close(&probes[i]);
}

/* The program's own breakpoints stay its own. */
static int own_int3_at;

static void on_own_int3(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;

	own_int3_at = uc->uc_mcontext.gregs[REG_IP] == (greg_t)(unsigned long)info->si_addr ?
		      -1 : 1;
}

TEST(own_int3)
{
	struct sigaction sa = {
		.sa_sigaction = on_own_int3,
		.sa_flags = SA_SIGINFO,
	};
	struct probe probe;

	sigaction(SIGTRAP, &sa, NULL);
	ASSERT_EQ(0, probe_addr(&probe, loop_step, 0));
	RUN(run_loop, 10, 0, 0);
	asm volatile("int3");
	EXPECT_NE(0, own_int3_at);
	probe_close(&probe);
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
