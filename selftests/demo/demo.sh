#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Which events a watcher of cgroup files gets when they are removed: from the
# unpatched kernel, then from the same kernel with rkernfs loaded. Ends non-zero
# if, with rkernfs, an event is missed, duplicated, premature or out of order.
#
# Usage: demo.sh [MODULE]	watch, steps, hierarchy and tour.sh lie beside this file

here=$(cd "$(dirname "$0")" && pwd)
module=${1:-/rkernfs.ko}
skipped=
work=/tmp/rkernfs-demo.$$
debugfs_stats=/sys/kernel/debug/rkernfs/stats
tab=$(printf '\t')

fail()
{
	echo "demo: $*" >&2
	exit 1
}

# The counters are in the root of the pseudo file system or, before that
# exists, in debugfs.
print_stats()
{
	if [ -r $debugfs_stats ]; then
		cat $debugfs_stats
	elif mount -t rkernfs none $work/mnt 2>/dev/null; then
		cat $work/mnt/stats
		umount $work/mnt
	fi
}

nodes_removed()
{
	print_stats | awk '$1 == "nodes_removed" { print $2 }'
}

# How long the watcher waits for events that may never come, in milliseconds
patience()
{
	[ "$1" = with ] && echo 10000 || echo 700
}

run_steps()
{
	"$here/steps" "$here/watch" "$(patience "$1")" >"$work/$1" ||
		fail "the steps ended with status $?"
}

# One mark on all of cgroup2. The unpatched kernel need not report to it.
run_hierarchy()
{
	status=0
	expect=
	[ "$1" = with ] || expect=none
	RKERNFS_EXPECT=$expect "$here/hierarchy" "$(patience "$1")" >"$work/mark" || status=$?
	case $status in
	0) cat "$work/mark" >>"$work/$1" ;;
	4) skipped=$(cat "$work/mark") ;;
	*) fail "the hierarchy ended with status $status" ;;
	esac
}

load()
{
	insmod "$module" || fail "cannot load $module"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ "$(cat /sys/kernel/livepatch/rkernfs/transition 2>/dev/null)" = 1 ] ||
			return 0
		sleep 1
	done
	fail "livepatch transition did not finish"
}

print_table()
{
	paste "$work/alone" "$work/with" | awk -F "$tab" -v kernel="$(uname -r)" '
	function line(line_) {
		line_ = sprintf("%98s", "")
		gsub(/ /, "-", line_)
		print line_
	}
	BEGIN {
		printf "%-32s %-33s %s\n", "", kernel " unpatched", kernel " with rkernfs"
		line()
	}
	$1 == "case" { printf "%d. %s\n", ++nr, $2; next }
	$1 == "step" { printf "   %-28s %-21s%s    %-21s%s\n", $2, $3, $4, $7, $8; next }
	$1 == "mark" { printf "   %-28s %-21s%s    %-21s%s\n", $2, $3, $4, $8, $9 }
	$1 == "watch" {
		printf "   %-28s %-21s%s    %-21s%s\n", $2 (length($2) < 25 ? " gets" : ""),
			$3, $4, $8, $9
	}
	END { line() }'
}

# Prints "DELIVERED WATCHES" of one run
count_verdicts()
{
	awk -F "$tab" '$1 == "watch" { watches++; delivered += $5 == "delivered" }
		       END { print delivered + 0, watches + 0 }' "$work/$1"
}

judge_alone()
{
	# shellcheck disable=SC2046 # words
	set -- $(count_verdicts alone)
	echo "Unpatched $(uname -r) delivers $1 of $2 watches' events."
	case $(uname -r) in
	6.12*)
		[ "$1" = 0 ] || fail "unpatched 6.12 is not expected to deliver any"
		;;
	esac
}

judge_with()
{
	# shellcheck disable=SC2046 # words
	set -- $(count_verdicts with)
	if [ "$1" = "$2" ] && [ "$2" -gt 0 ]; then
		echo "With rkernfs it delivers all $2, each once, after the removal and in order."
		return 0
	fi
	echo "With rkernfs it delivers only $1 of $2 as it must:"
	awk -F "$tab" '$1 == "case" { title = $2 }
		       $1 == "watch" && $5 != "delivered" { print "  " $5 ": " title ", " $2 }' \
		"$work/with"
	fail "with rkernfs each watch must get its events"
}

judge_mark()
{
	if [ -n "$skipped" ]; then
		echo "$skipped"
		return 0
	fi
	awk -F "$tab" '$1 == "mark" { nr++ }
		       $1 == "mark" && $5 != "delivered" { print "  " $5 ": " $3; wrong++ }
		       END { exit !nr || wrong }' "$work/with" ||
		fail "with rkernfs the mark must get each breach and each removal, once"
	echo "With rkernfs one mark gets each breach and each removal, once."
}

judge_path()
{
	[ "${after:-0}" -gt "${before:-0}" ] ||
		fail "nodes_removed did not grow: the removals did not go through rkernfs"
	echo "nodes_removed grew from $before to $after: the removals went through rkernfs."
}

[ -d /sys/module/rkernfs ] && fail "rkernfs is loaded already: nothing to compare with"
mkdir -p $work/mnt
trap 'rm -rf $work' EXIT

echo "rkernfs demo: which watches get events when cgroup files are removed?"
echo
run_steps alone
run_hierarchy alone
load
before=$(nodes_removed)
run_steps with
after=$(nodes_removed)
run_hierarchy with

print_table
echo "Time of a watch: from the start of the step that removes it to IN_IGNORED, or a wakeup, in hand."
echo
echo "Counters of rkernfs:"
print_stats | sed 's/^/   /'
echo
judge_alone
judge_path
judge_with
judge_mark
echo
"$here/tour.sh" || fail "the tour went wrong"
