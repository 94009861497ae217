// SPDX-License-Identifier: GPL-2.0
/*
 * A task that waits for a file by poll(2) and its like wakes when it is removed,
 * with what a new call would return: POLLERR | POLLPRI.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/harness.h"
#include "lib/events.h"
#include "lib/netdev.h"
#include "lib/pseudofs.h"
#include "lib/system.h"
#include "pollers/ways.h"

#define GONE		(POLLERR | POLLPRI)
#define CROWD		20

/* Reads it, so that it has no news */
static int open_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[4096];

	if (fd >= 0 && read(fd, text, sizeof(text)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A thread that waits for a file */
struct waiter {
	int (*wait)(int fd);
	int fd;
	pid_t tid;
	int events;
	pthread_t thread;
};

static void *run_waiter(void *arg)
{
	struct waiter *waiter = arg;

	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	waiter->events = waiter->wait(waiter->fd);
	return NULL;
}

/* In the one system call that sleeps: nothing else in there does for long. */
static bool is_asleep(struct waiter *waiter)
{
	char path[PATH_MAX], text[512], *state;

	format_path(path, "/proc/self/task/%d/stat",
		    __atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE));
	if (read_text(path, text, sizeof(text)) < 0)
		return false;
	state = strrchr(text, ')');
	return state && state[2] == 'S';
}

static bool start_waiter(struct waiter *waiter, int (*wait)(int fd), int fd)
{
	*waiter = (struct waiter) { .wait = wait, .fd = fd };
	return !pthread_create(&waiter->thread, NULL, run_waiter, waiter);
}

static bool put_to_sleep(struct waiter *waiter, int (*wait)(int fd), int fd)
{
	return start_waiter(waiter, wait, fd) && await(is_asleep(waiter), event_timeout_ms());
}

/* 0: it does not wake. */
static int join_waiter(struct waiter *waiter)
{
	return await(!pthread_tryjoin_np(waiter->thread, NULL), event_timeout_ms()) ?
	       waiter->events : 0;
}

/* Ways to wait, for a file of a cgroup */

FIXTURE(way) {
	char cgroup[PATH_MAX];
	int fd;
};

FIXTURE_VARIANT(way) {
	int (*wait)(int fd);
	int expected;
};

#define WAY(name, what)				\
FIXTURE_VARIANT_ADD(way, name) {		\
	.wait = wait_by_##name,			\
	.expected = what,			\
}

WAY(poll, GONE);
WAY(select, POLLPRI);
WAY(epoll, GONE);
WAY(epoll_edge, GONE);
WAY(epoll_oneshot, GONE);
WAY(epoll_exclusive, POLLERR);
WAY(io_uring, GONE);
WAY(aio, GONE);

static const char *why_no_way(int (*wait)(int fd))
{
	int error = wait == wait_by_io_uring ? error_of(syscall(SYS_io_uring_setup, 0, NULL)) : 0;

	if (error == ENOSYS || error == EPERM)
		return "no io_uring";
	if (wait == wait_by_aio && error_of(syscall(SYS_io_setup, 0, NULL)) == ENOSYS)
		return "no asynchronous I/O";
	return NULL;
}

FIXTURE_SETUP(way)
{
	const char *reason = why_no_cgroup();
	char file[PATH_MAX];

	if (!reason)
		reason = why_no_way(variant->wait);
	if (reason)
		SKIP(return, "%s", reason);
	format_path(self->cgroup, "%.3900s/polled", cgroup_base());
	ASSERT_EQ(mkdir(self->cgroup, 0755), 0);
	self->fd = open_read(format_path(file, "%.3900s/%s", self->cgroup, cgroup_file()));
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(way)
{
	remove_cgroup(self->cgroup);
	cgroup_base_remove();
}

TEST_F(way, wakes_a_sleeping_poller)
{
	struct waiter waiter;

	ASSERT_TRUE(put_to_sleep(&waiter, variant->wait, self->fd));
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(join_waiter(&waiter), variant->expected);
}

TEST_F(way, later_poll_returns_at_once)
{
	struct waiter waiter;

	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	ASSERT_TRUE(start_waiter(&waiter, variant->wait, self->fd));
	EXPECT_EQ(join_waiter(&waiter), variant->expected);
}

/* What is waited for, and what removes it */

static char polled[PATH_MAX], beside[PATH_MAX];

static bool make_polled_cgroup(const char *file)
{
	format_path(beside, "%.3900s/polled", cgroup_base());
	format_path(polled, "%.3900s/%s", beside, file);
	return !mkdir(beside, 0755) && exists(polled);
}

static bool remove_polled_cgroup(void)
{
	return !remove_cgroup(beside);
}

static bool make_cgroup_events(void)
{
	return make_polled_cgroup("cgroup.events");
}

static bool make_memory_events(void)
{
	return make_polled_cgroup("memory.events");
}

static bool make_pressure(void)
{
	return make_polled_cgroup("cpu.pressure");
}

static const char *why_no_pressure(void)
{
	return exists("/proc/pressure/cpu") ? why_no_cgroup() : "no pressure stall information";
}

static bool write_beside(const char *file, const char *text)
{
	char path[PATH_MAX];

	return write_text(format_path(path, "%.3900s/%s", beside, file), text);
}

static bool make_child(void)
{
	char path[PATH_MAX];

	format_path(beside, "%.3900s/polled", cgroup_base());
	format_path(polled, "%.3900s/child/memory.events", beside);
	return !mkdir(beside, 0755) && write_beside("cgroup.subtree_control", "+memory") &&
	       !mkdir(format_path(path, "%.3900s/child", beside), 0755) && exists(polled);
}

static bool turn_memory_off(void)
{
	return write_beside("cgroup.subtree_control", "-memory");
}

static void remove_child(void)
{
	char path[PATH_MAX];

	remove_cgroup(format_path(path, "%.3900s/child", beside));
	remove_cgroup(beside);
}

static bool make_netdev(void)
{
	format_path(polled, "/sys/class/net/polled0/tx_queue_len");
	return add_link("dummy", "polled0", 0);
}

static bool delete_netdev(void)
{
	return delete_link("polled0");
}

static char pseudofs[PATH_MAX];

static bool make_object(void)
{
	return !mount_for_object(pseudofs, beside, polled) && !mkdir(beside, 0755);
}

static bool remove_itself(void)
{
	return write_beside("remove", "1");
}

static void unmount_object(void)
{
	rmdir(beside);
	unmount_pseudofs(pseudofs);
}

static const char *why_no_object(void)
{
	const char *reason = mount_pseudofs(pseudofs);

	if (!reason)
		unmount_pseudofs(pseudofs);
	return reason;
}

static void forget_cgroup(void)
{
	remove_cgroup(beside);
}

static void forget_netdev(void)
{
	delete_link("polled0");
	if (may_unload_dummy())
		unload_dummy();
}

FIXTURE(file) {
	int fd;
	int epoll;
};

FIXTURE_VARIANT(file) {
	const char *(*missing)(void);
	bool (*make)(void);
	bool (*remove)(void);
	void (*forget)(void);
	/* Pressure can only be polled after a trigger was written. */
	const char *trigger;
};

FIXTURE_VARIANT_ADD(file, cgroup_events) {
	.missing = why_no_cgroup,
	.make = make_cgroup_events,
	.remove = remove_polled_cgroup,
	.forget = forget_cgroup,
};

FIXTURE_VARIANT_ADD(file, memory_events) {
	.missing = why_no_memory_controller,
	.make = make_memory_events,
	.remove = remove_polled_cgroup,
	.forget = forget_cgroup,
};

FIXTURE_VARIANT_ADD(file, memory_events_by_controller_off) {
	.missing = why_no_memory_controller,
	.make = make_child,
	.remove = turn_memory_off,
	.forget = remove_child,
};

FIXTURE_VARIANT_ADD(file, pressure_with_a_trigger) {
	.missing = why_no_pressure,
	.make = make_pressure,
	.remove = remove_polled_cgroup,
	.forget = forget_cgroup,
	.trigger = "some 900000 1000000",
};

FIXTURE_VARIANT_ADD(file, sysfs_attribute) {
	.missing = why_no_dummies,
	.make = make_netdev,
	.remove = delete_netdev,
	.forget = forget_netdev,
};

FIXTURE_VARIANT_ADD(file, own_by_its_own_write) {
	.missing = why_no_object,
	.make = make_object,
	.remove = remove_itself,
	.forget = unmount_object,
};

FIXTURE_SETUP(file)
{
	const char *reason = variant->missing();

	self->fd = -1;
	self->epoll = -1;
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_TRUE(variant->make());
	if (variant->trigger) {
		self->fd = open(polled, O_RDWR | O_CLOEXEC);
		ASSERT_GT(write(self->fd, variant->trigger, strlen(variant->trigger) + 1), 0);
	} else {
		self->fd = open_read(polled);
	}
	ASSERT_GE(self->fd, 0);
	self->epoll = epoll_with(self->fd, EPOLLET);
	ASSERT_GE(self->epoll, 0);
	ASSERT_EQ(take_epoll(self->epoll, 0), 0);
}

FIXTURE_TEARDOWN(file)
{
	close(self->epoll);
	close(self->fd);
	variant->forget();
	cgroup_base_remove();
}

TEST_F(file, has_one_edge)
{
	ASSERT_TRUE(variant->remove());
	EXPECT_EQ(take_epoll(self->epoll, event_timeout_ms()), GONE);
	EXPECT_EQ(take_epoll(self->epoll, QUIET_MS), 0);
}

static int wait_by_last_epoll(int epoll)
{
	return take_epoll(epoll, -1);
}

/* Between the wakeups, if there are two, this one sees each of them. */
TEST_F(file, sleeping_poller_gets_one_edge)
{
	struct waiter waiter;

	ASSERT_TRUE(put_to_sleep(&waiter, wait_by_last_epoll, self->epoll));
	ASSERT_TRUE(variant->remove());
	EXPECT_EQ(join_waiter(&waiter), GONE);
	EXPECT_EQ(take_epoll(self->epoll, QUIET_MS), 0);
}

static int count_tasks(const char *name)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[PATH_MAX], text[64];
	int nr = 0;

	while (proc && (entry = readdir(proc))) {
		format_path(path, "/proc/%.20s/comm", entry->d_name);
		nr += read_text(path, text, sizeof(text)) > 0 && !strcmp(strtok(text, "\n"), name);
	}
	closedir(proc);
	return nr;
}

/* Although the file stays open, its kernel thread ends. */
TEST(pressure_trigger_is_released_on_removal)
{
	static const char trigger[] = "some 900000 1000000";
	const char *reason = why_no_pressure();
	int fd, before = count_tasks("psimon");

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_TRUE(make_pressure());
	fd = open(polled, O_RDWR | O_CLOEXEC);
	ASSERT_GT(write(fd, trigger, sizeof(trigger)), 0);
	EXPECT_TRUE(await(count_tasks("psimon") == before + 1, event_timeout_ms()));
	ASSERT_TRUE(remove_polled_cgroup());
	EXPECT_TRUE(await(count_tasks("psimon") == before, event_timeout_ms()));
	close(fd);
	cgroup_base_remove();
}

/* Releasing the trigger wakes its pollers by kernfs_notify(), so one exclusive one. */
TEST(exclusive_pollers_of_a_pressure_trigger_all_wake)
{
	static const char trigger[] = "some 900000 1000000";
	const char *reason = why_no_pressure();
	struct waiter crowd[CROWD];
	int fd;

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_TRUE(make_pressure());
	fd = open(polled, O_RDWR | O_CLOEXEC);
	ASSERT_GT(write(fd, trigger, sizeof(trigger)), 0);
	for (int i = 0; i < CROWD; i++)
		ASSERT_TRUE(put_to_sleep(&crowd[i], wait_by_epoll_exclusive, dup(fd)));
	ASSERT_TRUE(remove_polled_cgroup());
	for (int i = 0; i < CROWD; i++) {
		ASSERT_EQ(join_waiter(&crowd[i]), POLLERR)
			TH_LOG("%d of %d", i + 1, CROWD);
	}
	close(fd);
	cgroup_base_remove();
}

/* Which other pollers wake, and when */

FIXTURE(cgroup) {
	char cgroup[PATH_MAX];
	char file[PATH_MAX];
};

FIXTURE_SETUP(cgroup)
{
	const char *reason = why_no_cgroup();

	if (reason)
		SKIP(return, "%s", reason);
	format_path(self->cgroup, "%.3900s/polled", cgroup_base());
	format_path(self->file, "%.3900s/%s", self->cgroup, cgroup_file());
	ASSERT_EQ(mkdir(self->cgroup, 0755), 0);
}

FIXTURE_TEARDOWN(cgroup)
{
	remove_cgroup(self->cgroup);
	cgroup_base_remove();
}

/* kernfs_notify() wakes one exclusive waiter: there is work for one. */
TEST_F(cgroup, all_pollers_wake_also_exclusive_ones)
{
	struct waiter crowd[CROWD];

	for (int i = 0; i < CROWD; i++)
		ASSERT_TRUE(put_to_sleep(&crowd[i], wait_by_epoll_exclusive,
					 open_read(self->file)));
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	for (int i = 0; i < CROWD; i++) {
		ASSERT_EQ(join_waiter(&crowd[i]), POLLERR)
			TH_LOG("%d of %d", i + 1, CROWD);
	}
}

TEST_F(cgroup, poller_of_another_file_is_not_woken)
{
	char other[PATH_MAX], file[PATH_MAX];
	int epoll;

	format_path(other, "%.3900s/other", cgroup_base());
	ASSERT_EQ(mkdir(other, 0755), 0);
	epoll = epoll_with(open_read(format_path(file, "%.3900s/%s", other, cgroup_file())),
			   EPOLLET);
	EXPECT_GE(epoll, 0);
	EXPECT_EQ(take_epoll(epoll, 0), 0);
	EXPECT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(take_epoll(epoll, QUIET_MS), 0);
	EXPECT_EQ(remove_cgroup(other), 0);
}

static int wait_for_end(int fd)
{
	struct stat st;

	/* 0 is a poller that did not wake. */
	return wait_by_poll(fd) == GONE && !fstat(fd, &st) && !st.st_nlink ? GONE : -1;
}

TEST_F(cgroup, woken_poller_finds_no_link_left)
{
	struct waiter waiter;

	ASSERT_TRUE(put_to_sleep(&waiter, wait_for_end, open_read(self->file)));
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(join_waiter(&waiter), GONE);
}

TEST_F(cgroup, poller_wakes_although_another_closed_the_file)
{
	int kept = open_read(self->file), closed = open_read(self->file);
	int epoll = epoll_with(kept, EPOLLET);

	ASSERT_GE(epoll, 0);
	ASSERT_GE(closed, 0);
	close(closed);
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(take_epoll(epoll, event_timeout_ms()), GONE);
}

TEST_HARNESS_MAIN
