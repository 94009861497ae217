#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs selftests/ on the dev kernels.
#
#   KERNEL=6.12 or 7.3    only this one
#   DEBUG=0 or 1          only the normal, only the debug kernel
#   KDIR=                 only this built kernel
#   TESTS='pattern'       only the programs with such a name (harness: the
#                         tests of the harness itself; negative: that tests
#                         fail when the module leaves out a step)
set -euo pipefail
kernels=${KERNEL:-6.12 7.3} variants=${DEBUG:-0 1} pattern=${TESTS:-*}
unset TESTS
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

[ -z "${KDIR:-}" ] || kernels=$(basename "$KDIR") variants=${DEBUG:-0}
logs=$root/build/logs

"$here/deps.sh" build vm test

ran=()
begin() { # NAME
	say "testing: $1 ..."
	rm -rf "${logs:?}/$1"
	mkdir -p "$logs/$1"
	ran+=("$logs/$1")
}

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

run_on() { # KERNEL DEBUG
	local name=$1 list
	[ "$2" = 0 ] || name=$1-debug
	begin "$name"
	export KDIR KO
	KDIR=$(KERNEL=$1 DEBUG=$2 "$here/kernel.sh") || { failed "$name/kernel" "no kernel"; return; }
	KO=$("$here/module.sh") || { failed "$name/module" "the module does not build"; return; }
	list=$(programs "$root/build/selftests") || { failed "$name/programs" "they do not build"; return; }
	[ -n "$list" ] || return 0
	# shellcheck disable=SC2086 # one program a word
	"$here/suite.sh" "$logs/$name" $list
}

test_harness() {
	begin harness
	echo 0 >"$logs/harness/harness.status"
	KDIR=$(KERNEL=${kernels%% *} DEBUG=${variants%% *} "$here/kernel.sh") \
		"$here/harness_test.sh" >"$logs/harness/harness.tap" 2>&1 || echo $? >"$logs/harness/harness.status"
}

# On each kernel, with the programs that were built for it.
test_negative() { # KERNEL
	local name=negative-$1
	begin "$name"
	echo 0 >"$logs/$name/negative.status"
	"$here/negative_test.sh" "$root/build/selftests" \
		>"$logs/$name/negative.tap" 2>&1 || echo $? >"$logs/$name/negative.status"
}

given=${KDIR:-}
! selected harness || test_harness
for debug in $variants; do
	for kernel in $kernels; do
		KDIR=$given
		run_on "$kernel" "$debug"
		[ "$debug" = 1 ] || ! selected negative || test_negative "$kernel"
	done
done
shopt -s nullglob
results=()
for folder in "${ran[@]}"; do
	results+=("$folder"/*.tap)
done
exec "$here/tap.pl" "${results[@]}"
