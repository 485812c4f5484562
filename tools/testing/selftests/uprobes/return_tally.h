/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For programs whose functions are return-probed, C or C++: they count the
 * returns themselves and tell at their end how many there were. The counts are
 * in shared memory, so those of forked children are in them. Nothing here calls
 * a function where a return is counted.
 */
#ifndef UPROBES_SELFTEST_RETURN_TALLY_H
#define UPROBES_SELFTEST_RETURN_TALLY_H

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* What a program prints is the same with probes as without, but between these. */
#define TALLY_BEGIN	"-- returns\n"
#define TALLY_END	"-- end\n"

/* Whole in itself: no copy by the compiler, and no jump in place of a call */
#define PROBED __attribute__((noipa, optimize("no-optimize-sibling-calls")))

/* @maybe: returns whose reports nobody can tell from those of other functions */
struct tally {
	const char *name;
	long maybe;
};

extern const struct tally __start_tallies[] __attribute__((weak));
extern const struct tally __stop_tallies[] __attribute__((weak));

static long *tally_counts __attribute__((unused));

#define TALLY(function, n, may) do {						\
	static const struct tally t						\
		__attribute__((used, section("tallies"))) = { #function, may };	\
	__atomic_add_fetch(&tally_counts[&t - __start_tallies], n,		\
			   __ATOMIC_RELAXED);					\
} while (0)

/* Last in a function: it returns now */
#define RETURNS(function)	TALLY(function, 1, 0)

/* Said by the caller, where the function cannot */
#define RETURNED(function, n)	TALLY(function, n, 0)

#define MAY_RETURN(function, n)	TALLY(function, n, 1)

static inline int tally_begin(void)
{
	size_t size = (__stop_tallies - __start_tallies + 1) * sizeof(long);
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	tally_counts = (long *)at;
	setvbuf(stdout, NULL, _IOLBF, 0);
	return at == MAP_FAILED;
}

/* "function returns maybe" for each; once in a program that is executed */
static inline void tally_end(void)
{
	const struct tally *t;

	printf(TALLY_BEGIN);
	for (t = __start_tallies; t < __stop_tallies; t++) {
		long n = tally_counts[t - __start_tallies];

		if (n)
			printf("%s %ld %ld\n", t->name, t->maybe ? 0 : n, t->maybe ? n : 0);
	}
	printf(TALLY_END);
	fflush(stdout);
}

/* ---- the programs within a test, for the test's own text run as one ---- */

struct scenario {
	const char *name;
	int (*run)(void);
};

extern const struct scenario __start_scenarios[] __attribute__((weak));
extern const struct scenario __stop_scenarios[] __attribute__((weak));

/* Program "run NAME". Its exit status is what the scenario returns. */
static inline int scenario_main(const char *name)
{
	const struct scenario *s;
	int status = 126;

	if (tally_begin())
		return 125;
	for (s = __start_scenarios; s < __stop_scenarios; s++)
		if (!strcmp(s->name, name))
			status = s->run();
	tally_end();
	return status;
}

#endif /* UPROBES_SELFTEST_RETURN_TALLY_H */
