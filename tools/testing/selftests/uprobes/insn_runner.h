/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Executes a list of instructions, each in a place of its own and in several
 * states of the machine, and keeps what it leaves behind: without probes, and
 * then at the same addresses, from the same states, with a probe on each.
 *
 * All of it happens in one signal handler. An instruction is followed by hlt,
 * which faults; the handler takes the state from its frame, puts the next one
 * there and returns into the next instruction. So nothing but the instruction
 * runs between two looks at every register.
 */
#ifndef UPROBES_SELFTEST_INSN_RUNNER_H
#define UPROBES_SELFTEST_INSN_RUNNER_H

#include "insn_quirks.h"

#include <sys/auxv.h>
#include <sys/time.h>

/* ---- where things are ---- */

#define CELL		512UL	/* text of one instruction */
#define CELL_INSN	200
#define CELL_TARGET	400	/* for branches; all of the rest is hlt */
/* No sum of it and LIST_DATA, or of their multiples, is where a heap may be. */
#define FAR_AWAY	0x40000000UL

#define DATA_LOW	0x800	/* what operands are aimed at */
#define DATA_HIGH	0x2c00
#define DATA_STACK	0x3000
#define DATA_FPU	0x40	/* what fnstenv says */
#define DATA_WORDS	(LIST_DATA_SIZE / 8)

/* ---- what is kept ---- */

/* All of it, for the first that differ. */
struct full_state {
	unsigned int insn;
	enum kind kind;
	struct outcome o, first;
	uint8_t xstate[XSTATE_MAX];
	uint64_t data[DATA_WORDS];
};

#define MAX_FULL	40

/* One of the list. Sets of states are bits of enum kind. */
struct subject {
	uint8_t *at;
	uint32_t kinds;		/* those to run */
	uint32_t never;		/* those of them in which this machine is wrong */
	bool broken;		/* it is wrong in all */
	bool skip;
	uint64_t executed;	/* times its first byte was reached */
	uint32_t differs;	/* states that were not left as natively */
	uint32_t differ_in;	/* what of them, bits of enum part */
};

struct runner {
	const struct listed_insn *insns;
	unsigned int n;
	struct codefile file;
	uint8_t *text;
	size_t text_size;
	struct outcome *native;		/* n * NR_KINDS */
	struct subject *of;

	/* one run */
	bool probed;
	unsigned int insn;
	enum kind kind;
	unsigned int different;		/* instructions */
	struct full_state full[MAX_FULL];
	struct full_state natively;	/* one of them, without a probe */
	unsigned int nr_full;
	bool again;			/* one that differed, to be shown */
};

static struct runner runner;

/* ---- data ---- */

static uint64_t pristine[DATA_WORDS];
static uint64_t * const data = (uint64_t *)LIST_DATA;

struct word {
	unsigned int i;
	uint64_t old;
};

static struct word changed_words[8];
static unsigned int nr_changed_words;

/* A word of the initial data, for this once. */
static void set_word(unsigned long at, uint64_t value)
{
	unsigned int i = (at - LIST_DATA) / 8;

	if (at % 8 || at < LIST_DATA || i >= DATA_WORDS)
		return;
	changed_words[nr_changed_words++] = (struct word){ i, pristine[i] };
	pristine[i] = value;
	data[i] = value;
}

/* Hash of all that is different from before; and then it no longer is. */
static uint64_t hash_data(void)
{
	uint64_t h = 0;

	for (unsigned int i = 0; i < DATA_WORDS; i++)
		if (data[i] != pristine[i])
			h = mix64(h + data[i] + ((uint64_t)(i + 1) << 48));
	return h;
}

static void restore_data(void)
{
	while (nr_changed_words) {
		struct word *w = &changed_words[--nr_changed_words];

		pristine[w->i] = w->old;
	}
	for (unsigned int i = 0; i < DATA_WORDS; i++)
		if (data[i] != pristine[i])
			data[i] = pristine[i];
}

/* ---- the state before ---- */

static unsigned long target_of(const uint8_t *at)
{
	return (unsigned long)at / CELL * CELL + CELL_TARGET;
}

static unsigned long riprel_target(unsigned int insn)
{
	return LIST_DATA + DATA_LOW + (mix64(insn) % (DATA_HIGH - DATA_LOW) & -64);
}

static uint64_t value_for(unsigned int reg, uint8_t *at)
{
	static const uint64_t edges[] = {
		0, 1, -1, 0x80, 0x7fff, 0x80000000, 0x7fffffff, 0x8000000000000000,
		0x7fffffffffffffff, 0xffffffff80000000,
	};

	/* A random address of 32 bits might be in use. This and its multiples are not. */
	if (sizeof(long) == 4 && runner.kind == K_WILD && rnd_below(2))
		return 0xb0000000 + rnd_below(1 << 20);
	switch (rnd_below(16)) {
	case 0 ... 6:
		return LIST_DATA + DATA_LOW + rnd_below((DATA_HIGH - DATA_LOW) / 16) * 16;
	case 7:
		return LIST_DATA + DATA_LOW + rnd_below(DATA_HIGH - DATA_LOW);
	case 8 ... 9:
		/* Text may not be read: there are breakpoints in it. */
		if (runner.kind == K_WILD || reg == 5)
			return FAR_AWAY + rnd_below(1 << 20);
		return target_of(at);
	case 10 ... 11:
		return rnd_below(64);
	default:
		break;
	}
	if (sizeof(long) == 4 && runner.kind == K_WILD)
		return rnd_below(0x10000);
	return rnd_below(4) ? rnd() : edges[rnd_below(ARRAY_SIZE(edges))];
}

static uint64_t aim_at(void)
{
	uint64_t to = LIST_DATA + DATA_LOW + rnd_below(DATA_HIGH - DATA_LOW);

	if (runner.kind == K_EDGE)
		return LIST_DATA + LIST_DATA_SIZE - rnd_below(40);
	return rnd_below(8) ? to & -64 : to;
}

/* Registers such that a memory operand is somewhere. */
static void aim(uint64_t *gpr, const struct listed_insn *l, const struct listed_mem *m,
		unsigned long fs_base, unsigned long gs_base, uint8_t *at)
{
	uint64_t to = aim_at();

	if (l->what & LIST_INDIRECT && runner.kind != K_EDGE) {
		to &= -8;
		set_word(to, target_of(at));
	}
	to -= m->disp;
	if (m->seg)
		to -= m->seg == 0x64 ? fs_base : gs_base;
	if (m->index != LIST_NONE && m->index != m->base) {
		gpr[m->index] = rnd_below(8);
		to -= gpr[m->index] * m->scale;
	}
	if (m->base == LIST_NONE) {
		if (m->index != LIST_NONE)
			gpr[m->index] = (aim_at() - m->disp) / m->scale;
		return;
	}
	if (l->addr_size == 4)
		to = (uint32_t)to | (rnd_below(2) ? rnd() << 32 : 0);
	gpr[m->base] = to;
	if (m->index == m->base)
		gpr[m->base] = to / (m->scale + 1);
}

/* What ret, lret and iret find */
static void make_stack(uint64_t sp, uint8_t *at)
{
	uint64_t target = target_of(at);

	if (sp % 8)
		return;
#ifdef __x86_64__
	set_word(sp, target);
	set_word(sp + 8, own_sel[SEL_CS]);
	set_word(sp + 16, rnd() & 0xcd5);
	set_word(sp + 24, sp);
	set_word(sp + 32, own_sel[SEL_SS]);
#else
	set_word(sp, target | (uint64_t)own_sel[SEL_CS] << 32);
	set_word(sp + 8, (rnd() & 0xcd5) | (sp << 32));
#endif
}

static void choose_numbers(uint64_t *gpr, const struct listed_insn *l)
{
	static const int harmless[] = { 39, 102, 110, 186, 0xfff0 };	/* getpid, ... */
	static const int harmless32[] = { 20, 64, 224, 0xfff0 };

	if (l->what & LIST_COUNT && rnd_below(8))
		gpr[1] = rnd_below(40);
	if (l->what & LIST_SYSCALL)
		gpr[0] = harmless[rnd_below(ARRAY_SIZE(harmless))];
	if (l->what & LIST_INT80)
		gpr[0] = harmless32[rnd_below(ARRAY_SIZE(harmless32))];
}

static void prepare(ucontext_t *uc, unsigned int insn, enum kind kind)
{
	const struct listed_insn *l = &runner.insns[insn];
	uint8_t *at = runner.of[insn].at, *frame = (uint8_t *)uc->uc_mcontext.fpregs;
	unsigned long fs_base = own_fs_base, gs_base = 0;
	uint16_t gs = 0;
	uint64_t gpr[16], flags = 0x202;
	bool seg = false;

	random_seed = mix64((uint64_t)insn * NR_KINDS + kind + 1);
	restore_data();

	for (int i = 0; i < l->nr_mems; i++)
		seg |= l->mems[i].seg;
	/* What a %rip-relative operand with a prefix reaches was decided by layout. */
	if (seg && l->what & LIST_RIPREL) {
		fs_base = 0x10000;
		gs_base = 0x10000;
	} else if (seg || (kind == K_ZAPPED && !rnd_below(3))) {
		fs_base = 0x1000UL * (1 + rnd_below(64));
		gs_base = 0x1000UL * rnd_below(64);
	}
	if (kind == K_ZAPPED && !seg && !rnd_below(16)) {
		gs = own_sel[SEL_SS];
		gs_base = 0;
	}

	for (int i = 0; i < 16; i++)
		gpr[i] = value_for(i, at);
	gpr[4] = LIST_DATA + DATA_STACK + 8 * rnd_below(256);
	if (kind == K_WILD && rnd_below(2))
		gpr[4] = value_for(4, at);
	if (kind == K_EDGE && rnd_below(2))
		gpr[4] = LIST_DATA + (rnd_below(2) ? LIST_DATA_SIZE : 0) - 8 + rnd_below(17);
	choose_numbers(gpr, l);
	for (int i = 0; i < l->nr_mems && kind != K_WILD; i++)
		aim(gpr, l, &l->mems[i], fs_base, gs_base, at);
	if (data_runs && l->what & LIST_INDIRECT && !l->nr_mems)
		for (int i = 0; i < 16; i++)
			if (i != 4)
				gpr[i] = target_of(at);
	if ((l->what & (LIST_INDIRECT | LIST_RIPREL)) == (LIST_INDIRECT | LIST_RIPREL))
		set_word(riprel_target(insn), target_of(at));
	make_stack(gpr[4], at);

	flags |= rnd() & 0x8d5;			/* arithmetic */
	if (!rnd_below(8))
		flags |= 0x400;			/* DF */
	if (!rnd_below(16))
		flags |= 0x200000;		/* ID */
	if (kind == K_TF)
		flags |= TF_FLAG;

	for (int i = 0; i < NR_GPRS; i++)
		uc->uc_mcontext.gregs[greg_of[i]] = gpr[i];
	uc->uc_mcontext.gregs[GREG_IP] = (unsigned long)at;
	uc->uc_mcontext.gregs[REG_EFL] = flags;
	make_xstate(frame);
	set_frame_selectors(uc);

	if (kind == K_ZAPPED)
		raw_syscall(SYS_madvise, LIST_DATA, LIST_DATA_SIZE, MADV_DONTNEED);
	if (kind == K_LATE)
		raw_syscall(SYS_mprotect, LIST_DATA, LIST_DATA_SIZE, PROT_NONE);
#ifdef __x86_64__
	set_segments(fs_base, gs_base, gs);
#else
	(void)gs;
#endif
}

/* ---- the state afterwards ---- */

static struct outcome now, at_first;
static uint64_t first_fault;

static void take(struct outcome *o, int sig, const siginfo_t *info, const ucontext_t *uc)
{
	const greg_t *g = uc->uc_mcontext.gregs;

	for (int i = 0; i < NR_GPRS; i++)
		o->gpr[i] = (unsigned long)g[greg_of[i]];
	o->ip = (unsigned long)g[GREG_IP];
	o->flags = (unsigned long)g[REG_EFL] & ~ignored_flags;
	frame_selectors(uc, o->sel);
	o->sig = sig;
	o->code = info->si_code;
	o->addr = info->si_code > 0 ? (unsigned long)info->si_addr : 0;
	o->trap = (unsigned long)g[REG_TRAPNO];
	o->err = (unsigned long)g[REG_ERR];
	/* Of the stack, too, it would be this one to QEMU. */
	if (is_qemu && o->trap == 12) {
		o->trap = 13;
		o->sig = SIGSEGV;
	}
	/* Stale for all but page faults. */
	o->cr2 = o->trap == 14 ? FRAME_CR2(uc) : 0;
	hash_xstate(o, (const uint8_t *)uc->uc_mcontext.fpregs + FX_IN_FRAME);
}

/* A time or a random number is different each time. */
static void forget_varying(struct outcome *o, const struct listed_insn *l)
{
	bool faulted = o->ip == (unsigned long)runner.of[runner.insn].at;

	if (faulted)
		return;
	if (l->what & LIST_CYCLES) {
		o->gpr[0] = 0;
		o->gpr[2] = 0;
	}
	if (l->what & LIST_RANDOM) {
		o->gpr[l->reg] = 0;
		o->flags &= ~1UL;
	}
}

static uint32_t parts_that_differ(const struct outcome *a, const struct outcome *b)
{
	uint32_t parts = 0;

	parts |= !!memcmp(a->gpr, b->gpr, sizeof(a->gpr)) << P_REGISTERS;
	parts |= (a->ip != b->ip) << P_IP;
	parts |= (a->flags != b->flags) << P_FLAGS;
	parts |= (a->sig != b->sig || a->code != b->code) << P_SIGNAL;
	parts |= (a->addr != b->addr || a->cr2 != b->cr2) << P_ADDRESS;
	parts |= (a->trap != b->trap || a->err != b->err) << P_TRAP;
	parts |= (a->fs_base != b->fs_base || a->gs_base != b->gs_base) << P_BASES;
	parts |= !!memcmp(a->sel, b->sel, sizeof(a->sel)) << P_SELECTORS;
	parts |= (a->x87 != b->x87) << P_X87;
	parts |= (a->xmm != b->xmm) << P_XMM;
	parts |= (a->more != b->more) << P_MORE;
	parts |= (a->data != b->data) << P_DATA;
	parts |= (a->first != b->first) << P_FIRST;
	parts |= (a->tries != b->tries) << P_TRIES;
	return parts;
}

static void keep_full(struct full_state *f, const ucontext_t *uc)
{
	f->insn = runner.insn;
	f->kind = runner.kind;
	f->o = now;
	f->first = at_first;
	memcpy(f->xstate, (uint8_t *)uc->uc_mcontext.fpregs + FX_IN_FRAME, xstate_size);
	settle_xstate(f->xstate);
	memcpy(f->data, data, LIST_DATA_SIZE);
}

static void judge(const ucontext_t *uc)
{
	struct outcome *native = &runner.native[runner.insn * NR_KINDS + runner.kind];

	if (runner.again) {
		keep_full(&runner.natively, uc);
		return;
	}
	runner.of[runner.insn].executed += now.tries;
	if (!runner.probed) {
		*native = now;
		if (!is_canonical(now.ip))
			runner.of[runner.insn].never |= 1U << runner.kind;
		return;
	}
	if (!memcmp(native, &now, sizeof(now)))
		return;
	if (!runner.of[runner.insn].differs)
		runner.different++;
	/* One state of an instruction tells enough. */
	if (!runner.of[runner.insn].differs && runner.nr_full < MAX_FULL)
		keep_full(&runner.full[runner.nr_full++], uc);
	runner.of[runner.insn].differs |= 1U << runner.kind;
	runner.of[runner.insn].differ_in |= parts_that_differ(native, &now);
}

/* ---- one after the other ---- */

static uint32_t kinds_of(unsigned int insn)
{
	return runner.of[insn].kinds & ~runner.of[insn].never;
}

static bool advance(void)
{
	if (runner.again)
		return false;
	for (;;) {
		if (++runner.kind == NR_KINDS) {
			runner.kind = 0;
			do {
				runner.insn++;
			} while (runner.insn < runner.n && runner.of[runner.insn].skip);
		}
		if (runner.insn >= runner.n)
			return false;
		if (kinds_of(runner.insn) >> runner.kind & 1)
			return true;
	}
}

static enum { IDLE, START, RUN } phase;
static ucontext_t home;
static uint8_t home_xstate[XSTATE_MAX];

static void keep_home(const ucontext_t *uc)
{
	const uint8_t *frame = (const uint8_t *)uc->uc_mcontext.fpregs;

	if (!xstate_size) {
		learn_xstate(frame + FX_IN_FRAME);
		memcpy(learnt_xstate, frame, FX_IN_FRAME + xstate_size);
		frame_selectors(uc, own_sel);
		learn_flags(uc);
#ifdef __x86_64__
		struct outcome o;

		get_segments(&o);
		own_sel[SEL_DS] = o.sel[SEL_DS];
		own_sel[SEL_ES] = o.sel[SEL_ES];
		own_fs_base = o.fs_base;
#endif
	}
	memcpy(&home, uc, sizeof(home));
	memcpy(home_xstate, frame, FX_IN_FRAME + xstate_size);
}

static void go_home(ucontext_t *uc)
{
	memcpy(uc->uc_mcontext.gregs, home.uc_mcontext.gregs, sizeof(home.uc_mcontext.gregs));
	memcpy(uc->uc_mcontext.fpregs, home_xstate, FX_IN_FRAME + xstate_size);
	uc->uc_mcontext.gregs[GREG_IP] += 2;	/* ud2 */
	restore_data();
#ifdef __x86_64__
	set_segments(own_fs_base, 0, 0);
#endif
	phase = IDLE;
}

/* What the instruction may have left set, and for 32 bit the way to own storage */
static void clean_up_flags(void)
{
#ifdef __x86_64__
	asm volatile("pushf\n\tandl $~0x244000, (%%rsp)\n\tpopf" : : : "memory", "cc");
#else
	asm volatile("pushf\n\tandl $~0x244000, (%%esp)\n\tpopf" : : : "memory", "cc");
	if (own_sel[SEL_GS])
		asm volatile("mov %0, %%gs" : : "r" (own_sel[SEL_GS]));
#endif
}

/* Something that cannot go on: say what it is. */
static void say_where(const char *what, unsigned long ip)
{
	char text[200];
	int n;

	n = snprintf(text, sizeof(text), "# %s at %lx, in number %u, %s, %s\n", what, ip,
		     runner.insn, kind_names[runner.kind], runner.probed ? "probed" : "not probed");
	if (write(1, text, n) != n)
		_exit(98);
	_exit(99);
}

static volatile bool in_handler;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	unsigned long at;

	clean_up_flags();
	if (in_handler)
		say_where("signal in the handler", uc->uc_mcontext.gregs[GREG_IP]);
	in_handler = true;
	if (phase == START) {
		keep_home(uc);
		phase = RUN;
		goto next;
	}
	if (phase != RUN)
		say_where("signal out of turn", uc->uc_mcontext.gregs[GREG_IP]);

	at = (unsigned long)runner.of[runner.insn].at;
	memset(&now, 0, sizeof(now));
	take(&now, sig, info, uc);
	if (runner.kind == K_LATE)
		raw_syscall(SYS_mprotect, LIST_DATA, LIST_DATA_SIZE, PROT_READ | PROT_WRITE);
	if (runner.kind == K_LATE && !first_fault && sig == SIGSEGV && now.ip == at &&
	    now.addr - LIST_DATA < LIST_DATA_SIZE) {
		first_fault = hash_of(&now, sizeof(now));
		at_first = now;
		goto out;
	}
#ifdef __x86_64__
	get_segments(&now);
#endif
	now.data = hash_data();
	now.first = first_fault;
	now.tries = first_fault ? 2 : 1;
	forget_varying(&now, &runner.insns[runner.insn]);
	judge(uc);
	if (!advance()) {
		go_home(uc);
		goto out;
	}
next:
	first_fault = 0;
	prepare(uc, runner.insn, runner.kind);
out:
	in_handler = false;
}

static uint8_t runner_stack[1 << 17] __attribute__((aligned(64)));

/* Something that never ends? */
static void on_alarm(int sig)
{
	static unsigned int last_insn = -1, last_kind;

	clean_up_flags();
	if (phase != RUN)
		return;
	if (runner.insn == last_insn && runner.kind == last_kind)
		say_where("stuck", 0);
	last_insn = runner.insn;
	last_kind = runner.kind;
}

static void forget_results(void)
{
	for (unsigned int i = 0; i < runner.n; i++) {
		runner.of[i].executed = 0;
		runner.of[i].differs = 0;
		runner.of[i].differ_in = 0;
	}
	runner.different = 0;
	runner.nr_full = 0;
}

static void run_all(void)
{
	/* Whether a page of text is there shows in the error code of a write to it. */
	for (size_t i = 0; i < runner.text_size; i += PAGE)
		*(volatile uint8_t *)(runner.text + i);
	/* advance() finds the first. */
	runner.insn = -1;
	runner.kind = NR_KINDS - 1;
	if (!advance())
		return;
	phase = START;
	asm volatile("ud2" : : : "memory", "cc");
}

static void run_again(unsigned int insn, enum kind kind)
{
	runner.again = true;
	runner.insn = insn;
	runner.kind = kind;
	phase = START;
	asm volatile("ud2" : : : "memory", "cc");
	runner.again = false;
}

/* ---- making it ready ---- */

/* The bytes that say how far it is from here, in a copy that will be at @at. */
static void place_field(uint8_t *bytes, unsigned long at, unsigned int i,
			const struct listed_insn *l)
{
	unsigned long next = at + l->len, cell = i * CELL + LIST_TEXT;
	uint8_t *field = bytes + l->field;
	int32_t way;

	random_seed = mix64(i);
	if (l->what & LIST_RIPREL) {
		way = riprel_target(i) - next;
		if (l->mems[0].seg)
			way -= 0x10000;
		memcpy(field, &way, 4);
	} else if (l->what & LIST_BRANCH && l->field_size == 4) {
		way = cell + CELL_TARGET + rnd_below(60) - next;
		if (!rnd_below(4))
			way = FAR_AWAY + rnd_below(1 << 20) - next;
		memcpy(field, &way, 4);
	} else if (l->what & LIST_BRANCH && l->field_size == 1) {
		/* Not to itself: that could go on for ever. */
		if ((int8_t)*field < 0 && (int8_t)*field >= -(int)l->len)
			*field = 0x20;
	}
}

static void place(uint8_t *image, unsigned int i, const struct listed_insn *l)
{
	unsigned long offset = i * CELL + CELL_INSN + i % 16;
	uint32_t env = LIST_DATA + DATA_FPU;
	uint8_t *behind;

	/* Each eighth across the end of a page */
	if (i % 8 == 7)
		offset = (i + 1) * CELL - 1 - i / 8 % (l->len > 1 ? l->len - 1 : 1);
	runner.of[i].at = (uint8_t *)LIST_TEXT + offset;
	memcpy(image + offset, l->bytes, l->len);
	place_field(image + offset, LIST_TEXT + offset, i, l);
	if (l->what & LIST_X87 && knows_x87_place()) {
		behind = image + offset + l->len;
		*behind++ = 0xd9;
#ifdef __x86_64__
		*behind++ = 0x34;
		*behind++ = 0x25;
#else
		*behind++ = 0x35;
#endif
		memcpy(behind, &env, 4);
	}
}

static int runner_setup(const struct listed_insn *insns, unsigned int n)
{
	static const int caught[] = {
		SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGTRAP, SIGSYS, SIGUSR1,
	};
	size_t size = ((size_t)(n + 16) * CELL + PAGE - 1) & -PAGE;
	struct sigaction sa = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};
	struct sigaction alarm = {
		.sa_handler = on_alarm,
		.sa_flags = SA_ONSTACK | SA_RESTART,
	};
	stack_t ss = {
		.ss_sp = runner_stack,
		.ss_size = sizeof(runner_stack),
	};
	struct itimerval every = { { 30, 0 }, { 30, 0 } };
	uint8_t *image;
	cpu_set_t one;
	void *got;
	int fd;

	/* What cpuid, rdpid and lsl say depends on the CPU. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	have_fsgsbase = getauxval(AT_HWCAP2) & 2;
	look_at_cpu();

	runner.insns = insns;
	runner.n = n;
	runner.of = calloc(n, sizeof(*runner.of));
	runner.native = calloc((size_t)n * NR_KINDS, sizeof(*runner.native));
	image = malloc(size);
	if (!runner.of || !runner.native || !image)
		return -ENOMEM;

	memset(image, 0xf4, size);
	code_ident(image);
	for (unsigned int i = 0; i < n; i++) {
		place(image, i, &insns[i]);
		runner.of[i].broken = cpu_is_wrong(&insns[i]);
		runner.of[i].skip = runner.of[i].broken;
		runner.of[i].never = cpu_is_wrong_in(&insns[i]);
	}
	if (codefile_make(&runner.file, image, size))
		return -errno;
	free(image);
	got = mmap((void *)LIST_TEXT, size, PROT_READ | PROT_EXEC,
		   MAP_PRIVATE | MAP_FIXED_NOREPLACE, runner.file.fd, 0);
	if (got != (void *)LIST_TEXT)
		return -EEXIST;
	runner.text = got;
	runner.text_size = size;

	fd = memfd_create("insn_data", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, LIST_DATA_SIZE))
		return -errno;
	got = mmap((void *)LIST_DATA, LIST_DATA_SIZE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	close(fd);
	if (got != data)
		return -EEXIST;
	random_seed = 4711;
	fill_numbers((uint8_t *)pristine, sizeof(pristine));

	sigaltstack(&ss, NULL);
	sigaddset(&sa.sa_mask, SIGALRM);
	sigaddset(&sa.sa_mask, SIGUSR1);
	for (unsigned int i = 0; i < ARRAY_SIZE(caught); i++)
		sigaction(caught[i], &sa, NULL);
	sigaction(SIGALRM, &alarm, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	return 0;
}

#endif /* UPROBES_SELFTEST_INSN_RUNNER_H */
