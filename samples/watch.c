// SPDX-License-Identifier: GPL-2.0
/*
 * watch: follow files and directories with inotify until they are removed.
 *
 * A watch that reports the removal needs no polling and no second channel:
 * IN_MODIFY says that there is something to read, IN_DELETE_SELF that it was
 * removed, IN_IGNORED that the kernel has removed the watch. When the last
 * watch is removed this program ends.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

enum status {
	ALL_GONE = 0,
	TIMED_OUT = 1,
	FAILED = 2,
};

static const struct event_name {
	const char *name;
	unsigned int bit;
} event_names[] = {
	{ "IN_ACCESS", IN_ACCESS },
	{ "IN_MODIFY", IN_MODIFY },
	{ "IN_ATTRIB", IN_ATTRIB },
	{ "IN_CLOSE_WRITE", IN_CLOSE_WRITE },
	{ "IN_CLOSE_NOWRITE", IN_CLOSE_NOWRITE },
	{ "IN_OPEN", IN_OPEN },
	{ "IN_MOVED_FROM", IN_MOVED_FROM },
	{ "IN_MOVED_TO", IN_MOVED_TO },
	{ "IN_CREATE", IN_CREATE },
	{ "IN_DELETE", IN_DELETE },
	{ "IN_DELETE_SELF", IN_DELETE_SELF },
	{ "IN_MOVE_SELF", IN_MOVE_SELF },
	{ "IN_ALL_EVENTS", IN_ALL_EVENTS },
	{ "IN_UNMOUNT", IN_UNMOUNT },
	{ "IN_Q_OVERFLOW", IN_Q_OVERFLOW },
	{ "IN_IGNORED", IN_IGNORED },
	{ "IN_ISDIR", IN_ISDIR },
};

struct watch {
	const char *path;
	int wd;
	bool removed;
};

static struct watch *watches;
static int nr_watches;
static struct timespec start;

static void usage(FILE *out)
{
	fprintf(out,
		"Usage: watch [OPTION]... PATH...\n"
		"Print one line for each inotify event on the PATHs; end when all are removed.\n"
		"\n"
		"  -m, --mask=EVENTS      what to watch for, separated by commas, with or\n"
		"                         without IN_ [modify,delete_self]; all_events for all\n"
		"  -t, --timeout=SECONDS  give up after that time, even if watches are left\n"
		"  -c, --clock            print CLOCK_MONOTONIC, not the time since start\n"
		"  -h, --help             print this\n"
		"\n"
		"A line is: seconds, events joined by '|', the path. It starts with one line\n"
		"'watching' for each path.\n"
		"\n"
		"Exit status: 0 all watches are removed, 1 time is up, 2 an error.\n");
}

static unsigned int event_bit(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(event_names); i++) {
		const char *full = event_names[i].name;

		if (!strcasecmp(name, full) || !strcasecmp(name, full + strlen("IN_")))
			return event_names[i].bit;
	}
	return 0;
}

static unsigned int parse_mask(char *list)
{
	unsigned int mask = 0;
	char *name;

	while ((name = strsep(&list, ","))) {
		unsigned int bit = event_bit(name);

		if (!(bit & IN_ALL_EVENTS)) {
			fprintf(stderr, "watch: '%s' is not an event to ask for\n", name);
			exit(FAILED);
		}
		mask |= bit;
	}
	return mask;
}

static double parse_timeout(const char *arg)
{
	char *end;
	double seconds;

	seconds = strtod(arg, &end);
	if (end == arg || *end || !(seconds >= 0 && seconds <= 1e6)) {
		fprintf(stderr, "watch: '%s' is not a number of seconds\n", arg);
		exit(FAILED);
	}
	return seconds;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec - start.tv_sec + (ts.tv_nsec - start.tv_nsec) / 1e9;
}

static void print_events(double when, const char *path, const struct inotify_event *event)
{
	const char *separator = "";

	printf("%.6f ", when);
	for (size_t i = 0; i < ARRAY_SIZE(event_names); i++) {
		unsigned int bit = event_names[i].bit;

		if (bit == IN_ALL_EVENTS || !(event->mask & bit))
			continue;
		printf("%s%s", separator, event_names[i].name);
		separator = "|";
	}
	printf(" %s%s%s\n", path, event->len ? "/" : "", event->len ? event->name : "");
}

static struct watch *find_watch(int wd)
{
	/* A wd is not used again within an instance: at most one has it. */
	for (int i = 0; i < nr_watches; i++)
		if (watches[i].wd == wd)
			return &watches[i];
	return NULL;
}

/* After an overflow IN_IGNORED may be among what was lost: ask the kernel. */
static int count_left(int fd)
{
	char path[64], *line = NULL;
	size_t size = 0;
	int left = 0;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "r");
	if (!info)
		return nr_watches;
	while (getline(&line, &size, info) > 0)
		left += !strncmp(line, "inotify ", strlen("inotify "));
	free(line);
	fclose(info);
	return left;
}

/* Returns how many watches are left. */
static int read_events(int fd, int left)
{
	_Alignas(struct inotify_event) char buf[16384];
	const struct inotify_event *event;
	double when;
	ssize_t len;

	len = read(fd, buf, sizeof(buf));
	if (len < 0) {
		if (errno == EINTR || errno == EAGAIN)
			return left;
		perror("watch: read");
		exit(FAILED);
	}
	when = now();
	for (char *pos = buf; pos < buf + len; pos += sizeof(*event) + event->len) {
		struct watch *watch;

		event = (const struct inotify_event *)pos;
		watch = find_watch(event->wd);
		print_events(when, watch ? watch->path : "-", event);
		if (event->mask & IN_Q_OVERFLOW)
			left = count_left(fd);
		if (watch && (event->mask & IN_IGNORED) && !watch->removed) {
			watch->removed = true;
			left--;
		}
	}
	return left;
}

static void add_watches(int fd, char **paths, unsigned int mask)
{
	for (int i = 0; i < nr_watches; i++) {
		struct watch *watch = &watches[i];

		watch->path = paths[i];
		watch->wd = inotify_add_watch(fd, watch->path, mask | IN_MASK_CREATE);
		if (watch->wd < 0) {
			fprintf(stderr, "watch: %s: %s\n", watch->path,
				errno == EEXIST ? "the same as a path before it" :
				errno == ENOSPC ? "no more watches (fs.inotify.max_user_watches)" :
				strerror(errno));
			exit(FAILED);
		}
		printf("%.6f watching %s\n", now(), watch->path);
	}
}

static enum status follow(int fd, double timeout)
{
	double deadline = now() + timeout;
	int left = nr_watches;

	while (left > 0) {
		struct pollfd pollfd = { .fd = fd, .events = POLLIN };
		int wait_ms = -1;

		if (timeout >= 0) {
			double rest = deadline - now();

			if (rest <= 0) {
				fprintf(stderr, "watch: time is up, watches left: %d\n", left);
				return TIMED_OUT;
			}
			wait_ms = rest * 1000 + 1;
		}
		if (poll(&pollfd, 1, wait_ms) < 0 && errno != EINTR) {
			perror("watch: poll");
			return FAILED;
		}
		if (pollfd.revents)
			left = read_events(fd, left);
	}
	return ALL_GONE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mask", required_argument, NULL, 'm' },
		{ "timeout", required_argument, NULL, 't' },
		{ "clock", no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	unsigned int mask = IN_MODIFY | IN_DELETE_SELF;
	double timeout = -1;
	bool clock = false;
	int fd, opt;

	while ((opt = getopt_long(argc, argv, "m:t:ch", options, NULL)) != -1) {
		switch (opt) {
		case 'm':
			mask = parse_mask(optarg);
			break;
		case 't':
			timeout = parse_timeout(optarg);
			break;
		case 'c':
			clock = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return FAILED;
		}
	}
	if (optind == argc) {
		fprintf(stderr, "watch: no path to watch\n");
		usage(stderr);
		return FAILED;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!clock)
		clock_gettime(CLOCK_MONOTONIC, &start);

	nr_watches = argc - optind;
	watches = calloc(nr_watches, sizeof(*watches));
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0 || !watches) {
		fprintf(stderr, "watch: %s\n", errno == EMFILE ?
			"no more inotify instances (fs.inotify.max_user_instances)" :
			strerror(errno));
		return FAILED;
	}
	add_watches(fd, argv + optind, mask);
	return follow(fd, timeout);
}
