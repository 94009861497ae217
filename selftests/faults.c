// SPDX-License-Identifier: GPL-2.0
/*
 * Memory runs out: each operation is done over and over, with the first, the
 * second, the third... of its slab allocations failing, until it gets through
 * without. Either it is done, or it failed and nothing is: then it works the
 * next time. And watches are told, or told that fsnotify had no memory for it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "kselftest_harness.h"
#include "lib/events.h"
#include "lib/faults.h"
#include "lib/module.h"
#include "lib/netdev.h"
#include "lib/pseudofs.h"
#include "lib/system.h"

#define MAX_FAULTS	5000
#define MAX_WATCHES	8
#define DEVICE		"rkf0"
#define GROUP		0x7266
#define TRACED		"/sys/kernel/tracing/enabled_functions"
#define PROBED		"fsnotify_add_mark_locked"
/* Where kmemleak allocates; without memory it takes some that it has put aside. */
#define KMEMLEAK	"__alloc_object"

enum outcome { BEFORE, AFTER, HALF };

struct operation {
	const char *(*missing)(void);	/* why it cannot be tried, or NULL */
	bool (*prepare)(void);
	int (*run)(void);		/* 0 or the error */
	enum outcome (*look)(void);
	bool (*clean)(void);
	bool (*give_back)(void);	/* what missing() took, or NULL */
	const char *within;		/* the only function whose memory fails, or NULL */
	bool removes;			/* what prepare() watched */
	bool reclaimed;			/* no dentry is left, so VFS does not report it */
	bool asks_a_socket;		/* may be done when the answer gets lost */
};

/* Where an operation has what it works on; "" if it has none */
static char root[PATH_MAX], node[PATH_MAX];

static char *in_node(char *path, const char *file)
{
	return format_path(path, "%.3900s/%.100s", node, file);
}

static bool has(const char *file)
{
	char path[PATH_MAX];

	return exists(in_node(path, file));
}

/* How many of them are there decides */
static enum outcome none_or_all(const char * const *files, enum outcome none, enum outcome all)
{
	int nr = 0, found = 0;

	for (; files[nr]; nr++)
		found += has(files[nr]);
	return found == nr ? all : !found ? none : HALF;
}

static bool nothing(void)
{
	return true;
}

static int error_of(int ret)
{
	return ret < 0 ? errno : 0;
}

/* What was told, against what is owed */

static int inotify, fanotify = -1;
static int wd[MAX_WATCHES], nr_watches;
static int nr_reports_owed;

static bool watch(const char *path)
{
	if (nr_watches == MAX_WATCHES)
		return false;
	wd[nr_watches] = inotify_add_watch(inotify, path, IN_DELETE_SELF | IN_DONT_FOLLOW);
	return wd[nr_watches++] >= 0;
}

static bool watch_files(const char * const *files)
{
	char path[PATH_MAX];

	while (*files)
		if (!watch(in_node(path, *files++)))
			return false;
	return true;
}

struct tally {
	int missing;
	int overflows;
	int wrong;
};

static int owed_to(const struct events *events, int watch, struct tally *tally)
{
	int deleted = count_events(events, watch, IN_DELETE_SELF) +
		      count_events(events, watch, IN_UNMOUNT) +
		      count_events(events, watch, IN_UNMOUNT | IN_ISDIR);
	int ignored = count_events(events, watch, IN_IGNORED);

	tally->missing += !deleted + !ignored;
	return deleted + ignored;
}

static struct tally tally_inotify(void)
{
	struct events events = {};
	struct tally tally = {};
	int owed = 0;

	/* An overflow stands for the event that did not come. */
	await_events(inotify, &events, 2 * nr_watches);
	for (int i = 0; i < nr_watches; i++)
		owed += owed_to(&events, wd[i], &tally);
	tally.overflows = count_events(&events, -1, IN_Q_OVERFLOW);
	tally.wrong = events.nr - owed - tally.overflows + count_marks(inotify);
	nr_watches = 0;
	return tally;
}

static void take_reports(int *nr, struct tally *tally)
{
	_Alignas(struct fanotify_event_metadata) char buf[4096];
	struct fanotify_event_metadata *event = (void *)buf;
	ssize_t len = read(fanotify, buf, sizeof(buf));

	for (; FAN_EVENT_OK(event, len); event = FAN_EVENT_NEXT(event, len)) {
		if (event->mask & FAN_Q_OVERFLOW)
			tally->overflows++;
		else if (event->mask & FAN_DELETE_SELF)
			(*nr)++;
		else
			tally->wrong++;
	}
}

static void tally_fanotify(struct tally *tally)
{
	int nr = 0;

	for (int ms = 0; ms < EVENT_TIMEOUT_MS && nr + tally->overflows < nr_reports_owed; ms++) {
		take_reports(&nr, tally);
		sleep_ms(1);
	}
	sleep_ms(QUIET_MS);
	take_reports(&nr, tally);
	tally->missing += nr_reports_owed - nr;
	close(fanotify);
	fanotify = -1;
}

static struct tally tally_up(void)
{
	struct tally tally = tally_inotify();

	if (fanotify >= 0)
		tally_fanotify(&tally);
	return tally;
}

/* The file system and its objects */

static const char * const object_files[] = { "value", "control", "remove", "hide", NULL };
static const char * const value[] = { "value", NULL };
static const char * const aux[] = { "aux", NULL };
static const char * const itself[] = { "", NULL };
static const char * const stats[] = { "stats", NULL };

static const char *no_pseudofs(void)
{
	const char *reason = mount_pseudofs(root);

	if (!reason)
		unmount_pseudofs(root);
	return reason;
}

static bool prepare_mount(void)
{
	bool ok = make_mount_point(root);

	format_path(node, "%s", root);
	return ok;
}

static int run_mount(void)
{
	return error_of(mount("none", root, "rkernfs", 0, NULL));
}

static bool mount_it(void)
{
	return prepare_mount() && !run_mount();
}

static enum outcome look_mounted(void)
{
	return none_or_all(stats, BEFORE, AFTER);
}

static bool clean_mount(void)
{
	unmount_pseudofs(root);
	return !exists(root);
}

static const struct operation mounting = {
	.missing = no_pseudofs,
	.prepare = prepare_mount,
	.run = run_mount,
	.look = look_mounted,
	.clean = clean_mount,
};

static bool prepare_umount(void)
{
	return mount_it() && watch_files(stats) && watch_files(itself);
}

static int run_umount(void)
{
	return error_of(umount(root));
}

static enum outcome look_unmounted(void)
{
	return none_or_all(stats, AFTER, BEFORE);
}

static const struct operation unmounting = {
	.missing = no_pseudofs,
	.prepare = prepare_umount,
	.run = run_umount,
	.look = look_unmounted,
	.clean = clean_mount,
	.removes = true,
};

static bool prepare_place(void)
{
	if (!mount_it())
		return false;
	format_path(node, "%.3900s/object", root);
	return true;
}

static int run_mkdir(void)
{
	return error_of(mkdir(node, 0755));
}

static bool prepare_object(void)
{
	return prepare_place() && !run_mkdir() && write_object(node, "value", "old");
}

static enum outcome look_object_made(void)
{
	return exists(node) ? none_or_all(object_files, HALF, AFTER) : BEFORE;
}

static bool clean_object(void)
{
	rmdir(node);
	return !exists(node) && clean_mount();
}

static const struct operation making_object = {
	.missing = no_pseudofs,
	.prepare = prepare_place,
	.run = run_mkdir,
	.look = look_object_made,
	.clean = clean_object,
};

static int run_write(void)
{
	return write_object(node, "value", "new") ? 0 : errno;
}

static enum outcome look_value(void)
{
	char path[PATH_MAX], text[16];

	read_text(in_node(path, "value"), text, sizeof(text));
	return !strcmp(text, "old") ? BEFORE : !strcmp(text, "new") ? AFTER : HALF;
}

static const struct operation writing_value = {
	.missing = no_pseudofs,
	.prepare = prepare_object,
	.run = run_write,
	.look = look_value,
	.clean = clean_object,
};

static int run_add_aux(void)
{
	return write_object(node, "control", "+aux") ? 0 : errno;
}

static enum outcome look_aux_made(void)
{
	return none_or_all(aux, BEFORE, AFTER);
}

static const struct operation adding_aux = {
	.missing = no_pseudofs,
	.prepare = prepare_object,
	.run = run_add_aux,
	.look = look_aux_made,
	.clean = clean_object,
};

static char *old_name(char *path)
{
	return format_path(path, "%.3900s/object", root);
}

static bool prepare_rename(void)
{
	bool ok = prepare_object();

	format_path(node, "%.3900s/renamed", root);
	return ok;
}

static int run_rename(void)
{
	char path[PATH_MAX];

	return error_of(rename(old_name(path), node));
}

static enum outcome look_renamed(void)
{
	char path[PATH_MAX];
	bool old = exists(old_name(path));

	return old == exists(node) ? HALF : old ? BEFORE : AFTER;
}

static const struct operation renaming = {
	.missing = no_pseudofs,
	.prepare = prepare_rename,
	.run = run_rename,
	.look = look_renamed,
	.clean = clean_object,
};

static int run_hide(void)
{
	return write_object(node, "hide", "1") ? 0 : errno;
}

static enum outcome look_hidden(void)
{
	return none_or_all(value, AFTER, BEFORE);
}

static const struct operation hiding = {
	.missing = no_pseudofs,
	.prepare = prepare_object,
	.run = run_hide,
	.look = look_hidden,
	.clean = clean_object,
};

static bool prepare_watched_object(void)
{
	return prepare_object() && watch_files(object_files) && watch_files(itself);
}

static int run_rmdir(void)
{
	return error_of(rmdir(node));
}

static enum outcome look_object_gone(void)
{
	return exists(node) ? none_or_all(object_files, HALF, BEFORE) : AFTER;
}

static const struct operation removing_object = {
	.missing = no_pseudofs,
	.prepare = prepare_watched_object,
	.run = run_rmdir,
	.look = look_object_gone,
	.clean = clean_object,
	.removes = true,
};

static int run_remove(void)
{
	return write_object(node, "remove", "1") ? 0 : errno;
}

static const struct operation removing_self = {
	.missing = no_pseudofs,
	.prepare = prepare_watched_object,
	.run = run_remove,
	.look = look_object_gone,
	.clean = clean_object,
	.removes = true,
};

static bool prepare_aux(void)
{
	return prepare_object() && !run_add_aux() && watch_files(aux);
}

static int run_drop_aux(void)
{
	return write_object(node, "control", "-aux") ? 0 : errno;
}

static enum outcome look_aux_gone(void)
{
	return none_or_all(aux, AFTER, BEFORE);
}

static const struct operation removing_aux = {
	.missing = no_pseudofs,
	.prepare = prepare_aux,
	.run = run_drop_aux,
	.look = look_aux_gone,
	.clean = clean_object,
	.removes = true,
};

/* Cgroups */

static const char * const cgroup_files[] = {
	"cgroup.procs", "cgroup.events", "cgroup.controllers", "cgroup.stat", NULL
};
static const char * const memory_files[] = {
	"memory.events", "memory.current", "memory.max", NULL
};

static const char *no_memory(void)
{
	const char *reason = why_no_cgroup();

	return reason ? reason : why_no_memory_controller();
}

static bool prepare_no_cgroup(void)
{
	format_path(node, "%.3900s/cgroup", cgroup_base());
	return true;
}

static bool prepare_cgroup(void)
{
	return prepare_no_cgroup() && !run_mkdir();
}

static bool prepare_watched_cgroup(void)
{
	return prepare_cgroup() && watch_files(cgroup_files) && watch_files(itself);
}

static enum outcome look_cgroup_made(void)
{
	return exists(node) ? none_or_all(cgroup_files, HALF, AFTER) : BEFORE;
}

static enum outcome look_cgroup_gone(void)
{
	return exists(node) ? none_or_all(cgroup_files, HALF, BEFORE) : AFTER;
}

static bool clean_cgroup(void)
{
	remove_cgroup(node);
	return !exists(node);
}

static const struct operation making_cgroup = {
	.missing = why_no_cgroup,
	.prepare = prepare_no_cgroup,
	.run = run_mkdir,
	.look = look_cgroup_made,
	.clean = clean_cgroup,
};

static const struct operation removing_cgroup = {
	.missing = why_no_cgroup,
	.prepare = prepare_watched_cgroup,
	.run = run_rmdir,
	.look = look_cgroup_gone,
	.clean = clean_cgroup,
	.removes = true,
};

static const struct operation removing_reclaimed_cgroup = {
	.missing = why_no_cgroup,
	.prepare = prepare_watched_cgroup,
	.run = run_rmdir,
	.look = look_cgroup_gone,
	.clean = clean_cgroup,
	.removes = true,
	.reclaimed = true,
};

static char *subtree_control(char *path)
{
	return format_path(path, "%.3900s/cgroup.subtree_control", cgroup_base());
}

static bool prepare_memory(void)
{
	return prepare_cgroup() && watch_files(memory_files);
}

static int run_memory_off(void)
{
	char path[PATH_MAX];

	return write_text(subtree_control(path), "-memory") ? 0 : errno;
}

static enum outcome look_memory(void)
{
	return none_or_all(memory_files, AFTER, BEFORE);
}

static bool clean_memory(void)
{
	char path[PATH_MAX];

	return clean_cgroup() && write_text(subtree_control(path), "+memory");
}

static const struct operation turning_memory_off = {
	.missing = no_memory,
	.prepare = prepare_memory,
	.run = run_memory_off,
	.look = look_memory,
	.clean = clean_memory,
	.removes = true,
};

static int run_add_watch(void)
{
	return error_of(inotify_add_watch(inotify, node, IN_DELETE_SELF));
}

static enum outcome look_watched(void)
{
	int marks = count_marks(inotify);

	return marks == 1 ? AFTER : !marks ? BEFORE : HALF;
}

static const struct operation watching = {
	.missing = why_no_cgroup,
	.prepare = prepare_cgroup,
	.run = run_add_watch,
	.look = look_watched,
	.clean = clean_cgroup,
};

/* With a mark on all of cgroup2, which hears of nodes that nobody looked at */

static int open_fanotify(void)
{
	return fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_NONBLOCK | FAN_CLOEXEC, 0);
}

static const char *no_marks(void)
{
	const char *reason = why_no_cgroup();

	if (reason)
		return reason;
	fanotify = open_fanotify();
	if (fanotify < 0)
		return "no fanotify with file handles";
	close(fanotify);
	fanotify = -1;
	return NULL;
}

static int count_files(const char *path)
{
	DIR *dir = opendir(path);
	int nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr;
}

static bool prepare_mark(void)
{
	if (!prepare_cgroup())
		return false;
	/* "." is the directory itself. */
	nr_reports_owed = count_files(node) - 1;
	fanotify = open_fanotify();
	return fanotify >= 0 &&
	       !fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
			      FAN_DELETE_SELF | FAN_ONDIR, AT_FDCWD, node);
}

static const struct operation removing_marked_cgroup = {
	.missing = no_marks,
	.prepare = prepare_mark,
	.run = run_rmdir,
	.look = look_cgroup_gone,
	.clean = clean_cgroup,
	.removes = true,
};

/* sysfs */

static const char * const device_files[] = {
	"mtu", "address", "statistics", "queues", "statistics/rx_bytes", NULL
};

static const char *no_netdev(void)
{
	const char *reason = why_not_covered();

	return reason || load_dummy() ? reason : "no dummy network driver";
}

static bool prepare_netdev(void)
{
	format_path(node, "/sys/devices/virtual/net/" DEVICE);
	return add_dummies("rkf", 1, GROUP) && watch_files(device_files) && watch_files(itself);
}

static int run_delete(void)
{
	return delete_group(GROUP) ? 0 : errno;
}

static enum outcome look_netdev_gone(void)
{
	return exists(node) ? none_or_all(device_files, HALF, BEFORE) : AFTER;
}

static bool clean_netdev(void)
{
	return !exists(node);
}

static const struct operation removing_netdev = {
	.missing = no_netdev,
	.prepare = prepare_netdev,
	.run = run_delete,
	.look = look_netdev_gone,
	.clean = clean_netdev,
	.removes = true,
	.asks_a_socket = true,
};

/* The module */

static const char *no_module(void)
{
	const char *reason = why_not_covered();

	if (!exists(TRACED))
		mount("none", "/sys/kernel/tracing", "tracefs", 0, NULL);
	if (!reason && !exists(TRACED))
		reason = "no list of traced functions";
	return reason ? reason : borrow_module();
}

static bool has_line(const char *path, const char *part)
{
	char line[256];
	bool found = false;
	FILE *file = fopen(path, "r");

	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, part);
	if (file)
		fclose(file);
	return found;
}

/* All of the module, the patch aside */
static enum outcome look_loaded(void)
{
	int found = exists("/sys/module/rkernfs") + has_line("/proc/filesystems", "\trkernfs\n") +
		    has_line(TRACED, PROBED);

	return !found ? BEFORE : found == 3 ? AFTER : HALF;
}

static enum outcome look_patched(void)
{
	enum outcome loaded = look_loaded();

	return exists("/sys/kernel/livepatch/rkernfs") == (loaded == AFTER) ? loaded : HALF;
}

static int run_load(void)
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
	const char *reason = no_module();

	if (!reason)
		set_other_cpus("0");
	return reason;
}

static bool return_module_and_cpus(void)
{
	set_other_cpus("1");
	return return_module();
}

/* From the module's own first step on */
static const struct operation loading = {
	.missing = no_module_to_patch,
	.prepare = nothing,
	.run = run_load,
	.look = look_patched,
	.clean = clean_loaded,
	.give_back = return_module_and_cpus,
	.within = "do_one_initcall",
};

/* The patch is out before: it makes no difference here. */
static bool prepare_unload(void)
{
	return !load_module("cover=own");
}

static enum outcome look_unloaded(void)
{
	enum outcome loaded = look_loaded();

	return loaded == BEFORE ? AFTER : loaded == AFTER ? BEFORE : HALF;
}

static const struct operation unloading = {
	.missing = no_module,
	.prepare = prepare_unload,
	.run = unload_module,
	.look = look_unloaded,
	.clean = nothing,
	.give_back = return_module,
};

/* One operation, allocation by allocation */

struct counts {
	int faults;
	int errors;
	int overflows;
};

FIXTURE(faults) {
	struct counts counts;
};

FIXTURE_VARIANT(faults) {
	const struct operation *operation;
};

FIXTURE_VARIANT_ADD(faults, mounting) { .operation = &mounting };
FIXTURE_VARIANT_ADD(faults, unmounting) { .operation = &unmounting };
FIXTURE_VARIANT_ADD(faults, making_object) { .operation = &making_object };
FIXTURE_VARIANT_ADD(faults, writing_value) { .operation = &writing_value };
FIXTURE_VARIANT_ADD(faults, adding_aux) { .operation = &adding_aux };
FIXTURE_VARIANT_ADD(faults, renaming) { .operation = &renaming };
FIXTURE_VARIANT_ADD(faults, hiding) { .operation = &hiding };
FIXTURE_VARIANT_ADD(faults, removing_object) { .operation = &removing_object };
FIXTURE_VARIANT_ADD(faults, removing_self) { .operation = &removing_self };
FIXTURE_VARIANT_ADD(faults, removing_aux) { .operation = &removing_aux };
FIXTURE_VARIANT_ADD(faults, making_cgroup) { .operation = &making_cgroup };
FIXTURE_VARIANT_ADD(faults, removing_cgroup) { .operation = &removing_cgroup };
FIXTURE_VARIANT_ADD(faults, removing_reclaimed_cgroup) { .operation = &removing_reclaimed_cgroup };
FIXTURE_VARIANT_ADD(faults, turning_memory_off) { .operation = &turning_memory_off };
FIXTURE_VARIANT_ADD(faults, watching) { .operation = &watching };
FIXTURE_VARIANT_ADD(faults, removing_marked_cgroup) { .operation = &removing_marked_cgroup };
FIXTURE_VARIANT_ADD(faults, removing_netdev) { .operation = &removing_netdev };
FIXTURE_VARIANT_ADD(faults, loading) { .operation = &loading };
FIXTURE_VARIANT_ADD(faults, unloading) { .operation = &unloading };

FIXTURE_SETUP(faults)
{
	const char *reason = begin_faults();

	if (reason)
		SKIP(return, "%s", reason);
	reason = variant->operation->missing();
	if (reason) {
		end_faults();
		SKIP(return, "%s", reason);
	}
	inotify = open_inotify();
	ASSERT_GE(inotify, 0);
	never_fail_under(KMEMLEAK);
	if (variant->operation->within)
		ASSERT_TRUE(fail_only_under(variant->operation->within));
}

FIXTURE_TEARDOWN(faults)
{
	end_faults();
	if (variant->operation->give_back)
		ASSERT_TRUE(variant->operation->give_back());
	cgroup_base_remove();
}

static bool is_sane(int error, const struct operation *operation)
{
	return error == ENOMEM || (operation->asks_a_socket && (error == ENOBUFS || error == ENFILE));
}

/* Returns whether there was one more allocation to fail. */
static bool run_with_fault(struct __test_metadata *_metadata, struct counts *counts,
			   const struct operation *operation, int nth)
{
	struct tally tally;
	bool injected;
	int error;

	ASSERT_TRUE(operation->prepare());
	ASSERT_EQ(operation->look(), BEFORE);
	if (operation->reclaimed)
		ASSERT_TRUE(drop_dentries());
	fail_nth(nth);
	error = operation->run();
	injected = fault_injected();
	if (error) {
		ASSERT_TRUE(injected && is_sane(error, operation))
			TH_LOG("allocation %d: %s", nth, strerror(error));
		if (operation->look() != AFTER || !operation->asks_a_socket) {
			ASSERT_EQ(operation->look(), BEFORE)
				TH_LOG("allocation %d failed, and something is left", nth);
			ASSERT_EQ(operation->run(), 0);
		}
	}
	ASSERT_EQ(operation->look(), AFTER)
		TH_LOG("allocation %d", nth);

	if (!operation->removes && node[0])
		ASSERT_TRUE(watch_files(itself));
	if (!operation->removes)
		ASSERT_TRUE(operation->clean());
	tally = tally_up();
	ASSERT_EQ(tally.missing, tally.overflows)
		TH_LOG("allocation %d", nth);
	ASSERT_LE(tally.overflows, injected && !error);
	ASSERT_EQ(tally.wrong, 0);
	if (operation->removes)
		ASSERT_TRUE(operation->clean());

	counts->faults += injected;
	counts->errors += injected && error;
	counts->overflows += tally.overflows;
	return injected;
}

static void run_with_each_fault(struct __test_metadata *_metadata, struct counts *counts,
				const struct operation *operation, const char *where)
{
	int nth = 1;

	*counts = (struct counts) {};
	while (nth < MAX_FAULTS && run_with_fault(_metadata, counts, operation, nth))
		nth++;
	TH_LOG("%s: %d allocations failed, %d times the operation, %d overflows", where,
	       counts->faults, counts->errors, counts->overflows);
	EXPECT_LT(nth, MAX_FAULTS);
}

TEST_F_TIMEOUT(faults, each_allocation, 900)
{
	run_with_each_fault(_metadata, &self->counts, variant->operation, "all");
	EXPECT_GT(self->counts.faults, 0);
	if (!variant->operation->removes)
		return;

	/*
	 * The removal path itself has no memory to ask for but for events, and
	 * for inodes that a mark wants: it never fails.
	 */
	ASSERT_TRUE(fail_only_under_module("rkernfs"));
	run_with_each_fault(_metadata, &self->counts, variant->operation, "in the removal path");
	EXPECT_EQ(self->counts.errors, 0);
}

TEST_HARNESS_MAIN
