#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Judges what guest.py, system.py and suites.py printed on each kernel.

    report.py RESULTS [--partial]

Prints TAP, then a table with a line for each client and case, one of the
suites, the time taken, and how many tests passed and failed. Unless --partial,
tables and plot go into Documentation/results/ and plots/.
"""
import pathlib
import subprocess
import sys

import suite_report
from patch import MEMORY_NOISE

TOP = pathlib.Path(__file__).resolve().parents[2]
FIELDS = ("nodes", "ends", "twice", "watches", "descriptors", "threads", "goroutines", "memory")
# A goroutine of Go's own may be there or not.
THREADS_NOISE = 4
# Clients that fail wherever a watch ends with what it watches, as in 7.1 and later
EXPECTED = {"cadvisor-0.38": "drops an end whose watch has ended by itself"}


def parse(lines):
    rows, points, status = {}, [], {}
    for line in lines:
        words = line.split()
        if len(words) == 13 and words[1] == "row":
            kernel, _, client, case, state = words[:5]
            values = [None if word == "-" else int(word) for word in words[5:]]
            if kernel.endswith("-debug"):
                # KASAN keeps what was freed for some time.
                values[-1] = 0
            rows.setdefault((kernel, client, case), {})[state] = dict(zip(FIELDS, values))
        elif len(words) == 6 and words[1] == "point":
            points.append((words[0], *words[2:]))
        elif len(words) == 4 and words[1] == "status":
            status[words[0]] = (int(words[2]), int(words[3]))
    return rows, points, status


def worse(row):
    """What is worse with the module than without it."""
    on, off = row["enabled"], row["disabled"]
    if on["ends"] < off["ends"]:
        yield f"{on['ends']} ends reported instead of {off['ends']}"
    if on["twice"] > off["twice"]:
        yield f"{on['twice']} ends reported twice"
    for what, noise in (("watches", 0), ("descriptors", 0), ("goroutines", 0),
                        ("threads", THREADS_NOISE), ("memory", MEMORY_NOISE)):
        if on[what] is not None and on[what] > off[what] + noise:
            yield f"{on[what]} {what} are left instead of {off[what]}"


def judge(client, row):
    if set(row) != {"enabled", "disabled"}:
        return ["it did not run in both states"]
    wrong = list(worse(row))
    if row["enabled"]["ends"] != row["enabled"]["nodes"]:
        wrong.append(f"{row['enabled']['ends']} of {row['enabled']['nodes']} ends reported")
    if client in EXPECTED:
        return [] if wrong else [f"nothing is wrong, though it {EXPECTED[client]}"]
    return wrong


def tap(rows, suites, status):
    number = failed = 0

    def ok(name, wrong):
        nonlocal number, failed
        number += 1
        failed += bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {number} {name}")
        for text in wrong:
            print(f"# {text}")

    print("TAP version 13")
    print(f"1..{len(rows) + len(suites) + len(status)}")
    for kernel, (code, _) in status.items():
        ok(f"{kernel}: all clients run, the kernel has nothing to report",
           [f"vm.sh ended with status {code}"] if code else [])
    for (kernel, client, case), row in rows.items():
        ok(f"{kernel}: {client}, {case}", judge(client, row))
    for (kernel, name), suite in suites.items():
        ok(f"{kernel}: {name}", list(suite_report.judge(kernel, name, suite)))
    return number, failed


def cell(values):
    text = f"{values['ends']} of {values['nodes']}"
    if values["twice"]:
        text += f" ({values['twice']} twice)"
    left = [f"{values[key]} {name}" for key, name in
            (("watches", "watches"), ("descriptors", "inotify descriptors"),
             ("goroutines", "goroutines"), ("threads", "threads")) if values[key] is not None]
    left.append(f"{max(0, values['memory']) // values['nodes']} B a removal")
    return f"{text}; {', '.join(left)}"


def table(rows):
    lines = [".. list-table::", "   :header-rows: 1", "",
             "   * - client, what is watched", "     - kernel", "     - kernel alone", "     - with rkernfs"]
    for (kernel, client, case), row in rows.items():
        if set(row) != {"enabled", "disabled"}:
            continue
        lines += [f"   * - {client}, {case}", f"     - {kernel}",
                  f"     - {cell(row['disabled'])}", f"     - {cell(row['enabled'])}"]
    return "\n".join(lines)


def document(name, text):
    page = TOP / f"Documentation/results/{name}.rst"
    head, mark, _ = page.read_text(encoding="utf-8").partition(".. generated\n")
    page.write_text(f"{head}{mark}\n{text}\n", encoding="utf-8")


def plot(points):
    chosen = [p for p in points if p[0] == "6.12" and p[1] == "200-never-used"]
    if not chosen:
        return
    to = TOP / "Documentation/plots/eventchan.svg"
    to.parent.mkdir(parents=True, exist_ok=True)
    data = ""
    for state, name in (("disabled", "6.12 alone"), ("enabled", "with rkernfs")):
        data += f'$"{state}" << END\n'.replace('"', "") + "0 200\n"
        data += "".join(f"{p[3]} {p[4]}\n" for p in chosen if p[2] == state) + "END\n"
    script = data + f"""
set terminal svg size 640,360 font 'sans,12' background 'white'
set output '{to}'
set xlabel 'cgroups removed'
set ylabel 'inotify descriptors held'
set yrange [0:220]
set key at graph 0.98, graph 0.55
set title 'containerd/cgroups EventChan() on 200 cgroups, Linux 6.12'
plot $disabled with steps lw 3 title '6.12 alone', $enabled with steps lw 3 title 'with rkernfs'
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    text = to.read_text(encoding="utf-8")
    text = text.replace("<svg", "<!-- SPDX-License-Identifier: GPL-2.0 -->\n<svg", 1)
    to.write_text("".join(f"{line.rstrip()}\n" for line in text.splitlines()), encoding="utf-8")


def main():
    lines = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    rows, points, status = parse(lines)
    suites = suite_report.parse(lines)
    number, failed = tap(rows, suites, status)
    tables = {"clients": table(rows), "suites": suite_report.table(suites)}
    print(*tables.values(), sep="\n")
    if "--partial" not in sys.argv and not failed:
        for name, text in tables.items():
            document(name, text)
        plot(points)
    for kernel, (_, seconds) in status.items():
        print(f"{kernel}: {seconds} s")
    print(f"{number - failed} passed, {failed} failed")
    sys.exit(failed != 0 or not rows and not suites)


main()
