# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The programs whose every instruction is looked at, for make census and make
# host. Sourced after lib.sh.

LIB=/usr/lib/x86_64-linux-gnu

# Sets PROGRAMS; installs what is not there.
debian_programs() {
	local p

	need_packages libc6 libssl3 libstdc++6 libpython3.11 bash perl-base busybox-static libc6-i386
	PROGRAMS=()
	for p in "$LIB"/{libc.so.6,ld-linux-x86-64.so.2,libm.so.6,libcrypto.so.3,libstdc++.so.6} \
		"$LIB/libpython3.11.so.1.0" /usr/bin/{bash,perl,busybox} /usr/lib32/libc.so.6; do
		# The folders of bin and lib were not always one.
		[ -e "$p" ] || p=${p#/usr}
		[ -e "$p" ] || die "$p is not there, though its package is installed"
		PROGRAMS+=("$p")
	done
}
