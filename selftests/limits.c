// SPDX-License-Identifier: GPL-2.0
/* A full queue, and watches by the thousand: each watch is freed, none is left. */
#include <fcntl.h>
#include <dirent.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/harness.h"
#include "lib/events.h"
#include "lib/system.h"

#define DEFAULT_QUEUE 16384
#define QUEUE		16
#define NR_FILES	10000
#define MAX_CGROUPS	1000

FIXTURE(limits) {
	int inotify;
};

FIXTURE_SETUP(limits)
{
	const char *reason = why_no_cgroup();

	if (reason)
		SKIP(return, "%s", reason);
}

FIXTURE_TEARDOWN(limits)
{
	cgroup_base_remove();
}

static bool await_marks(int inotify, int nr)
{
	return await(count_marks(inotify) == nr, event_timeout_ms());
}

TEST_F(limits, removal_with_full_queue_overflows_and_frees_watch)
{
	char cgroup[PATH_MAX], dir[PATH_MAX], name[PATH_MAX];
	struct events events = {};

	/* An instance keeps the limit that it was opened under. */
	ASSERT_TRUE(set_sysctl("/proc/sys/fs/inotify/max_queued_events", QUEUE));
	self->inotify = open_inotify();
	ASSERT_TRUE(set_sysctl("/proc/sys/fs/inotify/max_queued_events", DEFAULT_QUEUE));
	ASSERT_TRUE(make_mount_point(dir));
	ASSERT_GE(inotify_add_watch(self->inotify, dir, IN_CREATE), 0);
	format_path(cgroup, "%.4000s/full", cgroup_base());
	ASSERT_EQ(mkdir(cgroup, 0755), 0);
	ASSERT_GE(inotify_add_watch(self->inotify, cgroup, IN_DELETE_SELF), 0);
	for (int i = 0; i < 2 * QUEUE; i++) {
		format_path(name, "%.4000s/%d", dir, i);
		close(open(name, O_CREAT | O_WRONLY, 0600));
	}
	ASSERT_EQ(count_marks(self->inotify), 2);

	ASSERT_EQ(remove_cgroup(cgroup), 0);
	EXPECT_TRUE(await_marks(self->inotify, 1));
	read_events(self->inotify, &events);
	EXPECT_EQ(events.nr, QUEUE + 1);
	EXPECT_TRUE(is_event(&events, QUEUE, -1, IN_Q_OVERFLOW, NULL))
		TH_LOG("%s", describe_events(&events));

	for (int i = 0; i < 2 * QUEUE; i++)
		unlink(format_path(name, "%.4000s/%d", dir, i));
	rmdir(dir);
}

/* Watches every file of a directory; returns how many. */
static int watch_files(int inotify, const char *path, int at_most)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int nr = 0;

	while (dir && nr < at_most && (entry = readdir(dir))) {
		char file[PATH_MAX];

		if (entry->d_type != DT_REG)
			continue;
		format_path(file, "%.3800s/%.200s", path, entry->d_name);
		nr += inotify_add_watch(inotify, file, IN_DELETE_SELF) >= 0;
	}
	if (dir)
		closedir(dir);
	return nr;
}

/* What each watch got: bit 0 IN_DELETE_SELF, bit 1 IN_IGNORED after it */
static int count_event(int inotify, unsigned char *got, int nr_watches)
{
	_Alignas(struct inotify_event) static char buf[1 << 16];
	const struct inotify_event *event;
	int nr_events = 0;
	ssize_t len;

	while ((len = read(inotify, buf, sizeof(buf))) > 0) {
		for (char *pos = buf; pos < buf + len; pos += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)pos;
			nr_events++;
			if (event->wd < 1 || event->wd > nr_watches)
				continue;
			if (event->mask == IN_DELETE_SELF && !got[event->wd])
				got[event->wd] = 1;
			else if (event->mask == IN_IGNORED && got[event->wd] == 1)
				got[event->wd] = 3;
			else
				got[event->wd] = 0xff;
		}
	}
	return nr_events;
}

TEST_F(limits, ten_thousand_watches_without_dentries_get_events_and_are_freed)
{
	static unsigned char got[NR_FILES + 1];
	int nr_files = 0, nr_cgroups = 0, nr_events = 0, nr_wrong = 0;
	char cgroup[PATH_MAX];

	ASSERT_TRUE(raise_sysctl("/proc/sys/fs/inotify/max_queued_events", 4 * NR_FILES));
	ASSERT_TRUE(raise_sysctl("/proc/sys/fs/inotify/max_user_watches", 2 * NR_FILES));
	self->inotify = open_inotify();
	while (nr_files < NR_FILES && nr_cgroups < MAX_CGROUPS) {
		format_path(cgroup, "%.4000s/many-%d", cgroup_base(), nr_cgroups++);
		ASSERT_EQ(mkdir(cgroup, 0755), 0);
		nr_files += watch_files(self->inotify, cgroup, NR_FILES - nr_files);
	}
	ASSERT_EQ(nr_files, NR_FILES);
	ASSERT_TRUE(drop_dentries());
	ASSERT_EQ(count_marks(self->inotify), NR_FILES);
	ASSERT_EQ(count_event(self->inotify, got, NR_FILES), 0);

	while (nr_cgroups--) {
		format_path(cgroup, "%.4000s/many-%d", cgroup_base(), nr_cgroups);
		ASSERT_EQ(remove_cgroup(cgroup), 0);
	}
	for (int ms = 0; ms < 4 * event_timeout_ms() && nr_events < 2 * NR_FILES; ms += 10) {
		nr_events += count_event(self->inotify, got, NR_FILES);
		sleep_ms(10);
	}
	sleep_ms(QUIET_MS);
	nr_events += count_event(self->inotify, got, NR_FILES);
	for (int wd = 1; wd <= NR_FILES; wd++)
		nr_wrong += got[wd] != 3;
	EXPECT_EQ(nr_wrong, 0);
	EXPECT_EQ(nr_events, 2 * NR_FILES);
	EXPECT_EQ(count_marks(self->inotify), 0);
}

TEST_HARNESS_MAIN
