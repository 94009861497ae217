#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs bench.sh in machines, of which some count, and makes of what they print
# build/bench/<kernel>.csv, .rst and plots.
#
#   KERNEL=stable	or backports: the figures of README and Documentation, called after
#		their series; those of a dev kernel stay in build/bench
#   ARCH=arm64	its figures are those of a kernel dev-7.3-arm64
#   FULL=1	all sizes and more rounds; takes hours
#   REPORT=1	only make tables and plots of the .csv that is there
#   CLOCKS=...	which machines: icount plain windows turns, with FULL=1 also many;
#		if one of the first four is missing, the pages stay as they are
set -euo pipefail
: "${FULL:=0}" "${REPORT:=0}"
: "${CLOCKS:=icount plain windows turns$([ "$FULL" = 0 ] || echo ' many')}"
# shellcheck source=../qemu/lib.sh
. "$(dirname "$0")/../qemu/lib.sh"

bench=$root/selftests/bench
[[ $CLOCKS = *icount*plain*windows*turns* ]] && all=1 || all=0
out=$root/build/bench$([ "$all" = 1 ] || echo /some)
KDIR=$("$here/kernel.sh")
export KDIR
name=$(page_name)
csv=$out/$name.csv
programs=$selftests
# Names a release and a machine above the tables.
conditions=$out/$name.conditions

"$here/deps.sh" build vm bench
mkdir -p "$out"

# measure CLOCK [NAME]: appends what a machine with that clock prints
measure() {
	local status=0 run=$out/$name.${2:-$1}
	ADD="$programs/bench $bench/bench.sh" MODULE=0 KLOG=ignore \
		MEM=${MEM:-4G} \
		TIMEOUT=${TIMEOUT:-$([ "$FULL" = 1 ] && echo 3600 || echo 1800)} \
		LOG="$run.log" RUN="FULL=$FULL sh /add/bench.sh $1" \
		"$here/vm.sh" >"$run.raw" || status=$?
	[ $status = 0 ] || die "the run with the $1 clock ended with status $status: $run.raw"
	results "$1" <"$run.raw" >>"$csv.new"
}

results() { grep -E '^([^,]+,){6}-?[0-9]+' | sed "s/^/$name,$1,/"; }

# What caches would miss, and whose instructions they are
measure_windows() { # CLOCK PROCESSORS [NAME]
	local files=$out/$name.${3:-$1} plugin
	plugin=$("$bench/plugin.sh")
	ACCEL=tcg SMP=$2 QEMU_ARGS="-icount shift=0,sleep=off
		-plugin $plugin,windows=$files.counts,profile=$files.profile" \
		measure "$1" "${3:-}"
	"$bench/windows.pl" "$files.raw" "$files.counts" "$files.profile" "$KDIR" |
		results "$1" >>"$csv.new"
	rm "$files.profile"
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

version() { "$qemu" --version | sed -n '1s/.* version \([0-9.]*\).*/\1/p'; }

describe() {
	echo "kernel=$(cat "$KDIR/include/config/kernel.release")"
	echo "settings=KERNEL=$KERNEL${of_arch:+ ARCH=$ARCH}"
	echo "qemu=$(version)"
	echo "plain=$(plain)"
	echo "revision=$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)"
	echo "date=$(date -u +%F)"
	echo "full=$FULL"
	echo "host=$(LC_ALL=C lscpu | sed -n 's/^Model name: *//p' | head -n 1), $(nproc) CPUs"
	echo "load=$(cut -d ' ' -f 1 /proc/loadavg)"
}

run_icount() {
	say "measuring on $KERNEL: with a clock that counts instructions ..."
	ACCEL=tcg SMP=1 QEMU_ARGS='-icount shift=0,sleep=off' measure icount
}

run_plain() {
	local cpus
	cpus=$(nproc)
	say "measuring on $KERNEL: in plain time ..."
	SMP=$((cpus < 2 ? 2 : cpus > 8 ? 8 : cpus)) measure plain
}

run_windows() {
	local kernel
	say "measuring on $KERNEL: what caches would miss ..."
	measure_windows windows 1
	# There is nothing to leave out before 7.1. What an emulated architecture
	# would add is not worth another kernel.
	if ! is_debian_kernel && ! is_cross && grep -q kernfs_clear_inode_nlink \
		"$(source_of "$KDIR")/fs/kernfs/dir.c"; then
		say "... and of Linux $KERNEL without its own look at inodes ..."
		kernel=$("$bench/limit.sh")
		KDIR=$kernel KO='' measure_windows windows 1 limit
	fi
}

run_turns() {
	say "measuring on $KERNEL: which data processors take from each other ..."
	measure_windows turns 8
}

run_many() {
	local begun=$SECONDS
	say "measuring on $KERNEL: a monitor of very many cgroups ..."
	ACCEL=tcg SMP=1 MEM=12G TIMEOUT=7200 QEMU_ARGS='-icount shift=0,sleep=off' measure many
	echo "many=$((SECONDS - begun))" >>"$conditions"
}

run() {
	local clock
	need_livepatch
	if [ -z "${KO:-}" ]; then
		KO=$("$here/module.sh")
	fi
	export KO
	kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$programs" \
		"$programs/bench" >&2
	describe >"$conditions"
	echo kernel,clock,turn,patch,measure,case,size,stat,value >"$csv.new"
	for clock in $CLOCKS; do
		"run_$clock"
	done
	mv "$csv.new" "$csv"
}

[ "$REPORT" = 1 ] || run
pages=$([ "$all" = 0 ] || echo "$root")
"$bench/report.pl" "$out" ${pages:+"$pages"}
say "All in all: $SECONDS s. Tables: ${csv%.csv}.rst, plots: ${csv%.csv}-*.svg"
