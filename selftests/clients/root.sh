#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints the folder of a Debian root with the clients that Debian packages,
# which the guest unpacks into memory: so without what stress-ng would draw
# with. It is kept in the cache until the list changes.
# shellcheck source=../debian/lib.sh
. "$(dirname "$0")/../debian/lib.sh"

clients=ca-certificates,iproute2,kmod,libcap2,procps,python3,python3-watchdog,nodejs,node-chokidar
clients+=,inotify-tools,stress-ng

out=$cache/clients-root-$(echo "$debian_suite $clients" | sha256sum | cut -c 1-8)
if [ ! -e "$out" ]; then
	"$here/deps.sh" debian_root
	rm -rf "$cache"/clients-root-*
	need_space 1500 "a Debian root with the clients"
	step clients-root "a root of Debian $debian_suite with the clients" : make_root "$out" "$clients" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=*/libLLVM*' \
		--dpkgopt='path-exclude=*/libgallium*'
fi
echo "$out"
