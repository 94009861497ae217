#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What DKMS runs:
#
#   build.sh check|build|clean KDIR
#
# Rust code must be compiled by the very rustc that compiled the kernel. One
# that root's PATH does not have, as rustup's, is found through
# /etc/default/rkernfs-dkms:
#
#   PATH=/home/me/.cargo/bin:$PATH RUSTUP_HOME=/home/me/.rustup
set -euo pipefail
settings=/etc/default/rkernfs-dkms

die() { printf 'rkernfs: %s\n' "$*" >&2; exit 1; }

action=$1 KDIR=$2
set -a
# shellcheck source=/dev/null
[ ! -e $settings ] || . $settings
set +a

config_of() { # SYMBOL
	sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$KDIR/include/config/auto.conf"
}

check() {
	local needed here
	[ -e "$KDIR/Module.symvers" ] || die "$KDIR has no Module.symvers: that kernel is not built"
	needed=$(config_of CONFIG_RUSTC_VERSION_TEXT)
	here=$(rustc --version 2>/dev/null) || here="no rustc"
	[ "$needed" = "$here" ] ||
		die "the kernel was built with $needed, here is $here; $settings can set PATH"
	command -v bindgen >/dev/null || die "bindgen is missing; $settings can set PATH"
}

# The newest libclang; bindgen looks for it only where LLVM's packages don't
# put it.
libclang() {
	local dirs
	mapfile -t dirs < <(printf '%s\n' /usr/lib/llvm-*/lib | sort -V)
	echo "${dirs[-1]}"
}

compiler() {
	local major
	[ "$(config_of CONFIG_CC_IS_CLANG)" = y ] || return 0
	major=$(($(config_of CONFIG_CLANG_VERSION) / 10000))
	command -v "clang-$major" >/dev/null && echo "LLVM=-$major" || echo LLVM=1
}

build() {
	local llvm
	mapfile -t llvm < <(compiler)
	: "${LIBCLANG_PATH:=$(libclang)}"
	export LIBCLANG_PATH RKERNFS_SAMPLES=n
	make -j"$(nproc)" -C "$KDIR" M="$PWD" "${llvm[@]}" modules
}

case $action in
check)	check ;;
build)	check && build ;;
clean)	make -C "$KDIR" M="$PWD" clean ;;
*)	die "what to $action?" ;;
esac
