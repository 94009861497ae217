/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the measures share: clocks, samples, and how results are printed.
 *
 * A result is a line "turn,patch,measure,case,size,stat,value" on stdout; the
 * first two come from the environment (BENCH_TURN, BENCH_PATCH). Times are in
 * nanoseconds of the guest's clock.
 */
#ifndef SELFTESTS_BENCH_BENCH_H
#define SELFTESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_SAMPLES	4096

struct samples {
	size_t nr;
	double at[MAX_SAMPLES];
};

uint64_t now_ns(void);
/* CPU time of this process, of this thread */
uint64_t process_ns(void);
uint64_t thread_ns(void);

void add_sample(struct samples *samples, double value);
/* Prints median, p10, p99 and the number of samples as "what_median"… */
void report_samples(const char *measure, const char *name, long size, const char *what,
		    struct samples *samples);
void report(const char *measure, const char *name, long size, const char *stat, double value);

/*
 * What lies between is measured: the second returns the nanoseconds, and
 * plugin/windows.c counts, for which each case has a label.
 */
unsigned int add_label(const char *measure, const char *name, long size);
uint64_t begin_window(unsigned int label);
uint64_t end_window(uint64_t begun);

bool bind_to_cpu(int cpu);
/* Of IN_DELETE_SELF and IN_MODIFY of its memory.events */
void watch_cgroup(int inotify, const char *cgroup);
/* One call of rmdir(), in a window */
uint64_t time_rmdir(const char *cgroup, unsigned int label);
/*
 * In real time, whom a removal wakes runs after it, as on another CPU, and not
 * now and then before it returns: fsnotify frees marks in a worker.
 */
void set_real_time(bool on);

/* Lets the kernel end what it does later, as freeing by RCU. */
void settle(void);
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *fmt, ...);
/* Fails unless @ok, with the text of errno. */
void check(bool ok, const char *what);

/* Gives its children the memory controller. */
void turn_memory_on(const char *cgroup);
/* A cgroup whose children have the memory controller only */
const char *memory_base(void);
/* What the kernel holds in slab objects, to the byte */
long long slab_bytes(void);
/* A line of /proc/meminfo, in bytes */
long long meminfo(const char *key);

/* One function a measure; each says what it measures. Arguments end with NULL. */
void bench_rmdir(char **args);
void bench_parallel(char **args);
void bench_turns(char **args);
void bench_live(char **args);
void bench_superblocks(char **args);
void bench_netdev(char **args);
void bench_names(char **args);
void bench_delay(char **args);
void bench_directory(char **args);
void bench_monitor(char **args);
void bench_load(char **args);
void bench_unload(char **args);

#endif
