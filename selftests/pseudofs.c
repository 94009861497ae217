// SPDX-License-Identifier: GPL-2.0
/*
 * rkernfs's own file system as its users see it: mounting, objects and their
 * files, and what is refused. Events are in the other tests.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/fsuid.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "lib/harness.h"
#include "lib/counters.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/pseudofs.h"
#include "lib/system.h"

#define MAGIC			0x726b6673
#define MAX_VALUE		4095
#define MAX_OBJECTS		"/sys/module/rkernfs/parameters/max_objects"
#define SYSLOG_READ_ALL		3

FIXTURE(pseudofs) {
	char root[PATH_MAX];
	char path[PATH_MAX];
	char value[PATH_MAX];
};

FIXTURE_SETUP(pseudofs)
{
	const char *reason = mount_for_object(self->root, self->path, self->value);

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(mkdir(self->path, 0755), 0);
}

FIXTURE_TEARDOWN(pseudofs)
{
	rmdir(self->path);
	unmount_pseudofs(self->root);
}

/* Mounting */

TEST_F(pseudofs, is_listed_and_has_its_type)
{
	char line[PATH_MAX];
	struct statfs fs;

	EXPECT_TRUE(file_has_line("/proc/filesystems", "nodev\trkernfs\n"));
	format_path(line, " %.4000s rkernfs rw,", self->root);
	EXPECT_TRUE(file_has_line("/proc/mounts", line));
	ASSERT_EQ(statfs(self->path, &fs), 0);
	EXPECT_EQ(fs.f_type, MAGIC);
	EXPECT_EQ(fs.f_namelen, NAME_MAX);
}

TEST_F(pseudofs, shows_the_same_tree_wherever_it_is_mounted)
{
	char other[PATH_MAX], path[PATH_MAX];

	ASSERT_TRUE(make_mount_point(other));
	ASSERT_EQ(mount("none", other, "rkernfs", 0, NULL), 0);
	EXPECT_TRUE(exists(format_path(path, "%.4000s/object/value", other)));
	remove_mount_point(other);
}

TEST_F(pseudofs, unknown_option_is_refused_and_logged)
{
	static char log[1 << 18];
	int len;

	EXPECT_EQ(error_of(mount("none", self->root, "rkernfs", 0, "fancy=1")), EINVAL);
	len = klogctl(SYSLOG_READ_ALL, log, sizeof(log) - 1);
	ASSERT_GT(len, 0);
	log[len] = '\0';
	EXPECT_NE(strstr(log, "rkernfs: Unknown parameter 'fancy'"), NULL);
}

static int mount_as_nobody(void)
{
	if (setuid(65534))
		return -1;
	return error_of(mount("none", ".", "rkernfs", 0, NULL));
}

static int mount_in_user_namespace(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return EPERM;	/* not to be had here */
	return error_of(mount("none", ".", "rkernfs", 0, NULL));
}

/* There is no way in from above for others than root. */
static int in_child(const char *dir, int (*act)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(chdir(dir) ? -1 : act());
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(pseudofs, mounting_needs_privilege)
{
	EXPECT_EQ(in_child(self->root, mount_as_nobody), EPERM);
	EXPECT_EQ(in_child(self->root, mount_in_user_namespace), EPERM);
}

TEST_F(pseudofs, module_cannot_be_unloaded_while_mounted)
{
	EXPECT_EQ(syscall(SYS_delete_module, "rkernfs", O_NONBLOCK), -1);
	/* in use, or its patch is enabled: the kernel says so before it asks the module */
	EXPECT_TRUE(errno == EWOULDBLOCK || errno == EBUSY);
}

TEST_F(pseudofs, unmount_removes_watches)
{
	struct events events = {};
	int inotify = open_inotify();
	int wd = inotify_add_watch(inotify, self->value, IN_DELETE_SELF);

	ASSERT_EQ(umount(self->root), 0);
	await_events(inotify, &events, 2);
	EXPECT_EQ(events.nr, 2);
	EXPECT_TRUE(is_event(&events, 0, wd, IN_UNMOUNT, NULL));
	EXPECT_TRUE(is_event(&events, 1, wd, IN_IGNORED, NULL));
	ASSERT_EQ(mount("none", self->root, "rkernfs", 0, NULL), 0);
	EXPECT_TRUE(exists(self->value));
}

/* The release stage held the superblock for the removal that it reported. */
TEST_F(pseudofs, unmount_ends_watches_after_a_removal)
{
	struct events events = {};
	int inotify = open_inotify(), wd[2];
	char path[PATH_MAX];

	wd[0] = inotify_add_watch(inotify, self->value, IN_DELETE_SELF);
	wd[1] = inotify_add_watch(inotify, format_path(path, "%.4000s/stats", self->root),
				  IN_DELETE_SELF);
	ASSERT_TRUE(drop_dentries());
	ASSERT_EQ(rmdir(self->path), 0);
	assert_events(_metadata, inotify, &events, wd, 1);
	ASSERT_EQ(umount(self->root), 0);
	events.nr = 0;
	await_events(inotify, &events, 2);
	EXPECT_EQ(events.nr, 2);
	EXPECT_TRUE(is_event(&events, 0, wd[1], IN_UNMOUNT, NULL));
	EXPECT_TRUE(is_event(&events, 1, wd[1], IN_IGNORED, NULL));
	ASSERT_EQ(mount("none", self->root, "rkernfs", 0, NULL), 0);
}

/* Objects */

static int make_as_user(void)
{
	umask(027);
	setfsgid(4321);
	setfsuid(1234);
	return error_of(mkdir("owned", 0777));
}

TEST_F(pseudofs, object_belongs_to_its_creator)
{
	static const struct {
		const char *file;
		mode_t mode;
	} files[] = {
		{ "", S_IFDIR | 0750 },
		{ "/value", S_IFREG | 0644 },
		{ "/control", S_IFREG | 0200 },
		{ "/remove", S_IFREG | 0200 },
		{ "/hide", S_IFREG | 0644 },
	};
	char path[PATH_MAX], file[PATH_MAX];
	struct stat st;

	format_path(path, "%.4000s/owned", self->path);
	EXPECT_EQ(in_child(self->path, make_as_user), EACCES);
	ASSERT_EQ(chmod(self->path, 0777), 0);
	ASSERT_EQ(in_child(self->path, make_as_user), 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_EQ(stat(format_path(file, "%.4000s%s", path, files[i].file), &st), 0);
		EXPECT_EQ(st.st_mode, files[i].mode)
			TH_LOG("%s", file);
		EXPECT_EQ(st.st_uid, 1234);
		EXPECT_EQ(st.st_gid, 4321);
	}
	EXPECT_EQ(rmdir(path), 0);
}

static nlink_t links(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_nlink;
}

TEST_F(pseudofs, links_count_objects)
{
	nlink_t before = links(self->root);
	char a[PATH_MAX], b[PATH_MAX];

	EXPECT_EQ(links(self->path), 2);
	EXPECT_EQ(links(self->value), 1);
	ASSERT_EQ(mkdir(format_path(a, "%.4000s/a", self->path), 0755), 0);
	EXPECT_EQ(links(self->path), 3);
	EXPECT_EQ(links(self->root), before);
	ASSERT_EQ(rename(a, format_path(b, "%.4000s/b", self->root)), 0);
	EXPECT_EQ(links(self->path), 2);
	EXPECT_EQ(links(self->root), before + 1);
	ASSERT_TRUE(write_object(b, "remove", "1"));
	EXPECT_EQ(links(self->root), before);
}

TEST_F(pseudofs, rename_moves_objects_and_nothing_else)
{
	char from[PATH_MAX], to[PATH_MAX], text[16];

	ASSERT_EQ(mkdir(format_path(from, "%.4000s/from", self->path), 0755), 0);
	ASSERT_TRUE(write_object(from, "value", "moved"));
	ASSERT_EQ(rename(from, format_path(to, "%.4000s/to", self->root)), 0);
	EXPECT_FALSE(exists(from));
	read_text(format_path(from, "%.4000s/value", to), text, sizeof(text));
	EXPECT_STREQ(text, "moved");
	EXPECT_EQ(error_of(rename(self->path, to)), EEXIST);
	EXPECT_EQ(error_of(rename(self->value, from)), EPERM);
	EXPECT_EQ(error_of(rename(to, format_path(from, "%.4000s/a\nb", self->root))), EINVAL);
	EXPECT_EQ(error_of(rename(to, format_path(from, "%.4000s/to/in", self->root))), EINVAL);
	EXPECT_EQ(rmdir(to), 0);
}

TEST_F(pseudofs, names_are_checked)
{
	char path[PATH_MAX], name[NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	name[NAME_MAX + 1] = '\0';
	EXPECT_EQ(error_of(mkdir(format_path(path, "%.3000s/%s", self->path, name), 0755)),
		  ENAMETOOLONG);
	name[NAME_MAX] = '\0';
	EXPECT_EQ(error_of(mkdir(format_path(path, "%.3000s/%s", self->path, name), 0755)), 0);
	EXPECT_EQ(rmdir(path), 0);
	EXPECT_EQ(error_of(mkdir(format_path(path, "%.4000s/a\nb", self->path), 0755)), EINVAL);
	EXPECT_EQ(error_of(mkdir(format_path(path, "%.4000s/aux", self->path), 0755)), EINVAL);
	EXPECT_EQ(error_of(mkdir(format_path(path, "%.4000s/.", self->path), 0755)), EEXIST);
	EXPECT_EQ(error_of(mkdir(format_path(path, "%.4000s/..", self->path), 0755)), EEXIST);
	EXPECT_EQ(error_of(mkdir(format_path(path, "%.4000s/...", self->path), 0755)), 0);
	EXPECT_EQ(rmdir(path), 0);
	EXPECT_EQ(error_of(mkdir(self->value, 0755)), EEXIST);
}

TEST_F(pseudofs, only_objects_can_be_made_and_removed)
{
	char path[PATH_MAX];

	format_path(path, "%.4000s/new", self->path);
	EXPECT_EQ(error_of(creat(path, 0644)), EACCES);
	EXPECT_EQ(error_of(symlink("target", path)), EPERM);
	EXPECT_EQ(error_of(link(self->value, path)), EPERM);
	EXPECT_EQ(error_of(unlink(self->value)), EPERM);
	EXPECT_EQ(error_of(rmdir(self->value)), ENOTDIR);
}

TEST_F(pseudofs, rmdir_of_an_object_with_objects_is_enotempty)
{
	char path[PATH_MAX];

	ASSERT_EQ(mkdir(format_path(path, "%.4000s/below", self->path), 0755), 0);
	EXPECT_EQ(error_of(rmdir(self->path)), ENOTEMPTY);
	EXPECT_EQ(rmdir(path), 0);
	EXPECT_EQ(rmdir(self->path), 0);
	EXPECT_EQ(error_of(rmdir(self->path)), ENOENT);
}

TEST_F(pseudofs, remove_includes_what_is_below)
{
	char path[PATH_MAX];
	int fd;

	ASSERT_EQ(mkdir(format_path(path, "%.4000s/a", self->path), 0755), 0);
	ASSERT_EQ(mkdir(format_path(path, "%.4000s/a/b", self->path), 0755), 0);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	ASSERT_TRUE(write_object(self->path, "remove", "1\n"));
	EXPECT_FALSE(exists(self->path));
	/* As in any removed directory */
	EXPECT_EQ(error_of(mkdirat(fd, "c", 0755)), ENOENT);
	EXPECT_EQ(error_of(openat(fd, "value", O_RDONLY)), ENOENT);
	close(fd);
}

/* max_objects is what there may be in all; others may have made some */
TEST_F(pseudofs, max_objects_bounds_and_frees)
{
	char path[PATH_MAX];

	ASSERT_TRUE(set_sysctl(MAX_OBJECTS, 0));
	format_path(path, "%.4000s/more", self->path);
	EXPECT_EQ(error_of(mkdir(path, 0755)), ENOSPC);
	ASSERT_TRUE(write_text(MAX_OBJECTS, "1"));
	EXPECT_EQ(error_of(mkdir(path, 0755)), ENOSPC);
	ASSERT_EQ(rmdir(self->path), 0);
	EXPECT_EQ(mkdir(self->path, 0755), 0);
	EXPECT_EQ(error_of(mkdir(path, 0755)), ENOSPC);
	ASSERT_TRUE(write_text(MAX_OBJECTS, "2"));
	EXPECT_EQ(mkdir(path, 0755), 0);
	EXPECT_EQ(rmdir(path), 0);
	ASSERT_TRUE(write_text(MAX_OBJECTS, "131072"));
}

/* kernfs keeps 0, 1 and INT_MAX, which these have for a hash, for readdir(3). */
TEST_F(pseudofs, names_whose_hash_is_out_of_bounds_are_found)
{
	static const char *const names[] = { "2tuased1cttv", "0130viwmxrtz", "loedcpdr5xks" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		format_path(path, "%.4000s/%s", self->path, names[i]);
		ASSERT_EQ(mkdir(path, 0755), 0);
		EXPECT_TRUE(exists(path));
		EXPECT_EQ(rmdir(path), 0);
	}
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/* A directory whose attributes were set has times of its own. */
#define EXPECT_TOUCHED(removal)							\
	do {									\
		struct stat before, after;					\
										\
		ASSERT_EQ(stat(self->path, &before), 0);			\
		sleep_ms(20);							\
		ASSERT_TRUE(removal);						\
		ASSERT_EQ(stat(self->path, &after), 0);				\
		EXPECT_TRUE(is_later(&after.st_mtim, &before.st_mtim));		\
		EXPECT_TRUE(is_later(&after.st_ctim, &before.st_ctim));		\
	} while (0)

TEST_F(pseudofs, directory_has_the_times_of_the_last_removal)
{
	char sub[PATH_MAX];

	ASSERT_EQ(chmod(self->path, 0750), 0);
	ASSERT_TRUE(write_object(self->path, "control", "+aux"));
	EXPECT_TOUCHED(write_object(self->path, "control", "-aux"));
	ASSERT_EQ(mkdir(format_path(sub, "%.4000s/sub", self->path), 0755), 0);
	EXPECT_TOUCHED(!rmdir(sub));
	ASSERT_EQ(mkdir(sub, 0755), 0);
	EXPECT_TOUCHED(write_object(sub, "remove", "1"));
}

/* Files */

static ssize_t put(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY);
	ssize_t len = write(fd, bytes, size);
	int error = errno;

	close(fd);
	errno = error;
	return len;
}

TEST_F(pseudofs, value_keeps_any_bytes_up_to_its_limit)
{
	static unsigned char bytes[MAX_VALUE + 2], back[MAX_VALUE + 2];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i * 7;
	EXPECT_EQ(read_text(self->value, (char *)back, sizeof(back)), 0);
	ASSERT_EQ(put(self->value, bytes, MAX_VALUE), MAX_VALUE);
	EXPECT_EQ(error_of(put(self->value, bytes, MAX_VALUE + 1)), EMSGSIZE);
	EXPECT_EQ(error_of(put(self->value, bytes, MAX_VALUE + 2)), EMSGSIZE);
	EXPECT_EQ(read_text(self->value, (char *)back, sizeof(back)), MAX_VALUE);
	EXPECT_EQ(memcmp(bytes, back, MAX_VALUE), 0);
	ASSERT_EQ(put(self->value, bytes, 0), 0);
	EXPECT_EQ(read_text(self->value, (char *)back, sizeof(back)), 0);
}

TEST_F(pseudofs, value_is_read_at_any_offset)
{
	char bytes[8] = "";
	int fd;

	ASSERT_TRUE(write_object(self->path, "value", "abcdef"));
	fd = open(self->value, O_RDONLY);
	EXPECT_EQ(pread(fd, bytes, 2, 3), 2);
	EXPECT_STREQ(bytes, "de");
	EXPECT_EQ(pread(fd, bytes, sizeof(bytes), 5), 1);
	EXPECT_EQ(bytes[0], 'f');
	EXPECT_EQ(pread(fd, bytes, 1, 6), 0);
	EXPECT_EQ(pread(fd, bytes, 1, LLONG_MAX - 1), 0);
	close(fd);
}

TEST_F(pseudofs, unknown_words_are_refused)
{
	static const char * const words[] = {
		"", "\n", " ", "2", "11", "1\n\n", "-1", "+", "+aux ", "aux", "+AUX", "-aux\n-aux",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		EXPECT_EQ(error_of(put(self->value, words[i], strlen(words[i]))), 0);
		for (const char *file = "control\0remove\0hide\0"; *file; file += strlen(file) + 1) {
			char path[PATH_MAX];

			format_path(path, "%.4000s/%s", self->path, file);
			EXPECT_EQ(error_of(put(path, words[i], strlen(words[i]))), EINVAL)
				TH_LOG("'%s' to %s", words[i], file);
		}
	}
	EXPECT_EQ(write_error(self->path, "remove", "0"), EINVAL);
	EXPECT_TRUE(exists(self->value));
}

TEST_F(pseudofs, control_makes_and_removes_a_file)
{
	char path[PATH_MAX], text[16];
	int fd;

	format_path(path, "%.4000s/aux", self->path);
	EXPECT_EQ(write_error(self->path, "control", "-aux"), ENOENT);
	EXPECT_EQ(write_error(self->path, "control", "+aux\n"), 0);
	EXPECT_EQ(write_error(self->path, "control", "+aux"), EEXIST);
	ASSERT_TRUE(write_object(self->path, "value", "both"));
	read_text(path, text, sizeof(text));
	EXPECT_STREQ(text, "both");
	EXPECT_EQ(error_of(open(path, O_WRONLY)), EACCES);
	fd = open(path, O_RDONLY);
	EXPECT_EQ(write_error(self->path, "control", "-aux"), 0);
	EXPECT_FALSE(exists(path));
	EXPECT_EQ(error_of(read(fd, text, 1)), ENODEV);
	close(fd);
}

TEST_F(pseudofs, hidden_value_is_not_there_until_shown)
{
	char text[16], path[PATH_MAX];
	int fd;

	ASSERT_TRUE(write_object(self->path, "value", "kept"));
	format_path(path, "%.4000s/hide", self->path);
	fd = open(self->value, O_RDONLY);
	for (int i = 0; i < 2; i++) {
		ASSERT_TRUE(write_object(self->path, "hide", "1"));
		EXPECT_EQ(error_of(open(self->value, O_RDONLY)), ENOENT);
		EXPECT_EQ(error_of(pread(fd, text, 1, 0)), ENODEV);
		EXPECT_EQ(error_of(mkdir(self->value, 0755)), EEXIST);
		read_text(path, text, sizeof(text));
		EXPECT_STREQ(text, "1\n");
	}
	ASSERT_TRUE(write_object(self->path, "hide", "0"));
	read_text(path, text, sizeof(text));
	EXPECT_STREQ(text, "0\n");
	read_text(self->value, text, sizeof(text));
	EXPECT_STREQ(text, "kept");
	EXPECT_EQ(pread(fd, text, 1, 0), 1);
	close(fd);
}

TEST_F(pseudofs, descriptors_of_a_removed_object_are_enodev)
{
	int value = open(self->value, O_RDWR), control, remove;
	char path[PATH_MAX], byte;

	control = open(format_path(path, "%.4000s/control", self->path), O_WRONLY);
	remove = open(format_path(path, "%.4000s/remove", self->path), O_WRONLY);
	ASSERT_EQ(rmdir(self->path), 0);
	EXPECT_EQ(error_of(read(value, &byte, 1)), ENODEV);
	EXPECT_EQ(error_of(write(value, "x", 1)), ENODEV);
	EXPECT_EQ(error_of(write(control, "+aux", 4)), ENODEV);
	EXPECT_EQ(error_of(write(remove, "1", 1)), ENODEV);
	close(value);
	close(control);
	close(remove);
}

TEST_F(pseudofs, write_to_value_wakes_pollers_and_notifies_watchers)
{
	struct epoll_event event = { .events = EPOLLPRI };
	int fd = open(self->value, O_RDONLY), epoll = epoll_create1(0);
	struct pollfd pollfd = { .fd = fd, .events = POLLPRI };
	struct events events = {};
	int inotify = open_inotify();
	char text[16];

	ASSERT_EQ(read(fd, text, sizeof(text)), 0);
	ASSERT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	ASSERT_GE(inotify_add_watch(inotify, self->value, IN_MODIFY), 0);
	EXPECT_EQ(epoll_wait(epoll, &event, 1, 0), 0);
	EXPECT_EQ(poll(&pollfd, 1, 0), 0);
	ASSERT_TRUE(write_object(self->path, "value", "new"));
	EXPECT_EQ(epoll_wait(epoll, &event, 1, event_timeout_ms()), 1);
	EXPECT_EQ(event.events, EPOLLPRI | EPOLLERR);
	EXPECT_EQ(poll(&pollfd, 1, 0), 1);
	EXPECT_EQ(pollfd.revents, POLLPRI | POLLERR);
	EXPECT_EQ(pread(fd, text, sizeof(text), 0), 3);
	EXPECT_EQ(poll(&pollfd, 1, 0), 0);
	await_events(inotify, &events, 1);
	EXPECT_GE(events.nr, 1);
	EXPECT_TRUE(is_event(&events, 0, 1, IN_MODIFY, NULL));
	close(inotify);
	close(epoll);
	close(fd);
}

TEST_F(pseudofs, value_is_readable_unless_empty)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = open(self->value, O_RDONLY), epoll = epoll_create1(0);
	struct pollfd pollfd = { .fd = fd, .events = POLLIN | POLLRDNORM | POLLOUT };
	char byte;

	ASSERT_EQ(read(fd, &byte, 1), 0);	/* until then it has changed */
	EXPECT_EQ(poll(&pollfd, 1, 0), 1);
	EXPECT_EQ(pollfd.revents, POLLOUT);
	ASSERT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	EXPECT_EQ(epoll_wait(epoll, &event, 1, 0), 0);
	ASSERT_TRUE(write_object(self->path, "value", "full"));
	EXPECT_EQ(epoll_wait(epoll, &event, 1, event_timeout_ms()), 1);
	EXPECT_TRUE(event.events & EPOLLIN);
	EXPECT_EQ(poll(&pollfd, 1, 0), 1);
	EXPECT_EQ(pollfd.revents & pollfd.events, POLLIN | POLLRDNORM | POLLOUT);
	ASSERT_EQ(put(self->value, "", 0), 0);
	EXPECT_EQ(poll(&pollfd, 1, 0), 1);
	EXPECT_EQ(pollfd.revents & pollfd.events, POLLOUT);
	close(epoll);
	close(fd);
}

TEST_F(pseudofs, stats_count_and_cannot_be_written)
{
	long long removed = counter("nodes_removed");
	char path[PATH_MAX];
	struct stat st;

	ASSERT_EQ(stat(format_path(path, "%.4000s/stats", self->root), &st), 0);
	EXPECT_EQ(st.st_mode, S_IFREG | 0444);
	EXPECT_EQ(error_of(open(path, O_WRONLY)), EACCES);
	ASSERT_GE(removed, 0);
	ASSERT_EQ(rmdir(self->path), 0);
	/* the directory and its four files */
	EXPECT_GE(counter("nodes_removed"), removed + 5);
	await(!counter("work_pending"), event_timeout_ms());
	EXPECT_EQ(counter("work_pending"), 0);
}

TEST_HARNESS_MAIN
