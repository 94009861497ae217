// SPDX-License-Identifier: GPL-2.0
/*
 * Ways of watching. The instances are opened once: closing an inotify instance
 * waits for a grace period, which a thousand of them in each batch would not
 * leave time for.
 */
#include "matrix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/events.h"
#include "lib/handle.h"

#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID	0x200
#endif

#define CROWD		1000
#define MAX_GOT	6
#define FANOTIFY	(POLL - 1)

/* Whatever could come in addition; a directory is watched with it as well. */
#define BESIDES		(IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_MOVE | IN_CREATE | IN_DELETE)

/* The events that one watch got */
struct got {
	int wd;				/* -1: no watch */
	struct handle handle;		/* fanotify's wd */
	ino_t ino;
	int polled;			/* POLL's descriptor, or -1 */
	unsigned int nr;
	uint32_t mask[MAX_GOT];
};

/* One instance, with a watch on the node of each kind */
struct listener {
	int fd;
	struct got got[NR_KINDS];
};

static struct watch {
	const char *name;
	bool fanotify;
	uint32_t mask;
	int nr_listeners;
	struct listener *listeners;
} watches[NR_WATCHES] = {
	{ .name = "inotify", .mask = IN_DELETE_SELF | BESIDES, .nr_listeners = 1 },
	{ .name = "inotify-x1000", .mask = IN_DELETE_SELF, .nr_listeners = CROWD },
	{ .name = "inotify-oneshot", .mask = IN_DELETE_SELF | IN_ONESHOT, .nr_listeners = 1 },
	{ .name = "inotify-excl-unlink", .mask = IN_DELETE_SELF | BESIDES | IN_EXCL_UNLINK,
	  .nr_listeners = 1 },
	{ .name = "inotify-ignored-only", .mask = BESIDES, .nr_listeners = 1 },
	[FANOTIFY] = { .name = "fanotify-fid", .fanotify = true,
		       .mask = FAN_DELETE_SELF | FAN_ONDIR, .nr_listeners = 1 },
	[POLL] = { .name = "poll", .nr_listeners = 1 },
};

const char * const verdict_names[] = {
	[DELIVERED] = "delivered",
	[MISSED] = "missed",
	[PREMATURE] = "premature",
	[DUPLICATED] = "duplicated",
	[OUT_OF_ORDER] = "out-of-order",
	[PARTIAL] = "partial",
	[OTHER] = "other",
};

static int epoll_fd = -1;

const char *watch_name(int watch)
{
	return watches[watch].name;
}

static bool open_listener(struct watch *watch, struct listener *listener)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = listener };

	for (int kind = 0; kind < NR_KINDS; kind++) {
		listener->got[kind].wd = -1;
		listener->got[kind].polled = -1;
	}
	if (watch == &watches[POLL])
		listener->fd = epoll_create1(EPOLL_CLOEXEC);
	else if (watch->fanotify)
		listener->fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_NONBLOCK |
					     FAN_CLOEXEC, 0);
	else
		listener->fd = open_inotify();
	if (listener->fd < 0)
		return watch->fanotify;		/* its cells are skipped */
	return !epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener->fd, &event);
}

bool open_watches(void)
{
	raise_open_files(CROWD + 256);
	raise_sysctl("/proc/sys/fs/inotify/max_user_instances", CROWD + 128);
	raise_sysctl("/proc/sys/fs/inotify/max_user_watches", 4 * CROWD);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < NR_WATCHES; i++) {
		struct watch *watch = &watches[i];

		watch->listeners = calloc(watch->nr_listeners, sizeof(*watch->listeners));
		for (int j = 0; j < watch->nr_listeners; j++)
			if (!open_listener(watch, &watch->listeners[j]))
				return false;
	}
	return true;
}

/* Adding */

static bool add_fanotify(struct listener *listener, struct got *got, const char *path,
			 const char **skip)
{
	struct stat st;
	int mount_id;

	if (listener->fd < 0) {
		*skip = "no fanotify with file handles";
		return true;
	}
	if (fanotify_mark(listener->fd, FAN_MARK_ADD, FAN_DELETE_SELF | FAN_ONDIR, AT_FDCWD,
			  path)) {
		if (errno == ENODEV || errno == EOPNOTSUPP || errno == EXDEV)
			*skip = "no file handles for fanotify here";
		return *skip;
	}
	got->wd = 0;
	got->handle.head.handle_bytes = MAX_HANDLE_SZ;
	if (stat(path, &st) ||
	    name_to_handle_at(AT_FDCWD, path, &got->handle.head, &mount_id, AT_HANDLE_FID))
		return false;
	got->ino = st.st_ino;
	return true;
}

/* Edge-triggered, so that each wakeup counts once */
static bool add_poll(struct listener *listener, struct got *got, const char *path)
{
	struct epoll_event event = { .events = EPOLLPRI | EPOLLET, .data.ptr = got };

	got->polled = open_any(AT_FDCWD, path);
	if (got->polled < 0 ||
	    epoll_ctl(listener->fd, EPOLL_CTL_ADD, got->polled, &event))
		return false;
	/* A poller that has not read the file yet gets an edge. */
	return epoll_wait(listener->fd, &event, 1, 0) >= 0;
}

bool add_watch(int nr, enum kind kind, const char *path, unsigned int but, const char **skip)
{
	struct watch *watch = &watches[nr];

	for (int i = 0; i < watch->nr_listeners; i++) {
		struct listener *listener = &watch->listeners[i];
		struct got *got = &listener->got[kind];

		got->nr = 0;
		if (nr == POLL)
			return add_poll(listener, got, path);
		if (watch->fanotify)
			return add_fanotify(listener, got, path, skip);
		got->wd = inotify_add_watch(listener->fd, path, watch->mask & ~but);
		if (got->wd < 0)
			return false;
	}
	return true;
}

void stop_polling(int nr, enum kind kind)
{
	struct got *got = &watches[nr].listeners[0].got[kind];

	if (got->polled >= 0)
		close(got->polled);
	got->polled = -1;
}

void forget_watch(int nr, enum kind kind)
{
	struct watch *watch = &watches[nr];
	char buf[4096];

	for (int i = 0; i < watch->nr_listeners; i++) {
		struct listener *listener = &watch->listeners[i];
		struct got *got = &listener->got[kind];

		if (got->wd < 0)
			continue;
		if (watch->fanotify)
			fanotify_mark(listener->fd, FAN_MARK_FLUSH, 0, AT_FDCWD, NULL);
		else
			inotify_rm_watch(listener->fd, got->wd);
		got->wd = -1;
		while (read(listener->fd, buf, sizeof(buf)) > 0)
			;
	}
}

/* Listening */

static void add_got(struct got *got, uint32_t mask)
{
	if (got->nr < MAX_GOT)
		got->mask[got->nr] = mask;
	got->nr++;
}

static void take_inotify(struct listener *listener)
{
	_Alignas(struct inotify_event) char buf[4096];
	const struct inotify_event *event;
	ssize_t len = read(listener->fd, buf, sizeof(buf));

	for (char *pos = buf; pos < buf + len; pos += sizeof(*event) + event->len) {
		event = (const struct inotify_event *)pos;
		for (int kind = 0; kind < NR_KINDS; kind++)
			if (listener->got[kind].wd == event->wd)
				add_got(&listener->got[kind], event->mask);
	}
}

static bool same_handle(const struct handle *handle, const struct file_handle *other)
{
	return handle->head.handle_bytes == other->handle_bytes &&
	       handle->head.handle_type == other->handle_type &&
	       !memcmp(handle->bytes, other->f_handle, other->handle_bytes);
}

static void take_fanotify(struct listener *listener)
{
	_Alignas(struct fanotify_event_metadata) char buf[4096];
	struct fanotify_event_metadata *event = (void *)buf;
	ssize_t len = read(listener->fd, buf, sizeof(buf));

	for (; FAN_EVENT_OK(event, len); event = FAN_EVENT_NEXT(event, len)) {
		struct fanotify_event_info_fid *info = (void *)(event + 1);

		if (event->event_len <= sizeof(*event))
			continue;
		for (int kind = 0; kind < NR_KINDS; kind++) {
			struct got *got = &listener->got[kind];

			if (got->wd >= 0 && same_handle(&got->handle, (void *)info->handle))
				add_got(got, event->mask);
		}
	}
}

static void take_poll(struct listener *listener)
{
	struct epoll_event ready[NR_KINDS];
	int nr = epoll_wait(listener->fd, ready, ARRAY_SIZE(ready), 0);

	for (int i = 0; i < nr; i++)
		add_got(ready[i].data.ptr, ready[i].events);
}

bool take_events(int timeout_ms)
{
	struct epoll_event ready[64];
	int nr = epoll_wait(epoll_fd, ready, ARRAY_SIZE(ready), timeout_ms);

	for (int i = 0; i < nr; i++) {
		struct listener *listener = ready[i].data.ptr;

		if (listener == watches[POLL].listeners)
			take_poll(listener);
		else if (listener == watches[FANOTIFY].listeners)
			take_fanotify(listener);
		else
			take_inotify(listener);
	}
	return nr > 0;
}

/* Judging */

static const uint32_t *wanted_events(const struct watch *watch, enum kind kind, bool unmounted,
				     unsigned int *nr)
{
	static const uint32_t deleted[] = { IN_DELETE_SELF, IN_IGNORED };
	static const uint32_t ignored[] = { IN_IGNORED };
	static const uint32_t unmount[][2] = {
		[FILES] = { IN_UNMOUNT, IN_IGNORED },
		[DIRS] = { IN_UNMOUNT | IN_ISDIR, IN_IGNORED },
	};
	static const uint32_t poll[] = { EPOLLERR | EPOLLPRI };
	static const uint32_t fanotify[] = {
		[FILES] = FAN_DELETE_SELF,
		[DIRS] = FAN_DELETE_SELF | FAN_ONDIR,
	};

	if (watch == &watches[POLL]) {
		*nr = 1;
		return poll;
	}
	if (watch->fanotify) {
		*nr = unmounted ? 0 : 1;	/* there is no event for it */
		return &fanotify[kind];
	}
	*nr = unmounted || watch->mask & IN_DELETE_SELF ? 2 : 1;
	return unmounted ? unmount[kind] : *nr == 2 ? deleted : ignored;
}

static unsigned int count_in(uint32_t mask, const uint32_t *masks, unsigned int nr)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < nr; i++)
		count += masks[i] == mask;
	return count;
}

static enum verdict judge(const struct got *got, const uint32_t *wanted, unsigned int nr)
{
	if (got->nr == nr && !memcmp(got->mask, wanted, nr * sizeof(*wanted)))
		return DELIVERED;
	if (!got->nr)
		return MISSED;
	if (got->nr > MAX_GOT)
		return OTHER;
	for (unsigned int i = 0; i < got->nr; i++)
		if (!count_in(got->mask[i], wanted, nr))
			return OTHER;
	for (unsigned int i = 0; i < nr; i++)
		if (count_in(wanted[i], got->mask, got->nr) > 1)
			return DUPLICATED;
	return got->nr < nr ? PARTIAL : OUT_OF_ORDER;
}

/* A mark that outlives its node is a leak, even if all events came. */
static bool has_mark(const struct listener *listener, ino_t ino)
{
	char path[PATH_MAX], line[512];
	bool found = false;
	unsigned long at;
	FILE *info;

	info = fopen(format_path(path, "/proc/self/fdinfo/%d", listener->fd), "r");
	while (info && !found && fgets(line, sizeof(line), info))
		found = sscanf(line, "fanotify ino:%lx", &at) == 1 && at == ino;
	if (info)
		fclose(info);
	return found;
}

enum verdict judge_watch(int nr, enum kind kind, bool unmounted)
{
	const struct watch *watch = &watches[nr];
	enum verdict all = DELIVERED;
	const uint32_t *wanted;
	unsigned int nr_wanted;

	wanted = wanted_events(watch, kind, unmounted, &nr_wanted);
	for (int i = 0; i < watch->nr_listeners; i++) {
		const struct got *got = &watch->listeners[i].got[kind];
		enum verdict one = judge(got, wanted, nr_wanted);

		if (one == DELIVERED && watch->fanotify &&
		    has_mark(&watch->listeners[i], got->ino))
			one = PARTIAL;
		if (i && one != all)
			return one > PARTIAL ? one : PARTIAL;
		all = one;
	}
	return all;
}

bool got_anything(int nr, enum kind kind)
{
	const struct watch *watch = &watches[nr];

	for (int i = 0; i < watch->nr_listeners; i++)
		if (watch->listeners[i].got[kind].nr)
			return true;
	return false;
}

static const char *describe_poll(uint32_t events)
{
	static char text[32];

	snprintf(text, sizeof(text), "events %#x", events);
	return text;
}

const char *describe_watch(int nr, enum kind kind)
{
	const struct watch *watch = &watches[nr];
	const struct got *got = &watch->listeners[0].got[kind];
	static char text[512];
	size_t len = 0;

	snprintf(text, sizeof(text), "nothing");
	for (unsigned int i = 0; i < got->nr && i < MAX_GOT && len < sizeof(text); i++)
		len += snprintf(text + len, sizeof(text) - len, "%s%s", i ? ", " : "",
				nr == POLL ? describe_poll(got->mask[i]) :
					     describe_mask(got->mask[i]));
	return text;
}
