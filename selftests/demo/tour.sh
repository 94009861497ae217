#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A tour of rkernfs's own file system: each way to remove its nodes, and the
# events of their watches. Ends non-zero if one saw something else.
#
# Usage: tour.sh	the program watch lies beside this file

here=$(cd "$(dirname "$0")" && pwd)
work=/tmp/rkernfs-tour.$$
both="IN_DELETE_SELF IN_IGNORED"
nr=0
wrong=0

# The events of one path, in order
events_of()
{
	awk -v path="$1" '$NF == path && $2 != "watching" { printf "%s%s", sep, $2; sep = " " }' \
		$work/events
}

# How many watches there are so far
nr_watching()
{
	grep -c ' watching ' $work/events
}

# step COMMAND EVENTS SECONDS PATH...: runs the command with the paths
# watched, each of which must get EVENTS within that time.
step()
{
	command=$1 wanted=$2 patience=$3
	shift 3
	nr=$((nr + 1))
	: >$work/events
	"$here/watch" -m IN_DELETE_SELF -t "$patience" "$@" >$work/events 2>/dev/null &
	until [ "$(nr_watching)" = $# ]; do
		sleep 0.05
	done
	echo "$nr. $command"
	eval "$command" || wrong=1
	wait $!
	for path; do
		got=$(events_of "$path")
		printf '   %-17s %s\n' "$path" "${got:-nothing, as it still exists}"
		[ "$got" = "$wanted" ] || {
			echo "   ^ wrong, expected: ${wanted:-nothing}"
			wrong=1
		}
	done
}

mkdir -p $work/fs
cd $work || exit 1
mount -t rkernfs none fs || exit 1
trap 'umount fs; cd /; rm -rf $work' EXIT

echo "A tour of the rkernfs file system: the events of each way to remove"
mkdir fs/web fs/web/log
step "rmdir fs/web/log" "$both" 10 fs/web/log/value fs/web/log
echo +aux >fs/web/control
step "echo -aux >fs/web/control" "$both" 10 fs/web/aux
step "echo 1 >fs/web/hide; echo 0 >fs/web/hide" "" 1 fs/web/value
mkdir fs/web/log
step "echo 1 >fs/web/remove" "$both" 10 fs/web/log/value fs/web/log fs/web/value fs/web
mkdir fs/web
step "umount fs" "IN_UNMOUNT IN_IGNORED" 10 fs/web/value
mount -t rkernfs none fs
rmdir fs/web
[ $wrong = 0 ] && echo "Every watch got its events."
exit $wrong
