#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the exactly-once matrix on kernels without the module, and puts a table
# of what they lose between <!-- lost --> and <!-- /lost --> of the top README.
#
#   KERNEL='6.12 7.3'	on which kernels
set -euo pipefail
kernels=${KERNEL:-6.12 7.3}
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run_on() { # KERNEL
	local kdir
	say "the matrix on $1 by itself ..."
	kdir=$(KERNEL=$1 "$here/kernel.sh")
	kmake -s -C "$root/selftests" KSRC="$(source_of "$kdir")" OUT="$root/build/selftests" >&2
	KDIR=$kdir MODULE=0 KO='' ADD="$root/build/selftests/matrix" \
		RUN='RKERNFS_EXPECT=none /add/matrix' "$here/vm.sh" >"$work/out"
	sed -n "s#^\# cell \([^/]*\)/\([^/]*\)/\(.*\) \(told\|lost\|[a-z]*\)\$#$1 \1 \2 \4#p" "$work/out" >>"$work/cells"
}

# A line for each cause, a column for each state; in it one sign a kernel.
table() {
	awk -v kernels="$kernels" '
		function sign(k, c, s,   all, told) {
			all = total[k, c, s]
			told = seen[k, c, s]
			return told == all ? "yes" : told ? told "/" all : "–"
		}
		!(($2) in cause) { cause[$2]; causes[++nc] = $2 }
		!(($3) in state) { state[$3]; states[++ns] = $3 }
		{ total[$1, $2, $3]++; seen[$1, $2, $3] += $4 == "told" }
		END {
			nk = split(kernels, kernel, " ")
			printf "| removed by \\ state |"
			for (s = 1; s <= ns; s++) printf " %s |", states[s]
			printf "\n|---|"
			for (s = 1; s <= ns; s++) printf "---|"
			print ""
			for (c = 1; c <= nc; c++) {
				printf "| %s |", causes[c]
				for (s = 1; s <= ns; s++) {
					for (k = 1; k <= nk; k++)
						if ((kernel[k], causes[c], states[s]) in total)
							printf "%s%s", (k == 1 ? " " : ", "), sign(kernel[k], causes[c], states[s])
					printf " |"
				}
				print ""
			}
		}' "$work/cells"
}

for kernel in $kernels; do
	run_on "$kernel"
done
table | tee "$work/table"
if grep -q '^<!-- lost -->$' "$root/README.md"; then
	sed -i -e "/^<!-- lost -->\$/r $work/table" -e '/^<!-- lost -->$/,/^<!-- \/lost -->$/{//!d}' "$root/README.md"
fi
