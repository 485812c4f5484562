/* SPDX-License-Identifier: GPL-2.0-only */
#define __USER_DS	0x2b
