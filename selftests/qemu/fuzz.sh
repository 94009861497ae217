#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The fuzzer (selftests/fuzz.c) in a virtual machine. What it finds is made as
# small as it can be, over as many boots as that takes, and written to
# build/fuzz/ as a C program that needs nothing of this tree. The last line
# tells on how many kernels it found nothing, and on how many something.
#
#   KERNEL='stable backports'	on which kernels
#   DEBUG=0		1: with lockdep, KASAN, kmemleak; kcsan: with KCSAN
#   FUZZ_S=60		how many seconds on each
#   SEED=		repeats a run
#   KO=			this module instead of the one built here
set -euo pipefail
kernels=${KERNEL:-} several=y
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
: "${kernels:=$default_kernels}"
: "${FUZZ_S:=60}" "${SEED:=$(date +%s)}"

readonly FOUND=1 BOOT_ANEW=3 REPORTED=121 NOT_LOADED=122 DIED=123 TIMED_OUT=124
max_boots=60
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# boot ARGUMENT...: of the fuzzer. A hang shall be an end, too.
boot() {
	local hangs="sysctl.kernel.hung_task_panic=1 sysctl.kernel.softlockup_panic=1"
	ADD="$programs/fuzz $work/verdicts" UNLOAD=1 TIMEOUT=$((FUZZ_S + 1200)) \
		APPEND="$hangs sysctl.kernel.panic_on_rcu_stall=1 ${APPEND:-}" \
		RUN="REPORTS='$REPORTS' SEED=$SEED /add/fuzz $*" "$here/vm.sh" >"$work/out" 2>"$work/err"
}

# What was under way when the guest died, or had to end, failed.
note_verdicts() {
	sed -n 's/^#@ verdict //p' "$work/out" >>"$work/verdicts"
	echo 1 >>"$work/verdicts"
}

# The program NUMBER took the kernel down, or had it report something.
pin_down() { # NUMBER
	local status=$BOOT_ANEW boots=0
	while [ $boots -lt $max_boots ]; do
		status=0
		boot -p "$1" -v /add/verdicts || status=$?
		case $status in
		"$BOOT_ANEW" | "$DIED" | "$TIMED_OUT") note_verdicts ;;
		*) return $status ;;
		esac
		boots=$((boots + 1))
		say "boot $boots: $(grep ' calls are left$' "$work/out" | tail -n 1)"
	done
	say "error: gave up minimising after $boots boots"
	return "$BOOT_ANEW"
}

# Writes the C program that the fuzzer printed, and runs it by itself.
write_out() { # NAME
	local file=$root/build/fuzz/$1.c status=0
	mkdir -p "${file%/*}"
	sed -n '/^#@ program of/,/^#@ end/p' "$work/out" >"$work/found"
	[ -s "$work/found" ] || return 0
	{
		echo "// $(sed -n '1s/^#@ //p' "$work/found"), on $1"
		sed '/^#@/d' "$work/found" | "$root/selftests/fuzz/standalone.pl" "$root/selftests/fuzz/standalone.c"
	} >"$file"
	sed '/^#@/d' "$work/found"
	say "written: $file"
	"${cross}gcc" -O2 -static -pthread -o "$work/standalone" "$file" 2>"$work/err" || { cat "$work/err" >&2; return; }
	ADD=$work/standalone RUN='insmod /lib/modules/dummy.ko numdummies=0; /add/standalone' TIMEOUT=400 "$here/vm.sh" >"$work/out" 2>"$work/err" || status=$?
	sed 's/^/  | /' "$work/out"
	say "by itself it ends with $status$([ $status != 0 ] || echo ': that it fails depends on more')"
}

fuzz_on() { # NAME
	local status=0 number
	: >"$work/verdicts"
	boot -t "$FUZZ_S" || status=$?
	grep '^# ' "$work/out" || :
	# Whoever loses an event may also lose what unloading waits for.
	! grep -q '^#@ end' "$work/out" || status=$FOUND
	case $status in
	0) return ;;
	"$REPORTED" | "$NOT_LOADED") cat "$work/err" >&2 ;;
	"$FOUND") write_out "$1" ;;
	"$BOOT_ANEW" | "$DIED" | "$TIMED_OUT")
		cat "$work/err" >&2
		number=$(sed -n 's/^#@ program \([0-9]*\)$/\1/p' "$work/out" | tail -n 1)
		if [ -n "$number" ]; then
			pin_down "$number" || :
			write_out "$1"
		fi
		;;
	*) cat "$work/err" >&2 ;;
	esac
	return 1
}

given=${KDIR:-} passed=0 failed=0
[ -z "$given" ] || kernels=$(basename "$given")
for kernel in $kernels; do
	KDIR=$(KDIR=$given KERNEL=$kernel "$here/kernel.sh")
	export KDIR
	# One each: the fuzzers of two kernels may be tested at once.
	programs=$selftests-fuzz-$kernel
	kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$programs" "$programs/fuzz" >&2
	say "fuzzing on $(kernel_name): $FUZZ_S s, SEED=$SEED ..."
	if fuzz_on "$kernel-$SEED"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
