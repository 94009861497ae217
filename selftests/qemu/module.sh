#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds rkernfs.ko for KDIR, or for the dev kernel that kernel.sh gives, and
# prints its path.
#
# Kbuild leaves its objects beside the sources. For each kernel to have its
# own, it works in build/<kernel>/, a tree of links to the sources.
#
# For tests: OMIT= has it panic, COVERAGE=y tell what was reached (see Kbuild for
# both); INCLUDE_FIRST= is a folder with headers to take instead of the kernel's,
# COMPARED= one to take instead of src/compared.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=debian.sh
. "$here/debian.sh"

KDIR=$("$here/kernel.sh")
export KDIR

# A tree that prepare.sh made has what modules are built with written down.
is_prepared() {
	[ -e "$KDIR/rkernfs.make" ]
}

# Whether the module can be linked against the crates of this kernel.
has_crates() {
	[ "$(config_of "$KDIR" CONFIG_RUST)" = y ] &&
		[ "$(config_of "$KDIR" CONFIG_RUSTC_VERSION_TEXT)" = "$(rustc --version)" ] &&
		[ "${RKERNFS_CARRY:-n}" = n ]
}

# Can the module be built against this tree at all?
check_tree() {
	local tree why
	tree=$(source_of "$KDIR")
	[ -e "$KDIR/Module.symvers" ] ||
		die "KDIR=$KDIR has no Module.symvers: build that kernel first (make, then make modules)"
	[ -e "$tree/fs/kernfs/kernfs-internal.h" ] ||
		die "KDIR=$KDIR: no fs/kernfs/kernfs-internal.h in $tree: a whole source tree is needed, headers won't do (for Debian's own kernel: make deb)"
	has_livepatch ||
		say "note: KDIR=$KDIR is built without CONFIG_LIVEPATCH: the module loads with cover=own only"
	why=$("${COMPARED:-$root/src/compared}/compare.pl" check "$tree" 2>&1) || die "KDIR=$KDIR: ${why#rkernfs: } (RKERNFS_UNREVIEWED=1 builds it all the same)"
	[ -z "$why" ] || say "$why"
}

# A kernel without Rust, or one that another rustc built, gets a tree in the cache
# with crates for the module to carry.
prepare() {
	local prepared
	prepared=$cache/kernels/carried-$(key)
	lock_cache "carried-$(key)"
	if [ ! -e "$prepared/rkernfs.make" ] || [ "$KDIR/Module.symvers" -nt "$prepared/rkernfs.make" ]; then
		need_space 300 "Rust crates for $KDIR"
		step "carried-$(key)" "Rust crates for $KDIR" : \
			"$root/packaging/dkms/prepare.sh" "$KDIR" "$(source_of "$KDIR")" "$prepared"
	fi
	exec 9>&-
	KDIR=$prepared
}

# One name for a kernel: that of its folder in the cache, or what it calls
# itself and where it is.
key() {
	case $KDIR in
	"$cache"/kernels/*) echo "${KDIR##*/}" ;;
	*) echo "$(cat "$KDIR/include/config/kernel.release")-$(echo "$KDIR" | sha256sum | cut -c 1-8)" ;;
	esac
}

link_sources() { # FOLDER
	local file
	(cd "$root" && find Kbuild src samples selftests/modules selftests/compile_fail ${COVERAGE:+selftests/coverage} \( -name '*.mod.c' -o -name '*_generated.rs' \) -prune -o \
		\( -name Kbuild -o -name '*.rs' -o -name '*.[chS]' -o -name '*.lds' -o -path 'src/compared/*' \) -print) |
		while read -r file; do
			[ ! -L "$1/$file" ] || continue
			mkdir -p "$(dirname "$1/$file")"
			ln -s "$root/$file" "$1/$file"
		done
	find "$1" -xtype l -delete
	[ -z "${COMPARED:-}" ] || ln -sf "$COMPARED"/* "$1/src/compared/"
}

# The version of the package to be, and which commit
version() {
	local commit
	commit=$(git -c safe.directory='*' -C "$root" describe --always --dirty --exclude='*' 2>/dev/null) || :
	sed -n "1s/.*(\(.*\)).*/\1${commit:+-g$commit}/p" "$root/packaging/debian/changelog"
}

check_tree
"$here/deps.sh" build
use_libclang
if ! is_prepared; then
	have_bindgen || { begin_bindgen && finish_bindgen; }
	has_crates || prepare
fi
out=$root/build/$(key)${OMIT:+-without-$OMIT}${COVERAGE:+-coverage}${INCLUDE_FIRST:+-mislaid}${COMPARED:+-unreviewed}
mkdir -p "$out"
exec 9>"$out/.lock"
flock 9
link_sources "$out"
mapfile -t tools < <(compiler)
build=(kmake)
if is_prepared; then
	mapfile -t tools <"$KDIR/rkernfs.make"
fi
# Debian's kernels have their tools in a root.
if is_debian_kernel; then
	need_toolchain
	build=(with_toolchain make -j"$jobs" ${V:+V="$V"} "${arch_make[@]}")
fi
"${build[@]}" -s -C "$KDIR" M="$out" RKERNFS_VERSION="$(version)" \
	${RKERNFS_SAMPLES:+RKERNFS_SAMPLES="$RKERNFS_SAMPLES"} ${OMIT:+OMIT="$OMIT"} ${COVERAGE:+COVERAGE="$COVERAGE"} \
	${RKERNFS_UNREVIEWED:+RKERNFS_UNREVIEWED="$RKERNFS_UNREVIEWED"} \
	${INCLUDE_FIRST:+KCPPFLAGS="-I$INCLUDE_FIRST"} "${tools[@]}" modules >&2
echo "$out/rkernfs.ko"
