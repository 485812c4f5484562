// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every encoding of a list of many thousands is executed without and with a
 * probe on it, from the same registers, flags, x87 and vector state, segment
 * bases and memory, faults included. Nothing may differ afterwards, and each
 * execution must be one hit; by all of the strategies that the kernel can be made
 * to choose for it, by each of them once.
 *
 * The list is in data/ beside the program, or where INSN_LIST says.
 */
#include "insn_runner.h"
#include "bulk.h"

#define LIST_NAME	(sizeof(long) == 8 ? "data/insns.64" : "data/insns.32")
#define LEAST_ENCODINGS	(sizeof(long) == 8 ? 20000 : 10000)
#define SHOWN		30

static const char *list_path;

/* Its share of the list: what follows each other differs little. */
static bool read_list(const struct listed_insn **insns, unsigned int *n)
{
	static char path[1024];
	struct listed_insn *list, *some;
	unsigned int all;
	struct stat st;
	int fd;

	if (!list_path) {
		beside_program(path, sizeof(path), LIST_NAME);
		list_path = path;
	}
	fd = open(list_path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return false;
	list = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (list == MAP_FAILED)
		return false;
	all = st.st_size / sizeof(*list);
	*n = share_of(all);
	some = calloc(*n, sizeof(*some));
	for (unsigned int i = 0; some && i < *n; i++)
		some[i] = list[(uint64_t)i * all / *n];
	munmap(list, st.st_size);
	*insns = some;
	return some;
}

static void print_insn(unsigned int i)
{
	const struct listed_insn *l = &runner.insns[i];

	printf("# number %u,", i);
	for (unsigned int k = 0; k < l->len; k++)
		printf(" %02x", l->bytes[k]);
	printf(" (%s)", l->what & LIST_MADE ? "made" : "found");
}

static void print_field(const char *name, uint64_t native, uint64_t probed)
{
	if (native != probed)
		printf("#     %s: %llx, probed %llx\n", name, (unsigned long long)native,
		       (unsigned long long)probed);
}

static void print_outcomes(const struct outcome *n, const struct outcome *p)
{
	static const char * const names[] = {
		"ax", "cx", "dx", "bx", "sp", "bp", "si", "di",
		"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	};
	static const char * const segments[] = { "cs", "ds", "es", "fs", "gs", "ss" };

	for (int i = 0; i < NR_GPRS; i++)
		print_field(names[i], n->gpr[i], p->gpr[i]);
	for (int i = 0; i < 6; i++)
		print_field(segments[i], n->sel[i], p->sel[i]);
	print_field("ip", n->ip, p->ip);
	print_field("flags", n->flags, p->flags);
	print_field("signal", n->sig, p->sig);
	print_field("si_code", n->code, p->code);
	print_field("si_addr", n->addr, p->addr);
	print_field("trap number", n->trap, p->trap);
	print_field("error code", n->err, p->err);
	print_field("cr2", n->cr2, p->cr2);
	print_field("fs base", n->fs_base, p->fs_base);
	print_field("gs base", n->gs_base, p->gs_base);
	print_field("faults", n->tries, p->tries);
}

static void print_difference(const struct full_state *native, const struct full_state *probed)
{
	int shown = 0;

	print_outcomes(&native->o, &probed->o);
	if (native->o.first != probed->o.first) {
		printf("#     at the first fault:\n");
		print_outcomes(&native->first, &probed->first);
	}
	for (unsigned int i = 0; i < xstate_size && shown < 4; i++)
		if (native->xstate[i] != probed->xstate[i] && shown++ < 4)
			printf("#     xsave[%u]: %02x, probed %02x\n", i, native->xstate[i],
			       probed->xstate[i]);
	for (unsigned int i = 0, words = 0; i < DATA_WORDS && words < 4; i++)
		if (native->data[i] != probed->data[i] && words++ < 4)
			printf("#     data[%x]: %016llx, probed %016llx\n", i * 8,
			       (unsigned long long)native->data[i],
			       (unsigned long long)probed->data[i]);
}

/* Without probes, once more, to have all of it beside what the probed one left. */
static void print_differences(void)
{
	for (unsigned int i = 0; i < runner.nr_full; i++) {
		const struct full_state *probed = &runner.full[i];

		run_again(probed->insn, probed->kind);
		print_insn(probed->insn);
		printf(", %s:\n", kind_names[probed->kind]);
		print_difference(&runner.natively, probed);
	}
}

static void print_all_that_differ(void)
{
	unsigned int shown = 0;

	for (unsigned int i = 0; i < runner.n; i++) {
		if (!runner.of[i].differs || shown++ >= 200)
			continue;
		print_insn(i);
		for (int k = 0; k < NR_KINDS; k++)
			if (runner.of[i].differs >> k & 1)
				printf(" %s", kind_names[k]);
		printf(":");
		for (int k = 0; k < NR_PARTS; k++)
			if (runner.of[i].differ_in >> k & 1)
				printf(" %s", part_names[k]);
		printf("\n");
	}
}

/* One share of the refused: found, made */
struct refusals {
	unsigned int n[2];
	unsigned int all[2];
};

static void count_refusals(const int32_t *errors, struct refusals *r)
{
	memset(r, 0, sizeof(*r));
	for (unsigned int i = 0; i < runner.n; i++) {
		bool made = runner.insns[i].what & LIST_MADE;

		r->all[made]++;
		r->n[made] += !!errors[i];
	}
}

/* All states; or the first two, and two of the other four. */
static void choose_kinds(bool all, unsigned int turn)
{
	for (unsigned int i = 0; i < runner.n; i++)
		runner.of[i].kinds = all ? (1 << NR_KINDS) - 1 :
				  3 | 4 << (i + turn) % 4 | 4 << (i + turn + 1) % 4;
}

/* What has to come out. The second time it does, or nothing could be compared. */
static void native_run(struct __test_metadata *_metadata)
{
	choose_kinds(true, 0);
	runner.probed = false;
	run_all();
	choose_kinds(false, 0);
	runner.probed = true;
	run_all();
	runner.probed = false;
	EXPECT_EQ(0, runner.different);
	print_differences();
	print_all_that_differ();
}

/* The strategies that the kernel has chosen by now, and with which each was executed: bits */
static struct words strategies;
static uint32_t *executed_with;

/*
 * Those with a strategy that they were not executed with are @fresh. Returns how many are.
 * The kernel's list must have as many lines as are @planted.
 */
static unsigned int find_fresh(struct __test_metadata *_metadata, const uint64_t *offsets,
			       unsigned int planted, bool *fresh)
{
	FILE *f = fopen(DEBUGFS "/uprobes/list", "re");
	unsigned int nr_fresh = 0, listed = 0, i = 0;
	struct listed_point p;
	struct words w = { };
	char id[64];

	file_id(runner.file.fd, id, sizeof(id));
	while (next_listed(f, id, &p)) {
		int which = words_add(&strategies, p.strategy);

		words_add(&w, p.strategy);
		while (i < runner.n && offsets[i] != p.offset)
			i++;
		ASSERT_GT(runner.n, i);
		ASSERT_LE(0, which);
		ASSERT_EQ(8 * sizeof(long), p.bits);
		fresh[i] = !(executed_with[i] >> which & 1);
		executed_with[i] |= 1U << which;
		nr_fresh += fresh[i];
		listed++;
	}
	if (f)
		fclose(f);
	EXPECT_EQ(planted, listed);
	words_print(&w, "strategies");
	return nr_fresh;
}

/*
 * All that are @fresh with a probe. The states beyond the first two take turns, except
 * where the kernel chooses: there all are run. Returns what was wrong.
 */
static unsigned int probed_run(struct __test_metadata *_metadata, struct bulk *b,
			       const bool *fresh, bool all_kinds, unsigned int turn)
{
	unsigned int missed = 0, twice = 0, hits_wrong = 0;

	forget_results();
	runner.probed = true;
	choose_kinds(all_kinds, turn);
	for (unsigned int i = 0; i < runner.n; i++)
		runner.of[i].skip = runner.of[i].broken || !fresh[i];
	run_all();
	runner.probed = false;

	EXPECT_EQ(0, bulk_hits(b));
	for (unsigned int i = 0; i < runner.n; i++) {
		if (b->counts[i] == runner.of[i].executed)
			continue;
		missed += b->counts[i] < runner.of[i].executed;
		twice += b->counts[i] > runner.of[i].executed;
		if (hits_wrong++ < SHOWN) {
			print_insn(i);
			printf(": %llu executions, %llu hits\n",
			       (unsigned long long)runner.of[i].executed,
			       (unsigned long long)b->counts[i]);
		}
	}
	printf("# %u differ, %u with hits missed, %u with hits too many\n", runner.different,
	       missed, twice);
	fflush(stdout);
	return runner.different + missed + twice;
}

static void one_way(struct __test_metadata *_metadata, int way)
{
	struct refusals r;
	uint64_t *offsets = calloc(runner.n, sizeof(*offsets));
	bool *fresh = calloc(runner.n, sizeof(*fresh));
	double begin = seconds_now();
	unsigned int nr_fresh;
	struct bulk b;

	ASSERT_NE(NULL, offsets);
	ASSERT_NE(NULL, fresh);
	for (unsigned int i = 0; i < runner.n; i++)
		offsets[i] = runner.of[i].at - runner.text;
	printf("# %s:\n", ways[way].name);
	ASSERT_EQ(0, write_text(AVOID, 0, "%u\n", ways[way].avoid));
	ASSERT_EQ(0, bulk_open(&b));
	ASSERT_EQ(0, bulk_add(&b, runner.file.fd, offsets, runner.n));
	count_refusals(b.errors, &r);
	printf("# planted after %.1f s; refused: %u of %u found, %u of %u made\n",
	       seconds_now() - begin, r.n[0], r.all[0], r.n[1], r.all[1]);
	nr_fresh = find_fresh(_metadata, offsets, runner.n - r.n[0] - r.n[1], fresh);
	EXPECT_LT(0, nr_fresh);
	EXPECT_EQ(0, probed_run(_metadata, &b, fresh, !way, way));
	printf("# %u of them by a new strategy, executed after %.1f s\n", nr_fresh,
	       seconds_now() - begin);
	bulk_close(&b);
	printf("# taken out after %.1f s\n", seconds_now() - begin);
	print_differences();
	print_all_that_differ();

	for (unsigned int i = 0; !way && i < runner.n; i++) {
		if (!b.errors[i] || runner.insns[i].what & LIST_MADE)
			continue;
		print_insn(i);
		printf(": refused\n");
	}
	/* 99 of 100 that occur in programs */
	EXPECT_LE(r.n[0] * 100, r.all[0]);
	if (!way)
		print_refusals(runner.file.fd, offsets, b.errors, runner.n);
	bulk_free(&b);
	free(fresh);
	free(offsets);
	fflush(stdout);
}

TEST(list)
{
	const struct listed_insn *insns;
	unsigned int n, broken = 0, never = 0;
	char avoid[32];

	ASSERT_TRUE(read_list(&insns, &n))
		TH_LOG("no list at %s: make it with insn_list", list_path);
	EXPECT_LE(share_of(LEAST_ENCODINGS), n);
	ASSERT_EQ(0, runner_setup(insns, n));
	native_run(_metadata);
	for (unsigned int i = 0; i < n; i++) {
		broken += runner.of[i].broken;
		for (int k = 0; k < NR_KINDS && !runner.of[i].broken; k++)
			never += runner.of[i].never >> k & 1;
	}
	printf("# %u encodings, in %d states each; less %u, and %u states, in which this CPU\n"
	       "# does not do what processors do\n", n - broken, NR_KINDS, broken, never);
	EXPECT_LE(broken * 50, n);
	EXPECT_LE(never * 100, n * NR_KINDS);

	ASSERT_LT(0, read_text(AVOID, avoid, sizeof(avoid)));
	executed_with = calloc(n, sizeof(*executed_with));
	ASSERT_NE(NULL, executed_with);
	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++)
		one_way(_metadata, i);
	EXPECT_EQ(0, write_text(AVOID, 0, "%s", avoid));
	codefile_drop(&runner.file);
}

/* ------------------------------------------ does the comparison compare? */

#define L(length, mem, ...)	{ .bytes = { __VA_ARGS__ }, .len = length,	\
				  .addr_size = sizeof(long), .nr_mems = mem,	\
				  .mems = { { .base = 3, .index = LIST_NONE } } }

/* Each leaves bp, the carry, xmm0 and the fs base alone, but can show a change. */
static const struct listed_insn few[] = {
	L(2, 0, 0x89, 0xc8),			/* mov %ecx, %eax */
	L(1, 0, 0x90),				/* nop */
	L(2, 1, 0x8b, 0x03),			/* mov (%ebx), %eax */
	L(2, 1, 0x89, 0x03),			/* mov %eax, (%ebx) */
	L(4, 0, 0x66, 0x0f, 0xef, 0xc9),	/* pxor %xmm1, %xmm1 */
	L(3, 0, 0x0f, 0xaf, 0xc1),		/* imul %ecx, %eax */
	L(1, 0, 0x50),				/* push %eax */
	L(2, 0, 0xeb, 0x10),			/* jmp */
	L(2, 0, 0x0f, 0x0b),			/* ud2 */
};

#define SPOILED		2

static const struct {
	enum bulk_spoil_how how;
	const char *name;
	bool state, count;		/* what must be found wrong */
} spoils[] = {
	{ SPOIL_NOTHING, "nothing" },
	{ SPOIL_REGISTER, "a register", true },
	{ SPOIL_MEMORY, "memory", true },
	{ SPOIL_VECTOR, "a vector register", true },
#ifdef __x86_64__
	{ SPOIL_BASE, "a segment base", true },
#endif
	{ SPOIL_FLAG, "a flag", true },
	{ SPOIL_SKIP, "the instruction is skipped", true },
	{ SPOIL_SIGNAL, "a signal", true },
	{ SPOIL_MISSED, "a hit is missed", false, true },
	{ SPOIL_DOUBLE, "a hit is double", false, true },
};

/* A handler does what a wrong strategy would: only that one is reported. */
TEST(list_self_test)
{
	uint64_t offsets[ARRAY_SIZE(few)];
	unsigned int n = ARRAY_SIZE(few);
	struct bulk b;

	ASSERT_EQ(0, runner_setup(few, n));
	native_run(_metadata);
	for (unsigned int i = 0; i < n; i++)
		offsets[i] = runner.of[i].at - runner.text;

	ASSERT_EQ(0, bulk_open(&b));
	ASSERT_EQ(0, bulk_add(&b, runner.file.fd, offsets, n));
	for (unsigned int k = 0; k < ARRAY_SIZE(spoils); k++) {
		/* Counts go on from the last time. */
		uint64_t before[ARRAY_SIZE(few)];
		struct bulk_spoil s = {
			.index = SPOILED,
			.how = spoils[k].how,
			.arg = spoils[k].how == SPOIL_MEMORY ? LIST_DATA + LIST_DATA_SIZE - 9 :
			       few[SPOILED].len,
		};

		printf("# spoiled: %s\n", spoils[k].name);
		ASSERT_EQ(0, bulk_hits(&b));
		memcpy(before, b.counts, sizeof(before));
		ASSERT_EQ(0, ioctl(b.fd, BULK_SPOIL, &s));
		forget_results();
		/* A signal that waits would be seen in the next one's state. */
		for (unsigned int i = 0; i < n; i++)
			runner.of[i].kinds = s.how == SPOIL_SIGNAL ? 1 << K_PLAIN :
					  (1 << NR_KINDS) - 1;
		runner.probed = true;
		run_all();
		ASSERT_EQ(0, bulk_hits(&b));
		for (unsigned int i = 0; i < n; i++) {
			bool state = runner.of[i].differs;
			bool count = b.counts[i] - before[i] != runner.of[i].executed;

			EXPECT_EQ(i == SPOILED && spoils[k].state, state)
				TH_LOG("%s, number %u", spoils[k].name, i);
			EXPECT_EQ(i == SPOILED && spoils[k].count, count)
				TH_LOG("%s, number %u: %llu hits", spoils[k].name, i,
				       (unsigned long long)(b.counts[i] - before[i]));
		}
	}
	bulk_close(&b);
	bulk_free(&b);
	codefile_drop(&runner.file);
}

int main(int argc, char **argv)
{
	setlinebuf(stdout);
	list_path = getenv("INSN_LIST");
	return uprobes_test_main(argc, argv);
}
