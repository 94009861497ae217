// SPDX-License-Identifier: GPL-2.0
/* What one program runs in: namespaces, a cgroup and file systems of its own */
#define _GNU_SOURCE
#include "fuzz.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "lib/module.h"
#include "lib/netdev.h"
#include "lib/pseudofs.h"
#include "lib/system.h"

struct findings *found_in_places;

static void fail(const char *what, const char *path)
{
	note(&found_in_places->failed, what, path);
}

static void make_limit(void)
{
	char path[PATH_MAX];

	mkdir(format_path(path, "%.4000s-limit", root_of_cgroups), 0755);
	write_object(path, "memory.max", "16384");
}

void make_places(const struct program *program)
{
	bool netdevs = uses_realm(program, NETDEV);

	if (unshare(CLONE_NEWNS | (netdevs ? CLONE_NEWNET : 0)) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		fail("unshare", "");
	format_path(root_of_cgroups, "%s", cgroup_base() ? cgroup_base() : "");
	make_limit();
	format_path(root_of_sysfs, "/sys");
	if (netdevs && (!make_mount_point(root_of_sysfs) ||
			mount("none", root_of_sysfs, "sysfs", 0, NULL)))
		fail("mount", root_of_sysfs);
	if (uses_realm(program, OBJECT) && mount_pseudofs(root_of_objects))
		fail("mount", root_of_objects);
}

void remove_places(const struct program *program)
{
	char path[PATH_MAX];

	if (remove_cgroup(format_path(path, "%.4000s-limit", root_of_cgroups)))
		fail("rmdir", path);
	if (remove_cgroup(root_of_cgroups))
		fail("rmdir", root_of_cgroups);
	unmount_pseudofs(root_of_objects);
	if (uses_realm(program, NETDEV))
		remove_mount_point(root_of_sysfs);
}

static void put_patch_back(void)
{
	if (is_patched())
		return;
	enable_patch();
	if (await_patched())
		return;
	await_unpatched();
	if (unload_module() || load_module("") || !await_patched())
		fail("patch", "again");
}

void put_back(const struct program *program)
{
	char path[PATH_MAX];

	for (int i = 0; i < nr_dirs; i++) {
		node_path(path, i * NR_FILES);
		if (dirs[i].realm == CGROUP) {
			write_object(path, "cgroup.freeze", "0");
			write_object(path, "cgroup.pressure", "1");
		} else if (dirs[i].realm == OBJECT) {
			write_object(path, "hide", "0");
		}
	}
	if (uses_realm(program, CPU))
		write_text("/sys/devices/system/cpu/cpu1/online", "1");
	if (uses_kind(program, PATCH))
		put_patch_back();
}

void remove_all(const struct program *program)
{
	char path[PATH_MAX];

	/* Deepest last: the table has parents before children. */
	for (int i = nr_dirs - 1; i >= 0; i--) {
		node_path(path, i * NR_FILES);
		if (dirs[i].realm == NETDEV)
			delete_link(device_name(i * NR_FILES));
		else if ((dirs[i].realm == CGROUP || dirs[i].realm == OBJECT) && exists(path) &&
			 remove_cgroup(path))
			fail("rmdir", path);
	}
	if (uses_realm(program, CPU) && !write_text("/sys/devices/system/cpu/cpu1/online", "0"))
		fail("offline", "cpu1");
}
