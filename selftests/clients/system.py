#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Runs what watches cgroups and devices on a whole system, as Debian ships it,
with the patch enabled and disabled.

    system.py [CLIENT...]

Prints the rows that guest.py prints. ENDS is how many containers, units or
devices ended as the client should see it; WATCHES, DESCRIPTORS and THREADS are
those that its processes have more than before.
"""
import contextlib
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from patch import descriptors, each, in_both_states, read, threads, until, wait_for, watches, write

WORK = "/var/lib/clients"
ROOTFS = WORK + "/rootfs"
CGROUPS = "/sys/fs/cgroup"
PATIENCE = 30
# Takes more memory than LIMIT at once
EAT = ["dd", "if=/dev/zero", "of=/dev/null", "bs=64M"]
LIMIT = 16 << 20


def command(*words, check=True, **more):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120, check=False, stdin=subprocess.DEVNULL, **more)
    if check and done.returncode:
        sys.exit(f"system.py: {' '.join(words)}: {done.returncode}: {done.stdout}")
    return done


def pids(name):
    """The processes that are called so, as /proc/PID/comm cuts it."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if read(f"/proc/{pid}/comm").strip() == name[:15]:
                found.append(int(pid))
    return found


class Output:
    """A program that runs until close(), and what it has said."""

    def __init__(self, *words, **more):
        # pylint: disable=consider-using-with # close() does
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=subprocess.STDOUT, **more)

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def runs(self):
        return self.process.poll() is None

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Held:
    """What all processes of a name hold, from now on."""

    def __init__(self, name):
        self.name = name
        self.before = self.now()

    def now(self):
        found = [1] if self.name == "systemd" else pids(self.name)
        return [sum(map(what, found)) for what in (watches, descriptors, threads)]

    def more(self):
        """... once it has let go of what it will, or it has had its time."""
        def difference():
            return [max(0, now - then) for now, then in zip(self.now(), self.before)]
        wait_for(lambda: not any(difference()), 5)
        return difference()


def row(client, case, state, count, ends, held, twice=0):
    print("row", client, case, state, count, ends, twice, *held.more(), "-", "-", flush=True)


# --- containers ----------------------------------------------------------

def bundle(runtime, name, args, limit=None):
    """A folder that says what to run, as the OCI's runtimes want it."""
    path = f"{WORK}/{name}"
    os.mkdir(path)
    command(runtime, "spec", cwd=path)
    with open(path + "/config.json", encoding="utf-8") as file:
        config = json.load(file)
    config["process"].update(args=args, terminal=False)
    config["root"] = {"path": ROOTFS, "readonly": True}
    config["linux"]["cgroupsPath"] = f"/clients/{name}"
    if limit:
        config["linux"].setdefault("resources", {})["memory"] = {"limit": limit, "swap": limit}
    with open(path + "/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    return path


@contextlib.contextmanager
def containers(runtime, count, args, limit=None):
    """Made and not yet started; deleted at the end, with their folders."""
    names = [f"c{i}" for i in range(count)]
    for name in names:
        create(runtime, name, args, limit)
    yield names
    for name in names:
        if os.path.exists(f"/run/{runtime}/{name}"):
            command(runtime, "delete", "--force", name)
        shutil.rmtree(f"{WORK}/{name}")
    until(lambda: not any(os.path.exists(f"{CGROUPS}/clients/{name}") for name in names),
          "the containers' cgroups gone")


def create(runtime, name, args, limit):
    # The container keeps the descriptors, so not a pipe that is read to its end.
    subprocess.run([runtime, "create", "--bundle", bundle(runtime, name, args, limit), name],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=120, check=True)


def gone(runtime, name):
    return not any(map(os.path.exists, (f"/run/{runtime}/{name}", f"{CGROUPS}/clients/{name}")))


def deleted(runtime, state, count=20):
    held = Held(runtime)
    with containers(runtime, count, ["sleep", "1000"]) as names:
        for name in names:
            command(runtime, "start", name)
        for name in names:
            command(runtime, "delete", "--force", name)
        ends = sum(gone(runtime, name) for name in names)
    row(runtime, "deleted", state, count, ends, held)


class Events(Output):
    """A running `runc events`."""

    def __init__(self, name):
        super().__init__("runc", "events", "--interval", "1000s", name)
        until(lambda: watches(self.process.pid) == 2, f"runc events {name} watches")

    def ended(self):
        """Whether it ends by itself, with status 0."""
        wait_for(lambda: not self.runs(), PATIENCE)
        return self.process.poll() == 0

    def ooms(self):
        return self.text().count('"type":"oom"')


def runc_events(state, count=5):
    """The container is deleted under it."""
    held = Held("runc")
    with containers("runc", count, ["sleep", "1000"]) as names:
        events = []
        for name in names:
            command("runc", "start", name)
            events.append(Events(name))
        for name in names:
            command("runc", "delete", "--force", name)
        ends = sum(event.ended() for event in events)
        row("runc", "events", state, count, ends, held)
        for event in events:
            event.close()


def runc_oom(state, count=3):
    """Told of once, and the end of the container ends it."""
    held = Held("runc")
    with containers("runc", count, EAT, LIMIT) as names:
        events = [Events(name) for name in names]
        for name in names:
            command("runc", "start", name, check=False)
        for event in events:
            wait_for(event.ooms, PATIENCE)
        for name in names:
            command("runc", "delete", "--force", name)
        ends = sum(event.ended() and event.ooms() > 0 for event in events)
        row("runc", "oom", state, count, ends, held, sum(event.ooms() > 1 for event in events))
        for event in events:
            event.close()


def crun_oom(state, count=3):
    held = Held("crun")
    path = [bundle("crun", f"c{i}", EAT, LIMIT) for i in range(count)]
    ends = 0
    for i in range(count):
        # 128 + SIGKILL
        ends += command("crun", "run", "--bundle", path[i], f"c{i}", check=False).returncode == 137
        shutil.rmtree(path[i])
    row("crun", "oom", state, count, ends, held)


def podman(*words, check=True):
    return command("podman", *words, check=check)


def podman_run(name, *words):
    """In a cgroup of systemd's"""
    podman("run", "--detach", "--name", name, "--network", "none", "--memory", str(LIMIT),
           "--memory-swap", str(LIMIT), "--rootfs", ROOTFS, *words)


def podman_exits(state, count, case, words, wanted):
    """conmon watches for the OOM killer, and ends with its container."""
    held = Held("conmon")
    names = [f"p{i}" for i in range(count)]
    for name in names:
        podman_run(name, *words)
    ends = 0
    for name in names:
        podman("wait", name)
        shown = podman("inspect", "--format", "{{.State.Status}} {{.State.OOMKilled}}", name)
        ends += shown.stdout.split() == ["exited", wanted]
    podman("rm", "--force", *names)
    row("podman", case, state, count, ends, held)


# --- systemd -------------------------------------------------------------

def start(unit, *words, properties=()):
    command("systemd-run", "--quiet", "--unit", unit, *(f"--property={p}" for p in properties), *words)


def show(unit, name):
    return command("systemctl", "show", "--value", "--property", name, unit).stdout.strip()


def unloaded(units):
    """How many systemd has forgotten, with their cgroups."""
    pattern = units[0].rstrip("0123456789") + "*"

    def left():
        listed = command("systemctl", "list-units", "--all", "--plain", "--no-legend", pattern).stdout
        return len(listed.splitlines())
    wait_for(lambda: left() == 0, PATIENCE)
    return len(units) - left() - sum(os.path.exists(f"{CGROUPS}/system.slice/{u}.service") for u in units)


def transient(state, count=100):
    held = Held("systemd")
    units = [f"client-t{i}" for i in range(count)]
    for unit in units:
        start(unit, "--collect", "--no-block", "true")
    row("systemd", "transient", state, count, unloaded(units), held)


def stopped(state, count=30):
    held = Held("systemd")
    units = [f"client-s{i}" for i in range(count)]
    for unit in units:
        start(unit, "sleep", "1000")
    command("systemctl", "stop", *units)
    row("systemd", "stopped", state, count, unloaded(units), held)


def oom_killed(state, count=5):
    held = Held("systemd")
    units = [f"client-o{i}" for i in range(count)]
    for unit in units:
        start(unit, *EAT, properties=(f"MemoryMax={LIMIT}", "MemorySwapMax=0"))
    ends = sum(wait_for(lambda: show(unit, "Result") == "oom-kill", PATIENCE) for unit in units)
    command("systemctl", "reset-failed", *units)
    row("systemd", "oom-killed", state, count, ends, held)


def slices(state, count=10):
    held = Held("systemd")
    names = [f"clients{i}.slice" for i in range(count)]
    for i, name in enumerate(names):
        start(f"client-l{i}", "--slice", name, "sleep", "1000")
    command("systemctl", "stop", *names)
    ends = sum(wait_for(lambda: not os.path.exists(f"{CGROUPS}/{name}"), PATIENCE) for name in names)
    row("systemd", "slices", state, count, ends, held)


def user_manager(state, count=5):
    """Units of a user's own manager, and then the manager itself."""
    command("useradd", "--create-home", "client")
    held = Held("systemd")
    uid = command("id", "-u", "client").stdout.strip()
    command("loginctl", "enable-linger", "client")
    until(lambda: show(f"user@{uid}", "ActiveState") == "active", "the user's manager")
    group = f"{CGROUPS}/user.slice/user-{uid}.slice/user@{uid}.service/app.slice"
    units = [f"client-u{i}" for i in range(count)]
    for unit in units:
        command("systemd-run", "--quiet", "--user", "--machine", "client@", "--unit", unit, "sleep", "1000")
    there = sum(os.path.exists(f"{group}/{unit}.service") for unit in units)
    command("systemctl", "--user", "--machine", "client@", "stop", *units)
    ends = there - sum(os.path.exists(f"{group}/{unit}.service") for unit in units)
    command("loginctl", "disable-linger", "client")
    ends += wait_for(lambda: not os.path.exists(f"{CGROUPS}/user.slice/user-{uid}.slice"), PATIENCE)
    row("systemd", "user-manager", state, count + 1, ends, held)
    until(lambda: command("userdel", "--remove", "client", check=False).returncode == 0, "no such user")


def path_units(state, count=5):
    """Each starts a service when what it watches is changed, or goes."""
    held = Held("systemd")
    for i in range(count):
        os.mkdir(f"{CGROUPS}/path{i}")
        command("ip", "link", "add", f"path{i}", "type", "dummy")
    paths = ([f"{CGROUPS}/path{i}/cgroup.events" for i in range(count)]
             + [f"/sys/devices/virtual/net/path{i}" for i in range(count)])
    command("udevadm", "settle")
    for i, path in enumerate(paths):
        start(f"client-p{i}", f"--path-property=PathModified={path}", "touch", f"/run/path{i}")
    for i in range(count):
        os.rmdir(f"{CGROUPS}/path{i}")
        command("ip", "link", "del", f"path{i}")
    ends = 0
    for i, _ in enumerate(paths):
        ends += wait_for(lambda: os.path.exists(f"/run/path{i}"), 3)
        command("systemctl", "stop", f"client-p{i}.path")
        with contextlib.suppress(FileNotFoundError):
            os.remove(f"/run/path{i}")
    row("systemd", "path-units", state, len(paths), ends, held)


def oomd(state, count=10):
    command("systemctl", "start", "systemd-oomd")
    held = Held("systemd-oomd")
    units = [f"client-m{i}" for i in range(count)]
    for unit in units:
        start(unit, "sleep", "1000", properties=("ManagedOOMMemoryPressure=kill", "ManagedOOMSwap=kill"))
    dump = command("oomctl").stdout
    followed = sum(f"/{unit}.service" in dump for unit in units)
    command("systemctl", "stop", *units)
    dropped = lambda: not any(f"/{unit}.service" in command("oomctl").stdout for unit in units)
    ends = followed if wait_for(dropped, PATIENCE) and show("systemd-oomd", "NRestarts") == "0" else 0
    row("systemd-oomd", "stopped", state, count, ends, held)


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


def dummies(state):
    udev("dummy", state, [f"dummy{i}" for i in range(20)],
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

def fatrace(state, count=20):
    """It traces the mount of cgroups; each is read, and removed. By then its name cannot be told
    any more, but that this program opened something can."""
    held = Held("fatrace")
    with contextlib.closing(Output("fatrace", "--current-mount", cwd=CGROUPS)) as trace:
        until(lambda: any("fanotify" in link for link in each(trace.process.pid, "fd", os.readlink)),
              "fatrace")
        time.sleep(0.5)
        me = read("/proc/self/comm").strip()
        for i in range(count):
            os.mkdir(f"{CGROUPS}/traced{i}")
            read(f"{CGROUPS}/traced{i}/cgroup.events")
            os.rmdir(f"{CGROUPS}/traced{i}")
        wait_for(lambda: trace.text().count(me) >= count, PATIENCE)
        ends = min(count, trace.text().count(me)) if trace.runs() else 0
    row("fatrace", "read", state, count, ends, held)


def fsnotifywait(state, count=20):
    held = Held("fsnotifywait")
    paths = [f"{CGROUPS}/marked{i}" for i in range(count)]
    for path in paths:
        os.mkdir(path)
    files = [f"{path}/cgroup.events" for path in paths]
    with contextlib.closing(Output("fsnotifywait", "--monitor", "--event", "delete_self", *files)) as wait:
        until(lambda: "Watches established" in wait.text(), "fsnotifywait")
        for path in paths:
            os.rmdir(path)
        told = lambda: wait.text().count("DELETE_SELF")
        wait_for(lambda: told() >= count, 5)
        time.sleep(0.5)
        ends = told()
    row("fsnotifywait", "file", state, count, min(ends, count), held, max(0, ends - count))


# --- suites --------------------------------------------------------------

def stress(stressor, state, seconds=5):
    """Its own checks tell by the status whether it found something."""
    held = Held("stress-ng")
    done = command("stress-ng", f"--{stressor}", "2", "--timeout", f"{seconds}s", "--verify", check=False)
    if done.returncode:
        print("".join(f"# {line}\n" for line in done.stdout.splitlines()), end="")
    row("stress-ng", stressor, state, 1, int(done.returncode == 0), held)


CLIENTS = {
    "runc": [functools.partial(deleted, "runc"), runc_events, runc_oom],
    "crun": [functools.partial(deleted, "crun"), crun_oom],
    "podman": [functools.partial(podman_exits, count=10, case="exited", words=["true"], wanted="false"),
               functools.partial(podman_exits, count=2, case="oom", words=EAT, wanted="true")],
    "systemd": [transient, stopped, oom_killed, slices, user_manager, path_units],
    "systemd-oomd": [oomd],
    "udev": [dummies, pairs, pci],
    "networkd": [networkd],
    "fatrace": [fatrace],
    "fsnotifywait": [fsnotifywait],
    "stress-ng": [functools.partial(stress, name) for name in (
        "inotify", "fanotify", "cgroup", "sysfs", "netdev", "netlink-proc", "dentry", "mount", "handle")],
}


def main():
    os.makedirs(ROOTFS + "/bin")
    for name in ("proc", "sys", "dev", "tmp", "etc", "run"):
        os.mkdir(f"{ROOTFS}/{name}")
    shutil.copy("/bin/busybox", ROOTFS + "/bin")
    for name in ("dd", "sleep", "true"):
        os.symlink("busybox", f"{ROOTFS}/bin/{name}")
    begun = time.monotonic()
    for name in sys.argv[1:] or CLIENTS:
        print(f"# {name}: after {time.monotonic() - begun:.0f} s", flush=True)
        in_both_states(CLIENTS[name])
    print(f"# all: after {time.monotonic() - begun:.0f} s")


main()
