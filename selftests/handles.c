// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes that come from a file handle: without a name in the dcache, and on
 * kernels before 7.3 even while the node is being removed.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/fanotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/harness.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/handle.h"
#include "lib/module.h"
#include "lib/pseudofs.h"
#include "lib/system.h"

#define RACES		150
#define MAX_WATCHES	8

FIXTURE(handles) {
	char path[PATH_MAX];
	char file[PATH_MAX];
	int base;
	int inotify;
	struct handle file_handle, dir_handle;
	struct events events;
};

FIXTURE_SETUP(handles)
{
	const char *reason = why_no_cgroup();

	if (!reason && !get_handle(cgroup_base(), &self->dir_handle))
		reason = "no file handles on cgroup2";
	if (reason)
		SKIP(return, "%s", reason);

	self->base = open(cgroup_base(), O_RDONLY | O_DIRECTORY);
	format_path(self->path, "%.3900s/cgroup", cgroup_base());
	format_path(self->file, "%.3900s/%s", self->path, cgroup_file());
	self->inotify = open_inotify();
	ASSERT_GE(self->base, 0);
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(handles)
{
	close(self->base);
	remove_cgroup(self->path);
	cgroup_base_remove();
}

static int open_handle(int base, struct handle *handle)
{
	return open_by_handle_at(base, &handle->head, O_PATH | O_CLOEXEC);
}

static int watch_fd(int inotify, int fd)
{
	char path[PATH_MAX];

	return inotify_add_watch(inotify, format_path(path, "/proc/self/fd/%d", fd),
				 IN_DELETE_SELF);
}

TEST_F(handles, inode_without_a_name_is_reported_on_close)
{
	int file, dir, file_wd, dir_wd;

	ASSERT_EQ(mkdir(self->path, 0755), 0);
	ASSERT_TRUE(get_handle(self->file, &self->file_handle));
	ASSERT_TRUE(get_handle(self->path, &self->dir_handle));
	ASSERT_TRUE(drop_dentries());
	file = open_handle(self->base, &self->file_handle);
	dir = open_handle(self->base, &self->dir_handle);
	ASSERT_GE(file, 0);
	ASSERT_GE(dir, 0);
	file_wd = watch_fd(self->inotify, file);
	dir_wd = watch_fd(self->inotify, dir);
	ASSERT_EQ(remove_cgroup(self->path), 0);
	close(file);
	close(dir);
	ASSERT_EVENTS(file_wd, dir_wd);
}

TEST_F(handles, watched_by_handle_and_closed_before_rmdir)
{
	int fd, wd;

	ASSERT_EQ(mkdir(self->path, 0755), 0);
	ASSERT_TRUE(get_handle(self->file, &self->file_handle));
	ASSERT_TRUE(drop_dentries());
	fd = open_handle(self->base, &self->file_handle);
	ASSERT_GE(fd, 0);
	wd = watch_fd(self->inotify, fd);
	close(fd);
	ASSERT_EQ(remove_cgroup(self->path), 0);
	ASSERT_EVENTS(wd);
}

/* Opens by handle and watches, over and over, until the node cannot be found. */
struct opener {
	pthread_barrier_t start;
	int base;
	int inotify;
	struct handle *handle;
	atomic_bool removed;
	int nr_watches;
	int wd[MAX_WATCHES];
};

static void note_watch(struct opener *opener, int wd)
{
	for (int i = 0; i < opener->nr_watches; i++)
		if (opener->wd[i] == wd)
			return;
	if (wd >= 0 && opener->nr_watches < MAX_WATCHES)
		opener->wd[opener->nr_watches++] = wd;
}

static void *open_and_watch(void *arg)
{
	struct opener *opener = arg;
	bool last = false;

	pthread_barrier_wait(&opener->start);
	while (!last) {
		int fd;

		last = atomic_load(&opener->removed);
		fd = open_handle(opener->base, opener->handle);
		if (fd < 0)
			continue;
		note_watch(opener, watch_fd(opener->inotify, fd));
		close(fd);
	}
	return NULL;
}

static void race_removal(struct opener *opener, int (*remove)(const char *path),
			 const char *path, int delay_us)
{
	pthread_t thread;

	pthread_barrier_init(&opener->start, NULL, 2);
	pthread_create(&thread, NULL, open_and_watch, opener);
	pthread_barrier_wait(&opener->start);
	spin_us(delay_us);
	remove(path);
	atomic_store(&opener->removed, true);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&opener->start);
}

static void expect_all_events(struct __test_metadata *_metadata, int inotify,
			    struct events *events, struct opener *opener)
{
	events->nr = 0;
	assert_events(_metadata, inotify, events, opener->wd, opener->nr_watches);
	ASSERT_EQ(count_marks(inotify), 0);
}

/* What is opened by handle is the cgroup or a file of it. */
static void race_rmdir(struct __test_metadata *_metadata, struct opener *opener,
		       const char *cgroup, const char *opened, bool reclaim, int delay_us)
{
	ASSERT_EQ(mkdir(cgroup, 0755), 0);
	ASSERT_TRUE(get_handle(opened, opener->handle));
	if (reclaim)
		drop_dentries();
	race_removal(opener, remove_cgroup, cgroup, delay_us);
}

TEST_F(handles, file_opened_by_handle_while_it_is_removed)
{
	for (int i = 0; i < RACES; i++) {
		struct opener opener = {
			.base = self->base,
			.inotify = self->inotify,
			.handle = &self->file_handle,
		};

		race_rmdir(_metadata, &opener, self->path, self->file, i % 2, i);
		expect_all_events(_metadata, self->inotify, &self->events, &opener);
	}
}

TEST_F(handles, directory_opened_by_handle_while_it_is_removed)
{
	for (int i = 0; i < RACES; i++) {
		struct opener opener = {
			.base = self->base,
			.inotify = self->inotify,
			.handle = &self->dir_handle,
		};

		race_rmdir(_metadata, &opener, self->path, self->path, false, i);
		expect_all_events(_metadata, self->inotify, &self->events, &opener);
	}
}

/*
 * The same, but the opener is in one function as the cgroup is removed: a module of
 * the tests keeps it there.
 */
struct delayed {
	int base;
	int inotify;
	struct handle *handle;
	pthread_t thread;
	int wd;
	atomic_bool done;
};

static void *open_watch_close(void *arg)
{
	struct delayed *delayed = arg;
	int fd;

	prctl(PR_SET_NAME, "delayed");
	fd = open_handle(delayed->base, delayed->handle);
	delayed->wd = fd < 0 ? -1 : watch_fd(delayed->inotify, fd);
	close(fd);
	atomic_store(&delayed->done, true);
	return NULL;
}

/* Returns when the opener is in the function, or has not come by there at all. */
static void start_delayed(struct __test_metadata *_metadata, struct delayed *delayed,
			  const char *functions, int ms)
{
	char parameters[96];

	snprintf(parameters, sizeof(parameters), "function=%s ms=%d", functions, ms);
	ASSERT_EQ(insert_test_module("delay", parameters), 0);
	pthread_create(&delayed->thread, NULL, open_watch_close, delayed);
	while (!atomic_load(&delayed->done) && module_parameter("delay", "hits") < 1)
		sleep_ms(1);
}

/* Returns how often a task came by. */
static int end_delayed(struct __test_metadata *_metadata, struct delayed *delayed)
{
	int hits;

	pthread_join(delayed->thread, NULL);
	hits = module_parameter("delay", "hits");
	EXPECT_EQ(remove_test_module("delay"), 0);
	return hits;
}

static void remove_meanwhile(struct __test_metadata *_metadata, struct _test_data_handles *self,
			     const char *function, const char *opened, bool is_watched)
{
	struct delayed delayed = { .base = self->base, .inotify = self->inotify };
	struct handle handle;
	int wds[2], nr = 0, hits;

	ASSERT_EQ(mkdir(self->path, 0755), 0);
	ASSERT_TRUE(get_handle(opened, &handle));
	if (is_watched)
		wds[nr++] = inotify_add_watch(self->inotify, opened, IN_DELETE_SELF);
	ASSERT_TRUE(drop_dentries());
	delayed.handle = &handle;
	start_delayed(_metadata, &delayed, function, 250);
	EXPECT_EQ(remove_cgroup(self->path), 0);
	hits = end_delayed(_metadata, &delayed);
	/* A mark that is there already is not added. */
	if (!is_watched)
		EXPECT_GE(hits, 1)
			TH_LOG("the opener never reached %s()", function);
	/* On the same inode, and before that went, it is the same watch. */
	if (delayed.wd >= 0 && !(nr && wds[0] == delayed.wd))
		wds[nr++] = delayed.wd;
	self->events.nr = 0;
	assert_events(_metadata, self->inotify, &self->events, wds, nr);
	ASSERT_EQ(count_marks(self->inotify), 0);
}

/* Before the inode is found or made, before it has a dentry, and with a watch */
static const char *const functions[] = {
	"kernfs_get_inode", "d_obtain_alias", "fsnotify_add_mark_locked",
};

static void remove_in_each(struct __test_metadata *_metadata, struct _test_data_handles *self,
			   const char *opened)
{
	if (!has_test_module("delay"))
		SKIP(return, "selftests/modules/delay.ko is not installed");
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		remove_meanwhile(_metadata, self, functions[i], opened, false);
		remove_meanwhile(_metadata, self, functions[i], opened, true);
	}
}

TEST_F(handles, file_removed_in_each_step_of_opening_it)
{
	remove_in_each(_metadata, self, self->file);
}

TEST_F(handles, directory_removed_in_each_step_of_opening_it)
{
	remove_in_each(_metadata, self, self->path);
}

/* VFS holds the dentry of what rmdir removes, but not of an object below another. */

FIXTURE(nested) {
	char root[PATH_MAX];
	char parent[PATH_MAX];
	char path[PATH_MAX];
	char child[PATH_MAX];
	int base;
	int inotify;
	int wd;
	struct handle handle;
	struct events events;
};

FIXTURE_SETUP(nested)
{
	const char *reason = mount_pseudofs(self->root);

	if (reason)
		SKIP(return, "%s", reason);
	format_path(self->parent, "%.3800s/object", self->root);
	format_path(self->path, "%.3900s/nested", self->parent);
	format_path(self->child, "%.3900s/child", self->path);
	self->base = open(self->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	self->inotify = open_inotify();
	ASSERT_GE(self->base, 0);
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(nested)
{
	close(self->base);
	rmdir(self->child);
	rmdir(self->path);
	rmdir(self->parent);
	unmount_pseudofs(self->root);
}

static void make_nested(struct __test_metadata *_metadata, struct _test_data_nested *self)
{
	ASSERT_EQ(mkdir(self->parent, 0755), 0);
	ASSERT_EQ(mkdir(self->path, 0755), 0);
	ASSERT_TRUE(get_handle(self->path, &self->handle));
	self->wd = inotify_add_watch(self->inotify, self->path, IN_DELETE_SELF);
	ASSERT_GE(self->wd, 0);
}

static int remove_object(const char *path)
{
	return write_object(path, "remove", "1") ? 0 : -1;
}

TEST_F(nested, object_opened_by_handle_while_it_is_removed)
{
	for (int i = 0; i < RACES; i++) {
		struct opener opener = {
			.base = self->base,
			.inotify = self->inotify,
			.handle = &self->handle,
		};

		make_nested(_metadata, self);
		note_watch(&opener, self->wd);
		drop_dentries();
		race_removal(&opener, remove_object, self->parent, i);
		expect_all_events(_metadata, self->inotify, &self->events, &opener);
	}
}

/*
 * The opener is in @function as the only dentry of the watched node is dropped; and its
 * removal is still being reported as the opener puts another one, were it to get one.
 */
static void remove_as_opened(struct __test_metadata *_metadata, struct _test_data_nested *self,
			     const char *function)
{
	struct delayed delayed = {
		.base = self->base,
		.inotify = -1,
		.handle = &self->handle,
	};
	char functions[64], file[PATH_MAX];

	if (!has_test_module("delay"))
		SKIP(return, "selftests/modules/delay.ko is not installed");
	/* The remover is not to come by there to look its file up. */
	ASSERT_TRUE(exists(format_path(file, "%.3900s/remove", self->parent)));
	snprintf(functions, sizeof(functions), "%s,fsnotify_insert_event", function);
	start_delayed(_metadata, &delayed, functions, 1000);
	prctl(PR_SET_NAME, "delayed");
	EXPECT_EQ(remove_object(self->parent), 0);
	prctl(PR_SET_NAME, "handles");
	EXPECT_GE(end_delayed(_metadata, &delayed), 1);
	ASSERT_EVENTS(self->wd);
}

TEST_F(nested, last_dentry_dropped_before_opener_gets_inode)
{
	make_nested(_metadata, self);
	remove_as_opened(_metadata, self, "kernfs_get_inode");
}

TEST_F(nested, last_dentry_dropped_before_opener_gets_dentry)
{
	make_nested(_metadata, self);
	remove_as_opened(_metadata, self, "d_obtain_alias");
}

/* What is opened is in it, and VFS asks for the directory to give that a name. */
TEST_F(nested, last_dentry_dropped_before_opener_of_child_gets_inode)
{
	make_nested(_metadata, self);
	ASSERT_EQ(mkdir(self->child, 0755), 0);
	ASSERT_TRUE(get_handle(self->child, &self->handle));
	ASSERT_TRUE(drop_dentries());
	ASSERT_TRUE(exists(self->path));
	remove_as_opened(_metadata, self, "kernfs_get_parent_dentry");
}

/* So many times FAN_DELETE_SELF, which is all that is marked */
static int count_ends(int fanotify)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct fanotify_event_metadata))));
	ssize_t len = read(fanotify, buf, sizeof(buf));
	const struct fanotify_event_metadata *event = (void *)buf;
	int nr = 0;

	for (; FAN_EVENT_OK(event, len); event = FAN_EVENT_NEXT(event, len))
		nr += !!(event->mask & FAN_DELETE_SELF);
	return nr;
}

/* A mark that pins no inode is none of those that do. */
static void mark_and_remove_as_opened(struct __test_metadata *_metadata,
				      struct _test_data_nested *self, unsigned int flags)
{
	struct delayed delayed = {
		.base = self->base,
		.inotify = -1,
		.handle = &self->handle,
	};
	int fanotify = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_NONBLOCK | FAN_CLOEXEC,
				     O_RDONLY);
	char file[PATH_MAX];

	if (!has_test_module("delay"))
		SKIP(return, "selftests/modules/delay.ko is not installed");
	ASSERT_GE(fanotify, 0);
	ASSERT_EQ(mkdir(self->parent, 0755), 0);
	ASSERT_EQ(mkdir(self->path, 0755), 0);
	ASSERT_TRUE(get_handle(self->path, &self->handle));
	ASSERT_EQ(fanotify_mark(fanotify, FAN_MARK_ADD | flags, FAN_DELETE_SELF | FAN_ONDIR,
				AT_FDCWD, self->path), 0);
	ASSERT_TRUE(exists(format_path(file, "%.3900s/remove", self->parent)));
	start_delayed(_metadata, &delayed, "d_obtain_alias,fanotify_handle_event", 1000);
	prctl(PR_SET_NAME, "delayed");
	EXPECT_EQ(remove_object(self->parent), 0);
	prctl(PR_SET_NAME, "handles");
	EXPECT_GE(end_delayed(_metadata, &delayed), 1);
	await_events(self->inotify, &self->events, 0);
	EXPECT_EQ(count_ends(fanotify), 1);
	close(fanotify);
}

TEST_F(nested, evictable_mark_gets_one_event_during_opening)
{
	mark_and_remove_as_opened(_metadata, self, FAN_MARK_EVICTABLE);
}

TEST_F(nested, mark_gets_one_event_during_opening)
{
	mark_and_remove_as_opened(_metadata, self, 0);
}

TEST_HARNESS_MAIN
