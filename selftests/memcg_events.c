// SPDX-License-Identifier: GPL-2.0
/*
 * A memory cgroup that is removed says so: to a watch on its memory.events and
 * to one on its directory.
 */
#include <sys/stat.h>
#include <sys/types.h>

#include "kselftest_harness.h"
#include "lib/events.h"
#include "lib/system.h"

FIXTURE(memcg) {
	char path[PATH_MAX];
	int inotify;
	struct events events;
};

FIXTURE_SETUP(memcg)
{
	const char *reason = why_not_root();

	/* The kernel itself tells of both since 7.1. */
	if (!reason && !kernel_at_least(7, 1))
		reason = why_not_covered();
	if (!reason)
		reason = why_no_memory_controller();
	if (reason)
		SKIP(return, "%s", reason);

	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
	format_path(self->path, "%.4000s/memcg", cgroup_base());
	ASSERT_EQ(mkdir(self->path, 0755), 0);
}

FIXTURE_TEARDOWN(memcg)
{
	remove_cgroup(self->path);
	cgroup_base_remove();
}

TEST_F(memcg, file_watch_is_told_of_rmdir)
{
	char events[PATH_MAX];
	int wd;

	format_path(events, "%.4000s/memory.events", self->path);
	wd = inotify_add_watch(self->inotify, events, IN_DELETE_SELF);
	ASSERT_GE(wd, 0);
	ASSERT_EQ(remove_cgroup(self->path), 0);
	await_events(self->inotify, &self->events, 2);
	EXPECT_EQ(self->events.nr, 2);
	EXPECT_TRUE(told_once(&self->events, wd))
		TH_LOG("%s", describe_events(&self->events));
}

TEST_F(memcg, directory_watch_is_told_of_rmdir)
{
	int wd;

	wd = inotify_add_watch(self->inotify, self->path, IN_DELETE_SELF);
	ASSERT_GE(wd, 0);
	ASSERT_EQ(remove_cgroup(self->path), 0);
	await_events(self->inotify, &self->events, 2);
	EXPECT_EQ(self->events.nr, 2);
	EXPECT_TRUE(told_once(&self->events, wd))
		TH_LOG("%s", describe_events(&self->events));
}

TEST_HARNESS_MAIN
