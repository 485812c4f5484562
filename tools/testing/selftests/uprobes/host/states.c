// SPDX-License-Identifier: GPL-2.0-only
/* What an instruction starts from: registers and memory that mean something to it. */
#include "exec.h"
#include "random.h"

#define FLAGS_ARITH	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | \
			 X86_EFLAGS_ZF | X86_EFLAGS_SF | X86_EFLAGS_OF)

/* Somewhere in the block, but not near the code: it must not change under way. */
static unsigned long random_place(void)
{
	unsigned long place = BLOCK + (rnd(2) ? rnd(0x4400) : 0x4c00 + rnd(0x3400));

	return rnd(3) ? place & ~63UL : place;
}

static unsigned long random_value(void)
{
	static const u16 selectors[] = { 0, 3, 0x2b, 0x2b, 0x23, 0x33, 0x10 };

	switch (rnd(8)) {
	case 0 ... 1:
		return rnd64();
	case 2:
		return rnd(64);
	case 3:
		return rnd(4) ? rnd(2) - 1UL : selectors[rnd(ARRAY_SIZE(selectors))];
	default:
		return random_place();
	}
}

static void random_fpu(struct state *s)
{
	u16 *x87 = (u16 *)s->xstate;
	u32 *mxcsr = (u32 *)(s->xstate + 24);

	x87[0] = 0x037f ^ (rnd(4) ? 0 : rnd(16) << 8);
	x87[1] = rnd(4) ? 0 : rnd(8) << 11 | rnd(2) << 14 | rnd(8) << 8;
	s->xstate[4] = rnd(3) ? 0 : rnd(256);
	*mxcsr = 0x1f80;
	if (!rnd(4))
		*mxcsr = (rnd(0x10000) & 0xe07f) | 0x1f80;
	if (!rnd(6)) {
		/* Exceptions that are not masked; for x87 one may be pending. */
		x87[0] &= ~(rnd(64));
		*mxcsr &= ~(rnd(64) << 7);
		if (rnd(2)) {
			x87[1] |= rnd(64);
			if (x87[1] & ~x87[0] & 0x3f)
				x87[1] |= 0x8080;
		}
	}
}

void random_state(struct state *s, const struct decoded *d, const struct arch_uprobe *au)
{
	int i;

	s->is64 = au->is64;
	for (i = 0; i < 16; i++)
		s->gpr[i] = random_value();
	s->gpr[1] = rnd(16);		/* a rep must end */
	if (!rnd(8))
		s->gpr[1] |= rnd64() << 32;
	s->gpr[4] = rnd(20) ? random_place() : 0x1000 + rnd(4096);
	s->flags = 0x202 | (rnd64() & (FLAGS_ARITH | X86_EFLAGS_DF));
	if (!rnd(16))
		s->flags |= X86_EFLAGS_AC;
	random_fpu(s);
	s->base[0] = 0;
	s->base[1] = rnd(3) ? 0 : BLOCK + rnd(0x1000);
	if (d->seg == PREFIX_FS)
		s->base[0] = BLOCK + rnd(0x1000);
	/* An operand with a displacement that counts from here */
	if (is_riprel(d) && d->seg) {
		s->base[0] = d->seg == PREFIX_FS ? 0x100 + rnd(0x800) : 0;
		s->base[1] = d->seg == PREFIX_GS ? rnd(0x800) : 0;
	}
	if (!au->is64) {
		for (i = 0; i < 16; i++)
			s->gpr[i] = i < 8 ? (u32)s->gpr[i] : 0;
		s->base[0] = 0;
		s->base[1] = 0;
	}
}

void random_memory(struct state *s)
{
	unsigned long i, words = BLOCK_SIZE / 8;
	unsigned int kind = rnd(4);

	for (i = 0; i < words; i++) {
		u64 v = rnd(2) ? rnd64() : random_value();

		memcpy(s->block + i * 8, &v, 8);
	}
	machine_protect(false);
	memcpy((void *)READ_ONLY, s->block + (READ_ONLY - BLOCK), PAGE_SIZE);
	machine_protect(true);
	/*
	 * Vector and mask registers, all of them in use; what is not a register
	 * stays as the kernel has it.
	 */
	for (i = 32; i < 416; i++)
		s->xstate[i] = kind ? rnd(256) : rnd(3) ? 0 : rnd(4);
	for (i = 32; i < 160; i += 16)
		memset(s->xstate + i + 10, 0, 6);
	for (i = 576; i < xstate_size - 4; i++) {
		if (i >= 2688)		/* what comes after AVX-512 */
			break;
		s->xstate[i] = kind ? rnd(256) : rnd(3) ? 0 : rnd(4);
	}
}

/* What a far return, iret or far jump needs to come back to the block */
static void put_far_target(struct state *s, const struct decoded *d)
{
	u64 frame[5] = { CODE + 0x80, d->is64 ? __USER_CS : __USER32_CS, 0x202,
			 BLOCK + 0x1000, __USER_DS };
	unsigned int size = d->width, i;
	unsigned long at;

	if (d->op == 0xff) {
		for (at = 0; at < READ_ONLY - BLOCK; at += 16) {
			memcpy(s->block + at, &frame[0], size);
			memcpy(s->block + at + size, &frame[1], 2);
		}
		return;
	}
	at = s->gpr[4] - BLOCK;
	if (at >= READ_ONLY - BLOCK - sizeof(frame))
		return;
	for (i = 0; i < 5; i++)
		memcpy(s->block + at + i * size, &frame[i], size);
}

void put_in_place(struct state *s, const struct decoded *d, const struct arch_uprobe *au)
{
	if ((au->fixups & UPROBE_FIX_LEAVES) && rnd(2))
		put_far_target(s, d);
	/* A popped TF would trap one instruction later than we look. */
	if (s->gpr[4] - BLOCK < READ_ONLY - BLOCK - 32) {
		s->block[s->gpr[4] - BLOCK + 1] &= ~1;
		s->block[s->gpr[4] - BLOCK + 9] &= ~1;
		s->block[s->gpr[4] - BLOCK + 17] &= ~1;
	}
	memset(s->block + CODE_AREA, UPROBE_SWBP_INSN, CODE_AREA_SIZE);
	memcpy(s->block + (CODE - BLOCK), au->insn, au->len);
}
