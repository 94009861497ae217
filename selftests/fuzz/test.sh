#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# That the fuzzer finds a change of the removal path (a patch of selftests/mutants),
# and leaves hardly anything of the program; what it writes fails by itself, but not
# with the module as it is. Prints TAP. KDIR= must be a kernel of ours.
set -uo pipefail
# shellcheck source=../qemu/lib.sh
. "$(dirname "$0")/../qemu/lib.sh"
# shellcheck source=../qemu/tap.sh
. "$here/tap.sh"
# shellcheck source=../mutants/build.sh
. "$root/selftests/mutants/build.sh"

pinned_down() { # MUTANT
	local ko file
	copy_sources "$root/build/fuzzer"
	ko=$(build_mutant "$root/build/fuzzer" "$1" 2>"$work/err") || return
	KO=$ko FUZZ_S=120 SEED=1 "$here/fuzz.sh" >"$work/out" 2>"$work/err" && return 1
	grep -q '^by itself it ends with 1$' "$work/err" || return
	file=$(sed -n 's/^written: //p' "$work/err")
	[ "$(sed -n '1s/.* \([0-9]*\) calls.*/\1/p' "$file")" -le 8 ] || return
	"${cross}gcc" -O2 -static -pthread -o "$work/standalone" "$file" 2>>"$work/err" || return
	ADD="$work/standalone" RUN='insmod /lib/modules/dummy.ko numdummies=0; /add/standalone' TIMEOUT=400 "$here/vm.sh" >>"$work/out" 2>>"$work/err"
}

echo 'TAP version 13'
has_livepatch || { echo '1..0 # SKIP this kernel has no livepatch'; exit; }
for mutant in without-release without-clear-nlink; do
	ok "$mutant: the fuzzer finds it" pinned_down $mutant
done
echo "1..$number"
