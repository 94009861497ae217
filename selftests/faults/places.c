// SPDX-License-Identifier: GPL-2.0
#include "faults.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/module.h"
#include "lib/netdev.h"
#include "lib/pseudofs.h"
#include "lib/system.h"

char root[PATH_MAX], node[PATH_MAX];

/* How many of them are there decides. */
enum outcome none_or_all(const char * const *files, enum outcome none, enum outcome all)
{
	char path[PATH_MAX];
	int nr = 0, found = 0;

	for (; files[nr]; nr++)
		found += exists(format_path(path, "%.3900s/%.100s", node, files[nr]));
	return found == nr ? all : !found ? none : HALF;
}

/* The file system and its objects */

static const char *no_pseudofs(void)
{
	const char *reason = mount_pseudofs(root);

	if (!reason)
		unmount_pseudofs(root);
	return reason;
}

static bool make_root(void)
{
	bool ok = make_mount_point(root);

	format_path(node, "%s", root);
	return ok;
}

int run_mount(void)
{
	return error_of(mount("none", root, "rkernfs", 0, NULL));
}

int run_umount(void)
{
	return error_of(umount(root));
}

static bool make_mount(void)
{
	return make_root() && !run_mount();
}

static bool clean_mount(void)
{
	unmount_pseudofs(root);
	return !exists(root);
}

const struct place a_mount_point = {
	.missing = no_pseudofs,
	.make = make_root,
	.clean = clean_mount,
};

const struct place a_mount = {
	.missing = no_pseudofs,
	.make = make_mount,
	.clean = clean_mount,
};

static bool name_object(void)
{
	if (!make_mount())
		return false;
	format_path(node, "%.3900s/object", root);
	return true;
}

int run_mkdir(void)
{
	return error_of(mkdir(node, 0755));
}

int run_rmdir(void)
{
	return error_of(rmdir(node));
}

static bool make_object(void)
{
	return name_object() && !run_mkdir() && write_object(node, "value", "old");
}

static bool make_aux(void)
{
	return make_object() && write_object(node, "control", "+aux");
}

static bool clean_object(void)
{
	rmdir(node);
	return !exists(node) && clean_mount();
}

const struct place no_object = {
	.missing = no_pseudofs,
	.make = name_object,
	.clean = clean_object,
};

const struct place an_object = {
	.missing = no_pseudofs,
	.make = make_object,
	.clean = clean_object,
};

const struct place an_object_with_aux = {
	.missing = no_pseudofs,
	.make = make_aux,
	.clean = clean_object,
};

enum outcome look_value(void)
{
	char path[PATH_MAX], text[16];

	read_text(format_path(path, "%.3900s/value", node), text, sizeof(text));
	return !strcmp(text, "old") ? BEFORE : !strcmp(text, "new") ? AFTER : HALF;
}

static char *old_name(char *path)
{
	return format_path(path, "%.3900s/object", root);
}

static bool make_object_to_rename(void)
{
	bool ok = make_object();

	format_path(node, "%.3900s/renamed", root);
	return ok;
}

int run_rename(void)
{
	char path[PATH_MAX];

	return error_of(rename(old_name(path), node));
}

enum outcome look_renamed(void)
{
	char path[PATH_MAX];
	bool old = exists(old_name(path));

	return old == exists(node) ? HALF : old ? BEFORE : AFTER;
}

const struct place an_object_to_rename = {
	.missing = no_pseudofs,
	.make = make_object_to_rename,
	.clean = clean_object,
};

/* Cgroups */

static bool name_cgroup(void)
{
	format_path(node, "%.3900s/cgroup", cgroup_base());
	return true;
}

static bool make_cgroup(void)
{
	return name_cgroup() && !run_mkdir();
}

static bool clean_cgroup(void)
{
	remove_cgroup(node);
	return !exists(node);
}

const struct place no_cgroup = {
	.missing = why_no_cgroup,
	.make = name_cgroup,
	.clean = clean_cgroup,
};

const struct place a_cgroup = {
	.missing = why_no_cgroup,
	.make = make_cgroup,
	.clean = clean_cgroup,
};

static const char *no_memory(void)
{
	const char *reason = why_no_cgroup();

	return reason ? reason : why_no_memory_controller();
}

static bool clean_memory(void)
{
	return clean_cgroup() && write_object(cgroup_base(), "cgroup.subtree_control", "+memory");
}

const struct place a_cgroup_with_memory = {
	.missing = no_memory,
	.make = make_cgroup,
	.clean = clean_memory,
};

/* sysfs */

static bool make_netdev(void)
{
	format_path(node, "/sys/devices/virtual/net/rkf0");
	return add_dummies("rkf", 1, NETDEV_GROUP);
}

int run_delete_netdev(void)
{
	return delete_group(NETDEV_GROUP) ? 0 : errno;
}

static bool netdev_is_gone(void)
{
	return !exists(node);
}

const struct place a_netdev = {
	.missing = why_no_dummies,
	.make = make_netdev,
	.clean = netdev_is_gone,
};

/* The module */

#define TRACED		"/sys/kernel/tracing/enabled_functions"
#define PROBED		"fsnotify_put_mark"

static const char *no_module_to_borrow(void)
{
	if (!exists(TRACED))
		mount("none", "/sys/kernel/tracing", "tracefs", 0, NULL);
	return exists(TRACED) ? borrow_module() : "no list of traced functions";
}

/* All of the module, the patch aside */
static enum outcome look_loaded(void)
{
	int found = exists("/sys/module/rkernfs") + file_has_line("/proc/filesystems", "\trkernfs\n") +
		    file_has_line(TRACED, PROBED);

	return !found ? BEFORE : found == 3 ? AFTER : HALF;
}

enum outcome look_patched(void)
{
	enum outcome loaded = look_loaded();

	return exists("/sys/kernel/livepatch/rkernfs") == (loaded == AFTER) ? loaded : HALF;
}

enum outcome look_unloaded(void)
{
	enum outcome loaded = look_loaded();

	return loaded == BEFORE ? AFTER : loaded == AFTER ? BEFORE : HALF;
}

int run_load(void)
{
	return load_module("cover=all");
}

static bool clean_loaded(void)
{
	return disable_patch() && await_unpatched() && !unload_module();
}

/*
 * A task that runs elsewhere keeps livepatch waiting for a second, each time:
 * with one processor there is none.
 */
static void set_other_cpus(const char *online)
{
	char path[PATH_MAX];

	for (long cpu = 1; cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++)
		write_text(format_path(path, "/sys/devices/system/cpu/cpu%ld/online", cpu),
			   online);
}

static const char *no_module_to_patch(void)
{
	const char *reason = no_module_to_borrow();

	if (!reason)
		set_other_cpus("0");
	return reason;
}

static bool return_module_and_cpus(void)
{
	set_other_cpus("1");
	return return_module();
}

const struct place no_module = {
	.missing = no_module_to_patch,
	.clean = clean_loaded,
	.give_back = return_module_and_cpus,
};

/* The patch is out before an unload: it makes no difference there. */
static bool make_loaded(void)
{
	return !load_module("cover=own");
}

const struct place the_module = {
	.missing = no_module_to_borrow,
	.make = make_loaded,
	.give_back = return_module,
};
