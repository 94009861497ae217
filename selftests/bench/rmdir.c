// SPDX-License-Identifier: GPL-2.0
/*
 * rmdir of empty leaf cgroups: one at a time, and on several CPUs at once.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/events.h"
#include "lib/system.h"

#define BURST	200

enum interest {
	NONE,	 /* no file was ever looked up */
	LOOKED,	 /* each was looked at once, and is in the dcache */
	WATCHED, /* memory.events is watched */
};

static const char * const interests[] = { "unwatched", "looked-up", "watched" };

/* How many nodes a cgroup has: the directory and its files */
static long visit(const char *cgroup, bool look)
{
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat info;
	DIR *dir = opendir(cgroup);
	long nodes = 1;

	check(dir, cgroup);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		nodes++;
		if (look)
			stat(format_path(path, "%.3000s/%s", cgroup, entry->d_name), &info);
	}
	closedir(dir);
	return nodes;
}

uint64_t time_rmdir(const char *cgroup, unsigned int label)
{
	uint64_t begun = begin_window(label);
	bool ok = !rmdir(cgroup);
	uint64_t ns = end_window(begun);

	check(ok, cgroup);
	return ns;
}

void watch_cgroup(int inotify, const char *cgroup)
{
	char path[PATH_MAX];

	format_path(path, "%.3900s/memory.events", cgroup);
	check(inotify_add_watch(inotify, path, IN_DELETE_SELF | IN_MODIFY) >= 0, path);
}

static uint64_t time_one(const char *cgroup, enum interest interest, int inotify,
			 unsigned int label)
{
	struct events events = { 0 };
	uint64_t ns;

	check(!mkdir(cgroup, 0755), cgroup);
	if (interest == LOOKED)
		visit(cgroup, true);
	if (interest == WATCHED)
		watch_cgroup(inotify, cgroup);
	settle();
	ns = time_rmdir(cgroup, label);
	settle();
	read_events(inotify, &events);
	return ns;
}

void set_real_time(bool on)
{
	struct sched_param priority = { .sched_priority = on };

	check(!sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &priority), "scheduler");
}

bool bind_to_cpu(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	return !sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* Each interest up to @most */
static void measure_rmdir(const char *base, const char *controllers, int rounds, enum interest most)
{
	static struct samples samples[ARRAY_SIZE(interests)];
	char cgroup[PATH_MAX], name[64];
	unsigned int labels[ARRAY_SIZE(interests)];
	int inotify = open_inotify();
	long nodes;

	format_path(cgroup, "%.3000s/leaf", base);
	check(!mkdir(cgroup, 0755), cgroup);
	nodes = visit(cgroup, false);
	rmdir(cgroup);
	for (enum interest i = NONE; i <= most; i++) {
		snprintf(name, sizeof(name), "%s/%s", controllers, interests[i]);
		labels[i] = add_label("rmdir", name, nodes);
		samples[i].nr = 0;
	}
	set_real_time(true);
	for (int i = 0; i < rounds; i++) {
		format_path(cgroup, "%.3000s/leaf%d", base, i);
		for (enum interest j = NONE; j <= most; j++)
			add_sample(&samples[j], time_one(cgroup, j, inotify, labels[j]));
	}
	set_real_time(false);
	for (enum interest i = NONE; i <= most; i++) {
		snprintf(name, sizeof(name), "%s/%s", controllers, interests[i]);
		report_samples("rmdir", name, nodes, "ns", &samples[i]);
	}
	close(inotify);
}

/* One after the other, so that code and data are in the caches */
static void measure_burst(const char *base, const char *controllers)
{
	static struct samples samples;
	char cgroup[PATH_MAX], name[64];
	unsigned int label;

	snprintf(name, sizeof(name), "%s/burst", controllers);
	label = add_label("rmdir", name, BURST);
	samples.nr = 0;
	for (int i = 0; i < BURST; i++)
		check(!mkdir(format_path(cgroup, "%.3000s/leaf%d", base, i), 0755), cgroup);
	settle();
	for (int i = 0; i < BURST; i++) {
		format_path(cgroup, "%.3000s/leaf%d", base, i);
		add_sample(&samples, time_rmdir(cgroup, label));
	}
	report_samples("rmdir", name, BURST, "ns", &samples);
}

/* How many nodes a child of it has with the controllers in @set, a bit for each of @names */
static long try_controllers(const char *base, char **names, int nr, unsigned int set)
{
	char control[PATH_MAX], child[PATH_MAX], word[64];
	long nodes;

	format_path(control, "%.3900s/cgroup.subtree_control", base);
	for (int i = 0; i < nr; i++) {
		snprintf(word, sizeof(word), "%c%s", set & 1u << i ? '+' : '-', names[i]);
		write_text(control, word);
	}
	format_path(child, "%.3900s/leaf", base);
	check(!mkdir(child, 0755), child);
	nodes = visit(child, false);
	rmdir(child);
	return nodes;
}

/* The size of the cgroup for which it was reported that the series made rmdir slower */
#define REPORTED_NODES	26

/* A cgroup whose children have that size, with as few controllers as can be; or NULL */
static const char *reported_base(void)
{
	static char base[PATH_MAX];
	char path[PATH_MAX], text[512], *names[16], *rest = text;
	int nr = 0;

	format_path(base, "%.3900s/reported", cgroup_base());
	check(!mkdir(base, 0755) || errno == EEXIST, base);
	format_path(path, "%.3900s/cgroup.controllers", base);
	check(read_text(path, text, sizeof(text)) >= 0, path);
	while (nr < ARRAY_SIZE(names) && (names[nr] = strtok_r(rest, "\n ", &rest)))
		nr++;
	for (int few = 0; few <= 2; few++)
		for (unsigned int set = 0; set < 1u << nr; set++)
			if (__builtin_popcount(set) == few &&
			    try_controllers(base, names, nr, set) == REPORTED_NODES)
				return base;
	return NULL;
}

/*
 * rmdir ROUNDS: with the memory controller only, with all there are, and of a size
 * that was reported
 */
void bench_rmdir(char **args)
{
	const char *reported = reported_base();
	int rounds = atoi(args[0]);

	if (reported)
		measure_rmdir(reported, "reported", rounds, NONE);
	measure_rmdir(memory_base(), "memory", rounds, WATCHED);
	measure_rmdir(cgroup_base(), "all", rounds, WATCHED);
	measure_burst(memory_base(), "memory");
	measure_burst(cgroup_base(), "all");
}

struct worker {
	pthread_t thread;
	int cpu;
	int cgroups;
	char tree[PATH_MAX];
};

static pthread_barrier_t barrier;

static void *remove_all(void *arg)
{
	struct worker *worker = arg;
	char path[PATH_MAX];

	bind_to_cpu(worker->cpu);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < worker->cgroups; i++)
		check(!rmdir(format_path(path, "%.3900s/%d", worker->tree, i)), path);
	return NULL;
}

/* How long one removal takes, as measured by a counter of both CPUs' */
static double ns_per_removal(struct worker *workers, int nr)
{
	uint64_t start, end;
	char path[PATH_MAX];

	pthread_barrier_init(&barrier, NULL, nr + 1);
	for (int i = 0; i < nr; i++) {
		format_path(workers[i].tree, "%.3900s/tree%d", cgroup_base(), i);
		workers[i].cpu = i;
		check(!mkdir(workers[i].tree, 0755), workers[i].tree);
		for (int j = 0; j < workers[i].cgroups; j++)
			mkdir(format_path(path, "%.3900s/%d", workers[i].tree, j), 0755);
		pthread_create(&workers[i].thread, NULL, remove_all, &workers[i]);
	}
	settle();
	pthread_barrier_wait(&barrier);
	start = now_ns();
	for (int i = 0; i < nr; i++)
		pthread_join(workers[i].thread, NULL);
	end = now_ns();
	pthread_barrier_destroy(&barrier);
	for (int i = 0; i < nr; i++)
		remove_cgroup(workers[i].tree);
	return (double)(end - start) / (nr * workers[0].cgroups);
}

#define MAX_TREES	8

/* parallel ROUNDS CGROUPS TREES: each on a CPU of its own, with CGROUPS leaves */
void bench_parallel(char **args)
{
	static struct samples samples;
	struct worker workers[MAX_TREES];
	int nr = atoi(args[2]);

	if (nr < 1 || nr > MAX_TREES || nr > sysconf(_SC_NPROCESSORS_ONLN))
		fail("parallel: %d trees need as many CPUs, at most %d", nr, MAX_TREES);
	check(cgroup_base(), "cgroup2");
	for (int i = 0; i < nr; i++)
		workers[i].cgroups = atoi(args[1]);
	for (int i = 0; i < atoi(args[0]); i++) {
		add_sample(&samples, ns_per_removal(workers, nr));
		sleep_ms(20);
	}
	report_samples("parallel", "rmdir", nr, "ns", &samples);
}
