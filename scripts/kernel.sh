#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: kernel.sh VARIANT      kernel | debug | races | stock | bare
#
# Configures and builds one kernel and puts bzImage, vmlinux and config where
# the variant keeps them.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# shellcheck source=scripts/variant.sh
. "$(dirname "${BASH_SOURCE[0]}")/variant.sh"

FRAGMENTS=("$QEMU_DIR/kernel.config" "$QEMU_DIR/$ARCH.config")
case $VARIANT in
stock) ;;
kernel) FRAGMENTS+=("$QEMU_DIR/uprobes.config") ;;
bare) FRAGMENTS+=("$QEMU_DIR/bare.config") ;;
*) FRAGMENTS+=("$QEMU_DIR/$VARIANT.config" "$QEMU_DIR/uprobes.config") ;;
esac
[ -z "$EXTRA_CONFIG" ] || FRAGMENTS+=("$(realpath "$EXTRA_CONFIG")")

# The last word on a symbol counts. Without this a misspelled symbol, or one
# whose dependency is missing, is dropped without a word.
verify_config() {
	local line sym want got bad=()
	while read -r line; do
		sym=${line%%=*} want=${line#*=}
		got=$(sed -n "s/^$sym=//p" "$OBJ/.config")
		[ "${got:-n}" = "$want" ] || bad+=("$sym: wanted $want, is ${got:-n}")
	done < <(cat "${FRAGMENTS[@]}" | sed -n 's/^\(CONFIG_[A-Z0-9_a-z]*=[^ ]*\)$/\1/p' |
		tac | awk -F= '!seen[$1]++')
	[ ${#bad[@]} -eq 0 ] || die "the configuration did not come out as asked" \
		"${bad[@]}" "Look up what the symbol depends on, or take it out of its fragment."
}

configure() {
	local all=$OBJ/.fragments
	mkdir -p "$OBJ"
	# With the Kconfig files that the tree changes: a new symbol needs a value.
	{
		cat "${FRAGMENTS[@]}"
		cat "$SRC"/arch/Kconfig "$SRC"/samples/Kconfig "$SRC"/kernel/uprobes/Kconfig \
			2>/dev/null | sha1sum | sed 's/^/# /' || true
	} >"$all.new"
	if cmp -s "$all.new" "$all" && [ -f "$OBJ/.config" ]; then
		rm "$all.new"
		return
	fi
	rm -f "$all"
	run_logged "$DEST/config.log" "configuring the $VARIANT kernel ($ARCH)" \
		kmake KCONFIG_ALLCONFIG="$all.new" allnoconfig
	verify_config
	mv "$all.new" "$all"
}

# A race that nothing looks for is not found.
verify_watched() {
	local dir object blind=()
	for dir in "${WATCHED[@]}"; do
		for object in "$OBJ/$dir"/*.o; do
			[[ $(nm "$object") == *__tsan_* ]] || blind+=("${object#"$OBJ"/}")
		done
	done
	[ ${#blind[@]} -eq 0 ] || die "KCSAN does not watch all of our files" "${blind[@]}"
}

need_packages gcc make flex bison bc libelf-dev cpio kmod ccache xz-utils perl python3
only_one "$VARIANT$SUFFIX"
mkdir -p "$DEST"
configure
run_logged "$DEST/build.log" "building the $VARIANT kernel ($ARCH)" kmake bzImage modules
[ "$VARIANT" != races ] || verify_watched
put "$OBJ/arch/x86/boot/bzImage" "$DEST/bzImage"
put "$OBJ/vmlinux" "$DEST/vmlinux"
put "$OBJ/.config" "$DEST/config"
say "kernel: $DEST/bzImage"
