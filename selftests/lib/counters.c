// SPDX-License-Identifier: GPL-2.0
#include "counters.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "system.h"

#define PENDING_LIMIT_MS	60000

static long long find_counter(const char *path, const char *name)
{
	char text[4096], key[64];
	long long value;

	if (read_text(path, text, sizeof(text)) <= 0)
		return -1;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (sscanf(line, "%63s %lld", key, &value) == 2 && !strcmp(key, name))
			return value;
	return -1;
}

long long counter(const char *name)
{
	char root[PATH_MAX], path[PATH_MAX];
	long long value;

	if (exists("/sys/kernel/debug/rkernfs/stats"))
		return find_counter("/sys/kernel/debug/rkernfs/stats", name);
	if (!make_mount_point(root))
		return -1;
	if (mount("none", root, "rkernfs", 0, NULL)) {
		rmdir(root);
		return -1;
	}
	value = find_counter(format_path(path, "%.4000s/stats", root), name);
	remove_mount_point(root);
	return value;
}

bool counters_add_up(void)
{
	long long cleared, ended;

	await(counter("work_pending") <= 0, PENDING_LIMIT_MS);
	cleared = counter("inodes_cleared");
	ended = counter("ended_by_vfs") + counter("dentries_uncached") +
		counter("events_sent");
	printf("# inodes cleared: %lld, ended: %lld\n", cleared, ended);
	return cleared == ended;
}
