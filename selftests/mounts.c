// SPDX-License-Identifier: GPL-2.0
/*
 * Mounts over nodes that are removed, and of such nodes elsewhere: with the
 * patch, all is as on the unpatched kernel, and in addition, watches get events.
 *
 * With RKERNFS_EXPECT=none nothing fails: lines "# fact NAME: yes" say what the
 * running kernel does.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/harness.h"
#include "lib/driver.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/netdev.h"
#include "lib/process.h"
#include "lib/system.h"

#define GROUP		0x6d6e
#define DEVICE		"/sys/devices/virtual/net/mn0"
#define DIRECTORY	DEVICE "/statistics"
#define FILE_IN_IT	DEVICE "/mtu"
/* Names the tests' mounts in /proc/PID/mountinfo. */
#define SOURCE		"rkernfs-mounts"
#define TEXT		"still there"

/* What holds on the kernel alone, too */
#define FACT(name, holds)	do {					\
	bool _holds = holds;						\
									\
	if (only_reporting())						\
		TH_LOG("# fact %s: %s", name, _holds ? "yes" : "no");	\
	else								\
		EXPECT_TRUE(_holds)					\
			TH_LOG("%s", name);				\
} while (0)

/* Only with the patch */
#define NEWS(...)	do {						\
	if (!only_reporting())						\
		__VA_ARGS__;						\
} while (0)

/* Of a process's mounts those that are the tests' */
static int count_mounts(pid_t pid)
{
	char path[PATH_MAX], *line = NULL;
	size_t size = 0;
	int nr = 0;
	FILE *info = fopen(format_path(path, "/proc/%d/mountinfo", pid), "r");

	if (!info)
		return -1;
	while (getline(&line, &size, info) > 0)
		nr += !!strstr(line, SOURCE);
	free(line);
	fclose(info);
	return nr;
}

static bool is_readable(int fd)
{
	char text[sizeof(TEXT)] = {};

	return pread(fd, text, sizeof(TEXT) - 1, 0) == sizeof(TEXT) - 1 && !strcmp(text, TEXT);
}

/* A process in a mount namespace of its own, a copy of this one's */
static bool enter_mountns(void *unused)
{
	return !unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static pid_t start_mountns(void)
{
	return start_process(enter_mountns, NULL, NULL);
}

/* Unmounts what @fd is the root of, and closes it: no name leads there any more. */
static bool unmount_by_fd(int fd)
{
	char path[PATH_MAX];
	bool ok = !umount2(format_path(path, "/proc/self/fd/%d", fd), MNT_DETACH);

	return !close(fd) && ok;
}

/* Mounts over nodes of a device, which the kernel itself removes */

FIXTURE(over) {
	char tmpfs[PATH_MAX];	/* has a file to mount */
	char file[PATH_MAX];
	int dir_fd;		/* root of what is mounted over the directory */
	int file_fd;		/* a file in there */
	pid_t other;		/* in another mount namespace */
	int inotify;
	struct events events;
};

FIXTURE_SETUP(over)
{
	const char *reason = why_no_dummies();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_TRUE(add_dummies("mn", 1, GROUP));
	ASSERT_TRUE(make_mount_point(self->tmpfs));
	ASSERT_EQ(mount(SOURCE, self->tmpfs, "tmpfs", 0, NULL), 0);
	format_path(self->file, "%.3900s/file", self->tmpfs);
	self->file_fd = open(self->file, O_RDWR | O_CREAT, 0600);
	ASSERT_EQ(write(self->file_fd, TEXT, strlen(TEXT)), strlen(TEXT));
	self->dir_fd = open(self->tmpfs, O_RDONLY | O_DIRECTORY);
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(over)
{
	end_process(self->other);
	delete_group(GROUP);
	/* A lookup of a removed node by name makes the kernel detach the mount. */
	exists(DIRECTORY);
	exists(FILE_IN_IT);
	if (self->tmpfs[0])
		remove_mount_point(self->tmpfs);
	if (may_unload_dummy())
		unload_dummy();
}

/* The tmpfs, with its file, over the directory, and in its place */
static void cover_directory(struct __test_metadata *_metadata, const char *tmpfs)
{
	ASSERT_EQ(mount(tmpfs, DIRECTORY, NULL, MS_BIND, NULL), 0);
	ASSERT_EQ(count_mounts(getpid()), 2);
}

TEST_F(over, tmpfs_over_a_directory_stays)
{
	int wd = inotify_add_watch(self->inotify, self->file, IN_DELETE_SELF);

	cover_directory(_metadata, self->tmpfs);
	ASSERT_TRUE(delete_group(GROUP));
	sleep_ms(QUIET_MS);
	FACT("a tmpfs over a directory stays mounted", count_mounts(getpid()) == 2);
	FACT("its files stay", is_readable(self->file_fd));
	read_events(self->inotify, &self->events);
	FACT("its watches get nothing", !self->events.nr && wd >= 0);
}

TEST_F(over, tmpfs_stays_in_every_namespace)
{
	cover_directory(_metadata, self->tmpfs);
	self->other = start_mountns();
	ASSERT_GT(self->other, 0);
	ASSERT_EQ(count_mounts(self->other), 2);
	ASSERT_TRUE(delete_group(GROUP));
	sleep_ms(QUIET_MS);
	FACT("stays in the remover's namespace", count_mounts(getpid()) == 2);
	FACT("stays in another namespace", count_mounts(self->other) == 2);
}

/* Nothing but this mount has the tmpfs: its end is that of the files. */
TEST_F(over, busy_tmpfs_stays_to_the_end)
{
	int wd = inotify_add_watch(self->inotify, self->file, IN_DELETE_SELF);
	struct stat st;

	cover_directory(_metadata, self->tmpfs);
	ASSERT_EQ(umount2(self->tmpfs, MNT_DETACH), 0);
	close(self->dir_fd);
	self->dir_fd = open(DIRECTORY, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(self->dir_fd, 0);
	close(self->file_fd);
	self->file_fd = openat(self->dir_fd, "file", O_RDWR);
	ASSERT_GE(self->file_fd, 0);
	ASSERT_EQ(count_mounts(getpid()), 1);

	ASSERT_TRUE(delete_group(GROUP));
	sleep_ms(QUIET_MS);
	FACT("a busy mount stays", count_mounts(getpid()) == 1);
	FACT("its root can be looked at", !fstatat(self->dir_fd, "file", &st, 0));
	FACT("its files can be made", mkdirat(self->dir_fd, "new", 0700) == 0);
	FACT("its open file stays", is_readable(self->file_fd));
	close(self->file_fd);
	FACT("it can be unmounted by its root", unmount_by_fd(self->dir_fd));
	await_events(self->inotify, &self->events, 2);
	FACT("its watches get events on the unmount, and only then",
	     self->events.nr == 2 && is_event(&self->events, 0, wd, IN_UNMOUNT, NULL));
}

TEST_F(over, file_over_a_file_stays)
{
	ASSERT_EQ(mount(self->file, FILE_IN_IT, NULL, MS_BIND, NULL), 0);
	ASSERT_TRUE(delete_group(GROUP));
	sleep_ms(QUIET_MS);
	FACT("a file over a file stays mounted", count_mounts(getpid()) == 2);
}

TEST_F(over, mount_over_a_mount_stays)
{
	cover_directory(_metadata, self->tmpfs);
	ASSERT_EQ(mount(SOURCE, DIRECTORY, "tmpfs", 0, NULL), 0);
	ASSERT_TRUE(delete_group(GROUP));
	sleep_ms(QUIET_MS);
	FACT("a mount over a mount stays", count_mounts(getpid()) == 3);
}

TEST_F(over, lookup_by_name_detaches)
{
	cover_directory(_metadata, self->tmpfs);
	ASSERT_TRUE(delete_group(GROUP));
	EXPECT_FALSE(exists(DIRECTORY));
	EXPECT_EQ(errno, ENOENT);
	FACT("a lookup of the name detaches it", count_mounts(getpid()) == 1);
}

/* As a directory that is held open */
TEST_F(over, covered_directory_is_reported_when_uncovered)
{
	int wd = inotify_add_watch(self->inotify, DIRECTORY, IN_DELETE_SELF);
	int above = inotify_add_watch(self->inotify, DEVICE, IN_DELETE_SELF);

	int fd;

	ASSERT_GE(wd, 0);
	ASSERT_GE(above, 0);
	cover_directory(_metadata, self->tmpfs);
	fd = open(DIRECTORY, O_PATH);
	ASSERT_TRUE(delete_group(GROUP));
	sleep_ms(QUIET_MS);
	read_events(self->inotify, &self->events);
	NEWS(EXPECT_EQ(count_events(&self->events, wd, IN_DELETE_SELF), 0));
	FACT("a covered directory stays mounted over", count_mounts(getpid()) == 2);
	FACT("it can be uncovered by the mount's root", unmount_by_fd(fd));
	NEWS(ASSERT_EVENTS(wd, above));
}

TEST_F(over, file_that_is_not_covered_is_reported_at_once)
{
	int wd = inotify_add_watch(self->inotify, FILE_IN_IT, IN_DELETE_SELF);

	ASSERT_GE(wd, 0);
	cover_directory(_metadata, self->tmpfs);
	ASSERT_TRUE(delete_group(GROUP));
	NEWS(ASSERT_EVENTS(wd));
}

/* Overlays: of what is removed, and of another directory */

static bool has_overlay(void)
{
	return file_has_line("/proc/filesystems", "overlay") || load_driver("overlay", "", NULL);
}

static bool mount_overlay(char merged[PATH_MAX], const char *removed, const char *other)
{
	char options[PATH_MAX];

	format_path(options, "lowerdir=%.2000s:%.2000s", removed, other);
	return make_mount_point(merged) && !mount(SOURCE, merged, "overlay", 0, options);
}

/* Nodes of the device mounted elsewhere */

FIXTURE(elsewhere) {
	char dir[PATH_MAX];
	char file[PATH_MAX];
	int inotify;
	struct events events;
};

FIXTURE_SETUP(elsewhere)
{
	const char *reason = why_no_dummies();
	int fd;

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_TRUE(add_dummies("mn", 1, GROUP));
	ASSERT_TRUE(make_mount_point(self->dir));
	format_path(self->file, "/tmp/rkernfs-test-file-%d", getpid());
	fd = open(self->file, O_RDWR | O_CREAT, 0600);
	ASSERT_GE(fd, 0);
	close(fd);
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(elsewhere)
{
	delete_group(GROUP);
	umount2(self->file, MNT_DETACH);
	unlink(self->file);
	if (self->dir[0])
		remove_mount_point(self->dir);
	if (may_unload_dummy())
		unload_dummy();
}

TEST_F(elsewhere, bind_mounted_file_is_reported_when_unmounted)
{
	struct stat st;
	int wd, fd;

	ASSERT_EQ(mount(FILE_IN_IT, self->file, NULL, MS_BIND, NULL), 0);
	wd = inotify_add_watch(self->inotify, self->file, IN_DELETE_SELF);
	ASSERT_GE(wd, 0);
	ASSERT_TRUE(delete_group(GROUP));
	ASSERT_QUIET();
	FACT("a bind-mounted file can be looked at", !stat(self->file, &st));
	fd = open(self->file, O_RDONLY);
	FACT("a bind-mounted file can not be opened", fd < 0 && errno == ENODEV);
	FACT("a bind-mounted file stays mounted", !umount(self->file));
	NEWS(ASSERT_EVENTS(wd));
}

TEST_F(elsewhere, bind_mounted_directory_is_reported_when_unmounted)
{
	struct stat st;
	int wd;

	ASSERT_EQ(mount(DIRECTORY, self->dir, NULL, MS_BIND, NULL), 0);
	wd = inotify_add_watch(self->inotify, self->dir, IN_DELETE_SELF);
	ASSERT_GE(wd, 0);
	ASSERT_TRUE(delete_group(GROUP));
	ASSERT_QUIET();
	FACT("a bind-mounted directory can be looked at", !stat(self->dir, &st));
	FACT("a bind-mounted directory stays mounted", !umount(self->dir));
	NEWS(ASSERT_EVENTS(wd));
}

TEST_F(elsewhere, overlay_on_a_directory_keeps_nothing)
{
	char merged[PATH_MAX], path[PATH_MAX], text[16];
	int file, dir;

	if (!has_overlay())
		SKIP(return, "no overlayfs");
	ASSERT_TRUE(mount_overlay(merged, DIRECTORY, self->dir));
	format_path(path, "%.3900s/rx_bytes", merged);
	EXPECT_GT(read_text(path, text, sizeof(text)), 0);
	file = inotify_add_watch(self->inotify, DIRECTORY "/rx_bytes", IN_DELETE_SELF);
	dir = inotify_add_watch(self->inotify, DEVICE, IN_DELETE_SELF);
	ASSERT_GE(file, 0);
	ASSERT_GE(dir, 0);
	ASSERT_TRUE(delete_group(GROUP));
	FACT("an overlay over a directory stays mounted", count_mounts(getpid()) == 1);
	FACT("it has no file any more", read_text(path, text, sizeof(text)) < 0);
	FACT("it can be unmounted", !umount2(merged, MNT_DETACH));
	remove_mount_point(merged);
	NEWS(ASSERT_EVENTS(file, dir));
}

/* Over cgroups: the kernel itself detaches what is on a directory that rmdir(2) removes */

FIXTURE(cgroup) {
	char parent[PATH_MAX];
	char child[PATH_MAX];
	char file[PATH_MAX];
	char tmpfs[PATH_MAX];
	char mounted[PATH_MAX];	/* a file of the tmpfs */
	pid_t other;
	int inotify;
	struct events events;
};

FIXTURE_SETUP(cgroup)
{
	const char *reason = why_no_cgroup();
	char path[PATH_MAX];
	int fd;

	if (!reason)
		reason = why_no_memory_controller();
	if (reason)
		SKIP(return, "%s", reason);
	format_path(self->parent, "%.3900s/parent", cgroup_base());
	format_path(self->child, "%.3900s/child", self->parent);
	format_path(self->file, "%.3900s/memory.events", self->child);
	ASSERT_EQ(mkdir(self->parent, 0755), 0);
	format_path(path, "%.3900s/cgroup.subtree_control", self->parent);
	ASSERT_TRUE(write_text(path, "+memory"));
	ASSERT_EQ(mkdir(self->child, 0755), 0);
	ASSERT_TRUE(make_mount_point(self->tmpfs));
	ASSERT_EQ(mount(SOURCE, self->tmpfs, "tmpfs", 0, NULL), 0);
	format_path(self->mounted, "%.3900s/file", self->tmpfs);
	fd = open(self->mounted, O_RDWR | O_CREAT, 0600);
	ASSERT_GE(fd, 0);
	close(fd);
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(cgroup)
{
	end_process(self->other);
	umount2(self->file, MNT_DETACH);
	umount2(self->child, MNT_DETACH);
	remove_cgroup(self->child);
	exists(self->file);
	if (self->tmpfs[0])
		remove_mount_point(self->tmpfs);
	remove_cgroup(self->parent);
	cgroup_base_remove();
}

TEST_F(cgroup, rmdir_of_a_mount_point_is_busy)
{
	int wd;

	ASSERT_EQ(mount(self->tmpfs, self->child, NULL, MS_BIND, NULL), 0);
	wd = inotify_add_watch(self->inotify, self->child, IN_DELETE_SELF);
	FACT("rmdir of a mount point is EBUSY", rmdir(self->child) && errno == EBUSY);
	FACT("its mount stays", count_mounts(getpid()) == 2 && wd >= 0);
	ASSERT_QUIET();
}

TEST_F(cgroup, rmdir_detaches_in_other_namespaces)
{
	int wd = inotify_add_watch(self->inotify, self->child, IN_DELETE_SELF);

	ASSERT_GE(wd, 0);
	ASSERT_EQ(mount(self->tmpfs, self->child, NULL, MS_BIND, NULL), 0);
	self->other = start_mountns();
	ASSERT_GT(self->other, 0);
	ASSERT_EQ(umount(self->child), 0);
	ASSERT_EQ(count_mounts(self->other), 2);
	ASSERT_EQ(remove_cgroup(self->child), 0);
	sleep_ms(QUIET_MS);
	FACT("rmdir detaches what another namespace has on it", count_mounts(self->other) == 1);
	NEWS(ASSERT_EVENTS(wd));
}

TEST_F(cgroup, rmdir_leaves_what_is_on_a_file)
{
	int fd;

	ASSERT_EQ(mount(self->mounted, self->file, NULL, MS_BIND, NULL), 0);
	fd = open(self->file, O_PATH);
	ASSERT_EQ(remove_cgroup(self->child), 0);
	sleep_ms(QUIET_MS);
	FACT("rmdir leaves what is mounted on a file in it", count_mounts(getpid()) == 2);
	FACT("it can be unmounted by its root", unmount_by_fd(fd));
}

TEST_F(cgroup, controller_off_leaves_what_is_on_a_file)
{
	char path[PATH_MAX];

	ASSERT_EQ(mount(self->mounted, self->file, NULL, MS_BIND, NULL), 0);
	format_path(path, "%.3900s/cgroup.subtree_control", self->parent);
	ASSERT_TRUE(write_text(path, "-memory"));
	sleep_ms(QUIET_MS);
	FACT("subtree_control leaves what is mounted on a file", count_mounts(getpid()) == 2);
}

/* The overlay has both open, as it were. */
TEST_F(cgroup, overlay_on_a_directory_keeps_nothing)
{
	char merged[PATH_MAX], path[PATH_MAX], text[16];
	int file, dir;

	if (!has_overlay())
		SKIP(return, "no overlayfs");
	ASSERT_TRUE(mount_overlay(merged, self->child, self->tmpfs));
	format_path(path, "%.3900s/memory.events", merged);
	EXPECT_GT(read_text(path, text, sizeof(text)), 0);
	file = inotify_add_watch(self->inotify, self->file, IN_DELETE_SELF);
	dir = inotify_add_watch(self->inotify, self->child, IN_DELETE_SELF);
	ASSERT_GE(file, 0);
	ASSERT_GE(dir, 0);
	FACT("a directory under an overlay can be removed", !remove_cgroup(self->child));
	FACT("an overlay over a directory stays mounted", count_mounts(getpid()) == 2);
	FACT("it has no file any more", read_text(path, text, sizeof(text)) < 0);
	ASSERT_QUIET();
	FACT("it can be unmounted", !umount2(merged, MNT_DETACH));
	remove_mount_point(merged);
	NEWS(ASSERT_EVENTS(file, dir));
}

TEST_HARNESS_MAIN
