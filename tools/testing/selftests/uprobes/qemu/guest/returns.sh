#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Return probes in programs that mind: one in Go, whose stacks move and are read
# by the collector, and Debian's Node.js. Each prints and ends as it does
# without them.
#
# shellcheck source=tools/testing/selftests/uprobes/qemu/guest/programs.sh
. "$(dirname "$0")/programs.sh"

DATA=/tests/guest/data
NODE_FILE=$(realpath "$(command -v node)")
NODE_LIBRARY=$(ldd "$NODE_FILE" | awk '/libnode\.so/ { print $3 }')
NODE_LIBRARY=$(realpath "${NODE_LIBRARY:-$NODE_FILE}")
cd /tmp || exit 1
CASE=0
FAULTS=0

# verdict NAME WHETHER LOG
verdict() {
	CASE=$((CASE + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $CASE $1"
		return
	fi
	FAULTS=$((FAULTS + 1))
	echo "not ok $CASE $1"
	sed 's/^/# /' "$3" | tail -n 40
}

# functions FILE WHICH [TABLE]: offset and name; awk says which, the name is $2
functions() {
	local off vaddr
	read -r off vaddr < <(readelf -lW "$1" | awk '/LOAD/ && / R E / { print $2, $3; exit }')
	nm ${3:+"$3"} --defined-only "$1" | awk '$2 ~ /^[TtWi]$/ { print $1, $3 }' | sort -u -k1,1 |
		awk "$2" |
		while read -r at name; do
			printf '0x%x %s\n' $((0x$at - vaddr + off)) "$name"
		done
}

# plant GROUP FILE LEAST < functions; false if one was refused, or there are too few
plant() {
	local n=0 at refused=0 _
	while read -r at _; do
		echo "r:$1/f$n $2:$at" >>"$TRACE/uprobe_events" 2>>refused || refused=$((refused + 1))
		n=$((n + 1))
	done
	echo "# $n return probes in $2, $refused refused"
	[ "$refused" -eq 0 ] && [ "$n" -ge "$3" ]
}

# same PLAIN OTHER LOG: they ended well, and alike
same() {
	diff "$1.out" "$2.out" >"$3" && grep -qx 'status 0' "$1.out"
}

# run NAME COMMAND...: its output in NAME.out and NAME.err, with its status
run() {
	local name=$1
	shift
	"$@" >"$name.out" 2>"$name.err"
	echo "status $?" >>"$name.out"
	tail -n 1 "$name.out" | sed "s/^/# $name: /"
}

hits() {
	awk -v e="$1" '$2 == e { print $3 }' profile
}

finish() {
	cp "$TRACE/uprobe_profile" profile
	echo 0 >"$TRACE/events/$1/enable"
	echo >"$TRACE/uprobe_events"
	awk '{ hits += $3 } END { print "# " hits " returns" }' profile
}

: >refused
echo "TAP version 13"
echo "1..9"

# ---- Go ----

run go-plain "$DATA/stacks"
functions "$DATA/stacks" '/ main\./' >go.functions
plant go "$DATA/stacks" 10 <go.functions
verdict "Go: every function can be probed" $? refused
echo 1 >"$TRACE/events/go/enable"
run go-probed "$DATA/stacks"
finish go
same go-plain go-probed go.diff
verdict "Go: moving stacks, every function of main" $? go.diff
head -n 30 go-probed.err >>go.diff
LEAF=f$(($(grep -n ' main\.leaf$' go.functions | cut -d : -f 1) - 1))
echo "leaf: $(hits "$LEAF") returns" >>go.diff
[ "$(hits "$LEAF")" = "$(cat go-probed.err)" ]
verdict "Go: each return of a leaf is reported" $? go.diff
# Of what moves, a part
FEWER=$(awk '$3 > 0' profile | wc -l)
[ "$FEWER" -ge 8 ]
verdict "Go: most functions report" $? profile

# ---- Node.js ----

run node-plain node --expose-gc "$DATA/load.js"
# What compiled code calls, and some of everything
functions "$NODE_LIBRARY" \
	'/internal[0-9]+(Runtime|Builtin)_/ && n++ % 4 == 0 || NR % 300 == 0' -D >node.functions
plant node "$NODE_LIBRARY" 100 <node.functions
verdict "Node.js: its functions can be probed" $? refused
functions "$LIBC_FILE" 'NR % 15 == 0' -D >libc.functions
plant node_libc "$LIBC_FILE" 100 <libc.functions
verdict "Node.js: and those of its libc" $? refused
echo 1 >"$TRACE/events/node/enable"
echo 1 >"$TRACE/events/node_libc/enable"
run node-probed node --expose-gc "$DATA/load.js"
echo 0 >"$TRACE/events/node_libc/enable"
finish node
same node-plain node-probed node.diff
STATUS=$?
head -n 30 node-probed.err >>node.diff
verdict "Node.js: code made at run time, threads, collections" $STATUS node.diff
[ "$(awk -v of="$NODE_LIBRARY" '$1 == of && $3 > 0' profile | wc -l)" -ge 50 ]
verdict "Node.js: returns are reported" $? profile
run node-after node --expose-gc "$DATA/load.js"
same node-plain node-after node.diff
verdict "Node.js: and without probes again" $? node.diff

[ "$FAULTS" -eq 0 ]
