# SPDX-License-Identifier: GPL-2.0
"""systemd: units, and those that systemd-oomd follows."""
import contextlib
import os

from held import CGROUPS, EAT, LIMIT, PATIENCE, Held, command, row
from patch import until, wait_for


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


def transient(state, count=50):
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
    groups = [f"{CGROUPS}/path{i}" for i in range(2 * count)]
    for group in groups:
        os.mkdir(group)
    for i in range(count):
        command("ip", "link", "add", f"path{i}", "type", "dummy")
    paths = ([f"{group}/cgroup.events" for group in groups[:count]] + groups[count:]
             + [f"/sys/devices/virtual/net/path{i}" for i in range(count)])
    command("udevadm", "settle")
    for i, path in enumerate(paths):
        start(f"client-p{i}", f"--path-property=PathModified={path}", "touch", f"/run/path{i}")
    for group in groups:
        os.rmdir(group)
    for i in range(count):
        command("ip", "link", "del", f"path{i}")
    ends = 0
    wait_for(lambda: all(os.path.exists(f"/run/path{i}") for i, _ in enumerate(paths)), 5)
    command("systemctl", "stop", *(f"client-p{i}.path" for i, _ in enumerate(paths)))
    for i, _ in enumerate(paths):
        with contextlib.suppress(FileNotFoundError):
            os.remove(f"/run/path{i}")
            ends += 1
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


SYSTEMD = [transient, stopped, oom_killed, slices, user_manager, path_units]
OOMD = [oomd]
