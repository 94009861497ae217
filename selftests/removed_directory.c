// SPDX-License-Identifier: GPL-2.0
/*
 * What a directory that was removed, or lost files, is to a task that still has it, call
 * by call: as on Linux 7.3 alone, but for what the contract wants otherwise.
 *
 * With RKERNFS_EXPECT=none nothing fails: lines "# SITUATION/CALL: ANSWER" say
 * what the running kernel says.
 */
#include "removed_directory/removed_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "lib/events.h"
#include "lib/netdev.h"
#include "lib/system.h"

#define GROUP	0x7264

struct place place;
static char parent[PATH_MAX];

static const char *make_cgroups(void)
{
	const char *reason = why_no_cgroup();
	char path[PATH_MAX];

	if (!reason)
		reason = why_no_memory_controller();
	if (reason)
		return reason;
	format_path(parent, "%.3900s/parent", cgroup_base());
	format_path(place.dir, "%.3900s/child", parent);
	place.file = "memory.events";
	if (mkdir(parent, 0755) ||
	    !write_text(format_path(path, "%.3900s/cgroup.subtree_control", parent), "+memory") ||
	    mkdir(place.dir, 0755))
		return "cgroups cannot be made";
	return get_handle(place.dir, &place.handle) ? NULL : "no file handles";
}

static bool leave_zombie(void)
{
	char path[PATH_MAX];
	siginfo_t info;

	format_path(path, "%.3900s/cgroup.procs", place.dir);
	place.zombie = fork();
	if (!place.zombie)
		_exit(!write_text(path, "0"));
	return !waitid(P_PID, place.zombie, &info, WEXITED | WNOWAIT) && !info.si_status;
}

static bool remove_by_rmdir(void)
{
	return leave_zombie() && !remove_cgroup(place.dir);
}

static bool turn_controller_off(void)
{
	char path[PATH_MAX];

	return write_text(format_path(path, "%.3900s/cgroup.subtree_control", parent), "-memory");
}

static void clean_cgroups(void)
{
	if (place.zombie)
		waitpid(place.zombie, NULL, 0);
	remove_cgroup(place.dir);
	remove_cgroup(parent);
	cgroup_base_remove();
}

static const char *make_device(void)
{
	const char *reason = why_no_dummies();

	if (!reason && !add_dummies("rd", 1, GROUP))
		reason = "no dummy network device";
	format_path(place.dir, "/sys/devices/virtual/net/rd0");
	place.file = "mtu";
	place.subdir = "statistics";
	return reason;
}

static bool delete_device(void)
{
	return delete_group(GROUP);
}

static void clean_device(void)
{
	if (may_unload_dummy())
		unload_dummy();
}

static const struct situation {
	const char *name;
	const char *(*make)(void);
	bool (*remove)(void);
	void (*clean)(void);
} situations[NR_SITUATIONS] = {
	[RMDIR] = { "rmdir", make_cgroups, remove_by_rmdir, clean_cgroups },
	[CONTROLLER_OFF] = { "controller_off", make_cgroups, turn_controller_off, clean_cgroups },
	[DEVICE] = { "device", make_device, delete_device, clean_device },
};

/* The directory is this process's, too. */
static bool hold(void)
{
	_Alignas(struct dirent64) char some[128];

	place.dir_fd = open(place.dir, O_RDONLY | O_DIRECTORY);
	place.file_fd = openat(place.dir_fd, place.file, O_RDONLY);
	place.read_fd = open(place.dir, O_RDONLY | O_DIRECTORY);
	return place.file_fd >= 0 && syscall(SYS_getdents64, place.read_fd, some, sizeof(some)) > 0 &&
	       !fchdir(place.dir_fd);
}

static void let_go(void)
{
	if (chdir("/"))
		perror("# chdir");
	close(place.read_fd);
	close(place.file_fd);
	close(place.dir_fd);
}

/* Whether a situation has what the call is about */
static bool concerns(const struct call *call, int nr)
{
	return call->alone[nr];
}

static void judge(const struct call *call, int nr)
{
	const char *name = situations[nr].name, *got = call->run();
	const char *wanted = call->contract[nr] ? call->contract[nr] : call->alone[nr];
	bool right = !strcmp(got, wanted);

	if (only_reporting())
		ksft_print_msg("%s/%s: %s\n", name, call->name, got);
	else if (!right)
		ksft_print_msg("%s, not %s\n", got, wanted);
	ksft_test_result(right || only_reporting(), "%s/%s\n", name, call->name);
}

static void skip_all(int nr, const char *reason)
{
	for (size_t i = 0; i < nr_calls; i++)
		if (concerns(&calls[i], nr))
			ksft_test_result_skip("%s/%s: %s\n", situations[nr].name, calls[i].name,
					      reason);
}

static void run_situation(int nr)
{
	const struct situation *situation = &situations[nr];
	const char *reason;

	memset(&place, 0, sizeof(place));
	reason = situation->make();
	if (!reason && (!hold() || !situation->remove())) {
		ksft_test_result_error("%s: cannot be brought about: %s\n", situation->name,
				       strerror(errno));
		let_go();
		situation->clean();
		return;
	}
	if (reason) {
		skip_all(nr, reason);
		return;
	}
	/* Events are quicker than this. */
	sleep_ms(QUIET_MS);
	for (size_t i = 0; i < nr_calls; i++)
		if (concerns(&calls[i], nr))
			judge(&calls[i], nr);
	let_go();
	situation->clean();
}

static int count_all(void)
{
	int sum = 0;

	for (int nr = 0; nr < NR_SITUATIONS; nr++)
		for (size_t i = 0; i < nr_calls; i++)
			sum += concerns(&calls[i], nr);
	return sum;
}

int main(void)
{
	ksft_print_header();
	ksft_set_plan(count_all());
	for (int nr = 0; nr < NR_SITUATIONS; nr++)
		run_situation(nr);
	ksft_finished();
}
