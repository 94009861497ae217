#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Names the tools that are missing, then installs them:
#
#   deps.sh [build] [cargo] [source] [kernel] [clang] [btf] [crates] [vm] [test] [deb]
#           [debian_root] [image] [lint] [bench] [clients]
#
# Each word is a use. INSTALL=0 only names them. Without apt, or without the
# right to use it, the list is printed and that is an error.
set -euo pipefail
several=y	# kernels, what they need is the same
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=debian.sh
. "$here/debian.sh"

missing=()

# want PACKAGE TEST...: the package is missing unless the test holds.
want() {
	"${@:2}" >/dev/null 2>&1 || missing+=("$1")
}
have() { command -v "$1"; }
header() { echo "#include <$1>" | gcc -E -x c -; }
static_busybox() { [ -x /bin/busybox ] && ! ldd /bin/busybox; }
# The Rust of Debian 12 is too old, but has a newer one beside it, made for web
# browsers.
# shellcheck source=/dev/null
web=$(. /etc/os-release && [ "$ID" = debian ] && [ "${VERSION_ID:-99}" -lt 13 ] && echo -web) || :
rust_src() { [ -e "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ]; }

want_build() {
	want make have make
	want gcc have gcc
	want libc6-dev header stdio.h
	if is_cross; then
		want "gcc-${triplet/_/-}" have "$triplet-gcc"
		want "libc6-dev-$debian_arch-cross" test -e "/usr/$triplet/include/stdio.h"
	fi
	# What builds the module for Debian's kernel is that kernel's own.
	! is_debian_kernel || return 0
	if debian_rust; then
		want "rustc$web" have rustc
		want "rust$web-src" rust_src
	fi
	# What the kernel was built with also builds the module: objtool, modpost.
	want libelf-dev header gelf.h
	# bindgen, for the module's own C as for the kernel's
	want libclang-19-dev libclang
	if debian_rust && [ -z "$web" ]; then
		want bindgen have bindgen
	elif ! have_bindgen; then
		want_cargo	# which builds one
	fi
}

want_cargo() {
	want "cargo$web" have cargo
	want ca-certificates test -d /etc/ssl/certs
}

want_source() {
	want xz-utils have xz
	want ca-certificates test -d /etc/ssl/certs
}

want_kernel() {
	local tool
	for tool in flex bison bc cpio rsync python3 perl; do
		want $tool have $tool
	done
	want kmod have depmod
	want libssl-dev header openssl/opensslv.h
	want_source
}

want_clang() {
	want clang-19 have clang-19
	want lld-19 have ld.lld-19
	want llvm-19 have llvm-objcopy-19
}

want_btf() {
	want dwarves type -P pahole
}

want_vm() {
	want "$qemu_package" have "$qemu"
	is_cross || want busybox-static static_busybox
	want cpio have cpio
}

want_test() {
	want perl have prove
}

want_deb() {
	want dpkg-dev have dpkg-buildpackage
	want debhelper have dh
	want dh-dkms have dh_dkms
}

# The names of lint.sh's checks
want_spdx() { want git have git; }
want_space() { want_spdx; }
want_shellcheck() {
	want_spdx
	want shellcheck have shellcheck
}
want_docs() { want_python; }
want_python() {
	want_spdx
	want python3 have python3
}
want_perl() {
	want_spdx
	want perl have perl
}
want_compared() { want perl have perl; }
want_checkpatch() {
	want_spdx
	want perl have perl
}
want_rustfmt() {
	want_spdx
	! debian_rust || want "rustfmt$web" have rustfmt
}
want_cgwatch() {
	want_cargo
	want_rustfmt
	want_clippy
}
want_clippy() {
	! debian_rust || want "rust$web-clippy" have clippy-driver
}
want_sparse() { want sparse have sparse; }
# rustdoc comes with rustc.
want_doc() { :; }
want_examples() { :; }

want_lint() {
	want_shellcheck
	want_python
	want_checkpatch
	want_cgwatch
	want_sparse
}

want_debian_root() {
	want mmdebstrap have mmdebstrap
	want xz-utils have xz
}

# Where this machine is the Debian whose kernel it is
want_crates() {
	local package
	for package in "${toolchain[@]}"; do
		want "$package" dpkg -s "$package"
	done
}

want_image() {
	want_debian_root
	want e2fsprogs have mke2fs
}

want_clients() {
	want python3-pip python3 -m pip --version
}

want_bench() {
	want perl have perl
	want gnuplot-nox have gnuplot
	# for QEMU's plugin
	want pkg-config have pkg-config
	want libglib2.0-dev pkg-config --exists glib-2.0
}

for use; do
	"want_$use"
done
[ ${#missing[@]} -gt 0 ] || exit 0

mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
say "missing: ${missing[*]}"
[ "${INSTALL:-1}" != 0 ] || die "install these packages (Debian's names), or drop INSTALL=0"
command -v apt-get >/dev/null || die "there is no apt here: install these (Debian's names) by other means"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || die "install these as root: apt-get install ${missing[*]}"
	sudo -v || die "install these as root: apt-get install ${missing[*]}"
	as_root=(sudo)
fi

install_missing() {
	# A mirror that can't be reached matters only if the install then fails.
	"${as_root[@]}" apt-get update -q || :
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
		--no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}"
}
step deps "installing ${missing[*]}" : install_missing
