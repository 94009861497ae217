// SPDX-License-Identifier: GPL-2.0
/* Calls on what a program runs in: mounts, namespaces, processes, the patch */
#define _GNU_SOURCE
#include "fuzz.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/process.h"
#include "lib/module.h"
#include "lib/netdev.h"
#include "lib/system.h"

/* Over a directory, or the node elsewhere, where that is of its kind */
static void mount_at(struct proc *proc, const struct call *call)
{
	char path[PATH_MAX];
	const char *at = path;

	if (proc->nr_mounts == MAX_MOUNTS || realm_of(call->node) == STAYS)
		return;
	node_path(path, call->node);
	if (call->choice % 2) {
		at = proc->mount_point;
		if (mount(path, at, NULL, MS_BIND, NULL))
			return;
	} else if (mount("none", path, "tmpfs", 0, NULL)) {
		return;
	}
	format_path(proc->mounts[proc->nr_mounts++], "%s", at);
}

static void unmount(struct proc *proc)
{
	while (proc->nr_mounts)
		umount2(proc->mounts[--proc->nr_mounts], MNT_DETACH);
}

/* What is mounted is there twice then. */
static void unshare_mounts(struct proc *proc)
{
	if (proc->home < 0) {
		proc->home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
		unshare(CLONE_NEWNS);
	}
}

static void go_home(struct proc *proc)
{
	if (proc->home < 0)
		return;
	if (setns(proc->home, CLONE_NEWNS))
		note(&proc->ledger.found.failed, "setns", "home");
	close(proc->home);
	proc->home = -1;
}

static bool unshare_it(void *flags)
{
	return !*(int *)flags || !unshare(*(int *)flags);
}

static pid_t start_sleeper(int unshared)
{
	return start_process(unshare_it, NULL, &unshared);
}

static void populate(struct proc *proc, const struct call *call)
{
	char dir[PATH_MAX], path[PATH_MAX], text[16];
	pid_t pid;

	if (proc->nr_sleepers == MAX_SLEEPERS)
		return;
	pid = start_sleeper(0);
	if (pid < 0)
		return;
	proc->sleepers[proc->nr_sleepers++] = pid;
	snprintf(text, sizeof(text), "%d", pid);
	write_text(format_path(path, "%.3900s/cgroup.procs", node_path(dir, call->node)), text);
}

static void move(struct proc *proc, const struct call *call)
{
	if (!proc->away)
		proc->away = start_sleeper(CLONE_NEWNET);
	if (proc->away > 0)
		move_dummy(device_name(call->node), proc->away);
}

/* Neither waits, or both do: livepatch may be in the middle of it. */
static void switch_patch(const struct call *call)
{
	bool on = call->choice % 2;

	if (on)
		enable_patch();
	else
		disable_patch();
	if (call->choice % 4 > 1)
		sleep_ms(call->us);
}

void do_system_call(struct proc *proc, const struct call *call)
{
	switch (call->kind) {
	case MOUNT:
		return mount_at(proc, call);
	case UNMOUNT:
		return unmount(proc);
	case UNSHARE:
		return unshare_mounts(proc);
	case POPULATE:
		return populate(proc, call);
	case MOVE:
		return move(proc, call);
	case RECLAIM:
		write_text("/proc/sys/vm/drop_caches", "2");
		break;
	case NAP:
		usleep(call->us);
		break;
	case PATCH:
		return switch_patch(call);
	}
}

void release_all(struct proc *proc)
{
	for (int i = 0; i < MAX_HELD; i++)
		if (proc->held[i] >= 0)
			close(proc->held[i]);
	if (chdir("/"))
		note(&proc->ledger.found.failed, "chdir", "/");
	go_home(proc);
	unmount(proc);
	while (proc->nr_sleepers)
		end_process(proc->sleepers[--proc->nr_sleepers]);
	end_process(proc->away);
	proc->away = 0;
}
