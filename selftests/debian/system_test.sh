#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The package on a Debian with systemd and its default kernel: what keeps it from
# being built, installing without a reboot, booting, the kernel of backports beside
# it, removing. Prints TAP, and in the last line how many tests passed and failed.
#
# A system is prepared in a folder, natively, and booted from a disk that is
# made of it, in QEMU.
export KERNEL=stable
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tap.sh
. "$(dirname "$0")/tap.sh"

"$here/deps.sh" build vm deb image
need_linux
deb=$("$root/packaging/deb.sh")
package=$(dpkg-deb -f "$deb" Version)
KDIR=$("$here/kernel.sh")
kmake -s -C "$root/selftests" KSRC="$(source_of "$KDIR")" OUT="$root/build/selftests" >&2

# --- what keeps it from being built --------------------------------------

# refused REASON: the hook of the kernel's packages says so, in one line, and
# does not fail, nor is anything built.
refused() {
	quiet /etc/kernel/postinst.d/dkms "$release" &&
		[ "$(grep -c '^rkernfs: not for ' "$work/out")" = 1 ] &&
		grep -q "^rkernfs: not for $release: $1" "$work/out" &&
		[ ! -e "$in/lib/modules/$release/updates" ] &&
		[ ! -e "$in/var/lib/rkernfs-dkms/$release/rkernfs.make" ]
}

# Another version in dpkg's books, as if it had been installed
set_version() { # PACKAGE VERSION
	sed -i "/^Package: $1$/,/^$/s/^Version: .*/Version: $2/" "$in/var/lib/dpkg/status"
}

other_source() {
	local status=0
	set_version "$source" 6.12.1-1
	refused "the kernel is $version, its source 6.12.1-1: apt install $source=$version" || status=1
	set_version "$source" "$version"
	return $status
}

without_image() {
	local status=0
	sed -i "/^Package: linux-image-$release$/,/^$/s/^Status: .*/Status: deinstall ok config-files/" "$in/var/lib/dpkg/status"
	refused "the kernel itself is not installed: apt install linux-image-$release" || status=1
	sed -i "/^Package: linux-image-$release$/,/^$/s/^Status: .*/Status: install ok installed/" "$in/var/lib/dpkg/status"
	return $status
}

# without FILE REASON
without() {
	local status=0
	mv "$in$1" "$in$1.hidden"
	refused "$2" || status=1
	mv "$in$1.hidden" "$in$1"
	return $status
}

# A program that only tells a version, as rustup's would another one
fake() { # PATH VERSION
	printf '#!/bin/sh\necho "%s"\n' "$2" >"$in$1"
	chmod 755 "$in$1"
}

# another TOOL VERSION REASON: one that is not what it takes
another() {
	local status=0
	mv "$in/usr/bin/$1" "$in/usr/bin/$1.hidden"
	fake "/usr/bin/$1" "$1 $2"
	refused "$3" || status=1
	mv "$in/usr/bin/$1.hidden" "$in/usr/bin/$1"
	return $status
}

# with_option OPTION REASON: the kernel's configuration says so
with_option() {
	local status=0 file=usr/src/linux-headers-$release
	cp "$in/$file/.config" "$in/$file/include/config/auto.conf" "$work/"
	echo "$1=y" >>"$in/$file/.config"
	echo "$1=y" >>"$in/$file/include/config/auto.conf"
	refused "$2" || status=1
	cp "$work/.config" "$in/$file/"
	cp "$work/auto.conf" "$in/$file/include/config/"
	return $status
}

installs() {
	cp "$deb" "$in/rkernfs.deb"
	quiet apt-get install -q -y --no-install-recommends /rkernfs.deb
}

# DKMS was told of no kernel that can carry it, and the package is fine.
installs_without_source() {
	quiet dpkg --force-depends -r "$source" && installs &&
		grep -q "^rkernfs: not for $release: the kernel's source is not installed: apt install $source=$version" "$work/out" &&
		quiet dpkg --audit && [ ! -s "$work/out" ]
}

source_comes() {
	quiet apt-get install -q -y --no-install-recommends "$source=$version"
}

little_space() {
	local status=0
	mkdir -p "$in/var/lib/rkernfs-dkms"
	mount -t tmpfs -o size=64m none "$in/var/lib/rkernfs-dkms"
	refused '/var/lib/rkernfs-dkms needs [0-9]* MB .*, 64 MB are free' || status=1
	umount "$in/var/lib/rkernfs-dkms"
	return $status
}

foreign() {
	quiet bash -c "action=build kernelver=$release arch=riscv64 kernel_source_dir=/none
		. /usr/src/rkernfs-$package/dkms.conf" &&
		grep -q "^rkernfs: not for $release: it is for riscv64" "$work/out"
}

secure_boot() {
	local dir=$in/sys/firmware/efi/efivars
	mkdir -p "$dir"
	printf '\6\0\0\0\1' >"$dir/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	quiet "/usr/src/rkernfs-$package/build.sh" check "$release" "/lib/modules/$release/build" &&
		grep -q "^rkernfs: Secure Boot is on .* mokutil --import /var/lib/dkms/mok.pub" "$work/out"
	local status=$?
	rm -r "$in/sys/firmware"
	return $status
}

# Killed when it has come to the crates, and everything of it
killed() {
	setsid -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$in" "/usr/src/rkernfs-$package/build.sh" check "$release" "/lib/modules/$release/build" \
		>"$work/out" 2>&1 &
	local build=$! tries=600
	until [ -e "$in/var/lib/rkernfs-dkms/$release/rust/Makefile" ] || [ $((tries -= 1)) = 0 ]; do
		sleep 0.1
	done
	pkill -KILL -s "$build" || :
	wait "$build" 2>/dev/null || :
	[ $tries -gt 0 ] && [ ! -e "$in/var/lib/rkernfs-dkms/$release/rkernfs.make" ]
}

# --- what is built -------------------------------------------------------

has_module() { # RELEASE
	quiet dkms status rkernfs &&
		grep -q "^rkernfs/$package, $1, .*: installed" "$work/out" &&
		grep -q '^updates/dkms/rkernfs.ko' "$in/lib/modules/$1/modules.dep" &&
		[ -e "$in/var/lib/rkernfs-dkms/$1/rkernfs.make" ]
}

builds() {
	quiet /etc/kernel/postinst.d/dkms "$release" && has_module "$release"
}

# boots RELEASE COMMAND [APPEND]: all units start, the command returns 0
boots() {
	pack_disk "$work/disk" "$1"
	DISK=$work/disk ADD="$root/build/selftests/memcg_events $root/build/selftests/series $root/build/selftests/watch" \
		APPEND="${3:-}" RUN="$2" "$here/vm.sh" >"$work/out" 2>&1
}

# shellcheck disable=SC2016 # for the guest's shell
loaded='
	[ "$(systemctl is-system-running --wait)" = running ] || { systemctl --failed; exit 1; }
	patch=/sys/kernel/livepatch/rkernfs
	tries=60
	while [ "$(cat $patch/transition)" != 0 ] && [ $((tries -= 1)) -gt 0 ]; do sleep 1; done
	[ "$(cat $patch/enabled $patch/transition)" = "1
0" ] || exit 1
	/add/memcg_events && /add/series'
# The system came up without the module, which DKMS has just built (an emulated
# machine would take half an hour to do so again): what is left of the installation
# runs here. A watcher that waits gets its events.
# shellcheck disable=SC2016 # for the guest's shell
no_reboot='
	[ ! -e /sys/module/rkernfs ] || exit 1
	mkdir /sys/fs/cgroup/old || exit 1
	/add/watch /sys/fs/cgroup/old >/tmp/events &
	tries=60
	until [ -s /tmp/events ] || [ $((tries -= 1)) = 0 ]; do sleep 1; done
	mount --bind /bin/true /usr/lib/dkms/common.postinst &&
		/var/lib/dpkg/info/rkernfs-dkms.postinst configure || exit 1
	'"$loaded"' || exit 1
	rmdir /sys/fs/cgroup/old
	wait
	cat /tmp/events
	grep -q "IN_IGNORED" /tmp/events'
unreviewed="dmesg | grep -q 'rkernfs: kernfs_drain() of .*; built with RKERNFS_UNREVIEWED=1' && $loaded"
# shellcheck disable=SC2016 # for the guest's shell
not_loaded='[ "$(systemctl is-system-running --wait)" = running ] &&
	[ ! -e /sys/module/rkernfs ] && ! modinfo rkernfs'

# The newest kernel that Debian ships, which has Rust
find_other() {
	KERNEL=backports "$here/kernel.sh" >/dev/null
	read -r other_version other <"$cache/debian-backports"
	source_of_other=linux-source-$(series_of "$other")
}

# Linked against its crates, by the rustc that built it, although rustup's comes
# first in PATH
another_kernel() {
	fake /usr/local/bin/rustc 'rustc 1.96.1'
	quiet env PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		apt-get install -q -y --no-install-recommends -t "$debian_suite-backports" \
		"linux-image-$other=$other_version" "linux-headers-$other=$other_version" \
		"linux-source-$(series_of "$other")=$other_version" &&
		has_module "$other" && has_module "$release"
	local status=$?
	rm "$in/usr/local/bin/rustc"
	return $status
}

# The release is the same, the version is not: a security update.
another_build() {
	set_version "linux-image-$other" "$other_version.1" &&
		quiet /etc/kernel/postinst.d/00-rkernfs-dkms "$other" &&
		[ ! -e "$in/var/lib/rkernfs-dkms/$other" ] &&
		[ ! -e "$in/lib/modules/$other/updates/dkms" ] &&
		quiet /etc/kernel/postinst.d/dkms "$other" &&
		grep -q "^rkernfs: not for $other: the kernel is $other_version.1, its headers are $other_version" "$work/out"
	local status=$?
	set_version "linux-image-$other" "$other_version"
	return $status
}

# An update of all its packages
update_other() { # VERSION
	set_version "linux-image-$other" "$1"
	set_version "$source_of_other" "$1"
	sed -i "s/\(LINUX_PACKAGE_ID \" Debian \).*\"/\1$1\"/" \
		"$in/usr/src/linux-headers-$other/include/generated/package.h"
}

# Its source, where a function is another one that the module has in its own way
change_source() {
	local tarball=$in/usr/src/$source_of_other.tar.xz file=$work/source/$source_of_other/fs/kernfs/dir.c
	cp -a "$tarball" "$work/source.tar.xz"
	mkdir "$work/source"
	tar -xJf "$tarball" -C "$work/source" --exclude="$source_of_other/sound" \
		--exclude="$source_of_other/drivers/"{gpu,net,media,staging}
	sed -i '/^static void kernfs_drain(/,/^}/s/^{$/{\n\tmight_sleep();/' "$file"
	grep -q might_sleep "$file" && tar -c -C "$work/source" "$source_of_other" | xz -0 >"$tarball"
	local status=$?
	rm -r "$work/source"
	return $status
}

# That kernel goes without; the other one keeps its module.
changed_kernel() {
	change_source && update_other "$other_version.1" &&
		quiet /etc/kernel/postinst.d/00-rkernfs-dkms "$other" &&
		quiet /etc/kernel/postinst.d/dkms "$other" &&
		[ "$(grep -c '^rkernfs: not for ' "$work/out")" = 1 ] &&
		grep -qx "rkernfs: not for $other: kernfs_drain() of [0-9.]* is not one of those that rkernfs was compared with: Documentation/kernels.rst, Porting" "$work/out" &&
		[ ! -e "$in/lib/modules/$other/updates/dkms" ] && quiet dpkg --audit && has_module "$release"
}

changed_kernel_all_the_same() {
	echo RKERNFS_UNREVIEWED=1 >"$in/etc/default/rkernfs-dkms"
	quiet /etc/kernel/postinst.d/dkms "$other" &&
		grep -q '^rkernfs: kernfs_drain() of .*; built all the same' "$work/out" && has_module "$other"
	local status=$?
	rm "$in/etc/default/rkernfs-dkms"
	return $status
}

restore_other() {
	mv "$work/source.tar.xz" "$in/usr/src/$source_of_other.tar.xz"
	update_other "$other_version"
}

kernel_goes() {
	mkdir -p "$in/var/lib/rkernfs-dkms/$other"
	quiet apt-get purge -q -y "linux-image-$other" "linux-headers-$other" &&
		[ ! -e "$in/var/lib/rkernfs-dkms/$other" ] && has_module "$release"
}

nothing_left() {
	quiet apt-get purge -q -y rkernfs-dkms &&
		[ -z "$(find "$in"/{etc,usr,var,lib/modules,boot} -xdev -name '*rkernfs*' \
			! -path '*/systemd/system/*' ! -name rkernfs-guest ! -path '*initramfs-tools/conf.d*')" ]
}

# --- in order ------------------------------------------------------------

find_other
source=linux-source-$(series_of "$release")
open_root "$work/upper" "$linux" "$system" "$debian_root"
root apt-get update -q >/dev/null

echo "TAP version 13"
echo 1..29
ok "without the kernel's source the package installs, and says so" installs_without_source
ok "linux-source installs" source_comes
ok "another version of the source is refused" other_source
ok "headers without their kernel are refused" without_image
ok "a rustc that is too old is refused" another rustc 1.63.0 'rustc 1.63.0 is too old for this kernel, which takes '
ok "a bindgen that is too old is refused" another bindgen 0.60.1 'bindgen 0.60.1 is too old .*: cargo install --locked bindgen-cli'
ok "no bindgen is refused" without /usr/bin/bindgen 'bindgen is missing: apt install bindgen'
ok "no rust-src is refused" without "/$(cd "$in" && echo usr/src/rustc-*)" 'the sources of Rust.s core library, [^ ]*, are missing: apt install rust-src'
ok "shuffled structures are refused" with_option CONFIG_RANDSTRUCT 'the kernel shuffles its structures'
ok "kCFI that knows no integers of Rust is refused" with_option CONFIG_CFI_CLANG 'the kernel has kCFI without '
ok "a kernel with the rt patch is refused" with_option CONFIG_PREEMPT_RT 'it is built with the rt patch, which linux-source-'
ok "trimmed symbols are refused" with_option CONFIG_TRIM_UNUSED_KSYMS 'it exports only what its own modules use'
ok "too little space is refused" little_space
ok "another architecture is left alone" foreign
ok "a killed build is not taken for a finished one" killed
begun=$SECONDS
ok "the next try builds" builds
echo "# crates and module of $release: $((SECONDS - begun)) s, $(du -sm "$in/var/lib/rkernfs-dkms/$release" | cut -f 1) MB"
ok "Secure Boot without the key is reported" secure_boot
ok "a running system has it when the package is installed" boots "$release" "$no_reboot" systemd.mask=systemd-modules-load.service
ok "it boots, the module is loaded and reports removals" boots "$release" "$loaded"
ok "the kernel of backports brings its module" another_kernel
ok "that boots, too" boots "$other" "$loaded"
ok "a rebuilt kernel of the same release loses its module" another_build
ok "an update that nobody compared goes without, and says why; the other kernel keeps its module" changed_kernel
ok "it is built when one wants that" changed_kernel_all_the_same
ok "and the log says so" boots "$other" "$unreviewed"
restore_other
ok "purging a kernel removes its Rust crates" kernel_goes
ok "the package installs again" installs
ok "purge leaves nothing" nothing_left
ok "and the system boots without" boots "$release" "$not_loaded"
sum_up
