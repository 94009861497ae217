// SPDX-License-Identifier: GPL-2.0
/*
 * Delta debugging: leaves out calls, half of them at first, single ones at last,
 * as long as the rest still fails; then has fewer processes do them, one after
 * another, and undisturbed.
 *
 * Each verdict is printed. After a candidate that took the kernel down,
 * or that it reported something of, the next boot is given the verdicts so far,
 * and comes to the same candidate again without running those before.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Being slow is no finding: what is left fails with all patience, too. */
#define SHORT_PATIENCE_MS	2000
#define MAX_VERDICTS		1000
#define TRIES			6	/* of what depends on how processes meet */

static struct {
	bool failed[MAX_VERDICTS];
	int nr, at;
} known;

void read_verdicts(const char *file)
{
	FILE *in = fopen(file, "r");
	int failed;

	while (in && known.nr < MAX_VERDICTS && fscanf(in, "%d", &failed) == 1)
		known.failed[known.nr++] = failed;
	if (in)
		fclose(in);
}

static bool decides_by_itself(const struct program *program)
{
	return program->in_turns || program->nr_procs == 1;
}

static bool runs_into_it(const struct program *program, int patience)
{
	for (int i = 0; i < (decides_by_itself(program) ? 1 : TRIES); i++) {
		int found = run_program(program, patience);

		/* What the kernel says once, it says no more in this boot. */
		if (found < 0)
			exit(3);
		if (found)
			return true;
	}
	return false;
}

static bool fails_within(const struct program *program, int patience)
{
	bool failed;

	if (known.at == MAX_VERDICTS)
		return false;
	if (known.at < known.nr)
		return known.failed[known.at++];
	failed = runs_into_it(program, patience);
	printf("#@ verdict %d\n", failed);
	known.failed[known.at++] = failed;
	known.nr = known.at;
	return failed;
}

static bool fails(const struct program *program)
{
	return fails_within(program, SHORT_PATIENCE_MS);
}

static struct program without(const struct program *program, int at, int nr)
{
	struct program less = *program;

	memmove(&less.calls[at], &less.calls[at + nr],
		(program->nr - at - nr) * sizeof(less.calls[0]));
	less.nr -= nr;
	return less;
}

/* Is there a part of this size that can go? */
static bool leave_out(struct program *program, int size)
{
	bool shorter = false;

	for (int at = 0; at + size <= program->nr;) {
		struct program less = without(program, at, size);

		if (fails(&less)) {
			printf("# %d calls are left\n", less.nr);
			*program = less;
			shorter = true;
		} else {
			at += size;
		}
	}
	return shorter;
}

static void take_if_fails(struct program *program, const struct program *simpler)
{
	if (memcmp(program, simpler, sizeof(*program)) && fails(simpler))
		*program = *simpler;
}

/* Numbers the processes that have something to do. */
static struct program with_fewer_processes(const struct program *program)
{
	struct program fewer = *program;
	int number[MAX_PROCS];

	memset(number, -1, sizeof(number));
	fewer.nr_procs = 0;
	for (int i = 0; i < program->nr; i++) {
		int *new = &number[program->calls[i].proc];

		if (*new < 0)
			*new = fewer.nr_procs++;
		fewer.calls[i].proc = *new;
	}
	return fewer;
}

static void simplify(struct program *program)
{
	struct program simpler = *program;

	simpler.marked = false;
	take_if_fails(program, &simpler);
	simpler = with_fewer_processes(program);
	take_if_fails(program, &simpler);
	simpler = *program;
	simpler.in_turns = true;
	take_if_fails(program, &simpler);
	simpler = *program;
	for (int i = 0; i < program->nr; i++)
		simpler.calls[i].proc = 0;
	simpler.nr_procs = 1;
	take_if_fails(program, &simpler);
	for (int i = 0; i < program->nr; i++) {
		simpler = *program;
		simpler.calls[i].how = PLAIN;
		take_if_fails(program, &simpler);
	}
}

void minimise(struct program *program, int patience)
{
	struct program whole = *program;
	int size = program->nr / 2;

	while (size > 0)
		if (!leave_out(program, size) || size > 1)
			size /= 2;
	simplify(program);
	while (leave_out(program, 1))
		;
	if (fails_within(program, patience))
		return;
	printf("# what is left does not fail again: all of it\n");
	*program = whole;
}
