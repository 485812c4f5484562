// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a thread in a slot seems to be: at the original instruction, for all who
 * look from outside at a moment of their own choice. What the program itself and
 * its debugger see is in step_signal_test.c.
 */
#include "common.h"

#include <limits.h>
#include <link.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/klog.h>
#include <sys/procfs.h>
#include <sys/ptrace.h>
#include <sys/resource.h>

#ifdef __x86_64__
#define BX	"%rbx"
#define DI	"%rdi"
#define MEM(x)	#x "(%rip)"
#define PR_IP	16	/* in the registers of a core dump */
#else
#define BX	"%ebx"
#define DI	"%edi"
#define MEM(x)	#x
#define PR_IP	12
#endif

#define core_ehdr	ElfW(Ehdr)
#define core_phdr	ElfW(Phdr)
#define core_nhdr	ElfW(Nhdr)

/* Nothing else lies in the page in the middle. */
char pages[3 * PAGE] __attribute__((aligned(4096)));
#define FAULT_PAGE	(pages + PAGE)

extern const char boosted_insn[], stepped_insn[], relative_insn[], emulated_insn[];
extern const char div_insn[], spin_insn[], spin_rep[];

/* Called with an address in bx, which all of them access. */
asm("	.text\n"
	"do_boosted:\n"
	"boosted_insn:	movzbl 5(" BX "), %eax\n"
	"		ret\n"
	"do_stepped:	mov " BX ", " DI "\n"
	"		mov $64, %ecx\n"
	"stepped_insn:	rep stosb\n"
	"		ret\n"
	"do_relative:\n"
	"relative_insn:	shll $1, " MEM(pages + 4096) "\n"
	"		ret\n"
	"do_emulated:\n"
	"emulated_insn:	cmpl $1, " MEM(pages + 4096) "\n"
	"		ret\n"
	"do_div:	xor %edx, %edx\n"
	"		xor %ecx, %ecx\n"
	"div_insn:	divl %ecx\n"
	"		ret\n"
	/* bx times an instruction of each kind, the second one slow */
	"do_spin:\n"
	"spin_insn:	imul $3, %edx, %edx\n"
	"		mov $2000, %ecx\n"
	"		lea " MEM(pages) ", " DI "\n"
	"spin_rep:	rep stosb\n"
	"		dec " BX "\n"
	"		jnz spin_insn\n"
	"		ret\n");

#define RUN(name, bx) do {							\
	unsigned long __bx = (unsigned long)(bx);				\
	asm volatile("call " #name : "+b" (__bx)				\
		     : : "eax", "ecx", "edx", "edi", "memory", "cc");		\
} while (0)

static void run_boosted(void *arg)
{
	RUN(do_boosted, arg);
}

static void run_stepped(void *arg)
{
	RUN(do_stepped, arg);
}

static void run_relative(void *arg)
{
	RUN(do_relative, arg);
}

static void run_emulated(void *arg)
{
	RUN(do_emulated, arg);
}

static void run_div(void *arg)
{
	RUN(do_div, arg);
}

static const struct kind {
	const char *name, *insn;
	void (*run)(void *arg);
} kinds[] = {
	{ "boosted", boosted_insn, run_boosted },
	{ "stepped", stepped_insn, run_stepped },
	{ "relative", relative_insn, run_relative },
	{ "emulated", emulated_insn, run_emulated },
};

/* ---- a thread that waits for a page ---- */

struct waiter {
	pthread_t thread;
	const struct kind *kind;
	volatile pid_t tid;
	int uffd;
};

static void *wait_for_page(void *arg)
{
	struct waiter *w = arg;

	w->tid = syscall(SYS_gettid);
	w->kind->run(FAULT_PAGE);
	return NULL;
}

/* A thread that sleeps in the page fault of that instruction; false if not. */
static bool waiter_start(struct waiter *w, const struct kind *kind)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (unsigned long)FAULT_PAGE, .len = PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct pollfd pfd = { .events = POLLIN };
	struct uffd_msg msg;

	*w = (struct waiter){ .kind = kind };
	w->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (w->uffd < 0 ||
	    mmap(FAULT_PAGE, PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != FAULT_PAGE ||
	    ioctl(w->uffd, UFFDIO_API, &api) || ioctl(w->uffd, UFFDIO_REGISTER, &reg) ||
	    pthread_create(&w->thread, NULL, wait_for_page, w))
		return false;
	pfd.fd = w->uffd;
	return poll(&pfd, 1, 10000) == 1 && read(w->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
	       msg.event == UFFD_EVENT_PAGEFAULT;
}

static bool waiter_end(struct waiter *w)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (unsigned long)FAULT_PAGE, .len = PAGE },
	};
	bool ok = !ioctl(w->uffd, UFFDIO_ZEROPAGE, &zero) && !pthread_join(w->thread, NULL);

	close(w->uffd);
	return ok;
}

/* ip of a sleeping thread as /proc/PID/syscall has it, 0 if it does not sleep */
static unsigned long proc_syscall_ip(pid_t tid)
{
	char path[64], buf[256];
	unsigned long sp, ip;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	for (int i = 0; i < 1000; i++) {
		if (read_text(path, buf, sizeof(buf)) > 0 &&
		    sscanf(buf, "-1 0x%lx 0x%lx", &sp, &ip) == 2)
			return ip;
		usleep(10000);
	}
	return 0;
}

/* Field 30 of /proc/PID/stat, where the name has no spaces. */
static unsigned long proc_stat_ip(pid_t tid)
{
	char path[64], buf[1024], *p;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	if (read_text(path, buf, sizeof(buf)) <= 0)
		return ULONG_MAX;
	p = strrchr(buf, ')');
	for (int field = 2; p && field < 30; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoul(p, NULL, 10) : ULONG_MAX;
}

TEST(proc)
{
	struct waiter w;
	struct probe p;
	unsigned long ip;

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (int probed = 0; probed < 2; probed++) {
			if (probed)
				ASSERT_EQ(0, probe_addr_all(&p, kinds[i].insn, 0));
			ASSERT_TRUE(waiter_start(&w, &kinds[i]));
			EXPECT_EQ((unsigned long)kinds[i].insn, proc_syscall_ip(w.tid))
				TH_LOG("%s", kinds[i].name);
			/* The kernel says 0 of a thread that is not about to die. */
			ip = proc_stat_ip(w.tid);
			EXPECT_TRUE(!ip || ip == (unsigned long)kinds[i].insn);
			ASSERT_TRUE(waiter_end(&w));
			if (!probed)
				continue;
			EXPECT_EQ(1, probe_hits(&p));
			probe_close(&p);
		}
	}
}

/* ---- a debugger that stops it ---- */

/* In a process of its own, which the parent ends. */
static void wait_in_child(const struct kind *kind, volatile pid_t *tid)
{
	struct waiter w;

	if (!waiter_start(&w, kind) || !proc_syscall_ip(w.tid))
		_exit(1);
	*tid = w.tid;
	pause();
	_exit(2);
}

TEST(stopped_by_debugger)
{
	volatile pid_t *tid = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct probe p;
	int status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, (void *)tid);
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		ASSERT_EQ(0, probe_addr_all(&p, kinds[i].insn, 0));
		*tid = 0;
		pid = fork();
		if (!pid)
			wait_in_child(&kinds[i], tid);
		while (!*tid && !waitpid(pid, &status, WNOHANG))
			usleep(10000);
		ASSERT_NE(0, *tid);
		ASSERT_EQ(0, ptrace(PTRACE_SEIZE, *tid, 0, 0));
		ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, *tid, 0, 0));
		ASSERT_EQ(*tid, waitpid(*tid, &status, __WALL));
		EXPECT_EQ((unsigned long)kinds[i].insn,
			  ptrace(PTRACE_PEEKUSER, *tid, sizeof(long) * PR_IP, 0))
			TH_LOG("%s", kinds[i].name);
		EXPECT_EQ(0, kill(pid, SIGKILL));
		/* The process does not end before its tracer has let go of the thread. */
		EXPECT_EQ(*tid, waitpid(*tid, &status, __WALL));
		EXPECT_EQ(1000 + SIGKILL, child_status(pid));
		EXPECT_LE(1, probe_hits(&p));
		probe_close(&p);
	}
}

/* ---- perf ---- */

#define RING_PAGES	128
#define SAMPLED_IP	8	/* PERF_REG_X86_IP */

struct sampler {
	int fd;
	struct perf_event_mmap_page *ring;
};

static int sampler_start(struct sampler *s, bool kernel_too)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 300000,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER,
		.sample_regs_user = 1 << SAMPLED_IP,
		.exclude_kernel = !kernel_too,
		.disabled = 1,
	};

	s->fd = syscall(__NR_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	s->ring = mmap(NULL, (1 + RING_PAGES) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       s->fd, 0);
	if (s->ring == MAP_FAILED)
		return -errno;
	return ioctl(s->fd, PERF_EVENT_IOC_ENABLE, 0) ? -errno : 0;
}

struct tally {
	unsigned int samples, addresses;
	unsigned int in_area;	/* addresses that should not be seen */
	unsigned int at_probe;	/* samples */
};

static void see(struct tally *t, uint64_t addr, const struct map *area)
{
	t->addresses++;
	t->in_area += area->start <= addr && addr < area->end;
}

/* One sample: its address, the call chain, the registers. */
static void tally_sample(struct tally *t, const uint64_t *p, const struct map *area)
{
	uint64_t ip = *p++, n = *p++;

	t->samples++;
	t->at_probe += ip == (unsigned long)spin_insn || ip == (unsigned long)spin_rep;
	see(t, ip, area);
	while (n--)
		see(t, *p++, area);
	if (*p++ != PERF_SAMPLE_REGS_ABI_NONE)
		see(t, *p, area);
}

static void sampler_end(struct sampler *s, struct tally *t, const struct map *area)
{
	const uint64_t size = RING_PAGES * PAGE;
	const char *data = (char *)s->ring + PAGE;
	union {
		struct perf_event_header header;
		uint64_t words[4096];
		char bytes[1];
	} rec;
	uint64_t head, tail = 0;

	ioctl(s->fd, PERF_EVENT_IOC_DISABLE, 0);
	head = __atomic_load_n(&s->ring->data_head, __ATOMIC_ACQUIRE);
	memset(t, 0, sizeof(*t));
	while (tail < head) {
		memcpy(&rec, data + tail % size, sizeof(rec.header));
		for (unsigned int i = 0; i < rec.header.size; i++)
			rec.bytes[i] = data[(tail + i) % size];
		if (rec.header.type == PERF_RECORD_SAMPLE)
			tally_sample(t, rec.words + 1, area);
		tail += rec.header.size;
	}
	munmap(s->ring, (1 + RING_PAGES) * PAGE);
	close(s->fd);
}

TEST(samples)
{
	struct probe probes[2];
	struct sampler s;
	struct map area;
	struct tally t;
	double end;

	ASSERT_EQ(0, probe_addr(&probes[0], spin_insn, 0));
	ASSERT_EQ(0, probe_addr(&probes[1], spin_rep, 0));
	RUN(do_spin, 1);
	ASSERT_TRUE(xol_map(0, &area));
	for (int kernel_too = 0; kernel_too < 2; kernel_too++) {
		unsigned int samples = 0, at_probe = 0;

		/*
		 * The kernel lowers the rate where interrupts take long; with KCSAN little
		 * of the time is the program's.
		 */
		for (int round = 0; round < 150 && (samples < 100 || at_probe < 10); round++) {
			ASSERT_EQ(0, sampler_start(&s, kernel_too));
			for (end = seconds_now() + 2; seconds_now() < end;)
				RUN(do_spin, 500);
			sampler_end(&s, &t, &area);
			TH_LOG("%u samples, %u addresses, %u at probes", t.samples, t.addresses,
			       t.at_probe);
			EXPECT_EQ(0, t.in_area);
			samples += t.samples;
			at_probe += t.at_probe;
		}
		EXPECT_LE(100, samples);
		EXPECT_LE(10, at_probe);
	}
	EXPECT_EQ(probe_hits(&probes[0]), probe_hits(&probes[1]));
	probe_close(&probes[0]);
	probe_close(&probes[1]);
}

/* ---- ftrace's user stack traces, taken in a page fault ---- */

#define INSTANCE	TRACEFS "/instances/uprobes_view"

TEST(user_stack_trace)
{
	char line[512], wanted[64];
	unsigned long ip;
	int traces = 0, right = 0;
	bool first = false;
	struct probe p;
	FILE *f;

	ASSERT_TRUE(!mkdir(INSTANCE, 0755) || errno == EEXIST);
	ASSERT_EQ(0, probe_addr(&p, boosted_insn, 0));
	/* So that there is a slot, and its page. */
	run_boosted(pages);
	ASSERT_EQ(0, write_text(INSTANCE "/set_event_pid", O_TRUNC, "%d", getpid()));
	ASSERT_EQ(0, write_text(INSTANCE "/options/userstacktrace", 0, "1"));
	ASSERT_EQ(0, write_text(INSTANCE "/events/exceptions/page_fault_user/enable", 0, "1"));
	for (int i = 0; i < 10; i++) {
		mmap(FAULT_PAGE, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		run_boosted(FAULT_PAGE);
	}
	EXPECT_EQ(0, write_text(INSTANCE "/events/exceptions/page_fault_user/enable", 0, "0"));
	EXPECT_EQ(11, probe_hits(&p));
	probe_close(&p);

	snprintf(wanted, sizeof(wanted), "address=0x%lx ", (unsigned long)FAULT_PAGE + 5);
	f = fopen(INSTANCE "/trace", "re");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, "page_fault_user"))
			first = strstr(line, wanted);
		if (!first || sscanf(line, " => <%lx>", &ip) != 1)
			continue;
		first = false;
		traces++;
		right += ip == (unsigned long)boosted_insn;
	}
	fclose(f);
	rmdir(INSTANCE);
	EXPECT_EQ(10, traces);
	EXPECT_EQ(10, right);
}

/* ---- the kernel log ---- */

/* What the log says of process @pid: the number behind "ip", 0 if nothing. */
static unsigned long logged_ip(pid_t pid)
{
	const int size = 1 << 20;
	char *buf = calloc(1, size), name[32], *line, *at;
	unsigned long ip = 0;

	if (klogctl(3, buf, size - 1) < 0)
		return 0;
	snprintf(name, sizeof(name), "[%d]", pid);
	for (line = strtok(buf, "\n"); line; line = strtok(NULL, "\n")) {
		at = strstr(line, name);
		at = at ? strstr(at, " ip") : NULL;
		if (at)
			ip = strtoul(at + 4, NULL, 16);
	}
	free(buf);
	return ip;
}

static pid_t die_of(void (*run)(void *), void *arg)
{
	pid_t pid = fork();

	if (!pid) {
		struct rlimit none = {};

		setrlimit(RLIMIT_CORE, &none);
		run(arg);
		_exit(1);
	}
	return pid;
}

TEST(kernel_log)
{
	/* A page fault, and one of all others: they share the words, and the code. */
	static const struct {
		const char *insn;
		void (*run)(void *arg);
		unsigned long arg;
		int sig;
	} deaths[] = {
		{ boosted_insn, run_boosted, 8, SIGSEGV },
		{ stepped_insn, run_stepped, 8, SIGSEGV },
		{ div_insn, run_div, 0, SIGFPE },
	};
	char limit[32], trace[32];
	struct probe p;
	pid_t pid;

	ASSERT_LT(0, read_text("/proc/sys/kernel/printk_ratelimit", limit, sizeof(limit)));
	ASSERT_LT(0, read_text("/proc/sys/debug/exception-trace", trace, sizeof(trace)));
	ASSERT_EQ(0, write_text("/proc/sys/kernel/printk_ratelimit", 0, "0\n"));
	ASSERT_EQ(0, write_text("/proc/sys/debug/exception-trace", 0, "1\n"));
	for (unsigned int i = 0; i < ARRAY_SIZE(deaths); i++) {
		for (int probed = 0; probed < 2; probed++) {
			if (probed)
				ASSERT_EQ(0, probe_addr_all(&p, deaths[i].insn, 0));
			pid = die_of(deaths[i].run, (void *)deaths[i].arg);
			EXPECT_EQ(1000 + deaths[i].sig, child_status(pid));
			EXPECT_EQ((unsigned long)deaths[i].insn, logged_ip(pid))
				TH_LOG("death %u, %s", i, probed ? "probed" : "not probed");
			if (!probed)
				continue;
			EXPECT_EQ(1, probe_hits(&p));
			probe_close(&p);
		}
	}
	write_text("/proc/sys/debug/exception-trace", 0, "%s", trace);
	write_text("/proc/sys/kernel/printk_ratelimit", 0, "%s", limit);
}

/* ---- a core dump ---- */

#define CORE_PATTERN	"/proc/sys/kernel/core_pattern"

/* A thread waits for a page in one slot while the other dies in another. */
static void dump_core(struct map *area)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct waiter w;

	if (setrlimit(RLIMIT_CORE, &all) || !waiter_start(&w, &kinds[0]) ||
	    !proc_syscall_ip(w.tid) || !xol_map(0, area))
		_exit(1);
	run_stepped((void *)8);
	_exit(2);
}

struct core {
	unsigned int threads, wrong;
	bool saw_died, saw_waited, has_area;
};

static void read_notes(const char *p, const char *end, struct core *c)
{
	while (p + sizeof(core_nhdr) <= end) {
		const core_nhdr *n = (const void *)p;
		const char *desc = p + sizeof(*n) + ((n->n_namesz + 3) & ~3);
		const struct elf_prstatus *status = (const void *)desc;

		p = desc + ((n->n_descsz + 3) & ~3);
		if (n->n_type != NT_PRSTATUS)
			continue;
		c->threads++;
		if (status->pr_reg[PR_IP] == (unsigned long)stepped_insn)
			c->saw_died = true;
		else if (status->pr_reg[PR_IP] == (unsigned long)boosted_insn)
			c->saw_waited = true;
		else
			c->wrong++;
	}
}

static bool read_core(const char *path, const struct map *area, struct core *c)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const core_ehdr *e;
	const core_phdr *ph;
	struct stat st;
	char *file;

	memset(c, 0, sizeof(*c));
	if (fd < 0 || fstat(fd, &st))
		return false;
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (file == MAP_FAILED)
		return false;
	e = (void *)file;
	ph = (void *)(file + e->e_phoff);
	for (int i = 0; i < e->e_phnum; i++, ph++) {
		if (ph->p_type == PT_NOTE)
			read_notes(file + ph->p_offset, file + ph->p_offset + ph->p_filesz, c);
		if (ph->p_type == PT_LOAD && ph->p_vaddr < area->end &&
		    area->start < ph->p_vaddr + ph->p_filesz)
			c->has_area = true;
	}
	munmap(file, st.st_size);
	return true;
}

TEST(core_dump)
{
	char pattern[256], path[64];
	struct probe probes[2];
	struct map *area;
	struct core c;
	pid_t pid;

	area = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	ASSERT_LT(0, read_text(CORE_PATTERN, pattern, sizeof(pattern)));
	ASSERT_EQ(0, write_text(CORE_PATTERN, 0, "/tmp/uprobes-core.%%p\n"));
	ASSERT_EQ(0, probe_addr_all(&probes[0], boosted_insn, 0));
	ASSERT_EQ(0, probe_addr_all(&probes[1], stepped_insn, 0));
	pid = fork();
	if (!pid)
		dump_core(area);
	EXPECT_EQ(1000 + SIGSEGV, child_status(pid));
	EXPECT_EQ(0, write_text(CORE_PATTERN, 0, "%s", pattern));
	EXPECT_EQ(1, probe_hits(&probes[0]));
	EXPECT_EQ(1, probe_hits(&probes[1]));
	probe_close(&probes[0]);
	probe_close(&probes[1]);

	snprintf(path, sizeof(path), "/tmp/uprobes-core.%d", pid);
	EXPECT_TRUE(read_core(path, area, &c));
	unlink(path);
	EXPECT_EQ(2, c.threads);
	EXPECT_EQ(0, c.wrong);
	EXPECT_TRUE(c.saw_died);
	EXPECT_TRUE(c.saw_waited);
	EXPECT_FALSE(c.has_area);
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
