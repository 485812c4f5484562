// SPDX-License-Identifier: GPL-2.0-only
/*
 * %rip-relative operands: the copy of the instruction stands elsewhere and
 * must reach the same data, and the segment base that may have been borrowed
 * for it is never seen by the program.
 */
#include "insn_engine.h"

#include <pthread.h>
#include <sys/time.h>

TEST(alone)
{
	ASSERT_TRUE(add_table_in_place());
	EXPECT_EQ(0, compare_all(_metadata, 100));
}

/* A handler does what a wrong way past one of them would do. */
TEST(self_test)
{
	ASSERT_TRUE(add_table_in_place());
	compare_spoiled(_metadata, "nopl insn_data+1024(%rip)");
}

#define NR_THREADS	8
#define NR_ROUNDS	3000

#define CONSTANT	0x0123456789abcdefUL
static int rip_errors;
static __thread uint64_t own_number;

/*
 * Three probed instructions between two looks at thread-local storage, which
 * is found by the fs base, and at the gs base.
 */
uint64_t riprel_round(uint64_t *tls_seen);
extern const char riprel_load[], riprel_add[], riprel_store[], riprel_sse[];
uint64_t riprel_scratch;

asm("	.text\n"
	"riprel_round:\n"
	"riprel_load:	mov	riprel_constant(%rip), %rax\n"
	"		mov	%fs:0, %rdx\n"
	"riprel_add:	lock addq $1, riprel_total(%rip)\n"
	"		cmp	%fs:0, %rdx\n"
	"		jne	1f\n"
	"riprel_store:	movq	$5, riprel_scratch(%rip)\n"
	"riprel_sse:	movdqu	riprel_vector(%rip), %xmm1\n"
	"		movq	%xmm1, %rcx\n"
	"		cmp	%rax, %rcx\n"
	"		jne	1f\n"
	"		mov	%rdx, (%rdi)\n"
	"		ret\n"
	"1:		xor	%eax, %eax\n"
	"		ret\n"
	"	.data\n"
	"	.balign	16\n"
	"riprel_vector:\n"
	"riprel_constant: .quad	0x0123456789abcdef, 0\n"
	"riprel_total:	.quad	0\n"
	"	.globl	riprel_total\n"
	"	.text\n");

extern uint64_t riprel_total;

static void *hammer(void *arg)
{
	unsigned long gs = 0x4000UL * (long)arg, fs_before, fs, gs_now;
	uint64_t seen;

	raw_arch_prctl(ARCH_SET_GS, gs);
	raw_arch_prctl(ARCH_GET_FS, (unsigned long)&fs_before);
	own_number = (long)arg;

	for (int i = 0; i < NR_ROUNDS; i++) {
		seen = 0;
		if (riprel_round(&seen) != CONSTANT || seen != fs_before)
			__atomic_add_fetch(&rip_errors, 1, __ATOMIC_RELAXED);
		raw_arch_prctl(ARCH_GET_FS, (unsigned long)&fs);
		raw_arch_prctl(ARCH_GET_GS, (unsigned long)&gs_now);
		if (fs != fs_before || gs_now != gs || own_number != (uint64_t)(long)arg)
			__atomic_add_fetch(&rip_errors, 1, __ATOMIC_RELAXED);
		if (getauxval(AT_HWCAP2) & 2) {
			asm volatile("rdgsbase %0" : "=r" (gs_now));
			if (gs_now != gs)
				__atomic_add_fetch(&rip_errors, 1, __ATOMIC_RELAXED);
		}
		if (i % 64 == 0)
			sched_yield();
	}
	return NULL;
}

static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
	unsigned long fs;

	/* A signal between the instructions must see the program's own base too. */
	raw_arch_prctl(ARCH_GET_FS, (unsigned long)&fs);
	if (*(unsigned long *)fs != fs)
		__atomic_add_fetch(&rip_errors, 1, __ATOMIC_RELAXED);
	ticks++;
}

TEST(threads_and_signals)
{
	const void *const places[] = { riprel_load, riprel_add, riprel_store, riprel_sse };
	struct probe probes[ARRAY_SIZE(places)];
	struct itimerval every = { { 0, 500 }, { 0, 500 } }, never = { };
	struct sigaction sa = {
		.sa_handler = on_tick,
		.sa_flags = SA_RESTART,
	};
	pthread_t threads[NR_THREADS];

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		ASSERT_EQ(0, probe_addr_all(&probes[i], places[i], 0));

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (long i = 0; i < NR_THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, hammer, (void *)(i + 1)));
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	setitimer(ITIMER_REAL, &never, NULL);

	EXPECT_EQ(0, rip_errors);
	EXPECT_NE(0, ticks);
	EXPECT_EQ(NR_THREADS * NR_ROUNDS, riprel_total);
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		EXPECT_EQ(NR_THREADS * NR_ROUNDS, probe_hits(&probes[i]));
		probe_close(&probes[i]);
	}
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
