#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What DKMS runs:
#
#   build.sh check RELEASE KDIR	can it be built? If not, why, in one line
#   build.sh build RELEASE KDIR
#   build.sh clean RELEASE KDIR
#
# KDIR is the built tree of a kernel of one's own, or what a distribution's
# headers package has. The crates that the latter lacks, and the former where the
# module is to carry them, are built once for each kernel (prepare.sh), from its
# source package or tree, and kept in /var/lib/rkernfs-dkms until the kernel or
# this package is removed.
#
# To be linked against a kernel's own crates, the module needs the rustc that
# built them; otherwise it carries what it needs, and any rustc will do that the
# kernel's source takes. One that root's PATH does not have, as rustup's, is found
# through /etc/default/rkernfs-dkms:
#
#   PATH=/home/me/.cargo/bin:$PATH RUSTUP_HOME=/home/me/.rustup
#
# A kernel whose source nobody compared with this package is left alone, unless
# there is RKERNFS_UNREVIEWED=1, too (Documentation/kernels.rst, Porting).
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
settings=/etc/default/rkernfs-dkms

action=$1 release=$2 KDIR=$3

note() { printf 'rkernfs: %s\n' "$*" >&2; }
die() { note "not for $release: $*"; exit 1; }

state=/var/lib/rkernfs-dkms
tree=$state/$release
set -a
# shellcheck source=/dev/null
[ ! -e $settings ] || . $settings
set +a

config_of() { # SYMBOL
	sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$KDIR/include/config/auto.conf"
}

has_sources() {
	[ -e "$KDIR/fs/kernfs/kernfs-internal.h" ] || [ -e "$KDIR/source/fs/kernfs/kernfs-internal.h" ]
}

# --- what was compared ---------------------------------------------------

compare=(perl "$here/src/compared/compare.pl")

compare_source() { # TREE
	local why
	why=$("${compare[@]}" check "$1" 2>&1) || die "${why#rkernfs: }"
	[ -z "$why" ] || note "${why#note: }"
}

# --- a kernel of one's own -----------------------------------------------

# Whether the module can be linked against its crates as they are
has_crates() {
	[ "$(config_of CONFIG_RUST)" = y ] && [ "${RKERNFS_CARRY:-n}" = n ] &&
		[ "$(config_of CONFIG_RUSTC_VERSION_TEXT)" = "$(rustc --version 2>/dev/null)" ]
}

check_tree() {
	[ -e "$KDIR/Module.symvers" ] || die "$KDIR has no Module.symvers: build that kernel first"
	tarball=$KDIR
	[ ! -e "$KDIR/source" ] || tarball=$(readlink -f "$KDIR/source")
	compare_source "$tarball"
	if has_crates; then
		command -v bindgen >/dev/null || die "bindgen is missing; $settings can set PATH"
		return
	fi
	version=$(sha256sum <"$KDIR/Module.symvers" | cut -c 1-16)
	prepare
}

# The newest libclang; bindgen looks for it only where LLVM's packages don't
# put it.
libclang() {
	printf '%s\n' /usr/lib/llvm-*/lib | sort -V | tail -n 1
}

compiler() {
	local major
	[ "$(config_of CONFIG_CC_IS_CLANG)" = y ] || return 0
	major=$(($(config_of CONFIG_CLANG_VERSION) / 10000))
	command -v "clang-$major" >/dev/null && echo "LLVM=-$major" || echo LLVM=1
}

# --- a distribution's kernel ---------------------------------------------

version_of() { # PACKAGE
	# Also while it is being configured, which may be why this runs.
	{ dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null || :; } |
		sed -n '/^\(not-installed\|config-files\) /!s/.* //p'
}

# The kernel, its headers and its source must be of one build: a security
# update changes structures, and may keep the kernel's release.
check_versions() {
	local image headers source series
	headers=$(sed -n 's/^#define LINUX_PACKAGE_ID " Debian \(.*\)"$/\1/p' \
		"$KDIR/include/generated/package.h" 2>/dev/null) || :
	[ -n "$headers" ] ||
		die "no fs/kernfs/kernfs-internal.h in $KDIR: a whole source tree is needed, headers won't do"
	image=$(version_of "linux-image-$release")
	[ -n "$image" ] || die "the kernel itself is not installed: apt install linux-image-$release"
	[ "$image" = "$headers" ] ||
		die "the kernel is $image, its headers are $headers: apt install linux-image-$release=$headers or linux-headers-$release=$image"
	series=$(echo "$release" | grep -oE '^[0-9]+\.[0-9]+')
	tarball=/usr/src/linux-source-$series.tar.xz
	[ "$(config_of CONFIG_PREEMPT_RT)" != y ] ||
		die "it is built with the rt patch, which linux-source-$series lacks: linux-image-${release##*-} takes the module"
	source=$(version_of "linux-source-$series")
	[ -n "$source" ] ||
		die "the kernel's source is not installed: apt install linux-source-$series=$image"
	[ "$source" = "$image" ] ||
		die "the kernel is $image, its source $source: apt install linux-source-$series=$image"
	version=$image
}

# What rustc wants to know of the crates takes most of the space, and is read when
# a module is built alone.
pack() {
	find "$tree/rust" -name '*.rmeta' -exec gzip -1 {} +
	strip -g "$tree/rust/"*.so
}

unpack() {
	find "$tree/rust" -name '*.rmeta.gz' -exec gunzip {} +
}

# megabytes, free where the tree goes
free_space() {
	df --output=avail -BM "$state" | tr -dc '0-9\n' | tail -n 1
}

prepare() {
	local needed=200 log=$state/$release.log built
	# Crates are of one build of the kernel and of one rustc; beside them is what is
	# compared.
	built="$version $(rustc --version 2>/dev/null || :) $("${compare[@]}" files | cksum)"
	mkdir -p "$state"
	exec 9>"$state/.lock"
	flock 9
	[ "$(cat "$tree/version" 2>/dev/null)" != "$built" ] || return 0
	[ "$(free_space)" -ge $needed ] ||
		die "$state needs $needed MB for the Rust crates of this kernel, $(free_space) MB are free: make space, then dkms autoinstall -k $release"
	note "building the Rust crates of $release, once: a minute or two ($log)"
	if ! "$here/prepare.sh" "$KDIR" "$tarball" "$tree" >"$log" 2>&1; then
		rm -rf "$tree"
		die "$(grep -m 1 '^rkernfs: ' "$log" | cut -d ' ' -f 2- | grep . ||
			echo "its Rust crates do not build, see $log: $(tail -n 1 "$log")")"
	fi
	rm "$log"
	echo "$built" >"$tree/version"
}

# --- what the module cannot do without ------------------------------------

# DKMS signs what it builds with that key.
key=${mok_certificate:-/var/lib/dkms/mok.pub}
enroll="dkms generate_mok, then mokutil --import $key and a reboot"

check_config() {
	[ "$(config_of CONFIG_TRIM_UNUSED_KSYMS)" != y ] ||
		die "it exports only what its own modules use (CONFIG_TRIM_UNUSED_KSYMS): it takes a kernel without"
	[ "$(config_of CONFIG_MODULE_SIG_FORCE)" != y ] || [ -e "$key" ] ||
		die "it loads signed modules alone (CONFIG_MODULE_SIG_FORCE), and DKMS has no key: $enroll"
	case $(sed -n 's/.*\[\(.*\)\].*/\1/p' /sys/kernel/security/lockdown 2>/dev/null) in
	integrity | confidentiality)
		[ "$release" != "$(uname -r)" ] ||
			note "the kernel is locked down: it loads the module only if it knows the key that signed it: $enroll" ;;
	esac
}

# --- the key -------------------------------------------------------------

# The kernel must know it.
check_key() {
	local variable=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
	[ -e $variable ] && [ "$(od -An -tu1 -j4 -N1 $variable | tr -d ' ')" = 1 ] || return 0
	mokutil --test-key "$key" 2>/dev/null | grep -q 'is already enrolled' ||
		note "Secure Boot is on and does not know DKMS's key: $release will not load the module before mokutil --import $key and a reboot"
}

# --- what is asked -------------------------------------------------------

check() {
	check_config
	if has_sources; then
		check_tree
	else
		check_versions
		prepare
		compare_source "$tree"
	fi
	check_key
}

build() {
	local words
	: "${LIBCLANG_PATH:=$(libclang)}"
	export LIBCLANG_PATH RKERNFS_SAMPLES=n
	if has_sources && has_crates; then
		mapfile -t words < <(compiler)
		make -j"$(nproc)" -C "$KDIR" M="$PWD" "${words[@]}" modules
	else
		unpack
		trap pack EXIT
		mapfile -t words <"$tree/rkernfs.make"
		make -j"$(nproc)" -C "$tree" M="$PWD" "${words[@]}" modules
	fi
}

# Kbuild's clean would look for the whole kernel.
clean() {
	find . \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \
		-o -name '*_generated.rs' -o -name modules.order -o -name Module.symvers \) -delete
}

case $action in
check)	check ;;
build)	check && build ;;
clean)	clean ;;
*)	die "unknown action '$action' (check, build, clean)" ;;
esac
