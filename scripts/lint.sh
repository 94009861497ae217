#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Everything that can be said about the sources without running them. Prints
# what is not clean and how many checks passed, and ends non-zero unless all.
#
#   lint.sh [CHECK...]    some of: spdx space rustfmt shellcheck checkpatch
#                         python cgwatch clippy sparse doc examples
#
# clippy has the lints of KERNEL=7.3 (default): more than the others. sparse is
# for 6.12, as Debian's is too old for 7.3; so arm64, which has none, goes without.
#
# shellcheck disable=SC2317 # checks are called by name
set -uo pipefail
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
	sources | while read -r file; do
		! head -n 1 "$file" | grep -qaE "^#!.*\b($1)\b" || echo "$file"
	done
}

kernel_rust() { sources '*.rs' ':!samples/cgwatch' ':!selftests/clients'; }

# --- the checks; what they print is what is wrong ------------------------

check_spdx() {
	sources ':!COPYING' ':!*.lock' ':!*.patch' ':!packaging/debian' | while read -r file; do
		head -n 3 "$file" | grep -q SPDX-License-Identifier: || echo "$file: no SPDX line"
	done
}

check_space() {
	sources ':!COPYING' ':!*.lock' ':!*.patch' | xargs grep -nE '[[:blank:]]+$' /dev/null
	sources | while read -r file; do
		[ -z "$(tail -c 1 "$file")" ] || echo "$file: no newline at the end"
	done
}

check_rustfmt() {
	kernel_rust | xargs rustfmt --check --config-path "$src/.rustfmt.toml"
}

check_shellcheck() {
	scripts_in 'sh|bash' | xargs shellcheck -x -P SCRIPTDIR:selftests/qemu
}

# What is not asked for in src: no macro that makes code of a list; no list of
# exports (exports.c); no version (compat.h); no macro from a header that
# bindgen is not to see (shim.h). And in user space, what only the kernel has.
check_checkpatch() {
	local lists=COMPLEX_MACRO,MACRO_ARG_REUSE,TRAILING_SEMICOLON,EXPORT_SYMBOL
	local versions=LINUX_VERSION_CODE,CONSTANT_COMPARISON,NEW_TYPEDEFS
	local kernel=PREFER_DEFINED_ATTRIBUTE_MACRO,EMBEDDED_FUNCTION_NAME,STRCPY,USE_NEGATIVE_ERRNO
	{
		sources 'src/*.[ch]' | checkpatch --strict --ignore "$lists,$versions,BIT_MACRO"
		sources '*.[ch]' ':!src' | checkpatch --ignore "$kernel"
		# Who submits them signs them off.
		"$src/scripts/checkpatch.pl" --no-tree --terse --quiet --show-types --strict \
			--ignore MISSING_SIGN_OFF upstream/000[1-9]-*.patch
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

check_cgwatch() {
	cargo fmt --check --manifest-path samples/cgwatch/Cargo.toml
	cargo clippy -q --locked --all-targets --manifest-path samples/cgwatch/Cargo.toml -- -D warnings
}

# They run instead of the compiler, in a copy of the build.
check_clippy() { instead_of_compiler CLIPPY=1; }

check_sparse() {
	export KDIR=$sparse_kdir
	ko=$("$here/module.sh") && instead_of_compiler C=2 CHECK=sparse
}

instead_of_compiler() { # SETTING...
	local out=$root/build/lint
	rm -rf "$out"
	cp -a "$(dirname "$ko")" "$out"
	use_libclang
	kmake -s -C "$KDIR" M="$out" "$@" modules
}

check_doc() {
	scripts/doc.sh 2>&1 >/dev/null | grep -v '^documentation'
}

check_examples() {
	local log
	log=$(scripts/doc.sh examples 2>&1) || echo "$log"
}

# --- one after the other -------------------------------------------------

checks=("$@")
if [ $# = 0 ]; then
	checks=(spdx space rustfmt shellcheck checkpatch python cgwatch clippy doc examples)
	[[ " $arch_kernels " != *" 6.12 "* ]] || checks+=(sparse)
fi
"$here/deps.sh" build lint || exit
KDIR=$("$here/kernel.sh") && src=$(source_of "$KDIR") && ko=$("$here/module.sh") || exit
export KDIR
[[ " ${checks[*]} " != *" sparse "* ]] || sparse_kdir=$(KDIR='' KERNEL=6.12 "$here/kernel.sh") || exit

failed=0
for check in "${checks[@]}"; do
	wrong=$("check_$check" 2>&1)
	if [ -z "$wrong" ]; then
		echo "clean: $check"
	else
		printf 'NOT CLEAN: %s\n%s\n' "$check" "$wrong"
		failed=$((failed + 1))
	fi
done
echo "$((${#checks[@]} - failed)) passed, $failed failed"
[ $failed = 0 ]
