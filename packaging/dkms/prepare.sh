#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes what a module with Rust is built against from a distribution's packages:
#
#   prepare.sh HEADERS SOURCE OUT
#
# HEADERS is the folder of the kernel's headers package, SOURCE the tarball of
# its source package, of the same version. The former has the configuration and
# the symbols of the kernel as it was built, but neither the Rust crates nor
# fs/kernfs/kernfs-internal.h. OUT/build becomes what KDIR= names, with all of
# that; OUT/source is what it was built from.
#
# The crates must come out as they did in that kernel. What stands against that
# is told in one line on stderr, with the remedy. What is made is complete once
# there is OUT/tools, the words for make that say what to build modules with.
set -euo pipefail

headers=$1 tarball=$2 out=$3
build=$out/build src=$out/source

die() { printf 'rkernfs: %s\n' "$*" >&2; exit 1; }

config_of() { # SYMBOL
	sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$headers/.config"
}

# --- the tools that built the kernel -------------------------------------

# find_tool NAME TEXT: prints the one that calls itself TEXT, of that in PATH
# (which may be rustup's) and Debian's.
find_tool() {
	local tool
	for tool in "$(command -v "$1" || :)" "/usr/bin/$1"; do
		if [ -x "$tool" ] && [ "$("$tool" --version 2>/dev/null)" = "$2" ]; then
			echo "$tool"
			return
		fi
	done
	return 1
}

version_here() { # NAME
	"$1" --version 2>/dev/null || echo "no $1"
}

check_tools() {
	local needed
	needed=$(config_of CONFIG_RUSTC_VERSION_TEXT)
	rustc=$(find_tool rustc "$needed") ||
		die "the kernel was built with $needed, here is $(version_here rustc): apt install rustc (or set PATH in /etc/default/rkernfs-dkms)"
	[ -e "$("$rustc" --print sysroot)/lib/rustlib/src/rust/library/core/src/lib.rs" ] ||
		die "the sources of Rust's core library are missing: apt install rust-src"
	needed=$(config_of CONFIG_BINDGEN_VERSION_TEXT)
	bindgen=$(find_tool bindgen "$needed") ||
		die "the kernel was built with $needed, here is $(version_here bindgen): apt install bindgen (or set PATH in /etc/default/rkernfs-dkms)"
	cc=$(config_of CONFIG_CC_VERSION_TEXT)
	cc=${cc%% *}
	tools=("CC=$cc" "RUSTC=$rustc" "HOSTRUSTC=$rustc" "BINDGEN=$bindgen")
	command -v "$cc" >/dev/null || die "the kernel was built with $cc, which is missing: apt install ${cc##*-gnu-}"
}

# The newest libclang; bindgen looks for it only where LLVM's packages don't
# put it.
libclang() {
	printf '%s\n' /usr/lib/llvm-*/lib | sort -V | tail -n 1
}

# --- source --------------------------------------------------------------

# Neither the crates nor Kconfig need what drivers are made of: a fifth of it.
unpack() {
	local top
	top=$(basename "$tarball" .tar.xz)
	mkdir -p "$src"
	tar -xJf "$tarball" -C "$src" --strip-components=1 --wildcards --anchored \
		--exclude="$top/drivers/*.[cS]" --exclude="$top/drivers/gpu/drm/*/*.h" \
		--exclude="$top/sound/*.[ch]" --exclude="$top/Documentation/*/*" \
		--exclude="$top/net/*.[cS]" --exclude="$top/fs/*/*.c" --exclude='*.dts*'
}

# --- build ---------------------------------------------------------------

# Without what the caller's make said
kmake() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL LIBCLANG_PATH="${LIBCLANG_PATH:-$(libclang)}" \
		make -j"$(nproc)" -C "$src" O="$build" "${tools[@]}" "$@"
}

configure() {
	local version release
	mkdir -p "$build"
	cp "$headers/.config" "$build/.config"
	cp "$headers/Module.symvers" "$build/"
	chmod u+w "$build/.config"
	version=$(env -u MAKEFLAGS make -s -C "$src" kernelversion)
	release=$(sed -n 's/^#define UTS_RELEASE "\(.*\)"/\1/p' "$headers/include/generated/utsrelease.h")
	[ "${release#"$version"}" != "$release" ] ||
		die "$(basename "$tarball") is of Linux $version, the kernel is $release: install linux-source of its version"
	echo "${release#"$version"}" >"$build/localversion"
	kmake olddefconfig
	compare_configs
}

# Kconfig asks the tools what they can. What they answer must be what was
# answered when the kernel was built, but for what no module is made of.
compare_configs() {
	local differ
	differ=$(diff <(grep ^CONFIG_ "$headers/.config" | sort) <(grep ^CONFIG_ "$build/.config" | sort) |
		sed -n 's/^[<>] \(CONFIG_[A-Z0-9_]*\)=.*/\1/p' | sort -u |
		grep -vE '^CONFIG_(OPENSSL_SUPPORTS_ML_DSA|MODULE_SIG_KEY_TYPE_MLDSA_.*|CC_VERSION_TEXT|CC_CAN_LINK|(THUMB2_)?COMPAT_VDSO)$') || :
	[ -z "$differ" ] ||
		die "the tools here give another configuration than the kernel's ($(echo "$differ" | head -n 4 | tr '\n' ' ')...): apt install those that it was built with (gcc, rustc, bindgen, pahole, binutils)"
}

# The crates' symbols have hashes in their names, of the compiler and all that
# went in. Those of the kernel are what the module will be linked with.
compare_symbols() {
	local missing
	missing=$(sed -n 's/^EXPORT_SYMBOL_RUST_GPL(\(.*\));$/\1/p' "$build"/rust/exports_*_generated.h | sort -u |
		comm -23 - <(cut -f 2 "$headers/Module.symvers" | sort -u))
	[ -z "$missing" ] ||
		die "$(echo "$missing" | wc -l) symbols of the Rust crates are not in this kernel ($(echo "$missing" | head -n 1)): it was built from other sources or by another rustc; apt install the same version of linux-image, linux-headers and linux-source"
}

headers=$(readlink -f "$headers")
[ -e "$headers/Module.symvers" ] || die "$headers has no Module.symvers: apt install linux-headers of that kernel"
[ -e "$tarball" ] || die "$tarball is missing: apt install $(basename "$tarball" .tar.xz)"
check_tools
rm -rf "$out"
unpack
configure
kmake prepare modules_prepare
compare_symbols
# With it, modules get their own BTF.
[ ! -e "$headers/vmlinux" ] || ln -s "$headers/vmlinux" "$build/vmlinux"
# For make, when a module is built
printf '%s\n' "${tools[@]}" >"$out/tools"
