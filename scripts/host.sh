#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make host: the checks of the arch half that need no kernel.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_packages gcc make binutils gawk libstdc++6
mkdir -p "$OUT/host"
make -s -C "$TREE/tools/testing/selftests/uprobes/host" KSRC="$TREE" OUT="$OUT/host" check
