/* SPDX-License-Identifier: GPL-2.0 */
/* The events of an inotify instance, as a sequence to compare. */
#ifndef SELFTESTS_LIB_EVENTS_H
#define SELFTESTS_LIB_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/inotify.h>

/* How long to listen after the last expected event for one too many */
#define QUIET_MS		30
#define MAX_EVENTS		64

struct event {
	int wd;
	uint32_t mask;
	char name[64];
};

struct events {
	int nr;
	struct event at[MAX_EVENTS];
};

/*
 * How long an event may take: 30 s, under emulation on a host with other things to
 * do, or RKERNFS_EVENT_MS= where events are known not to come
 */
int event_timeout_ms(void);
/* A non-blocking instance */
int open_inotify(void);
/* Adds what can be read now; beyond MAX_EVENTS only counts. */
void read_events(int fd, struct events *events);
/* Reads until there are @nr, then listens for QUIET_MS more. */
void await_events(int fd, struct events *events, int nr);
/* Is @at[] the event @mask of @wd with that name (NULL: any)? */
bool is_event(const struct events *events, int at, int wd, uint32_t mask, const char *name);
/* How often @wd got just @mask */
int count_events(const struct events *events, int wd, uint32_t mask);
/* Exactly IN_DELETE_SELF, then IN_IGNORED, for @wd, whatever others got */
bool got_events_once(const struct events *events, int wd);
/* One line for a message, static */
const char *describe_events(const struct events *events);
const char *describe_mask(uint32_t mask);

/* How many inotify or fanotify marks an instance has left */
int count_marks(int fd);

#endif
