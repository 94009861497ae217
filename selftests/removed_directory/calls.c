// SPDX-License-Identifier: GPL-2.0
/*
 * The calls, and what 7.3 alone answers; after that, where it is another, what
 * the contract wants: a removed directory is as dead as after rmdir(2), or
 * names that are looked up in it would keep it.
 */
#include "removed_directory/removed_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/events.h"
#include "lib/system.h"

static char answer[256];

static const char *say_error(long ret)
{
	if (ret >= 0)
		return "ok";
	snprintf(answer, sizeof(answer), "%s", strerrorname_np(errno));
	return answer;
}

static const char *say_number(long long number)
{
	snprintf(answer, sizeof(answer), "%lld", number);
	return answer;
}

static const char *say_opened(int fd)
{
	const char *text = say_error(fd);

	if (fd >= 0)
		close(fd);
	return text;
}

/* Whether a link or a file says of a path that it was removed */
static const char *say_deleted(const char *text, long len)
{
	if (len < 0)
		return say_error(len);
	return strstr(text, "(deleted)") ? "(deleted)" : "a path";
}

/* The directory */

/* glibc's readdir(3) hides ENOENT. */
static const char *say_names(int fd)
{
	_Alignas(struct dirent64) char buf[4096];
	bool dots = false, others = false, file = false;
	long len;

	while ((len = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		const struct dirent64 *entry;

		for (char *pos = buf; pos < buf + len; pos += entry->d_reclen) {
			entry = (const struct dirent64 *)pos;
			if (entry->d_name[0] == '.')
				dots = true;
			else
				others = true;
			file |= !strcmp(entry->d_name, place.file);
		}
	}
	if (len < 0)
		return say_error(len);
	snprintf(answer, sizeof(answer), "%s%s%s", dots ? "dots" : "nothing",
		 others ? ", names" : "", file ? ", the file" : "");
	return answer;
}

static const char *readdir_further(void)
{
	return say_names(place.read_fd);
}

static const char *readdir_again(void)
{
	lseek(place.read_fd, 0, SEEK_SET);
	return say_names(place.read_fd);
}

static const char *readdir_anew(void)
{
	int fd = openat(place.dir_fd, ".", O_RDONLY | O_DIRECTORY);
	const char *text = fd < 0 ? say_error(fd) : say_names(fd);

	close(fd);
	return text;
}

static const char *fstat_links(void)
{
	struct stat st;

	return fstat(place.dir_fd, &st) ? say_error(-1) : st.st_nlink ? "links" : "no links";
}

static const char *stat_of_path(void)
{
	struct stat st;

	return say_error(stat(place.dir, &st));
}

static const char *statfs_of_it(void)
{
	struct statfs st;

	return say_error(fstatfs(place.dir_fd, &st));
}

static const char *access_to_it(void)
{
	return say_error(faccessat(place.dir_fd, ".", X_OK, 0));
}

static const char *chmod_of_it(void)
{
	return say_error(fchmod(place.dir_fd, 0755));
}

static const char *open_dot(void)
{
	return say_opened(openat(place.dir_fd, ".", O_RDONLY));
}

static const char *open_dot_dot(void)
{
	return say_opened(openat(place.dir_fd, "..", O_RDONLY));
}

static const char *open_missing(void)
{
	return say_opened(openat(place.dir_fd, "nothing", O_RDONLY));
}

static const char *create_in_it(void)
{
	return say_opened(openat(place.dir_fd, "new", O_RDWR | O_CREAT, 0600));
}

static const char *mkdir_in_it(void)
{
	const char *text = say_error(mkdirat(place.dir_fd, "new", 0700));

	unlinkat(place.dir_fd, "new", AT_REMOVEDIR);
	return text;
}

static const char *rmdir_of_path(void)
{
	/* Not to remove what is there */
	return exists(place.dir) ? "is there" : say_error(rmdir(place.dir));
}

static const char *stat_of_subdir(void)
{
	struct stat st;

	return say_error(fstatat(place.dir_fd, place.subdir, &st, 0));
}

static const char *open_of_descriptor(void)
{
	char path[PATH_MAX];

	return say_opened(open(format_path(path, "/proc/self/fd/%d", place.dir_fd), O_RDONLY));
}

static const char *link_of_descriptor(void)
{
	char path[PATH_MAX], text[PATH_MAX] = {};

	format_path(path, "/proc/self/fd/%d", place.dir_fd);
	return say_deleted(text, readlink(path, text, sizeof(text) - 1));
}

static const char *getcwd_in_it(void)
{
	char text[PATH_MAX];

	return getcwd(text, sizeof(text)) ? "a path" : say_error(-1);
}

static const char *link_of_cwd(void)
{
	char text[PATH_MAX] = {};

	return say_deleted(text, readlink("/proc/self/cwd", text, sizeof(text) - 1));
}

static const char *chdir_again(void)
{
	return say_error(fchdir(place.dir_fd));
}

static const char *watch_again(void)
{
	char path[PATH_MAX];
	int inotify = open_inotify();
	const char *text;

	format_path(path, "/proc/self/fd/%d", place.dir_fd);
	text = say_error(inotify_add_watch(inotify, path, IN_DELETE_SELF));
	close(inotify);
	return text;
}

static const char *open_of_handle(void)
{
	int mount = open(cgroup_base(), O_RDONLY | O_DIRECTORY);
	const char *text = say_opened(open_by_handle_at(mount, &place.handle.head, O_RDONLY));

	close(mount);
	return text;
}

/* The file */

static const char *stat_of_file(void)
{
	struct stat st;

	return say_error(fstatat(place.dir_fd, place.file, &st, 0));
}

static const char *open_of_file(void)
{
	return say_opened(openat(place.dir_fd, place.file, O_RDONLY));
}

static const char *read_of_file(void)
{
	char text[64];

	return say_error(pread(place.file_fd, text, sizeof(text), 0));
}

static const char *fstat_links_of_file(void)
{
	struct stat st;

	return fstat(place.file_fd, &st) ? say_error(-1) : say_number(st.st_nlink);
}

static const char *open_of_file_descriptor(void)
{
	char path[PATH_MAX];

	return say_opened(open(format_path(path, "/proc/self/fd/%d", place.file_fd), O_RDONLY));
}

static const char *link_of_file_descriptor(void)
{
	char path[PATH_MAX], text[PATH_MAX] = {};

	format_path(path, "/proc/self/fd/%d", place.file_fd);
	return say_deleted(text, readlink(path, text, sizeof(text) - 1));
}

/* A zombie is still in the cgroup that was removed. */
static const char *cgroup_of_zombie(void)
{
	char path[PATH_MAX], text[PATH_MAX];
	long len;

	len = read_text(format_path(path, "/proc/%d/cgroup", place.zombie), text, sizeof(text));
	return say_deleted(text, len);
}

const struct call calls[] = {
	{ "link_of_descriptor", link_of_descriptor,
	  { "(deleted)", "a path", "a path" }, { } },
	{ "getcwd", getcwd_in_it,
	  { "ENOENT", "a path", "a path" }, { } },
	{ "link_of_cwd", link_of_cwd,
	  { "(deleted)", "a path", "a path" }, { } },
	{ "link_of_file_descriptor", link_of_file_descriptor,
	  { "a path", "a path", "a path" },
	  { "(deleted)", "(deleted)", "(deleted)" } },
	{ "readdir_further", readdir_further,
	  { "ENOENT", "nothing, names", "nothing" },
	  { [DEVICE] = "ENOENT" } },
	{ "readdir_again", readdir_again,
	  { "ENOENT", "dots, names", "dots" },
	  { [DEVICE] = "ENOENT" } },
	{ "readdir_anew", readdir_anew,
	  { "ENOENT", "dots, names", "dots" },
	  { [DEVICE] = "ENOENT" } },
	{ "fstat_links", fstat_links,
	  { "no links", "links", "no links" }, { } },
	{ "fstat_links_of_file", fstat_links_of_file,
	  { "0", "0", "0" }, { } },
	{ "statfs", statfs_of_it,
	  { "ok", "ok", "ok" }, { } },
	{ "access", access_to_it,
	  { "ok", "ok", "ok" }, { } },
	{ "chmod", chmod_of_it,
	  { "ok", "ok", "ok" }, { } },
	{ "open_dot", open_dot,
	  { "ok", "ok", "ok" }, { } },
	{ "open_dot_dot", open_dot_dot,
	  { "ok", "ok", "ok" }, { } },
	{ "open_missing", open_missing,
	  { "ENOENT", "ENOENT", "ENOENT" }, { } },
	{ "create", create_in_it,
	  { "ENOENT", "EACCES", "EACCES" },
	  { [DEVICE] = "ENOENT" } },
	{ "mkdir", mkdir_in_it,
	  { "ENOENT", "ok", "EPERM" },
	  { [DEVICE] = "ENOENT" } },
	{ "stat_of_file", stat_of_file,
	  { "ENOENT", "ENOENT", "ENOENT" }, { } },
	{ "open_of_file", open_of_file,
	  { "ENOENT", "ENOENT", "ENOENT" }, { } },
	{ "stat_of_subdir", stat_of_subdir,
	  { NULL, NULL, "ENOENT" }, { } },
	{ "chdir", chdir_again,
	  { "ok", "ok", "ok" }, { } },
	{ "watch", watch_again,
	  { "ok", "ok", "ok" }, { } },
	{ "open_of_descriptor", open_of_descriptor,
	  { "ok", "ok", "ok" }, { } },
	{ "open_of_file_descriptor", open_of_file_descriptor,
	  { "ENODEV", "ENODEV", "ENODEV" }, { } },
	{ "read_of_file", read_of_file,
	  { "ENODEV", "ENODEV", "ENODEV" }, { } },
	{ "open_of_handle", open_of_handle,
	  { "ESTALE", "ok", NULL }, { } },
	{ "cgroup_of_zombie", cgroup_of_zombie,
	  { "(deleted)", NULL, NULL }, { } },
	{ "stat_of_path", stat_of_path,
	  { "ENOENT", "ok", "ENOENT" }, { } },
	{ "rmdir_of_path", rmdir_of_path,
	  { "ENOENT", "is there", "ENOENT" }, { } },
	{ "link_of_descriptor_again", link_of_descriptor,
	  { "(deleted)", "a path", "(deleted)" }, { } },
};

const size_t nr_calls = ARRAY_SIZE(calls);
