// SPDX-License-Identifier: GPL-2.0
#include "user.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "system.h"

const char *why_no_user(void)
{
	return exists("/proc/self/ns/user") ? NULL : "no user namespaces";
}

bool delegate_cgroup(const char *path)
{
	static const char * const files[] = {
		"", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control",
	};
	char file[PATH_MAX];

	if (mkdir(path, 0755))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (chown(format_path(file, "%.3900s/%s", path, files[i]), USER_ID, USER_ID))
			return false;
	return true;
}

static bool join_cgroup(const char *cgroup)
{
	char path[PATH_MAX];

	return !cgroup || write_text(format_path(path, "%.3900s/cgroup.procs", cgroup), "0");
}

static bool give_rights_up(void)
{
	return !setgroups(0, NULL) && !setresgid(USER_ID, USER_ID, USER_ID) &&
	       !setresuid(USER_ID, USER_ID, USER_ID) &&
	       /* or its own files in /proc are root's */
	       !prctl(PR_SET_DUMPABLE, 1);
}

static bool enter_namespaces(void)
{
	char map[32];

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWCGROUP))
		return false;
	snprintf(map, sizeof(map), "0 %d 1", USER_ID);
	return write_text("/proc/self/setgroups", "deny") &&
	       write_text("/proc/self/uid_map", map) &&
	       write_text("/proc/self/gid_map", map) &&
	       !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

struct user {
	const char *cgroup;
	void (*run)(void *arg);
	void *arg;
};

static bool prepare_user(void *arg)
{
	const struct user *user = arg;
	bool ok = join_cgroup(user->cgroup) && give_rights_up() && enter_namespaces();

	if (!ok)
		perror("# a user's process");
	return ok;
}

static void run_user(void *arg)
{
	const struct user *user = arg;

	user->run(user->arg);
}

pid_t start_user(const char *cgroup, void (*run)(void *), void *arg)
{
	struct user user = { cgroup, run, arg };

	return start_process(prepare_user, run_user, &user);
}

static int mount_in_netns(pid_t pid, const char *mount_point)
{
	char path[PATH_MAX];
	int fd = open(format_path(path, "/proc/%d/ns/net", pid), O_RDONLY | O_CLOEXEC);

	return fd < 0 || setns(fd, CLONE_NEWNET) ||
	       mount("none", mount_point, "sysfs", 0, NULL);
}

bool mount_sysfs_of(pid_t pid, const char *mount_point)
{
	pid_t mounter = fork();
	int status;

	if (!mounter)
		_exit(mount_in_netns(pid, mount_point));
	return mounter > 0 && waitpid(mounter, &status, 0) == mounter && !status;
}

void *share_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}
