// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watches one function of a program or a library, in every process that runs it.
 *
 *	insmod uprobe_example.ko path=/bin/bash offset=0x4a230
 *	dmesg
 *	rmmod uprobe_example
 *
 * The offset is that of the function's first byte in the file. For a function
 * of a shared library nm -D prints an address, which is the same number where
 * the text is mapped as it lies in the file (readelf -lW: VirtAddr == Offset).
 */
#define pr_fmt(fmt) "uprobe_example: " fmt

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/uprobes.h>

static char *path;
module_param(path, charp, 0400);
MODULE_PARM_DESC(path, "program or library");

static unsigned long offset;
module_param(offset, ulong, 0400);
MODULE_PARM_DESC(offset, "first instruction of a function, counted from the start of the file");

static atomic_long_t calls = ATOMIC_LONG_INIT(0);
static atomic_long_t returns = ATOMIC_LONG_INIT(0);

/*
 * Called by the thread that hit, before the instruction is executed. It may
 * sleep, and read or change the program's registers and memory.
 */
static int on_call(struct uprobe *u, struct pt_regs *regs)
{
	atomic_long_inc(&calls);
	pr_info_ratelimited("%s[%d] calls %#lx, first argument %#lx\n", current->comm,
			    task_pid_nr(current), instruction_pointer(regs),
			    regs_get_kernel_argument(regs, 0));
	return 0;
}

/* The function has returned to where it was called from. */
static void on_return(struct uprobe *u, unsigned long func, struct pt_regs *regs)
{
	atomic_long_inc(&returns);
	pr_info_ratelimited("%s[%d] returns from %#lx to %#lx, value %#lx\n", current->comm,
			    task_pid_nr(current), func, instruction_pointer(regs),
			    regs_return_value(regs));
}

/* Ours until unregister_uprobe() has returned. */
static struct uprobe probe = {
	.handler = on_call,
	.ret_handler = on_return,
};

static int __init uprobe_example_init(void)
{
	int err;

	if (!path)
		return -EINVAL;
	probe.path = path;
	probe.offset = offset;
	err = register_uprobe(&probe);
	if (err)
		pr_err("%s+%#lx cannot be probed: %pe\n", path, offset, ERR_PTR(err));
	return err;
}

static void __exit uprobe_example_exit(void)
{
	/* No handler runs any more when it returns. */
	unregister_uprobe(&probe);
	pr_info("%ld calls, %ld returns\n", atomic_long_read(&calls), atomic_long_read(&returns));
}

module_init(uprobe_example_init);
module_exit(uprobe_example_exit);
MODULE_DESCRIPTION("Example of a user-space probe");
MODULE_LICENSE("GPL");
