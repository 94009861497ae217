// SPDX-License-Identifier: GPL-2.0
/*
 * samples/counters.rs, a second module on the kernfs abstractions: what it
 * does, that its watches get events, that it can be loaded and unloaded.
 */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "lib/harness.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/system.h"

#define MODULE	"/lib/modules/counters.ko"

FIXTURE(counters) {
	char root[PATH_MAX];
	char counter[PATH_MAX];
	char count[PATH_MAX];
};

static const char *load(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC);
	const char *reason = NULL;

	if (fd < 0)
		return "no " MODULE ": an rkernfs that carries its own Rust exports nothing";
	if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
		reason = "the module does not load: is rkernfs?";
	close(fd);
	return reason;
}

FIXTURE_SETUP(counters)
{
	const char *reason = why_not_root();

	if (!reason)
		reason = load();
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_TRUE(make_mount_point(self->root));
	ASSERT_EQ(mount("none", self->root, "counters", 0, NULL), 0);
	format_path(self->counter, "%.3900s/counter", self->root);
	format_path(self->count, "%.3900s/count", self->counter);
	ASSERT_EQ(mkdir(self->counter, 0755), 0);
}

FIXTURE_TEARDOWN(counters)
{
	rmdir(self->counter);
	remove_mount_point(self->root);
	EXPECT_EQ(syscall(SYS_delete_module, "counters", O_NONBLOCK), 0);
}

TEST_F(counters, numbers_add_up)
{
	char text[32];

	ASSERT_TRUE(write_text(self->count, "40"));
	ASSERT_TRUE(write_text(self->count, "5\n"));
	ASSERT_TRUE(write_text(self->count, "-3"));
	read_text(self->count, text, sizeof(text));
	EXPECT_STREQ(text, "42\n");
}

TEST_F(counters, what_is_no_number_is_refused)
{
	static const char * const words[] = { "", "x", "1 2", "0x1", "\xff", "9223372036854775808" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		int fd = open(self->count, O_WRONLY);

		EXPECT_EQ(write(fd, words[i], strlen(words[i])), -1);
		EXPECT_EQ(errno, EINVAL);
		close(fd);
	}
}

TEST_F(counters, numbers_are_not_cut)
{
	char text[5000];
	int fd = open(self->count, O_WRONLY);

	memset(text, ' ', sizeof(text));
	memcpy(text + 4095, "12", 2);
	EXPECT_EQ(write(fd, text, sizeof(text)), -1);
	EXPECT_EQ(errno, E2BIG);
	close(fd);
	read_text(self->count, text, sizeof(text));
	EXPECT_STREQ(text, "0\n");
}

TEST_F(counters, watchers_get_events)
{
	int inotify = open_inotify(), file, dir;
	struct events events = {};

	file = inotify_add_watch(inotify, self->count, IN_DELETE_SELF);
	dir = inotify_add_watch(inotify, self->counter, IN_DELETE_SELF);
	ASSERT_EQ(rmdir(self->counter), 0);
	assert_events(_metadata, inotify, &events, (const int []) { file, dir }, 2);
	close(inotify);
}

TEST_F(counters, counters_can_be_nested_and_moved)
{
	char below[PATH_MAX], moved[PATH_MAX];

	ASSERT_EQ(mkdir(format_path(below, "%.3900s/below", self->counter), 0755), 0);
	EXPECT_EQ(rmdir(self->counter), -1);
	EXPECT_EQ(errno, EBUSY);
	ASSERT_EQ(rename(below, format_path(moved, "%.3900s/moved", self->root)), 0);
	EXPECT_EQ(rmdir(moved), 0);
}

TEST_F(counters, module_cannot_be_unloaded_while_mounted)
{
	EXPECT_EQ(syscall(SYS_delete_module, "counters", O_NONBLOCK), -1);
	EXPECT_EQ(errno, EWOULDBLOCK);
	EXPECT_EQ(syscall(SYS_delete_module, "rkernfs", O_NONBLOCK), -1);
}

/* Leaves counters behind: the module takes them along. */
TEST_F(counters, unloading_removes_the_tree)
{
	char path[PATH_MAX];

	ASSERT_EQ(mkdir(format_path(path, "%.3900s/left", self->counter), 0755), 0);
	ASSERT_EQ(umount(self->root), 0);
	ASSERT_EQ(syscall(SYS_delete_module, "counters", O_NONBLOCK), 0);
	ASSERT_EQ(load(), NULL);
	ASSERT_EQ(mount("none", self->root, "counters", 0, NULL), 0);
	EXPECT_FALSE(exists(path));
}

TEST_HARNESS_MAIN
