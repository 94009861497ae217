// SPDX-License-Identifier: GPL-2.0
/*
 * What stat, open, a path walk and readdir of nodes that stay cost.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/system.h"

#define BATCH	50

struct place {
	const char *name;
	char dir[PATH_MAX];
	char file[PATH_MAX];
	char deep[PATH_MAX];
};

static void do_stat(const struct place *place)
{
	struct stat info;

	stat(place->file, &info);
}

static void do_open(const struct place *place)
{
	close(open(place->file, O_RDONLY));
}

static void do_walk(const struct place *place)
{
	access(place->deep, F_OK);
}

static void do_readdir(const struct place *place)
{
	DIR *dir = opendir(place->dir);

	while (dir && readdir(dir))
		;
	closedir(dir);
}

static const struct {
	const char *name;
	void (*run)(const struct place *place);
} operations[] = {
	{ "stat", do_stat },
	{ "open-close", do_open },
	{ "walk", do_walk },
	{ "readdir", do_readdir },
};

static void measure_place(const struct place *place, int rounds)
{
	static struct samples samples;
	char name[64];

	check(exists(place->file) && exists(place->deep), place->file);
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		samples.nr = 0;
		for (int j = 0; j < rounds; j++) {
			uint64_t start = now_ns();

			for (int k = 0; k < BATCH; k++)
				operations[i].run(place);
			add_sample(&samples, (double)(now_ns() - start) / BATCH);
		}
		snprintf(name, sizeof(name), "%s/%s", place->name, operations[i].name);
		report_samples("live", name, 1, "ns", &samples);
	}
}

/* live ROUNDS, of BATCH operations each */
void bench_live(char **args)
{
	static struct place cgroup = { .name = "cgroup" }, sysfs = {
		.name = "sysfs",
		.dir = "/sys/devices/virtual/net/lo",
		.file = "/sys/devices/virtual/net/lo/mtu",
		.deep = "/sys/devices/virtual/net/lo/statistics/rx_bytes",
	};
	int rounds = atoi(args[0]);

	format_path(cgroup.dir, "%.3900s/a", memory_base());
	format_path(cgroup.file, "%.3900s/memory.events", cgroup.dir);
	format_path(cgroup.deep, "%.3900s/b", cgroup.dir);
	mkdir(cgroup.dir, 0755);
	mkdir(cgroup.deep, 0755);
	format_path(cgroup.deep, "%.3900s/b/c", cgroup.dir);
	mkdir(cgroup.deep, 0755);
	format_path(cgroup.deep, "%.3900s/b/c/cgroup.procs", cgroup.dir);

	measure_place(&cgroup, rounds);
	measure_place(&sysfs, rounds);
	rmdir(format_path(cgroup.deep, "%.3900s/b/c", cgroup.dir));
	rmdir(format_path(cgroup.deep, "%.3900s/b", cgroup.dir));
	rmdir(cgroup.dir);
	rmdir(memory_base());
}
