/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs that are probed as a whole: they are in data/ beside the test, each
 * with a list NAME.insns of the offsets of all of its instructions.
 */
#ifndef UPROBES_SELFTEST_PROGRAMS_H
#define UPROBES_SELFTEST_PROGRAMS_H

#include "bulk.h"

#include <poll.h>

#define MAX_OUTPUT	65536

struct result {
	int status;
	size_t size;
	char output[MAX_OUTPUT];
};

static char work_dir[64];

/* A program, its arguments, and the file that is its standard input */
struct job {
	const char *argv[8];
	const char *input;
};

/* Runs @program in work_dir; what comes out on both of its outputs is in @r. */
static inline void run_job(const char *program, const struct job *job, int seconds,
			   struct result *r)
{
	const char *input = job->input ? job->input : "/dev/null";
	double end = seconds_now() + seconds;
	struct pollfd p;
	int pipes[2];
	ssize_t n;
	pid_t pid;

	memset(r, 0, sizeof(*r));
	r->status = -1;
	if (pipe(pipes))
		return;
	pid = fork();
	if (!pid) {
		setsid();
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		close(pipes[0]);
		close(pipes[1]);
		close(0);
		if (!chdir(work_dir) && !open(input, O_RDONLY))
			execv(program, (char *const *)job->argv);
		_exit(125);
	}
	close(pipes[1]);
	p = (struct pollfd){ pipes[0], POLLIN };
	while (r->size < MAX_OUTPUT && poll(&p, 1, 1000) >= 0) {
		if (seconds_now() > end)
			break;
		if (!p.revents)
			continue;
		n = read(pipes[0], r->output + r->size, MAX_OUTPUT - r->size);
		if (n <= 0)
			break;
		r->size += n;
	}
	close(pipes[0]);
	if (seconds_now() > end)
		kill(-pid, SIGKILL);
	r->status = child_status(pid);
}

static inline FILE *new_input(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", work_dir, name);
	return fopen(path, "we");
}

static const char * const input_names[] = { "text", "numbers", "sums", "stack", "edits" };

static inline bool make_inputs(void)
{
	static const char * const words[] = {
		"the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "that",
		"found", "every", "bone",
	};
	FILE *f[ARRAY_SIZE(input_names)];
	uint32_t x = 1;

	snprintf(work_dir, sizeof(work_dir), "/tmp/programs-XXXXXX");
	if (!mkdtemp(work_dir))
		return false;
	for (unsigned int i = 0; i < ARRAY_SIZE(f); i++) {
		f[i] = new_input(input_names[i]);
		if (!f[i])
			return false;
	}
	for (int i = 0; i < 120; i++) {
		x = x * 1103515245 + 12345;
		fprintf(f[0], "%s%c", words[(x >> 16) % ARRAY_SIZE(words)],
			i % 10 == 9 ? '\n' : ' ');
	}
	for (int i = 0; i < 20; i++) {
		x = x * 1103515245 + 12345;
		fprintf(f[1], "%d %u.%u %08x\n", i, x >> 22, x >> 5 & 15, x);
	}
	fputs("scale=12; 4*a(1); 2^100; e(1)/3; sqrt(2)\n", f[2]);
	fputs("20 k 2 v p 3 4 ^ p 17 3 % p 10 15 * f\n", f[3]);
	fputs("2d\ns/a/A/g\n,p\nw copy\nq\n", f[4]);
	for (unsigned int i = 0; i < ARRAY_SIZE(f); i++)
		fclose(f[i]);
	return true;
}

/* And whatever the jobs have left there */
static inline void remove_inputs(void)
{
	static const char * const made[] = { "copy", "text.gz", "text.bz2", "archive" };
	char path[128];

	for (unsigned int i = 0; i < ARRAY_SIZE(input_names); i++) {
		snprintf(path, sizeof(path), "%s/%s", work_dir, input_names[i]);
		unlink(path);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(made); i++) {
		snprintf(path, sizeof(path), "%s/%s", work_dir, made[i]);
		unlink(path);
	}
	rmdir(work_dir);
}

static inline uint64_t *read_offsets(const char *name, uint32_t *n)
{
	char path[1024], line[64];
	uint64_t *offsets = NULL;
	uint32_t room = 0;
	FILE *f;

	*n = 0;
	beside_program(path, sizeof(path), name);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (*n == room) {
			room = room ? 2 * room : 65536;
			offsets = realloc(offsets, room * sizeof(*offsets));
		}
		offsets[(*n)++] = strtoull(line, NULL, 0);
	}
	if (f)
		fclose(f);
	return offsets;
}

#endif /* UPROBES_SELFTEST_PROGRAMS_H */
