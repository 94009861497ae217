#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds cgwatch, static, so that it runs in any guest and on any machine of this
# architecture, with its man page, in build/cgwatch/.
set -euo pipefail
# shellcheck source=../../selftests/qemu/lib.sh
. "$(dirname "$0")/../../selftests/qemu/lib.sh"
only_for "$host_arch"

"$here/deps.sh" cargo
out=$root/build/cgwatch
cd "$root/samples/cgwatch"
# Named, for the flags not to be those of what runs while it is built.
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked --target "$host"
mkdir -p "$out"
cp "target/$host/release/cgwatch" "$out/"
version=$("$out/cgwatch" --version)
"$out/cgwatch" --help | "$root/scripts/man.pl" README.md "${version#cgwatch }" >"$out/cgwatch.1"
say "build/cgwatch/cgwatch, and its man page cgwatch.1; to see it in a virtual machine:"
# shellcheck disable=SC2016 # for who copies it
say '  make vm ADD=build/cgwatch/cgwatch RUN='\''cd /sys/fs/cgroup; mkdir a; (sleep 2; rmdir a) & /add/cgwatch a'\'
