#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Formats the Rust sources: the kernel's with its own settings, cgwatch with
# cargo's.
set -euo pipefail
dev=y
# shellcheck source=../selftests/qemu/lib.sh
. "$(dirname "$0")/../selftests/qemu/lib.sh"

"$here/deps.sh" rustfmt cargo
src=$("$here/kernel.sh" source)
cd "$root"
find src samples -path samples/cgwatch -prune -o -type f -name '*.rs' -print0 |
	xargs -0 rustfmt --config-path "$src/.rustfmt.toml"
cargo fmt --manifest-path samples/cgwatch/Cargo.toml
