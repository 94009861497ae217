#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Removals that Linux 7.3 does not report to who watches what is removed, a few
# lines each. Needs root, cgroup2 with the memory controller, busybox's inotifyd.
#
#   make vm KERNEL=7.3 MODULE=0 ADD=upstream/lost.sh RUN='sh /add/lost.sh'
cd /sys/fs/cgroup || exit
echo +memory >cgroup.subtree_control
mkdir lost

# What it is, the watched file, and the command that removes it
watch()
{
	echo +memory >lost/cgroup.subtree_control
	mkdir lost/child
	inotifyd - "$2:D" >/tmp/events &
	sleep 1
	eval "$3"
	sleep 1
	kill $! 2>/dev/null
	if grep -q ^D /tmp/events; then
		echo "reported: $1"
	else
		echo "LOST:     $1"
	fi
	[ ! -d lost/child ] || rmdir lost/child
}

reclaim()
{
	for _ in 1 2 3 4 5 6; do
		echo 2 >/proc/sys/vm/drop_caches
	done
}

file=lost/child/memory.events
watch 'rmdir of the cgroup' $file 'rmdir lost/child'
watch 'rmdir of the cgroup, after memory reclaim' $file 'reclaim; rmdir lost/child'
watch 'rmdir of the cgroup, the file is held open and then closed' $file \
	'exec 3<lost/child/memory.events; rmdir lost/child; exec 3<&-'
watch 'the memory controller is turned off' $file 'echo -memory >lost/cgroup.subtree_control'
if [ -d /sys/devices/system/cpu/cpu1/topology ]; then
	watch 'a CPU is taken offline' /sys/devices/system/cpu/cpu1/topology/core_id \
		'echo 0 >/sys/devices/system/cpu/cpu1/online'
	echo 1 >/sys/devices/system/cpu/cpu1/online
fi
rmdir lost
