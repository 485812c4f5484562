// SPDX-License-Identifier: GPL-2.0-only
/*
 * A probe on every instruction of real programs: busybox, which is static, and
 * the libc of dynamic ones. What they print and how they end is the same as
 * without a probe.
 *
 * In data/ beside the program: busybox; a dynamic linker, libc and some programs.
 */
#include "programs.h"

#define JOB_SECONDS	240

/* Does the kernel write of programs that die? One has to. */
#define EXCEPTION_TRACE	"/proc/sys/debug/exception-trace"

/* Without probes, once: what others of the jobs read */
static const struct job preparation[] = {
	{ { "sh", "-c", "gzip -c text >text.gz; bzip2 -c text >text.bz2; tar cf archive text" } },
};

/*
 * Each exec of busybox takes time, as all of its text gets breakpoints: what the shell
 * has not to execute anew is run together.
 */
static const struct job busybox_jobs[] = {
	{ { "sha256sum", "text", "numbers" } },
	{ { "sh", "-c",
	    "md5sum text numbers; sort -k2 -n numbers; find . -type f -name '*e*'\n"
	    "awk '{ n[$1 % 3] += $2 } END { for (i in n) print i, n[i] / 7 }' numbers\n"
	    "awk '{ s = s substr($3, 2, 3); gsub(/9/, \"n\", s) } END { print toupper(s) }'"
	  }, "numbers" },
	{ { "gzip", "-c" }, "text" },
	{ { "gunzip", "-c", "text.gz" } },
	{ { "bunzip2", "-c", "text.bz2" } },
	{ { "sed", "-n", "s/\\([a-z]*\\) \\([a-z]*\\)/\\2 \\1/gp;/^t/{N;P;D}", "text" } },
	{ { "grep", "-n", "-E", "(qu|th)[a-z]+ (b|d)", "text" } },
	{ { "tar", "tvf", "archive" } },
	{ { "od", "-c", "text" } },
	{ { "bc", "-l" }, "sums" },
	{ { "dc" }, "stack" },
	{ { "diff", "-u", "text", "numbers" } },
	{ { "ed", "text" }, "edits" },
	{ { "factor", "360", "97", "1234567" } },
	/* Pipes, forks, subshells, signals */
	{ { "sh", "-c",
	    "seq 1 20 | while read a; do echo $((a * a % 13)); done | sort -n\n"
	    "f() { [ $1 = 1 ] && echo 1 || echo $(($1 * $(f $(($1 - 1))))); }; f 4\n"
	    "trap 'echo caught' USR1; kill -USR1 $$; read a b; echo $b\n"
	    "for i in 1 2; do (exit $i); echo $?; done; (kill -SEGV $$)" }, "numbers" },
	/* And one of each kind that is executed anew */
	{ { "sh", "-c", "tr a-z A-Z <text | head -n 2; cat <<-end\n\t$(echo in)\n\tend\n" } },
};

#define BASH(script)	{ { "bash", "-c", script } }

static const struct job libc_jobs[] = {
	BASH("for ((i = 0; i < 9; i++)); do a[i]=$((i * i)); done; printf '%s ' ${a[@]}\n"
	     "printf '%.3f %x %q\n' 2.5 255 'a b'; trap 'echo caught' USR1; kill -USR1 $$\n"
	     "[[ abc123 =~ ([a-z]+)([0-9]+) ]] && echo ${BASH_REMATCH[2]} $(echo sub); exit 4"),
	BASH("echo one | { read x; echo got $x; }; (exit 3); echo $?; kill -KILL $$"),
	{ { "mawk", "{ n[$1 % 3] += $2 } END { for (i in n) print i, n[i], sin(i), exp(i) }",
	    "numbers" } },
	{ { "sort", "-k2", "-n", "numbers" } },
};

static void print_part(const char *what, const struct result *r)
{
	printf("# %s: status %d, %zu bytes: %.400s\n", what, r->status, r->size, r->output);
}

struct plan {
	const char *name;		/* what is probed */
	bool by_linker;			/* the jobs are programs that use it */
	const struct job *jobs;
	unsigned int nr_jobs;
	unsigned int least_insns;
	unsigned int least_hits;	/* of each job: no program starts with fewer */
};

static void run(const struct plan *plan, unsigned int i, int seconds, struct result *r)
{
	char dir[1024], linker[1100], program[1100];
	struct job job = {
		.argv = { "ld.so", "--library-path", dir, program },
		.input = plan->jobs[i].input,
	};

	beside_program(dir, sizeof(dir), "data");
	if (!plan->by_linker) {
		snprintf(program, sizeof(program), "%s/busybox", dir);
		run_job(program, &plan->jobs[i], seconds, r);
		return;
	}
	snprintf(linker, sizeof(linker), "%s/ld.so", dir);
	snprintf(program, sizeof(program), "%s/%s", dir, plan->jobs[i].argv[0]);
	for (int k = 1; k < 5; k++)
		job.argv[3 + k] = plan->jobs[i].argv[k];
	job.argv[7] = NULL;
	run_job(linker, &job, seconds, r);
}

static bool same(const struct result *a, const struct result *b)
{
	return a->status == b->status && a->size == b->size &&
	       !memcmp(a->output, b->output, a->size);
}

/*
 * The instructions of a file that are probed: of the listed ones, a share of a share, as each
 * exec plants them all.
 */
#define OURS_OF(n)	share_of(share_of(n))

struct insns {
	uint32_t n;
	uint64_t *offsets;
	unsigned int *lens;
};

static bool choose_insns(struct insns *insns, const uint64_t *listed, uint32_t nr_listed)
{
	insns->n = OURS_OF(nr_listed);
	insns->offsets = calloc(insns->n, sizeof(*insns->offsets));
	insns->lens = calloc(insns->n, sizeof(*insns->lens));
	if (!insns->offsets || !insns->lens)
		return false;
	for (uint32_t i = 0; i < insns->n; i++) {
		uint32_t at = (uint64_t)i * nr_listed / insns->n;

		insns->offsets[i] = listed[at];
		/* Where the last one ends is not in the list. */
		insns->lens[i] = at + 1 < nr_listed ? listed[at + 1] - listed[at] : 1;
	}
	return true;
}

/* What was hit most is passed over from now on. @counts are used up. */
static void skip_most_hit(const struct bulk *b, const struct insns *insns, uint64_t *counts)
{
	struct bulk_spoil skip = {
		.how = SPOIL_SKIP,
	};

	for (int n = 0; n < 16; n++) {
		skip.index = 0;
		for (uint32_t i = 0; i < b->n; i++)
			if (counts[i] > counts[skip.index])
				skip.index = i;
		counts[skip.index] = 0;
		skip.arg = insns->lens[skip.index];
		ioctl(b->fd, BULK_SPOIL, &skip);
	}
}

static void report_hits(const struct bulk *b)
{
	uint32_t hit = 0;

	for (uint32_t i = 0; i < b->n; i++)
		hit += !!b->counts[i];
	printf("# %llu hits, on %u of the instructions\n", (unsigned long long)b->sum, hit);
}

static void every_insn(struct __test_metadata *_metadata, const struct plan *plan)
{
	struct result *plain = calloc(plan->nr_jobs, sizeof(*plain));
	struct result *probed = calloc(1, sizeof(*probed));
	char path[1024], list[256];
	uint64_t *listed, *first, before = 0;
	uint32_t nr_listed, refused = 0;
	struct insns insns;
	double begin, last;
	struct bulk b;
	int file;

	ASSERT_NE(NULL, plain);
	ASSERT_NE(NULL, probed);
	snprintf(list, sizeof(list), "%s.insns", plan->name);
	listed = read_offsets(list, &nr_listed);
	ASSERT_LE(plan->least_insns, nr_listed)
		TH_LOG("%s: %u instructions listed", list, nr_listed);
	ASSERT_TRUE(choose_insns(&insns, listed, nr_listed));
	first = calloc(insns.n, sizeof(*first));
	ASSERT_NE(NULL, first);
	beside_program(path, sizeof(path), plan->name);
	file = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, file);

	ASSERT_TRUE(make_inputs());
	beside_program(path, sizeof(path), "data/busybox");
	run_job(path, &preparation[0], JOB_SECONDS, probed);
	ASSERT_EQ(0, probed->status);
	for (unsigned int i = 0; i < plan->nr_jobs; i++) {
		run(plan, i, JOB_SECONDS, &plain[i]);
		EXPECT_LE(0, plain[i].status);
	}

	begin = seconds_now();
	ASSERT_EQ(0, bulk_open(&b));
	ASSERT_EQ(0, bulk_add(&b, file, insns.offsets, insns.n));
	for (uint32_t i = 0; i < insns.n; i++)
		refused += !!b.errors[i];
	printf("# %s: %u instructions probed in %.1f s, %u refused\n", plan->name,
	       insns.n - refused, seconds_now() - begin, refused);
	EXPECT_EQ(0, refused);
	if (refused)
		print_refusals(file, insns.offsets, b.errors, insns.n);
	print_strategies(file);
	fflush(stdout);

	for (unsigned int i = 0; i < plan->nr_jobs; i++) {
		last = seconds_now();
		run(plan, i, JOB_SECONDS, probed);
		ASSERT_EQ(0, bulk_hits(&b));
		printf("# %s: %llu hits, %.1f s, status %d\n", plan->jobs[i].argv[0],
		       (unsigned long long)(b.sum - before), seconds_now() - last, probed->status);
		EXPECT_LE(OURS_OF(plan->least_hits), b.sum - before);
		before = b.sum;
		if (!i)
			memcpy(first, b.counts, insns.n * sizeof(*first));
		if (same(&plain[i], probed))
			continue;
		EXPECT_TRUE(false)
			TH_LOG("job %u differs: %s %s %s", i, plan->jobs[i].argv[0],
			       plan->jobs[i].argv[1], plan->jobs[i].argv[2]);
		print_part("plain", &plain[i]);
		print_part("probed", probed);
		fflush(stdout);
	}
	report_hits(&b);

	/* Would it be noticed if the way past some of them was wrong? */
	skip_most_hit(&b, &insns, first);
	write_text(EXCEPTION_TRACE, 0, "0\n");
	run(plan, 0, 30, probed);
	write_text(EXCEPTION_TRACE, 0, "1\n");
	print_part("some instructions skipped", probed);
	EXPECT_FALSE(same(&plain[0], probed));
	bulk_close(&b);
	printf("# %.1f s in all\n", seconds_now() - begin);

	/* And gone. */
	run(plan, 0, JOB_SECONDS, probed);
	EXPECT_TRUE(same(&plain[0], probed));
	remove_inputs();
	bulk_free(&b);
	close(file);
}

TEST(busybox)
{
	static const struct plan plan = {
		.name = "data/busybox",
		.jobs = busybox_jobs,
		.nr_jobs = ARRAY_SIZE(busybox_jobs),
		.least_insns = 300000,
		.least_hits = 5000,
	};

	setenv("PATH", "/nowhere", 1);
	setenv("HOME", "/home/nobody", 1);
	setenv("LC_ALL", "C", 1);
	every_insn(_metadata, &plan);
}

TEST(libc)
{
	static const struct plan plan = {
		.name = "data/libc.so.6",
		.by_linker = true,
		.jobs = libc_jobs,
		.nr_jobs = ARRAY_SIZE(libc_jobs),
		.least_insns = 300000,
		.least_hits = 5000,
	};

	setenv("LC_ALL", "C", 1);
	every_insn(_metadata, &plan);
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
