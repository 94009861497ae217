// SPDX-License-Identifier: GPL-2.0
/* Calls on files and watches. That one fails is no finding. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/landlock.h"
#include "lib/netdev.h"
#include "lib/system.h"

/* Another may have removed it, or created it again: then that one is noted. */
static void note_made(struct proc *proc, unsigned int node)
{
	uint64_t id = id_of(node);
	int nr = id ? atomic_fetch_add(&proc->shared->nr_made, 1) : MAX_MADE;

	if (nr < MAX_MADE)
		proc->shared->made[nr] = id;
}

static void make(struct proc *proc, const struct call *call)
{
	char path[PATH_MAX];

	node_path(path, call->node);
	switch (realm_of(call->node)) {
	case NETDEV:
		add_link(call->choice % 4 ? "dummy" : "veth", device_name(call->node), 1);
		break;
	case CPU:
		write_text(format_path(path, "%.4000s/devices/system/cpu/cpu1/online",
				       root_of_sysfs), "1");
		break;
	default:
		if (!mkdir(path, 0755))
			note_made(proc, call->node);
	}
}

static void remove_node(const struct call *call)
{
	char path[PATH_MAX];

	node_path(path, call->node);
	switch (realm_of(call->node)) {
	case NETDEV:
		delete_link(device_name(call->node));
		break;
	case CPU:
		write_text(format_path(path, "%.4000s/devices/system/cpu/cpu1/online",
				       root_of_sysfs), "0");
		break;
	default:
		rmdir(path);
	}
}

static void write_node(const struct call *call)
{
	const struct text *text = text_of(call->node, call->choice);
	char dir[PATH_MAX], path[PATH_MAX];

	if (text)
		write_text(format_path(path, "%.3900s/%s", node_path(dir, call->node), text->file),
			   text->text);
}

/*
 * Its identity is known if no process replaced it meanwhile. What was
 * mounted over it in between ends with IN_UNMOUNT, which says nothing of the node.
 */
static void watch(struct proc *proc, const struct call *call)
{
	char path[PATH_MAX];
	uint64_t id = id_of(call->node);
	int wd = watch_node(&proc->ledger, node_path(path, call->node));

	if (wd >= 0)
		add_watched(proc, wd, id_of(call->node) == id ? id : 0, call->node);
}

static void unwatch(struct proc *proc, const struct call *call)
{
	if (!proc->nr_watched)
		return;
	remove_watch(&proc->ledger, proc->watched[call->choice % proc->nr_watched].wd);
}

/* fanotify hears nothing of an unmount: the mark is on what was opened. */
static void mark(struct proc *proc, const struct call *call)
{
	bool is_evictable = call->kind == MARK_EVICTABLE;
	char path[PATH_MAX];
	int fd = open(node_path(path, call->node), O_PATH | O_NOFOLLOW | O_CLOEXEC);
	uint64_t id = id_of(call->node);

	if (fd < 0)
		return;
	if (id && id_of_opened(fd) == id &&
	    !fanotify_mark(is_evictable ? proc->evictable : proc->fanotify,
			   FAN_MARK_ADD | (is_evictable ? FAN_MARK_EVICTABLE : 0),
			   FAN_DELETE_SELF | FAN_ONDIR, AT_FDCWD,
			   format_path(path, "/proc/self/fd/%d", fd)))
		add_watched(proc, is_evictable ? BY_EVICTABLE_MARK : BY_MARK, id, call->node);
	close(fd);
}

/* A mark on all of the file system, for a moment */
static void mark_all(const struct call *call)
{
	int fd = open_marks();

	if (fd < 0)
		return;
	fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_DELETE_SELF | FAN_ONDIR,
		      AT_FDCWD, root_of(call->node));
	usleep(call->us);
	close(fd);
}

static void put(struct proc *proc, const struct call *call, int fd)
{
	int *held = &proc->held[call->choice % MAX_HELD];

	if (*held >= 0)
		close(*held);
	*held = fd;
}

static void hold(struct proc *proc, const struct call *call)
{
	static const int flags[] = { O_RDONLY, O_PATH };
	int how = call->choice / MAX_HELD % 3;
	char path[PATH_MAX];

	node_path(path, call->node);
	if (how == 2 && chdir(path) == 0)
		return;
	put(proc, call, open(path, flags[how % 2] | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
}

/* Its inode, and neither the file nor a dentry */
static void keep(struct proc *proc, const struct call *call)
{
	int ruleset = open_ruleset();
	char path[PATH_MAX];

	keep_by_rule(ruleset, node_path(path, call->node));
	put(proc, call, ruleset);
}

static void take_handle(struct proc *proc, const struct call *call)
{
	struct taken *taken = &proc->taken[call->choice % MAX_HELD];
	char path[PATH_MAX];

	if (get_handle(node_path(path, call->node), &taken->handle))
		taken->node = call->node;
	else
		taken->handle.head.handle_bytes = 0;
}

/* Also of a removed node; watches it, and holds it */
static void open_handle(struct proc *proc, const struct call *call)
{
	struct taken *taken = &proc->taken[call->choice % MAX_HELD];
	int root, fd, wd;

	if (!taken->handle.head.handle_bytes)
		return;
	root = open(root_of(taken->node), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = open_by_handle_at(root, &taken->handle.head,
			       (call->choice / MAX_HELD % 2 ? O_PATH : O_RDONLY | O_NONBLOCK) | O_CLOEXEC);
	close(root);
	if (fd < 0)
		return;
	wd = watch_opened(&proc->ledger, fd);
	if (wd >= 0)
		add_watched(proc, wd, id_of_opened(fd), taken->node);
	put(proc, call, fd);
}

static void look(const struct call *call)
{
	char path[PATH_MAX], name[PATH_MAX], text[256];
	struct stat st;
	DIR *dir;

	lstat(node_path(path, call->node), &st);
	if (call->choice % 4 == 1) {
		read_text(path, text, sizeof(text));
	} else if (call->choice % 4 == 3) {
		/* names that are not there */
		for (int i = 0; i < call->choice * 4; i++)
			exists(format_path(name, "%.4000s/%d", path, i));
	} else if (call->choice % 4 == 2) {
		dir = opendir(path);
		while (dir && readdir(dir))
			;
		if (dir)
			closedir(dir);
	}
}

static void run_plain(struct proc *proc, const struct call *call)
{
	switch (call->kind) {
	case MAKE:
		return make(proc, call);
	case REMOVE:
		return remove_node(call);
	case WRITE:
		return write_node(call);
	case WATCH:
		return watch(proc, call);
	case UNWATCH:
		return unwatch(proc, call);
	case MARK:
	case MARK_EVICTABLE:
		return mark(proc, call);
	case MARK_ALL:
		return mark_all(call);
	case HOLD:
		return hold(proc, call);
	case KEEP:
		return keep(proc, call);
	case LET_GO:
		return put(proc, call, -1);
	case TAKE_HANDLE:
		return take_handle(proc, call);
	case OPEN_HANDLE:
		return open_handle(proc, call);
	case LOOK:
		return look(call);
	default:
		return do_system_call(proc, call);
	}
}

/* A kernel that runs out of memory for it kills the child, too. */
static void join_limit(void)
{
	char path[PATH_MAX], pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	write_text(format_path(path, "%.4000s-limit/cgroup.procs", root_of_cgroups), pid);
}

static void run_by_child(struct proc *proc, const struct call *call)
{
	pid_t pid = fork();

	if (!pid) {
		if (call->how == LIMITED)
			join_limit();
		run_plain(proc, call);
		_exit(0);
	}
	if (call->how == KILLED) {
		usleep(call->us);
		kill(pid, SIGKILL);
	}
	waitpid(pid, NULL, 0);
}

void do_call(struct proc *proc, const struct call *call)
{
	if (call->how == PLAIN)
		run_plain(proc, call);
	else
		run_by_child(proc, call);
	read_ledger(&proc->ledger);
}
