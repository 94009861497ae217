// SPDX-License-Identifier: GPL-2.0
#include "company/company.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/module.h"
#include "lib/system.h"

static bool begun;
static char parent[PATH_MAX], child[PATH_MAX], file[PATH_MAX], control[PATH_MAX];

static bool make_cgroups(void)
{
	format_path(parent, "%.3900s/company", cgroup_base());
	format_path(child, "%.3900s/child", parent);
	format_path(file, "%.3900s/memory.events", child);
	format_path(control, "%.3900s/cgroup.subtree_control", parent);
	return !mkdir(parent, 0755) && !mkdir(child, 0755);
}

int load_patched(void)
{
	int error = load_module("");

	if (!error && !await_patched())
		error = ETIMEDOUT;
	return error;
}

int unload_patched(void)
{
	if (!disable_patch() || !await_unpatched())
		return ETIMEDOUT;
	return unload_module();
}

bool end_company(void)
{
	bool ok;

	if (!begun)
		return true;
	ok = !exists("/sys/module/rkernfs") || !unload_patched();
	remove_cgroup(child);
	remove_cgroup(parent);
	cgroup_base_remove();
	return ok;
}

const char *begin_company(void)
{
	const char *reason = borrow_module();

	if (!reason && !cgroup_base())
		reason = "no cgroup2";
	if (!reason)
		reason = why_no_memory_controller();
	if (reason)
		return reason;
	begun = true;
	if (!make_cgroups()) {
		end_company();
		return "no cgroups can be made";
	}
	return NULL;
}

bool is_reported(int timeout_ms)
{
	int inotify = open_inotify(), wd;
	struct events events = {};

	if (!write_text(control, "+memory"))
		return false;
	wd = inotify_add_watch(inotify, file, IN_DELETE_SELF);
	if (!write_text(control, "-memory"))
		return false;
	if (timeout_ms == NONE_MS) {
		sleep_ms(timeout_ms);
		read_events(inotify, &events);
	} else {
		await_events(inotify, &events, 2);
	}
	close(inotify);
	return got_events_once(&events, wd) && events.nr == 2;
}
