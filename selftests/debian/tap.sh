# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # lib.sh and qemu/tap.sh assign
#
# TAP for tests in a Debian system. Read in after lib.sh.
# shellcheck source=../qemu/tap.sh
. "$here/tap.sh"

# In the system, with what is printed in $work/out
quiet() { root "$@" >"$work/out" 2>&1; }

sum_up() {
	echo "$((number - failed)) passed, $failed failed"
	[ "$failed" = 0 ]
}
