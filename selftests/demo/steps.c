// SPDX-License-Identifier: GPL-2.0
/*
 * steps: remove real cgroup files in several ways while samples/watch watches them.
 *
 * Each case starts the watcher as a program of its own, acts, and reads what
 * the watcher printed. Output is one line a row, fields separated by tabs:
 *
 *	case	TITLE
 *	step	LABEL	OUTCOME	TIME
 *	watch	LABEL	EVENTS	TIME	VERDICT
 *
 * TIME of a step is how long it took; of a watch, how long after the start of
 * the step that removes the node the watcher had read IN_IGNORED, or the poller
 * woke up. VERDICT is delivered, missed, or what is wrong: premature, duplicated,
 * out-of-order, partial, other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CGROUP		"/sys/fs/cgroup"
#define DEMO		CGROUP "/rkernfs-demo"
#define HIGH_BYTES	(2UL << 20)
#define EVENT_TIMEOUT	10.0

static const char *watch_program;
static double patience;

/* What the watcher printed of one path, times in seconds of CLOCK_MONOTONIC. */
struct account {
	const char *path;
	double modify, delete_self, ignored;
	int nr_delete_self, nr_ignored, nr_other;
	bool out_of_order;
};

struct watcher {
	pid_t pid;
	int fd;
	char buf[4096];
	size_t len;
	struct account account[2];
	int nr_accounts;
	int nr_watching;
};

static _Noreturn void die(const char *fmt, ...)
{
	int error = errno;
	va_list args;

	va_start(args, fmt);
	fprintf(stderr, "steps: ");
	vfprintf(stderr, fmt, args);
	fprintf(stderr, ": %s\n", strerror(error));
	va_end(args);
	exit(2);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Always nine columns wide on the terminal, whatever the unit takes in bytes. */
static const char *span(double seconds)
{
	static char text[32];

	if (seconds < 0)
		snprintf(text, sizeof(text), "%9s", "");
	else if (seconds < 1e-3)
		snprintf(text, sizeof(text), "%6.0f µs", seconds * 1e6);
	else
		snprintf(text, sizeof(text), "%6.1f ms", seconds * 1e3);
	return text;
}

/* The watcher must have read a premature event before the removal. */
static void settle(void)
{
	usleep(20000);
}

static void row_case(const char *title)
{
	printf("case\t%s\n", title);
}

static void row_step(const char *label, const char *outcome, double seconds)
{
	printf("step\t%s\t%s\t%s\n", label, outcome, span(seconds));
}

static const char *verdict(const struct account *account, double removal)
{
	if (account->nr_other)
		return "other";
	if (!account->nr_delete_self && !account->nr_ignored)
		return "missed";
	if (account->nr_delete_self > 1 || account->nr_ignored > 1)
		return "duplicated";
	if (account->out_of_order)
		return "out-of-order";
	if (!account->nr_delete_self || !account->nr_ignored)
		return "partial";
	return account->delete_self < removal ? "premature" : "delivered";
}

static void row_watch(const char *label, const struct account *account, double removal)
{
	char events[64] = "";

	if (account->nr_delete_self)
		strcat(events, "DELETE_SELF");
	if (account->nr_ignored)
		strcat(events, *events ? ", IGNORED" : "IGNORED");
	printf("watch\t%s\t%s\t%s\t%s\n", label, *events ? events : "nothing",
	       span(account->nr_ignored ? account->ignored - removal : -1),
	       verdict(account, removal));
}

/* cgroup files */

static bool try_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

static void write_file(const char *path, const char *text)
{
	if (!try_write(path, text))
		die("write '%s' to %s", text, path);
}

static void make_cgroup(const char *path)
{
	if (mkdir(path, 0755) && errno != EEXIST)
		die("mkdir %s", path);
}

/* A process that just exited may keep its cgroup busy for a moment. */
static double remove_cgroup(const char *path)
{
	double limit = now() + EVENT_TIMEOUT, start;

	do {
		start = now();
		if (!rmdir(path))
			return start;
		usleep(1000);
	} while (errno == EBUSY && now() < limit);
	die("rmdir %s", path);
}

static void reclaim_dentries(void)
{
	for (int i = 0; i < 6; i++)
		write_file("/proc/sys/vm/drop_caches", "2");
}

/* The watcher */

static struct account *find_account(struct watcher *watcher, const char *path)
{
	for (int i = 0; i < watcher->nr_accounts; i++)
		if (!strcmp(watcher->account[i].path, path))
			return &watcher->account[i];
	return NULL;
}

static void take_line(struct watcher *watcher, char *line)
{
	struct account *account;
	char *event, *path;
	double when;

	when = strtod(line, &event);
	event = strtok_r(event, " ", &path);
	if (!event || !path)
		return;
	if (!strcmp(event, "watching")) {
		watcher->nr_watching++;
		return;
	}
	account = find_account(watcher, path);
	if (!account)
		return;		/* what happens to a watched directory's children */
	if (!strcmp(event, "IN_MODIFY")) {
		account->modify = when;
	} else if (!strcmp(event, "IN_DELETE_SELF")) {
		account->delete_self = when;
		account->nr_delete_self++;
		account->out_of_order |= account->nr_ignored;
	} else if (!strcmp(event, "IN_IGNORED")) {
		account->ignored = when;
		account->nr_ignored++;
	} else {
		account->nr_other++;
	}
}

/* Takes in what comes until @deadline. Returns false when no more can come. */
static bool take_some(struct watcher *watcher, double deadline)
{
	struct pollfd pollfd = { .fd = watcher->fd, .events = POLLIN };
	double rest = deadline - now();
	char *line, *end;
	ssize_t len;

	if (rest <= 0 || poll(&pollfd, 1, rest * 1000 + 1) <= 0)
		return false;
	len = read(watcher->fd, watcher->buf + watcher->len,
		   sizeof(watcher->buf) - watcher->len);
	if (len <= 0)
		return false;
	watcher->len += len;
	line = watcher->buf;
	while ((end = memchr(line, '\n', watcher->buf + watcher->len - line))) {
		*end = '\0';
		take_line(watcher, line);
		line = end + 1;
	}
	watcher->len -= line - watcher->buf;
	memmove(watcher->buf, line, watcher->len);
	return true;
}

static void start_watcher(struct watcher *watcher, const char *path, const char *second)
{
	int pipefd[2];

	*watcher = (struct watcher) { .nr_accounts = second ? 2 : 1 };
	watcher->account[0].path = path;
	watcher->account[1].path = second;
	if (pipe2(pipefd, O_CLOEXEC))
		die("pipe");
	watcher->fd = pipefd[0];
	fflush(stdout);
	watcher->pid = fork();
	if (watcher->pid < 0)
		die("fork");
	if (!watcher->pid) {
		dup2(pipefd[1], STDOUT_FILENO);
		execl(watch_program, "watch", "-c", "-m", "modify,delete_self",
		      path, second, NULL);
		die("%s", watch_program);
	}
	close(pipefd[1]);
	while (watcher->nr_watching < watcher->nr_accounts)
		if (!take_some(watcher, now() + EVENT_TIMEOUT))
			die("%s does not watch %s", watch_program, path);
}

/* The watcher ends by itself when all that it watches is gone. */
static void end_watcher(struct watcher *watcher)
{
	double deadline = now() + patience;

	while (take_some(watcher, deadline))
		;
	kill(watcher->pid, SIGKILL);
	waitpid(watcher->pid, NULL, 0);
	close(watcher->fd);
}

/* The cases */

static pid_t start_memory_hog(const char *procs)
{
	pid_t pid = fork();
	char *memory;

	if (pid)
		return pid;
	write_file(procs, "0");
	memory = mmap(NULL, 8 * HIGH_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		_exit(1);
	for (size_t i = 0; i < 8 * HIGH_BYTES; i += 4096)
		memory[i] = 1;
	pause();
	_exit(0);
}

static void breach_memory_high(struct watcher *watcher, const char *procs)
{
	double start = now(), deadline = start + EVENT_TIMEOUT;
	struct account *account = &watcher->account[0];
	pid_t pid;

	pid = start_memory_hog(procs);
	if (pid < 0)
		die("fork");
	while (!account->modify && take_some(watcher, deadline))
		;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	row_step("memory.high is breached", account->modify ? "MODIFY" : "nothing",
		 account->modify ? account->modify - start : -1);
	if (!account->modify)
		account->nr_other++;
}

static void case_whole_life(void)
{
	static const char events[] = DEMO "/life/memory.events";
	struct watcher watcher;
	char high[32];
	double start;

	row_case("a cgroup's whole life in one watch, then rmdir");
	make_cgroup(DEMO "/life");
	snprintf(high, sizeof(high), "%lu", HIGH_BYTES);
	write_file(DEMO "/life/memory.high", high);
	start_watcher(&watcher, events, DEMO "/life");
	breach_memory_high(&watcher, DEMO "/life/cgroup.procs");
	start = remove_cgroup(DEMO "/life");
	row_step("rmdir", "done", now() - start);
	end_watcher(&watcher);
	if (watcher.account[1].nr_delete_self &&
	    watcher.account[1].delete_self < watcher.account[0].delete_self)
		watcher.account[1].out_of_order = true;
	row_watch("memory.events", &watcher.account[0], start);
	row_watch("the directory", &watcher.account[1], start);
}

static void case_open_directory(void)
{
	struct watcher watcher;
	struct stat st;
	double start;
	int fd;

	row_case("directory held open over rmdir, fstat, close");
	make_cgroup(DEMO "/opendir");
	start_watcher(&watcher, DEMO "/opendir", NULL);
	fd = open(DEMO "/opendir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die("open directory");
	start = remove_cgroup(DEMO "/opendir");
	row_step("rmdir", "done", now() - start);
	start = now();
	if (fstat(fd, &st))
		die("fstat");
	row_step("fstat", st.st_nlink ? "links: not 0" : "links: 0", now() - start);
	settle();
	start = now();
	close(fd);
	row_step("close", "done", now() - start);
	end_watcher(&watcher);
	row_watch("the directory", &watcher.account[0], start);
}

static void case_reclaimed(void)
{
	struct watcher watcher;
	double start;

	row_case("dentries reclaimed first, then rmdir");
	make_cgroup(DEMO "/reclaimed");
	start_watcher(&watcher, DEMO "/reclaimed/memory.events", NULL);
	start = now();
	reclaim_dentries();
	row_step("drop_caches, six times", "done", now() - start);
	start = remove_cgroup(DEMO "/reclaimed");
	row_step("rmdir", "done", now() - start);
	end_watcher(&watcher);
	row_watch("memory.events", &watcher.account[0], start);
}

static void case_open_file(void)
{
	struct watcher watcher;
	double start;
	int fd;

	row_case("file held open over rmdir, then closed");
	make_cgroup(DEMO "/openfile");
	start_watcher(&watcher, DEMO "/openfile/memory.events", NULL);
	fd = open(DEMO "/openfile/memory.events", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("open memory.events");
	start = remove_cgroup(DEMO "/openfile");
	row_step("rmdir", "done", now() - start);
	settle();
	start = now();
	close(fd);
	row_step("close", "done", now() - start);
	end_watcher(&watcher);
	row_watch("memory.events", &watcher.account[0], start);
}

static void case_controller_off(void)
{
	struct watcher watcher;
	double start;

	row_case("the memory controller is turned off");
	make_cgroup(DEMO "/parent");
	write_file(DEMO "/parent/cgroup.subtree_control", "+memory");
	make_cgroup(DEMO "/parent/child");
	start_watcher(&watcher, DEMO "/parent/child/memory.events", NULL);
	start = now();
	write_file(DEMO "/parent/cgroup.subtree_control", "-memory");
	row_step("-memory to subtree_control", "done", now() - start);
	end_watcher(&watcher);
	row_watch("child/memory.events", &watcher.account[0], start);
	remove_cgroup(DEMO "/parent/child");
	remove_cgroup(DEMO "/parent");
}

/* What an edge-triggered loop gets within that time, and when */
static uint32_t take_edge(int epoll, double wait, double *when)
{
	struct epoll_event event = { .events = 0 };

	epoll_wait(epoll, &event, 1, wait * 1000);
	*when = now();
	return event.events;
}

/* As a service manager waits until a cgroup is empty; no watch is involved. */
static void case_polled(void)
{
	struct epoll_event edge = { .events = EPOLLPRI | EPOLLET };
	int fd, epoll = epoll_create1(EPOLL_CLOEXEC);
	const char *verdict = "missed";
	double start, when, again;
	uint32_t events;
	char text[256];

	row_case("a poller sleeps in epoll on cgroup.events, edge-triggered");
	make_cgroup(DEMO "/polled");
	fd = open(DEMO "/polled/cgroup.events", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text)) < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &edge))
		die("epoll on cgroup.events");
	if (take_edge(epoll, 0, &when))
		verdict = "premature";
	start = remove_cgroup(DEMO "/polled");
	row_step("rmdir", "done", now() - start);
	events = take_edge(epoll, patience, &when);
	if (events == (EPOLLERR | EPOLLPRI) && strcmp(verdict, "premature"))
		verdict = take_edge(epoll, 0.02, &again) ? "duplicated" : "delivered";
	else if (events)
		verdict = "other";
	printf("watch\tcgroup.events\t%s\t%s\t%s\n", events ? "EPOLLERR, EPOLLPRI" : "nothing",
	       span(events ? when - start : -1), verdict);
	close(fd);
	close(epoll);
}

int main(int argc, char **argv)
{
	if (argc != 3 || atoi(argv[2]) <= 0) {
		fprintf(stderr, "Usage: steps WATCH-PROGRAM WAIT-MS\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	watch_program = argv[1];
	patience = atoi(argv[2]) / 1e3;

	if (access(CGROUP "/cgroup.controllers", F_OK))
		die("no cgroup2 on " CGROUP);
	write_file(CGROUP "/cgroup.subtree_control", "+memory");
	make_cgroup(DEMO);
	write_file(DEMO "/cgroup.subtree_control", "+memory");

	case_whole_life();
	case_open_directory();
	case_reclaimed();
	case_open_file();
	case_controller_off();
	case_polled();

	remove_cgroup(DEMO);
	return 0;
}
