#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the measures in the guest, with the patch disabled and enabled in
# turns, and prints their results (bench.h tells the format).
#
# Usage: bench.sh CLOCK	icount: the clock counts instructions and stands
#				still for nobody, so sleeping costs nothing
#			plain: it is the host's
#			windows: as icount, and plugin/windows.c counts
#			turns: the same with more than one processor
#			many: as icount, a monitor of very many cgroups
# FULL=1 does all sizes. The program bench lies beside this file. Without a
# module, the kernel is one to compare with.

here=$(cd "$(dirname "$0")" && pwd)
clock=$1
module=/rkernfs.ko

if [ "$clock" != plain ]; then
	rounds=100 idle=10000 monitored='100 1000 10000' live=30 netdev=10 delays=200 turns=3
else
	rounds=50 idle=2000 monitored='' live=20 netdev=6 delays=100 turns=2
fi
sizes='10 100 1000 10000' parallel=6 offline=10
superblocks='1 10 100 400 1000'
if [ "$FULL" = 1 ]; then
	rounds=200 live=50 netdev=20 delays=200 offline=30 turns=4
	sizes='10 100 1000 10000 100000' parallel=30 monitored='100 1000 10000'
fi

fail()
{
	echo "bench.sh: $*" >&2
	exit 1
}

progress()
{
	echo "[$(cut -d ' ' -f 1 /proc/uptime)] $clock: $*" >/dev/console
}

measure()
{
	progress "$BENCH_PATCH $*"
	"$here/bench" "$@" || fail "$*: status $?"
}

switch_on()
{
	export BENCH_PATCH=enabled
	measure load $module "$@"
}

switch_off()
{
	"$here/bench" unload || fail "unloading"
	export BENCH_PATCH=disabled
}

# What is measured with and without the patch
compare()
{
	measure rmdir $rounds
	measure live $live
}

# What there is with the patch only
measure_own()
{
	# shellcheck disable=SC2086 # words
	measure directory 20 $sizes
	[ "$BENCH_TURN" -gt 1 ] && return
	measure delay $delays $offline
	# shellcheck disable=SC2086 # words
	[ -z "$monitored" ] || measure monitor $idle $monitored
}

# In turns as short as can be: the host's other work comes and goes.
measure_parallel()
{
	[ "$clock" = plain ] || return 0
	for BENCH_TURN in 1 2 3 4 5 6; do
		for patch in disabled enabled; do
			[ $patch = disabled ] || switch_on quiet
			for trees in 1 2 4 8; do
				[ "$trees" -gt "$(nproc)" ] || measure parallel $parallel 300 "$trees"
			done
			[ $patch = disabled ] || switch_off
		done
	done
}

# What a user who does nothing any more left
measure_names()
{
	[ "$clock" = icount ] || return 0
	for patch in disabled enabled; do
		[ $patch = disabled ] || switch_on quiet
		measure names 6 0
		measure names 4 400000
		[ $patch = disabled ] || switch_off
	done
}

measure_superblocks()
{
	have=1
	for nr in $superblocks; do
		[ "$nr" = "$have" ] || "$here/bench" superblocks "$have" "$nr" || fail "superblocks"
		have=$nr
		for BENCH_TURN in 1 2; do
			measure netdev $netdev "$nr"
			switch_on quiet
			measure netdev $netdev "$nr"
			switch_off
		done
	done
}

# Each program has labels of its own.
measure_turns()
{
	for cpus in 1 2 4 8; do
		BENCH_LABEL=$(($1 + 2 * cpus)) measure turns 20 $cpus
	done
}

measure_windows()
{
	BENCH_LABEL=$1 measure rmdir 30
}

# The plugin knows addresses only. Once it counts, reading many is slow.
list_functions()
{
	grep -i " t .*$1" /proc/kallsyms
}

export BENCH_TURN=1 BENCH_PATCH=disabled
# the first time is different: code and data are brought in
if [ -e $module ]; then
	switch_on quiet
	switch_off
else
	BENCH_PATCH=limit
fi
case $clock in
windows | turns)
	list_functions
	"measure_$clock" 1
	if [ -e $module ]; then
		switch_on quiet
		"measure_$clock" 101
		list_functions '\['
	fi
	exit ;;
many)
	# What there is before anybody raises it
	for limit in watches queued_events; do
		echo "1,enabled,limits,inotify,1,$limit,$(cat /proc/sys/fs/inotify/max_*$limit)"
	done
	echo "1,enabled,limits,pidfd,1,pid_max,$(cat /proc/sys/kernel/pid_max)"
	switch_on quiet
	measure monitor $idle 100000
	exit ;;
esac
for BENCH_TURN in $(seq $turns); do
	compare
	switch_on
	compare
	measure_own
	switch_off
done
measure_parallel
BENCH_TURN=1
measure_names
measure_superblocks
progress "done"
