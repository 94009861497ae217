#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   image.sh NAME [PACKAGE...]
#
# Prints the folder of a disk for vm.sh (DISK=): Debian with systemd, its own
# kernel, rkernfs-dkms installed and these packages more. It is kept in the
# cache until something that goes in changes.
#
#   ADD_ROOT=folder	a tree of files that is copied into the root, too
#   SETUP=command	run in the root as the last step, by sh
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

name=$1
shift

# What the sources are, rather than when the package was made of them
sources() {
	(cd "$root" && find Kbuild src packaging -type f \( -name Kbuild -o -name '*.rs' ! -name '*_generated.rs' \
		-o -name '*.[ch]' ! -name '*.mod.c' -o -path 'src/compared/*' -o -path 'packaging/*' \) -exec cat {} +)
}

make_image() {
	local deb
	deb=$("$root/packaging/deb.sh")
	mkdir -p "$crates"
	open_root "$work/upper" "$crates" "$linux" "$system" "$debian_root"
	cp "$deb" "$in/rkernfs-dkms.deb"
	apt_install /rkernfs-dkms.deb
	rm "$in/rkernfs-dkms.deb"
	if [ ! -e "$crates/var" ]; then
		mkdir -p "$crates/var/lib"
		cp -a "$in/var/lib/rkernfs-dkms" "$crates/var/lib/"
	fi
	if [ ${#packages[@]} -gt 0 ]; then
		root apt-get update -q
		apt_install "${packages[@]}"
	fi
	[ -z "${ADD_ROOT:-}" ] || cp -a "$ADD_ROOT/." "$in/"
	[ -z "${SETUP:-}" ] || root sh -ec "$SETUP"
	root apt-get clean
	pack_disk "$disk"
}

packages=("$@")
need_linux
# What DKMS built the crates of, once; they take longer than all the rest.
crates=$cache/debian-crates-$(cat "$root/packaging/dkms/prepare.sh" <(echo "$linux") | sha256sum | cut -c 1-8)
"$here/deps.sh" image deb
key=$( (sources; echo "$linux $* ${SETUP:-}"; cat "$0"; [ -z "${ADD_ROOT:-}" ] || tar -c --mtime=@0 --sort=name -C "$ADD_ROOT" .) |
	sha256sum | cut -c 1-8)
disk=$cache/images/$name-$key
if [ ! -e "$disk" ]; then
	mkdir -p "$cache/images"
	rm -rf "${cache:?}/images/$name"-*
	need_space 4000 "a Debian image"
	step "image-$name" "image of Debian with Linux $release ($name)" : make_image
fi
echo "$disk"
