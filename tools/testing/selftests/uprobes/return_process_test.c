// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes and threads that come and go while functions have not returned
 * yet, with a return probe on every function of the program.
 */
#include "return_functions.h"

#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>

/* What is done at the end of many calls, none of which has returned */
static PROBED long deep(long depth, long (*what)(long x), long arg)
{
	long x = depth ? deep(depth - 1, what, arg) + 1 : what(arg);

	RETURNS(deep);
	return x;
}

static void exec_self(const char *name)
{
	execl("/proc/self/exe", "program", "run", name, NULL);
	_exit(96);
}

SCENARIO(at_the_end_of_an_exec)
{
	printf("executed %ld\n", recurse(20));
	return 7;
}

/* ---- fork ---- */

static PROBED long forks(long generations)
{
	pid_t pid = fork();
	long x;

	if (!pid) {
		x = generations ? forks(generations - 1) : recurse(10);
	} else {
		x = 0;
		printf("child %d\n", child_status(pid));
	}
	RETURNS(forks);
	return x;
}

/* Every process returns through all of what was called before it was born. */
SCENARIO(fork_in_the_deep)
{
	static volatile pid_t first;
	long x;

	first = getpid();
	x = deep(60, forks, 3);
	printf("%ld\n", x);
	if (getpid() != first)
		_exit(x & 63);
	return 0;
}

/* ---- vfork ---- */

static PROBED long vforks(long generations)
{
	pid_t pid = vfork();
	int status = 0;

	if (!pid) {
		recurse(12);
		if (generations)
			_exit(vforks(generations - 1) & 127);
		exec_self("at_the_end_of_an_exec");
	}
	waitpid(pid, &status, 0);
	leaf(1);
	RETURNS(vforks);
	return WEXITSTATUS(status) + 1;
}

SCENARIO(vfork_and_exec)
{
	for (int i = 0; i < 3; i++)
		printf("%ld\n", deep(20, vforks, i));
	return 0;
}

static PROBED long vfork_exits(long how)
{
	pid_t pid = vfork();
	int status = 0;

	if (!pid) {
		recurse(30);
		if (how)
			kill(getpid(), SIGKILL);
		_exit(leaf(3));
	}
	waitpid(pid, &status, 0);
	RETURNS(vfork_exits);
	return status;
}

SCENARIO(vfork_and_exit)
{
	for (int i = 0; i < 6; i++)
		printf("%ld\n", deep(i * 5, vfork_exits, i % 2));
	return 0;
}

/* ---- a process of its own in the same memory ---- */

static uint8_t child_stack[65536] __attribute__((aligned(64)));

static PROBED int shares_memory(void *arg)
{
	long *x = arg;

	*x = recurse(200);
	RETURNS(shares_memory);
	return 9;
}

static PROBED long clones(long flags)
{
	long x = 0;
	pid_t pid = clone(shares_memory, child_stack + sizeof(child_stack), flags, &x);

	x += recurse(100);
	printf("child %d\n", child_status(pid));
	RETURNS(clones);
	return x > 0;
}

SCENARIO(clone_of_the_memory)
{
	for (int i = 0; i < 10; i++)
		printf("%ld\n", deep(10, clones, CLONE_VM | SIGCHLD));
	for (int i = 0; i < 10; i++)
		printf("%ld\n", deep(10, clones, CLONE_VM | CLONE_VFORK | SIGCHLD));
	for (int i = 0; i < 10; i++)
		printf("%ld\n", deep(10, clones, SIGCHLD));
	return 0;
}

/* ---- threads ---- */

#define THREADS	4

static PROBED void *recurse_thread(void *arg)
{
	long *sum = arg;

	for (int i = 0; i < 60; i++)
		*sum += deep(i, recurse, 20) + leaf(i);
	RETURNS(recurse_thread);
	return NULL;
}

SCENARIO(threads)
{
	pthread_t t[THREADS];
	long sum[THREADS] = { };

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < THREADS; i++)
			if (pthread_create(&t[i], NULL, recurse_thread, &sum[i]))
				return 98;
		deep(100, recurse, 30);
		for (int i = 0; i < THREADS; i++)
			pthread_join(t[i], NULL);
	}
	for (int i = 0; i < THREADS; i++)
		printf("%ld\n", sum[i]);
	return 0;
}

static PROBED long thread_exits(long x)
{
	syscall(SYS_exit, x);
	return x;
}

static PROBED void *leaves_deep(void *arg)
{
	deep((long)arg, thread_exits, 0);
	return NULL;
}

/* Their stacks are used again, with what was noted of them. */
SCENARIO(threads_that_never_return)
{
	long sum = 0;
	pthread_t t;

	for (long i = 0; i < 60; i++) {
		if (pthread_create(&t, NULL, i % 3 ? leaves_deep : recurse_thread,
				   i % 3 ? (void *)(i * 7) : &sum))
			return 98;
		pthread_join(t, NULL);
	}
	printf("%ld\n", sum);
	return 0;
}

/* ---- the end, with returns to come ---- */

static PROBED long exits(long status)
{
	recurse(10);
	tally_end();
	_exit(status);
}

SCENARIO(exit_in_the_deep)
{
	printf("%ld\n", recurse(30));
	return deep(300, exits, 41);
}

static PROBED long dies(long sig)
{
	recurse(10);
	tally_end();
	return kill(getpid(), sig);
}

SCENARIO(killed_in_the_deep)
{
	printf("%ld\n", recurse(30));
	return deep(300, dies, SIGKILL);
}

static PROBED long execs(long x)
{
	if (x)
		printf("pid is mine: %d\n", getpid() > 1);
	fflush(stdout);
	exec_self("at_the_end_of_an_exec");
	return 0;
}

SCENARIO(exec_in_the_deep)
{
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (!pid)
			deep(100 * i, execs, 1);
		printf("%d\n", child_status(pid));
	}
	printf("%ld\n", recurse(30));
	return 0;
}

/* Counts nothing: what has been counted might not come to its return. */
static PROBED long deep_uncounted(long depth)
{
	asm volatile("" : "+r" (depth));
	return depth ? deep_uncounted(depth - 1) + 1 : 0;
}

static void *deep_forever(void *arg)
{
	for (;;)
		deep_uncounted((long)arg);
	return NULL;
}

/* The other threads die wherever they are. */
SCENARIO(exec_beside_threads)
{
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();
		pthread_t t;

		if (!pid) {
			for (long k = 0; k < 3; k++)
				if (pthread_create(&t, NULL, deep_forever, (void *)(50 * k)))
					_exit(98);
			usleep(20000);
			if (i % 2)
				deep(10, execs, 0);
			_exit(33);
		}
		printf("%d\n", child_status(pid));
	}
	return 0;
}

/* ---- nothing but read, write, exit and sigreturn ---- */

static PROBED long strict(long x)
{
	x += prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	for (int i = 0; i < 40; i++)
		x += recurse(i) + leaf(i);
	RETURNS(strict);
	return x;
}

SCENARIO(seccomp_strict)
{
	char text[32];
	pid_t pid;

	/* The parent prints, as the child may not ask for what printf() needs. */
	for (int i = 0; i < 3; i++) {
		fflush(stdout);
		pid = fork();
		if (!pid) {
			int n = snprintf(text, sizeof(text), "%ld\n", deep(30, strict, i));

			if (write(1, text, n) == n)
				syscall(SYS_exit, 5);
			syscall(SYS_exit, 6);
		}
		printf("%d\n", child_status(pid));
	}
	return 0;
}

/* ---- probes that go while returns are pending, and come ---- */

static int keeps_busy(void)
{
	double end = seconds_now() + 3;
	pthread_t t[THREADS];
	long sum[THREADS], rounds = 0, right = 0;

	while (seconds_now() < end) {
		memset(sum, 0, sizeof(sum));
		for (int i = 0; i < THREADS; i++)
			if (pthread_create(&t[i], NULL, recurse_thread, &sum[i]))
				return 98;
		for (int i = 0; i < THREADS; i++) {
			pthread_join(t[i], NULL);
			right += sum[i] == 4 * 60 * 59 / 2 + 60 * (211 + 1);
			rounds++;
		}
	}
	printf("%s\n", right == rounds ? "all right" : "wrong");
	return rounds == 0;
}

static const struct scenario keeps_busy_scenario
	__attribute__((used, section("scenarios"))) = { "keeps_busy", keeps_busy };

/* A few, which can be probed often */
static bool is_busy(const char *name)
{
	static const char * const busy[] = { "leaf", "recurse", "deep", "recurse_thread" };

	for (unsigned int i = 0; i < ARRAY_SIZE(busy); i++)
		if (!strcmp(name, busy[i]))
			return true;
	return false;
}

TEST(probes_come_and_go)
{
	struct functions *f;
	struct result *r = calloc(2, sizeof(*r));
	struct tallies t;
	struct program p;
	int rounds = 0, status;
	uint64_t hits = 0;
	char path[64];
	pid_t pid;

	ASSERT_NE(NULL, r);
	ASSERT_EQ(0, scenario_program(&p, path, sizeof(path), "keeps_busy"));
	f = &p.files[0];
	functions_drop(f);
	ASSERT_EQ(0, functions_read(f, path, is_busy));
	ASSERT_EQ(4, f->n);
	run_program(&p, &r[0]);
	take_tallies(&r[0], &t);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		run_program(&p, &r[1]);
		take_tallies(&r[1], &t);
		if (same_result(&r[0], &r[1]))
			_exit(0);
		print_result("plain", &r[0]);
		print_result("probed", &r[1]);
		fflush(stdout);
		_exit(1);
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		ASSERT_EQ(0, functions_probe(f, PROBE_RETURNS));
		usleep(rounds % 4 * 20000);
		ASSERT_EQ(0, bulk_hits(&f->returns));
		hits += f->returns.sum;
		functions_unprobe(f, PROBE_RETURNS);
		rounds++;
	}
	printf("# planted %d times, %llu returns\n", rounds, (unsigned long long)hits);
	EXPECT_EQ(0, status);
	EXPECT_LT(5, rounds);
	EXPECT_LT(0, hits);
	scenario_drop(&p);
	free(r);
}

/* ---- a child by vfork() that makes another one ---- */

/*
 * Return twice, with the return address in a register meanwhile, as libc's does: the child
 * uses that stack. The second is called from wherever it is copied to.
 */
pid_t own_vfork(void);
extern const uint8_t calls_vfork[], calls_vfork_end[];

asm("	.text\n"
	"	.globl own_vfork\n"
	"	.type own_vfork, @function\n"
#ifdef __x86_64__
	"own_vfork:	nop\n"
	"	pop	%rdi\n"
	"	mov	$58, %eax\n"
	"	syscall\n"
	"	push	%rdi\n"
	"	ret\n"
	"calls_vfork:	pop	%rsi\n"
	"	movabs	$own_vfork, %rax\n"
	"	call	*%rax\n"
	"	push	%rsi\n"
#else
	"own_vfork:	nop\n"
	"	pop	%edx\n"
	"	mov	$190, %eax\n"
	"	int	$0x80\n"
	"	push	%edx\n"
	"	ret\n"
	"calls_vfork:	pop	%ecx\n"
	"	mov	$own_vfork, %eax\n"
	"	call	*%eax\n"
	"	push	%ecx\n"
#endif
	"	ret\n"
	"calls_vfork_end:\n"
#ifdef __x86_64__
	"make_child:	jmp	*vfork_by(%rip)\n");
#else
	"make_child:	jmp	*vfork_by\n");
#endif

pid_t make_child(void) __attribute__((returns_twice));
pid_t (*vfork_by)(void);

/* Three generations, of which two return from it as children. */
static int vforks_in_a_vfork(void)
{
	volatile pid_t pid;

	pid = make_child();
	if (!pid) {
		pid = make_child();
		if (!pid) {
			pid = make_child();
			if (!pid)
				_exit(5);
			_exit(child_status(pid) + 10);
		}
		_exit(child_status(pid) + 20);
	}
	return child_status(pid);
}

static void check_vforks(struct __test_metadata *_metadata, pid_t (*by)(void))
{
	struct probe returns = { };
	pid_t pid;

	vfork_by = by;
	EXPECT_EQ(35, vforks_in_a_vfork());
	ASSERT_EQ(0, probe_addr_all(&returns, own_vfork, PROBE_RET));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(vforks_in_a_vfork());
	EXPECT_EQ(35, child_status(pid));
	/* Each of three calls returns twice. */
	EXPECT_EQ(6, probe_hits(&returns));
	probe_close(&returns);
}

TEST(vfork_in_a_vfork)
{
	check_vforks(_metadata, own_vfork);
}

TEST(vfork_in_a_vfork_by_the_trampoline)
{
	void *copy = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, copy);
	memcpy(copy, calls_vfork, calls_vfork_end - calls_vfork);
	check_vforks(_metadata, copy);
	munmap(copy, PAGE);
}

int main(int argc, char **argv)
{
	return return_test_main(argc, argv);
}
