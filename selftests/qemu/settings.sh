# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # lib.sh assigns
#
# What a user may set, looked at before anything is fetched or built: one line
# names the setting and what it takes. Read in by lib.sh. A script that takes
# several kernels says so before, by several=y.

wrong() { say "error: $*"; exit 125; }

is_number() { [[ $1 =~ ^[0-9]+$ ]]; }

check_number() { # SETTING LEAST WHAT
	[ -z "${!1:-}" ] || { is_number "${!1}" && [ "${!1}" -ge "$2" ]; } ||
		wrong "$1=${!1}: $3, a number from $2 on"
}

check_word() { # SETTING WORD...
	[ -z "${!1:-}" ] || [[ " ${*:2} " == *" ${!1} "* ]] ||
		wrong "$1=${!1}: one of ${*:2}"
}

check_there() { # SETTING TEST WHAT
	[ -z "${!1:-}" ] || test "$2" "${!1}" || wrong "$1=${!1}: no such $3"
}

# make's words, and so Kbuild's folders, end at a space.
check_spaces() { # NAME PATH
	[[ $2 != *[[:space:]]* ]] ||
		wrong "$1 is '$2': make and Kbuild take no path with a space in it: move it"
}

check_kernel() { # NAME
	case $1 in
	stable | backports) ;;
	debian) wrong "KERNEL=debian: it is called backports now (Debian's newest), beside stable (Debian's default)" ;;
	*)
		[[ $1 =~ ^[0-9]+\.[0-9]+(-limit)?$ ]] ||
			wrong "KERNEL=$1: stable, backports, or a series of Linux such as 6.12 or 7.3"
		[ "$(printf '%s\n' 6.12 "$1" | sort -V | head -n 1)" = 6.12 ] ||
			wrong "KERNEL=$1: it is 6.12 or later that rkernfs is for"
		;;
	esac
}

check_several() { # SETTING
	[ -n "${several:-}${KDIR:-}" ] || [[ ${!1:-} != *[[:space:]]* ]] ||
		wrong "$1='${!1}': one at a time here"
}

# The programs of selftests/, and what else test.sh runs when it is asked for:
# commands	what the commands of this tree say to bad input; needs no kernel
# harness	that nothing which goes wrong in a guest is taken for success
# negative	that a module that does not fit the kernel is refused
# fuzzer	that the fuzzer finds that
# kexec		that a patched kernel starts the next one
# compile_fail	that the types refuse what they promise to
# shellcheck disable=SC2034 # for who reads this file in
other_tests='commands harness negative fuzzer kexec compile_fail'
test_programs() { sed -n 's/^TESTS := //p' "$root/selftests/Makefile"; }

# names_like PATTERN NAME...: those that it matches, a line each
shopt -s extglob	# TESTS='!(reload|stress)'
names_like() {
	local name
	for name in "${@:2}"; do
		# shellcheck disable=SC2254 # it is a pattern
		case $name in $1) echo "$name" ;; esac
	done
}

check_tests() { # NAME...
	[ -z "${TESTS:-}" ] || [ -n "$(names_like "$TESTS" "$@")" ] ||
		wrong "TESTS='$TESTS' matches none of: $*"
}

check_settings() {
	local word
	check_spaces "this tree" "$root"
	check_spaces "the cache (RKERNFS_CACHE)" "$cache"
	for word in KDIR KSRC KO; do
		check_spaces "$word" "${!word:-}"
	done
	check_several KERNEL
	check_several DEBUG
	# With a built tree, KERNEL= says nothing.
	[ -n "${KDIR:-}${KSRC:-}" ] || for word in ${KERNEL:-}; do
		check_kernel "$word"
	done
	for word in ${DEBUG:-}; do
		[[ $word =~ ^(0|1|kcsan)$ ]] || wrong "DEBUG=$word: 0, 1 or kcsan"
		[ "$word" = 0 ] || [[ " ${KERNEL:-} " != *" "@(stable|backports)" "* ]] ||
			wrong "DEBUG=$word: Debian's kernels are as Debian built them; KERNEL=6.12 or 7.3"
	done
	check_word RKERNFS_CARRY y n
	check_word FULL 0 1
	check_word REPORT 0 1
	for word in ${CLOCKS:-}; do
		[[ $word =~ ^(icount|plain|windows|turns|many)$ ]] || wrong "CLOCKS: $word: icount, plain, windows, turns or many"
	done
	check_word MODULE 0 1
	check_word UNLOAD 0 1
	check_word INSTALL 0 1
	check_word KLOG check ignore
	for word in ${ON:-}; do
		[[ $word =~ ^(kernel|series|rkernfs)$ ]] || wrong "ON=$word: kernel, series or rkernfs"
	done
	check_number SMP 1 "how many processors"
	[[ ${MEM:-1G} =~ ^[1-9][0-9]*[KMGkmg]?$ ]] || wrong "MEM=$MEM: how much memory, such as 512M or 2G"
	check_number TIMEOUT 1 "how many seconds a guest may take"
	check_number FUZZ_S 1 "how many seconds to fuzz on each kernel"
	check_number SOAK_S 1 "how many seconds to soak"
	check_number STRESS_SECONDS 1 "how many seconds each stressor runs"
	check_number LANES 1 "how many guests at a time"
	check_number ROUNDS 1 "how many rounds"
	check_number NODES 0 "how many removals"
	check_number SEED 0 "what a run is repeated by"
	check_there KDIR -d folder
	check_there KSRC -d folder
	check_there KO -f file
	check_there DISK -d folder
	[ -z "${LOG:-}" ] || [ -d "$(dirname "$LOG")" ] || wrong "LOG=$LOG: no such folder"
	for word in ${KCONFIG:-}; do
		[ -e "$word" ] || wrong "KCONFIG: $word: no such file"
	done
	for word in ${ADD:-}; do
		[ -e "$word" ] || wrong "ADD: $word: no such file"
	done
}
check_settings
