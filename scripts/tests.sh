#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: tests.sh VARIANT [guest]      kernel | debug | races | stock, built before by kernel.sh
#
# Builds the test modules against that kernel and the test programs (64 and 32
# bit, static; the same for all kernels of a tree), and puts them with init and the
# guest scripts on a small disk, tests.img beside the kernel: /tests/64, /tests/32,
# /tests/guest, /tests/modules.
# With "guest" only init and the guest scripts, on guest.img.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/variant.sh
. "$(dirname "${BASH_SOURCE[0]}")/variant.sh"

SELFTESTS=$SRC/tools/testing/selftests/uprobes
[ "$VARIANT" != stock ] || SELFTESTS=$TREE/tools/testing/selftests/uprobes
MODULES=$OBJ/uprobes-modules
PROGRAMS=$SRC/o-programs$SUFFIX

build_modules() {
	mkdir -p "$MODULES"
	rsync -rlp --checksum "$SELFTESTS/modules/" "$MODULES/"
	kmake M="$MODULES" modules
}

build_programs() {
	mkdir -p "$PROGRAMS"
	nice make -C "$SELFTESTS" -j"$JOBS" CC="$KCC" ARCH="$ARCH" OUTPUT="$PROGRAMS" all
}

# init is as wide as the kernel
build_init() {
	mkdir -p "$PROGRAMS"
	$KCC -m"$BITS" -O2 -Wall -Wextra -static -o "$PROGRAMS/init" "$QEMU_DIR/init.c"
}

# What Debian's guest is given to run besides its own
build_guest() {
	mkdir -p "$PROGRAMS/guest"
	cp "$QEMU_DIR/guest/load.js" "$PROGRAMS/guest/"
	GOCACHE=$OUT/go-cache GO111MODULE=off CGO_ENABLED=0 GOARCH=amd64 nice go build -trimpath \
		-gcflags=-l -o "$PROGRAMS/guest/stacks" "$QEMU_DIR/guest/stacks.go"
}

pack() {
	local image=$1 program dir=$DEST/disk
	rm -rf "$dir" "$image"
	mkdir -p "$dir"/{dev,proc,sys,tmp,root,tests/guest,tests/modules}
	cp "$PROGRAMS/init" "$dir/init"
	cp "$QEMU_DIR"/guest/*.sh "$dir/tests/guest/"
	[ "$ARCH" = i386 ] || cp -r "$PROGRAMS/guest" "$dir/tests/guest/data"
	if [ "$image" = "$DEST/tests.img" ]; then
		mkdir "$dir/tests/64" "$dir/tests/32" "$dir/tests/bench"
		for program in "$PROGRAMS"/*_test; do
			case $program in
			*_32_test) cp "$program" "$dir/tests/32/" ;;
			*) cp "$program" "$dir/tests/64/" ;;
			esac
		done
		# Not tests: make bench and make traps ask for them.
		[ "$ARCH" = i386 ] || cp "$PROGRAMS"/bench{,_threads,_many} "$PROGRAMS/traps" \
			"$dir/tests/bench/"
		if [ -d "$PROGRAMS/data" ]; then
			mkdir "$dir/tests/32/data"
			cp "$PROGRAMS/data/insns.32" "$dir/tests/32/data/"
			[ "$ARCH" = i386 ] || cp -r "$PROGRAMS/data" "$dir/tests/64/"
		fi
		find "$MODULES" "$OBJ/samples" -name '*.ko' -print0 | xargs -0 -r cp -t "$dir/tests/modules"
	fi
	mke2fs -q -F -t ext4 -O ^has_journal -E root_owner=0:0 -d "$dir" "$image" 256m
	rm -rf "$dir"
}

[ -d "$OBJ" ] || die "the $VARIANT kernel is not built" "make $VARIANT"
if [ "$ARCH" = i386 ]; then BITS=32; else BITS=64; fi
need_packages gcc libc6-dev gcc-multilib libc6-dev-i386 e2fsprogs rsync ccache libzydis-dev
need_packages busybox-static bash mawk libssl3 libstdc++6 libgcc-s1 g++
[ "$ARCH" = i386 ] || need_packages golang-go
only_one "tests$SUFFIX"
build_init
[ "$ARCH" = i386 ] || run_logged "$DEST/guest.log" "building the guest's programs" build_guest
if [ "${2:-}" = guest ]; then
	pack "$DEST/guest.img"
	exit 0
fi
run_logged "$DEST/modules.log" "building the test modules ($VARIANT)" build_modules
run_logged "$DEST/programs.log" "building the test programs" build_programs
run_logged "$DEST/disk.log" "making the test disk" pack "$DEST/tests.img"
