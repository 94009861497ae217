#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What must not compile does not, for the reason that cases.rs names. Prints
# TAP. KDIR= is a built kernel.
set -uo pipefail
# shellcheck source=../qemu/lib.sh
. "$(dirname "$0")/../qemu/lib.sh"
# shellcheck source=../qemu/debian.sh
. "$here/debian.sh"
# shellcheck source=../qemu/tap.sh
. "$here/tap.sh"
export KDIR
out=$(dirname "$("$here/module.sh")") || die "the module does not build"
# shellcheck source=../qemu/rustc.sh
. "$here/rustc.sh"

cases=$root/selftests/compile_fail/cases.rs
mapfile -t words < <(flags src/rkernfs.o)
enter_folder "${words[-1]}"

# What borrows is checked before code is made, so none is.
compiles() { # CASE
	with_its_rust RUST_MODFILE=src/rkernfs rustc "${words[@]}" \
		--crate-name rkernfs --cfg=compile_fail --cfg="case=\"$1\"" --emit=metadata -o "$out/compile_fail.rmeta" >"$work/out" 2>&1
}

# The first error is the one that was named.
fails_with() { # CASE ERROR
	! compiles "$1" && grep -m 1 '^error' "$work/out" | grep -qF "$2"
}

echo 'TAP version 13'
ok "the control compiles" compiles control
while read -r name; do
	error=$(grep -A 1 "case = \"$name\"" "$cases" | sed -n 's|^// error|error|p')
	ok "$name does not compile" fails_with "$name" "${error:?cases.rs names no error of $name}"
done < <(sed -n 's/^#\[cfg(case = "\(.*\)")\]$/\1/p' "$cases" | grep -vx control)
echo "1..$number"
