#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes out/debian.img: a root file system of unmodified Debian programs to be
# probed, and the tools that probe them. Made again only when its recipe, the
# lines below, changes.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SUITE=bookworm
PACKAGES=bash,binutils,bpftrace,busybox,coreutils,gdb-minimal,linux-perf,nodejs,procps,strace,trace-cmd
RECIPE="1 $SUITE $PACKAGES"
IMAGE=$OUT/debian.img

only_one image
if [ -f "$IMAGE" ] && [ "$(cat "$IMAGE.recipe" 2>/dev/null)" = "$RECIPE" ]; then
	exit 0
fi

# The machine's own mirrors, those of them that are Debian's.
mirrors() {
	grep -l -s -r --include="*.list" --include="*.sources" "/debian" \
		/etc/apt/sources.list /etc/apt/sources.list.d/ || true
}

make_image() {
	local tar=$OUT/debian.tar dir=$OUT/debian.dir
	# shellcheck disable=SC2046 # one word a file
	as_root mmdebstrap --mode=root --variant=essential --include="$PACKAGES" \
		--aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		"$SUITE" "$tar" $(mirrors)
	as_root rm -rf "$dir"
	mkdir -p "$dir"
	as_root tar -xf "$tar" -C "$dir" --exclude='./dev/*'
	rm -f "$IMAGE"
	as_root mke2fs -q -t ext4 -O ^has_journal -d "$dir" "$IMAGE" 1500m
	as_root rm -rf "$dir" "$tar"
}

need_packages mmdebstrap e2fsprogs
run_logged "$OUT/image.log" "making the Debian root file system" make_image
echo "$RECIPE" >"$IMAGE.recipe"
