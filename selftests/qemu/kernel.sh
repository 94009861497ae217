#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints the folder of a built dev kernel, after fetching, configuring and
# building whatever the cache doesn't have yet.
#
#   KERNEL=6.12 (default), 7.3, ...   which of Debian's kernel sources
#   DEBUG=1                           with debug.config, built by clang
#   KSRC=                             a source tree to build instead
#   KDIR=                             a built tree, taken as it is
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

llvm=19

# --- Debian's packages ---------------------------------------------------

# The packages come from suites that the machine may not list, so apt works
# on state folders of our own and reaches those suites through the machine's
# own mirror. Nothing gets installed.
apt_options() {
	local dir=$cache/apt
	mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/parts"
	: >>"$dir/status"
	apt=(-o "Dir::State=$dir" -o "Dir::State::lists=$dir/lists"
		-o "Dir::State::status=$dir/status" -o "Dir::Cache=$dir"
		-o "Dir::Etc::sourcelist=$dir/sources.list"
		-o "Dir::Etc::sourceparts=$dir/parts" -o APT::Sandbox::User=root)
}

# apt itself reads the machine's sources, in whichever format: each archive
# that carries the machine's own release is asked.
write_sources() {
	local release signed='' keys=/usr/share/keyrings/debian-archive-keyring.gpg
	# shellcheck source=/dev/null
	release=$(. /etc/os-release && echo "${VERSION_CODENAME:-sid}")
	[ ! -e $keys ] || signed="[signed-by=$keys] "
	apt-get update --print-uris |
		sed -n "s#^'\(.*\)/dists/\($release\|stable\|testing\|unstable\|sid\)/InRelease' .*#\1#p" |
		sort -u |
		sed "s#.*#deb $signed& trixie main\ndeb $signed& trixie-backports main#" \
			>"$cache/apt/sources.list"
}

# fetch PACKAGE VERSION_PREFIX FOLDER: unpack the newest such package there.
fetch() {
	local version
	command -v apt-get >/dev/null || { echo "there is no apt here"; return 1; }
	apt_options
	write_sources
	apt-get "${apt[@]}" update -q || :
	version=$(apt-cache "${apt[@]}" madison "$1" |
		awk -v v="$2" 'index($3, v) == 1 && !found++ { print $3 }')
	[ -n "$version" ] || { echo "the machine's Debian mirror has no $1 $2"; return 1; }

	rm -rf "$3"
	mkdir -p "$cache/apt/archives/$1"
	cd "$cache/apt/archives/$1"
	apt-get "${apt[@]}" download "$1=$version"
	dpkg -x "$1_${version//:/%3a}"_*.deb "$3"
	rm -- *.deb
}

fetched() {
	if compgen -G "$cache/*.part" || compgen -G "$cache/src/*.part"; then
		echo unpacking
	else
		du -sm "$cache/apt/archives" | awk '{ print $1 " MB" }'
	fi 2>/dev/null | tail -n 1
}

# --- source and rust-src -------------------------------------------------

fetch_source() {
	local part=$1.part
	fetch "linux-source-$KERNEL" "" "$part"
	tar -C "$part" -xf "$part/usr/src/linux-source-$KERNEL.tar.xz"
	mv "$part/linux-source-$KERNEL" "$1"
	rm -rf "$part"
}

fetch_rust_src() {
	fetch rust-src "$rustc_version+" "$1.part"
	mkdir -p "$1"
	mv "$1.part/usr/src/rustc-$rustc_version/library" "$1/"
	rm -rf "$1.part"
}

find_rust_src() {
	local dir
	for dir in "${RUST_LIB_SRC:-}" \
		"$(rustc --print sysroot)/lib/rustlib/src/rust/library" \
		"/usr/src/rustc-$rustc_version/library" \
		"$cache/rust-src-$rustc_version/library"; do
		if [ -e "$dir/core/src/lib.rs" ]; then
			export RUST_LIB_SRC=$dir
			return
		fi
	done
	need_space 1200 "rust-src"
	local hint="rustup component add rust-src gives it too"
	step rust-src "rust-src $rustc_version" fetched \
		fetch_rust_src "$cache/rust-src-$rustc_version"
	export RUST_LIB_SRC=$cache/rust-src-$rustc_version/library
}

# --- the kernel ----------------------------------------------------------

fragments() {
	cat "$here/kernel.config"
	[ "$DEBUG" = 0 ] || cat "$here/debug.config"
}

asked() {
	fragments | grep ^CONFIG_ | sort -u
}

source_version() {
	awk '$2 == "=" { v[$1] = $3 } /^EXTRAVERSION/ { exit }
		END { print v["VERSION"] "." v["PATCHLEVEL"] "." v["SUBLEVEL"] v["EXTRAVERSION"] }' "$1/Makefile"
}

# One folder for each combination that would give another kernel.
key() { # SOURCE
	local version hash
	version=$(source_version "$1")
	hash=$( (asked; echo "$version ${KSRC:-}"; rustc --version; $cc --version | head -n 1) |
		sha256sum | cut -c 1-8)
	echo "$version-$cc$([ "$DEBUG" = 0 ] || echo -debug)-$hash"
}

configure() { # SOURCE OUT
	local lost
	asked >"$2/asked.config"
	kmake -C "$1" O="$2" "${llvm_make[@]}" KCONFIG_ALLCONFIG="$2/asked.config" allnoconfig
	# Kconfig drops what it can't have without a word, RUST first of all.
	lost=$(grep -vxFf "$2/.config" "$2/asked.config") || return 0
	kmake -C "$1" O="$2" "${llvm_make[@]}" rustavailable || :
	printf 'Kconfig did not take:\n%s\n' "$lost"
	return 1
}

build() { # SOURCE OUT
	mkdir -p "$2"
	kmake -C "$1" O="$2" "${llvm_make[@]}" rustavailable
	configure "$1" "$2"
	kmake -C "$1" O="$2" "${llvm_make[@]}" bzImage modules
	kmake -C "$1" O="$2" "${llvm_make[@]}" headers
	touch "$2/.built"
}

objects_built() {
	echo "$(find "$out" -name '*.o' | wc -l) objects of about $objects"
}

main() {
	local src=${KSRC:-$cache/src/$KERNEL} objects=1350 hint=

	if [ -n "${KDIR:-}" ]; then
		[ -e "$KDIR/include/config/auto.conf" ] ||
			die "KDIR=$KDIR has no build files (include/config/auto.conf): build a kernel there first"
		readlink -f "$KDIR"
		return
	fi
	[ -z "${KSRC:-}" ] || [ -e "$KSRC/Kbuild" ] || die "KSRC=$KSRC is not a kernel source tree"

	cc=gcc llvm_make=() uses=(build)
	if [ "$DEBUG" != 0 ]; then
		cc=clang-$llvm llvm_make=("LLVM=-$llvm") uses+=(debug)
	fi
	"$here/deps.sh" "${uses[@]}"
	rustc_version=$(rustc --version | awk '{ print $2 }')
	at_least "$rustc_version" 1.78 ||
		die "rustc $rustc_version is too old: 1.78 is needed, 1.85 for Linux 7.3"

	if [ -e "$src/Kbuild" ] && [ -z "${KSRC:-}" ]; then
		out=$cache/kernels/$(key "$src")
		[ ! -e "$out/.built" ] || { echo "$out"; return; }
	fi

	# One at a time: who comes second finds the work done.
	mkdir -p "$cache/src"
	exec 9>"$cache/lock"
	flock -n 9 || { say "waiting for another run to leave $cache"; flock 9; }

	"$here/deps.sh" kernel
	use_libclang
	# Beside the download: each takes about a minute.
	have_bindgen || begin_bindgen
	if [ ! -e "$src/Kbuild" ]; then
		need_space 3000 "the kernel's source"
		hint="KSRC= takes any source tree" \
			step "source-$KERNEL" "source of Linux $KERNEL" fetched fetch_source "$src"
	fi
	find_rust_src
	[ -z "${pid[bindgen]:-}" ] || finish_bindgen

	out=$cache/kernels/$(key "$src")
	if [ ! -e "$out/.built" ] || [ -n "${KSRC:-}" ]; then
		need_space $((DEBUG ? 3000 : 1000)) "building a kernel"
		step "${out##*/}" "building Linux ${out##*/}" objects_built build "$src" "$out"
	fi
	echo "$out"
}

main
