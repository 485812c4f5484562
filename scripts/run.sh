#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make run: boots Debian on the kernel of out/, has guest/run.sh plant probes in
# its bash and libc, and prints what came of it.
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/qemu.sh
. "$(dirname "${BASH_SOURCE[0]}")/qemu.sh"

only_one run
fine=1
boot run "$OUT" IMAGE=guest.img DISK="$OUT/debian.img" TESTS=guest/run.sh EACH=300 LIMIT=420 || fine=0
log=$OUT/results/run/tests.log
sed '/^### /d' "$log"
[ "$fine" = 1 ] || die "the machine of make run" "Its console: $OUT/results/run/console.log"
grep -q '^### end guest/run.sh .*: exit 0$' "$log" ||
	die "the hits are not what the workload implies" "See above, or $log"
