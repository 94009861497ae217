#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""watch.py PATH...: print inotify events on PATHs until all of them are removed."""

import ctypes
import os
import struct
import sys

NAMES = {0x2: "IN_MODIFY", 0x400: "IN_DELETE_SELF", 0x2000: "IN_UNMOUNT",
         0x4000: "IN_Q_OVERFLOW", 0x8000: "IN_IGNORED", 0x40000000: "IN_ISDIR"}
IN_MODIFY, IN_DELETE_SELF, IN_IGNORED = 0x2, 0x400, 0x8000
HEADER = struct.Struct("iIII")  # struct inotify_event: wd, mask, cookie, len


def check(result, what):
    """Turn libc's -1 and errno into an exit with a message."""
    if result < 0:
        sys.exit(f"watch.py: {what}: {os.strerror(ctypes.get_errno())}")
    return result


def events(data):
    """Yield (wd, mask, name) for each event that one read returned."""
    while data:
        wd, mask, _cookie, length = HEADER.unpack_from(data)
        end = HEADER.size + length
        yield wd, mask, data[HEADER.size:end].rstrip(b"\0").decode(errors="replace")
        data = data[end:]


def main(paths):
    if not paths or paths[0] in ("-h", "--help"):
        sys.exit(__doc__)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = check(libc.inotify_init1(os.O_CLOEXEC), "inotify_init1")
    watched = {}
    for path in paths:
        wd = libc.inotify_add_watch(fd, os.fsencode(path), IN_MODIFY | IN_DELETE_SELF)
        watched[check(wd, path)] = path
    while watched:
        for wd, mask, name in events(os.read(fd, 16384)):
            what = "|".join(text for bit, text in NAMES.items() if mask & bit)
            print(what, os.path.join(watched.get(wd, "-"), name) if name
                  else watched.get(wd, "-"), flush=True)
            if mask & IN_IGNORED:
                watched.pop(wd, None)


if __name__ == "__main__":
    main(sys.argv[1:])
