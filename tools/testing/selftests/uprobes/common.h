/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the uprobes tests share: attaching through the perf PMU and tracefs,
 * looking at the own maps, and making files with code in them.
 */
#ifndef UPROBES_SELFTEST_COMMON_H
#define UPROBES_SELFTEST_COMMON_H

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/magic.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

/* A debug kernel under emulation is slow; a hang is still found. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	1800

#define TRACEFS			"/sys/kernel/tracing"
#define DEBUGFS			"/sys/kernel/debug"
#define PMU			"/sys/bus/event_source/devices/uprobe"

/* What the kernel's 6.12 interface says to a refused instruction (ENOTSUPP). */
#define KERNEL_ENOTSUPP		524

#define MAX_CPUS		64
#define PAGE			4096UL

/*
 * Of @n things that differ little, how many this run looks at: one in SHARE, which the kernel
 * command line of a debug kernel may set (init hands it on as environment). All without it.
 */
static inline unsigned int share_of(unsigned int n)
{
	const char *value = getenv("SHARE");
	unsigned int share = value ? strtoul(value, NULL, 10) : 0;

	return share ? (n + share - 1) / share : n;
}

/* ---- small files ---- */

static inline int read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t done = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (done < size - 1) {
		n = read(fd, buf + done, size - 1 - done);
		if (n <= 0)
			break;
		done += n;
	}
	buf[done] = 0;
	close(fd);
	return done;
}

static inline int write_text(const char *path, int flags, const char *fmt, ...)
{
	char buf[4096];
	int fd, len, ret = 0;
	va_list ap;

	va_start(ap, fmt);
	len = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);

	fd = open(path, O_WRONLY | O_CLOEXEC | flags);
	if (fd < 0)
		return -errno;
	if (write(fd, buf, len) != len)
		ret = errno ? -errno : -EIO;
	close(fd);
	return ret;
}

static inline void mount_once(const char *type, long magic, const char *where)
{
	struct statfs st;

	if (statfs(where, &st) || st.f_type != magic)
		mount(type, where, type, 0, NULL);
}

/* ---- the perf PMU ---- */

static inline int pmu_type(void)
{
	char buf[32];

	return read_text(PMU "/type", buf, sizeof(buf)) > 0 ? atoi(buf) : -1;
}

#define PROBE_RET	1

/* One event. Returns a descriptor or -errno. */
static inline int probe_open(const char *path, uint64_t offset, int flags,
			     uint64_t ref_ctr, pid_t pid, int cpu)
{
	struct perf_event_attr attr = {
		.type = pmu_type(),
		.size = sizeof(attr),
		.config = (flags & PROBE_RET) | ref_ctr << 32,
		.config1 = (unsigned long)path,
		.config2 = offset,
	};
	int fd;

	fd = syscall(__NR_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * A probe for one task is one event of the PMU. A probe for everybody needs an
 * event on every CPU, because an event that belongs to no task counts on a
 * single one; and they have to be events of one probe, since a thread that
 * moves to another CPU between the handlers of two would count twice or not at
 * all. Only tracefs makes such probes.
 */
struct probe {
	int fd[MAX_CPUS];
	int nr;
	char event[32];		/* of tracefs, if any */
};

#define EVENT_PREFIX	"selftest_"

static inline int trace_add(const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	return write_text(TRACEFS "/uprobe_events", O_APPEND, "%s\n", buf);
}

static inline int trace_enable(const char *event, int on)
{
	char path[256];

	snprintf(path, sizeof(path), TRACEFS "/events/uprobes/%s/enable", event);
	return write_text(path, O_TRUNC, "%d\n", on);
}

static inline int trace_del(const char *event)
{
	return trace_add("-:uprobes/%s", event);
}

static inline void probe_close(struct probe *p)
{
	while (p->nr > 0)
		close(p->fd[--p->nr]);
	/* Stays for a while if a child has the descriptors too. */
	if (p->event[0])
		trace_del(p->event);
	p->event[0] = 0;
}

static inline int probe_task(struct probe *p, const char *path, uint64_t offset,
			     int flags, pid_t pid)
{
	p->nr = 0;
	p->event[0] = 0;
	p->fd[0] = probe_open(path, offset, flags, 0, pid, -1);
	if (p->fd[0] < 0)
		return p->fd[0];
	p->nr = 1;
	return 0;
}

static inline int probe_all(struct probe *p, const char *path, uint64_t offset, int flags)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
	};
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), fd, err;
	static unsigned int count;
	char file[128], id[32];

	p->nr = 0;
	snprintf(p->event, sizeof(p->event), EVENT_PREFIX "%d_%u", getpid(),
		 __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED));
	err = trace_add("%c:uprobes/%s %s:0x%llx", flags & PROBE_RET ? 'r' : 'p', p->event,
			path, (unsigned long long)offset);
	if (err) {
		p->event[0] = 0;
		return err;
	}
	snprintf(file, sizeof(file), TRACEFS "/events/uprobes/%s/id", p->event);
	if (read_text(file, id, sizeof(id)) > 0)
		attr.config = atoi(id);
	for (int cpu = 0; cpu < cpus && cpu < MAX_CPUS; cpu++) {
		fd = syscall(__NR_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
		if (fd < 0) {
			err = -errno;
			probe_close(p);
			return err;
		}
		p->fd[p->nr++] = fd;
	}
	return 0;
}

static inline uint64_t probe_hits(const struct probe *p)
{
	uint64_t sum = 0, n;

	for (int i = 0; i < p->nr; i++)
		if (read(p->fd[i], &n, sizeof(n)) == sizeof(n))
			sum += n;
	return sum;
}

/* ---- maps ---- */

struct map {
	unsigned long start, end;
	uint64_t offset;
	char perms[8];
	char name[256];
};

/* The first mapping of @pid (0: this process) that @want says yes to. */
static inline bool map_find(pid_t pid, struct map *m,
			    bool (*want)(const struct map *m, const void *arg), const void *arg)
{
	char path[64], line[512];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid ? pid : getpid());
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		unsigned long long off;

		m->name[0] = 0;
		if (sscanf(line, "%lx-%lx %7s %llx %*s %*s %255[^\n]", &m->start, &m->end,
			   m->perms, &off, m->name) < 4)
			continue;
		m->offset = off;
		found = want(m, arg);
	}
	fclose(f);
	return found;
}

static inline bool map_has_addr(const struct map *m, const void *arg)
{
	return m->start <= (unsigned long)arg && (unsigned long)arg < m->end;
}

static inline bool map_has_name(const struct map *m, const void *arg)
{
	return !strcmp(m->name, arg);
}

static inline bool map_at(const void *addr, struct map *m)
{
	return map_find(0, m, map_has_addr, addr);
}

static inline bool xol_map(pid_t pid, struct map *m)
{
	return map_find(pid, m, map_has_name, "[uprobes]");
}

/* The area goes some time after the last probe of the process. */
static inline bool xol_gone(pid_t pid, int seconds)
{
	struct map m;

	for (int i = 0; i < seconds * 50; i++) {
		if (!xol_map(pid, &m))
			return true;
		usleep(20000);
	}
	return !xol_map(pid, &m);
}

/* File and offset behind an address of this process. */
struct where {
	char path[256];
	uint64_t offset;
};

static inline bool where_is(const void *addr, struct where *w)
{
	struct map m;

	if (!map_at(addr, &m) || m.name[0] != '/')
		return false;
	snprintf(w->path, sizeof(w->path), "%s", m.name);
	w->offset = (unsigned long)addr - m.start + m.offset;
	return true;
}

static inline int probe_addr(struct probe *p, const void *addr, int flags)
{
	struct where w;

	return where_is(addr, &w) ? probe_task(p, w.path, w.offset, flags, 0) : -ENXIO;
}

static inline int probe_addr_all(struct probe *p, const void *addr, int flags)
{
	struct where w;

	return where_is(addr, &w) ? probe_all(p, w.path, w.offset, flags) : -ENXIO;
}

/* A number from smaps of the mapping that holds @addr, in kB; -1 if none. */
static inline long smaps_kb(const void *addr, const char *field)
{
	char line[512], key[64];
	unsigned long start, end;
	bool inside = false;
	long value = -1, kb;
	FILE *f = fopen("/proc/self/smaps", "re");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (unsigned long)addr && (unsigned long)addr < end;
		else if (inside && sscanf(line, "%63[^:]: %ld kB", key, &kb) == 2 &&
			 !strcmp(key, field))
			value = kb;
	}
	fclose(f);
	return value;
}

/* ---- files with code in them ---- */

struct codefile {
	char path[64];
	int fd;
	size_t size;
};

/*
 * A file that is no ELF file is taken for code of the kernel's own kind; one
 * with 32-bit code for a 64-bit kernel has to say so.
 */
static inline void code_ident(uint8_t *image)
{
	static const uint8_t ident[] = { 0x7f, 'E', 'L', 'F', sizeof(long) / 4 };

	memcpy(image, ident, sizeof(ident));
}

static inline int codefile_make(struct codefile *c, const void *code, size_t size)
{
	static const char pattern[] = "/tmp/uprobes-XXXXXX";

	memcpy(c->path, pattern, sizeof(pattern));
	c->size = size;
	c->fd = mkstemp(c->path);
	if (c->fd < 0)
		return -errno;
	if (write(c->fd, code, size) != (ssize_t)size || fchmod(c->fd, 0755))
		return -EIO;
	return 0;
}

static inline void *codefile_map(const struct codefile *c, int prot, int flags)
{
	size_t size = (c->size + PAGE - 1) & -PAGE;

	return mmap(NULL, size, prot, flags, c->fd, 0);
}

static inline void codefile_drop(struct codefile *c)
{
	close(c->fd);
	unlink(c->path);
}

/*
 * Function @i of a generated file returns i + 1. Its instructions: a nop, a
 * move of that number, a multiplication by one, which is not worth emulating
 * and so needs a slot, and a return.
 */
#define GEN_SIZE	16
#define GEN_NOP		0
#define GEN_MOV		1
#define GEN_SLOT		6
#define GEN_RET		9

typedef int (*gen_fn)(void);

static inline void gen_image(uint8_t *image, unsigned int n)
{
	static const uint8_t fn[GEN_SIZE] = {
		0x90, 0xb8, 0, 0, 0, 0, 0x6b, 0xc0, 0x01, 0xc3,
		0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
	};

	for (uint32_t i = 0, value = 1; i < n; i++, value++) {
		memcpy(image + GEN_SIZE * i, fn, GEN_SIZE);
		memcpy(image + GEN_SIZE * i + GEN_MOV + 1, &value, sizeof(value));
	}
}

static inline int gen_make(struct codefile *c, unsigned int n)
{
	size_t size = (n * GEN_SIZE + PAGE - 1) & -PAGE;
	uint8_t *image = calloc(1, size);
	int err;

	gen_image(image, size / GEN_SIZE);
	err = codefile_make(c, image, size);
	free(image);
	return err;
}

static inline int gen_call(const void *text, unsigned int i)
{
	return ((gen_fn)(unsigned long)((const uint8_t *)text + GEN_SIZE * i))();
}

/* ---- debugfs and tracefs ---- */

static inline bool have_debugfs(void)
{
	return !access(DEBUGFS "/uprobes/list", F_OK);
}

/* Does a line of debugfs uprobes/@file hold all of the words? */
static inline bool debugfs_line(const char *file, const char *a, const char *b, char *out,
				size_t size)
{
	char path[128], line[512];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), DEBUGFS "/uprobes/%s", file);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, a) || (b && !strstr(line, b)))
			continue;
		found = true;		/* the last one is the newest */
		if (out)
			snprintf(out, size, "%s", line);
	}
	fclose(f);
	return found;
}

/* A number from debugfs uprobes/stats; -1 if it is not there. */
static inline long debugfs_stat(const char *name)
{
	char line[512], key[64];
	long value;

	snprintf(key, sizeof(key), "%s ", name);
	if (!debugfs_line("stats", key, NULL, line, sizeof(line)))
		return -1;
	return sscanf(line, "%*s %ld", &value) == 1 ? value : -1;
}

/* Hits of a tracefs event as uprobe_profile has them; -1 if not listed. */
static inline long trace_hits(const char *event)
{
	char line[1024], name[128];
	long hits = -1, n;
	FILE *f = fopen(TRACEFS "/uprobe_profile", "re");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " %*s %127s %ld", name, &n) == 2 && !strcmp(name, event))
			hits = n;
	fclose(f);
	return hits;
}

/* ---- swap ---- */

/*
 * Some swap space, so that MADV_PAGEOUT has somewhere to write: what there is,
 * or a file behind a loop device. False if neither can be had.
 */
static inline bool have_swap(void)
{
	static const char magic[] = "SWAPSPACE2";
	const unsigned int mb = 16;
	uint32_t version = 1, last_page = mb * 256 - 1;
	char buf[512], *line, path[] = "/tmp/uprobes-swap-XXXXXX", dev[32];
	int fd, ctl, loop, n;
	bool ok;

	if (read_text("/proc/swaps", buf, sizeof(buf)) > 0) {
		line = strchr(buf, '\n');
		if (line && line[1])
			return true;
	}
	fd = mkstemp(path);
	if (fd < 0)
		return false;
	unlink(path);
	ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	n = ctl < 0 ? -1 : ioctl(ctl, LOOP_CTL_GET_FREE);
	snprintf(dev, sizeof(dev), "/dev/loop%d", n);
	loop = n < 0 ? -1 : open(dev, O_RDWR | O_CLOEXEC);
	ok = loop >= 0 && !ftruncate(fd, mb << 20) &&
	     pwrite(fd, &version, 4, 1024) == 4 && pwrite(fd, &last_page, 4, 1028) == 4 &&
	     pwrite(fd, magic, 10, PAGE - 10) == 10 && !fsync(fd) &&
	     !ioctl(loop, LOOP_SET_FD, fd) && !swapon(dev, 0);
	close(fd);
	if (ctl >= 0)
		close(ctl);
	if (loop >= 0)
		close(loop);
	return ok;
}

/* ---- running ---- */

static inline double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Exit code of a child; 1000 + n if signal n killed it; -1 on error. */
static inline int child_status(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* What a program left that was killed. */
static inline void remove_leftovers(void)
{
	char line[512], event[128];
	FILE *f = fopen(TRACEFS "/uprobe_events", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*c:uprobes/%127s", event) == 1 &&
		    !strncmp(event, EVENT_PREFIX, strlen(EVENT_PREFIX)))
			trace_del(event);
	if (f)
		fclose(f);
}

static inline void uprobes_test_setup(void)
{
	mount_once("sysfs", SYSFS_MAGIC, "/sys");
	mount_once("debugfs", DEBUGFS_MAGIC, DEBUGFS);
	mount_once("tracefs", TRACEFS_MAGIC, TRACEFS);
	if (geteuid()) {
		ksft_print_header();
		ksft_exit_skip("needs root\n");
	}
	if (pmu_type() < 0) {
		ksft_print_header();
		ksft_exit_skip("no uprobe PMU (CONFIG_UPROBE_EVENTS)\n");
	}
	remove_leftovers();
}

/* main() of every test */
static inline int uprobes_test_main(int argc, char **argv)
{
	uprobes_test_setup();
	return test_harness_run(argc, argv);
}

#endif /* UPROBES_SELFTEST_COMMON_H */
