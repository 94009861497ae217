// SPDX-License-Identifier: GPL-2.0
/*
 * What the hunks of the mainline series are there for, seen from user space on
 * cgroups: a directory that stays open, the order of events, nothing else,
 * concurrent removers, hiding.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "lib/harness.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/netdev.h"
#include "lib/system.h"

#define RACES		40
#define RACERS		4

#define EVERYTHING	(IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_DELETE_SELF | \
			 IN_MOVE | IN_MOVE_SELF)

FIXTURE(series) {
	char parent[PATH_MAX];
	char child[PATH_MAX];
	char file[PATH_MAX];
	int inotify;
	struct events events;
};

static bool make_parent(const char *parent)
{
	char path[PATH_MAX];

	if (mkdir(parent, 0755))
		return false;
	format_path(path, "%.4000s/cgroup.subtree_control", parent);
	return !has_memory_controller() || write_text(path, "+memory");
}

FIXTURE_SETUP(series)
{
	const char *reason = why_no_cgroup();

	if (reason)
		SKIP(return, "%s", reason);

	format_path(self->parent, "%.3900s/parent", cgroup_base());
	format_path(self->child, "%.3900s/child", self->parent);
	format_path(self->file, "%.3900s/%s", self->child, cgroup_file());
	ASSERT_TRUE(make_parent(self->parent));
	ASSERT_EQ(mkdir(self->child, 0755), 0);
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(series)
{
	remove_cgroup(self->child);
	remove_cgroup(self->parent);
	cgroup_base_remove();
}

/* Of the child: a file and the directory */
struct pair {
	int file;
	int dir;
};

static struct pair watch_pair(struct __test_metadata *_metadata, int inotify, const char *child,
			      const char *file, uint32_t mask)
{
	struct pair wd = {
		.file = inotify_add_watch(inotify, file, mask),
		.dir = inotify_add_watch(inotify, child, mask),
	};

	ASSERT_GE(wd.file, 0);
	ASSERT_GE(wd.dir, 0);
	return wd;
}

#define WATCH_PAIR(mask)	\
	watch_pair(_metadata, self->inotify, self->child, self->file, mask)

/* Removes the child, which is watched, with its directory open: the descriptor */
static int remove_opened(struct __test_metadata *_metadata, int inotify, const char *child,
			 int *wd)
{
	int fd = open(child, O_RDONLY | O_DIRECTORY);

	*wd = inotify_add_watch(inotify, child, EVERYTHING);
	ASSERT_GE(*wd, 0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(remove_cgroup(child), 0);
	return fd;
}

TEST_F(series, open_directory_has_no_links_after_rmdir)
{
	struct stat st;
	int wd, fd = remove_opened(_metadata, self->inotify, self->child, &wd);

	ASSERT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_nlink, 0);
	close(fd);
}

TEST_F(series, open_directory_is_reported_on_close_after_fstat)
{
	struct stat st;
	int wd, fd = remove_opened(_metadata, self->inotify, self->child, &wd);

	ASSERT_EQ(fstat(fd, &st), 0);
	ASSERT_QUIET();
	close(fd);
	ASSERT_EVENTS_IN_ORDER(wd);
}

TEST_F(series, open_directory_is_reported_on_close_after_permission_check)
{
	int wd, fd = remove_opened(_metadata, self->inotify, self->child, &wd);

	faccessat(fd, ".", X_OK, 0);
	openat(fd, cgroup_file(), O_RDONLY);
	ASSERT_QUIET();
	close(fd);
	ASSERT_EVENTS_IN_ORDER(wd);
}

TEST_F(series, file_is_reported_before_its_directory)
{
	struct pair wd = WATCH_PAIR(EVERYTHING);

	ASSERT_EQ(remove_cgroup(self->child), 0);
	ASSERT_EVENTS_IN_ORDER(wd.file, wd.dir);
}

TEST_F(series, reclaimed_file_is_reported_before_its_directory)
{
	struct pair wd = WATCH_PAIR(IN_DELETE_SELF);

	ASSERT_TRUE(drop_dentries());
	ASSERT_EQ(remove_cgroup(self->child), 0);
	read_events(self->inotify, &self->events);
	EXPECT_EQ(self->events.nr, 4);
	ASSERT_EVENTS_IN_ORDER(wd.file, wd.dir);
}

/* Another task has the directory open, and finds it without links at once. */
TEST_F(series, reclaimed_file_is_reported_before_its_open_directory)
{
	struct pair wd = WATCH_PAIR(IN_DELETE_SELF);
	struct stat st;
	int fd;

	ASSERT_TRUE(drop_dentries());
	fd = open(self->child, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(remove_cgroup(self->child), 0);
	ASSERT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_nlink, 0);
	ASSERT_EVENTS(wd.file);
	close(fd);
	self->events.nr = 0;
	ASSERT_EVENTS(wd.dir);
}

TEST_F(series, rmdir_reports_before_it_returns)
{
	struct pair wd = WATCH_PAIR(IN_DELETE_SELF);

	ASSERT_EQ(remove_cgroup(self->child), 0);
	read_events(self->inotify, &self->events);
	EXPECT_EQ(self->events.nr, 4);
	EXPECT_TRUE(got_events_once(&self->events, wd.file));
	EXPECT_TRUE(got_events_once(&self->events, wd.dir));
}

TEST_F(series, parent_gets_one_event_of_the_directory)
{
	int parent, dir;

	parent = inotify_add_watch(self->inotify, self->parent, EVERYTHING);
	dir = inotify_add_watch(self->inotify, self->child, EVERYTHING);
	ASSERT_GE(parent, 0);
	ASSERT_GE(dir, 0);
	ASSERT_EQ(remove_cgroup(self->child), 0);
	await_events(self->inotify, &self->events, 3);
	/* The order that vfs_rmdir() gives since it calls d_delete_notify() */
	EXPECT_TRUE(self->events.nr == 3 &&
		    is_event(&self->events, 0, dir, IN_DELETE_SELF, NULL) &&
		    is_event(&self->events, 1, dir, IN_IGNORED, NULL) &&
		    is_event(&self->events, 2, parent, IN_DELETE | IN_ISDIR, "child"))
		TH_LOG("%s", describe_events(&self->events));
}

/* A missing page: a task that writes to it sleeps. Returns the descriptor of its faults, or -1. */
static int missing_page(void **page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register missing = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	*page = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	missing.range.start = (uintptr_t)*page;
	missing.range.len = getpagesize();
	if (fd >= 0 && (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &missing)))
		return -1;
	return fd;
}

static bool has_faulted(int fd)
{
	struct uffd_msg msg;

	return read(fd, &msg, sizeof(msg)) == sizeof(msg);
}

struct lister {
	int fd;
	void *buf;
	pthread_t thread;
};

static void *list(void *arg)
{
	struct lister *lister = arg;

	syscall(SYS_getdents64, lister->fd, lister->buf, getpagesize());
	return NULL;
}

TEST_F(series, controller_off_reports_the_file_and_not_the_directory)
{
	char path[PATH_MAX];
	struct pair wd;

	if (!has_memory_controller())
		SKIP(return, "%s", why_no_memory_controller());
	wd = WATCH_PAIR(EVERYTHING);
	format_path(path, "%.4000s/cgroup.subtree_control", self->parent);
	ASSERT_TRUE(write_text(path, "-memory"));
	ASSERT_EVENTS_IN_ORDER(wd.file);
}

/* A task that lists the directory holds its lock while the kernel removes the file. */
TEST_F(series, file_is_reported_while_its_directory_is_listed)
{
	struct uffdio_zeropage page = { .range.len = getpagesize() };
	char path[PATH_MAX];
	struct lister lister;
	struct pair wd;
	int fault;

	if (!has_memory_controller())
		SKIP(return, "%s", why_no_memory_controller());
	fault = missing_page(&lister.buf);
	if (fault < 0)
		SKIP(return, "no userfaultfd");
	page.range.start = (uintptr_t)lister.buf;
	wd = WATCH_PAIR(IN_DELETE_SELF);
	lister.fd = open(self->child, O_RDONLY | O_DIRECTORY);
	ASSERT_EQ(pthread_create(&lister.thread, NULL, list, &lister), 0);
	ASSERT_TRUE(await(has_faulted(fault), event_timeout_ms()));
	format_path(path, "%.4000s/cgroup.subtree_control", self->parent);
	EXPECT_TRUE(write_text(path, "-memory"));
	await_events(self->inotify, &self->events, 2);
	EXPECT_TRUE(got_events_once(&self->events, wd.file));
	ASSERT_EQ(ioctl(fault, UFFDIO_ZEROPAGE, &page), 0);
	pthread_join(lister.thread, NULL);
	close(lister.fd);
	close(fault);
}

TEST_F(series, hiding_sends_nothing)
{
	char pressure[PATH_MAX], file[PATH_MAX];

	format_path(pressure, "%.3900s/cgroup.pressure", self->child);
	format_path(file, "%.3900s/cpu.pressure", self->child);
	if (!exists(pressure))
		SKIP(return, "no cgroup.pressure, which hides files");
	ASSERT_GE(inotify_add_watch(self->inotify, file, EVERYTHING), 0);
	ASSERT_TRUE(write_text(pressure, "0"));
	EXPECT_FALSE(exists(file));
	ASSERT_TRUE(write_text(pressure, "1"));
	EXPECT_TRUE(exists(file));
	ASSERT_QUIET();
}

/* Races */

struct race {
	pthread_barrier_t start;
	const char *path;
	const char *control;
	int removed;
	int other_errors;
};

static void *race_rmdir(void *arg)
{
	struct race *race = arg;

	pthread_barrier_wait(&race->start);
	if (!rmdir(race->path))
		__atomic_add_fetch(&race->removed, 1, __ATOMIC_RELAXED);
	else if (errno != ENOENT && errno != ENODEV)
		__atomic_add_fetch(&race->other_errors, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void *race_controller_off(void *arg)
{
	struct race *race = arg;

	pthread_barrier_wait(&race->start);
	if (!write_text(race->control, "-memory"))
		__atomic_add_fetch(&race->other_errors, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void run_race(struct race *race, void *(*racer[])(void *), int nr)
{
	pthread_t thread[RACERS];

	pthread_barrier_init(&race->start, NULL, nr);
	for (int i = 0; i < nr; i++)
		pthread_create(&thread[i], NULL, racer[i], race);
	for (int i = 0; i < nr; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&race->start);
}

TEST_F(series, concurrent_rmdir_reports_once)
{
	void *(*racers[RACERS])(void *) = { race_rmdir, race_rmdir, race_rmdir, race_rmdir };

	for (int i = 0; i < RACES; i++) {
		struct race race = { .path = self->child };
		struct pair wd = WATCH_PAIR(IN_DELETE_SELF);

		self->events.nr = 0;
		run_race(&race, racers, RACERS);
		ASSERT_EQ(race.removed, 1);
		ASSERT_EQ(race.other_errors, 0);
		ASSERT_EVENTS(wd.file, wd.dir);
		ASSERT_EQ(mkdir(self->child, 0755), 0);
	}
}

TEST_F(series, rmdir_against_controller_off_reports_once)
{
	void *(*racers[])(void *) = { race_rmdir, race_controller_off };
	char control[PATH_MAX];

	if (!has_memory_controller())
		SKIP(return, "%s", why_no_memory_controller());
	format_path(control, "%.4000s/cgroup.subtree_control", self->parent);
	for (int i = 0; i < RACES; i++) {
		struct race race = { .path = self->child, .control = control };
		struct pair wd = WATCH_PAIR(IN_DELETE_SELF);

		self->events.nr = 0;
		run_race(&race, racers, ARRAY_SIZE(racers));
		ASSERT_EQ(race.other_errors, 0);
		ASSERT_EQ(race.removed, 1);
		ASSERT_EVENTS(wd.file, wd.dir);
		ASSERT_TRUE(write_text(control, "+memory"));
		ASSERT_EQ(mkdir(self->child, 0755), 0);
	}
}

TEST_F(series, watch_removed_during_rmdir_is_ignored_once)
{
	for (int i = 0; i < RACES; i++) {
		struct race race = { .path = self->child };
		pthread_t thread;
		int wd;

		self->events.nr = 0;
		wd = inotify_add_watch(self->inotify, self->file, IN_DELETE_SELF);
		pthread_barrier_init(&race.start, NULL, 2);
		pthread_create(&thread, NULL, race_rmdir, &race);
		pthread_barrier_wait(&race.start);
		spin_us(i * 8);
		inotify_rm_watch(self->inotify, wd);
		pthread_join(thread, NULL);
		await_events(self->inotify, &self->events, 1);
		/*
		 * Always IN_IGNORED, with or without IN_DELETE_SELF, and not in
		 * that order either: inotify_handle_inode_event() may have begun
		 * on it when the watch was taken away.
		 */
		ASSERT_EQ(count_events(&self->events, wd, IN_IGNORED), 1);
		ASSERT_LE(count_events(&self->events, wd, IN_DELETE_SELF), 1);
		ASSERT_LE(self->events.nr, 2);
		ASSERT_EQ(count_marks(self->inotify), 0);
		ASSERT_EQ(mkdir(self->child, 0755), 0);
	}
}

/* The kernel removes both at once: they are in one batch. */
#define DEVICE		"rkt"
#define GROUP		0x7274

TEST(files_of_a_device_are_reported_before_their_directory)
{
	const char *reason = why_no_dummies();
	int inotify = open_inotify(), wd[2];
	struct events events = {};

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_TRUE(add_dummies(DEVICE, 1, GROUP));
	wd[1] = inotify_add_watch(inotify, "/sys/class/net/" DEVICE "0/statistics", IN_DELETE_SELF);
	wd[0] = inotify_add_watch(inotify, "/sys/class/net/" DEVICE "0/statistics/rx_bytes",
				  IN_DELETE_SELF);
	EXPECT_TRUE(delete_group(GROUP));
	assert_events_in_order(_metadata, inotify, &events, wd, ARRAY_SIZE(wd));
	if (may_unload_dummy())
		unload_dummy();
}

TEST_HARNESS_MAIN
