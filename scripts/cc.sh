#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# gcc by way of the compiler cache, but not for what takes in files by .incbin: they are not
# among the dependencies that the cache goes by (CCACHE_DEPEND). A kernel whose compressed
# size was that of an older one got the older one's image.
for arg; do
	case $arg in
	*.S | *kernel/configs.c) exec gcc "$@" ;;
	esac
done
exec ccache gcc "$@"
