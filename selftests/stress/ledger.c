// SPDX-License-Identifier: GPL-2.0
#include "stress.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/events.h"
#include "lib/system.h"

/* A node may be held by others for a moment, on a slow kernel. */
#define PATIENCE_MS	30000
#define REPORT_PATIENCE_MS	300

enum got {
	OPEN = 1,		/* there is such a watch */
	DELETED = 2,		/* IN_DELETE_SELF came */
	IGNORED = 4,
	REMOVED_BY_OWNER = 8,		/* removed by its owner */
	UNMOUNTED = 16,		/* IN_UNMOUNT came */
	ENDED = DELETED | UNMOUNTED,
};

bool open_ledger(struct ledger *ledger)
{
	*ledger = (struct ledger) { .inotify = open_inotify() };
	return ledger->inotify >= 0;
}

void close_ledger(struct ledger *ledger)
{
	if (ledger->inotify < 0)
		return;
	ledger->found.marks_left += count_marks(ledger->inotify);
	close(ledger->inotify);
	free(ledger->entries);
	ledger->inotify = -1;
}

void note(long *finding, const char *what, const char *path)
{
	if (!(*finding)++)
		printf("# %s: %s (%s)\n", what, path, strerror(errno));
}

static bool make_room(struct ledger *ledger, int wd)
{
	int size = ledger->size ? ledger->size : 1024;
	struct entry *entries;

	if (wd < ledger->size)
		return true;
	while (size <= wd)
		size *= 2;
	entries = realloc(ledger->entries, size * sizeof(*entries));
	if (!entries)
		return false;
	memset(entries + ledger->size, 0, (size - ledger->size) * sizeof(*entries));
	ledger->entries = entries;
	ledger->size = size;
	return true;
}

static int add_watch(struct ledger *ledger, const char *path, uint32_t mask)
{
	int wd = inotify_add_watch(ledger->inotify, path, mask);

	if (wd < 0) {
		if (errno != ENOENT && errno != ENODEV && errno != ENOTDIR)
			note(&ledger->found.failed, "cannot be watched", path);
		return -1;
	}
	if (!make_room(ledger, wd)) {
		note(&ledger->found.failed, "no memory", path);
		return -1;
	}
	if (!ledger->entries[wd].got) {
		ledger->entries[wd].got = OPEN;
		ledger->entries[wd].path = strdup(path);
		ledger->nr_open++;
	}
	return wd;
}

/* Symbolic links are nodes too; what they point to stays. */
int watch_node(struct ledger *ledger, const char *path)
{
	return add_watch(ledger, path, IN_DELETE_SELF | IN_DONT_FOLLOW);
}

int watch_opened(struct ledger *ledger, int fd)
{
	char path[PATH_MAX];

	return add_watch(ledger, format_path(path, "/proc/self/fd/%d", fd), IN_DELETE_SELF);
}

void remove_watch(struct ledger *ledger, int wd)
{
	if (wd < 0 || ledger->entries[wd].got & IGNORED)
		return;
	ledger->entries[wd].got |= REMOVED_BY_OWNER;
	inotify_rm_watch(ledger->inotify, wd);
}

bool is_watched(const struct ledger *ledger, int wd)
{
	return !(ledger->entries[wd].got & (IGNORED | REMOVED_BY_OWNER));
}

bool was_reported(const struct ledger *ledger, int wd)
{
	return (ledger->entries[wd].got & (DELETED | REMOVED_BY_OWNER)) == DELETED;
}

static void end_watch(struct ledger *ledger, struct entry *entry)
{
	ledger->nr_open--;
	if (entry->got & REMOVED_BY_OWNER)
		ledger->found.removed_by_owner++;
	else if (entry->got & ENDED)
		ledger->found.watches++;
	else
		note(&ledger->found.out_of_order, "only IN_IGNORED", entry->path);
	entry->got |= IGNORED;
	free(entry->path);
	entry->path = NULL;
}

static void enter(struct ledger *ledger, const struct inotify_event *event)
{
	struct entry *entry;

	if (event->wd < 0 || event->wd >= ledger->size || !ledger->entries[event->wd].got) {
		note(&ledger->found.failed, "not a watch", "the queue is full?");
		return;
	}
	entry = &ledger->entries[event->wd];
	if (event->mask & IN_IGNORED) {
		if (entry->got & IGNORED)
			note(&ledger->found.duplicated, "IN_IGNORED again", "");
		else
			end_watch(ledger, entry);
		return;
	}
	/* inotify may have begun on the event before the owner removed the watch. */
	if (entry->got & IGNORED && !(entry->got & REMOVED_BY_OWNER))
		note(&ledger->found.out_of_order, "an event after IN_IGNORED", "");
	if (entry->got & ENDED)
		note(&ledger->found.duplicated, "got its event twice", entry->path ? entry->path : "");
	entry->got |= event->mask & IN_UNMOUNT ? UNMOUNTED : DELETED;
}

void read_ledger(struct ledger *ledger)
{
	_Alignas(struct inotify_event) char buf[8192];
	const struct inotify_event *event;
	ssize_t len;

	while ((len = read(ledger->inotify, buf, sizeof(buf))) > 0) {
		for (char *pos = buf; pos < buf + len; pos += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)pos;
			enter(ledger, event);
		}
	}
}

void expect_all_open(struct ledger *ledger)
{
	long ended = ledger->found.watches;

	read_ledger(ledger);
	ledger->found.premature += ledger->found.watches - ended;
}

static void give_up_open(struct ledger *ledger)
{
	for (int wd = 0; wd < ledger->size; wd++) {
		struct entry *entry = &ledger->entries[wd];

		if (!entry->got || entry->got & IGNORED)
			continue;
		/* Without the patch that is expected. */
		if (only_reporting())
			ledger->found.missed++;
		else
			note(&ledger->found.missed, "missed its events", entry->path);
		entry->got |= REMOVED_BY_OWNER;
		inotify_rm_watch(ledger->inotify, wd);
	}
	read_ledger(ledger);
}

void expect_all_ended(struct ledger *ledger)
{
	struct pollfd pollfd = { .fd = ledger->inotify, .events = POLLIN };
	int patience_ms = only_reporting() ? REPORT_PATIENCE_MS : PATIENCE_MS;
	long long deadline = now_us() + patience_ms * 1000LL;

	read_ledger(ledger);
	while (ledger->nr_open && now_us() < deadline) {
		poll(&pollfd, 1, 100);
		read_ledger(ledger);
	}
	if (ledger->nr_open)
		give_up_open(ledger);
}
