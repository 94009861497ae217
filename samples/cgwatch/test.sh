#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests cgwatch: the unit tests here, those on cgroups in virtual machines
# with each kernel, without and with rkernfs. KERNEL= only this one. The last
# line says how many passed and failed.
set -euo pipefail
kernels=${KERNEL:-} several=y
# shellcheck source=../../selftests/qemu/lib.sh
. "$(dirname "$0")/../../selftests/qemu/lib.sh"
only_for "$host_arch"
: "${kernels:=$default_kernels}"
cd "$root/samples/cgwatch"

log=$root/build/logs/cgwatch.log
mkdir -p "$(dirname "$log")"
: >"$log"
status=0
run() { # COMMAND...
	"$@" | tee -a "$log" || status=1
}

"$here/deps.sh" cargo
run cargo test --locked --bin cgwatch

./build.sh
# Static as well, for a guest that has no libraries
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS='-C target-feature=+crt-static'
tests=$(cargo test --locked --release --target "$host" --test cgroups --no-run \
	--message-format json | sed -n 's|.*"executable":"\([^"]*/cgroups-[^"]*\)".*|\1|p')
programs=$root/build/cgwatch
cp "$tests" "$programs/cgwatch-tests"

for kernel in $kernels; do
	KDIR=$(KERNEL=$kernel "$here/kernel.sh")
	export KDIR
	for module in 0 1; do
		without='' removals=delivered
		default=one-mark
		if [ $module = 0 ]; then
			without="without "
			default=watches
			at_least "$(cat "$KDIR/include/config/kernel.release")" 7.1 || removals=not-delivered
		fi
		for means in one-mark watches; do
			expected=$removals
			[ $means = watches ] || expected=delivered
			say "testing: cgwatch on $kernel, ${without}rkernfs, $means ..."
			MODULE=$module ADD="$programs/cgwatch $programs/cgwatch-tests" \
				RUN="CGWATCH=/add/cgwatch REMOVALS=$expected MEANS=$means DEFAULT=$default /add/cgwatch-tests --test-threads=1" \
				run "$here/vm.sh"
		done
	done
done
awk -v status=$status '
	/^test result: / { passed += $4; failed += $6 }
	END { print passed + 0 " passed, " (failed ? failed : status) " failed" }' "$log"
exit $status
