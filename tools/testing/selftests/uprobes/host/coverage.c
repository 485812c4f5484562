// SPDX-License-Identifier: GPL-2.0-only
/* Which classes of encodings have been executed, and how far they came. */
#include <stdio.h>

#include "exec.h"

static const char * const how_far_names[HOW_FARS] = {
	"not run", "#UD only", "faults only", "executed",
};

#define ENCODINGS	(ENC_XOP + 2)
#define ENC_MAPS	16
#define CLASSES		(2 * ENCODINGS * ENC_MAPS * 256 * 8)

static struct class_seen classes[CLASSES];

struct class_seen *class_of(const struct decoded *d)
{
	unsigned int enc = min_t(unsigned int, d->enc, ENCODINGS - 1);
	unsigned int map = d->map & (ENC_MAPS - 1);
	unsigned int reg = d->mod == NO_MODRM ? 0 : d->reg;

	/* In the other encodings it is an operand, but for the shifts and BMI. */
	if (d->enc != ENC_LEGACY && !(d->map == MAP_0F && d->op >= 0x71 && d->op <= 0x73) &&
	    !(d->map == MAP_0F && d->op == 0xae) && !(d->map == MAP_0F38 && d->op == 0xf3))
		reg = 0;
	return classes + (((d->is64 * ENCODINGS + enc) * ENC_MAPS + map) * 256 + d->op) * 8 + reg;
}

static void list_classes(const struct class_seen *c, enum how_far how)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < 256 * 8; i++) {
		if (!c[i].accepted || c[i].how_far != how || c[i].elsewhere)
			continue;
		if (!any)
			printf("    %s:", how_far_names[how]);
		any = true;
		printf(" %02x/%u", i / 8, i % 8);
	}
	if (any)
		printf("\n");
}

/* Returns how many of what can be executed here were not. */
unsigned int print_classes(bool verbose)
{
	static const char * const encodings[ENCODINGS] = {
		[ENC_LEGACY] = "legacy", [ENC_VEX] = "VEX", [ENC_EVEX] = "EVEX", [ENC_XOP] = "XOP",
		[ENC_XOP + 1] = "other",
	};
	unsigned int is64, enc, map, i, k, not_run = 0;

	printf("classes (opcode and ModRM.reg) that are accepted:\n");
	for (is64 = 0; is64 < 2; is64++) {
		for (enc = 0; enc < ENCODINGS; enc++) {
			for (map = 0; map < ENC_MAPS; map++) {
				unsigned int n[HOW_FARS] = {}, all = 0;
				const struct class_seen *c = classes +
					((is64 * ENCODINGS + enc) * ENC_MAPS + map) * 256 * 8;

				for (i = 0; i < 256 * 8; i++) {
					if (!c[i].accepted)
						continue;
					all++;
					if (c[i].elsewhere)
						continue;
					n[c[i].how_far]++;
				}
				if (!all)
					continue;
				printf("  %d bit %-7s map %-2u %5u:", is64 ? 64 : 32,
				       encodings[enc], map, all);
				for (k = HOW_FARS; k-- > 0;)
					printf(" %5u %s%s", n[k], how_far_names[k], k ? "," : "");
				printf("\n");
				not_run += n[NOT_RUN];
				list_classes(c, NOT_RUN);
				if (verbose) {
					list_classes(c, NO_SUCH);
					list_classes(c, FAULTED);
				}
			}
		}
	}
	return not_run;
}

void print_unrepeatable(void)
{
	unsigned int i;

	printf("not repeatable:");
	for (i = 0; i < CLASSES; i++)
		if (classes[i].unrepeatable)
			printf(" %u:%02x/%u", i / 8 / 256 % ENC_MAPS, i / 8 % 256, i % 8);
	printf(" (map:opcode/ModRM.reg)\n");
}
