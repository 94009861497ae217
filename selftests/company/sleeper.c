// SPDX-License-Identifier: GPL-2.0
#include "company/sleeper.h"

#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/events.h"
#include "lib/module.h"
#include "lib/system.h"

/* In that function: it may sleep elsewhere on its way there. */
static bool sleeps(pid_t pid, const char *function)
{
	char stack[PATH_MAX], stat[PATH_MAX];

	format_path(stack, "/proc/%d/stack", pid);
	format_path(stat, "/proc/%d/stat", pid);
	return await(file_has_line(stack, function) && file_has_line(stat, ") D "),
		     event_timeout_ms());
}

static pid_t start_reader(void)
{
	char text[32];
	pid_t pid = fork();

	if (!pid)
		_exit(read_text(SLEEPER_FILE, text, sizeof(text)) < 0);
	return pid;
}

static pid_t start_remover(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(!write_text(SLEEPER_DIR "remove", "1"));
	return pid;
}

bool load_sleeper(void)
{
	return exists(SLEEPER_DIR) || !insert_test_module("sleeper", "");
}

bool put_to_sleep(struct sleepers *sleepers)
{
	if (!load_sleeper())
		return false;
	sleepers->reader = start_reader();
	if (!sleeps(sleepers->reader, "file_show"))
		return false;
	sleepers->remover = start_remover();
	return sleeps(sleepers->remover, "remove_by_name_ns");
}

bool wake(const struct sleepers *sleepers)
{
	int status[2] = { 1, 1 };

	write_text(SLEEPER_DIR "wake", "1");
	waitpid(sleepers->reader, &status[0], 0);
	waitpid(sleepers->remover, &status[1], 0);
	return !status[0] && !status[1] && !exists(SLEEPER_FILE);
}

void remove_sleeper(void)
{
	write_text(SLEEPER_DIR "wake", "1");
	remove_test_module("sleeper");
}
