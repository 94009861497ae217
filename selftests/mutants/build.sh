# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Modules of changed sources. To be sourced after lib.sh.
#
#   copy_sources FOLDER		what is changed
#   build_mutant FOLDER NAME	prints the path of the module with NAME.patch, until
#				the next one is built; the sources are as before then

mutants_dir=$root/selftests/mutants

# From the start: what a run that was ended has left was built of changed sources.
copy_sources() { # FOLDER
	rm -rf "$1"
	mkdir -p "$1"
	cp -a "$root"/{Kbuild,packaging,samples,selftests,src} "$1"
}

change() { # FOLDER NAME [OPTION]
	patch -s -f -F0 -p1 -d "$1" "${@:3}" <"$mutants_dir/$2.patch" >&2
}

build_mutant() { # FOLDER NAME
	local status=0
	change "$1" "$2" || return
	RKERNFS_SAMPLES=n "$1/selftests/qemu/module.sh" || status=1
	change "$1" "$2" -R || status=1
	return $status
}
