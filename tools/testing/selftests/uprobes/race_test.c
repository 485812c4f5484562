// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once for a bounded time: probes come and go while the code is
 * executed, mapped, moved, thrown away, forked and killed. Every call must
 * return what it returns without probes, and at the end all is as before.
 */
#include "common.h"

#include <pthread.h>
#include <signal.h>

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

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
