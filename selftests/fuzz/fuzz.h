/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random programs of calls on what kernfs shows, several processes at once, and
 * the contract compared with the events of their watches.
 */
#ifndef SELFTESTS_FUZZ_H
#define SELFTESTS_FUZZ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/handle.h"
#include "stress/stress.h"

/* Nodes: a directory, or a file in it, that calls make, use and remove */

enum realm {
	CGROUP,
	OBJECT,		/* of the module's own file system */
	NETDEV,
	CPU,
	STAYS,		/* these are never removed */
	NR_REALMS,
};

enum {
	NR_FILES = 8,	/* that are used in each directory; 0 is itself */
};

struct dir {
	enum realm realm;
	const char *root;	/* C, O, S: what a path begins with */
	const char *name;
	const char * const *files;
};

extern const struct dir dirs[];
extern const int nr_dirs;

/* A path; root[] has what C, O and S stand for. */
extern char root_of_cgroups[PATH_MAX], root_of_objects[PATH_MAX], root_of_sysfs[PATH_MAX];
char *node_path(char path[PATH_MAX], unsigned int node);
enum realm realm_of(unsigned int node);
const char *root_of(unsigned int node);
/* Of a NETDEV */
const char *device_name(unsigned int node);

/* What is written to a file of a directory */
struct text {
	const char *file, *text;
};

const struct text *text_of(unsigned int node, unsigned int choice);

/* Programs */

enum kind {
	MAKE, REMOVE, WRITE, WATCH, UNWATCH, MARK, MARK_EVICTABLE, MARK_ALL, HOLD, KEEP, LET_GO, TAKE_HANDLE,
	OPEN_HANDLE, LOOK, MOUNT, UNMOUNT, UNSHARE, POPULATE, MOVE, RECLAIM, NAP, PATCH,
	NR_KINDS,
};

enum how {
	PLAIN,
	KILLED,		/* by a child that is killed meanwhile */
	LIMITED,	/* by a child that has hardly any memory */
};

struct call {
	unsigned char proc, kind, how, choice;
	unsigned short node;
	unsigned short us;	/* how long it runs, or how soon it is killed */
};

enum {
	MAX_CALLS = 48,
	MAX_PROCS = 4,
	MAX_HELD = 4,
};

struct program {
	unsigned int seed, number;
	int nr_procs;
	bool in_turns;		/* one call after another */
	bool marked;		/* a mark on the file systems gets all removals */
	int nr;
	struct call calls[MAX_CALLS];
};

/* The same seed and number give the same program. */
void generate(struct program *program, unsigned int seed, unsigned int number);
bool uses_realm(const struct program *program, enum realm realm);
bool uses_kind(const struct program *program, enum kind kind);
/* As a C function, and the same by itself: standalone.c has what it calls. */
void print_program(FILE *out, const struct program *program);

/* A process that runs calls */

/* An evictable one pins no inode, and may be evicted with it, unreported. */
enum { BY_MARK = -1, BY_EVICTABLE_MARK = -2 };

struct watched {
	int wd;			/* or which kind of mark of fanotify */
	uint64_t id;		/* of the node, 0 if it is not known */
	unsigned int node;
	int reported;		/* of a mark: how often */
};

struct taken {
	struct handle handle;
	unsigned int node;
};

enum {
	MAX_WATCHED = 64,
	MAX_MADE = 128,
	MAX_MOUNTS = 8,
	MAX_SLEEPERS = 8,
};

struct shared {
	atomic_int turn;
	atomic_int nr_made;
	uint64_t made[MAX_MADE];	/* directories, for a mark on the file system */
	struct findings found[MAX_PROCS + 1];
};

struct proc {
	int nr;
	struct shared *shared;
	struct ledger ledger;
	int fanotify, evictable;
	struct watched watched[MAX_WATCHED];
	int nr_watched;
	int held[MAX_HELD];
	struct taken taken[MAX_HELD];
	char mounts[MAX_MOUNTS][PATH_MAX];
	int nr_mounts;
	char mount_point[PATH_MAX];
	int sleepers[MAX_SLEEPERS];
	int nr_sleepers;
	int away;		/* a process in another network namespace */
	int home;		/* the mount namespace that it came from */
};

void do_call(struct proc *proc, const struct call *call);
void do_system_call(struct proc *proc, const struct call *call);
/* Lets go of everything that could keep a node. */
void release_all(struct proc *proc);

/*
 * The identity of a node: its number and its file system. None is used again. 0
 * if the path does not lead to it, or into what is mounted there.
 */
uint64_t id_of(unsigned int node);
uint64_t id_of_opened(int fd);

/* What a program runs in, and what fails there: a finding of found[MAX_PROCS] */

extern struct findings *found_in_places;
void make_places(const struct program *program);
/* Nothing is hidden, frozen, offline or without the patch any more. */
void put_back(const struct program *program);
/* All that calls can make */
void remove_all(const struct program *program);
void remove_places(const struct program *program);

/* The oracle */

bool open_watches(struct proc *proc);
void add_watched(struct proc *proc, int wd, uint64_t id, unsigned int node);
int open_marks(void);
/* Reads a group; @take is called with the identity of each node. */
void read_marks(int fanotify, void (*take)(void *to, uint64_t id), void *to);
/* Nothing is held: each removed node is reported, no other is. */
void judge_now(struct proc *proc, bool lenient);
/* All but what stays is removed. */
void judge_end(struct proc *proc);

/*
 * Runs it in processes and a cgroup of its own: how many findings there are, or
 * -1 if the kernel is not to be trusted any more.
 */
int run_program(const struct program *program, int patience_ms);
extern int patience_ms;
/* Of all programs so far */
extern long watches_notified;

/* Makes it as small as it can be and still fails. */
void minimise(struct program *program, int patience_ms);
/* Verdicts that another boot came to, one a line */
void read_verdicts(const char *file);

/* The kernel's log */
void open_log(void);
/* Has it a report since the last time? Prints it. */
bool log_reports(void);

#endif
