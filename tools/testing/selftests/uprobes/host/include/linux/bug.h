/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef WARN_ON_ONCE
#define WARN_ON_ONCE(c)	({ assert(!(c)); 0; })
#endif

static inline __s64 sign_extend64(__u64 val, int bit)
{
	return (__s64)(val << (63 - bit)) >> (63 - bit);
}
