// SPDX-License-Identifier: GPL-2.0
/*
 * Exactly once, whatever the cause and whatever the cache holds: one result for
 * each cell CAUSE/STATE/KIND/WATCH.
 *
 * Usage: matrix [PATTERN...]	cells whose CAUSE/STATE match a shell pattern
 *
 * With RKERNFS_EXPECT=none nothing fails: lines "# cell NAME VERDICT" say what
 * the running kernel does, with rkernfs or without.
 */
#include "matrix/matrix.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "kselftest.h"
#include "lib/events.h"

/* How long a kernel may take that only is to be reported on */
#define REPORT_TIMEOUT_MS	300
/* or that has let so many batches wait in vain that its run has failed anyway */
#define PATIENT_BATCHES		4
/* How long a held node must stay quiet after its removal */
#define HELD_QUIET_MS		20

static const struct cause * const causes[] = {
	&cause_rmdir,
	&cause_subtree_control,
	&cause_netdev,
	&cause_netns,
	&cause_cpu_offline,
	&cause_module_unload,
	&cause_pci_remove,
	&cause_unmount_cgroup1,
	&cause_own_rmdir,
	&cause_own_control,
	&cause_own_remove,
	&cause_own_unmount,
};

struct cell {
	enum kind kind;
	int watch;
	const char *skip;		/* why it cannot be watched so */
	bool early;
	struct hold hold;
};

static const struct cause *cause;
static const struct state *state;
static struct nodes nodes;
static struct cell cells[NR_KINDS * NR_WATCHES];

/* Is the cause, the state and the way of watching about it? */
static bool is_cell(const struct cell *cell)
{
	/* A poller has a file open, which keeps its file system mounted. */
	if (cell->watch == POLL && (cell->kind != FILES || cause->unmounts))
		return false;
	return cause->kinds & state->kinds & BIT(cell->kind);
}

/* This or the next one that is */
static struct cell *cell_from(struct cell *cell)
{
	while (cell < cells + ARRAY_SIZE(cells) && !is_cell(cell))
		cell++;
	return cell;
}

#define for_each_cell(cell)	\
	for (cell = cell_from(cells); cell < cells + ARRAY_SIZE(cells); cell = cell_from(cell + 1))

static void name_cells(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		cells[i].kind = i / NR_WATCHES;
		cells[i].watch = i % NR_WATCHES;
	}
}

static const char *cell_path(const struct cell *cell)
{
	return nodes.path[cell->kind][cell->watch];
}

static const char *cell_name(const struct cell *cell)
{
	static char name[128];

	snprintf(name, sizeof(name), "%s/%s/%s/%s", cause->name, state->name,
		 cell->kind == FILES ? "file" : "dir", watch_name(cell->watch));
	return name;
}

static void report(const struct cell *cell, enum verdict verdict)
{
	const char *name = cell_name(cell);

	if (only_reporting())
		ksft_print_msg("cell %s %s\n", name, verdict_names[verdict]);
	if (verdict != DELIVERED && verdict != MISSED)
		ksft_print_msg("got: %s\n", describe_watch(cell->watch, cell->kind));
	ksft_test_result_code(verdict == DELIVERED ? KSFT_PASS :
			      only_reporting() ? KSFT_XFAIL : KSFT_FAIL,
			      name, verdict == DELIVERED ? NULL : "%s", verdict_names[verdict]);
}

static void skip_batch(const char *reason)
{
	struct cell *cell;

	for_each_cell(cell)
		ksft_test_result_code(KSFT_SKIP, cell_name(cell), "%s", reason);
}

static void fail_batch(const char *step)
{
	const char *error = strerror(errno);
	struct cell *cell;

	for_each_cell(cell)
		ksft_test_result_code(KSFT_FAIL, cell_name(cell), "%s: %s", step, error);
}

/* Any event that is there now came too early; of a held node, a watch's. */
static void mark_early(bool held)
{
	struct cell *cell;

	while (take_events(0))
		;
	for_each_cell(cell)
		if (!held || cell->watch != POLL)
			cell->early |= got_anything(cell->watch, cell->kind);
}

/* All, or all pollers */
static bool have_events(bool pollers)
{
	struct cell *cell;

	for_each_cell(cell)
		if (!cell->skip && (!pollers || cell->watch == POLL) &&
		    judge_watch(cell->watch, cell->kind, cause->unmounts) != DELIVERED)
			return false;
	return true;
}

static void listen(bool pollers)
{
	static int waited_in_vain;
	bool patient = !only_reporting() && waited_in_vain < PATIENT_BATCHES;
	long long deadline = now_us() + 1000LL * (patient ? event_timeout_ms() : REPORT_TIMEOUT_MS);

	while (!have_events(pollers)) {
		if (now_us() >= deadline) {
			waited_in_vain++;
			return;
		}
		take_events(5);
	}
}

static void listen_to_end(void)
{
	listen(false);
	sleep_ms(QUIET_MS);
	while (take_events(0))
		;
}

/* A poller holds the node open: it must be in no other cell. */
static bool is_shared(const struct cell *cell)
{
	for (int watch = 0; watch < POLL; watch++)
		if (!strcmp(nodes.path[cell->kind][watch], cell_path(cell)))
			return true;
	return false;
}

static bool enter_state(void)
{
	struct cell *cell;

	for_each_cell(cell) {
		if (cell->watch == POLL && is_shared(cell))
			cell->skip = "no file of its own to poll";
		else if (!add_watch(cell->watch, cell->kind, cell_path(cell),
				    cause->writes ? IN_MODIFY : 0, &cell->skip))
			return false;
	}
	for_each_cell(cell)
		if (state->enter && !state->enter(cell_path(cell), &cell->hold))
			return false;
	return !state->enter_all || state->enter_all();
}

static void leave_all(void)
{
	struct cell *cell;

	for_each_cell(cell) {
		leave_state(&cell->hold);
		stop_polling(cell->watch, cell->kind);
	}
}

/* Returns what did not work, or NULL. */
static const char *do_batch(enum state_id id)
{
	if (!cause->prepare(&nodes, id))
		return "preparing";
	if (!enter_state())
		return "entering the state";
	mark_early(false);
	if (!cause->remove())
		return "removing";
	listen(true);
	if (state->holds) {
		sleep_ms(HELD_QUIET_MS);
		mark_early(true);
	}
	leave_all();
	listen_to_end();
	return NULL;
}

static void reset_cell(struct cell *cell)
{
	cell->skip = NULL;
	cell->early = false;
	cell->hold = (struct hold) { .fd = -1 };
}

static void report_batch(void)
{
	struct cell *cell;

	for_each_cell(cell) {
		if (cell->skip)
			ksft_test_result_code(KSFT_SKIP, cell_name(cell), "%s", cell->skip);
		else
			report(cell, cell->early ? PREMATURE :
			       judge_watch(cell->watch, cell->kind, cause->unmounts));
	}
}

static void run_batch(enum state_id id)
{
	const char *failed;
	struct cell *cell;

	for_each_cell(cell)
		reset_cell(cell);
	failed = do_batch(id);
	if (failed)
		fail_batch(failed);
	else
		report_batch();
	leave_all();
	for_each_cell(cell)
		forget_watch(cell->watch, cell->kind);
	cause->restore();
}

/* What the command line asks for; none: all */
static char **patterns;

static bool is_wanted(int id)
{
	char **pattern = patterns;
	char name[128];

	if (!(cause->states & BIT(id)) || !(cause->kinds & states[id].kinds))
		return false;
	snprintf(name, sizeof(name), "%s/%s", cause->name, states[id].name);
	while (*pattern && fnmatch(*pattern, name, 0))
		pattern++;
	return *pattern || !*patterns;
}

static void walk_batches(void (*act)(enum state_id id))
{
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
		cause = causes[i];
		for (int id = 0; id < NR_STATES; id++) {
			state = &states[id];
			if (is_wanted(id))
				act(id);
		}
	}
}

static unsigned int nr_planned;

static void plan_batch(enum state_id id)
{
	struct cell *cell;

	for_each_cell(cell)
		nr_planned++;
}

static void start_batch(enum state_id id)
{
	const char *reason = cause->own ? NULL : why_not_covered();

	if (!reason)
		reason = cause->missing();
	if (reason)
		skip_batch(reason);
	else
		run_batch(id);
}

int main(int argc, char **argv)
{
	patterns = argv + 1;
	name_cells();
	ksft_print_header();
	if (why_not_root())
		ksft_exit_skip("%s\n", why_not_root());
	walk_batches(plan_batch);
	if (!nr_planned)
		ksft_exit_fail_msg("no cell matches %s\n", patterns[0]);
	ksft_set_plan(nr_planned);
	if (!open_watches())
		ksft_exit_fail_perror("cannot open the inotify instances");
	walk_batches(start_batch);
	cgroup_base_remove();
	ksft_finished();
}
