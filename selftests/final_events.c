// SPDX-License-Identifier: GPL-2.0
/*
 * The last text of a removed cgroup's *.events, which the parameter final_events
 * keeps for tasks that have such a file open: how the cgroup ended.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/harness.h"
#include "lib/process.h"
#include "lib/system.h"

#define PARAMETER	"/sys/module/rkernfs/parameters/final_events"
#define REFERENCES	"/sys/module/rkernfs/refcnt"
#define MANY		3000
/* Less than any text takes */
#define LEAST_TEXT	40

FIXTURE(final) {
	char cgroup[PATH_MAX];
	char file[PATH_MAX];
	char before[512];
	int fd;
};

FIXTURE_SETUP(final)
{
	const char *reason = why_no_memory_controller();

	if (!reason)
		reason = why_no_cgroup();
	if (!reason && !exists(PARAMETER))
		reason = "rkernfs has no final_events";
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_TRUE(write_text(PARAMETER, "1"));
	format_path(self->cgroup, "%.3900s/final", cgroup_base());
	format_path(self->file, "%.3900s/memory.events", self->cgroup);
	ASSERT_EQ(mkdir(self->cgroup, 0755), 0);
	ASSERT_GT(read_text(self->file, self->before, sizeof(self->before)), LEAST_TEXT);
	self->fd = open(self->file, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(final)
{
	write_text(PARAMETER, "0");
	close(self->fd);
	remove_cgroup(self->cgroup);
	cgroup_base_remove();
}

/* -1, or whether all that can be read from there on is @text */
static int reads(int fd, off_t offset, const char *text)
{
	char got[512] = {};
	ssize_t len = pread(fd, got, sizeof(got) - 1, offset);

	return len < 0 ? -1 : !strcmp(got, text);
}

TEST_F(final, is_read_again_and_again)
{
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(reads(self->fd, 0, self->before), 1);
	EXPECT_EQ(reads(self->fd, 0, self->before), 1);
	EXPECT_EQ(reads(self->fd, 4, self->before + 4), 1);
	EXPECT_EQ(reads(self->fd, strlen(self->before), ""), 1);
	EXPECT_EQ(reads(self->fd, 100000, ""), 1);
}

TEST_F(final, is_read_from_where_the_reader_was)
{
	char got[512] = {};

	ASSERT_EQ(read(self->fd, got, 4), 4);
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(read(self->fd, got, sizeof(got)), strlen(self->before) - 4);
	EXPECT_STREQ(got, self->before + 4);
	EXPECT_EQ(read(self->fd, got, sizeof(got)), 0);
	EXPECT_EQ(lseek(self->fd, 0, SEEK_END), strlen(self->before));
	EXPECT_EQ(lseek(self->fd, 0, SEEK_SET), 0);
	EXPECT_EQ(read(self->fd, got, sizeof(got)), strlen(self->before));
}

TEST_F(final, is_sent_by_sendfile)
{
	char got[512] = {};
	int ends[2];

	ASSERT_EQ(pipe(ends), 0);
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(sendfile(ends[1], self->fd, NULL, sizeof(got)), strlen(self->before));
	EXPECT_EQ(read(ends[0], got, sizeof(got)), strlen(self->before));
	EXPECT_STREQ(got, self->before);
}

TEST_F(final, each_descriptor_has_it)
{
	int fd = open(self->file, O_RDONLY | O_CLOEXEC);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(reads(self->fd, 0, self->before), 1);
	EXPECT_EQ(reads(fd, 0, self->before), 1);
	close(fd);
	EXPECT_EQ(reads(self->fd, 0, self->before), 1);
}

TEST_F(final, poller_is_woken_as_without_it)
{
	struct pollfd pollfd = { .fd = self->fd, .events = POLLPRI };

	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(poll(&pollfd, 1, 0), 1);
	EXPECT_EQ(pollfd.revents, POLLERR | POLLPRI);
}

TEST_F(final, removed_file_cannot_be_opened)
{
	char path[PATH_MAX];

	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(error_of(open(format_path(path, "/proc/self/fd/%d", self->fd), O_RDONLY)), ENODEV);
	EXPECT_EQ(error_of(open(self->file, O_RDONLY)), ENOENT);
}

TEST_F(final, other_files_have_none)
{
	char path[PATH_MAX];
	int fd = open(format_path(path, "%.3900s/memory.current", self->cgroup), O_RDONLY);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(reads(fd, 0, ""), -1);
	EXPECT_EQ(errno, ENODEV);
}

/* A writer has the buffer that a text is kept in. */
TEST_F(final, writer_has_none)
{
	int fd;

	ASSERT_EQ(chmod(self->file, 0644), 0);
	fd = open(self->file, O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(reads(fd, 0, ""), -1);
	EXPECT_EQ(errno, ENODEV);
	EXPECT_EQ(error_of(write(fd, "1", 1)), ENODEV);
	EXPECT_EQ(reads(self->fd, 0, self->before), 1);
}

TEST_F(final, is_not_kept_without_the_parameter)
{
	ASSERT_TRUE(write_text(PARAMETER, "0"));
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(reads(self->fd, 0, ""), -1);
	EXPECT_EQ(errno, ENODEV);
	EXPECT_EQ(error_of(lseek(self->fd, 0, SEEK_SET)), ENODEV);
}

TEST_F(final, shows_what_happened_last)
{
	char path[PATH_MAX];
	int fd, status;
	pid_t pid;

	if (!exists(format_path(path, "%.3900s/pids.events", self->cgroup)))
		SKIP(return, "no pids controller");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_TRUE(write_text(format_path(path, "%.3900s/pids.max", self->cgroup), "0"));
	pid = fork();
	if (!pid) {
		write_text(format_path(path, "%.3900s/cgroup.procs", self->cgroup), "0");
		_exit(fork() < 0 ? 0 : 1);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(status, 0);
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(reads(fd, 0, "max 1\n"), 1);
}

static long number_in(const char *path)
{
	char text[64];

	return read_text(path, text, sizeof(text)) < 0 ? -1 : atol(text);
}

TEST_F(final, module_is_pinned_while_it_is_open)
{
	long references = number_in(REFERENCES);

	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	EXPECT_EQ(number_in(REFERENCES), references + 1);
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(number_in(REFERENCES), references);
}

static char holder[PATH_MAX], held[PATH_MAX];

static bool open_many(void *unused)
{
	char path[PATH_MAX];

	if (!write_text(format_path(path, "%.3900s/cgroup.procs", holder), "0") ||
	    !raise_open_files(MANY + 100))
		return false;
	for (int i = 0; i < MANY; i++)
		if (open(held, O_RDONLY) < 0)
			return false;
	return true;
}

TEST_F(final, is_charged_to_the_opener)
{
	char current[PATH_MAX];
	long before, after;
	pid_t pid;

	format_path(holder, "%.3900s/holder", cgroup_base());
	format_path(held, "%.3900s", self->file);
	format_path(current, "%.3900s/memory.current", holder);
	ASSERT_EQ(mkdir(holder, 0755), 0);
	pid = start_process(open_many, NULL, NULL);
	ASSERT_GT(pid, 0);
	before = number_in(current);
	ASSERT_EQ(remove_cgroup(self->cgroup), 0);
	after = number_in(current);
	EXPECT_GT(after - before, MANY * LEAST_TEXT)
		TH_LOG("%ld before, %ld after", before, after);
	end_process(pid);
	EXPECT_EQ(remove_cgroup(holder), 0);
}

TEST_HARNESS_MAIN
