#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: check.sh check | debug | races | kunit | clients
#
# Boots what was built and counts the results; the last line is
# "N passed, N failed, N skipped". TESTS= picks programs ("64/insn*,32/*"),
# LIMIT= is the time for one machine in seconds.
#
# check boots the tests on the CPUs that a hit depends on: with FSGSBASE, AVX and a
# null selector that clears its base (an Intel), and without any of these
# (Nehalem), on 2 and on 4 virtual CPUs. What slots matter to runs once more with
# very few of them, on a CPU whose null selectors clear nothing (an AMD). Then every
# instruction of two programs, and Debian with its tracers. What hardly depends on the
# processor runs on one of them. An i386 kernel runs the 32-bit programs.
#
# These machines have one thread of QEMU for all of their CPUs. With one for each, QEMU
# before 8.1 may keep what it has translated while another CPU was writing it: a breakpoint
# that is there is passed over, one that has gone is executed for ever, ours and those of
# the kernel's own text_poke(). Seen with Debian 12's 7.2 in one of fifteen runs of
# "probes_come_and_go" of return_process_32_test, and the memory was right. CPUs that really run
# at the same time are what debug and races have.
#
# debug has two machines as well, of 64-bit and of 32-bit programs. There, and in races, the
# lists of many thousands are gone through with one in eight of their items (SHARE), that of
# every_insn with one in 64.
#
# races has one with 4 virtual CPUs and the programs that have threads or processes at
# work side by side. It goes on after a report, so that all are seen at once. Not
# return_throw: in seven of its eight scenarios one thread works alone, and of the static
# program each has 130,000 hits and more: 100 to 200 s with KCSAN, which stops at every
# fiftieth access.
#
# Most tests keep one CPU busy, so with JOBS of 2 or more two machines run at a time.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/qemu.sh
. "$(dirname "${BASH_SOURCE[0]}")/qemu.sh"

what=$1
only_one check
PICK=${TESTS:-32/*}
# What hardly depends on the processor the second one runs, with its four CPUs: returns but
# for one program, processes that are restless, and what takes long in 32 bit. every_insn
# has a machine of its own: it needs neither KUnit nor company.
[ -n "$SUFFIX" ] ||
	PICK=${TESTS:-64/[!er]*,64/r[!e]*,64/re[fg]*,64/return_stack*,32/[!rs]*,32/re[fg]*,32/step*,32/syscall_32*}
# The debug kernel takes three times as long.
usual=1800
case $what in
debug | races) usual=5400 ;;
esac
LIMIT=${LIMIT:-$usual}
# All but the longest: every_insn, many_probes and the 32-bit insn_list
BRIEF='64/[!eim]*,64/insn*,64/mmap*,64/module*,32/[!i]*,32/insn_32*'
# Those whose threads or processes meet in our data
PARALLEL='64/race*,64/boost*,64/debugger*,64/filter*,64/fork*,64/many*,64/mmap*,64/module*,64/ptrace*'
PARALLEL=$PARALLEL,'64/refctr*,64/register*,64/restless*,64/return_[!t]*,64/rseq*,64/slots*,64/step*,64/syscall*,64/view*'
# An i386 kernel has the 32-bit programs only.
of_this_arch() {
	if [ -z "$SUFFIX" ]; then echo "$1"; else tr , '\n' <<<"$1" | grep -v '^64/' | paste -sd , -; fi
}
RUNS=()

# A machine that fails is one of the results, not the end of the script.
machine() {
	local name=$1$SUFFIX
	shift
	boot "$name" "$@" || true
}

# Their results: named before they run, which may be in the background.
results_of() {
	local name
	for name in "$@"; do
		RUNS+=("$OUT/results/$name$SUFFIX")
		rm -rf "$OUT/results/$name$SUFFIX"
	done
}

first_machine() {
	machine max "$base" CPU=max,vendor=GenuineIntel MEM=2G TESTS="$PICK" LIMIT="$LIMIT" EACH=600 \
		APPEND=kunit.enable=1 THREADS=single
	if [ -z "$SUFFIX" ] && [ -z "${TESTS:-}" ]; then
		machine programs "$base" CPU=max,vendor=GenuineIntel MEM=2G TESTS=64/every_insn_test \
			LIMIT="$LIMIT" EACH=600 APPEND=kunit.enable=0 THREADS=single
		machine few-slots "$base" "TESTS=64/slots*,64/step*,64/race*,64/boost*,64/rip*,32/slots*,32/step*" \
			LIMIT="$LIMIT" APPEND="kunit.enable=0 uprobes.xol_slots=6" THREADS=single
	fi
}

other_machines() {
	machine nehalem "$base" CPU=Nehalem SMP=4 TESTS="${TESTS:-$(of_this_arch "$BRIEF")}" LIMIT="$LIMIT" \
		APPEND=kunit.enable=1 THREADS=single
	if [ -z "$SUFFIX" ] && [ -z "${TESTS:-}" ]; then
		machine clients "$base" DISK="$OUT/debian.img" TESTS=guest/clients.sh,guest/returns.sh \
			EACH=600 THREADS=single
	fi
}

debug_machine() {
	machine "$1" "$base" CPU=max,vendor=GenuineIntel MEM=3G LIMIT="$LIMIT" EACH=1800 \
		TESTS="$2" APPEND="SHARE=8 $3"
}

base=$OUT
case $what in
debug | races) base=$OUT/$what ;;
esac
[ -z "$SUFFIX" ] || base=$base/$ARCH

case $what in
check)
	need_packages qemu-system-x86
	results_of max nehalem
	if [ -z "$SUFFIX" ] && [ -z "${TESTS:-}" ]; then results_of few-slots programs clients; fi
	if [ "$JOBS" -gt 1 ]; then
		other_machines &
		first_machine
		wait
	else
		first_machine
		other_machines
	fi
	;;
debug)
	if [ "$JOBS" -gt 1 ] && [ -z "${TESTS:-}" ] && [ -z "$SUFFIX" ]; then
		results_of debug-64 debug-32
		debug_machine debug-32 '32/*' kunit.enable=0 &
		debug_machine debug-64 '64/*' kunit.enable=1
		wait
	else
		results_of debug
		debug_machine debug "${TESTS:-$(of_this_arch '64/*,32/*')}" kunit.enable=1
	fi
	# Unless it is known already what went wrong.
	for run in "${RUNS[@]}"; do
		[ -f "$run/fault" ] || grep -a -q 'init: kmemleak: scanned' "$run/console.log" ||
			echo 'kmemleak has not looked' >"$run/fault"
	done
	;;
races)
	results_of races
	machine races "$base" CPU=max,vendor=GenuineIntel SMP=4 MEM=3G LIMIT="$LIMIT" EACH=1800 \
		TESTS="${TESTS:-$(of_this_arch "$PARALLEL")}" APPEND='SHARE=8 kunit.enable=1 panic_on_warn=0'
	# Unless it is known already what went wrong.
	fault=$OUT/results/races$SUFFIX/fault
	[ -f "$fault" ] || grep -a -q 'init: kcsan: setup_watchpoints: [0-9]\{5,\}' \
		"$OUT/results/races$SUFFIX/console.log" || echo 'KCSAN has watched nothing' >"$fault"
	;;
kunit)
	results_of kunit
	machine kunit "$base" TESTS=none APPEND=kunit.enable=1
	;;
clients)
	results_of clients
	machine clients "$base" IMAGE=guest.img DISK="$OUT/debian.img" \
		TESTS=guest/clients.sh,guest/returns.sh EACH=600
	;;
*)
	die "no such check: $what" "check, debug, races, kunit or clients"
	;;
esac

python3 "$TOP/scripts/results.py" "$TREE" "${RUNS[@]}"
