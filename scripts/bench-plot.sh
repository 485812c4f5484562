#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: bench-plot.sh [FOLDER]
#
# Draws what "make bench" has measured (out/bench/full.tsv and where.tsv) with
# gnuplot, as SVG, and puts the tables beside. FOLDER: by default the one that
# the documentation shows.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

DEST=${1:-$TOP/Documentation/trace/uprobes-cost}
DATA=$OUT/bench/plot
FULL=$OUT/bench/full.tsv
WHERE=$OUT/bench/where.tsv

[ -f "$FULL" ] || die "nothing is measured" "make bench"
need_packages gnuplot-nox
mkdir -p "$DATA" "$DEST"

# pick PREFIX: of its rows what comes behind it, stock and ours
pick() {
	awk -F '\t' -v OFS='\t' -v p="$1/" '
		index($1, p) == 1 {
			print substr($1, length(p) + 1), ($3 == "-" ? "NaN" : $3), ($4 == "-" ? "NaN" : $4)
		}' "$FULL"
}

# draw NAME WIDTH HEIGHT, commands on stdin
draw() {
	{
		cat <<-END
			set terminal svg size $2,$3 dynamic font 'sans-serif,13' background '#ffffff'
			set output '$DEST/$1.svg'
			set datafile separator tab
			set encoding utf8
			set border 3 lc rgb '#606060'
			set tics nomirror
			set grid ytics lc rgb '#d8d8d8' lt 1
			set key outside top center horizontal noenhanced
			set rmargin 9
			stock = '#c0504d'
			ours = '#2f6fab'
		END
		cat
	} >"$DATA/$1.gp"
	gnuplot "$DATA/$1.gp" 2>"$DATA/$1.log" || die "gnuplot: $1" "See $DATA/$1.log"
	say "${DEST#"$TOP"/}/$1.svg"
}

# bars NAME WIDTH TITLE [AXIS]: two for each row of the file
bars() {
	draw "$1" "$2" 460 <<-END
		set title '$3'
		set style data histograms
		set style histogram clustered gap 1
		set style fill solid 0.9 noborder
		set boxwidth 0.9
		${4:-set yrange [0:*]}
		set xtics rotate by -50 scale 0 noenhanced
		plot '$DATA/$1' using 2:xtic(1) title 'stock 6.12' lc rgb stock, \
		     '' using 3 title 'ours' lc rgb ours
	END
}

pick hit >"$DATA/hit"
bars hit 1100 'Guest instructions per hit, empty handler (getppid: a system call)'
pick front >"$DATA/clients"
bars clients 900 'Guest instructions per hit, by client'
awk -F '\t' -v OFS='\t' '
	index($1, "bystander/") == 1 {
		split($1, key, "/")
		if ($5 != "-")
			bare[key[2]] = $5
		print key[2] ", " key[3], $3 / bare[key[2]], $4 / bare[key[2]]
	}' "$FULL" >"$DATA/bystanders"
bars bystanders 600 'Processes without probes, N elsewhere: instructions, by those of a kernel without'

for where in one each turn; do
	for kind in emulated boosted stepped; do
		pick "threads/$where/$kind" >"$DATA/threads-$where-$kind"
	done
done
draw threads 1100 420 <<END
set multiplot layout 1,3 title 'Guest instructions per hit, 8 virtual CPUs in turn'
set key bottom center inside vertical maxrows 3 samplen 2 font ',10'
set yrange [0:*]
set logscale x 2
set xrange [0.9:9]
set xtics (1,2,4,8)
set xlabel 'threads'
do for [w in 'one each turn'] {
	set title w eq 'one' ? 'one probepoint' : w eq 'each' ? 'one each' : '1000 in turn'
	plot for [i=1:3] '$DATA/threads-'.w.'-'.word('emulated boosted stepped', i) using 1:2 \
		with linespoints lc rgb stock pt 4+2*i title 'stock, '.word('emulated boosted stepped', i), \
	     for [i=1:3] '$DATA/threads-'.w.'-'.word('emulated boosted stepped', i) using 1:3 \
		with linespoints lc rgb ours pt 5+2*i title 'ours, '.word('emulated boosted stepped', i)
}
unset multiplot
END

# N, instructions for each probe and process: stock, ours
per_probe() {
	pick "$1/$2" | awk -F '[/\t]' -v OFS='\t' -v m="$3" '
		$2 == m { print $1, ($3 == "NaN" ? $3 : $3 / $1 / m), ($4 == "NaN" ? $4 : $4 / $1 / m) }'
}
for verb in attach detach; do
	for how in each multi at-once; do
		for m in 1 10 100; do
			per_probe $verb $how $m >"$DATA/$verb-$how-$m"
		done
	done
	if [ $verb = attach ]; then title='put in'; else title='take out'; fi
	draw $verb 1000 480 <<-END
		set title 'Guest instructions to $title a probe, for each process that maps the file'
		set logscale xy
		set grid xtics ytics lc rgb '#d8d8d8' lt 1
		set xlabel 'probes'
		unset rmargin
		set key outside right center vertical noenhanced font ',11'
		set format y '%.0f'
		set xrange [80:60000]
		plot for [m in '1 10 100'] '$DATA/$verb-each-'.m using 1:2 with linespoints lc rgb stock \
			pt (m eq '1' ? 7 : m eq '10' ? 5 : 9) title 'stock, each, '.m, \
		     for [m in '1 10 100'] '$DATA/$verb-multi-'.m using 1:2 with linespoints lc rgb stock \
			dt 2 pt (m eq '1' ? 7 : m eq '10' ? 5 : 9) title 'stock, uprobe_multi, '.m, \
		     for [m in '1 10 100'] '$DATA/$verb-each-'.m using 1:3 with linespoints lc rgb ours \
			pt (m eq '1' ? 7 : m eq '10' ? 5 : 9) title 'ours, each, '.m, \
		     for [m in '1 10 100'] '$DATA/$verb-multi-'.m using 1:3 with linespoints lc rgb ours \
			dt 2 pt (m eq '1' ? 7 : m eq '10' ? 5 : 9) title 'ours, uprobe_multi, '.m, \
		     for [m in '1 10 100'] '$DATA/$verb-at-once-'.m using 1:3 with linespoints lc rgb ours \
			dt 3 pt (m eq '1' ? 7 : m eq '10' ? 5 : 9) title 'ours, at once, '.m
	END
done

{
	pick attach/perf | sed 's|^|perf, open |'
	pick detach/perf | sed 's|^|perf, close |'
	pick attach/tracefs | sed 's|^|tracefs, enable |'
	pick detach/tracefs | sed 's|^|tracefs, disable |'
} | sed 's|/1\t|\t|' | awk -F '\t' -v OFS='\t' '{ print $1, $2 / 1e6, $3 / 1e6 }' >"$DATA/events"
bars events 700 'Events one by one: million instructions of guest time, waiting included' \
	'set logscale y; set yrange [1:100000]'

if [ -f "$WHERE" ]; then
	awk -F '\t' -v OFS='\t' '
		$3 == "part" {
			k = $2 ", " $1
			if (!(k in seen)) { seen[k] = 1; order[n++] = k }
			v[k, $4] = $5
		}
		END {
			for (i = 0; i < n; i++) {
				k = order[i]
				print k, v[k, "entry"] + 0, v[k, "look-up"] + 0, v[k, "handlers"] + 0,
					v[k, "get past"] + 0, v[k, "exit"] + 0, v[k, "second exception"] + 0
			}
		}' "$WHERE" >"$DATA/where"
	draw where 900 460 <<-END
		set title 'Where the instructions of a hit go'
		set style data histograms
		set style histogram rowstacked
		set style fill solid 0.9 border rgb '#ffffff'
		set boxwidth 0.7
		set yrange [0:*]
		unset rmargin
		set key outside right center vertical invert
		set xtics rotate by -30 scale 0 noenhanced
		parts = "entry look-up handlers get-past exit second-exception"
		colours = "#4e79a7 #f28e2b #59a14f #b07aa1 #9c9c9c #e15759"
		plot for [i=1:6] '$DATA/where' using (column(i + 1)):xtic(1) \
			title word(parts, i) lc rgb word(colours, i)
	END
	cp "$WHERE" "$DEST/where.tsv"
fi
cp "$FULL" "$DEST/bench.tsv"
