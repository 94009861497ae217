#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Runs what watches cgroups and devices on a whole system, as Debian ships it,
with the patch enabled and disabled.

    system.py [CLIENT...]

Prints what guest.py prints. ENDS is how many containers, units or devices ended
as the client should see it; WATCHES, DESCRIPTORS and THREADS are those that its
processes have more than before, MEMORY what the kernel has.
"""
import contextlib
import functools
import os
import re
import sys
import time

import containers
import suites
import units
from held import CGROUPS, PATIENCE, Held, Output, command, row
from patch import each, in_both_states, read, until, wait_for, write


# --- devices -------------------------------------------------------------

class Monitor(Output):
    """udevadm monitor: what udevd tells of."""

    def __init__(self):
        super().__init__("stdbuf", "-oL", "udevadm", "monitor", "--udev")
        until(lambda: "UDEV -" in self.text(), "udevadm monitor")

    def removed(self, name):
        return len(re.findall(rf"\] remove +\S*/{re.escape(name)} ", self.text()))


def udev(case, state, names, come, go):
    held = Held("systemd-udevd")
    with contextlib.closing(Monitor()) as monitor:
        for name in names:
            come(name)
        command("udevadm", "settle")
        for name in names:
            go(name)
        command("udevadm", "settle")
        for name in names:
            wait_for(lambda: monitor.removed(name), 5)
        times = [monitor.removed(name) for name in names]
    row("udev", case, state, len(names), sum(map(bool, times)), held, sum(n > 1 for n in times))


def dummies(state, count=20):
    udev("dummy", state, [f"dummy{i}" for i in range(count)],
         lambda name: command("ip", "link", "add", name, "type", "dummy"),
         lambda name: command("ip", "link", "del", name))


def pairs(state):
    """The other end is in a network namespace, which ends."""
    def come(name):
        command("ip", "netns", "add", name)
        command("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
    udev("veth", state, [f"veth{i}" for i in range(10)], come,
         lambda name: command("ip", "netns", "del", name))


def pci(state):
    """QEMU's test device"""
    device = next(path for path in os.listdir("/sys/bus/pci/devices")
                  if read(f"/sys/bus/pci/devices/{path}/device").strip() == "0x0005")
    udev("pci", state, [device], lambda name: None,
         lambda name: write(f"/sys/bus/pci/devices/{name}/remove", "1"))
    write("/sys/bus/pci/rescan", "1")
    until(lambda: os.path.exists(f"/sys/bus/pci/devices/{device}"), "the device again")


def networkd(state, count=20):
    command("systemctl", "start", "systemd-networkd")
    held = Held("systemd-networkd")
    names = [f"net{i}" for i in range(count)]
    listed = lambda: command("networkctl", "list", "--no-legend", "--no-pager").stdout.split()
    for name in names:
        command("ip", "link", "add", name, "type", "dummy")
    until(lambda: set(names) <= set(listed()), "networkd sees the devices")
    for name in names:
        command("ip", "link", "del", name)
    wait_for(lambda: not set(names) & set(listed()), PATIENCE)
    row("networkd", "dummy", state, count, len(set(names) - set(listed())), held)


# --- fanotify ------------------------------------------------------------

class Group:
    def __init__(self, name):
        self.path = f"{CGROUPS}/{name}"
        self.file = self.path + "/cgroup.events"
        os.mkdir(self.path)

    def remove(self):
        os.rmdir(self.path)


def fatrace(state, count=20):
    """It traces the mount; a file of each is read, and removed. By then its name cannot be told
    any more, but that this program opened something can."""
    held = Held("fatrace")
    with contextlib.closing(Output("fatrace", "--current-mount", cwd=CGROUPS)) as trace:
        until(lambda: any("fanotify" in link for link in each(trace.process.pid, "fd", os.readlink)),
              "fatrace")
        time.sleep(0.5)
        me = read("/proc/self/comm").strip()
        for i in range(count):
            traced = Group(f"traced{i}")
            read(traced.file)
            traced.remove()
        wait_for(lambda: trace.text().count(me) >= count, PATIENCE)
        ends = min(count, trace.text().count(me)) if trace.runs() else 0
    row("fatrace", "read", state, count, ends, held)


def fsnotifywait(state, count=20):
    """Files: of directories it hears on no file system, as it marks without FAN_ONDIR."""
    held = Held("fsnotifywait")
    groups = [Group(f"marked{i}") for i in range(count)]
    paths = [group.file for group in groups]
    with contextlib.closing(Output("fsnotifywait", "--monitor", "--event", "delete_self", *paths)) as wait:
        until(lambda: "Watches established" in wait.text(), "fsnotifywait")
        for group in groups:
            group.remove()
        told = lambda: wait.text().count("DELETE_SELF")
        wait_for(lambda: told() >= count, 5)
        time.sleep(0.5)
        ends = told()
    row("fsnotifywait", "file", state, count, min(ends, count), held, max(0, ends - count))


CLIENTS = {
    "runc": containers.RUNC,
    "crun": containers.CRUN,
    "podman": containers.PODMAN,
    "systemd": units.SYSTEMD,
    "systemd-oomd": units.OOMD,
    "udev": [dummies, pairs, pci],
    "networkd": [networkd],
    "fatrace": [fatrace],
    "fsnotifywait": [fsnotifywait],
}


def leave_behind(case):
    """What a client's first node leaves for all that follow is no leak: it gets no row."""
    with contextlib.redirect_stdout(None):
        case("either", count=1)


def main():
    # Whoever inherits the -1000 of what the host asks for is never killed for memory.
    write("/proc/self/oom_score_adj", "0")
    containers.make_rootfs()
    begun = time.monotonic()
    for name in sys.argv[1:] or CLIENTS:
        print(f"# {name}: after {time.monotonic() - begun:.0f} s", flush=True)
        if name in suites.CLIENTS:
            suites.CLIENTS[name]()
        else:
            leave_behind(CLIENTS[name][0])
            in_both_states(CLIENTS[name])
    print(f"# all: after {time.monotonic() - begun:.0f} s")


main()
