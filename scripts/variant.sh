# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# Where the parts of one kernel are, and how kbuild is called for it. Sourced
# after lib.sh by scripts whose first argument is the variant.

VARIANT=$1
SRC=$TREE
case $VARIANT in
kernel) DEST=$OUT ;;
debug) DEST=$OUT/debug ;;
races) DEST=$OUT/races ;;
stock) DEST=$OUT/stock SRC=$STOCK ;;
bare) DEST=$OUT/bare SRC=$STOCK ;;
*) die "no such kernel: $VARIANT" "kernel, debug, races, stock or bare" ;;
esac
[ -z "$SUFFIX" ] || DEST=$DEST/$ARCH

# Right inside the source tree: kbuild then names all files by relative paths,
# and the compiler cache serves every clone.
OBJ=$SRC/o-$VARIANT$SUFFIX

KCC=$TOP/scripts/cc.sh
# No folder names in the key; and what a file includes is known from its compilation:
# to preprocess it first would take a fifth of the time of a build from nothing.
export CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1

# KCSAN watches the files of these folders and no others, so that its reports are about
# them and a hit is not drowned in what it looks at elsewhere.
WATCHED=(kernel/uprobes arch/x86/kernel/uprobes)
KCSAN=()
if [ "$VARIANT" = races ]; then
	KCSAN=(KCSAN_SANITIZE=n)
	while read -r file; do
		KCSAN+=("KCSAN_SANITIZE_$file.o=y")
	done < <(cd "$TOP" && find "${WATCHED[@]}" -maxdepth 1 -name '*.c' -printf '%f\n' | sed 's/\.c$//')
fi

kmake() {
	nice make -C "$SRC" O="$OBJ" ARCH="$ARCH" -j"$JOBS" CC="$KCC" \
		KBUILD_BUILD_TIMESTAMP='Sat Jan  1 00:00:00 UTC 2000' \
		KBUILD_BUILD_USER=uprobes KBUILD_BUILD_HOST=overlay "${KCSAN[@]}" "$@"
}
