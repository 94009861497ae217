// SPDX-License-Identifier: GPL-2.0
/*
 * A program of calls of which watches do not get the events that they should, by itself:
 *
 *	cc -pthread -o alone standalone.c && ./alone
 *
 * Needs root, on a disposable machine. Ends with 1 if it is so.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define C	"/sys/fs/cgroup/fuzz"
#define O	"/tmp/fuzz-objects"
#define S	"/tmp/fuzz-sysfs"

static struct watch {
	const char *path;
	ino_t ino;
	int wd, deleted, ignored;
	bool mark, taken;
} watches[64];
static int nr_watches;
static int inotify, fanotify;
static int held[4] = { -1, -1, -1, -1 };
static const char *mounts[8];
static int nr_mounts;
static pid_t sleepers[8], away;
static int nr_sleepers, home;

static struct {
	pthread_barrier_t barrier;
	int nr_made;
	ino_t made[128];
} *shared;

static struct {
	struct file_handle head;
	char bytes[MAX_HANDLE_SZ];
	const char *root, *path;
} taken[4];

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		printf("%s to %s: %s\n", text, path, strerror(errno));
	close(fd);
}

static void meet(void)
{
	pthread_barrier_wait(&shared->barrier);
}

static const char *root_of(const char *path)
{
	if (!strncmp(path, C, strlen(C)))
		return C;
	return strncmp(path, O, strlen(O)) ? S : O;
}

/* 0: nothing, or what is mounted there */
static ino_t number(const char *path)
{
	struct stat st, root;

	if (lstat(path, &st) || stat(root_of(path), &root))
		return 0;
	return st.st_dev == root.st_dev ? st.st_ino : 0;
}

static void make(const char *path)
{
	ino_t ino = mkdir(path, 0755) ? 0 : number(path);

	if (ino)
		shared->made[__atomic_fetch_add(&shared->nr_made, 1, __ATOMIC_SEQ_CST)] = ino;
}

static void add(int wd, const char *path, ino_t ino, bool mark)
{
	for (int i = 0; i < nr_watches; i++)
		if (watches[i].mark == mark && watches[i].wd == wd && watches[i].ino == ino)
			return;
	if (nr_watches < 64)
		watches[nr_watches++] = (struct watch) { path, ino, wd, .mark = mark };
}

static void watch(const char *path)
{
	ino_t ino = number(path);
	int wd = inotify_add_watch(inotify, path, IN_DELETE_SELF | IN_DONT_FOLLOW);

	if (wd >= 0)
		add(wd, path, number(path) == ino ? ino : 0, false);
}

static void unwatch(unsigned int nr)
{
	struct watch *watch = &watches[nr_watches ? nr % nr_watches : 0];

	watch->taken = nr_watches && !watch->mark && !inotify_rm_watch(inotify, watch->wd);
}

static int new_group(void)
{
	return fanotify_init(FAN_REPORT_FID | FAN_UNLIMITED_QUEUE | FAN_NONBLOCK, 0);
}

static void mark(const char *path)
{
	int fd = open(path, O_PATH | O_NOFOLLOW);
	ino_t ino = number(path);
	struct stat st;
	char opened[32];

	snprintf(opened, sizeof(opened), "/proc/self/fd/%d", fd);
	if (fd >= 0 && ino && !fstat(fd, &st) && st.st_ino == ino &&
	    !fanotify_mark(fanotify, FAN_MARK_ADD, FAN_DELETE_SELF | FAN_ONDIR, AT_FDCWD, opened))
		add(-1, path, ino, true);
	close(fd);
}

/* It keeps no inode. A second event would be found by the other marks, too. */
static void mark_evictable(const char *path)
{
	static int fd;

	fd = fd ? fd : new_group();
	fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_DELETE_SELF | FAN_ONDIR, AT_FDCWD,
		      path);
}

static void mark_all(const char *root, int us)
{
	int fd = new_group();

	fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_DELETE_SELF | FAN_ONDIR,
		      AT_FDCWD, root);
	usleep(us);
	close(fd);
}

static void let_go(int slot)
{
	close(held[slot]);
	held[slot] = -1;
}

static void hold(int slot, const char *path, int flags)
{
	let_go(slot);
	held[slot] = open(path, flags | O_NONBLOCK | O_NOFOLLOW);
}

static void take_handle(int slot, const char *root, const char *path)
{
	int id;

	taken[slot].root = root;
	taken[slot].path = path;
	taken[slot].head.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(AT_FDCWD, path, &taken[slot].head, &id, 0))
		taken[slot].head.handle_bytes = 0;
}

static void watch_by_handle(int slot, int flags)
{
	int root, fd, wd;
	struct stat st;
	char path[32];

	if (!taken[slot].head.handle_bytes)
		return;
	root = open(taken[slot].root, O_RDONLY | O_DIRECTORY);
	fd = open_by_handle_at(root, &taken[slot].head, flags | O_NONBLOCK);
	close(root);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	wd = fd < 0 ? -1 : inotify_add_watch(inotify, path, IN_DELETE_SELF);
	if (wd >= 0)
		add(wd, taken[slot].path, fstat(fd, &st) ? 0 : st.st_ino, false);
	let_go(slot);
	held[slot] = fd;
}

static void keep(int slot, const char *path)
{
	struct landlock_ruleset_attr ruleset = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE,
	};
	struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
		.parent_fd = open(path, O_PATH),
	};

	let_go(slot);
	held[slot] = syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	syscall(SYS_landlock_add_rule, held[slot], LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
}

/* how > 0: so many names that are not there */
static void look(const char *path, int how)
{
	char text[256], name[300];
	int fd;
	DIR *dir;

	number(path);
	for (int i = 0; i < how; i++) {
		snprintf(name, sizeof(name), "%s/%d", path, i);
		number(name);
	}
	if (how == -1) {
		fd = open(path, O_RDONLY | O_NONBLOCK);
		if (fd >= 0 && read(fd, text, sizeof(text)) >= 0)
			number(path);
		close(fd);
	}
	dir = how == -2 ? opendir(path) : NULL;
	while (dir && readdir(dir))
		;
	if (dir)
		closedir(dir);
}

static void mount_over(const char *path)
{
	if (!mount("none", path, "tmpfs", 0, NULL))
		mounts[nr_mounts++] = path;
}

static void bind(const char *path)
{
	char *at = strdup("/tmp/fuzz-bind-XXXXXX");

	if (mkdtemp(at) && !mount(path, at, NULL, MS_BIND, NULL))
		mounts[nr_mounts++] = at;
}

static void unmount(void)
{
	while (nr_mounts)
		umount2(mounts[--nr_mounts], MNT_DETACH);
}

static void unshare_mounts(void)
{
	if (!home) {
		home = open("/proc/self/ns/mnt", O_RDONLY);
		unshare(CLONE_NEWNS);
	}
}

static pid_t start_sleeper(int unshared)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		unshare(unshared);
		for (;;)
			pause();
	}
	usleep(50000);
	return pid;
}

static void join(const char *dir, pid_t pid)
{
	char path[256], text[16];

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	snprintf(text, sizeof(text), "%d", pid);
	write_text(path, text);
}

static void populate(const char *dir)
{
	sleepers[nr_sleepers] = start_sleeper(0);
	join(dir, sleepers[nr_sleepers++]);
}

static void move_away(const char *device)
{
	char command[128];

	away = away ? away : start_sleeper(CLONE_NEWNET);
	snprintf(command, sizeof(command), "ip link set %s netns %d", device, away);
	if (system(command))
		printf("%s failed\n", command);
}

static void sh(const char *command)
{
	if (system(command))
		printf("%s failed\n", command);
}

/* By a child that is killed after so long, or, with 0, has hardly any memory */
#define BY_CHILD(us, call) do {				\
	pid_t child = fork();				\
							\
	if (!child) {					\
		if (!(us))				\
			join(C "-limit", getpid());	\
		call;					\
		_exit(0);				\
	}						\
	if (us) {					\
		usleep(us);				\
		kill(child, SIGKILL);			\
	}						\
	waitpid(child, NULL, 0);			\
} while (0)

static const char * const dirs[] = {
	C "/a/a/a", C "/a/b", C "/a/a", C "/b", C "/a", O "/a/a/a", O "/a/a", O "/b", O "/a",
};

static void put_back(void)
{
	static const char * const files[] = { "cgroup.freeze", "cgroup.pressure", "hide" };
	char path[256];

	for (int i = 0; i < 9; i++)
		for (int j = 0; j < 3; j++) {
			snprintf(path, sizeof(path), "%s/%s", dirs[i], files[j]);
			if (!access(path, F_OK))
				write_text(path, j == 1 ? "1" : "0");
		}
	write_text("/sys/devices/system/cpu/cpu1/online", "1");
}

static void remove_all(void)
{
	for (int i = 0; i < 9; i++)
		rmdir(dirs[i]);
	for (int i = 0; i < 2; i++)
		if (!access(i ? S "/class/net/fz1" : S "/class/net/fz0", F_OK))
			sh(i ? "ip link del fz1" : "ip link del fz0");
	write_text("/sys/devices/system/cpu/cpu1/online", "0");
}

static void release(void)
{
	for (int i = 0; i < 4; i++)
		let_go(i);
	if (chdir("/") || (home && setns(home, CLONE_NEWNS)))
		perror("home");
	unmount();
	while (nr_sleepers)
		kill(sleepers[--nr_sleepers], SIGKILL);
	if (away)
		kill(away, SIGKILL);
	while (wait(NULL) > 0)
		;
}

static void read_watches(void)
{
	_Alignas(8) char buf[65536];
	ssize_t len = read(inotify, buf, sizeof(buf));
	const struct inotify_event *event;

	for (char *at = buf; at < buf + len; at += sizeof(*event) + event->len) {
		event = (void *)at;
		for (int i = 0; i < nr_watches; i++) {
			struct watch *watch = &watches[i];

			if (watch->mark || watch->wd != event->wd)
				continue;
			watch->deleted += !!(event->mask & (IN_DELETE_SELF | IN_UNMOUNT));
			/* Of what was mounted there for a moment */
			if (event->mask & IN_UNMOUNT)
				watch->ino = 0;
			watch->ignored += !!(event->mask & IN_IGNORED);
		}
	}
}

static void read_marks(void (*take)(ino_t ino))
{
	_Alignas(8) char buf[65536];
	ssize_t len = read(fanotify, buf, sizeof(buf));
	const struct fanotify_event_metadata *event = (void *)buf;

	for (; FAN_EVENT_OK(event, len); event = FAN_EVENT_NEXT(event, len)) {
		struct fanotify_event_info_fid *info = (void *)(event + 1);
		ino_t ino;

		memcpy(&ino, ((struct file_handle *)info->handle)->f_handle, sizeof(ino));
		take(ino);
	}
}

static void count(ino_t ino)
{
	for (int i = 0; i < nr_watches; i++)
		if (watches[i].mark && watches[i].ino == ino)
			watches[i].ignored = watches[i].deleted += 1;
}

static int mark_places(void)
{
	int fd = new_group();

	fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_DELETE_SELF | FAN_ONDIR,
		      AT_FDCWD, C);
	fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_DELETE_SELF | FAN_ONDIR,
		      AT_FDCWD, O);
	return fd;
}

static void strike_out(ino_t ino)
{
	for (int i = 0; i < 128; i++)
		if (shared->made[i] == ino)
			shared->made[i] = 0;
}

static bool got_all(void)
{
	bool all = true;

	sleep(1);
	read_marks(strike_out);
	for (int i = 0; i < 128; i++)
		all &= !shared->made[i];
	if (!all)
		printf("the mark on the file system missed events of what was created\n");
	return all;
}

/* Each removed node is reported once, no other is. */
static int judge(bool end)
{
	int wrong = 0;

	sleep(3);
	read_watches();
	read_marks(count);
	for (int i = 0; i < nr_watches; i++) {
		struct watch *watch = &watches[i];
		bool there = watch->ino && number(watch->path) == watch->ino;
		int want = there ? 0 : 1;

		if (watch->taken || (!end && !watch->ino) ||
		    (watch->deleted == want && watch->ignored == want))
			continue;
		printf("%s of %s, which is %s: reported %d times, watch removed %d times\n",
		       watch->mark ? "mark" : "watch", watch->path, there ? "there" : "gone",
		       watch->deleted, watch->ignored);
		wrong = 1;
	}
	return wrong;
}

static int live(void (*calls)(void))
{
	int wrong;

	inotify = inotify_init1(IN_NONBLOCK);
	fanotify = new_group();
	meet();
	calls();
	release();
	meet();
	meet();
	wrong = judge(false);
	meet();
	meet();
	return wrong | judge(true);
}

/* @marked: a mark on the file systems is to get each removal of a directory. */
static int run(bool marked, int nr, void (*calls[])(void))
{
	pthread_barrierattr_t attr;
	int status, wrong = 0;

	if (unshare(CLONE_NEWNS | CLONE_NEWNET) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 2;
	write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory +pids");
	mkdir(C, 0755);
	write_text(C "/cgroup.subtree_control", "+memory +pids");
	mkdir(C "-limit", 0755);
	write_text(C "-limit/memory.max", "16384");
	mkdir(O, 0755);
	mkdir(S, 0755);
	mount("none", O, "rkernfs", 0, NULL);
	mount("none", S, "sysfs", 0, NULL);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->barrier, &attr, nr + 1);
	fanotify = marked ? mark_places() : -1;
	for (int i = 0; i < nr; i++)
		if (!fork())
			_exit(live(calls[i]));
	meet();
	meet();
	put_back();
	meet();
	meet();
	remove_all();
	meet();
	while (wait(&status) > 0)
		wrong |= status;
	wrong |= marked && !got_all();
	put_back();
	return !!wrong;
}
