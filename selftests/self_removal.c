// SPDX-License-Identifier: GPL-2.0
/*
 * Nodes that go inside a write: a node's own file (kernfs_remove_self()), a
 * file by name (kernfs_remove_by_name()), a hidden file, which does not go.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/harness.h"
#include "lib/events.h"
#include "lib/expect.h"
#include "lib/module.h"
#include "lib/pci.h"
#include "lib/pseudofs.h"
#include "lib/system.h"

#define RACES		20
#define RACERS		4

#define EVERYTHING	(IN_ATTRIB | IN_CREATE | IN_DELETE | IN_DELETE_SELF | \
			 IN_MOVE | IN_MOVE_SELF)

/* The pseudo file system's objects */

FIXTURE(object) {
	char root[PATH_MAX];
	char path[PATH_MAX];
	char value[PATH_MAX];
	int inotify;
	struct events events;
};

FIXTURE_SETUP(object)
{
	const char *reason = mount_for_object(self->root, self->path, self->value);

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(mkdir(self->path, 0755), 0);
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(object)
{
	rmdir(self->path);
	unmount_pseudofs(self->root);
}

TEST_F(object, remove_file_removes_the_object)
{
	int file, dir, own;
	char path[PATH_MAX];

	format_path(path, "%.4000s/remove", self->path);
	file = inotify_add_watch(self->inotify, self->value, EVERYTHING);
	own = inotify_add_watch(self->inotify, path, EVERYTHING);
	dir = inotify_add_watch(self->inotify, self->path, EVERYTHING);
	ASSERT_TRUE(write_object(self->path, "remove", "1"));
	EXPECT_FALSE(exists(self->path));
	ASSERT_EVENTS(file, own, dir);
}

/* What was not found has a dentry, too, which would keep the directory's. */
TEST_F(object, names_looked_up_in_it_do_not_pin_it)
{
	char child[PATH_MAX];
	int fd, dir, below;

	ASSERT_EQ(mkdir(format_path(child, "%.4000s/child", self->path), 0755), 0);
	dir = inotify_add_watch(self->inotify, self->path, IN_DELETE_SELF);
	below = inotify_add_watch(self->inotify, child, IN_DELETE_SELF);
	fd = open(self->path, O_PATH | O_DIRECTORY);
	ASSERT_GE(fd, 0);
	EXPECT_NE(faccessat(fd, "child/nothing", F_OK, 0), 0);
	EXPECT_NE(faccessat(fd, "nothing", F_OK, 0), 0);
	ASSERT_TRUE(write_object(self->path, "remove", "1"));
	EXPECT_NE(faccessat(fd, "nothing more", F_OK, 0), 0);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_NE(faccessat(fd, "child", F_OK, 0), 0);
	close(fd);
	ASSERT_EVENTS(dir, below);
}

/* Another task, which a module of the tests keeps in a function */
static void *make_new(void *dir)
{
	char path[PATH_MAX];

	prctl(PR_SET_NAME, "delayed");
	mkdir(format_path(path, "%.4000s/new", (char *)dir), 0755);
	return NULL;
}

static void *add_aux(void *object)
{
	prctl(PR_SET_NAME, "delayed");
	write_object(object, "control", "+aux");
	return NULL;
}

/* Returns when it is there. */
static pthread_t start_delayed(struct __test_metadata *_metadata, void *(*run)(void *), char *arg,
			       const char *parameters)
{
	pthread_t thread;

	ASSERT_EQ(insert_test_module("delay", parameters), 0);
	pthread_create(&thread, NULL, run, arg);
	EXPECT_TRUE(await(module_parameter("delay", "hits") == 1, event_timeout_ms()));
	return thread;
}

static void end_delayed(struct __test_metadata *_metadata, pthread_t thread)
{
	pthread_join(thread, NULL);
	EXPECT_EQ(remove_test_module("delay"), 0);
}

/* The task holds the dentry of a name that does not exist yet. */
TEST_F(object, negative_dentry_in_use_does_not_keep_it)
{
	char child[PATH_MAX];
	pthread_t thread;
	int dir, below;

	if (!has_test_module("delay"))
		SKIP(return, "no modules of the tests");
	ASSERT_EQ(mkdir(format_path(child, "%.4000s/child", self->path), 0755), 0);
	dir = inotify_add_watch(self->inotify, self->path, IN_DELETE_SELF);
	below = inotify_add_watch(self->inotify, child, IN_DELETE_SELF);
	thread = start_delayed(_metadata, make_new, child, "function=kernfs_iop_mkdir ms=1000");
	EXPECT_TRUE(write_object(self->path, "remove", "1"));
	end_delayed(_metadata, thread);
	ASSERT_EVENTS(dir, below);
}

/* The task has created a node, and holds no reference to it yet. */
TEST_F(object, new_node_is_not_removed_before_its_maker_holds_it)
{
	pthread_t thread;

	if (!has_test_module("delay"))
		SKIP(return, "no modules of the tests");
	/* gcc calls it; clang makes it a part of kernfs_add_one(). */
	if (file_has_line("/proc/version", "clang"))
		SKIP(return, "kernfs_activate() is inlined");
	thread = start_delayed(_metadata, add_aux, self->path, "function=kernfs_activate ms=1000");
	EXPECT_TRUE(write_object(self->path, "control", "-aux"));
	end_delayed(_metadata, thread);
	EXPECT_FALSE(write_object(self->path, "control", "-aux"));
}

TEST_F(object, control_removes_one_file_by_name)
{
	char path[PATH_MAX];
	int aux, dir, wd;

	format_path(path, "%.4000s/aux", self->path);
	ASSERT_TRUE(write_object(self->path, "control", "+aux"));
	aux = inotify_add_watch(self->inotify, path, EVERYTHING);
	dir = inotify_add_watch(self->inotify, self->path, IN_DELETE_SELF | IN_ATTRIB);
	wd = inotify_add_watch(self->inotify, self->value, EVERYTHING);
	ASSERT_GE(aux, 0);
	ASSERT_GE(dir, 0);
	ASSERT_GE(wd, 0);
	ASSERT_TRUE(write_object(self->path, "control", "-aux"));
	EXPECT_FALSE(exists(path));
	ASSERT_EVENTS(aux);
}

/* A removal by name tries the node first that was created after the one last removed. */
TEST_F(object, next_node_with_a_longer_name_stays)
{
	char longer[PATH_MAX], path[PATH_MAX];

	format_path(longer, "%.4000s/auxiliary", self->path);
	ASSERT_TRUE(write_object(self->path, "control", "+aux"));
	ASSERT_TRUE(write_object(self->path, "control", "-aux"));
	ASSERT_EQ(mkdir(longer, 0755), 0);
	ASSERT_TRUE(write_object(self->path, "control", "+aux"));
	ASSERT_TRUE(write_object(self->path, "control", "-aux"));
	EXPECT_FALSE(exists(format_path(path, "%.4000s/aux", self->path)));
	EXPECT_TRUE(exists(longer));
	EXPECT_EQ(rmdir(longer), 0);
}

TEST_F(object, next_node_in_another_directory_stays)
{
	char other[PATH_MAX], path[PATH_MAX];

	ASSERT_EQ(mkdir(format_path(other, "%.3900s/other", self->root), 0755), 0);
	ASSERT_TRUE(write_object(self->path, "control", "+aux"));
	ASSERT_TRUE(write_object(self->path, "control", "-aux"));
	ASSERT_TRUE(write_object(other, "control", "+aux"));
	ASSERT_TRUE(write_object(self->path, "control", "+aux"));
	ASSERT_TRUE(write_object(self->path, "control", "-aux"));
	EXPECT_FALSE(exists(format_path(path, "%.4000s/aux", self->path)));
	EXPECT_TRUE(exists(format_path(path, "%.4000s/aux", other)));
	EXPECT_EQ(rmdir(other), 0);
}

TEST_F(object, name_that_is_missing_is_enoent)
{
	ASSERT_TRUE(write_object(self->path, "control", "+aux"));
	ASSERT_TRUE(write_object(self->path, "control", "-aux"));
	EXPECT_FALSE(write_object(self->path, "control", "-aux"));
	EXPECT_EQ(errno, ENOENT);
}

TEST_F(object, hiding_and_showing_sends_nothing)
{
	int wd;

	wd = inotify_add_watch(self->inotify, self->value, EVERYTHING);
	ASSERT_GE(wd, 0);
	ASSERT_GE(inotify_add_watch(self->inotify, self->path, IN_DELETE_SELF | IN_ATTRIB), 0);
	ASSERT_TRUE(write_object(self->path, "hide", "1"));
	EXPECT_FALSE(exists(self->value));
	ASSERT_TRUE(write_object(self->path, "hide", "0"));
	EXPECT_TRUE(exists(self->value));
	ASSERT_QUIET();
}

TEST_F(object, hidden_file_is_reported_with_its_object)
{
	int wd;

	wd = inotify_add_watch(self->inotify, self->value, EVERYTHING);
	ASSERT_TRUE(write_object(self->path, "hide", "1"));
	ASSERT_EQ(rmdir(self->path), 0);
	ASSERT_EVENTS(wd);
}

TEST_F(object, open_file_is_enodev_after_removal)
{
	char byte;
	int fd;

	fd = open(self->value, O_RDWR);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(rmdir(self->path), 0);
	EXPECT_EQ(write(fd, "x", 1), -1);
	EXPECT_EQ(errno, ENODEV);
	EXPECT_EQ(read(fd, &byte, 1), -1);
	EXPECT_EQ(errno, ENODEV);
	close(fd);
}

/* Several at once, on the pseudo file system and on a PCI device's remove */

FIXTURE(losers) {
	char root[PATH_MAX];
	char dir[PATH_MAX];
	char remove[PATH_MAX];
	int inotify;
	struct events events;
};

FIXTURE_VARIANT(losers) {
	bool pci;
};

FIXTURE_VARIANT_ADD(losers, object) {
	.pci = false,
};

FIXTURE_VARIANT_ADD(losers, pci_device) {
	.pci = true,
};

FIXTURE_SETUP(losers)
{
	const char *reason = variant->pci ? why_not_root() : mount_pseudofs(self->root);

	if (!reason && variant->pci)
		reason = why_not_covered();
	if (!reason && variant->pci && !expendable_pci())
		reason = "no PCI device of QEMU's without a driver";
	if (reason)
		SKIP(return, "%s", reason);
	if (variant->pci)
		format_path(self->dir, "%.3900s", expendable_pci());
	else
		format_path(self->dir, "%.3900s/object", self->root);
	format_path(self->remove, "%.3900s/remove", self->dir);
	self->inotify = open_inotify();
	ASSERT_GE(self->inotify, 0);
}

FIXTURE_TEARDOWN(losers)
{
	if (variant->pci)
		rescan_pci();
	else
		unmount_pseudofs(self->root);
}

struct race {
	pthread_barrier_t start;
	const char *remove;
	int succeeded;
	int saw_it;		/* after its own success */
	int other_errors;
};

static void *write_remove(void *arg)
{
	struct race *race = arg;
	int fd = open(race->remove, O_WRONLY);

	pthread_barrier_wait(&race->start);
	if (write(fd, "1", 1) == 1) {
		__atomic_add_fetch(&race->succeeded, 1, __ATOMIC_RELAXED);
		if (exists(race->remove))
			__atomic_add_fetch(&race->saw_it, 1, __ATOMIC_RELAXED);
	} else if (errno != ENODEV) {
		__atomic_add_fetch(&race->other_errors, 1, __ATOMIC_RELAXED);
	}
	close(fd);
	return NULL;
}

static void run_race(struct race *race)
{
	pthread_t thread[RACERS];

	pthread_barrier_init(&race->start, NULL, RACERS);
	for (int i = 0; i < RACERS; i++)
		pthread_create(&thread[i], NULL, write_remove, race);
	for (int i = 0; i < RACERS; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&race->start);
}

TEST_F(losers, return_only_after_the_node_is_removed)
{
	for (int i = 0; i < RACES; i++) {
		struct race race = { .remove = self->remove };
		int file, dir;

		ASSERT_TRUE(variant->pci ? rescan_pci() : !mkdir(self->dir, 0755));
		self->events.nr = 0;
		file = inotify_add_watch(self->inotify, self->remove, IN_DELETE_SELF);
		dir = inotify_add_watch(self->inotify, self->dir, IN_DELETE_SELF);
		ASSERT_GE(file, 0);
		ASSERT_GE(dir, 0);
		run_race(&race);
		ASSERT_GE(race.succeeded, 1);
		ASSERT_EQ(race.saw_it, 0);
		ASSERT_EQ(race.other_errors, 0);
		ASSERT_EVENTS(file, dir);
	}
}

/* A file of sysfs that tasks remove from within its own operations, in which they sleep */

#define SLEEPER		"/sys/kernel/sleeper/"

struct user {
	const char *text;	/* to write; NULL: reads */
	pid_t tid;
	int error;
	pthread_t thread;
};

FIXTURE(sleepers) {
	struct user users[RACERS];
};

FIXTURE_SETUP(sleepers)
{
	const char *reason = why_not_root();

	if (!reason)
		reason = why_not_covered();
	if (!reason && !has_test_module("sleeper"))
		reason = "no modules of the tests";
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(insert_test_module("sleeper", ""), 0);
}

FIXTURE_TEARDOWN(sleepers)
{
	write_text(SLEEPER "wake", "1");
	EXPECT_EQ(remove_test_module("sleeper"), 0);
}

static void *use_own_file(void *arg)
{
	struct user *user = arg;
	char text[16];

	__atomic_store_n(&user->tid, gettid(), __ATOMIC_RELEASE);
	if (user->text)
		user->error = write_text(SLEEPER "own", user->text) ? 0 : errno;
	else
		user->error = read_text(SLEEPER "own", text, sizeof(text)) < 0 ? errno : 0;
	return NULL;
}

static char *path_of(char path[PATH_MAX], struct user *user, const char *file)
{
	return format_path(path, "/proc/self/task/%d/%s",
			   __atomic_load_n(&user->tid, __ATOMIC_ACQUIRE), file);
}

static bool sleeps(struct user *user)
{
	char path[PATH_MAX];

	return file_has_line(path_of(path, user, "status"), "State:\tD");
}

static bool put_to_sleep(struct user *user, const char *text)
{
	*user = (struct user) { .text = text };
	return !pthread_create(&user->thread, NULL, use_own_file, user) &&
	       await(sleeps(user), event_timeout_ms());
}

TEST_F(sleepers, one_of_several_removes_it)
{
	int succeeded = 0;

	for (int i = 0; i < RACERS; i++)
		ASSERT_TRUE(put_to_sleep(&self->users[i], "later"));
	ASSERT_TRUE(write_text(SLEEPER "wake", "1"));
	for (int i = 0; i < RACERS; i++) {
		pthread_join(self->users[i].thread, NULL);
		succeeded += !self->users[i].error;
		EXPECT_TRUE(!self->users[i].error || self->users[i].error == ENODEV);
	}
	EXPECT_EQ(succeeded, 1);
	EXPECT_FALSE(exists(SLEEPER "own"));
}

/* livepatch lets a module be unloaded whose replacements are on no stack. */
TEST_F(sleepers, sleeping_remover_has_the_replacement_on_its_stack)
{
	char path[PATH_MAX];

	ASSERT_TRUE(put_to_sleep(&self->users[0], NULL));
	ASSERT_TRUE(put_to_sleep(&self->users[1], "now"));
	path_of(path, &self->users[1], "stack");
	EXPECT_TRUE(file_has_line(path, "kernfs_remove_self"));
	EXPECT_TRUE(file_has_line(path, "[rkernfs]"));
	ASSERT_TRUE(write_text(SLEEPER "wake", "1"));
	for (int i = 0; i < 2; i++) {
		pthread_join(self->users[i].thread, NULL);
		EXPECT_EQ(self->users[i].error, 0);
	}
}

TEST_HARNESS_MAIN
