#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Shows how two kernels differ in what the module replaces, calls or relies on:
# what src/compared lists.
#
#   compare-kernels.sh OLD NEW    each a source tree, or a version that Debian
#                                 has: 6.12 (the newest), 7.3.4
set -euo pipefail
# shellcheck source=../selftests/qemu/lib.sh
. "$(dirname "$0")/../selftests/qemu/lib.sh"
# shellcheck source=../selftests/qemu/debian.sh
. "$here/debian.sh"
compare=$root/src/compared/compare.pl

# What compare.pl reads of a version's source
fetch_compared() { # VERSION FOLDER
	local part=$2.part series
	series=$(series_of "$1")
	fetch "linux-source-$series" "$1$([ "$1" = "$series" ] && echo . || echo -)" "$part.deb" || return
	mkdir -p "$part"
	"$compare" files | sed "s#^#linux-source-$series/#" |
		tar -C "$part" --strip-components=1 -xf "$part.deb/usr/src/linux-source-$series.tar.xz" \
			-T - "linux-source-$series/Makefile"
	rm -rf "$part.deb"
	mv "$part" "$2"
}

tree_of() { # TREE or VERSION
	local dir
	for dir in "$1" "$cache/src/$1" "$cache/compared/$1"; do
		if [ -e "$dir/fs/kernfs" ]; then
			echo "$dir"
			return
		fi
	done
	[[ $1 =~ ^[0-9]+\.[0-9]+(\.[0-9]+)?$ ]] || die "$1: neither a kernel's source tree nor a version"
	mkdir -p "$cache/compared"
	step "compared-$1" "source of Linux $1" fetched fetch_compared "$1" "$dir"
	echo "$dir"
}

[ $# = 2 ] || die "which two kernels? For example: compare-kernels.sh 6.12 7.3"
old=$(tree_of "$1")
new=$(tree_of "$2")
"$compare" diff "$old" "$new"
why=$("$compare" check "$new" 2>&1) || say "$why
Once the module fits it: $compare record $new"
