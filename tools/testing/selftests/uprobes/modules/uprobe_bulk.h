/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What uprobe_bulk.ko and the tests say to each other, through the debugfs file
 * uprobe_bulk. Each time it is opened a set of probes begins, which ends when
 * it is closed.
 */
#ifndef UPROBES_SELFTEST_BULK_H
#define UPROBES_SELFTEST_BULK_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define BULK_FILE	"uprobe_bulk"

/* Once per set. Each probe gets an errno of its own: 0, or it is not there. */
struct bulk_add {
	__s32 fd;		/* the file to be probed */
	__u32 n;
	__u64 offsets;		/* address of n __u64 */
	__u64 errors;		/* address of n __s32 */
	__u32 returns;		/* not 0: of the functions that begin there */
	__u32 unused;
};

struct bulk_hits {
	__u64 counts;		/* address of as many __u64 as there are probes */
	__u64 sum;
};

/*
 * For the tests of the tests: the handler of one probe does what a wrong way
 * past the instruction would do.
 */
enum bulk_spoil_how {
	SPOIL_NOTHING,
	SPOIL_REGISTER,		/* a bit of bp is flipped */
	SPOIL_FLAG,		/* carry is flipped */
	SPOIL_MEMORY,		/* the byte at @arg is flipped */
	SPOIL_VECTOR,		/* a bit of xmm0 is flipped */
	SPOIL_BASE,		/* the fs base moves; 64 bit */
	SPOIL_SKIP,		/* @arg bytes of code are passed over */
	SPOIL_SIGNAL,		/* a signal comes that nobody sent */
	SPOIL_MISSED,		/* the hit is not counted */
	SPOIL_DOUBLE,		/* the hit is counted twice */
	SPOIL_VALUE,		/* a bit of ax is flipped */
	SPOIL_HOWS
};

struct bulk_spoil {
	__u32 index;
	__u32 how;
	__u64 arg;
};

#define BULK_ADD	_IOW('U', 1, struct bulk_add)
#define BULK_HITS	_IOWR('U', 2, struct bulk_hits)
#define BULK_SPOIL	_IOW('U', 3, struct bulk_spoil)

#endif /* UPROBES_SELFTEST_BULK_H */
