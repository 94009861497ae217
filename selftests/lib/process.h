/* SPDX-License-Identifier: GPL-2.0 */
/* Children that live beside a test, and are killed with it */
#ifndef SELFTESTS_LIB_PROCESS_H
#define SELFTESTS_LIB_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Starts one, and returns when it has prepared itself; -1 if it could not. Then
 * it does @run, or sleeps where that is NULL.
 */
pid_t start_process(bool (*prepare)(void *arg), void (*run)(void *arg), void *arg);
/* Kills it and waits for its end; nothing for a @pid that is no child's. */
void end_process(pid_t pid);

#endif
