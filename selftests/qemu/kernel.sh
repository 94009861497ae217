#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints the folder of a built dev kernel, after fetching, configuring and
# building whatever the cache doesn't have yet.
#
#   KERNEL=6.12 (default), 7.3, ...   which of Debian's kernel sources
#   KERNEL=debian                     the kernel that Debian ships; none is built
#   DEBUG=1, DEBUG=kcsan              with debug.config, kcsan.config, built by clang
#   KSRC=                             a source tree to build instead
#   KDIR=                             a built tree, taken as it is
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=debian.sh
. "$here/debian.sh"

llvm=19

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

# --- Debian's own kernel -------------------------------------------------

# What linux-image-amd64 of backports is today: "VERSION RELEASE", for example
# 7.3.4-1~bpo13+1 7.3.4+deb13-amd64. The archive is asked once a day.
find_debian_kernel() {
	local version release
	update_lists
	version=$(version_of linux-image-amd64)
	release=$(apt-cache "${apt[@]}" show "linux-image-amd64=$version" |
		sed -n 's/^Depends: .*\blinux-image-\([^ ,]*\).*/\1/p' | head -n 1)
	[ -n "$release" ] || { echo "the machine's Debian mirror has no linux-image-amd64"; return 1; }
	echo "$(version_of "linux-image-$release") $release" >"$cache/debian-kernel"
}

fetch_debian_kernel() { # VERSION RELEASE FILES
	local package
	update_lists
	rm -rf "$3"
	for package in "linux-binary-$2" "linux-modules-$2" "linux-headers-$2" \
		"linux-source-$(series_of "$2")"; do
		unpack "$package" "$1" "$3"
	done
	touch "$3/.fetched"
}

# Modules that tests insert; the dev kernels have them in their tree.
collect_modules() { # FILES TO
	local name file
	mkdir -p "$2"
	for name in dummy lkdtm; do
		file=$(find "$1/usr/lib/modules" -name "$name.ko.xz")
		[ -z "$file" ] || xz -dc "$file" >"$2/$name.ko"
	done
}

prepare_debian_kernel() { # FILES RELEASE OUT
	with_toolchain "$root/packaging/dkms/prepare.sh" "$1/usr/src/linux-headers-$2" \
		"$1/usr/src/linux-source-$(series_of "$2").tar.xz" "$3"
	mkdir -p "$3/build/arch/x86/boot"
	cp "$1/usr/lib/modules/$2/vmlinuz" "$3/build/arch/x86/boot/bzImage"
	collect_modules "$1" "$3/build/drivers"
	touch "$3/build/.built"
}

debian_kernel() {
	local version release files key=$root/packaging/dkms/prepare.sh
	[ "$DEBUG" = 0 ] || die "KERNEL=debian is the kernel as Debian ships it: DEBUG= needs another KERNEL="
	[ -e "$cache/debian-kernel" ] || need_space 3000 "Debian's kernel"
	lock_cache debian
	if [ -z "$(find "$cache/debian-kernel" -mtime -1 2>/dev/null)" ]; then
		step debian-kernel "looking for Debian's newest kernel" : find_debian_kernel
	fi
	read -r version release <"$cache/debian-kernel"
	out=$cache/kernels/debian-$version-$(sha256sum "$key" | cut -c 1-8)
	if [ ! -e "$out/build/.built" ]; then
		files=$cache/src/debian-$version
		rm -rf "$cache"/kernels/debian-*
		need_space 2500 "Debian's kernel"
		[ -e "$files/.fetched" ] ||
			start debian-files fetch_debian_kernel "$version" "$release" "$files"
		need_toolchain
		[ -z "${pid[debian-files]:-}" ] ||
			finish debian-files "packages of Linux $release" fetched
		step debian-crates "Rust crates of Linux $release" : \
			prepare_debian_kernel "$files" "$release" "$out"
	fi
	echo "$out/build"
}

# --- the kernel ----------------------------------------------------------

# The name of what DEBUG= asks for, empty for the normal kernel
variant() {
	case $DEBUG in
	0) ;;
	1) echo debug ;;
	kcsan) echo kcsan ;;
	*) die "DEBUG=$DEBUG: 0, 1 or kcsan" ;;
	esac
}

fragments() {
	cat "$here/kernel.config"
	[ -z "$variant" ] || cat "$here/$variant.config"
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
	echo "$version-$cc${variant:+-$variant}-$hash"
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

# One at a time: who comes second finds the work done.
lock_cache() { # WHAT
	mkdir -p "$cache/src"
	exec 9>"$cache/lock-$1"
	flock -n 9 || { say "waiting for another run to leave $cache"; flock 9; }
}

objects_built() {
	echo "$(find "$out" -name '*.o' | wc -l) objects of about $objects"
}

main() {
	local src=${KSRC:-$cache/src/$KERNEL} objects=1350 variant hint=''

	if [ -n "${KDIR:-}" ]; then
		[ -e "$KDIR/include/config/auto.conf" ] ||
			die "KDIR=$KDIR has no build files (include/config/auto.conf): build a kernel there first"
		readlink -f "$KDIR"
		return
	fi
	[ -z "${KSRC:-}" ] || [ -e "$KSRC/Kbuild" ] || die "KSRC=$KSRC is not a kernel source tree"
	if [ "$KERNEL" = debian ] && [ -z "${KSRC:-}" ]; then
		debian_kernel
		return
	fi

	variant=$(variant)
	cc=gcc llvm_make=() uses=(build)
	if [ -n "$variant" ]; then
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

	lock_cache kernels

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
		need_space "$([ -z "$variant" ] && echo 1000 || echo 3000)" "building a kernel"
		step "${out##*/}" "building Linux ${out##*/}" objects_built build "$src" "$out"
	fi
	echo "$out"
}

main
