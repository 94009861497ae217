/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The matrix: each cause of a removal, times each state that the node may be
 * in, times each way of watching it. A batch is one removal of fourteen nodes in
 * one state: a file and a directory for each way of watching.
 */
#ifndef SELFTESTS_MATRIX_H
#define SELFTESTS_MATRIX_H

#include <limits.h>
#include <stdbool.h>

#include "lib/system.h"

#define BIT(nr)		(1U << (nr))

enum kind {
	FILES,
	DIRS,
	NR_KINDS,
};

#define BOTH		(BIT(FILES) | BIT(DIRS))

/* Ways of watching; the last one is no watch, but polls, and only files. */
#define NR_WATCHES	7
#define POLL		(NR_WATCHES - 1)

enum state_id {
	CACHED,		/* used by others as well */
	LONE,		/* only the watcher ever looked it up */
	RECLAIMED,	/* its dentry was taken by memory pressure */
	OPENED,		/* held open, until after the removal, as are all below */
	CWD,
	PATH_ONLY,	/* held with O_PATH */
	CHILD_OPENED,	/* a directory with a file in it held open */
	MAPPED,
	NR_STATES,
};

#define UNHELD		(BIT(CACHED) | BIT(LONE) | BIT(RECLAIMED))
#define ALL_BUT_MAPPED	(BIT(MAPPED) - 1)

/* One node for each kind and watch; causes that have fewer repeat them. */
struct nodes {
	char path[NR_KINDS][NR_WATCHES][PATH_MAX];
};

struct cause {
	const char *name;
	unsigned int kinds;		/* BIT(enum kind) */
	unsigned int states;		/* BIT(enum state_id) */
	bool own;			/* in the pseudo file system */
	bool writes;			/* to a watched file: IN_MODIFY may come */
	bool unmounts;			/* the root is unmounted: IN_UNMOUNT, not IN_DELETE_SELF */
	const char *(*missing)(void);	/* why it cannot be caused here, or NULL */
	bool (*prepare)(struct nodes *nodes, enum state_id state);
	bool (*remove)(void);		/* returns after the nodes are removed */
	void (*restore)(void);		/* as before, also after either failed */
};

struct hold;

struct state {
	const char *name;
	unsigned int kinds;
	bool (*enter)(const char *path, struct hold *hold);
	bool (*enter_all)(void);
	bool holds;			/* reported on leaving, not before */
	bool may_hold;			/* reported on leaving at the latest */
};

struct hold {
	int fd;
	int pid;
	void *map;
};

extern const struct state states[NR_STATES];
void leave_state(struct hold *hold);
/* To read or, if there is only that, to write */
int open_any(int dir, const char *path);

extern const struct cause cause_rmdir, cause_subtree_control, cause_unmount_cgroup1;
extern const struct cause cause_netdev, cause_netns, cause_cpu_offline, cause_module_unload;
extern const struct cause cause_pci_remove;
extern const struct cause cause_own_rmdir, cause_own_control, cause_own_remove, cause_own_unmount;

enum verdict {
	DELIVERED,
	MISSED,
	PREMATURE,
	DUPLICATED,
	OUT_OF_ORDER,
	PARTIAL,
	OTHER,
};

extern const char * const verdict_names[];

/* Ways of watching; the instances live as long as the program. */
bool open_watches(void);
const char *watch_name(int watch);
/* @but is left out of the mask. *@skip says why a node cannot be watched so. */
bool add_watch(int watch, enum kind kind, const char *path, unsigned int but, const char **skip);
/* Takes in what comes within that time; returns false when nothing did. */
bool take_events(int timeout_ms);
bool got_anything(int watch, enum kind kind);
enum verdict judge_watch(int watch, enum kind kind, bool unmounted);
/* The events that it got, for a message */
const char *describe_watch(int watch, enum kind kind);
/* Closes a file that is polled: it pins the directory that it is in. */
void stop_polling(int watch, enum kind kind);
void forget_watch(int watch, enum kind kind);

#endif
