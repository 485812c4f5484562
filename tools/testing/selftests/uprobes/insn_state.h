/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of the machine around one instruction: what of it is compared, where
 * a signal's frame has it, and how it is filled with numbers. Whoever calls this
 * may be without thread-local storage.
 */
#ifndef UPROBES_SELFTEST_INSN_STATE_H
#define UPROBES_SELFTEST_INSN_STATE_H

#include "common.h"

#include <asm/prctl.h>
#include <ucontext.h>

enum kind {
	K_PLAIN,
	K_ZAPPED,	/* other values; and no page of the data is mapped */
	K_TF,		/* the program steps itself */
	K_LATE,		/* the data cannot be touched until a signal came */
	K_EDGE,		/* operands at the end of the data */
	K_WILD,		/* nothing is aimed anywhere */
	NR_KINDS
};

static const char * const kind_names[NR_KINDS] = {
	"plain", "pages gone", "TF", "late", "edge", "wild",
};

struct outcome {
	uint64_t gpr[16];
	uint64_t ip, flags;
	uint64_t addr, cr2, err, trap;
	uint64_t fs_base, gs_base;
	uint64_t x87, xmm, more;	/* hashes */
	uint64_t data, first;
	uint16_t sel[6];
	int32_t sig, code;
	uint32_t tries;
};

enum part {
	P_REGISTERS, P_IP, P_FLAGS, P_SIGNAL, P_ADDRESS, P_TRAP, P_BASES, P_SELECTORS,
	P_X87, P_XMM, P_MORE, P_DATA, P_FIRST, P_TRIES, NR_PARTS
};

static const char * const part_names[NR_PARTS] = {
	"registers", "ip", "flags", "signal", "address", "trap", "bases", "selectors",
	"x87", "xmm", "ymm", "data", "first", "tries",
};

#define XSTATE_MAX	16384

/* ---- small things ---- */

#define TF_FLAG		0x100UL
#define RF_FLAG		0x10000UL

static uint64_t mix64(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static uint64_t random_seed;

static uint64_t rnd(void)
{
	return mix64(random_seed += 0x9e3779b97f4a7c15ULL);
}

static unsigned int rnd_below(unsigned int n)
{
	return (uint32_t)(rnd() >> 32) % n;
}

static uint64_t hash_of(const void *p, size_t size)
{
	const uint8_t *b = p;
	uint64_t h = size, v;

	for (; size >= 8; size -= 8, b += 8) {
		memcpy(&v, b, 8);
		h = (h ^ v) * 0x9fb21c651e98df25ULL;
		h ^= h >> 32;
	}
	for (; size; size--, b++)
		h = (h ^ *b) * 0x9fb21c651e98df25ULL;
	return h;
}

static long raw_syscall(long nr, long a, long b, long c)
{
	long ret;

#ifdef __x86_64__
	asm volatile("syscall" : "=a" (ret) : "0" (nr), "D" (a), "S" (b), "d" (c)
		     : "rcx", "r11", "memory");
#else
	asm volatile("int $0x80" : "=a" (ret) : "0" (nr), "b" (a), "c" (b), "d" (c)
		     : "memory");
#endif
	return ret;
}

/* ---- segments ---- */

enum { SEL_CS, SEL_DS, SEL_ES, SEL_FS, SEL_GS, SEL_SS };

static uint16_t own_sel[6];
static unsigned long own_fs_base;
static bool have_fsgsbase;

#ifdef __x86_64__

static void get_segments(struct outcome *o)
{
	unsigned long base;

	asm volatile("mov %%ds, %0" : "=r" (o->sel[SEL_DS]));
	asm volatile("mov %%es, %0" : "=r" (o->sel[SEL_ES]));
	asm volatile("mov %%fs, %0" : "=r" (o->sel[SEL_FS]));
	asm volatile("mov %%gs, %0" : "=r" (o->sel[SEL_GS]));

	if (have_fsgsbase) {
		asm volatile("rdfsbase %0" : "=r" (base));
		o->fs_base = base;
		asm volatile("rdgsbase %0" : "=r" (base));
		o->gs_base = base;
	} else {
		raw_syscall(SYS_arch_prctl, ARCH_GET_FS, (long)&o->fs_base, 0);
		raw_syscall(SYS_arch_prctl, ARCH_GET_GS, (long)&o->gs_base, 0);
	}
}

static void set_segments(unsigned long fs_base, unsigned long gs_base, uint16_t gs)
{
	uint16_t now;

	asm volatile("mov %%ds, %0" : "=r" (now));
	if (now != own_sel[SEL_DS])
		asm volatile("mov %0, %%ds" : : "r" (own_sel[SEL_DS]));
	asm volatile("mov %%es, %0" : "=r" (now));
	if (now != own_sel[SEL_ES])
		asm volatile("mov %0, %%es" : : "r" (own_sel[SEL_ES]));
	asm volatile("mov %%fs, %0" : "=r" (now));
	if (now)
		asm volatile("mov %0, %%fs" : : "r" ((uint16_t)0));
	asm volatile("mov %%gs, %0" : "=r" (now));
	if (now != gs)
		asm volatile("mov %0, %%gs" : : "r" (gs));
	if (have_fsgsbase) {
		asm volatile("wrfsbase %0" : : "r" (fs_base));
		asm volatile("wrgsbase %0" : : "r" (gs_base));
	} else {
		raw_syscall(SYS_arch_prctl, ARCH_SET_FS, fs_base, 0);
		/* Takes a selector away too. */
		if (!gs)
			raw_syscall(SYS_arch_prctl, ARCH_SET_GS, gs_base, 0);
	}
}

#endif

/* ---- the signal frame ---- */

#ifdef __x86_64__

static const int greg_of[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

#define NR_GPRS		16
#define FX_IN_FRAME	0	/* the fxsave image in what uc_mcontext points to */
#define GREG_IP		REG_RIP
#define FRAME_CR2(uc)	((uint64_t)(uc)->uc_mcontext.gregs[REG_CR2])

static void frame_selectors(const ucontext_t *uc, uint16_t *sel)
{
	uint64_t all = uc->uc_mcontext.gregs[REG_CSGSFS];

	sel[SEL_CS] = all;
	sel[SEL_SS] = all >> 48;
}

static void set_frame_selectors(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_CSGSFS] = own_sel[SEL_CS] | (uint64_t)own_sel[SEL_SS] << 48;
}

#else

static const int greg_of[8] = {
	REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI,
};

#define NR_GPRS		8
#define FX_IN_FRAME	112
#define GREG_IP		REG_EIP
#define FRAME_CR2(uc)	((uint32_t)(uc)->uc_mcontext.cr2)

static void frame_selectors(const ucontext_t *uc, uint16_t *sel)
{
	const greg_t *g = uc->uc_mcontext.gregs;

	sel[SEL_CS] = g[REG_CS];
	sel[SEL_SS] = g[REG_SS];
	sel[SEL_DS] = g[REG_DS];
	sel[SEL_ES] = g[REG_ES];
	sel[SEL_FS] = g[REG_FS];
	sel[SEL_GS] = g[REG_GS];
}

static void set_frame_selectors(ucontext_t *uc)
{
	greg_t *g = uc->uc_mcontext.gregs;

	g[REG_CS] = own_sel[SEL_CS];
	g[REG_SS] = own_sel[SEL_SS];
	g[REG_DS] = own_sel[SEL_DS];
	g[REG_ES] = own_sel[SEL_ES];
	/* Flat, and not where the thread's own storage is. */
	g[REG_FS] = own_sel[SEL_DS];
	g[REG_GS] = own_sel[SEL_DS];
}

#endif

/* ---- x87 and vector state ---- */

#define FX_XMM		160
#define FX_SW		464	/* what the kernel says about the rest */
#define XSTATE_HEADER	512
#define XSTATE_EXTRA	576

static uint8_t learnt_xstate[XSTATE_MAX];
static unsigned int xstate_size;	/* from the fxsave image on */
static uint64_t xfeatures;		/* 0: fxsave only */
static struct { uint32_t size, offset; } extra[64];

static void learn_xstate(const uint8_t *fx)
{
	uint32_t magic, a, b, c, d;

	memcpy(&magic, fx + FX_SW, 4);
	xstate_size = XSTATE_HEADER;
	if (magic == 0x46505853) {
		memcpy(&xfeatures, fx + FX_SW + 8, 8);
		memcpy(&xstate_size, fx + FX_SW + 16, 4);
	}
	for (int i = 2; i < 63; i++) {
		if (!(xfeatures >> i & 1))
			continue;
		asm volatile("cpuid" : "=a" (a), "=b" (b), "=c" (c), "=d" (d)
			     : "0" (0xd), "2" (i));
		extra[i].size = a;
		extra[i].offset = b;
	}
}

static uint64_t in_use(const uint8_t *fx)
{
	uint64_t bv = 3;

	if (xfeatures)
		memcpy(&bv, fx + XSTATE_HEADER, 8);
	return bv;
}

/* A part that is not in use is at its initial value whatever its bytes are. */
static void settle_xstate(uint8_t *fx)
{
	uint64_t bv = in_use(fx);

	memset(fx + 416, 0, 96);
	if (!(bv & 1)) {
		memset(fx, 0, 24);
		memset(fx + 32, 0, 128);
		fx[0] = 0x7f;
		fx[1] = 0x03;
	}
	if (!(bv & 2))
		memset(fx + FX_XMM, 0, 256);
	for (int i = 2; i < 63; i++)
		if (xfeatures >> i & 1 && !(bv >> i & 1))
			memset(fx + extra[i].offset, 0, extra[i].size);
}

static void hash_xstate(struct outcome *o, const uint8_t *fx)
{
	static uint8_t copy[XSTATE_MAX];

	memcpy(copy, fx, xstate_size);
	settle_xstate(copy);
	o->x87 = hash_of(copy, FX_XMM);
	o->xmm = hash_of(copy + FX_XMM, 256);
	o->more = 0;
	for (int i = 2; i < 63; i++)
		if (xfeatures >> i & 1)
			o->more = mix64(o->more + hash_of(copy + extra[i].offset, extra[i].size));
}

static void fill_numbers(uint8_t *p, unsigned int size)
{
	static const uint64_t notable[] = {
		0, 0x3ff8000000000000, 0xc002000000000000, 0x0000000000000001,
		0x7ff0000000000000, 0x7ff8000000000000, 0x7ff4000000000000,
		0x3fc00000bf800000, 0x7f800000007fffff, 0x4479c00042f6e979,
		0x8000000000000000, 0x41dfffffffc00000, 0x7fffffff80000000,
	};
	uint64_t v;

	for (; size; size -= 8, p += 8) {
		v = rnd();
		if (v % 4 == 0)
			v = notable[v / 4 % ARRAY_SIZE(notable)];
		memcpy(p, &v, 8);
	}
}

static void make_xstate(uint8_t *frame)
{
	uint8_t *fx = frame + FX_IN_FRAME;
	uint16_t control = 0x37f, status = rnd_below(8) << 11;
	uint32_t mxcsr = 0x1f80;
	uint64_t bv;

	memcpy(frame, learnt_xstate, FX_IN_FRAME + xstate_size);
	if (!rnd_below(8))
		control = 0x340 | (rnd() & 0xc3f);
	if (!rnd_below(8))
		mxcsr = rnd() & 0xffff;
	memset(fx, 0, 32);
	memcpy(fx, &control, 2);
	memcpy(fx + 2, &status, 2);
	fx[4] = rnd_below(2) ? 0xf0 : rnd();
	memcpy(fx + 24, &mxcsr, 4);
	memcpy(fx + 28, learnt_xstate + FX_IN_FRAME + 28, 4);
	for (int i = 0; i < 8; i++) {
		uint8_t *st = fx + 32 + 16 * i;

		fill_numbers(st, 8);
		st[7] |= 0x80;
		st[8] = 0xf8 + rnd_below(12);
		st[9] = 0x3f | (rnd_below(2) << 7);
		memset(st + 10, 0, 6);
	}
	fill_numbers(fx + FX_XMM, sizeof(long) == 8 ? 256 : 128);
	if (xfeatures) {
		memcpy(&bv, fx + XSTATE_HEADER, 8);
		bv |= xfeatures & 7;
		memcpy(fx + XSTATE_HEADER, &bv, 8);
		if (bv & 4)
			fill_numbers(fx + extra[2].offset, sizeof(long) == 8 ? 256 : 128);
	}
#ifndef __x86_64__
	/* The kernel takes the x87 state from the older image in front. */
	uint32_t *env = (uint32_t *)frame;

	env[0] = 0xffff0000 | control;
	env[1] = 0xffff0000 | status;
	env[2] = 0xffff0000;
	for (int i = 0; i < 8; i++) {
		int phys = (i + (status >> 11)) & 7;

		if (!(fx[4] >> phys & 1))
			env[2] |= 3 << (2 * phys);
		memcpy(frame + 28 + 10 * i, fx + 32 + 16 * i, 10);
	}
	memset(env + 3, 0, 16);
#endif
}

#endif /* UPROBES_SELFTEST_INSN_STATE_H */
