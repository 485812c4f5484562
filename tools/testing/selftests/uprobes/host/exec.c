// SPDX-License-Identifier: GPL-2.0-only
/*
 * Executes instructions on this CPU, each where it is, and then the way that the
 * arch half has chosen: the copy in a slot with its way back, the copy with an
 * int3 behind it and what is put right afterwards, or the emulator. Registers,
 * flags, segments, x87, vector and mask registers, memory, and the fault if there
 * is one must be the same, from several states. See usage().
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "exec.h"
#include "decode.h"
#include "elf_text.h"
#include "random.h"

static struct state st;
static struct outcome real, again, ours;
static unsigned int states = 2;
static unsigned long different;

/* ------------------------------------------------------------------ */
/* Ways							      */
/* ------------------------------------------------------------------ */

enum way {
	BY_EMULATION,
	BY_BOOST,
	BY_BOOST_GS,
	BY_BOOST_TRAP,		/* a boosted copy with TF, as its way back is not open */
	BY_LEAVING,
	BY_STEP,
	BY_STEP_FS,
	BY_STEP_GS,
	BY_STEP_FPU,
	BY_SYSCALL,		/* not executed here */
	WAYS
};

static const char * const way_names[WAYS] = {
	"emulate", "boost", "boost, gs", "boost, TF", "leaves", "step", "step, fs", "step, gs",
	"step, x87", "syscall",
};

static unsigned long tried[2][WAYS], faults[2][WAYS], unrepeatable, endless, odd;
static bool any_tf;		/* trap behind each boosted copy, as a signal does */

/* ------------------------------------------------------------------ */
/* Deliberate mistakes						      */
/* ------------------------------------------------------------------ */

enum mistake {
	NO_MISTAKE,
	WRONG_BASE,		/* the borrowed base is off by one */
	NO_BORROW,		/* none is borrowed */
	NO_RETURN,		/* it is not given back */
	WRONG_TARGET,		/* the way back ends one byte off */
	WRONG_COPY,		/* a bit of the copy */
	WRONG_FLAG,		/* an emulator spoils CF */
	WRONG_REGISTER,		/* an emulator spoils the highest bit of a register */
	WRONG_JUMP,		/* an emulator goes one byte off */
	WRONG_MEMORY,		/* an emulator spoils a byte of memory */
	WRONG_FAULT,		/* an emulated fault has another error code */
	WRONG_POINTER,		/* x87's instruction pointer stays in the slot */
	WRONG_VECTOR,		/* a bit of a vector register */
	WRONG_IP,		/* a fault is shown in the slot */
	MISTAKES
};

static const char * const mistake_names[MISTAKES] = {
	"none", "base", "borrow", "return", "target", "copy", "flag", "register", "jump",
	"memory", "fault", "pointer", "vector", "ip",
};

static enum mistake mistake;

/* ------------------------------------------------------------------ */
/* Comparison							      */
/* ------------------------------------------------------------------ */

static void dump(const char *what, const struct arch_uprobe *au, enum way way)
{
	int i;

	if (different++ >= 25)
		return;
	printf("DIFFERS in %s (%d bit, %s):", what, au->is64 ? 64 : 32, way_names[way]);
	for (i = 0; i < au->len; i++)
		printf(" %02x", au->insn[i]);
	printf("\n  sig %d/%d code %d/%d addr %lx/%lx trap %lu/%lu error %lx/%lx cr2 %lx/%lx\n",
	       real.sig, ours.sig, real.code, ours.code, real.addr, ours.addr, real.trapno,
	       ours.trapno, real.error, ours.error, real.cr2, ours.cr2);
	printf("  ip %lx/%lx flags %lx->%lx/%lx base %lx,%lx->%lx,%lx/%lx,%lx\n", real.ip, ours.ip,
	       st.flags, real.flags, ours.flags, st.base[0], st.base[1], real.base[0],
	       real.base[1], ours.base[0], ours.base[1]);
	for (i = 0; i < 16; i++)
		if (real.gpr[i] != ours.gpr[i])
			printf("  register %d %lx->%lx/%lx\n", i, st.gpr[i], real.gpr[i],
			       ours.gpr[i]);
	for (i = 0; i < 6; i++)
		if (real.sel[i] != ours.sel[i])
			printf("  selector %d %x/%x\n", i, real.sel[i], ours.sel[i]);
	for (i = 0; i < xstate_size; i++)
		if (real.xstate[i] != ours.xstate[i]) {
			printf("  FPU state at %d %02x->%02x/%02x\n", i, st.xstate[i],
			       real.xstate[i], ours.xstate[i]);
			break;
		}
	for (i = 0; i < READ_ONLY - BLOCK; i++)
		if (real.block[i] != ours.block[i]) {
			printf("  memory at %lx %02x->%02x/%02x\n", BLOCK + i, st.block[i],
			       real.block[i], ours.block[i]);
			break;
		}
}

static const char *difference(const struct outcome *a, const struct outcome *b)
{
	if (a->sig != b->sig || a->code != b->code || a->addr != b->addr)
		return "signal";
	if (a->trapno != b->trapno || a->error != b->error || a->cr2 != b->cr2)
		return "trap number";
	if (a->ip != b->ip)
		return "ip";
	if (memcmp(a->gpr, b->gpr, sizeof(a->gpr)))
		return "registers";
	if (a->flags != b->flags)
		return "flags";
	if (memcmp(a->sel, b->sel, sizeof(a->sel)))
		return "selectors";
	if (memcmp(a->base, b->base, sizeof(a->base)))
		return "segment bases";
	if (memcmp(a->block, b->block, READ_ONLY - BLOCK))
		return "memory";
	if (memcmp(a->xstate, b->xstate, xstate_size))
		return "FPU state";
	return NULL;
}

/* ------------------------------------------------------------------ */
/* Our ways							      */
/* ------------------------------------------------------------------ */

static void enter_world(struct pt_regs *regs)
{
	memset(regs, 0, sizeof(*regs));
	memcpy(regs, st.gpr, sizeof(st.gpr));
	regs->ip = CODE;
	regs->flags = st.flags;
	regs->cs = st.is64 ? __USER_CS : __USER32_CS;
	regs->ss = __USER_DS;
	memcpy(world.base, st.base, sizeof(world.base));
	memset(world.sel, 0, sizeof(world.sel));
	world.sig = 0;
	current->thread.trap_nr = 0;
	current->thread.error_code = 0;
	current->thread.cr2 = 0;
}

static bool run_real(struct outcome *o)
{
	return machine_run(&st, CODE, st.flags, st.base, o);
}

static void spoil_emulation(struct pt_regs *regs)
{
	switch (mistake) {
	case WRONG_FLAG:
		regs->flags ^= X86_EFLAGS_CF;
		break;
	case WRONG_REGISTER:
		regs->r9 ^= 1UL << 63;
		break;
	case WRONG_JUMP:
		regs->ip++;
		break;
	case WRONG_MEMORY:
		block[0x123] ^= 1;
		break;
	case WRONG_FAULT:
		current->thread.error_code ^= 2;
		break;
	default:
		break;
	}
}

/* Whatever the emulator does not know of is as it was. */
static void run_emulator(const struct arch_uprobe *au, struct outcome *o)
{
	struct pt_regs regs;

	memcpy(block, st.block, READ_ONLY - BLOCK);
	enter_world(&regs);
	arch_uprobe_emulate(au, &regs);
	spoil_emulation(&regs);
	memcpy(o->gpr, &regs, sizeof(o->gpr));
	o->ip = regs.ip;
	o->flags = regs.flags;
	o->sig = world.sig;
	o->code = world.code;
	o->addr = world.addr;
	o->trapno = current->thread.trap_nr;
	o->error = current->thread.error_code;
	o->cr2 = o->trapno == X86_TRAP_PF ? current->thread.cr2 : 0;
	memcpy(o->block, block, READ_ONLY - BLOCK);
}

static void copy_signal(struct outcome *to, const struct outcome *o)
{
	to->sig = o->sig;
	to->code = o->code;
	to->addr = o->addr;
	to->trapno = o->trapno;
	to->error = o->error;
	to->cr2 = o->cr2;
}

/*
 * Where an emulated instruction went there is an int3, or nothing at all: that
 * exception is no concern of the emulator's.
 */
static void finish_emulation(const struct arch_uprobe *au)
{
	memcpy(ours.sel, real.sel, sizeof(ours.sel));
	memcpy(ours.base, real.base, sizeof(ours.base));
	memcpy(ours.xstate, real.xstate, xstate_size);
	if (!ours.sig) {
		copy_signal(&ours, &real);
		/* An exception shows RF by its own rules. */
		ours.flags |= real.flags & X86_EFLAGS_RF;
		if (real.sig == SIGTRAP)
			ours.ip++;
		return;
	}
	/* A bad target and a bad stack: which comes first is for the CPU to choose. */
	if (ours.trapno == X86_TRAP_GP &&
	    (real.trapno == X86_TRAP_PF || real.trapno == X86_TRAP_AC) &&
	    (au->op == EMU_CALL_MEM || au->op == EMU_CALL_REG))
		copy_signal(&ours, &real);
}

static void regs_of_outcome(struct pt_regs *regs, const struct outcome *o)
{
	memcpy(regs, o->gpr, sizeof(o->gpr));
	regs->ip = o->ip;
	regs->flags = o->flags;
	regs->cs = o->sel[0];
	regs->ss = o->sel[1];
	memcpy(world.base, o->base, sizeof(world.base));
	world.sel[0] = o->sel[4];
	world.sel[1] = o->sel[5];
}

/* As if the int3 behind the original had ended it: that is how run_real() sees it. */
static void end_by_int3(struct outcome *o)
{
	o->sig = SIGTRAP;
	o->code = SI_KERNEL;
	o->addr = 0;
	o->trapno = X86_TRAP_BP;
	o->error = 0;
	o->cr2 = 0;
	o->ip++;
}

/* One byte further, wherever the way back has it */
static void spoil_target(const struct arch_uprobe *au, u8 *image)
{
	u64 target = CODE + au->len;
	unsigned int i;

	for (i = au->xol_len; i <= UPROBE_XOL_SLOT_BYTES - sizeof(target); i++)
		if (!memcmp(image + i, &target, sizeof(target)))
			image[i]++;
	if (!au->is64 && au->strategy == UPROBE_BOOST)
		image[au->xol_len + 1]++;
}

/* Where an aborted transaction goes on there is an int3 or nothing. */
static void end_as_real(struct outcome *o, struct pt_regs *regs)
{
	copy_signal(o, &real);
	regs->flags |= real.flags & X86_EFLAGS_RF;
	if (real.sig != SIGTRAP)
		regs->ip--;
}

static void write_image(const struct arch_uprobe *au)
{
	u8 image[UPROBE_XOL_SLOT_BYTES];

	arch_uprobe_slot_image(au, CODE, SLOT, image);
	if (mistake == WRONG_TARGET)
		spoil_target(au, image);
	if (mistake == WRONG_COPY)
		image[au->xol_len - 1] ^= 8;
	machine_write_slot(image, sizeof(image));
}

/*
 * What the core does with a thread that is back in the kernel: @place says where,
 * the signal why. Leaves in @o what the program would see.
 */
static void finish_copy(const struct arch_uprobe *au, struct arch_uprobe_task *at,
			struct outcome *o, bool trapped)
{
	unsigned long dr6 = DR_STEP, in_slot = o->ip - SLOT;
	bool own_int3, own_debug;
	struct pt_regs regs;

	regs_of_outcome(&regs, o);
	if (in_slot >= UPROBE_XOL_SLOT_BYTES) {
		/* A load of ss puts the debug exception off by one instruction. */
		if (o->trapno == X86_TRAP_DB && arch_uprobe_own_debug(at, &regs, &dr6))
			end_by_int3(o);
		regs.ip = o->ip;
		arch_uprobe_left_xol(at, &regs);
		goto out;
	}
	own_int3 = au->strategy == UPROBE_STEP && o->trapno == X86_TRAP_BP;
	own_debug = o->trapno == X86_TRAP_DB && arch_uprobe_own_debug(at, &regs, &dr6);
	if (!own_int3 && !own_debug)
		current->thread.trap_nr = o->trapno;
	world.xstate = o->xstate;
	switch (arch_uprobe_place(au, &regs, SLOT)) {
	case UPROBE_BEFORE:
		arch_uprobe_abort_xol(au, at, &regs, CODE);
		break;
	case UPROBE_BEHIND:
		arch_uprobe_post_xol(au, at, &regs, CODE, SLOT);
		break;
	default:
		break;
	}
	world.xstate = NULL;
	if (o->addr == SLOT && (o->sig == SIGILL || o->sig == SIGFPE))
		o->addr = regs.ip;
	if (own_int3 || own_debug) {
		o->ip = regs.ip;
		end_by_int3(o);
		regs.ip = o->ip;
		regs.flags &= ~X86_EFLAGS_RF;
		if (au->fixups & UPROBE_FIX_ABORT)
			end_as_real(o, &regs);
	}
out:
	o->ip = regs.ip;
	o->flags = regs.flags;
	memcpy(o->base, world.base, sizeof(o->base));
	if (mistake == WRONG_IP && !trapped && o->trapno != X86_TRAP_BP)
		o->ip = SLOT;
	if (mistake == WRONG_VECTOR)
		o->xstate[160 + 5] ^= 0x10;
}

static bool run_copy(const struct arch_uprobe *original, struct outcome *o)
{
	struct arch_uprobe au = *original;
	struct arch_uprobe_task at = {};
	struct pt_regs regs;

	if (mistake == NO_BORROW)
		au.fixups &= ~UPROBE_FIX_BORROW;
	if (mistake == WRONG_POINTER)
		au.fixups &= ~UPROBE_FIX_FPU;
	write_image(&au);
	enter_world(&regs);
	arch_uprobe_pre_xol(&au, &at, &regs, CODE, SLOT);
	if (any_tf && au.strategy == UPROBE_BOOST)
		arch_uprobe_trap_behind(&au, &at, &regs);
	if (mistake == WRONG_BASE && (au.fixups & UPROBE_FIX_BORROW))
		world.base[!(au.fixups & UPROBE_FIX_FS)]++;
	if (!machine_run(&st, regs.ip, regs.flags, world.base, o))
		return false;
	if (mistake == NO_RETURN)
		at.borrowed = 0;
	finish_copy(&au, &at, o, at.tf);
	return true;
}

/* ------------------------------------------------------------------ */
/* One instruction						      */
/* ------------------------------------------------------------------ */

static enum way way_of(const struct arch_uprobe *au)
{
	switch (au->strategy) {
	case UPROBE_EMULATE:
		return BY_EMULATION;
	case UPROBE_SYSCALL:
		return BY_SYSCALL;
	case UPROBE_BOOST:
		if (au->fixups & UPROBE_FIX_LEAVES)
			return BY_LEAVING;
		if (any_tf || ((au->fixups & UPROBE_FIX_BORROW) && st.base[1]))
			return BY_BOOST_TRAP;
		return au->fixups & UPROBE_FIX_BORROW ? BY_BOOST_GS : BY_BOOST;
	default:
		if (au->fixups & UPROBE_FIX_FPU)
			return BY_STEP_FPU;
		if (au->fixups & UPROBE_FIX_BORROW)
			return au->fixups & UPROBE_FIX_FS ? BY_STEP_FS : BY_STEP_GS;
		return BY_STEP;
	}
}

/* What would take this program away, or change it for good */
static bool unfit(const struct decoded *d)
{
	if (d->enc != ENC_LEGACY || d->map != MAP_0F)
		return false;
	/* sysenter; syscall in 32-bit code */
	return d->op == 0x34 || d->op == 0x05;
}

/*
 * A branch into the block must find an int3 there. That may change what the
 * instruction reads; if so, and the branch goes elsewhere, it is of no use.
 */
static bool prepare_target(const struct arch_uprobe *au)
{
	enum mistake kept = mistake;
	unsigned long target;
	bool ok;

	mistake = NO_MISTAKE;
	run_emulator(au, &ours);
	target = ours.ip;
	ok = true;
	if (ours.sig || target == CODE + au->len)
		goto out;
	ok = target - SLOT_PAGE >= PAGE_SIZE && !(target >= CODE && target < CODE + au->len);
	if (!ok || target - BLOCK >= BLOCK_SIZE)
		goto out;
	ok = target < READ_ONLY;
	if (!ok)
		goto out;
	st.block[target - BLOCK] = UPROBE_SWBP_INSN;
	run_emulator(au, &ours);
	/* Nor may the instruction have written over it. */
	ok = ours.ip == target && !ours.sig && ours.block[target - BLOCK] == UPROBE_SWBP_INSN;
out:
	mistake = kept;
	return ok;
}

/* Two runs of the original that differ: random numbers, clocks, counters */
static bool repeatable(void)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		run_real(&again);
		if (difference(&real, &again))
			return false;
	}
	return true;
}

static void note_coverage(struct class_seen *c, enum way way)
{
	enum how_far how = EXECUTED;

	tried[st.is64][way]++;
	if (real.sig != SIGTRAP && real.ip == CODE) {
		faults[st.is64][way]++;
		how = real.sig == SIGILL ? NO_SUCH : FAULTED;
	}
	if (how > c->how_far)
		c->how_far = how;
}

static bool run_ours(const struct arch_uprobe *au, enum way way)
{
	if (way != BY_EMULATION)
		return run_copy(au, &ours);
	run_emulator(au, &ours);
	finish_emulation(au);
	return true;
}

static void execute(const struct decoded *d, const struct arch_uprobe *au)
{
	struct class_seen *c = class_of(d);
	const char *what;
	unsigned int i;
	enum way way;

	random_state(&st, d, au);
	put_in_place(&st, d, au);
	way = way_of(au);
	if (way == BY_SYSCALL || unfit(d)) {
		tried[st.is64][BY_SYSCALL]++;
		c->elsewhere = true;
		return;
	}
	if (way == BY_EMULATION && !prepare_target(au))
		return;
	if (!run_real(&real))
		return;
	if (real.sig == SIGVTALRM) {
		endless++;
		return;
	}
	/* A processor does not stop within an instruction, some hypervisors do. */
	if (real.ip > CODE && real.ip < CODE + au->len) {
		odd++;
		return;
	}
	/* Nor does the int3 behind it raise #GP: they have passed over an int n before. */
	if (real.ip == CODE + au->len && real.trapno == X86_TRAP_GP) {
		odd++;
		return;
	}
	/* What it has written itself was executed next. */
	if (memcmp(real.block + CODE_AREA, st.block + CODE_AREA, CODE_AREA_SIZE))
		return;
	if (!run_ours(au, way))
		return;
	note_coverage(c, way);
	what = difference(&real, &ours);
	if (!what)
		return;
	if (!repeatable()) {
		c->unrepeatable = true;
		unrepeatable++;
		return;
	}
	/*
	 * What looks at the clock may have agreed by chance; and a kernel without
	 * FSGSBASE does not notice at a context switch that a base was given back.
	 */
	for (i = 0; i < 4 && what; i++) {
		run_real(&real);
		run_ours(au, way);
		what = difference(&real, &ours);
	}
	if (what)
		dump(what, au, way);
}

/* Most displacements lead nowhere: let most of them stay within the block. */
static void tame_displacement(const struct decoded *d, u8 *b)
{
	int at, disp;

	if (d->insn.displacement.nbytes != 4 || d->insn.immediate2.nbytes || !rnd(8))
		return;
	at = d->len - d->insn.immediate.nbytes - 4;
	if (at < 1)
		return;
	disp = is_mem(d) && d->mod == 0 && d->rm == 5 && !d->is64 ?
		(int)(BLOCK + rnd(BLOCK_SIZE)) : (int)rnd(0x2000) - 0x1000;
	/* Not what is to be executed */
	if (disp > -512 && disp < 512)
		disp += 1024;
	memcpy(b + at, &disp, 4);
}

/* The ways that were not chosen, where there are others: once each */
static void other_ways(const struct decoded *d, const struct arch_uprobe *chosen, const u8 *b)
{
	unsigned int seen = 1 << way_of(chosen), avoid;
	struct arch_uprobe au;

	for (avoid = 1; avoid <= 4; avoid++) {
		host_set_avoid(avoid & 3);
		world.fsgsbase = avoid < 4;
		if (!arch_uprobe_analyze(&au, b, MAX_UINSN_BYTES, d->is64) &&
		    !(seen & 1 << way_of(&au))) {
			seen |= 1 << way_of(&au);
			execute(d, &au);
		}
	}
	host_set_avoid(0);
	world.fsgsbase = true;
	if (chosen->strategy != UPROBE_BOOST || rnd(4))
		return;
	any_tf = true;
	execute(d, chosen);
	any_tf = false;
}

static void try_one(const u8 *text, bool is64)
{
	struct arch_uprobe au;
	struct class_seen *c;
	struct decoded d;
	u8 b[MAX_UINSN_BYTES];
	unsigned int i;

	memcpy(b, text, sizeof(b));
	if (!uprobe_decode(&d, b, sizeof(b), is64))
		return;
	tame_displacement(&d, b);
	if (!uprobe_decode(&d, b, sizeof(b), is64) ||
	    arch_uprobe_analyze(&au, b, sizeof(b), is64))
		return;
	c = class_of(&d);
	c->accepted = true;
	/* More often, if all it did so far was to fault */
	for (i = 0; i < states || (c->how_far == FAULTED && i < 12 * states && !rnd(2)); i++)
		execute(&d, &au);
	other_ways(&d, &au, b);
}

/* ------------------------------------------------------------------ */
/* Where the encodings come from				      */
/* ------------------------------------------------------------------ */

static bool runs_32bit;
static unsigned long tries;

static void next(const u8 *b, bool is64)
{
	if (tries++ % 64 == 0)
		random_memory(&st);
	try_one(b, is64);
}

static void random_ones(unsigned long count)
{
	u8 b[MAX_UINSN_BYTES];

	while (count--) {
		random_insn(b);
		next(b, !runs_32bit || rnd(4));
	}
}

/* What files have most of, each form once in a while */
static unsigned long every_nth = 8, nth;

static void from_file(const struct elf_text *t, const u8 *bytes, unsigned int n)
{
	u8 b[MAX_UINSN_BYTES] = {};

	if (nth++ % every_nth || (!t->is64 && !runs_32bit))
		return;
	memcpy(b, bytes, n);
	next(b, t->is64);
}

/* ------------------------------------------------------------------ */

static void usage(void)
{
	puts("exec [OPTION...] [FILE...]\n"
	     "	Executes every encoding, then those of the ELF files, then random ones.\n"
	     "  -c COUNT	random ones (default 100000)\n"
	     "  -e		not every encoding\n"
	     "  -k STATES	from so many states each (default 2)\n"
	     "  -n N		each Nth instruction of the files (default 8)\n"
	     "  -s SEED	for another run\n"
	     "  -v		name the classes that were not executed to their end\n"
	     "  -b MISTAKE	make it on purpose\n"
	     "  -m		name the mistakes");
}

static void print_mistakes(void)
{
	unsigned int i;

	for (i = 1; i < MISTAKES; i++)
		puts(mistake_names[i]);
}

static enum mistake mistake_by_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < MISTAKES; i++)
		if (!strcmp(name, mistake_names[i]))
			return i;
	errx(2, "no such mistake: %s", name);
}

int main(int argc, char **argv)
{
	unsigned long count = 100000, sum = 0;
	bool systematic = true, verbose = false;
	unsigned int i, k, not_run = 0;
	int opt;

	rnd_seed(1);
	while ((opt = getopt(argc, argv, "b:c:ek:mn:s:v")) != -1) {
		switch (opt) {
		case 'b':
			mistake = mistake_by_name(optarg);
			break;
		case 'c':
			count = strtoul(optarg, NULL, 0);
			break;
		case 'e':
			systematic = false;
			break;
		case 'k':
			states = strtoul(optarg, NULL, 0);
			break;
		case 'm':
			print_mistakes();
			return 0;
		case 'n':
			every_nth = strtoul(optarg, NULL, 0);
			break;
		case 's':
			rnd_seed(strtoull(optarg, NULL, 0));
			break;
		case 'v':
			verbose = true;
			break;
		default:
			usage();
			return 2;
		}
	}
	world.block = BLOCK;
	world.block_end = BLOCK + BLOCK_SIZE;
	world.read_only = READ_ONLY;
	world.vendor = __builtin_cpu_is("intel") ? X86_VENDOR_INTEL : X86_VENDOR_AMD;
	machine_init(&st);
	runs_32bit = machine_runs_32bit(&st);
	if (!runs_32bit)
		printf("this system cannot run 32-bit code: only 64-bit code is executed\n");

	if (systematic) {
		every_encoding(next, true);
		if (runs_32bit)
			every_encoding(next, false);
	}
	for (i = optind; i < argc; i++) {
		struct elf_text t;

		elf_walk(&t, argv[i], from_file);
	}
	random_ones(count);

	printf("executed, 64 bit and 32 bit (of these faulted):\n");
	for (k = 0; k < WAYS; k++) {
		printf("  %-10s %8lu (%lu), %lu (%lu)%s\n", way_names[k], tried[1][k], faults[1][k],
		       tried[0][k], faults[0][k], k == BY_SYSCALL ? " not executed here" : "");
		sum += k == BY_SYSCALL ? 0 : tried[0][k] + tried[1][k];
	}
	if (systematic)
		not_run = print_classes(verbose);
	print_unrepeatable();
	printf("%lu executed, %lu not repeatable, %lu without end, %lu ended within, %lu differ\n",
	       sum, unrepeatable, endless, odd, different);
	return different || !sum || not_run;
}
