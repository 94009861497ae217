#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds plugin/windows.c for the QEMU that is here, and prints its path. The
# header that it needs is in QEMU's source only.
set -euo pipefail
# shellcheck source=../qemu/lib.sh
. "$(dirname "$0")/../qemu/lib.sh"
# shellcheck source=../qemu/debian.sh
. "$here/debian.sh"

"$here/deps.sh" build vm bench
version=$("$qemu" --version | sed -n '1s/.* version \([0-9.]*\).*/\1/p')
headers=$cache/qemu-$version
plugin=$root/build/bench/windows.so

fetch_header() {
	local part=$headers.part
	rm -rf "$part"
	download_source qemu "$part"
	tar -C "$part" -xf "$part"/qemu_*.orig.tar.xz --wildcards '*/qemu-plugin.h'
	mkdir -p "$headers"
	find "$part" -name qemu-plugin.h -exec cp -t "$headers" {} +
	rm -rf "$part"
	test -e "$headers/qemu-plugin.h"
}

[ -e "$headers/qemu-plugin.h" ] ||
	step qemu-header "the plugin interface of QEMU $version" : fetch_header
mkdir -p "${plugin%/*}"
read -ra glib < <(pkg-config --cflags glib-2.0)
gcc -std=gnu11 -O2 -Wall -Wextra -Wno-unused-parameter -shared -fPIC \
	-isystem "$headers" "${glib[@]}" -o "$plugin" "$root/selftests/bench/plugin/windows.c" >&2
echo "$plugin"
