// SPDX-License-Identifier: GPL-2.0-only
/*
 * Executes instructions three ways on the real CPU: where they are; as the copy
 * in a slot, with a borrowed gs base where it needs one; or by the emulator.
 * Registers, flags, vector and x87 state, memory, and the fault if there is one
 * must be the same.
 *
 *	exec [COUNT [SEED]]	random instructions
 *	exec - < LIST		those that objdump -d --insn-width=16 lists
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "insn.c"
#include "inat.c"
#include "decode.c"
#include "opcodes.c"
#include "analyze.c"
#include "riprel.c"
#include "random.h"

/*
 * A block of its own, low enough for 32-bit addresses; the slot below it, as
 * arch_prctl() takes no negative base
 */
#define BLOCK		0x20000000UL
#define BLOCK_SIZE	0x10000UL
#define CODE		(BLOCK + 0x8800)
#define SLOT		0x10000040UL
#define XSTATE_MAX	16384

/* In the order of ucontext's gregs */
static const int greg_of[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

/* What a signal handler's return restores */
#define FLAGS_RESTORED	(FLAGS_ARITH | X86_EFLAGS_DF | X86_EFLAGS_AC | X86_EFLAGS_TF)

struct outcome {
	unsigned long gpr[16];
	unsigned long ip, flags;
	int sig, code;
	unsigned long addr;
	u8 xstate[XSTATE_MAX];
	u8 block[BLOCK_SIZE];
};

static u8 * const block = (u8 *)BLOCK;
static u8 * const slot_page = (u8 *)(SLOT & ~0xfffUL);
static u8 start_block[BLOCK_SIZE];
static unsigned long start_gpr[16], start_flags;
static u8 start_xstate[XSTATE_MAX];
static unsigned int xstate_size;

/* ------------------------------------------------------------------ */
/* Running something at an address				      */
/* ------------------------------------------------------------------ */

static enum { IDLE, LEARN, START, RUN } phase;
static unsigned long run_at;
static struct outcome *result;
static ucontext_t home;
static u8 home_xstate[XSTATE_MAX];

static bool set_gs(unsigned long base)
{
	return !syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, base);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;
	void *fp = uc->uc_mcontext.fpregs;
	int i;

	/* A popped AC, ID or NT would now hold for this program. */
	asm volatile("pushf\n\tandl $~0x244000, (%%rsp)\n\tpopf" ::: "memory", "cc");
	switch (phase) {
	case LEARN:
		xstate_size = *(u32 *)(fp + 464 + 4);	/* sw_reserved.extended_size */
		if (!xstate_size || xstate_size > XSTATE_MAX)
			_exit(3);
		memcpy(start_xstate, fp, xstate_size);
		phase = IDLE;
		return;
	case START:
		memcpy(&home, uc, sizeof(home));
		memcpy(home_xstate, fp, xstate_size);
		for (i = 0; i < 16; i++)
			g[greg_of[i]] = start_gpr[i];
		g[REG_RIP] = run_at;
		g[REG_EFL] = start_flags;
		memcpy(fp, start_xstate, xstate_size);
		phase = RUN;
		return;
	case RUN:
		for (i = 0; i < 16; i++)
			result->gpr[i] = g[greg_of[i]];
		result->ip = g[REG_RIP];
		result->flags = g[REG_EFL];
		result->sig = sig;
		result->code = info->si_code;
		result->addr = sig == SIGTRAP ? 0 : (unsigned long)info->si_addr;
		memcpy(result->xstate, fp, xstate_size);
		memcpy(g, home.uc_mcontext.gregs, sizeof(home.uc_mcontext.gregs));
		memcpy(fp, home_xstate, xstate_size);
		phase = IDLE;
		return;
	default:
		signal(sig, SIG_DFL);
	}
}

/* False if this CPU lets only the kernel have such a base */
static bool run(unsigned long at, unsigned long gs, struct outcome *o)
{
	memcpy(block, start_block, BLOCK_SIZE);
	result = o;
	run_at = at;
	if (!set_gs(gs))
		return false;
	phase = START;
	asm volatile("int3" ::: "memory", "cc");
	memcpy(o->block, block, BLOCK_SIZE);
	return true;
}

/* ------------------------------------------------------------------ */
/* The emulator							      */
/* ------------------------------------------------------------------ */

static struct outcome *emulated;
static unsigned long gs_base;

/* What usermem.c is in the kernel: the block is all the memory there is. */
bool uprobe_canonical(unsigned long addr)
{
	return ((long)addr << 16 >> 16) == (long)addr;
}

void uprobe_raise_gp(void)
{
	emulated->sig = SIGSEGV;
	emulated->code = SI_KERNEL;
	emulated->addr = 0;
}

static bool reachable(unsigned long addr, unsigned int width, bool stack)
{
	unsigned int i;

	if (!uprobe_canonical(addr) || !uprobe_canonical(addr + width - 1)) {
		uprobe_raise_gp();
		if (stack)
			emulated->sig = SIGBUS;
		return false;
	}
	for (i = 0; i < width; i++) {
		if (addr + i - BLOCK < BLOCK_SIZE)
			continue;
		emulated->sig = SIGSEGV;
		emulated->code = SEGV_MAPERR;
		emulated->addr = addr + i;
		return false;
	}
	return true;
}

bool uprobe_read_user(const struct pt_regs *regs, unsigned long addr, unsigned int width,
		      bool stack, u64 *val)
{
	*val = 0;
	if (!reachable(addr, width, stack))
		return false;
	memcpy(val, (void *)addr, width);
	return true;
}

bool uprobe_write_user(const struct pt_regs *regs, unsigned long addr, unsigned int width,
		       bool stack, u64 val)
{
	if (!reachable(addr, width, stack))
		return false;
	memcpy((void *)addr, &val, width);
	return true;
}

static struct host_task task;

#include "emulate.c"

struct host_task *current = &task;

unsigned long insn_get_seg_base(struct pt_regs *regs, int seg)
{
	return seg == INAT_SEG_REG_GS ? gs_base : 0;
}

static void run_emulator(const struct arch_uprobe *au, unsigned long gs, struct outcome *o)
{
	struct pt_regs regs = { .ip = CODE, .flags = start_flags };

	memcpy(block, start_block, BLOCK_SIZE);
	memcpy(&regs, start_gpr, sizeof(start_gpr));
	gs_base = gs;
	emulated = o;
	o->sig = 0;
	arch_uprobe_emulate(au, &regs);
	memcpy(o->gpr, &regs, sizeof(o->gpr));
	o->ip = regs.ip;
	o->flags = regs.flags;
	memcpy(o->block, block, BLOCK_SIZE);
}

/* ------------------------------------------------------------------ */
/* One instruction						      */
/* ------------------------------------------------------------------ */

static unsigned long compared, faulted, by_copy, by_borrow, by_emulator, different;

static void dump(const char *what, const struct arch_uprobe *au, const struct outcome *a,
		 const struct outcome *b)
{
	int i;

	if (different++ >= 20)
		return;
	printf("%s differs:", what);
	for (i = 0; i < au->len; i++)
		printf(" %02x", au->insn[i]);
	printf(" (%s)\n", arch_uprobe_strategy_name(au));
	printf("  sig %d/%d code %d/%d addr %lx/%lx ip %lx/%lx flags %lx->%lx/%lx\n",
	       a->sig, b->sig, a->code, b->code, a->addr, b->addr, a->ip, b->ip,
	       start_flags, a->flags, b->flags);
	printf("  rsp %lx\n", start_gpr[4]);
	for (i = 0; i < 16; i++)
		if (a->gpr[i] != b->gpr[i])
			printf("  reg %d %lx -> %lx/%lx\n", i, start_gpr[i], a->gpr[i], b->gpr[i]);
}

/* x87 remembers where its last instruction and operand were: a known limit. */
static void forget_x87_pointers(struct outcome *o)
{
	memset(o->xstate + 6, 0, 18);
}

static bool same(const struct arch_uprobe *au, struct outcome *a, struct outcome *b, bool xstate)
{
	if (a->sig != b->sig || a->code != b->code || a->addr != b->addr) {
		dump("fault", au, a, b);
		return false;
	}
	if (a->ip != b->ip) {
		dump("ip", au, a, b);
		return false;
	}
	if (memcmp(a->gpr, b->gpr, sizeof(a->gpr)) ||
	    ((a->flags ^ b->flags) & FLAGS_RESTORED)) {
		dump("registers", au, a, b);
		return false;
	}
	if (memcmp(a->block, b->block, BLOCK_SIZE)) {
		dump("memory", au, a, b);
		return false;
	}
	forget_x87_pointers(a);
	forget_x87_pointers(b);
	if (xstate && memcmp(a->xstate, b->xstate, xstate_size)) {
		dump("vector state", au, a, b);
		return false;
	}
	return true;
}

/* Not the same twice, or what would take this program away from itself */
static bool unfit(const struct arch_uprobe *au)
{
	struct decoded d;

	uprobe_decode(&d, au->insn, au->len, true);
	if (d.seg == PREFIX_FS)
		return true;
	if (d.enc != ENC_LEGACY)
		return false;
	if (d.map == MAP_0F && (d.op == 0x01 || d.op == 0x31 || d.op == 0x33 || d.op == 0xa2))
		return true;	/* rdtscp, wrpkru, rdtsc, rdpmc, cpuid */
	if (d.map == MAP_0F && d.op == 0xc7 && d.mod == 3)
		return true;	/* rdrand, rdseed, rdpid */
	if (d.map == MAP_0F && d.op == 0xae)
		return true;	/* fxsave writes the x87 pointers; xrstor */
	if (d.map == MAP_ONE_BYTE && (d.op == 0xd9 || d.op == 0xdd) && d.mod < 3 && d.reg >= 4)
		return true;	/* fldenv, fnstenv, fnsave, frstor */
	if (d.map == MAP_ONE_BYTE && d.op == 0x8c)
		return true;	/* selectors: gs is 0 here whatever we do */
	return false;
}

/*
 * A branch into the block must find an int3 there. That may change what the
 * instruction reads; if so, and the branch goes elsewhere, it is of no use.
 */
static bool prepare_target(const struct arch_uprobe *au, unsigned long gs, struct outcome *o)
{
	unsigned long target;

	run_emulator(au, gs, o);
	target = o->ip;
	if (o->sig || target - BLOCK >= BLOCK_SIZE || target == CODE + au->len)
		return true;
	if (target >= CODE && target < CODE + au->len)
		return false;
	start_block[target - BLOCK] = UPROBE_SWBP_INSN;
	run_emulator(au, gs, o);
	/* Nor may the instruction have written over it. */
	return o->ip == target && !o->sig && o->block[target - BLOCK] == UPROBE_SWBP_INSN;
}

static void try_one(const u8 *text)
{
	static struct outcome real, ours;
	struct arch_uprobe au;
	unsigned long gs, base;

	if (arch_uprobe_analyze(&au, text, MAX_UINSN_BYTES, true) || unfit(&au))
		return;

	if (au.mem.base == UPROBE_MEM_RIP && au.mem.disp > -512 && au.mem.disp < 512)
		return;

	gs = rnd(2) ? BLOCK + rnd(0x1000) : 0;
	if (au.mem.base == UPROBE_MEM_RIP && au.mem.seg)
		gs = rnd(0x2000);
	memset(start_block + (CODE - BLOCK) - 256, UPROBE_SWBP_INSN, 512);
	memcpy(start_block + (CODE - BLOCK), au.insn, au.len);
	/* A popped TF would trap one instruction later than we look. */
	if (start_gpr[4] - BLOCK < BLOCK_SIZE - 8)
		start_block[start_gpr[4] - BLOCK + 1] &= ~1;

	if (au.strategy == UPROBE_EMULATE && !prepare_target(&au, gs, &ours))
		return;
	if (!run(CODE, gs, &real))
		return;
	compared++;
	if (au.strategy == UPROBE_EMULATE) {
		by_emulator++;
		run_emulator(&au, gs, &ours);
		if (ours.sig) {
			faulted++;
			/* Which comes first is for the CPU to choose. */
			if (ours.code == SI_KERNEL && real.code == SEGV_MAPERR &&
			    (au.op == EMU_CALL_MEM || au.op == EMU_CALL_REG)) {
				ours.sig = real.sig;
				ours.code = real.code;
				ours.addr = real.addr;
			}
		} else {
			/* Where it went there is an int3, or nothing at all. */
			ours.sig = real.sig;
			ours.code = real.code;
			ours.addr = real.addr;
			if (real.sig == SIGTRAP)
				real.ip--;
		}
		same(&au, &real, &ours, false);
		return;
	}

	by_copy++;
	arch_uprobe_slot_image(&au, (u8 *)SLOT);
	base = gs;
	if (au.fixups & UPROBE_FIX_BORROW) {
		by_borrow++;
		base = uprobe_riprel_base(&au, CODE, SLOT, gs);
	}
	if (!run(SLOT, base, &ours))
		return;
	if (ours.sig == SIGTRAP)
		ours.ip += CODE + au.len - SLOT - au.xol_len;
	else
		ours.ip += CODE - SLOT;
	if (ours.sig != SIGTRAP) {
		faulted++;
		/* SIGILL and SIGFPE name the instruction. */
		if (ours.sig == SIGILL || ours.sig == SIGFPE)
			ours.addr = real.addr;
	}
	same(&au, &real, &ours, true);
}

/* step.c, as far as user space has use for it */
void arch_uprobe_slot_image(const struct arch_uprobe *au, u8 *slot)
{
	memcpy(slot, au->xol, au->xol_len);
	memset(slot + au->xol_len, UPROBE_SWBP_INSN, UPROBE_XOL_SLOT_BYTES - au->xol_len);
}

/* ------------------------------------------------------------------ */

/* Somewhere in the block, but not near the code: it must not change under way. */
static unsigned long random_place(void)
{
	return BLOCK + (rnd(2) ? rnd(0x7c00) : 0x9400 + rnd(0x6800));
}

static void random_state(void)
{
	int i;

	for (i = 0; i < 16; i++) {
		switch (rnd(4)) {
		case 0:
			start_gpr[i] = rnd64();
			break;
		case 1:
			start_gpr[i] = rnd(64);
			break;
		default:
			start_gpr[i] = random_place();
		}
	}
	start_gpr[1] = rnd(16);		/* a rep must end */
	start_gpr[4] = rnd(20) ? random_place() : 0x1000 + rnd(4096);
	start_flags = 0x202 | (rnd64() & (FLAGS_ARITH | X86_EFLAGS_DF));
}

static void random_memory(void)
{
	unsigned long i, words = BLOCK_SIZE / 8;

	for (i = 0; i < words; i++) {
		u64 v = rnd(2) ? rnd64() : BLOCK + rnd(BLOCK_SIZE);

		memcpy(start_block + i * 8, &v, 8);
	}
	/* x87 and vector registers, all of them in use; the header stays valid. */
	for (i = 32; i < 416; i++)
		start_xstate[i] = rnd(256);
	for (i = 32; i < 160; i += 16)
		memset(start_xstate + i + 10, 0, 6);
	for (i = 576; i < 576 + 256; i++)
		start_xstate[i] = rnd(256);
}

/* Most displacements lead nowhere: let half of them stay within the block. */
static void tame_displacement(u8 *b)
{
	struct decoded d;
	int at, disp;

	if (!uprobe_decode(&d, b, MAX_UINSN_BYTES, true) || d.insn.displacement.nbytes != 4)
		return;
	at = d.len - d.insn.immediate.nbytes - 4;
	if (d.insn.immediate2.nbytes || at < 1 || !rnd(8))
		return;
	disp = (int)rnd(0x4000) - 0x2000;
	memcpy(b + at, &disp, 4);
}

static void random_ones(unsigned long count)
{
	u8 b[MAX_UINSN_BYTES];
	unsigned long i;

	for (i = 0; i < count; i++) {
		if (i % 64 == 0)
			random_memory();
		random_state();
		random_insn(b);
		tame_displacement(b);
		try_one(b);
	}
}

static void listed_ones(void)
{
	u8 b[MAX_UINSN_BYTES];
	char line[512];
	unsigned long i = 0;

	while (fgets(line, sizeof(line), stdin)) {
		char *p = strchr(line, '\t');
		unsigned int byte, n = 0;
		int used;

		if (!p)
			continue;
		memset(b, 0x90, sizeof(b));
		while (n < 15 && sscanf(p, "%2x%n", &byte, &used) == 1 && p[used] == ' ') {
			b[n++] = byte;
			p += used;
		}
		if (!n)
			continue;
		if (i++ % 64 == 0)
			random_memory();
		random_state();
		tame_displacement(b);
		try_one(b);
	}
}

int main(int argc, char **argv)
{
	static const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	struct sigaction sa = { .sa_sigaction = on_signal,
				.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	stack_t stack = { .ss_size = 1 << 20 };
	unsigned int i;

	rnd_seed(argc > 2 ? strtoull(argv[2], NULL, 0) : 1);
	stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mmap(block, BLOCK_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != block ||
	    mmap(slot_page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != slot_page ||
	    sigaltstack(&stack, NULL)) {
		perror("setting up");
		return 2;
	}
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);

	/* Have the upper halves of the vector registers in use, if there are any. */
	if (__builtin_cpu_supports("avx"))
		asm volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0\n\t"
			     "vinsertf128 $1, %%xmm0, %%ymm0, %%ymm0" ::: "xmm0");
	phase = LEARN;
	asm volatile("int3" ::: "memory", "cc");

	if (argc > 1 && !strcmp(argv[1], "-"))
		listed_ones();
	else
		random_ones(argc > 1 ? strtoul(argv[1], NULL, 0) : 200000);

	printf("%lu executed: %lu by emulation, %lu as a copy (%lu with a borrowed base); ",
	       compared, by_emulator, by_copy, by_borrow);
	printf("%lu of them faulted; %lu differ\n", faulted, different);
	return different || !by_emulator || !by_borrow;
}
