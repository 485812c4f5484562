// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions thrown through functions that are return-probed, all of them: the
 * program's, and the unwinder's own. Run by return_throw_test, "run NAME".
 */
#include <csignal>
#include <cstdlib>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <ucontext.h>
#include <unistd.h>

#include "return_tally.h"

namespace {

/* Destroyed on the way out; in order, and each once */
struct guard {
	int id;
	static long sum;
	explicit guard(int n) : id(n) { }
	~guard() { sum = sum * 31 + id; sum &= 0xffffff; }
};

long guard::sum;

struct mine : std::runtime_error {
	int depth;
	explicit mine(int n) : std::runtime_error("mine"), depth(n) { }
};

} // namespace

extern "C" {

PROBED long leaf(long x)
{
	asm volatile("" : "+r" (x));
	RETURNS(leaf);
	return x * 3 + 1;
}

/* Throws at the bottom if it is told to. */
PROBED long through(long depth, bool throws)
{
	guard g(depth);
	long x = leaf(depth);

	if (depth)
		x += through(depth - 1, throws);
	else if (throws)
		throw mine(static_cast<int>(x));
	RETURNS(through);
	return x;
}

/* Frames with nothing to clean up, which are only passed */
PROBED long bare(long depth, bool throws)
{
	long x = depth ? bare(depth - 1, throws) + 1 : through(3, throws);

	RETURNS(bare);
	return x;
}

PROBED long catches(long depth, bool throws)
{
	long x;

	try {
		x = bare(depth, throws);
	} catch (const mine &m) {
		x = m.depth + leaf(depth);
	}
	RETURNS(catches);
	return x;
}

PROBED long rethrows(long depth)
{
	long x = 0;

	if (!depth)
		return through(5, true);
	try {
		x = rethrows(depth - 1);
	} catch (const mine &m) {
		leaf(m.depth);
		if (depth % 3)
			throw;
		throw mine(m.depth + 1);
	}
	return x;
}

PROBED long nests(long depth)
{
	long x = 0;

	try {
		through(depth, true);
	} catch (const mine &) {
		x = depth ? nests(depth - 1) : 1;
		try {
			bare(depth, true);
		} catch (const std::exception &e) {
			x += leaf(static_cast<long>(std::string(e.what()).size()));
		}
	}
	RETURNS(nests);
	return x;
}

/* ---- from a signal's frame ---- */

static volatile long handled;

PROBED void on_fault(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, nullptr);
	handled = handled + leaf(1);
	throw mine(sig);
}

PROBED long faults(volatile long *at, long depth)
{
	guard g(static_cast<int>(depth));

	return depth ? faults(at, depth - 1) + 1 : *at;
}

PROBED long survives(volatile long *at, long depth)
{
	long x = 0;

	try {
		x = faults(at, depth);
	} catch (const mine &m) {
		x = m.depth;
	}
	RETURNS(survives);
	return x;
}

/* ---- on a stack of another place ---- */

static ucontext_t home, other;
static char stack[262144] __attribute__((aligned(64)));

PROBED void on_other_stack()
{
	long x = 0;

	for (int i = 0; i < 10; i++)
		x += catches(i, i % 2);
	printf("other stack %ld\n", x);
	/* It returns to where no call is before. */
	MAY_RETURN(on_other_stack, 1);
}

} // extern "C"

static int plain()
{
	long x = 0;

	for (int i = 0; i < 100; i++)
		x += catches(i % 12, i % 3) + leaf(i);
	printf("%ld %ld\n", x, guard::sum);
	return 0;
}

static int deep()
{
	long x = 0;

	for (int i = 0; i < 4; i++)
		x += catches(1000, i % 2);
	printf("%ld %ld\n", x, guard::sum);
	return 0;
}

static int rethrown()
{
	long x = 0;

	for (int i = 0; i < 30; i++) {
		try {
			rethrows(i);
		} catch (const mine &m) {
			x += m.depth;
		}
		x += catches(3, false);
	}
	printf("%ld %ld\n", x, guard::sum);
	return 0;
}

static int nested()
{
	long x = 0;

	for (int i = 0; i < 10; i++)
		x += nests(i);
	printf("%ld %ld\n", x, guard::sum);
	return 0;
}

static int from_a_handler()
{
	struct sigaction sa = { };
	long x = 0;

	sa.sa_handler = on_fault;
	sa.sa_flags = SA_NODEFER;
	sigaction(SIGSEGV, &sa, nullptr);
	for (int i = 0; i < 30; i++)
		x += survives(nullptr, i % 9);
	printf("%ld %ld %ld\n", x, handled, guard::sum);
	return 0;
}

static int in_threads()
{
	long sums[4] = { };
	std::exception_ptr last;

	for (int round = 0; round < 5; round++) {
		std::thread t[4];

		for (int i = 0; i < 4; i++)
			t[i] = std::thread([i, &sums] {
				for (int k = 0; k < 10; k++) {
					try {
						bare(k, k % 2);
						sums[i] += 1;
					} catch (const mine &m) {
						sums[i] += m.depth;
					}
				}
			});
		for (auto &one : t)
			one.join();
	}
	/* Thrown there, caught here */
	std::thread carrier([&last] {
		try {
			bare(6, true);
		} catch (...) {
			last = std::current_exception();
		}
	});
	carrier.join();
	try {
		std::rethrow_exception(last);
	} catch (const mine &m) {
		printf("carried %d\n", m.depth);
	}
	for (long s : sums)
		printf("%ld\n", s);
	return 0;
}

static int other_stack()
{
	for (int i = 0; i < 5; i++) {
		getcontext(&other);
		other.uc_stack.ss_sp = stack;
		other.uc_stack.ss_size = sizeof(stack);
		other.uc_link = &home;
		makecontext(&other, on_other_stack, 0);
		swapcontext(&home, &other);
	}
	printf("%ld\n", guard::sum);
	return 0;
}

/* Nobody catches it: abort, with what has not returned. */
static int uncaught()
{
	std::set_terminate([] {
		printf("terminated\n");
		tally_end();
		_exit(44);
	});
	return static_cast<int>(bare(20, true));
}

#define SCENARIO(name)							\
	static const struct scenario name ## _scenario			\
		__attribute__((used, section("scenarios"))) = { #name, name }

SCENARIO(plain);
SCENARIO(deep);
SCENARIO(rethrown);
SCENARIO(nested);
SCENARIO(from_a_handler);
SCENARIO(in_threads);
SCENARIO(other_stack);
SCENARIO(uncaught);

int main(int argc, char **argv)
{
	return argc > 2 ? scenario_main(argv[2]) : 1;
}
