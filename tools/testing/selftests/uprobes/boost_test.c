// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions whose copy finds its own way back: that they take one exception,
 * and programs that put something into that way.
 */
#include "common.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/rseq.h>

extern const char plain_insn[], vector_insn[], rip_insn[], load_insn[];

/* Counters near the text, for operands relative to %rip, on a page of their own */
unsigned int rip_counter[PAGE / sizeof(unsigned int)] __attribute__((aligned(PAGE)));

/* The page in the middle shares its memory with no other data. */
uint8_t near_pages[3 * PAGE] __attribute__((aligned(PAGE)));

asm("	.text\n"
	/* ax rounds; leaves 3 * ax in dx and in rip_counter */
	"run_loop:	xor	%edx, %edx\n"
	"1:		clc\n"
	"plain_insn:	adc	$3, %edx\n"
	"vector_insn:	pxor	%xmm1, %xmm0\n"
	"rip_insn:	addl	$3, rip_counter(%rip)\n"
	"		dec	%eax\n"
	"		jnz	1b\n"
	"		ret\n"
	/* the same without memory, by a program that has denied itself memory */
	"run_bare:	xor	%edx, %edx\n"
	"1:		clc\n"
	"bare_adc:	adc	$3, %edx\n"
	"bare_nop:	nop\n"
	"bare_pxor:	pxor	%xmm1, %xmm0\n"
	"bare_dec:	dec	%eax\n"
	"bare_jnz:	jnz	1b\n"
	"		jmp	*%rbx\n"
	/* one byte from where bx points */
	"run_load:\n"
	"load_insn:	movzbl	(%rbx), %eax\n"
	"		ret\n"
	/* words of near_pages, by a load that is emulated and by a borrowed base */
	"near_load:	mov	near_pages+4096(%rip), %eax\n"
	"		ret\n"
	"near_imul:	imul	$3, near_pages+4096(%rip), %eax\n"
	"		ret\n");
extern const char near_load[], near_imul[];
extern const char bare_adc[], bare_nop[], bare_pxor[], bare_dec[], bare_jnz[];

static unsigned long loop_rounds(unsigned long n)
{
	unsigned long dx;

	asm volatile("call run_loop" : "+a" (n), "=d" (dx) : : "memory", "cc", "xmm0");
	return dx;
}

/* What the function at @insn leaves in ax, with @p in bx. */
static unsigned int load_by(const char *insn, const uint8_t *p)
{
	unsigned long ax;

	asm volatile("call *%2" : "=a" (ax) : "b" (p), "r" (insn) : "memory", "cc");
	return ax;
}

static unsigned int load_byte(const uint8_t *p)
{
	return load_by(load_insn, p);
}

struct loop_probes {
	struct probe p[3];
};

static void plant(struct __test_metadata *_metadata, struct loop_probes *l)
{
	ASSERT_EQ(0, probe_addr(&l->p[0], plain_insn, 0));
	ASSERT_EQ(0, probe_addr(&l->p[1], vector_insn, 0));
	ASSERT_EQ(0, probe_addr(&l->p[2], rip_insn, 0));
}

static void check_loop(struct __test_metadata *_metadata, struct loop_probes *l, unsigned int n)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(l->p); i++) {
		EXPECT_EQ(n, probe_hits(&l->p[i]))
			TH_LOG("probe %u", i);
		probe_close(&l->p[i]);
	}
}

/* CPUs on which a null selector clears the base, and that can say so, are Intel's. */
static bool gs_comes_back(void)
{
	unsigned int a, b = 0, c, d, vendor[3];

	__cpuid(0, a, vendor[0], vendor[2], vendor[1]);
	__get_cpuid_count(7, 0, &a, &b, &c, &d);
	return !memcmp(vendor, "GenuineIntel", 12) && (b & 1);
}

/* The kernel counts each exception that it needed behind a copy. */
TEST(one_exception)
{
	const unsigned int n = 1000;
	struct loop_probes l;
	long before;

	ASSERT_TRUE(have_debugfs());
	plant(_metadata, &l);
	before = debugfs_stat("second_traps");
	ASSERT_LE(0, before);
	EXPECT_EQ(3 * n, loop_rounds(n));
	EXPECT_EQ(before + (gs_comes_back() ? 0 : n), debugfs_stat("second_traps"));
	check_loop(_metadata, &l, n);
}

/* A gs that the program uses: borrowed and put back, base and all. */
TEST(gs_in_use)
{
	static unsigned long there[2] = { 0x1234, 0x5678 };
	unsigned long base, value;
	const unsigned int n = 100;
	struct loop_probes l;

	ASSERT_EQ(0, syscall(SYS_arch_prctl, ARCH_SET_GS, there));
	plant(_metadata, &l);
	rip_counter[0] = 0;
	for (unsigned int i = 0; i < n; i++) {
		ASSERT_EQ(3, loop_rounds(1));
		asm volatile("mov %%gs:8, %0" : "=r" (value));
		ASSERT_EQ(0x5678, value);
	}
	EXPECT_EQ(3 * n, rip_counter[0]);
	ASSERT_EQ(0, syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
	EXPECT_EQ((unsigned long)there, base);
	check_loop(_metadata, &l, n);
	ASSERT_EQ(0, syscall(SYS_arch_prctl, ARCH_SET_GS, 0));
}

/* And one that it does not use is not there afterwards. */
TEST(gs_not_in_use)
{
	const unsigned int n = 100;
	unsigned long base;
	struct loop_probes l;
	unsigned short sel;

	plant(_metadata, &l);
	for (unsigned int i = 0; i < n; i++) {
		ASSERT_EQ(3, loop_rounds(1));
		ASSERT_EQ(0, syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
		ASSERT_EQ(0, base);
		asm volatile("mov %%gs, %0" : "=r" (sel));
		ASSERT_EQ(0, sel);
		sched_yield();
	}
	check_loop(_metadata, &l, n);
}

/* The way back reads the slot; code is fetched whatever key 0 says. */
TEST(key_0_denied)
{
	const char *const places[] = { bare_adc, bare_nop, bare_pxor, bare_dec, bare_jnz };
	struct probe p[ARRAY_SIZE(places)];
	unsigned long ax = 50, dx;
	unsigned int a, b, c, d;
	bool have;

	have = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & (1 << 4));
	printf("# this CPU has %sprotection keys\n", have ? "" : "no ");
	/* At a preemption the kernel would write there, and could not. */
	if (__rseq_size)
		ASSERT_EQ(0, syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset,
				     sizeof(struct rseq), RSEQ_FLAG_UNREGISTER, RSEQ_SIG));
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		ASSERT_EQ(0, probe_addr(&p[i], places[i], 0));
	if (have)
		asm volatile("mov $1, %%eax; xor %%ecx, %%ecx; xor %%edx, %%edx; wrpkru\n"
			     "mov $50, %%eax; lea 1f(%%rip), %%rbx; jmp run_bare\n"
			     "1: mov %%edx, %%esi; xor %%eax, %%eax; xor %%ecx, %%ecx\n"
			     "xor %%edx, %%edx; wrpkru"
			     : "=S" (dx) : : "rax", "rbx", "rcx", "rdx", "memory", "cc", "xmm0");
	else
		/* Nobody can deny anything; what is left is that the loop is right. */
		asm volatile("lea 1f(%%rip), %%rbx; jmp run_bare; 1:"
			     : "+a" (ax), "=d" (dx) : : "rbx", "memory", "cc", "xmm0");
	EXPECT_EQ(150, dx);
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		EXPECT_EQ(50, probe_hits(&p[i]))
			TH_LOG("probe %u", i);
		probe_close(&p[i]);
	}
}

/* Does the processor do what the flag is for? QEMU does not. */
static bool checks_alignment(void)
{
	static uint64_t words[2];
	pid_t pid = fork();

	if (!pid) {
		asm volatile("pushf; orl $0x40000, (%%rsp); popf\n"
			     "mov (%0), %%eax\n"
			     "pushf; andl $~0x40000, (%%rsp); popf"
			     : : "r" ((char *)words + 1) : "rax", "memory", "cc");
		_exit(0);
	}
	return child_status(pid) == 1000 + SIGBUS;
}

/* Nothing on the way back is misaligned. */
TEST(alignment_checked)
{
	const unsigned int n = 100;
	struct loop_probes l;
	unsigned long dx, ax = n;

	if (!checks_alignment())
		SKIP(return, "this processor does not check alignment");
	plant(_metadata, &l);
	asm volatile("pushf; orl $0x40000, (%%rsp); popf\n"
		     "call run_loop\n"
		     "pushf; andl $~0x40000, (%%rsp); popf"
		     : "+a" (ax), "=d" (dx) : : "memory", "cc", "xmm0");
	EXPECT_EQ(3 * n, dx);
	check_loop(_metadata, &l, n);
}

/* ---- pages that come when somebody likes ---- */

static int uffd = -1;
static uint8_t *slow_page;
static int mended;

/* The page at @p is not there until mend(). */
static bool make_slow(uint8_t *p)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.mode = UFFDIO_REGISTER_MODE_MISSING,
		.range = { (unsigned long)p, PAGE },
	};

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	return uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api) && !madvise(p, PAGE, MADV_DONTNEED) &&
	       !ioctl(uffd, UFFDIO_REGISTER, &reg);
}

static uint8_t *slow_make(void)
{
	uint8_t *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && make_slow(p) ? p : NULL;
}

static void mend(void)
{
	static uint8_t contents[PAGE] __attribute__((aligned(PAGE))) = { 0x5a };
	struct uffdio_copy copy = {
		.dst = (unsigned long)slow_page,
		.src = (unsigned long)contents,
		.len = PAGE,
	};

	ioctl(uffd, UFFDIO_COPY, &copy);
}

static const char *slow_insn;	/* where the alarm finds the program */

static void on_alarm(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;

	/* Not there yet if the machine is slow: in a second it will be. */
	if (uc->uc_mcontext.gregs[REG_RIP] != (long)slow_insn) {
		alarm(1);
		return;
	}
	__atomic_add_fetch(&mended, 1, __ATOMIC_RELAXED);
	mend();
}

/*
 * The signal that lets the instruction go on must not wait for it. The program comes
 * back to the instruction, which is still the same execution.
 */
static void signal_ends_the_wait(struct __test_metadata *_metadata, const char *insn,
				 unsigned int want)
{
	struct sigaction sa = {
		.sa_sigaction = on_alarm,
		.sa_flags = SA_SIGINFO,
	};
	struct probe p = { };

	sigaction(SIGALRM, &sa, NULL);
	slow_insn = insn;
	slow_page = near_pages + PAGE;
	for (int probed = 0; probed < 2; probed++) {
		ASSERT_TRUE(make_slow(slow_page));
		if (probed)
			ASSERT_EQ(0, probe_addr(&p, insn, 0));
		mended = 0;
		alarm(1);
		EXPECT_EQ(want, load_by(insn, slow_page));
		EXPECT_EQ(1, __atomic_load_n(&mended, __ATOMIC_RELAXED));
		if (probed) {
			EXPECT_EQ(1, probe_hits(&p));
			EXPECT_EQ(want, load_by(insn, slow_page));
			EXPECT_EQ(2, probe_hits(&p));
		}
		close(uffd);
	}
	probe_close(&p);
}

TEST(signal_ends_the_wait_of_a_boosted_one)
{
	signal_ends_the_wait(_metadata, load_insn, 0x5a);
}

TEST(signal_ends_the_wait_of_an_emulated_one)
{
	signal_ends_the_wait(_metadata, near_load, 0x5a);
}

TEST(signal_ends_the_wait_of_one_with_a_borrowed_base)
{
	signal_ends_the_wait(_metadata, near_imul, 3 * 0x5a);
}

#define WAITERS	64

static void *waiter(void *arg)
{
	return (void *)(unsigned long)load_byte(slow_page);
}

/* Many threads sit in one slot. Others go on, and the probe comes out. */
TEST(many_wait_in_one_slot)
{
	pthread_t threads[WAITERS];
	struct loop_probes l;
	struct probe p;
	void *ret;

	slow_page = slow_make();
	ASSERT_NE(NULL, slow_page);
	ASSERT_EQ(0, probe_addr_all(&p, load_insn, 0));
	for (unsigned int i = 0; i < WAITERS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, waiter, NULL));
	for (int i = 0; i < 600 && probe_hits(&p) < WAITERS; i++)
		usleep(50000);
	EXPECT_EQ(WAITERS, probe_hits(&p));

	plant(_metadata, &l);
	EXPECT_EQ(300, loop_rounds(100));
	check_loop(_metadata, &l, 100);
	probe_close(&p);

	mend();
	for (unsigned int i = 0; i < WAITERS; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &ret));
		ASSERT_EQ(0x5a, (unsigned long)ret);
	}
	EXPECT_TRUE(xol_gone(0, 30));
	munmap(slow_page, PAGE);
	close(uffd);
}

/* Killed while they wait. */
TEST(killed_in_a_slot)
{
	pthread_t thread;
	struct probe p;
	pid_t pid;

	ASSERT_EQ(0, probe_addr_all(&p, load_insn, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		slow_page = slow_make();
		for (unsigned int i = 0; slow_page && i < WAITERS; i++)
			pthread_create(&thread, NULL, waiter, NULL);
		for (;;)
			pause();
	}
	for (int i = 0; i < 600 && probe_hits(&p) < WAITERS; i++)
		usleep(50000);
	EXPECT_EQ(WAITERS, probe_hits(&p));
	kill(pid, SIGKILL);
	EXPECT_EQ(1000 + SIGKILL, child_status(pid));
	probe_close(&p);
}

/* ---- slots that sleeping threads have left ---- */

static pthread_barrier_t meet;

static void *sleeper(void *arg)
{
	unsigned long dx = loop_rounds(10);

	pthread_barrier_wait(&meet);
	pthread_barrier_wait(&meet);
	return (void *)dx;
}

/* They have not told the kernel that they left: it finds out. */
TEST(area_goes_while_they_sleep)
{
	pthread_t threads[8];
	struct loop_probes l;
	void *ret;

	plant(_metadata, &l);
	for (unsigned int i = 0; i < ARRAY_SIZE(l.p); i++)
		probe_close(&l.p[i]);
	ASSERT_EQ(0, probe_addr_all(&l.p[0], plain_insn, 0));
	ASSERT_EQ(0, probe_addr_all(&l.p[1], vector_insn, 0));
	pthread_barrier_init(&meet, NULL, ARRAY_SIZE(threads) + 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, sleeper, NULL));
	pthread_barrier_wait(&meet);
	EXPECT_EQ(10 * ARRAY_SIZE(threads), probe_hits(&l.p[0]));
	probe_close(&l.p[0]);
	probe_close(&l.p[1]);
	EXPECT_TRUE(xol_gone(0, 30));
	pthread_barrier_wait(&meet);
	for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &ret));
		EXPECT_EQ(30, (unsigned long)ret);
	}
}

static bool spin = true;

static void *spinner(void *arg)
{
	loop_rounds(10);
	while (__atomic_load_n(&spin, __ATOMIC_RELAXED))
		;
	return NULL;
}

/* Nor has one that never enters the kernel: it is sent through it. */
TEST(area_goes_while_one_spins)
{
	pthread_t thread;
	struct probe p;

	ASSERT_EQ(0, probe_addr_all(&p, plain_insn, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, spinner, NULL));
	for (int i = 0; i < 200 && probe_hits(&p) < 10; i++)
		usleep(50000);
	EXPECT_EQ(10, probe_hits(&p));
	probe_close(&p);
	EXPECT_TRUE(xol_gone(0, 30));
	__atomic_store_n(&spin, false, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, NULL));
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
