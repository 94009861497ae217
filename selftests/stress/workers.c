// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that make nodes, watch and hold some, remove all and settle their
 * ledger, round by round.
 */
#include "stress.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/netdev.h"
#include "lib/pci.h"
#include "lib/pseudofs.h"
#include "lib/system.h"

#define MAX_NODES	64
#define MAX_HELD	4
#define MAX_DIRS	3
#define GROUP		0x7273
#define GONE_LIMIT_MS	60000

char places[NR_PLACES][PATH_MAX];

/* What one round has of the nodes that are to go */
struct round {
	int wd[MAX_NODES];
	int nr;
	int held[MAX_HELD];
	int nr_held;
};

static void hold(struct thread *thread, struct round *round, const char *path)
{
	int fd;

	if (round->nr_held == MAX_HELD)
		return;
	fd = open(path, (once_in(&thread->random, 2) ? O_PATH : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		round->held[round->nr_held++] = fd;
}

static void release_held(struct round *round)
{
	while (round->nr_held)
		close(round->held[--round->nr_held]);
}

static void use_node(struct thread *thread, struct round *round, const char *path)
{
	struct stat st;

	if (round->nr < MAX_NODES && once_in(&thread->random, 3))
		round->wd[round->nr++] = watch_node(&thread->ledger, path);
	if (once_in(&thread->random, 8))
		hold(thread, round, path);
	if (once_in(&thread->random, 8))
		lstat(path, &st);
}

/* Watches, holds and looks at some of what is in a directory, and at itself. */
static void use_directory(struct thread *thread, struct round *round, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char node[PATH_MAX];

	use_node(thread, round, path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !once_in(&thread->random, 4))
			continue;
		format_path(node, "%.3800s/%.250s", path, entry->d_name);
		use_node(thread, round, node);
	}
	if (dir)
		closedir(dir);
}

static void take_some_away(struct thread *thread, struct round *round)
{
	for (int i = 0; i < round->nr; i++)
		if (once_in(&thread->random, 8))
			remove_watch(&thread->ledger, round->wd[i]);
}

/* Before the removal, or after it: some watches go, what is held is released. */
static void let_go(struct thread *thread, struct round *round)
{
	if (once_in(&thread->random, 2))
		take_some_away(thread, round);
	if (once_in(&thread->random, 2))
		release_held(round);
}

static void settle(struct thread *thread, struct round *round)
{
	release_held(round);
	expect_all_ended(&thread->ledger);
}

static void failed(struct thread *thread, const char *what, const char *path)
{
	note(&thread->ledger.found.failed, what, path);
}

/*
 * The name is taken until a removal is through, and a meddler's may still be on
 * its way.
 */
static void make_directory(struct thread *thread, const char *path)
{
	int ret;

	await(!(ret = mkdir(path, 0755)) || errno != EEXIST, GONE_LIMIT_MS);
	if (ret)
		failed(thread, "mkdir", path);
}

/* A meddler may have been faster, which is no finding. */
static void remove_directory(struct thread *thread, const char *path)
{
	if (remove_cgroup(path) && errno != ENOENT && errno != ENODEV)
		failed(thread, "rmdir", path);
}

/* Cgroups */

static const char *no_cgroups(void)
{
	if (!cgroup_base())
		return "no cgroup2";
	format_path(places[CGROUPS], "%s", cgroup_base());
	return why_not_covered();
}

static char *cgroup_path(char *path, const struct thread *thread, int child)
{
	if (child < 0)
		return format_path(path, "%.3800s/w%d", places[CGROUPS], thread->nr);
	return format_path(path, "%.3800s/w%d/%d", places[CGROUPS], thread->nr, child);
}

static bool set_memory(const struct thread *thread, const char *text)
{
	char path[PATH_MAX];

	cgroup_path(path, thread, -1);
	return write_text(strcat(path, "/cgroup.subtree_control"), text);
}

/* The kernel changes cgroup.events, as there is no process to freeze. */
static void freeze(const struct thread *thread, int child)
{
	char path[PATH_MAX];

	cgroup_path(path, thread, child);
	write_text(strcat(path, "/cgroup.freeze"), "1");
}

static void cgroup_round(struct thread *thread)
{
	int nr = 1 + choose(&thread->random, MAX_DIRS);
	struct round round = {};
	char path[PATH_MAX];

	make_directory(thread, cgroup_path(path, thread, -1));
	set_memory(thread, "+memory");
	for (int i = 0; i < nr; i++) {
		make_directory(thread, cgroup_path(path, thread, i));
		use_directory(thread, &round, path);
		if (once_in(&thread->random, 2))
			freeze(thread, i);
	}
	use_directory(thread, &round, cgroup_path(path, thread, -1));

	expect_all_open(&thread->ledger);
	let_go(thread, &round);
	if (once_in(&thread->random, 3))
		set_memory(thread, "-memory");
	for (int i = nr - 1; i >= -1; i--)
		remove_directory(thread, cgroup_path(path, thread, i));
	let_go(thread, &round);
	settle(thread, &round);
}

const struct thread cgroup_worker = {
	.name = "cgroup worker",
	.missing = no_cgroups,
	.round = cgroup_round,
};

/* Objects of the pseudo file system */

static const char *no_objects(void)
{
	return places[OBJECTS][0] ? NULL : mount_pseudofs(places[OBJECTS]);
}

static void remove_object(struct thread *thread, const char *object)
{
	if (once_in(&thread->random, 2))
		write_object(object, "control", "+aux");
	if (once_in(&thread->random, 3))
		write_object(object, "hide", "1");
	if (once_in(&thread->random, 2))
		write_object(object, "control", "-aux");
	if (once_in(&thread->random, 2) && write_object(object, "remove", "1"))
		return;
	remove_directory(thread, object);
}

static void object_round(struct thread *thread)
{
	struct round round = {};
	char path[PATH_MAX];

	format_path(path, "%.3800s/w%d", places[OBJECTS], thread->nr);
	make_directory(thread, path);
	if (once_in(&thread->random, 2))
		write_object(path, "control", "+aux");
	use_directory(thread, &round, path);
	let_go(thread, &round);
	remove_object(thread, path);
	let_go(thread, &round);
	settle(thread, &round);
}

static void stop_objects(struct thread *thread)
{
	if (thread->nr == 0)
		unmount_pseudofs(places[OBJECTS]);
}

const struct thread object_worker = {
	.name = "object worker",
	.missing = no_objects,
	.round = object_round,
	.stop = stop_objects,
};

/* sysfs: network devices, with their namespace or without; a CPU */

static void netdev_round(struct thread *thread)
{
	struct round round = {};
	char path[PATH_MAX];

	if (!add_dummies("rkd", MAX_DIRS, GROUP))
		failed(thread, "add devices", "");
	for (int i = 0; i < MAX_DIRS; i++)
		use_directory(thread, &round,
			      format_path(path, "/sys/devices/virtual/net/rkd%d", i));
	expect_all_open(&thread->ledger);
	let_go(thread, &round);
	if (!delete_group(GROUP))
		failed(thread, "delete devices", "");
	let_go(thread, &round);
	settle(thread, &round);
}

const struct thread netdev_worker = {
	.name = "netdev worker",
	.missing = why_no_dummies,
	.round = netdev_round,
};

/* The devices go with the namespace; what is shown in all is unmounted. */
static void netns_round(struct thread *thread)
{
	struct round round = {};
	char root[PATH_MAX], path[PATH_MAX];
	pid_t pid;

	if (!make_mount_point(root))
		return;
	pid = start_netns(root, "rkn", MAX_DIRS);
	if (pid < 0) {
		failed(thread, "new network namespace", root);
		remove_mount_point(root);
		return;
	}
	for (int i = 0; i < MAX_DIRS; i++)
		use_directory(thread, &round,
			      format_path(path, "%.3800s/devices/virtual/net/rkn%d", root, i));
	use_directory(thread, &round, format_path(path, "%.3800s/module/dummy", root));
	expect_all_open(&thread->ledger);
	let_go(thread, &round);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	release_held(&round);
	if (once_in(&thread->random, 2))
		usleep(choose(&thread->random, 100000));
	remove_mount_point(root);
	settle(thread, &round);
}

const struct thread netns_worker = {
	.name = "netns worker",
	.missing = why_no_dummies,
	.round = netns_round,
};

static char cpu[PATH_MAX];

/*
 * The PCI core misreads a device now and then while another CPU comes up ("BAR 0:
 * invalid; can't size"), and it stays without a resource, or away: not at once.
 */
static pthread_mutex_t coming_up = PTHREAD_MUTEX_INITIALIZER;

static bool write_online(const char *text)
{
	char path[PATH_MAX];

	return write_text(format_path(path, "%.4000s/online", cpu), text);
}

static const char *no_spare_cpu(void)
{
	const char *reason = why_not_covered();

	format_path(cpu, "/sys/devices/system/cpu/cpu%ld", sysconf(_SC_NPROCESSORS_CONF) - 1);
	return reason || write_online("1") ? reason : "no CPU that can go offline";
}

static void cpu_round(struct thread *thread)
{
	struct round round = {};
	char path[PATH_MAX];

	use_directory(thread, &round, format_path(path, "%.4000s/topology", cpu));
	expect_all_open(&thread->ledger);
	let_go(thread, &round);
	if (!write_online("0"))
		failed(thread, "offline", cpu);
	settle(thread, &round);
	pthread_mutex_lock(&coming_up);
	if (!write_online("1"))
		failed(thread, "online", cpu);
	pthread_mutex_unlock(&coming_up);
	usleep(200000);
}

static void stop_cpu(struct thread *thread)
{
	write_online("1");
}

const struct thread cpu_worker = {
	.name = "CPU worker",
	.missing = no_spare_cpu,
	.round = cpu_round,
	.stop = stop_cpu,
};

/* A device that is taken out while one of its files is mapped */

static const char *no_pci(void)
{
	const char *reason = why_not_covered();

	return reason || expendable_pci() ? reason : "no unneeded PCI device";
}

static void *map_resource(struct thread *thread, struct round *round)
{
	char path[PATH_MAX];
	void *map;
	int fd;

	format_path(path, "%.4000s/resource0", expendable_pci());
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		failed(thread, "open", path);
		return NULL;
	}
	map = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		failed(thread, "mmap", path);
		map = NULL;
	}
	close(fd);
	round->wd[round->nr++] = watch_node(&thread->ledger, path);
	return map;
}

static void pci_round(struct thread *thread)
{
	struct round round = {};
	char path[PATH_MAX];
	void *map = map_resource(thread, &round);

	use_directory(thread, &round, expendable_pci());
	expect_all_open(&thread->ledger);
	let_go(thread, &round);
	if (!write_text(format_path(path, "%.4000s/remove", expendable_pci()), "1"))
		failed(thread, "remove", path);
	let_go(thread, &round);
	if (map)
		munmap(map, getpagesize());
	settle(thread, &round);
	pthread_mutex_lock(&coming_up);
	if (!rescan_pci())
		failed(thread, "rescan", expendable_pci());
	pthread_mutex_unlock(&coming_up);
}

const struct thread pci_worker = {
	.name = "PCI worker",
	.missing = no_pci,
	.round = pci_round,
};

/* Version 1 of cgroups, from mount to umount */

static const char *no_cgroup1(void)
{
	const char *reason = why_not_covered();
	char root[PATH_MAX];

	if (reason || !make_mount_point(root))
		return reason ? reason : "no directory to mount on";
	if (!mount_cgroup1(root, 0))
		reason = "no cgroup version 1";
	remove_mount_point(root);
	return reason;
}

static void cgroup1_round(struct thread *thread)
{
	struct round round = {};
	char root[PATH_MAX], path[PATH_MAX];

	if (!make_mount_point(root) || !mount_cgroup1(root, thread->rounds % 4)) {
		failed(thread, "mount", root);
		return;
	}
	make_directory(thread, format_path(path, "%.3800s/child", root));
	use_directory(thread, &round, path);
	use_directory(thread, &round, root);
	expect_all_open(&thread->ledger);
	let_go(thread, &round);
	remove_directory(thread, path);
	release_held(&round);
	remove_mount_point(root);
	settle(thread, &round);
}

const struct thread cgroup1_worker = {
	.name = "cgroup1 worker",
	.missing = no_cgroup1,
	.round = cgroup1_round,
};
