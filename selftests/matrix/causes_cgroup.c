// SPDX-License-Identifier: GPL-2.0
/* Cgroups: rmdir, a controller turned off, a version 1 hierarchy unmounted */
#include "matrix.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *no_cgroup2(void)
{
	return cgroup_base() ? NULL : "no cgroup2";
}

/* rmdir: a cgroup for each node */

static char *cgroup_path(char *path, int kind, int watch)
{
	return format_path(path, "%.4000s/%c%d", cgroup_base(), kind == FILES ? 'f' : 'd', watch);
}

static bool prepare_rmdir(struct nodes *nodes, enum state_id state)
{
	char cgroup[PATH_MAX];

	for (int watch = 0; watch < NR_WATCHES; watch++) {
		if (mkdir(cgroup_path(nodes->path[DIRS][watch], DIRS, watch), 0755) ||
		    mkdir(cgroup_path(cgroup, FILES, watch), 0755))
			return false;
		format_path(nodes->path[FILES][watch], "%.4000s/%s", cgroup, cgroup_file());
	}
	return true;
}

static bool remove_all_cgroups(void)
{
	char cgroup[PATH_MAX];
	bool ok = true;

	for (int kind = 0; kind < NR_KINDS; kind++)
		for (int watch = 0; watch < NR_WATCHES; watch++)
			if (remove_cgroup(cgroup_path(cgroup, kind, watch)))
				ok = false;
	return ok;
}

static void restore_rmdir(void)
{
	remove_all_cgroups();
}

const struct cause cause_rmdir = {
	.name = "rmdir",
	.kinds = BOTH,
	.states = ALL_BUT_MAPPED,
	.missing = no_cgroup2,
	.prepare = prepare_rmdir,
	.remove = remove_all_cgroups,
	.restore = restore_rmdir,
};

/* subtree_control: a parent whose children lose their memory.* files */

static char *family_path(char *path, int child)
{
	if (child < 0)
		return format_path(path, "%.4000s/parent", cgroup_base());
	return format_path(path, "%.4000s/parent/%d", cgroup_base(), child);
}

static bool write_subtree_control(const char *text)
{
	char path[PATH_MAX];

	format_path(path, "%.4000s/parent/cgroup.subtree_control", cgroup_base());
	return write_text(path, text);
}

static bool prepare_subtree_control(struct nodes *nodes, enum state_id state)
{
	char path[PATH_MAX];

	if (mkdir(family_path(path, -1), 0755) || !write_subtree_control("+memory"))
		return false;
	for (int watch = 0; watch < NR_WATCHES; watch++) {
		if (mkdir(family_path(path, watch), 0755))
			return false;
		format_path(nodes->path[FILES][watch], "%.4000s/memory.events", path);
	}
	return true;
}

static bool turn_memory_off(void)
{
	return write_subtree_control("-memory");
}

static void restore_subtree_control(void)
{
	char path[PATH_MAX];

	for (int child = NR_WATCHES - 1; child >= -1; child--)
		remove_cgroup(family_path(path, child));
}

const struct cause cause_subtree_control = {
	.name = "subtree_control",
	.kinds = BIT(FILES),
	.states = ALL_BUT_MAPPED,
	.missing = why_no_memory_controller,
	.prepare = prepare_subtree_control,
	.remove = turn_memory_off,
	.restore = restore_subtree_control,
};

/* A version 1 hierarchy without controllers, watched to its end */

static char v1[PATH_MAX];

static const char *no_cgroup1(void)
{
	bool ok;

	make_mount_point(v1);
	ok = mount_cgroup1(v1, 0);
	remove_mount_point(v1);
	return ok ? NULL : "no cgroup version 1";
}

static bool prepare_unmount(struct nodes *nodes, enum state_id state)
{
	static const char * const files[NR_WATCHES] = {
		"tasks", "cgroup.procs", "release_agent", "notify_on_release",
		"cgroup.clone_children", "cgroup.sane_behavior",
		[POLL] = "",		/* not polled */
	};

	if (!make_mount_point(v1) || !mount_cgroup1(v1, 0))
		return false;
	for (int watch = 0; watch < NR_WATCHES; watch++) {
		format_path(nodes->path[FILES][watch], "%.4000s/%s", v1, files[watch]);
		format_path(nodes->path[DIRS][watch], "%.4000s", v1);
	}
	return true;
}

static bool unmount_v1(void)
{
	return !umount(v1);
}

static void restore_unmount(void)
{
	remove_mount_point(v1);
}

const struct cause cause_unmount_cgroup1 = {
	.name = "unmount-cgroup1",
	.kinds = BOTH,
	.states = UNHELD,
	.unmounts = true,
	.missing = no_cgroup1,
	.prepare = prepare_unmount,
	.remove = unmount_v1,
	.restore = restore_unmount,
};
