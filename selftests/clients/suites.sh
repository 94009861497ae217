#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the kernel's own selftests of what uses kernfs, from the source of
# KDIR, against the libraries of the guests. Prints the folder that has them as
# "make install" leaves them.
# shellcheck source=../debian/lib.sh
. "$(dirname "$0")/../debian/lib.sh"

src=$(source_of "$KDIR")
selftests=tools/testing/selftests
# Debian's kernel runs what the dev kernels lack the configuration for, as each
# suite's own file config tells; they run the rest, at the same time.
targets=()
[ "$(config_of "$KDIR" CONFIG_TEST_FIRMWARE)" != m ] || targets+=(firmware)
of_filesystems() {
	local makefile target
	for makefile in "$src/$selftests"/filesystems/{,*/}Makefile; do
		target=$(dirname "${makefile#"$src/$selftests/"}")
		case ${target##*/} in
		epoll | eventfd | xattr) ;;	# no paths, or sockets
		statmount | empty_mntns) ;;	# lists of mounts; minutes
		fuse) ;;			# a library that the guests have not
		*) echo "$target" ;;
		esac
	done
}
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(printf '%s\n' cgroup mount cpu-hotplug; of_filesystems)

# The source stays as it is: what is built in it lands in a layer above.
open_source() {
	mkdir -p "$in/linux" "$in/$cache" "$work/linux" "$work/linux.work"
	mount -t overlay overlay "$in/linux" -o "lowerdir=$src,upperdir=$work/linux,workdir=$work/linux.work"
	mount --bind "$cache" "$in/$cache"
}

# By itself, as the Makefile above it names the folder of its own output to the one
# of the kernel, too, which then finds no configuration.
build_livepatch() { # TOOL...
	local in_root=/linux/$selftests/livepatch
	root make -j"$jobs" -C "$in_root" "$@" KDIR="$KDIR" INSTALL_PATH=/linux/installed/livepatch install
	root make -s --no-print-directory -C "$in_root" COLLECTION=livepatch emit_tests \
		>>"$work/linux/installed/kselftest-list.txt"
}

# shellcheck disable=SC2317 # called by name
build() {
	local tools=()
	[ ! -e "${KDIR%/build}/tools" ] || mapfile -t tools <"${KDIR%/build}/tools"
	open_root "$work/upper" "$debian_root"
	root apt-get update -q
	apt_install libcap-dev rsync perl
	open_source
	root make -s -j"$jobs" -C /linux headers
	# One that lacks a library is left out, as the kernel's own make does.
	root make -j"$jobs" -C "/linux/$selftests" "${tools[@]}" KDIR="$KDIR" TARGETS="${targets[*]}" \
		KSFT_INSTALL_PATH=/linux/installed install
	# Of firmware, what loads through sysfs: all of it three times takes minutes.
	sed -i 's/^firmware:fw_run_tests.sh$/firmware:fw_fallback.sh\nfirmware:fw_upload.sh/' \
		"$work/linux/installed/kselftest-list.txt"
	[ "$(config_of "$KDIR" CONFIG_DYNAMIC_DEBUG)" != y ] || build_livepatch "${tools[@]}"
	[ -s "$work/linux/installed/kselftest-list.txt" ]
	cp -r "$work/linux/installed" "$out.part"
	mv "$out.part" "$out"
}

kernel=$(kernel_name)
out=$cache/clients-suites-$kernel-$(sha256sum "$0" | cut -c 1-8)
if [ ! -e "$out" ]; then
	need_debian_root
	need_space 500 "the kernel's selftests"
	rm -rf "$cache/clients-suites-$kernel"-*
	step "clients-suites-$kernel" "the selftests of $kernel" : build
fi
echo "$out"
