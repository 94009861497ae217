#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# rustdoc of the module, private items too, as it is compiled for one kernel
# (KERNEL=, KDIR=). A warning is an error. Prints the path of the first page.
set -euo pipefail
# shellcheck source=../selftests/qemu/lib.sh
. "$(dirname "$0")/../selftests/qemu/lib.sh"

KDIR=$("$here/kernel.sh")
export KDIR
out=$(dirname "$("$here/module.sh")")
doc=$root/build/doc

# What Kbuild told rustc, for rustdoc
document() {
	local words args=() n
	read -ra words < <(sed -n 's/^savedcmd_[^ ]* := .* rustc \(--edition.*\)/\1/p' \
		"$out/src/.rkernfs.o.cmd" | tr -d "'")
	for ((n = 0; n < ${#words[@]}; n++)); do
		case ${words[n]} in
		--out-dir | --crate-name) n=$((n + 1)) ;;
		--emit=* | -C* | -Zbinary_dep_depinfo=*) ;;
		\;) break ;;
		*) args+=("${words[n]}") ;;
		esac
	done
	# Where it ran; since 6.13 that is the module's folder.
	case ${words[*]} in
	*" $out/src/rkernfs.rs"*) cd "$KDIR" ;;
	*) cd "$out" ;;
	esac
	OBJTREE=$KDIR RUSTC_BOOTSTRAP=1 RUST_MODFILE=rkernfs rustdoc "${args[@]}" \
		--crate-name rkernfs --out-dir "$doc" --document-private-items \
		-Dwarnings -Arustdoc::private_intra_doc_links
}

rm -rf "$doc"
step doc "documentation" : document
echo "$doc/rkernfs/index.html"
