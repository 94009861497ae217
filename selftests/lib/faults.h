/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Slab allocations of this thread, or of all, that fail, by the kernel's own
 * fault injection (Documentation/fault-injection/).
 */
#ifndef SELFTESTS_LIB_FAULTS_H
#define SELFTESTS_LIB_FAULTS_H

#include <stdbool.h>

/* Why none can be made to fail here, or NULL; then end_faults() puts all back. */
const char *begin_faults(void);
void end_faults(void);

/* Only what is allocated under the module's code, or a function, may fail. */
bool fail_only_under_module(const char *module);
bool fail_only_under(const char *function);
/* What is allocated under this one does not fail. */
bool never_fail_under(const char *function);

/* Has the next @nr allocations fail that may, of whatever task. */
void fail_next_of_all(int nr);
/* How many of them did not yet? None fails from here on. */
int faults_left(void);

/* Has this thread's @nth allocation from here on fail. */
void fail_nth(int nth);
/* Did it? None fails from here on. */
bool fault_injected(void);

#endif
