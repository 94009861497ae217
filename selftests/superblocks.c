// SPDX-License-Identifier: GPL-2.0
/*
 * One sysfs, several super blocks: each network namespace that mounts sysfs has
 * one, and a node has an inode in each through which it was watched.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "lib/harness.h"
#include "lib/counters.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/module.h"
#include "lib/netdev.h"
#include "lib/process.h"
#include "lib/system.h"

#define NR_NETNS	3
#define RACES		15
#define CROWD		40
#define GROUP		0x726b

FIXTURE(superblocks) {
	char root[NR_NETNS + 1][PATH_MAX];	/* the last is /sys */
	pid_t netns[NR_NETNS];
	int inotify;
	struct events events;
};

FIXTURE_VARIANT(superblocks) {
	bool reclaim;
};

FIXTURE_VARIANT_ADD(superblocks, cached) {
	.reclaim = false,
};

FIXTURE_VARIANT_ADD(superblocks, reclaimed) {
	.reclaim = true,
};

FIXTURE_SETUP(superblocks)
{
	const char *reason = why_no_dummies();

	if (!reason && !may_unload_dummy())
		reason = "the dummy driver was loaded already";
	if (reason)
		SKIP(return, "%s", reason);

	for (int i = 0; i < NR_NETNS; i++) {
		ASSERT_TRUE(make_mount_point(self->root[i]));
		self->netns[i] = start_netns(self->root[i], "rks", 0);
		ASSERT_GT(self->netns[i], 0);
	}
	format_path(self->root[NR_NETNS], "/sys");
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
}

static void end_netns(pid_t *pid)
{
	end_process(*pid);
	*pid = 0;
}

FIXTURE_TEARDOWN(superblocks)
{
	for (int i = 0; i < NR_NETNS; i++) {
		if (self->netns[i] > 0)
			end_netns(&self->netns[i]);
		if (self->root[i][0])
			remove_mount_point(self->root[i]);
	}
	unload_dummy();
}

static int watch_in(int inotify, const char *root, const char *node)
{
	char path[PATH_MAX];

	format_path(path, "%.3900s/module/dummy%s", root, node);
	return inotify_add_watch(inotify, path, IN_DELETE_SELF | IN_ATTRIB);
}

TEST_F(superblocks, each_reports)
{
	long long sent = counter("events_sent");
	int wd[NR_NETNS + 1][2];

	for (int i = 0; i <= NR_NETNS; i++) {
		wd[i][0] = watch_in(self->inotify, self->root[i], "/refcnt");
		wd[i][1] = watch_in(self->inotify, self->root[i], "");
		ASSERT_GE(wd[i][0], 0);
		ASSERT_GE(wd[i][1], 0);
	}
	if (variant->reclaim)
		ASSERT_TRUE(drop_dentries());
	ASSERT_TRUE(unload_dummy());
	await_events(self->inotify, &self->events, 4 * (NR_NETNS + 1));
	EXPECT_EQ(self->events.nr, 4 * (NR_NETNS + 1));
	for (int i = 0; i <= NR_NETNS; i++) {
		EXPECT_TRUE(got_events_once(&self->events, wd[i][0]))
			TH_LOG("file in %s: %s", self->root[i], describe_events(&self->events));
		EXPECT_TRUE(got_events_once(&self->events, wd[i][1]))
			TH_LOG("dir in %s: %s", self->root[i], describe_events(&self->events));
	}
	EXPECT_EQ(count_marks(self->inotify), 0);
	/* VFS reports none that has no dentry. */
	if (variant->reclaim && sent >= 0)
		EXPECT_GE(counter("events_sent") - sent, 2 * (NR_NETNS + 1));
}

TEST_F(superblocks, superblock_that_outlived_its_namespace_still_reports)
{
	int wd = watch_in(self->inotify, self->root[0], "/refcnt");

	ASSERT_GE(wd, 0);
	end_netns(&self->netns[0]);
	sleep_ms(200);
	if (variant->reclaim)
		ASSERT_TRUE(drop_dentries());
	ASSERT_TRUE(unload_dummy());
	ASSERT_EVENTS(wd);
}

TEST_F(superblocks, unmount_sends_in_unmount_and_others_still_report)
{
	int gone, stays;

	gone = watch_in(self->inotify, self->root[0], "/refcnt");
	stays = watch_in(self->inotify, self->root[1], "/refcnt");
	if (variant->reclaim)
		ASSERT_TRUE(drop_dentries());
	ASSERT_EQ(umount(self->root[0]), 0);
	await_events(self->inotify, &self->events, 2);
	EXPECT_TRUE(is_event(&self->events, 0, gone, IN_UNMOUNT, NULL));
	EXPECT_TRUE(is_event(&self->events, 1, gone, IN_IGNORED, NULL));
	ASSERT_TRUE(unload_dummy());
	await_events(self->inotify, &self->events, 4);
	EXPECT_EQ(self->events.nr, 4)
		TH_LOG("%s", describe_events(&self->events));
	EXPECT_TRUE(got_events_once(&self->events, stays));
}

/* Watches a device and one of its files. */
static void watch_device(struct __test_metadata *_metadata, int inotify, const char *root,
			 const char *name, int wd[2])
{
	char path[PATH_MAX];

	wd[0] = inotify_add_watch(inotify, format_path(path, "%.3900s/devices/virtual/net/%s/mtu",
						       root, name), IN_DELETE_SELF | IN_ATTRIB);
	wd[1] = inotify_add_watch(inotify, format_path(path, "%.3900s/devices/virtual/net/%s",
						       root, name), IN_DELETE_SELF);
	ASSERT_GE(wd[0], 0);
	ASSERT_GE(wd[1], 0);
}

TEST_F(superblocks, superblock_that_node_was_moved_from_still_reports)
{
	int wd[4];

	ASSERT_TRUE(add_dummies("rkm", 1, GROUP));
	watch_device(_metadata, self->inotify, "/sys", "rkm0", wd);
	ASSERT_TRUE(move_dummy("rkm0", self->netns[0]));
	watch_device(_metadata, self->inotify, self->root[0], "rkm0", wd + 2);
	if (variant->reclaim)
		ASSERT_TRUE(drop_dentries());
	read_events(self->inotify, &self->events);
	EXPECT_EQ(self->events.nr, 0)
		TH_LOG("%s", describe_events(&self->events));
	end_netns(&self->netns[0]);
	assert_events(_metadata, self->inotify, &self->events, wd, ARRAY_SIZE(wd));
}

/* Which of many shows a node is looked for, and then kept at hand. */
TEST_F(superblocks, one_of_many_reports)
{
	static char root[CROWD][PATH_MAX];
	static pid_t netns[CROWD];
	int wd[4];

	for (int i = 0; i < CROWD; i++) {
		ASSERT_TRUE(make_mount_point(root[i]));
		netns[i] = start_netns(root[i], "rkc", 1);
		ASSERT_GT(netns[i], 0);
	}
	for (int i = 0; i < CROWD; i += CROWD / 4) {
		self->events.nr = 0;
		ASSERT_TRUE(add_dummies("rkm", 1, GROUP));
		watch_device(_metadata, self->inotify, "/sys", "rkm0", wd);
		watch_device(_metadata, self->inotify, root[i], "rkc0", wd + 2);
		if (variant->reclaim)
			drop_dentries();
		ASSERT_TRUE(delete_group(GROUP));
		end_netns(&netns[i]);
		assert_events(_metadata, self->inotify, &self->events, wd, ARRAY_SIZE(wd));
	}
	for (int i = 0; i < CROWD; i++) {
		if (netns[i])
			end_netns(&netns[i]);
		remove_mount_point(root[i]);
	}
}

/* A write through one superblock is reported there; sysfs_notify() is for all. */
TEST_F(superblocks, each_reports_a_change)
{
	int wd[NR_NETNS];
	char path[PATH_MAX];

	if (!has_test_module("sleeper"))
		SKIP(return, "no modules of the tests");
	ASSERT_EQ(insert_test_module("sleeper", ""), 0);
	for (int i = 0; i < NR_NETNS; i++) {
		format_path(path, "%.3900s/kernel/sleeper/wake", self->root[i]);
		wd[i] = inotify_add_watch(self->inotify, path, IN_MODIFY);
		EXPECT_GE(wd[i], 0);
	}
	if (variant->reclaim)
		EXPECT_TRUE(drop_dentries());
	EXPECT_TRUE(write_text("/sys/kernel/sleeper/wake", "1"));
	await_events(self->inotify, &self->events, NR_NETNS);
	EXPECT_EQ(self->events.nr, NR_NETNS)
		TH_LOG("%s", describe_events(&self->events));
	for (int i = 0; i < NR_NETNS; i++)
		EXPECT_EQ(count_events(&self->events, wd[i], IN_MODIFY), 1);
	EXPECT_EQ(remove_test_module("sleeper"), 0);
}

static void *unmount(void *arg)
{
	umount2(arg, MNT_DETACH);
	return NULL;
}

/* Either ending will do, but exactly one. */
static bool ended_once(const struct events *events, int wd)
{
	int endings = 0, ignored = 0, others = 0;

	for (int i = 0; i < events->nr && i < MAX_EVENTS; i++) {
		if (events->at[i].wd != wd)
			continue;
		if (events->at[i].mask == IN_IGNORED)
			ignored++;
		else if (events->at[i].mask & (IN_UNMOUNT | IN_DELETE_SELF) && !ignored)
			endings++;
		else
			others++;
	}
	return endings == 1 && ignored == 1 && !others;
}

TEST_F(superblocks, unmount_against_removal_removes_each_watch_once)
{
	for (int i = 0; i < RACES; i++) {
		int wd[2], netns = i % NR_NETNS;
		pthread_t thread;

		self->events.nr = 0;
		ASSERT_TRUE(load_dummy());
		wd[0] = watch_in(self->inotify, self->root[netns], "/refcnt");
		wd[1] = watch_in(self->inotify, self->root[netns], "/taint");
		ASSERT_GE(wd[0], 0);
		ASSERT_GE(wd[1], 0);
		if (variant->reclaim)
			drop_dentries();
		pthread_create(&thread, NULL, unmount, self->root[netns]);
		spin_us(i * 80);
		ASSERT_TRUE(unload_dummy());
		pthread_join(thread, NULL);
		await_events(self->inotify, &self->events, 4);
		ASSERT_EQ(self->events.nr, 4)
			TH_LOG("%s", describe_events(&self->events));
		ASSERT_TRUE(ended_once(&self->events, wd[0]));
		ASSERT_TRUE(ended_once(&self->events, wd[1]));
		end_netns(&self->netns[netns]);
		self->netns[netns] = start_netns(self->root[netns], "rks", 0);
		ASSERT_GT(self->netns[netns], 0);
	}
}

TEST_HARNESS_MAIN
