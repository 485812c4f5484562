#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: clean.sh [all]      without "all" the unpacked trees and Debian stay
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [ "${1:-}" = all ]; then
	rm -rf "$OUT"
	exit 0
fi
find "$OUT" -mindepth 1 -maxdepth 1 ! -name linux ! -name linux-stock ! -name '.source' \
	! -name .installed ! -name 'debian.img*' -exec rm -rf {} +
rm -rf "$TREE"/o-* "$STOCK"/o-*
