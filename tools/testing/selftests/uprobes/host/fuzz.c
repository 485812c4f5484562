// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer against the decoder, the policy, the slot images and the emulators,
 * with ASan and UBSan. An input is one byte of settings, up to 16 bytes of text,
 * which end where the file ends, and registers from the rest.
 *
 * Whatever the bytes are, the record must be one that the core can rely on:
 * check_record() and what it calls say what that is. UPROBES_BREAK in the
 * environment names a mistake to make on purpose.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "world.h"
#include "decode.h"

#define BLOCK		0x20000000UL
#define BLOCK_SIZE	0x10000UL
#define VADDR		(BLOCK + 0x8000)
#define SLOT		0x7ffffffde040UL
#define SLOT32		0xffffd040UL

#define TEXT_MAX	16

enum {
	SET_64		= 0x01,
	SET_AVOID	= 0x06,		/* the two bits of the parameter */
	SET_NO_FSGSBASE	= 0x08,
	SET_INTEL	= 0x10,
	SET_TF		= 0x20,
	SET_AC		= 0x40,
	SET_GS		= 0x80,		/* the program has a gs base of its own */
};

static const char *mistake = "";

#define require(cond)	do {						\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: not so: %s\n", __func__, __LINE__, #cond); \
		abort();						\
	}								\
} while (0)

static bool mistaken(const char *name)
{
	return !strcmp(mistake, name);
}

/* ------------------------------------------------------------------ */
/* Slots							      */
/* ------------------------------------------------------------------ */

static unsigned long slot_of(const struct arch_uprobe *au)
{
	return au->is64 ? SLOT : SLOT32;
}

static u64 get_bytes(const u8 *p, unsigned int n)
{
	u64 val = 0;

	memcpy(&val, p, n);
	return val;
}

/* The copy is the instruction, or differs from it by a segment prefix that counts. */
static void check_copy(const struct arch_uprobe *au)
{
	struct decoded d, copy;

	require(au->xol_len >= 1 && au->xol_len <= UPROBE_INSN_MAX);
	require(uprobe_decode(&d, au->insn, au->len, au->is64));
	require(uprobe_decode(&copy, au->xol, au->xol_len, au->is64));
	require(copy.len == au->xol_len);
	require(copy.enc == d.enc && copy.map == d.map && copy.op == d.op);
	require(copy.pp == d.pp && copy.mod == d.mod && copy.reg == d.reg && copy.rm == d.rm);
	require(copy.width == d.width && copy.rex == d.rex && copy.lock == d.lock);
	require(is_riprel(&d) == is_riprel(&copy));
	if (!(au->fixups & (UPROBE_FIX_BORROW | UPROBE_FIX_ABORT))) {
		require(au->xol_len == au->len && !memcmp(au->xol, au->insn, au->len));
		return;
	}
	if (au->fixups & UPROBE_FIX_ABORT) {
		require(!copy.insn.immediate.value);
		return;
	}
	require(copy.seg == (au->fixups & UPROBE_FIX_FS ? PREFIX_FS : PREFIX_GS));
	require(copy.insn.displacement.value == d.insn.displacement.value);
	require(copy.insn.immediate.value == d.insn.immediate.value);
}

static void check_borrow(const struct arch_uprobe *au, unsigned long old)
{
	unsigned long slot = slot_of(au);
	unsigned long reached = slot + au->xol_len + au->mem.disp;
	unsigned long wanted = VADDR + au->len + au->mem.disp;
	unsigned long base = uprobe_riprel_base(au, VADDR, slot, old);

	require(au->is64 && au->mem.base == UPROBE_MEM_RIP);
	require((au->fixups & UPROBE_FIX_BORROW) != UPROBE_FIX_BORROW);
	if (au->mem.addr_bytes == 4) {
		reached = (u32)reached;
		wanted = (u32)wanted;
	}
	if (au->fixups & UPROBE_FIX_OLD_BASE)
		wanted += old;
	require(reached + base == wanted);
}

/* From behind the copy: at most a load of gs, then a jump to the next instruction */
static void check_way_back(const struct arch_uprobe *au, const u8 *image)
{
	unsigned int at = au->xol_len;
	struct decoded d;
	s64 to;

	require(uprobe_decode(&d, image + at, UPROBE_XOL_SLOT_BYTES - at, au->is64));
	if (au->fixups & UPROBE_FIX_BORROW) {
		/* mov to gs, of what lies there: the null selector */
		require(d.op == 0x8e && d.reg == 5 && is_riprel(&d));
		at += d.len;
		to = at + d.insn.displacement.value;
		require(to > at && to <= UPROBE_XOL_SLOT_BYTES - 2 && !get_bytes(image + to, 2));
		require(uprobe_decode(&d, image + at, UPROBE_XOL_SLOT_BYTES - at, true));
	}
	at += d.len;
	if (!au->is64) {
		require(d.map == MAP_ONE_BYTE && d.op == 0xe9);
		require((u32)(SLOT32 + at + immediate(&d)) == (u32)(VADDR + au->len));
		return;
	}
	require(d.map == MAP_ONE_BYTE && d.op == 0xff && d.reg == 4 && is_riprel(&d));
	to = at + d.insn.displacement.value;
	require(to >= at && to <= UPROBE_XOL_SLOT_BYTES - 8);
	/* Aligned, as the program may have asked for alignment checks. */
	require(!((SLOT + to) & 7));
	require(get_bytes(image + to, 8) == VADDR + au->len);
}

static void check_image(const struct arch_uprobe *au)
{
	u8 *image = malloc(UPROBE_XOL_SLOT_BYTES);
	unsigned int i;

	arch_uprobe_slot_image(au, VADDR, slot_of(au), image);
	if (mistaken("image"))
		image[au->xol_len + 6]++;
	require(!memcmp(image, au->xol, au->xol_len));
	if (au->strategy == UPROBE_BOOST && !(au->fixups & UPROBE_FIX_LEAVES)) {
		check_way_back(au, image);
	} else {
		for (i = au->xol_len; i < UPROBE_XOL_SLOT_BYTES; i++)
			require(image[i] == UPROBE_SWBP_INSN);
	}
	free(image);
}

/* Into the slot and out of it again, at each place that the copy can be left at */
static void check_trip(const struct arch_uprobe *au, const struct pt_regs *start)
{
	unsigned long slot = slot_of(au), base[2] = { world.base[0], world.base[1] };
	struct arch_uprobe_task at = {};
	struct pt_regs regs = *start;
	unsigned long dr6 = DR_STEP;

	arch_uprobe_pre_xol(au, &at, &regs, VADDR, slot);
	require(regs.ip == slot);
	require(arch_uprobe_place(au, &regs, slot) == UPROBE_BEFORE);
	if (mistaken("return"))
		at.borrowed = 0;
	arch_uprobe_abort_xol(au, &at, &regs, VADDR);
	require(!memcmp(&regs, start, sizeof(regs)));
	require(world.base[0] == base[0] && world.base[1] == base[1]);

	arch_uprobe_pre_xol(au, &at, &regs, VADDR, slot);
	regs.ip = slot + UPROBE_XOL_SLOT_BYTES;
	require(arch_uprobe_place(au, &regs, slot) == UPROBE_ELSEWHERE);
	regs.ip = slot + au->xol_len;
	if (!(au->fixups & UPROBE_FIX_LEAVES))
		require(arch_uprobe_place(au, &regs, slot) == UPROBE_BEHIND);
	if (au->strategy == UPROBE_BOOST && arch_uprobe_trap_behind(au, &at, &regs)) {
		require(regs.flags & X86_EFLAGS_TF);
		arch_uprobe_own_debug(&at, &regs, &dr6);
	}
	arch_uprobe_post_xol(au, &at, &regs, VADDR, slot);
	require(regs.flags == start->flags);
	require(world.base[0] == base[0] && world.base[1] == base[1]);
	if (!(au->fixups & UPROBE_FIX_ABORT))
		require(regs.ip == VADDR + au->len);
}

/* ------------------------------------------------------------------ */
/* Records							      */
/* ------------------------------------------------------------------ */

static void check_emulation(const struct arch_uprobe *au, const struct pt_regs *start)
{
	struct pt_regs regs = *start;

	require(au->op < EMU_OPS);
	require(!au->xol_len && !au->fixups);
	world.sig = 0;
	arch_uprobe_emulate(au, &regs);
	if (!world.sig) {
		require(!(regs.flags & X86_EFLAGS_RF));
		return;
	}
	/* A fault: as if it had not been begun, but for RF */
	regs.flags &= ~X86_EFLAGS_RF;
	require(!memcmp(&regs, start, sizeof(regs)));
	require(current->thread.trap_nr);
}

static void check_record(const struct arch_uprobe *au, const u8 *text, unsigned int n, bool is64,
			 const struct pt_regs *start)
{
	unsigned int i;

	require(au->len >= 1 && au->len <= UPROBE_INSN_MAX && au->len <= n);
	require(!memcmp(au->insn, text, au->len));
	for (i = au->len; i < MAX_UINSN_BYTES; i++)
		require(!au->insn[i]);
	require(au->is64 == is64);
	require(au->strategy < UPROBE_STRATEGIES);
	require(arch_uprobe_strategy_name(au)[0]);

	switch (au->strategy) {
	case UPROBE_EMULATE:
		check_emulation(au, start);
		return;
	case UPROBE_SYSCALL:
		require(!au->xol_len);
		return;
	case UPROBE_BOOST:
		require(!(au->fixups & (UPROBE_FIX_FPU | UPROBE_FIX_ABORT)));
		require(!(au->fixups & UPROBE_FIX_FS) && !(au->fixups & UPROBE_FIX_OLD_BASE));
		require(!(au->fixups & UPROBE_FIX_LEAVES) || !(au->fixups & UPROBE_FIX_BORROW));
		break;
	default:
		require(!(au->fixups & UPROBE_FIX_LEAVES));
	}
	check_copy(au);
	if (au->fixups & UPROBE_FIX_BORROW)
		check_borrow(au, start->r15);
	check_image(au);
	check_trip(au, start);
}

static void check_refused(const struct arch_uprobe *au, enum uprobe_refusal why, unsigned int n)
{
	const struct uprobe_reason *reason = arch_uprobe_refusal(why);

	require(why < UPROBE_REFUSALS && reason->word[0] && reason->text[0]);
	require(au->len <= n && au->len <= UPROBE_INSN_MAX);
	require(why != UPROBE_REFUSE_UNDECODABLE || !au->len);
}

/* ------------------------------------------------------------------ */

static void start_world(u8 settings, const u8 *p, size_t n, struct pt_regs *regs)
{
	unsigned int i;

	memset(regs, 0, sizeof(*regs));
	memcpy(regs, p, n < 16 * sizeof(long) ? n : 16 * sizeof(long));
	/* Half of what the registers say is in the block. */
	for (i = 0; i < 16; i += 2)
		((unsigned long *)regs)[i] = BLOCK +
			((unsigned long *)regs)[i] % (BLOCK_SIZE - 64);
	regs->ip = VADDR;
	regs->flags = 0x202;
	if (settings & SET_AC)
		regs->flags |= X86_EFLAGS_AC;
	regs->cs = settings & SET_64 ? __USER_CS : __USER32_CS;
	regs->ss = __USER_DS;
	if (!(settings & SET_64))
		for (i = 0; i < 16; i++)
			((unsigned long *)regs)[i] = i < 8 ? (u32)((unsigned long *)regs)[i] : 0;

	world.vendor = settings & SET_INTEL ? X86_VENDOR_INTEL : X86_VENDOR_AMD;
	world.fsgsbase = !(settings & SET_NO_FSGSBASE);
	world.base[0] = BLOCK;
	world.base[1] = settings & SET_GS ? BLOCK + 0x100 : 0;
	world.sel[0] = 0;
	world.sel[1] = 0;
	current->thread.trap_nr = 0;
	host_set_avoid((settings & SET_AVOID) >> 1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	void *p = mmap((void *)BLOCK, BLOCK_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	require(p == (void *)BLOCK);
	world.block = BLOCK;
	world.block_end = BLOCK + BLOCK_SIZE;
	if (getenv("UPROBES_BREAK"))
		mistake = getenv("UPROBES_BREAK");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum uprobe_refusal why;
	struct arch_uprobe au;
	struct pt_regs regs;
	unsigned int n;
	bool is64;
	u8 *text;

	if (size < 2)
		return 0;
	is64 = data[0] & SET_64;
	n = size - 1 < TEXT_MAX ? size - 1 : TEXT_MAX;
	start_world(data[0], data + 1 + n, size - 1 - n, &regs);

	/* Not a byte more than there is: ASan sees who reads on. */
	text = malloc(n);
	memcpy(text, data + 1, n);
	why = arch_uprobe_analyze(&au, text, n, is64);
	if (mistaken("length") && !why)
		au.len++;
	if (mistaken("borrow") && !why)
		au.fixups &= ~UPROBE_FIX_BORROW;
	if (why)
		check_refused(&au, why, n);
	else
		check_record(&au, text, n, is64, &regs);
	free(text);
	return 0;
}
