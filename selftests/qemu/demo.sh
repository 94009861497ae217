#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the demo's programs and lets selftests/demo/demo.sh, which loads the
# module itself, run in the guest.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

"$here/deps.sh" build
out=$root/build/demo
mkdir -p "$out"
for program in samples/watch selftests/demo/steps; do
	gcc -static -O2 -Wall -o "$out/${program##*/}" "$root/$program.c"
done

status=0
ADD="$out/watch $out/steps $root/selftests/demo/demo.sh" MODULE=0 UNLOAD=1 \
	RUN='sh /add/demo.sh' "$here/vm.sh" || status=$?
echo "All in all: $SECONDS s."
exit $status
