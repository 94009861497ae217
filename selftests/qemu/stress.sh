#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The stress test at length, on the normal kernels.
#
#   KERNEL='6.12 7.3'	on which kernels
#   NODES=1000000	how many removals
#   SEED=		repeats a run
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
done
exit $failed
