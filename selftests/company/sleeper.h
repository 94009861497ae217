/* SPDX-License-Identifier: GPL-2.0 */
/* A task that removes a file, and sleeps in that until the file's reader is woken */
#ifndef SELFTESTS_COMPANY_SLEEPER_H
#define SELFTESTS_COMPANY_SLEEPER_H

#include <stdbool.h>
#include <sys/types.h>

#define SLEEPER_DIR	"/sys/kernel/sleeper/"
#define SLEEPER_FILE	SLEEPER_DIR "file"

struct sleepers {
	pid_t reader, remover;
};

/* Inserts the module that has the file, unless it is there. */
bool load_sleeper(void);
/* The same, and starts both. */
bool put_to_sleep(struct sleepers *sleepers);
/* Do both end, and well? */
bool wake(const struct sleepers *sleepers);
/* No task sleeps, and the module is unloaded, if it is loaded. */
void remove_sleeper(void);

#endif
