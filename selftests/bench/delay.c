// SPDX-License-Identifier: GPL-2.0
/*
 * From a removal to its event in hand, where VFS by itself would not send
 * one: counted from the start of the call that removes, and from its return
 * (0: the event came before that).
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/events.h"
#include "lib/netdev.h"
#include "lib/system.h"

#define GROUP		8
#define CPU		"/sys/devices/system/cpu/cpu1"
#define NETDEV		"/sys/devices/virtual/net/bw0/mtu"
#define TIMEOUT_MS	10000

static char child[PATH_MAX], control[PATH_MAX], watched[PATH_MAX];
static struct samples from_start, from_return;

static void *await_event(void *arg)
{
	int *inotify = arg;
	struct pollfd pollfd = { .fd = *inotify, .events = POLLIN };
	static uint64_t event;

	event = poll(&pollfd, 1, TIMEOUT_MS) == 1 ? now_ns() : 0;
	return &event;
}

/* @inotify has a watch on what @remove removes. */
static void time_event(int inotify, const char *what, bool (*remove)(void))
{
	uint64_t start, end, *event;
	pthread_t thread;

	pthread_create(&thread, NULL, await_event, &inotify);
	settle();
	start = now_ns();
	check(remove(), what);
	end = now_ns();
	pthread_join(thread, (void **)&event);
	if (!*event)
		fail("%s: no event within %d ms", what, TIMEOUT_MS);
	add_sample(&from_start, *event - start);
	add_sample(&from_return, *event > end ? *event - end : 0);
	close(inotify);
}

static int watch(const char *file)
{
	int inotify = open_inotify();

	check(inotify_add_watch(inotify, file, IN_DELETE_SELF) >= 0, file);
	return inotify;
}

static void report_cause(const char *cause)
{
	report_samples("delay", cause, 1, "from_start_ns", &from_start);
	report_samples("delay", cause, 1, "from_return_ns", &from_return);
	from_start.nr = from_return.nr = 0;
}

static bool turn_memory_off(void)
{
	return write_text(control, "-memory");
}

static void subtree_control(int rounds)
{
	format_path(child, "%.3900s/child", memory_base());
	format_path(control, "%.3900s/cgroup.subtree_control", memory_base());
	format_path(watched, "%.3900s/memory.events", child);
	check(!mkdir(child, 0755), child);
	for (int i = 0; i < rounds; i++) {
		check(write_text(control, "+memory"), control);
		time_event(watch(watched), watched, turn_memory_off);
	}
	rmdir(child);
	report_cause("subtree_control");
}

static bool remove_netdev(void)
{
	return delete_group(GROUP);
}

static void netdev(int rounds)
{
	check(load_dummy(), "dummy.ko");
	for (int i = 0; i < rounds; i++) {
		check(add_dummies("bw", 1, GROUP), "a dummy device");
		time_event(watch(NETDEV), NETDEV, remove_netdev);
	}
	report_cause("netdev");
}

static bool take_cpu_offline(void)
{
	return write_text(CPU "/online", "0");
}

static void cpu_offline(int rounds)
{
	if (!exists(CPU "/online"))
		return;
	for (int i = 0; i < rounds; i++) {
		time_event(watch(CPU "/topology/core_id"), CPU, take_cpu_offline);
		check(write_text(CPU "/online", "1"), CPU "/online");
	}
	report_cause("cpu-offline");
}

static bool remove_child(void)
{
	return !rmdir(child);
}

/* The watch keeps the inode while drop_caches takes the dentry. */
static void reclaimed(int rounds)
{
	int *inotify = calloc(rounds, sizeof(*inotify));

	for (int i = 0; i < rounds; i++) {
		format_path(child, "%.3900s/r%d", memory_base(), i);
		format_path(watched, "%.3900s/memory.events", child);
		check(!mkdir(child, 0755), child);
		inotify[i] = watch(watched);
	}
	check(drop_dentries(), "drop_caches");
	for (int i = 0; i < rounds; i++) {
		format_path(child, "%.3900s/r%d", memory_base(), i);
		time_event(inotify[i], child, remove_child);
	}
	free(inotify);
	report_cause("reclaimed");
}

/* delay ROUNDS ROUNDS_OF_CPU_OFFLINE */
void bench_delay(char **args)
{
	int rounds = atoi(args[0]);

	raise_sysctl("/proc/sys/fs/inotify/max_user_instances", rounds + 64);
	subtree_control(rounds);
	reclaimed(rounds);
	netdev(rounds);
	cpu_offline(atoi(args[1]));
	rmdir(memory_base());
}
