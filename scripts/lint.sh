#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make lint: checkpatch --strict, kernel-doc, docutils, sparse, W=1, shellcheck. Not
# one warning is accepted.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
set -- kernel
# shellcheck source=scripts/variant.sh
. "$(dirname "${BASH_SOURCE[0]}")/variant.sh"

LOGS=$OUT/lint
OURS='kernel arch include samples tools'
BAD=0

# report NAME LOG: whatever is in the log is a fault
report() {
	if [ -s "$2" ]; then
		BAD=$((BAD + 1))
		head -n 40 "$2"
		echo "lint: $1: not clean ($2)"
	else
		echo "lint: $1: clean"
	fi
}

files() {
	# shellcheck disable=SC2086 # a list of folders
	(cd "$TOP" && find $OURS -type f \( "$@" \) | sort)
}

# Without a git tree: spdxcheck.py, which it would call, wants the kernel's own.
CHECKPATCH=(env GIT_DIR=none perl "$TREE/scripts/checkpatch.pl" --root="$TREE" --strict --terse --no-summary
	--show-types --max-line-length=100)

# side_by_side OPTION... < files: some at a time. One file with a CamelCase word has been
# looked at before: by that checkpatch makes a list of the kernel's own, in a file.
side_by_side() {
	xargs -n 8 -P "$JOBS" "${CHECKPATCH[@]}" "$@" -f || true
}

lint_checkpatch() {
	local p user=PREFER_DEFINED_ATTRIBUTE_MACRO,VOLATILE,AVOID_EXTERNS,CAMELCASE
	cd "$TOP"
	files -name '*.[chS]' -o -name Makefile -o -name Kconfig >"$LOGS/files"
	{
		"${CHECKPATCH[@]}" -f kernel/uprobes/text.c || true
		# -ENOSYS in ax is what a system call begins with.
		grep -v ^tools/ "$LOGS/files" | side_by_side --ignore ENOSYS
		# User space has none of the macros that these ask for, and other libraries;
		# and its unsafe_get_user() goes to a label, as the kernel's does.
		grep ^tools/ "$LOGS/files" | side_by_side --ignore "$user,MACRO_WITH_FLOW_CONTROL"
	} >"$LOGS/checkpatch.log" 2>&1
	for p in patches/*.patch; do
		"${CHECKPATCH[@]}" "$p" >>"$LOGS/checkpatch.log" 2>&1 || true
	done
	report checkpatch "$LOGS/checkpatch.log"
}

lint_kernel_doc() {
	cd "$TOP"
	files -name '*.h' -o -name '*.c' | grep -v '^tools/' | xargs \
		perl "$TREE/scripts/kernel-doc" -none -Wall -Werror >"$LOGS/kernel-doc.log" 2>&1 || true
	report kernel-doc "$LOGS/kernel-doc.log"
}

lint_documents() {
	cd "$TOP"
	/usr/bin/python3 scripts/rst.py Documentation/trace/*.rst >"$LOGS/documents.log" 2>&1 || true
	report documents "$LOGS/documents.log"
}

# Objects of its own: W=1 changes every command line.
lint_compiler() {
	OBJ=$SRC/o-lint$SUFFIX
	mkdir -p "$OBJ"
	put "$DEST/config" "$OBJ/.config"
	rsync -rlp --checksum "$SRC/tools/testing/selftests/uprobes/modules/" "$OBJ/uprobes-modules/"
	run_logged "$LOGS/build.log" "sparse and W=1" lint_build
	grep -E '(uprobes|/uprobe)[^:]*:[0-9]+(:[0-9]+)?: (warning|error)' "$LOGS/build.log" \
		>"$LOGS/compiler.log" || true
	report 'sparse, W=1' "$LOGS/compiler.log"
}

lint_build() {
	kmake olddefconfig
	kmake modules_prepare
	rm -f "$OBJ"/{kernel,arch/x86/kernel,samples}/uprobes/{,tests/}*.o
	kmake W=1 C=2 kernel/uprobes/ arch/x86/kernel/uprobes/ samples/uprobes/
	if [ -f "$OBJ/uprobes-modules/Makefile" ]; then
		cp "$SRC/o-kernel$SUFFIX/Module.symvers" "$OBJ/Module.symvers"
		find "$OBJ/uprobes-modules" -name '*.o' -delete
		kmake M="$OBJ/uprobes-modules" W=1 C=2 modules
	fi
}

# All anew, but for the lists and copies of programs that they have with them.
lint_programs() {
	local out=$SRC/o-lint$SUFFIX/uprobes-tests
	rm -rf "$out"
	mkdir -p "$out"
	run_logged "$LOGS/programs-build.log" "test programs" nice make -C \
		"$SRC/tools/testing/selftests/uprobes" -j"$JOBS" CC="$KCC" ARCH="$ARCH" \
		OUTPUT="$out" TEST_GEN_FILES= all
	grep -E 'warning:' "$LOGS/programs-build.log" >"$LOGS/programs.log" || true
	report 'test programs' "$LOGS/programs.log"
}

lint_shell() {
	cd "$TOP"
	shellcheck -x scripts/*.sh "$QEMU_DIR"/guest/*.sh .ci/run >"$LOGS/shellcheck.log" 2>&1 || true
	report shellcheck "$LOGS/shellcheck.log"
}

need_packages sparse shellcheck perl python3 python3-docutils
rm -rf "$LOGS"
mkdir -p "$LOGS"
lint_checkpatch
lint_kernel_doc
lint_documents
lint_compiler
lint_programs
lint_shell
[ "$BAD" -eq 0 ] || die "lint: $BAD of the checks found something" "The logs are in $LOGS"
echo "lint: all clean"
