# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the scripts here share: places, settings, and how a long step is shown.
#
# A step runs in the background with its output in a log file. On a terminal
# one live line tells the step, how far it is and the time taken; elsewhere
# plain lines tell its start and its end. All of that goes to stderr: stdout
# is for a script's result.

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
# shellcheck disable=SC2034 # for who reads this file in
here=$root/selftests/qemu
cache=${RKERNFS_CACHE:-${HOME:-/root}/.cache/rkernfs}
jobs=$(nproc)

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# results_page NAME FILE: the text of FILE becomes what Documentation/results/
# NAME.rst has after the line ".. generated", if there is that page.
results_page() {
	local page=$root/Documentation/results/$1.rst text
	[ -e "$page" ] || return 0
	text=$(sed '/^\.\. generated$/q' "$page"; cat "$2")
	printf '%s\n' "$text" >"$page"
}

# What pages call the kernel KDIR: one that Debian ships by its series; there are no
# pages of others.
page_name() {
	if is_debian_kernel; then
		cut -d . -f 1,2 "$KDIR/include/config/kernel.release"
	else
		echo "dev-$KERNEL$of_arch"
	fi
}

# shellcheck source=settings.sh
. "$here/settings.sh"
# shellcheck source=arch.sh
. "$here/arch.sh"
# shellcheck disable=SC2034 # for who reads this file in
selftests=$root/build/selftests$of_arch	# their programs
: "${DEBUG:=0}"
# Without KERNEL=, those that Debian ships, which nothing is built for, unless it is
# to be a dev kernel: for DEBUG=, or because a script says so before, by dev=y.
default_kernels=$test_kernels
[[ -z ${dev:-} && $DEBUG = 0 ]] || default_kernels=$arch_kernels
: "${KERNEL:=${default_kernels%% *}}"

# Whether the kernel is one that Debian ships
is_debian_kernel() {
	if [ -n "${KDIR:-}" ]; then
		[[ $KDIR = "$cache"/kernels/@(stable|backports)-* ]]
	else
		[[ -z ${KSRC:-} && $KERNEL = @(stable|backports) ]]
	fi
}

only_for() { # ARCH...
	[[ " $* " == *" $ARCH "* ]] || die "ARCH=$ARCH: this is for $* only"
}

# --- steps ---------------------------------------------------------------

declare -A pid=() began=()

# start NAME COMMAND...: run it in the background. It stays in this script's
# process group, so that nothing goes on once that is killed.
start() {
	local name=$1
	shift
	mkdir -p "$cache/logs"
	"$@" </dev/null >"$cache/logs/$name.log" 2>&1 &
	pid[$name]=$! began[$name]=$SECONDS
}

under_way() { # NAME...
	local name
	for name; do
		! kill -0 "${pid[$name]}" 2>/dev/null || return 0
	done
	return 1
}

# attend TEXT HOW_FAR NAME...: show how far these steps are until they have ended;
# HOW_FAR is a command that prints a few characters.
attend() {
	local text=$1 how_far=$2 taken
	shift 2
	[ -t 2 ] || say "$text ..."
	while under_way "$@"; do
		taken=$((SECONDS - began[$1]))
		[ ! -t 2 ] || printf '\r\033[K%s  %s  %d:%02d' "$text" \
			"$("$how_far")" $((taken / 60)) $((taken % 60)) >&2
		sleep 0.5
	done
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

# finish NAME TEXT [HOW_FAR]: wait for it; $hint is what to do if it fails.
finish() {
	local name=$1 text=$2 log=$cache/logs/$1.log

	attend "$text" "${3:-:}" "$name"
	if ! wait "${pid[$name]}"; then
		unset "pid[$name]"
		tail -n 20 "$log" >&2
		die "$text: failed${hint:+ ($hint)}; the whole log: $log"
	fi
	unset "pid[$name]"
	say "$text: done in $((SECONDS - began[$name])) s"
}

step() { # NAME TEXT HOW_FAR COMMAND...
	start "$1" "${@:4}"
	finish "$1" "$2" "$3"
}

# tree PID: it and what descends from it
tree() {
	local parent child
	echo "$1"
	while read -r child parent; do
		[ "$parent" != "$1" ] || tree "$child"
	done <<<"$processes"
}

# number and parent of each process
list_processes() {
	sed -n 's/^\([0-9]*\) (.*) [A-Za-z] \([0-9]*\) .*/\1 \2/p' /proc/[0-9]*/stat 2>/dev/null
}

end_steps() {
	local p processes
	[ ${#pid[@]} -gt 0 ] || return 0
	processes=$(list_processes) || :
	for p in "${pid[@]}"; do
		# shellcheck disable=SC2046 # one number a word
		kill $(tree "$p") 2>/dev/null || :
	done
}
trap end_steps EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- disk and kernel make ------------------------------------------------

# need_space MEGABYTES FOR
need_space() {
	local free
	mkdir -p "$cache"
	free=$(df --output=avail -BM "$cache" | tr -dc '0-9\n' | tail -n 1)
	[ "$free" -ge "$1" ] ||
		die "$2 needs $1 MB in $cache, $free MB are free; RKERNFS_CACHE= names another place"
}

# One at a time: who comes second finds the work done. Gives the one before up.
lock_cache() { # WHAT
	mkdir -p "$cache/src"
	exec 9>"$cache/lock-$1"
	flock -n 9 || { say "waiting for another run to leave $cache"; flock 9; }
}

# Kbuild notes which pahole there was, and warns of another one; only kernels
# with BTF need any.
pahole() {
	grep -qsx CONFIG_DEBUG_INFO_BTF=y ${KDIR:+"$KDIR/include/config/auto.conf"} \
		${KCONFIG:+$KCONFIG} /dev/null || echo PAHOLE=none
}

# The kernel's make, without what the caller told our own.
kmake() {
	local pahole
	pahole=$(pahole)
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u KERNEL -u DEBUG -u RUN \
		-u ADD -u TESTS -u ARCH -u KCONFIG make --no-print-directory -j"$jobs" \
		${V:+V="$V"} ${pahole:+"$pahole"} "${arch_make[@]}" "$@"
}

# The value of a symbol in KDIR's configuration, without quotes.
config_of() { # KDIR SYMBOL
	sed -n "s/^$2=\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$1/include/config/auto.conf"
}

# The compiler must be that of KDIR's kernel: a word for make.
compiler() {
	local major
	[ "$(config_of "$KDIR" CONFIG_CC_IS_CLANG)" = y ] || return 0
	major=$(($(config_of "$KDIR" CONFIG_CLANG_VERSION) / 10000))
	command -v "clang-$major" >/dev/null && echo "LLVM=-$major" || echo LLVM=1
}

# Whether KDIR's kernel can be patched; without, rkernfs has its own tree alone.
has_livepatch() {
	[ "$(config_of "$KDIR" CONFIG_LIVEPATCH)" = y ]
}

need_livepatch() {
	has_livepatch || die "Linux $(cat "$KDIR/include/config/kernel.release") is built without CONFIG_LIVEPATCH: nothing but rkernfs's own file system can be patched (cover=own); on $ARCH, KERNEL=${arch_kernels##* } has it"
}

# Of KDIR
kernel_name() {
	basename "$KDIR"
}

# The source tree that KDIR was built from.
source_of() { # KDIR
	if [ -e "$1/source" ]; then
		readlink -f "$1/source"
	else
		echo "$1"
	fi
}

# --- the kernel's log ----------------------------------------------------

# What the kernel's log never shows in a good run. Mitigations warn at boot
# behind a name of their own, so WARNING must follow the time stamp.
# shellcheck disable=SC2034 # for who reads this file in
readonly REPORTS='(^|\] )WARNING:|BUG:|Oops|Kernel panic|general protection fault|INFO: .*(detected|blocked|possible|trying to register|lockdep is turned off)|kmemleak: [1-9]|refcount_t:|list_(add|del) corruption|tried to (add|init) an initialized object|cannot create duplicate filename|kernfs: can not remove'

console() { tr -d '\r' <"$1" | own_races; }

# The kernel has data races of its own: KCSAN's report of one, up to a line of =,
# counts only if the module has part in it.
own_races() {
	awk '/BUG: KCSAN:/ { race = $0; next }
		race == "" { print; next }
		{ race = race "\n" $0 }
		/=====$/ { if (race ~ /\[rkernfs\]/) print race; race = "" }
		END { if (race ~ /\[rkernfs\]/) print race }'
}

# --- bindgen -------------------------------------------------------------

bindgen_version=0.72.1
PATH=$cache/bindgen-$bindgen_version/bin:$PATH

at_least() { # VERSION LEAST
	[ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

# The newest libclang that LLVM's packages brought; bindgen needs it at run
# time, and 17 or later for these kernels.
libclang() {
	local dir
	dir=$(printf '%s\n' /usr/lib/llvm-*/lib | sort -V | tail -n 1)
	[ "$(echo "$dir" | tr -dc 0-9)" -ge 17 ] && [ -e "$dir/libclang.so" ] && echo "$dir"
} 2>/dev/null

use_libclang() {
	: "${LIBCLANG_PATH:=$(libclang)}"
	export LIBCLANG_PATH
}

# Whether rustc is Debian's own, rather than rustup's.
debian_rust() { [ "$(command -v rustc || echo /usr/bin/rustc)" = /usr/bin/rustc ]; }

have_bindgen() {
	at_least "$(bindgen --version 2>/dev/null | awk '{ print $2 }')" 0.71.1
}

install_bindgen() {
	# It only ever runs for a second: fast code isn't worth the wait.
	CARGO_TARGET_DIR=$cache/bindgen-build CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
		cargo install --locked bindgen-cli --version "$bindgen_version" \
		--root "$cache/bindgen-$bindgen_version"
	rm -rf "$cache/bindgen-build"
}

begin_bindgen() {
	command -v cargo >/dev/null || die "bindgen 0.71.1 or newer is missing, and cargo to install it"
	need_space 1000 "building bindgen"
	start bindgen install_bindgen
}

finish_bindgen() {
	finish bindgen "bindgen $bindgen_version"
}
