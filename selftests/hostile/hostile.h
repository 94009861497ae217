/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of hostile share */
#ifndef SELFTESTS_HOSTILE_H
#define SELFTESTS_HOSTILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Where the user may do what it likes */
struct ground {
	char home[PATH_MAX];	/* the cgroup that it lives in */
	char cgroup[PATH_MAX];	/* another, delegated, without processes */
	char folder[PATH_MAX];	/* an empty folder, to mount on */
};

struct attack {
	const char *name;
	/* Runs until it is killed. */
	void (*run)(void *ground);
};

extern const struct attack attacks[];
extern const size_t nr_attacks;

/* In cgroup_base() */
bool make_ground(struct ground *ground);
pid_t start_attack(const struct attack *attack, struct ground *ground);
/* Has all processes of the attack stand still, or go on. */
void freeze_attack(const struct ground *ground, bool frozen);
/* Ends them all, and removes what they left. */
void end_attack(const struct ground *ground, pid_t pid);
void remove_ground(const struct ground *ground);

#endif
