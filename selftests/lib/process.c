// SPDX-License-Identifier: GPL-2.0
#include "process.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void live(int ready, bool (*prepare)(void *arg), void (*run)(void *arg), void *arg)
{
	/* Last: another user would take it away. */
	if (!prepare(arg) || prctl(PR_SET_PDEATHSIG, SIGKILL) || write(ready, "", 1) != 1)
		_exit(1);
	close(ready);
	if (run) {
		run(arg);
		_exit(0);
	}
	for (;;)
		pause();
}

pid_t start_process(bool (*prepare)(void *arg), void (*run)(void *arg), void *arg)
{
	int ready[2];
	pid_t pid;
	char byte;

	if (pipe2(ready, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid)
		live(ready[1], prepare, run, arg);
	close(ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) != 1) {
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(ready[0]);
	return pid;
}

void end_process(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
