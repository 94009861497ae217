// SPDX-License-Identifier: GPL-2.0
/*
 * Programs of a seed. Each is about a few kinds of calls and of nodes only:
 * with all of them at once, hardly two calls would meet.
 */
#include "fuzz.h"

#include <string.h>

#define IN(realm)	(1U << (realm))
#define REMOVABLE	(IN(CGROUP) | IN(OBJECT) | IN(NETDEV) | IN(CPU))
#define DECODABLE	(IN(CGROUP) | IN(OBJECT))
#define ANY		(REMOVABLE | IN(STAYS))

static const struct {
	unsigned int realms, weight;
	bool only_dirs;
	bool by_child;		/* may be done by one */
} kinds[NR_KINDS] = {
	[MAKE] = { REMOVABLE, 24, true, true },
	[REMOVE] = { REMOVABLE, 16, true, true },
	[WRITE] = { IN(CGROUP) | IN(OBJECT) | IN(NETDEV), 16, true, true },
	[WATCH] = { ANY, 24 },
	[UNWATCH] = { ANY, 3 },
	[MARK] = { ANY, 6 },
	[MARK_EVICTABLE] = { ANY, 3 },
	[MARK_ALL] = { DECODABLE, 2 },
	[HOLD] = { ANY, 10 },
	[KEEP] = { ANY, 6 },
	[LET_GO] = { ANY, 6 },
	[TAKE_HANDLE] = { DECODABLE, 5 },
	[OPEN_HANDLE] = { DECODABLE, 5 },
	[LOOK] = { ANY, 8 },
	[MOUNT] = { ANY, 5 },
	[UNMOUNT] = { ANY, 3 },
	[UNSHARE] = { ANY, 1 },
	[POPULATE] = { IN(CGROUP), 3, true },
	[MOVE] = { IN(NETDEV), 4, true },
	[RECLAIM] = { ANY, 6 },
	[NAP] = { ANY, 3 },
	[PATCH] = { ANY, 4 },
};

static unsigned int choose_realms(struct random *random)
{
	unsigned int realms = IN(STAYS);

	if (once_in(random, 16))
		realms |= IN(CPU);
	if (once_in(random, 4))
		realms |= IN(NETDEV);
	if (once_in(random, 2))
		realms |= IN(OBJECT);
	if (realms == IN(STAYS) || once_in(random, 2))
		realms |= IN(CGROUP);
	return realms;
}

/* A few calls that nothing can be found without are always there. */
static unsigned int choose_kinds(struct random *random, unsigned int realms)
{
	unsigned int chosen = IN(MAKE) | IN(REMOVE) | IN(WATCH);

	for (int kind = 0; kind < NR_KINDS; kind++)
		if (kinds[kind].realms & realms & ~IN(STAYS) && !once_in(random, 3))
			chosen |= IN(kind);
	/* It takes seconds, and the file system would keep the module. */
	if (!once_in(random, 24) || realms & IN(OBJECT))
		chosen &= ~IN(PATCH);
	return chosen;
}

static enum kind choose_kind(struct random *random, unsigned int chosen)
{
	unsigned int all = 0, at;
	int kind = 0;

	for (int k = 0; k < NR_KINDS; k++)
		all += chosen & IN(k) ? kinds[k].weight : 0;
	at = choose(random, all);
	for (; !(chosen & IN(kind)) || at >= kinds[kind].weight; kind++)
		at -= chosen & IN(kind) ? kinds[kind].weight : 0;
	return kind;
}

/* Which directories there are, as far as the calls before tell: bits */
static bool is_made(unsigned int made, int dir)
{
	return dirs[dir].realm == STAYS || dirs[dir].realm == CPU || made & 1U << dir;
}

static bool has_parent(unsigned int made, int dir)
{
	size_t len = strrchr(dirs[dir].name, '/') - dirs[dir].name;

	for (int parent = 0; parent < dir; parent++)
		if (dirs[parent].realm == dirs[dir].realm && strlen(dirs[parent].name) == len &&
		    !strncmp(dirs[parent].name, dirs[dir].name, len))
			return is_made(made, parent);
	return true;
}

/* Mostly one that the call can do something with */
static bool suits(struct random *random, enum kind kind, unsigned int made, int dir)
{
	if (once_in(random, 12))
		return true;
	if (kind == MAKE)
		return !is_made(made, dir) && has_parent(made, dir);
	return is_made(made, dir) && (dirs[dir].realm != STAYS || once_in(random, 6));
}

static unsigned int choose_dir(struct random *random, enum kind kind, unsigned int realms,
			       unsigned int made)
{
	unsigned int dir;

	realms &= kinds[kind].realms;
	do {
		dir = choose(random, nr_dirs);
	} while (!(realms & IN(dirs[dir].realm)) ||
		 (dirs[dir].realm == STAYS && *dirs[dir].root == 'O' && !(realms & IN(OBJECT))) ||
		 !suits(random, kind, made, dir));
	return dir;
}

static struct call choose_call(struct random *random, unsigned int realms, unsigned int chosen,
			       unsigned int *made)
{
	struct call call = { .kind = choose_kind(random, chosen) };
	unsigned int dir = choose_dir(random, call.kind, realms, *made);

	call.choice = choose(random, 256);
	call.us = 1U << choose(random, 13);
	call.node = dir * NR_FILES;
	if (!kinds[call.kind].only_dirs && !once_in(random, 3))
		call.node += choose(random, NR_FILES);
	if (kinds[call.kind].by_child && once_in(random, 8))
		call.how = once_in(random, 2) ? KILLED : LIMITED;
	if (call.kind == MAKE)
		*made |= 1U << dir;
	else if (call.kind == REMOVE)
		*made &= ~(1U << dir);
	return call;
}

void generate(struct program *program, unsigned int seed, unsigned int number)
{
	struct random random = start_random(seed, number);
	unsigned int realms = choose_realms(&random);
	unsigned int chosen = choose_kinds(&random, realms), made = 0;

	*program = (struct program) {
		.seed = seed,
		.number = number,
		.nr_procs = 1 + choose(&random, MAX_PROCS),
		.in_turns = once_in(&random, 2),
		.marked = once_in(&random, 4) && !(chosen & IN(PATCH)),
		.nr = MAX_CALLS / 4 + choose(&random, 3 * MAX_CALLS / 4),
	};
	for (int i = 0; i < program->nr; i++) {
		program->calls[i] = choose_call(&random, realms, chosen, &made);
		program->calls[i].proc = choose(&random, program->nr_procs);
	}
}

bool uses_realm(const struct program *program, enum realm realm)
{
	for (int i = 0; i < program->nr; i++) {
		unsigned int node = program->calls[i].node;

		if (realm_of(node) == realm ||
		    (realm == OBJECT && *dirs[node / NR_FILES].root == 'O'))
			return true;
	}
	return false;
}

bool uses_kind(const struct program *program, enum kind kind)
{
	for (int i = 0; i < program->nr; i++)
		if (program->calls[i].kind == kind)
			return true;
	return false;
}
