# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # for who reads lib.sh in
#
# All that differs between architectures. ARCH= is the kernel's name of one; a
# built tree knows its own. Read in by lib.sh.

host_arch=$(uname -m | sed 's/^aarch64$/arm64/')

arch_of() { # KDIR
	sed -n 's/^CONFIG_ARM64=y$/arm64/p; s/^CONFIG_X86_64=y$/x86_64/p' \
		"$1/include/config/auto.conf" 2>/dev/null || :
}

[ -z "${KDIR:-}" ] || of_tree=$(arch_of "$KDIR")
ARCH=${of_tree:-${ARCH:-$host_arch}}
export ARCH

# test_kernels	what `make test` runs on; the first is what KERNEL= is without
# arch_kernels	dev kernels
# image		what QEMU boots, in a built tree
# triplet	as the GNU tools and clang call it; debian_arch: as Debian does
case $ARCH in
x86_64)
	test_kernels='stable backports' arch_kernels='6.12 7.3'
	image=arch/x86/boot/bzImage triplet=x86_64-linux-gnu debian_arch=amd64
	qemu=qemu-system-x86_64 qemu_package=qemu-system-x86
	# q35 rather than pc: the latter's interrupt table is a loop in ACPI's
	# byte code, which gives up on a debug kernel that gets little time.
	# Four levels of page tables: with five, an interrupt while the kernel
	# reads the processor's features makes KASAN report a wild access, as
	# what it takes for an address depends on a feature just cleared.
	machine=q35 cpu=max,la57=off tcg_cpu=max,la57=off
	arch_append='console=ttyS0 reboot=t no_timer_check'
	;;
arm64)
	# 6.12 has no livepatch here.
	test_kernels=7.3 arch_kernels=7.3
	image=arch/arm64/boot/Image triplet=aarch64-linux-gnu debian_arch=arm64
	qemu=qemu-system-aarch64 qemu_package=qemu-system-arm
	# What QEMU computes by itself to sign pointers is many times faster
	# than the architecture's own algorithm.
	machine=virt,gic-version=max cpu=max tcg_cpu=max,pauth-impdef=on
	arch_append='console=ttyAMA0'
	;;
*)
	say "error: ARCH=$ARCH: rkernfs knows x86_64 and arm64"
	exit 125
	;;
esac

# Kernels of another architecture are built by clang, which knows them all; the
# test programs by a gcc of their own, for the sake of its libc.
is_cross() { [ "$ARCH" != "$host_arch" ]; }
# Debian's own are built with tools that run here.
! is_cross || test_kernels=$arch_kernels

# What the GNU tools' names begin with, what names in the cache and in build/ end
# with, and what make is told; this machine's own needs none of it.
cross='' of_arch='' arch_make=()
! is_cross || cross=$triplet- of_arch=-$ARCH arch_make=("ARCH=$ARCH" "CROSS_COMPILE=$triplet-")
