# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # lib.sh assigns
#
# Debian's packages, its own kernels, and a root of the Debian whose they are.
# Read in after lib.sh.

# Its own kernel is stable; the newest that it ships is in backports.
debian_suite=trixie

# --- packages ------------------------------------------------------------

# shellcheck source=/dev/null
machine_suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-sid}")

# The packages come from suites that the machine may not list, so apt works
# on state folders of our own and reaches those suites through the machine's
# own mirror. Nothing gets installed, so the packages may be of any architecture
# without dpkg's leave.
apt_state=$cache/apt$of_arch
apt_options() {
	local dir=$apt_state
	mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/parts"
	: >>"$dir/status"
	apt=(-o "Dir::State=$dir" -o "Dir::State::lists=$dir/lists"
		-o "Dir::State::status=$dir/status" -o "Dir::Cache=$dir"
		-o "Dir::Etc::sourcelist=$dir/sources.list"
		-o "Dir::Etc::sourceparts=$dir/parts" -o APT::Sandbox::User=root
		-o "APT::Architecture=$debian_arch" -o "APT::Architectures::=$debian_arch")
}

# apt itself reads the machine's sources, in whichever format: each archive
# that carries the machine's own release, or its security updates, is asked for
# what a line says of the same of another release.
write_sources() { # FILE LINE...
	local keys=/usr/share/keyrings/debian-archive-keyring.gpg signed='' line archive suite
	[ ! -e $keys ] || signed="[signed-by=$keys] "
	apt-get update --print-uris |
		sed -n "s#^'\(.*\)/dists/\($machine_suite\|stable\|testing\|unstable\|sid\|[a-z]*-security\)/InRelease' .*#\1 \2#p" |
		sort -u |
		while read -r archive suite; do
			for line in "${@:2}"; do
				[[ ${suite##*-} = security && $line = *-security ||
					${suite##*-} != security && $line != *-security ]] || continue
				echo "${line%% *} $signed$archive ${line#* } main"
			done
		done | sort -u >"$1"
}

update_lists() {
	command -v apt-get >/dev/null || { echo "there is no apt here"; return 1; }
	apt_options
	write_sources "$apt_state/sources.list" "deb $debian_suite" \
		"deb $debian_suite-backports" "deb $debian_suite-security"
	apt-get "${apt[@]}" update -q || :
}

# download_source PACKAGE FOLDER [SUITE]: the source of what this machine's release
# has, or this one
download_source() {
	command -v apt-get >/dev/null || { echo "there is no apt here"; return 1; }
	apt_options
	write_sources "$apt_state/source.list" "deb-src ${3:-$machine_suite}"
	apt+=(-o "Dir::Etc::sourcelist=$apt_state/source.list" -o APT::Get::List-Cleanup=0)
	apt-get "${apt[@]}" update -q || :
	mkdir -p "$2"
	(cd "$2" && apt-get "${apt[@]}" source -q --download-only --only-source "$1")
}

# version_of PACKAGE [PREFIX]: the newest one; for KERNEL=stable, the newest that
# is not of backports
version_of() {
	apt-cache "${apt[@]}" madison "$1" |
		awk -v v="${2:-}" -v kernel="$KERNEL" 'index($3, v) == 1 &&
			!(kernel == "stable" && /~bpo/) && !found++ { print $3 }'
}

# unpack PACKAGE VERSION FOLDER: adds its files to those there
unpack() {
	mkdir -p "$apt_state/archives/$1" "$3"
	(cd "$apt_state/archives/$1" &&
		apt-get "${apt[@]}" download "$1=$2" &&
		dpkg -x "$1_${2//:/%3a}"_*.deb "$3" &&
		rm -- *.deb)
}

# fetch PACKAGE VERSION_PREFIX FOLDER: unpacks the newest such package there.
fetch() {
	local version
	update_lists
	version=$(version_of "$1" "$2")
	[ -n "$version" ] || { echo "the machine's Debian mirror has no $1 $2"; return 1; }
	rm -rf "$3"
	unpack "$1" "$version" "$3"
}

series_of() { # RELEASE
	echo "$1" | grep -oE '^[0-9]+\.[0-9]+'
}

fetched() {
	if compgen -G "$cache/*.part" || compgen -G "$cache/src/*.part"; then
		echo unpacking
	else
		du -sm "$apt_state/archives" | awk '{ print $1 " MB" }'
	fi 2>/dev/null | tail -n 1
}

fetch_busybox() { # FOLDER
	fetch busybox-static "" "$1.part"
	mv "$1.part" "$1"
}

# A static busybox that the guest can run: this machine's, if it can, too.
find_busybox() {
	local dir=$cache/busybox$of_arch
	busybox=/bin/busybox
	is_cross || return 0
	busybox=$dir/usr/bin/busybox
	lock_cache busybox
	[ -e "$dir" ] || step busybox "busybox of $ARCH" fetched fetch_busybox "$dir"
	exec 9>&-
}

# --- a Debian root -------------------------------------------------------

# What builds its kernels' crates and modules; the package recommends the same.
toolchain=(gcc libc6-dev make xz-utils pahole rustc rust-src bindgen libclang-19-dev)
! is_cross || toolchain+=("gcc-${triplet/_/-}")
# Of them, what takes most of the space and is not needed: the sources of all but
# core, what LLVM has for programs that are linked with it.
# shellcheck disable=SC2054 # dpkg's pattern
unneeded=('/usr/src/rustc-*/library/*' '/usr/lib/llvm-19/lib/*.a' '/usr/lib/llvm-19/include/*')
needed=('/usr/src/rustc-*/library/core/*' '/usr/src/rustc-*/library/stdarch/*'
	'/usr/src/rustc-*/library/portable-simd/*')
debian_root=$cache/debian-$debian_suite$of_arch-$(echo "${toolchain[*]} ${needed[*]}" | sha256sum | cut -c 1-8)

# Whether this machine is that Debian, with its own Rust.
is_debian_suite() {
	# shellcheck source=/dev/null
	[ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = $debian_suite ] && debian_rust
}
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		command -v sudo >/dev/null && sudo "$@"
	fi
}

# make_root FOLDER PACKAGE,... [OPTION...]: a minimal system of that Debian, made
# without this machine's devices.
make_root() {
	update_lists
	as_root rm -rf "$1.part"
	# shellcheck disable=SC2016 # for the shell in the namespace
	as_root unshare -m sh -c '"$0" /dev && exec mmdebstrap "$@"' "$root/selftests/qemu/own_dev.sh" \
		--mode=root --variant=minbase --format=dir --include="$2" \
		--aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' "${@:3}" \
		"$debian_suite" "$1.part" - <"$apt_state/sources.list"
	as_root mv "$1.part" "$1"
}

# The tools that built Debian's kernel: this machine's, or a root's.
need_toolchain() {
	if is_debian_suite; then
		"$here/deps.sh" crates
	else
		need_debian_root
	fi
}

need_debian_root() {
	[ ! -e "$debian_root" ] || return 0
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
		die "a root of Debian $debian_suite takes a mount namespace: run this as root, or install sudo"
	as_root unshare -m true ||
		die "a root of Debian $debian_suite takes a mount namespace, which is not allowed here (a container? give it CAP_SYS_ADMIN), or a machine that is Debian $debian_suite"
	"$here/deps.sh" debian_root
	need_space 2500 "a root of Debian $debian_suite"
	step debian-root "a root of Debian $debian_suite" : make_root "$debian_root" \
		"$(IFS=,; echo "${toolchain[*]}")" \
		"${unneeded[@]/#/--dpkgopt=path-exclude=}" "${needed[@]/#/--dpkgopt=path-include=}"
}

# in_root FOLDER COMMAND...: runs it in that root as this user. The cache and
# the project are there under the same names.
in_root() {
	# shellcheck disable=SC2016 # for the shell in the namespace
	as_root unshare -m sh -c '
		in=$1 user=$2 own_dev=$3
		shift 3
		while [ "$1" != -- ]; do
			mkdir -p "$in$1" && mount --bind "$1" "$in$1" || exit
			shift
		done
		shift
		mount -t proc proc "$in/proc" && "$own_dev" "$in/dev" || exit
		cd "$in" && exec chroot --userspec="$user" "$in" "$@"
	' sh "$1" "$(id -u):$(id -g)" "$root/selftests/qemu/own_dev.sh" "$cache" "$root" -- \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive "${@:2}"
}

# Runs a command where the tools are that built Debian's kernel.
with_toolchain() {
	if is_debian_suite; then
		"$@"
	else
		in_root "$debian_root" "$@"
	fi
}
