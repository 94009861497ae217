// SPDX-License-Identifier: GPL-2.0
/*
 * Each change that the kernel makes to a file is reported once, whether or not the
 * file has an inode: a cause of the change, times a state of the file, times a
 * way of watching it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/harness.h"
#include "lib/counters.h"
#include "lib/events.h"
#include "lib/module.h"
#include "lib/onemark.h"
#include "lib/pseudofs.h"
#include "lib/system.h"

/* How many changes, far enough apart for kernfs and cgroup not to merge them */
#define CHANGES		4
#define APART_MS	30

/* A process in the cgroup that does what is asked, a byte at a time */
struct helper {
	pid_t pid;
	int asked;
};

struct cause {
	const char *file;		/* that changes */
	const char *(*missing)(void);
	bool (*start)(const char *cgroup, struct helper *helper);
	bool (*change)(const char *cgroup, struct helper *helper, int nr);
};

static bool write_in(const char *cgroup, const char *file, const char *text)
{
	char path[PATH_MAX];

	return write_text(format_path(path, "%.4000s/%s", cgroup, file), text);
}

static bool freeze(const char *cgroup, struct helper *helper, int nr)
{
	return write_in(cgroup, "cgroup.freeze", nr % 2 ? "0" : "1");
}

static bool start_helper(const char *cgroup, struct helper *helper, void (*serve)(int asked))
{
	char pid[16];
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return false;
	helper->pid = fork();
	if (!helper->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[1]);
		serve(fds[0]);
		_exit(0);
	}
	close(fds[0]);
	helper->asked = fds[1];
	snprintf(pid, sizeof(pid), "%d", helper->pid);
	return helper->pid > 0 && write_in(cgroup, "cgroup.procs", pid);
}

static void stop_helper(struct helper *helper)
{
	if (helper->pid <= 0)
		return;
	kill(helper->pid, SIGKILL);
	waitpid(helper->pid, NULL, 0);
	close(helper->asked);
	helper->pid = 0;
}

static void just_wait(int asked)
{
	char byte;

	while (read(asked, &byte, 1) == 1)
		;
}

/* Back and forth: the cgroup is populated, and is not. */
static bool populate(const char *cgroup, struct helper *helper, int nr)
{
	if (nr % 2 == 0)
		return start_helper(cgroup, helper, just_wait);
	stop_helper(helper);
	return true;
}

/* Each byte is one process too many. */
static void fork_in_vain(int asked)
{
	char byte;

	while (read(asked, &byte, 1) == 1)
		if (fork() >= 0)
			_exit(1);
}

static bool start_forking(const char *cgroup, struct helper *helper)
{
	return start_helper(cgroup, helper, fork_in_vain) && write_in(cgroup, "pids.max", "1");
}

static bool fork_once(const char *cgroup, struct helper *helper, int nr)
{
	return write(helper->asked, "", 1) == 1;
}

static const struct cause frozen = { .file = "cgroup.events", .change = freeze };
static const struct cause populated = { .file = "cgroup.events", .change = populate };
static const struct cause too_many = {
	.file = "pids.events", .missing = why_no_pids_controller, .start = start_forking, .change = fork_once,
};

enum state {
	CACHED,
	RECLAIMED,
	NEVER_LOOKED_UP,
};

/* A file that changes, and the watch that is to get the event */
struct subject {
	const struct cause *cause;
	enum state state;
	char cgroup[PATH_MAX];
	char path[PATH_MAX];
	ino_t cgroup_ino;
	ino_t file_ino;
	struct helper helper;
	int fd;
	int got;			/* so often */
	int lost;			/* overflows */
};

FIXTURE(modify) {
	struct subject subject;
};

FIXTURE_VARIANT(modify) {
	const struct cause *cause;
	enum state state;
};

FIXTURE_VARIANT_ADD(modify, frozen_cached) { &frozen, CACHED };
FIXTURE_VARIANT_ADD(modify, frozen_reclaimed) { &frozen, RECLAIMED };
FIXTURE_VARIANT_ADD(modify, frozen_never_looked_up) { &frozen, NEVER_LOOKED_UP };
FIXTURE_VARIANT_ADD(modify, populated_cached) { &populated, CACHED };
FIXTURE_VARIANT_ADD(modify, populated_reclaimed) { &populated, RECLAIMED };
FIXTURE_VARIANT_ADD(modify, populated_never_looked_up) { &populated, NEVER_LOOKED_UP };
FIXTURE_VARIANT_ADD(modify, too_many_cached) { &too_many, CACHED };
FIXTURE_VARIANT_ADD(modify, too_many_reclaimed) { &too_many, RECLAIMED };
FIXTURE_VARIANT_ADD(modify, too_many_never_looked_up) { &too_many, NEVER_LOOKED_UP };

/* Without making an inode for it */
static ino_t ino_in(const char *path, const char *name)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	ino_t ino = 0;

	while (dir && !ino && (entry = readdir(dir)))
		if (!strcmp(entry->d_name, name))
			ino = entry->d_ino;
	if (dir)
		closedir(dir);
	return ino;
}

FIXTURE_SETUP(modify)
{
	struct subject *subject = &self->subject;
	const struct cause *cause = variant->cause;
	const char *reason = why_no_cgroup();
	struct stat st;

	if (!reason && cause->missing)
		reason = cause->missing();
	if (reason)
		SKIP(return, "%s", reason);
	subject->cause = cause;
	subject->state = variant->state;
	format_path(subject->cgroup, "%.3900s/cgroup", cgroup_base());
	format_path(subject->path, "%.4000s/%s", subject->cgroup, cause->file);
	ASSERT_EQ(mkdir(subject->cgroup, 0755), 0);
	ASSERT_EQ(stat(subject->cgroup, &st), 0);
	subject->cgroup_ino = st.st_ino;
	subject->file_ino = ino_in(subject->cgroup, cause->file);
	ASSERT_NE(subject->file_ino, 0);
	subject->fd = -1;
	if (cause->start)
		ASSERT_TRUE(cause->start(subject->cgroup, &subject->helper));
	sleep_ms(APART_MS);
}

FIXTURE_TEARDOWN(modify)
{
	struct subject *subject = &self->subject;

	stop_helper(&subject->helper);
	if (subject->fd >= 0)
		close(subject->fd);
	remove_cgroup(subject->cgroup);
	cgroup_base_remove();
}

static void enter_state(struct __test_metadata *_metadata, const struct subject *subject)
{
	char text[128];

	if (subject->state != NEVER_LOOKED_UP)
		ASSERT_GE(read_text(subject->path, text, sizeof(text)), 0);
	if (subject->state != CACHED)
		ASSERT_TRUE(drop_dentries());
}

static void take_inotify(struct subject *subject)
{
	struct events events = {};

	read_events(subject->fd, &events);
	for (int i = 0; i < events.nr && i < MAX_EVENTS; i++) {
		const struct event *event = &events.at[i];

		subject->lost += event->mask == IN_Q_OVERFLOW;
		subject->got += event->mask == IN_MODIFY &&
				 (!event->name[0] || !strcmp(event->name, subject->cause->file));
	}
}

static void count_event(const struct node_event *event, void *arg)
{
	struct subject *subject = arg;
	bool here = event->node == subject->file_ino;

	if (event->name)
		here = event->dir == subject->cgroup_ino &&
		       !strcmp(event->name, subject->cause->file);
	subject->lost += !!(event->mask & FAN_Q_OVERFLOW);
	subject->got += here && event->mask == FAN_MODIFY;
}

static void take_fanotify(struct subject *subject)
{
	read_fanotify(subject->fd, count_event, subject);
}

/* Reads after each change, so that nothing is merged in the queue. */
static void expect_event(struct __test_metadata *_metadata, struct subject *subject,
			void (*take)(struct subject *subject), bool each)
{
	for (int nr = 0; nr < CHANGES; nr++) {
		int wanted = each ? nr + 1 : 0;

		ASSERT_TRUE(subject->cause->change(subject->cgroup, &subject->helper, nr))
			TH_LOG("change %d: %s", nr, strerror(errno));
		await((take(subject), subject->got >= wanted), event_timeout_ms());
		sleep_ms(APART_MS);
		take(subject);
		ASSERT_EQ(subject->got, wanted)
			TH_LOG("change %d", nr);
	}
	ASSERT_EQ(subject->lost, 0);
}

#define EXPECT_EACH_EVENT(take)	\
	expect_event(_metadata, &self->subject, take, true)

static void watch(struct __test_metadata *_metadata, struct subject *subject, const char *path)
{
	enter_state(_metadata, subject);
	subject->fd = open_inotify();
	ASSERT_GE(inotify_add_watch(subject->fd, path, IN_MODIFY), 0);
	/* The file of a watch has an inode whatever happens to the cache. */
	if (subject->state == RECLAIMED)
		ASSERT_TRUE(drop_dentries());
}

static void mark(struct __test_metadata *_metadata, struct subject *subject,
		 unsigned int report, unsigned int flags, uint64_t mask, const char *path)
{
	enter_state(_metadata, subject);
	subject->fd = open_fanotify(report);
	if (subject->fd < 0)
		SKIP(return, "no fanotify with file handles");
	ASSERT_EQ(fanotify_mark(subject->fd, FAN_MARK_ADD | flags, mask, AT_FDCWD, path), 0);
}

TEST_F(modify, inotify_on_the_file)
{
	watch(_metadata, &self->subject, self->subject.path);
	EXPECT_EACH_EVENT(take_inotify);
}

TEST_F(modify, inotify_on_the_directory)
{
	watch(_metadata, &self->subject, self->subject.cgroup);
	EXPECT_EACH_EVENT(take_inotify);
}

TEST_F(modify, fanotify_on_the_file)
{
	mark(_metadata, &self->subject, FAN_REPORT_FID, 0, FAN_MODIFY, self->subject.path);
	EXPECT_EACH_EVENT(take_fanotify);
}

TEST_F(modify, fanotify_on_the_directory)
{
	mark(_metadata, &self->subject, FAN_REPORT_DFID_NAME, 0, FAN_MODIFY | FAN_EVENT_ON_CHILD,
	     self->subject.cgroup);
	EXPECT_EACH_EVENT(take_fanotify);
}

TEST_F(modify, file_system_mark)
{
	mark(_metadata, &self->subject, FAN_REPORT_DFID_NAME, FAN_MARK_FILESYSTEM, FAN_MODIFY,
	     cgroup_base());
	EXPECT_EACH_EVENT(take_fanotify);
}

TEST_F(modify, file_system_mark_without_names)
{
	mark(_metadata, &self->subject, FAN_REPORT_FID, FAN_MARK_FILESYSTEM, FAN_MODIFY,
	     cgroup_base());
	EXPECT_EACH_EVENT(take_fanotify);
}

/* What the kernel changes, it changes through no mount. */
TEST_F(modify, mount_mark_gets_nothing)
{
	mark(_metadata, &self->subject, FAN_REPORT_DFID_NAME, FAN_MARK_MOUNT, FAN_MODIFY,
	     cgroup_base());
	expect_event(_metadata, &self->subject, take_fanotify, false);
}

/* A mark that does not ask for the event causes no inode to be created. */
TEST_F(modify, uninterested_marks_create_no_inode)
{
	long long before = counter("notify_inodes_made");

	if (before < 0)
		SKIP(return, "no counters");
	mark(_metadata, &self->subject, FAN_REPORT_DFID_NAME, FAN_MARK_FILESYSTEM,
	     FAN_DELETE_SELF | FAN_ATTRIB | FAN_ONDIR, cgroup_base());
	ASSERT_EQ(fanotify_mark(self->subject.fd, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, self->subject.cgroup), 0);
	expect_event(_metadata, &self->subject, take_fanotify, false);
	EXPECT_EQ(counter("notify_inodes_made"), before);
}

TEST_F(modify, pollers_are_woken)
{
	struct subject *subject = &self->subject;
	struct pollfd pollfd = { .events = POLLPRI };
	char text[128];

	enter_state(_metadata, subject);
	pollfd.fd = open(subject->path, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(pollfd.fd, 0);
	for (int nr = 0; nr < CHANGES; nr++) {
		ASSERT_GE(pread(pollfd.fd, text, sizeof(text), 0), 0);
		ASSERT_EQ(poll(&pollfd, 1, 0), 0);
		ASSERT_TRUE(subject->cause->change(subject->cgroup, &subject->helper, nr));
		ASSERT_EQ(poll(&pollfd, 1, event_timeout_ms()), 1);
		ASSERT_TRUE(pollfd.revents & POLLPRI);
		sleep_ms(APART_MS);
	}
	close(pollfd.fd);
}

/* Events of a mark on the file system for files of two cgroups */
enum { GONE, STAYS };

struct heard {
	ino_t file[2];
	int changes[2];
	int ends[2];
};

static void hear(const struct node_event *event, void *arg)
{
	struct heard *heard = arg;

	for (int i = 0; i < 2; i++) {
		if (event->node != heard->file[i])
			continue;
		heard->changes[i] += !!(event->mask & FAN_MODIFY);
		heard->ends[i] += !!(event->mask & FAN_DELETE_SELF);
	}
}

static void make_cgroup(struct __test_metadata *_metadata, char path[PATH_MAX], const char *name,
			ino_t *file)
{
	ASSERT_EQ(mkdir(format_path(path, "%.3900s/%s", cgroup_base(), name), 0755), 0);
	*file = ino_in(path, "cgroup.events");
	ASSERT_NE(*file, 0);
}

struct maker {
	const char *object;
	atomic_bool done;
};

static void *add_aux(void *arg)
{
	struct maker *maker = arg;

	prctl(PR_SET_NAME, "delayed");
	write_object(maker->object, "control", "+aux");
	maker->done = true;
	return NULL;
}

/*
 * One work item reports all changes, in order. The first one waits for a task that
 * creates a node in the same hierarchy, where a module of the tests delays it.
 */
TEST(change_of_a_file_that_was_removed_since_is_not_reported)
{
	char root[PATH_MAX], object[PATH_MAX], value[PATH_MAX], gone[PATH_MAX], stays[PATH_MAX];
	const char *reason = why_no_cgroup();
	int fanotify = open_fanotify(FAN_REPORT_FID);
	struct maker maker = { .object = object };
	struct heard heard = {};
	pthread_t thread;
	bool in_time;

	if (!reason && !has_test_module("delay"))
		reason = "no modules of the tests";
	if (!reason)
		reason = mount_for_object(root, object, value);
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(mkdir(object, 0755), 0);
	make_cgroup(_metadata, gone, "gone", &heard.file[GONE]);
	make_cgroup(_metadata, stays, "stays", &heard.file[STAYS]);
	sleep_ms(APART_MS);
	ASSERT_EQ(fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
				FAN_MODIFY | FAN_DELETE_SELF, AT_FDCWD, cgroup_base()), 0);
	ASSERT_EQ(insert_test_module("delay", "function=kernfs_activate ms=2000"), 0);
	pthread_create(&thread, NULL, add_aux, &maker);
	await(maker.done || module_parameter("delay", "hits") == 1, event_timeout_ms());
	EXPECT_TRUE(write_object(object, "value", "new"));
	EXPECT_TRUE(write_in(gone, "cgroup.freeze", "1"));
	EXPECT_EQ(remove_cgroup(gone), 0);
	in_time = !maker.done;
	EXPECT_TRUE(await((read_fanotify(fanotify, hear, &heard), heard.ends[GONE]),
			  event_timeout_ms()));
	pthread_join(thread, NULL);
	EXPECT_EQ(remove_test_module("delay"), 0);
	/* The last change is reported last. */
	EXPECT_TRUE(write_in(stays, "cgroup.freeze", "1"));
	EXPECT_TRUE(await((read_fanotify(fanotify, hear, &heard), heard.changes[STAYS]),
			  event_timeout_ms()));
	EXPECT_EQ(heard.ends[GONE], 1);
	remove_cgroup(stays);
	cgroup_base_remove();
	rmdir(object);
	unmount_pseudofs(root);
	if (!in_time)
		SKIP(return, "kernfs_activate() is inlined, or the removal took too long");
	EXPECT_EQ(heard.changes[GONE], 0);
}

/* Nodes that come to be */

struct created {
	int mark;
	int directories;
	int others;
};

FIXTURE(create) {
	char path[PATH_MAX];
	char control[PATH_MAX];
	struct created created;
};

FIXTURE_SETUP(create)
{
	const char *reason = why_no_cgroup();

	if (reason)
		SKIP(return, "%s", reason);
	format_path(self->path, "%.3900s/cgroup", cgroup_base());
	format_path(self->control, "%.3900s/cgroup.subtree_control", cgroup_base());
	self->created.mark = open_fanotify(FAN_REPORT_DFID_NAME);
	ASSERT_GE(self->created.mark, 0);
	ASSERT_EQ(fanotify_mark(self->created.mark, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
				FAN_CREATE | FAN_ONDIR, AT_FDCWD, cgroup_base()), 0);
}

FIXTURE_TEARDOWN(create)
{
	close(self->created.mark);
	remove_cgroup(self->path);
	cgroup_base_remove();
}

static void count_created(const struct node_event *event, void *arg)
{
	struct created *created = arg;

	if (event->mask == (FAN_CREATE | FAN_ONDIR) && event->name && !strcmp(event->name, "cgroup"))
		created->directories++;
	else
		created->others++;
}

static void await_created(struct created *created, int wanted)
{
	await((read_fanotify(created->mark, count_created, created),
	       created->directories >= wanted), event_timeout_ms());
	sleep_ms(QUIET_MS);
	read_fanotify(created->mark, count_created, created);
}

/* The files in a new cgroup are not reported: that would be dozens for each. */
TEST_F(create, of_a_cgroup_is_reported_once)
{
	ASSERT_EQ(mkdir(self->path, 0755), 0);
	await_created(&self->created, 1);
	EXPECT_EQ(self->created.directories, 1);
	EXPECT_EQ(self->created.others, 0);
}

TEST_F(create, by_the_kernel_is_not_reported)
{
	struct events events = {};
	int inotify = open_inotify();

	if (!has_memory_controller())
		SKIP(return, "%s", why_no_memory_controller());
	ASSERT_EQ(mkdir(self->path, 0755), 0);
	await_created(&self->created, 1);
	ASSERT_TRUE(write_text(self->control, "-memory"));
	ASSERT_GE(inotify_add_watch(inotify, self->path, IN_CREATE), 0);
	ASSERT_TRUE(write_text(self->control, "+memory"));
	ASSERT_NE(ino_in(self->path, "memory.events"), 0);
	sleep_ms(5 * QUIET_MS);
	read_fanotify(self->created.mark, count_created, &self->created);
	read_events(inotify, &events);
	EXPECT_EQ(self->created.others, 0);
	EXPECT_EQ(events.nr, 0)
		TH_LOG("%s", describe_events(&events));
	close(inotify);
}

TEST_HARNESS_MAIN
