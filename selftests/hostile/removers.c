// SPDX-License-Identifier: GPL-2.0
#include "hostile/removers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile/fuse.h"
#include "lib/netdev.h"
#include "lib/system.h"

#define GROUP		0x7570
#define MEMORY_OFF	"-memory"
#define LIMIT_MS	60000

bool await_stopped(pid_t pid)
{
	int status;

	return waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status);
}

bool await_flag(const bool *flag)
{
	return await(__atomic_load_n(flag, __ATOMIC_ACQUIRE), LIMIT_MS);
}

static void set_flag(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

static int open_control(struct shared *shared)
{
	return open(shared->control, O_WRONLY | O_CLOEXEC);
}

/* One call that is easy to find for a tracer */
static void remove_files(struct shared *shared)
{
	int control = open_control(shared);

	set_flag(&shared->removing);
	syscall(SYS_write, control, MEMORY_OFF, strlen(MEMORY_OFF));
	close(control);
}

/* Stopped */

void remove_traced(void *arg)
{
	struct shared *shared = arg;

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	remove_files(shared);
	set_flag(&shared->returned);
	for (;;)
		pause();
}

/* Lets it run to the next stop at a system call: false if it has exited. */
static bool run_to_call(pid_t pid, struct __ptrace_syscall_info *info)
{
	int status;

	return !ptrace(PTRACE_SYSCALL, pid, NULL, NULL) && waitpid(pid, &status, 0) == pid &&
	       WIFSTOPPED(status) &&
	       ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(*info), info) > 0;
}

/* Stops it as it enters its write(). */
static bool stop_at_write(pid_t pid)
{
	struct __ptrace_syscall_info info = {};
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD))
		return false;
	while (info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_write)
		if (!run_to_call(pid, &info))
			return false;
	return true;
}

bool stop_by_ptrace(pid_t pid, const char *cgroup)
{
	struct __ptrace_syscall_info info;

	return stop_at_write(pid) && run_to_call(pid, &info) &&
	       info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.rval == strlen(MEMORY_OFF);
}

bool stop_by_signal(pid_t pid, const char *cgroup)
{
	return stop_at_write(pid) && !kill(pid, SIGSTOP) && !ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

bool stop_by_freezer(pid_t pid, const char *cgroup)
{
	char path[PATH_MAX];

	return stop_at_write(pid) &&
	       write_text(format_path(path, "%.3900s/cgroup.freeze", cgroup), "1") &&
	       !ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

/* Waiting for a child, in a call of its own */

void remove_and_vfork(void *arg)
{
	struct shared *shared = arg;

	remove_files(shared);
	if (!vfork())
		for (;;)
			pause();
	set_flag(&shared->returned);
}

/* In one call: what the first part of the file says, then a wait for the next */

void send_from_fuse(void *arg)
{
	struct shared *shared = arg;
	int file = open_fuse(MEMORY_OFF), control = open_control(shared);

	if (file < 0)
		perror("# a FUSE file");
	set_flag(&shared->removing);
	sendfile(control, file, NULL, PATH_MAX);
	set_flag(&shared->returned);
}

/* The device, and then a message that no task receives */

static int open_netlink(struct sockaddr_nl *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	memset(address, 0, sizeof(*address));
	address->nl_family = AF_NETLINK;
	if (fd < 0 || bind(fd, (void *)address, size) ||
	    getsockname(fd, (void *)address, &size))
		return -1;
	return fd;
}

struct removal {
	struct nlmsghdr header;
	struct ifinfomsg info;
};

/* A task that sends one more to @address sleeps until one is read. */
static bool fill_queue(int fd, struct sockaddr_nl *address)
{
	char junk[sizeof(struct removal)] = {};

	while (sendto(fd, junk, sizeof(junk), MSG_DONTWAIT, (void *)address,
		      sizeof(*address)) > 0)
		;
	return errno == EAGAIN;
}

static struct removal removal_of(int ifindex)
{
	struct removal removal = {
		.header = {
			.nlmsg_len = sizeof(removal),
			.nlmsg_type = RTM_DELLINK,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.info.ifi_index = ifindex,
	};

	return removal;
}

/* In one call */
void remove_device_and_block(void *arg)
{
	struct shared *shared = arg;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK }, own, full;
	int fd = open_netlink(&own), unread = open_netlink(&full);
	struct removal removal;
	struct iovec iov = { .iov_base = &removal, .iov_len = sizeof(removal) };
	struct mmsghdr messages[] = {
		{ .msg_hdr = { &kernel, sizeof(kernel), &iov, 1, NULL, 0, 0 } },
		{ .msg_hdr = { &full, sizeof(full), &iov, 1, NULL, 0, 0 } },
	};

	if (fd < 0 || unread < 0 || !add_dummies("dm", 1, GROUP) || !fill_queue(fd, &full))
		return;
	removal = removal_of(if_nametoindex("dm0"));
	raise(SIGSTOP);
	sendmmsg(fd, messages, ARRAY_SIZE(messages), 0);
	set_flag(&shared->returned);
}

/* The device, and then more than there is time for */

#define MAX_MESSAGES	1024
#define REQUESTS	4000	/* in a message */
#define COMPUTE_US	3000000
/* The removal has time; what comes after it takes a minute: no event is awaited so long. */
#define LIMIT		"50000 1000000"

/* The answers are not read, and so dropped. */
static void ask_for_links(struct removal requests[REQUESTS])
{
	for (int i = 0; i < REQUESTS; i++) {
		requests[i] = removal_of(if_nametoindex("lo"));
		requests[i].header.nlmsg_type = RTM_GETLINK;
	}
}

/* By the quickest of some: the first is slow, and any may be interrupted. */
static int messages_in(long us, int fd, const struct msghdr *message)
{
	long long quickest = us;
	int nr;

	for (int i = 0; i < 8; i++) {
		long long begun = now_us(), taken;

		sendmsg(fd, message, 0);
		taken = now_us() - begun;
		if (taken < quickest)
			quickest = taken;
	}
	nr = us / (quickest + 1) + 1;
	return nr < MAX_MESSAGES ? nr : MAX_MESSAGES - 1;
}

/* In one call, throttled once the device is removed: at once, or as the call ends */
void remove_device_and_compute(void *arg)
{
	static struct removal requests[REQUESTS];
	static struct mmsghdr messages[MAX_MESSAGES];
	struct shared *shared = arg;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK }, own;
	int fd = open_netlink(&own), nr;
	struct removal removal;
	struct iovec first = { .iov_base = &removal, .iov_len = sizeof(removal) };
	struct iovec rest = { .iov_base = requests, .iov_len = sizeof(requests) };

	if (fd < 0 || !add_dummies("dm", 1, GROUP))
		return;
	removal = removal_of(if_nametoindex("dm0"));
	ask_for_links(requests);
	for (int i = 0; i < MAX_MESSAGES; i++)
		messages[i].msg_hdr = (struct msghdr){ &kernel, sizeof(kernel), &rest, 1, NULL, 0, 0 };
	nr = messages_in(COMPUTE_US, fd, &messages[0].msg_hdr);
	messages[0].msg_hdr.msg_iov = &first;
	raise(SIGSTOP);
	write(shared->cpu_max, LIMIT, strlen(LIMIT));
	sendmmsg(fd, messages, nr + 1, 0);
	set_flag(&shared->returned);
}
