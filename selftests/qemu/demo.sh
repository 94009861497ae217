#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the demo's programs and lets selftests/demo/demo.sh, which loads the
# module itself, run in the guest.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

"$here/deps.sh" build
KDIR=$("$here/kernel.sh")
export KDIR
out=$root/build/selftests
kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$out" \
	"$out/watch" "$out/steps" "$out/demo.sh" "$out/tour.sh"

status=0
ADD="$out/watch $out/steps $out/demo.sh $out/tour.sh" MODULE=0 UNLOAD=1 \
	RUN='sh /add/demo.sh' "$here/vm.sh" || status=$?
echo "All in all: $SECONDS s."
exit $status
