// SPDX-License-Identifier: GPL-2.0-only
/*
 * What very many probes cost: putting them in, taking them out, the memory, and
 * the processes that have none.
 *
 *	attach/HOW/N/PROCESSES	and detach/...: the clock's time for all of them
 *	memory/WHAT		bytes, each from the difference of two sums
 *	bystander/WHAT/N	one fork, exec or mmap while N probes are elsewhere
 *
 * HOW: "each" is a call of uprobe_register() for each, "at-once" one call of
 * register_uprobes(), "multi" a link of BPF's, "perf" an event for each, closed
 * one by one, "tracefs" likewise. The time is that of the clock, so waiting is in
 * it: with an instruction counting clock a CPU that waits counts on.
 *
 *	bench_many [attach:HOW:N:PROCESSES] [events:HOW:N] [memory:N] [bystanders:N] ...
 *
 * The N and PROCESSES of attach may be several: 100+1000.
 */
#include "bench.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* ---- the file: functions, each with an instruction of either kind ---- */

#define FUNCTION_SIZE	32
#define AT_EMULATED	0
#define AT_BOOSTED	4

static const uint8_t function[] = {
	0x55,			/* push %rbp */
	0x48, 0x89, 0xe5,	/* mov %rsp, %rbp */
	0x6b, 0xc0, 0x03,	/* imul $3, %eax, %eax */
	0x5d,			/* pop %rbp */
	0xc3,			/* ret */
};

static struct codefile file;

static void file_make(unsigned int n)
{
	uint8_t *image = calloc(n, FUNCTION_SIZE);

	if (!image)
		die("no memory");
	for (unsigned int i = 0; i < n; i++)
		memcpy(image + i * FUNCTION_SIZE, function, sizeof(function));
	if (codefile_make(&file, image, (size_t)n * FUNCTION_SIZE))
		die("no file");
	free(image);
	sync();
}

/* ---- processes that map it ---- */

#define MAX_PROCESSES	100

static struct {
	pid_t pid;
	int to;
} processes[MAX_PROCESSES];

static unsigned int nr_processes;

static void process_life(int from)
{
	unsigned int n = file.size / FUNCTION_SIZE;
	uint8_t *text;
	char c = 'm';

	text = codefile_map(&file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	if (text == MAP_FAILED)
		_exit(1);
	while (write(from, &c, 1) == 1 && read(from, &c, 1) == 1)
		for (unsigned int i = 0; i < n; i++)
			((void (*)(void))(text + i * FUNCTION_SIZE))();
	_exit(0);
}

static void wait_for_processes(void)
{
	char c;

	for (unsigned int i = 0; i < nr_processes; i++)
		if (read(processes[i].to, &c, 1) != 1)
			die("a process did not live");
}

static void processes_start(unsigned int n)
{
	int ends[2];

	for (nr_processes = 0; nr_processes < n; nr_processes++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
			die("no socket");
		processes[nr_processes].to = ends[0];
		processes[nr_processes].pid = fork();
		if (processes[nr_processes].pid < 0)
			die("no process");
		if (!processes[nr_processes].pid)
			process_life(ends[1]);
		close(ends[1]);
	}
	wait_for_processes();
}

static void processes_hit(void)
{
	for (unsigned int i = 0; i < nr_processes; i++)
		if (write(processes[i].to, "h", 1) != 1)
			die("a process is gone");
	wait_for_processes();
}

static void processes_end(void)
{
	for (unsigned int i = 0; i < nr_processes; i++) {
		kill(processes[i].pid, SIGKILL);
		waitpid(processes[i].pid, NULL, 0);
		close(processes[i].to);
	}
	nr_processes = 0;
}

/* ---- memory ---- */

struct memory {
	double kernel;		/* of the kernel's own: slabs, per CPU, vmalloc */
	double tables;		/* page tables */
	double user;		/* anonymous pages and shmem, of everybody */
};

/* After what is freed behind the caller's back has been */
static struct memory memory_now(void)
{
	char line[128], name[64];
	struct memory m = { };
	double kb;
	FILE *f;

	sleep(3);
	f = fopen("/proc/meminfo", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63[^:]: %lf", name, &kb) != 2)
			continue;
		if (!strcmp(name, "SUnreclaim") || !strcmp(name, "Percpu") ||
		    !strcmp(name, "VmallocUsed"))
			m.kernel += kb * 1024;
		else if (!strcmp(name, "PageTables"))
			m.tables += kb * 1024;
		else if (!strcmp(name, "AnonPages") || !strcmp(name, "Shmem"))
			m.user += kb * 1024;
	}
	if (f)
		fclose(f);
	return m;
}

static struct memory less(struct memory a, struct memory b)
{
	return (struct memory) {
		a.kernel - b.kernel, a.tables - b.tables, a.user - b.user
	};
}

/* ---- putting in and taking out ---- */

static int link_fd, program_fd;
static uint64_t *offsets;

static int prepare(const char *how, unsigned int n, int at)
{
	if (!strcmp(how, "multi")) {
		offsets = calloc(n, sizeof(*offsets));
		for (unsigned int i = 0; offsets && i < n; i++)
			offsets[i] = i * FUNCTION_SIZE + at;
		program_fd = bpf_empty_program(UPROBE_MULTI);
		return program_fd < 0 ? program_fd : 0;
	}
	return bench_load("path=%s offsets=%d count=%u distance=%d planted=0 at_once=%d",
			  file.path, at, n, FUNCTION_SIZE, !strcmp(how, "at-once"));
}

static void put_in(const char *how, unsigned int n)
{
	if (strcmp(how, "multi")) {
		bench_plant(true);
		return;
	}
	link_fd = bpf_multi_link(program_fd, file.path, offsets, n, false);
	if (link_fd < 0)
		die("no link: %s", strerror(-link_fd));
}

static void take_out(const char *how)
{
	if (strcmp(how, "multi"))
		bench_plant(false);
	else
		close(link_fd);
}

static void forget(const char *how)
{
	if (strcmp(how, "multi")) {
		bench_unload();
		return;
	}
	close(program_fd);
	free(offsets);
}

static void bench_attach(const char *how, unsigned int n, unsigned int mapped)
{
	uint64_t start, in, out;
	struct memory before, more;
	int err;

	file_make(n);
	processes_start(mapped);
	err = prepare(how, n, AT_EMULATED);
	if (err == -EOPNOTSUPP) {
		printf("attach/%s/%u/%u\t-\tno such call\n", how, n, mapped);
		goto out;
	}
	if (err)
		die("%s: %s", how, strerror(-err));
	before = memory_now();
	start = now();
	put_in(how, n);
	in = now() - start;
	more = less(memory_now(), before);
	start = now();
	take_out(how);
	out = now() - start;
	result(in, "instructions", "attach/%s/%u/%u", how, n, mapped);
	result(out, "instructions", "detach/%s/%u/%u", how, n, mapped);
	result(more.kernel / n, "bytes", "attach-memory/%s/%u/%u", how, n, mapped);
	more = less(memory_now(), before);
	result(more.kernel, "bytes", "left-memory/%s/%u/%u", how, n, mapped);
	forget(how);
out:
	processes_end();
	codefile_drop(&file);
}

/* One descriptor each */
static void perf_events(unsigned int n)
{
	struct rlimit files = { n + 100, n + 100 };
	int *fds = calloc(n, sizeof(*fds));
	uint64_t start, in, out;

	if (!fds || setrlimit(RLIMIT_NOFILE, &files))
		die("no descriptors");
	start = now();
	for (unsigned int i = 0; i < n; i++) {
		fds[i] = probe_open(file.path, i * FUNCTION_SIZE, 0, 0, processes[0].pid, -1);
		if (fds[i] < 0)
			die("event %u: %s", i, strerror(-fds[i]));
	}
	in = now() - start;
	start = now();
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
	out = now() - start;
	free(fds);
	result(in, "instructions", "attach/perf/%u/1", n);
	result(out, "instructions", "detach/perf/%u/1", n);
}

static void tracefs_events(unsigned int n)
{
	uint64_t start, in, out;
	char name[32];

	for (unsigned int i = 0; i < n; i++)
		if (trace_add("p:uprobes/bench%u %s:%#x", i, file.path, i * FUNCTION_SIZE))
			die("event %u: %s", i, strerror(errno));
	start = now();
	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "bench%u", i);
		if (trace_enable(name, 1))
			die("%s: %s", name, strerror(errno));
	}
	in = now() - start;
	start = now();
	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "bench%u", i);
		if (trace_enable(name, 0))
			die("%s: %s", name, strerror(errno));
	}
	out = now() - start;
	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "bench%u", i);
		if (trace_del(name))
			die("%s: %s", name, strerror(errno));
	}
	result(in, "instructions", "attach/tracefs/%u/1", n);
	result(out, "instructions", "detach/tracefs/%u/1", n);
}

static void events(const char *how, unsigned int n)
{
	file_make(n);
	processes_start(1);
	if (!strcmp(how, "perf"))
		perf_events(n);
	else
		tracefs_events(n);
	processes_end();
	codefile_drop(&file);
}

/* ---- memory for a probepoint and for a process ---- */

#define PROCESSES	10

/* A line of /proc/PID/smaps, added up over the mappings of @name */
static double smaps_of(pid_t pid, const char *name, const char *field)
{
	char path[64], line[512], key[64], of[256] = "";
	unsigned long start, end;
	double sum = 0;
	long kb;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			if (sscanf(line, "%*s %*s %*s %*s %*s %255[^\n]", of) != 1)
				of[0] = 0;
		} else if (sscanf(line, "%63[^:]: %ld kB", key, &kb) == 2 &&
			   !strcmp(of, name) && !strcmp(key, field)) {
			sum += kb * 1024.0;
		}
	}
	if (f)
		fclose(f);
	return sum;
}

static void memory_of(const char *kind, int at, unsigned int n)
{
	struct memory start, with, plain, planted, hit;
	double sites = (double)n * PROCESSES;

	/* What the processes take without probes */
	start = memory_now();
	processes_start(PROCESSES);
	processes_hit();
	plain = less(memory_now(), start);
	processes_end();

	if (prepare("each", n, at))
		die("no module");
	start = memory_now();
	put_in("each", n);
	with = less(memory_now(), start);
	result(with.kernel / n, "bytes", "memory/%s/probepoint", kind);

	start = memory_now();
	processes_start(PROCESSES);
	planted = less(less(memory_now(), start), plain);
	processes_hit();
	hit = less(less(memory_now(), start), plain);
	result(planted.kernel / sites, "bytes", "memory/%s/site-planted", kind);
	result(hit.kernel / sites, "bytes", "memory/%s/site-hit", kind);
	result(hit.user / PROCESSES, "bytes", "memory/%s/process-user", kind);
	result(hit.tables / PROCESSES, "bytes", "memory/%s/process-page-tables", kind);
	result(smaps_of(processes[0].pid, file.path, "Anonymous"), "bytes",
	       "memory/%s/process-text", kind);
	result(smaps_of(processes[0].pid, "[uprobes]", "Size"), "bytes",
	       "memory/%s/process-area", kind);
	result(smaps_of(processes[0].pid, "[uprobes]", "Rss"), "bytes",
	       "memory/%s/process-slots", kind);
	processes_end();
	take_out("each");
	forget("each");
}

static void memory(unsigned int n)
{
	file_make(n);
	memory_of("emulated", AT_EMULATED, n);
	memory_of("boosted", AT_BOOSTED, n);
	codefile_drop(&file);
}

/* ---- processes without probes ---- */

#define ROUNDS	101

static struct codefile other;

static void do_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
}

static void do_exec(void)
{
	pid_t pid = vfork();

	if (!pid) {
		execl("/proc/self/exe", "bench_many", NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

static void do_mmap(void)
{
	void *text = codefile_map(&other, PROT_READ | PROT_EXEC, MAP_PRIVATE);

	if (text == MAP_FAILED)
		die("no mapping");
	munmap(text, other.size);
}

static const struct {
	const char *name;
	void (*once)(void);
} bystanders[] = {
	{ "fork", do_fork },
	{ "exec", do_exec },
	{ "mmap", do_mmap },
};

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * In a process that has nothing else: writes to the pipe what it costs. Between two of them
 * is a pause: without it a fork came at one of two prices, 2 % apart, with any kernel.
 * Presumably that is whether the kernel stack of the one before has been given back.
 */
static int bystander_main(const char *what, const char *path)
{
	static uint64_t took[ROUNDS];

	other.fd = open(path, O_RDONLY | O_CLOEXEC);
	other.size = lseek(other.fd, 0, SEEK_END);
	for (unsigned int i = 0; i < ARRAY_SIZE(bystanders); i++) {
		if (strcmp(bystanders[i].name, what))
			continue;
		for (int j = 0; j < ROUNDS; j++) {
			uint64_t start;

			usleep(20000);
			start = now();
			bystanders[i].once();
			took[j] = now() - start;
		}
		qsort(took, ROUNDS, sizeof(took[0]), compare_times);
		return write(STDOUT_FILENO, &took[ROUNDS / 2], sizeof(took[0])) !=
		       sizeof(took[0]);
	}
	return 1;
}

/*
 * How many pages of the stack are written to behind a fork depends on where it begins, and
 * that on the length of what was handed over by whoever started it: here it is always the
 * same, shifted by @shift bytes.
 */
static uint64_t bystander(const char *what, unsigned int shift)
{
	static char pad[4096];
	char *const argv[] = { "bench_many", "bystander", (char *)what, other.path, pad, NULL };
	char *const env[] = { NULL };
	uint64_t took;
	int out[2];
	pid_t pid;

	memset(pad, 'x', shift);
	pad[shift] = 0;
	if (pipe(out))
		die("no pipe");
	pid = fork();
	if (!pid) {
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		execve("/proc/self/exe", argv, env);
		_exit(1);
	}
	close(out[1]);
	if (read(out[0], &took, sizeof(took)) != sizeof(took))
		die("%s was not measured", what);
	close(out[0]);
	waitpid(pid, NULL, 0);
	return took;
}

static void bystand(unsigned int n)
{
	static const uint8_t text[64 * 4096];

	if (codefile_make(&other, text, sizeof(text)))
		die("no file");
	file_make(n ?: 1);
	processes_start(1);
	if (n) {
		if (prepare("each", n, AT_EMULATED))
			die("no module");
		put_in("each", n);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(bystanders); i++) {
		uint64_t best = ~0ULL, took;

		for (unsigned int shift = 0; shift < 4096; shift += 512) {
			took = bystander(bystanders[i].name, shift);
			if (took < best)
				best = took;
		}
		result(best, "instructions", "bystander/%s/%u", bystanders[i].name, n);
	}
	if (n) {
		take_out("each");
		forget("each");
	}
	processes_end();
	codefile_drop(&file);
	codefile_drop(&other);
}

/* ---- */

/* The next of "100+1000", at *@list, which moves behind it; 0 at the end */
static unsigned int next_number(char **list)
{
	unsigned int n = strtoul(*list, list, 0);

	*list += **list == '+';
	return n;
}

static void run_attach(const char *how, char *numbers, const char *mapped)
{
	unsigned int n, m;

	while ((n = next_number(&numbers))) {
		char *list = strdupa(mapped);

		while ((m = next_number(&list)) && m <= MAX_PROCESSES)
			bench_attach(how, n, m);
	}
}

static void one(char *words)
{
	char *w[5] = { };
	unsigned int n = 0;

	for (char *word = strtok(words, ":"); word && n < ARRAY_SIZE(w); word = strtok(NULL, ":"))
		w[n++] = word;
	if (n == 4 && !strcmp(w[0], "attach"))
		run_attach(w[1], w[2], w[3]);
	else if (n == 3 && !strcmp(w[0], "events"))
		events(w[1], next_number(&w[2]));
	else if (n == 2 && !strcmp(w[0], "memory"))
		memory(next_number(&w[1]));
	else if (n == 2 && !strcmp(w[0], "bystanders"))
		bystand(next_number(&w[1]));
	else
		die("no such bench: %s", w[0] ?: "(none)");
}

int main(int argc, char **argv)
{
	/* What do_exec() starts */
	if (argc < 2)
		return 0;
	if (argc == 5 && !strcmp(argv[1], "bystander"))
		return bystander_main(argv[2], argv[3]);
	for (int i = 1; i < argc; i++)
		one(argv[i]);
	return 0;
}
