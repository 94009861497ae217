#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The stress test and the one of loading and unloading, at length, on the
# normal kernels; and stress-ng, with the patch and without, on the debug ones.
#
#   KERNEL='6.12 7.3'	on which kernels; debian has no debug kernel
#   NODES=1000000	how many removals
#   ROUNDS=100		how often the module comes and goes
#   SEED=		repeats a run
#   STRESS_SECONDS=30	how long each stressor of stress-ng runs
set -euo pipefail
kernels=${KERNEL:-6.12 7.3}
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

failed=0
for kernel in $kernels; do
	say "stress on $kernel: ${NODES:=1000000} nodes ..."
	KDIR=$(KERNEL=$kernel DEBUG=0 "$here/kernel.sh")
	export KDIR
	kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$root/build/selftests" >&2
	ADD="$root/build/selftests/stress" UNLOAD=1 TIMEOUT=3600 \
		RUN="${SEED:+SEED=$SEED} /add/stress -t 3000 -n $NODES" "$here/vm.sh" || failed=1
	say "loading and unloading on $kernel: ${ROUNDS:=100} rounds ..."
	ADD="$root/build/selftests/reload" TIMEOUT=1200 \
		RUN="${SEED:+SEED=$SEED} /add/reload -t 1000 -n $ROUNDS" "$here/vm.sh" || failed=1
	[ "$kernel" != debian ] || continue
	say "stress-ng on $kernel-debug: ${STRESS_SECONDS:=30} s for each stressor ..."
	env -u KDIR KERNEL="$kernel" DEBUG=1 STRESS_SECONDS="$STRESS_SECONDS" TIMEOUT=3600 \
		"$root/selftests/clients/run.sh" || failed=1
done
exit $failed
