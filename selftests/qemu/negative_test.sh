#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Negative controls: that a module that does not fit the kernel is refused, and that
# what carried code prints is readable. Prints TAP. (What a missing step of the
# removal path breaks is in selftests/mutants.)
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tap.sh
. "$here/tap.sh"

# A module that was built for a kernel with another layout of kernfs_root
mislaid_is_refused() {
	local headers=$root/build/mislaid ko status=0
	mkdir -p "$headers"
	sed 's/^struct kernfs_root {$/&\n\tunsigned long added;/' \
		"$(source_of "$KDIR")/fs/kernfs/kernfs-internal.h" >"$headers/kernfs-internal.h"
	ko=$(INCLUDE_FIRST=$headers "$here/module.sh" 2>"$work/err") || return
	KO=$ko RUN=true LOG="$work/out" "$here/vm.sh" >/dev/null 2>"$work/err" || status=$?
	[ $status = 122 ] && grep -q 'rkernfs: struct kernfs_root: size is ' "$work/out"
}

# How insmod of a module without STEP ends: what the kernel's log has then
log_without() { # STEP
	local ko
	ko=$(OMIT=$1 "$here/module.sh" 2>"$work/err") || return
	KO=$ko MODULE=0 KLOG=ignore LOG="$work/out" RUN='insmod /rkernfs.ko' "$here/vm.sh" >"$work/err" 2>&1
	[ -s "$work/out" ]
}

# What the crates say, and whose code is on the stack: theirs
panic_is_readable() {
	log_without sanity &&
		grep -q 'rust_kernel: panicked at .*src/rkernfs.rs:' "$work/out" &&
		grep -q 'a panic on purpose' "$work/out" &&
		grep -q 'core.*9panicking.* \[rkernfs\]' "$work/out"
}

# Without what is linked in for it, the kernel warns of what it cannot print.
crates_print() {
	log_without printing && grep -q 'Please remove %pA' "$work/out" &&
		! grep -q 'a panic on purpose' "$work/out"
}

# The least change to what the kernel says that one of its functions looks like
other_crc_is_refused() {
	local ko status=0
	ko=$("$here/module.sh" 2>"$work/err") || return
	cp "$ko" "$work/other.ko"
	perl -0777 -pi -e 's/(.{4})(\0{4}down_read\0{20})/~$1 . $2/se' "$work/other.ko"
	KO=$work/other.ko LOG="$work/out" RUN=true "$here/vm.sh" >/dev/null 2>"$work/err" || status=$?
	[ $status = 122 ] && grep -q 'rkernfs: disagrees about version of symbol down_read' "$work/out"
}

is_carried() { ! nm -u "$("$here/module.sh")" | grep -q rust_helper_; }

# A kernel with another text than those that were compared
unreviewed() {
	export COMPARED=$root/build/compared
	mkdir -p "$COMPARED"
	cp "$root/src/compared/compare.pl" "$COMPARED/"
	sed 's/^\(kernfs_drain()\t*\).*/\1?=6.12.118/' "$root/src/compared/kernels" >"$COMPARED/kernels"
	! grep -q "^kernfs_drain().*[0-9a-f]\{12\}" "$COMPARED/kernels"
}
unreviewed_is_refused() {
	unreviewed && ! "$here/module.sh" >"$work/out" 2>"$work/err" &&
		grep -q '^error: .*: kernfs_drain() of [^ ]* is not one of those that rkernfs was compared with: ' "$work/err"
}
unreviewed_says_so() {
	local ko
	ko=$(RKERNFS_UNREVIEWED=1 "$here/module.sh" 2>"$work/err") &&
		grep -q '^note: kernfs_drain() of ' "$work/err" &&
		KO=$ko RUN="dmesg | grep 'rkernfs: kernfs_drain() of .*; built with RKERNFS_UNREVIEWED=1'" \
			"$here/vm.sh" >"$work/out" 2>"$work/err"
}

echo 'TAP version 13'
has_livepatch || { echo '1..0 # SKIP this kernel has no livepatch'; exit; }
if [ "$(config_of "$KDIR" CONFIG_DEBUG_INFO_BTF)" = y ]; then
	ok "a module of another layout is refused" mislaid_is_refused
else
	skip "a module of another layout is refused" "the kernel has no BTF"
fi
if is_carried; then
	ok "a panic in Rust that the module carries is readable" panic_is_readable
	ok "without its printing, the kernel warns" crates_print
fi
if [ "$(config_of "$KDIR" CONFIG_MODVERSIONS)" = y ]; then
	ok "another version of a symbol is refused" other_crc_is_refused
fi
ok "a kernel that nobody compared is refused" unreviewed_is_refused
ok "one that is taken all the same says so in the log" unreviewed_says_so
echo "1..$number"
