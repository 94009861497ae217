/* SPDX-License-Identifier: GPL-2.0 */
/* Users' processes that remove something, and do not get back to user space then */
#ifndef SELFTESTS_HOSTILE_REMOVERS_H
#define SELFTESTS_HOSTILE_REMOVERS_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* What the user's process and the test share */
struct shared {
	char control[PATH_MAX];	/* cgroup.subtree_control, to turn memory off */
	int cpu_max;		/* open: the user may not open it */
	bool removing;
	bool returned;
};

bool await_flag(const bool *flag);
/* Until it has stopped itself: a SIGCONT before that does nothing. */
bool await_stopped(pid_t pid);

/* What start_user() is to run, with a struct shared */
void remove_traced(void *shared);
void remove_and_vfork(void *shared);
void send_from_fuse(void *shared);
/* Make the device dm0, stop, and remove it when they are woken. */
void remove_device_and_block(void *shared);
void remove_device_and_compute(void *shared);

/* What remove_traced() runs into at the end of its removal, in @cgroup */
bool stop_by_ptrace(pid_t pid, const char *cgroup);
bool stop_by_signal(pid_t pid, const char *cgroup);
bool stop_by_freezer(pid_t pid, const char *cgroup);

#endif
