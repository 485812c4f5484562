/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the benches share: the clock, rows of results, empty handlers planted by
 * modules/uprobe_bench.ko, BPF without a library.
 *
 * Under qemu -icount shift=0 a nanosecond of the clock is one guest instruction,
 * of whichever CPU, and the numbers do not depend on the machine that runs it. A
 * result is a line "key <tab> value <tab> unit", the parts of a key separated by
 * slashes.
 */
#ifndef UPROBES_SELFTEST_BENCH_H
#define UPROBES_SELFTEST_BENCH_H

#include "bulk.h"

#include <linux/bpf.h>

static inline uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

__attribute__((format(printf, 1, 2), noreturn))
static inline void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "bench: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	exit(1);
}

__attribute__((format(printf, 3, 4)))
static inline void result(double value, const char *unit, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	printf("\t%.0f\t%s\n", value, unit);
	fflush(stdout);
}

/* Is @name one of @names, or are there none? */
static inline bool wanted(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

/* ---- modules/uprobe_bench.ko ---- */

#define PLANTED	"/sys/module/uprobe_bench/parameters/planted"

/* Returns 0 or -errno. */
__attribute__((format(printf, 1, 2)))
static inline int bench_load(const char *fmt, ...)
{
	char args[1024];
	va_list ap;
	int fd, err;

	va_start(ap, fmt);
	vsnprintf(args, sizeof(args), fmt, ap);
	fd = find_module("uprobe_bench.ko");
	if (fd < 0)
		die("no uprobe_bench.ko");
	err = syscall(SYS_finit_module, fd, args, 0) ? -errno : 0;
	close(fd);
	return err;
}

static inline void bench_unload(void)
{
	if (syscall(SYS_delete_module, "uprobe_bench", 0))
		die("unloading uprobe_bench: %s", strerror(errno));
}

static inline void bench_plant(bool on)
{
	if (write_text(PLANTED, 0, "%d", on))
		die("%s: %s", PLANTED, strerror(errno));
}

/* ---- BPF ---- */

#define UPROBE_MULTI		48	/* BPF_TRACE_UPROBE_MULTI: not in old headers */

/* "return 0". Its descriptor or -errno. */
static inline int bpf_empty_program(int attach_type)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { };
	int fd;

	attr.prog_type = BPF_PROG_TYPE_KPROBE;
	attr.expected_attach_type = attach_type;
	attr.insns = (unsigned long)insns;
	attr.insn_cnt = ARRAY_SIZE(insns);
	attr.license = (unsigned long)"GPL";
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd < 0 ? -errno : fd;
}

/* A link: closing it detaches. */
static inline int bpf_multi_link(int prog, const char *path, const uint64_t *offsets,
				 unsigned int n, bool ret)
{
	struct {
		uint32_t prog_fd, target_fd, attach_type, flags;
		uint64_t path, offsets, ref_ctr_offsets, cookies;
		uint32_t cnt, multi_flags, pid, zero;
	} attr = {
		.prog_fd = prog,
		.attach_type = UPROBE_MULTI,
		.path = (unsigned long)path,
		.offsets = (unsigned long)offsets,
		.cnt = n,
		.multi_flags = ret,
	};
	int fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

#endif /* UPROBES_SELFTEST_BENCH_H */
