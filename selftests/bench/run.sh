#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs bench.sh in two machines, of which one counts instructions, and makes
# build/bench/<kernel>.csv, .rst and plots of what they print.
#
#   KERNEL=6.12	or 7.3
#   FULL=1	all sizes and more rounds; takes an hour
#   REPORT=1	only make tables and plots of the .csv that is there
set -euo pipefail
: "${FULL:=0}" "${REPORT:=0}"
# shellcheck source=../qemu/lib.sh
. "$(dirname "$0")/../qemu/lib.sh"

bench=$root/selftests/bench
out=$root/build/bench
csv=$out/$KERNEL.csv
programs=$root/build/selftests
# Names a release and a machine above the tables.
conditions=$out/$KERNEL.conditions

"$here/deps.sh" build vm bench
mkdir -p "$out"

# measure CLOCK: appends what a machine with that clock prints
measure() {
	local status=0
	ADD="$programs/bench $bench/bench.sh" MODULE=0 KLOG=ignore \
		MEM=4G TIMEOUT=$([ "$FULL" = 1 ] && echo 3600 || echo 1800) \
		LOG="$out/$KERNEL.$1.log" RUN="FULL=$FULL sh /add/bench.sh $1" \
		"$here/vm.sh" >"$out/$KERNEL.$1.raw" || status=$?
	grep -E '^([^,]+,){6}-?[0-9]+' "$out/$KERNEL.$1.raw" |
		sed "s/^/$KERNEL,$1,/" >>"$csv.new"
	[ $status = 0 ] || die "the run with the $1 clock ended with status $status: $out/$KERNEL.$1.raw"
}

# As vm.sh chooses
plain() {
	if grep -q ' yes$' "$cache/kvm" 2>/dev/null; then
		echo KVM
	elif at_least "$(version)" 8.1; then
		echo "TCG, a host thread each"
	else
		echo "TCG, taking turns on one host thread"
	fi
}

version() { qemu-system-x86_64 --version | sed -n '1s/.* version \([0-9.]*\).*/\1/p'; }

describe() {
	echo "kernel=$(cat "$KDIR/include/config/kernel.release")"
	echo "qemu=$(version)"
	echo "plain=$(plain)"
	echo "revision=$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)"
	echo "date=$(date -u +%F)"
	echo "full=$FULL"
	echo "host=$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) CPUs"
	echo "load=$(cut -d ' ' -f 1 /proc/loadavg)"
}

run() {
	KDIR=$("$here/kernel.sh")
	export KDIR
	if [ -z "${KO:-}" ]; then
		KO=$("$here/module.sh")
	fi
	export KO
	kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$programs" \
		"$programs/bench" >&2
	describe >"$conditions"
	echo kernel,clock,turn,patch,measure,case,size,stat,value >"$csv.new"
	say "measuring on $KERNEL: with a clock that counts instructions ..."
	ACCEL=tcg SMP=1 QEMU_ARGS='-icount shift=0,sleep=off' measure icount
	say "measuring on $KERNEL: in plain time ..."
	SMP=2 measure plain
	mv "$csv.new" "$csv"
}

[ "$REPORT" = 1 ] || run
"$bench/report.pl" "$out" "$root"
say "All in all: $SECONDS s. Tables: ${csv%.csv}.rst, plots: ${csv%.csv}-*.svg"
