// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probes on the instructions that enter a system call: what the call and those
 * who watch it see of the registers.
 */
#include "syscall_engine.h"

#include <asm/ldt.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ptrace.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH	59
#define PR_SYS_DISPATCH_OFF		0
#define PR_SYS_DISPATCH_ON		1
#endif
#define DISPATCH_ALLOW			0
#define DISPATCH_BLOCK			1

#ifndef SYS_SECCOMP
#define SYS_SECCOMP			1
#endif

/* sys/ptrace.h has enumerators for these, or has not. */
#define REQ_SYSEMU			31
#define REQ_SYSCALL_INFO		0x420e

#define SA_OWN_RESTORER			0x04000000

#define FLAG_TF		0x100UL
#define FLAG_DF		0x400UL
#define FLAG_CF		0x1UL

/* ---- registers ---- */

static const unsigned long flag_sets[] = {
	FLAGS_PLAIN,
	0xed7,			/* all of arithmetic, and DF */
	0x244202,		/* ID, AC, NT */
};

static const unsigned long odd_numbers[] = {
	~0UL, 0xffffffff, 0x7fffffff, 0x80000000, 400, 500, 0xffff, 0x40000000, 0x4000006f,
};

static void sc_registers(const struct way *w, struct record *rec, long arg)
{
	for (unsigned int f = 0; f < ARRAY_SIZE(flag_sets); f++) {
		char what[64];

		snprintf(what, sizeof(what), "getpgrp, flags %#lx", flag_sets[f]);
		prepare(w, &own, C_GETPGRP, NULL);
		own.flags = flag_sets[f];
		w->run(&own);
		must(rec, (pid_t)own.gpr[AX] == getpgrp(), "getpgrp: %#lx", own.gpr[AX]);
		note_regs(rec, what, &own);
	}
	/* The upper half of ax is no part of the number. */
	if (sizeof(long) == 8) {
		prepare(w, &own, C_GETPGRP, NULL);
		own.gpr[AX] |= (uint64_t)0x12345678 << 32;
		w->run(&own);
		note_regs(rec, "getpgrp, upper half set", &own);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(odd_numbers); i++) {
		char what[64];

		snprintf(what, sizeof(what), "number %#lx", odd_numbers[i]);
		prepare(w, &own, C_GETPGRP, NULL);
		own.gpr[AX] = odd_numbers[i];
		w->run(&own);
		note_regs(rec, what, &own);
	}
}

TEST_F(sys, registers)
{
	twice(_metadata, self->w, sc_registers, 0, "registers",
	      ARRAY_SIZE(flag_sets) + (sizeof(long) == 8) + ARRAY_SIZE(odd_numbers));
}

/* The last argument is the one that is passed most differently. */
static void sc_six_args(const struct way *w, struct record *rec, long arg)
{
	unsigned int unit = w->abi == ABI_64 ? 1 : PAGE;
	char *image = calloc(2, PAGE);
	struct codefile file;
	long got;
	int fd;

	memcpy(image, "first", 6);
	memcpy(image + PAGE, "second", 7);
	if (!must(rec, !codefile_make(&file, image, 2 * PAGE), "no file"))
		return;
	fd = move_fd(dup(file.fd), 200);
	got = call(w, &own, C_MMAP, ARGS((unsigned long)sh->area, PAGE, PROT_READ,
					 MAP_PRIVATE | MAP_FIXED, fd, PAGE / unit));
	codefile_drop(&file);
	note_regs(rec, "mmap", &own);
	if (must(rec, got == (long)sh->area, "mmap: %#lx", got))
		note(rec, "mapped: %.6s", sh->area);
}

TEST_F(sys, six_args)
{
	twice(_metadata, self->w, sc_six_args, 0, "six arguments", 1);
}

#ifdef __x86_64__
#define LDT_SELECTOR	7

static bool make_segment(void)
{
	struct user_desc desc = {
		.limit = 0xfffff,
		.seg_32bit = 1,
		.limit_in_pages = 1,
	};
	bool writable;

	if (syscall(SYS_modify_ldt, 0x11, &desc, sizeof(desc)))
		return false;
	asm volatile("verw %w1" : "=@ccz" (writable) : "r" (LDT_SELECTOR));
	return writable;
}

/* The instruction syscall loses the stack segment, int does not. */
static void sc_segment(const struct way *w, struct record *rec, long arg)
{
	if (!must(rec, make_segment(), "no segment"))
		return;
	prepare(w, &own, C_GETPGRP, NULL);
	own.load_ss = LDT_SELECTOR;
	w->run(&own);
	note_regs(rec, "with an own ss", &own);
}

TEST_F(sys, stack_segment)
{
	pid_t pid = spawn();

	if (!pid)
		_exit(!make_segment());
	if (child_status(pid))
		SKIP(return, "segments of its own do not work on this machine");
	twice(_metadata, self->w, sc_segment, 0, "stack segment", 1);
}
#endif

/* ---- single steps ---- */

static void on_trap(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;
	unsigned long ip = uc->uc_mcontext.gregs[G_IP], start = (unsigned long)cur_way->run;
	char what[64];

	if (ip < start || ip >= (unsigned long)cur_way->end) {
		note(cur, "trap elsewhere");
		return;
	}
	snprintf(what, sizeof(what), "trap at +%#lx, code %d", ip - start, info->si_code);
	note(cur, "%s", what);
	/* Until there the caller's registers are in it. */
	if (ip >= (unsigned long)cur_way->insn)
		note_frame(cur, what, uc);
}

static void sc_trap_flag(const struct way *w, struct record *rec, long arg)
{
	on(SIGTRAP, on_trap, 0);
	prepare(w, &own, C_GETPGRP, NULL);
	own.flags |= FLAG_TF;
	w->run(&own);
	note_regs(rec, "getpgrp with TF", &own);
	must(rec, rec->lines > 10 * NGREG, "only %d lines: no single steps", rec->lines);
}

TEST_F(sys, own_trap_flag)
{
	twice(_metadata, self->w, sc_trap_flag, 0, "own TF", 1);
}

/* A child that stops, executes the call and reports in sh->child */
static pid_t start_tracee(const struct way *w, void (*before)(const struct way *w, long arg),
			  long arg)
{
	int status;
	pid_t pid = spawn();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		if (before)
			before(w, arg);
		prepare(w, &own, C_GETPGRP, NULL);
		w->run(&own);
		sh->child = own;
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return -1;
	return pid;
}

static void sc_ptrace_steps(const struct way *w, struct record *rec, long arg)
{
	bool inside = false;
	char what[64];
	int status;
	pid_t pid;

	pid = start_tracee(w, NULL, 0);
	if (!must(rec, pid > 0, "no tracee"))
		return;
	for (int i = 0; i < 100000; i++) {
		struct user_regs_struct u;

		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) || waitpid(pid, &status, 0) != pid)
			break;
		if (!must(rec, WIFSTOPPED(status), "ended with %#x", status))
			break;
		ptrace(PTRACE_GETREGS, pid, 0, &u);
		if (U_IP(&u) < (unsigned long)w->run || U_IP(&u) >= (unsigned long)w->end) {
			if (inside)
				break;
			continue;
		}
		inside = true;
		snprintf(what, sizeof(what), "stop %#x at +%#lx", status,
			 (unsigned long)(U_IP(&u) - (unsigned long)w->run));
		note(rec, "%s", what);
		if (U_IP(&u) >= (unsigned long)w->insn)
			note_user(rec, what, &u);
	}
	must(rec, inside, "never came there");
	ptrace(PTRACE_CONT, pid, 0, 0);
	note(rec, "status %d", child_status(pid));
	note_regs(rec, "tracee", &sh->child);
}

TEST_F(sys, ptrace_steps)
{
	twice(_metadata, self->w, sc_ptrace_steps, 0, "steps of a debugger", 1);
}

/* ---- stops of a tracer ---- */

enum { TRACE_WATCH, TRACE_OTHER_NUMBER, TRACE_NO_CALL, TRACE_EMULATE, TRACES };

static const char *const trace_names[TRACES] = {
	"watched", "number changed", "call prevented", "emulated",
};

static void note_info(struct record *rec, pid_t pid)
{
	uint64_t info[11] = { };
	long n = ptrace(REQ_SYSCALL_INFO, pid, (void *)sizeof(info), info);

	note(rec, "syscall info: %ld bytes: %llx %llx %llx %llx %llx %llx %llx %llx %llx %llx %llx",
	     n, (long long)info[0], (long long)info[1], (long long)info[2], (long long)info[3],
	     (long long)info[4], (long long)info[5], (long long)info[6], (long long)info[7],
	     (long long)info[8], (long long)info[9], (long long)info[10]);
}

static void sc_ptrace_syscall(const struct way *w, struct record *rec, long kind)
{
	int request = kind == TRACE_EMULATE ? REQ_SYSEMU : PTRACE_SYSCALL;
	int status, stops = 0;
	char what[64];
	pid_t pid;

	pid = start_tracee(w, NULL, 0);
	if (!must(rec, pid > 0, "no tracee"))
		return;
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	for (;;) {
		struct user_regs_struct u;

		if (ptrace(request, pid, 0, 0) || waitpid(pid, &status, 0) != pid)
			break;
		if (!WIFSTOPPED(status))
			break;
		ptrace(PTRACE_GETREGS, pid, 0, &u);
		if (U_IP(&u) != (unsigned long)w->next)
			continue;
		stops++;
		snprintf(what, sizeof(what), "stop %d, %#x", stops, status);
		note_user(rec, what, &u);
		note_info(rec, pid);
		if (kind == TRACE_OTHER_NUMBER && stops == 1)
			U_ORIG_AX(&u) = nr_of(w, C_GETUID);
		else if (kind == TRACE_NO_CALL && stops == 1)
			U_ORIG_AX(&u) = -1;
		else if (kind != TRACE_WATCH)
			U_AX(&u) = kind == TRACE_OTHER_NUMBER ? U_AX(&u) + 1000 : 4321;
		ptrace(PTRACE_SETREGS, pid, 0, &u);
		if (kind == TRACE_EMULATE)
			request = PTRACE_CONT;
	}
	note(rec, "status %#x, stops %d", status, stops);
	must(rec, stops == (kind == TRACE_EMULATE ? 1 : 2), "%d stops", stops);
	note_regs(rec, "tracee", &sh->child);
}

TEST_F(sys, ptrace_syscall)
{
	for (int kind = 0; kind < TRACES; kind++)
		twice(_metadata, self->w, sc_ptrace_syscall, kind, trace_names[kind], 1);
}

/* ---- filters ---- */

/* @action for the instruction at @w->insn alone, told by where ip is then */
static bool install_filter(const struct way *w, uint32_t action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr_of(w, C_GETPGRP), 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			 w->abi == ABI_64 ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_I386, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, instruction_pointer)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(unsigned long)w->next, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(code), .filter = code };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

static void on_sigsys(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;

	note(cur, "SIGSYS: code %d, errno %d, at %p, number %d, arch %#x", info->si_code,
	     info->si_errno, info->si_call_addr, info->si_syscall, info->si_arch);
	note_frame(cur, "SIGSYS", uc);
	must(cur, info->si_call_addr == cur_way->next, "SIGSYS somewhere else");
	uc->uc_mcontext.gregs[G_DX] = 0x5105;
}

static void filter_in_tracee(const struct way *w, long action)
{
	if (!install_filter(w, action))
		_exit(1);
}

static void sc_seccomp(const struct way *w, struct record *rec, long action)
{
	int status;
	pid_t pid = spawn();

	if (!pid) {
		on(SIGSYS, on_sigsys, 0);
		if (!must(rec, install_filter(w, action), "no filter"))
			_exit(1);
		prepare(w, &own, C_GETPGRP, NULL);
		w->run(&own);
		note_regs(rec, "filtered", &own);
		_exit(0);
	}
	status = child_status(pid);
	note(rec, "status %d", status);
	must(rec, status == ((uint32_t)action == SECCOMP_RET_KILL_PROCESS ? 1000 + SIGSYS : 0),
	     "status %d", status);
}

static void sc_seccomp_trace(const struct way *w, struct record *rec, long kind)
{
	int status, events = 0;
	pid_t pid;

	pid = start_tracee(w, filter_in_tracee, SECCOMP_RET_TRACE | 0x55);
	if (!must(rec, pid > 0, "no tracee"))
		return;
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL);
	for (;;) {
		struct user_regs_struct u;
		unsigned long msg = 0;

		if (ptrace(PTRACE_CONT, pid, 0, 0) || waitpid(pid, &status, 0) != pid ||
		    !WIFSTOPPED(status))
			break;
		events++;
		ptrace(PTRACE_GETREGS, pid, 0, &u);
		ptrace(PTRACE_GETEVENTMSG, pid, 0, &msg);
		note(rec, "event %#x, message %#lx", status, msg);
		note_user(rec, "event", &u);
		note_info(rec, pid);
		if (kind == TRACE_OTHER_NUMBER) {
			U_ORIG_AX(&u) = nr_of(w, C_GETUID);
		} else if (kind == TRACE_NO_CALL) {
			U_ORIG_AX(&u) = -1;
			U_AX(&u) = 77;
		}
		ptrace(PTRACE_SETREGS, pid, 0, &u);
	}
	note(rec, "status %#x", status);
	must(rec, events == 1, "%d events", events);
	note_regs(rec, "tracee", &sh->child);
}

TEST_F(sys, seccomp)
{
	twice(_metadata, self->w, sc_seccomp, SECCOMP_RET_TRAP | 0x33, "seccomp trap", 1);
	twice(_metadata, self->w, sc_seccomp, SECCOMP_RET_ERRNO | 7, "seccomp errno", 1);
	twice(_metadata, self->w, sc_seccomp, SECCOMP_RET_TRACE, "seccomp trace, no tracer", 1);
	twice(_metadata, self->w, sc_seccomp, SECCOMP_RET_ALLOW, "seccomp allow", 1);
	twice(_metadata, self->w, sc_seccomp, (int)SECCOMP_RET_KILL_PROCESS, "seccomp kill", 1);
	for (int kind = 0; kind < TRACE_EMULATE; kind++)
		twice(_metadata, self->w, sc_seccomp_trace, kind, "seccomp trace", 1);
}

static volatile char selector;

static void on_dispatch(int sig, siginfo_t *info, void *ctx)
{
	selector = DISPATCH_ALLOW;
	on_sigsys(sig, info, ctx);
}

static void sc_dispatch(const struct way *w, struct record *rec, long arg)
{
	on(SIGSYS, on_dispatch, 0);
	if (!must(rec, !prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector),
		  "no dispatch"))
		return;
	for (int i = 0; i < 2; i++) {
		prepare(w, &own, C_GETPGRP, NULL);
		selector = DISPATCH_BLOCK;
		w->run(&own);
		must(rec, selector == DISPATCH_ALLOW, "no SIGSYS");
		selector = DISPATCH_ALLOW;
		note_regs(rec, "dispatched", &own);
	}
	prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
	call(w, &own, C_GETPGRP, NULL);
	note_regs(rec, "not dispatched", &own);
}

TEST_F(sys, user_dispatch)
{
	twice(_metadata, self->w, sc_dispatch, 0, "user dispatch", 3);
}

/* ---- tracepoints ---- */

static int open_tracepoint(const struct way *w, const char *name)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
	};
	char path[128], buf[32];
	int fd;

	/* Without its filter it would count the way to the filter. */
	attr.disabled = 1;
	snprintf(path, sizeof(path), TRACEFS "/events/raw_syscalls/%s/id", name);
	if (read_text(path, buf, sizeof(buf)) <= 0)
		return -1;
	attr.config = atoi(buf);
	fd = syscall(__NR_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	snprintf(buf, sizeof(buf), "id == %d", nr_of(w, C_GETPGRP));
	if (fd >= 0 && (ioctl(fd, PERF_EVENT_IOC_SET_FILTER, buf) ||
			ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)))
		return -1;
	return fd;
}

static void sc_tracepoints(const struct way *w, struct record *rec, long arg)
{
	static const char *const names[] = { "sys_enter", "sys_exit" };
	int fd[2];

	for (int i = 0; i < 2; i++) {
		fd[i] = open_tracepoint(w, names[i]);
		if (!must(rec, fd[i] >= 0, "%s: %s", names[i], strerror(errno)))
			return;
	}
	for (int i = 0; i < 10; i++)
		call(w, &own, C_GETPGRP, NULL);
	for (int i = 0; i < 2; i++) {
		uint64_t n = 0;

		if (read(fd[i], &n, sizeof(n)) != sizeof(n))
			n = 0;
		must(rec, n == 10, "%s: %d for 10 calls", names[i], (int)n);
		note(rec, "%s %d", names[i], (int)n);
	}
}

TEST_F(sys, tracepoints)
{
	if (access(TRACEFS "/events/raw_syscalls/sys_enter/id", F_OK))
		SKIP(return, "no events of system calls (CONFIG_FTRACE_SYSCALLS)");
	twice(_metadata, self->w, sc_tracepoints, 0, "tracepoints", 10);
}

/* ---- sigreturn ---- */

#ifdef __x86_64__
static const int settable[] = {
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RDI,
	REG_RSI, REG_RBP, REG_RBX, REG_RDX, REG_RAX, REG_RCX,
};
#else
static const int settable[] = {
	REG_EDI, REG_ESI, REG_EBP, REG_EBX, REG_EDX, REG_EAX, REG_ECX,
};
#endif

static unsigned long return_flags;

static void on_usr2(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;

	for (unsigned int i = 0; i < ARRAY_SIZE(settable); i++)
		uc->uc_mcontext.gregs[settable[i]] =
			pattern * (i + 100);
	uc->uc_mcontext.gregs[REG_EFL] |= return_flags;
}

static void sc_sigreturn(const struct way *w, struct record *rec, long flags)
{
	struct {
		void (*handler)(int sig, siginfo_t *info, void *ctx);
		unsigned long flags;
		const void *restorer;
		uint32_t mask[2];
	} sa = {
		.handler = on_usr2,
		.flags = SA_SIGINFO | SA_OWN_RESTORER,
		.restorer = sigret,
	};

	on(SIGTRAP, on_trap, 0);
	return_flags = flags;
	if (!must(rec, !syscall(SYS_rt_sigaction, SIGUSR2, &sa, NULL, 8), "no handler"))
		return;
	call(w, &own, C_KILL, ARGS(getpid(), SIGUSR2));
	note_regs(rec, "after sigreturn", &own);
}

TEST_F(sys, sigreturn)
{
	twice_at(_metadata, self->w, sigret_insn, sc_sigreturn, FLAG_DF | FLAG_CF, "sigreturn", 1);
	twice_at(_metadata, self->w, sigret_insn, sc_sigreturn, FLAG_TF, "sigreturn to TF", 1);
	/* The call that the signal comes behind */
	twice(_metadata, self->w, sc_sigreturn, FLAG_DF | FLAG_CF, "signal behind the call", 1);
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
