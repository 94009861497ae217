// SPDX-License-Identifier: GPL-2.0
/*
 * What stat, open, a path walk and readdir of nodes that stay cost, and that the
 * kernel changes one without a watch.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/system.h"

#define BATCH	50
/* Longer than the kernel puts changes of one file together */
#define APART_MS	20

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

/*
 * cgroup.events changes as an empty cgroup is frozen and is not; it is read
 * before, or never. The work that sends events runs when this task sleeps.
 * There is a watch elsewhere in the file system, as on most machines.
 */
static void measure_notify(const char *name, const char *dir, bool seen, int rounds)
{
	static struct samples samples;
	char path[PATH_MAX], text[64];
	int fd = open(format_path(path, "%.4000s/cgroup.freeze", dir), O_WRONLY | O_CLOEXEC);
	int inotify = inotify_init1(IN_CLOEXEC);

	check(fd >= 0 && drop_dentries(), path);
	format_path(path, "%.3900s/cgroup.events", memory_base());
	check(inotify_add_watch(inotify, path, IN_MODIFY) >= 0, path);
	if (seen)
		read_text(format_path(path, "%.4000s/cgroup.events", dir), text, sizeof(text));
	samples.nr = 0;
	for (int i = 0; i < rounds; i++) {
		uint64_t start;

		sleep_ms(APART_MS);
		start = now_ns();
		check(write(fd, i % 2 ? "0" : "1", 1) == 1, path);
		sched_yield();
		sched_yield();
		add_sample(&samples, now_ns() - start);
	}
	close(fd);
	close(inotify);
	report_samples("live", name, 1, "ns", &samples);
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
	format_path(cgroup.deep, "%.3900s/b/c", cgroup.dir);
	measure_notify("cgroup/change-unseen", cgroup.deep, false, 4 * rounds);
	measure_notify("cgroup/change-seen", cgroup.deep, true, 4 * rounds);
	rmdir(cgroup.deep);
	rmdir(format_path(cgroup.deep, "%.3900s/b", cgroup.dir));
	rmdir(cgroup.dir);
	rmdir(memory_base());
}
