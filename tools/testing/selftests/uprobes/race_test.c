// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once for a bounded time: probes come and go while the code is
 * executed, mapped, moved, thrown away, forked and killed. Every call must
 * return what it returns without probes, and at the end all is as before.
 */
#include "common.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#define NR_FUNCTIONS	768	/* three pages */
#define SECONDS		5

static struct codefile file;
static uint8_t *text;			/* stays mapped */
static volatile int stop;
static int wrong;
static unsigned long calls, attached, mapped, forked;

#define COUNT(what)	__atomic_add_fetch(&(what), 1, __ATOMIC_RELAXED)

static unsigned int next(unsigned int *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

static void check_call(const uint8_t *at, unsigned int i)
{
	if (gen_call(at, i) != (int)i + 1)
		COUNT(wrong);
	COUNT(calls);
}

static void *hitter(void *arg)
{
	unsigned int seed = (long)arg;

	while (!stop) {
		for (int i = 0; i < 500; i++)
			check_call(text, next(&seed) % NR_FUNCTIONS);
		usleep(100);		/* the others want the CPU too */
	}
	return NULL;
}

static void *attacher(void *arg)
{
	static const int places[] = { GEN_NOP, GEN_MOV, GEN_SLOT, GEN_RET };
	unsigned int seed = (long)arg;
	struct probe p[8] = { };

	while (!stop) {
		struct probe *q = &p[next(&seed) % ARRAY_SIZE(p)];
		uint64_t at = GEN_SIZE * (next(&seed) % NR_FUNCTIONS) + places[next(&seed) % 4];
		int flags = at % GEN_SIZE == GEN_NOP && next(&seed) % 2 ? PROBE_RET : 0;

		if (q->nr) {
			probe_close(q);
			continue;
		}
		if (next(&seed) % 2 ? probe_all(q, file.path, at, flags) :
				      probe_task(q, file.path, at, flags, getpid()))
			COUNT(wrong);
		COUNT(attached);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
		probe_close(&p[i]);
	return NULL;
}

static void *mapper(void *arg)
{
	unsigned int seed = (long)arg;
	uint8_t *m, *to;

	while (!stop) {
		m = codefile_map(&file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
		if (m == MAP_FAILED) {
			COUNT(wrong);
			continue;
		}
		for (int i = 0; i < 20; i++)
			check_call(m, next(&seed) % NR_FUNCTIONS);
		switch (next(&seed) % 4) {
		case 0:
			madvise(m, PAGE, MADV_DONTNEED);
			break;
		case 1:
			mprotect(m, PAGE, PROT_NONE);
			mprotect(m, PAGE, PROT_READ | PROT_EXEC);
			break;
		case 2:
			to = mremap(m, file.size, file.size + PAGE, MREMAP_MAYMOVE);
			if (to != MAP_FAILED) {
				munmap(to + file.size, PAGE);
				m = to;
			}
			break;
		}
		for (int i = 0; i < 20; i++)
			check_call(m, next(&seed) % NR_FUNCTIONS);
		/* In two pieces; the first page may be somebody's at once. */
		munmap(m, PAGE);
		munmap(m + PAGE, file.size - PAGE);
		COUNT(mapped);
	}
	return NULL;
}

static void *forker(void *arg)
{
	unsigned int seed = (long)arg;

	while (!stop) {
		bool killed = next(&seed) % 2;
		int status;
		pid_t pid = fork();

		if (!pid) {
			for (unsigned int i = 0; killed || i < 100; i++)
				if (gen_call(text, i % NR_FUNCTIONS) != (int)(i % NR_FUNCTIONS) + 1)
					_exit(1);
			_exit(0);
		}
		if (pid < 0)
			continue;
		if (killed) {
			usleep(next(&seed) % 3000);
			kill(pid, SIGKILL);
		}
		status = child_status(pid);
		if (status != (killed ? 1000 + SIGKILL : 0)) {
			printf("# child: %d\n", status);
			COUNT(wrong);
		}
		COUNT(forked);
	}
	return NULL;
}

TEST(everything)
{
	void *(*const bodies[])(void *) = {
		hitter, hitter, attacher, attacher, mapper, mapper, forker,
	};
	pthread_t threads[ARRAY_SIZE(bodies)];
	uint8_t image[NR_FUNCTIONS * GEN_SIZE];
	double end = seconds_now() + SECONDS;

	gen_image(image, NR_FUNCTIONS);
	ASSERT_EQ(0, codefile_make(&file, image, sizeof(image)));
	text = codefile_map(&file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	ASSERT_NE(MAP_FAILED, text);

	for (unsigned long i = 0; i < ARRAY_SIZE(bodies); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, bodies[i], (void *)(i + 1)));
	/* At least so long, and until each of them has been at work. */
	while (seconds_now() < end || !calls || !attached || !mapped || !forked) {
		ASSERT_GT(end + 300, seconds_now());
		usleep(10000);
	}
	stop = 1;
	for (unsigned int i = 0; i < ARRAY_SIZE(bodies); i++)
		pthread_join(threads[i], NULL);
	printf("# %lu calls, %lu attached, %lu mapped, %lu forked\n", calls, attached, mapped,
	       forked);
	fflush(stdout);

	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, memcmp(text, image, sizeof(image)));
	EXPECT_EQ(0, smaps_kb(text, "Anonymous"));
	for (unsigned int i = 0; i < NR_FUNCTIONS; i++)
		ASSERT_EQ((int)i + 1, gen_call(text, i));
	EXPECT_TRUE(xol_gone(0, 5));
	codefile_drop(&file);
}

/*
 * Processes that change what maps the file faster than it can be walked: a registration
 * and its end come to theirs, and the hits of a quiet process are counted.
 */
#define NR_RESTLESS	6
/* Even if nobody is there any more to kill them */
#define RESTLESS_FOR	200	/* s */

static double restless_end;

static void map_all_the_time(unsigned int nr)
{
	void *at = (void *)(0x10000000UL + nr * 0x1000000UL);

	for (unsigned int i = 0; seconds_now() < restless_end; i = (i + 1) % 64) {
		void *m = mmap(at + i * 2 * file.size, file.size, PROT_READ | PROT_EXEC,
			       MAP_PRIVATE | MAP_FIXED, file.fd, 0);

		if (m == MAP_FAILED)
			_exit(1);
		munmap(m, file.size);
	}
}

/* Each child is the next parent, so that none is ever known. */
static void fork_all_the_time(unsigned int nr)
{
	while (seconds_now() < restless_end) {
		pid_t pid = fork();

		if (pid > 0)
			_exit(0);
		if (pid < 0)
			sched_yield();
	}
}

FIXTURE(restless) {
	pid_t group;
	long probepoints;
};

FIXTURE_VARIANT(restless) {
	void (*body)(unsigned int nr);
};

FIXTURE_VARIANT_ADD(restless, maps) {
	.body = map_all_the_time,
};

FIXTURE_VARIANT_ADD(restless, forks) {
	.body = fork_all_the_time,
};

FIXTURE_SETUP(restless)
{
	/* Nobody waits for all of them. */
	signal(SIGCHLD, SIG_IGN);
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_EQ(0, gen_make(&file, 1));
	text = codefile_map(&file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	ASSERT_NE(MAP_FAILED, text);
	restless_end = seconds_now() + RESTLESS_FOR;
	self->probepoints = debugfs_stat("probepoints");
	for (unsigned int i = 0; i < NR_RESTLESS; i++) {
		pid_t pid = fork();

		if (!pid) {
			setpgid(0, self->group);
			variant->body(i);
			_exit(0);
		}
		ASSERT_LT(0, pid);
		if (!self->group)
			self->group = pid;
		setpgid(pid, self->group);
	}
}

FIXTURE_TEARDOWN(restless)
{
	/* One that forks at this moment may have a child that was not there yet. */
	while (!kill(-self->group, SIGKILL))
		usleep(1000);
	EXPECT_EQ(0, smaps_kb(text, "Anonymous"));
	/* What was left is taken out, as nobody is restless any more. */
	for (int i = 0; i < 600 && debugfs_stat("probepoints") > self->probepoints; i++)
		usleep(100000);
	EXPECT_GE(self->probepoints, debugfs_stat("probepoints"));
	munmap(text, file.size);
	codefile_drop(&file);
}

TEST_F(restless, registration_ends)
{
	long missed = debugfs_stat("drop_missed");
	struct probe p;

	ASSERT_LE(0, missed);
	for (unsigned int i = 0; i < share_of(3); i++) {
		ASSERT_EQ(0, probe_all(&p, file.path, GEN_MOV, 0));
		ASSERT_EQ(1, gen_call(text, 0));
		EXPECT_LE(1, probe_hits(&p));
		probe_close(&p);
	}
	/* Not because they were tired of it, or had ended. */
	EXPECT_GT(restless_end, seconds_now());
	EXPECT_EQ(0, kill(-self->group, 0));
	TH_LOG("%ld of %u may have missed some", debugfs_stat("drop_missed") - missed,
	       share_of(3));
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
