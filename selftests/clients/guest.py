#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Runs unmodified clients with the patch enabled and disabled.

    guest.py [CLIENT...]

Each client watches nodes, which are then removed. A line is printed for what
it was told and what it keeps:

    row CLIENT CASE STATE NODES ENDS TWICE WATCHES DESCRIPTORS THREADS GOROUTINES MEMORY
    point CASE STATE REMOVED DESCRIPTORS

MEMORY is what the kernel has more than before the client and the nodes came.
The kernel's selftests and stress-ng have lines of their own: suites.py.
"""
import collections
import functools
import os
import signal
import subprocess
import sys
import time

import suites
from patch import descriptors, in_both_states, kernel_memory, read, threads, until, watches, write

CGROUPS = "/sys/fs/cgroup"
GROUND = CGROUPS + "/clients"
NODES = 20
MANY = 200
# How long a client may take until the end of all is reported
PATIENCE = 20
# ... and how long nothing may change until what is left counts as lost
QUIET = 2


# --- what is watched -----------------------------------------------------

class Cgroups:
    """Cgroups, of which a file or the directory is watched."""

    name = "n{}"

    def __init__(self, file, count):
        self.dirs = [f"{GROUND}/nodes/{self.name.format(i)}" for i in range(count)]
        os.mkdir(GROUND + "/nodes")
        write(GROUND + "/nodes/cgroup.subtree_control", "+memory")
        for path in self.dirs:
            os.mkdir(path)
        self.paths = [os.path.join(path, file) if file else path for path in self.dirs]

    def before(self):
        pass

    def remove(self, index):
        os.rmdir(self.dirs[index])

    def clean_up(self):
        for path in self.dirs:
            if os.path.exists(path):
                os.rmdir(path)
        os.rmdir(GROUND + "/nodes")


class Used(Cgroups):
    """A process was in each, and has ended, when it is removed."""

    def remove(self, index):
        child = subprocess.Popen(["sleep", "1000"])
        write(self.dirs[index] + "/cgroup.procs", str(child.pid))
        child.kill()
        child.wait()
        until(lambda: "populated 0" in read(self.dirs[index] + "/cgroup.events"), "an empty cgroup")
        super().remove(index)


class Reclaimed(Cgroups):
    """Memory reclaim took their dentries before."""

    def before(self):
        for _ in range(6):
            write("/proc/sys/vm/drop_caches", "2")


class TurnedOff(Cgroups):
    """The memory controller is turned off for all of them at once."""

    def remove(self, index):
        if index == 0:
            write(GROUND + "/nodes/cgroup.subtree_control", "-memory")


class Snaps(Cgroups):
    """Called as systemd calls them for a snap."""

    name = "snap.client{}.run.service"


class Devices:
    """Network devices, which have a directory each in sysfs; they are removed at once."""

    group = "7"

    def __init__(self, count):
        names = [f"client{i}" for i in range(count)]
        self.paths = [f"/sys/devices/virtual/net/{name}" for name in names]
        subprocess.run(["ip", "-batch", "-"], check=True, text=True, input="".join(
            f"link add {name} group {self.group} type dummy\n" for name in names))

    def before(self):
        pass

    def remove(self, index):
        if index == 0:
            subprocess.run(["ip", "link", "del", "group", self.group], check=True)

    def clean_up(self):
        pass


CASES = {
    "file": lambda: Cgroups("memory.events", NODES),
    "directory": lambda: Cgroups("", NODES),
    "reclaimed": lambda: Reclaimed("memory.events", NODES),
    "snap": lambda: Snaps("", NODES),
    "device": lambda: Devices(NODES),
    "200-used": lambda: Used("memory.events", MANY),
    "200-never-used": lambda: Cgroups("memory.events", MANY),
    "200-reclaimed": lambda: Reclaimed("memory.events", MANY),
    "200-turned-off": lambda: TurnedOff("memory.events", MANY),
}
WATCHED = ["file", "directory", "reclaimed", "device"]

CLIENTS = {
    "eventchan": (["./watch-go", "eventchan"],
                  ["200-used", "200-never-used", "200-reclaimed", "200-turned-off"]),
    "fsnotify": (["./watch-go", "fsnotify"], WATCHED),
    "cadvisor": (["./watch-go-cadvisor"], ["directory"]),
    "cadvisor-0.38": (["./watch-go-cadvisor-0.38"], ["directory"]),
    "snapd": (["./watch-go", "snapd"], ["snap"]),
    "notify": (["./watch-rust", "notify"], WATCHED),
    "inotify": (["./watch-rust", "inotify"], WATCHED),
    "watchdog": (["./watch-python", "watchdog"], WATCHED),
    "inotify_simple": (["./watch-python", "inotify_simple"], WATCHED),
    # A device is a directory, too.
    "chokidar": (["./watch-node", "chokidar"], ["file", "reclaimed", "device"]),
    "inotifywait": (["inotifywait", "-m", "-e", "delete_self", "--format", "end %w"], WATCHED),
}


# --- a client ------------------------------------------------------------

class Client:
    def __init__(self, name, command, paths):
        self.group = f"{GROUND}/client"
        os.mkdir(self.group)
        self.log = f"/tmp/{name}.log"
        self.paths = paths
        with open(self.log, "w", encoding="ascii") as log:
            self.process = subprocess.Popen(
                command + paths, stdout=log, stderr=subprocess.STDOUT,
                preexec_fn=lambda: write(self.group + "/cgroup.procs", str(os.getpid())))
        until(self.is_ready, f"{name} watches")

    def lines(self):
        return read(self.log).splitlines()

    def is_ready(self):
        if self.process.poll() is not None:
            sys.exit(f"guest.py: {self.process.args[:2]}: ended: {read(self.log)}")
        # inotifywait's word for it
        return any(line in ("ready", "Watches established.") for line in self.lines())

    def ends(self):
        return collections.Counter(
            line[4:].rstrip("/") for line in self.lines() if line.startswith("end "))

    def settle(self):
        """Waits until all ends are reported, or nothing more comes."""
        end = time.monotonic() + PATIENCE
        before, since = None, time.monotonic()
        while time.monotonic() < end:
            now = (sum(self.ends().values()), self.watches(), self.descriptors())
            if now != before:
                before, since = now, time.monotonic()
            done = all(path in self.ends() for path in self.paths)
            if time.monotonic() - since > (0.5 if done else QUIET):
                return
            time.sleep(0.05)

    def watches(self):
        return watches(self.process.pid)

    def descriptors(self):
        return descriptors(self.process.pid)

    def goroutines(self):
        if not self.process.args[0].startswith("./watch-go"):
            return "-"
        os.kill(self.process.pid, signal.SIGUSR1)
        until(lambda: any(line.startswith("goroutines ") for line in self.lines()), "goroutines")
        return [line.split()[1] for line in self.lines() if line.startswith("goroutines ")][-1]

    def end(self):
        self.process.kill()
        self.process.wait()
        until(lambda: "populated 0" in read(self.group + "/cgroup.events"), "the client's end")
        os.rmdir(self.group)


def run(name, case, state):
    command, _ = CLIENTS[name]
    before = kernel_memory()
    nodes = CASES[case]()
    client = Client(name, command, nodes.paths)
    nodes.before()
    count = len(nodes.paths)
    for index in range(count):
        nodes.remove(index)
        if name == "eventchan" and index % 10 == 9:
            print("point", case, state, index + 1, client.descriptors())
    client.settle()
    memory = kernel_memory() - before
    ends = client.ends()
    told = sum(path in ends for path in nodes.paths)
    twice = sum(ends[path] > 1 for path in nodes.paths)
    print("row", name, case, state, count, told, twice, client.watches(), client.descriptors(),
          threads(client.process.pid), client.goroutines(), memory, flush=True)
    client.end()
    nodes.clean_up()


def main():
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    write(CGROUPS + "/cgroup.subtree_control", "+memory")
    # EventChan takes an instance for each cgroup; the default is 128.
    write("/proc/sys/fs/inotify/max_user_instances", "1024")
    os.mkdir(GROUND)
    write(GROUND + "/cgroup.subtree_control", "+memory")
    for name in sys.argv[1:] or CLIENTS:
        if name in suites.CLIENTS:
            suites.CLIENTS[name]()
        else:
            in_both_states(functools.partial(run, name, case) for case in CLIENTS[name][1])
    os.rmdir(GROUND)
    print("complete")


main()
