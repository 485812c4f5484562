// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every encoding, map, opcode, mandatory prefix, W and L, ModRM.reg and kind of
 * operand; the rest of the bytes is random.
 */
#include "exec.h"
#include "random.h"

/* A ModRM byte of one of the kinds that matter, and a SIB byte for some */
enum operand {
	REGISTER,
	POINTER,
	RIPREL,
	OPERANDS
};

static unsigned int put_modrm(u8 *p, unsigned int reg, enum operand kind)
{
	static const u8 rms[] = { 0, 1, 2, 3, 6, 7 };

	switch (kind) {
	case REGISTER:
		p[0] = 0xc0 | reg << 3 | rnd(8);
		return 1;
	case RIPREL:
		p[0] = reg << 3 | 5;
		return 1;
	default:
		if (rnd(2)) {
			p[0] = reg << 3 | rms[rnd(sizeof(rms))];
			return 1;
		}
		p[0] = 0x44 | reg << 3;
		p[1] = rnd(256);
		return 2;
	}
}

static void fill(u8 *b)
{
	unsigned int i;

	for (i = 0; i < MAX_UINSN_BYTES; i++)
		b[i] = rnd(256);
}

static void every_legacy(each_encoding fn, bool is64, unsigned int map, u8 op,
			 unsigned int reg, enum operand kind)
{
	static const u8 prefixes[] = { 0, 0x66, 0xf2, 0xf3 };
	u8 b[MAX_UINSN_BYTES];
	unsigned int i, n;

	for (i = 0; i < sizeof(prefixes); i++) {
		fill(b);
		n = 0;
		if (prefixes[i])
			b[n++] = prefixes[i];
		if (!rnd(12))
			b[n++] = rnd(2) ? PREFIX_ADDRSIZE : 0xf0;
		if (!rnd(8))
			b[n++] = rnd(2) ? PREFIX_FS : PREFIX_GS;
		if (is64 && rnd(2))
			b[n++] = 0x40 | rnd(16);
		if (map >= MAP_0F)
			b[n++] = 0x0f;
		if (map > MAP_0F)
			b[n++] = map == MAP_0F38 ? 0x38 : 0x3a;
		b[n++] = op;
		put_modrm(b + n, reg, kind);
		fn(b, is64);
	}
}

static void every_vex(each_encoding fn, bool is64, unsigned int map, u8 op,
		      enum operand kind, bool xop)
{
	u8 b[MAX_UINSN_BYTES];
	unsigned int i;

	for (i = 0; i < 16; i++) {
		fill(b);
		b[0] = xop ? 0x8f : 0xc4;
		b[1] = (is64 ? rnd(8) << 5 : 0xe0) | map;
		b[2] = (i & 7) | (i & 8) << 4 | (rnd(3) ? 0x78 : rnd(16) << 3);
		b[3] = op;
		put_modrm(b + 4, rnd(8), kind);
		fn(b, is64);
	}
}

static void every_evex(each_encoding fn, bool is64, unsigned int map, u8 op,
		       enum operand kind)
{
	u8 b[MAX_UINSN_BYTES];
	unsigned int i;

	for (i = 0; i < 32; i++) {
		fill(b);
		b[0] = 0x62;
		b[1] = (is64 ? rnd(16) << 4 : 0xf0) | map;
		b[2] = 4 | (i & 3) | (i & 4) << 5 | (rnd(3) ? 0x78 : rnd(16) << 3);
		b[3] = (i & 0x18) << 2 | (rnd(4) ? 8 : rnd(16)) | (rnd(2) ? 0 : rnd(8)) |
		       (rnd(6) ? 0 : 0x90);
		b[4] = op;
		put_modrm(b + 5, rnd(8), kind);
		fn(b, is64);
	}
}

void every_encoding(each_encoding fn, bool is64)
{
	unsigned int map, op, reg, kind;

	for (op = 0; op < 256; op++) {
		for (kind = 0; kind < OPERANDS; kind++) {
			for (map = MAP_ONE_BYTE; map < LEGACY_MAPS; map++)
				for (reg = 0; reg < 8; reg++)
					every_legacy(fn, is64, map, op, reg, kind);
			for (map = 1; map <= 3; map++)
				every_vex(fn, is64, map, op, kind, false);
			for (map = 8; map <= 10; map++)
				every_vex(fn, is64, map, op, kind, true);
			for (map = 1; map <= 6; map++)
				every_evex(fn, is64, map, op, kind);
		}
	}
}
