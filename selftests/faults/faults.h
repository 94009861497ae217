/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What faults needs beside its table: the places where operations are done,
 * and which events their watches got.
 */
#ifndef SELFTESTS_FAULTS_H
#define SELFTESTS_FAULTS_H

#include <limits.h>
#include <stdbool.h>

/* Of an operation: nothing is done, all is, or something in between */
enum outcome { BEFORE, AFTER, HALF };

struct place {
	const char *(*missing)(void);	/* why there is no such place, or NULL */
	bool (*make)(void);		/* before each run, or NULL */
	bool (*clean)(void);		/* after it, also if the operation removed all; or NULL */
	bool (*give_back)(void);	/* what missing() took, or NULL */
};

extern const struct place a_mount_point, a_mount;
extern const struct place no_object, an_object, an_object_with_aux, an_object_to_rename;
extern const struct place no_cgroup, a_cgroup, a_cgroup_with_memory;
extern const struct place a_netdev;
extern const struct place no_module, the_module;

#define NETDEV_GROUP	0x7266

/* Where the place is; node is what is made, changed or removed there, or "" */
extern char root[PATH_MAX], node[PATH_MAX];

/* Files are names in the node, "" being itself; lists end with NULL. */
enum outcome none_or_all(const char * const *files, enum outcome none, enum outcome all);
enum outcome look_value(void);
enum outcome look_renamed(void);
enum outcome look_patched(void);
enum outcome look_unloaded(void);

int run_mount(void);
int run_umount(void);
int run_mkdir(void);
int run_rmdir(void);
int run_rename(void);
int run_delete_netdev(void);
int run_load(void);

/* What was reported, against what is expected */

struct tally {
	int missing;
	int overflows;
	int wrong;
};

bool open_watcher(void);
bool watch_files(const char * const *files);
/* All of the node's file system, or cgroup2 before it is made; what of it is there now is to be reported. */
const char *why_no_marks(void);
bool mark_file_system(void);
/* Takes all in, and forgets what was watched. */
struct tally tally_up(void);

/* As an operation: a watch that nothing is owed to */
int run_watch(void);
enum outcome look_watched(void);

/* A change of cgroup.events, which has no inode, and whose directory has one if watched */

struct heard {
	int changes;
	int overflows;
	int unasked;			/* by a mark that asks for other events */
};

/* By a watch of the directory, by a mark on the file system */
bool make_change(bool watched, bool marked);
bool clean_change(void);
/* Changes it; a worker of the kernel reports it, or that events were lost. */
bool change(void);
/* Waits for @nr of both kinds, and hears whatever else comes. */
struct heard hear(int nr);

#endif
