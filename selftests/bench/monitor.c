// SPDX-License-Identifier: GPL-2.0
/*
 * A monitor of many cgroups: what each way to learn that a cgroup is gone
 * costs. Every way watches memory.events of each cgroup, which is what the
 * monitor is for; they differ in how they learn of the end:
 *
 *	inotify	the same watch tells
 *	pidfd	a pidfd for the process in the cgroup, in an epoll set
 *	procfs	/proc/PID/cgroup of each is read once a second
 *	parent	a second watch, on the parent directory
 *
 * There is one process in each cgroup and a parent for each ten.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "lib/system.h"

#define PER_PARENT	10
#define POLL_INTERVAL_MS 1000
#define PATIENCE_MS	5000
#define LEAST_GONE	5

struct cgroup {
	_Atomic uint64_t known;
	uint64_t gone;
	pid_t pid;
	int wd;
	int pidfd;
};

struct way {
	const char *name;
	uint32_t mask;
	void (*add)(int nr);
	void (*monitor)(void);
	/* Is it the process whose end is noticed, or the cgroup's? */
	bool process;
};

static struct cgroup *cgroups;
static int nr_cgroups, *cgroup_of_wd, max_wd, nr_watches, nr_fds;
static int inotify, epoll;
static atomic_bool stop;
static atomic_int nr_known;

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

static pid_t start_in(int cgroup)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup,
	};
	pid_t pid = syscall(SYS_clone3, &args, sizeof(args));

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void make_cgroup(int nr)
{
	char path[PATH_MAX];
	int dir;

	check(!mkdir(cgroup_path(path, nr, ""), 0755), path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cgroups[nr].pid = start_in(dir);
	check(cgroups[nr].pid > 0, "clone3");
	close(dir);
}

static void end_process(int nr)
{
	kill(cgroups[nr].pid, SIGKILL);
	waitpid(cgroups[nr].pid, NULL, 0);
}

static void make_cgroups(int nr)
{
	char path[PATH_MAX], control[PATH_MAX];

	nr_cgroups = nr;
	cgroups = calloc(nr, sizeof(*cgroups));
	format_path(path, "%.3000s/monitor", cgroup_base());
	check(!mkdir(path, 0755), path);
	write_text(format_path(control, "%.3900s/cgroup.subtree_control", path), "+memory");
	for (int i = 0; i < nr; i++) {
		if (i % PER_PARENT == 0) {
			parent_path(path, i / PER_PARENT);
			check(!mkdir(path, 0755), path);
			format_path(control, "%.3900s/cgroup.subtree_control", path);
			write_text(control, "+memory");
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

static void take_removal(const struct inotify_event *event)
{
	if (event->mask & IN_DELETE_SELF)
		know(cgroup_of_wd[event->wd]);
}

static void take_removal_in_parent(const struct inotify_event *event)
{
	if (event->mask & IN_DELETE)
		forget(cgroup_of_wd[event->wd] * PER_PARENT + atoi(event->name));
}

static void add_nothing(int nr)
{
}

static bool wait_inotify(void)
{
	struct pollfd pollfd = { .fd = inotify, .events = POLLIN };

	/* a real one would wait for ever; it is told to stop by a signal here */
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
			if (!cgroups[i].known && !process_is_there(cgroups[i].pid))
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

static const struct way ways[] = {
	{ "inotify", IN_MODIFY | IN_DELETE_SELF, add_nothing, monitor_inotify, false },
	{ "pidfd", IN_MODIFY, add_pidfd, monitor_pidfd, true },
	{ "procfs", IN_MODIFY, add_nothing, monitor_procfs, true },
	{ "parent", IN_MODIFY, add_parent, monitor_parent, false },
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
	nr_fds = way->add == add_pidfd ? 2 : 1;
	nr_watches = 0;
	for (int i = 0; i < nr_cgroups; i++) {
		cgroups[i].pidfd = -1;
		cgroups[i].known = 0;
		cgroups[i].wd = add_watch(cgroup_path(path, i, "/memory.events"), way->mask, i);
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

static void measure_going(const struct way *way, int gone)
{
	static struct samples delay;
	uint64_t cpu = monitor_cpu();
	int step = nr_cgroups / gone;

	nr_known = 0;
	delay.nr = 0;
	for (int i = 0; i < gone; i++) {
		let_one_go(way, i * step);
		/* another moment in the interval of who polls */
		sleep_ms(137);
	}
	for (int ms = 0; nr_known < gone && ms < PATIENCE_MS; ms++)
		sleep_ms(1);
	report("monitor", way->name, nr_cgroups, "missed", gone - nr_known);
	if (nr_known < gone)
		return;
	report("monitor", way->name, nr_cgroups, "cpu_ns_each_gone",
	       (double)(monitor_cpu() - cpu) / gone);
	for (int i = 0; i < gone; i++)
		add_sample(&delay, cgroups[i * step].known - cgroups[i * step].gone);
	report_samples("monitor", way->name, nr_cgroups, "delay_ns", &delay);
}

static void measure_way(const struct way *way, int idle_ms)
{
	int gone = nr_cgroups / 100 < LEAST_GONE ? LEAST_GONE : nr_cgroups / 100;
	long long slab = slab_bytes();
	pthread_t thread;
	uint64_t cpu;

	set_up(way);
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
	measure_going(way, gone);
	stop = true;
	do
		pthread_kill(thread, SIGUSR1);
	while (sleep_ms(5), pthread_tryjoin_np(thread, NULL));
	take_down();
	for (int i = 0; i < gone; i++)
		make_cgroup(i * (nr_cgroups / gone));
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
