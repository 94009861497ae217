#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   roots.sh
#
# Makes, in the cache, what the clients run in and are built in: a Debian root
# with the clients of Debian's archive, and on top of it one with compilers
# and the libraries of Go. Prints both folders. They are made anew when the
# lists of packages here change.
set -euo pipefail
if [ "${IN_NAMESPACE:-}" != $$ ]; then
	# shellcheck disable=SC2093 # nothing comes after it
	exec unshare -m sh -c 'IN_NAMESPACE=$$ exec "$@"' sh "$0" "$@"
fi
# shellcheck source=../qemu/lib.sh
. "$(dirname "$0")/../qemu/lib.sh"

suite=trixie
clients="ca-certificates iproute2 python3 python3-watchdog nodejs node-chokidar inotify-tools"
compilers="gcc libc6-dev golang-go golang-golang-x-sys-dev golang-github-containerd-cgroups-dev
	golang-github-fsnotify-fsnotify-dev golang-k8s-utils-dev"

[ "$(id -u)" = 0 ] || die "the clients' roots need root, for chroot"
"$here/deps.sh" debian_root

# Where this machine's own Debian comes from, as apt has it
mirror() {
	# shellcheck source=/dev/null
	apt-get update --print-uris | sed -n "s#^'\(.*\)/dists/$(. /etc/os-release &&
		echo "${VERSION_CODENAME:-sid}")/InRelease' .*#\1#p" | head -n 1
}

inside() { # ROOT COMMAND...
	mountpoint -q "$1/proc" || mount -t proc proc "$1/proc"
	mountpoint -q "$1/dev" || mount --bind /dev "$1/dev"
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive \
		chroot "$@"
}

add_packages() { # ROOT PACKAGE...
	inside "$1" apt-get install -q -y --no-install-recommends "${@:2}"
	inside "$1" apt-get clean
}

make_clients() {
	rm -rf --one-file-system "$cache"/clients-root-*
	debootstrap --variant=minbase "$suite" "$root_clients.part" "$(mirror)"
	# shellcheck disable=SC2086 # a package a word
	add_packages "$root_clients.part" $clients
	umount "$root_clients.part"/{proc,dev}
	mv "$root_clients.part" "$root_clients"
}

make_compilers() {
	local work=$root_compilers.part
	rm -rf --one-file-system "$cache"/clients-build-*
	cp -a --reflink=auto "$root_clients" "$work"
	# shellcheck disable=SC2086 # a package a word
	add_packages "$work" $compilers
	umount "$work"/{proc,dev}
	mv "$work" "$root_compilers"
}

name_of() { # PREFIX TEXT
	echo "$cache/$1-$(sha256sum <<<"$2" | cut -c 1-8)"
}
root_clients=$(name_of clients-root "$suite $clients")
root_compilers=$(name_of clients-build "$suite $clients $compilers")

mkdir -p "$cache"
exec 9>"$cache/lock-clients"
flock 9
if [ ! -e "$root_clients" ]; then
	need_space 1500 "a Debian root with the clients"
	step clients-root "a root of Debian $suite with the clients" : make_clients
fi
if [ ! -e "$root_compilers" ]; then
	need_space 2000 "a Debian root with compilers"
	step clients-build "a root of Debian $suite with compilers" : make_compilers
fi
echo "$root_clients"
echo "$root_compilers"
