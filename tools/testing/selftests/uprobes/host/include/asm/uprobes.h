/* SPDX-License-Identifier: GPL-2.0-only */
/* By its place in the overlay: what else is in that folder is not for user space. */
#include "../../../../../../../arch/x86/include/asm/uprobes.h"
