# SPDX-License-Identifier: GPL-2.0
"""Containers: runc, crun, and podman with conmon."""
import contextlib
import functools
import json
import os
import shutil
import subprocess

from held import CGROUPS, EAT, LIMIT, PATIENCE, Held, Output, command, row
from patch import until, wait_for, watches

WORK = "/var/lib/clients"
ROOTFS = WORK + "/rootfs"


def make_rootfs():
    """What the containers run in"""
    os.makedirs(ROOTFS + "/bin")
    for name in ("proc", "sys", "dev", "tmp", "etc", "run"):
        os.mkdir(f"{ROOTFS}/{name}")
    shutil.copy("/bin/busybox", ROOTFS + "/bin")
    for name in ("dd", "sh", "sleep", "true"):
        os.symlink("busybox", f"{ROOTFS}/bin/{name}")


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


def deleted(runtime, state, count=10):
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
    """Told of, perhaps with each change of the file thereafter, and the end of the container ends
    it. One process is left, as runc may see that the cgroup is empty before it looks who was
    killed."""
    held = Held("runc")
    with containers("runc", count, ["sh", "-c", f"exec 2>/dev/null; {' '.join(EAT)}; exec sleep 1000"], LIMIT) as names:
        events = [Events(name) for name in names]
        for name in names:
            command("runc", "start", name, check=False)
        for event in events:
            wait_for(event.ooms, PATIENCE)
        for name in names:
            command("runc", "delete", "--force", name)
        ends = sum(event.ended() and event.ooms() > 0 for event in events)
        row("runc", "oom", state, count, ends, held)
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


RUNC = [functools.partial(deleted, "runc"), runc_events, runc_oom]
CRUN = [functools.partial(deleted, "crun"), crun_oom]
PODMAN = [functools.partial(podman_exits, count=5, case="exited", words=["true"], wanted="false"),
          functools.partial(podman_exits, count=2, case="oom", words=EAT, wanted="true")]
