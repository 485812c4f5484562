/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Executes the rows of insn_table without and with a probe on each, from the
 * same registers, flags, stack and data, and compares what they leave behind.
 */
#ifndef UPROBES_SELFTEST_INSN_ENGINE_H
#define UPROBES_SELFTEST_INSN_ENGINE_H

#include "common.h"

#include <asm/prctl.h>
#include <setjmp.h>
#include <sys/auxv.h>
#include <sys/resource.h>

#include "targets.h"

#define MAX_INSNS	640
#define STACK_TOP	2048	/* where the stack pointer points, in its page */
#define DATA_MID	1024

uint8_t insn_data[PAGE] __attribute__((aligned(PAGE)));
static uint8_t stack[PAGE] __attribute__((aligned(PAGE)));
static uint8_t altstack[65536];

struct outcome {
	struct insn_state st;
	unsigned long fs_base, gs_base;
	uint8_t data[PAGE];
	uint8_t stack[PAGE];
};

/* One instruction under test: the code may be a copy of the table's block. */
struct subject {
	const struct insn_entry *e;
	uint8_t *code;
	struct where where;
	struct probe probe;
	bool runs;
	int error;
};

static struct subject subjects[MAX_INSNS];
static int nr_subjects;

static const unsigned long flag_sets[] = {
	0x202, 0x203, 0x242, 0x282, 0xa02, 0x247, 0xe17, 0xad7,
};

#define NR_RUNS		ARRAY_SIZE(flag_sets)

#ifdef __x86_64__

/* Without libc, which finds errno by the fs base. */
static inline long raw_arch_prctl(long op, unsigned long arg)
{
	long ret;

	asm volatile("syscall" : "=a" (ret) : "0" (SYS_arch_prctl), "D" (op), "S" (arg)
		     : "rcx", "r11", "memory");
	return ret;
}

static unsigned long own_fs_base;

static inline void set_bases(unsigned int flags)
{
	if (!own_fs_base)
		raw_arch_prctl(ARCH_GET_FS, (unsigned long)&own_fs_base);
	raw_arch_prctl(ARCH_SET_GS, flags & F_GSDATA ? (unsigned long)insn_data :
		       flags & F_GSBASE ? SEG_BASE : 0);
	if (flags & F_FSBASE)
		raw_arch_prctl(ARCH_SET_FS, SEG_BASE);
}

static inline void get_bases(struct outcome *o)
{
	raw_arch_prctl(ARCH_GET_FS, (unsigned long)&o->fs_base);
	raw_arch_prctl(ARCH_GET_GS, (unsigned long)&o->gs_base);
	raw_arch_prctl(ARCH_SET_FS, own_fs_base);
}

#else

static inline void set_bases(unsigned int flags) { }
static inline void get_bases(struct outcome *o) { }

#endif

static sigjmp_buf on_signal;

static void back_out(int sig)
{
#ifdef __x86_64__
	raw_arch_prctl(ARCH_SET_FS, own_fs_base);
#endif
	siglongjmp(on_signal, sig);
}

static const char *text_of(const struct insn_entry *e)
{
	return (const char *)e->text;
}

/* The same values in every run, and different ones in every place. */
static void prepare(struct insn_state *st, const struct subject *s, unsigned int run)
{
	unsigned long target = (unsigned long)s->code + INSN_TARGET;
	unsigned long *sp = (unsigned long *)(stack + STACK_TOP);
	uint32_t *word = (uint32_t *)(insn_data + DATA_MID);

	for (unsigned int i = 0; i < PAGE; i++) {
		insn_data[i] = i * 7 + run * 13 + i / 256;
		stack[i] = ~i;
	}
	word[128 / 4] = 0x10;		/* a divisor */
	word[132 / 4] = 0x1f80;		/* an mxcsr */
	word[136 / 4] = 0x027f;		/* an x87 control word */

	memset(st, 0, sizeof(*st));
	st->flags = flag_sets[run];
	st->gpr[0] = 0x1122334455667788ULL + run;
	st->gpr[1] = 7;
	st->gpr[2] = 2;
	st->gpr[3] = (unsigned long)insn_data + DATA_MID;
	st->gpr[4] = (unsigned long)sp;
	st->gpr[5] = (unsigned long)insn_data + 3072;
	st->gpr[6] = (unsigned long)insn_data + 2048;
	st->gpr[7] = (unsigned long)insn_data + 2560;
	if (s->e->flags & F_DITARGET)
		st->gpr[7] = target;
#ifdef __x86_64__
	st->gpr[8] = 0x8888888888888888UL;
	st->gpr[9] = 0x9999999999999999UL;
	st->gpr[10] = target;
	st->gpr[11] = (unsigned long)insn_data;
	st->gpr[12] = (unsigned long)insn_data + 256;
	st->gpr[13] = (unsigned long)insn_data + 512;
	st->gpr[14] = 3;
	st->gpr[15] = 0xf0f0f0f00f0f0f0fUL;
#endif
	memcpy(insn_data, &target, sizeof(target));
	for (int i = 0; i < 3; i++)
		sp[i] = target;
	if (s->e->flags & F_POPF)
		sp[0] = flag_sets[NR_RUNS - 1 - run];

	/* x87: four numbers on the stack; xmm and ymm: a byte pattern */
	st->fx[0] = 0x7f;
	st->fx[1] = 0x03;
	st->fx[3] = 4 << 3;
	st->fx[4] = 0xf0;
	st->fx[24] = 0x80;
	st->fx[25] = 0x1f;
	for (int i = 0; i < 8; i++) {
		st->fx[32 + 16 * i + 7] = 0x80 + 5 * i;
		st->fx[32 + 16 * i + 8] = 0xff + i;
		st->fx[32 + 16 * i + 9] = 0x3f;
	}
	for (unsigned int i = 0; i < (sizeof(long) == 8 ? 256 : 128); i++)
		st->fx[160 + i] = i * 11 + run;
	for (unsigned int i = 0; i < sizeof(st->ymm); i++)
		st->ymm[i / 32][i % 32] = i * 5 + run;
}

/* Returns the signal that ended it, or 0. */
static int run_once(const struct subject *s, unsigned int run, struct outcome *o)
{
	int sig;

	prepare(&o->st, s, run);
	sig = sigsetjmp(on_signal, 1);
	if (!sig) {
		set_bases(s->e->flags);
		insn_run(&o->st, s->code);
		get_bases(o);
	}
	memcpy(o->data, insn_data, PAGE);
	memcpy(o->stack, stack, PAGE);

	/* Where the last x87 instruction stood is not promised (Documentation). */
	memset(o->st.fx + 6, 0, 18);
	return sig;
}

static bool runs_here(const struct subject *s, struct outcome *o)
{
	if ((s->e->flags & F_FSGSBASE) && !(getauxval(AT_HWCAP2) & 2))
		return false;
	if (run_once(s, 0, o) == SIGILL)
		return false;
	return true;
}

static void report_bytes(const char *what, const void *want, const void *got, int size, int base)
{
	const uint8_t *w = want, *g = got;
	int shown = 0;

	for (int i = 0; i < size; i++)
		if (w[i] != g[i] && shown++ < 4)
			printf("#   %s[%d]: %02x, probed %02x\n", what, i - base, w[i], g[i]);
	if (shown > 4)
		printf("#   %s: %d bytes in all\n", what, shown);
}

static void report(const struct subject *s, unsigned int run, const struct outcome *want,
		   const struct outcome *got)
{
	printf("# '%s' flags %lx:\n", text_of(s->e), flag_sets[run]);
	for (int i = 0; i < 16; i++)
		if (want->st.gpr[i] != got->st.gpr[i])
			printf("#   gpr %d: %lx, probed %lx\n", i, want->st.gpr[i],
			       got->st.gpr[i]);
	if (want->st.flags != got->st.flags)
		printf("#   flags: %llx, probed %llx\n", (unsigned long long)want->st.flags,
		       (unsigned long long)got->st.flags);
	if (want->st.path != got->st.path)
		printf("#   branched: %d, probed %d\n", (int)want->st.path, (int)got->st.path);
	if (want->fs_base != got->fs_base || want->gs_base != got->gs_base)
		printf("#   bases: fs %lx gs %lx, probed fs %lx gs %lx\n", want->fs_base,
		       want->gs_base, got->fs_base, got->gs_base);
	report_bytes("fxsave", want->st.fx, got->st.fx, sizeof(want->st.fx), 0);
	report_bytes("ymm", want->st.ymm, got->st.ymm, sizeof(want->st.ymm), 0);
	report_bytes("data", want->data, got->data, PAGE, 0);
	report_bytes("stack", want->stack, got->stack, PAGE, STACK_TOP);
}

/* All subjects: natively, then probed. Returns how many things were wrong. */
static bool add_table_in_place(void)
{
	for (const struct insn_entry *e = insn_table; e < insn_table_end; e++) {
		struct subject *s = &subjects[nr_subjects++];

		s->e = e;
		s->code = (uint8_t *)e->block;
		if (nr_subjects == MAX_INSNS || !where_is(s->code, &s->where))
			return false;
	}
	return true;
}

static int compare_all(struct __test_metadata *_metadata, int at_least)
{
	struct outcome *native, probed, scratch;
	static const int caught[] = { SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGTRAP };
	int wrong = 0, ran = 0, refused = 0, absent = 0, err, sig;
	struct sigaction sa = {
		.sa_handler = back_out,
		.sa_flags = SA_ONSTACK,
	};
	stack_t ss = {
		.ss_sp = altstack,
		.ss_size = sizeof(altstack),
	};
	struct rlimit files = { 4096, 4096 };

	setrlimit(RLIMIT_NOFILE, &files);
	sigaltstack(&ss, NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(caught); i++)
		sigaction(caught[i], &sa, NULL);
	insn_have_avx = __builtin_cpu_supports("avx");

	native = calloc(nr_subjects * NR_RUNS, sizeof(*native));
	ASSERT_NE(native, NULL);

	for (int i = 0; i < nr_subjects; i++) {
		struct subject *s = &subjects[i];

		s->runs = runs_here(s, &scratch);
		absent += !s->runs;
		for (unsigned int r = 0; s->runs && r < NR_RUNS; r++)
			ASSERT_EQ(0, run_once(s, r, &native[i * NR_RUNS + r]));
	}

	for (int i = 0; i < nr_subjects; i++) {
		struct subject *s = &subjects[i];

		if (!s->runs)
			continue;
		err = probe_task(&s->probe, s->where.path, s->where.offset, 0, 0);
		s->error = err;
		if (!err)
			continue;
		refused++;
		if (s->e->flags & F_MUST) {
			printf("# '%s': refused, %d\n", text_of(s->e), err);
			wrong++;
		} else {
			printf("# '%s': refused (may be)\n", text_of(s->e));
			EXPECT_TRUE(err == -KERNEL_ENOTSUPP || err == -ENOEXEC);
		}
	}

	for (int i = 0; i < nr_subjects; i++) {
		struct subject *s = &subjects[i];
		bool bad = false;
		uint64_t hits;

		if (!s->runs || s->error)
			continue;
		ran++;
		for (unsigned int r = 0; r < NR_RUNS; r++) {
			struct outcome *n = &native[i * NR_RUNS + r];

			sig = run_once(s, r, &probed);
			if (sig) {
				printf("# '%s': signal %d\n", text_of(s->e), sig);
				bad = true;
			} else if (memcmp(n, &probed, sizeof(probed))) {
				if (!bad)
					report(s, r, n, &probed);
				bad = true;
			}
		}
		hits = probe_hits(&s->probe);
		if (hits != NR_RUNS) {
			printf("# '%s': %llu hits for %zu executions\n", text_of(s->e),
			       (unsigned long long)hits, NR_RUNS);
			bad = true;
		}
		wrong += bad;
	}
	for (int i = 0; i < nr_subjects; i++)
		probe_close(&subjects[i].probe);

	printf("# %d instructions probed, %d refused, %d not on this CPU, %d wrong\n",
	       ran, refused, absent, wrong);
	fflush(stdout);
	EXPECT_LE(at_least, ran);
	free(native);
	return wrong;
}

#endif /* UPROBES_SELFTEST_INSN_ENGINE_H */
