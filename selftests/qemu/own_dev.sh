#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
#   own_dev.sh FOLDER
#
# Mounts a /dev of its own on FOLDER, for who works as root in another root: what
# removes, replaces or changes devices there does not reach this machine's. Its
# nodes are bound read-only, so even their modes stay. Needs a mount namespace of
# one's own (unshare -m), which they end with.
set -e
new=$(mktemp -d)
mount -t tmpfs -o mode=755 dev "$new"
for node in null zero full random urandom tty; do
	: >"$new/$node"
	mount --bind "/dev/$node" "$new/$node"
	mount -o remount,bind,ro "$new/$node"
done
mkdir -m 1777 "$new/shm"
mkdir "$new/pts"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$new/pts"
ln -s pts/ptmx "$new/ptmx"
ln -s /proc/self/fd "$new/fd"
ln -s fd/0 "$new/stdin"
ln -s fd/1 "$new/stdout"
ln -s fd/2 "$new/stderr"
mount --move "$new" "$1"
rmdir "$new"
