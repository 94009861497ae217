#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the series in upstream/ makes of Linux 7.3: builds the kernel that has it
# and no module, runs the test programs and counts what removals cost; the same
# on 7.3 as it is and on 7.3 with rkernfs. One table of all three goes into
# Documentation/results/upstream.rst. Ends non-zero if a test fails on the series.
#
#   WITHOUT='0004 0006'	leave these patches out, to see what they are for; the
#			table is shown and goes nowhere
#   TESTS='pattern'	only the programs with such a name, or bench
#   ON='series'		only this one of: kernel series rkernfs; the others'
#			results are those of the last run
set -euo pipefail
: "${ON:=kernel series rkernfs}" "${WITHOUT:=}"
pattern=${TESTS:-*}
unset TESTS
KERNEL=7.3 DEBUG=${DEBUG:-0}
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
export KERNEL DEBUG

results=$root/build/upstream
page=$root/Documentation/results/upstream.rst
series=series${WITHOUT:+-without-${WITHOUT// /-}}
programs=(memcg_events series self_removal handles held links marks notify pollers superblocks
	limits mounts removed_directory removed_file unprivileged matrix)

# --- kernels -------------------------------------------------------------

patches() {
	local patch name
	for patch in "$root"/upstream/0*.patch; do
		name=${patch##*/}
		left_out "${name%%-*}" || echo "$patch"
	done
}

# Which patches one builds on
declare -A needs=([0006]='0001 0004 0005')

left_out() { [[ " 0000 $WITHOUT " = *" $1 "* ]]; }

check_without() {
	local number patch
	for number in $WITHOUT; do
		compgen -G "$root/upstream/$number-*.patch" >/dev/null ||
			wrong "WITHOUT=$number: no such patch in upstream/: its number, such as 0004"
		for patch in "${!needs[@]}"; do
			left_out "$patch" || [[ " ${needs[$patch]} " != *" $number "* ]] ||
				wrong "WITHOUT=$number: patch $patch needs it: leave that out, too (WITHOUT='$number $patch')"
		done
	done
}

# A copy of the source with the series. Nothing is written that stays as it is,
# so that little has to be built again.
patch_source() { # SOURCE COPY
	local files file patch new
	[ -e "$2" ] || { cp -al "$1" "$2.part" && mv "$2.part" "$2"; }
	new=$(mktemp -d)
	files=$(sed -n 's#^+++ b/##p' "$root"/upstream/0*.patch | sort -u)
	for file in $files; do
		install -D -m 644 "$1/$file" "$new/$file"
	done
	while read -r patch; do
		patch -d "$new" -p1 -s --no-backup-if-mismatch <"$patch" >&2 ||
			die "upstream/${patch##*/} does not apply to Linux $KERNEL${WITHOUT:+ without $WITHOUT}"
	done < <(patches)
	for file in $files; do
		# The old one is a link to that of SOURCE.
		cmp -s "$new/$file" "$2/$file" || cp --remove-destination "$new/$file" "$2/$file"
	done
	rm -r "$new"
}

# Prints the KDIR of who is to be measured.
kernel_of() { # WHO
	local source=$cache/src/$KERNEL
	if [ "$1" = series ]; then
		[ -e "$source/Kbuild" ] || "$here/kernel.sh" >/dev/null
		patch_source "$source" "$source-upstream"
		KSRC=$source-upstream "$here/kernel.sh"
	else
		"$here/kernel.sh"
	fi
}

# --- runs ----------------------------------------------------------------

# PROGRAM TEST: what the series leaves as it is, or to chance, as the order of a file
# without a dentry and its directory ("What differs from the module" in
# Documentation/upstream.rst)
left_alone=(
	'series series\.reclaimed_file_is_reported_before_its_[a-z_]*directory'
	'unprivileged keeping\.without_one\.event_is_not_delayed_by_rule_of_a_ruleset'
	'removed_directory [a-z_]*/link_of_file_descriptor'
	'removed_directory device/readdir_[a-z]*'
	'removed_file removed\.[a-z_]*\.is_deleted_in_proc[a-z_]*'
	'removed_file removed\.[a-z_]*\.directory_watch_with_excl_unlink_gets_no_close'
)

# What a program says of these: TODO
expect_left_alone() { # FOLDER
	local entry tap
	for entry in "${left_alone[@]}"; do
		tap=$1/${entry% *}.tap
		[ ! -e "$tap" ] || sed -i -E "s|^not ok [0-9]+ ${entry#* }$|& # TODO left alone|" "$tap"
	done
	for tap in "$1"/*.tap; do
		grep '^not ok' "$tap" | grep -qv '# TODO' ||
			[ "$(cat "${tap%.tap}.status")" != 1 ] || echo 0 >"${tap%.tap}.status"
	done
}

selected() { [ -n "$(names_like "$pattern" "$1")" ]; }

# rmdir, and the removal of a device while sysfs has 1 and 100 superblocks
bench_script() { # WHO
	[ "$1" != rkernfs ] || echo '/add/bench load /rkernfs.ko quiet || exit'
	cat <<-'END'
		/add/bench rmdir 30 && /add/bench netdev 4 1 &&
		/add/bench superblocks 1 100 && /add/bench netdev 4 100
	END
}

measure() { # WHO FOLDER
	kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$selftests" \
		"$selftests/bench" >&2
	MODULE=0 KLOG=ignore MEM=4G SMP=1 ACCEL=tcg TIMEOUT=1800 ADD="$selftests/bench" \
		QEMU_ARGS='-icount shift=0,sleep=off' LOG=$2/bench.log \
		RUN="$(bench_script "$1")" "$here/vm.sh" >"$2/bench.raw" ||
		die "bench ended with status $?: $2/bench.raw"
	grep -E ',(cpu_)?ns_median,' "$2/bench.raw" >"$2/bench"
}

run_on() { # WHO FOLDER
	local name list=()
	export KDIR KO=''
	KDIR=$(kernel_of "$1")
	[ "$1" != rkernfs ] || KO=$("$here/module.sh")
	mkdir -p "$2"
	cat "$KDIR/include/config/kernel.release" >"$2/release"
	kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$selftests" >&2
	for name in "${programs[@]}"; do
		! selected "$name" || list+=("$selftests/$name")
	done
	if [ ${#list[@]} -gt 0 ]; then
		MODULE=$([ -n "$KO" ] && echo 1 || echo 0) \
			EXPECT=$([ -n "$KO" ] || echo kernel) \
			EVENT_MS=$([ "$1" != kernel ] || echo 5000) \
			step "upstream-$1" "testing: $1" : "$here/suite.sh" "$2" "${list[@]}"
	fi
	[ "$1" != series ] || expect_left_alone "$2"
	! selected bench || step "upstream-$1-bench" "measuring: $1" : measure "$1" "$2"
}

# --- the table -----------------------------------------------------------

columns() {
	local who
	for who in kernel "$series" rkernfs; do
		[ ! -e "$results/$who" ] || echo "$who"
	done
}

title() { # WHO
	local release
	release=$(cat "$results/$1/release")
	case $1 in
	kernel) echo "$release as it is" ;;
	series) echo "with the series" ;;
	series-*) echo "with the series, without $WITHOUT" ;;
	rkernfs) echo "with rkernfs" ;;
	esac
}

# passed_of FILE.tap PATTERN: "12 of 14", of the tests that were not skipped
passed_of() {
	[ -e "$1" ] || return 0
	awk -v pattern="$2" '
		/^(not )?ok / {
			name = $0
			sub(/^(not )?ok [0-9]+ (# [A-Z]+ )?/, "", name)
			if (name !~ pattern || /# SKIP/)
				next
			all++
			passed += /^ok /
		}
		END { if (all) print passed + 0, "of", all }' "$1"
}

skipped_in() { # FOLDER
	local tap count
	for tap in "$1"/*.tap; do
		count=$(grep -cE '^ok .*# SKIP' "$tap") || continue
		echo "$(basename "$tap" .tap) $count"
	done | paste -sd , | sed 's/,/, /g'
}

# An instruction is a nanosecond of that clock.
thousands() { # WHO MEASURE CASE
	[ -e "$results/$1/bench" ] || return 0
	awk -F , -v measure="$2" -v name="$3" -v size="${4:-}" -v stat="${5:-ns_median}" '
		$3 == measure && $4 == name && (size == "" || $5 == size) && $6 == stat { print $7; exit }' \
		"$results/$1/bench"
}

cost() { # WHO MEASURE CASE [SIZE STAT]
	local own base
	own=$(thousands "$@")
	base=$(thousands kernel "${@:2}")
	[ -n "$own" ] || return 0
	awk -v own="$own" -v base="${base:-0}" 'BEGIN {
		printf "%.1f", own / 1000
		if (base > 0 && own != base)
			printf " (%+.1f %%)", 100 * (own - base) / base
	}'
}

row() { # TEXT COMMAND...: of each column; {} is who
	local who cell word words
	printf '   * - %s\n' "$1"
	for who in $(columns); do
		words=()
		for word in "${@:2}"; do words+=("${word//\{\}/$who}"); done
		cell=$("${words[@]}")
		printf '     -%s\n' "${cell:+ $cell}"
	done
}

table_head() { # TITLE
	local who
	printf '\n.. list-table:: %s\n   :header-rows: 1\n\n   * -\n' "$1"
	for who in $(columns); do
		printf '     - %s\n' "$(title "$who")"
	done
}

# Those that a kernel has by itself, and this one can be brought to
causes() {
	grep -hv '# SKIP' "$results"/*/matrix.tap |
		sed -nE 's,^(not )?ok [0-9]+ (# [A-Z]+ )?([a-z0-9_-]+)/.*,\3,p' |
		awk '!/^own-/ && !seen[$0]++'
}

tables() {
	local cause name what
	table_head 'Watches that get their events, by what removes the node'
	while read -r cause; do
		row "\`\`matrix '$cause/*'\`\`" passed_of "$results/{}/matrix.tap" "^$cause/"
	done < <(causes)
	table_head 'Tests that pass, of those that are not skipped'
	for name in "${programs[@]}"; do
		[ "$name" = matrix ] || row "\`\`$name\`\`" passed_of "$results/{}/$name.tap" .
	done
	row 'skipped' skipped_in "$results/{}"
	table_head 'Thousands of instructions'
	for what in memory all; do
		for name in unwatched looked-up watched burst; do
			row "rmdir of a cgroup, controllers: $what, $name" cost {} rmdir "$what/$name"
		done
	done
	for what in 1 100; do
		row "a network device goes, $what superblocks" cost {} netdev removal "$what" cpu_ns_median
	done
}

write_page() {
	cat <<-END
		.. SPDX-License-Identifier: GPL-2.0

		====================================
		Linux 7.3 with the series, measured
		====================================

		Written by \`\`make test-upstream\`\`, revision
		$(git -C "$root" describe --always --dirty), $(date -u +%F), QEMU $("$qemu" --version | sed -n '1s/.* version \([0-9.]*\).*/\1/p'). \`Upstream
		<../upstream.rst>\`_ says what the series is. A test that a kernel without it
		fails is what it is for. Skipped is what needs the module's own file system,
		modules of the tests, or hardware. Costs are counted, on one emulated CPU
		(\`\`-icount\`\`).
	END
	tables
}

[ -n "$(names_like "$pattern" "${programs[@]}" bench)" ] ||
	wrong "TESTS='$pattern' matches none of: ${programs[*]} bench"
check_without
"$here/deps.sh" build vm test
mkdir -p "$results"
for who in $ON; do
	folder=$results/$who
	[ "$who" != series ] || folder=$results/$series
	(run_on "$who" "$folder")
done
if [ -n "$WITHOUT" ]; then
	tables
else
	mkdir -p "${page%/*}"
	write_page >"$page"
	say "the table: ${page#"$root"/}"
fi
[[ " $ON " != *" series "* ]] || exec "$here/tap.pl" "$results/$series"/*.tap
