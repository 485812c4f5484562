/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the machine that runs the test does not do what processors do: QEMU's own
 * CPU (7.2) for the most part. Such an instruction, or such a state, is left out;
 * how many that are is printed, and limited.
 */
#ifndef UPROBES_SELFTEST_INSN_QUIRKS_H
#define UPROBES_SELFTEST_INSN_QUIRKS_H

#include "insn_list.h"
#include "insn_state.h"

static uint64_t ignored_flags;

static bool is_qemu, is_intel, has_smap, has_la57;

/*
 * An i386 kernel with PAE keeps a mapping's protection in 32 bits and loses the
 * one that forbids to execute it.
 */
static bool data_runs;

static void say_no(int sig)
{
	(void)sig;
	_exit(1);
}

/* Who jumps into data natively gets a signal, or executes what is there. */
static bool can_run_data(void)
{
	uint8_t *ret = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t pid;

	*ret = 0xc3;
	pid = fork();
	if (!pid) {
		signal(SIGSEGV, say_no);
		((void (*)(void))ret)();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	munmap(ret, 4096);
	return !status;
}

static void look_at_cpu(void)
{
	uint32_t a = 0x40000000, b, c, d;

	asm volatile("cpuid" : "+a" (a), "=b" (b), "=c" (c), "=d" (d));
	is_qemu = b == 0x54474354 && c == 0x43544743 && d == 0x47435447; /* TCGTCGTCGTCG */
	a = 0;
	asm volatile("cpuid" : "+a" (a), "=b" (b), "=c" (c), "=d" (d));
	is_intel = b == 0x756e6547;		/* Genu */
	data_runs = can_run_data();
	if (a < 7)
		return;
	a = 7;
	c = 0;
	asm volatile("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d));
	has_smap = b >> 20 & 1;
	has_la57 = c >> 16 & 1;
}

/*
 * Does fxsave tell where the last x87 instruction was? If not, a switch of threads
 * loses it, and the kernel cannot put it right either: fnstenv says anything.
 */
static bool knows_x87_place(void)
{
	static uint8_t fx[512] __attribute__((aligned(64)));
	uint32_t place;

	asm volatile("fninit\n\tfld1\n\tfxsave %0\n\tfninit" : "=m" (fx));
	memcpy(&place, fx + 8, 4);
	return place;
}

static bool cpu_is_wrong(const struct listed_insn *l)
{
	if (l->what & LIST_X87_STORE && !knows_x87_place())
		return true;
	return is_qemu && (l->what & LIST_QEMU || (l->what & LIST_QEMU_FAR && has_smap) ||
			   (l->what & LIST_QEMU_INTEL && is_intel));
}

/* The same for some of the states, bits */
static uint32_t cpu_is_wrong_in(const struct listed_insn *l)
{
	if (!is_qemu)
		return 0;
	if (l->what & LIST_QEMU_TF)
		return 1 << K_TF;
	if (l->what & LIST_QEMU_FAR)
		return ~(1 << K_PLAIN | 1 << K_TF);
	/* A call pushes before it finds that the target is none. */
	if (l->what & LIST_INDIRECT)
		return 1 << K_EDGE | 1 << K_WILD;
	return 0;
}

/* A fault of an instruction sets RF in the flags that are pushed; not in QEMU. */
static void learn_flags(const ucontext_t *uc)
{
	if (!(uc->uc_mcontext.gregs[REG_EFL] & RF_FLAG))
		ignored_flags = RF_FLAG;
}

/* No processor jumps to another address: the jump itself faults. QEMU's does. */
static bool is_canonical(uint64_t ip)
{
	unsigned int shift = has_la57 ? 7 : 16;

	return sizeof(long) == 4 || (int64_t)(ip << shift) >> shift == (int64_t)ip;
}

#endif /* UPROBES_SELFTEST_INSN_QUIRKS_H */
