// SPDX-License-Identifier: GPL-2.0
#include "netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <signal.h>
#include <unistd.h>

#include "driver.h"
#include "process.h"
#include "system.h"

/* The module */

static bool loaded_here;

bool load_dummy(void)
{
	if (exists("/sys/module/dummy"))
		return true;
	loaded_here = load_driver("dummy", "numdummies=0", getenv("RKERNFS_DUMMY"));
	return loaded_here;
}

const char *why_no_dummies(void)
{
	const char *reason = why_not_root();

	if (!reason)
		reason = why_not_covered();
	return reason || load_dummy() ? reason : "no dummy network driver";
}

bool may_unload_dummy(void)
{
	return loaded_here;
}

bool unload_dummy(void)
{
	return !syscall(SYS_delete_module, "dummy", O_NONBLOCK);
}

/* Devices */

struct request {
	struct nlmsghdr header;
	struct ifinfomsg info;
	char attributes[256];
};

static struct rtattr *put_attribute(struct request *request, int type, const void *data,
				    size_t size)
{
	struct rtattr *attribute;

	attribute = (void *)request + NLMSG_ALIGN(request->header.nlmsg_len);
	attribute->rta_type = type;
	attribute->rta_len = RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(attribute), data, size);
	request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) +
				    RTA_ALIGN(attribute->rta_len);
	return attribute;
}

static struct request new_request(int type, int flags, int group)
{
	struct request request = {
		.header = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			.nlmsg_type = type,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags,
		},
	};

	put_attribute(&request, IFLA_GROUP, &group, sizeof(group));
	return request;
}

/* Sends it and takes the acknowledgment. */
static bool do_request(const struct request *request)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char more[1024];
	} answer;
	bool ok = false;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return false;
	if (send(fd, request, request->header.nlmsg_len, 0) > 0 &&
	    recv(fd, &answer, sizeof(answer), 0) >= (ssize_t)NLMSG_LENGTH(sizeof(answer.error)) &&
	    answer.header.nlmsg_type == NLMSG_ERROR) {
		errno = -answer.error.error;
		ok = !answer.error.error;
	}
	close(fd);
	return ok;
}

bool add_link(const char *kind, const char *name, int group)
{
	struct request request = new_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, group);
	struct rtattr *link;

	put_attribute(&request, IFLA_IFNAME, name, strlen(name) + 1);
	link = put_attribute(&request, IFLA_LINKINFO, NULL, 0);
	put_attribute(&request, IFLA_INFO_KIND, kind, strlen(kind) + 1);
	link->rta_len = (void *)&request + request.header.nlmsg_len - (void *)link;
	return do_request(&request);
}

bool add_dummies(const char *prefix, int nr, int group)
{
	char name[IFNAMSIZ];

	for (unsigned int i = 0; i < (unsigned int)nr; i++) {
		snprintf(name, sizeof(name), "%.4s%u", prefix, i);
		if (!add_link("dummy", name, group))
			return false;
	}
	return true;
}

bool delete_link(const char *name)
{
	struct request request = new_request(RTM_DELLINK, 0, 0);

	put_attribute(&request, IFLA_IFNAME, name, strlen(name) + 1);
	return do_request(&request);
}

bool rename_link(const char *name, const char *to)
{
	struct ifreq request = {};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
	snprintf(request.ifr_newname, IFNAMSIZ, "%s", to);
	ok = fd >= 0 && !ioctl(fd, SIOCSIFNAME, &request);
	close(fd);
	return ok;
}

bool delete_group(int group)
{
	struct request request = new_request(RTM_DELLINK, 0, group);

	return do_request(&request);
}

bool move_dummy(const char *name, pid_t netns)
{
	struct request request = new_request(RTM_NEWLINK, 0, 0);

	put_attribute(&request, IFLA_IFNAME, name, strlen(name) + 1);
	put_attribute(&request, IFLA_NET_NS_PID, &netns, sizeof(netns));
	return do_request(&request);
}

/* Namespaces */

struct netns {
	const char *mount_point;
	const char *prefix;
	int nr;
};

static bool enter_netns(void *arg)
{
	const struct netns *netns = arg;

	return !unshare(CLONE_NEWNET) && !mount("none", netns->mount_point, "sysfs", 0, NULL) &&
	       add_dummies(netns->prefix, netns->nr, 1);
}

pid_t start_netns(const char *mount_point, const char *prefix, int nr)
{
	struct netns netns = { mount_point, prefix, nr };

	return start_process(enter_netns, NULL, &netns);
}
