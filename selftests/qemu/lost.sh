#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the exactly-once matrix on kernels, without the module and with it, and
# writes which removals each reports: a summary between <!-- lost --> and
# <!-- /lost --> of README.md, all of it into Documentation/results/lost.rst.
#
#   KERNEL='stable backports'	on which kernels; the pages are written for these two
set -euo pipefail
kernels=${KERNEL:-} several=y
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
: "${kernels:=$default_kernels}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The summary: a text, and which cells CAUSE/STATE/KIND it is about. Who polls a
# file is a kind of its own: it is no watch.
rows=(
	'a cgroup by rmdir: its files, its directory|rmdir/(cached|lone)/(file|dir)/'
	'the same, memory reclaim took the dentry of the file before|rmdir/reclaimed/file'
	'the same, the directory is held open, or is a working directory|rmdir/(open|cwd|o-path)/dir'
	'the same, the file is held open|rmdir/(open|o-path|mapped)/file'
	'the same, a file in the watched directory is held open|rmdir/child-open/'
	"a controller's files, by \`cgroup.subtree_control\`|subtree_control/[^/]*/file/"
	'sysfs: a network device or namespace, a CPU, a module, a PCI device|(netdev|netns|cpu-offline|module-unload|pci-remove)/[^/]*/(file|dir)/'
	'any of these, and who sleeps in poll, select or epoll on the file|[^/]*/[^/]*/poll/'
	'a cgroup v1 hierarchy, by its last unmount|unmount-cgroup1/'
)

# run_on KDIR WHO MODULE: appends a line WHO CAUSE STATE KIND VERDICT for each cell
run_on() {
	local ko='' log=$work/log
	[ "$3" = 0 ] || ko=$(KDIR=$1 "$here/module.sh")
	say "the matrix on $(cat "$1/include/config/kernel.release")$([ "$3" = 0 ] || echo " with rkernfs") ..."
	kmake -s -C "$root/selftests" KSRC="$(source_of "$1")" OUT="$selftests" >&2
	KDIR=$1 MODULE=$3 KO=$ko ADD="$selftests/matrix" TIMEOUT=600 \
		RUN='RKERNFS_EXPECT=none /add/matrix' "$here/vm.sh" >"$work/out" 2>"$log" ||
		{ cat "$log" >&2; die "the matrix on $1 did not run to its end"; }
	sed -n -e 's#/file/poll #/poll/poll #' \
		-e "s#^\# cell \([^/]*\)/\([^/]*\)/\([^/]*\)/.* \([a-z-]*\)\$#$2 \1 \2 \3 \4#p" \
		"$work/out" >>"$work/cells"
}

# yes if events were delivered in each cell that matches, no if in none
sign() { # WHO PATTERN
	awk -v who="$1" -v pattern="^$2" '
		$1 == who && $2 "/" $3 "/" $4 "/" ~ pattern { all++; delivered += $5 == "delivered" }
		END { print !all ? "" : delivered == all ? "yes" : delivered ? delivered " of " all : "no" }' "$work/cells"
}

summary() {
	local row who
	printf '| what is removed, and how | %s | rkernfs |' "${names// / | }"
	printf '\n|---|'
	for who in $names rkernfs; do printf -- '---|'; done
	echo
	for row in "${rows[@]}"; do
		printf '| %s |' "${row%%|*}"
		for who in $names rkernfs; do
			printf ' %s |' "$(sign "$who" "${row#*|}")"
		done
		echo
	done
}

# A line for each cause and kind of node, a column for each state
table() { # WHO TITLE
	local cause kind state rule='   ================  ====='
	mapfile -t states < <(awk '!seen[$3]++ { print $3 }' "$work/cells")
	for state in "${states[@]}"; do rule+='  =========='; done
	printf '\n.. table:: %s\n\n%s\n' "$2" "$rule"
	printf '   %-16s  %-5s' 'removed by' what
	printf '  %-10s' "${states[@]}"
	printf '\n%s\n' "$rule"
	while read -r cause kind; do
		printf '   %-16s  %-5s' "$cause" "$kind"
		for state in "${states[@]}"; do
			printf '  %-10s' "$(sign "$1" "$cause/$state/$kind/")"
		done
		echo
	done < <(awk -v who="$1" '$1 == who && !seen[$2 $4]++ { print $2, $4 }' "$work/cells")
	echo "$rule"
}

tables() {
	local name
	for name in $names; do
		table "$name" "Linux $name, unpatched"
	done
	table rkernfs "With rkernfs, on $names"
}

: >"$work/cells"
names=''
for kernel in $kernels; do
	kdir=$(KERNEL=$kernel "$here/kernel.sh")
	name=$(KDIR=$kdir KERNEL=$kernel page_name)
	names+=${names:+ }$name
	run_on "$kdir" "$name" 0
	run_on "$kdir" rkernfs 1
done
summary | tee "$work/summary"
tables | sed 's/ *$//' | tee "$work/tables"
if [ "$kernels" = "$test_kernels" ]; then
	sed -i -e "/^<!-- lost -->\$/r $work/summary" -e '/^<!-- lost -->$/,/^<!-- \/lost -->$/{//!d}' "$root/README.md"
	results_page lost "$work/tables"
fi
