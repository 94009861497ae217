# SPDX-License-Identifier: GPL-2.0
"""Judges and shows what suites.py printed: with the patch a program's tests
have the same results as without it, or the known other ones.
"""
import re

# Programs that fail under each livepatch, whatever it patches: what they want
EXPECTED = {
    "livepatch:test-livepatch.sh": "counts all livepatches, and wants its own only",
    "livepatch:test-sysfs.sh": "wants to be the first of all livepatches",
}
# ... and where they do not want that yet
BEFORE = {("6.12", "livepatch:test-sysfs.sh")}


class Suite:
    """A program of one, on one kernel."""

    def __init__(self):
        self.counts, self.differs, self.varies = {}, {}, []


def parse(lines):
    suites = {}
    for line in lines:
        kernel, kind, name, *rest = (line.split(maxsplit=3) + [""] * 3)[:4]
        if kind not in ("suite", "differs", "varies"):
            continue
        suite = suites.setdefault((kernel, name), Suite())
        rest = rest[0]
        if kind == "suite":
            state, *counts = rest.split()
            suite.counts[state] = tuple(map(int, counts))
        elif kind == "differs":
            enabled, disabled, test = re.fullmatch(r"enabled=(\S*) disabled=(\S*) (.*)", rest).groups()
            suite.differs[test] = f"{enabled or 'not run'} instead of {disabled or 'not run'}"
        else:
            suite.varies.append(rest)
    return suites


def why_differs(kernel, name):
    return None if (kernel, name) in BEFORE else EXPECTED.get(name)


def judge(kernel, name, suite):
    if set(suite.counts) != {"enabled", "disabled"}:
        yield "it did not run in both states"
    elif not any(suite.counts["disabled"]) and not suite.varies:
        yield "it has no test"
    elif name.startswith("stress-ng:") and not suite.counts["disabled"][0]:
        yield "it does not pass by itself"
    expected = why_differs(kernel, name)
    if not expected:
        yield from (f"{test}: {how}" for test, how in suite.differs.items())
    elif not suite.differs:
        yield f"no difference, though it {expected}"


def described(suites, state):
    total = [sum(column) for column in zip(*(suite.counts.get(state, (0, 0, 0)) for suite in suites))]
    return ", ".join(f"{number} {what}" for number, what in
                     zip(total, ("passed", "failed", "skipped")) if number)


def table(suites):
    folders = {}
    for (kernel, name), suite in suites.items():
        folders.setdefault((re.split("[:/]", name)[0], kernel), []).append((name, suite))
    lines = [".. list-table::", "   :header-rows: 1", "", "   * - suite (programs)", "     - kernel",
             "     - kernel alone", "     - with rkernfs", "     - differ, as expected", "     - vary"]
    for (folder, kernel), members in sorted(folders.items()):
        programs = [suite for _, suite in members]
        differ = [f"{name.split(':')[1]} {why_differs(kernel, name)}" for name, suite in members
                  if suite.differs and why_differs(kernel, name)]
        vary = [test for suite in programs for test in suite.varies]
        lines += [f"   * - {folder} ({len(programs)})", f"     - {kernel}",
                  f"     - {described(programs, 'disabled')}".rstrip(),
                  f"     - {described(programs, 'enabled')}".rstrip(),
                  f"     - {'; '.join(differ)}".rstrip(), f"     - {'; '.join(vary)}".rstrip()]
    return "\n".join(lines)
