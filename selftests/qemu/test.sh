#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs selftests/ on the dev kernels.
#
#   KERNEL=6.12 or 7.3    only this one; stable or backports: a kernel that
#                         Debian ships
#   ARCH=arm64            on 7.3 of that architecture
#   DEBUG=0 or 1          only the normal, only the debug kernel
#   KDIR=                 only this built kernel
#   TESTS='pattern'       only the programs with such a name (harness: the
#                         tests of the harness itself; negative: that tests
#                         fail when the module leaves out a step; fuzzer: that
#                         it finds that; kexec: that a patched kernel starts
#                         the next one; compile_fail: that the types refuse
#                         what they promise to)
set -euo pipefail
kernels=${KERNEL:-} variants=${DEBUG:-0 1} pattern=${TESTS:-*}
# Debian's is as it is.
case $kernels in stable | backports) variants=${DEBUG:-0} ;; esac
unset TESTS
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
: "${kernels:=$arch_kernels}"

[ -z "${KDIR:-}" ] || kernels=$(basename "$KDIR") variants=${DEBUG:-0}
logs=$root/build/logs

"$here/deps.sh" build vm test

ran=()
begin() { # NAME
	rm -rf "${logs:?}/$1"
	mkdir -p "$logs/$1"
	ran+=("$logs/$1")
}

shopt -s extglob	# TESTS='!(harness|negative)'
selected() {
	# shellcheck disable=SC2254 # it is a pattern
	case $1 in $pattern) ;; *) return 1 ;; esac
}

# failed NAME WHY: a file for tap.pl that fails
failed() {
	echo "# $2" >"$logs/$1.tap"
	echo 125 >"$logs/$1.status"
}

# Builds all for one kernel and prints the programs that were asked for.
programs() { # OUT
	local src name
	# -e does not hold where the status is asked for.
	src=$(source_of "$KDIR") || return
	kmake -s -C "$root/selftests" KSRC="$src" OUT="$1" >&2 || return
	# shellcheck disable=SC2016 # for make
	kmake -s -C "$root/selftests" KSRC="$src" --eval 'list: ; @echo $(TESTS)' list |
		tr ' ' '\n' | while read -r name; do
			! selected "$name" || echo "$1/$name"
		done
}

run_on() { # NAME OUT
	local list
	export KO
	KO=$("$here/module.sh") || { failed "$1/module" "the module does not build"; return; }
	list=$(programs "$2") || { failed "$1/programs" "they do not build"; return; }
	[ -n "$list" ] || return 0
	# shellcheck disable=SC2086 # one program a word
	"$here/suite.sh" "$logs/$1" $list
}

# tests NAME COMMAND...: a script that prints TAP
tests() {
	echo 0 >"$logs/$1/${1%%-*}.status"
	"${@:2}" >"$logs/$1/${1%%-*}.tap" 2>&1 || echo $? >"$logs/$1/${1%%-*}.status"
}

name_of() { # KERNEL DEBUG
	echo "$1$of_arch$([ "$2" = 0 ] || echo -debug)"
}

# All kernels before any test: a guest wants its processor for itself.
given=${KDIR:-}
declare -A kdir
for debug in $variants; do
	for kernel in $kernels; do
		name=$(name_of "$kernel" "$debug")
		kdir[$name]=$(KDIR=$given KERNEL=$kernel DEBUG=$debug "$here/kernel.sh") ||
			{ begin "$name"; failed "$name/kernel" "no kernel"; unset "kdir[$name]"; }
	done
done

# What the kernels' guests run side by side: QEMU's processors may share one
# of the host's.
under_way=()
on() { # KERNEL DEBUG NAME COMMAND...
	local name
	name=$(name_of "$1" "$2")
	[ -n "${kdir[$name]:-}" ] || return 0
	begin "$3"
	KDIR=${kdir[$name]} start "test-$3" "${@:4}"
	under_way+=("$3")
}
await() {
	local name
	for name in "${under_way[@]}"; do
		finish "test-$name" "testing: $name"
	done
	under_way=()
}

# on_each NAME SCRIPT [PROGRAMS]: a script for each kernel
on_each() {
	local kernel name
	selected "$1" || return 0
	for kernel in $kernels; do
		name=$1-$(name_of "$kernel" "$debug")
		on "$kernel" "$debug" "$name" tests "$name" "$2" ${3:+"$3-$kernel"}
	done
	await
}

first=${kernels%% *}
if selected harness; then
	on "$first" "${variants%% *}" harness tests harness "$here/harness_test.sh"
	await
fi
for debug in $variants; do
	for kernel in $kernels; do
		name=$(name_of "$kernel" "$debug")
		on "$kernel" "$debug" "$name" run_on "$name" "$selftests-$kernel"
	done
	await
	# With the programs that were built for it.
	on_each kexec "$here/kexec_test.sh" "$selftests"
	[ "$debug" = 0 ] || continue
	on_each negative "$here/negative_test.sh" "$selftests"
	on_each fuzzer "$root/selftests/fuzz/test.sh"
	on_each compile_fail "$root/selftests/compile_fail/test.sh"
done
shopt -s nullglob
results=()
for folder in "${ran[@]}"; do
	results+=("$folder"/*.tap)
done
exec "$here/tap.pl" "${results[@]}"
