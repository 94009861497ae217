// SPDX-License-Identifier: GPL-2.0
/*
 * How long others are held up, and what memory is pinned, while a user without
 * rights does its worst in a delegated cgroup and namespaces of its own.
 *
 * Usage: hostile MILLISECONDS [ATTACK...]	so long each
 *
 * Prints "ATTACK,WHAT,MEDIAN,P99,MAX" in microseconds, and of memory
 * "ATTACK,slab,HELD,LEFT,0" in kilobytes: while the user holds all it has, and
 * after its end. Nothing is judged.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostile/hostile.h"
#include "lib/events.h"
#include "lib/module.h"
#include "lib/netdev.h"
#include "lib/system.h"

#define MAX_SAMPLES	100000
#define PAUSE_US	1000
/* Where the unpatched kernel sends nothing, nothing is waited for. */
#define NO_EVENT_MS	5
#define REST_MS		300

struct victim {
	const char *name;
	void (*once)(struct victim *victim);
	pthread_t thread;
	size_t nr;
	long us[MAX_SAMPLES];
};

static atomic_bool over;
static bool patched;

static void add_sample(struct victim *victim, long long since)
{
	if (victim->nr < MAX_SAMPLES)
		victim->us[victim->nr++] = now_us() - since;
}

static int compare(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static void report(const char *attack, struct victim *victim)
{
	size_t nr = victim->nr;

	if (!nr)
		return;
	qsort(victim->us, nr, sizeof(victim->us[0]), compare);
	printf("%s,%s,%ld,%ld,%ld\n", attack, victim->name, victim->us[nr / 2],
	       victim->us[nr * 99 / 100], victim->us[nr - 1]);
	victim->nr = 0;
}

/* The victims */

static char *own_path(char path[PATH_MAX], const char *name)
{
	return format_path(path, "%.3900s/%s", cgroup_base(), name);
}

static void rmdir_once(struct victim *victim)
{
	char path[PATH_MAX];
	long long start;

	own_path(path, "rmdir");
	mkdir(path, 0755);
	start = now_us();
	if (!rmdir(path))
		add_sample(victim, start);
}

/* From the start of the removal to the event in hand */
static void event_once(struct victim *victim)
{
	char parent[PATH_MAX], path[PATH_MAX], file[PATH_MAX];
	struct pollfd pollfd = { .fd = open_inotify(), .events = POLLIN };
	long long start;

	own_path(parent, "event");
	mkdir(parent, 0755);
	mkdir(format_path(path, "%.3900s/child", parent), 0755);
	format_path(path, "%.3900s/cgroup.subtree_control", parent);
	write_text(path, "+pids");
	format_path(file, "%.3900s/child/pids.events", parent);
	inotify_add_watch(pollfd.fd, file, IN_DELETE_SELF);
	start = now_us();
	write_text(path, "-pids");
	if (poll(&pollfd, 1, patched ? event_timeout_ms() : NO_EVENT_MS) == 1 || patched)
		add_sample(victim, start);
	close(pollfd.fd);
}

static void look_up_once(struct victim *victim)
{
	char path[PATH_MAX];
	long long start;
	struct stat st;

	own_path(path, "cgroup.procs");
	start = now_us();
	if (!stat(path, &st))
		add_sample(victim, start);
}

static void look_up_sysfs_once(struct victim *victim)
{
	long long start = now_us();
	struct stat st;

	if (!stat("/sys/devices/system/cpu/online", &st))
		add_sample(victim, start);
}

static char mount_point[PATH_MAX];

static void mount_once(struct victim *victim)
{
	long long start = now_us();

	if (mount("none", mount_point, "sysfs", 0, NULL))
		return;
	add_sample(victim, start);
	umount(mount_point);
}

static struct victim victims[] = {
	{ .name = "rmdir", .once = rmdir_once },
	{ .name = "event", .once = event_once },
	{ .name = "lookup", .once = look_up_once },
	{ .name = "lookup in sysfs", .once = look_up_sysfs_once },
	{ .name = "mount of sysfs", .once = mount_once },
};

/* Before all that only wants the CPU: what it waits for is what others hold. */
static void *be_victim(void *arg)
{
	struct sched_param priority = { .sched_priority = 1 };
	struct victim *victim = arg;

	pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority);
	/* Each mount of sysfs by a network namespace's only one is a superblock of its own. */
	if (victim->once == mount_once && unshare(CLONE_NEWNET))
		return NULL;
	while (!over) {
		victim->once(victim);
		usleep(PAUSE_US);
	}
	return NULL;
}

static void suffer(int ms)
{
	over = false;
	for (size_t i = 0; i < ARRAY_SIZE(victims); i++)
		pthread_create(&victims[i].thread, NULL, be_victim, &victims[i]);
	sleep_ms(ms);
	over = true;
	for (size_t i = 0; i < ARRAY_SIZE(victims); i++)
		pthread_join(victims[i].thread, NULL);
}

/* The user */

static long slab_kb(void)
{
	char line[128];
	long kb = 0;
	FILE *info;

	drop_dentries();
	sleep_ms(REST_MS);
	info = fopen("/proc/meminfo", "r");
	while (info && fgets(line, sizeof(line), info))
		sscanf(line, "Slab: %ld", &kb);
	if (info)
		fclose(info);
	return kb;
}

static struct ground ground;

static bool endure(const struct attack *attack, int ms)
{
	long before = slab_kb(), held;
	pid_t pid = start_attack(attack, &ground);

	if (pid < 0)
		return false;
	suffer(ms);
	freeze_attack(&ground, true);
	held = slab_kb();
	freeze_attack(&ground, false);
	end_attack(&ground, pid);
	for (size_t i = 0; i < ARRAY_SIZE(victims); i++)
		report(attack->name, &victims[i]);
	printf("%s,slab,%ld,%ld,0\n", attack->name, held - before, slab_kb() - before);
	fflush(stdout);
	return true;
}

static bool is_wanted(const char *name, char **wanted)
{
	if (!*wanted)
		return true;
	for (; *wanted; wanted++)
		if (!strcmp(name, *wanted))
			return true;
	return false;
}

static void clean_up(void)
{
	static const char * const left[] = { "event/child", "event", "rmdir" };
	char path[PATH_MAX];

	remove_ground(&ground);
	for (size_t i = 0; i < ARRAY_SIZE(left); i++)
		remove_cgroup(own_path(path, left[i]));
	cgroup_base_remove();
	remove_mount_point(mount_point);
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc < 2 || atoi(argv[1]) <= 0) {
		fprintf(stderr, "usage: hostile MILLISECONDS [ATTACK...]\n");
		return 2;
	}
	patched = is_patched();
	if (!load_dummy()) {
		fprintf(stderr, "hostile: no dummy network driver\n");
		return 1;
	}
	if (why_not_root() || !cgroup_base() || !make_ground(&ground) ||
	    !make_mount_point(mount_point)) {
		perror("hostile: needs root and cgroup2");
		return 1;
	}
	for (size_t i = 0; i < nr_attacks; i++)
		if (is_wanted(attacks[i].name, argv + 2) && !endure(&attacks[i], atoi(argv[1])))
			failed = 1;
	clean_up();
	return failed;
}
