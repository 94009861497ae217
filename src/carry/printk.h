/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the kernel crate and printk.c.
 */
#ifndef _RKERNFS_CARRY_PRINTK_H
#define _RKERNFS_CARRY_PRINTK_H

/*
 * Bytes of one message, with its end; the rest of a longer one is left out.
 * printk()'s own line has as many as 1024, which is much for a stack.
 */
#define PRINTK_MESSAGE_MAX	384

/* Of the kernel crate: what vsnprintf() calls for %pA. */
char *rust_fmt_argument(char *buf, char *end, const void *ptr);

int __wrap__printk(const char *fmt, ...);

#endif /* _RKERNFS_CARRY_PRINTK_H */
