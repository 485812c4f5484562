// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random instructions, analysed and compared with an independent decoder
 * (Zydis): what is accepted must be an instruction there too, of the same length
 * and with the same kind of memory operand.
 *
 *	fuzz [COUNT [SEED]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <Zydis/Zydis.h>

#include "insn.c"
#include "inat.c"
#include "decode.c"
#include "opcodes.c"
#include "analyze.c"
#include "riprel.c"
#include "random.h"

static bool zydis_riprel(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops)
{
	unsigned int i;

	for (i = 0; i < z->operand_count_visible; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (ops[i].mem.base == ZYDIS_REGISTER_RIP ||
		     ops[i].mem.base == ZYDIS_REGISTER_EIP))
			return true;
	return false;
}

static unsigned long shown;

static void report(const char *what, const u8 *b, bool is64, const struct arch_uprobe *au,
		   const ZydisDecodedInstruction *z)
{
	unsigned int i;

	if (shown++ >= 200)
		return;
	printf("%s (%d bit):", what, is64 ? 64 : 32);
	for (i = 0; i < UPROBE_INSN_MAX; i++)
		printf(" %02x", b[i]);
	printf("  ours %u %s, theirs %u %s\n", au->len, arch_uprobe_strategy_name(au),
	       z ? z->length : 0, z ? ZydisMnemonicGetString(z->mnemonic) : "-");
}

int main(int argc, char **argv)
{
	unsigned long long count = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000, i;
	unsigned long long accepted = 0, invalid = 0, lengths = 0, modes = 0;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	ZydisDecoder dec[2];

	rnd_seed(argc > 2 ? strtoull(argv[2], NULL, 0) : 1);
	ZydisDecoderInit(&dec[0], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	ZydisDecoderInit(&dec[1], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);

	for (i = 0; i < count; i++) {
		bool is64 = rnd(3), ours;
		struct arch_uprobe au;
		u8 b[MAX_UINSN_BYTES];

		random_insn(b);
		if (arch_uprobe_analyze(&au, b, sizeof(b), is64))
			continue;
		accepted++;
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&dec[is64], b, UPROBE_INSN_MAX,
							 &z, ops))) {
			invalid++;
			if (getenv("SHOW_INVALID"))
				report("not an instruction there", b, is64, &au, NULL);
			continue;
		}
		ours = au.strategy == UPROBE_STEP ? au.fixups : au.mem.base == UPROBE_MEM_RIP;
		if (z.length != au.len) {
			lengths++;
			report("length differs", b, is64, &au, &z);
		} else if (ours != zydis_riprel(&z, ops) &&
			   (au.strategy != UPROBE_EMULATE || au.op != EMU_NOP)) {
			modes++;
			report("addressing differs", b, is64, &au, &z);
		}
	}
	printf("%llu tried, %llu accepted, of these %llu not valid there; ",
	       count, accepted, invalid);
	printf("%llu lengths and %llu addressing modes differ\n", lengths, modes);
	return lengths || modes || !accepted;
}
