// SPDX-License-Identifier: GPL-2.0
/*
 * bench MEASURE [ARGUMENT...]: runs one measure and prints its results.
 */
#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/mark.h"
#include "lib/system.h"

#define SETTLE_US		2000
#define SLAB_INTERVAL_MS	100
#define SLAB_TRIES		20
#define SLAB_NOISE		1024

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t process_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t thread_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void settle(void)
{
	usleep(SETTLE_US);
}

void fail(const char *fmt, ...)
{
	va_list args;

	fputs("bench: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	cgroup_base_remove();
	exit(1);
}

void check(bool ok, const char *what)
{
	if (!ok)
		fail("%s: %s", what, strerror(errno));
}

/* Results */

void add_sample(struct samples *samples, double value)
{
	if (samples->nr < MAX_SAMPLES)
		samples->at[samples->nr++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void report(const char *measure, const char *name, long size, const char *stat, double value)
{
	const char *turn = getenv("BENCH_TURN"), *patch = getenv("BENCH_PATCH");

	printf("%s,%s,%s,%s,%ld,%s,%.0f\n", turn ? turn : "0", patch ? patch : "unknown",
	       measure, name, size, stat, value);
	fflush(stdout);
}

void report_samples(const char *measure, const char *name, long size, const char *what,
		    struct samples *samples)
{
	size_t nr = samples->nr;
	char stat[64];

	if (!nr)
		return;
	qsort(samples->at, nr, sizeof(samples->at[0]), compare);
	snprintf(stat, sizeof(stat), "%s_median", what);
	report(measure, name, size, stat, (samples->at[nr / 2] + samples->at[(nr - 1) / 2]) / 2);
	snprintf(stat, sizeof(stat), "%s_p10", what);
	report(measure, name, size, stat, samples->at[nr / 10]);
	snprintf(stat, sizeof(stat), "%s_p99", what);
	report(measure, name, size, stat, samples->at[nr * 99 / 100]);
	snprintf(stat, sizeof(stat), "%s_rounds", what);
	report(measure, name, size, stat, nr);
}

/* Windows */

/* BENCH_LABEL is the first that this run may give. */
unsigned int add_label(const char *measure, const char *name, long size)
{
	static unsigned int nr;
	const char *first = getenv("BENCH_LABEL");
	unsigned int label = (first ? atoi(first) : 1) + nr++;

	if (first)
		report(measure, name, size, "label", label);
	return label;
}

static void mark(unsigned int label)
{
	static char labels[MARK_LABELS] __attribute__((aligned(MARK_LABELS)));
	char byte;

	asm volatile(MARK_ASM
		     : "=r"(byte) : "r"(labels + label % MARK_LABELS) : "memory");
}

uint64_t begin_window(unsigned int label)
{
	uint64_t begun = now_ns();

	mark(label);
	return begun;
}

uint64_t end_window(uint64_t begun)
{
	mark(0);
	return now_ns() - begun;
}

/* The system */

void turn_memory_on(const char *cgroup)
{
	char path[PATH_MAX];

	format_path(path, "%.3900s/cgroup.subtree_control", cgroup);
	check(write_text(path, "+memory"), path);
}

const char *memory_base(void)
{
	static char base[PATH_MAX];

	check(cgroup_base(), "cgroup2");
	format_path(base, "%.3900s/memory", cgroup_base());
	check(!mkdir(base, 0755) || errno == EEXIST, base);
	turn_memory_on(base);
	return base;
}

/* Only a shrunk cache counts its objects exactly. */
static void shrink_slabs(void)
{
	glob_t found;

	if (glob("/sys/kernel/slab/*/shrink", 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		write_text(found.gl_pathv[i], "1");
	globfree(&found);
}

static long long count_slab_bytes(void)
{
	long long sum = 0;
	char line[512];
	FILE *info;

	drop_dentries();
	sleep_ms(SLAB_INTERVAL_MS);
	shrink_slabs();
	info = fopen("/proc/slabinfo", "r");
	check(info, "/proc/slabinfo");
	while (fgets(line, sizeof(line), info)) {
		unsigned long active, size;

		if (sscanf(line, "%*s %lu %*u %lu", &active, &size) == 2)
			sum += (long long)active * size;
	}
	fclose(info);
	return sum;
}

long long slab_bytes(void)
{
	long long before = count_slab_bytes(), now;

	/* What was freed just before is reclaimed by and by. */
	for (int i = 0; i < SLAB_TRIES; i++) {
		now = count_slab_bytes();
		if (llabs(now - before) <= SLAB_NOISE)
			break;
		before = now;
	}
	return now;
}

long long meminfo(const char *key)
{
	long long kilobytes = 0;
	char line[128];
	size_t len = strlen(key);
	FILE *info = fopen("/proc/meminfo", "r");

	check(info, "/proc/meminfo");
	while (fgets(line, sizeof(line), info))
		if (!strncmp(line, key, len) && line[len] == ':')
			kilobytes = atoll(line + len + 1);
	fclose(info);
	return kilobytes * 1024;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(char **args);
	} measures[] = {
		{ "rmdir", bench_rmdir },
		{ "parallel", bench_parallel },
		{ "turns", bench_turns },
		{ "live", bench_live },
		{ "superblocks", bench_superblocks },
		{ "netdev", bench_netdev },
		{ "names", bench_names },
		{ "delay", bench_delay },
		{ "directory", bench_directory },
		{ "monitor", bench_monitor },
		{ "load", bench_load },
		{ "unload", bench_unload },
	};

	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(measures); i++) {
		if (strcmp(argv[1], measures[i].name))
			continue;
		measures[i].run(argv + 2);
		cgroup_base_remove();
		return 0;
	}
	fprintf(stderr, "usage: bench MEASURE [ARGUMENT...]\n");
	return 2;
}
