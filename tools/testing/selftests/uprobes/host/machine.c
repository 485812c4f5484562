// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs one instruction from a given state. The state is put into a signal frame,
 * and the signal that ends it, by an int3 or by a fault, has it all again.
 */
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "exec.h"
#include "internal.h"

/* In the order of ucontext's gregs */
static const int greg_of[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

#define NR_ARCH_PRCTL	158
#define ARCH_SET_GS	0x1001
#define ARCH_SET_FS	0x1002
#define ARCH_GET_FS	0x1003
#define ARCH_GET_GS	0x1004

/* How far into a signal frame's FPU state the kernel says how long it is */
#define SW_RESERVED_SIZE	(464 + 4)

u8 * const block = (u8 *)BLOCK;
unsigned int xstate_size;

static enum { IDLE, LEARN, START, RUN } phase;
static const struct state *from;
static unsigned long start_ip, start_flags, start_fs, home_fs, cpu_gs;
static struct outcome *result;
static struct state *learns;
static ucontext_t home;
static unsigned long runs, ticked;
static u8 home_xstate[XSTATE_MAX];

/* Not libc's: fs may not be what it needs. */
static long arch_prctl(int code, unsigned long arg)
{
	long ret;

	asm volatile("syscall" : "=a" (ret) : "a" (NR_ARCH_PRCTL), "D" (code), "S" (arg)
		     : "rcx", "r11", "memory");
	return ret;
}

static void start(greg_t *g, void *fp)
{
	int i;

	for (i = 0; i < 16; i++)
		g[greg_of[i]] = from->gpr[i];
	g[REG_RIP] = start_ip;
	g[REG_EFL] = start_flags;
	g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xffffL) | (from->is64 ? __USER_CS : __USER32_CS);
	memcpy(fp, from->xstate, xstate_size);
	if (start_fs != home_fs)
		arch_prctl(ARCH_SET_FS, start_fs);
}

/* First of all what this program needs itself */
static void take_back_segments(struct outcome *o)
{
	u16 data = __USER_DS;

	asm volatile("mov %%ds, %0" : "=r" (o->sel[2]));
	asm volatile("mov %%es, %0" : "=r" (o->sel[3]));
	asm volatile("mov %%fs, %0" : "=r" (o->sel[4]));
	asm volatile("mov %%gs, %0" : "=r" (o->sel[5]));
	arch_prctl(ARCH_GET_FS, (unsigned long)&o->base[0]);
	arch_prctl(ARCH_GET_GS, (unsigned long)&o->base[1]);
	if (o->sel[4] || o->base[0] != home_fs)
		arch_prctl(ARCH_SET_FS, home_fs);
	/* Without FSGSBASE the kernel does not know yet if it was given back. */
	if (o->base[1] != cpu_gs)
		arch_prctl(ARCH_SET_GS, o->base[1]);
	cpu_gs = o->base[1];
	if (o->sel[5]) {
		arch_prctl(ARCH_SET_GS, 0);
		cpu_gs = 0;
	}
	if (o->sel[2] != data || o->sel[3] != data)
		asm volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r" (data));
}

static void finish(greg_t *g, void *fp, int sig, const siginfo_t *info)
{
	struct outcome *o = result;
	int i;

	for (i = 0; i < 16; i++)
		o->gpr[i] = g[greg_of[i]];
	o->ip = g[REG_RIP];
	o->flags = g[REG_EFL];
	o->sel[0] = g[REG_CSGSFS];
	o->sel[1] = g[REG_CSGSFS] >> 48;
	o->sig = sig;
	o->code = info->si_code;
	o->addr = sig == SIGTRAP ? 0 : (unsigned long)info->si_addr;
	o->trapno = g[REG_TRAPNO];
	o->error = g[REG_ERR];
	o->cr2 = o->trapno == X86_TRAP_PF ? g[REG_CR2] : 0;
	memcpy(o->xstate, fp, xstate_size);
	memcpy(g, home.uc_mcontext.gregs, sizeof(home.uc_mcontext.gregs));
	memcpy(fp, home_xstate, xstate_size);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;
	void *fp = uc->uc_mcontext.fpregs;

	/* A popped AC, ID or NT would now hold for this program. */
	asm volatile("pushf\n\tandl $~0x244000, (%%rsp)\n\tpopf" ::: "memory", "cc");
	/* The clock ticks: an instruction that is still the same has no end. */
	if (sig == SIGVTALRM && (phase != RUN || ticked != runs)) {
		ticked = runs;
		return;
	}
	switch (phase) {
	case LEARN:
		xstate_size = *(u32 *)(fp + SW_RESERVED_SIZE);
		if (xstate_size > XSTATE_MAX)
			_exit(3);
		memcpy(learns->xstate, fp, xstate_size);
		phase = IDLE;
		return;
	case START:
		memcpy(&home, uc, sizeof(home));
		memcpy(home_xstate, fp, xstate_size);
		start(g, fp);
		phase = RUN;
		return;
	case RUN:
		take_back_segments(result);
		finish(g, fp, sig, info);
		phase = IDLE;
		return;
	default:
		signal(sig, SIG_DFL);
	}
}

/* The last page of the block cannot be written, but by random_memory(). */
void machine_protect(bool on)
{
	if (mprotect((void *)READ_ONLY, PAGE_SIZE,
		     PROT_READ | PROT_EXEC | (on ? 0 : PROT_WRITE)))
		err(2, "mprotect");
}

void machine_write_slot(const u8 *image, unsigned int n)
{
	memcpy((void *)SLOT, image, n);
}

/**
 * machine_run() - execute what is at an address, up to the first exception
 * @s: the state to begin with
 * @ip: where
 * @flags: eflags to begin with, instead of those of @s
 * @base: of fs and gs, instead of those of @s
 * @o: what comes of it
 *
 * False if user space may not have such a base.
 */
bool machine_run(const struct state *s, unsigned long ip, unsigned long flags,
		 const unsigned long *base, struct outcome *o)
{
	if (base[0] >= TASK_SIZE_MAX)
		return false;
	if (base[1] != cpu_gs && arch_prctl(ARCH_SET_GS, base[1]))
		return false;
	cpu_gs = base[1];
	memcpy(block, s->block, READ_ONLY - BLOCK);
	from = s;
	start_ip = ip;
	start_flags = flags;
	start_fs = base[0] ? base[0] : home_fs;
	result = o;
	runs++;
	phase = START;
	asm volatile("int3" ::: "memory", "cc");
	memcpy(o->block, block, READ_ONLY - BLOCK);
	if (o->base[0] == home_fs && !base[0])
		o->base[0] = 0;
	return true;
}

static void map_at(unsigned long addr, unsigned long size)
{
	void *p = mmap((void *)addr, size, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != (void *)addr)
		err(2, "memory at %lx", addr);
}

/* Has all registers in use that this CPU has: what is not may not be in a frame. */
static void touch_registers(void)
{
	if (__builtin_cpu_supports("avx512f"))
		asm volatile("vpternlogd $255, %%zmm0, %%zmm0, %%zmm0\n\t"
			     "vpternlogd $255, %%zmm31, %%zmm31, %%zmm31\n\t"
			     "kxnorw %%k0, %%k0, %%k0" ::: "xmm0");
	else if (__builtin_cpu_supports("avx"))
		asm volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0\n\t"
			     "vinsertf128 $1, %%xmm0, %%ymm0, %%ymm0" ::: "xmm0");
	asm volatile("fld1\n\tfstp %%st(0)" :::);
}

void machine_init(struct state *s)
{
	static const int signals[] = {
		SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGVTALRM,
	};
	struct sigaction sa = { .sa_sigaction = on_signal,
				.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	struct itimerval second = { { 1, 0 }, { 1, 0 } };
	stack_t stack = { .ss_size = 1 << 20 };
	u16 data = __USER_DS;
	cpu_set_t one;
	unsigned int i;

	/* Some instructions tell which CPU it is. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);

	map_at(BLOCK, BLOCK_SIZE);
	map_at(SLOT_PAGE, PAGE_SIZE);
	memset((void *)SLOT_PAGE, 0xcc, PAGE_SIZE);
	stack.ss_sp = malloc(stack.ss_size);
	if (!stack.ss_sp || sigaltstack(&stack, NULL))
		err(2, "signal stack");
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
	setitimer(ITIMER_VIRTUAL, &second, NULL);
	/* 32-bit code needs them; to 64-bit code they are nothing. */
	asm volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r" (data));
	arch_prctl(ARCH_GET_FS, (unsigned long)&home_fs);

	touch_registers();
	learns = s;
	phase = LEARN;
	asm volatile("int3" ::: "memory", "cc");
	if (!xstate_size)
		errx(2, "this CPU has no xsave");
}

/* Some hypervisors and some kernels have 64-bit code only. */
bool machine_runs_32bit(struct state *s)
{
	static const unsigned long no_base[2];
	static struct outcome o;

	memset(s->gpr, 0, sizeof(s->gpr));
	s->is64 = false;
	s->block[CODE - BLOCK] = UPROBE_SWBP_INSN;
	machine_run(s, CODE, 0x202, no_base, &o);
	return o.sig == SIGTRAP && o.ip == CODE + 1;
}
