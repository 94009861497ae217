#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Writes rust-project.json, with which rust-analyzer understands the kernel
# side of this tree as it is built for one kernel (KERNEL=, KDIR=).
#
# The kernel's own target describes the kernel's crates; ours are added here.
set -euo pipefail
dev=y
# shellcheck source=../selftests/qemu/lib.sh
. "$(dirname "$0")/../selftests/qemu/lib.sh"

KDIR=$("$here/kernel.sh")
export KDIR
out=$(dirname "$("$here/module.sh")")
"$here/deps.sh" kernel
# Where the kernel's build found it
RUST_LIB_SRC=$(grep -om 1 '/[^ ]*/core/src/lib\.rs' "$KDIR/rust/.core.o.cmd" | head -n 1)
RUST_LIB_SRC=${RUST_LIB_SRC%/core/src/lib.rs}
use_libclang
export RUST_LIB_SRC

# Not for M=: that does not work in every kernel.
kmake -s -C "$KDIR" rust-analyzer >&2
# The editor looks for it beside the file that includes it.
cp --remove-destination "$out/src/shim/bindings_generated.rs" "$root/src/shim/bindings_generated.rs"
"$root/scripts/add_crates.py" "$out" <"$KDIR/rust-project.json" >"$root/rust-project.json"
say "rust-project.json is for $(cat "$KDIR/include/config/kernel.release"); samples/cgwatch/Cargo.toml is a project of its own"
