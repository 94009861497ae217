#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints the folder of the kernel KERNEL= (7.1 or later) whose own removal does
# not look for inodes, and so tells nobody: what is left then is what any
# removal costs. Built once, of a copy of the source.
set -euo pipefail
: "${KERNEL:=7.3}"
# shellcheck source=../qemu/lib.sh
. "$(dirname "$0")/../qemu/lib.sh"

tree=$("$here/kernel.sh" source)
copy=$cache/src/$KERNEL-limit

if [ ! -e "$copy/.limited" ]; then
	rm -rf "$copy"
	# Links: sed writes files of their own.
	cp -al "$tree" "$copy"
	sed -i '/^static void kernfs_clear_inode_nlink/,/^}/s/^\tlockdep_assert.*/\treturn;/' \
		"$copy/fs/kernfs/dir.c"
	! cmp -s "$tree/fs/kernfs/dir.c" "$copy/fs/kernfs/dir.c" ||
		die "Linux $KERNEL has no kernfs_clear_inode_nlink() to empty"
	# a name, and so a folder, of its own
	sed -i 's/^EXTRAVERSION =.*/EXTRAVERSION = -limit/' "$copy/Makefile"
	touch "$copy/.limited"
fi
unset KDIR KSRC
KERNEL=$KERNEL-limit "$here/kernel.sh"
