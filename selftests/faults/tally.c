// SPDX-License-Identifier: GPL-2.0
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "lib/events.h"
#include "lib/system.h"

#define MAX_WATCHES	8

static int inotify, fanotify = -1;
static int wd[MAX_WATCHES], nr_watches;
static int nr_reports_owed;

bool open_watcher(void)
{
	inotify = open_inotify();
	return inotify >= 0;
}

bool watch_files(const char * const *files)
{
	char path[PATH_MAX];

	for (; *files; files++) {
		if (nr_watches == MAX_WATCHES)
			return false;
		format_path(path, "%.3900s/%.100s", node, *files);
		wd[nr_watches] = inotify_add_watch(inotify, path, IN_DELETE_SELF | IN_DONT_FOLLOW);
		if (wd[nr_watches++] < 0)
			return false;
	}
	return true;
}

int run_watch(void)
{
	return error_of(inotify_add_watch(inotify, node, IN_DELETE_SELF));
}

enum outcome look_watched(void)
{
	int marks = count_marks(inotify);

	return marks == 1 ? AFTER : !marks ? BEFORE : HALF;
}

static int open_fanotify(void)
{
	return fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_NONBLOCK | FAN_CLOEXEC, 0);
}

const char *why_no_marks(void)
{
	int fd = open_fanotify();

	if (fd < 0)
		return "no fanotify with file handles";
	close(fd);
	return NULL;
}

static int count_files(const char *path)
{
	DIR *dir = opendir(path);
	int nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr;
}

bool mark_file_system(void)
{
	bool there = exists(node);

	/* "." is the directory itself. */
	nr_reports_owed = there ? count_files(node) - 1 : 0;
	fanotify = open_fanotify();
	return fanotify >= 0 &&
	       !fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
			      FAN_DELETE_SELF | FAN_ONDIR, AT_FDCWD,
			      there ? node : cgroup_base());
}

static int owed_to(const struct events *events, int watch, struct tally *tally)
{
	int deleted = count_events(events, watch, IN_DELETE_SELF) +
		      count_events(events, watch, IN_UNMOUNT) +
		      count_events(events, watch, IN_UNMOUNT | IN_ISDIR);
	int ignored = count_events(events, watch, IN_IGNORED);

	tally->missing += !deleted + !ignored;
	return deleted + ignored;
}

static struct tally tally_inotify(void)
{
	struct events events = {};
	struct tally tally = {};
	int owed = 0;

	/* An overflow stands for the event that did not come. */
	await_events(inotify, &events, 2 * nr_watches);
	for (int i = 0; i < nr_watches; i++)
		owed += owed_to(&events, wd[i], &tally);
	tally.overflows = count_events(&events, -1, IN_Q_OVERFLOW);
	tally.wrong = events.nr - owed - tally.overflows + count_marks(inotify);
	nr_watches = 0;
	return tally;
}

static void take_reports(int *nr, struct tally *tally)
{
	_Alignas(struct fanotify_event_metadata) char buf[4096];
	struct fanotify_event_metadata *event = (void *)buf;
	ssize_t len = read(fanotify, buf, sizeof(buf));

	for (; FAN_EVENT_OK(event, len); event = FAN_EVENT_NEXT(event, len)) {
		if (event->mask & FAN_Q_OVERFLOW)
			tally->overflows++;
		else if (event->mask & FAN_DELETE_SELF)
			(*nr)++;
		else
			tally->wrong++;
	}
}

static void tally_fanotify(struct tally *tally)
{
	int nr = 0;

	await((take_reports(&nr, tally), nr + tally->overflows >= nr_reports_owed),
	      event_timeout_ms());
	sleep_ms(QUIET_MS);
	take_reports(&nr, tally);
	tally->missing += nr_reports_owed - nr;
	close(fanotify);
	fanotify = -1;
}

struct tally tally_up(void)
{
	struct tally tally = tally_inotify();

	if (fanotify >= 0)
		tally_fanotify(&tally);
	return tally;
}
