#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the commands of this tree say and do without a guest: to what they cannot
# use, in one line that names it, before anything is fetched; when they are
# installed, killed, called without rights. Prints TAP. Needs no kernel.
#
# shellcheck disable=SC2016 # what is in single quotes is for other shells
# shellcheck disable=SC2317 # tests are called by name
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tap.sh
. "$here/tap.sh"

# As a new user has them: no kernel, and no cache but an empty one.
unset KDIR KERNEL DEBUG KSRC KO MODULE TESTS
export INSTALL=0 RKERNFS_CACHE=$work/cache

# refused SCRIPT WHY [SETTING=...]: it fails, says why in its only error, at the
# end, and leaves nothing in the cache.
refused() {
	! env "${@:3}" "$here/$1" >"$work/out" 2>"$work/err" </dev/null &&
		[ "$(grep -c '^error: ' "$work/err")" = 1 ] &&
		tail -n 1 "$work/err" | grep -q "^error: .*$2" &&
		[ -z "$(find "$work/cache" -type f -size +0 2>/dev/null)" ]
}

# A tree that looks built, with these lines in its configuration
tree() { # NAME LINE...
	mkdir -p "$work/$1/include/config" "$work/$1/fs/kernfs"
	printf '%s\n' "${@:2}" >"$work/$1/include/config/auto.conf"
	echo 1.2.3 >"$work/$1/include/config/kernel.release"
	: >"$work/$1/Module.symvers"
	: >"$work/$1/fs/kernfs/kernfs-internal.h"
	echo "KDIR=$work/$1"
}

unbuilt_tree() {
	local tree
	tree=$(tree unbuilt)
	rm -r "$work/unbuilt/include"
	refused module.sh 'no build files' "$tree" && refused vm.sh 'no build files' RUN=true "$tree"
}

tree_without_modules() {
	local tree
	tree=$(tree no-modules CONFIG_RUST=y)
	rm "$work/no-modules/Module.symvers"
	refused module.sh 'no Module.symvers' "$tree"
}

tree_of_headers() {
	local tree
	tree=$(tree headers CONFIG_RUST=y)
	rm -r "$work/headers/fs"
	refused module.sh 'no fs/kernfs/kernfs-internal.h' "$tree"
}

no_space() {
	mkdir "$work/full"
	printf '#!/bin/sh\necho Avail; echo 10M\n' >"$work/full/df"
	chmod 755 "$work/full/df"
	refused kernel.sh 'needs [0-9]* MB in .*, 10 MB are free' PATH="$work/full:$PATH"
}

source_without_livepatch() {
	local arch=$work/source/${image%/boot/*}
	mkdir -p "$arch" "$work/source/rust"
	touch "$work/source/Kbuild" "$arch/Kconfig"
	printf 'VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 3\nEXTRAVERSION =\n' >"$work/source/Makefile"
	refused kernel.sh "Linux 6.12.3 has no livepatch on $ARCH" KSRC="$work/source"
}

# What each file of src/shim includes, as for a kernel with these symbols
shim() { # SYMBOL...
	: >"$work/offsets_generated.h"
	gcc -E -x c -I"$work" "${@/#/-DCONFIG_}" "$root/src/shim/shim.h" >"$work/out" 2>"$work/err"
}
other_kernels_are_refused() {
	shim 64BIT &&
		! shim && grep -q '#error .*64-bit' "$work/err" &&
		! shim 64BIT CPU_BIG_ENDIAN && grep -q '#error .*little-endian' "$work/err"
}

missing_qemu() {
	programs_without "$qemu"
	refused vm.sh "install these packages" RUN=true PATH="$work/bin" && grep -q "missing: .*$qemu_package" "$work/err"
}

# --- settings ------------------------------------------------------------

# setting WHY SETTING=VALUE...: refused, whoever is told
setting() {
	refused vm.sh "$1" RUN=true "${@:2}" && refused fuzz.sh "$1" "${@:2}" &&
		refused test.sh "$1" "${@:2}"
}

numbers() {
	local name
	for name in SMP TIMEOUT FUZZ_S SOAK_S ROUNDS; do
		setting "$name=abc: .*a number from 1 on" $name=abc &&
			setting "$name=0: " $name=0 && setting "$name=-1: " $name=-1 || return
	done
	setting 'SEED=x: ' SEED=x && setting 'NODES=1k: ' NODES=1k && setting 'MEM=lots: ' MEM=lots
}

kernels() {
	setting 'KERNEL=5.10: it is 6.12 or later' KERNEL=5.10 &&
		setting 'KERNEL=debian: .*backports' KERNEL=debian &&
		setting 'KERNEL=newest: stable, backports, or' KERNEL=newest &&
		setting 'KERNEL=6: ' KERNEL=6 && setting 'DEBUG=7: 0, 1 or kcsan' DEBUG=7 &&
		setting "DEBUG=1: Debian's kernels" DEBUG=1 KERNEL=stable &&
		setting 'ARCH=riscv: ' ARCH=riscv && refused vm.sh 'one at a time' RUN=true KERNEL='stable 6.12'
}

words() {
	setting 'MODULE=yes: ' MODULE=yes && setting 'INSTALL=no: ' INSTALL=no &&
		setting 'UNLOAD=2: ' UNLOAD=2 && setting 'KLOG=off: ' KLOG=off &&
		setting 'RKERNFS_CARRY=maybe: one of y n' RKERNFS_CARRY=maybe &&
		setting 'FULL=yes: ' FULL=yes && setting 'CLOCKS: sundial: ' CLOCKS=sundial
}

places() {
	setting 'KDIR=/nowhere: no such folder' KDIR=/nowhere &&
		setting 'KSRC=/nowhere: no such folder' KSRC=/nowhere &&
		setting 'KO=/nowhere.ko: no such file' KO=/nowhere.ko &&
		setting 'DISK=/nowhere: no such folder' DISK=/nowhere &&
		setting 'LOG=/nowhere/log: no such folder' LOG=/nowhere/log &&
		setting 'ADD: /nowhere: no such file' ADD="$0 /nowhere" &&
		setting 'KCONFIG: /nowhere: no such file' KCONFIG=/nowhere &&
		setting "KDIR is '$work/a b'" KDIR="$work/a b"
}

no_such_test() {
	refused test.sh "TESTS='nonexistent' matches none of: memcg_events .* stress commands harness" \
		TESTS=nonexistent
}

nothing_to_run_is_refused() { refused vm.sh "RUN='command' is missing" && refused vm.sh "RUN=" RUN=; }

# make passes each setting on, and the script's line is the only one beside make's.
through_make() {
	! make -C "$root" vm RUN=true SMP=0 >"$work/out" 2>"$work/err" &&
		grep -q '^error: SMP=0: ' "$work/err" &&
		[ "$(grep -vc '^make' "$work/err")" = 1 ]
}

folder_with_a_space() {
	local to="$work/a b"
	mkdir -p "$to/selftests"
	cp "$root/Makefile" "$to/"
	cp -r "$here" "$to/selftests/"
	! make -C "$to" vm RUN=true >"$work/out" 2>"$work/err" &&
		grep -q "^error: this tree is '$to': .* space" "$work/err" &&
		[ "$(grep -vc '^make' "$work/err")" = 1 ]
}

# --- rights and devices --------------------------------------------------

# Links to all programs but these
programs_without() { # PROGRAM...
	local dir name
	rm -rf "${work:?}/bin"
	mkdir "$work/bin"
	for dir in ${PATH//:/ }; do
		ln -s "$dir"/* "$work/bin/" 2>/dev/null
	done
	for name; do rm -f "$work/bin/$name"; done
}

# A user without sudo, as far as the scripts see
root_without_rights() {
	programs_without sudo id
	printf '#!/bin/sh\necho 1000\n' >"$work/bin/id"
	chmod 755 "$work/bin/id"
	! PATH=$work/bin bash -c '. "$0/lib.sh"; . "$0/debian.sh"; need_debian_root' "$here" 2>"$work/err" &&
		grep -q '^error: a root of Debian .* as root, or install sudo' "$work/err" &&
		[ "$(wc -l <"$work/err")" = 1 ]
}

can_mount() { unshare -m true 2>/dev/null; }

devices() { stat -c '%n %a %u %g %t:%T %i' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty; }

# Whatever root does to the devices of a bound root
devices_stay() {
	local before
	before=$(devices)
	mkdir -p "$work/dev"
	unshare -m sh -ec '
		"$0" "$1"
		cd "$1"
		for node in null zero full random urandom tty; do
			! chmod 600 $node
			! rm -f $node
			! chown 1 $node
		done
		echo text >null
		[ "$(head -c 3 zero | wc -c)" = 3 ]
		: | sh -c "cat <fd/0"
		"$0" /dev
		! chmod 600 /dev/null
		! rm -f /dev/null
		echo text >/dev/null' "$here/own_dev.sh" "$work/dev" >"$work/out" 2>&1 &&
		[ "$(devices)" = "$before" ]
}

# --- steps ---------------------------------------------------------------

# A script in a group of its own with a step that has processes of its own;
# prints the number of the script
long_step() {
	rm -f "$work/asleep"
	setsid bash -c '. "$0/lib.sh"; deep() { sh -c "sleep 4321 & echo \$! >\"$1\"; wait"; }
		step long "a long step" : deep "$1"' "$here" "$work/asleep" >/dev/null 2>&1 &
	script=$!
	disown "$script"
	await test -s "$work/asleep" && asleep=$(cat "$work/asleep")
}

await() { # COMMAND...
	local tries=600
	until "$@"; do
		[ $((tries -= 1)) -gt 0 ] || return
		sleep 0.1
	done
}

gone() { ! kill -0 "$asleep" 2>/dev/null || grep -q '^State:.Z' "/proc/$asleep/status"; }

# ends_with SIGNAL [GROUP]: all of it, whether the script is told or its group
ends_with() {
	local script asleep status=0
	long_step || return
	kill "-$1" -- "${2:-}$script" && await gone || status=1
	kill "$asleep" 2>/dev/null
	return $status
}

# --- lint ----------------------------------------------------------------

lint() { "$root/scripts/lint.sh" "$@" >"$work/out" 2>"$work/err"; }

lint_helps() {
	lint --help && grep -q shellcheck "$work/out" && ! lint nonsense &&
		[ "$(wc -l <"$work/err")" = 1 ] && grep -q '^error: .*no check nonsense; there are: .*clippy' "$work/err"
}

lint_without_kernel() {
	lint spdx space && [ "$(tail -n 1 "$work/out")" = '2 passed, 0 failed' ] &&
		grep -q 'spdx space$' "$work/err" && [ ! -e "$work/cache/kernels" ]
}

# --- install -------------------------------------------------------------

# Installs from a copy of this tree whose module is there already, for a kernel
# whose make tells what it is asked for.
install_tree() {
	copy=$work/copy kernel=$work/kernel to=$work/to
	[ ! -e "$copy" ] || return 0
	mkdir -p "$copy/selftests" "$copy/built" "$to"
	cp -r "$root/packaging" "$copy/"
	cp -r "$here" "$copy/selftests/"
	: >"$copy/built/rkernfs.ko"
	printf '#!/bin/sh\necho "$RKERNFS_SAMPLES" >"%s"\necho "%s"\n' \
		"$work/samples" "$copy/built/rkernfs.ko" >"$copy/selftests/qemu/module.sh"
	tree kernel >/dev/null
	cat >"$kernel/Makefile" <<-'END'
		.RECIPEPREFIX := >
		include include/config/auto.conf
		modules_install:
		> mkdir -p $(INSTALL_MOD_PATH)/lib/modules/1.2.3/updates
		> touch $(INSTALL_MOD_PATH)/lib/modules/1.2.3/updates/rkernfs.ko.xz
		> @[ -z "$(CONFIG_MODULE_SIG_ALL)" ] || echo SSL error: no key >&2
	END
	echo 'CONFIG_MODULE_SIG_ALL=y' >"$kernel/include/config/auto.conf"
}

install_sh() { # [SETTING=...] [ACTION]
	install_tree
	env KDIR="$kernel" INSTALL_MOD_PATH="$to" "$@" >"$work/out" 2>"$work/err"
}

installs() {
	install_tree
	install_sh "$copy/packaging/install.sh" && [ -e "$to/lib/modules/1.2.3/updates/rkernfs.ko.xz" ] &&
		[ "$(cat "$work/samples")" = n ] && ! grep -q 'SSL' "$work/err" &&
		grep -q 'rkernfs.ko.xz: modprobe rkernfs' "$work/err"
}

uninstalls() {
	install_sh "$copy/packaging/install.sh" remove &&
		[ -z "$(find "$to/lib/modules" -name 'rkernfs*')" ] &&
		grep -q 'rkernfs.ko.xz: removed' "$work/err" &&
		! install_sh "$copy/packaging/install.sh" remove && grep -q '^error: .*no rkernfs' "$work/err"
}

no_place_to_install() {
	! install_sh INSTALL_MOD_PATH=/nowhere "$copy/packaging/install.sh" &&
		grep -q '^error: INSTALL_MOD_PATH=/nowhere: no such folder' "$work/err"
}

# --- test-all ------------------------------------------------------------

# In a tree whose targets only say how many tests passed
test_all() { # LINE_OF_LINT...
	local to=$work/all script
	mkdir -p "$to/selftests"
	cp -r "$here" "$to/selftests/"
	for script in kernel deps; do
		printf '#!/bin/sh\necho "%s $KERNEL"\n' $script >"$to/selftests/qemu/$script.sh"
	done
	{
		printf '%s\n' '.RECIPEPREFIX := >' '.DEFAULT:' '> @echo "about $@"; echo "2 passed, 0 failed"' lint:
		printf '> %s\n' "$@"
	} >"$to/Makefile"
	"$to/selftests/qemu/test_all.sh" >"$work/out" 2>"$work/err"
}

adds_up() {
	test_all '@echo "5 passed, 0 failed"' && grep -q '^lint: 5 passed, 0 failed, ' "$work/out" &&
		grep -qE '^lint +5 +0 +[0-9]+:[0-9]+$' "$work/out" && ! grep -q ' | ' "$work/out" &&
		[ "$(tail -n 1 "$work/out")" = "$(awk '/^part +passed/, /^in all/ { sum += $2 } END { print sum }' "$work/out") passed, 0 failed" ]
}

# One that fails, that ends badly with none failed, that says nothing
tells_failures() {
	local line
	for line in 'echo wrong; echo "4 passed, 1 failed"; false' 'echo wrong; echo "4 passed, 0 failed"; false' 'echo wrong'; do
		! test_all "@$line" && tail -n 1 "$work/out" | grep -q ' passed, 1 failed$' &&
			grep -q '^  lint | wrong$' "$work/out" && ! grep -q 'about' "$work/out" || return
	done
}

# --- man page ------------------------------------------------------------

man_page() {
	printf '%s\n' 'What it does' 'Usage: cgwatch [CGROUP]' 'Options:' '  -j, --json' '          Print JSON' |
		"$root/scripts/man.pl" "$root/samples/cgwatch/README.md" 1.2 >"$work/out" 2>"$work/err" &&
		[ ! -s "$work/err" ] && grep -q '^\.TH CGWATCH 1 "" "rkernfs 1.2"$' "$work/out" &&
		[ "$(grep -c '^\.SH ' "$work/out")" -ge 5 ] && grep -q '^Print JSON$' "$work/out" &&
		! grep -E '\]\(|\*\*|`|^\||^#' "$work/out"
}

echo "TAP version 13"
ok "numbers that are none are refused" numbers
ok "kernels that there are not are refused" kernels
ok "words that there are not are refused" words
ok "files and folders that are not there are refused" places
ok "TESTS= that matches nothing is refused, with the names" no_such_test
ok "a guest with nothing to run is refused" nothing_to_run_is_refused
ok "so it is when make is told" through_make
ok "a folder with a space in its name is refused" folder_with_a_space
ok "QEMU is named when it is missing" missing_qemu
ok "no right to make a Debian root is told" root_without_rights
if can_mount; then
	ok "what is done to the devices of a bound root leaves this machine's alone" devices_stay
else
	skip "what is done to the devices of a bound root leaves this machine's alone" "no mount namespaces here"
fi
ok "a script that is ended ends its steps" ends_with TERM
ok "a group that is killed leaves no step" ends_with KILL -
ok "lint.sh tells its checks, and refuses others" lint_helps
ok "checks that need no kernel run without" lint_without_kernel
ok "make install installs the module alone, without a word on keys" installs
ok "make uninstall removes what was installed, compressed or not" uninstalls
ok "INSTALL_MOD_PATH= that is not there is refused" no_place_to_install
ok "KSRC that is no source is refused" refused kernel.sh 'not a kernel source' KSRC=/etc
ok "KSRC without livepatch is refused" source_without_livepatch
ok "32-bit and big-endian kernels are refused when it is compiled" other_kernels_are_refused
ok "no room on the disk is refused" no_space
ok "KDIR without build files is refused" unbuilt_tree
ok "KDIR without modules built is refused" tree_without_modules
ok "KDIR without kernfs-internal.h is refused" tree_of_headers
ok "make test-all adds up what its parts say" adds_up
ok "make test-all tells what failed, and fails" tells_failures
ok "the README of cgwatch gives a man page" man_page
echo "1..$number"
