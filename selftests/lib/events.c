// SPDX-License-Identifier: GPL-2.0
#include "events.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "system.h"

int open_inotify(void)
{
	return inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

static void add_event(struct events *events, const struct inotify_event *raw)
{
	struct event *event;

	if (events->nr++ >= MAX_EVENTS)
		return;
	event = &events->at[events->nr - 1];
	event->wd = raw->wd;
	event->mask = raw->mask;
	snprintf(event->name, sizeof(event->name), "%s", raw->len ? raw->name : "");
}

void read_events(int fd, struct events *events)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t len;

	while ((len = read(fd, buf, sizeof(buf))) > 0) {
		const struct inotify_event *raw;

		for (char *pos = buf; pos < buf + len; pos += sizeof(*raw) + raw->len) {
			raw = (const struct inotify_event *)pos;
			add_event(events, raw);
		}
	}
}

int event_timeout_ms(void)
{
	const char *ms = getenv("RKERNFS_EVENT_MS");

	return ms && *ms ? atoi(ms) : 30000;
}

void await_events(int fd, struct events *events, int nr)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	long long deadline = now_us() + 1000LL * event_timeout_ms();

	read_events(fd, events);
	while (events->nr < nr) {
		long long rest = deadline - now_us();

		if (rest <= 0)
			return;
		poll(&pollfd, 1, rest / 1000 + 1);
		read_events(fd, events);
	}
	sleep_ms(QUIET_MS);
	read_events(fd, events);
}

bool is_event(const struct events *events, int at, int wd, uint32_t mask, const char *name)
{
	const struct event *event = &events->at[at];

	return at < events->nr && at < MAX_EVENTS && event->wd == wd &&
	       event->mask == mask && (!name || !strcmp(event->name, name));
}

int count_events(const struct events *events, int wd, uint32_t mask)
{
	int count = 0;

	for (int i = 0; i < events->nr && i < MAX_EVENTS; i++)
		count += events->at[i].wd == wd && events->at[i].mask == mask;
	return count;
}

bool got_events_once(const struct events *events, int wd)
{
	static const uint32_t wanted[] = { IN_DELETE_SELF, IN_IGNORED };
	size_t nr = 0;

	for (int i = 0; i < events->nr && i < MAX_EVENTS; i++) {
		if (events->at[i].wd != wd)
			continue;
		if (nr == 2 || events->at[i].mask != wanted[nr])
			return false;
		nr++;
	}
	return nr == 2 && events->nr <= MAX_EVENTS;
}

const char *describe_mask(uint32_t mask)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{ IN_ACCESS, "ACCESS" },
		{ IN_MODIFY, "MODIFY" },
		{ IN_ATTRIB, "ATTRIB" },
		{ IN_CLOSE_WRITE, "CLOSE_WRITE" },
		{ IN_CLOSE_NOWRITE, "CLOSE_NOWRITE" },
		{ IN_OPEN, "OPEN" },
		{ IN_MOVED_FROM, "MOVED_FROM" },
		{ IN_MOVED_TO, "MOVED_TO" },
		{ IN_CREATE, "CREATE" },
		{ IN_DELETE, "DELETE" },
		{ IN_DELETE_SELF, "DELETE_SELF" },
		{ IN_MOVE_SELF, "MOVE_SELF" },
		{ IN_UNMOUNT, "UNMOUNT" },
		{ IN_Q_OVERFLOW, "Q_OVERFLOW" },
		{ IN_IGNORED, "IGNORED" },
		{ IN_ISDIR, "ISDIR" },
	};
	static char text[256];

	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(mask & names[i].bit))
			continue;
		if (text[0])
			strcat(text, "|");
		strcat(text, names[i].name);
	}
	return text;
}

const char *describe_events(const struct events *events)
{
	static char text[MAX_EVENTS * 64];
	size_t len = 0;

	snprintf(text, sizeof(text), "nothing");
	for (int i = 0; i < events->nr && i < MAX_EVENTS && len < sizeof(text); i++) {
		const struct event *event = &events->at[i];

		len += snprintf(text + len, sizeof(text) - len, "%s%d:%s%s%s", i ? ", " : "",
				event->wd, describe_mask(event->mask),
				event->name[0] ? " " : "", event->name);
	}
	return text;
}

int count_marks(int fd)
{
	char path[PATH_MAX], *line = NULL;
	size_t size = 0;
	int marks = 0;
	FILE *info;

	info = fopen(format_path(path, "/proc/self/fdinfo/%d", fd), "r");
	if (!info)
		return -1;
	while (getline(&line, &size, info) > 0)
		marks += !strncmp(line, "inotify wd:", 11) ||
			 !strncmp(line, "fanotify ino:", 13) ||
			 !strncmp(line, "fanotify sdev:", 14);
	free(line);
	fclose(info);
	return marks;
}
