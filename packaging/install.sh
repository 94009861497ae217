#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs the module for the running kernel, for the built tree KDIR= or for
# the dev kernel KERNEL=, as modules_install does; "install.sh remove" takes
# it away. INSTALL_MOD_PATH= is put before /lib/modules.
set -euo pipefail
running=
[ -n "${KDIR:-}${KERNEL:-}" ] || running=/lib/modules/$(uname -r)/build
# shellcheck source=../selftests/qemu/lib.sh
. "$(dirname "$0")/../selftests/qemu/lib.sh"

: "${INSTALL_MOD_PATH:=}"
[ -z "$INSTALL_MOD_PATH" ] || [ -d "$INSTALL_MOD_PATH" ] ||
	die "INSTALL_MOD_PATH=$INSTALL_MOD_PATH: no such folder"
[ -z "$running" ] || [ -e "$running" ] ||
	die "$running is missing: apt install linux-headers-$(uname -r), or KDIR= names the built tree of the kernel to install for"
KDIR=$(KDIR=${KDIR:-$running} "$here/kernel.sh")
release=$(cat "$KDIR/include/config/kernel.release")
modules=$INSTALL_MOD_PATH/lib/modules/$release

[ -w "$INSTALL_MOD_PATH/" ] || die "no right to write to $modules"

# modules_install compresses it where the kernel says so.
installed() {
	compgen -G "$modules/updates/rkernfs.ko*"
}

case ${1:-install} in
install)
	export KDIR INSTALL_MOD_PATH RKERNFS_SAMPLES=n
	ko=$("$here/module.sh")
	# Only who built the kernel has the key that its modules are signed with.
	unsigned=()
	[ -e "$KDIR/certs/signing_key.pem" ] || unsigned=(CONFIG_MODULE_SIG_ALL=)
	kmake -s -C "$KDIR" M="$(dirname "$ko")" "${unsigned[@]}" modules_install >&2
	say "$(installed): modprobe rkernfs loads it; packaging/modules-load.d/ at every boot"
	;;
remove)
	files=$(installed) || die "there is no rkernfs.ko in $modules/updates"
	# shellcheck disable=SC2086 # a path without spaces a word
	rm -f $files
	say "$files: removed"
	;;
esac
# modules_install leaves that out where the tree has no System.map.
depmod ${INSTALL_MOD_PATH:+-b "$INSTALL_MOD_PATH"} "$release"
