#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Checks README.md, Documentation/ and the other pages for people.

Prints what is wrong: too many words, a link that leads nowhere, a test or program
that is named and does not exist. A test is quoted as ``program: test``, or in the
last column of a table whose header says Test (``program``); * stands for any text.
"""
import fnmatch
import pathlib
import re
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[1]
MAX_WORDS = 12_000
# For mainline's maintainers, not for users; counted by itself
LETTER = "upstream.rst"
MAX_LETTER = 1_000
MAX_README = 6_656


def git_files(*patterns):
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
                            cwd=TOP, check=True, capture_output=True, text=True).stdout
    return [TOP / name for name in listed.splitlines() if (TOP / name).is_file()]


def wrong(page, text):
    print(f"{page.relative_to(TOP)}: {text}")


# --- size ----------------------------------------------------------------

def count_words(pages):
    return sum(len(page.read_text(encoding="utf-8").split()) for page in pages)


def check_size():
    readme = TOP / "README.md"
    letter = TOP / "Documentation" / LETTER
    words = count_words({readme, *TOP.glob("Documentation/*.rst")} - {letter})
    if words > MAX_WORDS:
        print(f"README.md and Documentation/*.rst have {words} words, more than {MAX_WORDS}")
    words = count_words([letter])
    if words > MAX_LETTER:
        wrong(letter, f"{words} words, more than {MAX_LETTER}")
    size = readme.stat().st_size
    if size > MAX_README:
        wrong(readme, f"{size} bytes, more than {MAX_README}")


# --- links ---------------------------------------------------------------

def without_code(text, suffix):
    """What is no block of code."""
    if suffix == ".md":
        return re.sub(r"(?ms)^```.*?^```$", "", text)
    return re.sub(r"(?m)(?<=::)\n(?:\n|[ \t]+.*\n)+", "\n", text)


def anchors(page):
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".md":
        titles = re.findall(r"(?m)^#+ (.*)$", without_code(text, ".md"))
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    titles = re.findall(r"(?m)^(\S.*)\n([=\-~^])\2{2,}$", text)
    return {re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") for title, _ in titles}


def targets(page, text):
    if page.suffix == ".md":
        yield from re.findall(r"\]\(([^)\s]+)\)", text)
        return
    yield from re.findall(r"`[^`<]*<([^>`]+)>`__?", text)
    yield from re.findall(r"(?m)^\.\. (?:image|figure):: (\S+)$", text)
    for title in re.findall(r"(?<![`\w])`([^`<>]+)`_(?!_)", text):
        yield "#" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def check_links(page):
    text = page.read_text(encoding="utf-8")
    for target in targets(page, without_code(text, page.suffix)):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.replace("\n", " ").partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            wrong(page, f"no {target}")
        elif anchor and anchor not in anchors(file):
            wrong(page, f"no heading for {target}")


def check_mentions(file):
    """Comments and messages that name a page"""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    for name in re.findall(r"\bDocumentation/((?:results/|plots/)?[\w.-]+\.(?:rst|svg))\b", text):
        if not (TOP / "Documentation" / name).exists():
            wrong(file, f"no Documentation/{name}")


# --- tests ---------------------------------------------------------------

class Tests:
    def __init__(self):
        settings = (TOP / "selftests/qemu/settings.sh").read_text(encoding="utf-8")
        self.others = set(re.search(r"(?m)^other_tests='(.*)'$", settings)[1].split())
        makefile = (TOP / "selftests/Makefile").read_text(encoding="utf-8")
        self.run_by_make_test = re.search(r"(?m)^TESTS := (.*)$", makefile)[1].split()
        self.names = {source.stem: self.of(source) for source in TOP.glob("selftests/*.c")}

    @staticmethod
    def of(source):
        text = "".join(part.read_text(encoding="utf-8")
                       for part in (source, *(source.with_suffix("")).glob("*.c")))
        names = set(re.findall(r"\bTEST(?:_SIGNAL)?\((\w+)", text))
        variants = re.findall(r"\bFIXTURE_VARIANT_ADD\((\w+),\s*(\w+)\)", text)
        for fixture, test in re.findall(r"\bTEST_F(?:_\w+)?\((\w+),\s*(\w+)", text):
            names |= {test, f"{fixture}.{test}"}
            names |= {f"{fixture}.{variant}.{test}" for of, variant in variants if of == fixture}
        names |= {f"{fixture}.{variant}" for fixture, variant in variants}
        # matrix makes its tests, CAUSE/STATE, of strings.
        return names, set(re.findall(r'"([a-z0-9_-]+)"', text))

    def has_program(self, name):
        return name in self.names or name in self.others

    def has_any(self, test):
        return any(test in names for names, _ in self.names.values())

    def has(self, program, pattern):
        names, words = self.names[program]
        if "/" in pattern:
            return all(part == "*" or part in words for part in pattern.split("/"))
        return bool(fnmatch.filter(names, pattern))


def literals(text):
    return [re.sub(r"\s+", " ", found[1]) for found in re.findall(r"(?<!`)(``?)([^`]+)\1(?!`)", text)]


def quoted_tests(text, tests):
    """Yields each program and test that a page quotes."""
    for literal in literals(text):
        found = re.fullmatch(r"([a-z][a-z0-9_]*): ([a-z0-9_.*/-]+)", literal)
        if found and literal != "program: test":
            yield found[1], found[2]
    yield from re.findall(r"/(\w+) -t ([\w.]+)", text)
    for table in re.findall(r"(?m)^\.\. list-table::\n(?:\n|[ \t]+.*\n)+", text):
        program = re.search(r"Test \(``(\w+)``\)", table)
        for row in re.split(r"(?m)^   \* - ", table)[2:] if program else ():
            last = re.split(r"(?m)^     -", row)[-1]
            yield from ((program[1], literal) for literal in literals(last)
                        if ": " not in literal and not tests.has_program(literal))


def check_tests(page, tests):
    text = page.read_text(encoding="utf-8")
    for program, test in quoted_tests(text, tests):
        if program not in tests.names:
            wrong(page, f"no program {program}, of which a test is quoted")
        elif not tests.has(program, test):
            wrong(page, f"{program} has no test {test}")
    # What looks like the name of a test, and is quoted without its program
    for literal in literals(text):
        if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+){4,}", literal) and not tests.has_any(literal):
            wrong(page, f"no test {literal}")
    programs = [name for group in re.findall(r"\[(``[^\]]*``[^\]]*)\](?!\()", text)
                for name in literals(group) if re.fullmatch(r"[a-z0-9_]+", name)]
    programs += re.findall(r"\bTESTS=([a-z][a-z0-9_]*)\b(?![*])", text)
    for name in sorted(set(programs)):
        if not tests.has_program(name) and name not in ("program", "pattern"):
            wrong(page, f"no program {name}")


def check_list(tests):
    page = TOP / "selftests/README.md"
    text = page.read_text(encoding="utf-8")
    for name in tests.run_by_make_test:
        if f"`{name}`" not in text:
            wrong(page, f"program {name} is not in the table")


def main():
    tests = Tests()
    check_size()
    check_list(tests)
    for page in git_files("*.md", "*.rst"):
        check_links(page)
        check_tests(page, tests)
    for file in git_files(":!COPYING", ":!*.lock", ":!*.svg"):
        check_mentions(file)


main()
