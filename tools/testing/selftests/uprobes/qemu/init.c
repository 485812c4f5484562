// SPDX-License-Identifier: GPL-2.0-only
/*
 * Process 1 of the test machine. Runs the programs under /tests, one after the
 * other, looks for leaks and for complaints in the kernel log, writes the
 * verdict as the very last thing, and switches the machine off.
 *
 * Two virtio ports lead to the host. "tests" gets what the programs print,
 * between lines that say which program begins and how it ended. "verdict" gets
 * one line. The host believes in nothing else, so a machine that dies, hangs
 * or is reset has failed whatever it printed before.
 *
 * From the kernel command line, as environment: TESTS, shell patterns
 * separated by commas, matched against "folder/program"; ARGS, for each
 * program, separated by commas; LIMIT, seconds for one program; ROOT=/dev/vdX, a
 * disk to run the programs from, /tests bound into it. SHARE is for the programs, see common.h.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KSFT_SKIP	4
#define MAX_ARGS	16
#define MAX_PATTERNS	64
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

static FILE *tests_port, *verdict_port;
static int passed, failed, skipped;

static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void give_up(const char *what)
{
	printf("init: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	power_off();
}

static void try_mount(const char *type, const char *where)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, NULL) && errno != EBUSY)
		printf("init: no %s on %s: %s\n", type, where, strerror(errno));
}

static void mount_all(void)
{
	try_mount("proc", "/proc");
	try_mount("sysfs", "/sys");
	try_mount("devtmpfs", "/dev");
	try_mount("devpts", "/dev/pts");
	try_mount("tmpfs", "/dev/shm");
	try_mount("debugfs", "/sys/kernel/debug");
	try_mount("tracefs", "/sys/kernel/tracing");
	try_mount("cgroup2", "/sys/fs/cgroup");
	mkdir("/tmp", 01777);
	if (symlink("/proc/self/fd", "/dev/fd") && errno != EEXIST)
		printf("init: no /dev/fd: %s\n", strerror(errno));
}

/* Goes over to the disk that holds programs, if one is named. */
static void enter_root(const char *disk)
{
	mkdir("/root-disk", 0755);
	if (mount(disk, "/root-disk", "ext4", 0, NULL))
		give_up(disk);
	mkdir("/root-disk/tests", 0755);
	if (mount("/tests", "/root-disk/tests", NULL, MS_BIND, NULL))
		give_up("binding /tests");
	if (chdir("/root-disk") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot("."))
		give_up("changing the root");
}

/* The host gives its ports names; the device nodes have numbers. */
static FILE *open_port(const char *name)
{
	char path[300], line[64];
	struct dirent *d;
	DIR *dir = opendir("/sys/class/virtio-ports");
	FILE *f;

	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", d->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (!fgets(line, sizeof(line), f))
			line[0] = 0;
		fclose(f);
		line[strcspn(line, "\n")] = 0;
		if (strcmp(line, name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", d->d_name);
		closedir(dir);
		return fopen(path, "we");
	}
	if (dir)
		closedir(dir);
	return NULL;
}

/* Writes what mkswap would: version and last page at 1 KiB, a word at the end. */
static void swap_on(const char *disk)
{
	unsigned int head[3] = { 1, 0, 0 };
	int fd = open(disk, O_RDWR | O_CLOEXEC);
	off_t size;

	if (fd < 0)
		return;
	size = lseek(fd, 0, SEEK_END);
	head[1] = size / 4096 - 1;
	if (pwrite(fd, head, sizeof(head), 1024) != sizeof(head) ||
	    pwrite(fd, "SWAPSPACE2", 10, 4096 - 10) != 10)
		printf("init: writing to %s: %s\n", disk, strerror(errno));
	close(fd);
	if (swapon(disk, 0))
		printf("init: no swap on %s: %s\n", disk, strerror(errno));
}

static struct pattern {
	char text[128];
	bool matched;
} patterns[MAX_PATTERNS];
static int nr_patterns;

/* "none" is a word for no program at all. */
static void read_patterns(void)
{
	const char *p = getenv("TESTS");

	if (p && !strcmp(p, "none")) {
		snprintf(patterns[0].text, sizeof(patterns[0].text), "none");
		patterns[nr_patterns++].matched = true;
		return;
	}
	while (p && *p) {
		size_t n = strcspn(p, ",");

		if (nr_patterns == MAX_PATTERNS) {
			printf("init: more than %d patterns\n", MAX_PATTERNS);
			power_off();
		}
		snprintf(patterns[nr_patterns++].text, sizeof(patterns[0].text), "%.*s", (int)n, p);
		p += n + (p[n] == ',');
	}
}

static bool wanted(const char *name)
{
	bool found = !nr_patterns;

	for (int i = 0; i < nr_patterns; i++) {
		if (fnmatch(patterns[i].text, name, 0))
			continue;
		patterns[i].matched = true;
		found = true;
	}
	return found;
}

/* What was asked for, and is not there, is a failure: see scripts/results.py. */
static void report_unmatched(void)
{
	for (int i = 0; i < nr_patterns; i++)
		if (!patterns[i].matched)
			fprintf(tests_port, "\n### unmatched %s\n", patterns[i].text);
	fflush(tests_port);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static pid_t start(char *path)
{
	char *argv[MAX_ARGS + 2] = { path }, *args = getenv("ARGS");
	pid_t pid = fork();

	if (pid)
		return pid;
	if (args)
		for (int i = 1; i <= MAX_ARGS; i++)
			argv[i] = strtok(i == 1 ? args : NULL, ",");
	setsid();
	dup2(fileno(tests_port), 1);
	dup2(fileno(tests_port), 2);
	if (chdir("/tmp"))
		_exit(126);
	execv(path, argv);
	fprintf(stderr, "init: %s: %s\n", path, strerror(errno));
	_exit(127);
}

/* Its exit status; also takes in the orphans that end meanwhile. */
static int wait_for(pid_t pid, double until, bool *late)
{
	int status;
	pid_t got;

	for (;;) {
		got = waitpid(-1, &status, WNOHANG);
		if (got == pid)
			return status;
		if (got > 0)
			continue;
		if (!*late && now() > until) {
			*late = true;
			kill(-pid, SIGKILL);
		}
		usleep(10000);
	}
}

static void run_program(const char *folder, const char *name, int limit)
{
	char path[600], shown[600], end[64];
	double begin = now();
	bool late = false;
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "/tests/%s/%s", folder, name);
	snprintf(shown, sizeof(shown), "%s/%s", folder, name);
	if (!wanted(shown))
		return;
	printf("init: %s\n", shown);
	fflush(stdout);
	fprintf(tests_port, "\n### begin %s\n", shown);
	fflush(tests_port);
	pid = start(path);
	if (pid < 0)
		give_up("fork");
	status = wait_for(pid, begin + limit, &late);
	kill(-pid, SIGKILL);

	if (late)
		snprintf(end, sizeof(end), "timeout");
	else if (WIFSIGNALED(status))
		snprintf(end, sizeof(end), "signal %d", WTERMSIG(status));
	else
		snprintf(end, sizeof(end), "exit %d", WEXITSTATUS(status));
	fprintf(tests_port, "\n### end %s %.1f s: %s\n", shown, now() - begin, end);
	fflush(tests_port);
	if (!late && WIFEXITED(status) && !WEXITSTATUS(status))
		passed++;
	else if (!late && WIFEXITED(status) && WEXITSTATUS(status) == KSFT_SKIP)
		skipped++;
	else
		failed++;
}

static int is_program(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void run_all(int limit)
{
	struct dirent **folders, **names;
	char path[600];
	struct stat st;
	int nf, nn;

	nf = scandir("/tests", &folders, is_program, alphasort);
	for (int i = 0; i < nf; i++) {
		snprintf(path, sizeof(path), "/tests/%s", folders[i]->d_name);
		nn = scandir(path, &names, is_program, alphasort);
		for (int k = 0; k < nn; k++) {
			snprintf(path, sizeof(path), "/tests/%s/%s", folders[i]->d_name,
				 names[k]->d_name);
			if (!stat(path, &st) && S_ISREG(st.st_mode) && (st.st_mode & 0111))
				run_program(folders[i]->d_name, names[k]->d_name, limit);
		}
	}
}

/*
 * An object counts as leaked once it has been seen without a reference in two
 * scans and is some seconds old, hence the waiting.
 */
static int leaks(void)
{
	static const char file[] = "/sys/kernel/debug/kmemleak";
	char line[512];
	int found = 0;
	FILE *f;

	if (access(file, F_OK))
		return 0;
	for (int i = 0; i < 2; i++) {
		sleep(6);
		f = fopen(file, "we");
		/* It switches itself off when it runs out of memory, say. */
		if (!f || fputs("scan\n", f) < 0 || fclose(f)) {
			printf("init: kmemleak: %s\n", strerror(errno));
			return 1;
		}
	}
	printf("init: kmemleak: scanned\n");
	f = fopen(file, "re");
	while (f && fgets(line, sizeof(line), f)) {
		found += !strncmp(line, "unreferenced", 12);
		fputs(line, stdout);
	}
	if (f)
		fclose(f);
	return found;
}

/* How many accesses KCSAN has watched: if there were none it could find nothing. */
static void say_watched(void)
{
	FILE *f = fopen("/sys/kernel/debug/kcsan", "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "setup_watchpoints", 17))
			printf("init: kcsan: %s", line);
	if (f)
		fclose(f);
}

/* Complaints that do not stop the machine by themselves. */
static int splats(void)
{
	static const char * const bad[] = {
		"BUG:", "WARNING:", "Oops", "KASAN:", "UBSAN:", "INFO: possible", "INFO: trying",
		"INFO: task", "INFO: rcu", "ODEBUG:", "suspicious RCU", "general protection",
		"scheduling while atomic", "Bad page", "Bad rss", "swap_info_get:", "Call Trace:",
		"nobody cared", "refcount_t:", "list_add", "list_del", "invoked oom-killer",
	};
	int size = klogctl(10, NULL, 0), found = 0;
	char *log = malloc(size + 1);
	int n = log ? klogctl(3, log, size) : -1;

	if (n < 0)
		return 1;
	log[n] = 0;
	for (char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n"))
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			if (strstr(line, bad[i])) {
				printf("init: complaint: %s\n", line);
				found++;
				break;
			}
	free(log);
	return found;
}

int main(void)
{
	const char *root = getenv("ROOT"), *limit = getenv("LIMIT");
	int nleaks, nsplats;

	mount_all();
	verdict_port = open_port("verdict");
	tests_port = open_port("tests");
	if (!verdict_port || !tests_port)
		give_up("the ports to the host");
	swap_on("/dev/vdb");
	if (root) {
		enter_root(root);
		mount_all();
	}
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	read_patterns();
	run_all(limit ? atoi(limit) : 300);
	report_unmatched();
	nleaks = leaks();
	say_watched();
	nsplats = splats();
	fflush(stdout);
	fprintf(verdict_port, "programs passed=%d failed=%d skipped=%d leaks=%d splats=%d\n",
		passed, failed, skipped, nleaks, nsplats);
	fclose(verdict_port);
	power_off();
}
