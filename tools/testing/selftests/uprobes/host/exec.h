/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One instruction, executed on this CPU from a given state, and everything that
 * can be seen afterwards. For exec.c.
 */
#ifndef HOST_EXEC_H
#define HOST_EXEC_H

#include <signal.h>

#include "world.h"
#include "decode.h"

/*
 * A block of its own, low enough for 32-bit addresses. The slot is below it, so
 * that the way from there to here is a base that arch_prctl() takes.
 */
#define BLOCK		0x20000000UL
#define BLOCK_SIZE	0x8000UL
#define READ_ONLY	(BLOCK + BLOCK_SIZE - PAGE_SIZE)
#define CODE		(BLOCK + 0x4800)
#define SLOT_PAGE	0x10000000UL
#define SLOT		(SLOT_PAGE + 0x40)
#define XSTATE_MAX	16384

/* Around the instruction there are int3. */
#define CODE_AREA	(CODE - BLOCK - 256)
#define CODE_AREA_SIZE	768

/**
 * struct state - what an instruction starts from
 * @gpr: as ModRM numbers them
 * @flags: eflags
 * @base: of fs and gs
 * @is64: 64-bit code
 * @xstate: FPU and vector registers, as a signal frame has them
 * @block: memory
 */
struct state {
	unsigned long gpr[16];
	unsigned long flags;
	unsigned long base[2];
	bool is64;
	u8 xstate[XSTATE_MAX] __aligned(64);
	u8 block[BLOCK_SIZE];
};

/**
 * struct outcome - and what it left behind, as the signal that ended it showed
 * @gpr: registers in the frame
 * @ip: likewise
 * @flags: likewise
 * @sel: cs, ss, ds, es, fs, gs
 * @base: of fs and gs
 * @sig: the signal
 * @code: its si_code
 * @addr: its si_addr
 * @trapno: the number of the exception, its error code and, for page faults, cr2
 * @error: likewise
 * @cr2: likewise
 * @xstate: FPU and vector registers
 * @block: memory
 */
struct outcome {
	unsigned long gpr[16];
	unsigned long ip, flags;
	u16 sel[6];
	unsigned long base[2];
	int sig, code;
	unsigned long addr;
	unsigned long trapno, error, cr2;
	u8 xstate[XSTATE_MAX] __aligned(64);
	u8 block[BLOCK_SIZE];
};

/* machine.c */
extern u8 * const block;
extern unsigned int xstate_size;

void machine_init(struct state *s);
bool machine_runs_32bit(struct state *s);
void machine_protect(bool on);
void machine_write_slot(const u8 *image, unsigned int n);
bool machine_run(const struct state *s, unsigned long ip, unsigned long flags,
		 const unsigned long *base, struct outcome *o);

/* states.c */
void random_state(struct state *s, const struct decoded *d, const struct arch_uprobe *au);
void random_memory(struct state *s);
void put_in_place(struct state *s, const struct decoded *d, const struct arch_uprobe *au);

/* encodings.c */
typedef void (*each_encoding)(const u8 *b, bool is64);
void every_encoding(each_encoding fn, bool is64);

/* coverage.c */
/* How far the best of a class came */
enum how_far {
	NOT_RUN,
	NO_SUCH,		/* #UD: this CPU does not know it */
	FAULTED,
	EXECUTED,		/* to its end, at least once */
	HOW_FARS
};

/* What has been seen of a class: a mode, encoding, map, opcode and ModRM.reg */
struct class_seen {
	bool accepted, unrepeatable, elsewhere;
	u8 how_far;
};

struct class_seen *class_of(const struct decoded *d);
unsigned int print_classes(bool verbose);
void print_unrepeatable(void);

#endif
