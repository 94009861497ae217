#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the package that installs the module through DKMS, and prints its
# path. Its version is that of debian/changelog, or VERSION=.
set -euo pipefail
# shellcheck source=../selftests/qemu/lib.sh
. "$(dirname "$0")/../selftests/qemu/lib.sh"
here=$root/packaging
: "${VERSION:=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$here/debian/changelog")}"

"$root/selftests/qemu/deps.sh" deb

# What Kbuild needs, without what it may have left there
copy_sources() { # FOLDER
	local file
	(cd "$root" && find Kbuild src -name '*.mod.c' -o -name '*_generated.rs' -o \
		\( -name Kbuild -o -name '*.rs' -o -name '*.[chS]' -o -name '*.lds' -o -path 'src/compared/*' \) -print) |
		while read -r file; do
			install -D -m 644 "$root/$file" "$1/$file"
		done
	echo "$VERSION" >"$1/version"
	install -m 755 "$here/dkms/build.sh" "$here/dkms/prepare.sh" "$1"
	install -m 644 "$here/dkms/crates.mk" "$1"
}

build() {
	local work=$root/build/deb/rkernfs-$VERSION
	rm -rf "$work"
	mkdir -p "$work"
	cp -r "$here/debian" "$here/modules-load.d" "$here/kernel-hooks" "$here/dkms/dkms.conf" "$work/"
	sed -i "1s/(.*)/($VERSION)/" "$work/debian/changelog"
	copy_sources "$work/dkms-source"
	(cd "$work" && dpkg-buildpackage -us -uc -b)
}

step deb "rkernfs-dkms $VERSION" : build
echo "$root/build/deb/rkernfs-dkms_${VERSION}_all.deb"
