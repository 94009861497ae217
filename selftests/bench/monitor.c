// SPDX-License-Identifier: GPL-2.0
/*
 * A monitor of many cgroups: what each way to learn that a cgroup was removed
 * costs. Every way watches memory.events of each cgroup, which is what the
 * monitor is for; they differ in how they learn of the end:
 *
 *	inotify	the same watch reports
 *	pidfd	a pidfd for the process in the cgroup, in an epoll set
 *	procfs	/proc/PID/cgroup of each is read once a second
 *	parent	a second watch, on the parent directory
 *	mark	no watch: one mark on all of cgroup2 reports changes and removals
 *
 * There is one process in each cgroup and a parent for each ten. The kernel has
 * numbers for 65,535 memory cgroups: where there are more, cgroup.events is
 * what is watched. Where a process in each would take gigabytes, one in a hundred
 * has one: all that go.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/onemark.h"
#include "lib/system.h"

#define PER_PARENT	10
#define POLL_INTERVAL_MS 1000
#define PATIENCE_MS	5000
#define LEAST_GONE	5
#define MOST_GONE	100
#define MOST_AT_ONCE	1000
#define MOST_MEMORY_CGROUPS 60000
#define MOST_POPULATED	20000

/* A breach: so much memory, where so much is a lot; more than is charged at once */
#define BREACH_BYTES	(1 << 20)
#define HIGH		"65536"
/* The kernel holds the task up, for 2 s at most. */
#define BREACH_MS	2500

struct cgroup {
	_Atomic uint64_t known;
	atomic_int breaches;		/* reported */
	uint64_t gone;
	pid_t pid;
	int wd;
	int pidfd;
};

struct way {
	const char *name;
	uint32_t mask;			/* of a watch for each; 0: none */
	void (*start)(void);		/* before all else */
	void (*add)(int nr);
	void (*monitor)(void);
	/* Is it the process whose end is noticed, or the cgroup's? */
	bool process;
	/* Does it read memory.events when a change is reported? */
	bool reads;
};

static struct cgroup *cgroups;
static const char *watched_file;
static int nr_cgroups, *cgroup_of_wd, max_wd, nr_watches, nr_fds;
static int inotify, epoll, fanotify;
static atomic_bool stop;
static atomic_int nr_known, nr_breaches;

static char *cgroup_path(char path[PATH_MAX], int nr, const char *file)
{
	return format_path(path, "%.3000s/monitor/%d/%d%s", cgroup_base(), nr / PER_PARENT,
			   nr % PER_PARENT, file);
}

static char *parent_path(char path[PATH_MAX], int parent)
{
	return format_path(path, "%.3000s/monitor/%d", cgroup_base(), parent);
}

/* The cgroups */

/* Breaches the limit of the cgroup that the process is in. */
static void breach(int signal)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;

	munmap(mmap(NULL, BREACH_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0), BREACH_BYTES);
}

static pid_t start_in(int cgroup)
{
	pid_t pid = fork_into(cgroup);

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGUSR2, breach);
		for (;;)
			pause();
	}
	return pid;
}

/* All that measure_way() has go are. */
static bool is_populated(int nr)
{
	return nr_cgroups <= MOST_POPULATED || nr % (nr_cgroups / MOST_AT_ONCE) == 1 ||
	       nr % (nr_cgroups / MOST_GONE) == 0;
}

static void make_cgroup(int nr)
{
	char path[PATH_MAX];
	int dir;

	check(!mkdir(cgroup_path(path, nr, ""), 0755), path);
	if (!is_populated(nr))
		return;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cgroups[nr].pid = start_in(dir);
	check(cgroups[nr].pid > 0, "clone3");
	close(dir);
}

static void end_process(int nr)
{
	if (!is_populated(nr))
		return;
	kill(cgroups[nr].pid, SIGKILL);
	waitpid(cgroups[nr].pid, NULL, 0);
}

static void make_cgroups(int nr)
{
	char path[PATH_MAX], control[PATH_MAX];

	bool memory = nr <= MOST_MEMORY_CGROUPS;

	watched_file = memory ? "/memory.events" : "/cgroup.events";
	nr_cgroups = nr;
	cgroups = calloc(nr, sizeof(*cgroups));
	format_path(path, "%.3000s/monitor", cgroup_base());
	check(!mkdir(path, 0755), path);
	format_path(control, "%.3900s/cgroup.subtree_control", path);
	check(write_text(control, memory ? "+memory" : "-memory"), control);
	for (int i = 0; i < nr; i++) {
		if (i % PER_PARENT == 0) {
			parent_path(path, i / PER_PARENT);
			check(!mkdir(path, 0755), path);
			if (memory)
				turn_memory_on(path);
		}
		make_cgroup(i);
	}
}

static void remove_cgroups(void)
{
	char path[PATH_MAX];

	for (int i = 0; i < nr_cgroups; i++) {
		end_process(i);
		remove_cgroup(cgroup_path(path, i, ""));
	}
	for (int i = 0; i < nr_cgroups; i += PER_PARENT)
		remove_cgroup(parent_path(path, i / PER_PARENT));
	remove_cgroup(format_path(path, "%.3000s/monitor", cgroup_base()));
	free(cgroups);
}

/* The ways */

static int add_watch(const char *path, uint32_t mask, int means)
{
	int wd = inotify_add_watch(inotify, path, mask);

	check(wd >= 0 && wd < max_wd, path);
	cgroup_of_wd[wd] = means;
	nr_watches++;
	return wd;
}

static void know(int nr)
{
	struct cgroup *cgroup = &cgroups[nr];

	if (cgroup->known)
		return;
	cgroup->known = now_ns();
	nr_known++;
}

/* Without rkernfs or 7.1, a watch stays until it is taken away. */
static void forget(int nr)
{
	know(nr);
	inotify_rm_watch(inotify, cgroups[nr].wd);
}

/* Reads what there is; @take gets each event. */
static void take_events(void (*take)(const struct inotify_event *event))
{
	_Alignas(struct inotify_event) char buf[4096];
	const struct inotify_event *event;
	ssize_t len;

	while ((len = read(inotify, buf, sizeof(buf))) > 0)
		for (char *pos = buf; pos < buf + len; pos += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)pos;
			take(event);
		}
}

static void know_breach(int nr)
{
	cgroups[nr].breaches++;
	nr_breaches++;
}

static void take_removal(const struct inotify_event *event)
{
	if (event->mask & IN_MODIFY)
		know_breach(cgroup_of_wd[event->wd]);
	if (event->mask & IN_DELETE_SELF)
		know(cgroup_of_wd[event->wd]);
}

static void take_removal_in_parent(const struct inotify_event *event)
{
	if (event->mask & IN_MODIFY)
		know_breach(cgroup_of_wd[event->wd]);
	if (event->mask & IN_DELETE)
		forget(cgroup_of_wd[event->wd] * PER_PARENT + atoi(event->name));
}

static void start_nothing(void)
{
}

static void add_nothing(int nr)
{
}

static bool wait_inotify(void)
{
	struct pollfd pollfd = { .fd = inotify, .events = POLLIN };

	/* a real one would wait for ever; it is stopped by a signal here */
	return poll(&pollfd, 1, -1) == 1;
}

static void monitor_inotify(void)
{
	while (!stop)
		if (wait_inotify())
			take_events(take_removal);
}

static void add_pidfd(int nr)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = nr };

	if (!is_populated(nr))
		return;
	cgroups[nr].pidfd = syscall(SYS_pidfd_open, cgroups[nr].pid, 0);
	check(cgroups[nr].pidfd >= 0, "pidfd_open");
	check(!epoll_ctl(epoll, EPOLL_CTL_ADD, cgroups[nr].pidfd, &event), "epoll_ctl");
	nr_fds++;
}

static void monitor_pidfd(void)
{
	struct epoll_event event;

	while (!stop) {
		if (epoll_wait(epoll, &event, 1, -1) != 1)
			continue;
		epoll_ctl(epoll, EPOLL_CTL_DEL, cgroups[event.data.u32].pidfd, NULL);
		forget(event.data.u32);
	}
}

static bool process_is_there(pid_t pid)
{
	char path[PATH_MAX], text[256];

	return read_text(format_path(path, "/proc/%d/cgroup", pid), text, sizeof(text)) > 0;
}

static void monitor_procfs(void)
{
	while (!stop) {
		usleep(POLL_INTERVAL_MS * 1000);
		for (int i = 0; i < nr_cgroups && !stop; i++)
			if (is_populated(i) && !cgroups[i].known &&
			    !process_is_there(cgroups[i].pid))
				forget(i);
	}
}

static void add_parent(int nr)
{
	char path[PATH_MAX];

	if (nr % PER_PARENT == 0)
		add_watch(parent_path(path, nr / PER_PARENT), IN_DELETE | IN_ONLYDIR,
			  nr / PER_PARENT);
}

static void monitor_parent(void)
{
	while (!stop)
		if (wait_inotify())
			take_events(take_removal_in_parent);
}

/* One mark: from here on nothing is missed. */
static void start_mark(void)
{
	fanotify = open_fanotify(FAN_REPORT_DFID_NAME_TARGET);
	check(fanotify >= 0, "fanotify_init");
	check(!fanotify_mark(fanotify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
			     FAN_MODIFY | FAN_DELETE | FAN_ONDIR, AT_FDCWD, cgroup_base()),
	      "fanotify_mark");
}

/* One walk over what is there: a directory has the numbers of what is in it. */
static void walk_parent(int nr)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	if (nr % PER_PARENT)
		return;
	dir = opendir(parent_path(path, nr / PER_PARENT));
	check(dir, path);
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			learn_node(entry->d_ino, nr + atoi(entry->d_name));
	closedir(dir);
}

static void take_from_mark(const struct node_event *event, void *unused)
{
	int nr;

	if (event->mask & FAN_MODIFY) {
		nr = find_node(event->dir);
		if (nr >= 0 && !strcmp(event->name, "memory.events"))
			know_breach(nr);
	} else if (event->mask & FAN_DELETE) {
		nr = find_node(event->node);
		if (nr >= 0)
			know(nr);
	}
}

static void monitor_mark(void)
{
	struct pollfd pollfd = { .fd = fanotify, .events = POLLIN };

	while (!stop)
		if (poll(&pollfd, 1, -1) == 1)
			read_fanotify(fanotify, take_from_mark, NULL);
}

static const struct way ways[] = {
	{ "inotify", IN_MODIFY | IN_DELETE_SELF, start_nothing, add_nothing, monitor_inotify,
	  .reads = true },
	{ "pidfd", IN_MODIFY, start_nothing, add_pidfd, monitor_pidfd, .process = true },
	{ "procfs", IN_MODIFY, start_nothing, add_nothing, monitor_procfs, .process = true },
	{ "parent", IN_MODIFY, start_nothing, add_parent, monitor_parent, .reads = true },
	{ "mark", 0, start_mark, walk_parent, monitor_mark, .reads = true },
};

/* The measure */

static void interrupt(int signal)
{
}

static clockid_t monitor_clock;

static void *run_monitor(void *arg)
{
	const struct way *way = arg;

	way->monitor();
	return NULL;
}

static uint64_t monitor_cpu(void)
{
	struct timespec ts;

	clock_gettime(monitor_clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void set_up(const struct way *way)
{
	char path[PATH_MAX];

	inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	fanotify = -1;
	nr_fds = way->add == add_pidfd ? 2 : 1;
	nr_watches = 0;
	way->start();
	for (int i = 0; i < nr_cgroups; i++) {
		cgroups[i].pidfd = -1;
		cgroups[i].known = 0;
		cgroups[i].breaches = 0;
		if (way->mask)
			cgroups[i].wd = add_watch(cgroup_path(path, i, watched_file), way->mask,
						  i);
		way->add(i);
	}
}

static void take_down(void)
{
	for (int i = 0; i < nr_cgroups; i++)
		if (cgroups[i].pidfd >= 0)
			close(cgroups[i].pidfd);
	close(epoll);
	close(inotify);
	if (fanotify >= 0)
		close(fanotify);
}

static void let_one_go(const struct way *way, int nr)
{
	char path[PATH_MAX];

	cgroups[nr].gone = now_ns();
	end_process(nr);
	if (!way->process)
		cgroups[nr].gone = now_ns();
	check(!remove_cgroup(cgroup_path(path, nr, "")), path);
}

/* Cgroups that go: some, evenly from all */
struct going {
	int first, step, nr;
};

static int nth(const struct going *going, int i)
{
	return going->first + i * going->step;
}

/* Reports how many the monitor never comes to know of. */
static bool await_known(const struct way *way, const char *stat, int nr)
{
	await(nr_known >= nr, PATIENCE_MS);
	report("monitor", way->name, nr_cgroups, stat, nr - nr_known);
	return nr_known == nr;
}

static void report_delays(const struct way *way, const char *what, const struct going *going)
{
	static struct samples delay;

	delay.nr = 0;
	for (int i = 0; i < going->nr; i++) {
		struct cgroup *cgroup = &cgroups[nth(going, i)];

		add_sample(&delay, cgroup->known - cgroup->gone);
	}
	report_samples("monitor", way->name, nr_cgroups, what, &delay);
}

static void measure_going(const struct way *way, const struct going *going)
{
	uint64_t cpu = monitor_cpu();

	nr_known = 0;
	for (int i = 0; i < going->nr; i++) {
		let_one_go(way, nth(going, i));
		/* another moment in the interval of the poller */
		sleep_ms(137);
	}
	if (!await_known(way, "missed", going->nr))
		return;
	report("monitor", way->name, nr_cgroups, "cpu_ns_each_gone",
	       (double)(monitor_cpu() - cpu) / going->nr);
	report_delays(way, "delay_ns", going);
}

/* One after the other, without a pause */
static void measure_many_going(const struct way *way, const struct going *going)
{
	nr_known = 0;
	for (int i = 0; i < going->nr; i++)
		let_one_go(way, nth(going, i));
	report("monitor", way->name, nr_cgroups, "at_once", going->nr);
	if (await_known(way, "missed_at_once", going->nr))
		report_delays(way, "delay_at_once_ns", going);
}

static void make_again(const struct going *going)
{
	for (int i = 0; i < going->nr; i++)
		make_cgroup(nth(going, i));
}

/* Each of so many cgroups breaches its limit; the kernel may report that more than once. */
static void measure_breaches(const struct way *way, int breached)
{
	int step = nr_cgroups / breached, missed = 0;
	uint64_t cpu = monitor_cpu();
	char path[PATH_MAX];

	nr_breaches = 0;
	for (int i = 0; i < breached; i++) {
		check(write_text(cgroup_path(path, i * step, "/memory.high"), HIGH), path);
		kill(cgroups[i * step].pid, SIGUSR2);
		sleep_ms(50);
	}
	sleep_ms(BREACH_MS);
	for (int i = 0; i < breached; i++)
		missed += !cgroups[i * step].breaches;
	report("monitor", way->name, nr_cgroups, "breaches_missed", missed);
	report("monitor", way->name, nr_cgroups, "cpu_ns_each_event",
	       (double)(monitor_cpu() - cpu) / nr_breaches);
}

static void measure_way(const struct way *way, int idle_ms)
{
	struct going some = { .nr = MIN(MAX(nr_cgroups / 100, LEAST_GONE), MOST_GONE) };
	struct going many = { .first = 1, .nr = MIN(nr_cgroups / 10, MOST_AT_ONCE) };
	long long slab = slab_bytes();
	uint64_t cpu, start;
	pthread_t thread;

	some.step = nr_cgroups / some.nr;
	many.step = nr_cgroups / many.nr;
	start = now_ns();
	set_up(way);
	report("monitor", way->name, nr_cgroups, "setup_ns", now_ns() - start);
	report("monitor", way->name, nr_cgroups, "kernel_bytes_each",
	       (double)(slab_bytes() - slab) / nr_cgroups);
	report("monitor", way->name, nr_cgroups, "fds", nr_fds);
	report("monitor", way->name, nr_cgroups, "watches", nr_watches);

	stop = false;
	pthread_create(&thread, NULL, run_monitor, (void *)way);
	pthread_getcpuclockid(thread, &monitor_clock);
	sleep_ms(10);
	cpu = monitor_cpu();
	sleep_ms(idle_ms);
	report("monitor", way->name, nr_cgroups, "idle_cpu_ns_per_s",
	       (monitor_cpu() - cpu) * 1000.0 / idle_ms);
	if (way->reads && nr_cgroups <= MOST_MEMORY_CGROUPS)
		measure_breaches(way, some.nr);
	measure_going(way, &some);
	measure_many_going(way, &many);
	stop = true;
	do
		pthread_kill(thread, SIGUSR1);
	while (sleep_ms(5), pthread_tryjoin_np(thread, NULL));
	take_down();
	make_again(&some);
	make_again(&many);
}

/* monitor IDLE_MS NR... */
void bench_monitor(char **args)
{
	struct sigaction action = { .sa_handler = interrupt };
	int idle_ms = atoi(*args);

	if (!has_memory_controller())
		fail("no memory controller");
	sigaction(SIGUSR1, &action, NULL);
	raise_sysctl("/proc/sys/fs/inotify/max_user_watches", 400000);
	raise_sysctl("/proc/sys/kernel/pid_max", 400000);
	raise_sysctl("/proc/sys/kernel/threads-max", 400000);
	while (*++args) {
		int nr = atoi(*args);

		check(raise_open_files(nr + 64), "RLIMIT_NOFILE");
		max_wd = 2 * nr + 16;
		cgroup_of_wd = calloc(max_wd, sizeof(*cgroup_of_wd));
		make_cgroups(nr);
		/* brings in what is allocated once for all */
		set_up(&ways[0]);
		take_down();
		for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
			measure_way(&ways[i], idle_ms);
		remove_cgroups();
		free(cgroup_of_wd);
	}
}
