// SPDX-License-Identifier: GPL-2.0-only
/*
 * Restartable sequences with a probe on every instruction. A counter per CPU is
 * incremented without an atomic instruction, by threads that are preempted, moved
 * and interrupted all the time: if one sequence is not aborted that should have
 * been, increments are lost.
 */
#include "common.h"
#include "bulk.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/rseq.h>
#include <sys/utsname.h>
#include <ucontext.h>

#define COUNTERS	4	/* CPUs with a counter: 0 to 3 */
#define WORKERS		4
#define INSNS		7	/* at most, of a sequence */
#define DONE		0	/* what a sequence returns */
#define ABORTED		1
#define ELSEWHERE	2	/* not on the CPU that it is for */
#define PATIENCE	20	/* s, for what takes far less */

/* One in each line of the cache; targets_rseq.S knows how far apart they are. */
struct counter {
	volatile long n;
} __attribute__((aligned(64)));

struct counter counters[COUNTERS];
struct counter guarded, allowed;
unsigned long grown;		/* stack pointer of those that are "growing" */

/**
 * struct sequence - one of those in targets_rseq.S
 * @run: increments the counter of the CPU it is for; takes the rseq area
 * @insns: the instructions in the sequence, ended by 0
 */
struct sequence {
	unsigned long run;
	unsigned long insns[INSNS + 1];
};

extern const struct sequence sequences[3][COUNTERS], flagged, behind[], growing[];

static struct rseq *own_area(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static int run(const struct sequence *s, struct rseq *area)
{
	unsigned long in = (unsigned long)area, out = s->run;

	asm volatile("call *%0\n"
		     : "+a" (out), "+D" (in) : : "memory", "cc",
#ifdef __x86_64__
		     "rcx", "rdx"
#else
		     "ecx", "edx"
#endif
		     );
	return out;
}

/* ---- the threads ---- */

static const struct sequence *kind;
static volatile int stop;
static __thread unsigned long done, aborted;

struct worker {
	pthread_t thread;
	volatile pid_t tid;
	unsigned long *done, *aborted;	/* its own, as long as it runs */
	unsigned long all_done, all_aborted;
};

static void increment(struct rseq *area)
{
	int ret;

	do {
		unsigned int cpu = *(volatile unsigned int *)&area->cpu_id_start;

		ret = run(&kind[cpu % COUNTERS], area);
		/* By the signal handler, too, in between. */
		__atomic_fetch_add(&aborted, ret == ABORTED, __ATOMIC_RELAXED);
	} while (ret != DONE);
	__atomic_fetch_add(&done, 1, __ATOMIC_RELAXED);
}

/* Signals nest: what they interrupt is to be aborted, and counted by itself. */
static void on_signal(int sig)
{
	int err = errno;

	increment(own_area());
	errno = err;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct rseq *area = own_area();
	sigset_t usr1;

	w->done = &done;
	w->aborted = &aborted;
	__atomic_store_n(&w->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	while (!stop)
		increment(area);
	/* No handler runs any more when the numbers are read. */
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	w->all_done = done;
	w->all_aborted = aborted;
	return NULL;
}

/* CPUs that this may run on and that have a counter. */
static int usable_cpus(cpu_set_t *set)
{
	CPU_ZERO(set);
	sched_getaffinity(0, sizeof(*set), set);
	for (int cpu = COUNTERS; cpu < CPU_SETSIZE; cpu++)
		CPU_CLR(cpu, set);
	return CPU_COUNT(set);
}

static int pick_cpu(const cpu_set_t *set, unsigned int r)
{
	int n = r % CPU_COUNT(set), cpu = 0;

	while (!CPU_ISSET(cpu, set) || n--)
		cpu++;
	return cpu;
}

struct outcome {
	unsigned long done, aborted;
	long counted;
	int cpu;
};

/* Is that enough of a race? Each increment that is lost would show. */
#define ENOUGH_TIME	0.25	/* s */
#define ENOUGH_DONE	300
#define ENOUGH_ABORTED	60

static bool raced_enough(const struct worker *workers, unsigned long enough_aborted)
{
	unsigned long n = 0, nr_aborted = 0;

	for (int i = 0; i < WORKERS; i++) {
		if (!__atomic_load_n(&workers[i].tid, __ATOMIC_ACQUIRE))
			return false;
		n += __atomic_load_n(workers[i].done, __ATOMIC_RELAXED);
		nr_aborted += __atomic_load_n(workers[i].aborted, __ATOMIC_RELAXED);
	}
	return n >= ENOUGH_DONE && nr_aborted >= enough_aborted;
}

/*
 * Threads that hop between CPUs and get signals, until enough of what they do has come to
 * its end and enough was aborted.
 */
static struct outcome race(int which, unsigned long enough_aborted)
{
	struct worker workers[WORKERS] = {};
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct outcome o = {};
	unsigned int seed = 1;
	cpu_set_t all, one;
	double begin;

	kind = sequences[which];
	memset(counters, 0, sizeof(counters));
	stop = 0;
	sigaction(SIGUSR1, &sa, NULL);
	usable_cpus(&all);
	sched_setaffinity(0, sizeof(all), &all);
	for (int i = 0; i < WORKERS; i++)
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	begin = seconds_now();
	while (seconds_now() < begin + ENOUGH_TIME ||
	       (!raced_enough(workers, enough_aborted) && seconds_now() < begin + PATIENCE)) {
		struct worker *w = &workers[rand_r(&seed) % WORKERS];

		usleep(200);
		if (!w->tid)
			continue;
		CPU_ZERO(&one);
		CPU_SET(pick_cpu(&all, rand_r(&seed)), &one);
		sched_setaffinity(w->tid, sizeof(one), &one);
		if (rand_r(&seed) % 4 == 0)
			pthread_kill(w->thread, SIGUSR1);
	}
	stop = 1;
	for (int i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		o.done += workers[i].all_done;
		o.aborted += workers[i].all_aborted;
	}
	for (int i = 0; i < COUNTERS; i++)
		o.counted += counters[i].n;
	return o;
}

static const char *const kind_names[] = { "by address", "at once", "by string" };

#define KINDS	ARRAY_SIZE(kind_names)

FIXTURE(rseq) {
	struct bulk bulk;
	char avoid[32];
	bool probed;
};

FIXTURE_SETUP(rseq)
{
	ASSERT_LE(20, __rseq_size)
		TH_LOG("the C library has registered no rseq area");
	ASSERT_LE(0, (int)own_area()->cpu_id);
	ASSERT_LT(0, read_text(AVOID, self->avoid, sizeof(self->avoid)));
}

static void unprobe(struct _test_data_rseq *self)
{
	if (self->probed) {
		bulk_close(&self->bulk);
		bulk_free(&self->bulk);
	}
	self->probed = false;
}

FIXTURE_TEARDOWN(rseq)
{
	unprobe(self);
	EXPECT_EQ(0, write_text(AVOID, 0, "%s", self->avoid));
}

/* A probe on each of their instructions. */
static void probe_sequences(struct __test_metadata *_metadata, struct _test_data_rseq *self,
			    const struct sequence *s, int nr)
{
	uint64_t offsets[COUNTERS * INSNS];
	struct where w;
	int n = 0, file;

	for (int i = 0; i < nr; i++) {
		for (int j = 0; s[i].insns[j]; j++) {
			ASSERT_TRUE(where_is((void *)s[i].insns[j], &w));
			offsets[n++] = w.offset;
		}
	}
	file = open(w.path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, bulk_open(&self->bulk))
		TH_LOG("uprobe_bulk.ko is needed: make -C KERNEL M=.../modules");
	self->probed = true;
	ASSERT_EQ(0, bulk_add(&self->bulk, file, offsets, n));
	for (int i = 0; i < n; i++)
		ASSERT_EQ(0, self->bulk.errors[i]);
	close(file);
}

static struct outcome check(struct __test_metadata *_metadata, const char *how, int which,
			    unsigned long enough_aborted)
{
	struct outcome o = race(which, enough_aborted);

	TH_LOG("%s, %s: %lu done, %lu aborted, %ld lost", kind_names[which], how, o.done,
	       o.aborted, (long)o.done - o.counted);
	EXPECT_LE(ENOUGH_DONE, o.done);
	EXPECT_LE(enough_aborted, o.aborted);
	EXPECT_EQ((long)o.done, o.counted);
	return o;
}

/* A control: here aborts are rare. */
TEST_F(rseq, unprobed)
{
	for (unsigned int k = 0; k < KINDS; k++)
		check(_metadata, "unprobed", k, 1);
}

TEST_F(rseq, every_instruction)
{
	struct outcome o;

	for (unsigned int k = 0; k < KINDS; k++) {
		for (unsigned int way = 0; way < 4; way++) {
			ASSERT_EQ(0, write_text(AVOID, 0, "%u\n", ways[way].avoid));
			probe_sequences(_metadata, self, sequences[k], COUNTERS);
			o = check(_metadata, ways[way].name, k, ENOUGH_ABORTED);
			EXPECT_EQ(0, bulk_hits(&self->bulk));
			/* Of those that came to their end at least three before it. */
			EXPECT_LE(4 * o.done, self->bulk.sum);
			unprobe(self);
		}
	}
}

/*
 * A program that forbids something, and waits for membarrier(), may rely on no
 * sequence that began before to have an effect afterwards.
 */
static void *work_flagged(void *arg)
{
	struct rseq *area = own_area();
	struct outcome *o = arg;
	cpu_set_t one;
	int ret;

	CPU_ZERO(&one);
	CPU_SET(o->cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
	while (!stop) {
		ret = run(&flagged, area);
		o->done += ret == DONE;
		o->aborted += ret == ABORTED;
	}
	return NULL;
}

TEST_F(rseq, membarrier)
{
	struct outcome o = {};
	int cpu, late = 0, rounds;
	pthread_t thread;
	cpu_set_t all, one;
	double end;
	long before;

	if (usable_cpus(&all) < 2)
		SKIP(return, "one CPU: nobody runs while membarrier() is called");
	ASSERT_EQ(0, syscall(SYS_membarrier,
			     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0));
	cpu = pick_cpu(&all, 0);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	o.cpu = pick_cpu(&all, 1);

	probe_sequences(_metadata, self, &flagged, 1);
	stop = 0;
	allowed.n = 1;
	ASSERT_EQ(0, pthread_create(&thread, NULL, work_flagged, &o));
	end = seconds_now() + PATIENCE;
	for (rounds = 0; seconds_now() < end; rounds++) {
		/* They change while this is read: the numbers are checked when it has ended. */
		if (rounds >= 300 && *(volatile unsigned long *)&o.done >= 20 &&
		    *(volatile unsigned long *)&o.aborted >= 100)
			break;
		usleep(100);
		allowed.n = 0;
		ASSERT_EQ(0, syscall(SYS_membarrier,
				     MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0));
		before = guarded.n;
		usleep(100);
		late += guarded.n != before;
		allowed.n = 1;
	}
	stop = 1;
	pthread_join(thread, NULL);
	sched_setaffinity(0, sizeof(all), &all);
	TH_LOG("%d rounds, %lu done, %lu aborted, %d too late", rounds, o.done, o.aborted, late);
	EXPECT_LE(300, rounds);
	EXPECT_LE(20, o.done);
	EXPECT_LE(100, o.aborted);
	EXPECT_EQ(0, late);
	EXPECT_EQ((long)o.done, guarded.n);
}

/* Of each sequence the first, the third and the last, as "offsets=" wants them */
static void write_offsets(char *p, const struct sequence *s, struct where *w)
{
	for (int cpu = 0; cpu < COUNTERS; cpu++, s++) {
		int at[] = { 0, 2, 0 };

		while (s->insns[at[2] + 1])
			at[2]++;
		for (int i = 0; i < 3; i++) {
			where_is((void *)s->insns[at[i]], w);
			p += sprintf(p, "%s%llu", cpu || i ? "," : "",
				     (unsigned long long)w->offset);
		}
	}
}

/* Handlers that sleep: whenever one does the sequence is over. */
TEST_F(rseq, sleeping_handlers)
{
	char args[1024], offsets[512];
	struct where w;
	int fd;

	fd = find_module("uprobe_test.ko");
	ASSERT_LE(0, fd)
		TH_LOG("uprobe_test.ko is needed: make -C KERNEL M=.../modules");
	syscall(SYS_delete_module, "uprobe_test", 0);
	for (unsigned int k = 0; k < KINDS; k++) {
		for (unsigned int way = 0; way < 4; way++) {
			ASSERT_EQ(0, write_text(AVOID, 0, "%u\n", ways[way].avoid));
			write_offsets(offsets, sequences[k], &w);
			snprintf(args, sizeof(args), "run=nap path=%s offsets=%s", w.path, offsets);
			ASSERT_EQ(0, syscall(SYS_finit_module, fd, args, 0))
				TH_LOG("%s: %s", args, strerror(errno));
			check(_metadata, ways[way].name, k, ENOUGH_ABORTED);
			ASSERT_EQ(0, syscall(SYS_delete_module, "uprobe_test", 0));
		}
	}
	close(fd);
}

/* ---- signals for a thread that sleeps in a handler ---- */

#ifdef __x86_64__
#define REG_IP		REG_RIP
#define REG_SP		REG_RSP
#define NR_BEHIND	3	/* a push, a call, and a store that is emulated */
#else
#define REG_IP		REG_EIP
#define REG_SP		REG_ESP
#define NR_BEHIND	2
#endif

/* One instruction has a probe. What is there when a signal finds the thread at it? */
static struct {
	unsigned long insn, next;
	long written;		/* by it, to the counter */
	long pushed;		/* bytes */
	unsigned long at_insn, at_next, wrong;
	unsigned long sp;	/* in front of it */
} watched;

static void on_watched(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	unsigned long ip = uc->uc_mcontext.gregs[REG_IP];
	unsigned long sp = uc->uc_mcontext.gregs[REG_SP];

	if (ip == watched.insn) {
		watched.sp = watched.sp ?: sp;
		watched.at_insn++;
		watched.wrong += guarded.n != (long)done || sp != watched.sp;
	} else if (ip == watched.next && watched.sp) {
		watched.at_next++;
		watched.wrong += guarded.n != (long)done + watched.written ||
				 sp + watched.pushed != watched.sp;
	}
}

static void *interrupt(void *arg)
{
	while (!stop) {
		usleep(100);
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
	}
	return NULL;
}

/*
 * Handlers of that instruction count, and sleep one time in eight. Until enough signals
 * have found the thread at it, or behind a sequence that was aborted, and @behind of them
 * behind the instruction.
 */
static uint64_t run_watched(struct __test_metadata *_metadata, struct _test_data_rseq *self,
			    const struct sequence *s, unsigned long insn, unsigned long behind)
{
	struct sigaction sa = { .sa_sigaction = on_watched, .sa_flags = SA_SIGINFO | SA_RESTART };
	const struct sequence one = { .insns = { insn } };
	struct rseq *area = own_area();
	pthread_t thread, own = pthread_self();
	char args[512];
	struct where w;
	uint64_t hits;
	int fd, ret;

	fd = find_module("uprobe_test.ko");
	ASSERT_LE(0, fd)
		TH_LOG("uprobe_test.ko is needed: make -C KERNEL M=.../modules");
	syscall(SYS_delete_module, "uprobe_test", 0);
	ASSERT_EQ(0, write_text(AVOID, 0, "0\n"));
	probe_sequences(_metadata, self, &one, 1);
	ASSERT_TRUE(where_is((void *)insn, &w));
	snprintf(args, sizeof(args), "run=nap path=%s offsets=%llu", w.path,
		 (unsigned long long)w.offset);
	ASSERT_EQ(0, syscall(SYS_finit_module, fd, args, 0));
	close(fd);

	sigaction(SIGUSR1, &sa, NULL);
	guarded.n = 0;
	done = 0;
	aborted = 0;
	stop = 0;
	ASSERT_EQ(0, pthread_create(&thread, NULL, interrupt, &own));
	for (double end = seconds_now() + PATIENCE; seconds_now() < end; ) {
		if (done >= 1000 && watched.at_insn + aborted >= 100 && watched.at_next >= behind)
			break;
		ret = run(s, area);
		done += ret == DONE;
		aborted += ret == ABORTED;
	}
	stop = 1;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, syscall(SYS_delete_module, "uprobe_test", 0));
	EXPECT_EQ(0, bulk_hits(&self->bulk));
	TH_LOG("%lu done, %lu aborted, %llu hits; signals: %lu at it, %lu behind it, %lu wrong",
	       done, aborted, (unsigned long long)self->bulk.sum, watched.at_insn,
	       watched.at_next, watched.wrong);
	EXPECT_LE(1000, done);
	EXPECT_LE(100, watched.at_insn + aborted);
	EXPECT_LE(behind, watched.at_next);
	EXPECT_EQ((long)done, guarded.n);
	EXPECT_EQ(0, watched.wrong);
	hits = self->bulk.sum;
	unprobe(self);
	return hits;
}

/*
 * Whoever sleeps may have to be told by rseq, before the instruction writes, that he
 * is not in a sequence; then the signal is first. Its handlers have run, once.
 */
TEST_F(rseq, signal_behind_the_end)
{
	unsigned long enough = 20;
	struct utsname kernel;
	uint64_t hits;

	/* A 32-bit kernel under QEMU has one in ten seconds: those that come are judged. */
	ASSERT_EQ(0, uname(&kernel));
	if (strcmp(kernel.machine, "x86_64"))
		enough = 0;
	for (unsigned int i = 0; i < NR_BEHIND; i++) {
		memset(&watched, 0, sizeof(watched));
		watched.insn = behind[i].insns[0];
		watched.next = behind[i].insns[2];
		watched.written = i == 2;
		watched.pushed = i == 2 ? 0 : sizeof(long);
		hits = run_watched(_metadata, self, &behind[i], watched.insn, enough);
		EXPECT_EQ(done, hits);
		EXPECT_LT(done / 100, watched.at_insn);
	}
}

/* In a sequence: who has slept is sent away, and the signal finds him there. */
TEST_F(rseq, signal_in_a_sequence)
{
	uint64_t hits;

	memset(&watched, 0, sizeof(watched));
	watched.insn = flagged.insns[4];
	allowed.n = 1;
	hits = run_watched(_metadata, self, &flagged, watched.insn, 0);
	EXPECT_EQ(0, watched.at_insn);
	EXPECT_LE(hits, done + aborted);
	/* Now and then the time is over before it sleeps. */
	EXPECT_LE(hits / 16, aborted);
}

/* ---- a stack that grows, for a thread that is said to be in a sequence ---- */

#define NR_GROWING	2	/* a push, and a call */
#define GROW_ROOM	(4UL << 20)	/* free below it: more than the guard gap */

/*
 * The lowest address of a stack of one page; NULL if it cannot be had. At the lower end
 * of its room there is a page that keeps the area for displaced instructions out.
 */
static uint8_t *new_stack(void)
{
	uint8_t *room = mmap(NULL, GROW_ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *low = room + GROW_ROOM - PAGE;

	if (room == MAP_FAILED || munmap(room + PAGE, GROW_ROOM - PAGE))
		return NULL;
	return mmap(low, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_FIXED_NOREPLACE | MAP_GROWSDOWN, -1, 0) == low ? low : NULL;
}

/* Until enough were not preempted. Returns how many came to their end. */
#define ENOUGH_UNDISTURBED	100

static unsigned long grow(struct __test_metadata *_metadata, const struct sequence *s)
{
	unsigned long n = 0, undisturbed = 0, aborts = 0, wrong = 0, pushed;
	struct rseq *area = own_area();
	uint8_t *low = new_stack();
	double begin = seconds_now();
	int ret;

	ASSERT_NE(NULL, low);
	guarded.n = 0;
	while (undisturbed < ENOUGH_UNDISTURBED && seconds_now() < begin + PATIENCE) {
		grown = (unsigned long)low;
		ret = run(s, area);
		if (ret == ABORTED) {
			aborts++;
			continue;
		}
		/* NULL if rseq has seen that it is over */
		undisturbed += !!*(volatile __u64 *)&area->rseq_cs;
		n++;
		pushed = s == growing ? n : s->insns[2];
		wrong += ret != DONE || guarded.n != (long)n || grown != (unsigned long)low ||
			 ((unsigned long *)low)[-1] != pushed;
		ASSERT_EQ(0, munmap(low - PAGE, PAGE));
	}
	TH_LOG("%lu done, %lu of them undisturbed, %lu aborted, %lu wrong", n, undisturbed,
	       aborts, wrong);
	EXPECT_LE(ENOUGH_UNDISTURBED, undisturbed);
	EXPECT_EQ(0, wrong);
	munmap(low + PAGE - GROW_ROOM, GROW_ROOM);
	return n;
}

TEST_F(rseq, stack_grows_behind_the_end)
{
	unsigned long n;

	for (unsigned int i = 0; i < NR_GROWING; i++) {
		const struct sequence one = { .insns = { growing[i].insns[0] } };

		grow(_metadata, &growing[i]);
		for (unsigned int way = 0; way < ARRAY_SIZE(ways); way++) {
			ASSERT_EQ(0, write_text(AVOID, 0, "%u\n", ways[way].avoid));
			probe_sequences(_metadata, self, &one, 1);
			n = grow(_metadata, &growing[i]);
			EXPECT_EQ(0, bulk_hits(&self->bulk));
			EXPECT_EQ(n, self->bulk.sum)
				TH_LOG("%s", ways[way].name);
			unprobe(self);
		}
	}
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
