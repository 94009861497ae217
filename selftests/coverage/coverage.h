/* SPDX-License-Identifier: GPL-2.0 */
/* What the compiler calls at the beginning of each block (trace-pc) */
#ifndef SELFTESTS_COVERAGE_H
#define SELFTESTS_COVERAGE_H

void __sanitizer_cov_trace_pc(void);

#endif
