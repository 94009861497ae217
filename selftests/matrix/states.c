// SPDX-License-Identifier: GPL-2.0
/* States that a watched node may be in when it is removed */
#include "matrix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Some files can only be written. */
int open_any(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? openat(dir, path, O_WRONLY | O_CLOEXEC) : fd;
}

static bool use(const char *path, struct hold *hold)
{
	struct stat st;
	char byte;
	DIR *dir;
	int fd;

	if (stat(path, &st))
		return false;
	dir = opendir(path);
	if (dir) {
		readdir(dir);
		return !closedir(dir);
	}
	fd = open_any(AT_FDCWD, path);
	if (fd < 0)
		return false;
	if (read(fd, &byte, 1) < 0 && errno == ENOENT)
		return false;
	return !close(fd);
}

static bool hold_open(const char *path, struct hold *hold)
{
	struct stat st;

	hold->fd = open_any(AT_FDCWD, path);
	return hold->fd >= 0 && !fstat(hold->fd, &st);
}

static bool hold_path(const char *path, struct hold *hold)
{
	hold->fd = open(path, O_PATH | O_CLOEXEC);
	return hold->fd >= 0;
}

static bool hold_child(const char *path, struct hold *hold)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && hold->fd < 0 && (entry = readdir(dir)))
		if (entry->d_type == DT_REG)
			hold->fd = open_any(dirfd(dir), entry->d_name);
	if (dir)
		closedir(dir);
	return hold->fd >= 0;
}

static bool hold_cwd(const char *path, struct hold *hold)
{
	int ready[2];
	char byte;
	bool ok;

	if (pipe2(ready, O_CLOEXEC))
		return false;
	hold->pid = fork();
	if (!hold->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chdir(path) || write(ready[1], "", 1) != 1)
			_exit(1);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	ok = hold->pid > 0 && read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	return ok;
}

static bool hold_map(const char *path, struct hold *hold)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	hold->map = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (hold->map == MAP_FAILED)
		hold->map = NULL;
	return hold->map;
}

void leave_state(struct hold *hold)
{
	if (hold->map)
		munmap(hold->map, getpagesize());
	if (hold->fd >= 0)
		close(hold->fd);
	if (hold->pid > 0) {
		kill(hold->pid, SIGKILL);
		waitpid(hold->pid, NULL, 0);
	}
	*hold = (struct hold) { .fd = -1 };
}

const struct state states[NR_STATES] = {
	[CACHED] = { .name = "cached", .kinds = BOTH, .enter = use },
	[LONE] = { .name = "lone", .kinds = BOTH },
	[RECLAIMED] = { .name = "reclaimed", .kinds = BOTH, .enter_all = drop_dentries },
	[OPENED] = { .name = "open", .kinds = BOTH, .enter = hold_open, .holds = true },
	[CWD] = { .name = "cwd", .kinds = BIT(DIRS), .enter = hold_cwd, .holds = true },
	[PATH_ONLY] = { .name = "o-path", .kinds = BOTH, .enter = hold_path, .holds = true },
	[CHILD_OPENED] = { .name = "child-open", .kinds = BIT(DIRS), .enter = hold_child,
			   .may_hold = true },
	[MAPPED] = { .name = "mapped", .kinds = BIT(FILES), .enter = hold_map, .holds = true },
};
