// SPDX-License-Identifier: GPL-2.0
/*
 * What a user without rights can do to who watches. It removes what a monitor
 * watches and then does not get back to user space, by being stopped or by a
 * system call that goes on: the monitor is told meanwhile. It does its worst
 * beside: who watches something else is told once, all the same.
 */
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "hostile/hostile.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/netdev.h"
#include "lib/process.h"
#include "lib/system.h"
#include "lib/user.h"

#define GROUP		0x7570
#define ROUNDS		15

/* What the user's process and the test share */
struct shared {
	char control[PATH_MAX];
	bool ready;
	bool returned;
};

static bool await_flag(const bool *flag)
{
	for (int ms = 0; ms < EVENT_TIMEOUT_MS; ms++) {
		if (__atomic_load_n(flag, __ATOMIC_ACQUIRE))
			return true;
		sleep_ms(1);
	}
	return false;
}

static void set_flag(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

/* Stopped: the remover of a file that nobody but the release stage tells of */

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

enum how { BY_PTRACE, BY_SIGNAL, BY_FREEZER };

FIXTURE_VARIANT(stopped) {
	enum how how;
};

FIXTURE_VARIANT_ADD(stopped, as_the_call_ends_by_ptrace) {
	.how = BY_PTRACE,
};

FIXTURE_VARIANT_ADD(stopped, by_a_signal) {
	.how = BY_SIGNAL,
};

FIXTURE_VARIANT_ADD(stopped, by_the_freezer) {
	.how = BY_FREEZER,
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
	ASSERT_TRUE(write_text(format_path(path, "%.3900s/cgroup.subtree_control", self->user),
			       "+memory"));
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
	end_process(self->pid);
	remove_cgroup(self->child);
	remove_cgroup(self->parent);
	remove_cgroup(self->own);
	remove_cgroup(self->user);
	cgroup_base_remove();
}

static void remove_traced(void *arg)
{
	struct shared *shared = arg;
	int fd = open(shared->control, O_WRONLY | O_CLOEXEC);

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	if (syscall(SYS_write, fd, "-memory", 7) == 7)
		set_flag(&shared->returned);
	for (;;)
		pause();
}

/* Lets it run to the next stop at a system call: false if it is gone. */
static bool run_to_call(pid_t pid, struct __ptrace_syscall_info *info)
{
	int status;

	return !ptrace(PTRACE_SYSCALL, pid, NULL, NULL) && waitpid(pid, &status, 0) == pid &&
	       WIFSTOPPED(status) &&
	       ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(*info), info) > 0;
}

/* Stops it as it enters its write(). */
static bool stop_at_write(pid_t pid)
{
	struct __ptrace_syscall_info info = {};
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD))
		return false;
	while (info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_write)
		if (!run_to_call(pid, &info))
			return false;
	return true;
}

/* From its entry into the write(), lets it run until it is stopped on the way out. */
static bool stop_on_the_way_out(pid_t pid, enum how how, const char *cgroup)
{
	struct __ptrace_syscall_info info;
	char path[PATH_MAX];

	switch (how) {
	case BY_PTRACE:
		return run_to_call(pid, &info) && info.op == PTRACE_SYSCALL_INFO_EXIT &&
		       info.exit.rval == 7;
	case BY_SIGNAL:
		return !kill(pid, SIGSTOP) && !ptrace(PTRACE_DETACH, pid, NULL, NULL);
	case BY_FREEZER:
		return write_text(format_path(path, "%.3900s/cgroup.freeze", cgroup), "1") &&
		       !ptrace(PTRACE_DETACH, pid, NULL, NULL);
	}
	return false;
}

TEST_F(stopped, remover_holds_no_event_up)
{
	int wd = inotify_add_watch(self->inotify, self->file, IN_DELETE_SELF);

	ASSERT_GE(wd, 0);
	self->pid = start_user(self->own, remove_traced, self->shared);
	ASSERT_GT(self->pid, 0);
	ASSERT_TRUE(stop_at_write(self->pid));
	ASSERT_TRUE(stop_on_the_way_out(self->pid, variant->how, self->own));
	ASSERT_TOLD(wd);
	EXPECT_FALSE(self->shared->returned);
}

/* A call that goes on after the removal, for as long as the user likes */

FIXTURE(blocked) {
	char root[PATH_MAX];
	struct shared *shared;
	pid_t pid;
	int inotify;
	struct events events;
};

FIXTURE_SETUP(blocked)
{
	const char *reason = why_no_dummies();

	if (!reason)
		reason = why_no_user();
	if (reason)
		SKIP(return, "%s", reason);
	self->shared = share_memory(sizeof(*self->shared));
	ASSERT_NE(self->shared, NULL);
	ASSERT_TRUE(make_mount_point(self->root));
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(blocked)
{
	end_process(self->pid);
	if (self->root[0])
		remove_mount_point(self->root);
	if (may_unload_dummy())
		unload_dummy();
}

static int open_netlink(struct sockaddr_nl *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	memset(address, 0, sizeof(*address));
	address->nl_family = AF_NETLINK;
	if (fd < 0 || bind(fd, (void *)address, size) ||
	    getsockname(fd, (void *)address, &size))
		return -1;
	return fd;
}

struct removal {
	struct nlmsghdr header;
	struct ifinfomsg info;
};

/* Who sends one more to @address sleeps until somebody reads it. */
static bool fill_queue(int fd, struct sockaddr_nl *address)
{
	char junk[sizeof(struct removal)] = {};

	while (sendto(fd, junk, sizeof(junk), MSG_DONTWAIT, (void *)address,
		      sizeof(*address)) > 0)
		;
	return errno == EAGAIN;
}

/* In one call: the device away, then a message that nobody takes */
static void remove_and_block(void *arg)
{
	struct shared *shared = arg;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK }, own, full;
	int fd = open_netlink(&own), unread = open_netlink(&full);
	struct removal removal = {
		.header = {
			.nlmsg_len = sizeof(removal),
			.nlmsg_type = RTM_DELLINK,
			.nlmsg_flags = NLM_F_REQUEST,
		},
	};
	struct iovec iov = { .iov_base = &removal, .iov_len = sizeof(removal) };
	struct mmsghdr messages[] = {
		{ .msg_hdr = { &kernel, sizeof(kernel), &iov, 1, NULL, 0, 0 } },
		{ .msg_hdr = { &full, sizeof(full), &iov, 1, NULL, 0, 0 } },
	};

	if (fd < 0 || unread < 0 || !add_dummies("dm", 1, GROUP) || !fill_queue(fd, &full))
		return;
	removal.info.ifi_index = if_nametoindex("dm0");
	set_flag(&shared->ready);
	raise(SIGSTOP);
	sendmmsg(fd, messages, ARRAY_SIZE(messages), 0);
	set_flag(&shared->returned);
}

TEST_F(blocked, remover_holds_no_event_up)
{
	char path[PATH_MAX];
	int wd;

	self->pid = start_user(NULL, remove_and_block, self->shared);
	ASSERT_GT(self->pid, 0);
	ASSERT_TRUE(await_flag(&self->shared->ready));
	ASSERT_TRUE(mount_sysfs_of(self->pid, self->root));
	format_path(path, "%.3900s/devices/virtual/net/dm0/mtu", self->root);
	wd = inotify_add_watch(self->inotify, path, IN_DELETE_SELF);
	ASSERT_GE(wd, 0);
	kill(self->pid, SIGCONT);
	ASSERT_TOLD(wd);
	EXPECT_FALSE(self->shared->returned);
	EXPECT_FALSE(exists(path));
}

/* Beside an attack, others watch what others remove. */

FIXTURE(beside) {
	struct ground ground;
	char parent[PATH_MAX];
	char child[PATH_MAX];
	char control[PATH_MAX];
	pid_t pid;
	int inotify;
	struct events events;
};

FIXTURE_VARIANT(beside) {
	const char *attack;
};

FIXTURE_VARIANT_ADD(beside, watches) {
	.attack = "watches",
};

FIXTURE_VARIANT_ADD(beside, reopening) {
	.attack = "reopening",
};

FIXTURE_VARIANT_ADD(beside, queue) {
	.attack = "queue",
};

FIXTURE_VARIANT_ADD(beside, killed) {
	.attack = "killed",
};

FIXTURE_VARIANT_ADD(beside, stopped) {
	.attack = "stopped",
};

FIXTURE_VARIANT_ADD(beside, moving) {
	.attack = "moving",
};

static const struct attack *find_attack(const char *name)
{
	for (size_t i = 0; i < nr_attacks; i++)
		if (!strcmp(attacks[i].name, name))
			return &attacks[i];
	return NULL;
}

FIXTURE_SETUP(beside)
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

FIXTURE_TEARDOWN(beside)
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

TEST_F(beside, others_are_told_once)
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
		ASSERT_TOLD(wd[0], wd[1]);
	}
}

TEST_HARNESS_MAIN
