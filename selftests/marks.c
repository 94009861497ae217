// SPDX-License-Identifier: GPL-2.0
/*
 * A fanotify mark on a whole file system with FAN_DELETE_SELF hears of every
 * removed node, also of those that were never looked up.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "lib/harness.h"
#include "lib/counters.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/netdev.h"
#include "lib/system.h"

#define MAX_NODES	512
#define DEVICE		"rkm"
#define GROUP		0x726d

/* Nodes that are to go, and how often each was reported */
struct nodes {
	int nr;
	struct {
		ino_t ino;
		bool dir;
		int reported;
		int wrong_kind;
	} at[MAX_NODES];
};

/*
 * Reads events as they come, so that fanotify has no chance to merge a second
 * report of the same node into the first.
 */
struct listener {
	int fd;
	pthread_t thread;
	atomic_bool stop;
	struct nodes *nodes;
	int overflows;
};

static void report_node(struct nodes *nodes, ino_t ino, uint64_t mask)
{
	for (int i = 0; i < nodes->nr; i++) {
		if (nodes->at[i].ino != ino)
			continue;
		nodes->at[i].reported++;
		if (mask != (FAN_DELETE_SELF | (nodes->at[i].dir ? FAN_ONDIR : 0)))
			nodes->at[i].wrong_kind++;
	}
}

/* kernfs and the generic encoding both begin a handle with the inode number. */
static ino_t ino_of(const struct file_handle *handle)
{
	uint64_t ino;

	memcpy(&ino, handle->f_handle, sizeof(ino));
	return ino;
}

static void take_events(struct listener *listener)
{
	_Alignas(struct fanotify_event_metadata) char buf[8192];
	struct fanotify_event_metadata *event = (void *)buf;
	ssize_t len = read(listener->fd, buf, sizeof(buf));

	for (; FAN_EVENT_OK(event, len); event = FAN_EVENT_NEXT(event, len)) {
		struct fanotify_event_info_fid *info = (void *)(event + 1);

		if (event->mask & FAN_Q_OVERFLOW)
			listener->overflows++;
		else if (event->event_len > sizeof(*event))
			report_node(listener->nodes, ino_of((void *)info->handle), event->mask);
	}
}

static void *listen(void *arg)
{
	struct listener *listener = arg;
	struct pollfd pollfd = { .fd = listener->fd, .events = POLLIN };

	while (!atomic_load(&listener->stop))
		if (poll(&pollfd, 1, 10) > 0)
			take_events(listener);
	return NULL;
}

/* All nodes of a tree; reading a directory makes no inodes for what is in it. */
static void list_tree(struct nodes *nodes, int parent, const char *path)
{
	int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) && nodes->nr < MAX_NODES) {
		bool is_dir = entry->d_type == DT_DIR;

		if (!strcmp(entry->d_name, ".."))
			continue;
		if (is_dir && strcmp(entry->d_name, ".")) {
			list_tree(nodes, fd, entry->d_name);
			continue;
		}
		nodes->at[nodes->nr].ino = entry->d_ino;
		nodes->at[nodes->nr].dir = is_dir;
		nodes->at[nodes->nr++].reported = 0;
	}
	closedir(dir);
}

static int count_reported(const struct nodes *nodes, int times)
{
	int count = 0;

	for (int i = 0; i < nodes->nr; i++)
		count += nodes->at[i].reported == times;
	return count;
}

FIXTURE(marks) {
	char path[PATH_MAX];
	char control[PATH_MAX];
	struct nodes nodes;
	struct listener listener;
};

FIXTURE_SETUP(marks)
{
	const char *reason = why_no_cgroup();

	if (reason)
		SKIP(return, "%s", reason);
	self->listener.fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_NONBLOCK |
					  FAN_UNLIMITED_QUEUE | FAN_CLOEXEC, 0);
	if (self->listener.fd < 0)
		SKIP(return, "no fanotify with file handles");
	self->listener.nodes = &self->nodes;
	format_path(self->path, "%.3900s/cgroup", cgroup_base());
	format_path(self->control, "%.3900s/cgroup.subtree_control", cgroup_base());
	ASSERT_EQ(mkdir(self->path, 0755), 0);
}

FIXTURE_TEARDOWN(marks)
{
	atomic_store(&self->listener.stop, true);
	if (self->listener.thread)
		pthread_join(self->listener.thread, NULL);
	remove_cgroup(self->path);
	cgroup_base_remove();
}

static bool mark(struct listener *listener, uint64_t mask, const char *path)
{
	if (fanotify_mark(listener->fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, mask, AT_FDCWD, path))
		return false;
	return !pthread_create(&listener->thread, NULL, listen, listener);
}

static void await_reports(const struct nodes *nodes)
{
	await(!count_reported(nodes, 0), event_timeout_ms());
	sleep_ms(QUIET_MS);
}

#define EXPECT_ALL_REPORTED_ONCE()							\
	do {										\
		await_reports(&self->nodes);						\
		EXPECT_EQ(count_reported(&self->nodes, 1), self->nodes.nr)		\
			TH_LOG("of %d nodes %d were not reported", self->nodes.nr,	\
			       count_reported(&self->nodes, 0));			\
		for (int i = 0; i < self->nodes.nr; i++) {				\
			EXPECT_EQ(self->nodes.at[i].wrong_kind, 0);			\
		}									\
		EXPECT_EQ(self->listener.overflows, 0);					\
	} while (0)

TEST_F(marks, every_node_of_a_cgroup_never_looked_up)
{
	list_tree(&self->nodes, AT_FDCWD, self->path);
	ASSERT_GT(self->nodes.nr, 5);
	ASSERT_TRUE(drop_dentries());
	ASSERT_TRUE(mark(&self->listener, FAN_DELETE_SELF | FAN_ONDIR, cgroup_base()));
	ASSERT_EQ(remove_cgroup(self->path), 0);
	EXPECT_ALL_REPORTED_ONCE();
}

TEST_F(marks, every_node_of_a_cgroup_that_was_partly_used)
{
	char file[PATH_MAX], text[64];

	list_tree(&self->nodes, AT_FDCWD, self->path);
	format_path(file, "%.4000s/cgroup.procs", self->path);
	read_text(file, text, sizeof(text));
	ASSERT_TRUE(drop_dentries());
	format_path(file, "%.4000s/cgroup.events", self->path);
	read_text(file, text, sizeof(text));
	ASSERT_TRUE(mark(&self->listener, FAN_DELETE_SELF | FAN_ONDIR, cgroup_base()));
	ASSERT_EQ(remove_cgroup(self->path), 0);
	EXPECT_ALL_REPORTED_ONCE();
}

TEST_F(marks, file_held_open_is_reported_on_close)
{
	char file[PATH_MAX];
	struct stat st;
	int fd;

	format_path(file, "%.4000s/cgroup.events", self->path);
	fd = open(file, O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(fstat(fd, &st), 0);
	list_tree(&self->nodes, AT_FDCWD, self->path);
	ASSERT_TRUE(mark(&self->listener, FAN_DELETE_SELF | FAN_ONDIR, cgroup_base()));
	ASSERT_EQ(remove_cgroup(self->path), 0);
	sleep_ms(QUIET_MS);
	for (int i = 0; i < self->nodes.nr; i++) {
		if (self->nodes.at[i].ino == st.st_ino)
			EXPECT_EQ(self->nodes.at[i].reported, 0);
	}
	close(fd);
	EXPECT_ALL_REPORTED_ONCE();
}

TEST_F(marks, node_with_an_inotify_watch_is_reported_to_both)
{
	struct events events = {};
	char file[PATH_MAX];
	int inotify, wd;

	list_tree(&self->nodes, AT_FDCWD, self->path);
	format_path(file, "%.4000s/cgroup.events", self->path);
	inotify = open_inotify();
	wd = inotify_add_watch(inotify, file, IN_DELETE_SELF);
	ASSERT_GE(wd, 0);
	ASSERT_TRUE(drop_dentries());
	ASSERT_TRUE(mark(&self->listener, FAN_DELETE_SELF | FAN_ONDIR, cgroup_base()));
	ASSERT_EQ(remove_cgroup(self->path), 0);
	assert_events(_metadata, inotify, &events, &wd, 1);
	EXPECT_ALL_REPORTED_ONCE();
}

/* Leaves in @nodes what is in it and not in @others. */
static void subtract(struct nodes *nodes, const struct nodes *others)
{
	int nr = 0;

	for (int i = 0; i < nodes->nr; i++) {
		bool found = false;

		for (int j = 0; j < others->nr && !found; j++)
			found = nodes->at[i].ino == others->at[j].ino;
		if (!found)
			nodes->at[nr++] = nodes->at[i];
	}
	nodes->nr = nr;
}

TEST_F(marks, every_file_of_a_controller_that_is_turned_off)
{
	struct nodes without = {};

	if (!has_memory_controller())
		SKIP(return, "%s", why_no_memory_controller());
	ASSERT_TRUE(write_text(self->control, "-memory"));
	list_tree(&without, AT_FDCWD, self->path);
	ASSERT_TRUE(write_text(self->control, "+memory"));
	list_tree(&self->nodes, AT_FDCWD, self->path);
	subtract(&self->nodes, &without);
	ASSERT_GT(self->nodes.nr, 5);
	ASSERT_TRUE(drop_dentries());
	ASSERT_TRUE(mark(&self->listener, FAN_DELETE_SELF | FAN_ONDIR, cgroup_base()));
	ASSERT_TRUE(write_text(self->control, "-memory"));
	EXPECT_ALL_REPORTED_ONCE();
}

TEST_F(marks, every_node_of_a_network_device)
{
	if (fanotify_mark(self->listener.fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_DELETE_SELF,
			  AT_FDCWD, "/sys") && errno == EOPNOTSUPP)
		SKIP(return, "sysfs cannot be marked: it decodes no file handles");
	if (!load_dummy())
		SKIP(return, "no dummy network driver");
	ASSERT_TRUE(add_dummies(DEVICE, 1, GROUP));
	list_tree(&self->nodes, AT_FDCWD, "/sys/devices/virtual/net/" DEVICE "0");
	EXPECT_GT(self->nodes.nr, 5);
	EXPECT_TRUE(drop_dentries());
	EXPECT_TRUE(mark(&self->listener, FAN_DELETE_SELF | FAN_ONDIR, "/sys"));
	EXPECT_TRUE(delete_group(GROUP));
	EXPECT_ALL_REPORTED_ONCE();
	unload_dummy();
}

TEST_F(marks, without_ondir_only_files)
{
	list_tree(&self->nodes, AT_FDCWD, self->path);
	ASSERT_TRUE(mark(&self->listener, FAN_DELETE_SELF, cgroup_base()));
	ASSERT_EQ(remove_cgroup(self->path), 0);
	await(count_reported(&self->nodes, 0) <= 1, event_timeout_ms());
	sleep_ms(QUIET_MS);
	for (int i = 0; i < self->nodes.nr; i++) {
		EXPECT_EQ(self->nodes.at[i].reported, self->nodes.at[i].dir ? 0 : 1);
		EXPECT_EQ(self->nodes.at[i].wrong_kind, 0);
	}
}

TEST_F(marks, for_other_events_gets_nothing)
{
	list_tree(&self->nodes, AT_FDCWD, self->path);
	ASSERT_TRUE(mark(&self->listener, FAN_ATTRIB | FAN_MOVE_SELF | FAN_ONDIR, cgroup_base()));
	ASSERT_EQ(remove_cgroup(self->path), 0);
	sleep_ms(5 * QUIET_MS);
	EXPECT_EQ(count_reported(&self->nodes, 0), self->nodes.nr);
}

/*
 * A removal searches the superblocks of its hierarchy for marks only if there may be
 * one that asks: not for what others mark elsewhere, and not for ever after.
 */
TEST_F(marks, removal_searches_for_none_without_a_mark)
{
	char tmpfs[PATH_MAX];
	long long searched;

	if (counter("supers_searched") < 0)
		SKIP(return, "no counters: the module is not loaded");
	ASSERT_TRUE(make_mount_point(tmpfs));
	ASSERT_EQ(mount("none", tmpfs, "tmpfs", 0, NULL), 0);
	ASSERT_EQ(fanotify_mark(self->listener.fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
				FAN_DELETE_SELF, AT_FDCWD, tmpfs), 0);
	/* A mark that another test had may be looked for, once. */
	ASSERT_EQ(remove_cgroup(self->path), 0);
	searched = counter("supers_searched");
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(mkdir(self->path, 0755), 0);
		ASSERT_EQ(remove_cgroup(self->path), 0);
	}
	EXPECT_EQ(counter("supers_searched"), searched);
	umount(tmpfs);
	remove_mount_point(tmpfs);

	ASSERT_EQ(fanotify_mark(self->listener.fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
				FAN_DELETE_SELF, AT_FDCWD, cgroup_base()), 0);
	ASSERT_EQ(mkdir(self->path, 0755), 0);
	ASSERT_EQ(remove_cgroup(self->path), 0);
	EXPECT_GT(counter("supers_searched"), searched);
	ASSERT_EQ(fanotify_mark(self->listener.fd, FAN_MARK_REMOVE | FAN_MARK_FILESYSTEM,
				FAN_DELETE_SELF, AT_FDCWD, cgroup_base()), 0);
	ASSERT_EQ(mkdir(self->path, 0755), 0);
	ASSERT_EQ(remove_cgroup(self->path), 0);
	searched = counter("supers_searched");
	ASSERT_EQ(mkdir(self->path, 0755), 0);
	ASSERT_EQ(remove_cgroup(self->path), 0);
	EXPECT_EQ(counter("supers_searched"), searched);
}

/*
 * Some kernels drop the mark at the end of an unmount, and wait as long as a task has
 * its group locked: the hierarchy may be gone by then. The task lists the group's
 * marks, of which there are many, and gets little processor time.
 */
#define LISTED		2000
#define LITTLE		"2000 100000"

static pid_t start_listing(const char *cgroup, int fanotify)
{
	int dir = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t pid = fork_into(dir);

	close(dir);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		count_marks(fanotify);
}

TEST_F(marks, hierarchy_is_unmounted_while_the_group_is_locked)
{
	int fanotify = fanotify_init(FAN_REPORT_FID | FAN_UNLIMITED_MARKS | FAN_CLOEXEC, 0);
	char mount_point[PATH_MAX], listed[PATH_MAX], path[PATH_MAX];
	pid_t pid;

	format_path(path, "%.4000s/cpu.max", self->path);
	if (!exists(path))
		SKIP(return, "no cpu.max");
	ASSERT_TRUE(write_text(path, LITTLE));
	ASSERT_TRUE(make_mount_point(mount_point));
	if (!mount_cgroup1(mount_point, 0)) {
		remove_mount_point(mount_point);
		SKIP(return, "no version 1 of cgroups");
	}
	ASSERT_EQ(fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_DELETE_SELF,
				AT_FDCWD, mount_point), 0);
	ASSERT_TRUE(make_mount_point(listed));
	ASSERT_EQ(mount("none", listed, "tmpfs", 0, NULL), 0);
	for (int i = 0; i < LISTED; i++) {
		close(open(format_path(path, "%.4000s/%d", listed, i), O_CREAT | O_WRONLY, 0600));
		ASSERT_EQ(fanotify_mark(fanotify, FAN_MARK_ADD, FAN_DELETE_SELF, AT_FDCWD, path),
			  0);
	}
	pid = start_listing(self->path, fanotify);
	ASSERT_GT(pid, 0);
	sleep_ms(QUIET_MS);
	EXPECT_EQ(umount(mount_point), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fanotify);
	umount(listed);
	remove_mount_point(listed);
	remove_mount_point(mount_point);
}

TEST_HARNESS_MAIN
