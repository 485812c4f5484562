#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: bench-where.sh INSTRUCTION...      names of the bench's rows: nop, mov_load
#
# Where do the instructions of a hit go? Boots stock and ours with a program that
# executes one probed instruction for ever, has QEMU write down every instruction
# for a moment, and counts them by part of the hit and by function of the kernel.
# Also in out/bench/where.tsv.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/qemu.sh
. "$(dirname "${BASH_SOURCE[0]}")/qemu.sh"

# watch KERNEL INSTRUCTION
watch() {
	local folder=$OUT vmlinux=$OUT/vmlinux name=where-$1-$2 dir pid
	[ "$1" = ours ] || folder=$OUT/stock vmlinux=$OUT/stock/vmlinux
	dir=$OUT/results/$name
	# The machine is ended while it works, which is no verdict.
	boot "$name" "$folder" SMP=1 MEM=1G CPU="${CPU:-max}" TESTS=bench/bench EACH=1000000 \
		LIMIT=300 APPEND="ARGS=-e,$2" MACHINE="-icount shift=0,sleep=off -D $dir/trace \
		-monitor unix:$dir/monitor,server=on,wait=off" >/dev/null 2>&1 &
	pid=$!
	python3 "$TOP/scripts/bench-where.py" "$dir" "$vmlinux" "$1" "$2" >>"$OUT/bench/where.rows" ||
		die "watching $name" "Its log: $dir/console.log"
	wait "$pid" || true
	rm -f "$dir/trace"
}

only_one bench
mkdir -p "$OUT/bench"
rm -f "$OUT/bench/where.rows"
for row in "$@"; do
	watch stock "$row"
	watch ours "$row"
done
{
	printf 'kernel\tinstruction\twhat\tname\tcount\n'
	cat "$OUT/bench/where.rows"
} >"$OUT/bench/where.tsv"
rm "$OUT/bench/where.rows"
column -t -s "$(printf '\t')" "$OUT/bench/where.tsv"
