// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a thread is, for those who look while it may be in a slot: never there.
 *
 * Who gets to see a thread that has come to rest (signal frames, debuggers, core
 * dumps, rseq) needs none of this: settle() in hit.c has moved it. These look at a
 * moment that the thread has not chosen, and change nothing.
 */
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "internal.h"

/*
 * @t runs on this CPU and is interrupted here, or it does not run: what it names
 * is there. It names a site for as long as it names a slot.
 */
static unsigned long original_ip(const struct uprobe_thread *t, const struct pt_regs *regs)
{
	/* An interrupt may come as the hit sets it: old or new, either is right. */
	unsigned long ip = data_race(instruction_pointer((struct pt_regs *)regs));
	unsigned long slot = READ_ONCE(t->slot);
	const struct uprobe_site *site;

	if (likely(!slot || ip - slot >= UPROBE_XOL_SLOT_BYTES))
		return ip;
	site = READ_ONCE(t->site);
	/* It reads ip, too. */
	switch (data_race(arch_uprobe_place(site->insn, regs, slot))) {
	case UPROBE_BEFORE:
		return site->vaddr;
	case UPROBE_BEHIND:
		return arch_uprobe_behind(site->insn, site->vaddr);
	case UPROBE_ELSEWHERE:
		break;
	}
	return ip;
}

/**
 * uprobe_user_ip - where the current thread is, for samples and stack traces
 * @regs: registers of the current thread, or of the kernel where it was interrupted
 *
 * Context: any, also NMI.
 * Return: the original address if @regs are those of a thread in its slot, else
 * the ip in @regs.
 */
unsigned long uprobe_user_ip(const struct pt_regs *regs)
{
	const struct uprobe_thread *t = uprobe_thread_of(current);

	return unlikely(t) ? original_ip(t, regs) : instruction_pointer((struct pt_regs *)regs);
}

/**
 * struct ip_of - what read_ip() is asked for
 * @regs: the thread's registers
 * @ip: the answer
 */
struct ip_of {
	struct pt_regs *regs;
	unsigned long ip;
};

/* While it does not run nobody takes its names away either: see release_left(). */
static int read_ip(struct task_struct *task, void *arg)
{
	const struct uprobe_thread *t = uprobe_thread_of(task);
	struct ip_of *of = arg;

	if (task_curr(task))
		return -EAGAIN;
	/* A thread that is being made has its parent's for a moment. */
	if (t && t->task == task)
		of->ip = original_ip(t, of->regs);
	return 0;
}

/**
 * uprobe_task_ip - where another thread is
 * @task: the thread, or the current one; the caller holds its stack
 * @regs: its registers
 *
 * Context: process context.
 * Return: the original address if it is in a slot. If it runs the answer is as
 * good as its ip is: out of date.
 */
unsigned long uprobe_task_ip(struct task_struct *task, struct pt_regs *regs)
{
	struct ip_of of = { .regs = regs, .ip = instruction_pointer(regs) };

	if (task == current)
		return uprobe_user_ip(regs);
	if (READ_ONCE(task->utask))
		task_call_func(task, read_ip, &of);
	return of.ip;
}
