// SPDX-License-Identifier: GPL-2.0
/*
 * rmdir on several CPUs, one after the other: for which data each has to ask
 * the others. A process is bound to each CPU and has cgroups of its own. They
 * take turns, so nobody's count depends on who waits for whose lock.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/events.h"
#include "lib/process.h"
#include "lib/system.h"

#define MAX_CPUS	8

enum order {
	MAKE,
	REMOVE,
};

struct worker {
	int cpu;
	bool watches;
	unsigned int label;
	char tree[PATH_MAX], leaf[PATH_MAX];
	int orders[2], done[2]; /* pipes; of each the end to read from comes first */
	pid_t pid;
};

static bool prepare(void *arg)
{
	struct worker *worker = arg;

	set_real_time(true);
	return bind_to_cpu(worker->cpu);
}

static void make_leaf(const struct worker *worker, int inotify)
{
	check(!mkdir(worker->leaf, 0755), worker->leaf);
	if (worker->watches)
		watch_cgroup(inotify, worker->leaf);
}

static void remove_leaf(const struct worker *worker, int inotify)
{
	struct events events = { 0 };

	time_rmdir(worker->leaf, worker->label);
	settle();
	read_events(inotify, &events);
}

static void obey(void *arg)
{
	struct worker *worker = arg;
	int inotify = open_inotify();
	char order;

	while (read(worker->orders[0], &order, 1) == 1) {
		if (order == MAKE)
			make_leaf(worker, inotify);
		else
			remove_leaf(worker, inotify);
		check(write(worker->done[1], &order, 1) == 1, "pipe");
	}
}

static void start_worker(struct worker *worker, int cpu)
{
	worker->cpu = cpu;
	format_path(worker->tree, "%.3800s/tree%d", memory_base(), cpu);
	check(!mkdir(worker->tree, 0755), worker->tree);
	format_path(worker->leaf, "%.3900s/leaf", worker->tree);
	turn_memory_on(worker->tree);
	check(!pipe2(worker->orders, O_CLOEXEC) && !pipe2(worker->done, O_CLOEXEC), "pipe");
	worker->pid = start_process(prepare, obey, worker);
	check(worker->pid > 0, "a process on each CPU");
	close(worker->done[1]);
}

static void end_worker(struct worker *worker)
{
	end_process(worker->pid);
	close(worker->orders[0]);
	close(worker->orders[1]);
	close(worker->done[0]);
	remove_cgroup(worker->tree);
}

static void give(const struct worker *worker, char order)
{
	check(write(worker->orders[1], &order, 1) == 1, "pipe");
	if (read(worker->done[0], &order, 1) != 1)
		fail("the process on CPU %d has ended", worker->cpu);
}

static void measure_turns(bool watches, int rounds, int nr)
{
	struct worker workers[MAX_CPUS];
	const char *name = watches ? "memory/watched" : "memory/unwatched";
	unsigned int label = add_label("turns", name, nr);

	for (int i = 0; i < nr; i++) {
		workers[i].watches = watches;
		workers[i].label = label;
		start_worker(&workers[i], i);
	}
	for (int i = 0; i < rounds; i++) {
		for (int j = 0; j < nr; j++)
			give(&workers[j], MAKE);
		settle();
		for (int j = 0; j < nr; j++)
			give(&workers[j], REMOVE);
	}
	for (int i = 0; i < nr; i++)
		end_worker(&workers[i]);
}

/* turns ROUNDS CPUS */
void bench_turns(char **args)
{
	int rounds = atoi(args[0]), nr = atoi(args[1]);

	if (nr < 1 || nr > MAX_CPUS || nr > sysconf(_SC_NPROCESSORS_ONLN))
		fail("turns: %d needs as many CPUs, at most %d", nr, MAX_CPUS);
	measure_turns(false, rounds, nr);
	measure_turns(true, rounds, nr);
}
