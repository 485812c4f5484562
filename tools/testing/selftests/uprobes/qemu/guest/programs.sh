# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# Where things are in a program nobody here built: symbols, instructions and
# file offsets, from its ELF tables. Sourced by the guest scripts.

# The scripts are bash too. They go on in a copy, another file, so that all hits
# in Debian's bash are the workload's.
if [ "$BASH" != /tmp/control ]; then
	cp "$BASH" /tmp/control
	exec /tmp/control "$0"
fi

TRACE=/sys/kernel/tracing
UPROBES=/sys/kernel/debug/uprobes
BASH_FILE=/usr/bin/bash
LIBC_FILE=$(ldd "$BASH_FILE" | awk '/libc\.so/ { print $3 }')
LIBC_FILE=$(realpath "$LIBC_FILE")

# symbol FILE NAME: address and size, hexadecimal
symbol() {
	nm -DS --defined-only "$1" | awk -v want="$2" '
		{ split($4, name, "@") }
		name[1] == want { print "0x" $1, "0x" $2; exit }'
}

# file_offset FILE ADDRESS: the executable segment says how they are related
file_offset() {
	local off vaddr
	read -r off vaddr < <(readelf -lW "$1" | awk '/LOAD/ && / R E / { print $2, $3; exit }')
	printf '0x%x\n' $(($2 - vaddr + off))
}

# listing FILE NAME: "ADDRESS TEXT" for each instruction of a function
listing() {
	local at size
	read -r at size < <(symbol "$1" "$2")
	objdump -d --no-show-raw-insn -w --start-address="$at" \
		--stop-address=$((at + size)) "$1" |
		sed -n 's/^ *\([0-9a-f]*\):[[:space:]]*\(.*\)$/0x\1 \2/p'
}

# The first instruction that loads %rip-relative before the code branches.
first_rip_load() {
	listing "$1" "$2" | awk '
		$2 ~ /^(j|call|ret)/ { exit }
		$2 !~ /^lea/ && /\(%rip\)/ { print $1; exit }'
}

# Those that compute with a %rip-relative operand, which nothing but the
# instruction itself can do.
rip_computations() {
	listing "$1" "$2" | awk '$2 ~ /^(add|and|cmp|or|sub|test|xor)/ && /\(%rip\)/ { print $1 }'
}

# The heads of loops: where a jump leads back to, within the function.
loop_heads() {
	listing "$1" "$2" | awk '
		{ seen[$1] = 1 }
		$2 ~ /^j/ && ("0x" $3) in seen { print "0x" $3 }' | sort -u
}

text_at() {
	listing "$1" "$2" | awk -v at="$3" '$1 == at { sub(/^[^ ]* /, ""); sub(/ *#.*/, ""); print; exit }'
}

# The work whose probes are counted. It stops itself when it is done, so that
# one can look at it; nothing in it depends on time or on its process id.
write_workload() {
	cat >"$1" <<-'EOT'
	for ((i = 0; i < ROUNDS; i++)); do
		echo round $i
		umask
	done >/tmp/workload.out
	[ -z "$STOP" ] || kill -STOP $$
	EOT
}
