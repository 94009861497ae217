/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A user without rights, as a container's: a delegated cgroup, and user, mount,
 * network and cgroup namespaces of its own.
 */
#ifndef SELFTESTS_LIB_USER_H
#define SELFTESTS_LIB_USER_H

#include <stdbool.h>
#include <sys/types.h>

#define USER_ID		1000

/* Why there can be none, or NULL */
const char *why_no_user(void);
/* Makes a cgroup that the user may make others in, and move itself there. */
bool delegate_cgroup(const char *path);
/*
 * A process of the user in @cgroup (NULL: in this one's) that does @run and
 * ends. Returns when its namespaces are there: its pid, or -1. It is killed
 * with this process.
 */
pid_t start_user(const char *cgroup, void (*run)(void *), void *arg);
/* Mounts the sysfs of that process's network namespace for this process. */
bool mount_sysfs_of(pid_t pid, const char *mount_point);
/* Memory that this process and its children share, zeroed, until they end */
void *share_memory(size_t size);

#endif
