#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a change must pass, from a bare machine on: "make test", then the rest, two
# at a time, as most of it keeps one processor busy. Prints a line for each as it
# ends, the whole output of what failed, a table of where the minutes went, and
# last how many tests passed and failed in all. build/test-all/ has all output.
#
#   test_all.sh [PART...]    of the rest, only these (names as in the table)
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

out=$root/build/test-all
rm -rf "$out"
mkdir -p "$out"
exec 3>&1	# for lines beside the live one

# --- parts ---------------------------------------------------------------

minutes() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# result NAME PASSED FAILED SECONDS
result() {
	echo "$1 $2 $3 $4" >>"$out/results"
	printf '%s%s: %d passed, %d failed, %s\n' "${live:-}" "$1" "$2" "$3" "$(minutes "$4")" >&3
	[ "$3" = 0 ] || sed "s/^/  $1 | /" "$out/$1.log" | tail -n 200 >&3
}
[ ! -t 2 ] || live=$'\r\e[K'

# A target that ends with "N passed, N failed" counts so; one that has no such line,
# or ends badly with nothing failed, is one that fails.
counted() { # NAME TARGET [SETTING=...]
	local begun=$SECONDS status=0 passed=0 failed=0
	make -C "$root" --no-print-directory "${@:2}" >"$out/$1.log" 2>&1 </dev/null || status=1
	read -r passed _ failed _ < <(grep -Ex '[0-9]+ passed, [0-9]+ failed' "$out/$1.log" | tail -n 1) || status=1
	[ $status = 0 ] || [ "${failed:-0}" -gt 0 ] || failed=1
	result "$1" "${passed:-0}" "$failed" $((SECONDS - begun))
}

# One that passes, or fails, as a whole
whole() { # NAME COMMAND...
	local begun=$SECONDS failed=0
	"${@:2}" >"$out/$1.log" 2>&1 </dev/null || failed=1
	result "$1" $((1 - failed)) $failed $((SECONDS - begun))
}

target() { make -C "$root" --no-print-directory "$@"; }

# --- what is needed ------------------------------------------------------

tools() {
	"$here/deps.sh" build cargo kernel clang vm test lint deb debian_root image bench clients &&
		ARCH=arm64 "$here/deps.sh" build vm
}

# All kernels before any test: nothing is built beside a guest. One that cannot be
# had is tried again, and told, by what needs it.
kernels() {
	local name status=0
	for name in $test_kernels; do
		KERNEL=$name "$here/kernel.sh" || status=1
	done
	for name in 6.12 7.3; do
		KERNEL=$name DEBUG=1 "$here/kernel.sh" || status=1
	done
	[[ ${queue[*]} != *ARCH=arm64* ]] || ARCH=arm64 KERNEL=7.3 "$here/kernel.sh" || status=1
	return $status
}

# --- the rest ------------------------------------------------------------

# Longest first, so that both lanes end together. The programs of a debug kernel
# need a lane each. Other livepatches, the kernel's limits and what is counted have
# nothing that lockdep or KASAN would see; what 7.3 has of its own is in the release
# stage, marks, changes, handles and polls.
queue=(
	'counted debug-6.12 test KERNEL=6.12 DEBUG=1 LANES=1 TESTS=!(company*|limits|counters|final_events)'
	'counted debian test-debian'
	'counted debug-7.3 test KERNEL=7.3 DEBUG=1 LANES=1 TESTS=@(memcg_events|series|self_removal|handles|held|links|locks|marks|notify|pollers|superblocks|mounts|removed_*)'
	'counted lint lint DEBUG=1'
	'counted negative test TESTS=@(negative|compile_fail) LANES=1'
	'counted controls mutants KERNEL=stable MUTANTS=without-*'
	'counted fuzzer test TESTS=@(fuzzer|kexec) LANES=1'
	'counted carried test KERNEL=backports RKERNFS_CARRY=y TESTS=@(memcg_events|series|marks|loading) LANES=1'
	'counted harness test KERNEL=backports TESTS=@(commands|harness) LANES=1'
	'counted arm64 test ARCH=arm64 TESTS=@(memcg_events|series) LANES=1'
	'whole demo-arm64 target demo ARCH=arm64'
	'counted cgwatch test-cgwatch'
	'counted fuzz fuzz FUZZ_S=60'
	'counted package test-package DEBUG=1'
	'counted clients test-clients KERNEL=stable CLIENTS=eventchan'
)
mounting='@(debian|package|clients)'	# which not everyone may
unshare -m true 2>/dev/null && mounting=

# What was not asked for, or cannot be had
for n in "${!queue[@]}"; do
	read -r _ name _ <<<"${queue[n]}"
	[ $# = 0 ] || [[ " $* " = *" $name "* ]] || unset "queue[n]"
	# shellcheck disable=SC2053 # a pattern
	[[ $name != $mounting ]] || unset "queue[n]"
done

run_queue() {
	local part
	for part in "${queue[@]}"; do
		while [ "$(jobs -r | wc -l)" -ge 2 ]; do wait -n || :; done
		$part &
	done
	wait
}

how_far() { echo "$(wc -l <"$out/results") of $((${#queue[@]} + 4)) parts"; }

# --- in order ------------------------------------------------------------

devices() { stat -c '%n %a %u:%g %t:%T' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty; }
devices_are_as() { diff <(echo "$1") <(devices); }

set -f	# the patterns are for test.sh
before=$(devices)
say "what a change must pass: some 40 minutes on two idle processors, 80 with the kernels to build; make test is what takes six"
whole tools tools
whole kernels kernels
counted test test
step all "testing the rest" how_far run_queue
# Nothing above may touch this machine's.
whole devices devices_are_as "$before"

printf '\n%-12s %7s %7s %8s\n' part passed failed minutes
while read -r name passed failed seconds; do
	printf '%-12s %7d %7d %8s\n' "$name" "$passed" "$failed" "$(minutes "$seconds")"
done <"$out/results"
printf '%-12s %7s %7s %8s\n\n' "in all" '' '' "$(minutes $SECONDS)"
awk '{ passed += $2; failed += $3 }
	END { printf "%d passed, %d failed\n", passed, failed; exit (failed > 0) }' "$out/results"
