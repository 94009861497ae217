// SPDX-License-Identifier: GPL-2.0
/*
 * A removed file that is still open: it shows that it was removed, as on
 * tmpfs after unlink(2), and a watch of its directory gets the same events.
 */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "lib/harness.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/netdev.h"
#include "lib/pseudofs.h"
#include "lib/system.h"

#define SOURCE		"rkernfs-removed-file"

/* The file, and the directory that it is in */
static char dir[PATH_MAX], file[PATH_MAX], root[PATH_MAX];

static bool write_beside(const char *name, const char *text)
{
	char path[PATH_MAX];

	return write_text(format_path(path, "%.3900s/%s", root, name), text);
}

static bool make_cgroup(void)
{
	format_path(dir, "%.3900s/removed", cgroup_base());
	format_path(file, "%.3900s/%s", dir, cgroup_file());
	return !mkdir(dir, 0755);
}

static bool remove_dir(void)
{
	return !remove_cgroup(dir);
}

static void forget_dir(void)
{
	remove_cgroup(dir);
}

static bool make_child(void)
{
	format_path(root, "%.3900s/removed", cgroup_base());
	format_path(dir, "%.3900s/child", root);
	format_path(file, "%.3900s/memory.events", dir);
	return !mkdir(root, 0755) && write_beside("cgroup.subtree_control", "+memory") &&
	       !mkdir(dir, 0755);
}

static bool turn_memory_off(void)
{
	return write_beside("cgroup.subtree_control", "-memory");
}

static void forget_child(void)
{
	remove_cgroup(dir);
	remove_cgroup(root);
}

static bool make_netdev(void)
{
	format_path(dir, "/sys/devices/virtual/net/removed0");
	format_path(file, "%.3900s/mtu", dir);
	return add_link("dummy", "removed0", 0);
}

static bool delete_netdev(void)
{
	return delete_link("removed0");
}

static void forget_netdev(void)
{
	delete_link("removed0");
	if (may_unload_dummy())
		unload_dummy();
}

static const char *why_no_object(void)
{
	return mount_for_object(root, dir, file);
}

static bool make_object(void)
{
	return !mkdir(dir, 0755) && write_object(dir, "control", "+aux") &&
	       format_path(file, "%.3900s/aux", dir);
}

static bool take_aux(void)
{
	return write_object(dir, "control", "-aux");
}

static void forget_object(void)
{
	rmdir(dir);
	unmount_pseudofs(root);
}

FIXTURE(removed) {
	int fd;
	int inotify;
	struct events events;
};

FIXTURE_VARIANT(removed) {
	const char *(*missing)(void);
	bool (*make)(void);
	bool (*remove)(void);
	void (*forget)(void);
	bool alone;		/* its directory stays */
};

FIXTURE_VARIANT_ADD(removed, by_rmdir) {
	.missing = why_no_cgroup,
	.make = make_cgroup,
	.remove = remove_dir,
	.forget = forget_dir,
};

FIXTURE_VARIANT_ADD(removed, by_controller_off) {
	.missing = why_no_memory_controller,
	.make = make_child,
	.remove = turn_memory_off,
	.forget = forget_child,
	.alone = true,
};

FIXTURE_VARIANT_ADD(removed, with_its_device) {
	.missing = why_no_dummies,
	.make = make_netdev,
	.remove = delete_netdev,
	.forget = forget_netdev,
};

FIXTURE_VARIANT_ADD(removed, by_name) {
	.missing = why_no_object,
	.make = make_object,
	.remove = take_aux,
	.forget = forget_object,
	.alone = true,
};

FIXTURE_SETUP(removed)
{
	const char *reason = variant->missing();

	self->fd = -1;
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_TRUE(variant->make());
	self->fd = open(file, O_RDONLY | O_CLOEXEC);
	self->inotify = open_inotify();
	ASSERT_GE(self->fd, 0);
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(removed)
{
	close(self->fd);
	variant->forget();
	cgroup_base_remove();
}

static bool is_shown_deleted(int fd)
{
	char link[PATH_MAX], path[PATH_MAX] = "";

	return readlink(format_path(link, "/proc/self/fd/%d", fd), path, sizeof(path) - 1) > 0 &&
	       strstr(path, " (deleted)");
}

TEST_F(removed, is_deleted_in_proc)
{
	struct stat st;

	EXPECT_FALSE(is_shown_deleted(self->fd));
	ASSERT_TRUE(variant->remove());
	EXPECT_TRUE(is_shown_deleted(self->fd));
	ASSERT_EQ(fstat(self->fd, &st), 0);
	EXPECT_EQ(st.st_nlink, 0);
}

TEST_F(removed, is_deleted_in_proc_when_open_with_o_path)
{
	int fd = open(file, O_PATH | O_CLOEXEC);

	ASSERT_GE(fd, 0);
	ASSERT_TRUE(variant->remove());
	EXPECT_TRUE(is_shown_deleted(fd));
	close(fd);
}

/*
 * Watches both, closes the file after it was removed: with @flags, a watch
 * of the directory gets that so many times, and each removed node is reported once.
 */
static void close_removed(struct __test_metadata *_metadata, int inotify, int *fd,
			  bool (*remove)(void), bool alone, uint32_t flags, int closes)
{
	struct events events = {};
	int in_dir = inotify_add_watch(inotify, dir,
				       IN_CLOSE_NOWRITE | IN_DELETE_SELF | flags);
	int self = inotify_add_watch(inotify, file, IN_DELETE_SELF);

	ASSERT_GE(in_dir, 0);
	ASSERT_GE(self, 0);
	ASSERT_TRUE(remove());
	sleep_ms(QUIET_MS);
	read_events(inotify, &events);
	ASSERT_EQ(events.nr, 0)
		TH_LOG("got before the close: %s", describe_events(&events));
	close(*fd);
	*fd = -1;
	await_events(inotify, &events, closes + (alone ? 2 : 4));
	EXPECT_EQ(count_events(&events, in_dir, IN_CLOSE_NOWRITE), closes);
	EXPECT_TRUE(got_events_once(&events, self));
	EXPECT_EQ(events.nr, closes + (alone ? 2 : 4))
		TH_LOG("%d is the directory: %s", in_dir, describe_events(&events));
}

TEST_F(removed, directory_watch_gets_its_close)
{
	close_removed(_metadata, self->inotify, &self->fd, variant->remove, variant->alone, 0, 1);
}

TEST_F(removed, directory_watch_with_excl_unlink_gets_no_close)
{
	close_removed(_metadata, self->inotify, &self->fd, variant->remove, variant->alone,
		      IN_EXCL_UNLINK, 0);
}

TEST_F(removed, is_deleted_in_proc_when_open_twice)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	ASSERT_GE(fd, 0);
	ASSERT_TRUE(variant->remove());
	EXPECT_TRUE(is_shown_deleted(fd));
	EXPECT_TRUE(is_shown_deleted(self->fd));
	close(fd);
	EXPECT_TRUE(is_shown_deleted(self->fd));
}

/* What is mounted on it is to be found, and detached, by its name. */
TEST_F(removed, is_not_unhashed_under_a_mount)
{
	char tmpfs[PATH_MAX], other[PATH_MAX];
	bool mounted;
	int fd;

	if (!variant->alone && variant->make == make_cgroup)
		SKIP(return, "rmdir(2) itself has it unmounted");
	ASSERT_TRUE(make_mount_point(tmpfs));
	ASSERT_EQ(mount(SOURCE, tmpfs, "tmpfs", 0, NULL), 0);
	fd = open(format_path(other, "%.3900s/file", tmpfs), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_GE(fd, 0);
	close(fd);
	ASSERT_EQ(mount(other, file, NULL, MS_BIND, NULL), 0);
	ASSERT_TRUE(variant->remove());
	EXPECT_FALSE(is_shown_deleted(self->fd));
	mounted = file_has_line("/proc/self/mountinfo", "/file ");
	EXPECT_TRUE(mounted);
	EXPECT_FALSE(exists(file));
	EXPECT_FALSE(file_has_line("/proc/self/mountinfo", "/file "));
	remove_mount_point(tmpfs);
}

TEST_HARNESS_MAIN
