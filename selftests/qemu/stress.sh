#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The stress test and the one of loading and unloading, at length; and stress-ng,
# with the patch and without, on the debug kernels.
#
#   KERNEL='6.12 7.3'	on which kernels; stress-ng not on debian's
#   ARCH=arm64		without stress-ng, which clients/run.sh has for x86_64 only
#   DEBUG=0		1: with lockdep, KASAN, kmemleak; kcsan: with KCSAN
#   NODES=1000000	how many removals
#   ROUNDS=100		how often the module comes and goes
#   SOAK_S=		so many seconds of each instead, however many that are
#   SEED=		repeats a run
#   STRESS_SECONDS=30	how long each stressor of stress-ng runs
set -euo pipefail
kernels=${KERNEL:-} several=y
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
: "${kernels:=$arch_kernels}"

if [ -n "${SOAK_S:-}" ]; then
	stress_s=$SOAK_S reload_s=$SOAK_S
	# 0: no end
	: "${NODES:=0}" "${ROUNDS:=1000000}"
else
	stress_s=3000 reload_s=1000
	: "${NODES:=1000000}" "${ROUNDS:=100}"
fi

given=${KDIR:-} failed=0
[ -z "$given" ] || kernels=$(basename "$given")
for kernel in $kernels; do
	KDIR=$(KDIR=$given KERNEL=$kernel "$here/kernel.sh")
	export KDIR
	need_livepatch
	name=$(kernel_name)
	say "stress on $name, $stress_s s at most ..."
	kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$selftests" >&2
	ADD="$selftests/stress" UNLOAD=1 TIMEOUT=$((stress_s + 600)) \
		RUN="${SEED:+SEED=$SEED} /add/stress -t $stress_s -n $NODES" "$here/vm.sh" || failed=1
	say "loading and unloading on $name ..."
	ADD="$selftests/reload" TIMEOUT=$((reload_s + 200)) \
		RUN="${SEED:+SEED=$SEED} /add/reload -t $reload_s -n $ROUNDS" "$here/vm.sh" || failed=1
	if KERNEL=$kernel is_debian_kernel || [ -n "$given" ] || [ "$ARCH" != x86_64 ]; then continue; fi
	say "stress-ng on $kernel-debug: ${STRESS_SECONDS:=30} s for each stressor ..."
	env -u KDIR KERNEL="$kernel" DEBUG=1 STRESS_SECONDS="$STRESS_SECONDS" TIMEOUT=3600 \
		"$root/selftests/clients/run.sh" || failed=1
done
exit $failed
