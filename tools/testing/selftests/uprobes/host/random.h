/* SPDX-License-Identifier: GPL-2.0-only */
/* Random numbers that are the same for the same seed, and random instructions */
#ifndef HOST_RANDOM_H
#define HOST_RANDOM_H

static u64 rnd_state = 1;

static inline u64 rnd64(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state * 0x2545f4914f6cdd1dULL;
}

static inline u32 rnd(u32 below)
{
	return (rnd64() >> 32) % below;
}

static inline void rnd_seed(u64 seed)
{
	rnd_state = seed * 0x9e3779b97f4a7c15ULL | 1;
}

/* Mostly bytes that begin something: plain random ones are nearly all one-byte opcodes. */
static inline void random_insn(u8 *b)
{
	static const u8 prefixes[] = {
		0x66, 0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x64, 0x65, 0x2e, 0x36, 0x3e, 0x26,
	};
	static const u8 starts[] = { 0x0f, 0x0f, 0x0f, 0xc4, 0xc5, 0x62, 0x8f, 0xd5 };
	unsigned int i, n = 0;

	for (i = 0; i < MAX_UINSN_BYTES; i++)
		b[i] = rnd(256);
	while (n < 6 && !rnd(3))
		b[n++] = prefixes[rnd(sizeof(prefixes))];
	if (!rnd(3))
		b[n++] = 0x40 | rnd(16);
	if (rnd(3)) {
		b[n++] = starts[rnd(sizeof(starts))];
		if (b[n - 1] == 0x0f && rnd(2))
			b[n++] = rnd(2) ? 0x38 : 0x3a;
	}
	if (!rnd(4))
		b[n + 1 + rnd(4)] = 0x05 | rnd(8) << 3;
}

#endif
