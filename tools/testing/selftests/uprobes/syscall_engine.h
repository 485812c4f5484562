/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the tests of probes on the instructions that enter a system call.
 *
 * Each scenario runs twice in a process of its own, without the probe and with
 * it on the very instruction, and writes down all that a program, its debugger
 * and its parent can see: registers, signal frames, stops, results. The two
 * records must be the same, the hits must be as many as the executions, and the
 * kernel must say that it did enter the call rather than find another way.
 */
#ifndef UPROBES_SELFTEST_SYSCALL_ENGINE_H
#define UPROBES_SELFTEST_SYSCALL_ENGINE_H

#include "common.h"
#include "targets_syscall.h"

#include <sys/prctl.h>
#include <sys/user.h>
#include <ucontext.h>

#define FLAGS_PLAIN	0x202UL

#ifdef __x86_64__
#define U_IP(u)		((u)->rip)
#define U_AX(u)		((u)->rax)
#define U_ORIG_AX(u)	((u)->orig_rax)
#define G_IP		REG_RIP
#define G_DX		REG_RDX

static const char *const gpr_names[] = {
	"ax", "cx", "dx", "bx", "sp", "bp", "si", "di",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};

/* struct user_regs_struct and gregset_t, word by word */
static const char *const user_names[] = {
	"r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx",
	"si", "di", "orig_ax", "ip", "cs", "flags", "sp", "ss", "fs_base", "gs_base", "ds",
	"es", "fs", "gs",
};

static const char *const greg_names[] = {
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "di", "si", "bp", "bx", "dx",
	"ax", "cx", "sp", "ip", "flags", "cs/gs/fs/ss", "err", "trapno", "oldmask", "cr2",
};
#else
#define U_IP(u)		((unsigned long)(u)->eip)
#define U_AX(u)		((u)->eax)
#define U_ORIG_AX(u)	((u)->orig_eax)
#define G_IP		REG_EIP
#define G_DX		REG_EDX

static const char *const gpr_names[] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di" };

static const char *const user_names[] = {
	"bx", "cx", "dx", "si", "di", "bp", "ax", "ds", "es", "fs", "gs", "orig_ax", "ip",
	"cs", "flags", "sp", "ss",
};

static const char *const greg_names[] = {
	"gs", "fs", "es", "ds", "di", "si", "bp", "sp", "bx", "dx", "cx", "ax", "trapno",
	"err", "ip", "cs", "flags", "uesp", "ss",
};
#endif

_Static_assert(ARRAY_SIZE(gpr_names) == SYS_GPRS, "names of struct sys_regs");
_Static_assert(ARRAY_SIZE(user_names) == sizeof(struct user_regs_struct) / sizeof(long),
	       "names of struct user_regs_struct");
_Static_assert(ARRAY_SIZE(greg_names) == NGREG, "names of gregset_t");
_Static_assert(offsetof(struct sys_regs, child) == SYS_CHILD, "offsets for assembly");

/* ---- the ways in ---- */

enum call {
	C_EXECVE, C_CLONE, C_EXIT, C_EXIT_GROUP, C_FORK, C_GETPGRP, C_GETPPID, C_GETUID,
	C_KILL, C_MMAP, C_NANOSLEEP, C_PAUSE, C_READ, C_VFORK, CALLS
};

enum { ABI_64, ABI_32 };

static const int numbers[2][CALLS] = {
	[ABI_64] = {
		[C_EXECVE] = 59, [C_CLONE] = 56, [C_EXIT] = 60, [C_EXIT_GROUP] = 231,
		[C_FORK] = 57, [C_GETPGRP] = 111, [C_GETPPID] = 110, [C_GETUID] = 102,
		[C_KILL] = 62, [C_MMAP] = 9, [C_NANOSLEEP] = 35, [C_PAUSE] = 34,
		[C_READ] = 0, [C_VFORK] = 58,
	},
	[ABI_32] = {
		[C_EXECVE] = 11, [C_CLONE] = 120, [C_EXIT] = 1, [C_EXIT_GROUP] = 252,
		[C_FORK] = 2, [C_GETPGRP] = 65, [C_GETPPID] = 64, [C_GETUID] = 24,
		[C_KILL] = 37, [C_MMAP] = 192, [C_NANOSLEEP] = 162, [C_PAUSE] = 29,
		[C_READ] = 3, [C_VFORK] = 190,
	},
};

static const unsigned int arg_regs[2][6] = {
#ifdef __x86_64__
	[ABI_64] = { DI, SI, DX, R10, R8, R9 },
#endif
	[ABI_32] = { BX, CX, DX, SI, DI, BP },
};

struct way {
	const char *name;
	void (*run)(struct sys_regs *r);
	const char *insn, *next, *end;
	int abi;
};

#define WAY(words, fn, a)							\
	{									\
		.name = words, .run = fn, .abi = a,				\
		.insn = fn##_insn, .next = fn##_next, .end = fn##_end,		\
	}

static const struct way ways[] = {
#ifdef __x86_64__
	WAY("syscall", sys_plain, ABI_64),
	WAY("rex.w syscall", sys_rex, ABI_64),
#endif
	WAY("int $0x80", sys_int80, ABI_32),
};

static inline int nr_of(const struct way *w, enum call c)
{
	return numbers[w->abi][c];
}

/* ---- the records ---- */

#define LINE		224
#define MAX_LINES	4096
#define MAX_THREADS	4

struct record {
	int lines, bad;
	char line[MAX_LINES][LINE];
};

struct hammer {
	unsigned long calls, wrong;
	char what[LINE];
};

/* In the low 4 GB: int $0x80 has 32-bit pointers whatever code it stands in. */
static struct shared {
	struct record rec[2];
	struct sys_regs thread, child;	/* what came out in the other thread or process */
	uint64_t words[16];		/* argument vectors, times */
	char strings[256];
	char buf[4096];
	char stack[65536] __attribute__((aligned(64)));
	char area[PAGE] __attribute__((aligned(PAGE)));
	uint32_t tid;
	int ready, go, stop, quiet, attacks, fd[2];
	uint8_t text[16];
	unsigned long ticks;
	struct hammer hammer[MAX_THREADS];
} *sh;

static struct record *cur;		/* for signal handlers */
static const struct way *cur_way;	/* for children */
static struct sys_regs own;		/* not shared with a forked child */

static inline void __attribute__((format(printf, 2, 3)))
note(struct record *rec, const char *fmt, ...)
{
	va_list ap;

	if (rec->lines >= MAX_LINES) {
		rec->bad++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(rec->line[rec->lines++], LINE, fmt, ap);
	va_end(ap);
}

/* What must hold with and without the probe. Returns whether it does. */
static inline bool __attribute__((format(printf, 4, 5)))
must_at(struct record *rec, int line, bool holds, const char *fmt, ...)
{
	char why[LINE / 2];
	va_list ap;

	if (holds)
		return true;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	rec->bad++;
	note(rec, "FAILED at line %d: %s", line, why);
	return false;
}

#define must(rec, holds, ...)	must_at(rec, __LINE__, holds, __VA_ARGS__)

static inline void note_words(struct record *rec, const char *what, const char *const *names,
			      const unsigned long *words, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		note(rec, "%s: %s = %#lx", what, names[i], words[i]);
}

static inline void note_regs(struct record *rec, const char *what, const struct sys_regs *r)
{
	note_words(rec, what, gpr_names, r->gpr, SYS_GPRS);
	note(rec, "%s: flags = %#lx", what, r->flags);
	note(rec, "%s: cs = %#lx, ss = %#lx", what, r->cs, r->ss);
}

static inline void note_user(struct record *rec, const char *what, const struct user_regs_struct *u)
{
	note_words(rec, what, user_names, (const unsigned long *)u, ARRAY_SIZE(user_names));
}

static inline void note_frame(struct record *rec, const char *what, const ucontext_t *uc)
{
	note_words(rec, what, greg_names, (const unsigned long *)uc->uc_mcontext.gregs, NGREG);
}

/* ---- calling ---- */

static const uint64_t pattern = 0x0123456789abcdefULL;

/* All registers filled, and six arguments for the call */
static inline void prepare(const struct way *w, struct sys_regs *r, enum call c,
			   const unsigned long *args)
{
	memset(r, 0, sizeof(*r));
	for (unsigned int i = 0; i < SYS_GPRS; i++)
		r->gpr[i] = pattern * (2 * i + 3);
	r->flags = FLAGS_PLAIN;
	for (int i = 0; args && i < 6; i++)
		r->gpr[arg_regs[w->abi][i]] = args[i];
	r->gpr[AX] = nr_of(w, c);
}

#define ARGS(...)	((const unsigned long[6]) { __VA_ARGS__ })

static inline long call(const struct way *w, struct sys_regs *r, enum call c,
			const unsigned long *args)
{
	prepare(w, r, c, args);
	w->run(r);
	return r->gpr[AX];
}

/* Leaves by the instruction under test. */
static inline void leave(const struct way *w, enum call c, int code)
{
	struct sys_regs r;

	call(w, &r, c, ARGS(code));
	__builtin_trap();
}

/* A descriptor is an argument: the same number with and without the probe */
static inline int move_fd(int fd, int to)
{
	if (fd < 0 || dup2(fd, to) != to)
		return -1;
	close(fd);
	return to;
}

/* A process of its own with a bounded life. */
static inline pid_t spawn(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(240);
	}
	return pid;
}

static inline void on(int sig, void (*handler)(int sig, siginfo_t *info, void *ctx), int flags)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO };

	sigaction(sig, &sa, NULL);
}

/* ---- twice, and the comparison ---- */

typedef void scenario_fn(const struct way *w, struct record *rec, long arg);

static inline void compare(struct __test_metadata *_metadata, const char *name)
{
	const struct record *plain = &sh->rec[0], *probed = &sh->rec[1];
	int shown = 0;

	for (int r = 0; r < 2; r++) {
		EXPECT_EQ(0, sh->rec[r].bad)
			TH_LOG("%s, %s the probe:", name, r ? "with" : "without");
		for (int i = 0; i < sh->rec[r].lines; i++)
			if (!strncmp(sh->rec[r].line[i], "FAILED", 6))
				TH_LOG("  %s", sh->rec[r].line[i]);
	}
	EXPECT_LT(0, plain->lines);
	EXPECT_EQ(plain->lines, probed->lines)
		TH_LOG("%s: lines of the record", name);
	for (int i = 0; i < plain->lines && i < probed->lines && shown < 12; i++) {
		if (!strcmp(plain->line[i], probed->line[i]))
			continue;
		shown++;
		EXPECT_STREQ(plain->line[i], probed->line[i])
			TH_LOG("%s: line %d differs with the probe", name, i);
	}
}

/* What debugfs says of the probe at @insn */
static inline bool strategy_is(const char *insn, const char *word, char *line, size_t size)
{
	char key[64], want[32];
	struct where w;
	struct stat st;

	snprintf(line, size, "no line for it");
	if (!where_is(insn, &w) || stat(w.path, &st))
		return false;
	snprintf(key, sizeof(key), ":%lu %#llx ", (unsigned long)st.st_ino,
		 (unsigned long long)w.offset);
	snprintf(want, sizeof(want), " %s ", word);
	return debugfs_line("list", key, NULL, line, size) && strstr(line, want);
}

static inline bool attach(struct __test_metadata *_metadata, struct probe *p, const char *insn)
{
	char line[512];
	int err = probe_addr_all(p, insn, 0);

	EXPECT_EQ(0, err)
		TH_LOG("no probe: %s", strerror(-err));
	if (err)
		return false;
	EXPECT_TRUE(strategy_is(insn, "syscall", line, sizeof(line)))
		TH_LOG("debugfs list: %s", line);
	return true;
}

static inline void twice_at(struct __test_metadata *_metadata, const struct way *w,
			    const char *insn, scenario_fn *scenario, long arg,
			    const char *what, uint64_t hits)
{
	struct probe probe = { };
	char name[128];

	snprintf(name, sizeof(name), "%s, %s", w->name, what);
	memset(sh->rec, 0, offsetof(struct record, line));
	memset(&sh->rec[1], 0, offsetof(struct record, line));
	cur_way = w;
	for (int round = 0; round < 2; round++) {
		int status;
		pid_t pid;

		if (round && !attach(_metadata, &probe, insn))
			return;
		memset(&sh->thread, 0, sizeof(sh->thread));
		memset(&sh->child, 0, sizeof(sh->child));
		sh->ready = 0;
		cur = &sh->rec[round];
		pid = spawn();
		ASSERT_LE(0, pid);
		if (!pid) {
			scenario(w, cur, arg);
			_exit(0);
		}
		status = child_status(pid);
		EXPECT_EQ(0, status)
			TH_LOG("%s, %s the probe: ended with %d", name,
			       round ? "with" : "without", status);
	}
	EXPECT_EQ(hits, probe_hits(&probe))
		TH_LOG("%s: hits", name);
	probe_close(&probe);
	compare(_metadata, name);
}

static inline void twice(struct __test_metadata *_metadata, const struct way *w,
			 scenario_fn *scenario, long arg, const char *what, uint64_t hits)
{
	twice_at(_metadata, w, w->insn, scenario, arg, what, hits);
}

FIXTURE(sys) {
	const struct way *w;
};

FIXTURE_VARIANT(sys) {
	void (*run)(struct sys_regs *r);
};

#ifdef __x86_64__
FIXTURE_VARIANT_ADD(sys, syscall) {
	.run = sys_plain,
};

FIXTURE_VARIANT_ADD(sys, rex_syscall) {
	.run = sys_rex,
};
#endif

FIXTURE_VARIANT_ADD(sys, int80) {
	.run = sys_int80,
};

/* int $0x80 in 64-bit code: a kernel may be without. Asked unprobed. */
static inline bool can_enter(const struct way *w)
{
	struct sys_regs r;
	pid_t pid = spawn();

	if (!pid)
		_exit(call(w, &r, C_GETPGRP, NULL) != getpgrp());
	return child_status(pid) == 0;
}

FIXTURE_SETUP(sys)
{
	ASSERT_TRUE(have_debugfs());
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, sh);
	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++)
		if (ways[i].run == variant->run)
			self->w = &ways[i];
	ASSERT_NE(NULL, self->w);
	if (!can_enter(self->w)) {
		ASSERT_EQ(ABI_32, self->w->abi);
		ASSERT_EQ(8, sizeof(long));
		SKIP(return, "this kernel has no 32-bit system calls");
	}
}

FIXTURE_TEARDOWN(sys)
{
	munmap(sh, sizeof(*sh));
}

#endif /* UPROBES_SELFTEST_SYSCALL_ENGINE_H */
