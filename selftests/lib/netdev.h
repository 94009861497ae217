/* SPDX-License-Identifier: GPL-2.0 */
/* Network devices that come and go, and the module that makes them */
#ifndef SELFTESTS_LIB_NETDEV_H
#define SELFTESTS_LIB_NETDEV_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Loads the dummy network driver, without a device, if it is not there:
 * from $RKERNFS_DUMMY, beside the program, or where modprobe finds it.
 */
bool load_dummy(void);
/* Why removals of dummies are not ours to judge, or NULL; loads their driver */
const char *why_no_dummies(void);
/* Can this test unload it, because it loaded it? */
bool may_unload_dummy(void);
bool unload_dummy(void);

/* One of some kind, "dummy" or "veth", for which the kernel makes the peer */
bool add_link(const char *kind, const char *name, int group);
bool delete_link(const char *name);
bool rename_link(const char *name, const char *to);
bool add_dummies(const char *prefix, int nr, int group);
/* All in one go, as when a container ends */
bool delete_group(int group);

/* To the network namespace of a process */
bool move_dummy(const char *name, pid_t netns);

/*
 * A process in a network namespace of its own, with @nr dummy devices and a
 * sysfs mount of that namespace at @mount_point, which this process sees too.
 * Returns its pid; the namespace ends with it.
 */
pid_t start_netns(const char *mount_point, const char *prefix, int nr);

#endif
