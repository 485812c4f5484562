#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: patch.sh series | footprint
#
# series: out/uprobes.patch, a mailbox for `git am` on a 6.12 tree that adds the
# whole overlay, takes the removed files out and applies patches/; tried out on
# the files it touches.
# footprint: how many lines of files that the kernel owns are changed; fails
# above the number that patches/footprint allows.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

footprint() {
	local limit lines
	limit=$(cat "$TOP/patches/footprint")
	lines=$(while read -r p; do git apply --numstat "$TOP/patches/$p"; done <"$TOP/patches/series")
	echo "Lines of kernel-owned files, added and removed:"
	echo "$lines"
	echo "Files replaced whole: include/linux/uprobes.h arch/x86/include/asm/uprobes.h"
	echo "Files removed: $(paste -sd ' ' "$TOP/removed")"
	awk -v limit="$limit" '
		{ n += $1 + $2 }
		END { print n " lines, " limit " allowed"; exit n > limit }' <<<"$lines" ||
		die "more lines of the kernel are changed than patches/footprint allows"
}

# One folder of the overlay a patch, so that a reader gets them in order.
part() {
	local subject=$1 text=$2 f
	shift 2
	while read -r f; do
		mkdir -p "$(dirname "$f")"
		cp "$TREE/$f" "$f"
	done < <(cd "$TREE" && grep -E "$*" "$OUT/.installed" | grep -v -x -F -f "$work/patched")
	if [ "$subject" = "uprobes: the core" ]; then xargs git rm -q <"$TOP/removed"; fi
	git add -A
	git diff --cached --quiet || printf '%s\n\n%s\n' "$subject" "$text" | git commit -q -s -F -
}

new_repository() {
	rm -rf "$1"
	mkdir -p "$1"
	cd "$1"
	git init -q .
	git config user.name 'Uprobes maintainers'
	git config user.email uprobes@example.org
	git config core.autocrlf false
	sort -u "$work/patched" "$OUT/.installed" "$TOP/removed" | while read -r f; do
		[ -f "$STOCK/$f" ] || continue
		mkdir -p "$(dirname "$f")"
		cp "$STOCK/$f" "$f"
	done
	git add -A
	git commit -q -m base
	git tag base
}

series() {
	work=$OUT/series
	rm -rf "$work"
	mkdir -p "$work"
	export GIT_AUTHOR_DATE='2000-01-01T00:00:00Z' GIT_COMMITTER_DATE='2000-01-01T00:00:00Z'
	sed -n 's|^+++ b/||p' "$TOP"/patches/*.patch | sort -u >"$work/patched"

	new_repository "$work/make"
	part 'uprobes: the core' \
		'User-space probes, written anew: the part that knows no instruction.' \
		'^(kernel|include)/'
	part 'x86/uprobes: analysis, emulation, slots' \
		'The part that knows instructions and no consumer.' '^arch/'
	part 'samples: a probe module' 'How a module probes a user program.' '^samples/'
	part 'selftests: user-space probes' 'Tests, and the machine they run in.' '^tools/'
	part 'Documentation: user-space probes' \
		'Concept, interface, design and limits.' '^Documentation/'
	(cd "$TOP/patches" && xargs cat <series) | git am -q
	git format-patch -q --stdout --no-signature --zero-commit base >"$OUT/uprobes.patch"

	new_repository "$work/try"
	git am -q <"$OUT/uprobes.patch"
	while read -r f; do
		cmp "$f" "$TREE/$f" || die "out/uprobes.patch makes another $f than make tree"
	done <"$OUT/.installed"
	[ "$(git ls-files | wc -l)" -eq "$(wc -l <"$OUT/.installed")" ] ||
		die "out/uprobes.patch leaves other files than make tree"
	cd "$TOP"
	rm -rf "$work"
	say "series: $OUT/uprobes.patch, $(grep -c '^Subject: ' "$OUT/uprobes.patch") patches"
}

need_packages git
"$1"
