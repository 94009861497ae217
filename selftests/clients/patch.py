# SPDX-License-Identifier: GPL-2.0
"""What the guests' programs share: the patch, and what a process or the kernel
holds.

LOAD is the command that loads the module.
"""
import os
import subprocess
import sys
import time

PATCH = "/sys/kernel/livepatch/rkernfs"
STATES = ("enabled", "disabled")
# Of nodes, and of who looks at them or watches them
CACHES = ("kernfs_node_cache", "kernfs_iattrs_cache", "inode_cache", "dentry", "inotify_inode_mark",
          "fanotify_mark", "fsnotify_mark_connector", "fsnotify_inode_mark_connector")
# What comes and goes in them on an idle system
MEMORY_NOISE = 32 << 10


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def wait_for(holds, seconds):
    """Whether it holds within SECONDS."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def until(holds, what, seconds=60):
    if not wait_for(holds, seconds):
        sys.exit(f"{sys.argv[0]}: {what}: not within {seconds} s")


# --- the patch -----------------------------------------------------------

def is_patched():
    """None while livepatch moves tasks over."""
    try:
        if read(PATCH + "/transition").strip() == "1":
            return None
        return read(PATCH + "/enabled").strip() == "1"
    except OSError:
        # Gone, as all tasks have left it.
        return False


def set_state(state):
    """Loads the module or disables its patch, which is final for the module."""
    wanted = state == "enabled"
    until(lambda: is_patched() is not None, "the end of livepatch's transition")
    if is_patched() == wanted:
        return
    if wanted:
        subprocess.run(["rmmod", "rkernfs"], check=True)
        subprocess.run(os.environ.get("LOAD", "modprobe rkernfs").split(), check=True)
    else:
        write(PATCH + "/enabled", "0")
    until(lambda: is_patched() is wanted, f"the patch {state}")


def in_both_states(runs):
    """Calls each with either state, every other one in the other order, so that
    neither state has always what the first run leaves in caches."""
    order = STATES
    for run in runs:
        for state in order:
            set_state(state)
            run(state)
        order = order[::-1]


# --- a process -----------------------------------------------------------

def each(pid, folder, look):
    """What LOOK says of each file there that is not gone meanwhile."""
    try:
        names = os.listdir(f"/proc/{pid}/{folder}")
    except FileNotFoundError:
        return
    for name in names:
        try:
            yield look(f"/proc/{pid}/{folder}/{name}")
        except (FileNotFoundError, ProcessLookupError):
            pass


def watches(pid):
    return sum(text.count("inotify wd:") for text in each(pid, "fdinfo", read))


def descriptors(pid):
    return sum(link == "anon_inode:inotify" for link in each(pid, "fd", os.readlink))


def threads(pid):
    return sum(1 for _ in each(pid, "task", str))


# --- the kernel ----------------------------------------------------------

def kernel_memory():
    """The bytes in CACHES, once all that nobody uses has gone. Not all goes at once, and RCU
    frees some of it later, so this looks until there has been no less for some times."""
    least, in_vain = in_caches(), 0
    while in_vain < 4:
        time.sleep(0.1)
        now = in_caches()
        in_vain = 0 if now < least else in_vain + 1
        least = min(now, least)
    return least


def in_caches():
    write("/proc/sys/vm/drop_caches", "2")
    for name in CACHES:
        if os.path.exists(f"/sys/kernel/slab/{name}"):
            write(f"/sys/kernel/slab/{name}/shrink", "1")
    used = [line.split()[:4] for line in read("/proc/slabinfo").splitlines()[2:]]
    used = {name: int(active) * int(size) for name, active, _, size in used if name in CACHES}
    if "kernfs_node_cache" not in used:
        sys.exit(f"{sys.argv[0]}: the kernel merges its caches: it must be booted with slab_nomerge")
    return sum(used.values())
