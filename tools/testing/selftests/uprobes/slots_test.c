// SPDX-License-Identifier: GPL-2.0-only
/*
 * More sites than slots, many threads in few slots, and an area that is
 * swapped out under them. Worth running with uprobes.xol_slots=4 as well.
 */
#include "common.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#define NR_SITES	200
#define NR_THREADS	8

FIXTURE(slots) {
	struct codefile file;
	uint8_t *text;
	struct probe add[NR_SITES];
};

FIXTURE_SETUP(slots)
{
	struct rlimit files = { 65536, 65536 };

	setrlimit(RLIMIT_NOFILE, &files);
	ASSERT_EQ(0, gen_make(&self->file, NR_SITES));
	self->text = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	ASSERT_NE(MAP_FAILED, self->text);
	for (int i = 0; i < NR_SITES; i++)
		ASSERT_EQ(0, probe_all(&self->add[i], self->file.path, GEN_SIZE * i + GEN_SLOT, 0));
}

FIXTURE_TEARDOWN(slots)
{
	for (int i = 0; i < NR_SITES; i++)
		probe_close(&self->add[i]);
	for (int i = 0; i < NR_SITES; i++)
		EXPECT_EQ(i + 1, gen_call(self->text, i));
	EXPECT_TRUE(xol_gone(0, 5));
	codefile_drop(&self->file);
}

static void expect_each(struct __test_metadata *_metadata, struct probe *p, uint64_t hits)
{
	for (int i = 0; i < NR_SITES; i++) {
		EXPECT_EQ(hits, probe_hits(&p[i]))
			TH_LOG("site %d", i);
	}
}

/* Has the machine been booted with fewer than there are sites? */
static bool few_slots(void)
{
	char line[32];

	return read_text("/sys/module/uprobes/parameters/xol_slots", line, sizeof(line)) > 0 &&
	       atoi(line) && atoi(line) < NR_SITES;
}

TEST_F(slots, rotation)
{
	long stolen = debugfs_stat("steals");

	ASSERT_LE(0, stolen);
	for (int round = 0; round < 5; round++)
		for (int i = 0; i < NR_SITES; i++)
			ASSERT_EQ(i + 1, gen_call(self->text, i));
	for (int round = 0; round < 5; round++)
		for (int i = NR_SITES - 1; i >= 0; i--)
			ASSERT_EQ(i + 1, gen_call(self->text, i));
	expect_each(_metadata, self->add, 10);
	if (few_slots())
		EXPECT_LT(stolen, debugfs_stat("steals"));
}

struct job {
	const uint8_t *text;
	int first, stride, rounds, wrong;
};

static void *work(void *arg)
{
	struct job *j = arg;
	int i = j->first;

	for (int n = 0; n < j->rounds * NR_SITES; n++) {
		j->wrong += gen_call(j->text, i) != i + 1;
		i = (i + j->stride) % NR_SITES;
	}
	return NULL;
}

/* Strides that share no factor with the number of sites: each visits them all. */
static void run_threads(struct __test_metadata *_metadata, const uint8_t *text, int rounds)
{
	static const int strides[NR_THREADS] = { 1, 3, 7, 11, 13, 199, 197, 101 };
	pthread_t threads[NR_THREADS];
	struct job jobs[NR_THREADS];

	for (int t = 0; t < NR_THREADS; t++) {
		jobs[t] = (struct job){ text, t * 25, strides[t], rounds };
		ASSERT_EQ(0, pthread_create(&threads[t], NULL, work, &jobs[t]));
	}
	for (int t = 0; t < NR_THREADS; t++) {
		pthread_join(threads[t], NULL);
		EXPECT_EQ(0, jobs[t].wrong);
	}
}

TEST_F(slots, threads)
{
	run_threads(_metadata, self->text, 5);
	expect_each(_metadata, self->add, NR_THREADS * 5);
}

/* Few sites that all threads are in at once, next to many that come and go. */
static void *work_one(void *arg)
{
	struct job *j = arg;

	for (int n = 0; n < j->rounds; n++)
		j->wrong += gen_call(j->text, j->first) != j->first + 1;
	return NULL;
}

TEST_F(slots, shared_slot)
{
	struct job jobs[NR_THREADS];
	pthread_t threads[NR_THREADS];

	for (int t = 0; t < NR_THREADS; t++) {
		bool one = t < 6;

		jobs[t] = (struct job){ self->text, t % 2, 1, one ? 1000 : 3 };
		ASSERT_EQ(0, pthread_create(&threads[t], NULL, one ? work_one : work, &jobs[t]));
	}
	for (int t = 0; t < NR_THREADS; t++) {
		pthread_join(threads[t], NULL);
		EXPECT_EQ(0, jobs[t].wrong);
	}
	EXPECT_EQ(3006, probe_hits(&self->add[0]));
	EXPECT_EQ(3006, probe_hits(&self->add[1]));
	EXPECT_EQ(6, probe_hits(&self->add[2]));
}

/* Probes go and come back while threads run: their slots change owners. */
static volatile int stop;

static void *work_until(void *arg)
{
	struct job *j = arg;

	while (!stop)
		work(j);
	return NULL;
}

TEST_F(slots, replaced_while_running)
{
	pthread_t threads[4];
	struct job jobs[4];

	/* One that stays */
	const struct probe *other = &self->add[1];
	uint64_t hits = probe_hits(other);

	for (int t = 0; t < 4; t++) {
		jobs[t] = (struct job){ self->text, t, 1 + 2 * t, 1 };
		if (jobs[t].stride == 5)
			jobs[t].stride = 9;
		ASSERT_EQ(0, pthread_create(&threads[t], NULL, work_until, &jobs[t]));
	}
	for (int n = 0; n < 40; n++) {
		int i = (n * 37) % NR_SITES;

		probe_close(&self->add[i]);
		ASSERT_EQ(0, probe_all(&self->add[i], self->file.path,
				       GEN_SIZE * i + GEN_SLOT, 0));
	}
	stop = 1;
	for (int t = 0; t < 4; t++) {
		pthread_join(threads[t], NULL);
		EXPECT_EQ(0, jobs[t].wrong);
	}
	EXPECT_LT(hits, probe_hits(other));
}

TEST_F(slots, listed)
{
	unsigned long start, end;
	int used, nr_slots, n;
	char line[512], pid[16];
	struct map m;

	if (!have_debugfs())
		SKIP(return, "no debugfs uprobes/areas");
	for (int i = 0; i < NR_SITES; i++)
		ASSERT_EQ(i + 1, gen_call(self->text, i));
	ASSERT_TRUE(xol_map(0, &m));
	snprintf(pid, sizeof(pid), "%d ", getpid());
	ASSERT_TRUE(debugfs_line("areas", pid, "slots_", line, sizeof(line)));
	n = sscanf(line, "%*d %*s %lx %lx %d %d", &start, &end, &used, &nr_slots);
	ASSERT_EQ(4, n);
	EXPECT_EQ(m.start, start);
	EXPECT_EQ(m.end, end);
	EXPECT_LT(0, used);
	EXPECT_LE(used, nr_slots);
	EXPECT_LE(used, NR_SITES);
}

/* Out to swap and in again, as often as we like. */
TEST_F(slots, swapped_out)
{
	pthread_t threads[2];
	struct job jobs[2];
	cpu_set_t cpu;
	struct map m;

	if (!have_swap())
		SKIP(return, "no swap and no loop device to make some");
	for (int i = 0; i < NR_SITES; i++)
		ASSERT_EQ(i + 1, gen_call(self->text, i));
	ASSERT_TRUE(xol_map(0, &m));
	for (int t = 0; t < 2; t++) {
		jobs[t] = (struct job){ self->text, t, 1 + 2 * t, 1 };
		ASSERT_EQ(0, pthread_create(&threads[t], NULL, work_until, &jobs[t]));
	}
	for (int n = 0; n < 50; n++) {
		EXPECT_EQ(0, madvise((void *)m.start, m.end - m.start, MADV_PAGEOUT));
		usleep(1000);
	}
	stop = 1;
	for (int t = 0; t < 2; t++) {
		pthread_join(threads[t], NULL);
		EXPECT_EQ(0, jobs[t].wrong);
	}
	/* What a CPU has just brought may be known to that one only. */
	for (int n = 0; n < 100 && smaps_kb((void *)m.start, "Rss"); n++) {
		CPU_ZERO(&cpu);
		CPU_SET(n % sysconf(_SC_NPROCESSORS_ONLN), &cpu);
		EXPECT_EQ(0, sched_setaffinity(0, sizeof(cpu), &cpu));
		EXPECT_EQ(0, madvise((void *)m.start, m.end - m.start, MADV_PAGEOUT));
		usleep(10000);
	}
	EXPECT_EQ(0, smaps_kb((void *)m.start, "Rss"));
	for (int i = 0; i < NR_SITES; i++)
		ASSERT_EQ(i + 1, gen_call(self->text, i));
	EXPECT_LT(0, smaps_kb((void *)m.start, "Rss"));
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
