#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: bench.sh full | quick [PART...]
#
# Boots stock and ours on virtual CPUs whose clock counts instructions, runs the same
# programs on both, and prints tables: what a hit, threads, thousands of probes and
# bystanders cost, the latter also on stock without uprobes. These figures do not depend on the machine that
# counts them, only those of the part "parallel" do. All of it is also in
# out/bench/full.tsv or quick.tsv: key, unit, stock, ours, bare.
#
# With PARTs only these are measured again; the rest is from their last run.
# CPU= is QEMU's: max, an AMD, by default; max,vendor=GenuineIntel gives back a
# borrowed gs by itself. JOBS=1: one machine at a time.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/qemu.sh
. "$(dirname "${BASH_SOURCE[0]}")/qemu.sh"

KIND=$1
shift
case $KIND in
full) PARTS='hit threads many bystanders attach parallel' ;;
quick) PARTS='hit threads many' ;;
*) die "no such bench: $KIND" "full or quick" ;;
esac
ROWS=$OUT/bench/rows-$KIND
TSV=$OUT/bench/$KIND.tsv

# one KERNEL PART PROGRAM WORDS SMP LIMIT
one() {
	local folder=$OUT name=bench-$1-$2 image=tests.img mem=2G
	# The timer of the APIC fails when it is tried with that clock, which takes long.
	local clock='-icount shift=0,sleep=off' timer=nolapic_timer
	[ "$1" = ours ] || folder=$OUT/$1
	# The programs that need no module are stock's.
	[ "$1" != bare ] || image=../stock/tests.img
	# 50,000 in 100 processes are five million sites.
	[ "$2" != attach ] || mem=4G
	[ "$2" != parallel ] || { clock='-accel tcg,thread=multi' timer=''; }
	boot "$name" "$folder" IMAGE="$image" SMP="$5" MEM="$mem" CPU="${CPU:-max}" MACHINE="$clock" \
		TESTS="bench/$3" EACH=1000000 LIMIT="$6" APPEND="norandmaps $timer ARGS=$4" ||
		die "the machine of $name" "Its log: $OUT/results/$name/console.log"
	grep -q "^### end bench/$3 .*: exit 0\$" "$OUT/results/$name/tests.log" ||
		die "$3 on the $1 machine" "See $OUT/results/$name/tests.log"
	awk -F '\t' -v kernel="$1" 'NF == 3 { print kernel "\t" $0 }' \
		"$OUT/results/$name/tests.log" >"$ROWS/$2-$1"
}

# both PART PROGRAM WORDS SMP LIMIT: at a time, unless the clock is that of the wall.
both() {
	local pid
	if [ "$JOBS" -gt 1 ] && [ "$1" != parallel ]; then
		one stock "$@" &
		pid=$!
		one ours "$@"
		wait "$pid"
	else
		one stock "$@"
		one ours "$@"
	fi
}

measure() {
	local n
	case $KIND/$1 in
	full/hit) both hit bench -n,2000 1 1200 ;;
	quick/hit)
		both hit bench -n,200,getppid,nop,push,call,mov_load,ret,sub,rip_load,uretprobe_nop 1 300
		;;
	full/threads) both threads bench_threads -n,2000,1,2,4,8 8 2400 ;;
	quick/threads) both threads bench_threads -n,200,1,8 8 300 ;;
	full/many)
		both many bench_many \
			"$(printf 'events:%s,' perf:1000 tracefs:{1000,4000})memory:1000" 1 2400
		;;
	full/bystanders)
		both bystanders bench_many bystanders:0,bystanders:10000 1 1200
		one bare bystanders bench_many bystanders:0 1 1200
		;;
	quick/many) both many bench_many \
		events:perf:100,attach:multi:100+1000:1,bystanders:0,bystanders:1000 1 300 ;;
	full/attach)
		both attach bench_many "$(printf 'attach:%s,' each:100+1000+10000:1 \
			{multi,at-once}:100+1000+10000+50000:1+10+100)" 1 7200
		;;
	full/parallel)
		n=$(nproc)
		both parallel bench_threads "-n,20000,-w,$(seq -s , 1 "$((n > 8 ? 8 : n))")" "$n" 1200
		;;
	*) die "no such part of $KIND: $1" "$PARTS" ;;
	esac
}

# One line for each key, in the order in which they came.
join_rows() {
	local part kernel files=()
	for part in $PARTS; do
		for kernel in stock ours bare; do
			[ ! -f "$ROWS/$part-$kernel" ] || files+=("$ROWS/$part-$kernel")
		done
	done
	awk -F '\t' -v OFS='\t' '
		!($2 in unit) || $3 != "-" { unit[$2] = $4 }
		!($2 in seen) { seen[$2] = 1; order[n++] = $2 }
		{ value[$1, $2] = $3 }
		END {
			print "key", "unit", "stock", "ours", "bare"
			for (i = 0; i < n; i++) {
				k = order[i]
				print k, unit[k], of("stock", k), of("ours", k), of("bare", k)
			}
		}
		function of(kernel, k) { return ((kernel, k) in value) ? value[kernel, k] : "-" }
	' "${files[@]}" >"$TSV"
}

# table PREFIX TITLE: the keys that begin so
table() {
	grep -q "^$1/" "$TSV" || return 0
	printf "\n%-40s %14s %14s %8s\n" "$2" stock ours ratio
	awk -F '\t' -v prefix="$1/" '
		index($1, prefix) == 1 {
			ratio = ($3 + 0 > 0 && $4 + 0 > 0) ? sprintf("%.2f", $4 / $3) : "-"
			printf "%-40s %14s %14s %8s\n", substr($1, length(prefix) + 1), $3, $4, ratio
		}' "$TSV"
}

# What a process without probes pays, by the kernel that knows no probes
bystander_table() {
	grep -q "^bystander/" "$TSV" || return 0
	printf "\n%-28s %11s %11s %11s %8s %8s\n" "guest instructions, N elsewhere" \
		bare stock ours stock ours
	awk -F '\t' '
		index($1, "bystander/") == 1 {
			split($1, key, "/")
			if ($5 != "-") bare[key[2]] = $5
			b = bare[key[2]]
			printf "%-31s %11s %11s %11s %8s %8s\n", key[2] ", " key[3], b ? b : "-", $3, $4,
			       b ? sprintf("%.4f", $3 / b) : "-", b ? sprintf("%.4f", $4 / b) : "-"
		}' "$TSV"
}

tables() {
	table hit "guest instructions per hit"
	table front "... for a client of the interface"
	table threads "guest instructions per hit, by threads"
	table parallel "hits a second, CPUs in parallel"
	table attach "guest instructions, to put in (processes)"
	table detach "guest instructions, to take out"
	table attach-memory "kernel bytes per probe (processes)"
	table left-memory "kernel bytes left when all are gone"
	table memory "bytes"
	bystander_table
}

only_one bench
mkdir -p "$ROWS"
# shellcheck disable=SC2086 # a list of words
[ $# -gt 0 ] || set -- $PARTS
for part in "$@"; do
	measure "$part"
done
join_rows
tables | tee "$OUT/results/bench.txt"
say "the same as a file: $TSV"
