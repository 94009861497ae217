// SPDX-License-Identifier: GPL-2.0
/* sysfs: what the kernel itself removes, and a device's own file */
#include "matrix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/netdev.h"
#include "lib/pci.h"

#define GONE_LIMIT_MS	60000
#define PREFIX		"rkt"
#define GROUP		0x726b
#define NR_DEVICES	(NR_KINDS * NR_WATCHES)

/* Fills the nodes of a kind with what the pattern matches, over and over. */
static bool fill(struct nodes *nodes, enum kind kind, const char *pattern)
{
	glob_t found;

	if (glob(pattern, GLOB_BRACE | (kind == DIRS ? GLOB_ONLYDIR : 0), NULL, &found))
		return false;
	for (int watch = 0; watch < NR_WATCHES; watch++)
		format_path(nodes->path[kind][watch], "%.4000s",
			    found.gl_pathv[watch % found.gl_pathc]);
	globfree(&found);
	return true;
}

/* Lists @dir, which makes no dentry for what is in it. */
static int count_entries(int dir, const char *prefix)
{
	DIR *stream = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *entry;
	int count = 0;

	if (!stream)
		return -1;
	while ((entry = readdir(stream)))
		count += !strncmp(entry->d_name, prefix, strlen(prefix));
	closedir(stream);
	return count;
}

static bool await_gone(int dir, const char *prefix)
{
	return await(!count_entries(dir, prefix), GONE_LIMIT_MS);
}

/* Network devices */

static const char *no_dummy(void)
{
	return load_dummy() ? NULL : "no dummy network driver";
}

static void name_devices(struct nodes *nodes, const char *sysfs)
{
	for (int watch = 0; watch < NR_WATCHES; watch++) {
		format_path(nodes->path[FILES][watch], "%.4000s/devices/virtual/net/" PREFIX "%d/mtu",
			    sysfs, watch);
		format_path(nodes->path[DIRS][watch], "%.4000s/devices/virtual/net/" PREFIX "%d",
			    sysfs, NR_WATCHES + watch);
	}
}

static bool prepare_netdev(struct nodes *nodes, enum state_id state)
{
	name_devices(nodes, "/sys");
	return add_dummies(PREFIX, NR_DEVICES, GROUP);
}

static bool remove_netdev(void)
{
	return delete_group(GROUP);
}

static void restore_netdev(void)
{
	delete_group(GROUP);
}

const struct cause cause_netdev = {
	.name = "netdev",
	.kinds = BOTH,
	.states = ALL_BUT_MAPPED,
	.missing = no_dummy,
	.prepare = prepare_netdev,
	.remove = remove_netdev,
	.restore = restore_netdev,
};

/* A network namespace ends, and all devices with it, from a work queue. */

static struct {
	char sysfs[PATH_MAX];
	int class_net;
	pid_t pid;
} netns = { .class_net = -1 };

static bool prepare_netns(struct nodes *nodes, enum state_id state)
{
	char path[PATH_MAX];

	if (!make_mount_point(netns.sysfs))
		return false;
	netns.pid = start_netns(netns.sysfs, PREFIX, NR_DEVICES);
	if (netns.pid < 0)
		return false;
	netns.class_net = open(format_path(path, "%.4000s/class/net", netns.sysfs),
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	name_devices(nodes, netns.sysfs);
	return netns.class_net >= 0;
}

static void kill_netns(void)
{
	if (netns.pid > 0) {
		kill(netns.pid, SIGKILL);
		waitpid(netns.pid, NULL, 0);
	}
	netns.pid = -1;
}

static bool remove_netns(void)
{
	kill_netns();
	return await_gone(netns.class_net, PREFIX);
}

static void restore_netns(void)
{
	kill_netns();
	if (netns.class_net >= 0)
		close(netns.class_net);
	netns.class_net = -1;
	remove_mount_point(netns.sysfs);
}

const struct cause cause_netns = {
	.name = "netns",
	.kinds = BOTH,
	.states = ALL_BUT_MAPPED,
	.missing = no_dummy,
	.prepare = prepare_netns,
	.remove = remove_netns,
	.restore = restore_netns,
};

/* A CPU goes offline: its topology and cache are removed. */

static char cpu[PATH_MAX];

static bool write_online(const char *text)
{
	char path[PATH_MAX];

	return write_text(format_path(path, "%.4000s/online", cpu), text);
}

static const char *no_spare_cpu(void)
{
	format_path(cpu, "/sys/devices/system/cpu/cpu%ld", sysconf(_SC_NPROCESSORS_CONF) - 1);
	return write_online("1") ? NULL : "no CPU that can go offline";
}

static bool prepare_cpu(struct nodes *nodes, enum state_id state)
{
	char pattern[PATH_MAX];

	return fill(nodes, FILES, format_path(pattern, "%.4000s/topology/*", cpu)) &&
	       fill(nodes, DIRS, format_path(pattern, "%.4000s/{topology,cache,cache/index*}", cpu));
}

static bool remove_cpu(void)
{
	return write_online("0");
}

static void restore_cpu(void)
{
	write_online("1");
}

const struct cause cause_cpu_offline = {
	.name = "cpu-offline",
	.kinds = BOTH,
	.states = ALL_BUT_MAPPED,
	.missing = no_spare_cpu,
	.prepare = prepare_cpu,
	.remove = remove_cpu,
	.restore = restore_cpu,
};

/* A module is unloaded: /sys/module/<name> is removed. */

static const char *no_module(void)
{
	const char *reason = no_dummy();

	return reason || may_unload_dummy() ? reason : "the dummy driver was loaded already";
}

static bool prepare_module(struct nodes *nodes, enum state_id state)
{
	return load_dummy() &&
	       fill(nodes, FILES,
		    "/sys/module/dummy/{coresize,initsize,initstate,refcnt,taint,uevent,sections/*}") &&
	       fill(nodes, DIRS, "/sys/module/dummy{,/sections,/notes}/");
}

static bool remove_module(void)
{
	return unload_dummy();
}

static void restore_module(void)
{
	unload_dummy();
}

const struct cause cause_module_unload = {
	.name = "module-unload",
	.kinds = BOTH,
	.states = ALL_BUT_MAPPED,
	.missing = no_module,
	.prepare = prepare_module,
	.remove = remove_module,
	.restore = restore_module,
};

/* A device's own file removes it, in its own write. */

static const char *no_expendable_pci(void)
{
	return expendable_pci() ? NULL : "no PCI device of QEMU's without a driver";
}

static bool prepare_pci(struct nodes *nodes, enum state_id state)
{
	static const char files[] = "remove,vendor,device,class,config,irq,modalias";
	char pattern[PATH_MAX];

	format_path(pattern, "%.4000s/{%s}", expendable_pci(), state == MAPPED ? "resource0" : files);
	if (!fill(nodes, FILES, pattern))
		return false;
	for (int watch = 0; watch < NR_WATCHES; watch++)
		format_path(nodes->path[DIRS][watch], "%.4000s", expendable_pci());
	return state != MAPPED || exists(nodes->path[FILES][0]);
}

static bool remove_pci(void)
{
	char path[PATH_MAX];

	return write_text(format_path(path, "%.4000s/remove", expendable_pci()), "1");
}

static void restore_pci(void)
{
	rescan_pci();
}

const struct cause cause_pci_remove = {
	.name = "pci-remove",
	.kinds = BOTH,
	.states = ALL_BUT_MAPPED | BIT(MAPPED),
	.writes = true,
	.missing = no_expendable_pci,
	.prepare = prepare_pci,
	.remove = remove_pci,
	.restore = restore_pci,
};
