/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bpf programs at the begin or the end of a kernel function, by the system call
 * alone: a libbpf that can be linked statically is not to be had for every
 * architecture that the tests are built for.
 */
#ifndef SELFTESTS_COMPANY_BPF_H
#define SELFTESTS_COMPANY_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>

/* Why there can be none, or NULL; then the kernel counts their runs. */
const char *why_no_bpf(void);
/*
 * Loads one that does nothing, @where: BPF_TRACE_FENTRY or BPF_TRACE_FEXIT. A
 * descriptor, or -1 and errno.
 */
int load_program(const char *function, enum bpf_attach_type where);
/* Attaches it until the descriptor is closed that it gives, or -1 and errno. */
int attach_program(int program);
/* How often it was run, or -1 */
long long program_runs(int program);

#endif
