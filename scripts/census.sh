#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make census [FILES="..."]: what becomes of every instruction of these programs.
# Without FILES, of the larger ones of a Debian system, and with demands.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HOST=$TOP/tools/testing/selftests/uprobes/host
LEAST_ACCEPTED=${LEAST_ACCEPTED:-99.99}
LEAST_ONE=${LEAST_ONE:-99}

need_packages gcc make gawk libzydis-dev
make -s -j "$JOBS" -C "$HOST" KSRC="$TREE" OUT="$OUT/host" "$OUT/host/survey"

if [ -n "${FILES:-}" ]; then
	# shellcheck disable=SC2086 # a list
	exec "$OUT/host/survey" $FILES
fi

# shellcheck source=scripts/programs.sh
. "$TOP/scripts/programs.sh"
debian_programs
"$OUT/host/survey" --accepted "$LEAST_ACCEPTED" --one "$LEAST_ONE" "${PROGRAMS[@]}"
