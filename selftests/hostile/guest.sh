#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
#   guest.sh MILLISECONDS TURNS [ATTACK...]
#
# Runs hostile, which lies beside this file, with the patch disabled and
# enabled in turns, and puts before its lines which.

here=$(cd "$(dirname "$0")" && pwd)
results=$(mktemp)
ms=$1 turns=$2
shift 2
patch=/sys/kernel/livepatch/rkernfs

await() { # STATE
	for _ in $(seq 600); do
		[ "$(cat $patch/transition 2>/dev/null || echo none)" != "$1" ] || return 0
		sleep 0.1
	done
	echo "the patch does not come to be: $1" >&2
	exit 1
}

put_in() {
	insmod /rkernfs.ko && await 0
}

take_out() {
	await 0
	echo 0 >$patch/enabled
	await none
	rmmod rkernfs
}

measure() { # MILLISECONDS PATCH [ATTACK...]
	length=$1 state=$2
	shift 2
	echo "[$(cut -d ' ' -f 1 /proc/uptime)] $state" >/dev/console
	"$here/hostile" "$length" "$@" | sed "s/^/$state,/" >>"$results"
}

# The first time is different: caches and slabs fill.
take_out
measure 20 warm "$@"
for _ in $(seq "$turns"); do
	measure "$ms" disabled "$@"
	put_in
	measure "$ms" enabled "$@"
	take_out
done
cat "$results"
