#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Negative controls: that tests fail when the removal path leaves out the step
# that they are there for (OMIT= of Kbuild). Prints TAP. KDIR= must be a
# kernel of ours; the test programs lie in the folder that is given.
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tap.sh
. "$here/tap.sh"

programs=$1

# fails STEP TEST PROGRAM [ARGUMENT...]: TEST does when STEP is left out, and
# the kernel has nothing to report.
fails() { ok "without $1, $2 fails" fails_without "$@"; }

fails_without() {
	local ko status=0
	ko=$(OMIT=$1 "$here/module.sh" 2>"$work/err") || return
	KO=$ko ADD="$programs/$3" RUN="/add/${*:3}" "$here/vm.sh" \
		>"$work/out" 2>"$work/err" || status=$?
	[ "$status" = 1 ] && grep -q "^not ok .*$2" "$work/out"
}

# A module that was built for a kernel with another layout of kernfs_root
mislaid_is_refused() {
	local headers=$root/build/mislaid ko status=0
	mkdir -p "$headers"
	sed 's/^struct kernfs_root {$/&\n\tunsigned long added;/' \
		"$(source_of "$KDIR")/fs/kernfs/kernfs-internal.h" >"$headers/kernfs-internal.h"
	ko=$(INCLUDE_FIRST=$headers "$here/module.sh" 2>"$work/err") || return
	KO=$ko RUN=true LOG="$work/out" "$here/vm.sh" >/dev/null 2>"$work/err" || status=$?
	[ $status = 122 ] && grep -q 'rkernfs: struct kernfs_root, size: ' "$work/out"
}

echo 'TAP version 13'
has_livepatch || { echo '1..0 # SKIP this kernel has no livepatch'; exit; }
fails clear_nlink directory_watch_is_told_of_rmdir memcg_events
fails release rmdir/reclaimed matrix rmdir/reclaimed
fails release subtree_control/cached matrix subtree_control/cached
fails guard open_directory_has_no_links_after_rmdir series
fails guard open_directory_is_told_on_close_after_fstat series
fails grace stopped.in_sendfile_from_fuse unprivileged -v in_sendfile_from_fuse
fails grace blocked.by_a_full_socket unprivileged -v by_a_full_socket
fails grace blocked.by_cpu_max unprivileged -v by_cpu_max
if [ "$(config_of "$KDIR" CONFIG_DEBUG_INFO_BTF)" = y ]; then
	ok "a module of another layout is refused" mislaid_is_refused
else
	skip "a module of another layout is refused" "the kernel has no BTF"
fi
echo "1..$number"
