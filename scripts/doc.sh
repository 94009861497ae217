#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# rustdoc of the module, private items too, as it is compiled for one kernel
# (KERNEL=, KDIR=). A warning is an error. Prints the path of the first page.
#
#   doc.sh examples     instead: compiles each example in the documentation,
#                       as a module of its own with examples_prelude.rs
set -euo pipefail
# shellcheck source=../selftests/qemu/lib.sh
. "$(dirname "$0")/../selftests/qemu/lib.sh"
# shellcheck source=../selftests/qemu/debian.sh
. "$here/debian.sh"

KDIR=$("$here/kernel.sh")
export KDIR
out=$(dirname "$("$here/module.sh")")
# shellcheck source=../selftests/qemu/rustc.sh
. "$here/rustc.sh"
doc=$root/build/doc

rustdoc_of_module() { # OPTION...
	local args
	mapfile -t args < <(flags src/rkernfs.o | grep -vE '^(-C|-Zbinary_dep_depinfo=)')
	enter_folder "${args[-1]}"
	with_its_rust RUST_MODFILE=rkernfs rustdoc "${args[@]}" --crate-name rkernfs "$@"
}

document() {
	rustdoc_of_module --out-dir "$doc" --document-private-items \
		-Dwarnings -Arustdoc::private_intra_doc_links
}

# rustdoc finds the examples, and gives them to a command instead of rustc.
examples() {
	local words
	[ -e "$out/samples/.counters.o.cmd" ] ||
		die "examples are compiled as modules that are linked against a kernel's crates: KERNEL=6.12 or 7.3"
	mapfile -t words < <(flags samples/counters.o)
	enter_folder "${words[-1]}"
	unset 'words[-1]'
	printf '%s\n' '#!/bin/bash' "cd '$PWD'" \
		"sed '/^#!\[/d' | cat '$root/scripts/examples_prelude.rs' - |" \
		"OBJTREE='$KDIR' RUSTC_BOOTSTRAP=1 RUST_MODFILE=examples \\" \
		"rustc$(printf " '%s'" "${words[@]}") --crate-name examples -Aunused -Amissing_docs --emit=metadata -o '$work/out' -" \
		>"$work/rustc"
	chmod +x "$work/rustc"
	rustdoc_of_module --test --no-run -Zunstable-options --test-builder "$work/rustc"
}

if [ "${1:-}" = examples ]; then
	# Where the root of Debian's kernels sees it, too
	work=$(mktemp -d "$root/build/examples.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	examples
else
	rm -rf "$doc"
	step doc "documentation" : document
	echo "$doc/rkernfs/index.html"
fi
