/* SPDX-License-Identifier: GPL-2.0 */
/* What the company tests share: the patch is enabled and disabled, and a watch shows it */
#ifndef SELFTESTS_COMPANY_H
#define SELFTESTS_COMPANY_H

#include <stdbool.h>

#include "lib/events.h"

/* Without the patch no event comes: how long to wait for it. */
#define NONE_MS		300

/*
 * Takes the module out, for all tests of the program: loading it takes seconds.
 * NULL, or why there is nothing to test.
 */
const char *begin_company(void);
/* Puts all else back as it was found; also where there was nothing to test. */
bool end_company(void);

/* 0, or the error */
int load_patched(void);
int unload_patched(void);

/*
 * Removes a controller's files; does a watch of one of them get its events, once? No
 * kernel sends them without the patch.
 */
bool is_reported(int timeout_ms);

#define EXPECT_EVENTS()		EXPECT_TRUE(is_reported(event_timeout_ms()))
#define EXPECT_NO_EVENTS()		EXPECT_FALSE(is_reported(NONE_MS))

#endif
