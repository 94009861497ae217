// SPDX-License-Identifier: GPL-2.0
/*
 * How many watches get an event is for users to decide: so no event is sent under
 * a lock that others wait for. A kprobe looks which locks a task has then.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/harness.h"
#include "lib/events.h"
#include "lib/module.h"
#include "lib/netdev.h"
#include "lib/onemark.h"
#include "lib/system.h"

#define MODULE		"held_locks"
#define DEVICE		"rkl"
#define GROUP		0x726c

FIXTURE(locks) {
	char cgroup[PATH_MAX];
	int inotify;
	int nr_watches;
	struct events events;
};

FIXTURE_SETUP(locks)
{
	const char *reason = why_no_cgroup();
	int error = 0;

	if (!reason && !has_test_module(MODULE))
		reason = "selftests/modules/" MODULE ".ko is not installed";
	if (!reason)
		error = insert_test_module(MODULE, "");
	if (error == EOPNOTSUPP)
		reason = "no lockdep, which knows what locks a task has";
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(error, 0);
	format_path(self->cgroup, "%.3900s/cgroup", cgroup_base());
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
	ASSERT_EQ(mkdir(self->cgroup, 0755), 0);
}

FIXTURE_TEARDOWN(locks)
{
	remove_cgroup(self->cgroup);
	cgroup_base_remove();
	remove_test_module(MODULE);
}

static bool watch(struct _test_data_locks *self, const char *path)
{
	self->nr_watches++;
	return inotify_add_watch(self->inotify, path, IN_DELETE_SELF) >= 0;
}

static bool watch_in_cgroup(struct _test_data_locks *self, const char *file)
{
	char path[PATH_MAX];

	return watch(self, format_path(path, "%.4000s/%s", self->cgroup, file));
}

/* Each watch gets IN_DELETE_SELF and IN_IGNORED. */
#define EXPECT_EVENTS_WITHOUT_LOCKS()						\
	do {									\
		await_events(self->inotify, &self->events, 2 * self->nr_watches);	\
		EXPECT_EQ(self->events.nr, 2 * self->nr_watches);		\
		EXPECT_GE(module_parameter(MODULE, "events"), self->nr_watches);	\
		EXPECT_EQ(module_parameter(MODULE, "under_supers"), 0);		\
		EXPECT_EQ(module_parameter(MODULE, "under_tree"), 0);		\
	} while (0)

TEST_F(locks, none_is_held_when_rmdir_is_reported)
{
	ASSERT_TRUE(watch(self, self->cgroup));
	ASSERT_TRUE(watch_in_cgroup(self, "cgroup.events"));
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EVENTS_WITHOUT_LOCKS();
}

TEST_F(locks, none_is_held_when_a_reclaimed_file_is_reported)
{
	ASSERT_TRUE(watch_in_cgroup(self, "cgroup.events"));
	ASSERT_TRUE(drop_dentries());
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EVENTS_WITHOUT_LOCKS();
}

TEST_F(locks, none_is_held_when_a_controller_is_turned_off)
{
	char control[PATH_MAX];

	if (!has_memory_controller())
		SKIP(return, "%s", why_no_memory_controller());
	format_path(control, "%.3900s/cgroup.subtree_control", cgroup_base());
	ASSERT_TRUE(watch_in_cgroup(self, "memory.events"));
	ASSERT_TRUE(watch_in_cgroup(self, "memory.max"));
	ASSERT_TRUE(write_text(control, "-memory"));
	EXPECT_EVENTS_WITHOUT_LOCKS();
	ASSERT_TRUE(write_text(control, "+memory"));
}

TEST_F(locks, none_is_held_when_a_network_device_is_reported)
{
	if (!load_dummy())
		SKIP(return, "no dummy network driver");
	EXPECT_TRUE(add_dummies(DEVICE, 1, GROUP));
	EXPECT_TRUE(watch(self, "/sys/class/net/" DEVICE "0/statistics"));
	EXPECT_TRUE(watch(self, "/sys/class/net/" DEVICE "0/statistics/rx_bytes"));
	EXPECT_TRUE(delete_group(GROUP));
	EXPECT_EVENTS_WITHOUT_LOCKS();
	unload_dummy();
}

static void take_change(const struct node_event *event, void *arg)
{
	*(int *)arg += event->mask & FAN_MODIFY ? 1 : 0;
}

static int read_changes(int fd)
{
	int changes = 0;

	read_fanotify(fd, take_change, &changes);
	return changes;
}

/* Superblocks stay only as long as their list is locked, as in the kernel's own function. */
TEST_F(locks, of_the_tree_is_not_held_when_a_change_is_reported)
{
	char freeze[PATH_MAX];
	int fd = open_fanotify(FAN_REPORT_DFID_NAME);
	int changes = 0;

	if (fd < 0)
		SKIP(return, "no fanotify with names");
	format_path(freeze, "%.4000s/cgroup.freeze", self->cgroup);
	ASSERT_EQ(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_MODIFY, AT_FDCWD,
				cgroup_base()), 0);
	ASSERT_TRUE(drop_dentries());
	ASSERT_TRUE(write_text(freeze, "1"));
	/* That of the write, and that of cgroup.events, which no task looked up */
	await((changes += read_changes(fd)) >= 2, event_timeout_ms());
	EXPECT_GE(changes, 2);
	EXPECT_GE(module_parameter(MODULE, "under_supers"), 1);
	EXPECT_EQ(module_parameter(MODULE, "under_tree"), 0);
	close(fd);
}

TEST_HARNESS_MAIN
