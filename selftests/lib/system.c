// SPDX-License-Identifier: GPL-2.0
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define BUSY_LIMIT_MS	60000

const char *why_not_root(void)
{
	return geteuid() ? "needs root" : NULL;
}

static bool expects(const char *whom)
{
	const char *expect = getenv("RKERNFS_EXPECT");

	return expect && !strcmp(expect, whom);
}

const char *why_not_covered(void)
{
	char text[16];

	if (expects("none") || expects("kernel"))
		return NULL;
	if (!exists("/sys/module/rkernfs"))
		return "rkernfs is not loaded";
	if (read_text("/sys/module/rkernfs/parameters/cover", text, sizeof(text)) > 0 &&
	    !strncmp(text, "own", 3))
		return "rkernfs is loaded with cover=own";
	if (read_text("/sys/kernel/livepatch/rkernfs/enabled", text, sizeof(text)) > 0 &&
	    text[0] == '0')
		return "rkernfs is disabled in /sys/kernel/livepatch";
	return NULL;
}

bool only_reporting(void)
{
	return expects("none");
}

bool kernel_at_least(int version, int patchlevel)
{
	struct utsname names;
	int v = 0, p = 0;

	uname(&names);
	if (sscanf(names.release, "%d.%d", &v, &p) != 2)
		return false;
	return v > version || (v == version && p >= patchlevel);
}

int error_of(long ret)
{
	return ret < 0 ? errno : 0;
}

long long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

void sleep_ms(int ms)
{
	usleep(ms * 1000);
}

void spin_us(int us)
{
	long long end = now_us() + us;

	while (now_us() < end)
		;
}

char *format_path(char path[PATH_MAX], const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, PATH_MAX, fmt, args);
	va_end(args);
	return path;
}

bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t size = strlen(text);
	bool ok = fd >= 0 && write(fd, text, size) == (ssize_t)size;
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return ok;
}

int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	return len;
}

bool file_has_line(const char *path, const char *wanted)
{
	char *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *file = fopen(path, "r");

	while (file && !found && getline(&line, &size, file) > 0)
		found = strstr(line, wanted);
	free(line);
	if (file)
		fclose(file);
	return found;
}

bool exists(const char *path)
{
	return !access(path, F_OK);
}

bool drop_dentries(void)
{
	/*
	 * The kernel takes half of what a superblock has, times so many hundredths:
	 * of one dentry it would be none.
	 */
	static const char pressure[] = "/proc/sys/vm/vfs_cache_pressure";
	char before[32];
	bool done = read_text(pressure, before, sizeof(before)) > 0 && write_text(pressure, "1000");

	/*
	 * A dentry that was used since the last round gets a second chance,
	 * and a parent can go only after its children.
	 */
	for (int i = 0; i < 6 && done; i++)
		done = write_text("/proc/sys/vm/drop_caches", "2");
	write_text(pressure, before);
	return done;
}

/* Knobs */

static struct knob {
	char path[PATH_MAX];
	char before[32];
	pid_t owner;
} knobs[8];
static unsigned int nr_knobs;

static void put_knobs_back(void)
{
	while (nr_knobs) {
		struct knob *knob = &knobs[--nr_knobs];

		if (knob->owner == getpid())
			write_text(knob->path, knob->before);
	}
}

bool set_sysctl(const char *path, long value)
{
	char text[32];

	if (nr_knobs == ARRAY_SIZE(knobs))
		return false;
	if (read_text(path, knobs[nr_knobs].before, sizeof(knobs[nr_knobs].before)) <= 0)
		return false;
	if (!nr_knobs)
		atexit(put_knobs_back);
	format_path(knobs[nr_knobs].path, "%s", path);
	knobs[nr_knobs++].owner = getpid();
	snprintf(text, sizeof(text), "%ld", value);
	return write_text(path, text);
}

bool raise_sysctl(const char *path, long at_least)
{
	char text[32];

	if (read_text(path, text, sizeof(text)) <= 0)
		return false;
	return atol(text) >= at_least || set_sysctl(path, at_least);
}

bool raise_open_files(long at_least)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return false;
	if (limit.rlim_cur >= (rlim_t)at_least)
		return true;
	limit.rlim_cur = at_least;
	if (limit.rlim_max < limit.rlim_cur)
		limit.rlim_max = limit.rlim_cur;
	return !setrlimit(RLIMIT_NOFILE, &limit);
}

/* cgroups */

static char base[PATH_MAX];

static bool find_cgroup2(char *path)
{
	char line[PATH_MAX + 64], type[64];
	bool found = false;
	FILE *mounts = fopen("/proc/mounts", "r");

	while (mounts && !found && fgets(line, sizeof(line), mounts))
		found = sscanf(line, "%*s %3999s %63s", path, type) == 2 &&
			!strcmp(type, "cgroup2");
	if (mounts)
		fclose(mounts);
	return found;
}

static void turn_controllers_on(const char *cgroup)
{
	char path[PATH_MAX], names[256], one[64], *rest = names, *name;

	format_path(path, "%s/cgroup.controllers", cgroup);
	read_text(path, names, sizeof(names));
	format_path(path, "%s/cgroup.subtree_control", cgroup);
	while ((name = strsep(&rest, "\n "))) {
		if (!*name)
			continue;
		snprintf(one, sizeof(one), "+%.60s", name);
		write_text(path, one);
	}
}

const char *cgroup_base(void)
{
	char root[4000];

	if (base[0])
		return base;
	if (!find_cgroup2(root)) {
		errno = ENODEV;
		return NULL;
	}
	turn_controllers_on(root);
	format_path(base, "%s/rkernfs-test-%d", root, getpid());
	if (mkdir(base, 0755)) {
		base[0] = '\0';
		return NULL;
	}
	turn_controllers_on(base);
	return base;
}

const char *why_no_cgroup(void)
{
	const char *reason = why_not_root();

	if (!reason)
		reason = why_not_covered();
	if (!reason && !cgroup_base())
		reason = "no cgroup2";
	return reason;
}

static bool has_controller(const char *name)
{
	char path[PATH_MAX], names[256];

	if (!cgroup_base())
		return false;
	format_path(path, "%s/cgroup.subtree_control", cgroup_base());
	return read_text(path, names, sizeof(names)) > 0 && strstr(names, name);
}

bool has_memory_controller(void)
{
	return has_controller("memory");
}

const char *why_no_memory_controller(void)
{
	return has_memory_controller() ? NULL : "no memory controller in cgroup2";
}

const char *why_no_pids_controller(void)
{
	return has_controller("pids") ? NULL : "no pids controller in cgroup2";
}

pid_t fork_into(int cgroup)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

const char *cgroup_file(void)
{
	return has_memory_controller() ? "memory.events" : "cgroup.events";
}

int remove_cgroup(const char *path)
{
	int ret;

	await(!(ret = rmdir(path)) || errno != EBUSY, BUSY_LIMIT_MS);
	return ret;
}

static int remove_visited(const char *path, const struct stat *info, int type, struct FTW *walk)
{
	return type == FTW_DP ? remove_cgroup(path) : 0;
}

void cgroup_base_remove(void)
{
	if (base[0])
		nftw(base, remove_visited, 16, FTW_DEPTH | FTW_PHYS);
	base[0] = '\0';
}

/* Mount points */

bool make_mount_point(char path[PATH_MAX])
{
	format_path(path, "/tmp/rkernfs-test-XXXXXX");
	return mkdtemp(path);
}

void remove_mount_point(const char *path)
{
	umount2(path, MNT_DETACH);
	rmdir(path);
}

bool mount_cgroup1(const char *mount_point, int nr)
{
	char options[64];

	snprintf(options, sizeof(options), "none,name=rkernfs-test-%d-%d", getpid(), nr);
	return !mount("none", mount_point, "cgroup", 0, options);
}
