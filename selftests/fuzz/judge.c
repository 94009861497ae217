// SPDX-License-Identifier: GPL-2.0
/*
 * The oracle. A node is known by its identity, which is never used again: as
 * long as a path leads to it, no watch may have got a removal event.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "lib/system.h"

int patience_ms;

static uint64_t mix(uint64_t number, const void *fsid)
{
	uint64_t bits;

	memcpy(&bits, fsid, sizeof(bits));
	return number ? number + bits * 0x9e3779b97f4a7c15ULL : 0;
}

uint64_t id_of_opened(int fd)
{
	struct statfs fs;
	struct stat st;

	return fstat(fd, &st) || fstatfs(fd, &fs) ? 0 : mix(st.st_ino, &fs.f_fsid);
}

uint64_t id_of(unsigned int node)
{
	struct stat st, root;
	char path[PATH_MAX];
	struct statfs fs;

	if (lstat(node_path(path, node), &st) || stat(root_of(node), &root) ||
	    st.st_dev != root.st_dev || statfs(root_of(node), &fs))
		return 0;
	return mix(st.st_ino, &fs.f_fsid);
}

bool open_watches(struct proc *proc)
{
	proc->fanotify = open_marks();
	proc->evictable = open_marks();
	proc->home = -1;
	for (int i = 0; i < MAX_HELD; i++)
		proc->held[i] = -1;
	return open_ledger(&proc->ledger);
}

/* The same node again has the same wd. */
void add_watched(struct proc *proc, int wd, uint64_t id, unsigned int node)
{
	for (int i = 0; i < proc->nr_watched; i++)
		if (proc->watched[i].wd == wd && (wd >= 0 || proc->watched[i].id == id))
			return;
	if (proc->nr_watched < MAX_WATCHED)
		proc->watched[proc->nr_watched++] = (struct watched) { wd, id, node, 0 };
}

/* Marks of fanotify */

int open_marks(void)
{
	return fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_UNLIMITED_QUEUE |
			     FAN_NONBLOCK | FAN_CLOEXEC, 0);
}

/* Both kinds of handles that kernfs makes begin with the number. */
static uint64_t id_in(const struct fanotify_event_metadata *event)
{
	const struct fanotify_event_info_fid *info = (const void *)(event + 1);
	const struct file_handle *handle = (const void *)info->handle;
	uint64_t number = 0;

	if (event->event_len > sizeof(*event) && handle->handle_bytes >= sizeof(number))
		memcpy(&number, handle->f_handle, sizeof(number));
	return mix(number, &info->fsid);
}

void read_marks(int fanotify, void (*take)(void *to, uint64_t id), void *to)
{
	_Alignas(struct fanotify_event_metadata) char buf[8192];
	ssize_t len;

	while ((len = read(fanotify, buf, sizeof(buf))) > 0) {
		const struct fanotify_event_metadata *event = (const void *)buf;

		for (; FAN_EVENT_OK(event, len); event = FAN_EVENT_NEXT(event, len))
			if (event->mask & FAN_DELETE_SELF)
				take(to, id_in(event));
	}
}

static void count_in(struct proc *proc, int wd, uint64_t id)
{
	for (int i = 0; i < proc->nr_watched; i++)
		if (proc->watched[i].wd == wd && proc->watched[i].id == id)
			proc->watched[i].reported++;
}

static void count_event(void *to, uint64_t id)
{
	count_in(to, BY_MARK, id);
}

static void count_evictable_reported(void *to, uint64_t id)
{
	count_in(to, BY_EVICTABLE_MARK, id);
}

static void read_all(struct proc *proc)
{
	read_ledger(&proc->ledger);
	if (proc->fanotify >= 0)
		read_marks(proc->fanotify, count_event, proc);
	if (proc->evictable >= 0)
		read_marks(proc->evictable, count_evictable_reported, proc);
}

/* One watch, or mark */

/* A watch that its owner removed gets nothing any more. */
static bool has_ended(struct proc *proc, const struct watched *watched)
{
	if (watched->wd == BY_EVICTABLE_MARK)
		return true;
	return watched->wd < 0 ? watched->reported > 0 : !is_watched(&proc->ledger, watched->wd);
}

static bool is_there(const struct watched *watched)
{
	return watched->id && id_of(watched->node) == watched->id;
}

static void find(long *finding, const char *what, const struct watched *watched)
{
	char path[PATH_MAX];

	++*finding;
	printf("# %s: %s\n", what, node_path(path, watched->node));
}

static bool got_removal_event(struct proc *proc, const struct watched *watched)
{
	return watched->wd < 0 ? watched->reported > 0 : was_reported(&proc->ledger, watched->wd);
}

static void give_up(struct proc *proc, struct watched *watched)
{
	if (watched->wd >= 0) {
		remove_watch(&proc->ledger, watched->wd);
	} else {
		watched->id = UINT64_MAX;
		watched->reported = 1;
	}
}

/* Waits for the events that are @due; the others are missed. */
static void await_ends(struct proc *proc, const bool *due, bool lenient)
{
	struct pollfd fds[] = {
		{ .fd = proc->ledger.inotify, .events = POLLIN },
		{ .fd = proc->fanotify, .events = POLLIN },
	};
	long long deadline = now_us() + patience_ms * 1000LL;
	bool waiting;

	do {
		read_all(proc);
		waiting = false;
		for (int i = 0; i < proc->nr_watched; i++)
			waiting |= due[i] && !has_ended(proc, &proc->watched[i]);
		if (waiting)
			poll(fds, proc->fanotify < 0 ? 1 : 2, 50);
	} while (waiting && !lenient && now_us() < deadline);
	for (int i = 0; i < proc->nr_watched; i++) {
		if (!due[i] || has_ended(proc, &proc->watched[i]))
			continue;
		if (!lenient)
			find(&proc->ledger.found.missed, "missed its events", &proc->watched[i]);
		give_up(proc, &proc->watched[i]);
	}
	read_ledger(&proc->ledger);
}

void judge_now(struct proc *proc, bool lenient)
{
	bool due[MAX_WATCHED];

	read_all(proc);
	for (int i = 0; i < proc->nr_watched; i++) {
		const struct watched *watched = &proc->watched[i];

		due[i] = watched->id && !is_there(watched);
		if (!due[i] && watched->id && got_removal_event(proc, watched))
			find(&proc->ledger.found.premature, "got a removal event before the removal", watched);
	}
	await_ends(proc, due, lenient);
}

void judge_end(struct proc *proc)
{
	bool due[MAX_WATCHED];

	read_all(proc);
	for (int i = 0; i < proc->nr_watched; i++) {
		struct watched *watched = &proc->watched[i];

		due[i] = realm_of(watched->node) != STAYS;
		if (due[i])
			continue;
		if (got_removal_event(proc, watched))
			find(&proc->ledger.found.premature, "got a removal event, but the node still exists", watched);
		give_up(proc, watched);
	}
	await_ends(proc, due, false);
	for (int i = 0; i < proc->nr_watched; i++)
		if (proc->watched[i].wd < 0 && proc->watched[i].reported > 1)
			find(&proc->ledger.found.duplicated, "got its events twice", &proc->watched[i]);
	close_ledger(&proc->ledger);
	if (proc->fanotify >= 0)
		close(proc->fanotify);
	if (proc->evictable >= 0)
		close(proc->evictable);
}
