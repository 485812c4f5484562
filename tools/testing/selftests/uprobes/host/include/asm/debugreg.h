/* SPDX-License-Identifier: GPL-2.0-only */
#define DR_STEP		0x4000
