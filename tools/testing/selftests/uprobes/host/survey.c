// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads what objdump -d --insn-width=16 writes, analyses each instruction, and
 * compares length and %rip-relative addressing with what objdump says. Tells
 * what share was accepted, by which strategy, and what was refused and why.
 *
 *	survey 64|32 [LEAST]
 *
 * Fails if a length or an addressing mode differs, or if fewer than LEAST per
 * thousand were accepted; padding and data that objdump cannot name aside.
 */
#include <stdio.h>
#include <stdlib.h>

#include "insn.c"
#include "inat.c"
#include "decode.c"
#include "opcodes.c"
#include "analyze.c"
#include "riprel.c"

#define MNEMONICS	4096

struct tally {
	char name[48];
	unsigned int why;
	unsigned long n;
	char example[64];
};

static struct tally refused[MNEMONICS];
static unsigned int n_refused;
static unsigned long total, accepted, by_strategy[UPROBE_STRATEGIES], by_reason[UPROBE_REFUSALS];
static unsigned long riprel_steps, wrong;

static void count_refused(const char *text, unsigned int why, const char *bytes)
{
	char name[48];
	unsigned int i;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, " \t\n"), text);
	for (i = 0; i < n_refused; i++)
		if (refused[i].why == why && !strcmp(refused[i].name, name))
			break;
	if (i == MNEMONICS)
		return;
	if (i == n_refused) {
		n_refused++;
		memcpy(refused[i].name, name, sizeof(name));
		refused[i].why = why;
		snprintf(refused[i].example, sizeof(refused[i].example), "%.40s", bytes);
	}
	refused[i].n++;
}

static unsigned int parse_bytes(const char *p, u8 *bytes, unsigned int max)
{
	unsigned int n = 0, byte;
	int used;

	while (n < max && sscanf(p, "%2x%n", &byte, &used) == 1) {
		bytes[n++] = byte;
		p += used;
		if (*p != ' ')
			break;
		p++;
		if (*p == ' ' || *p == '\t')
			break;
	}
	return n;
}

static void complain(const char *what, const char *bytes, const char *text)
{
	printf("%s: %s %s", what, bytes, text);
	wrong++;
}

static void survey_one(const char *hex, const char *text, bool is64)
{
	u8 bytes[MAX_UINSN_BYTES];
	struct arch_uprobe au;
	enum uprobe_refusal why;
	bool riprel = strstr(text, "(%rip)") || strstr(text, "(%eip)");
	unsigned int n;

	memset(bytes, 0x90, sizeof(bytes));
	n = parse_bytes(hex, bytes, sizeof(bytes));
	if (!n || strstr(text, "(bad)") || !strncmp(text, ".byte", 5) ||
	    !strncmp(text, "rex.", 4))
		return;
	/* objdump takes fwait and what follows for one instruction, CPUs do not. */
	if (bytes[0] == 0x9b)
		n = 1;

	total++;
	why = arch_uprobe_analyze(&au, bytes, sizeof(bytes), is64);
	by_reason[why]++;
	if (why) {
		count_refused(text, why, hex);
		return;
	}
	accepted++;
	by_strategy[au.strategy]++;
	if (au.len != n)
		complain("length differs", hex, text);
	if (au.strategy == UPROBE_STEP) {
		riprel_steps += !!au.fixups;
		if (riprel != !!au.fixups)
			complain("addressing differs", hex, text);
	} else if ((au.mem.base == UPROBE_MEM_RIP) != riprel) {
		complain("addressing differs", hex, text);
	}
}

static int by_count(const void *a, const void *b)
{
	const struct tally *x = a, *y = b;

	return (x->n < y->n) - (x->n > y->n);
}

int main(int argc, char **argv)
{
	unsigned long least = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	bool is64 = argc < 2 || strcmp(argv[1], "32");
	char line[512];
	unsigned int i;

	while (fgets(line, sizeof(line), stdin)) {
		char *hex = strchr(line, '\t'), *text;

		if (!hex)
			continue;
		*hex++ = 0;
		text = strchr(hex, '\t');
		if (!text)
			continue;
		*text++ = 0;
		survey_one(hex, text, is64);
	}

	printf("%lu instructions, %lu accepted (%.3f %%): ", total, accepted,
	       total ? 100.0 * accepted / total : 0.0);
	printf("%lu emulated, %lu stepped (%lu with a borrowed base)\n",
	       by_strategy[UPROBE_EMULATE], by_strategy[UPROBE_STEP], riprel_steps);
	for (i = 1; i < UPROBE_REFUSALS; i++)
		if (by_reason[i])
			printf("  refused, %s: %lu\n", reasons[i].word, by_reason[i]);
	qsort(refused, n_refused, sizeof(refused[0]), by_count);
	for (i = 0; i < n_refused && i < 40; i++)
		printf("  %8lu %-12s %-12s %s\n", refused[i].n, refused[i].name,
		       reasons[refused[i].why].word, refused[i].example);
	return wrong || !total || accepted * 1000 < total * least;
}
