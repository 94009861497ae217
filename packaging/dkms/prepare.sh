#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes what the module is built against from a distribution's packages:
#
#   prepare.sh HEADERS SOURCE OUT [PATH...]
#
# HEADERS is what the kernel's headers package has: its configuration, its
# symbols, its headers and the tools that build modules. SOURCE is the tarball of
# its source package, of the same version, or an unpacked tree: the headers lack
# the Rust crates and fs/kernfs/kernfs-internal.h. OUT becomes what KDIR= names: links to
# the headers, and beside them, for real, the few files that differ. PATHs of the
# source that somebody else needs come along.
#
# A kernel with Rust exports its crates. Where the rustc and the bindgen that
# built it are here, the module is linked against those: the crates are compiled
# again for what the compiler wants to know of them. For every other kernel they
# are compiled to become part of the module (RKERNFS_CARRY in Kbuild); any rustc
# and bindgen will do then that the kernel's source takes.
#
# What stands against it is one line on stderr, with the remedy. OUT is complete
# once there is OUT/rkernfs.make: the words for make that say what to build modules with.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
# In the package it is beside this; in the project, not.
compare=$here/src/compared/compare.pl
[ -e "$compare" ] || compare=$here/../../src/compared/compare.pl
headers=$1 source=$2 out=$3
shift 3

die() { printf 'rkernfs: %s\n' "$*" >&2; exit 1; }

config_of() { # SYMBOL
	sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$headers/.config"
}

is_on() { # SYMBOL...
	local symbol
	for symbol; do
		[ "$(config_of "$symbol")" = y ] || return 1
	done
}

# --- the kernel ----------------------------------------------------------

check_kernel() {
	[ -e "$headers/Module.symvers" ] ||
		die "$headers has no Module.symvers: apt install linux-headers of that kernel"
	[ -e "$headers/include/config/auto.conf" ] ||
		die "$headers has no include/config/auto.conf: apt install linux-headers of that kernel"
	! { is_on CONFIG_RANDSTRUCT || is_on CONFIG_GCC_PLUGIN_RANDSTRUCT; } ||
		die "the kernel shuffles its structures (CONFIG_RANDSTRUCT), which Rust code cannot follow: it needs a kernel without"
	! { is_on CONFIG_CFI || is_on CONFIG_CFI_CLANG; } || is_on CONFIG_CFI_ICALL_NORMALIZE_INTEGERS ||
		die "the kernel has kCFI without CONFIG_CFI_ICALL_NORMALIZE_INTEGERS, so it would trap calls from Rust: it needs a kernel with that"
}

# --- the tools -----------------------------------------------------------

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

# Those that built the kernel, whose crates the module can then be linked
# against; or those that are here.
find_rust() {
	carry=y
	if is_on CONFIG_RUST && [ "${RKERNFS_CARRY:-}" != y ] &&
		rustc=$(find_tool rustc "$(config_of CONFIG_RUSTC_VERSION_TEXT)") &&
		bindgen=$(find_tool bindgen "$(config_of CONFIG_BINDGEN_VERSION_TEXT)"); then
		carry=
	else
		[ "${RKERNFS_CARRY:-}" != n ] ||
			die "RKERNFS_CARRY=n, but the kernel's crates cannot be linked against: it was built with $(config_of CONFIG_RUSTC_VERSION_TEXT | grep . || echo "no rustc")"
		rustc=$(command -v rustc) || die "rustc is missing: apt install rustc (or set PATH in /etc/default/rkernfs-dkms)"
		bindgen=$(command -v bindgen) || die "bindgen is missing: apt install bindgen (or set PATH in /etc/default/rkernfs-dkms)"
	fi
}

# 1.85.1 as 108501
number_of() { # VERSION
	echo "$1" | awk -F '[.-]' '{ printf "%d%02d%02d\n", $1, $2, $3 }'
}

version_of() { # TOOL
	"$1" --version 2>/dev/null | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1
}

# need_version NAME TOOL: not older than the kernel's source says
need_version() {
	local least
	least=$(cd "$out" && sh scripts/min-tool-version.sh "$1")
	[ "$(number_of "$(version_of "$2")")" -ge "$(number_of "$least")" ] ||
		die "$1 $(version_of "$2") is too old for this kernel, which takes $least or later: $3"
}

check_tools() {
	local cc major
	cc=$(config_of CONFIG_CC_VERSION_TEXT)
	cc=${cc%% *}
	command -v "$cc" >/dev/null || die "the kernel was built with $cc, which is missing: apt install ${cc##*-gnu-}"
	if is_on CONFIG_CC_IS_GCC; then
		major=$(($(config_of CONFIG_GCC_VERSION) / 10000))
		[ "$("$cc" -dumpversion | cut -d . -f 1)" = $major ] ||
			die "the kernel was built with gcc $major, $cc is $("$cc" -dumpfullversion): apt install gcc-$major"
	fi
	need_version rustc "$rustc" "apt install a newer rustc, as rustc-web of Debian 12, or rustup's (PATH in /etc/default/rkernfs-dkms)"
	need_version bindgen "$bindgen" "cargo install --locked bindgen-cli (PATH in /etc/default/rkernfs-dkms)"
	[ -e "$library/core/src/lib.rs" ] ||
		die "the sources of Rust's core library, $library, are missing: apt install rust-src"
	tools=("CC=$cc" "RUSTC=$rustc" "HOSTRUSTC=$rustc" "BINDGEN=$bindgen" "RUST_LIB_SRC=$library"
		${carry:+RKERNFS_CARRY=y})
}

# Debian's rustc-web has its sources beside it.
find_library() {
	library=${RUST_LIB_SRC:-$("$rustc" --print sysroot)/lib/rustlib/src/rust/library}
	[ -e "$library/core/src/lib.rs" ] || library=/usr/src/rustc-$(version_of "$rustc")/library
}

# The newest libclang; bindgen looks for it only where LLVM's packages don't
# put it.
libclang() {
	printf '%s\n' /usr/lib/llvm-*/lib | sort -V | tail -n 1
}

# --- the tree ------------------------------------------------------------

# What the headers packages leave out, of the source; and what the bindings of
# some kernels include from outside of its include/.
wanted=(rust init/Kconfig fs/kernfs scripts/Makefile scripts/generate_rust_target.rs
	scripts/min-tool-version.sh scripts/rust_is_available_bindgen_libclang.h)
of_some=(drivers/base/base.h drivers/android/binder/rust_binder.h
	drivers/android/binder/rust_binder_events.h)

unpack() {
	local top path
	top=$(basename "$source" .tar.xz)
	if [ -d "$source" ]; then
		(cd "$source" && cp -r --parents -t "$out" "${wanted[@]}" "${of_some[@]}" 2>/dev/null) || :
	else
		[ -e "$source" ] || die "$source is missing: apt install $top"
		tar -I 'xz -T0' -xf "$source" -C "$out" --strip-components=1 \
			"${wanted[@]/#/$top/}" "${of_some[@]/#/$top/}" 2>/dev/null || :
	fi
	for path in "${wanted[@]}"; do
		[ -e "$out/$path" ] || die "$source has no $path: it is no source of a kernel that can have Rust, or broken (apt install --reinstall $top)"
	done
}

# merge OUT FOLDER...: links to what the folders have. A folder that several of
# them have, OUT among them, becomes a real one; of a file, that of the last.
merge() {
	local to=$1 name from
	local -A found=()
	shift
	for from; do
		for name in "$from"/* "$from"/.[!.]*; do
			[ -e "$name" ] || continue
			found[${name##*/}]+="$from"$'\n'
		done
	done
	for name in "${!found[@]}"; do
		mapfile -t from < <(printf %s "${found[$name]}")
		if [ ! -e "$to/$name" ] && [ ${#from[@]} = 1 ]; then
			ln -s "${from[0]}/$name" "$to/$name"
		elif [ -d "${from[0]}/$name" ]; then
			mkdir -p "$to/$name"
			merge "$to/$name" "${from[@]/%//$name}"
		elif [ ! -e "$to/$name" ]; then
			ln -s "${from[-1]}/$name" "$to/$name"
		fi
	done
}

# A headers package may have the architecture's part alone, whose Makefile names
# the folder of the rest; a kernel that was built in a folder of its own has a
# link to its source there.
layers() {
	local common
	common=$(sed -n 's/^include \(.*\)\/Makefile$/\1/p' "$headers/Makefile")
	if [ -e "$headers/source" ]; then
		readlink -f "$headers/source"
	elif [ -n "$common" ]; then
		readlink -f "$headers/../${common##*/}"
	fi
	echo "$headers"
}

# What the kernel's Makefile says that it is, and what the headers are of
check_version() { # MAKEFILE
	local version release
	version=$(awk '$2 == "=" { v[$1] = $3 } /^EXTRAVERSION/ { exit }
		END { print v["VERSION"] "." v["PATCHLEVEL"] "." v["SUBLEVEL"] }' "$1")
	release=$(sed -n 's/^#define UTS_RELEASE "\(.*\)"/\1/p' "$headers/include/generated/utsrelease.h")
	[ "${release#"$version"}" != "$release" ] ||
		die "$(basename "$source") is of Linux $version, the kernel is $release: install linux-source of its version"
}

make_tree() {
	local folders
	rm -rf "$out"
	# A real one, as an #include goes up from it: to drivers/base/base.h.
	mkdir -p "$out/include/uapi" "$out/include/generated"
	wanted+=(Makefile "$@")
	# include/ is among the headers. A file that is missing lacks what is looked for.
	mapfile -t -O ${#of_some[@]} of_some < <(perl "$compare" files | grep -v '^include/')
	unpack
	check_version "$out/Makefile"
	mapfile -t folders < <(layers)
	# The distribution's own, which may say more.
	rm "$out/Makefile"
	cp "${folders[0]}/Makefile" "$out/"
	merge "$out" "${folders[@]}"
	configure
}

# What Kconfig would say with the rustc that is here
rust_options() {
	local version
	version=$(number_of "$(version_of "$rustc")")
	cat <<-EOF
		CONFIG_RUST=y
		CONFIG_RUST_OVERFLOW_CHECKS=y
		CONFIG_RUSTC_VERSION=$version
		CONFIG_RUSTC_LLVM_VERSION=$(number_of "$("$rustc" --version --verbose | sed -n 's/^LLVM version: //p')")
		CONFIG_RUSTC_VERSION_TEXT="$("$rustc" --version)"
		CONFIG_BINDGEN_VERSION_TEXT="$("$bindgen" --version)"
	EOF
	awk -v "version=$version" '$1 == "config" { symbol = $2 }
		$1 " " $2 " " $3 == "def_bool RUSTC_VERSION >=" && version >= $4 {
			print "CONFIG_" symbol "=y"
		}' "$out/init/Kconfig"
}

# The kernel's configuration, but for what it says of Rust, which no header asks
# for. An empty file for each option, as there are six thousand, is for the
# kernel's own objects alone.
configure() {
	local file own='CONFIG_(RUST|RUST_OVERFLOW_CHECKS|RUSTC_[A-Z_]*|BINDGEN_VERSION_TEXT)(=|$)'
	rm "$out/include/config" "$out/include/generated/rustc_cfg"
	mkdir "$out/include/config"
	cp "$headers/include/config/kernel.release" "$out/include/config/"
	for file in include/config/auto.conf include/generated/rustc_cfg; do
		if [ -n "$carry" ]; then
			grep -vE "^(--cfg=)?$own" "$headers/$file"
		else
			cat "$headers/$file"
		fi >"$out/$file"
	done
	if [ -n "$carry" ]; then
		rust_options >>"$out/include/config/auto.conf"
		rust_options | sed 's/^\(.*\)=y$/--cfg=\1\n--cfg=\1="y"/; t; s/^\(.*\)=\([0-9]*\)$/--cfg=\1="\2"/; t
			s/^/--cfg=/' >>"$out/include/generated/rustc_cfg"
	fi
	# Newer than .config: Kconfig has nothing to do.
	touch "$out/include/config/auto.conf.cmd"
}

# --- the crates ----------------------------------------------------------

# By the kernel's own rust/Makefile. Where they become part of the module, only
# what is reached does, and objtool sees all of it at once.
build_crates() {
	local crates=rust/kernel.o
	[ -n "$carry" ] || crates+=" rust/exports_core_generated.h rust/exports_bindings_generated.h rust/exports_kernel_generated.h"
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL LIBCLANG_PATH="${LIBCLANG_PATH:-$(libclang)}" \
		make --no-print-directory -j"$(nproc)" -C "$out" -f Makefile -f "$here/crates.mk" "${tools[@]}" \
		${carry:+KRUSTFLAGS=-Zfunction-sections=y objtool-enabled=} CRATES="$crates" rkernfs-crates ||
		die "$("$rustc" --version) and $("$bindgen" --version) do not build this kernel's Rust crates: take those that its version was made for (PATH in /etc/default/rkernfs-dkms)"
}

# The crates' symbols have hashes in their names, of the compiler and all that
# went in. Those of the kernel are what the module will be linked with.
compare_symbols() {
	local missing
	missing=$(sed -n 's/^EXPORT_SYMBOL_RUST_GPL(\(.*\));$/\1/p' "$out"/rust/exports_*_generated.h | sort -u |
		comm -23 - <(cut -f 2 "$headers/Module.symvers" | sort -u))
	[ -z "$missing" ] ||
		die "$(echo "$missing" | wc -l) symbols of the Rust crates are not in this kernel ($(echo "$missing" | head -n 1)): it was built from other sources or by another rustc; apt install the same version of linux-image, linux-headers and linux-source"
}

headers=$(readlink -f "$headers")
check_kernel
find_rust
find_library
make_tree "$@"
perl "$compare" check "$out" || exit
check_tools
build_crates
[ -n "$carry" ] || compare_symbols
printf '%s\n' "${tools[@]}" >"$out/rkernfs.make"
