#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The tracers that people use, as Debian has them, on Debian's bash: each must
# count what the workload does, no more and no less, and a debugger and a
# tracer of system calls must not notice the probes.
#
# shellcheck disable=SC2094 # "script" and "report" are tools and files
# shellcheck source=tools/testing/selftests/uprobes/qemu/guest/programs.sh
. "$(dirname "$0")/programs.sh"

ROUNDS=25
cd /tmp || exit 1
write_workload /tmp/workload
WORK=("$BASH_FILE" --norc -c "ROUNDS=$ROUNDS; . /tmp/workload")
read -r ECHO _ < <(symbol "$BASH_FILE" echo_builtin)
read -r UMASK _ < <(symbol "$BASH_FILE" umask_builtin)
CASE=0
FAULTS=0

# verdict NAME GOT WANTED LOG
verdict() {
	CASE=$((CASE + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $CASE $1"
		return
	fi
	FAULTS=$((FAULTS + 1))
	echo "not ok $CASE $1: $2 where $3 is right"
	sed 's/^/# /' "$4" | tail -n 30
}

echo "TAP version 13"
echo "1..14"

# ---- perf: probe, record, script, stat ----

perf probe -q -x "$BASH_FILE" echo_builtin >perf.log 2>&1
# shellcheck disable=SC2016 # perf's variable
perf probe -q -x "$BASH_FILE" 'echo_builtin%return ret=$retval:s32' >>perf.log 2>&1
perf probe -l >probes 2>>perf.log
verdict "perf probe plants an entry and a return" "$(grep -c probe_bash:echo_builtin probes)" 2 perf.log

perf record -q -o perf.data -e 'probe_bash:*' -- "${WORK[@]}" >>perf.log 2>&1
perf script -i perf.data >script 2>>perf.log
verdict "perf record and script see each entry" \
	"$(grep -c 'probe_bash:echo_builtin: ' script)" "$ROUNDS" perf.log
verdict "perf record and script see each return, with its value" \
	"$(grep 'probe_bash:echo_builtin__return' script | grep -c 'ret=0')" "$ROUNDS" script

perf stat -x, -o stat -e probe_bash:echo_builtin -- "${WORK[@]}" >>perf.log 2>&1
verdict "perf stat counts them" "$(awk -F, '/echo_builtin/ { print $1 }' stat)" "$ROUNDS" stat

perf record -q -g -o perf.data -e probe_bash:echo_builtin -- "${WORK[@]}" >>perf.log 2>&1
perf script -i perf.data -F ip,sym >chains 2>>perf.log
verdict "a call chain begins in the probed function" \
	"$(awk 'NF && first == 0 { first = 1; n += /echo_builtin/ } !NF { first = 0 } END { print n }' chains)" \
	"$ROUNDS" chains
perf probe -q -d 'probe_bash:*' >>perf.log 2>&1

# ---- bpftrace: uprobe, uretprobe ----

bpftrace -e "
	uprobe:$BASH_FILE:echo_builtin { @calls = count(); }
	uretprobe:$BASH_FILE:echo_builtin { @zero = sum(retval == 0); }
	uprobe:$LIBC_FILE:umask { @masks = count(); }" \
	-c "$BASH_FILE /tmp/for-bpftrace" >bpftrace.log 2>&1 &
cat >/tmp/for-bpftrace <<-EOT
	ROUNDS=$ROUNDS
	. /tmp/workload
EOT
wait $!
verdict "bpftrace: uprobe" "$(awk '/^@calls/ { print $2 }' bpftrace.log)" "$ROUNDS" bpftrace.log
verdict "bpftrace: uretprobe" "$(awk '/^@zero/ { print $2 }' bpftrace.log)" "$ROUNDS" bpftrace.log
verdict "bpftrace: in a library" "$(awk '/^@masks/ { print $2 }' bpftrace.log)" $((2 * ROUNDS)) bpftrace.log

# ---- trace-cmd ----

echo "p:client/echo $BASH_FILE:$(file_offset "$BASH_FILE" "$ECHO")" >>"$TRACE/uprobe_events"
echo "p:client/umask $BASH_FILE:$(file_offset "$BASH_FILE" "$UMASK")" >>"$TRACE/uprobe_events"
trace-cmd record -q -o trace.dat -e client:echo -e client:umask "${WORK[@]}" >tracecmd.log 2>&1
trace-cmd report -i trace.dat >report 2>>tracecmd.log
verdict "trace-cmd records them" "$(grep -c -E ' (echo|umask): ' report)" $((2 * ROUNDS)) tracecmd.log

# ---- strace and gdb on a probed program ----

echo 1 >"$TRACE/events/client/enable"
strace -qq -e trace=umask -o strace.out "${WORK[@]}" >strace.log 2>&1
verdict "strace sees the system calls of a probed program" "$(grep -c '^umask' strace.out)" $((2 * ROUNDS)) strace.out

NEXT=$(listing "$BASH_FILE" echo_builtin | awk 'NR == 2 { print $1 }')
cat >gdb.in <<-EOT
	set confirm off
	break *main
	run
	delete
	break *(echo_builtin + $((NEXT - ECHO)))
	ignore 2 1000000
	continue
	info breakpoints
EOT
gdb -nx -batch -x gdb.in --args "${WORK[@]}" >gdb.out 2>&1
verdict "gdb's breakpoint works right behind a probe" \
	"$(awk '/breakpoint already hit/ { print $4 }' gdb.out)" "$ROUNDS" gdb.out
echo 0 >"$TRACE/events/client/enable"
echo >"$TRACE/uprobe_events"

# ---- a session with gdb, beside the same one without probes ----

# A probe on each of the instructions that it looks at and steps over.
LENGTH=40
listing "$BASH_FILE" echo_builtin | head -n $LENGTH >instructions
N=0
while read -r AT _; do
	echo "p:session/i$N $BASH_FILE:$(file_offset "$BASH_FILE" "$AT")" >>"$TRACE/uprobe_events"
	N=$((N + 1))
done <instructions

cat >session.in <<-EOT
	set confirm off
	set pagination off
	set width 0
	break *main
	run
	delete
	break *echo_builtin
	continue
	x/${LENGTH}i echo_builtin
	display/i \$pc
	$(for ((i = 0; i < 12; i++)); do echo stepi; done)
	nexti
	info registers rip rsp
	undisplay 1
	finish
	x/2i \$pc
	continue
	bt 2
	stepi
	continue
	break *(echo_builtin + $((NEXT - ECHO)))
	ignore 2 3
	continue
	info breakpoints
	generate-core-file /tmp/gdb.core
	delete
	detach
EOT
session() {
	gdb -nx -batch -x session.in --args "${WORK[@]}" 2>&1 |
		sed -e 's/process [0-9]*/process N/g' -e 's/LWP [0-9]*/LWP N/g' -e 's,/proc/[0-9]*,/proc/N,g' >"$1"
	while pgrep -f "^$BASH_FILE --norc" >/dev/null; do sleep 0.1; done
	cat workload.out >>"$1"
}
# bytes [CORE]: of the probed function, as gdb reads them
bytes() {
	gdb -nx -batch -ex 'x/128xb echo_builtin' "$BASH_FILE" "$@" 2>/dev/null | sed -n 's/^0x[0-9a-f]* //p'
}
session session.plain
rm -f gdb.core
echo 1 >"$TRACE/events/session/enable"
session session.probed
diff session.plain session.probed >session.diff
verdict "a gdb session is the same with and without probes ($N of them)" \
	"$(grep -c 'Breakpoint 2, ' session.probed) stops, $(wc -l <session.diff) lines differ" \
	"3 stops, 0 lines differ" session.diff
verdict "and each execution was one hit" \
	"$(awk '$2 == "i0" { print $3 }' "$TRACE/uprobe_profile")" "$ROUNDS" session.probed

ulimit -c unlimited
echo /tmp/kernel.core >/proc/sys/kernel/core_pattern
# shellcheck disable=SC2016 # the workload's
"$BASH_FILE" --norc -c "ROUNDS=1; . /tmp/workload; kill -ABRT \$\$" >kernel.log 2>&1
bytes >bytes.file
{ bytes gdb.core | diff bytes.file -; bytes kernel.core | diff bytes.file -; } >bytes.diff
verdict "core files, the kernel's and gdb's, have the original text" \
	"$(wc -l <bytes.file) lines, $(wc -l <bytes.diff) differ, $(find gdb.core kernel.core | wc -l) files" \
	"16 lines, 0 differ, 2 files" bytes.diff
echo 0 >"$TRACE/events/session/enable"
echo >"$TRACE/uprobe_events"

[ "$FAULTS" -eq 0 ]
