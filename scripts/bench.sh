#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: bench.sh full | quick
#
# Boots stock and ours on one virtual CPU whose clock counts instructions, runs
# the same program on both, and prints one table: guest instructions per hit.
# The figures do not depend on the machine that counts them. CPU= is QEMU's: max,
# an AMD, by default; max,vendor=GenuineIntel gives back a borrowed gs by itself.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/qemu.sh
. "$(dirname "${BASH_SOURCE[0]}")/qemu.sh"

count() {
	boot "$1" "$2" SMP=1 CPU="${CPU:-max}" MACHINE='-icount shift=0,sleep=off' TESTS=bench/bench EACH=900 \
		LIMIT=900 APPEND="ARGS=$ARGS" ||
		die "the $1 machine" "Its log: $OUT/results/$1/console.log"
	grep -q '^### end bench/bench .*: exit 0$' "$OUT/results/$1/tests.log" ||
		die "the bench program on the $1 machine" "See $OUT/results/$1/tests.log"
}

only_one bench
case $1 in
full) ARGS=-n,2000 ;;
quick) ARGS=-n,200,getppid,nop,push,call,mov_load,ret,sub,rip_load,uretprobe_nop ;;
*) die "no such bench: $1" "full or quick" ;;
esac
count bench-stock "$OUT/stock"
count bench "$OUT"
printf "\n%-40s %10s %10s %8s\n" "guest instructions per hit" stock ours ratio
awk '
	NF < 2 || /^#/ { next }
	FNR == NR { stock[$1] = $2; next }
	{
		ratio = (stock[$1] + 0 && $2 + 0) ? sprintf("%.2f", $2 / stock[$1]) : "-"
		printf "%-40s %10s %10s %8s\n", $1, ($1 in stock) ? stock[$1] : "-", $2, ratio
	}
	' "$OUT/results/bench-stock/tests.log" "$OUT/results/bench/tests.log" | tee "$OUT/results/bench.txt"
