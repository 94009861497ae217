// SPDX-License-Identifier: GPL-2.0
/*
 * Memory runs out: each operation is done over and over, with the first, the
 * second, the third... of its slab allocations failing, until it gets through
 * without. Either it is done, or it failed and nothing is: then it works the
 * next time. And watches get their events, or an overflow as fsnotify had no memory.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

#include "lib/harness.h"
#include "faults/faults.h"
#include "lib/counters.h"
#include "lib/faults.h"
#include "lib/handle.h"
#include "lib/module.h"
#include "lib/pseudofs.h"
#include "lib/system.h"

#define MAX_FAULTS	5000
#define ALL_OF_SLOW	60
/* Where kmemleak allocates; without memory it takes some that it has put aside. */
#define KMEMLEAK	"__alloc_object"

struct counts {
	int faults;
	int errors;
	int overflows;
};

struct operation {
	const struct place *place;
	int (*run)(void);			/* 0 or the error; or instead: */
	struct { const char *file, *text; } write;
	const char * const *makes;		/* files that are there afterwards, */
	const char * const *removes;		/* or that were removed; or instead: */
	enum outcome (*look)(void);
	const char * const *watched;		/* files whose removal is reported */
	bool marked;				/* a mark on the file system is, of each node */
	bool reclaimed;				/* no dentry is left, so VFS does not report it */
	bool asks_a_socket;			/* may be done when the answer gets lost */
	const char *within;			/* the only function whose memory fails, or NULL */
	bool slow;				/* some of its allocations do, and no second try */
};

FIXTURE(faults) {
	struct counts counts;
};

FIXTURE_VARIANT(faults) {
	struct operation op;
};

#define FILES(...)	((const char * const []) { __VA_ARGS__, NULL })

#define OBJECT		FILES("value", "control", "remove", "hide", "")
#define CGROUP		FILES("cgroup.procs", "cgroup.events", "cgroup.controllers", \
			      "cgroup.stat", "")
#define MEMORY		FILES("memory.events", "memory.current", "memory.max")
#define NETDEV		FILES("mtu", "address", "statistics", "queues", \
			      "statistics/rx_bytes", "")

/* The file system and its objects */
FIXTURE_VARIANT_ADD(faults, mounting) { {
	.place = &a_mount_point, .run = run_mount, .makes = FILES("stats"),
} };

FIXTURE_VARIANT_ADD(faults, unmounting) { {
	.place = &a_mount, .run = run_umount, .removes = FILES("stats"),
	.watched = FILES("stats", ""),
} };

FIXTURE_VARIANT_ADD(faults, making_object) { {
	.place = &no_object, .run = run_mkdir, .makes = OBJECT,
} };

FIXTURE_VARIANT_ADD(faults, writing_value) { {
	.place = &an_object, .write = { "value", "new" }, .look = look_value,
} };

FIXTURE_VARIANT_ADD(faults, adding_aux) { {
	.place = &an_object, .write = { "control", "+aux" }, .makes = FILES("aux"),
} };

FIXTURE_VARIANT_ADD(faults, renaming) { {
	.place = &an_object_to_rename, .run = run_rename, .look = look_renamed,
} };

FIXTURE_VARIANT_ADD(faults, hiding) { {
	.place = &an_object, .write = { "hide", "1" }, .removes = FILES("value"),
} };

FIXTURE_VARIANT_ADD(faults, removing_object) { {
	.place = &an_object, .run = run_rmdir, .removes = OBJECT, .watched = OBJECT,
} };

FIXTURE_VARIANT_ADD(faults, removing_self) { {
	.place = &an_object, .write = { "remove", "1" }, .removes = OBJECT, .watched = OBJECT,
} };

FIXTURE_VARIANT_ADD(faults, removing_aux) { {
	.place = &an_object_with_aux, .write = { "control", "-aux" }, .removes = FILES("aux"),
	.watched = FILES("aux"),
} };

/* Cgroups */
FIXTURE_VARIANT_ADD(faults, making_cgroup) { {
	.place = &no_cgroup, .run = run_mkdir, .makes = CGROUP,
} };

/* Those of its files that were made before it failed go again: nobody could see them. */
FIXTURE_VARIANT_ADD(faults, making_marked_cgroup) { {
	.place = &no_cgroup, .run = run_mkdir, .makes = CGROUP, .marked = true,
} };

FIXTURE_VARIANT_ADD(faults, removing_cgroup) { {
	.place = &a_cgroup, .run = run_rmdir, .removes = CGROUP, .watched = CGROUP,
} };

FIXTURE_VARIANT_ADD(faults, removing_reclaimed_cgroup) { {
	.place = &a_cgroup, .run = run_rmdir, .removes = CGROUP, .watched = CGROUP,
	.reclaimed = true,
} };

FIXTURE_VARIANT_ADD(faults, turning_memory_off) { {
	.place = &a_cgroup_with_memory, .write = { "../cgroup.subtree_control", "-memory" },
	.removes = MEMORY, .watched = MEMORY,
} };

FIXTURE_VARIANT_ADD(faults, watching) { {
	.place = &a_cgroup, .run = run_watch, .look = look_watched,
} };

FIXTURE_VARIANT_ADD(faults, removing_marked_cgroup) { {
	.place = &a_cgroup, .run = run_rmdir, .removes = CGROUP, .marked = true,
} };

/* sysfs */
FIXTURE_VARIANT_ADD(faults, removing_netdev) { {
	.place = &a_netdev, .run = run_delete_netdev, .removes = NETDEV, .watched = NETDEV,
	.asks_a_socket = true,
} };

/* The module, from its own first step on */
FIXTURE_VARIANT_ADD(faults, loading) { {
	.place = &no_module, .run = run_load, .look = look_patched, .within = "do_one_initcall",
	.slow = true,
} };

FIXTURE_VARIANT_ADD(faults, unloading) { {
	.place = &the_module, .run = unload_module, .look = look_unloaded,
} };

FIXTURE_SETUP(faults)
{
	const char *reason = begin_faults();

	if (reason)
		SKIP(return, "%s", reason);
	reason = variant->op.place->missing();
	if (!reason && variant->op.marked)
		reason = why_no_marks();
	if (reason) {
		end_faults();
		SKIP(return, "%s", reason);
	}
	ASSERT_TRUE(open_watcher());
	never_fail_under(KMEMLEAK);
	if (variant->op.within)
		ASSERT_TRUE(fail_only_under(variant->op.within));
}

FIXTURE_TEARDOWN(faults)
{
	end_faults();
	if (variant->op.place->give_back)
		ASSERT_TRUE(variant->op.place->give_back());
	cgroup_base_remove();
}

static bool prepare(const struct operation *op)
{
	return (!op->place->make || op->place->make()) &&
	       (!op->watched || watch_files(op->watched)) &&
	       (!op->marked || mark_file_system());
}

static bool clean(const struct operation *op)
{
	return !op->place->clean || op->place->clean();
}

static int run(const struct operation *op)
{
	return op->run ? op->run() : write_error(node, op->write.file, op->write.text);
}

static enum outcome look(const struct operation *op)
{
	if (op->look)
		return op->look();
	return op->makes ? none_or_all(op->makes, BEFORE, AFTER) :
			   none_or_all(op->removes, AFTER, BEFORE);
}

/* Does it remove what is watched? */
static bool ends_watches(const struct operation *op)
{
	return op->watched || op->marked;
}

static bool is_sane(int error, const struct operation *op)
{
	return error == ENOMEM || (op->asks_a_socket && (error == ENOBUFS || error == ENFILE));
}

/* Returns whether there was one more allocation to fail. */
static bool run_with_fault(struct __test_metadata *_metadata, struct counts *counts,
			   const struct operation *op, int nth)
{
	struct tally tally = {};
	bool injected;
	int error;

	ASSERT_TRUE(prepare(op));
	ASSERT_EQ(look(op), BEFORE);
	if (op->reclaimed) {
		ASSERT_TRUE(drop_dentries());
		/* What is removed is looked up again by its name, not by its removal. */
		ASSERT_TRUE(exists(node));
	}
	fail_nth(nth);
	error = run(op);
	injected = fault_injected();
	if (error) {
		ASSERT_TRUE(injected && is_sane(error, op))
			TH_LOG("allocation %d: %s", nth, strerror(error));
		if (look(op) != AFTER || !op->asks_a_socket) {
			ASSERT_EQ(look(op), BEFORE)
				TH_LOG("allocation %d failed, and something is left", nth);
			if (op->slow)
				goto counted;
			ASSERT_EQ(run(op), 0);
		}
	}
	ASSERT_EQ(look(op), AFTER)
		TH_LOG("allocation %d", nth);

	if (!ends_watches(op) && node[0])
		ASSERT_TRUE(watch_files(FILES("")));
	if (!ends_watches(op))
		ASSERT_TRUE(clean(op));
	tally = tally_up();
	ASSERT_EQ(tally.missing, tally.overflows)
		TH_LOG("allocation %d", nth);
	ASSERT_LE(tally.overflows, injected && !error);
	ASSERT_EQ(tally.wrong, 0);
	if (ends_watches(op))
		ASSERT_TRUE(clean(op));
counted:
	counts->faults += injected;
	counts->errors += injected && error;
	counts->overflows += tally.overflows;
	return injected;
}

static void run_with_each_fault(struct __test_metadata *_metadata, struct counts *counts,
				const struct operation *op, const char *where)
{
	int nth = 1;

	*counts = (struct counts) {};
	/* livepatch's own are many and alike, and each takes seconds */
	while (nth < MAX_FAULTS && run_with_fault(_metadata, counts, op, nth))
		nth += op->slow && nth > ALL_OF_SLOW ? 7 : 1;
	TH_LOG("%s: %d allocations failed, %d times the operation, %d overflows", where,
	       counts->faults, counts->errors, counts->overflows);
	EXPECT_LT(nth, MAX_FAULTS);
}

TEST_F_TIMEOUT(faults, each_allocation, 1800)
{
	run_with_each_fault(_metadata, &self->counts, &variant->op, "all");
	EXPECT_GT(self->counts.faults, 0);
	if (!ends_watches(&variant->op))
		return;

	/*
	 * The removal path itself has no memory to ask for but for events, and
	 * for inodes that a mark wants: it never fails.
	 */
	ASSERT_TRUE(fail_only_under_module("rkernfs"));
	run_with_each_fault(_metadata, &self->counts, &variant->op, "in the removal path");
	EXPECT_EQ(self->counts.errors, 0);
}

/*
 * A change of a file that has no inode is reported by a worker of the kernel, not
 * by the task that makes it.
 */
FIXTURE(change) {
	long long inodes_made;
};

FIXTURE_VARIANT(change) {
	bool watched;
	bool marked;
	int inodes;			/* that the worker makes, */
	int faults;			/* and of the first so many of which fail */
};

FIXTURE_VARIANT_ADD(change, of_a_watched_directory) {
	.watched = true, .inodes = 1, .faults = 1,
};

FIXTURE_VARIANT_ADD(change, under_a_mark) {
	.marked = true, .inodes = 2, .faults = 2,
};

/* The file gets its inode, but a mark that asks for its name does not get that. */
FIXTURE_VARIANT_ADD(change, under_a_mark_the_directory_only) {
	.marked = true, .inodes = 2, .faults = 1,
};

FIXTURE_VARIANT_ADD(change, of_a_watched_directory_under_a_mark) {
	.watched = true, .marked = true, .inodes = 1, .faults = 1,
};

FIXTURE_SETUP(change)
{
	const char *reason = begin_faults();

	if (reason)
		SKIP(return, "%s", reason);
	reason = a_cgroup.missing();
	if (!reason)
		reason = why_no_marks();
	if (reason) {
		end_faults();
		SKIP(return, "%s", reason);
	}
	ASSERT_TRUE(make_change(variant->watched, variant->marked));
	never_fail_under(KMEMLEAK);
	ASSERT_TRUE(fail_only_under_module("rkernfs"));
	self->inodes_made = counter("notify_inodes_made");
}

FIXTURE_TEARDOWN(change)
{
	end_faults();
	ASSERT_TRUE(clean_change());
	cgroup_base_remove();
}

static void expect_heard(struct __test_metadata *_metadata, int changes, int overflows)
{
	struct heard heard = hear(changes + overflows);

	EXPECT_EQ(heard.changes, changes);
	EXPECT_EQ(heard.overflows, overflows);
	EXPECT_EQ(heard.unasked, 0);
}

TEST_F(change, is_reported_or_overflows)
{
	int ways = variant->watched + variant->marked;
	long long before = self->inodes_made;

	fail_next_of_all(variant->faults);
	ASSERT_TRUE(change());
	expect_heard(_metadata, 0, ways);
	ASSERT_EQ(faults_left(), 0);

	/* Inodes are evicted after the event: if one stayed, it would not be created again. */
	before += variant->inodes - variant->faults;
	EXPECT_EQ(counter("notify_inodes_made"), before);
	for (int nr = 1; nr <= 3; nr++) {
		ASSERT_TRUE(change());
		expect_heard(_metadata, ways, 0);
		EXPECT_EQ(counter("notify_inodes_made"), before + nr * variant->inodes);
	}
}

/*
 * A node that failed after it got its number is freed at once, without the grace
 * period that others have. Meanwhile a task looks for it, by a file handle.
 */
#define UNBORN		200
#define OWNER		65534

struct finder {
	int base;
	struct handle handle;
	atomic_ulong number;
	atomic_bool stop;
	atomic_int tried, found;
};

FIXTURE(unborn) {
	char dir[PATH_MAX];
	char probe[PATH_MAX];
	char child[PATH_MAX];
	struct finder finder;
	pthread_t thread;
};

FIXTURE_SETUP(unborn)
{
	const char *reason = begin_faults();

	if (reason)
		SKIP(return, "%s", reason);
	reason = why_no_cgroup();
	if (!reason && !get_handle(cgroup_base(), &self->finder.handle))
		reason = "no file handles on cgroup2";
	/* Its owner is not root, and is noted after the number was given. */
	if (!reason && !fail_only_under("__kernfs_iattrs"))
		reason = "__kernfs_iattrs() is inlined";
	if (reason) {
		end_faults();
		SKIP(return, "%s", reason);
	}
	format_path(self->dir, "%.3900s/owned", cgroup_base());
	format_path(self->probe, "%.4000s/probe", self->dir);
	format_path(self->child, "%.4000s/child", self->dir);
	self->finder.base = open(cgroup_base(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(self->finder.base, 0);
	ASSERT_EQ(mkdir(self->dir, 0755), 0);
	ASSERT_EQ(chown(self->dir, OWNER, OWNER), 0);
}

FIXTURE_TEARDOWN(unborn)
{
	end_faults();
	atomic_store(&self->finder.stop, true);
	if (self->thread)
		pthread_join(self->thread, NULL);
	close(self->finder.base);
	remove_cgroup(self->probe);
	remove_cgroup(self->child);
	remove_cgroup(self->dir);
	cgroup_base_remove();
}

static void *find_by_number(void *arg)
{
	struct finder *finder = arg;

	while (!atomic_load(&finder->stop)) {
		uint64_t number = atomic_load(&finder->number);
		int fd;

		if (!number)
			continue;
		memcpy(finder->handle.head.f_handle, &number, sizeof(number));
		fd = open_by_handle_at(finder->base, &finder->handle.head, O_PATH | O_CLOEXEC);
		atomic_fetch_add(&finder->tried, 1);
		if (fd < 0)
			continue;
		atomic_fetch_add(&finder->found, 1);
		close(fd);
	}
	return NULL;
}

/* That the next node of the hierarchy gets: numbers are given in turn. */
static uint64_t next_number(const char *probe)
{
	DIR *dir = mkdir(probe, 0755) ? NULL : opendir(probe);
	struct dirent *entry;
	uint64_t last = 0;

	while (dir && (entry = readdir(dir)))
		if (entry->d_ino > last)
			last = entry->d_ino;
	if (dir)
		closedir(dir);
	return dir && !remove_cgroup(probe) ? last + 1 : 0;
}

TEST_F_TIMEOUT(unborn, node_is_not_found, 600)
{
	ASSERT_EQ(pthread_create(&self->thread, NULL, find_by_number, &self->finder), 0);
	for (int i = 0; i < UNBORN; i++) {
		uint64_t number = next_number(self->probe);
		int error;

		ASSERT_GT(number, 0);
		atomic_store(&self->finder.number, number);
		setfsuid(OWNER);
		fail_nth(1);
		error = error_of(mkdir(self->child, 0755));
		ASSERT_TRUE(fault_injected());
		setfsuid(0);
		ASSERT_EQ(error, ENOMEM);
		/* It was given, and to no other. */
		ASSERT_GT(next_number(self->probe), number + 1);
	}
	EXPECT_GT(self->finder.tried, UNBORN);
	EXPECT_EQ(self->finder.found, 0);
}

TEST_HARNESS_MAIN
