#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Everything that can be said about the sources without running them. Prints
# what is not clean and how many checks passed, and ends non-zero unless all.
#
#   lint.sh [CHECK...]    only these
#   lint.sh --help        what checks there are
#
# clippy has the lints of KERNEL=7.3 (default): more than the others. sparse is
# for 6.12, as Debian's is too old for 7.3; so arm64, which has none, goes without.
#
# shellcheck disable=SC2317 # checks are called by name
# shellcheck disable=SC2016 # programs of perl
set -uo pipefail
# What each takes besides the sources: nothing, the kernel's source, or a kernel
# that is built, and a module.
alone='spdx space docs shellcheck perl python compared cgwatch'
with_source='rustfmt checkpatch'
with_kernel='clippy doc examples sparse'

usage() {
	cat <<-END
		lint.sh [CHECK...]: all checks, or these. KERNEL=7.3 DEBUG=0 say for which kernel.
		  seconds, without a kernel:        $alone
		  with the source of that kernel:   $with_source
		  with that kernel built:           $with_kernel (of 6.12)
		What is missing of kernels is fetched, and built in some ten minutes each.
	END
}

checks=("$@")
if [ $# = 0 ]; then
	# shellcheck disable=SC2206 # names
	checks=($alone $with_source $with_kernel)
fi
for check; do
	case $check in
	-h | --help) usage; exit ;;
	esac
	[[ " $alone $with_source $with_kernel " == *" $check "* ]] ||
		{ echo "error: lint.sh: no check $check; there are: $alone $with_source $with_kernel" >&2; exit 2; }
done
: "${KERNEL:=7.3}"
export KERNEL
# shellcheck source=../selftests/qemu/lib.sh
. "$(dirname "$0")/../selftests/qemu/lib.sh"
cd "$root" || exit

# sources PATTERN...: what git knows, or would add
sources() {
	git ls-files --cached --others --exclude-standard -- "$@" |
		while read -r file; do
			[ ! -f "$file" ] || echo "$file"
		done
}

scripts_in() { # LANGUAGE
	sources | xargs perl -ne 'print "$ARGV\n" if /^#!.*\b('"$1"')\b/; close ARGV'
}

kernel_rust() { sources '*.rs' ':!samples/cgwatch' ':!selftests/clients'; }

# --- the checks; what they print is what is wrong ------------------------

check_spdx() {
	sources ':!COPYING' ':!*.lock' ':!*.patch' ':!packaging/debian' |
		xargs perl -ne '$seen |= /SPDX-License-Identifier:/;
			next unless $. == 3 || eof;
			print "$ARGV: no SPDX line\n" unless $seen;
			$seen = 0; close ARGV'
}

check_space() {
	sources ':!COPYING' ':!*.lock' ':!*.patch' | xargs grep -nE '[[:blank:]]+$' /dev/null
	sources | xargs perl -ne 'print "$ARGV: no newline at the end\n" if eof && !/\n\z/'
}

check_docs() { scripts/check_docs.py; }

check_rustfmt() {
	kernel_rust | xargs rustfmt --check --config-path "$src/.rustfmt.toml"
}

check_shellcheck() {
	scripts_in 'sh|bash' | xargs -P "$jobs" -n 4 shellcheck -x -P SCRIPTDIR:selftests/qemu
}

# What is not asked for in src: no macro that makes code of a list; no list of
# exports (exports.c); no version (compat.h); no macro from a header that
# bindgen is not to see (shim.h); no constant of what is filled in at load
# (final.c). And in user space, what only the kernel has, and macros of variants.
check_checkpatch() {
	local lists=COMPLEX_MACRO,MACRO_ARG_REUSE,TRAILING_SEMICOLON,EXPORT_SYMBOL
	local versions=LINUX_VERSION_CODE,CONSTANT_COMPARISON,NEW_TYPEDEFS,CONST_STRUCT
	local kernel=PREFER_DEFINED_ATTRIBUTE_MACRO,EMBEDDED_FUNCTION_NAME,STRCPY,USE_NEGATIVE_ERRNO,COMPLEX_MACRO,ENOSYS
	{
		sources 'src/*.[ch]' | checkpatch --strict --ignore "$lists,$versions,BIT_MACRO"
		sources '*.[ch]' ':!src' | checkpatch --ignore "$kernel"
	} | grep -v '^total: '
	rm -f .checkpatch-camelcase.*
}

checkpatch() { # OPTION...
	xargs "$src/scripts/checkpatch.pl" --no-tree --terse --quiet --show-types "$@" -f
}

check_python() {
	scripts_in python3 | while read -r file; do
		python3 -W error -c "import sys, pathlib
compile(pathlib.Path(sys.argv[1]).read_text(), sys.argv[1], 'exec')" "$file"
	done
}

check_perl() {
	scripts_in perl | while read -r file; do
		perl -wc "$file" 2>&1 | grep -vx "$file syntax OK"
	done
}

# The kernels of the cache are among those that somebody compared, and what
# looks for that finds what it should.
check_compared() {
	local tree
	for tree in "$cache"/src/* "$cache"/kernels/*; do
		# These are changed, and are not for the module.
		[[ $tree == *-@(upstream|limit) ]] || [ ! -e "$tree/fs/kernfs/dir.c" ] ||
			src/compared/compare.pl check "$tree"
	done
	selftests/qemu/compared_test.sh | grep -v '^ok \|^1\.\.\|^TAP '
}

check_cgwatch() {
	cargo fmt --check --manifest-path samples/cgwatch/Cargo.toml
	cargo clippy -q --locked --all-targets --manifest-path samples/cgwatch/Cargo.toml -- -D warnings
}

# They run instead of the compiler, in a copy of the build.
check_clippy() {
	local conf=$root/build/lint-clippy
	mkdir -p "$conf"
	# 6.12's, the oldest
	sed 's/^msrv = .*/msrv = "1.78.0"/' "$(source_of "$KDIR")/.clippy.toml" >"$conf/.clippy.toml"
	instead_of_compiler CLIPPY=1 CLIPPY_CONF_DIR="$conf" KRUSTFLAGS=-Wclippy::incompatible_msrv
}

check_sparse() {
	export KDIR=$sparse_kdir
	ko=$("$here/module.sh") && instead_of_compiler C=2 CHECK=sparse
}

instead_of_compiler() { # SETTING...
	local out=$root/build/lint tools
	mapfile -t tools < <(compiler)
	rm -rf "$out"
	cp -a "$(dirname "$ko")" "$out"
	use_libclang
	kmake -s -C "$KDIR" M="$out" "${tools[@]}" "$@" modules
}

check_doc() {
	scripts/doc.sh 2>&1 >/dev/null | grep -v '^documentation'
}

check_examples() {
	local log
	log=$(scripts/doc.sh examples 2>&1) || echo "$log"
}

# --- one after the other -------------------------------------------------

# among CHECK...: is one of them asked for?
among() {
	local check
	for check in "${checks[@]}"; do
		[[ " $* " != *" $check "* ]] || return 0
	done
	return 1
}

# shellcheck disable=SC2086 # lists
prepare() {
	say "lint: ${checks[*]}"
	! among $with_kernel ||
		say "with Linux $KERNEL$(among sparse && echo " and 6.12"): what is not there is built first, ten minutes each"
	"$here/deps.sh" "${checks[@]}" || return
	if among $with_kernel; then
		"$here/deps.sh" build && KDIR=$("$here/kernel.sh") && src=$(source_of "$KDIR") &&
			export KDIR && ko=$("$here/module.sh") || return
	elif among $with_source; then
		src=$("$here/kernel.sh" source) || return
	fi
	! among sparse || sparse_kdir=$(KDIR='' KERNEL=6.12 "$here/kernel.sh")
}

if [ $# = 0 ] && [[ " $arch_kernels " != *" 6.12 "* ]]; then
	unset 'checks[-1]'
fi
prepare || exit

failed=0
for check in "${checks[@]}"; do
	begun=$SECONDS
	wrong=$("check_$check" 2>&1)
	taken="$((SECONDS - begun)) s"
	if [ -z "$wrong" ]; then
		echo "clean: $check ($taken)"
	else
		printf 'NOT CLEAN: %s (%s)\n%s\n' "$check" "$taken" "$wrong"
		failed=$((failed + 1))
	fi
done
echo "$((${#checks[@]} - failed)) passed, $failed failed"
[ $failed = 0 ]
