# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What all scripts share: where things are, progress, failure in words,
# packages. Sourced, never run.
# shellcheck disable=SC2034 # most names are for the sourcing script

set -euo pipefail

# "make check TESTS=..." is for the scripts: a make that they call must not get
# it as an order that goes before its own variables.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
OUT=${OUT:-$TOP/out}
ARCH=${ARCH:-x86_64}
KSRC=${KSRC:-}
EXTRA_CONFIG=${EXTRA_CONFIG:-}
JOBS=${JOBS:-$(nproc)}
QEMU_DIR=$TOP/tools/testing/selftests/uprobes/qemu

mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
TREE=$OUT/linux
STOCK=$OUT/linux-stock

# i386 products never replace the 64-bit ones.
if [ "$ARCH" = i386 ]; then SUFFIX=-i386; else SUFFIX=; fi

# A script that is stopped takes its build or its machine along.
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

say() {
	printf '[%3d s] %s\n' "$SECONDS" "$*" >&2
}

die() {
	printf '\nFAILED: %s\n' "$1" >&2
	shift
	[ $# -eq 0 ] || printf '  %s\n' "$@" >&2
	exit 1
}

# run_logged LOG WHAT COMMAND...: output to LOG; a line now and then, so that a
# long step is seen to be alive; on failure the errors of the log and its name.
run_logged() {
	local log=$1 what=$2 start=$SECONDS pid
	shift 2
	mkdir -p "$(dirname "$log")"
	say "$what (log: ${log#"$TOP"/})"
	"$@" >"$log" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		if [ $(((SECONDS - start) % 30)) -eq 29 ]; then
			say "  ... $what, $((SECONDS - start)) s, $(wc -l <"$log") lines of log"
		fi
	done
	if ! wait "$pid"; then
		{ grep -n -E '(error|Error|undefined reference|Killed)' "$log" || true; } | head -n 20 >&2
		tail -n 15 "$log" >&2
		die "$what" "The whole log is $log"
	fi
}

# One at a time: two builds in one folder would spoil each other's files.
only_one() {
	exec 9>"$OUT/.lock-$1"
	flock -n 9 || {
		say "waiting for another $1 in $OUT to end"
		flock 9
	}
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -- "$@"; fi
}

need_packages() {
	local p missing=()
	for p in "$@"; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' ||
			missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing ${missing[*]}"
	if ! apt_install "${missing[@]}"; then
		as_root apt-get -q update >"$OUT/apt.log" 2>&1 || true
		apt_install "${missing[@]}" ||
			die "apt-get install ${missing[*]}" "The log is $OUT/apt.log; install them by hand and run again."
	fi
}

# What a package starts does not keep the lock of only_one().
apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
		install "$@" >>"$OUT/apt.log" 2>&1 9>&-
}

# Only if the contents differ: what depends on the file keeps its age.
put() {
	cmp -s "$1" "$2" || cp "$1" "$2"
}
