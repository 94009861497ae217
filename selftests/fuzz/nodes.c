// SPDX-License-Identifier: GPL-2.0
/* The nodes that a program is about, and what is written to them */
#include "fuzz.h"

#include <string.h>

#include "lib/system.h"

static const char * const cgroup_files[NR_FILES] = {
	"", "cgroup.events", "memory.events", "cgroup.procs", "pids.max", "cpu.pressure",
	"memory.max", "cgroup.freeze",
};

static const char * const object_files[NR_FILES] = {
	"", "value", "control", "remove", "aux", "hide", "aux", "value",
};

static const char * const netdev_files[NR_FILES] = {
	"", "mtu", "statistics", "statistics/rx_bytes", "queues", "queues/rx-0", "ifalias", "power",
};

static const char * const cpu_files[NR_FILES] = {
	"", "core_id", "core_cpus", "die_id", "package_cpus", "", "core_id", "physical_package_id",
};

static const char * const cgroup_root_files[NR_FILES] = {
	"", "cgroup.procs", "cgroup.events", "cgroup.stat", "", "cgroup.procs", "", "cgroup.events",
};

static const char * const object_root_files[NR_FILES] = {
	"", "stats", "", "stats", "", "stats", "", "stats",
};

const struct dir dirs[] = {
	{ CGROUP, "C", "/a", cgroup_files },
	{ CGROUP, "C", "/b", cgroup_files },
	{ CGROUP, "C", "/a/a", cgroup_files },
	{ CGROUP, "C", "/a/b", cgroup_files },
	{ CGROUP, "C", "/a/a/a", cgroup_files },
	{ OBJECT, "O", "/a", object_files },
	{ OBJECT, "O", "/b", object_files },
	{ OBJECT, "O", "/a/a", object_files },
	{ OBJECT, "O", "/a/a/a", object_files },
	{ NETDEV, "S", "/devices/virtual/net/fz0", netdev_files },
	{ NETDEV, "S", "/devices/virtual/net/fz1", netdev_files },
	{ CPU, "S", "/devices/system/cpu/cpu1/topology", cpu_files },
	{ STAYS, "C", "", cgroup_root_files },
	{ STAYS, "O", "", object_root_files },
};

const int nr_dirs = ARRAY_SIZE(dirs);

char root_of_cgroups[PATH_MAX], root_of_objects[PATH_MAX], root_of_sysfs[PATH_MAX];

const char *root_of(unsigned int node)
{
	switch (*dirs[node / NR_FILES].root) {
	case 'C':
		return root_of_cgroups;
	case 'O':
		return root_of_objects;
	default:
		return root_of_sysfs;
	}
}

enum realm realm_of(unsigned int node)
{
	return dirs[node / NR_FILES].realm;
}

char *node_path(char path[PATH_MAX], unsigned int node)
{
	const struct dir *dir = &dirs[node / NR_FILES];
	const char *file = dir->files[node % NR_FILES];

	return format_path(path, "%.3800s%s%s%s", root_of(node), dir->name, *file ? "/" : "", file);
}

const char *device_name(unsigned int node)
{
	return strrchr(dirs[node / NR_FILES].name, '/') + 1;
}

static const struct text cgroup_texts[] = {
	{ "cgroup.subtree_control", "+memory +pids" },
	{ "cgroup.subtree_control", "-memory" },
	{ "cgroup.subtree_control", "-pids" },
	{ "cgroup.subtree_control", "+memory" },
	{ "cgroup.pressure", "0" },
	{ "cgroup.pressure", "1" },
	{ "cgroup.freeze", "1" },
	{ "cgroup.freeze", "0" },
	{ "cgroup.kill", "1" },
	{ "memory.max", "65536" },
	{ "memory.max", "max" },
	{ "memory.reclaim", "1M" },
	{ "pids.max", "1" },
};

static const struct text object_texts[] = {
	{ "control", "+aux" },
	{ "control", "+aux" },
	{ "control", "-aux" },
	{ "hide", "1" },
	{ "hide", "0" },
	{ "remove", "1" },
	{ "value", "some" },
};

static const struct text netdev_texts[] = {
	{ "mtu", "1400" },
	{ "ifalias", "some" },
};

const struct text *text_of(unsigned int node, unsigned int choice)
{
	switch (realm_of(node)) {
	case CGROUP:
		return &cgroup_texts[choice % ARRAY_SIZE(cgroup_texts)];
	case OBJECT:
		return &object_texts[choice % ARRAY_SIZE(object_texts)];
	case NETDEV:
		return &netdev_texts[choice % ARRAY_SIZE(netdev_texts)];
	default:
		return NULL;
	}
}
