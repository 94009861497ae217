// SPDX-License-Identifier: GPL-2.0
/*
 * One program: processes that run its calls, in namespaces and below a cgroup
 * of its own, and a mark on the file systems that gets all removals. In
 * between they meet: all is released, removed nodes are reported; then all is removed, and reported.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/system.h"

#define LIMIT_S		90	/* for one program, beside its patience */

long watches_notified;

static struct {
	struct shared shared;
	pthread_barrier_t meet;
} *common;

static void meet(void)
{
	pthread_barrier_wait(&common->meet);
}

/* Processes */

static void await_turn(struct proc *proc, const struct program *program, int turn)
{
	if (!program->in_turns)
		return;
	while (atomic_load(&proc->shared->turn) != turn)
		sched_yield();
}

static void run_calls(struct proc *proc, const struct program *program)
{
	for (int i = 0; i < program->nr; i++) {
		if (program->calls[i].proc != proc->nr)
			continue;
		await_turn(proc, program, i);
		do_call(proc, &program->calls[i]);
		atomic_store(&proc->shared->turn, i + 1);
	}
}

static void live(const struct program *program, int nr)
{
	struct proc *proc = calloc(1, sizeof(*proc));

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	proc->nr = nr;
	proc->shared = &common->shared;
	if (!open_watches(proc))
		note(&proc->ledger.found.failed, "inotify", "");
	make_mount_point(proc->mount_point);
	meet();
	run_calls(proc, program);
	release_all(proc);
	meet();
	/* What is put back. */
	meet();
	judge_now(proc, uses_kind(program, PATCH));
	meet();
	/* All is removed. */
	meet();
	judge_end(proc);
	rmdir(proc->mount_point);
	common->shared.found[nr] = proc->ledger.found;
	_exit(0);
}

/* A mark on the file systems, which hears of each directory that was made */

static int mark_places(const struct program *program)
{
	const char * const roots[] = { root_of_cgroups, root_of_objects };
	int fd = program->marked ? open_marks() : -1;

	for (int i = 0; i < ARRAY_SIZE(roots) && fd >= 0; i++)
		if (*roots[i] && fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
					       FAN_DELETE_SELF | FAN_ONDIR, AT_FDCWD, roots[i]))
			note(&found_in_places->failed, "mark", roots[i]);
	return fd;
}

static void strike_out(void *to, uint64_t id)
{
	for (int i = 0; i < MAX_MADE; i++)
		if (common->shared.made[i] == id)
			common->shared.made[i] = 0;
}

static bool all_struck_out(void)
{
	for (int i = 0; i < MAX_MADE; i++)
		if (common->shared.made[i])
			return false;
	return true;
}

static void judge_places(int fd)
{
	if (fd < 0)
		return;
	if (!await((read_marks(fd, strike_out, NULL), all_struck_out()), patience_ms)) {
		printf("# a mark on the file system missed events\n");
		common->shared.found[MAX_PROCS].missed++;
	}
	close(fd);
}

static void lead(const struct program *program)
{
	int fd;

	make_places(program);
	fd = mark_places(program);
	for (int nr = 0; nr < program->nr_procs; nr++)
		if (!fork())
			live(program, nr);
	meet();
	meet();
	put_back(program);
	meet();
	meet();
	remove_all(program);
	meet();
	while (wait(NULL) > 0)
		;
	judge_places(fd);
	if (uses_realm(program, CPU))
		write_text("/sys/devices/system/cpu/cpu1/online", "1");
	remove_places(program);
	_exit(0);
}

static int sum_up(void)
{
	int sum = 0;

	for (int i = 0; i <= MAX_PROCS; i++) {
		const struct findings *found = &common->shared.found[i];

		watches_notified += found->watches;
		sum += found->missed + found->duplicated + found->premature + found->out_of_order +
		       found->marks_left + found->failed;
	}
	return sum;
}

/* A task that is stuck in the kernel cannot be killed: the log shall say where. */
static bool await_end(pid_t pid)
{
	long long deadline = now_us() + (LIMIT_S + 3 * patience_ms / 1000) * 1000000LL;

	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (now_us() > deadline) {
			write_text("/proc/sysrq-trigger", "w");
			kill(-pid, SIGKILL);
			return false;
		}
		usleep(500);
	}
	return true;
}

int run_program(const struct program *program, int patience)
{
	pthread_barrierattr_t attr;
	pid_t pid;
	int sum;

	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&common->meet, &attr, program->nr_procs + 1);
	patience_ms = patience;
	found_in_places = &common->shared.found[MAX_PROCS];
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		lead(program);
	}
	if (!await_end(pid)) {
		printf("# it does not end\n");
		return -1;
	}
	sum = sum_up();
	munmap(common, sizeof(*common));
	if (log_reports())
		return -1;
	return sum;
}
