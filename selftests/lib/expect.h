/* SPDX-License-Identifier: GPL-2.0 */
/* What a test of the harness says of watches; for the test programs alone. */
#ifndef SELFTESTS_LIB_EXPECT_H
#define SELFTESTS_LIB_EXPECT_H

#include "harness.h"
#include "events.h"
#include "system.h"

static inline void assert_ends(struct __test_metadata *_metadata, int inotify,
			       struct events *events, int nr)
{
	await_events(inotify, events, 2 * nr);
	ASSERT_EQ(events->nr, 2 * nr)
		TH_LOG("%d watches: %s", nr, describe_events(events));
}

static inline void assert_events(struct __test_metadata *_metadata, int inotify,
			       struct events *events, const int wd[], int nr)
{
	assert_ends(_metadata, inotify, events, nr);
	for (int i = 0; i < nr; i++) {
		ASSERT_TRUE(got_events_once(events, wd[i]))
			TH_LOG("%d: %s", wd[i], describe_events(events));
	}
}

static inline void assert_events_in_order(struct __test_metadata *_metadata, int inotify,
					struct events *events, const int wd[], int nr)
{
	assert_ends(_metadata, inotify, events, nr);
	for (int i = 0; i < nr; i++) {
		ASSERT_TRUE(is_event(events, 2 * i, wd[i], IN_DELETE_SELF, NULL) &&
			    is_event(events, 2 * i + 1, wd[i], IN_IGNORED, NULL))
			TH_LOG("%d at %d: %s", wd[i], 2 * i, describe_events(events));
	}
}

static inline void assert_quiet(struct __test_metadata *_metadata, int inotify,
				struct events *events)
{
	sleep_ms(QUIET_MS);
	read_events(inotify, events);
	ASSERT_EQ(events->nr, 0)
		TH_LOG("%s", describe_events(events));
}

#define NR_IN(...)	ARRAY_SIZE(((const int []) { __VA_ARGS__ }))

/*
 * In a test of a fixture with inotify and events: each of these watches, and no
 * other, gets its events of a removal, once; in this order; no watch gets any.
 */
#define ASSERT_EVENTS(...)	\
	assert_events(_metadata, self->inotify, &self->events,	\
		    (const int []) { __VA_ARGS__ }, NR_IN(__VA_ARGS__))
#define ASSERT_EVENTS_IN_ORDER(...)	\
	assert_events_in_order(_metadata, self->inotify, &self->events,	\
			     (const int []) { __VA_ARGS__ }, NR_IN(__VA_ARGS__))
#define ASSERT_QUIET()	\
	assert_quiet(_metadata, self->inotify, &self->events)

#endif
