// SPDX-License-Identifier: GPL-2.0
/* What a user without rights does to the others, each until it is killed */
#include "hostile/hostile.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/events.h"
#include "lib/handle.h"
#include "lib/landlock.h"
#include "lib/netdev.h"
#include "lib/system.h"

#define INSTANCES	128
#define GROUP		0x6874
#define DEVICES		40
#define KEPT		64
#define NAMES		20000
#define LISTED		1000
#define READERS		4
#define RENAMES		500
#define ALL_EVENTS	(IN_ALL_EVENTS | IN_EXCL_UNLINK)

static void do_nothing(void *arg)
{
	for (;;)
		pause();
}

static char *cgroup_path(char path[PATH_MAX], const struct ground *ground, int nr)
{
	return format_path(path, "%.3900s/c%d", ground->cgroup, nr);
}

/* Each file of a cgroup, and the directory */
static void for_all(int fd, const char *cgroup, void (*f)(int fd, const char *path))
{
	DIR *dir = opendir(cgroup);
	char path[PATH_MAX];
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		f(fd, format_path(path, "%.3000s/%s", cgroup, entry->d_name));
	if (dir)
		closedir(dir);
}

static void watch(int inotify, const char *path)
{
	inotify_add_watch(inotify, path, IN_DELETE_SELF);
}

static void watch_all(int inotify, const char *cgroup)
{
	for_all(inotify, cgroup, watch);
}

/* (a) As many watches as there may be, on one cgroup that is removed */
static void watch_much(void *arg)
{
	int inotify[INSTANCES], nr = 0;
	struct events events = {};
	char path[PATH_MAX];

	while (nr < INSTANCES && (inotify[nr] = open_inotify()) >= 0)
		nr++;
	cgroup_path(path, arg, 0);
	for (;;) {
		mkdir(path, 0755);
		for (int i = 0; i < nr; i++)
			watch_all(inotify[i], path);
		remove_cgroup(path);
		for (int i = 0; i < nr; i++)
			read_events(inotify[i], &events);
	}
}

/* (b) Removed files opened again, by handle and by descriptor, and watched */
static void reopen(void *arg)
{
	char cgroup[PATH_MAX], path[PATH_MAX];
	struct handle handle;
	int inotify = open_inotify();
	struct events events = {};

	cgroup_path(cgroup, arg, 0);
	for (;;) {
		int dir, file, mount;

		mkdir(cgroup, 0755);
		dir = open(cgroup, O_RDONLY | O_DIRECTORY);
		file = openat(dir, "cgroup.events", O_PATH);
		get_handle(cgroup, &handle);
		mount = open(((struct ground *)arg)->cgroup, O_RDONLY);
		remove_cgroup(cgroup);
		for (int i = 0; i < 20; i++) {
			close(open_by_handle_at(mount, &handle.head, O_RDONLY));
			format_path(path, "/proc/self/fd/%d", dir);
			close(open(path, O_RDONLY));
			inotify_add_watch(inotify, path, IN_DELETE_SELF);
			format_path(path, "/proc/self/fd/%d", file);
			close(open(path, O_RDONLY));
			inotify_add_watch(inotify, path, IN_DELETE_SELF);
		}
		close(file);
		close(dir);
		close(mount);
		read_events(inotify, &events);
	}
}

/* (c) A queue that is full, and never read */
static void fill_queue(void *arg)
{
	int inotify = open_inotify();
	char path[PATH_MAX];

	inotify_add_watch(inotify, ((struct ground *)arg)->cgroup, ALL_EVENTS);
	for (int nr = 0;; nr++) {
		mkdir(cgroup_path(path, arg, nr), 0755);
		watch_all(inotify, path);
		remove_cgroup(path);
	}
}

static pid_t start_child(void (*run)(void *), void *arg)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(arg);
		_exit(0);
	}
	return pid;
}

static void delete_devices(void *arg)
{
	delete_group(GROUP);
}

/* (d) Some thousand nodes at once, by a remover that is killed half-way */
static void remove_many(void *arg)
{
	for (int nr = 0;; nr++) {
		pid_t pid;

		add_dummies("ht", DEVICES, GROUP);
		pid = start_child(delete_devices, NULL);
		usleep(nr % 8 * 1000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		delete_group(GROUP);
	}
}

static void remove_on(void *arg)
{
	struct events events = {};
	int inotify = open_inotify();
	char path[PATH_MAX];

	for (int nr = 0;; nr++) {
		mkdir(cgroup_path(path, arg, nr), 0755);
		watch_all(inotify, path);
		remove_cgroup(path);
		read_events(inotify, &events);
	}
}

/* (e) The remover is stopped at any moment, most of the time. */
static void stop_removers(void *arg)
{
	pid_t pid = start_child(remove_on, arg);

	for (int nr = 0;; nr++) {
		usleep(nr % 7 * 300);
		kill(pid, SIGSTOP);
		usleep(20000);
		kill(pid, SIGCONT);
	}
}

/* (f) Namespaces and mounts that come and go, with devices moved between them */
static void live_elsewhere(void *arg)
{
	struct ground *ground = arg;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount("none", ground->folder, "sysfs", 0, NULL))
		return;
	for (;;)
		pause();
}

static void move_about(void *arg)
{
	struct ground *ground = arg;
	struct events events = {};
	int inotify = open_inotify();

	for (;;) {
		pid_t pid = start_child(live_elsewhere, ground);

		add_dummies("ht", 2, GROUP);
		if (!mount("none", ground->folder, "sysfs", 0, NULL)) {
			char path[PATH_MAX];

			watch_all(inotify, format_path(path, "%.3900s/devices/virtual/net/ht0",
						       ground->folder));
		}
		usleep(2000);
		move_dummy("ht0", pid);
		delete_group(GROUP);
		umount2(ground->folder, MNT_DETACH);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		read_events(inotify, &events);
	}
}

/* (g) Removed files that rulesets keep */
static void keep(int ruleset, const char *path)
{
	keep_by_rule(ruleset, path);
}

static void keep_removed(void *arg)
{
	int rulesets[KEPT], inotify = open_inotify();
	struct events events = {};
	char path[PATH_MAX];

	for (int i = 0; i < KEPT; i++)
		rulesets[i] = -1;
	cgroup_path(path, arg, 0);
	for (int nr = 0;; nr++) {
		int *ruleset = &rulesets[nr % KEPT];

		close(*ruleset);
		*ruleset = open_ruleset();
		mkdir(path, 0755);
		watch_all(inotify, path);
		for_all(*ruleset, path, keep);
		remove_cgroup(path);
		read_events(inotify, &events);
	}
}

/* (h) Names that do not exist, in a directory that is removed */
static void look_for_names(void *arg)
{
	struct ground *ground = arg;
	char path[PATH_MAX];

	if (mount("none", ground->folder, "sysfs", 0, NULL))
		return;
	for (;;) {
		add_dummies("ht", 1, GROUP);
		for (int i = 0; i < NAMES; i++)
			exists(format_path(path, "%.3900s/devices/virtual/net/ht0/%d",
					   ground->folder, i));
		delete_group(GROUP);
	}
}

/* (i) Marks that pin no inode, on nodes that are removed */
static void mark_evictable(int fanotify, const char *path)
{
	fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_DELETE_SELF | FAN_ONDIR,
		      AT_FDCWD, path);
}

static void mark_removed(void *arg)
{
	int fanotify = fanotify_init(FAN_REPORT_FID | FAN_NONBLOCK, 0);
	char path[PATH_MAX], events[8192];

	cgroup_path(path, arg, 0);
	for (;;) {
		mkdir(path, 0755);
		for_all(fanotify, path, mark_evictable);
		remove_cgroup(path);
		while (read(fanotify, events, sizeof(events)) > 0)
			;
	}
}

/* (j) A group that is locked nearly all the time, with watches of what others remove */
static void *read_own_fdinfo(void *inotify)
{
	for (;;)
		count_marks(*(int *)inotify);
	return NULL;
}

static void lock_group(void *arg)
{
	static const char * const removed[] = { "event/child", "parent/child" };
	struct ground *ground = arg;
	int inotify = open_inotify();
	char path[PATH_MAX];
	pthread_t thread;

	for (int i = 0; i < LISTED; i++) {
		format_path(path, "%.3900s/%d", ground->folder, i);
		close(open(path, O_CREAT | O_WRONLY, 0600));
		watch(inotify, path);
	}
	for (int i = 0; i < READERS; i++)
		pthread_create(&thread, NULL, read_own_fdinfo, &inotify);
	for (;;)
		for (size_t i = 0; i < ARRAY_SIZE(removed); i++)
			watch_all(inotify, format_path(path, "%.3900s/../%s", ground->cgroup,
						       removed[i]));
}

/* (k) A link with a dentry for each name that it ever had */
static void rename_much(void *arg)
{
	struct ground *ground = arg;
	char from[16], to[16], path[PATH_MAX];
	struct stat st;

	if (mount("none", ground->folder, "sysfs", 0, NULL))
		return;
	for (;;) {
		add_dummies("ht", 1, GROUP);
		snprintf(from, sizeof(from), "ht0");
		for (int i = 0; i < RENAMES; i++) {
			snprintf(to, sizeof(to), "n%d", i);
			rename_link(from, to);
			lstat(format_path(path, "%.3900s/class/net/%s", ground->folder, to), &st);
			memcpy(from, to, sizeof(from));
		}
		delete_group(GROUP);
	}
}

const struct attack attacks[] = {
	{ "nothing", do_nothing },
	{ "watches", watch_much },
	{ "reopening", reopen },
	{ "queue", fill_queue },
	{ "killed", remove_many },
	{ "stopped", stop_removers },
	{ "moving", move_about },
	{ "landlock", keep_removed },
	{ "names", look_for_names },
	{ "evictable", mark_removed },
	{ "locked", lock_group },
	{ "renaming", rename_much },
};

const size_t nr_attacks = ARRAY_SIZE(attacks);
