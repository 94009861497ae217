# SPDX-License-Identifier: GPL-2.0
"""Suites that others wrote: with the patch they must pass and fail exactly
what they do without it.

    suite PROGRAM STATE PASSED FAILED SKIPPED
    differs PROGRAM STATE=RESULT... TEST
    varies PROGRAM TEST

A test whose results differ is run again, as many depend on the time that a
machine has for them: what differs in each of ROUNDS differs because of the
patch; what does not, varies, and is not counted.
"""
import collections
import contextlib
import functools
import glob
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from patch import STATES, in_both_states, is_patched, read, set_state, until, write

KSELFTEST = os.environ.get("KSELFTEST", "/opt/suites")
STRESS_SECONDS = os.environ.get("STRESS_SECONDS", "5")
# What one program of the kernel's may take
LIMIT = 90
ROUNDS = 3

# Left out, as it takes a quarter of an hour
LEFT_OUT = ("filesystems:file_stressor",)
# It repeats another, as often as it comes to that in five seconds.
REPEATS = ("cgroup:test_stress.sh",)

NAMES = {"ok": "passed", "not ok": "failed", "exit=": "failed", "SKIP": "skipped", "XFAIL": "xfail",
         "TIMEOUT": "timeout"}
# Its name stands before or behind the directive.
RESULT = re.compile(r"^(?:# )*\s*(not ok|ok) \d+\s*(?:- )?(.*?)\s*(?:# (SKIP|XFAIL|TIMEOUT|exit=)\s*(.*))?$")
# The livepatch suite's
STEP = re.compile(r"^(?:# )*TEST: (.*) \.\.\. (not ok|ok)$")


# --- the kernel's own selftests ------------------------------------------

def programs():
    """COLLECTION:PROGRAM of each, as installed"""
    if not os.path.islink("/dev/stdout"):
        sys.exit(f"{sys.argv[0]}: no link /dev/stdout, by which the runner tells what programs say")
    try:
        listed = read(KSELFTEST + "/kselftest-list.txt").split()
    except FileNotFoundError:
        sys.exit(f"{sys.argv[0]}: no selftests in {KSELFTEST}")
    # Some Makefiles name one twice.
    return [program for program in dict.fromkeys(listed) if program not in LEFT_OUT]


def is_livepatch(program):
    return program.startswith("livepatch:")


def results(program, output):
    """How often each test had which result. What has no number stays the same
    from run to run."""
    found = collections.Counter()
    for line in output.splitlines():
        if match := RESULT.match(line):
            found[(re.sub(r"\d+", "N", match[2] or match[4]), NAMES[match[3] or match[1]])] += 1
        elif match := STEP.match(line):
            found[(match[1], NAMES[match[2]])] += 1
    return collections.Counter(set(found)) if program in REPEATS else found


def batches(left):
    """Those of one folder one after another in the same state, as the module is loaded anew
    for the other one."""
    by_folder = collections.defaultdict(list)
    for program in left:
        by_folder[re.split("[:/]", program)[0]].append(program)
    return by_folder.values()


def kselftest(batch, seen, state):
    for program in batch:
        # A livepatch that replaces all others takes ours away.
        set_state(state)
        begun, there = time.monotonic(), set(os.listdir("/"))
        # The runner opens its output anew, so what comes must be added at its end.
        with tempfile.NamedTemporaryFile() as log, open(log.name, "ab") as to:
            ended = run_program(program, to)
            seen[program, state] = results(program, log.read().decode(errors="replace"))
        if not ended:
            seen[program, state][program, "timeout"] = 1
        print(f"# {program} {state}: {time.monotonic() - begun:.0f} s", flush=True)
        drop_livepatches()
        clear_away(set(os.listdir("/")) - there)
        if not is_livepatch(program) and is_patched() != (state == "enabled"):
            sys.exit(f"{sys.argv[0]}: {program}: the patch is not {state} any more")


def drop_livepatches():
    """Those of a test that gave up in the middle"""
    for patch in glob.glob("/sys/kernel/livepatch/test_klp*"):
        write(patch + "/enabled", "0")
        until(lambda: not os.path.exists(patch), f"the end of {patch}")
    for module in glob.glob("/sys/module/test_klp*"):
        subprocess.run(["rmmod", os.path.basename(module)], check=True)


def clear_away(names):
    """What a test that failed has left in the root folder makes it fail the next time."""
    for name in names:
        subprocess.run(["umount", "-qRl", "/" + name], check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", "/" + name], check=True)


def run_program(program, to):
    """Whether it ends, by the kernel's own runner, which ends it after LIMIT, but not its
    children."""
    with subprocess.Popen(
            [KSELFTEST + "/run_kselftest.sh", "-o", str(LIMIT), "-t", program], stdin=subprocess.DEVNULL,
            stdout=to, stderr=subprocess.STDOUT, start_new_session=True) as runner:
        with contextlib.suppress(subprocess.TimeoutExpired):
            runner.wait(LIMIT + 10)
        ended = runner.returncode is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(runner.pid, signal.SIGKILL)
    return ended


def kselftests_in_both(left, seen):
    in_both_states(functools.partial(kselftest, batch, seen) for batch in batches(left))


def count(found, *wanted):
    return sum(number for (_, result), number in found.items() if result in wanted)


def difference(seen, program):
    """By test: its results with the patch, and without. How far it came until its time was up
    tells nothing."""
    if all("timeout" in [result for _, result in seen[program, state]] for state in STATES):
        return {}
    by_test = collections.defaultdict(lambda: ([], []))
    for index, state in enumerate(STATES):
        for (test, result), number in sorted(seen[program, state].items()):
            by_test[test][index].append(f"{number}*{result}")
    return {test: tuple(map(",".join, both)) for test, both in by_test.items() if both[0] != both[1]}


def compare(names, in_both):
    seen = {}
    in_both(names, seen)
    first = dict(seen)
    differing = {name: difference(seen, name) for name in names}
    for _ in range(ROUNDS - 1):
        left = [name for name in names if differing[name]]
        in_both(left, seen)
        for name in left:
            again = difference(seen, name)
            differing[name] = {test: both for test, both in differing[name].items() if again.get(test) == both}
    for name in names:
        varying = difference(first, name).keys() - differing[name].keys()
        for state in STATES:
            found = {key: number for key, number in first[name, state].items() if key[0] not in varying}
            print("suite", name, state, count(found, "passed"),
                  sum(found.values()) - count(found, "passed", "skipped"), count(found, "skipped"))
        for test in sorted(varying):
            print("varies", name, test)
        for test, both in differing[name].items():
            print("differs", name, *map("=".join, zip(STATES, both)), test)


# --- stress-ng -----------------------------------------------------------

STRESSORS = ("inotify", "fanotify", "cgroup", "sysfs", "netdev", "netlink-proc", "dentry", "bind-mount",
             "umount", "handle")
# What its exit statuses say; all others are a failure.
STRESS_STATUS = {0: "passed", 3: "skipped", 4: "skipped"}


def stress(names, seen, state):
    """Its own checks tell by the status whether it found something."""
    for name in names:
        done = subprocess.run(
            ["stress-ng", "--" + name.split(":")[1], "2", "--timeout", STRESS_SECONDS + "s", "--verify"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        result = STRESS_STATUS.get(done.returncode, "failed")
        print(f"# {name} {state}: {result}", flush=True)
        seen[name, state] = collections.Counter({(name, result): 1})
        if result == "failed":
            print(*(f"# {line}" for line in done.stdout.decode(errors="replace").splitlines()), sep="\n")


def stress_in_both(names, seen):
    if names:
        in_both_states([functools.partial(stress, names, seen)])


def kselftests(of_livepatch):
    compare([name for name in programs() if is_livepatch(name) == of_livepatch], kselftests_in_both)


CLIENTS = {
    "kselftest": lambda: kselftests(of_livepatch=False),
    "livepatch": lambda: kselftests(of_livepatch=True),
    "stress-ng": lambda: compare([f"stress-ng:{name}" for name in STRESSORS], stress_in_both),
}
