// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that change what maps the file faster than it can be walked: a registration
 * and its end come to theirs, and the hits of a quiet process are counted.
 */
#include "common.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#define NR_RESTLESS	6
/* Even if nobody is there any more to kill them */
#define RESTLESS_FOR	200	/* s */

static struct codefile file;
static uint8_t *text;			/* stays mapped */
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
