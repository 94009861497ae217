// SPDX-License-Identifier: GPL-2.0
/*
 * Symbolic links of sysfs that are watched themselves: of a device that was
 * renamed, one may have a dentry for each of its names.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/harness.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/netdev.h"
#include "lib/system.h"

#define GROUP	0x6c6b
#define LINK	"/sys/class/net/"

FIXTURE(links) {
	int inotify;
	struct events events;
};

FIXTURE_VARIANT(links) {
	/* What is looked up before the rename, and after it */
	bool old, new;
	/* It is watched by the new name. */
	bool watched_late;
	bool reclaimed;
};

FIXTURE_VARIANT_ADD(links, found_by_the_old_name) {
	.old = true,
};

FIXTURE_VARIANT_ADD(links, found_by_both_names) {
	.old = true,
	.new = true,
};

FIXTURE_VARIANT_ADD(links, found_by_both_names_and_watched_by_the_new) {
	.old = true,
	.new = true,
	.watched_late = true,
};

FIXTURE_VARIANT_ADD(links, found_by_the_new_name) {
	.new = true,
	.watched_late = true,
};

FIXTURE_VARIANT_ADD(links, found_by_the_new_name_after_reclaim) {
	.old = true,
	.new = true,
	.reclaimed = true,
};

FIXTURE_SETUP(links)
{
	const char *reason = why_no_dummies();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_TRUE(add_dummies("rkl", 1, GROUP));
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(links)
{
	delete_group(GROUP);
	if (may_unload_dummy())
		unload_dummy();
}

static int watch_link(int inotify, const char *path)
{
	return inotify_add_watch(inotify, path, IN_DELETE_SELF | IN_DONT_FOLLOW);
}

TEST_F(links, renamed_is_reported)
{
	struct stat st;
	int wd = -1;

	if (variant->old)
		ASSERT_EQ(lstat(LINK "rkl0", &st), 0);
	if (!variant->watched_late)
		wd = watch_link(self->inotify, LINK "rkl0");
	ASSERT_TRUE(rename_link("rkl0", "rkm0"));
	if (variant->reclaimed)
		ASSERT_TRUE(drop_dentries());
	if (variant->new)
		ASSERT_EQ(lstat(LINK "rkm0", &st), 0);
	if (variant->watched_late)
		wd = watch_link(self->inotify, LINK "rkm0");
	ASSERT_GE(wd, 0);
	ASSERT_TRUE(delete_group(GROUP));
	ASSERT_EVENTS(wd);
	EXPECT_EQ(count_marks(self->inotify), 0);
}

/*
 * Names with the same hash, whatever the namespace: 'b' * 11 + 'a' is 'a' * 11 + 'l'.
 * kernfs orders them by name.
 */
TEST(names_with_the_same_hash_are_found)
{
	static const char *const names[] = { "rkba", "rkal" };
	const char *reason = why_no_dummies();
	char path[PATH_MAX];

	if (reason)
		SKIP(return, "%s", reason);
	for (int first = 0; first < 2; first++) {
		ASSERT_TRUE(add_link("dummy", names[0], GROUP));
		ASSERT_TRUE(add_link("dummy", names[1], GROUP));
		for (int i = 0; i < 2; i++) {
			format_path(path, LINK "%s", names[first ^ i]);
			EXPECT_TRUE(exists(path));
			EXPECT_TRUE(delete_link(names[first ^ i]));
			EXPECT_FALSE(exists(path));
		}
	}
	if (may_unload_dummy())
		unload_dummy();
}

TEST_HARNESS_MAIN
