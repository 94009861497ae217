#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Negative controls: that tests fail when the removal path leaves out the step
# that they are there for (OMIT= of Kbuild). Prints TAP. KDIR= must be a
# kernel of ours; the test programs lie in the folder that is given.
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

programs=$1
number=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fails STEP TEST PROGRAM [ARGUMENT...]: TEST does when STEP is left out, and
# the kernel has nothing to report.
fails() {
	local ko status=0
	number=$((number + 1))
	if ko=$(OMIT=$1 "$here/module.sh" 2>"$work/err"); then
		KO=$ko ADD="$programs/$3" RUN="/add/${*:3}" "$here/vm.sh" \
			>"$work/out" 2>"$work/err" || status=$?
	fi
	if [ "$status" = 1 ] && grep -q "^not ok .*$2" "$work/out"; then
		echo "ok $number without $1, $2 fails"
	else
		echo "not ok $number without $1, $2 fails"
		sed 's/^/# /' "$work/out" "$work/err"
	fi
}

echo 'TAP version 13'
fails clear_nlink directory_watch_is_told_of_rmdir memcg_events
fails release rmdir/reclaimed matrix rmdir/reclaimed
fails release subtree_control/open matrix subtree_control/open
fails guard open_directory_has_no_links_after_rmdir series
fails guard open_directory_is_told_on_close_after_fstat series
echo "1..$number"
