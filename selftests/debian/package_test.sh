#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The package with a kernel that was built here, which has its whole source tree: the
# dev kernel (KERNEL=, KDIR=). Installs it in a Debian root; boots what DKMS
# built; upgrades; removes; and looks what becomes of kernels that cannot carry
# it. Prints TAP, and in the last line how many tests passed and failed.
dev=y
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"

"$here/deps.sh" build vm deb image
KDIR=$("$here/kernel.sh")
kernel=$(cat "$KDIR/include/config/kernel.release")
sysroot=$(rustc --print sysroot)
bindgen=$(dirname "$(readlink -f "$(command -v bindgen)")")
need_system
open_root "$work/upper" "$system" "$debian_root"

# --- what it is built with -----------------------------------------------

lend() { # FOLDER: the same one in the root, read-only
	mkdir -p "$in/$1"
	mount --bind "$1" "$in/$1"
	mount -o remount,bind,ro "$in/$1"
}
lend "$KDIR"
[ "$(source_of "$KDIR")" = "$KDIR" ] || lend "$(source_of "$KDIR")"

# The Rust that is here: Debian's in the same version, another one is mounted.
install_rust() {
	local packages
	mapfile -t packages < <(dpkg-query -W -f '${db:Status-Status} ${Package}=${Version}\n' \
		'rustc*' 'libstd-rust*' bindgen | sed -n 's/^installed //p')
	mkdir "$in/rust"
	(cd "$in/rust" && apt-get download "${packages[@]}")
	quiet sh -c 'apt-get install -q -y --no-install-recommends /rust/*.deb' || { cat "$work/out"; return 1; }
}
[ "$sysroot" != /usr ] || step debian-rust "Debian's Rust in it" : install_rust
[ "$sysroot" = /usr ] || lend "$sysroot"
[ "$bindgen" = /usr/bin ] || lend "$bindgen"
echo "PATH=$sysroot/bin:$bindgen:\$PATH" >"$in/etc/default/rkernfs-dkms"
# What built the kernel builds its modules.
[ -z "$(compiler)" ] || step debian-clang "clang in it" : apt_install clang-19 lld-19 llvm-19

# A kernel that is installed, with these files in its build folder
add_kernel() { # RELEASE
	mkdir -p "$in/lib/modules/$1" "$in/usr/src/$1/include/config"
	ln -s "/usr/src/$1" "$in/lib/modules/$1/build"
	printf 'CONFIG_%s=y\n' RUST LIVEPATCH KPROBES KALLSYMS >"$in/usr/src/$1/.config"
	cp "$in/usr/src/$1/.config" "$in/usr/src/$1/include/config/auto.conf"
	: >"$in/usr/src/$1/Module.symvers"
}

kmake -s -C "$KDIR" INSTALL_MOD_PATH="$in" modules_install >&2

old=$(VERSION=1.0 "$root/packaging/deb.sh")
new=$(VERSION=1.1 "$root/packaging/deb.sh")
cp "$old" "$in/old.deb"
cp "$new" "$in/new.deb"

# --- the tests -----------------------------------------------------------

has_module() {
	[ -e "$in/lib/modules/$kernel/updates/dkms/rkernfs.ko" ] &&
		grep -q '^updates/dkms/rkernfs.ko:' "$in/lib/modules/$kernel/modules.dep"
}

# status VERSION: it alone is installed
status() {
	quiet dkms status rkernfs &&
		grep -q "^rkernfs/$1, $kernel.*: installed" "$work/out" &&
		[ "$(wc -l <"$work/out")" = 1 ]
}

installs() { # PACKAGE
	quiet apt-get install -q -y --no-install-recommends "/$1.deb"
}

boots() {
	mkdir -p "$work/modules/$kernel"
	cp -r "$in/lib/modules/$kernel"/{modules.*,updates} "$work/modules/$kernel/"
	KO='' MODULE=0 ADD="$work/modules" RUN="ln -s /add/modules/* /lib/modules/
		modprobe rkernfs && [ \$(cat /sys/kernel/livepatch/rkernfs/enabled) = 1 ]" \
		"$here/vm.sh" >"$work/out" 2>&1
}

is_gone() {
	[ ! -e "$in/lib/modules/$kernel/updates/dkms/rkernfs.ko" ] &&
		! grep -q rkernfs "$in/lib/modules/$kernel/modules.dep" &&
		[ -z "$(find "$in/usr/src" -name 'rkernfs-*')" ] &&
		[ ! -e "$in/var/lib/dkms/rkernfs" ]
}

# Kernels that can't carry it, each for another reason
add_others() {
	add_kernel 6.1.0-old
	add_kernel 6.12.9-headers
	add_kernel 6.12.9-part
	add_internal_header 6.1.0-old
	add_internal_header 6.12.9-part
}

add_internal_header() { # RELEASE
	mkdir -p "$in/usr/src/$1/fs/kernfs"
	: >"$in/usr/src/$1/fs/kernfs/kernfs-internal.h"
}

# left_alone RELEASE WHY: no module was built, and that was no error
left_alone() {
	cp "$work/upgrade" "$work/out"
	grep -q "^rkernfs: not for $1: $2" "$work/out" && has_module &&
		[ ! -e "$in/lib/modules/$1/updates" ] &&
		[ ! -e "$in/var/lib/dkms/rkernfs/1.1/$1" ]
}

upgrades() {
	installs new && cp "$work/out" "$work/upgrade" && status 1.1 && has_module
}

# The kernel's own scripts say by dpkg's words why they run.
postrm() { # WORDS WHAT-IS-LEFT
	local hook
	hook=$(cd "$in" && echo etc/kernel/postrm.d/*rkernfs-dkms)
	mkdir -p "$in/var/lib/rkernfs-dkms/6.0-gone"
	quiet env DEB_MAINT_PARAMS="$1" "/$hook" 6.0-gone &&
		[ "$(cd "$in/var/lib/rkernfs-dkms" && echo 6.0-gon[e])" = "$2" ]
}

# Without the package
by_hand() {
	local to=$work/by-hand modules=$work/by-hand/lib/modules/$kernel
	mkdir "$to"
	KDIR=$KDIR INSTALL_MOD_PATH=$to "$root/packaging/install.sh" >"$work/out" 2>&1 &&
		grep -q '^updates/rkernfs.ko:' "$modules/modules.dep" &&
		KDIR=$KDIR INSTALL_MOD_PATH=$to "$root/packaging/install.sh" remove >"$work/out" 2>&1 &&
		[ ! -e "$modules/updates/rkernfs.ko" ] &&
		! grep -q rkernfs "$modules/modules.dep"
}

echo "TAP version 13"
echo 1..12
ok "make install and make uninstall" by_hand
ok "the package installs" installs old
ok "DKMS built and installed the module" status 1.0
ok "modprobe finds it" has_module
ok "it loads in that kernel" boots
add_others
ok "the next version takes its place" upgrades
ok "a kernel before 6.12 is left alone" left_alone 6.1.0-old 'it is older than 6.12'
ok "a kernel with headers only is left alone" left_alone 6.12.9-headers 'no fs/kernfs/.*headers'
ok "a kernel with a part of its source is left alone" left_alone 6.12.9-part '.* has no fs/kernfs: .*whole source'
ok "a kernel's upgrade keeps what was built for it" postrm "'upgrade' '6.0.1'" 6.0-gone
ok "a kernel's removal removes that" postrm "'remove'" '6.0-gon[e]'
ok "nothing is left when it is removed" eval 'quiet dpkg -r rkernfs-dkms && is_gone'
sum_up
