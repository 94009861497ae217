// SPDX-License-Identifier: GPL-2.0
#include "faults.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/events.h"
#include "lib/handle.h"
#include "lib/onemark.h"
#include "lib/system.h"

#define CHANGES		"cgroup.events"
/* More than between two notifications that cgroup merges */
#define APART_MS	30

/* The bystander has a mark, too, and did not ask for changes. */
static int control, inotify, fanotify, bystander, nr_changes;

/* By its handle, it needs neither the name nor the directory of the file. */
static int open_detached(const char *file)
{
	struct handle handle;
	char path[PATH_MAX];
	int mount, fd = -1;

	mount = open(cgroup_base(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (get_handle(format_path(path, "%.3900s/%s", node, file), &handle) && drop_dentries())
		fd = open_by_handle_at(mount, &handle.head, O_WRONLY | O_CLOEXEC);
	close(mount);
	return fd;
}

bool make_change(bool watched, bool marked)
{
	inotify = open_inotify();
	fanotify = open_fanotify(FAN_REPORT_DFID_NAME);
	bystander = open_fanotify(FAN_REPORT_DFID_NAME);
	nr_changes = 0;
	if (!a_cgroup.make())
		return false;
	control = open_detached("cgroup.freeze");
	return control >= 0 &&
	       !fanotify_mark(bystander, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_ATTRIB,
			      AT_FDCWD, cgroup_base()) &&
	       (!watched || inotify_add_watch(inotify, node, IN_MODIFY) >= 0) &&
	       (!marked || !fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
					  FAN_MODIFY, AT_FDCWD, cgroup_base()));
}

bool clean_change(void)
{
	close(control);
	close(inotify);
	close(fanotify);
	close(bystander);
	return a_cgroup.clean();
}

bool change(void)
{
	sleep_ms(APART_MS);
	return pwrite(control, nr_changes++ % 2 ? "0" : "1", 1, 0) == 1;
}

static void hear_inotify(struct heard *heard)
{
	struct events events = {};

	read_events(inotify, &events);
	for (int i = 0; i < events.nr && i < MAX_EVENTS; i++) {
		heard->overflows += events.at[i].mask == IN_Q_OVERFLOW;
		heard->changes += events.at[i].mask == IN_MODIFY &&
				  !strcmp(events.at[i].name, CHANGES);
	}
}

static void take_event(const struct node_event *event, void *arg)
{
	struct heard *heard = arg;

	heard->overflows += !!(event->mask & FAN_Q_OVERFLOW);
	heard->changes += event->mask == FAN_MODIFY && event->name && !strcmp(event->name, CHANGES);
}

static void ignore_event(const struct node_event *event, void *arg)
{
}

static int hear_more(struct heard *heard)
{
	heard->unasked += read_fanotify(bystander, ignore_event, NULL);
	hear_inotify(heard);
	read_fanotify(fanotify, take_event, heard);
	return heard->changes + heard->overflows;
}

struct heard hear(int nr)
{
	struct heard heard = {};

	await(hear_more(&heard) >= nr, event_timeout_ms());
	sleep_ms(QUIET_MS);
	hear_more(&heard);
	return heard;
}
