// SPDX-License-Identifier: GPL-2.0
/*
 * Trees of the pseudo file system that are very deep or very wide: made,
 * watched and removed without recursion and without holding others up.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/harness.h"
#include "lib/counters.h"
#include "lib/events.h"
#include "lib/pseudofs.h"
#include "lib/system.h"

#define DEPTH			1000
#define WIDTH			30000
/* A debug kernel is slow, and the path is the same. */
#define WIDTH_OF_DEBUG		2000
#define NODES_PER_OBJECT	5	/* the directory and its files */
/*
 * How long another user of the file system may have to wait: a part of the
 * removal, during which the subtree is marked, and room for emulation.
 */
#define MAX_WAIT_US(removal_us)	((removal_us) / 4 + 500000)

FIXTURE(trees) {
	char root[PATH_MAX];
	char path[PATH_MAX];
	long long removed;
	int top;
};

FIXTURE_SETUP(trees)
{
	const char *reason = mount_pseudofs(self->root);

	if (reason)
		SKIP(return, "%s", reason);
	format_path(self->path, "%.3900s/object", self->root);
	ASSERT_EQ(mkdir(self->path, 0755), 0);
	self->top = open(self->path, O_RDONLY | O_DIRECTORY);
	self->removed = counter("nodes_removed");
	ASSERT_GE(self->top, 0);
}

FIXTURE_TEARDOWN(trees)
{
	close(self->top);
	write_object(self->path, "remove", "1");
	unmount_pseudofs(self->root);
}

/* Opens the directory @name in @dir, and closes @dir. */
static int descend(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY);

	close(dir);
	return fd;
}

/* The deepest directory, or -1 */
static int make_deep(int top, int depth)
{
	int dir = dup(top);

	while (dir >= 0 && depth--) {
		if (mkdirat(dir, "d", 0755))
			return -1;
		dir = descend(dir, "d");
	}
	return dir;
}

static int watch_at(int inotify, int dir, const char *name)
{
	char path[PATH_MAX];

	return inotify_add_watch(inotify, format_path(path, "/proc/self/fd/%d/%s", dir, name),
				 IN_DELETE_SELF);
}

/* Watches of all levels: the directory and its value */
static bool watch_deep(int inotify, int top, int depth)
{
	int dir = dup(top);

	while (depth--) {
		if (watch_at(inotify, dir, "d") < 0 || watch_at(inotify, dir, "d/value") < 0)
			return false;
		dir = descend(dir, "d");
	}
	close(dir);
	return true;
}

/* How many of @nr watches got their events exactly once */
static int count_event(int inotify, int nr)
{
	_Alignas(struct inotify_event) static char buf[1 << 16];
	unsigned char *got = calloc(1, nr + 1);
	int wait = 0, seen = 0, once = 0, wrong = 0;
	ssize_t len;

	while (wait < event_timeout_ms() && seen < 2 * nr) {
		len = read(inotify, buf, sizeof(buf));
		if (len <= 0) {
			sleep_ms(1);
			wait++;
			continue;
		}
		for (char *pos = buf; pos < buf + len; pos += sizeof(struct inotify_event)) {
			const struct inotify_event *event = (void *)pos;

			seen++;
			if (event->wd < 1 || event->wd > nr)
				continue;
			got[event->wd] <<= 2;
			got[event->wd] |= event->mask == IN_DELETE_SELF ? 1 :
					   event->mask == IN_IGNORED ? 2 : 3;
		}
	}
	for (int wd = 1; wd <= nr; wd++)
		if (got[wd] == (1 << 2 | 2))
			once++;
		else if (wrong++ < 5)
			ksft_print_msg("watch %d of %d: %#x\n", wd, nr, got[wd]);
	ksft_print_msg("%d events in %d ms of waiting\n", seen, wait);
	free(got);
	return once;
}

TEST_F(trees, deep_tree_is_removed_at_once_and_all_watches_get_events)
{
	int inotify = open_inotify(), dir;

	dir = make_deep(self->top, DEPTH);
	ASSERT_GE(dir, 0);
	close(dir);
	ASSERT_TRUE(watch_deep(inotify, self->top, DEPTH));
	ASSERT_TRUE(write_object(self->path, "remove", "1"));
	EXPECT_EQ(count_event(inotify, 2 * DEPTH), 2 * DEPTH);
	EXPECT_GE(counter("nodes_removed"), self->removed + DEPTH * NODES_PER_OBJECT);
	close(inotify);
}

TEST_F(trees, deep_tree_is_removed_level_by_level)
{
	int dir = make_deep(self->top, DEPTH);

	ASSERT_GE(dir, 0);
	for (int level = 0; level < DEPTH; level++) {
		dir = descend(dir, "..");
		ASSERT_EQ(unlinkat(dir, "d", AT_REMOVEDIR), 0);
	}
	close(dir);
	EXPECT_GE(counter("nodes_removed"), self->removed + DEPTH * NODES_PER_OBJECT);
}

/* Keeps on using the file system, beside the tree that is removed. */
struct user {
	const char *path;
	atomic_bool stop;
	long long longest_us;
};

static void *use(void *arg)
{
	struct user *user = arg;
	char object[PATH_MAX], text[16];

	format_path(object, "%.3900s/user", user->path);
	while (!user->stop) {
		long long start = now_us(), took;
		char path[PATH_MAX];

		mkdir(object, 0755);
		read_text(format_path(path, "%.3900s/value", object), text, sizeof(text));
		rmdir(object);
		took = now_us() - start;
		if (took > user->longest_us)
			user->longest_us = took;
	}
	return NULL;
}

static int width(void)
{
	return exists("/sys/kernel/debug/kmemleak") ? WIDTH_OF_DEBUG : WIDTH;
}

static bool make_wide(int top)
{
	char name[16];

	for (int i = 0; i < width(); i++) {
		snprintf(name, sizeof(name), "%d", i);
		if (mkdirat(top, name, 0755))
			return false;
	}
	return true;
}

TEST_F(trees, wide_tree_is_removed_at_once_without_delaying_others)
{
	struct user user = { .path = self->root };
	long long start = now_us(), removal;
	pthread_t thread;
	struct stat st;

	ASSERT_TRUE(raise_sysctl("/sys/module/rkernfs/parameters/max_objects", 2 * WIDTH));
	ASSERT_TRUE(make_wide(self->top));
	TH_LOG("%d made in %lld ms", width(), (now_us() - start) / 1000);
	ASSERT_EQ(fstat(self->top, &st), 0);
	EXPECT_EQ(st.st_nlink, 2 + width());

	ASSERT_EQ(pthread_create(&thread, NULL, use, &user), 0);
	start = now_us();
	ASSERT_TRUE(write_object(self->path, "remove", "1"));
	removal = now_us() - start;
	user.stop = true;
	pthread_join(thread, NULL);
	TH_LOG("removed in %lld ms, another user waited %lld ms at most",
	       removal / 1000, user.longest_us / 1000);
	EXPECT_LT(user.longest_us, MAX_WAIT_US(removal));
	EXPECT_FALSE(exists(self->path));
	EXPECT_GE(counter("nodes_removed"), self->removed + width() * NODES_PER_OBJECT);
}

TEST_F(trees, wide_tree_is_removed_one_by_one)
{
	char name[16];

	ASSERT_TRUE(raise_sysctl("/sys/module/rkernfs/parameters/max_objects", 2 * WIDTH));
	ASSERT_TRUE(make_wide(self->top));
	for (int i = 0; i < width(); i++) {
		snprintf(name, sizeof(name), "%d", i);
		ASSERT_EQ(unlinkat(self->top, name, AT_REMOVEDIR), 0);
	}
	EXPECT_EQ(rmdir(self->path), 0);
}

TEST_HARNESS_MAIN
