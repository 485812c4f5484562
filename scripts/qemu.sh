# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Boots a kernel with its test disk and judges what came back. Sourced after
# lib.sh.

# boot NAME FOLDER [SETTING=VALUE...]
#
# NAME: of the run, a folder under out/results. FOLDER: where bzImage and
# the disk are. Settings: IMAGE (the disk, tests.img), CPU, SMP, MEM, LIMIT (seconds for the machine),
# EACH (seconds for one program), TESTS (patterns, see init.c), APPEND (kernel
# command line), DISK (a root file system), MACHINE (more arguments for QEMU), THREADS (of
# QEMU for all CPUs: single, see check.sh). QEMU= in the environment is another one.
#
# True only if init's verdict came, the log is clean and the machine switched
# itself off. Else it says what is wrong, in one line, and returns false. The
# results of the programs are for scripts/results.py to count.
boot() {
	local name=$1 folder=$2 IMAGE=tests.img CPU=max SMP=2 MEM=1G LIMIT=900 EACH=300 TESTS='*' APPEND='' \
		DISK='' MACHINE='' THREADS='' setting args dir pid start=$SECONDS
	shift 2
	for setting in "$@"; do
		local "$setting"
	done
	dir=$OUT/results/$name
	rm -rf "$dir"
	mkdir -p "$dir"
	need_packages qemu-system-x86
	truncate -s 128M "$dir/swap.img"
	# shellcheck disable=SC2054 # QEMU's commas
	args=(-machine q35 -accel "tcg${THREADS:+,thread=$THREADS}" -cpu "$CPU" -smp "$SMP" -m "$MEM" -no-reboot
		-display none -monitor none -nic none -vga none
		-serial "file:$dir/console.log"
		-kernel "$folder/bzImage"
		-drive "file=$folder/$IMAGE,format=raw,if=none,id=tests,snapshot=on"
		-device virtio-blk-pci,drive=tests
		-drive "file=$dir/swap.img,format=raw,if=none,id=swap"
		-device virtio-blk-pci,drive=swap
		-device virtio-serial-pci
		-chardev "file,id=tests,path=$dir/tests.log"
		-device virtserialport,chardev=tests,name=tests
		-chardev "file,id=verdict,path=$dir/verdict"
		-device virtserialport,chardev=verdict,name=verdict)
	if [ -n "$DISK" ]; then
		# shellcheck disable=SC2054
		args+=(-drive "file=$DISK,format=raw,if=none,id=disk,snapshot=on"
			-device virtio-blk-pci,drive=disk)
		APPEND="$APPEND ROOT=/dev/vdc"
	fi
	# shellcheck disable=SC2206 # several words on purpose
	args+=($MACHINE)
	args+=(-append "console=ttyS0 root=/dev/vda rw init=/init panic=-1 panic_on_warn=1 \
oops=panic kasan.fault=panic softlockup_panic=1 hung_task_panic=1 random.trust_cpu=on \
TESTS=$TESTS LIMIT=$EACH $APPEND")

	say "booting $name ($CPU, $SMP CPU; results: ${dir#"$TOP"/})"
	"${QEMU:-qemu-system-x86_64}" "${args[@]}" >"$dir/qemu.log" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		if [ $((SECONDS - start)) -ge "$LIMIT" ]; then
			kill "$pid"
			echo "timeout after $LIMIT s" >"$dir/timeout"
			break
		fi
		if [ $(((SECONDS - start) % 30)) -eq 29 ]; then
			say "  ... $name: $(tail -n 1 "$dir/console.log" 2>/dev/null | tr -d '\r' | cut -c -100)"
			sleep 1
		fi
		sleep 0.5
	done
	wait "$pid" || true
	rm -f "$dir/swap.img"
	judge "$dir"
}

judge() {
	local dir=$1 bad='BUG:|WARNING:|Oops|KASAN:|UBSAN:|INFO: (possible|trying|task|rcu)|ODEBUG:'
	bad="$bad|suspicious RCU|Kernel panic|general protection|scheduling while atomic|refcount_t:"
	if grep -a -q -E "$bad" "$dir/console.log"; then
		fault "$dir" splat "$(grep -a -m 3 -E "$bad" "$dir/console.log" | tr -d '\r')"
	elif [ -f "$dir/timeout" ]; then
		fault "$dir" "$(cat "$dir/timeout")" "last: $(tail -n 1 "$dir/console.log")"
	elif ! [ -s "$dir/verdict" ]; then
		fault "$dir" 'no verdict' "$(tail -n 3 "$dir/console.log" "$dir/qemu.log")"
	elif ! grep -a -q 'reboot: Power down' "$dir/console.log"; then
		fault "$dir" 'not switched off in order' "$(tail -n 3 "$dir/console.log")"
	elif ! grep -q ' leaks=0 ' "$dir/verdict"; then
		fault "$dir" leak "$(cat "$dir/verdict")"
	elif ! grep -q ' splats=0$' "$dir/verdict"; then
		fault "$dir" splat "$(grep -a 'init: complaint' "$dir/console.log")"
	else
		say "$(basename "$dir"): the machine is fine ($(cat "$dir/verdict"))"
	fi
}

fault() {
	echo "$2" >"$1/fault"
	printf '\n%s: %s\n%s\n  The log is %s\n' "$(basename "$1")" "$2" "$3" "$1/console.log" >&2
	return 1
}
