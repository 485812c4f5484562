// SPDX-License-Identifier: GPL-2.0-only
/*
 * A debugger on a probed program: it reads the original text, its own
 * breakpoints work over probes in either order and stay when the probe goes, and
 * all its stops are those of the same program without a probe.
 */
#include "common.h"

#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <ucontext.h>

#ifdef __x86_64__
#define REG_IP		REG_RIP
#define USER_IP		offsetof(struct user, regs.rip)
#else
#define REG_IP		REG_EIP
#define USER_IP		offsetof(struct user, regs.eip)
#endif

#define INT3		0xcc
#define COUNT		4

/* One instruction of each strategy. Returns its second argument. */
unsigned long dbg_run(void *buf, unsigned int count);
extern const char dbg_nop[], dbg_mul[], dbg_rep[], dbg_syscall[], dbg_end[];

asm("	.text\n"
	"	.globl dbg_run\n"
	"dbg_run:\n"
#ifdef __x86_64__
	"		mov	%esi, %ecx\n"
#else
	"		push	%edi\n"
	"		mov	8(%esp), %edi\n"
	"		mov	12(%esp), %ecx\n"
#endif
	"		mov	$0x5a, %eax\n"
	"dbg_nop:	nop\n"
	"dbg_mul:	imul	$1, %ecx, %ecx\n"
	"		mov	%ecx, %edx\n"
	"dbg_rep:	rep stosb\n"
#ifdef __x86_64__
	"		mov	$39, %eax\n"
	"dbg_syscall:	syscall\n"
#else
	"		mov	$20, %eax\n"
	"dbg_syscall:	int	$0x80\n"
#endif
	"		mov	%edx, %eax\n"
#ifndef __x86_64__
	"		pop	%edi\n"
#endif
	"dbg_end:	ret\n");

#define MUL_IMM		2	/* the immediate, behind opcode and ModRM */

static struct {
	const char *name, *at;
} places[] = {
	{ "emulated", dbg_nop }, { "boosted", dbg_mul }, { "stepped", dbg_rep },
	{ "system call", dbg_syscall },
};

/* What the program tells. */
static struct shared {
	unsigned long result;
	unsigned int rounds;
	uint8_t own;		/* what it reads at @look */
	const char *look;
	bool forks;		/* in the next round, first */
	bool splits;		/* the child its mapping of the text, before its round */
	int forked;		/* how the child ended */
	bool stop;
	unsigned long done;
	unsigned long traps;
	int wrong;
} *shared;

static struct where at_nop;

static void rounds(void)
{
	char buf[64];
	pid_t pid;

	for (;;) {
		if (shared->forks) {
			shared->forks = false;
			pid = fork();
			if (!pid) {
				if (shared->splits) {
					if (madvise((void *)((unsigned long)dbg_nop & -PAGE), PAGE,
						    MADV_RANDOM))
						_exit(8);
					raise(SIGSTOP);
				}
				_exit(dbg_run(buf, COUNT) == COUNT ? 0 : 9);
			}
			shared->forked = child_status(pid);
		}
		shared->result = dbg_run(buf, COUNT);
		shared->own = *(volatile const uint8_t *)shared->look;
		shared->rounds++;
		raise(SIGSTOP);
	}
}

/* ---- the debugger ---- */

static int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, __WALL) != pid)
		return -errno;
	return WIFSTOPPED(status) ? status >> 8 : 1000 + WTERMSIG(status);
}

/* To the next stop; what stopped it. The stop itself is not given to the program. */
static int go(pid_t pid, int request)
{
	if (ptrace(request, pid, NULL, NULL))
		return -errno;
	return wait_for(pid);
}

/* A program that is stopped at the beginning, and then at the end of each round. */
static pid_t start(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		rounds();
	}
	if (pid > 0 && wait_for(pid) != SIGSTOP)
		return -1;
	return pid;
}

static void finish(pid_t pid)
{
	kill(pid, SIGKILL);
	while (wait_for(pid) >= 0)
		;
}

static unsigned long get_ip(pid_t pid)
{
	return ptrace(PTRACE_PEEKUSER, pid, USER_IP, NULL);
}

static void set_ip(pid_t pid, const char *ip)
{
	ptrace(PTRACE_POKEUSER, pid, USER_IP, ip);
}

enum way { PEEK, MEM, VM, WAYS };

static const char *const way_name[] = { "ptrace", "/proc/PID/mem", "process_vm_readv" };

static bool mem_rw(pid_t pid, const char *at, void *buf, size_t n, bool write)
{
	char path[64];
	ssize_t done;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write ? pwrite(fd, buf, n, (unsigned long)at) : pread(fd, buf, n, (unsigned long)at);
	close(fd);
	return done == (ssize_t)n;
}

static bool text_get(pid_t pid, enum way way, const char *at, void *buf, size_t n)
{
	struct iovec to = { buf, n }, from = { (void *)at, n };
	long word;

	if (way == MEM)
		return mem_rw(pid, at, buf, n, false);
	if (way == VM)
		return process_vm_readv(pid, &to, 1, &from, 1, 0) == (ssize_t)n;
	for (size_t i = 0; i < n; i += sizeof(word)) {
		errno = 0;
		word = ptrace(PTRACE_PEEKTEXT, pid, at + i, NULL);
		if (errno)
			return false;
		memcpy(buf + i, &word, n - i < sizeof(word) ? n - i : sizeof(word));
	}
	return true;
}

/* One byte, as debuggers write it: within the word that was read. */
static bool text_put(pid_t pid, enum way way, const char *at, uint8_t byte)
{
	union {
		long word;
		uint8_t byte[sizeof(long)];
	} u;

	if (way != PEEK)
		return mem_rw(pid, at, &byte, 1, true);
	errno = 0;
	u.word = ptrace(PTRACE_PEEKTEXT, pid, at - 1, NULL);
	u.byte[1] = byte;
	return !errno && !ptrace(PTRACE_POKETEXT, pid, at - 1, u.word);
}

/* All ways of reading must agree. */
static int text_byte(pid_t pid, const char *at)
{
	uint8_t byte[WAYS];

	for (int way = 0; way < WAYS; way++)
		if (!text_get(pid, way, at, &byte[way], 1))
			return -1;
	return byte[PEEK] == byte[MEM] && byte[MEM] == byte[VM] ? byte[PEEK] : -2;
}

/* What has stopped the program, and where. */
struct stop {
	int sig, code;
	unsigned long ip;
};

#define MAX_STOPS	128

struct stops {
	unsigned int n;
	struct stop stop[MAX_STOPS];
};

static int note(struct stops *s, pid_t pid, int sig)
{
	struct stop *stop = &s->stop[s->n];
	siginfo_t info = { };

	if (s->n == MAX_STOPS)
		return -1;
	ptrace(PTRACE_GETSIGINFO, pid, NULL, &info);
	stop->sig = sig;
	stop->code = info.si_code;
	stop->ip = sig == SIGSTOP ? 0 : get_ip(pid);
	s->n++;
	return sig;
}

static int noted(struct stops *s, pid_t pid, int request)
{
	return note(s, pid, go(pid, request));
}

/* Past the debugger's own breakpoint at @at, where the program stands behind it. */
static bool step_over(struct stops *s, pid_t pid, enum way way, const char *at)
{
	uint8_t orig = *(const uint8_t *)at;

	set_ip(pid, at);
	return text_put(pid, way, at, orig) && text_byte(pid, at) == orig &&
	       noted(s, pid, PTRACE_SINGLESTEP) == SIGTRAP &&
	       text_put(pid, way, at, INT3) && text_byte(pid, at) == INT3;
}

static void compare(struct __test_metadata *_metadata, const struct stops *want,
		    const struct stops *got)
{
	EXPECT_EQ(want->n, got->n);
	for (unsigned int i = 0; i < want->n && i < got->n; i++) {
		EXPECT_EQ(want->stop[i].sig, got->stop[i].sig)
			TH_LOG("stop %u", i);
		EXPECT_EQ(want->stop[i].code, got->stop[i].code)
			TH_LOG("stop %u", i);
		EXPECT_EQ(want->stop[i].ip, got->stop[i].ip)
			TH_LOG("stop %u", i);
	}
}

FIXTURE(debugger) {
	struct probe probe;
	pid_t pid;
};

FIXTURE_SETUP(debugger)
{
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	shared->look = dbg_nop;
	ASSERT_TRUE(where_is(dbg_nop, &at_nop));
	self->pid = start();
	ASSERT_LT(0, self->pid);
}

FIXTURE_TEARDOWN(debugger)
{
	finish(self->pid);
	probe_close(&self->probe);
	munmap(shared, PAGE);
}

/* A probe in the debugged program alone: this one has the original text to compare. */
static int plant(struct probe *p, pid_t pid, const char *at)
{
	return probe_task(p, at_nop.path, at_nop.offset + (at - dbg_nop), 0, pid);
}

TEST_F(debugger, reads_the_original)
{
	const char *page = (const char *)((unsigned long)dbg_nop & -PAGE);
	struct probe probes[ARRAY_SIZE(places)];
	struct map m;
	uint8_t *buf;
	size_t n;

	ASSERT_TRUE(map_at(dbg_nop, &m));
	if ((unsigned long)page > m.start)
		page -= PAGE;
	n = m.end - (unsigned long)page < 3 * PAGE ? m.end - (unsigned long)page : 3 * PAGE;
	buf = malloc(n);
	ASSERT_NE(NULL, buf);
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		ASSERT_EQ(0, plant(&probes[i], self->pid, places[i].at));

	for (int round = 0; round < 2; round++) {
		ASSERT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
		EXPECT_EQ(INT3, shared->own);
		for (int way = 0; way < WAYS; way++) {
			memset(buf, 0x11, n);
			EXPECT_TRUE(text_get(self->pid, way, page, buf, n));
			EXPECT_EQ(0, memcmp(page, buf, n))
				TH_LOG("%s", way_name[way]);
			/* Odd pieces: ends within and right before a probed instruction */
			for (int from = -3; from < 3; from++) {
				for (unsigned int len = 1; len < 12; len++) {
					EXPECT_TRUE(text_get(self->pid, way, dbg_mul + from,
							     buf, len));
					EXPECT_EQ(0, memcmp(dbg_mul + from, buf, len));
				}
			}
		}
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		EXPECT_EQ(2, probe_hits(&probes[i]));
		probe_close(&probes[i]);
	}
	ASSERT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
	EXPECT_EQ(*(const uint8_t *)dbg_nop, shared->own);
	free(buf);
}

/* To the end of the round. A rep instruction is stepped over once for each time. */
static bool one_round(struct stops *s, pid_t pid, enum way way, const char *at)
{
	int sig;

	while ((sig = noted(s, pid, PTRACE_CONT)) == SIGTRAP)
		if (get_ip(pid) != (unsigned long)at + 1 || !step_over(s, pid, way, at))
			return false;
	return sig == SIGSTOP;
}

/* Three rounds with a breakpoint, and one after it was taken away. */
static bool break_and_step(struct stops *s, pid_t pid, enum way way, const char *at)
{
	bool ok = text_put(pid, way, at, INT3) && text_byte(pid, at) == INT3;

	s->n = 0;
	for (int i = 0; i < 3 && ok; i++)
		ok = one_round(s, pid, way, at);
	return ok && s->n >= 9 && text_put(pid, way, at, *(const uint8_t *)at) &&
	       noted(s, pid, PTRACE_CONT) == SIGSTOP;
}

TEST_F(debugger, breakpoint_over_a_probe)
{
	struct stops plain, probed;

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		for (int way = PEEK; way <= MEM; way++) {
			const char *at = places[i].at;

			ASSERT_TRUE(break_and_step(&plain, self->pid, way, at))
				TH_LOG("%s by %s", places[i].name, way_name[way]);
			ASSERT_EQ(0, plant(&self->probe, self->pid, at));
			EXPECT_TRUE(break_and_step(&probed, self->pid, way, at))
				TH_LOG("%s by %s", places[i].name, way_name[way]);
			compare(_metadata, &plain, &probed);
			EXPECT_EQ(4, probe_hits(&self->probe))
				TH_LOG("%s by %s", places[i].name, way_name[way]);
			probe_close(&self->probe);
			EXPECT_EQ(COUNT, shared->result);
		}
	}
}

/* The whole function step by step, over a breakpoint that is left where it is. */
static bool all_steps(struct stops *s, pid_t pid, const char *at)
{
	bool ok = text_put(pid, PEEK, (const char *)dbg_run, INT3) &&
		  go(pid, PTRACE_CONT) == SIGTRAP &&
		  text_put(pid, PEEK, (const char *)dbg_run, *(const uint8_t *)dbg_run) &&
		  text_put(pid, PEEK, at, INT3);

	set_ip(pid, (const char *)dbg_run);
	s->n = 0;
	while (ok && get_ip(pid) != (unsigned long)dbg_end) {
		ok = noted(s, pid, PTRACE_SINGLESTEP) == SIGTRAP;
		if (ok && get_ip(pid) == (unsigned long)at + 1)
			ok = step_over(s, pid, PEEK, at);
	}
	return ok && text_put(pid, PEEK, at, *(const uint8_t *)at) &&
	       noted(s, pid, PTRACE_CONT) == SIGSTOP;
}

TEST_F(debugger, single_steps_onto_a_breakpoint)
{
	struct probe probes[ARRAY_SIZE(places)];
	struct stops plain, probed;

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		ASSERT_TRUE(all_steps(&plain, self->pid, places[i].at));
		for (unsigned int j = 0; j < ARRAY_SIZE(places); j++)
			ASSERT_EQ(0, plant(&probes[j], self->pid, places[j].at));
		EXPECT_TRUE(all_steps(&probed, self->pid, places[i].at));
		compare(_metadata, &plain, &probed);
		for (unsigned int j = 0; j < ARRAY_SIZE(places); j++) {
			EXPECT_EQ(1, probe_hits(&probes[j]))
				TH_LOG("%s, breakpoint at %s", places[j].name, places[i].name);
			probe_close(&probes[j]);
		}
	}
}

TEST_F(debugger, was_there_first)
{
	uint8_t orig = *(const uint8_t *)dbg_mul;
	struct stops s = { };

	for (int way = PEEK; way <= MEM; way++) {
		long foreign = debugfs_stat("foreign");

		ASSERT_TRUE(text_put(self->pid, way, dbg_mul, INT3));
		ASSERT_EQ(0, plant(&self->probe, self->pid, dbg_mul));
		if (have_debugfs())
			EXPECT_LT(foreign, debugfs_stat("foreign"));
		EXPECT_EQ(INT3, text_byte(self->pid, dbg_mul));
		EXPECT_EQ(SIGTRAP, go(self->pid, PTRACE_CONT));
		EXPECT_EQ((unsigned long)dbg_mul + 1, get_ip(self->pid));
		EXPECT_EQ(0, probe_hits(&self->probe));

		/* The probe is planted when he takes it away, so this step is a hit. */
		EXPECT_TRUE(step_over(&s, self->pid, way, dbg_mul));
		EXPECT_EQ(1, probe_hits(&self->probe));
		EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
		EXPECT_EQ(SIGTRAP, go(self->pid, PTRACE_CONT));
		EXPECT_EQ(2, probe_hits(&self->probe));
		set_ip(self->pid, dbg_mul);
		EXPECT_TRUE(text_put(self->pid, way, dbg_mul, orig));
		EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
		EXPECT_EQ(2, probe_hits(&self->probe));
		EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
		EXPECT_EQ(3, probe_hits(&self->probe));
		EXPECT_EQ(orig, text_byte(self->pid, dbg_mul));
		EXPECT_EQ(COUNT, shared->result);
		probe_close(&self->probe);
	}
}

TEST_F(debugger, stays_when_the_probe_goes)
{
	uint8_t orig = *(const uint8_t *)dbg_nop;

	for (int hit = 0; hit < 2; hit++) {
		ASSERT_EQ(0, plant(&self->probe, self->pid, dbg_nop));
		ASSERT_TRUE(text_put(self->pid, PEEK, dbg_nop, INT3));
		if (hit) {
			EXPECT_EQ(SIGTRAP, go(self->pid, PTRACE_CONT));
			EXPECT_EQ(1, probe_hits(&self->probe));
		}
		probe_close(&self->probe);
		EXPECT_EQ(INT3, text_byte(self->pid, dbg_nop));
		if (!hit)
			EXPECT_EQ(SIGTRAP, go(self->pid, PTRACE_CONT));
		EXPECT_EQ((unsigned long)dbg_nop + 1, get_ip(self->pid));
		EXPECT_TRUE(text_put(self->pid, PEEK, dbg_nop, orig));
		set_ip(self->pid, dbg_nop);
		EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
		EXPECT_EQ(orig, shared->own);
		EXPECT_EQ(orig, text_byte(self->pid, dbg_nop));
	}
}

/* Stopped at a probe he may have the program execute something else first. */
TEST_F(debugger, goes_on_elsewhere)
{
	uint8_t orig = *(const uint8_t *)dbg_nop;

	ASSERT_EQ(0, plant(&self->probe, self->pid, dbg_nop));
	ASSERT_TRUE(text_put(self->pid, PEEK, dbg_nop, INT3));
	EXPECT_EQ(SIGTRAP, go(self->pid, PTRACE_CONT));
	EXPECT_EQ(1, probe_hits(&self->probe));
	set_ip(self->pid, dbg_mul);
	EXPECT_EQ(SIGTRAP, go(self->pid, PTRACE_SINGLESTEP));
	EXPECT_EQ((unsigned long)dbg_mul + MUL_IMM + 1, get_ip(self->pid));

	/* Back there it is another execution, and past it the same one. */
	set_ip(self->pid, dbg_nop);
	EXPECT_EQ(SIGTRAP, go(self->pid, PTRACE_CONT));
	EXPECT_EQ((unsigned long)dbg_nop + 1, get_ip(self->pid));
	EXPECT_EQ(2, probe_hits(&self->probe));
	ASSERT_TRUE(text_put(self->pid, PEEK, dbg_nop, orig));
	set_ip(self->pid, dbg_nop);
	EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
	EXPECT_EQ(2, probe_hits(&self->probe));
	EXPECT_EQ(COUNT, shared->result);
}

TEST_F(debugger, detached)
{
	uint8_t orig = *(const uint8_t *)dbg_nop;

	/* In good order: the program goes on, and so does the probe. */
	ASSERT_EQ(0, plant(&self->probe, self->pid, dbg_nop));
	ASSERT_TRUE(text_put(self->pid, PEEK, dbg_nop, INT3));
	EXPECT_EQ(SIGTRAP, go(self->pid, PTRACE_CONT));
	ASSERT_TRUE(text_put(self->pid, PEEK, dbg_nop, orig));
	set_ip(self->pid, dbg_nop);
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, self->pid, NULL, NULL));
	for (int i = 0; i < 500 && !shared->rounds; i++)
		usleep(20000);
	EXPECT_EQ(1, shared->rounds);
	EXPECT_EQ(INT3, shared->own);
	EXPECT_EQ(1, probe_hits(&self->probe));

	/* Leaving his breakpoint behind: it kills the program. */
	ASSERT_TRUE(mem_rw(self->pid, dbg_nop, &(uint8_t){ INT3 }, 1, true));
	kill(self->pid, SIGCONT);
	EXPECT_EQ(1000 + SIGTRAP, child_status(self->pid));
	EXPECT_EQ(2, probe_hits(&self->probe));
}

TEST_F(debugger, changes_the_program)
{
	uint8_t orig = *(const uint8_t *)dbg_nop, clc = 0xf8;
	long changed = debugfs_stat("changed");

	ASSERT_EQ(0, plant(&self->probe, self->pid, dbg_nop));
	EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
	EXPECT_EQ(1, probe_hits(&self->probe));
	for (int way = PEEK; way <= MEM; way++) {
		ASSERT_TRUE(text_put(self->pid, way, dbg_nop, clc));
		EXPECT_EQ(clc, text_byte(self->pid, dbg_nop));
		EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
		EXPECT_EQ(clc, shared->own);
		EXPECT_EQ(1 + way, probe_hits(&self->probe));
		if (have_debugfs())
			EXPECT_EQ(changed + 1 + way, debugfs_stat("changed"));

		/* And back: it is the probed instruction again. */
		ASSERT_TRUE(text_put(self->pid, way, dbg_nop, orig));
		EXPECT_EQ(orig, text_byte(self->pid, dbg_nop));
		EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
		EXPECT_EQ(INT3, shared->own);
		EXPECT_EQ(2 + way, probe_hits(&self->probe));
	}
	probe_close(&self->probe);
	EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
	EXPECT_EQ(orig, shared->own);
}

/* Behind the first byte. The probe finds out when it is hit. */
TEST_F(debugger, changes_an_operand)
{
	uint8_t orig = *(const uint8_t *)dbg_mul;

	shared->look = dbg_mul;
	for (int under = 0; under < 2; under++) {
		ASSERT_EQ(0, plant(&self->probe, self->pid, dbg_mul));
		EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
		EXPECT_EQ(1, probe_hits(&self->probe));
		if (under)
			ASSERT_TRUE(text_put(self->pid, PEEK, dbg_mul, INT3));
		ASSERT_TRUE(text_put(self->pid, PEEK, dbg_mul + MUL_IMM, 3));
		EXPECT_EQ(3, text_byte(self->pid, dbg_mul + MUL_IMM));
		EXPECT_EQ(under ? INT3 : orig, text_byte(self->pid, dbg_mul));
		if (under) {
			EXPECT_EQ(SIGTRAP, go(self->pid, PTRACE_CONT));
			EXPECT_EQ((unsigned long)dbg_mul + 1, get_ip(self->pid));
			ASSERT_TRUE(text_put(self->pid, PEEK, dbg_mul, orig));
			set_ip(self->pid, dbg_mul);
		}
		EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
		EXPECT_EQ(3 * COUNT, shared->result);
		EXPECT_EQ(orig, shared->own);
		EXPECT_EQ(1, probe_hits(&self->probe));
		ASSERT_TRUE(text_put(self->pid, PEEK, dbg_mul + MUL_IMM, 1));
		EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
		EXPECT_EQ(COUNT, shared->result);
		probe_close(&self->probe);
	}
}

/* A child has what its parent had: with a debugger's breakpoint in it, that too. */
TEST_F(debugger, forked_child)
{
	int event = SIGTRAP | PTRACE_EVENT_FORK << 8;
	/* Volatile: when a probe is in this process too it is another one. */
	uint8_t orig = *(const volatile uint8_t *)dbg_nop;
	unsigned long pid;

	for (int probed = 0; probed < 2; probed++) {
		if (probed)
			ASSERT_EQ(0, probe_all(&self->probe, at_nop.path, at_nop.offset, 0));

		/* Nobody takes it out of the child. */
		ASSERT_TRUE(text_put(self->pid, PEEK, dbg_nop, INT3));
		shared->forks = true;
		EXPECT_EQ(SIGCHLD, go(self->pid, PTRACE_CONT));
		EXPECT_EQ(SIGTRAP, go(self->pid, PTRACE_CONT));
		EXPECT_EQ(1000 + SIGTRAP, shared->forked);
		ASSERT_TRUE(text_put(self->pid, PEEK, dbg_nop, orig));
		set_ip(self->pid, dbg_nop);
		EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT))
			TH_LOG("%s: nop%+ld, %#x there", probed ? "probed" : "plain",
			       (long)(get_ip(self->pid) - (unsigned long)dbg_nop),
			       text_byte(self->pid, dbg_nop));
		if (probed)
			EXPECT_EQ(2, probe_hits(&self->probe));

		/* A debugger that sees the child come does. */
		for (int put = 0; put < 2; put++) {
			if (!put)
				ASSERT_TRUE(text_put(self->pid, PEEK, dbg_nop, INT3));
			shared->forks = true;
			ASSERT_EQ(0, ptrace(PTRACE_SETOPTIONS, self->pid, NULL,
					    PTRACE_O_TRACEFORK));
			ASSERT_EQ(event, go(self->pid, PTRACE_CONT));
			ASSERT_EQ(0, ptrace(PTRACE_GETEVENTMSG, self->pid, NULL, &pid));
			ASSERT_EQ(SIGSTOP, wait_for(pid));
			EXPECT_EQ(put ? (int)orig : INT3, text_byte(pid, dbg_nop));
			if (put) {
				/* Now the other way: a breakpoint for the child alone */
				ASSERT_TRUE(text_put(pid, PEEK, dbg_nop, INT3));
				EXPECT_EQ(INT3, text_byte(pid, dbg_nop));
				EXPECT_EQ(orig, text_byte(self->pid, dbg_nop));
				EXPECT_EQ(SIGTRAP, go(pid, PTRACE_CONT));
				EXPECT_EQ((unsigned long)dbg_nop + 1, get_ip(pid));
				set_ip(pid, dbg_nop);
			}
			ASSERT_TRUE(text_put(pid, PEEK, dbg_nop, orig));
			EXPECT_EQ(orig, text_byte(pid, dbg_nop));
			ASSERT_EQ(0, ptrace(PTRACE_DETACH, pid, NULL, NULL));
			EXPECT_EQ(SIGCHLD, go(self->pid, PTRACE_CONT));
			if (!put) {
				EXPECT_EQ(SIGTRAP, go(self->pid, PTRACE_CONT));
				ASSERT_TRUE(text_put(self->pid, PEEK, dbg_nop, orig));
				set_ip(self->pid, dbg_nop);
			}
			EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
			EXPECT_EQ(0, shared->forked);
			EXPECT_EQ(COUNT, shared->result);
			ASSERT_EQ(0, ptrace(PTRACE_SETOPTIONS, self->pid, NULL, 0));
		}
		if (probed)
			EXPECT_EQ(6, probe_hits(&self->probe));
	}
}

/*
 * A child has come with breakpoints of ours. The debugger's own, where no probe is yet,
 * is not one of them.
 */
static void own_breakpoint(struct __test_metadata *_metadata, struct _test_data_debugger *self,
			   bool splits)
{
	int event = SIGTRAP | PTRACE_EVENT_FORK << 8;
	uint8_t orig = *(const volatile uint8_t *)dbg_rep;
	struct probe second = { };
	unsigned long pid;

	ASSERT_EQ(0, probe_all(&self->probe, at_nop.path, at_nop.offset + (dbg_mul - dbg_nop), 0));
	shared->forks = true;
	shared->splits = splits;
	ASSERT_EQ(0, ptrace(PTRACE_SETOPTIONS, self->pid, NULL, PTRACE_O_TRACEFORK));
	ASSERT_EQ(event, go(self->pid, PTRACE_CONT));
	ASSERT_EQ(0, ptrace(PTRACE_GETEVENTMSG, self->pid, NULL, &pid));
	ASSERT_EQ(SIGSTOP, wait_for(pid));
	ASSERT_TRUE(text_put(pid, PEEK, dbg_rep, INT3));
	if (splits)
		EXPECT_EQ(SIGSTOP, go(pid, PTRACE_CONT));

	ASSERT_EQ(0, probe_all(&second, at_nop.path, at_nop.offset + (dbg_rep - dbg_nop), 0));
	EXPECT_EQ(INT3, text_byte(pid, dbg_rep));
	EXPECT_EQ(orig, text_byte(self->pid, dbg_rep));
	EXPECT_EQ(SIGTRAP, go(pid, PTRACE_CONT));
	EXPECT_EQ((unsigned long)dbg_rep + 1, get_ip(pid));
	EXPECT_EQ(1, probe_hits(&self->probe));
	EXPECT_EQ(0, probe_hits(&second));

	/* When he takes it away the probe is planted. */
	ASSERT_TRUE(text_put(pid, PEEK, dbg_rep, orig));
	EXPECT_EQ(orig, text_byte(pid, dbg_rep));
	set_ip(pid, dbg_rep);
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, pid, NULL, NULL));
	EXPECT_EQ(SIGCHLD, go(self->pid, PTRACE_CONT));
	EXPECT_EQ(SIGSTOP, go(self->pid, PTRACE_CONT));
	EXPECT_EQ(0, shared->forked);
	EXPECT_EQ(COUNT, shared->result);
	EXPECT_EQ(2, probe_hits(&self->probe));
	EXPECT_EQ(2, probe_hits(&second));
	probe_close(&second);
}

TEST_F(debugger, own_breakpoint_in_a_forked_child)
{
	own_breakpoint(_metadata, self, false);
}

/* Whose text is in more than one mapping by then */
TEST_F(debugger, own_breakpoint_in_a_split_mapping)
{
	own_breakpoint(_metadata, self, true);
}

/* ---- core files ---- */

#define CORE_PATTERN	"/proc/sys/kernel/core_pattern"

/* The memory of @m in a core file; NULL if not all of it is there. */
static uint8_t *core_text(const char *path, const struct map *m)
{
	size_t size = m->end - m->start;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *text = malloc(size);
	bool found = false;

	ElfW(Ehdr) eh;
	ElfW(Phdr) ph;

	if (fd < 0 || pread(fd, &eh, sizeof(eh), 0) != sizeof(eh))
		eh.e_phnum = 0;
	for (int i = 0; i < eh.e_phnum && !found; i++) {
		if (pread(fd, &ph, sizeof(ph), eh.e_phoff + i * sizeof(ph)) != sizeof(ph))
			break;
		found = ph.p_type == PT_LOAD && ph.p_vaddr == m->start && ph.p_filesz == size &&
			pread(fd, text, size, ph.p_offset) == (ssize_t)size;
	}
	if (fd >= 0)
		close(fd);
	if (!found) {
		free(text);
		text = NULL;
	}
	return text;
}

TEST(core_file)
{
	struct rlimit any = { RLIM_INFINITY, RLIM_INFINITY };
	struct probe probes[ARRAY_SIZE(places)];
	char pattern[256], path[64], buf[64];
	uint8_t *text, *before;
	struct map m;
	pid_t pid;

	ASSERT_LT(0, read_text(CORE_PATTERN, pattern, sizeof(pattern)));
	ASSERT_EQ(0, write_text(CORE_PATTERN, O_TRUNC, "/tmp/uprobes-core.%%p\n"));
	ASSERT_TRUE(map_at(dbg_nop, &m));
	before = malloc(m.end - m.start);
	memcpy(before, (void *)m.start, m.end - m.start);
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		ASSERT_EQ(0, probe_addr_all(&probes[i], places[i].at, 0));

	for (int under = 0; under < 2; under++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			/* The second time nothing was hit before: no site is there. */
			setrlimit(RLIMIT_CORE, &any);
			if (!under)
				dbg_run(buf, COUNT);
			else
				mem_rw(getpid(), dbg_rep, &(uint8_t){ INT3 }, 1, true);
			abort();
		}
		ASSERT_EQ(1000 + SIGABRT, child_status(pid));
		snprintf(path, sizeof(path), "/tmp/uprobes-core.%d", pid);
		text = core_text(path, &m);
		ASSERT_NE(NULL, text);
		before[dbg_rep - (char *)m.start] = under ? INT3 : *(uint8_t *)"\xf3";
		for (size_t i = 0; i < m.end - m.start; i++) {
			if (before[i] == text[i])
				continue;
			EXPECT_EQ(before[i], text[i])
				TH_LOG("at nop%+ld", (long)(m.start + i - (unsigned long)dbg_nop));
		}
		free(text);
		unlink(path);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		EXPECT_EQ(1, probe_hits(&probes[i]));
		probe_close(&probes[i]);
	}
	write_text(CORE_PATTERN, O_TRUNC, "%s", pattern);
	free(before);
}

/* ---- many threads ---- */

/* The program's own debugger: again, until somebody has taken the breakpoint away. */
static void on_trap(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;
	unsigned long ip = --uc->uc_mcontext.gregs[REG_IP];

	if (ip != (unsigned long)dbg_mul)
		__atomic_add_fetch(&shared->wrong, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&shared->traps, 1, __ATOMIC_RELAXED);
	sched_yield();
}

static void *runs(void *arg)
{
	char buf[64];

	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		if (dbg_run(buf, COUNT) != COUNT)
			__atomic_add_fetch(&shared->wrong, 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&shared->done, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

#define RUNNERS	3

static pid_t start_runners(void)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	pthread_t thread[RUNNERS];
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGTRAP, &sa, NULL);
	for (int i = 0; i < RUNNERS; i++)
		pthread_create(&thread[i], NULL, runs, NULL);
	for (int i = 0; i < RUNNERS; i++)
		pthread_join(thread[i], NULL);
	_exit(0);
}

TEST(threads)
{
	unsigned int rounds[2] = { 400, 150 };
	uint8_t orig = *(const uint8_t *)dbg_mul;
	struct where at_mul;
	struct probe probe;
	uint8_t byte;
	double end;
	pid_t pid;

	ASSERT_TRUE(where_is(dbg_mul, &at_mul));
	/* With the probe there all the time each execution is one hit. */
	for (int toggle = 0; toggle < 2; toggle++) {
		shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			      -1, 0);
		ASSERT_NE(MAP_FAILED, shared);
		ASSERT_EQ(0, probe_all(&probe, at_mul.path, at_mul.offset, 0));
		pid = start_runners();
		ASSERT_LT(0, pid);
		end = seconds_now() + 60;
		for (unsigned int i = 0; i < rounds[toggle] && seconds_now() < end; i++) {
			ASSERT_TRUE(text_put(pid, MEM, dbg_mul, INT3));
			ASSERT_TRUE(mem_rw(pid, dbg_mul, &byte, 1, false));
			EXPECT_EQ(INT3, byte);
			if (toggle && i % 3 == 0)
				probe_close(&probe);
			usleep(i % 7 * 300);
			if (toggle && i % 3 == 1)
				ASSERT_EQ(0, probe_all(&probe, at_mul.path, at_mul.offset, 0));
			ASSERT_TRUE(text_put(pid, MEM, dbg_mul, orig));
			ASSERT_TRUE(text_get(pid, VM, dbg_mul, &byte, 1));
			EXPECT_EQ(orig, byte);
			usleep(i % 5 * 300);
		}
		__atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
		EXPECT_EQ(0, child_status(pid));
		EXPECT_EQ(0, shared->wrong);
		EXPECT_LT(0, shared->done);
		EXPECT_LT(0, shared->traps);
		if (!toggle)
			EXPECT_EQ(shared->done, probe_hits(&probe));
		probe_close(&probe);
		munmap(shared, PAGE);
	}
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
