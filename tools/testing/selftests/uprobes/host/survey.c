// SPDX-License-Identifier: GPL-2.0-only
/* The census: what becomes of every instruction of a program. See usage(). */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "world.h"
#include "internal.h"
#include "elf_text.h"

/* What a hit costs: the strategies, with those apart that borrow gs by themselves */
enum way {
	WAY_EMULATE,
	WAY_BOOST,
	WAY_BOOST_GS,
	WAY_STEP,
	WAY_SYSCALL,
	WAYS
};

static const char * const way_names[WAYS] = {
	"emulate", "boost", "boost+gs", "step", "syscall",
};

struct census {
	unsigned long boundaries, accepted;
	unsigned long ways[WAYS], reasons[UPROBE_REFUSALS];
	unsigned long padding, data;
};

/* What was refused or is stepped, by mnemonic; examples for people */
struct example {
	char name[32];
	const char *what;
	unsigned long n;
	const char *file;
	size_t offset;
	u8 bytes[UPROBE_INSN_MAX];
	unsigned int len;
};

#define EXAMPLES	4096

static struct census one, total;
static struct example examples[EXAMPLES];
static unsigned int n_examples;
static bool show_steps;
static FILE *boundaries_out;

static enum way way_of(const struct arch_uprobe *au)
{
	switch (au->strategy) {
	case UPROBE_EMULATE:
		return WAY_EMULATE;
	case UPROBE_BOOST:
		return au->fixups & UPROBE_FIX_BORROW ? WAY_BOOST_GS : WAY_BOOST;
	case UPROBE_SYSCALL:
		return WAY_SYSCALL;
	default:
		return WAY_STEP;
	}
}

/* All but a step: the int3 is the only exception. */
static unsigned long one_exception(const struct census *c)
{
	return c->accepted - c->ways[WAY_STEP];
}

static void note_example(const struct elf_text *t, const u8 *bytes, const char *what)
{
	const char *name = ZydisMnemonicGetString(t->z.mnemonic);
	struct example *e;

	for (e = examples; e < examples + n_examples; e++)
		if (e->what == what && !strcmp(e->name, name))
			break;
	if (e == examples + EXAMPLES)
		return;
	if (e == examples + n_examples) {
		n_examples++;
		snprintf(e->name, sizeof(e->name), "%s", name);
		e->what = what;
		e->file = t->name;
		e->offset = t->offset;
		e->len = t->z.length;
		memcpy(e->bytes, bytes, e->len);
	}
	e->n++;
}

static void survey_one(const struct elf_text *t, const u8 *bytes, unsigned int n)
{
	struct arch_uprobe au;
	enum uprobe_refusal why = arch_uprobe_analyze(&au, bytes, n, t->is64);
	enum way way;

	one.boundaries++;
	one.reasons[why]++;
	if (why) {
		note_example(t, bytes, arch_uprobe_refusal(why)->word);
		return;
	}
	one.accepted++;
	way = way_of(&au);
	one.ways[way]++;
	if (way == WAY_STEP && show_steps)
		note_example(t, bytes, "(step)");
}

static void write_boundary(const struct elf_text *t, const u8 *bytes, unsigned int n)
{
	fprintf(boundaries_out, "%zu\n", t->offset);
	one.boundaries++;
}

static void add_to_total(void)
{
	unsigned int i;

	total.boundaries += one.boundaries;
	total.accepted += one.accepted;
	total.padding += one.padding;
	total.data += one.data;
	for (i = 0; i < WAYS; i++)
		total.ways[i] += one.ways[i];
	for (i = 0; i < UPROBE_REFUSALS; i++)
		total.reasons[i] += one.reasons[i];
}

static double percent(unsigned long part, unsigned long all)
{
	return all ? 100.0 * part / all : 0;
}

static void print_heading(void)
{
	unsigned int i;

	printf("%-26s %10s %8s %9s", "", "boundaries", "refused", "accepted");
	for (i = 0; i < WAYS; i++)
		printf(" %9s", way_names[i]);
	printf(" %9s %8s %6s\n", "one exc.", "int3", "data");
}

static void print_row(const char *name, const struct census *c)
{
	const char *base = strrchr(name, '/');
	unsigned int i;

	printf("%-26.26s %10lu %8lu %8.4f%%", base ? base + 1 : name, c->boundaries,
	       c->boundaries - c->accepted, percent(c->accepted, c->boundaries));
	for (i = 0; i < WAYS; i++)
		printf(" %8.3f%%", percent(c->ways[i], c->boundaries));
	printf(" %8.3f%% %8lu %6lu\n", percent(one_exception(c), c->boundaries),
	       c->padding, c->data);
}

static int by_count(const void *a, const void *b)
{
	const struct example *x = a, *y = b;

	return (x->n < y->n) - (x->n > y->n);
}

static void print_examples(void)
{
	unsigned int i, k;

	for (i = 1; i < UPROBE_REFUSALS; i++)
		if (total.reasons[i])
			printf("refused, %-12s %9lu  %s\n", arch_uprobe_refusal(i)->word,
			       total.reasons[i], arch_uprobe_refusal(i)->text);
	qsort(examples, n_examples, sizeof(examples[0]), by_count);
	for (i = 0; i < n_examples && i < 60; i++) {
		const struct example *e = &examples[i];

		printf("  %-12s %-16s %9lu  first in %s, 0x%zx:", e->what, e->name, e->n,
		       e->file, e->offset);
		for (k = 0; k < e->len; k++)
			printf(" %02x", e->bytes[k]);
		printf("\n");
	}
}

static void usage(void)
{
	puts("survey [OPTION...] FILE...\n"
	     "	What becomes of every instruction of these ELF files, as a table.\n"
	     "	Boundaries are those of a linear disassembly, by Zydis, of the executed\n"
	     "	sections. Left aside, and counted in the last two columns: int3, which is\n"
	     "	padding, and bytes of data, which is what Zydis cannot decode, with all of\n"
	     "	a piece of text that it is in if no function of .eh_frame covers that.\n"
	     "	\"one exc.\": the hit takes one exception, all strategies but step.\n"
	     "  -a, --accepted PERCENT	fail if less of the total is accepted\n"
	     "  -o, --one PERCENT	fail if less of the total takes one exception\n"
	     "  -s, --steps		show which instructions are stepped, too\n"
	     "  -n, --nofsgsbase	for a CPU without FSGSBASE\n"
	     "survey --boundaries FILE OUT\n"
	     "	Writes where each instruction of FILE begins to OUT: offsets in the file,\n"
	     "	decimal, one a line, ascending in each section; \"-\" is standard output.");
}

static int write_boundaries(const char *name, const char *out)
{
	struct elf_text t;

	boundaries_out = strcmp(out, "-") ? fopen(out, "w") : stdout;
	if (!boundaries_out)
		err(2, "%s", out);
	elf_walk(&t, name, write_boundary);
	fprintf(stderr, "%lu boundaries; aside: %lu int3, %lu bytes of data\n", one.boundaries,
		t.padding, t.data);
	if (fflush(boundaries_out) || ferror(boundaries_out))
		err(2, "%s", out);
	return one.boundaries ? 0 : 1;
}

static bool too_few(const char *what, unsigned long part, double least)
{
	double is = percent(part, total.boundaries);

	if (is >= least)
		return false;
	printf("FAILED: %s: %.4f %% of the instructions, %.4f %% are wanted\n", what, is, least);
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "accepted", required_argument, NULL, 'a' },
		{ "boundaries", no_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ "nofsgsbase", no_argument, NULL, 'n' },
		{ "one", required_argument, NULL, 'o' },
		{ "steps", no_argument, NULL, 's' },
		{ }
	};
	double least_accepted = 0, least_one = 0;
	bool boundaries = false, bad;
	int opt, i;

	while ((opt = getopt_long(argc, argv, "a:bhno:s", options, NULL)) != -1) {
		switch (opt) {
		case 'a':
			least_accepted = atof(optarg);
			break;
		case 'b':
			boundaries = true;
			break;
		case 'h':
			usage();
			return 0;
		case 'n':
			world.fsgsbase = false;
			break;
		case 'o':
			least_one = atof(optarg);
			break;
		case 's':
			show_steps = true;
			break;
		default:
			usage();
			return 2;
		}
	}
	if (boundaries && argc - optind == 2)
		return write_boundaries(argv[optind], argv[optind + 1]);
	if (boundaries || optind == argc) {
		usage();
		return 2;
	}

	print_heading();
	for (i = optind; i < argc; i++) {
		struct elf_text t;

		memset(&one, 0, sizeof(one));
		elf_walk(&t, argv[i], survey_one);
		one.padding = t.padding;
		one.data = t.data;
		print_row(argv[i], &one);
		add_to_total();
	}
	print_row("total", &total);
	print_examples();
	bad = too_few("accepted", total.accepted, least_accepted);
	bad |= too_few("one exception", one_exception(&total), least_one);
	return bad || !total.boundaries;
}
