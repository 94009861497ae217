/* SPDX-License-Identifier: GPL-2.0 */
/* rkernfs's counters of the removal path */
#ifndef SELFTESTS_LIB_COUNTERS_H
#define SELFTESTS_LIB_COUNTERS_H

#include <stdbool.h>

/* The value of one, or -1 */
long long counter(const char *name);
/*
 * Was each inode that was cleared ended in one of the three ways? Waits for what
 * is pending.
 */
bool counters_add_up(void);

#endif
