#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints the folder of a built dev kernel, after fetching, configuring and
# building whatever the cache doesn't have yet; "kernel.sh source" that of the
# source alone.
#
#   KERNEL=6.12, 7.3, ...             which of Debian's kernel sources
#   KERNEL=stable, KERNEL=backports   the kernel that Debian ships; none is built
#   DEBUG=1, DEBUG=kcsan              with debug.config, kcsan.config, built by clang
#   ARCH=                             not this machine's: arm64, x86_64; built by clang
#   KCONFIG=                          files of more options, as debug.config is one
#   RKERNFS_CARRY=y                   with crates for the module to carry, though it has some
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

# --- Debian's own kernels ------------------------------------------------

# What linux-image-amd64 is today, in stable or in backports: "VERSION RELEASE",
# for example 7.3.4-1~bpo13+1 7.3.4+deb13-amd64. The archive is asked once a day.
newest=$cache/debian-$KERNEL$of_arch
find_debian_kernel() {
	local version release package=linux-image-$debian_arch
	update_lists
	version=$(version_of "$package")
	release=$(apt-cache "${apt[@]}" show "$package=$version" |
		sed -n 's/^Depends: .*\blinux-image-\([^ ,]*\).*/\1/p' | head -n 1)
	[ -n "$release" ] || { echo "the machine's Debian mirror has no $package"; return 1; }
	echo "$(version_of "linux-image-$release") $release" >"$newest"
}

# The image may be a package of its own, or one of two that linux-image is
# made of. The headers name those that they share with other flavours.
packages_of_kernel() { # VERSION RELEASE
	local package
	for package in "linux-image-$2" "linux-binary-$2" "linux-modules-$2"; do
		[ -z "$(version_of "$package" "$1")" ] || echo "$package"
	done
	echo "linux-headers-$2"
	apt-cache "${apt[@]}" show "linux-headers-$2=$1" | sed -n 's/^Depends: //p' |
		grep -oE 'linux-(headers-[^ ,]*-common|kbuild-[^ ,]*)' | sort -u
	echo "linux-source-$(series_of "$2")"
}

fetch_debian_kernel() { # VERSION RELEASE FILES
	local package
	update_lists
	rm -rf "$3"
	for package in $(packages_of_kernel "$1" "$2"); do
		unpack "$package" "$1" "$3"
	done
	touch "$3/.fetched"
}

# Modules that tests insert; the dev kernels have them in their tree. Those that
# are there from an earlier run stay.
collect_modules() { # FILES TO
	local name file
	mkdir -p "$2"
	for name in dummy lkdtm overlay; do
		[ ! -e "$2/$name.ko" ] || continue
		file=$(find "$1/usr/lib/modules" -name "$name.ko.xz") || :
		[ -z "$file" ] || xz -dc "$file" >"$2/$name.ko"
	done
}

# What modules are built against, with what tests need of the kernel's source
prepare_debian_kernel() { # FILES RELEASE OUT
	local source boot
	source=linux-source-$(series_of "$2")
	with_toolchain env "${arch_make[@]}" ${RKERNFS_CARRY:+RKERNFS_CARRY="$RKERNFS_CARRY"} \
		${RKERNFS_UNREVIEWED:+RKERNFS_UNREVIEWED="$RKERNFS_UNREVIEWED"} "$root/packaging/dkms/prepare.sh" \
		"$1/usr/src/linux-headers-$2" "$1/usr/src/$source.tar.xz" "$3" tools/testing/selftests .rustfmt.toml
	mkdir -p "$(dirname "$3/$image")"
	for boot in "$1/boot/vmlinuz-$2" "$1/usr/lib/modules/$2/vmlinuz"; do
		[ ! -e "$boot" ] || cp "$boot" "$3/$image"
	done
	touch "$3/.built"
}

debian_kernel() {
	local version release files name=$KERNEL${RKERNFS_CARRY:+-carry-$RKERNFS_CARRY}
	local key=$root/packaging/dkms/prepare.sh
	[ "$DEBUG" = 0 ] || die "KERNEL=$KERNEL is a kernel as Debian ships it: DEBUG= needs another KERNEL="
	! is_cross || die "KERNEL=$KERNEL is a kernel as Debian ships it, which has no livepatch on $ARCH: KERNEL=${arch_kernels##* } has"
	[ -e "$newest" ] || need_space 3000 "Debian's kernel"
	lock_cache "debian-$KERNEL$of_arch"
	if [ -z "$(find "$newest" -mtime -1 2>/dev/null)" ]; then
		step "debian-$KERNEL" "looking for Debian's kernel ($KERNEL)" : find_debian_kernel
	fi
	read -r version release <"$newest"
	out=$cache/kernels/$name-$version-$(cat "$key" <("$root/src/compared/compare.pl" files) | sha256sum | cut -c 1-8)
	files=$cache/src/$KERNEL-$version
	if [ ! -e "$out/.built" ]; then
		# Another checkout may have other crates of it.
		find "$cache/kernels" -maxdepth 1 -name "$name-[0-9]*" -mtime +1 -exec rm -rf {} + 2>/dev/null || :
		rm -rf "$out"
		need_space 2500 "Debian's kernel"
		[ -e "$files/.fetched" ] ||
			start "debian-files-$KERNEL" fetch_debian_kernel "$version" "$release" "$files"
		need_toolchain
		[ -z "${pid[debian-files-$KERNEL]:-}" ] ||
			finish "debian-files-$KERNEL" "packages of Linux $release" fetched
		step "debian-crates-$name" "Rust crates of Linux $release" : \
			prepare_debian_kernel "$files" "$release" "$out"
	fi
	collect_modules "$files" "$out/drivers"
	echo "$out"
}

# --- the kernel ----------------------------------------------------------

# The name of what DEBUG= asks for, empty for the normal kernel
variant() {
	case $DEBUG in
	0) ;;
	1) echo debug ;;
	kcsan) echo kcsan ;;
	esac
}

fragments() {
	local file files=(kernel.config "kernel.$ARCH.config")
	[ -z "$variant" ] || files+=("$variant.config" "$variant.$ARCH.config")
	for file in "${files[@]/#/$here/}" ${KCONFIG:-}; do
		[ ! -e "$file" ] || cat "$file"
	done
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
	echo "$version$of_arch-$cc${variant:+-$variant}-$hash"
}

# Kconfig would refuse it, too, without the reason.
check_livepatch() { # SOURCE
	grep -q 'select HAVE_LIVEPATCH' "$1/${image%/boot/*}/Kconfig" ||
		die "Linux $(source_version "$1") has no livepatch on $ARCH, so rkernfs could replace nothing in it: take KERNEL=${arch_kernels##* }"
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
	kmake -C "$1" O="$2" "${llvm_make[@]}" "${image##*/}" modules
	kmake -C "$1" O="$2" "${llvm_make[@]}" headers
	touch "$2/.built"
}

objects_built() {
	echo "$(find "$out" -name '*.o' | wc -l) objects of about $objects"
}

need_source() { # SOURCE
	[ ! -e "$1/Kbuild" ] || return 0
	need_space 3000 "the kernel's source"
	hint="KSRC= takes any source tree" \
		step "source-$KERNEL" "source of Linux $KERNEL" fetched fetch_source "$1"
}

main() {
	local src=${KSRC:-$cache/src/$KERNEL} objects=1350 variant hint=''

	if [ -n "${KDIR:-}" ]; then
		[ -e "$KDIR/include/config/auto.conf" ] ||
			die "KDIR=$KDIR has no build files (include/config/auto.conf): build a kernel there first"
		KDIR=$(readlink -f "$KDIR")
		if [ "${1:-}" = source ]; then source_of "$KDIR"; else echo "$KDIR"; fi
		return
	fi
	[ -z "${KSRC:-}" ] || [ -e "$KSRC/Kbuild" ] || die "KSRC=$KSRC is not a kernel source tree"
	if is_debian_kernel; then
		debian_kernel
		return
	fi

	[ -z "${KSRC:-}" ] || check_livepatch "$KSRC"
	if [ "${1:-}" = source ]; then
		if [ ! -e "$src/Kbuild" ]; then
			lock_cache sources
			"$here/deps.sh" source
			need_source "$src"
		fi
		echo "$src"
		return
	fi

	variant=$(variant)
	cc=gcc llvm_make=() uses=(build)
	if [ -n "$variant" ] || is_cross; then
		cc=clang-$llvm llvm_make=("LLVM=-$llvm") uses+=(clang)
	fi
	! asked | grep -qx CONFIG_DEBUG_INFO_BTF=y || uses+=(btf)
	"$here/deps.sh" "${uses[@]}"
	rustc_version=$(rustc --version | awk '{ print $2 }')
	at_least "$rustc_version" 1.78 ||
		die "rustc $rustc_version is too old: 1.78 is needed, 1.85 for Linux 7.3"

	if [ -e "$src/Kbuild" ] && [ -z "${KSRC:-}" ]; then
		out=$cache/kernels/$(key "$src")
		[ ! -e "$out/.built" ] || { echo "$out"; return; }
	fi

	lock_cache sources

	"$here/deps.sh" kernel
	use_libclang
	# Beside the download: each takes about a minute.
	have_bindgen || begin_bindgen
	need_source "$src"
	find_rust_src
	[ -z "${pid[bindgen]:-}" ] || finish_bindgen

	check_livepatch "$src"
	lock_cache "kernels$of_arch"
	out=$cache/kernels/$(key "$src")
	if [ ! -e "$out/.built" ] || [ -n "${KSRC:-}" ]; then
		need_space "$([ -z "$variant" ] && echo 1000 || echo 3000)" "building a kernel"
		step "${out##*/}" "building Linux ${out##*/}" objects_built build "$src" "$out"
	fi
	echo "$out"
}

main "$@"
