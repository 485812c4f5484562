#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Probes in Debian's bash and libc, planted through tracefs and perf while an
# unprobed run under gdb has said how often each instruction is executed. Exit
# status 0 only if the probes count exactly the same.
# shellcheck source=tools/testing/selftests/uprobes/qemu/guest/programs.sh
. "$(dirname "$0")/programs.sh"

ROUNDS=40
WORKLOAD=/tmp/workload
cd /tmp || exit 1
write_workload "$WORKLOAD"
FAULTS=0

wrong() {
	echo "WRONG: $*"
	FAULTS=$((FAULTS + 1))
}

# ---- what is probed: name, file, function, address ----

read -r ECHO _ < <(symbol "$BASH_FILE" echo_builtin)
read -r UMASK _ < <(symbol "$LIBC_FILE" umask)
ECHO=$(printf '0x%x' "$ECHO") UMASK=$(printf '0x%x' "$UMASK")
RIP=$(first_rip_load "$BASH_FILE" echo_builtin)
read -r EXEC _ < <(symbol "$BASH_FILE" execute_command_internal)
EXEC=$(printf '0x%x' "$EXEC")
# Which of these the workload comes by, the debugger will say.
mapfile -t HEADS < <(loop_heads "$BASH_FILE" echo_builtin)
mapfile -t SUMS < <(rip_computations "$BASH_FILE" execute_command_internal | head -n 16)

# ---- how often, counted by a debugger's breakpoints and no uprobe ----

count_with_gdb() {
	{
		echo 'set confirm off'
		echo 'set exec-wrapper env -i'
		echo 'handle SIGSTOP nostop noprint nopass'
		echo 'break *main'
		echo 'run'
		echo 'delete'
		echo "break *(echo_builtin)"
		echo "break *(echo_builtin + $((RIP - ECHO)))"
		echo "break *(umask)"
		for at in "${HEADS[@]}"; do
			echo "break *(echo_builtin + $((at - ECHO)))"
		done
		for at in "${SUMS[@]}"; do
			echo "break *(execute_command_internal + $((at - EXEC)))"
		done
		for ((k = 2; k < 5 + ${#HEADS[@]} + ${#SUMS[@]}; k++)); do
			echo "ignore $k 1000000"
		done
		echo 'continue'
		echo 'info breakpoints'
	} >/tmp/gdb.in
	gdb -nx -batch -x /tmp/gdb.in --args "$BASH_FILE" --norc -c \
		"ROUNDS=$ROUNDS; STOP=1; . $WORKLOAD" >/tmp/gdb.out 2>&1
	# breakpoint number, times hit
	awk '/^[0-9]+ +breakpoint/ { n = $1; hit[n] = 0 }
		/breakpoint already hit/ { hit[n] = $4 }
		END { for (n in hit) print n, hit[n] }' /tmp/gdb.out | sort -n >/tmp/gdb.counts
}

counted() {
	awk -v n="$1" '$1 == n { print $2 }' /tmp/gdb.counts
}

echo "Counting $ROUNDS rounds of the workload with a debugger, without probes ..."
count_with_gdb
WANT_ECHO=$(counted 2) WANT_RIP=$(counted 3) WANT_UMASK=$(counted 4)

# most_hit FIRST-BREAKPOINT ADDRESS...: the address hit most, and how often
most_hit() {
	local number=$1 at n best="" most=0
	shift
	for at in "$@"; do
		n=$(counted "$number")
		if [ "${n:-0}" -gt "$most" ]; then
			most=$n best=$at
		fi
		number=$((number + 1))
	done
	echo "$best $most"
}

read -r LOOP WANT_LOOP < <(most_hit 5 "${HEADS[@]}")
read -r SUM WANT_SUM < <(most_hit $((5 + ${#HEADS[@]})) "${SUMS[@]}")
if [ "${WANT_ECHO:-0}" -ne "$ROUNDS" ] || [ "${WANT_UMASK:-0}" -ne $((2 * ROUNDS)) ] ||
	[ "${WANT_LOOP:-0}" -le "$ROUNDS" ] || [ "${WANT_SUM:-0}" -lt "$ROUNDS" ]; then
	cat /tmp/gdb.out
	wrong "the debugger did not count what the workload says"
	exit 1
fi

# ---- the probes ----

plant() {
	echo "$1" >>"$TRACE/uprobe_events" || wrong "refused: $1"
}

bash_at() { echo "$BASH_FILE:$(file_offset "$BASH_FILE" "$1")"; }
libc_at() { echo "$LIBC_FILE:$(file_offset "$LIBC_FILE" "$1")"; }

plant "p:run/bash_echo $(bash_at "$ECHO") word=+0(+0(+8(%di))):string next=%di"
plant "p:run/bash_rip_load $(bash_at "$RIP") list=%bx"
plant "p:run/bash_rip_sum $(bash_at "$SUM")"
plant "p:run/bash_loop $(bash_at "$LOOP") list=%bx"
plant "p:run/libc_umask $(libc_at "$UMASK") mask=%di:x32"
plant "r:run/libc_umask_ret $(libc_at "$UMASK") old=\$retval:x32"
echo 1 >"$TRACE/events/run/enable" || wrong "the probes cannot be enabled"

env -i "$BASH_FILE" --norc -c "ROUNDS=$ROUNDS; STOP=1; . $WORKLOAD" &
PID=$!
for ((k = 0; k < 600; k++)); do
	grep -q '^State:.*T' "/proc/$PID/status" 2>/dev/null && break
	sleep 0.1
done
grep -q '^State:.*T' "/proc/$PID/status" || wrong "the workload did not come to its end"
cp "$UPROBES/list" /tmp/list
cp "$UPROBES/areas" /tmp/areas
cp "$TRACE/uprobe_profile" /tmp/profile
cp "$TRACE/trace" /tmp/trace
cp "/proc/$PID/maps" /tmp/maps
kill -CONT "$PID"
wait "$PID" || wrong "the workload failed under probes ($?)"
echo 0 >"$TRACE/events/run/enable"
echo >"$TRACE/uprobe_events"

# ---- what a person reads ----

echo
echo "The trace, its first round and its last:"
grep -E '(bash|libc)_' /tmp/trace | head -n 7
echo "  ..."
grep -E '(bash|libc)_' /tmp/trace | tail -n 7

# row NAME FILE FUNCTION ADDRESS FUNCTION-ADDRESS EVENT WANT
row() {
	local name=$1 file=$2 func=$3 at=$4 base=$5 event=$6 want=$7 off line hits
	off=$(file_offset "$file" "$at")
	line=$(awk -v ino=":$(stat -c %i "$file")$" -v off="$off" \
		'$1 ~ ino && $2 == off' /tmp/list)
	hits=$(awk -v e="$event" '$2 == e { print $3 }' /tmp/profile)
	printf '%-36s %-30s %-9s %6s %6s\n' "$name" "$(text_at "$file" "$func" "$at")" \
		"$(awk '{ print $4 }' <<<"$line")" "${hits:-none}" "$want"
	[ "${hits:-none}" = "$want" ] || wrong "$event: $hits hits, $want wanted"
	[ -n "$line" ] || wrong "$event is not in $UPROBES/list"
	[ "$(awk '{ print $4 }' <<<"$line")" ] || wrong "$event has no strategy"
	[ "$((at - base))" -ge 0 ] || wrong "$event lies before its function"
}

echo
printf '%-36s %-30s %-9s %6s %6s\n' probepoint instruction strategy hits wanted
row 'bash echo_builtin' "$BASH_FILE" echo_builtin "$ECHO" "$ECHO" bash_echo "$WANT_ECHO"
row "bash echo_builtin+$(printf '0x%x' $((RIP - ECHO)))" "$BASH_FILE" echo_builtin "$RIP" "$ECHO" bash_rip_load "$WANT_RIP"
row "bash execute_command_internal+$(printf '0x%x' $((SUM - EXEC)))" "$BASH_FILE" execute_command_internal "$SUM" "$EXEC" bash_rip_sum "$WANT_SUM"
row "bash echo_builtin+$(printf '0x%x' $((LOOP - ECHO)))" "$BASH_FILE" echo_builtin "$LOOP" "$ECHO" bash_loop "$WANT_LOOP"
row 'libc umask' "$LIBC_FILE" umask "$UMASK" "$UMASK" libc_umask "$WANT_UMASK"
row 'libc umask, return' "$LIBC_FILE" umask "$UMASK" "$UMASK" libc_umask_ret "$WANT_UMASK"

echo
echo "The list of the kernel:"
cat /tmp/list
echo
echo "The XOL area of the process, in /proc/$PID/maps and in the kernel's list:"
grep -F '[uprobes]' /tmp/maps || echo "  none"
cat /tmp/areas
if awk '!/^#/ && $4 == "step"' /tmp/list | grep -q . && ! grep -q -F '[uprobes]' /tmp/maps; then
	wrong "an instruction is stepped, but the process has no XOL area"
fi

# The first round printed "round 0"; umask showed the mask it had found, 022.
grep -q 'bash_echo:.*word="round"' /tmp/trace || wrong "no entry with its argument in the trace"
grep -q 'libc_umask_ret:.*old=0x12' /tmp/trace || wrong "no return with its value in the trace"

echo
if [ "$FAULTS" -eq 0 ]; then
	echo "All hits are exactly what the workload implies."
else
	echo "$FAULTS things are wrong."
	exit 1
fi
