# SPDX-License-Identifier: GPL-2.0
"""What the rows on a whole system share: commands, and what is left behind."""
import contextlib
import os
import subprocess
import sys
import tempfile

from patch import MEMORY_NOISE, descriptors, kernel_memory, read, threads, wait_for, watches

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
    """What all processes of a name and the kernel hold, from now on."""

    def __init__(self, name):
        self.name = name
        self.memory_before = kernel_memory()
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

    def memory(self):
        """The kernel frees a cgroup some time after it is gone."""
        def difference():
            return kernel_memory() - self.memory_before
        wait_for(lambda: difference() <= MEMORY_NOISE, 5)
        return difference()


def row(client, case, state, count, ends, held, twice=0):
    print("row", client, case, state, count, ends, twice, *held.more(), "-", held.memory(), flush=True)
