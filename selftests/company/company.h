/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of the patch in company share: it comes and goes, and shows by a watch */
#ifndef SELFTESTS_COMPANY_H
#define SELFTESTS_COMPANY_H

#include <stdbool.h>

#include "lib/events.h"

/* Without the patch no event comes, and nobody waits for it longer. */
#define NONE_MS		300

/* Takes the module out. NULL, or why there is nothing to test. */
const char *begin_company(void);
/* Puts all back as it was found; also where there was nothing to test. */
bool end_company(void);

/* 0, or the error */
int load_patched(void);
int unload_patched(void);

/*
 * Has a controller's files removed; is a watch of one of them told, once? No
 * kernel tells it without the patch.
 */
bool is_told(int timeout_ms);

#define EXPECT_TOLD()		EXPECT_TRUE(is_told(EVENT_TIMEOUT_MS))
#define EXPECT_UNTOLD()		EXPECT_FALSE(is_told(NONE_MS))

#endif
