#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs clients that nobody changed, with the patch disabled and enabled in the
# same boot, on the dev kernels. Prints TAP, puts the table into
# Documentation/clients.rst, draws its plot, and tells in the last line how many
# rows passed and failed.
#
#   KERNEL='6.12 7.3'	on which kernels
#   COUNT=200		how many cgroups come and go in each case
set -euo pipefail
kernels=${KERNEL:-6.12 7.3}
# shellcheck source=../qemu/lib.sh
. "$(dirname "$0")/../qemu/lib.sh"
clients=$root/selftests/clients page=$root/Documentation/clients.rst
: "${COUNT:=200}"

"$here/deps.sh" vm bench
programs=$("$clients/go/build.sh")
results=$root/build/clients
mkdir -p "$results"

cases=()
for variant in process empty reclaimed controller; do
	cases+=("eventchan $COUNT $variant")
done

# shellcheck disable=SC2317 # called by name
run_on() { # KERNEL
	KERNEL=$1 MODULE=0 TIMEOUT=900 ADD="$programs/eventchan $clients/guest.sh" \
		RUN="sh /add/guest.sh $(printf "'%s' " "${cases[@]}")" "$here/vm.sh" >"$results/$1"
}

for kernel in $kernels; do
	step "clients-$kernel" "clients on $kernel" : run_on "$kernel"
done
for kernel in $kernels; do
	sed "s/^client /$kernel | &/p; s/^sample /$kernel | &/p; d" "$results/$kernel"
done >"$results/all"

status=0
awk -v TABLE="$results/table" -f "$clients/report.awk" "$results/all" || status=1

# What was measured goes to the page; less than all of it does not.
if [ "$kernels" = "6.12 7.3" ]; then
	sed -i -e "/^.. clients\$/r $results/table" -e '/^.. clients$/,/^.. end of clients$/{//!d}' "$page"
	"$clients/plot.sh" "$results/all" 6.12 "eventchan $COUNT process" >"$root/Documentation/plots/6.12-eventchan.svg"
fi
exit $status
