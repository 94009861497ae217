// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that are killed at any moment of what they do: while they remove,
 * and while they watch. Others' watches get their events once for what was removed, and of
 * nothing else. SEED= repeats a run's choices.
 */
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/harness.h"
#include "lib/events.h"
#include "lib/pseudofs.h"
#include "lib/random.h"
#include "lib/system.h"

#define ROUNDS		30
#define NR_NODES	4
#define NR_FILES	2	/* of each that are watched */

/* What a process removes, in one of the ways */
struct kind {
	const char *(*missing)(void);
	bool (*make)(const char *path, int nr);
	bool (*remove)(const char *path);
	void (*clean)(const char *path);	/* away with what is left */
	const char *file[NR_FILES];		/* these go */
	uint32_t got;
};

static char place[PATH_MAX];

static char *node_path(char *path, int nr)
{
	return format_path(path, "%.3900s/k%d", place, nr);
}

/* Cgroups */

static const char *no_cgroup(void)
{
	const char *reason = why_no_cgroup();

	if (!reason)
		format_path(place, "%s", cgroup_base());
	return reason;
}

static bool make_directory(const char *path, int nr)
{
	return !mkdir(path, 0755);
}

static bool remove_directory(const char *path)
{
	return !rmdir(path);
}

static void clean_cgroup(const char *path)
{
	char child[PATH_MAX];

	remove_cgroup(format_path(child, "%.3900s/child", path));
	remove_cgroup(path);
}

static const struct kind by_rmdir = {
	.missing = no_cgroup,
	.make = make_directory,
	.remove = remove_directory,
	.clean = clean_cgroup,
	.file = { "", "cgroup.events" },
	.got = IN_DELETE_SELF,
};

static const char *no_memory(void)
{
	const char *reason = no_cgroup();

	return reason ? reason : why_no_memory_controller();
}

static bool make_family(const char *path, int nr)
{
	char child[PATH_MAX];

	return !mkdir(path, 0755) && write_object(path, "cgroup.subtree_control", "+memory") &&
	       !mkdir(format_path(child, "%.3900s/child", path), 0755);
}

static bool turn_memory_off(const char *path)
{
	return write_object(path, "cgroup.subtree_control", "-memory");
}

static const struct kind by_subtree_control = {
	.missing = no_memory,
	.make = make_family,
	.remove = turn_memory_off,
	.clean = clean_cgroup,
	.file = { "child/memory.events", "child/memory.max" },
	.got = IN_DELETE_SELF,
};

/* Objects */

static const char *no_pseudofs(void)
{
	return mount_pseudofs(place);
}

static bool remove_self(const char *path)
{
	return write_object(path, "remove", "1");
}

static void clean_object(const char *path)
{
	rmdir(path);
}

static const struct kind by_own_file = {
	.missing = no_pseudofs,
	.make = make_directory,
	.remove = remove_self,
	.clean = clean_object,
	.file = { "", "remove" },
	.got = IN_DELETE_SELF,
};

static bool make_aux(const char *path, int nr)
{
	return make_directory(path, nr) && write_object(path, "control", "+aux");
}

static bool remove_aux(const char *path)
{
	return write_object(path, "control", "-aux");
}

static const struct kind by_name = {
	.missing = no_pseudofs,
	.make = make_aux,
	.remove = remove_aux,
	.clean = clean_object,
	.file = { "aux", "aux" },
	.got = IN_DELETE_SELF,
};

/* Whole hierarchies */

static bool make_hierarchy(const char *path, int nr)
{
	return !mkdir(path, 0755) && mount_cgroup1(path, nr);
}

static bool unmount_hierarchy(const char *path)
{
	return !umount(path);
}

static void clean_hierarchy(const char *path)
{
	umount(path);
	rmdir(path);
}

static const char *no_cgroup1(void)
{
	const char *reason = why_not_root();

	if (!reason && !make_mount_point(place))
		reason = "no directory to mount in";
	if (!reason && !mount_cgroup1(place, NR_NODES))
		reason = "no cgroup version 1";
	umount(place);
	return reason;
}

static const struct kind by_umount = {
	.missing = no_cgroup1,
	.make = make_hierarchy,
	.remove = unmount_hierarchy,
	.clean = clean_hierarchy,
	.file = { "tasks", "release_agent" },
	.got = IN_UNMOUNT,
};

/* The one that lives and watches */
struct watcher {
	int inotify;
	int wd[NR_NODES][NR_FILES];
	struct events events;
	int nr_gone;
};

FIXTURE(killed) {
	struct random random;
	struct watcher watcher;
};

FIXTURE_VARIANT(killed) {
	const struct kind *kind;
};

FIXTURE_VARIANT_ADD(killed, by_rmdir) { .kind = &by_rmdir };
FIXTURE_VARIANT_ADD(killed, by_subtree_control) { .kind = &by_subtree_control };
FIXTURE_VARIANT_ADD(killed, by_own_file) { .kind = &by_own_file };
FIXTURE_VARIANT_ADD(killed, by_name) { .kind = &by_name };
FIXTURE_VARIANT_ADD(killed, by_umount) { .kind = &by_umount };

FIXTURE_SETUP(killed)
{
	const char *reason = variant->kind->missing();
	unsigned int seed = choose_seed();

	if (reason)
		SKIP(return, "%s", reason);
	TH_LOG("SEED=%u", seed);
	self->random = start_random(seed, 0);
}

FIXTURE_TEARDOWN(killed)
{
	char path[PATH_MAX];

	for (int nr = 0; nr < NR_NODES; nr++)
		variant->kind->clean(node_path(path, nr));
	if (cgroup_base() && !strcmp(place, cgroup_base()))
		cgroup_base_remove();
	else
		remove_mount_point(place);
}

static char *file_path(char *path, const struct kind *kind, int nr, int file)
{
	return format_path(path, "%.3900s/k%d/%s", place, nr, kind->file[file]);
}

static void make_nodes(struct __test_metadata *_metadata, struct watcher *watcher,
		       const struct kind *kind)
{
	char path[PATH_MAX];

	watcher->inotify = open_inotify();
	for (int nr = 0; nr < NR_NODES; nr++) {
		ASSERT_TRUE(kind->make(node_path(path, nr), nr));
		for (int file = 0; file < NR_FILES; file++) {
			file_path(path, kind, nr, file);
			watcher->wd[nr][file] = inotify_add_watch(watcher->inotify, path, IN_DELETE_SELF);
			ASSERT_GE(watcher->wd[nr][file], 0);
		}
	}
}

static int watch_nodes(const struct kind *kind)
{
	char path[PATH_MAX];
	int inotify = open_inotify();

	for (int nr = 0; nr < NR_NODES; nr++)
		for (int file = 0; file < NR_FILES; file++)
			inotify_add_watch(inotify, file_path(path, kind, nr, file), IN_DELETE_SELF);
	return inotify;
}

static void remove_nodes(const struct kind *kind)
{
	char path[PATH_MAX];

	watch_nodes(kind);
	for (int nr = 0; nr < NR_NODES; nr++)
		kind->remove(node_path(path, nr));
}

static void watch_over_and_over(const struct kind *kind)
{
	for (;;)
		close(watch_nodes(kind));
}

static pid_t start(void (*act)(const struct kind *kind), const struct kind *kind)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		act(kind);
		_exit(0);
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* How long it takes if it is not killed */
static int whole_time(const struct kind *kind)
{
	long long begin = now_us();

	waitpid(start(remove_nodes, kind), NULL, 0);
	return now_us() - begin;
}

static int count_gone(const struct kind *kind)
{
	char path[PATH_MAX];
	int gone = 0;

	for (int nr = 0; nr < NR_NODES; nr++)
		gone += !exists(file_path(path, kind, nr, 0));
	return gone;
}

static void expect_removed_reported_once(struct __test_metadata *_metadata, struct watcher *watcher,
				  const struct kind *kind)
{
	/* Two names of one file are one watch. */
	int watches = watcher->wd[0][0] == watcher->wd[0][1] ? 1 : NR_FILES;
	int gone = count_gone(kind);
	char path[PATH_MAX];

	await_events(watcher->inotify, &watcher->events, 2 * watches * gone);
	ASSERT_EQ(watcher->events.nr, 2 * watches * gone)
		TH_LOG("%d of %d gone: %s", gone, NR_NODES, describe_events(&watcher->events));
	for (int nr = 0; nr < NR_NODES; nr++) {
		bool is_gone = !exists(file_path(path, kind, nr, 0));

		for (int file = 0; file < NR_FILES; file++) {
			int wd = watcher->wd[nr][file];

			ASSERT_EQ(exists(file_path(path, kind, nr, file)), !is_gone);
			ASSERT_EQ(count_events(&watcher->events, wd, kind->got), is_gone);
			ASSERT_EQ(count_events(&watcher->events, wd, IN_IGNORED), is_gone);
		}
	}
	ASSERT_EQ(count_marks(watcher->inotify), watches * (NR_NODES - gone));
	watcher->nr_gone += gone;
}

/* What is left is removed by a task that lives, and is reported, too. */
static void remove_rest(struct __test_metadata *_metadata, struct watcher *watcher,
			const struct kind *kind)
{
	int got = watcher->nr_gone;
	char path[PATH_MAX];

	for (int nr = 0; nr < NR_NODES; nr++)
		if (exists(file_path(path, kind, nr, 0)))
			ASSERT_TRUE(kind->remove(node_path(path, nr)));
	expect_removed_reported_once(_metadata, watcher, kind);
	watcher->nr_gone = got;
	for (int nr = 0; nr < NR_NODES; nr++)
		kind->clean(node_path(path, nr));
	close(watcher->inotify);
	watcher->events.nr = 0;
}

TEST_F_TIMEOUT(killed, while_it_removes, 1800)
{
	const struct kind *kind = variant->kind;
	int whole_us;

	make_nodes(_metadata, &self->watcher, kind);
	whole_us = whole_time(kind);
	remove_rest(_metadata, &self->watcher, kind);
	for (int round = 0; round < ROUNDS; round++) {
		int before = self->watcher.nr_gone;
		pid_t pid;

		make_nodes(_metadata, &self->watcher, kind);
		pid = start(remove_nodes, kind);
		usleep(choose(&self->random, whole_us));
		end(pid);
		expect_removed_reported_once(_metadata, &self->watcher, kind);
		/* It may have taken longer the first time, on a busy machine. */
		if (self->watcher.nr_gone == before + NR_NODES)
			whole_us -= whole_us / 4;
		else if (self->watcher.nr_gone == before)
			whole_us += whole_us / 4 + 1;
		remove_rest(_metadata, &self->watcher, kind);
	}
	TH_LOG("%d rounds: %d of %d nodes went before", ROUNDS, self->watcher.nr_gone, ROUNDS * NR_NODES);
	EXPECT_GT(self->watcher.nr_gone, 0);
	EXPECT_LT(self->watcher.nr_gone, ROUNDS * NR_NODES);
}

TEST_F_TIMEOUT(killed, while_it_watches, 1800)
{
	const struct kind *kind = variant->kind;

	for (int round = 0; round < ROUNDS; round++) {
		char path[PATH_MAX];
		pid_t pid;
		int last;

		make_nodes(_metadata, &self->watcher, kind);
		pid = start(watch_over_and_over, kind);
		usleep(choose(&self->random, 5000));
		last = choose(&self->random, NR_NODES);
		for (int nr = 0; nr <= last; nr++) {
			if (nr == last)
				kill(pid, SIGKILL);
			kind->remove(node_path(path, nr));
		}
		end(pid);
		expect_removed_reported_once(_metadata, &self->watcher, kind);
		remove_rest(_metadata, &self->watcher, kind);
	}
	EXPECT_GT(self->watcher.nr_gone, 0);
}

TEST_HARNESS_MAIN
