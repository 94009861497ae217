// SPDX-License-Identifier: GPL-2.0
/*
 * A memory cgroup that is removed says so: to a watch on its memory.events and
 * to one on its directory.
 */
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/harness.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/system.h"

FIXTURE(memcg) {
	char path[PATH_MAX];
	int inotify;
	struct events events;
};

FIXTURE_SETUP(memcg)
{
	const char *reason = why_not_root();

	/* The kernel itself reports both since 7.1. */
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

static int remove_watched(struct __test_metadata *_metadata, int inotify, const char *cgroup,
			  const char *watched)
{
	int wd = inotify_add_watch(inotify, watched, IN_DELETE_SELF);

	ASSERT_GE(wd, 0);
	ASSERT_EQ(remove_cgroup(cgroup), 0);
	return wd;
}

TEST_F(memcg, file_watch_gets_events_on_rmdir)
{
	char events[PATH_MAX];
	int wd;

	format_path(events, "%.4000s/memory.events", self->path);
	wd = remove_watched(_metadata, self->inotify, self->path, events);
	ASSERT_EVENTS(wd);
}

TEST_F(memcg, directory_watch_gets_events_on_rmdir)
{
	int wd = remove_watched(_metadata, self->inotify, self->path, self->path);

	ASSERT_EVENTS(wd);
}

TEST_HARNESS_MAIN
