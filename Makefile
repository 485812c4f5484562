# SPDX-License-Identifier: GPL-2.0-only
#
# The verbs of this repository. They are never copied into a kernel tree. The
# work is in scripts/; each prints what it does and where its log is.

export OUT ARCH KSRC EXTRA_CONFIG JOBS TESTS LIMIT CPU FUZZ_SECONDS FILES LEAST_ACCEPTED LEAST_ONE

.PHONY: help run check check-debug check-races kunit clients host fuzz model census traps
.PHONY: bench bench-quick bench-where bench-plot
.PHONY: tree kernel modules stock bare debug races image patch footprint lint clean distclean

help:			## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1|/p' Makefile | \
		awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'
	@echo 'Settings: ARCH=i386, KSRC=a 6.12 tree or tar file, EXTRA_CONFIG=FILE, OUT=DIR,'
	@echo '          JOBS=N, TESTS="64/insn*,32/*", LIMIT=seconds for one machine,'
	@echo '          FUZZ_SECONDS=60 for host and fuzz,'
	@echo '          CPU=max,vendor=GenuineIntel (or another of QEMU) for bench,'
	@echo '          FILES="..." for census, LEAST_ACCEPTED=PERCENT, LEAST_ONE=PERCENT'

run: kernel image	## probe Debian's bash and libc in QEMU, show trace and summary
	@scripts/tests.sh kernel guest
	@scripts/run.sh

check: modules image	## KUnit, kselftests and Debian's tracers in QEMU
	@scripts/check.sh check

check-debug: debug	## the same tests on a kernel with KASAN, lockdep, kmemleak ...
	@scripts/tests.sh debug
	@scripts/check.sh debug

check-races: races	## those with threads or processes at work, on a kernel with KCSAN
	@scripts/tests.sh races
	@scripts/check.sh races

kunit: modules		## the KUnit tests alone
	@scripts/check.sh kunit

clients: kernel image	## perf, bpftrace, trace-cmd, strace and gdb alone
	@scripts/tests.sh kernel guest
	@scripts/check.sh clients

host: tree		## the arch half in user space: against Zydis, executed, fuzzed, self-tests
	@scripts/host.sh all

fuzz: tree		## of these, what does not depend on the processor: Zydis, libFuzzer
	@scripts/host.sh fuzz

model:			## every order of steps of the protocol of slots and sites, by spin
	@scripts/model.sh

census: tree		## share of accepted and of boosted instructions in FILES, or in Debian
	@scripts/census.sh

traps: modules		## exceptions per hit, with a probe on every instruction of a program
	@scripts/traps.sh

bench: modules stock bare ## costs in guest instructions, beside stock 6.12: hits, threads, many probes
	@scripts/tests.sh stock
	@scripts/bench.sh full

bench-quick: modules stock	## the same with fewer hits and the main rows only
	@scripts/tests.sh stock
	@scripts/bench.sh quick

bench-where: modules stock ## where the instructions of a hit go, by part and function
	@scripts/tests.sh stock
	@scripts/bench-where.sh nop mov_load rip_imul call

bench-plot:		## draws what make bench has measured: Documentation/trace/uprobes-cost
	@scripts/bench-plot.sh

tree:			## the patched kernel tree: out/linux
	@scripts/tree.sh

kernel: tree		## the kernel of that tree: out/bzImage, out/vmlinux, out/config
	@scripts/kernel.sh kernel

modules: kernel		## test modules and programs for it, on a disk: out/tests.img
	@scripts/tests.sh kernel

stock: tree		## the unpatched peer, same configuration: out/stock/bzImage
	@scripts/kernel.sh stock

bare: tree		## stock without uprobes: out/bare/bzImage
	@scripts/kernel.sh bare

races: tree		## the kernel of check-races: out/races/bzImage
	@scripts/kernel.sh races

debug: tree		## the kernel of check-debug: out/debug/bzImage
	@scripts/kernel.sh debug

image:			## the root file system with Debian's programs: out/debian.img
	@scripts/image.sh

patch: tree		## one series for git am: out/uprobes.patch
	@scripts/patch.sh series

footprint:		## how many lines of kernel-owned files change
	@scripts/patch.sh footprint

lint: modules footprint	## checkpatch --strict, kernel-doc, docutils, sparse, W=1, shellcheck
	@scripts/lint.sh

clean:			## objects, kernels, disks and results; the trees stay
	@scripts/clean.sh

distclean:		## all of out/
	@scripts/clean.sh all
