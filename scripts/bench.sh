#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: bench.sh full | quick
#
# Boots stock and ours on one virtual CPU whose clock counts instructions, runs
# the same program on both, and prints one table: guest instructions per hit.
# The figures do not depend on the machine that counts them.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/qemu.sh
. "$(dirname "${BASH_SOURCE[0]}")/qemu.sh"

count() {
	boot "$1" "$2" SMP=1 MACHINE='-icount shift=0,sleep=off' TESTS=bench/bench EACH=900 \
		LIMIT=900 APPEND="kunit.enable=0 BENCH=$3" ||
		die "the $1 machine" "Its log: $OUT/results/$1/console.log"
	grep -q '^### end bench/bench .*: exit 0$' "$OUT/results/$1/tests.log" ||
		die "the bench program on the $1 machine" "See $OUT/results/$1/tests.log"
}

count bench-stock "$OUT/stock" "$1"
count bench "$OUT" "$1"
printf '\n%-40s %10s %10s %8s\n' 'guest instructions per hit' stock ours ours/stock
awk -F'\t' '
	$1 != "row" { next }
	FNR == NR { stock[$2] = $3; next }
	{ printf "%-40s %10s %10s %8s\n", $2, ($2 in stock) ? stock[$2] : "-", $3,
		stock[$2] > 0 ? sprintf("%.2f", $3 / stock[$2]) : "-" }
	' "$OUT/results/bench-stock/tests.log" "$OUT/results/bench/tests.log" | tee "$OUT/results/bench.txt"
