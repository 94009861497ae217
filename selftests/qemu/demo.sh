#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the demo's programs and lets selftests/demo/demo.sh, which loads the
# module itself, run in the guest.
#
# Without KERNEL=, on Debian's default kernel, where it can be had (and has
# livepatch, as on x86_64): nothing but the module is built then.
set -euo pipefail
given=${KERNEL:-}${KDIR:-}${KSRC:-}
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=debian.sh
. "$here/debian.sh"

can_have_debian() {
	[ "$DEBUG" = 0 ] && [ "$ARCH" = x86_64 ] && ! is_cross && command -v apt-get >/dev/null &&
		{ is_debian_suite || as_root unshare -m true; }
} 2>/dev/null
if [ -z "$given" ]; then
	can_have_debian || KERNEL=${arch_kernels%% *}
	export KERNEL
fi

"$here/deps.sh" build
KDIR=$("$here/kernel.sh")
export KDIR
need_livepatch
out=$selftests
kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$out" \
	"$out/watch" "$out/steps" "$out/hierarchy" "$out/demo.sh" "$out/tour.sh"

status=0
ADD="$out/watch $out/steps $out/hierarchy $out/demo.sh $out/tour.sh" MODULE=0 UNLOAD=1 \
	RUN='sh /add/demo.sh' "$here/vm.sh" || status=$?
echo "All in all: $SECONDS s."
exit $status
