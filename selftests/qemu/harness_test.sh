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
echo 1..17
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
ok "no result at all fails" nothing_to_run
programs
ok "good tests pass and are counted" good_suite
ok "expected failures are named, and neither passed nor failed" expected_failures
ok "each bad test fails, the others still run" bad_suite
ok "a machine that never comes up fails all" dead_machine
