/* SPDX-License-Identifier: GPL-2.0-only */
/* Functions that the return-probed programs of several tests call. */
#ifndef UPROBES_SELFTEST_RETURN_FUNCTIONS_H
#define UPROBES_SELFTEST_RETURN_FUNCTIONS_H

#include "return_engine.h"

/* Called from assembly too */
static PROBED __attribute__((used)) long leaf(long x)
{
	asm volatile("" : "+r" (x));
	RETURNS(leaf);
	return x * 3 + 1;
}

static PROBED __attribute__((unused)) long recurse(long depth)
{
	long x = depth ? recurse(depth - 1) + depth : leaf(0);

	RETURNS(recurse);
	return x;
}

/* ---- stacks ---- */

#define STACK	262144

static uint8_t low_stack[STACK] __attribute__((aligned(64), unused));

static inline uint8_t *new_stacks(int n)
{
	void *at = mmap(NULL, n * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	if (at == MAP_FAILED)
		_exit(99);
	return at;
}

#endif /* UPROBES_SELFTEST_RETURN_FUNCTIONS_H */
