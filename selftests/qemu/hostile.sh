#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Measures how long a user without rights holds others up, with the patch
# disabled and enabled within one boot, and puts the tables into
# Documentation/results/hostile-<kernel>.rst, if there is such a page.
#
# The guest's clock counts instructions, a nanosecond each: what the host does
# beside holds nobody up.
#
#   KERNEL='stable backports'	on which kernels
#   ROUNDS=2		turns of each; an attack takes a quarter of a second
set -euo pipefail
kernels=${KERNEL:-} several=y
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
: "${kernels:=$default_kernels}"

out=$root/build/hostile
mkdir -p "$out"

# The worst of the turns, in a table
table() { # FILE
	awk -F , '
		$1 == "warm" { next }
		{
			key = $2 "," $3
			if (!(key in seen)) {
				seen[key] = 1
				order[++nr] = key
			}
			worst(p99, key "," $1, $5)
			worst(max, key "," $1, $6)
			worst(held, key "," $1, $4)
			worst(left, key "," $1, $5)
		}
		function worst(of, at, value) {
			if (!(at in of) || value + 0 > of[at] + 0) of[at] = value
		}
		function ms(of, at) { return at in of ? sprintf("%.1f", of[at] / 1000) : "never" }
		END {
			print "\n.. list-table::\n   :header-rows: 1\n"
			print "   * - While\n     - Others: ms\n     - p99 without\n     - p99 with\n     - longest without\n     - longest with"
			for (i = 1; i <= nr; i++) {
				split(order[i], part, ",")
				if (part[2] == "slab") continue
				printf "   * - %s\n     - %s\n", part[1], part[2]
				printf "     - %s\n     - %s\n", ms(p99, order[i] ",disabled"), ms(p99, order[i] ",enabled")
				printf "     - %s\n     - %s\n", ms(max, order[i] ",disabled"), ms(max, order[i] ",enabled")
			}
			print "\n.. list-table::\n   :header-rows: 1\n"
			print "   * - While\n     - slab held, KB: without\n     - with\n     - left after its end: without\n     - with"
			for (i = 1; i <= nr; i++) {
				split(order[i], part, ",")
				if (part[2] != "slab") continue
				printf "   * - %s\n     - %s\n     - %s\n     - %s\n     - %s\n", part[1],
					held[order[i] ",disabled"], held[order[i] ",enabled"],
					left[order[i] ",disabled"], left[order[i] ",enabled"]
			}
		}' "$1"
}

given=${KDIR:-}
for kernel in $kernels; do
	say "what a hostile user does to others on $kernel ..."
	KDIR=$(KDIR=$given KERNEL=$kernel "$here/kernel.sh")
	export KDIR
	name=$(KERNEL=$kernel page_name)
	kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$selftests" \
		"$selftests/hostile" >&2
	ADD="$selftests/hostile $root/selftests/hostile/guest.sh" MEM=2G TIMEOUT=3600 \
		ACCEL=tcg SMP=1 QEMU_ARGS='-icount shift=0,sleep=off' \
		RUN="sh /add/guest.sh 250 ${ROUNDS:=2}" "$here/vm.sh" >"$out/$name.csv"
	table "$out/$name.csv" >"$out/$name.rst"
	results_page "hostile-$name" "$out/$name.rst"
	say "all figures: $out/$name.csv; tables: $out/$name.rst"
done
