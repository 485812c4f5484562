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

struct pt_regs;

static inline bool test_thread_flag(int flag)
{
	return false;
}

static inline void send_sigtrap(struct pt_regs *regs, int error_code, int si_code)
{
}

#endif
