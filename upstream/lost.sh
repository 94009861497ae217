#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What Linux 7.3 does not report to who watches, a few lines each. Needs root, cgroup2
# with the memory controller, and samples/watch.c beside it:
#
#   gcc -static -o build/watch samples/watch.c
#   make vm KERNEL=7.3 MODULE=0 ADD='build/watch upstream/lost.sh' RUN='sh /add/lost.sh'
tool=$(cd "$(dirname "$0")" && pwd)/watch
cd /sys/fs/cgroup || exit
echo +memory >cgroup.subtree_control
mkdir lost

# What it is, what is watched, the command that removes or changes it, and the event
watch()
{
	echo +memory >lost/cgroup.subtree_control
	mkdir lost/child
	"$tool" -m IN_DELETE_SELF,IN_MODIFY -t 5 "$2" >/tmp/events &
	sleep 1
	eval "$3"
	sleep 1
	kill $! 2>/dev/null
	if grep -q "${4:-IN_DELETE_SELF}" /tmp/events; then
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
watch 'a change of a file that nobody looked up, to a watch of its directory' lost/child \
	'(echo 0 >lost/child/cgroup.procs)' 'IN_MODIFY.*cgroup.events$'
if [ -d /sys/devices/system/cpu/cpu1/topology ]; then
	watch 'a CPU is taken offline' /sys/devices/system/cpu/cpu1/topology/core_id \
		'echo 0 >/sys/devices/system/cpu/cpu1/online'
	echo 1 >/sys/devices/system/cpu/cpu1/online
fi
rmdir lost
