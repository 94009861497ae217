// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once, for a bounded time: workers, meddlers, and the contract
 * compared with the events of each watch.
 *
 * Usage: stress [-t SECONDS] [-n NODES]	ends when the time is up or so
 *						many nodes were removed
 * SEED= repeats a run's choices.
 */
#include "stress/stress.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kselftest.h"
#include "lib/counters.h"
#include "lib/netdev.h"
#include "lib/system.h"

#define SECONDS		15

static const struct crew crew[] = {
	{ &cgroup_worker, 3 },
	{ &object_worker, 2 },
	{ &netdev_worker, 1 },
	{ &netns_worker, 1 },
	{ &cpu_worker, 1 },
	{ &pci_worker, 1 },
	{ &cgroup1_worker, 1 },
	{ &cgroup_meddler, 2 },
	{ &object_meddler, 1 },
	{ &handle_meddler, 1 },
	{ &reclaimer, 1 },
	{ &marker, 1 },
	{ &follower, 1 },
};

static long long nodes_removed(void)
{
	long long nodes = counter("nodes_removed");

	return nodes < 0 ? 0 : nodes;
}

/* Workers end with all of their nodes removed; then nothing is left to watch. */
static void run_threads(int seconds, long long nodes)
{
	long long end = now_us() + seconds * 1000000LL, enough = nodes_removed() + nodes;

	start_threads();
	while (now_us() < end && (!nodes || nodes_removed() < enough))
		sleep_ms(500);
	stop_threads();
}

static void judge(const struct findings *sum)
{
	ksft_print_msg("%ld watches got their events once, %ld were removed by their owner\n",
		       sum->watches, sum->removed_by_owner);
	ksft_print_msg("%ld missed, %ld duplicated, %ld premature, %ld out of order\n",
		       sum->missed, sum->duplicated, sum->premature, sum->out_of_order);
	ksft_print_msg("%ld marks left, %ld other failures\n", sum->marks_left, sum->failed);
	ksft_test_result(sum->watches > 0, "watches get their events\n");
	ksft_test_result(!sum->missed, "no watch misses its events\n");
	ksft_test_result(!sum->duplicated, "no watch gets its events twice\n");
	ksft_test_result(!sum->premature, "no event is premature\n");
	ksft_test_result(!sum->out_of_order, "no event is out of order\n");
	ksft_test_result(!sum->marks_left, "no mark is left\n");
	ksft_test_result(!sum->failed, "no worker fails\n");
	if (counter("inodes_cleared") < 0)
		ksft_test_result_code(KSFT_SKIP, "the counters add up", "no counters");
	else
		ksft_test_result(counters_add_up(), "the counters add up\n");
}

int main(int argc, char **argv)
{
	unsigned int seed = choose_seed();
	struct findings sum;
	struct limits limits = { SECONDS, 0, "stress [-t SECONDS] [-n NODES]" };
	long long before;

	ksft_print_header();
	read_limits(&limits, argc, argv);
	if (why_not_root())
		ksft_exit_skip("%s\n", why_not_root());
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_msg("SEED=%u\n", seed);
	raise_sysctl("/proc/sys/fs/inotify/max_queued_events", 1 << 17);
	raise_sysctl("/proc/sys/fs/inotify/max_user_watches", 1 << 17);
	add_threads(crew, ARRAY_SIZE(crew), seed);
	if (cgroup_worker.missing() && object_worker.missing())
		ksft_exit_skip("nothing to watch here\n");
	ksft_set_plan(8);
	before = nodes_removed();
	run_threads(limits.seconds, limits.number);
	sum = add_up();
	ksft_print_msg("%lld nodes removed\n", nodes_removed() - before);
	unload_dummy();
	cgroup_base_remove();
	judge(&sum);
	ksft_finished();
}
