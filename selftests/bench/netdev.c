// SPDX-License-Identifier: GPL-2.0
/*
 * Removal of a network device while many network namespaces have sysfs
 * mounted, each through a superblock of its own.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/events.h"
#include "lib/netdev.h"
#include "lib/system.h"

#define GROUP	7
#define MOUNTS	"/tmp/rkernfs-bench-sysfs"

static void add_superblock(int nr)
{
	char path[PATH_MAX];

	format_path(path, MOUNTS "/%d", nr);
	mkdir(path, 0755);
	check(!unshare(CLONE_NEWNET), "unshare");
	/* the namespace stays as long as a task has it open */
	check(open("/proc/self/ns/net", O_RDONLY) >= 0, "/proc/self/ns/net");
	check(!mount("none", path, "sysfs", 0, NULL), path);
}

/*
 * superblocks FROM TO: makes number FROM to TO - 1; a process in the
 * background keeps the namespaces.
 */
void bench_superblocks(char **args)
{
	int ready[2];
	char byte;

	check(raise_open_files(atoi(args[1]) + 64), "RLIMIT_NOFILE");
	mkdir(MOUNTS, 0755);
	check(!pipe2(ready, O_CLOEXEC), "pipe");
	if (fork()) {
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1)
			fail("no superblocks");
		return;
	}
	for (int i = atoi(args[0]); i < atoi(args[1]); i++)
		add_superblock(i);
	check(write(ready[1], "", 1) == 1, "pipe");
	close(ready[1]);
	close(STDOUT_FILENO);
	for (;;)
		pause();
}

/* Its own process removes the device. */
static void measure_removal(int rounds, long superblocks)
{
	static struct samples wall, cpu;

	for (int i = 0; i < rounds; i++) {
		uint64_t start, start_cpu;

		check(add_dummies("bd", 1, GROUP), "a dummy device");
		sleep_ms(20);
		start = now_ns();
		start_cpu = process_ns();
		check(delete_group(GROUP), "its removal");
		add_sample(&cpu, process_ns() - start_cpu);
		add_sample(&wall, now_ns() - start);
	}
	report_samples("netdev", "removal", superblocks, "ns", &wall);
	report_samples("netdev", "removal", superblocks, "cpu_ns", &cpu);
}

/*
 * A thread of the kernel removes it: with the last process of a network
 * namespace, which is killed, until the device's directory is removed. Most of
 * that is grace periods of RCU.
 */
static void measure_namespace(int rounds, long superblocks)
{
	static const char root[] = MOUNTS "/namespace";
	static struct samples wall;

	mkdir(MOUNTS, 0755);
	mkdir(root, 0755);
	for (int i = 0; i < rounds; i++) {
		pid_t pid = start_netns(root, "bn", 1);
		uint64_t start;

		check(exists(MOUNTS "/namespace/class/net/bn0"), "a namespace's device");
		sleep_ms(20);
		start = now_ns();
		kill(pid, SIGKILL);
		while (exists(MOUNTS "/namespace/class/net/bn0"))
			usleep(50);
		add_sample(&wall, now_ns() - start);
		waitpid(pid, NULL, 0);
		check(!umount(root), root);
	}
	report_samples("netdev", "namespace", superblocks, "ns", &wall);
}

/*
 * names ROUNDS NAMES: removal of a device in whose directory a user, who watches it,
 * looked up so many names that are not there; and of another one right after it
 */
void bench_names(char **args)
{
	static const char device[] = "/sys/class/net/bd0/";
	static struct samples cpu, beside;
	long names = atol(args[1]);

	check(load_dummy(), "dummy.ko");
	for (int i = 0; i < atoi(args[0]); i++) {
		int inotify = open_inotify(), dir;
		char name[32];
		struct stat info;
		uint64_t start;

		check(add_dummies("bd", 1, GROUP) && add_dummies("be", 1, GROUP + 1), "dummy devices");
		check(inotify_add_watch(inotify, device, IN_DELETE_SELF) >= 0, device);
		dir = open(device, O_PATH | O_CLOEXEC);
		for (long j = 0; j < names; j++) {
			snprintf(name, sizeof(name), "no%ld", j);
			check(fstatat(dir, name, &info, 0), name);
		}
		close(dir);
		sleep_ms(20);
		start = process_ns();
		check(delete_group(GROUP), "its removal");
		add_sample(&cpu, process_ns() - start);
		start = process_ns();
		check(delete_group(GROUP + 1), "the removal of another");
		add_sample(&beside, process_ns() - start);
		close(inotify);
	}
	report_samples("names", "removal", names, "cpu_ns", &cpu);
	report_samples("names", "beside", names, "cpu_ns", &beside);
}

/* netdev ROUNDS SUPERBLOCKS: the second is what there are, for the report */
void bench_netdev(char **args)
{
	check(load_dummy(), "dummy.ko");
	measure_removal(atoi(args[0]), atol(args[1]));
	measure_namespace(atoi(args[0]), atol(args[1]));
}
