#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests of the harness: that nothing which goes wrong in a guest, in a test's
# output or on the host can be taken for success. Prints TAP. KDIR= must be a
# kernel of ours.
#
# shellcheck disable=SC2016 # what is in single quotes is for the guest's shell
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tap.sh
. "$here/tap.sh"

export KO='' MODULE=0 INSTALL=0

# What a kernel without the crashes on demand of lkdtm cannot show
crashes() { # NAME COMMAND...
	if [ "$(config_of "$KDIR" CONFIG_LKDTM)" = m ]; then
		ok "$@"
	else
		skip "$1" "this kernel has no lkdtm"
	fi
}

# vm STATUS REASON [SETTING=...] COMMAND: how a command in a guest ends
vm() {
	local status=0
	env "${@:3:$#-3}" LOG="$work/console" RUN="${*: -1}" "$here/vm.sh" \
		>"$work/out" 2>"$work/err" || status=$?
	[ "$status" = "$1" ] && grep -q "$2" <(cat "$work/err"; echo)
}

provoke='insmod /lib/modules/lkdtm.ko; cd /sys/kernel/debug/provoke-crash; echo %s >DIRECT; echo after'

raw_output() {
	vm 0 '' "printf 'a\\001\\r\\n\\377b'" &&
		[ "$(od -An -tx1 <"$work/out" | tr -d ' ')" = 61010d0aff62 ]
}

long_output() {
	vm 0 '' 'i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done' &&
		[ "$(wc -l <"$work/out")" = 20000 ] && [ "$(tail -n 1 "$work/out")" = "line 19999" ]
}

added_files() {
	printf '#!/bin/sh\necho "it ran: $0"\n' >"$work/prog"
	echo data >"$work/data"
	chmod 755 "$work/prog"
	chmod 640 "$work/data"
	vm 0 '' ADD="$work/prog $work/data" '/add/prog; stat -c %a /add/data; cat /add/data' &&
		[ "$(tr '\n' ' ' <"$work/out")" = "it ran: /add/prog 640 data " ]
}

bad_module() {
	echo rubbish >"$work/bad.ko"
	vm 122 'insmod rkernfs.ko failed' MODULE=1 KO="$work/bad.ko" 'echo never' &&
		! grep -q never "$work/out"
}

missing_qemu() {
	local dir
	mkdir "$work/bin"
	for dir in ${PATH//:/ }; do
		ln -s "$dir"/* "$work/bin/" 2>/dev/null
	done
	rm "$work"/bin/qemu-system-*
	vm 125 "missing: $qemu_package" PATH="$work/bin" true
}

# refused SCRIPT WHY [SETTING=...]: it fails and its last line, which is the
# only error, says why.
refused() {
	! env "${@:3}" "$here/$1" >"$work/out" 2>"$work/err" &&
		[ "$(grep -c '^error: ' "$work/err")" = 1 ] &&
		tail -n 1 "$work/err" | grep -q "^error: .*$2"
}

# A tree that looks built, with these lines in its configuration
tree() { # NAME LINE...
	mkdir -p "$work/$1/include/config" "$work/$1/fs/kernfs"
	printf '%s\n' "${@:2}" >"$work/$1/include/config/auto.conf"
	echo 1.2.3 >"$work/$1/include/config/kernel.release"
	: >"$work/$1/Module.symvers"
	: >"$work/$1/fs/kernfs/kernfs-internal.h"
	echo "KDIR=$work/$1"
}

unbuilt_tree() {
	local tree
	tree=$(tree unbuilt)
	rm -r "$work/unbuilt/include"
	refused module.sh 'no build files' "$tree" && refused vm.sh 'no build files' "$tree"
}

tree_without_modules() {
	local tree
	tree=$(tree no-modules CONFIG_RUST=y)
	rm "$work/no-modules/Module.symvers"
	refused module.sh 'no Module.symvers' "$tree"
}

tree_of_headers() {
	local tree
	tree=$(tree headers CONFIG_RUST=y)
	rm -r "$work/headers/fs"
	refused module.sh 'no fs/kernfs/kernfs-internal.h' "$tree"
}

other_rustc() {
	refused module.sh 'was built with rustc 1.2.3.*here is rustc' \
		"$(tree other-rustc CONFIG_RUST=y 'CONFIG_RUSTC_VERSION_TEXT="rustc 1.2.3 (old)"')"
}

no_space() {
	mkdir "$work/full"
	printf '#!/bin/sh\necho Avail; echo 10M\n' >"$work/full/df"
	chmod 755 "$work/full/df"
	refused kernel.sh 'needs [0-9]* MB in .*, 10 MB are free' KDIR= PATH="$work/full:$PATH" \
		RKERNFS_CACHE="$work/cache" && [ -z "$(find "$work/cache" -type f -size +0)" ]
}

source_without_livepatch() {
	local arch=$work/source/${image%/boot/*}
	mkdir -p "$arch" "$work/source/rust"
	touch "$work/source/Kbuild" "$arch/Kconfig"
	printf 'VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 3\nEXTRAVERSION =\n' >"$work/source/Makefile"
	refused kernel.sh "Linux 6.12.3 has no livepatch on $ARCH" KDIR= KSRC="$work/source"
}

# What each file of src/shim includes, as for a kernel with these symbols
shim() { # SYMBOL...
	: >"$work/offsets_generated.h"
	gcc -E -x c -I"$work" "${@/#/-DCONFIG_}" "$root/src/shim/shim.h" >"$work/out" 2>"$work/err"
}
other_kernels_are_refused() {
	shim 64BIT &&
		! shim && grep -q '#error .*64-bit' "$work/err" &&
		! shim 64BIT CPU_BIG_ENDIAN && grep -q '#error .*little-endian' "$work/err"
}

# Programs for suite.sh, good and bad ones
programs() {
	local name
	mkdir "$work/programs"
	cd "$work/programs" || exit
	echo 'echo 1..2; echo ok 1; echo ok 2' >good
	echo 'echo 1..1; echo ok 1; echo -n no newline' >no_newline
	echo 'echo "1..0 # SKIP not here"; exit 4' >skipped
	echo 'echo 1..3; echo ok 1; echo "ok 2 one # XFAIL why"; echo "not ok 3 two # TODO"' >expected
	echo 'echo 1..2; echo ok 1; echo not ok 2; exit 1' >fails
	echo 'echo 1..2; echo ok 1; echo "ok 2 # XPASS one"' >unexpected
	echo 'echo 1..2; echo ok 1; echo "ok 2 one # TODO"' >unexpected_todo
	echo 'echo 1..1; echo ok 1; exit 1' >bad_exit
	echo 'echo ok 1; echo ok 2' >no_plan
	echo 'echo 1..3; echo ok 1; echo ok 2' >truncated
	echo ':' >no_tests
	echo 'echo 1..0' >empty_plan
	echo 'echo 1..1; echo ok 1; sleep 1000' >hangs
	echo 'echo 1..1; echo ok 1; echo c >/proc/sysrq-trigger; sleep 9' >panics
	echo 'echo 1..1; echo "WARNING: in the log" >/dev/kmsg; echo ok 1' >warns
	echo 'echo 1..1; echo ok 1; reboot -f; sleep 9' >resets
	echo 'echo 1..1; echo ok 1' >last
	for name in *; do
		sed -i '1i#!/bin/sh' "$name"
	done
	chmod 755 ./*
	cd "$OLDPWD" || exit
}

# suite NAME...: run these programs; what tap.pl says of them is in out.
suite() {
	rm -rf "$work/results"
	LIMIT=10 "$here/suite.sh" "$work/results" "${@/#/$work/programs/}" >"$work/err" 2>&1
	"$here/tap.pl" "$work/results"/*.tap >"$work/out" 2>>"$work/err"
}

says() { [ "$(tail -n 1 "$work/out")" = "$1" ]; }
fails() { grep -q "^FAILED .*$1.tap$" "$work/out"; }

nothing_to_run() {
	! "$here/tap.pl" >"$work/out" 2>&1 && says "0 passed, 0 failed"
}

good_suite() {
	suite good no_newline skipped last && says "5 passed, 0 failed"
}

expected_failures() {
	suite good expected && says "4 passed, 0 failed" &&
		grep -q '^XFAIL .*expected: 2 one' "$work/out" &&
		grep -q '^XFAIL .*expected: 3 two' "$work/out" &&
		grep -q '^2 failed as expected' "$work/out"
}

bad_suite() {
	local name
	local bad=(fails unexpected unexpected_todo bad_exit no_plan truncated no_tests empty_plan
		hangs warns panics resets)
	! suite good "${bad[@]}" last || return
	for name in "${bad[@]}"; do
		fails "$name" || { echo "$name passed" >>"$work/err"; return 1; }
	done
	! fails good && ! fails last && ! fails machine
}

dead_machine() {
	! APPEND='init=/nothing rdinit=/nothing' suite good && fails machine && fails good
}

echo "TAP version 13"
echo 1..28
ok "output is passed through raw" raw_output
ok "long output is complete" long_output
ok "the command's status is vm.sh's" vm 7 '' 'exit 7'
ok "added files keep their modes" added_files
ok "a panic fails" vm 123 'Kernel panic' 'echo ok; echo c >/proc/sysrq-trigger; sleep 9'
crashes "an oops fails" vm 123 'BUG: \|Oops: ' "${provoke/\%s/EXCEPTION}"
crashes "a warning fails, though the command returns 0" vm 121 'WARNING: ' "${provoke/\%s/WARNING}"
crashes "a warning does not, when told so" vm 0 '' KLOG=ignore "${provoke/\%s/WARNING}"
ok "a reset fails" vm 123 'the guest died' 'reboot -f; sleep 9'
ok "a command that hangs fails" vm 124 'within 10 s' TIMEOUT=10 'sleep 1000'
crashes "a stuck processor fails" vm 124 'within 10 s' TIMEOUT=10 SMP=1 "${provoke/\%s/HARDLOCKUP}"
ok "a module that does not load fails" bad_module
ok "QEMU is named when it is missing" missing_qemu
ok "KDIR without build files is refused" unbuilt_tree
ok "KDIR without modules built is refused" tree_without_modules
ok "KDIR without Rust is refused" refused module.sh 'without CONFIG_RUST' "$(tree no-rust)"
ok "KDIR without kernfs-internal.h is refused" tree_of_headers
ok "KDIR of another rustc is refused" other_rustc
ok "KSRC that is no source is refused" refused kernel.sh 'not a kernel source' KDIR= KSRC=/etc
ok "KSRC without livepatch is refused" source_without_livepatch
ok "an architecture that nothing is known of is refused" refused module.sh 'knows x86_64 and arm64' KDIR= ARCH=riscv
ok "32-bit and big-endian kernels are refused when it is compiled" other_kernels_are_refused
ok "no room on the disk is refused" no_space
ok "no result at all fails" nothing_to_run
programs
ok "good tests pass and are counted" good_suite
ok "expected failures are named, and neither passed nor failed" expected_failures
ok "each bad test fails, the others still run" bad_suite
ok "a machine that never comes up fails all" dead_machine
