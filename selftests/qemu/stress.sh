#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The stress test and the one of loading and unloading, at length, on the
# normal kernels.
#
#   KERNEL='6.12 7.3'	on which kernels
#   NODES=1000000	how many removals
#   ROUNDS=100		how often the module comes and goes
#   SEED=		repeats a run
set -euo pipefail
kernels=${KERNEL:-}
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
: "${kernels:=$arch_kernels}"

failed=0
given=${KDIR:-}
for kernel in $kernels; do
	say "stress on $kernel: ${NODES:=1000000} nodes ..."
	KDIR=$(KDIR=$given KERNEL=$kernel DEBUG=0 "$here/kernel.sh")
	export KDIR
	need_livepatch
	kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$selftests" >&2
	ADD="$selftests/stress" UNLOAD=1 TIMEOUT=3600 \
		RUN="${SEED:+SEED=$SEED} /add/stress -t 3000 -n $NODES" "$here/vm.sh" || failed=1
	say "loading and unloading on $kernel: ${ROUNDS:=100} rounds ..."
	ADD="$selftests/reload" TIMEOUT=1200 \
		RUN="${SEED:+SEED=$SEED} /add/reload -t 1000 -n $ROUNDS" "$here/vm.sh" || failed=1
done
exit $failed
