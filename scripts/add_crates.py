#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""add_crates.py OUT <rust-project.json: add the crates that were built in OUT, as they were.

In the environment: RUST_LIB_SRC, the library folder of rust-src.
"""

import json
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def crate_roots():
    """The objects named in Kbuild that are made of Rust."""
    objects = re.findall(r"(\S+)\.o\b", (ROOT / "Kbuild").read_text())
    sources = [ROOT / f"{name}.rs" for name in dict.fromkeys(objects)]
    return [source for source in sources if source.exists()]


def command(out, source):
    """How Kbuild compiled it, in words."""
    relative = source.relative_to(ROOT)
    cmd = out / relative.parent / f".{relative.stem}.o.cmd"
    return cmd.read_text().splitlines()[0].split()


def use_sysroot(crates):
    """Have the crates use rust-analyzer's core: only in that one it knows i32::max() and such."""
    for crate in crates:
        names = {dep["name"] for dep in crate["deps"]}
        if "core" in names and not names & {"std", "proc_macro"}:
            crate["deps"] = [dep for dep in crate["deps"] if dep["name"] != "core"]
            crate["crate_attrs"] = ["no_std"]


def main():
    out = pathlib.Path(sys.argv[1])
    project = json.load(sys.stdin)
    # Its samples and drivers, the last ones, are not of interest here.
    crates = project["crates"] = [
        crate for crate in project["crates"]
        if not re.search(r"/(samples|drivers)/", crate["root_module"])
    ]
    numbers = {crate["display_name"]: n for n, crate in enumerate(crates)}
    kernel = crates[numbers["kernel"]]
    for source in crate_roots():
        words = command(out, source)
        externs = {words[n + 1] for n, word in enumerate(words) if word == "--extern"} | {"core"}
        crates.append({
            "display_name": source.stem,
            "root_module": str(source),
            "is_workspace_member": True,
            "is_proc_macro": False,
            "deps": [{"crate": numbers[name], "name": name} for name in sorted(externs & numbers.keys())],
            "cfg": kernel["cfg"] + [word[6:] for word in words if word.startswith("--cfg=")],
            "edition": "2021",
            # One for all, so that modules may lie in another folder than the crate's root.
            "source": {
                "include_dirs": [str(ROOT / "src"), str(ROOT / "samples")],
                "exclude_dirs": [],
            },
            "env": {"RUST_MODFILE": "This is only for rust-analyzer"},
        })
    use_sysroot(crates)
    project["sysroot_src"] = os.environ["RUST_LIB_SRC"]
    json.dump(project, sys.stdout, indent=4, sort_keys=True)


if __name__ == "__main__":
    main()
