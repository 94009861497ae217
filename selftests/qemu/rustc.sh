# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Sourced, after lib.sh and debian.sh, by what compiles the module's crates once
# more with the words that Kbuild had for them. $out is the folder of a built module.

: "${out:?}" "${KDIR:?}"

# Runs what belongs to the rustc that the module was built by, in this folder.
with_its_rust() { # [VARIABLE=...] COMMAND...
	local words=(env OBJTREE="$KDIR" RUSTC_BOOTSTRAP=1 "$@")
	if is_debian_kernel; then
		with_toolchain env -C "$PWD" "${words[@]}"
	else
		"${words[@]}"
	fi
}

# flags OBJECT: what Kbuild told rustc but for what it writes, a word a line
flags() {
	local words n
	read -ra words < <(sed -n 's/^savedcmd_[^ ]* := .*[ /]rustc \(--edition.*\)/\1/p' \
		"$out/$(dirname "$1")/.$(basename "$1").cmd" | tr -d "'")
	for ((n = 0; n < ${#words[@]}; n++)); do
		case ${words[n]} in
		--out-dir | --crate-name) n=$((n + 1)) ;;
		--emit=*) ;;
		\;) break ;;
		*) echo "${words[n]}" ;;
		esac
	done
}

# Where rustc ran; since 6.13 that is the module's folder.
enter_folder() { # SOURCE
	case $1 in
	"$out"/*) cd "$KDIR" ;;
	*) cd "$out" ;;
	esac
}
