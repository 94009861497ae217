#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Which lines of src, C and Rust, the test programs reach: a figure for each
# file, and each line that none of the runs reached, in build/coverage/. The figures
# of Debian's two kernels go into Documentation/results/coverage.rst.
#
#   KERNEL='stable backports'	on which kernels
#   DEBUG='0'		normal and debug ('0 1'): only the latter has allocations fail
#   TESTS='pattern'	only the programs with such a name
#   FUZZ_S=60		how long the fuzzer helps
set -euo pipefail
partial=${KERNEL:-}${DEBUG:-}${KDIR:-}
kernels=${KERNEL:-stable backports} variants=${DEBUG:-0} pattern=${TESTS:-*} several=y
unset TESTS
# shellcheck source=../qemu/lib.sh
. "$(dirname "$0")/../qemu/lib.sh"
only_for x86_64
read -ra known < <(test_programs)
TESTS=$pattern check_tests "${known[@]}" fuzz
: "${FUZZ_S:=60}"
limit=1200
out=$root/build/coverage

# For the guest: coverage.ko first, and last what it knows. Where the module's
# sections are, it says as long as it is loaded.
guest_script() { # PROGRAM...
	local name
	echo 'insmod /add/coverage.ko && insmod /rkernfs.ko || exit'
	for name in "${@##*/}"; do
		[ "$name" != fuzz ] || name="fuzz -t $FUZZ_S"
		echo "echo '# $name'"
		echo "timeout -s KILL $limit /add/$name </dev/null >/tmp/out 2>&1 || { echo \"# $name ends with \$?\"; grep '^not ok' /tmp/out; }"
	done
	cat <<-'END'
		cat /sys/kernel/debug/rkernfs-coverage
		cd /sys/module/rkernfs/sections
		for name in .*text*; do echo "section $name $(cat $name)"; done
	END
}

measure() { # NAME
	local ko list folder=$root/build/selftests-coverage
	ko=$(COVERAGE=y "$here/module.sh")
	kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$folder" >&2
	mapfile -t list < <(names_like "$pattern" "${known[@]}" fuzz)
	list=("${list[@]/#/$folder/}")
	say "coverage on $1: ${list[*]##*/} ..."
	KO=$ko MODULE=0 ADD="${list[*]} ${ko%/*}/selftests/coverage/coverage.ko" \
		KLOG=ignore TIMEOUT=$((limit * 3)) RUN="$(guest_script "${list[@]}")" "$here/vm.sh" >"$out/$1.reached"
	grep -E '^# .* ends with|^not ok' "$out/$1.reached" || :
	"$root/selftests/coverage/report.py" lines "$ko" "$out/$1.reached" >"$out/$1.lines"
}

mkdir -p "$out"
given=${KDIR:-} results=()
[ -z "$given" ] || kernels=$(basename "$given")
for debug in $variants; do
	for kernel in $kernels; do
		KDIR=$(KDIR=$given KERNEL=$kernel DEBUG=$debug "$here/kernel.sh")
		export KDIR
		measure "$kernel-$debug"
		results+=("$out/$kernel-$debug.lines")
	done
done
"$root/selftests/coverage/report.py" sum "${results[@]}" -r "$root" >"$out/report"
sed '/^$/,$d' "$out/report"
if [ -z "$partial" ]; then
	{
		# shellcheck disable=SC2016 # reStructuredText
		printf '\nBy ``make coverage%s``.\n\n::\n\n' "$([ "$pattern" = '*' ] || echo " TESTS='$pattern'")"
		sed -e '/^$/,$d' -e 's/^/   /' "$out/report"
	} >"$out/figures"
	results_page coverage "$out/figures"
fi
say "what was not reached: $out/report"
