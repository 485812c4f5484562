#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# How many exceptions does a hit take? QEMU notes each exception that its CPU
# takes; a program with a probe on every instruction runs once in the guest and
# says how many hits that was. At most 101 exceptions for 100 hits.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/qemu.sh
. "$(dirname "${BASH_SOURCE[0]}")/qemu.sh"

only_one traps
PIPE=$OUT/.traps
COUNTS=$OUT/results/traps.txt

# QEMU writes some kilobytes for each exception: counted as they come, not kept.
mkdir -p "$OUT/results"
rm -f "$PIPE"
mkfifo "$PIPE"
awk '
	/^ *[0-9]+: v=03 .* cpl=3 / { int3++ }
	/^ *[0-9]+: v=01 .* cpl=3 / { debug++ }
	END { print int3 + 0, debug + 0 }
	' "$PIPE" >"$COUNTS" &
counter=$!
ok=true
boot traps "$OUT" MEM=2G TESTS=bench/traps EACH=900 LIMIT=1200 MACHINE="-d int -D $PIPE" || ok=false
wait "$counter"
rm -f "$PIPE"
$ok || die "the machine did not survive"

read -r int3 debug <"$COUNTS"
hits=$(sed -n 's/^hits //p' "$OUT/results/traps/tests.log")
[ "${hits:-0}" -gt 0 ] || die "no hits" "See $OUT/results/traps/tests.log"
echo "$hits hits; in user mode $int3 int3 exceptions and $debug debug exceptions"
awk -v hits="$hits" -v all=$((int3 + debug)) 'BEGIN {
	printf "%.4f exceptions a hit\n", all / hits
	exit !(all >= hits && all <= hits * 1.01)
}' || die "that is more than 1.01 for a hit, or fewer than there were hits"
