/* SPDX-License-Identifier: GPL-2.0-only */
/* Before anything else: the few words of the kernel that its tools do without. */
#ifndef HOST_H
#define HOST_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <linux/types.h>

#define CONFIG_X86_64	1

#ifndef fallthrough
#define fallthrough	__attribute__((__fallthrough__))
#endif

#endif
