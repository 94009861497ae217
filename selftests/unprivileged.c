// SPDX-License-Identifier: GPL-2.0
/*
 * What an unprivileged user can do to watchers. It removes what a monitor watches
 * and then does not return to user space, as it is stopped or its system call
 * does not end: the monitor gets its events meanwhile. During its attacks,
 * watchers of something else get their events once.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "lib/harness.h"
#include "hostile/hostile.h"
#include "hostile/removers.h"
#include "lib/counters.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/landlock.h"
#include "lib/module.h"
#include "lib/netdev.h"
#include "lib/process.h"
#include "lib/system.h"
#include "lib/user.h"

#define ROUNDS		15
/* livepatch looks at a task once a second. */
#define UNPATCH_LIMIT_MS	60000

/* A remover of files that only the release stage reports, which then does not return */

FIXTURE(stopped) {
	char user[PATH_MAX];
	char own[PATH_MAX];
	char parent[PATH_MAX];
	char child[PATH_MAX];
	char file[PATH_MAX];
	struct shared *shared;
	pid_t pid;
	int inotify;
	struct events events;
};

FIXTURE_VARIANT(stopped) {
	void (*remove)(void *shared);
	/* What becomes of the remover; NULL: it sees to that itself */
	bool (*stop)(pid_t pid, const char *cgroup);
	const char *needs_file;
};

FIXTURE_VARIANT_ADD(stopped, as_the_call_ends_by_ptrace) {
	.remove = remove_traced,
	.stop = stop_by_ptrace,
};

FIXTURE_VARIANT_ADD(stopped, by_a_signal) {
	.remove = remove_traced,
	.stop = stop_by_signal,
};

FIXTURE_VARIANT_ADD(stopped, by_the_freezer) {
	.remove = remove_traced,
	.stop = stop_by_freezer,
};

FIXTURE_VARIANT_ADD(stopped, in_vfork) {
	.remove = remove_and_vfork,
};

FIXTURE_VARIANT_ADD(stopped, in_sendfile_from_fuse) {
	.remove = send_from_fuse,
	.needs_file = "/dev/fuse",
};

FIXTURE_SETUP(stopped)
{
	const char *reason = why_no_cgroup();
	char path[PATH_MAX];

	if (!reason)
		reason = why_no_user();
	if (!reason)
		reason = why_no_memory_controller();
	if (reason)
		SKIP(return, "%s", reason);
	self->shared = share_memory(sizeof(*self->shared));
	ASSERT_NE(self->shared, NULL);
	format_path(self->user, "%.3900s/user", cgroup_base());
	format_path(self->own, "%.3900s/own", self->user);
	format_path(self->parent, "%.3900s/parent", self->user);
	format_path(self->child, "%.3900s/child", self->parent);
	format_path(self->file, "%.3900s/memory.events", self->child);
	format_path(self->shared->control, "%.3900s/cgroup.subtree_control", self->parent);
	ASSERT_TRUE(delegate_cgroup(self->user));
	format_path(path, "%.3900s/cgroup.subtree_control", self->user);
	ASSERT_TRUE(write_text(path, "+memory"));
	ASSERT_TRUE(delegate_cgroup(self->own));
	ASSERT_TRUE(delegate_cgroup(self->parent));
	ASSERT_TRUE(write_text(self->shared->control, "+memory"));
	ASSERT_TRUE(delegate_cgroup(self->child));
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(stopped)
{
	char path[PATH_MAX];

	write_text(format_path(path, "%.3900s/cgroup.freeze", self->own), "0");
	/* Its child, too */
	write_text(format_path(path, "%.3900s/cgroup.kill", self->own), "1");
	end_process(self->pid);
	remove_cgroup(self->child);
	remove_cgroup(self->parent);
	remove_cgroup(self->own);
	remove_cgroup(self->user);
	cgroup_base_remove();
}

TEST_F(stopped, event_is_not_delayed_by_stopped_remover)
{
	int wd = inotify_add_watch(self->inotify, self->file, IN_DELETE_SELF);

	ASSERT_GE(wd, 0);
	if (variant->needs_file && !exists(variant->needs_file))
		SKIP(return, "no %s", variant->needs_file);
	self->pid = start_user(self->own, variant->remove, self->shared);
	ASSERT_GT(self->pid, 0);
	if (variant->stop)
		ASSERT_TRUE(variant->stop(self->pid, self->own));
	ASSERT_TRUE(await_flag(&self->shared->removing));
	ASSERT_EVENTS(wd);
	EXPECT_FALSE(self->shared->returned);
}

/* A call that continues after the removal, for as long as the user likes */

FIXTURE(blocked) {
	char root[PATH_MAX];
	char own[PATH_MAX];
	char cpu_max[PATH_MAX];
	struct shared *shared;
	pid_t pid;
	int inotify;
	struct events events;
};

FIXTURE_VARIANT(blocked) {
	void (*remove)(void *shared);
	bool needs_cpu_max;
};

FIXTURE_VARIANT_ADD(blocked, by_a_full_socket) {
	.remove = remove_device_and_block,
};

FIXTURE_VARIANT_ADD(blocked, by_cpu_max) {
	.remove = remove_device_and_compute,
	.needs_cpu_max = true,
};

FIXTURE_SETUP(blocked)
{
	const char *reason = why_no_dummies();

	if (!reason)
		reason = why_no_cgroup();
	if (!reason)
		reason = why_no_user();
	if (reason)
		SKIP(return, "%s", reason);
	self->shared = share_memory(sizeof(*self->shared));
	ASSERT_NE(self->shared, NULL);
	ASSERT_TRUE(make_mount_point(self->root));
	format_path(self->own, "%.3900s/own", cgroup_base());
	format_path(self->cpu_max, "%.3900s/cpu.max", self->own);
	ASSERT_TRUE(delegate_cgroup(self->own));
	if (variant->needs_cpu_max && !exists(self->cpu_max))
		SKIP(return, "no cpu.max");
	self->shared->cpu_max = open(self->cpu_max, O_WRONLY | O_CLOEXEC);
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(blocked)
{
	write_text(self->cpu_max, "max");
	end_process(self->pid);
	remove_cgroup(self->own);
	cgroup_base_remove();
	if (self->root[0])
		remove_mount_point(self->root);
	if (may_unload_dummy())
		unload_dummy();
}

TEST_F(blocked, event_is_not_delayed_by_blocked_remover)
{
	char path[PATH_MAX];
	int wd;

	self->pid = start_user(self->own, variant->remove, self->shared);
	ASSERT_GT(self->pid, 0);
	ASSERT_TRUE(await_stopped(self->pid));
	ASSERT_TRUE(mount_sysfs_of(self->pid, self->root));
	format_path(path, "%.3900s/devices/virtual/net/dm0/mtu", self->root);
	wd = inotify_add_watch(self->inotify, path, IN_DELETE_SELF);
	ASSERT_GE(wd, 0);
	kill(self->pid, SIGCONT);
	ASSERT_EVENTS(wd);
	EXPECT_FALSE(self->shared->returned);
	EXPECT_FALSE(exists(path));
}

/* The task has yet to run code of the module, which says so. */
TEST_F(blocked, module_in_use_is_not_waited_for)
{
	const char *patch = "/sys/kernel/livepatch/rkernfs";
	char path[PATH_MAX];
	int wd;

	if (variant->needs_cpu_max)
		SKIP(return, "the call ends");
	if (!exists("/rkernfs.ko") || !exists(patch))
		SKIP(return, "no patch that can come back");
	self->pid = start_user(self->own, variant->remove, self->shared);
	ASSERT_GT(self->pid, 0);
	ASSERT_TRUE(await_stopped(self->pid));
	ASSERT_TRUE(mount_sysfs_of(self->pid, self->root));
	format_path(path, "%.3900s/devices/virtual/net/dm0/mtu", self->root);
	wd = inotify_add_watch(self->inotify, path, IN_DELETE_SELF);
	ASSERT_GE(wd, 0);
	kill(self->pid, SIGCONT);
	ASSERT_EVENTS(wd);
	remove_mount_point(self->root);
	ASSERT_TRUE(disable_patch());
	EXPECT_TRUE(await(!exists(patch), UNPATCH_LIMIT_MS));
	EXPECT_EQ(unload_module(), EWOULDBLOCK);
	EXPECT_FALSE(self->shared->returned);
	end_process(self->pid);
	self->pid = 0;
	EXPECT_TRUE(await_unpatched());
	EXPECT_EQ(unload_module(), 0);
	ASSERT_EQ(load_module(""), 0);
	EXPECT_TRUE(await_patched());
}

/* A task that holds an inode without a dentry, for as long as it likes */

FIXTURE(keeping) {
	char cgroup[PATH_MAX];
	struct kept *kept;
	pid_t pid;
	int inotify;
	struct events events;
};

struct kept {
	char paths[2][PATH_MAX];
	bool done;
};

FIXTURE_VARIANT(keeping) {
	bool reclaimed;
};

FIXTURE_VARIANT_ADD(keeping, beside_a_dentry) {
	.reclaimed = false,
};

FIXTURE_VARIANT_ADD(keeping, without_one) {
	.reclaimed = true,
};

static void keep_by_rules(void *arg)
{
	struct kept *kept = arg;
	int ruleset = open_ruleset();

	kept->done = keep_by_rule(ruleset, kept->paths[0]) &&
		     keep_by_rule(ruleset, kept->paths[1]);
	raise(SIGSTOP);
}

FIXTURE_SETUP(keeping)
{
	const char *reason = why_no_cgroup();
	int ruleset = open_ruleset();

	if (!reason)
		reason = why_no_user();
	if (!reason && ruleset < 0)
		reason = "no Landlock";
	close(ruleset);
	if (reason)
		SKIP(return, "%s", reason);
	self->kept = share_memory(sizeof(*self->kept));
	ASSERT_NE(self->kept, NULL);
	format_path(self->cgroup, "%.3900s/cgroup", cgroup_base());
	ASSERT_EQ(mkdir(self->cgroup, 0755), 0);
	format_path(self->kept->paths[0], "%.3900s/%s", self->cgroup, cgroup_file());
	format_path(self->kept->paths[1], "%.3900s", self->cgroup);
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(keeping)
{
	end_process(self->pid);
	remove_cgroup(self->cgroup);
	cgroup_base_remove();
}

TEST_F(keeping, event_is_not_delayed_by_rule_of_a_ruleset)
{
	int wd[2];

	for (int i = 0; i < 2; i++) {
		wd[i] = inotify_add_watch(self->inotify, self->kept->paths[i], IN_DELETE_SELF);
		ASSERT_GE(wd[i], 0);
	}
	self->pid = start_user(NULL, keep_by_rules, self->kept);
	ASSERT_GT(self->pid, 0);
	ASSERT_TRUE(await_stopped(self->pid));
	ASSERT_TRUE(self->kept->done);
	if (variant->reclaimed)
		ASSERT_TRUE(drop_dentries());
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	ASSERT_EVENTS_IN_ORDER(wd[0], wd[1]);
	EXPECT_EQ(count_marks(self->inotify), 0);
	EXPECT_LE(counter("work_pending"), 0);
}

/* Names that do not exist, in a directory that is removed */

#define NAMES		2000
#define NAMES_GROUP	0x6e6d

FIXTURE(names) {
	pid_t pid;
	int inotify;
	struct events events;
};

FIXTURE_SETUP(names)
{
	const char *reason = why_no_dummies();

	if (!reason)
		reason = why_no_user();
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_TRUE(add_dummies("rkn", 1, NAMES_GROUP));
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(names)
{
	end_process(self->pid);
	delete_group(NAMES_GROUP);
	if (may_unload_dummy())
		unload_dummy();
}

static void look_names_up(void *arg)
{
	const char *dir = arg;
	char path[PATH_MAX];

	for (int i = 0; i < NAMES; i++)
		exists(format_path(path, "%.3900s/name%d", dir, i));
	raise(SIGSTOP);
}

TEST_F(names, that_do_not_exist_pin_no_directory)
{
	static const char dir[] = "/sys/devices/virtual/net/rkn0";
	int file = inotify_add_watch(self->inotify, "/sys/devices/virtual/net/rkn0/mtu",
				     IN_DELETE_SELF);
	int wd = inotify_add_watch(self->inotify, dir, IN_DELETE_SELF);

	ASSERT_GE(file, 0);
	ASSERT_GE(wd, 0);
	self->pid = start_user(NULL, look_names_up, (void *)dir);
	ASSERT_GT(self->pid, 0);
	ASSERT_TRUE(await_stopped(self->pid));
	ASSERT_TRUE(delete_group(NAMES_GROUP));
	ASSERT_EVENTS_IN_ORDER(file, wd);
	EXPECT_EQ(count_marks(self->inotify), 0);
}

/* Beside an attack, others watch what others remove. */

FIXTURE(during) {
	struct ground ground;
	char parent[PATH_MAX];
	char child[PATH_MAX];
	char control[PATH_MAX];
	pid_t pid;
	int inotify;
	struct events events;
};

FIXTURE_VARIANT(during) {
	const char *attack;
};

FIXTURE_VARIANT_ADD(during, watches) {
	.attack = "watches",
};

FIXTURE_VARIANT_ADD(during, reopening) {
	.attack = "reopening",
};

FIXTURE_VARIANT_ADD(during, queue) {
	.attack = "queue",
};

FIXTURE_VARIANT_ADD(during, killed) {
	.attack = "killed",
};

FIXTURE_VARIANT_ADD(during, stopped) {
	.attack = "stopped",
};

FIXTURE_VARIANT_ADD(during, moving) {
	.attack = "moving",
};

FIXTURE_VARIANT_ADD(during, landlock) {
	.attack = "landlock",
};

FIXTURE_VARIANT_ADD(during, names) {
	.attack = "names",
};

FIXTURE_VARIANT_ADD(during, evictable) {
	.attack = "evictable",
};

FIXTURE_VARIANT_ADD(during, locked) {
	.attack = "locked",
};

FIXTURE_VARIANT_ADD(during, renaming) {
	.attack = "renaming",
};

static const struct attack *find_attack(const char *name)
{
	for (size_t i = 0; i < nr_attacks; i++)
		if (!strcmp(attacks[i].name, name))
			return &attacks[i];
	return NULL;
}

FIXTURE_SETUP(during)
{
	const char *reason = why_no_cgroup();

	if (!reason)
		reason = why_no_user();
	if (!reason)
		reason = why_no_memory_controller();
	if (!reason && !load_dummy())
		reason = "no dummy network driver";
	if (reason)
		SKIP(return, "%s", reason);
	format_path(self->parent, "%.3900s/parent", cgroup_base());
	format_path(self->child, "%.3900s/child", self->parent);
	format_path(self->control, "%.3900s/cgroup.subtree_control", self->parent);
	ASSERT_EQ(mkdir(self->parent, 0755), 0);
	ASSERT_TRUE(make_ground(&self->ground));
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
	self->pid = start_attack(find_attack(variant->attack), &self->ground);
	ASSERT_GT(self->pid, 0);
}

FIXTURE_TEARDOWN(during)
{
	if (self->pid > 0)
		end_attack(&self->ground, self->pid);
	if (self->ground.folder[0])
		remove_ground(&self->ground);
	remove_cgroup(self->child);
	remove_cgroup(self->parent);
	cgroup_base_remove();
	if (may_unload_dummy())
		unload_dummy();
}

TEST_F(during, others_get_their_events_once)
{
	char file[PATH_MAX];

	format_path(file, "%.3900s/memory.events", self->child);
	for (int i = 0; i < ROUNDS; i++) {
		int wd[2];

		self->events.nr = 0;
		ASSERT_TRUE(write_text(self->control, "+memory"));
		ASSERT_EQ(mkdir(self->child, 0755), 0);
		wd[0] = inotify_add_watch(self->inotify, file, IN_DELETE_SELF);
		wd[1] = inotify_add_watch(self->inotify, self->child, IN_DELETE_SELF);
		ASSERT_TRUE(write_text(self->control, "-memory"));
		ASSERT_EQ(remove_cgroup(self->child), 0);
		ASSERT_EVENTS(wd[0], wd[1]);
	}
}

TEST_HARNESS_MAIN
