// SPDX-License-Identifier: GPL-2.0
/*
 * Random programs, until the time is up or one of them finds something: then
 * that one is made as small as it can be, and printed as C.
 *
 * Usage: fuzz [-t SECONDS] [-p NUMBER [-v VERDICTS]]
 *
 * SEED= repeats a run; -p begins with one of its programs. -v: that program is
 * known to fail, and so are the verdicts on what was left out of it. Ends with 0
 * if nothing was found, 1 if something was, 3 if the kernel must be booted again
 * to go on (qemu/fuzz.sh does), 4 if nothing was tried.
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <unistd.h>

#include "kselftest.h"
#include "lib/counters.h"
#include "lib/netdev.h"
#include "lib/system.h"

#define SECONDS		15
/* Longer than a slow kernel takes to report */
#define PATIENCE_MS	20000

static void prepare(void)
{
	if (why_no_cgroup())
		ksft_exit_skip("%s\n", why_no_cgroup());
	cgroup_base_remove();
	load_dummy();
	setvbuf(stdout, NULL, _IOLBF, 0);
	raise_sysctl("/proc/sys/fs/inotify/max_queued_events", 1 << 17);
	raise_sysctl("/proc/sys/fs/inotify/max_user_watches", 1 << 17);
	raise_sysctl("/proc/sys/fs/inotify/max_user_instances", 1 << 12);
	open_log();
}

/* The host reads these lines: the text between them is a C program. */
static void report(const struct program *program)
{
	printf("#@ program of SEED=%u, number %u, %d calls\n", program->seed, program->number,
	       program->nr);
	print_program(stdout, program);
	printf("#@ end\n");
}

static int pin_down(struct program *program)
{
	ksft_print_msg("making program %u smaller\n", program->number);
	minimise(program, PATIENCE_MS);
	report(program);
	return 1;
}

static int search(unsigned int seed, unsigned int number, int seconds)
{
	long long end = now_us() + seconds * 1000000LL;
	struct program program;
	unsigned int nr = 0;
	int found = 0;

	for (; now_us() < end && !found; nr++) {
		generate(&program, seed, number + nr);
		printf("#@ program %u\n", program.number);
		found = run_program(&program, PATIENCE_MS);
	}
	ksft_print_msg("%u programs, %ld watches got their events once\n", nr, watches_notified);
	if (found < 0)
		return 3;
	if (found)
		return pin_down(&program);
	/* A mount of its file system has them; without one, there are none. */
	if (counter("inodes_cleared") >= 0 && !counters_add_up())
		return 1;
	return watches_notified ? 0 : KSFT_SKIP;
}

int main(int argc, char **argv)
{
	unsigned int seed = choose_seed(), number = 0;
	const char *verdicts = NULL;
	struct program program;
	int seconds = SECONDS;
	int opt;

	while ((opt = getopt(argc, argv, "t:p:v:")) != -1) {
		if (opt == 't')
			seconds = atoi(optarg);
		else if (opt == 'p')
			number = atoi(optarg);
		else if (opt == 'v')
			verdicts = optarg;
		else
			ksft_exit_fail_msg("usage: fuzz [-t SECONDS] [-p NUMBER [-v VERDICTS]]\n");
	}
	prepare();
	ksft_print_msg("SEED=%u\n", seed);
	if (!verdicts)
		return search(seed, number, seconds);
	generate(&program, seed, number);
	read_verdicts(verdicts);
	return pin_down(&program);
}
