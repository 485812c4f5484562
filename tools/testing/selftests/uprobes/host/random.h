/* SPDX-License-Identifier: GPL-2.0-only */
/* Random numbers that are the same for the same seed, and random instructions */
#ifndef HOST_RANDOM_H
#define HOST_RANDOM_H

#include "internal.h"

void rnd_seed(u64 seed);
u64 rnd64(void);
u32 rnd(u32 below);
void random_insn(u8 *b);

#endif
