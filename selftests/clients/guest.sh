#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# In the guest: each case with the patch disabled, then enabled, in one boot.
# A case is a command; it prints lines "result KEY VALUE". Output: lines
# "client CASE disabled|enabled KEY VALUE".
#
#   guest.sh CASE...
patch=/sys/kernel/livepatch/rkernfs

# A livepatch that was disabled is loaded anew.
switch_on() {
	if [ -e /rkernfs.ko ]; then insmod /rkernfs.ko; else modprobe rkernfs; fi || return
	while [ "$(cat $patch/transition)" != 0 ]; do sleep 0.1; done
}

switch_off() {
	[ ! -e $patch/enabled ] || echo 0 >$patch/enabled
	while [ -e $patch ]; do sleep 0.1; done
	[ ! -d /sys/module/rkernfs ] || rmmod rkernfs
}

run() { # enabled|disabled CASE
	# shellcheck disable=SC2086 # a case is words
	PATH=/add:$PATH timeout 300 $2 >/tmp/client.out 2>&1
	status=$?
	echo "client $2 | $1 | status | $status"
	sed -n "s/^result \([a-z_]*\) \(.*\)/client $2 | $1 | \1 | \2/p; s/^sample /sample $2 | $1 | /p" /tmp/client.out
	[ $status = 0 ] || sed "s/^/# /" /tmp/client.out
}

for case in "$@"; do
	switch_off || exit
	run disabled "$case"
	switch_on || exit
	run enabled "$case"
done
