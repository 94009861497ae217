// SPDX-License-Identifier: GPL-2.0
#include "hostile/hostile.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/process.h"
#include "lib/system.h"
#include "lib/user.h"

#define REST_MS		300

bool make_ground(struct ground *ground)
{
	format_path(ground->home, "%.3900s/home", cgroup_base());
	format_path(ground->cgroup, "%.3900s/ground", cgroup_base());
	return delegate_cgroup(ground->home) && delegate_cgroup(ground->cgroup) &&
	       make_mount_point(ground->folder) && !chown(ground->folder, USER_ID, USER_ID);
}

pid_t start_attack(const struct attack *attack, struct ground *ground)
{
	return start_user(ground->home, attack->run, ground);
}

void freeze_attack(const struct ground *ground, bool frozen)
{
	char path[PATH_MAX];

	write_text(format_path(path, "%.3900s/cgroup.freeze", ground->home), frozen ? "1" : "0");
	sleep_ms(REST_MS);
}

static void remove_cgroups_in(const char *cgroup)
{
	DIR *dir = opendir(cgroup);
	struct dirent *entry;
	char path[PATH_MAX];

	while (dir && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			remove_cgroup(format_path(path, "%.3000s/%s", cgroup, entry->d_name));
	if (dir)
		closedir(dir);
}

void end_attack(const struct ground *ground, pid_t pid)
{
	char path[PATH_MAX];

	write_text(format_path(path, "%.3900s/cgroup.kill", ground->home), "1");
	end_process(pid);
	remove_cgroups_in(ground->cgroup);
}

void remove_ground(const struct ground *ground)
{
	remove_cgroup(ground->home);
	remove_cgroup(ground->cgroup);
	remove_mount_point(ground->folder);
}
