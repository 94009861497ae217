#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   suite.sh FOLDER PROGRAM...
#
# Runs test programs in a guest, and leaves of each PROGRAM.tap, its output,
# and PROGRAM.status, 0 if it ended well, in FOLDER. When a test takes the
# guest down, that is its failure, and the next one gets a new guest. Settings
# are those of vm.sh; LIMIT, the seconds of the guest's own that one program may
# take; EXPECT and EVENT_MS, the programs' RKERNFS_EXPECT and RKERNFS_EVENT_MS.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

dir=$1
shift
left=("$@")
: "${MODULE:=1}"
if [ -z "${LIMIT:-}" ]; then
	LIMIT=$([ "$(config_of "$KDIR" CONFIG_KASAN)" = y ] && echo 3000 || echo 1200)
fi
mkdir -p "$dir"

# The guest marks where each test begins and ends, in the output and in the
# kernel's log.
guest_script() {
	local name
	for name in "${left[@]##*/}"; do
		cat <<-END
			echo "rkernfs-test: $name" >/dev/kmsg
			echo "#@ begin $name"
			RKERNFS_EXPECT=${EXPECT:-} RKERNFS_EVENT_MS=${EVENT_MS:-} /vm/limited $LIMIT /add/$name 2>&1
			printf '\\n#@ end $name %s\\n' \$?
			# What was skipped behind its loading has no teardown.
			rmmod dummy 2>/dev/null
		END
	done
	echo 'echo "rkernfs-test: machine" >/dev/kmsg'
}

# Prints the test that did not get to its end.
split_output() { # FILE
	awk -v dir="$dir" '
		/^#@ begin / { name = $3; file = dir "/" name ".tap"; printf "" >file; next }
		/^#@ end / && $3 == name {
			# 4 is how a kselftest says that all of it was skipped.
			print ($4 == 4 ? 0 : $4) >(dir "/" name ".status")
			name = ""
			next
		}
		name != "" { print >file }
		END { print name }' "$1"
}

# blame NAME STATUS REASON
blame() {
	echo "# $3" >>"$dir/$1.tap"
	echo "$2" >"$dir/$1.status"
}

# What the kernel had to report is the failure of the test that it came in.
blame_reports() { # CONSOLE
	local line name=machine
	console "$1" | grep -E "rkernfs-test: |$REPORTS" | while read -r line; do
		case $line in
		*"rkernfs-test: "*) name=${line##*rkernfs-test: } ;;
		*) [ "$name" = "$(cat "$dir/.dead")" ] || blame "$name" 121 "the kernel reports: $line" ;;
		esac
	done || :
}

# One guest: runs what is left, up to the first that takes it down. A program
# that hangs is killed after LIMIT; a kernel that hangs shall panic, because
# the time for all is long.
boot() { # NUMBER
	local out=$dir/output.$1.log log=$dir/console.$1.log status=0 reason dead hangs
	hangs="sysctl.kernel.hung_task_panic=1 sysctl.kernel.softlockup_panic=1"
	hangs+=" sysctl.kernel.panic_on_rcu_stall=1"
	KLOG=ignore UNLOAD=$MODULE LOG=$log TIMEOUT=$((LIMIT * ${#left[@]} + 60)) \
		ADD="${left[*]}" APPEND="$hangs ${APPEND:-}" RUN="$(guest_script)" "$here/vm.sh" >"$out" 2>"$dir/vm.$1.log" || status=$?
	dead=$(split_output "$out")
	echo "$dead" >"$dir/.dead"
	reason=$(sed -n 's/^error: //p' "$dir/vm.$1.log" | head -n 1)

	if [ "$status" -ne 0 ] && [ -z "$dead" ]; then
		blame machine "$status" "$reason"
		left=()
	elif [ -n "$dead" ]; then
		blame "$dead" "$status" "$reason"
		while [ "${left[0]##*/}" != "$dead" ]; do
			left=("${left[@]:1}")
		done
		left=("${left[@]:1}")
	else
		left=()
	fi
	[ ! -e "$log" ] || blame_reports "$log"
}

printf '%s\n' 'TAP version 13' 1..1 'ok 1 loads, unloads, leaks nothing, nothing reported beside the tests' \
	>"$dir/machine.tap"
echo 0 >"$dir/machine.status"
for program in "${left[@]}"; do
	blame "${program##*/}" 125 "was not run"
done
number=1
while [ ${#left[@]} -gt 0 ]; do
	boot $number
	number=$((number + 1))
done
