#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the programs of selftests/ in guests, side by side.
#
#   KERNEL='stable backports'	on which kernels (arm64: 7.3)
#   DEBUG=0			1: on the kernels that check; '0 1': on both
#   KDIR=			only on this built kernel
#   TESTS='pattern'		only the programs with such a name; also other tests,
#				which are not run without (see settings.sh)
#   LANES=6			how many guests at a time: they wait half of the time
set -euo pipefail
given=${KERNEL:-}${DEBUG:-}${KDIR:-}${TESTS:-}
kernels=${KERNEL:-} variants=${DEBUG:-0} pattern=${TESTS:-} several=y
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
read -ra known < <(test_programs)
# These begin, each in another guest, so that all guests end together.
longest='company company_suspend company_bpf handles reload pseudofs_trees killed matrix notify unprivileged stress'
# shellcheck disable=SC2086 # names
check_tests "${known[@]}" $other_tests
unset TESTS
: "${kernels:=$default_kernels}" "${LANES:=6}"
[ -z "${KDIR:-}" ] || kernels=$(basename "$KDIR") variants=${DEBUG:-0}
logs=$root/build/logs
mkdir -p "$logs"
names=()	# of the kernels that are there
declare -A kdir=()

# shellcheck disable=SC2086 # names
mapfile -t list < <(names_like "${pattern:-*}" $longest "${known[@]}" | awk '!seen[$0]++')
# Who says which programs not to run names no others.
# shellcheck disable=SC2086 # names
mapfile -t others < <([[ $pattern = '!('* ]] || names_like "$pattern" $other_tests)

say "${#list[@]} programs of selftests${others:+, ${others[*]}} on $kernels${ARCH:+ of $ARCH}, $LANES guests at a time"
[ -n "$given" ] ||
	say "Six minutes on two idle processors, six more the first time, to fetch and build; TESTS=pattern KERNEL=name for less"

# --- kernels, programs, modules ------------------------------------------

name_of() { # KERNEL DEBUG
	echo "$1$of_arch$([ "$2" = 0 ] || echo -debug)"
}

# What is to run: a folder in build/logs for each, on which kernel, the command
queued=()
declare -A where=() what=()
queue() { # NAME KDIR COMMAND...
	rm -rf "${logs:?}/$1"
	mkdir -p "$logs/$1"
	queued+=("$1")
	where[$1]=$2 what[$1]="${*:3}"
}

# failed NAME WHY: instead of what was to run
failed() {
	queue "$1" '' true
	echo "# $2" >"$logs/$1/machine.tap"
	echo 125 >"$logs/$1/machine.status"
}

build_programs() {
	kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$selftests"
}

build_module() { # NAME
	"$here/module.sh" >"$logs/$1.ko"
}

find_kernels() {
	local built=${KDIR:-} kernel debug name
	for debug in $variants; do
		for kernel in $kernels; do
			name=$(name_of "$kernel" "$debug")
			kdir[$name]=$(KDIR=$built KERNEL=$kernel DEBUG=$debug "$here/kernel.sh") ||
				{ unset "kdir[$name]"; failed "$name" "no kernel"; continue; }
			names+=("$name")
		done
	done
}

# Side by side, as little of it keeps two processors busy.
build() {
	local name steps=()
	for name in "${names[@]}"; do
		KDIR=${kdir[$name]} start "module-$name" build_module "$name"
		steps+=("module-$name")
	done
	KDIR=${kdir[${names[0]}]} start programs build_programs
	attend "building the module and ${#list[@]} programs" : "${steps[@]}" programs
	for name in "${names[@]}"; do
		wait "${pid[module-$name]}" || {
			unset "kdir[$name]"
			failed "$name" "the module does not build: $cache/logs/module-$name.log"
		}
		unset "pid[module-$name]"
	done
	finish programs "building the programs"
}

# --- what runs -----------------------------------------------------------

# The programs on one kernel, in as many guests as there are lanes for it
queue_programs() { # NAME KDIR
	local parts=$((LANES / ${#names[@]})) part n after name=$1 share
	# Booting takes as long as some of them.
	[ "$parts" -le $((${#list[@]} / 4)) ] || parts=$((${#list[@]} / 4))
	[ "$parts" -gt 0 ] || parts=1
	for ((part = 0; part < parts; part++)); do
		share=()
		# To and fro: who has the longest has the shortest, too.
		for ((n = part; n < ${#list[@]}; n += 2 * parts)); do
			share+=("$selftests/${list[n]}")
			after=$((n + 2 * (parts - part) - 1))
			[ -z "${list[after]:-}" ] || share+=("$selftests/${list[after]}")
		done
		[ "$parts" = 1 ] || name=$1-$((part + 1))
		queue "$name" "$2" env KO="$(cat "$logs/$1.ko")" "$here/suite.sh" "$logs/$name" "${share[@]}"
	done
}

# A script that prints TAP
tap() { # NAME SCRIPT [ARGUMENT...]
	echo 0 >"$logs/$1/${1%%-*}.status"
	"${@:2}" >"$logs/$1/${1%%-*}.tap" 2>&1 || echo $? >"$logs/$1/${1%%-*}.status"
}

# What one kernel is enough for runs on the first.
queue_other() { # TEST
	local name script=$here/$1_test.sh
	case $1 in
	fuzzer) script=$root/selftests/fuzz/test.sh ;;
	compile_fail) script=$root/selftests/compile_fail/test.sh ;;
	harness)
		queue "$1" "${kdir[${names[0]}]}" tap "$1" "$script"
		return
		;;
	commands)
		queue "$1" '' tap "$1" "$script"
		return
		;;
	esac
	for name in "${names[@]}"; do
		[ -z "${kdir[$name]:-}" ] ||
			queue "$1-$name" "${kdir[$name]}" tap "$1-$name" "$script" "$selftests"
	done
}

run_queue() {
	local name
	for name in "${queued[@]}"; do
		while [ "$(jobs -r | wc -l)" -ge "$LANES" ]; do wait -n || :; done
		# shellcheck disable=SC2086 # words without spaces
		KDIR=${where[$name]} ${what[$name]} &
	done
	wait
}

how_far() {
	local ended
	ended=$(find "${queued[@]/#/$logs/}" -name 'output.*.log' -exec cat {} + | grep -c '^#@ end ') || :
	echo "$ended of $((${#list[@]} * ${#names[@]})) programs"
}

if [ "${list[*]}${others[*]}" != commands ]; then
	"$here/deps.sh" build vm
	find_kernels
	[ ${#names[@]} = 0 ] || build
fi
for name in "${names[@]}"; do
	[ -z "${kdir[$name]:-}" ] || [ ${#list[@]} = 0 ] || queue_programs "$name" "${kdir[$name]}"
done
for name in "${others[@]}"; do
	queue_other "$name"
done
"$here/deps.sh" test
step tests "testing" how_far run_queue

shopt -s nullglob
results=()
for name in "${queued[@]}"; do
	results+=("$logs/$name"/*.tap)
done
exec "$here/tap.pl" "${results[@]}"
