// SPDX-License-Identifier: GPL-2.0
/*
 * hierarchy: follow thousands of cgroups by one fanotify mark on cgroup2, some
 * of which breach a limit, and some of which are removed. Output is as that of
 * steps, with one more kind of row:
 *
 *	mark	LABEL	EVENTS	TIME	VERDICT
 *
 * EVENTS is a kind of event and for how many cgroups the mark got it, TIME from
 * the start of the step until the last one was read. VERDICT is delivered, if that
 * was each cgroup, once; else missed, duplicated or other.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/events.h"
#include "lib/onemark.h"
#include "lib/system.h"

#define PARENTS		100
#define PER_PARENT	100
#define CGROUPS		(PARENTS * PER_PARENT)

/* Of each parent, one breaches its limit and one goes. */
#define BREACHES	0
#define GOES		1

#define DYING_LIMIT_MS	60000
#define KSFT_SKIP	4

/* A kind of event: how often the mark got it for each cgroup, and when last */
struct kind {
	const char *events;
	int got[CGROUPS];
	long long last_us;
};

static struct kind modify = { .events = "MODIFY of %d files" };
static struct kind delete = { .events = "DELETE of %d names" };
static struct kind delete_self = { .events = "DELETE_SELF of %d" };

static int mark;
static int patience_ms;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "hierarchy: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* The cgroups */

static char *path_of(char path[PATH_MAX], int nr, const char *file)
{
	return format_path(path, "%.3000s/hierarchy/%d/%d%s", cgroup_base(), nr / PER_PARENT,
			   nr % PER_PARENT, file);
}

/* Of the hierarchy for -1 */
static char *parent_path(char path[PATH_MAX], int parent)
{
	return parent < 0 ? format_path(path, "%.3000s/hierarchy", cgroup_base()) :
			    format_path(path, "%.3000s/hierarchy/%d", cgroup_base(), parent);
}

/* With no controller but the one whose limit is breached, it takes less time. */
static void make_parent(int parent)
{
	char path[PATH_MAX], control[PATH_MAX];

	check(!mkdir(parent_path(path, parent), 0755), path);
	format_path(control, "%.4000s/cgroup.subtree_control", path);
	check(write_text(control, "+pids"), control);
}

static void make_cgroups(void)
{
	char path[PATH_MAX];

	make_parent(-1);
	for (int nr = 0; nr < CGROUPS; nr++) {
		if (nr % PER_PARENT == 0)
			make_parent(nr / PER_PARENT);
		check(!mkdir(path_of(path, nr, ""), 0755), path);
	}
}

/* The kernel takes its time for what is left of them; what comes next is not to. */
static void await_their_end(void)
{
	char path[PATH_MAX], stat[PATH_MAX];

	format_path(stat, "%.4000s/cgroup.stat", parent_path(path, -1));
	for (int ms = 0; ms < DYING_LIMIT_MS; ms += 10) {
		if (file_has_line(stat, "nr_dying_descendants 0"))
			return;
		sleep_ms(10);
	}
	errno = ETIMEDOUT;
	check(false, "removed cgroups stay");
}

static void remove_cgroups(void)
{
	char path[PATH_MAX];

	for (int nr = 0; nr < CGROUPS; nr++)
		check(!rmdir(path_of(path, nr, "")) || nr % PER_PARENT == GOES, path);
	for (int parent = 0; parent < PARENTS; parent++)
		check(!remove_cgroup(parent_path(path, parent)), path);
	await_their_end();
	check(!remove_cgroup(parent_path(path, -1)), path);
	cgroup_base_remove();
}

/* A process that may not begin to be in it, as nobody else is */
static void breach(int nr)
{
	char path[PATH_MAX];
	int dir;

	check(write_text(path_of(path, nr, "/pids.max"), "0"), path);
	dir = open(path_of(path, nr, ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check(dir >= 0, path);
	check(fork_into(dir) < 0 && errno == EAGAIN, "a process too many");
	close(dir);
}

static void let_go(int nr)
{
	char path[PATH_MAX];

	check(!rmdir(path_of(path, nr, "")), path);
}

/* The mark */

/* A directory tells the numbers of what is in it. */
static void walk_parent(int parent)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	dir = opendir(parent_path(path, parent));
	check(dir, path);
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			learn_node(entry->d_ino, parent * PER_PARENT + atoi(entry->d_name));
	closedir(dir);
}

/* First the mark, from where on nothing is missed; then one walk over what is there */
static void start_mark(void)
{
	mark = open_fanotify(FAN_REPORT_DFID_NAME_TARGET);
	check(mark >= 0, "fanotify_init");
	check(!fanotify_mark(mark, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
			     FAN_MODIFY | FAN_DELETE | FAN_DELETE_SELF | FAN_ONDIR, AT_FDCWD,
			     cgroup_base()), "fanotify_mark");
	for (int parent = 0; parent < PARENTS; parent++)
		walk_parent(parent);
}

static void count(struct kind *kind, int nr)
{
	if (nr < 0)
		return;
	kind->got[nr]++;
	kind->last_us = now_us();
}

static void count_event(const struct node_event *event, void *unused)
{
	check(!(event->mask & FAN_Q_OVERFLOW), "the queue has no limit, and is full");
	if (event->mask & FAN_MODIFY && !strcmp(event->name, "pids.events"))
		count(&modify, find_node(event->dir));
	if (event->mask & FAN_DELETE)
		count(&delete, find_node(event->node));
	/* The removal of a directory is reported as "." in itself. */
	if (event->mask & FAN_DELETE_SELF)
		count(&delete_self, find_node(event->dir));
}

/* The rows */

static void row_set_up(long long us)
{
	int fds = 0, marks = 0;
	char what[64];

	/* All that this process has, whatever it is for */
	for (int fd = 0; fd <= mark; fd++) {
		int on_fd = count_marks(fd);

		fds += on_fd > 0;
		marks += on_fd > 0 ? on_fd : 0;
	}
	snprintf(what, sizeof(what), "%d mark, %d descriptor", marks, fds);
	printf("step\tthe mark, then one walk\t%s\t%6.1f ms\n", what, us / 1e3);
}

static int nr_reported(const struct kind *kind, int which)
{
	int nr_cgroups = 0;

	for (int nr = which; nr < CGROUPS; nr += PER_PARENT)
		nr_cgroups += kind->got[nr] > 0;
	return nr_cgroups;
}

static const char *verdict(const struct kind *kind, int which)
{
	for (int nr = 0; nr < CGROUPS; nr++) {
		if (nr % PER_PARENT != which && kind->got[nr])
			return "other";
		if (kind->got[nr] > 1)
			return "duplicated";
	}
	return nr_reported(kind, which) == PARENTS ? "delivered" : "missed";
}

/* The mark is to get the event for the cgroup @which of each parent. */
static void row_mark(const struct kind *kind, int which, long long start)
{
	long long end = now_us() + patience_ms * 1000LL;
	char events[64];

	while (nr_reported(kind, which) < PARENTS && now_us() < end) {
		read_fanotify(mark, count_event, NULL);
		sleep_ms(1);
	}
	/* One too many would come now. */
	sleep_ms(QUIET_MS);
	read_fanotify(mark, count_event, NULL);
	snprintf(events, sizeof(events), kind->events, nr_reported(kind, which));
	printf("mark\tthe mark gets\t%s\t", events);
	if (kind->last_us)
		printf("%6.1f ms", (kind->last_us - start) / 1e3);
	else
		printf("%9s", "");
	printf("\t%s\n", verdict(kind, which));
}

static long long act(const char *label, void (*on)(int nr), int which)
{
	long long start = now_us();

	for (int nr = which; nr < CGROUPS; nr += PER_PARENT)
		on(nr);
	printf("step\t%s\tdone\t%6.1f ms\n", label, (now_us() - start) / 1e3);
	return start;
}

int main(int argc, char **argv)
{
	const char *reason = why_no_cgroup();
	long long start;

	if (!reason)
		reason = why_no_pids_controller();
	if (argc != 2 || reason) {
		printf("One mark on a hierarchy is not shown: %s.\n",
		       reason ? reason : "usage is hierarchy WAIT-MS");
		return KSFT_SKIP;
	}
	patience_ms = atoi(argv[1]);
	make_cgroups();
	printf("case\tone mark on cgroup2 for all of %d cgroups\n", CGROUPS);
	start = now_us();
	start_mark();
	row_set_up(now_us() - start);
	start = act("100 breach pids.max", breach, BREACHES);
	row_mark(&modify, BREACHES, start);
	start = act("100 are removed", let_go, GOES);
	row_mark(&delete, GOES, start);
	row_mark(&delete_self, GOES, start);
	close(mark);
	remove_cgroups();
	return 0;
}
