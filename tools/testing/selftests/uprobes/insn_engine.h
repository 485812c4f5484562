/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Executes the rows of insn_table without and with a probe on each, from the
 * same registers, flags, stack and data, and compares what they leave behind;
 * for each way past an instruction that the kernel can be made to take.
 */
#ifndef UPROBES_SELFTEST_INSN_ENGINE_H
#define UPROBES_SELFTEST_INSN_ENGINE_H

#include "bulk.h"

#include <asm/prctl.h>
#include <setjmp.h>
#include <sys/auxv.h>

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
	bool runs;
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

	memset(o, 0, sizeof(*o));
	prepare(&o->st, s, run);
	sig = sigsetjmp(on_signal, 1);
	if (!sig) {
		set_bases(s->e->flags);
		insn_run(&o->st, s->code);
		get_bases(o);
	}
	memcpy(o->data, insn_data, PAGE);
	memcpy(o->stack, stack, PAGE);

	/* Not every CPU keeps over a switch of threads where an x87 instruction was. */
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

/* What a handler does wrong, at the instruction of that text */
struct spoiling {
	const char *text;
	struct bulk_spoil how;
};

/* The subjects that run, with a probe on each of them. Returns what was wrong. */
static int compare_probed(struct __test_metadata *_metadata, const struct outcome *native,
			  int at_least, const struct spoiling *spoiling)
{
	int file = open(subjects[0].where.path, O_RDONLY | O_CLOEXEC);
	const struct subject *running[MAX_INSNS];
	int wrong = 0, refused = 0, n = 0, sig;
	uint64_t offsets[MAX_INSNS];
	struct outcome probed;
	struct bulk b;

	for (int i = 0; i < nr_subjects; i++) {
		if (!subjects[i].runs)
			continue;
		offsets[n] = subjects[i].where.offset;
		running[n++] = &subjects[i];
	}
	ASSERT_LE(0, file);
	ASSERT_EQ(0, bulk_open(&b));
	ASSERT_EQ(0, bulk_add(&b, file, offsets, n));
	print_strategies(file);
	for (int i = 0; spoiling && i < n; i++) {
		struct bulk_spoil how = spoiling->how;

		how.index = i;
		if (!strcmp(text_of(running[i]->e), spoiling->text))
			ASSERT_EQ(0, ioctl(b.fd, BULK_SPOIL, &how));
	}

	for (int i = 0; i < n; i++) {
		const struct subject *s = running[i];
		bool bad = false;

		if (b.errors[i]) {
			bool must = s->e->flags & F_MUST;

			printf("# '%s': refused%s, %d\n", text_of(s->e), must ? "" : " (may be)",
			       b.errors[i]);
			EXPECT_TRUE(b.errors[i] == -EOPNOTSUPP || b.errors[i] == -ENOEXEC);
			refused++;
			wrong += must;
			continue;
		}
		for (unsigned int r = 0; r < NR_RUNS; r++) {
			const struct outcome *want = &native[(s - subjects) * NR_RUNS + r];

			sig = run_once(s, r, &probed);
			if (sig) {
				printf("# '%s': signal %d\n", text_of(s->e), sig);
				bad = true;
			} else if (memcmp(want, &probed, sizeof(probed))) {
				if (!bad)
					report(s, r, want, &probed);
				bad = true;
			}
		}
		ASSERT_EQ(0, bulk_hits(&b));
		if (b.counts[i] != NR_RUNS) {
			printf("# '%s': %llu hits for %zu executions\n", text_of(s->e),
			       (unsigned long long)b.counts[i], NR_RUNS);
			bad = true;
		}
		wrong += bad;
	}
	bulk_close(&b);
	bulk_free(&b);
	close(file);
	printf("# %d instructions probed, %d refused, %d not on this CPU, %d wrong\n",
	       n - refused, refused, nr_subjects - n, wrong);
	fflush(stdout);
	EXPECT_LE(at_least, n - refused);
	return wrong;
}

/* What the subjects leave behind without probes. */
static struct outcome *run_natively(struct __test_metadata *_metadata)
{
	static const int caught[] = { SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGTRAP };
	struct outcome *native, scratch;
	struct sigaction sa = {
		.sa_handler = back_out,
		.sa_flags = SA_ONSTACK,
	};
	stack_t ss = {
		.ss_sp = altstack,
		.ss_size = sizeof(altstack),
	};

	sigaltstack(&ss, NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(caught); i++)
		sigaction(caught[i], &sa, NULL);
	insn_have_avx = __builtin_cpu_supports("avx");

	native = calloc(nr_subjects * NR_RUNS, sizeof(*native));
	for (int i = 0; native && i < nr_subjects; i++) {
		struct subject *s = &subjects[i];

		s->runs = runs_here(s, &scratch);
		for (unsigned int r = 0; s->runs && r < NR_RUNS; r++)
			EXPECT_EQ(0, run_once(s, r, &native[i * NR_RUNS + r]));
	}
	return native;
}

/* All subjects: natively, then probed in each way. Returns what was wrong. */
static int compare_all(struct __test_metadata *_metadata, int at_least)
{
	struct outcome *native = run_natively(_metadata);
	char avoid[32];
	int wrong = 0;

	ASSERT_NE(native, NULL);
	ASSERT_LT(0, read_text(AVOID, avoid, sizeof(avoid)));
	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		printf("# %s:\n", ways[i].name);
		ASSERT_EQ(0, write_text(AVOID, 0, "%u\n", ways[i].avoid));
		wrong += compare_probed(_metadata, native, at_least, NULL);
	}
	EXPECT_EQ(0, write_text(AVOID, 0, "%s", avoid));
	free(native);
	return wrong;
}

/* Does it notice? Exactly the one that is spoiled has to be wrong. */
static void compare_spoiled(struct __test_metadata *_metadata, const char *text)
{
	struct outcome *native = run_natively(_metadata);
	const struct spoiling spoilings[] = {
		{ "no such instruction", { .how = SPOIL_REGISTER } },
		{ text, { .how = SPOIL_REGISTER } },
		{ text, { .how = SPOIL_FLAG } },
		{ text, { .how = SPOIL_MEMORY, .arg = (unsigned long)insn_data + 10 } },
		{ text, { .how = SPOIL_VECTOR } },
		{ text, { .how = sizeof(long) == 8 ? SPOIL_BASE : SPOIL_FLAG } },
		{ text, { .how = SPOIL_MISSED } },
		{ text, { .how = SPOIL_DOUBLE } },
	};

	ASSERT_NE(native, NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(spoilings); i++) {
		printf("# spoiled, %u: '%s'\n", spoilings[i].how.how, spoilings[i].text);
		EXPECT_EQ(i > 0, compare_probed(_metadata, native, 1, &spoilings[i]));
	}
	free(native);
}

#endif /* UPROBES_SELFTEST_INSN_ENGINE_H */
