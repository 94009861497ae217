// SPDX-License-Identifier: GPL-2.0
/*
 * A task has a reference of a removed inode without a dentry, and holds it for
 * as long as it likes, as each rule of a Landlock ruleset does. A watch of that
 * inode gets its events as if there were none, and no other task waits.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "lib/harness.h"
#include "lib/counters.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/module.h"
#include "lib/netdev.h"
#include "lib/process.h"
#include "lib/pseudofs.h"
#include "lib/system.h"

#define HELD_GROUP	0x726b
#define OTHER_GROUP	0x726c

FIXTURE(held) {
	char cgroup[PATH_MAX];
	char node[PATH_MAX];
	char other[PATH_MAX];
	char mount_point[PATH_MAX];
	int inotify;
	struct events events;
	/* Of what others remove meanwhile */
	int inotify_others;
	struct events events_others;
};

FIXTURE_VARIANT(held) {
	bool is_dir;
};

/* rmdir(2) removes its cgroup. */
FIXTURE_VARIANT_ADD(held, file) {
	.is_dir = false,
};

/* Its device is removed: rmdir(2) would look it up, which gives it a dentry. */
FIXTURE_VARIANT_ADD(held, directory) {
	.is_dir = true,
};

FIXTURE_SETUP(held)
{
	const char *reason = why_no_cgroup();

	if (!reason)
		reason = why_no_memory_controller();
	if (!reason)
		reason = why_no_dummies();
	if (!reason && !has_test_module("keep"))
		reason = "selftests/modules/keep.ko is not installed";
	if (reason)
		SKIP(return, "%s", reason);
	format_path(self->cgroup, "%.3900s/held", cgroup_base());
	format_path(self->other, "%.3900s/other", cgroup_base());
	ASSERT_EQ(mkdir(self->cgroup, 0755), 0);
	ASSERT_TRUE(add_dummies("rkk", 1, HELD_GROUP));
	if (variant->is_dir)
		format_path(self->node, "/sys/devices/virtual/net/rkk0");
	else
		format_path(self->node, "%.3900s/memory.events", self->cgroup);
	ASSERT_TRUE(make_mount_point(self->mount_point));
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
	self->inotify_others = open_inotify();
	ASSERT_GE(self->inotify_others, 0);
}

FIXTURE_TEARDOWN(held)
{
	remove_test_module("keep");
	delete_group(HELD_GROUP);
	delete_group(OTHER_GROUP);
	remove_cgroup(self->cgroup);
	remove_cgroup(self->other);
	cgroup_base_remove();
	if (self->mount_point[0])
		remove_mount_point(self->mount_point);
	if (may_unload_dummy())
		unload_dummy();
}

static bool remove_held(const struct _test_data_held *self, bool is_dir)
{
	return is_dir ? delete_group(HELD_GROUP) : !remove_cgroup(self->cgroup);
}

/* Each in a namespace of its own, so that it has a superblock of its own. */
static bool mount_both(void *mount_point)
{
	return !unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWCGROUP) &&
	       !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount("none", mount_point, "sysfs", 0, NULL) &&
	       !mount("none", mount_point, "cgroup2", 0, NULL);
}

/* What is removed of both hierarchies, and a mount of each */
static void others_go_on(struct __test_metadata *_metadata, struct _test_data_held *self)
{
	char path[PATH_MAX];
	int wd[2];
	pid_t pid;

	ASSERT_EQ(mkdir(self->other, 0755), 0);
	ASSERT_TRUE(add_dummies("rko", 1, OTHER_GROUP));
	wd[0] = inotify_add_watch(self->inotify_others,
				  format_path(path, "%.3900s/memory.events", self->other),
				  IN_DELETE_SELF);
	wd[1] = inotify_add_watch(self->inotify_others, "/sys/devices/virtual/net/rko0",
				  IN_DELETE_SELF);
	ASSERT_EQ(remove_cgroup(self->other), 0);
	ASSERT_TRUE(delete_group(OTHER_GROUP));
	self->events_others.nr = 0;
	assert_events(_metadata, self->inotify_others, &self->events_others, wd, ARRAY_SIZE(wd));
	pid = start_process(mount_both, NULL, self->mount_point);
	ASSERT_GT(pid, 0);
	end_process(pid);
}

TEST_F(held, watch_gets_event_at_once_and_no_task_waits)
{
	int wd = inotify_add_watch(self->inotify, self->node, IN_DELETE_SELF);
	char parameters[PATH_MAX];

	ASSERT_GE(wd, 0);
	ASSERT_EQ(insert_test_module("keep", format_path(parameters, "path=%.4000s", self->node)),
		  0);
	ASSERT_TRUE(remove_held(self, variant->is_dir));
	ASSERT_EVENTS(wd);
	EXPECT_EQ(count_marks(self->inotify), 0);
	EXPECT_LE(counter("work_pending"), 0);
	others_go_on(_metadata, self);
	ASSERT_EQ(remove_test_module("keep"), 0);
	self->events.nr = 0;
	ASSERT_QUIET();
}

/*
 * To destroy a mark, its group has to be locked, and a task that reads the fdinfo of
 * its own inotify instance has it locked. Neither the remover nor other watches wait
 * for it.
 */
#define LOCKED_MS	"5000"

struct reader {
	pthread_t thread;
	int inotify;
	atomic_bool done;
};

FIXTURE(locked) {
	char root[PATH_MAX];
	char object[PATH_MAX];
	char value[PATH_MAX];
	int inotify;
	struct events events;
	struct reader reader;
};

FIXTURE_SETUP(locked)
{
	const char *reason = mount_for_object(self->root, self->object, self->value);

	if (!reason && !has_test_module("delay"))
		reason = "selftests/modules/delay.ko is not installed";
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(mkdir(self->object, 0755), 0);
	self->inotify = open_inotify();
	self->reader.inotify = open_inotify();
	ASSERT_GE(self->reader.inotify, 0);
}

FIXTURE_TEARDOWN(locked)
{
	if (self->reader.thread)
		pthread_join(self->reader.thread, NULL);
	remove_test_module("delay");
	rmdir(self->object);
	unmount_pseudofs(self->root);
}

static void *read_fdinfo(void *arg)
{
	struct reader *reader = arg;

	prctl(PR_SET_NAME, "delayed");
	count_marks(reader->inotify);
	atomic_store(&reader->done, true);
	return NULL;
}

TEST_F(locked, group_of_another_watch_delays_no_event)
{
	int wd = inotify_add_watch(self->inotify, self->value, IN_DELETE_SELF);
	int others = inotify_add_watch(self->reader.inotify, self->value, IN_DELETE_SELF);

	ASSERT_GE(wd, 0);
	ASSERT_GE(others, 0);
	/* Called for each watch, with the group locked */
	if (insert_test_module("delay", "function=igrab ms=" LOCKED_MS))
		SKIP(return, "no kprobe on igrab()");
	ASSERT_EQ(pthread_create(&self->reader.thread, NULL, read_fdinfo, &self->reader), 0);
	ASSERT_TRUE(await(module_parameter("delay", "hits") == 1, event_timeout_ms()));
	ASSERT_TRUE(write_object(self->object, "remove", "1"));
	EXPECT_FALSE(self->reader.done);
	ASSERT_EVENTS(wd);
	EXPECT_FALSE(self->reader.done);
	EXPECT_EQ(count_marks(self->inotify), 0);

	pthread_join(self->reader.thread, NULL);
	self->reader.thread = 0;
	self->events.nr = 0;
	assert_events(_metadata, self->reader.inotify, &self->events, &others, 1);
	EXPECT_EQ(count_marks(self->reader.inotify), 0);
}

TEST_HARNESS_MAIN
