// SPDX-License-Identifier: GPL-2.0
/*
 * Nodes that go inside a write: a node's own file (kernfs_remove_self()), a
 * file by name (kernfs_remove_by_name()), a hidden file, which does not go.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/harness.h"
#include "lib/events.h"
#include "lib/expect.h"
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

TEST_F(object, remove_file_takes_the_object_with_it)
{
	int file, dir, own;
	char path[PATH_MAX];

	format_path(path, "%.4000s/remove", self->path);
	file = inotify_add_watch(self->inotify, self->value, EVERYTHING);
	own = inotify_add_watch(self->inotify, path, EVERYTHING);
	dir = inotify_add_watch(self->inotify, self->path, EVERYTHING);
	ASSERT_TRUE(write_object(self->path, "remove", "1"));
	EXPECT_FALSE(exists(self->path));
	ASSERT_TOLD(file, own, dir);
}

/* What was not found has a dentry, too, which would keep the directory's. */
TEST_F(object, names_looked_up_in_it_do_not_keep_it)
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
	ASSERT_TOLD(dir, below);
}

TEST_F(object, control_takes_one_file_by_name)
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
	ASSERT_TOLD(aux);
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

TEST_F(object, hidden_file_is_told_when_its_object_goes)
{
	int wd;

	wd = inotify_add_watch(self->inotify, self->value, EVERYTHING);
	ASSERT_TRUE(write_object(self->path, "hide", "1"));
	ASSERT_EQ(rmdir(self->path), 0);
	ASSERT_TOLD(wd);
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
		reason = "no PCI device of QEMU's that nobody drives";
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

TEST_F(losers, return_only_after_the_node_is_gone)
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
		ASSERT_TOLD(file, dir);
	}
}

TEST_HARNESS_MAIN
