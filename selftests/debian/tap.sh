# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # lib.sh assigns
#
# TAP for tests in a Debian system. Read in after lib.sh.

number=0 failed=0

ok() { # NAME COMMAND...: holds if the command does
	number=$((number + 1))
	: >"$work/out"
	if "${@:2}"; then
		echo "ok $number $1"
	else
		echo "not ok $number $1"
		failed=$((failed + 1))
		tail -n 40 "$work/out" | sed 's/^/# /'
	fi
}

# In the system, with what is printed in $work/out
quiet() { root "$@" >"$work/out" 2>&1; }

sum_up() {
	echo "$((number - failed)) passed, $failed failed"
	[ $failed = 0 ]
}
