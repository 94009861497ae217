#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# plot.sh RESULTS KERNEL CASE: an SVG of the inotify descriptors that the client
# has open, over the cgroups that came and went.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for how in disabled enabled; do
	awk -F ' *[|] *' -v kernel="$2" -v name="sample $3" -v how=$how \
		'$1 == kernel && $2 == name && $3 == how { print $4 }' "$1" >"$work/$how"
done
# With a licence, and without blanks at the end
gnuplot <<END | sed -e '1a <!-- SPDX-License-Identifier: GPL-2.0 -->' -e 's/[[:blank:]]*$//'
set terminal svg size 640,320 font "sans,12" background "white"
set title "containerd/cgroups' EventChan() on Linux $2"
set xlabel "cgroups made, watched and removed"
set ylabel "inotify descriptors held open"
set key left top
set grid ytics
set yrange [0:*]
plot "$work/disabled" using 1:2 with linespoints lw 2 title "the kernel alone", \
	"$work/enabled" using 1:2 with linespoints lw 2 title "with rkernfs"
END
