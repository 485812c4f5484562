// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the list of instructions that insn_list_test executes (insn_list.h). Runs on
 * the host, at build time.
 *
 *	insn_list 64|32 REAL MADE SEED FILE...  > LIST
 *	insn_list boundaries FILE  > OFFSETS
 *
 * At most REAL encodings that occur in the ELF files and MADE random ones. Two
 * encodings are the same if they differ in nothing but the displacement or the
 * immediate. If there are too many, those of classes with few members stay.
 *
 * The second form writes where each instruction of a file begins, a number a line.
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf_text.h"
#include "insn_list.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define MAX_KEPT	262144

struct kept {
	struct listed_insn row;
	unsigned int rank;	/* how many of its class came before */
	unsigned int order;
};

/* What was seen, by hash: of an encoding, and how many of a class. */
struct counted {
	uint64_t key;
	unsigned int n;
};

static struct counted seen[MAX_KEPT * 4], classes[MAX_KEPT];
static struct kept kept[MAX_KEPT];
static unsigned int nr_kept, nr_looked_at;
static ZydisDecoder decoder;
static bool is64;

static uint64_t random_state;

static uint64_t random64(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned int below(unsigned int n)
{
	return random64() % n;
}

static bool one_in(unsigned int n)
{
	return !below(n);
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9fb21c651e98df25;
	return h ^ h >> 29;
}

/* How often @key has come before. */
static unsigned int count(struct counted *table, unsigned int size, uint64_t key)
{
	unsigned int i = key % size;

	key += !key;
	while (table[i].key && table[i].key != key)
		i = (i + 1) % size;
	table[i].key = key;
	return table[i].n++;
}

/* ------------------------------------------------------------ what it is */

static bool is_group(const ZydisDecodedInstruction *z)
{
	uint8_t op = z->opcode;

	if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
		return (op & 0xfc) == 0x80 || (op & 0xfe) == 0xc0 || (op & 0xfc) == 0xd0 ||
		       (op & 0xf8) == 0xd8 || (op & 0xfe) == 0xc6 || (op & 0xf6) == 0xf6 ||
		       op == 0x8f;
	if (z->opcode_map == ZYDIS_OPCODE_MAP_0F)
		return op <= 1 || op == 0x0d || op == 0x18 || (op >= 0x71 && op <= 0x73) ||
		       op == 0xae || op == 0xba || op == 0xc7 || op == 0x1e;
	return z->opcode_map == ZYDIS_OPCODE_MAP_0F38 && op == 0xf3;
}

static uint64_t class_of(const ZydisDecodedInstruction *z)
{
	uint64_t h = mix(z->encoding, z->opcode_map << 8 | z->opcode);

	for (unsigned int i = 0; i < z->raw.prefix_count; i++)
		if (z->raw.prefixes[i].type == ZYDIS_PREFIX_TYPE_MANDATORY)
			h = mix(h, z->raw.prefixes[i].value);
	if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
		h = mix(h, z->raw.vex.pp << 2 | z->raw.vex.L << 1);
	if (z->attributes & ZYDIS_ATTRIB_HAS_MODRM) {
		h = mix(h, z->raw.modrm.mod == 3);
		h = mix(h, z->raw.modrm.mod == 0 && z->raw.modrm.rm == 5);
		if (is_group(z))
			h = mix(h, 100 + z->raw.modrm.reg);
		if (is_group(z) && z->raw.modrm.mod == 3 &&
		    (z->opcode == 1 || (z->opcode & 0xf8) == 0xd8))
			h = mix(h, z->raw.modrm.rm);
	}
	return h;
}

/* All but the displacement, the immediate and the operand in vvvv. */
static uint64_t key_of(const ZydisDecodedInstruction *z, const uint8_t *bytes)
{
	uint64_t h = mix(z->encoding, z->opcode_map << 8 | z->opcode);

	for (unsigned int i = 0; i < z->raw.prefix_count; i++)
		h = mix(h, z->raw.prefixes[i].value);
	switch (z->encoding) {
	case ZYDIS_INSTRUCTION_ENCODING_VEX:
		h = mix(h, z->raw.vex.W | z->raw.vex.L << 1 | z->raw.vex.pp << 2 |
			z->raw.vex.R << 4 | z->raw.vex.X << 5 | z->raw.vex.B << 6 |
			bytes[z->raw.vex.offset] << 8);
		break;
	case ZYDIS_INSTRUCTION_ENCODING_EVEX:
		h = mix(h, z->raw.evex.W | z->raw.evex.L << 1 | z->raw.evex.L2 << 2 |
			z->raw.evex.pp << 3 | z->raw.evex.b << 5 | z->raw.evex.z << 6);
		break;
	default:
		break;
	}
	if (z->attributes & ZYDIS_ATTRIB_HAS_MODRM)
		h = mix(h, bytes[z->raw.modrm.offset] | 0x100);
	if (z->attributes & ZYDIS_ATTRIB_HAS_SIB)
		h = mix(h, bytes[z->raw.sib.offset] | 0x200);
	return h;
}

static uint8_t number_of(ZydisRegister reg)
{
	ZydisMachineMode mode = is64 ? ZYDIS_MACHINE_MODE_LONG_64 :
				       ZYDIS_MACHINE_MODE_LEGACY_32;

	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
		return ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(mode, reg));
	default:
		return LIST_NONE;
	}
}

static void note_mem(struct listed_insn *row, const ZydisDecodedOperand *o)
{
	struct listed_mem *m = &row->mems[row->nr_mems];

	if (o->type != ZYDIS_OPERAND_TYPE_MEMORY || row->nr_mems == 2)
		return;
	if (o->mem.base == ZYDIS_REGISTER_RIP || o->mem.base == ZYDIS_REGISTER_EIP)
		row->what |= LIST_RIPREL;
	m->base = number_of(o->mem.base);
	m->index = number_of(o->mem.index);
	/* The stack is there anyway. */
	if (m->base == 4 && o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
		return;
	m->scale = o->mem.scale;
	m->disp = o->mem.disp.value;
	if (o->mem.segment == ZYDIS_REGISTER_FS)
		m->seg = 0x64;
	if (o->mem.segment == ZYDIS_REGISTER_GS)
		m->seg = 0x65;
	row->nr_mems++;
}

static void note_special(struct listed_insn *row, const ZydisDecodedInstruction *z)
{
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_RDTSC:
	case ZYDIS_MNEMONIC_RDTSCP:
		row->what |= LIST_CYCLES;
		break;
	case ZYDIS_MNEMONIC_RDRAND:
	case ZYDIS_MNEMONIC_RDSEED:
		row->what |= LIST_RANDOM;
		row->reg = z->raw.modrm.rm | z->raw.rex.B << 3;
		break;
	case ZYDIS_MNEMONIC_SYSCALL:
		row->what |= is64 ? LIST_SYSCALL : LIST_INT80;
		break;
	case ZYDIS_MNEMONIC_SYSENTER:
		row->what |= LIST_INT80;
		break;
	case ZYDIS_MNEMONIC_INT:
		if (z->raw.imm[0].value.u == 0x80)
			row->what |= LIST_INT80;
		break;
	case ZYDIS_MNEMONIC_FNSTENV:
	case ZYDIS_MNEMONIC_FNSAVE:
		row->what |= LIST_X87_STORE;
		break;
	case ZYDIS_MNEMONIC_CALL:
	case ZYDIS_MNEMONIC_JMP:
		if (z->meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR && z->opcode == 0xff)
			row->what |= LIST_INDIRECT;
		break;
	default:
		break;
	}
	if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
	    z->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
	    ((z->opcode & 0xf8) == 0xd8 || z->opcode == 0x9b))
		row->what |= LIST_X87;
	if (z->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE |
			     ZYDIS_ATTRIB_HAS_REPNE))
		row->what |= LIST_COUNT;
}

/* ------------------------------------------------------------ QEMU 7.2 */

static bool has_prefix(const ZydisDecodedInstruction *z, uint8_t value)
{
	for (unsigned int i = 0; i < z->raw.prefix_count; i++)
		if (z->raw.prefixes[i].value == value)
			return true;
	return false;
}

/* REX counts only right before the opcode; not for QEMU. */
static bool has_idle_rex(const ZydisDecodedInstruction *z)
{
	for (int i = 0; i + 1 < z->raw.prefix_count; i++)
		if (is64 && (z->raw.prefixes[i].value & 0xf0) == 0x40)
			return true;
	return false;
}

static bool is_one_byte(const ZydisDecodedInstruction *z)
{
	return z->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
	       z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;
}

static bool is_two_byte(const ZydisDecodedInstruction *z)
{
	return z->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
	       z->opcode_map == ZYDIS_OPCODE_MAP_0F;
}

static bool has_mmx(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops)
{
	for (unsigned int i = 0; i < z->operand_count; i++)
		if (ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetClass(ops[i].reg.value) == ZYDIS_REGCLASS_MMX)
			return true;
	return false;
}

static void note_qemu(struct listed_insn *row, const ZydisDecodedInstruction *z,
		      const ZydisDecodedOperand *ops)
{
	/* 8f is a pop, whatever comes after it */
	if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_XOP || has_idle_rex(z))
		row->what |= LIST_QEMU;
	/* the second name of test is none; c7 f8 is a mov */
	if (is_one_byte(z) && (((z->opcode & 0xfe) == 0xf6 && z->raw.modrm.reg == 1) ||
			       z->mnemonic == ZYDIS_MNEMONIC_XBEGIN))
		row->what |= LIST_QEMU;
	/* an MMX register takes no notice of REX */
	if (z->raw.rex.R | z->raw.rex.B && has_mmx(z, ops))
		row->what |= LIST_QEMU;
	/* all of the flags are garbage afterwards, IF and IOPL included */
	if (z->mnemonic == ZYDIS_MNEMONIC_ADCX || z->mnemonic == ZYDIS_MNEMONIC_ADOX)
		row->what |= LIST_QEMU;
	/* where a gather faults is not the same each time */
	if (z->meta.category == ZYDIS_CATEGORY_AVX2GATHER)
		row->what |= LIST_QEMU;
	/* on Intel's CPUs there is none in 32-bit code, and no entry in the kernel */
	if (!is64 && z->mnemonic == ZYDIS_MNEMONIC_SYSCALL)
		row->what |= LIST_QEMU;
	/* VEX.B names no other register in 32-bit code; to QEMU it does */
	if (!is64 && z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX &&
	    row->bytes[z->raw.vex.offset] == 0xc4 && !(row->bytes[z->raw.vex.offset + 1] & 0x20))
		row->what |= LIST_QEMU;
	/* hints must have a memory operand */
	if (is_two_byte(z) && z->opcode == 0x18 && z->raw.modrm.mod == 3)
		row->what |= LIST_QEMU;
	/* the stack of a far transfer is the kernel's, and the kernel dies of the fault */
	if (z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR || z->mnemonic == ZYDIS_MNEMONIC_IRET ||
	    z->mnemonic == ZYDIS_MNEMONIC_IRETD || z->mnemonic == ZYDIS_MNEMONIC_IRETQ)
		row->what |= LIST_QEMU_FAR;
	/* 66 makes a branch one of 16 bit in AMD's 64-bit code, not in Intel's */
	if (is64 && has_prefix(z, 0x66) && !z->raw.rex.W &&
	    z->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE)
		row->what |= z->raw.imm[0].is_relative ? LIST_QEMU : LIST_QEMU_INTEL;
	if (is_one_byte(z) && z->opcode == 0x90 && has_prefix(z, 0xf3))
		row->what |= LIST_QEMU_TF;
}

/* QEMU 7.2 gives up on vroundss and vroundsd with VEX.L, which is ignored. */
static bool stops_qemu(const ZydisDecodedInstruction *z)
{
	return z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX && z->raw.vex.L &&
	       z->opcode_map == ZYDIS_OPCODE_MAP_0F3A && (z->opcode & 0xfe) == 0x0a;
}

/*
 * Takes the instruction at @bytes, of which @n can be read, if it is new.
 * Returns its length, 0 if it is none.
 */
static unsigned int look_at(const uint8_t *bytes, size_t n, unsigned int what)
{
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	struct listed_insn *row;

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, n, &z, ops)))
		return 0;
	nr_looked_at++;
	if (nr_kept == MAX_KEPT || stops_qemu(&z))
		return z.length;
	if (count(seen, MAX_KEPT * 4, key_of(&z, bytes)))
		return z.length;

	row = &kept[nr_kept].row;
	memset(row, 0, sizeof(*row));
	memcpy(row->bytes, bytes, z.length);
	row->len = z.length;
	row->what = what;
	row->addr_size = z.address_width / 8;
	for (unsigned int i = 0; i < z.operand_count; i++)
		note_mem(row, &ops[i]);
	note_special(row, &z);
	note_qemu(row, &z, ops);
	/* QEMU takes the operand of ret for a signed number: have a positive one. */
	if (is_one_byte(&z) && (z.opcode & 0xf7) == 0xc2)
		row->bytes[z.length - 1] &= 0x7f;
	if (row->what & LIST_RIPREL) {
		row->field = z.raw.disp.offset;
		row->field_size = 4;
	} else if (z.raw.imm[0].is_relative) {
		row->what |= LIST_BRANCH;
		row->field = z.raw.imm[0].offset;
		row->field_size = z.raw.imm[0].size / 8;
	}
	kept[nr_kept].rank = count(classes, MAX_KEPT, class_of(&z));
	kept[nr_kept].order = nr_kept;
	/* Of what is not executed where the tests mostly run, one of each class. */
	if (!(row->what & LIST_QEMU) || !kept[nr_kept].rank)
		nr_kept++;
	return z.length;
}

/* ---------------------------------------------------------------- files */

static void look_at_found(const struct elf_text *t, const u8 *bytes, unsigned int n)
{
	look_at(bytes, n, 0);
}

static void write_boundary(const struct elf_text *t, const u8 *bytes, unsigned int n)
{
	printf("%zu\n", t->offset);
}

static void read_elf(const char *path)
{
	struct elf_text t;

	elf_walk(&t, path, look_at_found);
	if (t.is64 != is64)
		errx(2, "%s: not for %d bit", path, is64 ? 64 : 32);
}

static int write_boundaries(const char *path)
{
	struct elf_text t;

	elf_walk(&t, path, write_boundary);
	return fflush(stdout) ? 2 : 0;
}

/* ------------------------------------------------------------ made ones */

static const uint8_t prefix_bytes[] = {
	0x66, 0x66, 0x66, 0xf2, 0xf2, 0xf3, 0xf3, 0x67, 0x64, 0x65, 0x64, 0x65,
	0x2e, 0x36, 0x3e, 0x26, 0xf0,
};

static unsigned int make_vex(uint8_t *b)
{
	unsigned int n = 0;

	if (one_in(3)) {
		b[n++] = 0xc5;
		b[n++] = random64();
	} else {
		b[n++] = 0xc4;
		b[n++] = (random64() & 0xe0) | (1 + below(3));
		b[n++] = random64();
	}
	/* Most have no use for vvvv, or take any. */
	if (one_in(2))
		b[n - 1] |= 0x78;
	b[n++] = random64();
	return n;
}

static unsigned int make_opcode(uint8_t *b)
{
	unsigned int n = 0, prefixes = below(8);

	for (prefixes = prefixes > 5 ? prefixes - 4 : prefixes > 3; prefixes; prefixes--)
		b[n++] = prefix_bytes[below(sizeof(prefix_bytes))];
	switch (below(20)) {
	case 0 ... 3:
		/* Behind one of these, 66, f2, f3, f0 make it invalid. */
		if (n && !one_in(8))
			n = 0;
		return n + make_vex(b + n);
	case 4:
		b[0] = one_in(3) ? 0x8f : 0x62;
		b[1] = random64();
		b[2] = random64();
		b[3] = random64();
		b[4] = random64();
		return b[0] == 0x62 ? 6 : 4;
	default:
		break;
	}
	if (is64 && !one_in(3))
		b[n++] = 0x40 | below(16);
	switch (below(10)) {
	case 0 ... 3:
		break;
	case 4 ... 7:
		b[n++] = 0x0f;
		break;
	case 8:
		b[n++] = 0x0f;
		b[n++] = 0x38;
		break;
	default:
		b[n++] = 0x0f;
		b[n++] = 0x3a;
		break;
	}
	b[n++] = random64();
	return n;
}

/* A displacement that stays near, an address that is the test's memory. */
static void tame(uint8_t *b, size_t size)
{
	ZydisDecodedInstruction z;
	int64_t disp;

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, b, size, &z)) ||
	    z.raw.disp.size < 32)
		return;
	disp = (int)below(1024) - 512;
	if (!(z.attributes & ZYDIS_ATTRIB_HAS_MODRM) ||
	    (z.raw.modrm.mod == 0 && (z.raw.modrm.rm == 5 || z.raw.sib.base == 5)))
		disp = LIST_DATA + LIST_DATA_SIZE / 2 + (disp & -16);
	memcpy(b + z.raw.disp.offset, &disp, z.raw.disp.size / 8);
}

static void make_one(void)
{
	uint8_t b[32];
	unsigned int n = make_opcode(b);

	for (; n < sizeof(b); n++)
		b[n] = random64();
	tame(b, 15);
	look_at(b, 15, LIST_MADE);
}

static unsigned int hex_digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Too rare to be met by chance: what is not found in any library. */
static void make_rare(void)
{
	static const char * const rare[] = {
		"0f05", "0f34", "cd80", "48cd80", "0f01f9", "0f01ee", "0f01ef", "0f01d0",
		"0f01d5", "0f01d6", "c7f810000000", "66c7f81000", "c6f801", "0f0b", "0fff00",
		"0fb900", "f4", "fa", "fb", "ec", "6c", "e420", "cd20", "cd03", "cd04", "f1",
		"0f30", "0f32", "0f06", "0f08", "0f09", "0f20c0", "0f21c0", "0f0100", "0f0108",
		"0f0120", "0f0138", "0f00c0", "0f00c8", "0f00d0", "0f0000", "0f01e0", "cf",
		"48cf", "cb", "48cb", "ca0800", "ff18", "ff28", "48ff18", "48ff28", "8ed0",
		"8ed8", "8ec0", "8ee0", "8ee8", "8cd8", "8ce0", "8ce8", "17", "0fa1", "0fa9",
		"0fa0", "0fa8", "0fb200", "0fb400", "0fb500", "48c8100000", "c8100001",
		"c8200002", "f30faec0", "f30faec8", "f30faed0", "f30faed8", "f3480faed0",
		"f3480faed8", "f30fc7f8", "f30faee8", "f3480fc7f0", "0fae20", "0fae28", "0fae30",
		"0fc720", "0fae00", "0fae08", "480fae20", "480fae28", "0fae38", "660fae38",
		"0f1c00", "f30f1efa", "f30f1efb", "f30f1ec8", "66f3480faef0", "f20faef0",
		"0f01c8", "0f01c9", "0f01fa", "0f01fb", "0f01fc", "0f01fd", "0f31", "0fa2",
		"f0480fc70b", "f00fb103", "f0ff03", "ccc3", "9c", "669c", "9d", "669d", "489d",
		"6690", "f390", "4190", "f34190", "66e900010000", "66e800010000", "66c3",
		"66ff20", "66ff10", "663e0f8400010000", "67e310", "67e210", "f2e810000000",
		"3eff20", "f2ff20", "f2c3", "f2c20800", "36c3", "2e7410", "3e7510", "66ffe0",
		"48ffe0", "65488b042500000000", "64488b042500000000", "d9d0", "9b", "dbe3", "dbe2",
		"d930", "dd30", "d920", "dd20", "d928", "d938", "dd38", "0f77", "0f0e", "d6", "ce",
		"6203", "60", "61", "9a0000000033000000", "ea0000000033000000", "27", "2f", "37",
		"3f", "d40a", "d50a", "c400", "c500",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rare); i++) {
		unsigned int n = strlen(rare[i]) / 2;
		uint8_t b[15] = { };

		for (unsigned int k = 0; k < n; k++)
			b[k] = hex_digit(rare[i][2 * k]) << 4 | hex_digit(rare[i][2 * k + 1]);
		look_at(b, sizeof(b), LIST_MADE);
		if (nr_kept)
			kept[nr_kept - 1].rank = 0;
	}
}

/* ---------------------------------------------------------------- order */

static int by_rank(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* The best @most of those from @first on stay. */
static void choose(unsigned int first, unsigned int most)
{
	qsort(kept + first, nr_kept - first, sizeof(kept[0]), by_rank);
	if (nr_kept - first > most)
		nr_kept = first + most;
}

int main(int argc, char **argv)
{
	unsigned int real, made, nr_real, nr_found;

	if (argc == 3 && !strcmp(argv[1], "boundaries"))
		return write_boundaries(argv[2]);
	if (argc < 6)
		errx(2, "usage: insn_list 64|32 REAL MADE SEED FILE... | boundaries FILE");
	is64 = !strcmp(argv[1], "64");
	real = atoi(argv[2]);
	made = atoi(argv[3]);
	random_state = strtoull(argv[4], NULL, 0);
	zydis_init(&decoder, is64);

	for (int i = 5; i < argc; i++)
		read_elf(argv[i]);
	nr_found = nr_kept;
	choose(0, real);
	nr_real = nr_kept;

	make_rare();
	for (unsigned int i = 0; i < 40 * made && nr_kept < MAX_KEPT; i++)
		make_one();
	choose(nr_real, made);

	for (unsigned int i = 0; i < nr_kept; i++)
		if (fwrite(&kept[i].row, sizeof(kept[i].row), 1, stdout) != 1)
			err(2, "writing");
	fprintf(stderr, "%u encodings: %u of %u in the files, %u made\n", nr_kept, nr_real,
		nr_found, nr_kept - nr_real);
	return fflush(stdout) ? 2 : 0;
}
