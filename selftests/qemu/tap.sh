# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# TAP for scripts that try things out. Read in after lib.sh. What is tried leaves
# what it printed in $work/out and $work/err.

# debian/lib.sh has one.
if ! declare -F open_root >/dev/null; then
	work=$(mktemp -d)
	trap 'end_steps; rm -rf "$work"' EXIT
fi
number=0 failed=0

ok() { # NAME COMMAND...: holds if the command does
	number=$((number + 1))
	rm -f "$work/out" "$work/err"
	if "${@:2}"; then
		echo "ok $number $1"
	else
		echo "not ok $number $1"
		failed=$((failed + 1))
		# Who reads this in may end with a command that fails.
		cat "$work/out" "$work/err" 2>/dev/null | tail -n 100 | sed 's/^/# /' || :
	fi
}

skip() { # NAME WHY
	number=$((number + 1))
	echo "ok $number $1 # SKIP $2"
}
