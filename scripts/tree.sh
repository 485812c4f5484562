#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes out/linux: a 6.12 tree with the overlay copied over it and the patches
# applied. out/linux-stock is the same tree as it came; both share the files
# that are the same by hard links.
#
# All that changes is prepared in out/stage first and then compared by contents
# with what is there, so that a second run gives no file a new date and the
# build does again only what must be done.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

STAGE=$OUT/stage
LISTED=$OUT/.installed	# what the last run put into the tree

unpack() {
	local src=$KSRC id
	if [ -z "$src" ]; then
		src=/usr/src/linux-source-6.12.tar.xz
		[ -f "$src" ] || need_packages linux-source-6.12
	fi
	[ -e "$src" ] || die "no kernel source at $src" \
		"KSRC= takes a folder or a tar file of a 6.12 tree."
	id=$(realpath "$src")$(stat -Lc ' %s %Y' "$src")
	if [ -f "$OUT/.source" ] && [ "$(cat "$OUT/.source")" = "$id" ]; then
		return
	fi

	rm -rf "$OUT/.source" "$STOCK" "$TREE" "$LISTED"
	say "unpacking $src"
	mkdir -p "$STOCK"
	if [ "$(cat "$TOP/out/.source" 2>/dev/null)" = "$id" ]; then
		rsync -a --link-dest="$TOP/out/linux-stock" --exclude=/o-* \
			"$TOP/out/linux-stock/" "$STOCK/"
	elif [ -d "$src" ]; then
		rsync -a --exclude=/.git --exclude='*.o' --exclude='.*.cmd' "$src/" "$STOCK/"
		make -s -C "$STOCK" mrproper
	else
		tar -xf "$src" -C "$STOCK" --strip-components=1
	fi
	grep -A1 "^VERSION = 6\$" "$STOCK/Makefile" | grep -q "^PATCHLEVEL = 12\$" ||
		die "$src is not a 6.12 kernel" "The patches and the interfaces are those of 6.12."
	cp -al "$STOCK" "$TREE"
	echo "$id" >"$OUT/.source"
}

overlay_files() {
	(cd "$TOP" && find kernel arch include tools Documentation samples -type f \
		! -name '*.o' ! -name '*.ko' ! -name '*.mod' ! -name '*.mod.c' ! -name '.*.cmd' \
		! -name 'Module.symvers' ! -name 'modules.order' ! -name '*.pyc' 2>/dev/null) | sort
}

patched_files() {
	sed -n 's|^+++ b/||p' "$TOP"/patches/*.patch | sort -u
}

stage() {
	local f p
	rm -rf "$STAGE"
	mkdir -p "$STAGE"
	patched_files >"$OUT/.patched"
	rsync -a --files-from="$OUT/.patched" "$STOCK/" "$STAGE/"
	while read -r p; do
		patch -s -d "$STAGE" -p1 -F0 --no-backup-if-mismatch -r - <"$TOP/patches/$p" >"$OUT/patch.log" 2>&1 || {
			cat "$OUT/patch.log" >&2
			die "patches/$p does not apply without fuzz" \
				"Rework it for this tree: $STOCK"
		}
	done <"$TOP/patches/series"
	overlay_files >"$OUT/.overlay"
	while read -r f; do
		! grep -qxF "$f" "$OUT/.patched" || die "$f is both patched and in the overlay"
	done <"$OUT/.overlay"
	rsync -a --files-from="$OUT/.overlay" "$TOP/" "$STAGE/"
}

install_stage() {
	local f
	(cd "$STAGE" && find . -type f | sed 's|^\./||' | sort) >"$OUT/.new"
	cat "$TOP/removed" >"$OUT/.gone"
	# What an earlier run brought and this one does not: as in stock, or away.
	if [ -f "$LISTED" ]; then
		comm -23 "$LISTED" "$OUT/.new" | while read -r f; do
			rm -f "$TREE/$f"
			[ ! -f "$STOCK/$f" ] || ln "$STOCK/$f" "$TREE/$f"
		done
	fi
	rsync -rlp --checksum --out-format='  %n' "$STAGE/" "$TREE/" | { grep -v '/$' || true; } |
		awk 'NR <= 20 { print } END { if (NR > 20) print "  ... and " NR - 20 " more" }'
	while read -r f; do rm -f "$TREE/$f"; done <"$OUT/.gone"
	mv "$OUT/.new" "$LISTED"
	rm -f "$OUT/.gone" "$OUT/.overlay" "$OUT/.patched" "$OUT/patch.log"
}

only_one tree
need_packages rsync patch xz-utils make
unpack
stage
install_stage
say "tree: $TREE"
