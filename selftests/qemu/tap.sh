# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# TAP for scripts that try things out. Read in after lib.sh. What is tried leaves
# what it printed in $work/out and $work/err.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0

ok() { # NAME COMMAND...: holds if the command does
	number=$((number + 1))
	if "${@:2}"; then
		echo "ok $number $1"
	else
		echo "not ok $number $1"
		cat "$work/out" "$work/err" 2>/dev/null | sed 's/^/# /'
	fi
}

skip() { # NAME WHY
	number=$((number + 1))
	echo "ok $number $1 # SKIP $2"
}
