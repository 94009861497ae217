#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Small changes of the kind that slips in, one by one: a test must fail with each.
# Here is a patch for each; what is before its diff says what would ship, and
#
#   Killed-by: PROGRAM TEST	which test of selftests/ fails with it; one line for each,
#				all of one program
#   Reports: PATTERN		or what the kernel's log has then
#   Dies: yes			the guest may die, or not end
#
# First these tests have to pass on the module as it is. Prints TAP.
#
# All modules are built, then one guest loads, tests and unloads one after the other;
# after a change that may take it down, or keeps the module loaded, the rest has a new
# one.
#
#   KERNEL=backports	on which kernel
#   MUTANTS='pattern'	only the patches with such a name
set -uo pipefail
[ -n "${KERNEL:-}${KDIR:-}${DEBUG:-}" ] || export KERNEL=backports
# shellcheck source=../qemu/lib.sh
. "$(dirname "$0")/../qemu/lib.sh"
# shellcheck source=../qemu/tap.sh
. "$here/tap.sh"
# shellcheck source=build.sh
. "$root/selftests/mutants/build.sh"

mapfile -t all < <(cd "$mutants_dir" && printf '%s\n' *.patch | sed 's/\.patch$//')
mapfile -t mutants < <(names_like "${MUTANTS:-*}" "${all[@]}")
[ ${#mutants[@]} -gt 0 ] || wrong "MUTANTS='$MUTANTS' matches none of: ${all[*]}"
# The sources that are changed, and the modules that are built of them
tree=$root/build/mutants
logs=$root/build/logs/mutants

header() { # MODULE FIELD
	[[ $1 = =* ]] || sed -n "/^--- /q;s/^$2: //p" "$mutants_dir/$1.patch"
}

# Of the module as it is, its name is =PROGRAM.
program_of() { case $1 in =*) echo "${1#=}" ;; *) header "$1" Killed-by | sed 's/ .*//;q' ;; esac; }

tests_of() { # MODULE
	local name
	case $1 in
	=*) for name in "${mutants[@]}"; do header "$name" Killed-by | sed -n "s/^${1#=} //p"; done | sort -u ;;
	*) header "$1" Killed-by | cut -d ' ' -f 2 ;;
	esac
}

# --- modules -------------------------------------------------------------

build() { # MUTANT
	ko=$(build_mutant "$tree" "$1") && "${OBJCOPY:-objcopy}" -g "$ko" "$tree/ko/$1.ko"
} 2>>"$logs/$1.err"

build_all() {
	local name
	for name in "${mutants[@]}"; do
		echo "$name" >"$logs/.building"
		build "$name" || :
	done
}
building() { cat "$logs/.building" 2>/dev/null || :; }

# --- guests --------------------------------------------------------------

guest_script() { # MODULE...
	local name
	cat <<-'END'
		patch=/sys/kernel/livepatch/rkernfs
		# In a minute
		await() { n=0; until "$@" 2>/dev/null; do n=$((n + 1)); [ $n -lt 600 ] || return; sleep 0.1; done; }
		is_patched() { [ "$(cat $patch/transition)" = 0 ]; }
		try() { # NAME FILE COMMAND...
			name=$1
			echo "rkernfs-test: $name" >/dev/kmsg
			echo "#@ begin $name"
			insmod "$2" && await is_patched || exit
			export RKERNFS_KO=$2
			shift 2
			"$@"
			echo "#@ end $name $?"
			[ ! -d $patch ] || echo 0 >$patch/enabled
			await rmmod rkernfs || exit
		}
	END
	for name; do
		case $name in
		=*) echo "try $name /rkernfs.ko" ;;
		*) echo "try $name /add/$name.ko env RKERNFS_EVENT_MS=5000" ;;
		esac
		echo "/add/$(program_of "$name") $(arguments "$name")"
		# It may have left memory in disorder.
		{ [ -n "$(header "$name" Reports)$(header "$name" Dies)" ] && echo '; exit'; } || echo
	done | paste -d ' ' - - -
}

# matrix is no program of kselftest_harness.h.
arguments() { # MODULE
	local flag='-r '
	[ "$(program_of "$1")" != matrix ] || flag=
	tests_of "$1" | sed "s/^/$flag/" | paste -s -d ' '
}

# boot MODULE...: leaves of each that was begun its output, and how it ended if it did
boot() {
	local hangs="oops=panic sysctl.kernel.hung_task_panic=1" files=() name
	for name; do
		files+=("$selftests/$(program_of "$name")")
		[[ $name = =* ]] || files+=("$tree/ko/$name.ko")
	done
	mapfile -t files < <(printf '%s\n' "${files[@]}" | sort -u)
	KO=$unchanged MODULE=0 KLOG=ignore MEM=2G TIMEOUT=$((300 + 120 * $#)) LOG=$logs/console \
		APPEND=$hangs ADD="${files[*]}" RUN="$(guest_script "$@")" "$here/vm.sh" >"$logs/output" 2>"$logs/vm"
	awk -v dir="$logs" '
		/^#@ begin / { file = dir "/" $3 ".out"; printf "" >file; next }
		/^#@ end / { print $4 >(dir "/" $3 ".status"); file = ""; next }
		file { print >file }' "$logs/output"
	console "$logs/console" | awk -v dir="$logs" '
		/rkernfs-test: / { file = dir "/" $NF ".log"; printf "" >file }
		file { print >file }'
}

boot_all() { # MODULE...
	local left=("$@")
	while [ ${#left[@]} -gt 0 ]; do
		boot "${left[@]}"
		[ -e "$logs/${left[0]}.out" ] || return
		while [ ${#left[@]} -gt 0 ] && [ -e "$logs/${left[0]}.out" ]; do
			left=("${left[@]:1}")
		done
	done
}
how_many() { find "$logs" -name '*.status' | wc -l; }

# --- verdicts ------------------------------------------------------------

show() { # MODULE: if it is not as it should be
	cat "$logs/$1".{err,out} >"$work/out" 2>/dev/null
	grep -E "$REPORTS" "$logs/$1.log" >"$work/err" 2>/dev/null
	return 1
}

passes() { # =PROGRAM
	local status
	status=$(cat "$logs/$1.status" 2>/dev/null)
	# 4: all were skipped.
	if [[ $status != [04] || $(grep -c '^ok ' "$logs/$1.out") -lt $(tests_of "$1" | wc -l) ]] ||
		grep -qE "$REPORTS" "$logs/$1.log"; then
		show "$1"
	fi
}

fail_all() { # MUTANT
	local test
	while read -r test; do
		grep -q "^not ok [0-9]* $test" "$logs/$1.out" || return
	done < <(tests_of "$1")
}

is_killed() { # MUTANT
	local reports
	reports=$(header "$1" Reports)
	if [ -e "$logs/$1.out" ]; then
		! fail_all "$1" || return 0
		[ -z "$reports" ] || ! grep -qE "$reports" "$logs/$1.log" || return 0
		[ -e "$logs/$1.status" ] || [ "$(header "$1" Dies)" != yes ] || return 0
	fi
	show "$1"
}

judge() { # MUTANT
	local program tests why
	program=$(program_of "$1") tests=$(tests_of "$1" | paste -s -d ' ')
	why=$(tests_of "$1" | sed 's,.*,s:^ok [0-9]* & # SKIP ::p,' |
		sed -n -f - "$logs/=$program.out" 2>/dev/null | head -n 1)
	if [ -n "$why" ]; then
		skip "$1: $program: $tests" "$why"
	else
		ok "$1: $program: $tests" is_killed "$1"
	fi
}

# -------------------------------------------------------------------------

"$here/deps.sh" build vm test
KDIR=$("$here/kernel.sh") || exit
export KDIR
need_livepatch
rm -rf "$logs"
mkdir -p "$logs"
hint=
say "${#mutants[@]} changes on $(kernel_name)"
step mutants-programs "building the programs" : kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$selftests"
copy_sources "$tree"
mkdir "$tree/ko"
unchanged=$("$here/module.sh") || die "the module does not build"
step mutants-modules "building a module with each change" building build_all
mapfile -t programs < <(for name in "${mutants[@]}"; do program_of "$name"; done | sort -u)
mapfile -t built < <(for name in "${mutants[@]}"; do [ ! -e "$tree/ko/$name.ko" ] || echo "$name"; done)
step mutants "testing" how_many boot_all "${programs[@]/#/=}" "${built[@]}"
{
	echo 'TAP version 13'
	for name in "${programs[@]}"; do
		ok "$name passes on the module as it is" passes "=$name"
	done
	for name in "${mutants[@]}"; do
		judge "$name"
	done
	echo "1..$number"
} | tee "$logs/mutants.tap"
echo 0 >"$logs/mutants.status"
"$here/tap.pl" "$logs/mutants.tap"
