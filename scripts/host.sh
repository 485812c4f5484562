#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: host.sh all | fuzz
#
# make host: the arch half in user space, without a kernel. Each instruction of
# some large programs and random ones: as Zydis sees them, and executed; libFuzzer;
# and that each of these notices when something is wrong. make fuzz is what of it
# does not depend on the processor: all but the execution.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/programs.sh
. "$TOP/scripts/programs.sh"

what=$1
HOST=$TOP/tools/testing/selftests/uprobes/host
BIN=$OUT/host
FUZZ_SECONDS=${FUZZ_SECONDS:-60}

need_packages gcc make gawk libzydis-dev clang libclang-rt-dev perl-base
debian_programs
mkdir -p "$BIN"
say "compiling"
make -s -j "$JOBS" -C "$HOST" KSRC="$TREE" OUT="$BIN" all "$BIN/fuzz"

# What a mistake is for, says each program's own text.
must_fail() {
	local what=$1
	shift
	if "$@" >"$BIN/self-test.log" 2>&1; then
		die "self-test: $what was not noticed" "$*"
	fi
	grep -q -E "$NOTICED" "$BIN/self-test.log" ||
		die "self-test: $what: it failed for another reason" "See $BIN/self-test.log"
	tests=$((tests + 1))
}

# make_corpus FOLDER: it is kept as text, a line of hex for each input.
make_corpus() {
	rm -rf "${BIN:?}/$1"
	mkdir -p "$BIN/$1"
	DIR=$BIN/$1 perl -ne 'next unless /^([0-9a-f]+)$/;
		open(my $f, ">", "$ENV{DIR}/$.") or die; print $f pack("H*", $1); close $f' \
		"$HOST/corpus.txt"
}

fuzz() {
	(cd "$BIN" && nice ./fuzz -max_len=145 -print_final_stats=1 -artifact_prefix="$BIN/" "$@")
}

make_corpus corpus
make_corpus seeds
say "libFuzzer, $FUZZ_SECONDS s, at the same time (log: ${BIN#"$TOP"/}/fuzz.log)"
fuzz -max_total_time="$FUZZ_SECONDS" corpus >"$BIN/fuzz.log" 2>&1 &
fuzzer=$!

say "against Zydis"
"$BIN/compare" "${PROGRAMS[@]}"
if [ "$what" = all ]; then
	say "executed"
	"$BIN/exec" -k 3 -n 20 "${PROGRAMS[@]}"
fi

say "self-tests"
tests=0
NOTICED='^ *(length|memory|rip-relative|control-flow) .* [1-9][0-9]* unexplained'
must_fail "a wrong fact" "$BIN/compare" -b -c 100000
if [ "$what" = all ]; then
	NOTICED=' [1-9][0-9]* differ$'
	for mistake in $("$BIN/exec" -m); do
		must_fail "$mistake" "$BIN/exec" -e -c 20000 -b "$mistake"
	done
fi
NOTICED='not so: '
for mistake in image return length borrow; do
	export UPROBES_BREAK=$mistake
	must_fail "fuzz, $mistake" fuzz -runs=0 seeds
	unset UPROBES_BREAK
done
NOTICED='^FAILED: accepted'
must_fail "a missing instruction" "$BIN/survey" --accepted 100.001 /usr/bin/bash
NOTICED='^FAILED: one exception'
must_fail "a second exception" "$BIN/survey" --one 100.001 /usr/bin/bash
echo "$tests deliberate mistakes, each noticed"

wait "$fuzzer" || {
	tail -n 30 "$BIN/fuzz.log" >&2
	die "libFuzzer found something" "The log is $BIN/fuzz.log"
}
grep -a -E '^(Done|stat::(number|new))' "$BIN/fuzz.log"
say "$what: all as it must be"
