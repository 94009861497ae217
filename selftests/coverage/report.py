#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""
report.py lines RKERNFS.ko REACHED    what a run reached, a line "FILE:LINE 0|1" each
report.py sum LINES... [-r ROOT]      figures for each file of src, and each line that
                                      none of the runs reached

REACHED is what coverage.ko told, with the addresses of the module's sections. A line
is reached if one of its instructions is; an instruction, if the last call of
__sanitizer_cov_trace_pc() before it was. Inlined lines count where they ended up.
"""
import collections
import pathlib
import re
import subprocess
import sys

CALL = "__sanitizer_cov_trace_pc"


def output(*command, stdin=None):
    return subprocess.run(command, input=stdin, check=True, capture_output=True,
                          text=True).stdout


def read_reached(path):
    """Returns {section: offsets that were returned to}."""
    base, sections, offsets = {}, {}, collections.defaultdict(list)
    for line in pathlib.Path(path).read_text().splitlines():
        match line.split():
            case ["base", text, address]:
                base[text] = int(address, 16)
            case ["section", name, address]:
                sections[name] = int(address, 16)
            case [("text" | "init") as text, offset]:
                offsets[text].append(int(offset, 16))
    reached = collections.defaultdict(set)
    for name, address in sections.items():
        text = "init" if name.startswith(".init") else "text"
        start = 0 if text == "init" else address - base["text"]
        reached[name] = {offset - start for offset in offsets[text]}
    return reached


def sections_of(ko):
    for line in output("objdump", "-h", "-w", ko).splitlines():
        fields = line.split()
        if len(fields) > 6 and "CODE" in line and int(fields[2], 16):
            yield fields[1]


def blocks(ko, section):
    """Yields each instruction's address and where the call before it returns to."""
    listing = output("objdump", "-dr", "-w", "--no-show-raw-insn", "-j", section, ko)
    block, called, waiting = None, False, []
    for line in listing.splitlines():
        if re.match(r"[0-9a-f]+ <", line):
            block, called, waiting = None, False, []
            continue
        instruction = re.match(r" *([0-9a-f]+):\t", line)
        if not instruction:
            continue
        address = int(instruction[1], 16)
        if called:
            block, called = address, False
            # What comes before a function's first call
            yield from ((early, block) for early in waiting)
            waiting = []
        called = CALL in line
        if block is None:
            waiting.append(address)
        else:
            yield address, block


def places(ko, section, addresses):
    """Yields each address with the lines of src that it is of, inlined ones, too."""
    text = output("addr2line", "-a", "-i", "-e", ko, "-j", section,
                  stdin="".join(f"{address:#x}\n" for address in addresses))
    prefix = str(pathlib.Path(ko).resolve().parent) + "/src/"
    address = None
    for line in text.splitlines():
        if line.startswith("0x"):
            address = int(line, 16)
        elif line.startswith(prefix):
            name, number = line.split()[0].rsplit(":", 1)
            if number not in ("?", "0"):
                yield address, "src/" + name[len(prefix):], int(number)


def lines(ko, reached_file):
    reached = read_reached(reached_file)
    result = collections.defaultdict(bool)
    for section in sections_of(ko):
        block_of = dict(blocks(ko, section))
        for address, file, number in places(ko, section, block_of):
            result[file, number] |= block_of[address] in reached[section]
    for (file, number), hit in sorted(result.items()):
        print(f"{file}:{number} {int(hit)}")


def ranges(numbers):
    """[1, 2, 3, 5] as 1-3, 5"""
    runs = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def table(by_file):
    yield f"{'file':<32}{'lines':>7}{'reached':>9}"
    everything = [hit for found in by_file.values() for hit in found.values()]
    for name, hits in [*((n, list(f.values())) for n, f in by_file.items()), ("all", everything)]:
        yield f"{name:<32}{len(hits):>7}{100 * sum(hits) / len(hits):>8.1f}%"


def summarize(files, root):
    by_file = collections.defaultdict(lambda: collections.defaultdict(bool))
    for path in files:
        for line in pathlib.Path(path).read_text().splitlines():
            place, hit = line.split()
            file, number = place.rsplit(":", 1)
            by_file[file][int(number)] |= hit == "1"
    by_file = dict(sorted(by_file.items()))
    print("\n".join(table(by_file)))
    for file, found in by_file.items():
        missed = sorted(number for number, hit in found.items() if not hit)
        if missed:
            text = pathlib.Path(root, file).read_text().splitlines()
            print(f"\n{file}, not reached: {ranges(missed)}")
            for number in missed:
                print(f"{number:>6}  {text[number - 1]}")


match sys.argv[1:]:
    case ["lines", ko, reached_file]:
        lines(ko, reached_file)
    case ["sum", *files]:
        at = files.index("-r") if "-r" in files else None
        summarize(files[:at], files[at + 1] if at is not None else ".")
    case _:
        sys.exit(__doc__)
