// SPDX-License-Identifier: GPL-2.0
/*
 * Marks and nodes from before the module was loaded, and events that are pending
 * when it is unloaded.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "lib/harness.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/module.h"
#include "lib/netdev.h"
#include "lib/onemark.h"
#include "lib/process.h"
#include "lib/system.h"

#define GROUP		0x6c64
#define DEVICE		"/sys/devices/virtual/net/rkl0"
/* So many dentries at a time are dropped, every few ms. */
#define FEW		256
#define AT_ONCE	10	/* what each queue and a portion under way are good for */
#define NAMES		100000

FIXTURE(loading) {
	char cgroup[PATH_MAX];
	char mount_point[PATH_MAX];
	int inotify;
	struct events events;
};

FIXTURE_SETUP(loading)
{
	const char *reason = why_no_cgroup();

	if (!reason)
		reason = why_no_dummies();
	if (reason)
		SKIP(return, "%s", reason);
	/* With a removal, the module knows that no mark asks for any. */
	format_path(self->cgroup, "%.3900s/cgroup", cgroup_base());
	ASSERT_EQ(mkdir(self->cgroup, 0755), 0);
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	reason = borrow_module();
	if (reason) {
		cgroup_base_remove();
		SKIP(return, "%s", reason);
	}
	ASSERT_EQ(mkdir(self->cgroup, 0755), 0);
	ASSERT_TRUE(make_mount_point(self->mount_point));
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(loading)
{
	EXPECT_TRUE(return_module());
	delete_group(GROUP);
	remove_cgroup(self->cgroup);
	cgroup_base_remove();
	if (self->mount_point[0])
		remove_mount_point(self->mount_point);
	if (may_unload_dummy())
		unload_dummy();
}

static int count_files(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int nr = 0;

	while (dir && (entry = readdir(dir)))
		nr += entry->d_type == DT_REG;
	if (dir)
		closedir(dir);
	return nr;
}

static void count(const struct node_event *event, void *arg)
{
	*(int *)arg += event->mask == FAN_DELETE_SELF;
}

static void count_changes(const struct node_event *event, void *arg)
{
	*(int *)arg += event->mask == FAN_MODIFY;
}

TEST_F(loading, mark_from_before_reports_each_file)
{
	int fanotify = open_fanotify(FAN_REPORT_FID), reported = 0, files;

	ASSERT_GE(fanotify, 0);
	ASSERT_EQ(fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_DELETE_SELF,
				AT_FDCWD, cgroup_base()), 0);
	ASSERT_TRUE(return_module());
	files = count_files(self->cgroup);
	ASSERT_GT(files, 5);
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	await((read_fanotify(fanotify, count, &reported), reported >= files), event_timeout_ms());
	EXPECT_EQ(reported, files);
	close(fanotify);
}

TEST_F(loading, node_moved_before_is_reported_where_it_was)
{
	pid_t netns = start_netns(self->mount_point, "rkn", 0);
	int wd;

	ASSERT_GT(netns, 0);
	ASSERT_TRUE(add_dummies("rkl", 1, GROUP));
	wd = inotify_add_watch(self->inotify, DEVICE "/mtu", IN_DELETE_SELF);
	ASSERT_GE(wd, 0);
	EXPECT_TRUE(move_dummy("rkl0", netns));
	ASSERT_TRUE(return_module());
	end_process(netns);
	ASSERT_EVENTS(wd);
}

static bool write_trace(const char *tracefs, const char *file, const char *text)
{
	char path[PATH_MAX];

	return write_text(format_path(path, "%.3900s/%s", tracefs, file), text);
}

#define QUEUED "events/workqueue/workqueue_queue_work/"

static bool start_counting(const char *tracefs)
{
	return !mount("none", tracefs, "tracefs", 0, NULL) &&
	       write_trace(tracefs, QUEUED "filter", "workqueue == \"rkernfs_later\"") &&
	       write_trace(tracefs, QUEUED "enable", "1");
}

/* How often the work for what takes long was queued */
static int count_queued(const char *tracefs)
{
	char path[PATH_MAX], line[512];
	FILE *trace = fopen(format_path(path, "%.3900s/trace", tracefs), "r");
	int nr = 0;

	while (trace && fgets(line, sizeof(line), trace))
		nr += !!strstr(line, "rkernfs_later");
	if (trace)
		fclose(trace);
	return nr;
}

static void stop_counting(const char *tracefs)
{
	write_trace(tracefs, QUEUED "enable", "0");
	write_trace(tracefs, QUEUED "filter", "0");
	umount(tracefs);
}

/*
 * An open directory in which many names were looked up: their dentries are dropped
 * a few at a time, and all that is left at once when the module is unloaded.
 */
TEST_F(loading, unload_finishes_a_directory_at_once)
{
	int wd, fd, before, after;
	struct stat st;
	char name[16];

	ASSERT_TRUE(return_module());
	ASSERT_TRUE(add_dummies("rkl", 1, GROUP));
	wd = inotify_add_watch(self->inotify, DEVICE, IN_DELETE_SELF);
	fd = open(DEVICE, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(wd, 0);
	ASSERT_GE(fd, 0);
	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "%d", i);
		fstatat(fd, name, &st, 0);
	}
	if (!start_counting(self->mount_point))
		SKIP(return, "no trace events of workqueues");
	ASSERT_TRUE(delete_group(GROUP));
	ASSERT_TRUE(disable_patch());
	ASSERT_TRUE(await_unpatched());
	before = count_queued(self->mount_point);
	ASSERT_EQ(borrow_module(), NULL);
	after = count_queued(self->mount_point);
	stop_counting(self->mount_point);
	close(fd);
	TH_LOG("queued %d times before the unload, %d times in it", before, after - before);
	ASSERT_EVENTS(wd);
	if (before > NAMES / FEW - 2 * AT_ONCE)
		SKIP(return, "the directory was finished before the unload");
	EXPECT_LE(after - before, AT_ONCE);
}

/*
 * Changes that are queued when the module is unloaded: so many that sending them takes
 * longer than livepatch to disable the patch.
 */
#define GROUPS		128
#define MIN_CGROUPS	100
#define MAX_CGROUPS	1500
#define BUSY_US		3000000

static bool make_cgroups(const char *parent, int from, int to)
{
	char path[PATH_MAX];

	while (from < to)
		if (mkdir(format_path(path, "%.3900s/%d", parent, from++), 0755))
			return false;
	return true;
}

/* One that gets the change of each file, as the others do, but reads it */
static int mark_changes(void)
{
	int fd = open_fanotify(FAN_REPORT_FID);

	if (fd >= 0 && !fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_MODIFY,
				      AT_FDCWD, cgroup_base()))
		return fd;
	close(fd);
	return -1;
}

TEST_F(loading, unload_sends_what_is_queued)
{
	int groups[GROUPS], nr = 0, changes = 0, cgroups;
	char path[PATH_MAX], freeze[PATH_MAX];
	long long begun;

	ASSERT_TRUE(return_module());
	while (nr < GROUPS && (groups[nr] = mark_changes()) >= 0)
		nr++;
	ASSERT_GT(nr, 10);
	format_path(freeze, "%.3900s/cgroup.freeze", self->cgroup);
	/* Of the write itself, of cgroup.events of the parent, and of that of each child */
	ASSERT_TRUE(make_cgroups(self->cgroup, 0, MIN_CGROUPS));
	begun = now_us();
	ASSERT_TRUE(write_text(freeze, "1"));
	await((read_fanotify(groups[nr - 1], count_changes, &changes),
	       changes >= MIN_CGROUPS + 2), event_timeout_ms());
	ASSERT_EQ(changes, MIN_CGROUPS + 2);
	cgroups = MIN_CGROUPS * (BUSY_US / (now_us() - begun) + 1);
	if (cgroups > MAX_CGROUPS)
		cgroups = MAX_CGROUPS;
	ASSERT_TRUE(make_cgroups(self->cgroup, MIN_CGROUPS, cgroups));
	ASSERT_TRUE(write_text(freeze, "0"));
	ASSERT_EQ(borrow_module(), NULL);
	changes = 0;
	read_fanotify(groups[nr - 1], count_changes, &changes);
	EXPECT_EQ(changes, cgroups + 2)
		TH_LOG("%d cgroups", cgroups);
	while (nr)
		close(groups[--nr]);
	while (cgroups)
		rmdir(format_path(path, "%.3900s/%d", self->cgroup, --cgroups));
}

TEST_HARNESS_MAIN
