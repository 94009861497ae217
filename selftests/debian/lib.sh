# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A Debian system in a folder, $in: the toolchain's root, what makes it a
# system, and above them what a script installs. Read in first; the script is
# started again as root, with mounts of its own that end with it.
set -euo pipefail
if [ "${IN_NAMESPACE:-}" != $$ ]; then
	as=()
	[ "$(id -u)" = 0 ] || as=(sudo -E)
	# shellcheck disable=SC2093 # nothing comes after it
	exec "${as[@]}" unshare -m sh -c 'IN_NAMESPACE=$$ exec "$@"' sh "$0" "$@"
fi
# shellcheck source=../qemu/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../qemu/lib.sh"
# shellcheck source=../qemu/debian.sh
. "$here/debian.sh"
# Debian's kernel has livepatch there alone.
only_for x86_64

# What a minimal root lacks of a system; no recommendations.
system_packages=(systemd-sysv udev dbus initramfs-tools zstd iproute2 procps dkms ca-certificates)

work=$(mktemp -d "${TMPDIR:-/var/tmp}/rkernfs.XXXXXX")
in=$work/in
trap 'end_steps; ! mountpoint -q "$in" || umount -R -l "$in"; rm -rf --one-file-system "$work"' EXIT

# open_root UPPER LOWER...: has $in show these layers, the first one writable
open_root() {
	local lower
	lower=$(IFS=:; echo "${*:2}")
	mkdir -p "$in" "$1" "$1.work"
	mount -t overlay overlay "$in" -o "lowerdir=$lower,upperdir=$1,workdir=$1.work"
	mount -t proc proc "$in/proc"
	"$here/own_dev.sh" "$in/dev"
	# The mirror is this machine's.
	cp -L /etc/resolv.conf /etc/hosts "$in/etc/"
}

close_root() {
	umount -R -l "$in/dev"
	umount "$in/proc" "$in"
	rm -rf "$1.work"
}

# A command in that system
root() {
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive chroot "$in" "$@"
}

apt_install() { # PACKAGE...
	root apt-get install -q -y --no-install-recommends "$@"
}

# Debian's kernel KERNEL=
debian_kernel() {
	"$here/kernel.sh" >/dev/null
	read -r version release <"$cache/debian-$KERNEL"
}

# --- the system ----------------------------------------------------------

# A system with one command, which its unit gets from a second disk, runs and
# ends with. The prompts of consoles would be in the way.
add_guest() {
	local console units=$in/etc/systemd/system
	mkdir -p "$in/etc/initramfs-tools/conf.d" "$units/multi-user.target.wants"
	printf 'MODULES=list\nCOMPRESS=zstd\n' >"$in/etc/initramfs-tools/conf.d/rkernfs"
	printf 'virtio_blk\next4\n' >>"$in/etc/initramfs-tools/modules"
	for console in hvc0 hvc1 ttyS0; do
		ln -sf /dev/null "$units/serial-getty@$console.service"
	done
	install -m 755 "$root/selftests/debian/guest" "$in/usr/local/sbin/rkernfs-guest"
	cat >"$units/rkernfs-guest.service" <<-END
		[Unit]
		Description=The command that the host asks for
		[Service]
		ExecStart=/usr/local/sbin/rkernfs-guest
		OOMScoreAdjust=-1000
	END
	ln -sf ../rkernfs-guest.service "$units/multi-user.target.wants/"
	# The time that units have is an idle machine's.
	mkdir -p "$units/service.d"
	printf '[Service]\nTimeoutStartSec=infinity\n' >"$units/service.d/slow-host.conf"
	echo debian >"$in/etc/hostname"
	: >"$in/etc/machine-id"
	echo /dev/vda / ext4 defaults 0 1 >"$in/etc/fstab"
}

make_system() { # UPPER
	open_root "$1.part" "$debian_root"
	root apt-get update -q
	apt_install "${system_packages[@]}"
	add_guest
	root apt-get clean
	close_root "$1.part"
	mv "$1.part" "$1"
}

# install_kernel RELEASE VERSION
install_kernel() {
	local suite=$debian_suite
	case $2 in *~bpo*) suite+=-backports ;; esac
	apt_install -t "$suite" "linux-image-$1=$2" "linux-headers-$1=$2" \
		"linux-source-$(series_of "$1")=$2"
}

make_kernel() { # UPPER
	open_root "$1.part" "$system" "$debian_root"
	install_kernel "$release" "$version"
	root apt-get clean
	close_root "$1.part"
	mv "$1.part" "$1"
}

# Layers that are kept, as they take longest: $system
need_system() {
	need_debian_root
	key=$(cat "${BASH_SOURCE[0]}" "$root/selftests/debian/guest" | sha256sum | cut -c 1-8)
	system=$cache/debian-system-$key
	"$here/deps.sh" image
	if [ ! -e "$system" ]; then
		rm -rf "$cache"/debian-system-* "$cache"/debian-linux-*
		need_space 2000 "a Debian system"
		step debian-system "a Debian system" : make_system "$system"
	fi
}

# ... and $linux above it.
need_linux() {
	debian_kernel
	need_system
	linux=$cache/debian-linux-$key-$version
	if [ ! -e "$linux" ]; then
		step debian-linux "a Debian system with Linux $release" : make_kernel "$linux"
	fi
}

# --- disks ---------------------------------------------------------------

# pack_disk FOLDER [RELEASE]: what $in is now, as vm.sh wants a DISK=, with
# this kernel or the only one.
pack_disk() {
	local kernel=${2:-$release}
	rm -rf "$1.part"
	mkdir -p "$1.part"
	cp "$in/boot/vmlinuz-$kernel" "$1.part/vmlinuz"
	cp "$in/boot/initrd.img-$kernel" "$1.part/initrd"
	umount -R -l "$in/dev"
	umount "$in/proc"
	mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1,nodiscard -d "$in" "$1.part/disk" 6G
	mount -t proc proc "$in/proc"
	"$here/own_dev.sh" "$in/dev"
	rm -rf "$1"
	mv "$1.part" "$1"
}
