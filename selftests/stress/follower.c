// SPDX-License-Identifier: GPL-2.0
/*
 * One mark on all of cgroup2, held for the whole run: each cgroup that rmdir
 * removes is reported once, no node twice, or an overflow was.
 */
#include "stress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "lib/onemark.h"
#include "lib/system.h"

#define FIRST_SIZE	(1 << 16)
/* A node that another task has open is reported when that task closes it. */
#define PATIENCE_MS	30000
#define QUIET_MS	200

struct seen {
	uint64_t node;			/* 0: a free place */
	uint8_t removed;		/* by rmdir, so often */
	uint8_t ended;			/* FAN_DELETE_SELF, so often */
};

static int fanotify = -1;
static struct {
	struct seen *at;
	size_t size, nr;
} table;
static long changes, overflows, unended;

static struct seen *place_of(struct seen *at, size_t size, uint64_t node)
{
	size_t i = node * 0x9e3779b97f4a7c15ULL >> 32;

	for (i &= size - 1; at[i].node && at[i].node != node; i = (i + 1) & (size - 1))
		;
	return &at[i];
}

static void grow(void)
{
	size_t size = table.size ? 2 * table.size : FIRST_SIZE;
	struct seen *at = calloc(size, sizeof(*at));

	if (!at)
		abort();
	for (size_t i = 0; i < table.size; i++)
		if (table.at[i].node)
			*place_of(at, size, table.at[i].node) = table.at[i];
	free(table.at);
	table.at = at;
	table.size = size;
}

static struct seen *find(uint64_t node)
{
	struct seen *seen;

	if (2 * table.nr >= table.size)
		grow();
	seen = place_of(table.at, table.size, node);
	if (!seen->node) {
		seen->node = node;
		table.nr++;
	}
	return seen;
}

static void enter(const struct node_event *event, void *arg)
{
	struct thread *thread = arg;
	struct seen *seen;

	if (event->mask & FAN_Q_OVERFLOW) {
		overflows++;
		return;
	}
	changes += !!(event->mask & FAN_MODIFY);
	if (!(event->mask & (FAN_DELETE | FAN_DELETE_SELF)))
		return;
	seen = find(event->node ? event->node : event->dir);
	if (event->mask & FAN_DELETE) {
		seen->removed++;
		unended++;
	}
	if (event->mask & FAN_DELETE_SELF && seen->ended++)
		note(&thread->ledger.found.duplicated, "FAN_DELETE_SELF again", "mark");
	unended -= seen->removed && seen->ended == 1;
}

static const char *no_mark(void)
{
	if (!places[CGROUPS][0])
		return "no cgroups to follow";
	fanotify = open_fanotify(FAN_REPORT_DFID_NAME_TARGET);
	if (fanotify < 0)
		return "no fanotify with names";
	if (fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
			  FAN_MODIFY | FAN_DELETE | FAN_DELETE_SELF | FAN_ONDIR, AT_FDCWD,
			  places[CGROUPS]))
		return "cgroup2 takes no mark";
	return NULL;
}

static void follow_round(struct thread *thread)
{
	struct pollfd pollfd = { .fd = fanotify, .events = POLLIN };

	if (poll(&pollfd, 1, 10) == 1)
		read_fanotify(fanotify, enter, thread);
}

/* All others have ended, and what they had was removed. */
static void judge(struct thread *thread)
{
	struct findings *found = &thread->ledger.found;
	struct pollfd pollfd = { .fd = fanotify, .events = POLLIN };
	long long deadline = now_us() + PATIENCE_MS * 1000LL;

	while (poll(&pollfd, 1, QUIET_MS) == 1 || (unended > 0 && now_us() < deadline))
		read_fanotify(fanotify, enter, thread);
	close(fanotify);
	errno = 0;
	for (size_t i = 0; i < table.size; i++) {
		const struct seen *seen = &table.at[i];

		if (seen->removed > 1)
			note(&found->duplicated, "FAN_DELETE again", "mark");
		if (seen->removed && !seen->ended && !overflows)
			note(&found->missed, "no FAN_DELETE_SELF of a cgroup", "mark");
	}
	printf("# mark: %zu nodes ended, %ld changes, %ld overflows\n", table.nr, changes,
	       overflows);
	free(table.at);
}

const struct thread follower = {
	.name = "follower",
	.missing = no_mark,
	.round = follow_round,
	.stop = judge,
};
