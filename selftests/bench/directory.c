// SPDX-License-Identifier: GPL-2.0
/*
 * Removal of a whole tree of the pseudo file system, with no watch and
 * with every node watched.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/events.h"
#include "lib/pseudofs.h"
#include "lib/system.h"

static const char * const files[] = { "", "/value", "/control", "/remove", "/hide" };

#define NODES_PER_OBJECT	ARRAY_SIZE(files)

static int watch_object(int inotify, const char *object)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < NODES_PER_OBJECT; i++) {
		format_path(path, "%.3900s%s", object, files[i]);
		check(inotify_add_watch(inotify, path, IN_DELETE_SELF) >= 0, path);
	}
	return NODES_PER_OBJECT;
}

/* A directory with @nodes nodes, itself among them. Returns the number of watches. */
static int make_tree(const char *top, long nodes, int inotify)
{
	char path[PATH_MAX];
	int watches = 0;

	check(!mkdir(top, 0755), top);
	if (inotify >= 0)
		watches += watch_object(inotify, top);
	for (long i = 1; i < nodes / (long)NODES_PER_OBJECT; i++) {
		format_path(path, "%.3900s/%ld", top, i);
		check(!mkdir(path, 0755), path);
		if (inotify >= 0)
			watches += watch_object(inotify, path);
	}
	return watches;
}

static void measure_tree(const char *top, long nodes, bool watched, int rounds)
{
	static struct samples samples;

	samples.nr = 0;
	for (int i = 0; i < rounds; i++) {
		int inotify = watched ? open_inotify() : -1;
		struct events events = { 0 };
		int watches = make_tree(top, nodes, inotify);
		uint64_t start;

		settle();
		start = now_ns();
		check(write_object(top, "remove", "1"), top);
		add_sample(&samples, (double)(now_ns() - start) / nodes);
		settle();
		if (watched) {
			await_events(inotify, &events, 2 * watches);
			if (events.nr != 2 * watches)
				fail("%d events of %d watches", events.nr, watches);
			close(inotify);
		}
	}
	report_samples("directory", watched ? "watched" : "unwatched", nodes, "ns_per_node",
		       &samples);
}

/* directory ROUNDS NODES... */
void bench_directory(char **args)
{
	char root[PATH_MAX], top[PATH_MAX];
	const char *reason = mount_pseudofs(root);
	int rounds = atoi(*args);

	if (reason)
		fail("%s", reason);
	raise_sysctl("/proc/sys/fs/inotify/max_queued_events", 400000);
	raise_sysctl("/proc/sys/fs/inotify/max_user_watches", 400000);
	format_path(top, "%.3900s/top", root);
	while (*++args) {
		long nodes = atol(*args);
		/* enough for a median, and no more than takes a moment */
		int n = nodes > 10000 ? 1 : nodes > 100 ? (rounds + 9) / 10 : rounds;

		measure_tree(top, nodes, false, n);
		measure_tree(top, nodes, true, n);
	}
	unmount_pseudofs(root);
}
