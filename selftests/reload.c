// SPDX-License-Identifier: GPL-2.0
/*
 * The module is loaded, disabled, enabled again while livepatch may still be
 * moving tasks over, and unloaded, over and over, while other tasks create, watch
 * and remove. While the patch is enabled, each removal is reported once; nothing
 * is ever reported twice, and nothing of the module is left. A change of a
 * watched file is reported once at any time.
 *
 * Usage: reload [-t SECONDS] [-n ROUNDS]	ends when the time is up or after so
 *						many
 * SEED= repeats a run's choices.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest.h"
#include "lib/events.h"
#include "lib/module.h"
#include "lib/netdev.h"
#include "lib/random.h"
#include "lib/system.h"
#include "stress/stress.h"

/* livepatch looks once a second whether a task is done: hardly a round takes less */
#define SECONDS		30
#define ROUNDS		100
#define NR_WATCHED	3	/* a cgroup and files of it */

/* Not objects: a mount pins the module. */
static const struct crew crew[] = {
	{ &cgroup_worker, 2 },
	{ &netdev_worker, 1 },
	{ &netns_worker, 1 },
	{ &cgroup_meddler, 1 },
	{ &reclaimer, 1 },
	{ &marker, 1 },
};

static struct {
	long enabled_again, notified, missed, duplicated, failed;
} found;

static void expect(bool ok, const char *what, int round)
{
	if (!ok) {
		found.failed++;
		ksft_print_msg("round %d: %s failed: %s\n", round, what, strerror(errno));
	}
}

/* The whole removal lies between the two checks that the kernel is patched. */
static void judge_removal(int round)
{
	static const char * const files[NR_WATCHED] = { "", "cgroup.events", "cgroup.procs" };
	struct events events = {};
	int inotify = open_inotify(), wd[NR_WATCHED];
	char cgroup[PATH_MAX], path[PATH_MAX];

	format_path(cgroup, "%.3900s/judged", cgroup_base());
	expect(!mkdir(cgroup, 0755), "mkdir", round);
	for (int i = 0; i < NR_WATCHED; i++) {
		format_path(path, "%.3900s/%s", cgroup, files[i]);
		wd[i] = inotify_add_watch(inotify, path, IN_DELETE_SELF);
		expect(wd[i] >= 0, "watch", round);
	}
	if (round % 2)
		drop_dentries();
	expect(is_patched(), "staying patched", round);
	expect(!remove_cgroup(cgroup), "rmdir", round);
	await_events(inotify, &events, 2 * NR_WATCHED);
	expect(is_patched(), "staying patched", round);
	for (int i = 0; i < NR_WATCHED; i++) {
		int nr = count_events(&events, wd[i], IN_DELETE_SELF);

		found.notified += got_events_once(&events, wd[i]);
		found.missed += !nr;
		found.duplicated += nr > 1;
	}
	found.duplicated += events.nr > 2 * NR_WATCHED;
	close(inotify);
}

/* livepatch has to wait for a task that runs on another CPU. */
static atomic_bool busy;

static void *keep_busy(void *unused)
{
	for (;;)
		if (!atomic_load(&busy))
			sleep_ms(1);
	return NULL;
}

/*
 * The watch of a file holds its inode, so the kernel's own kernfs_notify() reports
 * each change, too: as often, whichever of the two queued it, and whichever
 * reports it.
 */
static struct {
	pthread_t thread;
	atomic_bool stop;
	long notified, missed, duplicated;
} changes;

static void judge_change(const char *control, int inotify, const char *text)
{
	struct events events = {};

	if (!write_text(control, text))
		return;
	await_events(inotify, &events, 1);
	changes.notified += events.nr == 1;
	changes.missed += !events.nr;
	changes.duplicated += events.nr > 1;
}

static void *change(void *unused)
{
	char cgroup[PATH_MAX], path[PATH_MAX];
	int inotify = open_inotify();

	format_path(cgroup, "%.3900s/changed", cgroup_base());
	mkdir(cgroup, 0755);
	inotify_add_watch(inotify, format_path(path, "%.4000s/cgroup.events", cgroup), IN_MODIFY);
	format_path(path, "%.4000s/cgroup.freeze", cgroup);
	while (!atomic_load(&changes.stop)) {
		judge_change(path, inotify, "1");
		judge_change(path, inotify, "0");
	}
	close(inotify);
	remove_cgroup(cgroup);
	return NULL;
}

static void run_round(struct random *random, int round)
{
	bool again = once_in(random, 8);

	expect(!load_module(""), "loading", round);
	/* A slow machine has time for a few rounds. */
	if (!round || once_in(random, 3)) {
		expect(await_patched(), "patching", round);
		judge_removal(round);
	} else {
		usleep(choose(random, 20000));
	}
	atomic_store(&busy, again);
	if (again)
		sleep_ms(10);
	expect(disable_patch(), "disabling", round);
	atomic_store(&busy, false);
	usleep(choose(random, 20000));
	/* Too late where no task had to be waited for: the patch is removed by then. */
	if (again && enable_patch() && await_patched()) {
		found.enabled_again++;
		judge_removal(round);
		expect(disable_patch(), "disabling again", round);
	}
	expect(await_unpatched(), "unpatching", round);
	expect(!unload_module(), "unloading", round);
}

int main(int argc, char **argv)
{
	unsigned int seed = choose_seed();
	struct random random = start_random(seed, 0);
	const char *reason = why_no_cgroup();
	struct findings sum;
	pthread_t spinner;
	int refused;
	struct limits limits = { SECONDS, ROUNDS, "reload [-t SECONDS] [-n ROUNDS]" };
	long long start;
	int done;

	ksft_print_header();
	read_limits(&limits, argc, argv);
	if (!reason)
		reason = borrow_module();
	if (reason)
		ksft_exit_skip("%s\n", reason);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_msg("SEED=%u\n", seed);
	/* Unpatched, the others may miss events: they only keep the kernel busy. */
	setenv("RKERNFS_EXPECT", "none", 1);
	refused = load_module("cover=some");
	add_threads(crew, ARRAY_SIZE(crew), seed);
	ksft_set_plan(7);
	start_threads();
	pthread_create(&changes.thread, NULL, change, NULL);
	pthread_create(&spinner, NULL, keep_busy, NULL);
	start = now_us();
	for (done = 0; done < limits.number && now_us() < start + limits.seconds * 1000000LL; done++)
		run_round(&random, done);
	ksft_print_msg("%d of %lld rounds in %lld s, %ld times enabled again\n", done, limits.number,
		       (now_us() - start) / 1000000, found.enabled_again);
	atomic_store(&changes.stop, true);
	pthread_join(changes.thread, NULL);
	stop_threads();
	sum = add_up();
	expect(return_module(), "loading as it was found", done);
	unload_dummy();
	cgroup_base_remove();
	ksft_print_msg("%ld watches got their events once while patched, %ld missed them\n",
		       found.notified, found.missed);
	ksft_print_msg("%ld and %ld duplicated, %ld premature, %ld out of order\n", found.duplicated,
		       sum.duplicated, sum.premature, sum.out_of_order);
	ksft_print_msg("%ld changes reported once, %ld missed, %ld twice\n", changes.notified,
		       changes.missed, changes.duplicated);
	ksft_print_msg("%ld steps and %ld workers failed; cover=some: error %d\n", found.failed,
		       sum.failed, refused);
	ksft_test_result(found.notified > 0, "watches get their events while patched\n");
	ksft_test_result(!found.missed, "no watch misses its events while patched\n");
	ksft_test_result(!found.duplicated && !sum.duplicated, "no watch gets its events twice\n");
	ksft_test_result(!sum.premature && !sum.out_of_order,
			 "no event is premature or out of order\n");
	ksft_test_result(changes.notified > 0 && !changes.missed && !changes.duplicated,
			 "each change of a file is reported once\n");
	ksft_test_result(!found.failed && !sum.failed, "no step and no worker fails\n");
	ksft_test_result(refused == EINVAL, "an unknown value of cover= is refused\n");
	ksft_finished();
}
