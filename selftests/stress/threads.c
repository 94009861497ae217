// SPDX-License-Identifier: GPL-2.0
#include "stress.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kselftest.h"

#define MAX_THREADS	24

static struct thread threads[MAX_THREADS];
static pthread_t ids[MAX_THREADS];
static int nr_threads;
static atomic_bool stop;

static void *run_thread(void *arg)
{
	struct thread *thread = arg;

	while (!atomic_load(&stop)) {
		thread->round(thread);
		thread->rounds++;
	}
	return NULL;
}

void read_limits(struct limits *limits, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "t:n:")) != -1) {
		if (opt == 't')
			limits->seconds = atoi(optarg);
		else if (opt == 'n')
			limits->number = atoll(optarg);
		else
			ksft_exit_fail_msg("usage: %s\n", limits->usage);
	}
}

void add_threads(const struct crew *crew, int nr_kinds, unsigned int seed)
{
	for (int i = 0; i < nr_kinds; i++) {
		const char *reason = crew[i].kind->missing();

		if (reason)
			ksft_print_msg("no %s: %s\n", crew[i].kind->name, reason);
		for (int nr = 0; nr < crew[i].nr && !reason; nr++) {
			struct thread *thread = &threads[nr_threads++];

			*thread = *crew[i].kind;
			thread->nr = nr;
			thread->random = start_random(seed, nr_threads);
			if (!open_ledger(&thread->ledger))
				ksft_exit_fail_perror("cannot open an inotify instance");
		}
	}
}

void start_threads(void)
{
	for (int i = 0; i < nr_threads; i++)
		pthread_create(&ids[i], NULL, run_thread, &threads[i]);
}

void stop_threads(void)
{
	atomic_store(&stop, true);
	for (int i = 0; i < nr_threads; i++)
		pthread_join(ids[i], NULL);
}

struct findings add_up(void)
{
	struct findings sum = {};

	for (int i = 0; i < nr_threads; i++) {
		struct thread *thread = &threads[i];
		const struct findings *found = &thread->ledger.found;

		expect_all_ended(&thread->ledger);
		close_ledger(&thread->ledger);
		if (thread->stop)
			thread->stop(thread);
		ksft_print_msg("%s %d: %ld rounds, %ld watches got their events, %ld were removed\n",
			       thread->name, thread->nr, thread->rounds, found->watches,
			       found->removed_by_owner);
		sum.watches += found->watches;
		sum.removed_by_owner += found->removed_by_owner;
		sum.missed += found->missed;
		sum.duplicated += found->duplicated;
		sum.premature += found->premature;
		sum.out_of_order += found->out_of_order;
		sum.marks_left += found->marks_left;
		sum.failed += found->failed;
	}
	return sum;
}
