// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a hit costs when several threads of a process hit at the same time:
 * "threads/WHERE/KIND/THREADS". WHERE: all hit one probepoint, one each, or 1000
 * in turn. KIND: what ours does with the instruction. The clock's time for all
 * hits of all threads is divided by their number: with an instruction counting
 * clock that is guest instructions per hit, those spent on waiting included;
 * with -w it is the wall clock, and what is printed are hits per second.
 *
 *	bench_threads [-n HITS of a thread] [-w] [THREADS...]
 */
#include "bench.h"

#include <pthread.h>

#define MAX_THREADS	8
#define NR_IN_TURN	1000

/*
 * Functions of one argument, how often. The instructions in front of the first
 * probed one take HEAD bytes, in all of them. r12 counts; rcx is 0, so that
 * "rep stosb" does nothing.
 */
#define HEAD		7

#define FUNCTION(body)							\
	    "	push	%r12\n"						\
	    "	mov	%rdi, %r12\n"					\
	    "	xor	%ecx, %ecx\n"					\
	    "1:\n"							\
	    body							\
	    "	dec	%r12\n"						\
	    "	jnz	1b\n"						\
	    "	pop	%r12\n"						\
	    "	ret\n"

/* COPY_SIZE apart: a loop for each thread, one probe in each */
#define COPY_SIZE	64

#define EACH(name, body)						\
	extern const char each_##name[];				\
	asm("	.text\n"						\
	    "	.balign	64\n"						\
	    "each_" #name ":\n"						\
	    "	.rept	8\n"						\
	    "	.balign	64\n"						\
	    FUNCTION(body "\n")						\
	    "	.endr\n")

#define TURN(name, body)						\
	extern const char turn_##name[];				\
	asm("	.text\n"						\
	    "turn_" #name ":\n"						\
	    FUNCTION("	.rept	1000\n" body "\n	.endr\n"))

EACH(emulated, "nop");
TURN(emulated, "nop");
EACH(boosted, "imul $3, %eax, %eax");
TURN(boosted, "imul $3, %eax, %eax");
EACH(stepped, "rep stosb");
TURN(stepped, "rep stosb");

static const struct kind {
	const char *name, *each, *turn;
	unsigned int len;
} kinds[] = {
	{ "emulated", each_emulated, turn_emulated, 1 },
	{ "boosted", each_boosted, turn_boosted, 3 },
	{ "stepped", each_stepped, turn_stepped, 2 },
};

enum { AT_ONE, AT_EACH, IN_TURN };
static const char * const wheres[] = { "one", "each", "turn" };

static unsigned long hits = 2000;
static bool wall;

struct run {
	void (*function[MAX_THREADS])(unsigned long n);
	unsigned long n;
	pthread_barrier_t start, end;
};

struct job {
	struct run *run;
	int index;
};

static void *hit_thread(void *arg)
{
	const struct job *job = arg;
	struct run *run = job->run;
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(job->index % cpus, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("affinity: %s", strerror(errno));
	run->function[job->index](1);
	for (int i = 0; i < 3; i++) {
		pthread_barrier_wait(&run->start);
		run->function[job->index](run->n);
		pthread_barrier_wait(&run->end);
	}
	return NULL;
}

/* The best of three. */
static uint64_t measure(struct run *run, int threads)
{
	struct job jobs[MAX_THREADS];
	pthread_t t[MAX_THREADS];
	uint64_t best = ~0ULL, start, took;

	pthread_barrier_init(&run->start, NULL, threads + 1);
	pthread_barrier_init(&run->end, NULL, threads + 1);
	for (int i = 0; i < threads; i++) {
		jobs[i] = (struct job){ run, i };
		if (pthread_create(&t[i], NULL, hit_thread, &jobs[i]))
			die("no thread");
	}
	for (int i = 0; i < 3; i++) {
		/* They wait by then, so that waking them is what comes first. */
		usleep(10000);
		start = now();
		pthread_barrier_wait(&run->start);
		pthread_barrier_wait(&run->end);
		took = now() - start;
		if (took < best)
			best = took;
	}
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	return best;
}

static void bench(const struct kind *k, int where, int threads)
{
	const char *first = where == IN_TURN ? k->turn : k->each;
	int probes = where == AT_ONE ? 1 : where == AT_EACH ? MAX_THREADS : NR_IN_TURN;
	struct run run = { .n = where == IN_TURN ? (hits + NR_IN_TURN - 1) / NR_IN_TURN : hits };
	uint64_t without, with;
	double all;
	struct where at;
	int err;

	if (!where_is(first, &at))
		die("not in a file");
	for (int i = 0; i < MAX_THREADS; i++)
		run.function[i] = (void *)(first + (where == AT_EACH ? i * COPY_SIZE : 0));
	all = (double)threads * run.n * (where == IN_TURN ? NR_IN_TURN : 1);

	without = measure(&run, threads);
	err = bench_load("path=%s offsets=%llu count=%d distance=%u", at.path,
			 (unsigned long long)at.offset + HEAD, probes,
			 where == IN_TURN ? k->len : COPY_SIZE);
	if (err)
		die("%s: %s", k->name, strerror(-err));
	with = measure(&run, threads);
	bench_unload();
	if (wall)
		result(all * 1e9 / with, "hits/s", "parallel/%s/%s/%d", wheres[where], k->name,
		       threads);
	else
		result(((double)with - without) / all, "instructions", "threads/%s/%s/%d",
		       wheres[where], k->name, threads);
}

int main(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "n:w")) != -1) {
		if (opt == 'n')
			hits = strtoul(optarg, NULL, 0);
		else if (opt == 'w')
			wall = true;
		else
			return 2;
	}
	if (!hits || optind == argc)
		return 2;

	for (int where = AT_ONE; where <= IN_TURN; where++)
		for (unsigned int k = 0; k < ARRAY_SIZE(kinds); k++)
			for (int i = optind; i < argc; i++) {
				int threads = atoi(argv[i]);

				if (threads < 1 || threads > MAX_THREADS)
					return 2;
				bench(&kinds[k], where, threads);
			}
	return 0;
}
