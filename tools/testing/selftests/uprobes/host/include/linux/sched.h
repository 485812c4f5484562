/* SPDX-License-Identifier: GPL-2.0-only */
/* The thread, as far as an emulated instruction changes it */
#ifndef HOST_LINUX_SCHED_H
#define HOST_LINUX_SCHED_H

struct host_task {
	struct {
		unsigned long virtual_dr6;
	} thread;
};

extern struct host_task *current;

#define TIF_BLOCKSTEP		0
#define test_thread_flag(f)	0
#define send_sigtrap(r, e, c)	((void)(r))

#endif
