// SPDX-License-Identifier: GPL-2.0-only
/* See random.h. */
#include "random.h"

static u64 state = 1;

u64 rnd64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dULL;
}

u32 rnd(u32 below)
{
	return ((rnd64() >> 32) * below) >> 32;
}

void rnd_seed(u64 seed)
{
	state = seed * 0x9e3779b97f4a7c15ULL | 1;
}

/* EVEX: the fixed bits mostly as they must be, the map one that exists */
static unsigned int put_evex(u8 *b)
{
	static const u8 maps[] = { 1, 1, 2, 2, 3, 3, 5, 6, 4, 7 };

	b[0] = 0x62;
	b[1] = (rnd64() & 0xf0) | maps[rnd(sizeof(maps))];
	b[2] = rnd(256) | (rnd(16) ? 4 : 0);
	if (rnd(2))
		b[2] |= 0x78;		/* vvvv: none */
	b[3] = rnd(256) | (rnd(4) ? 8 : 0);
	if (rnd(2))
		b[3] &= ~0x97;		/* no mask register, no broadcast */
	return 4;
}

static unsigned int put_vex(u8 *b)
{
	if (!rnd(3)) {
		b[0] = 0xc5;
		b[1] = rnd(256) | (rnd(2) ? 0x78 : 0);
		return 2;
	}
	b[0] = 0xc4;
	b[1] = (rnd64() & 0xe0) | (rnd(16) ? 1 + rnd(3) : rnd(32));
	b[2] = rnd(256) | (rnd(2) ? 0x78 : 0);
	return 3;
}

static unsigned int put_xop(u8 *b)
{
	b[0] = 0x8f;
	b[1] = (rnd64() & 0xe0) | (rnd(16) ? 8 + rnd(3) : rnd(32));
	b[2] = rnd(256) | (rnd(2) ? 0x78 : 0);
	return 3;
}

static unsigned int put_legacy(u8 *b)
{
	unsigned int n = 0;

	if (!rnd(3))
		b[n++] = 0x40 | rnd(16);
	switch (rnd(8)) {
	case 0 ... 1:
		if (!rnd(4))
			b[n++] = 0xd8 | rnd(8);	/* x87 */
		break;
	case 2 ... 4:
		b[n++] = 0x0f;
		break;
	case 5:
		b[n++] = 0x0f;
		b[n++] = 0x38;
		break;
	case 6:
		b[n++] = 0x0f;
		b[n++] = 0x3a;
		break;
	default:
		if (rnd(2)) {
			b[n++] = 0x0f;
			b[n++] = 0x0f;	/* 3DNow */
		} else {
			b[n++] = 0xd5;	/* REX2 */
			b[n++] = rnd(256);
		}
	}
	return n;
}

/**
 * random_insn() - something that may be an instruction
 * @b: MAX_UINSN_BYTES bytes
 *
 * Random bytes are nearly always one-byte opcodes: each encoding and map gets
 * its share, each prefix is seen, and some operands are relative to %rip.
 */
void random_insn(u8 *b)
{
	static const u8 prefixes[] = {
		0x66, 0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x64, 0x65, 0x2e, 0x36, 0x3e, 0x26,
	};
	unsigned int i, n = 0;

	for (i = 0; i < MAX_UINSN_BYTES; i++)
		b[i] = rnd(256);
	while (n < 6 && !rnd(3))
		b[n++] = prefixes[rnd(sizeof(prefixes))];
	switch (rnd(8)) {
	case 0 ... 3:
		n += put_legacy(b + n);
		break;
	case 4 ... 5:
		n += put_vex(b + n);
		break;
	case 6:
		n += put_evex(b + n);
		break;
	default:
		n += rnd(4) ? put_evex(b + n) : put_xop(b + n);
	}
	if (!rnd(4))
		b[n + 1] = 0x05 | rnd(8) << 3;
}
