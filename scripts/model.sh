#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make model: spin tries every order in which threads, thieves and reclaim can take
# the steps of the protocol of slots and sites; then it must find each of the
# mistakes that can be built in.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

MODEL=$TOP/tools/testing/selftests/uprobes/model/slots.pml
BIN=$OUT/model

# What of it is untrue at some time, and what for ever
SAFETY='NO_MB_HIT NO_MB_STEAL NO_NAME NO_SITE_NAME NO_GRACE NO_CLAIM NO_OUT'
LIVENESS='NO_LOOK'

need_packages spin gcc libc6-dev
mkdir -p "$BIN"
cd "$BIN" || exit

# search NAME safe|live [DEFINE]: 0 if nothing was found
search() {
	local name=$1 flags='-DSAFETY -DNOCLAIM' options='-m1000000'
	local -a defines=()
	[ -z "${3:-}" ] || defines=("-D$3")
	if [ "$2" = live ]; then
		defines+=(-DFINITE)
		flags='-DNFAIR=4'
		options='-a -f -m3000000'
	fi
	rm -f pan pan.?
	spin -a "${defines[@]}" "$MODEL" >"$name.log" 2>&1 || die "spin" "See $BIN/$name.log"
	# shellcheck disable=SC2086
	gcc -w -O2 $flags -o pan pan.c || die "the model's program does not compile"
	# shellcheck disable=SC2086
	nice ./pan $options -w24 >>"$name.log" 2>&1 || die "the search broke off" "See $BIN/$name.log"
	! grep -q 'max search depth too small\|out of memory' "$name.log" ||
		die "the search is not complete" "See $BIN/$name.log"
	grep -q 'errors: 0$' "$name.log"
}

states() {
	sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$1.log"
}

say "every order of steps"
search all safe || die "the protocol breaks" "See $BIN/all.log; spin -t -p shows how"
echo "$(states all) states, nothing wrong"
search ends live || die "a site is never freed" "See $BIN/ends.log"
echo "$(states ends) states, each ends well"

say "self-tests"
for mistake in $SAFETY; do
	! search "$mistake" safe "$mistake" || die "$mistake was not noticed"
	grep -q 'assertion violated' "$mistake.log" || die "$mistake: no assertion" "$BIN/$mistake.log"
	echo "$mistake: noticed"
done
for mistake in $LIVENESS; do
	! search "$mistake" live "$mistake" || die "$mistake was not noticed"
	grep -q 'acceptance cycle' "$mistake.log" || die "$mistake: no cycle" "$BIN/$mistake.log"
	echo "$mistake: noticed"
done
say "model: all as it must be"
