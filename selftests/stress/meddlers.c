// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that get in the way: they watch, hold, look at and remove what the
 * workers made, take dentries away, come and go with a mark on all of cgroup2.
 */
#include "stress.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/handle.h"
#include "lib/pseudofs.h"
#include "lib/system.h"

static const char *always(void)
{
	return NULL;
}

/* A random entry of a directory, "" if there is none */
static void pick(struct random *random, const char *path, char name[256])
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int nr = 0;

	name[0] = '\0';
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && once_in(random, ++nr))
			snprintf(name, 256, "%s", entry->d_name);
	if (dir)
		closedir(dir);
}

static void descend(struct random *random, char path[PATH_MAX], int levels)
{
	char name[256], below[PATH_MAX];

	while (levels--) {
		pick(random, path, name);
		if (!name[0])
			return;
		format_path(below, "%.3800s/%s", path, name);
		format_path(path, "%s", below);
	}
}

/* Workers' directories are called w0, w1... */
static bool pick_worker(struct random *random, char path[PATH_MAX])
{
	char place[PATH_MAX];

	format_path(place, "%s", path);
	format_path(path, "%.4000s/w%u", place, choose(random, 3));
	return !access(path, F_OK);
}

static void hold_for_a_moment(struct thread *thread, const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	fstat(fd, &st);
	usleep(choose(&thread->random, 5000));
	close(fd);
}

static void meddle(struct thread *thread, const char *path)
{
	struct stat st;
	int wd;

	switch (choose(&thread->random, 4)) {
	case 0:
		lstat(path, &st);
		break;
	case 1:
		hold_for_a_moment(thread, path);
		break;
	default:
		wd = watch_node(&thread->ledger, path);
		if (once_in(&thread->random, 4))
			remove_watch(&thread->ledger, wd);
		break;
	}
	read_ledger(&thread->ledger);
}

/* Below a worker's directory: the place itself stays, and would not end. */
static void meddle_in(struct thread *thread, enum place place, int levels)
{
	char path[PATH_MAX];

	format_path(path, "%s", places[place]);
	if (pick_worker(&thread->random, path)) {
		descend(&thread->random, path, levels);
		meddle(thread, path);
	}
}

static const char *no_cgroups(void)
{
	return places[CGROUPS][0] ? NULL : "no cgroups to meddle with";
}

static void cgroup_round(struct thread *thread)
{
	meddle_in(thread, CGROUPS, 1 + choose(&thread->random, 2));
}

const struct thread cgroup_meddler = {
	.name = "cgroup meddler",
	.missing = no_cgroups,
	.round = cgroup_round,
};

static const char *no_objects(void)
{
	return places[OBJECTS][0] ? NULL : "no objects to meddle with";
}

static void object_round(struct thread *thread)
{
	char path[PATH_MAX];

	meddle_in(thread, OBJECTS, choose(&thread->random, 2));
	if (!once_in(&thread->random, 8))
		return;
	format_path(path, "%s", places[OBJECTS]);
	if (!pick_worker(&thread->random, path))
		return;
	if (once_in(&thread->random, 2))
		write_object(path, "remove", "1");
	else
		rmdir(path);
}

const struct thread object_meddler = {
	.name = "object meddler",
	.missing = no_objects,
	.round = object_round,
};

/* Nodes by their file handle, also when their name is removed already */

static const char *no_handles(void)
{
	return no_cgroups() ? no_objects() : NULL;
}

static int open_by_handle(struct thread *thread, const char *place, struct handle *handle)
{
	int mount_fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int how = once_in(&thread->random, 2) ? O_PATH : O_RDONLY;
	int fd = open_by_handle_at(mount_fd, &handle->head, how | O_CLOEXEC);

	close(mount_fd);
	return fd;
}

static void handle_round(struct thread *thread)
{
	const char *place = places[choose(&thread->random, NR_PLACES)];
	struct handle handle;
	int fd, wd = -1;
	char path[PATH_MAX];

	format_path(path, "%s", place);
	if (!place[0] || !pick_worker(&thread->random, path))
		return;
	descend(&thread->random, path, choose(&thread->random, 3));
	if (!get_handle(path, &handle))
		return;
	usleep(choose(&thread->random, 3000));
	fd = open_by_handle(thread, place, &handle);
	if (fd < 0)
		return;
	wd = watch_opened(&thread->ledger, fd);
	usleep(choose(&thread->random, 3000));
	close(fd);
	if (once_in(&thread->random, 4))
		remove_watch(&thread->ledger, wd);
	read_ledger(&thread->ledger);
}

const struct thread handle_meddler = {
	.name = "handle meddler",
	.missing = no_handles,
	.round = handle_round,
};

/* Memory pressure */

static void reclaim_round(struct thread *thread)
{
	write_text("/proc/sys/vm/drop_caches", "2");
	usleep(choose(&thread->random, 50000));
}

const struct thread reclaimer = {
	.name = "reclaimer",
	.missing = always,
	.round = reclaim_round,
};

/* A mark on the whole of cgroup2, which wants to hear of every node */

static void marker_round(struct thread *thread)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_NONBLOCK | FAN_CLOEXEC, 0);
	char buf[8192];

	if (fd < 0)
		return;
	if (fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_DELETE_SELF | FAN_ONDIR,
			  AT_FDCWD, places[CGROUPS]))
		note(&thread->ledger.found.failed, "cannot be marked", places[CGROUPS]);
	usleep(choose(&thread->random, 50000));
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
	usleep(choose(&thread->random, 50000));
}

const struct thread marker = {
	.name = "marker",
	.missing = no_cgroups,
	.round = marker_round,
};
