/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads that make, watch and remove, threads that get in their way, and a
 * ledger for each that compares the events of its watches with the contract.
 */
#ifndef SELFTESTS_STRESS_H
#define SELFTESTS_STRESS_H

#include <limits.h>
#include <stdbool.h>

#include "lib/random.h"

/* The ledger of one inotify instance, used by one thread */

struct findings {
	long watches;		/* that got their events of a removal or an unmount */
	long removed_by_owner;	/* before that, or during it */
	long missed;
	long duplicated;
	long premature;
	long out_of_order;	/* IN_IGNORED without an event or before it */
	long marks_left;
	long failed;		/* what should have worked, as mkdir */
};

struct entry {
	unsigned int got;
	char *path;		/* while it is open */
};

struct ledger {
	int inotify;
	struct entry *entries;	/* by wd */
	int size;
	int nr_open;		/* watches that exist */
	struct findings found;
};

/* A finding, said once where it is found */
void note(long *finding, const char *what, const char *path);
bool open_ledger(struct ledger *ledger);
void close_ledger(struct ledger *ledger);
/* Returns the wd; a path that is removed already is no finding. */
int watch_node(struct ledger *ledger, const char *path);
int watch_opened(struct ledger *ledger, int fd);
void remove_watch(struct ledger *ledger, int wd);
/* It was added, and not removed, neither by the kernel nor by its owner. */
bool is_watched(const struct ledger *ledger, int wd);
/* IN_DELETE_SELF came while the watch existed. */
bool was_reported(const struct ledger *ledger, int wd);
void read_ledger(struct ledger *ledger);
/* Nothing that the thread watches was removed yet: any event is premature. */
void expect_all_open(struct ledger *ledger);
/* All that it watched was removed: waits for the events left; then they are missed. */
void expect_all_ended(struct ledger *ledger);

/* Threads */

struct thread {
	const char *name;
	void (*round)(struct thread *thread);
	const char *(*missing)(void);	/* why it cannot run here, or NULL */
	void (*stop)(struct thread *thread);	/* after its last round */
	int nr;				/* of its kind */
	struct random random;
	struct ledger ledger;
	long rounds;
};

extern const struct thread cgroup_worker, object_worker, netdev_worker, netns_worker, cpu_worker;
extern const struct thread pci_worker, cgroup1_worker;
extern const struct thread cgroup_meddler, object_meddler, handle_meddler, reclaimer, marker;
extern const struct thread follower;

struct crew {
	const struct thread *kind;
	int nr;
};

/* How long a program runs, by its options -t and -n */
struct limits {
	int seconds;
	long long number;
	const char *usage;
};

void read_limits(struct limits *limits, int argc, char **argv);
/* Those that can run here */
void add_threads(const struct crew *crew, int nr_kinds, unsigned int seed);
void start_threads(void);
/* Workers end with all of their nodes removed. */
void stop_threads(void);
/* Waits for the events left; what all of them found */
struct findings add_up(void);

/* Where the workers of a kind have what others may interfere with */
enum place {
	CGROUPS,
	OBJECTS,
	NR_PLACES,
};

extern char places[NR_PLACES][PATH_MAX];

#endif
