# SPDX-License-Identifier: GPL-2.0-only
#
# The verbs of this repository; `make help` lists them. Never copied into a
# kernel tree. The work is done by the scripts in scripts/.

export OUT ARCH KSRC EXTRA_CONFIG JOBS

.PHONY: help tree kernel stock
help:		## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

tree:		## the patched kernel tree, out/linux
	@scripts/tree.sh

kernel: tree	## the kernel of that tree: out/bzImage, out/vmlinux, out/config
	@scripts/kernel.sh kernel

stock: tree	## the same kernel without the patches: out/stock/bzImage
	@scripts/kernel.sh stock
