#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boots a kernel in QEMU, runs one command in it and ends with its status: with
# busybox from an initrd, or a whole Debian from a DISK=. README tells the
# settings and the exit codes.
#
# Three channels lead out of the guest: the command's output, raw, goes to
# stdout; one line with its status to a file; the kernel's console to another.
# No status means that the guest died, whatever was printed before. Into the guest,
# where no terminal is, lead the seconds that it has had for itself.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=debian.sh
. "$here/debian.sh"

[ -z "${DISK:-}" ] || : "${MODULE:=0}" "${KO:=}" "${MEM:=2G}" "${TIMEOUT:=400}"
: "${MODULE:=1}" "${MODPARAMS:=}" "${ADD:=}" "${RUN:=}" "${INTERACTIVE:=0}"
: "${APPEND:=}" "${QEMU_ARGS:=}" "${SMP:=2}" "${MEM:=1G}" "${UNLOAD:=0}"
: "${KLOG:=check}" "${ACCEL:=}" "${LOG:=}" "${DISK:=}"

readonly REPORTED=121 NOT_LOADED=122 DIED=123 TIMED_OUT=124 NOT_STARTED=125

die() { say "error: $*"; exit $NOT_STARTED; }

# --- what the guest gets -------------------------------------------------

# The part that is the same for every run of a kernel.
base_image() {
	local tree=$tmp/base
	mkdir -p "$tree"/{bin,dev,proc,sys,tmp,add,vm,lib/modules}
	cp "$busybox" "$tree/bin/busybox"
	# It makes the other links itself; another machine's does not run here.
	ln -s busybox "$tree/bin/sh"
	install -m 755 "$here/init" "$tree/init"
	find "$KDIR/drivers" -name '*.ko' -exec cp -t "$tree/lib/modules" {} + 2>/dev/null || :
	pack "$tree"
}

pack() {
	(cd "$1" && find . -mindepth 1 | LC_ALL=C sort |
		cpio --quiet -o -H newc -R 0:0)
}

quote() { printf "%s='%s'\n" "$1" "${2//\'/\'\\\'\'}"; }

settings() {
	local name
	for name in MODULE MODPARAMS UNLOAD INTERACTIVE TIMEOUT SIZE; do
		quote "$name" "${!name:-}"
	done
}

# What this run adds, in $tmp/run
run_files() {
	local tree=$tmp/run file to
	mkdir -p "$tree/vm" "$tree/add"
	install -m 755 -t "$tree/vm" "$here/guest" "$here/limited"
	settings >"$tree/vm/settings"
	printf '%s\n' "$RUN" >"$tree/vm/run"
	if [ -n "$KO" ]; then
		cp "$KO" "$tree/rkernfs.ko"
		mkdir -p "$tree/lib/modules"
		cp "${KO%/*}"/{samples,selftests/modules}/*.ko "$tree/lib/modules/" 2>/dev/null || :
	fi
	for file in $ADD; do
		to=$tree/add/${file##*/}
		[ ! -e "$to" ] || die "ADD: two files are called ${file##*/}"
		cp -rL --preserve=mode "$file" "$to"
	done
}

# --- QEMU ----------------------------------------------------------------

qemu() {
	# A reset ends QEMU; and an emulated machine may be slow without being
	# stuck or broken.
	local append="$arch_append panic=-1 random.trust_cpu=on"
	append+=" rcupdate.rcu_cpu_stall_timeout=60 sysctl.kernel.watchdog_thresh=30"
	local model=$cpu
	case $ACCEL in tcg*) model=$tcg_cpu ;; esac
	# pci-testdev is there for tests to remove.
	# shellcheck disable=SC2054 # QEMU's commas
	local args=(-nodefaults -no-user-config -display none -no-reboot
		-M "$machine" -cpu "$model" -smp "$SMP" -m "$MEM"
		-device pci-testdev -device virtio-serial-pci
		-serial "file:$LOG"
		-chardev stdio,signal=off,id=out -device virtconsole,chardev=out
		-chardev "file,id=status,path=$tmp/status" -device virtconsole,chardev=status)
	# No tty, which would send what it gets back until the guest told it not to
	# shellcheck disable=SC2054 # QEMU's commas
	[ "$INTERACTIVE" = 1 ] ||
		args+=(-chardev "pipe,id=clock,path=$tmp/clock" -device virtserialport,chardev=clock)
	if [ -n "$DISK" ]; then
		# What the guest writes is forgotten.
		# An emulated machine on a busy host may take longer than 90 s to load a module.
		append+=" root=/dev/vda rw systemd.default_timeout_start_sec=900"
		args+=(-kernel "$DISK/vmlinuz" -initrd "$DISK/initrd"
			-drive "file=$DISK/disk,format=raw,if=virtio,snapshot=on"
			-drive "file=$tmp/run.tar,format=raw,if=virtio,readonly=on")
	else
		args+=(-kernel "$KDIR/$image" -initrd "$tmp/initrd")
	fi
	# shellcheck disable=SC2206 # words, as the user wrote them
	args+=(-append "$append $APPEND" -accel $ACCEL $QEMU_ARGS)
	if [ "$INTERACTIVE" = 1 ]; then
		"$qemu" "${args[@]}"
	else
		# cat, because QEMU makes the pipe that it is given non-blocking
		# for all who share it.
		within_limit "$qemu" "${args[@]}" | cat
	fi
}

# Runs QEMU for at most TIMEOUT seconds of the guest's own: what its processors
# wait for one of the host's does not count, where the host's kernel tells. The
# guest is told how many these are, each second.
within_limit() { # COMMAND...
	local guest watcher status=0
	mkfifo "$tmp/clock"
	exec 8<>"$tmp/clock"
	"$@" </dev/null 8>&- &
	guest=$!
	watch_clock $guest >/dev/null 2>&1 &
	watcher=$!
	wait $guest 2>/dev/null || status=$?
	kill $watcher 2>/dev/null || :
	wait $watcher 2>/dev/null || :
	return $status
}

watch_clock() { # PID
	local begun=$SECONDS own=0
	while [ $own -lt "$TIMEOUT" ]; do
		sleep 1
		own=$((SECONDS - begun - $(seconds_waited "$1")))
		echo $own >&8
	done
	kill -KILL "$1"
}

# In schedstat a thread's second number is how many ns it waited to run.
seconds_waited() { # PID
	cat "/proc/$1/task"/*/schedstat 2>/dev/null |
		awk '$2 > most { most = $2 } END { printf "%d\n", most / 1e9 }'
}

# /dev/kvm may open and its guests still hang in firmware: only a boot that
# gets to its end tells. The verdict holds until the host reboots.
choose_accel() {
	local boot verdict
	[ -z "$ACCEL" ] || return 0
	# Processors in threads of their own are faster, but before 8.1 one could
	# still run an int3 that the kernel had just patched away, and oopsed, and
	# in 10.0 both were seen to sleep with a timer due, until RCU found a stall.
	ACCEL=tcg,thread=single
	{ ! is_cross && [ -w /dev/kvm ]; } || return 0
	boot=$(cat /proc/sys/kernel/random/boot_id)
	verdict=$(sed -n "s/^$boot //p" "$cache/kvm" 2>/dev/null) || :
	if [ -z "$verdict" ]; then
		verdict=no
		! env -i HOME="${HOME:-/}" PATH="$PATH" RKERNFS_CACHE="$cache" KDIR="$KDIR" KO='' \
			ACCEL=kvm MODULE=0 RUN=true TIMEOUT=10 "$here/vm.sh" >/dev/null 2>&1 || verdict=yes
		echo "$boot $verdict" >"$cache/kvm"
		say "a trial boot under KVM: $([ $verdict = yes ] && echo works || echo "doesn't work, so QEMU emulates")"
	fi
	[ "$verdict" = no ] || ACCEL=kvm
}

# --- how it ended --------------------------------------------------------

fail() { # CODE REASON [LINES_OF_CONSOLE]
	say "error: $2"
	say "the kernel's console:"
	printf '%s\n' "${3:-$(console "$LOG" | tail -n 20)}" | sed 's/^/  | /' >&2
	say "all of it: $LOG"
	exit "$1"
}

judge() { # STATUS_OF_QEMU
	local how='' status='' report fatal
	read -r how status <"$tmp/status" || :
	report=$(console "$LOG" | grep -m 1 -E "$REPORTS") || :

	case $how in
	exit) ;;
	load) fail $NOT_LOADED "insmod rkernfs.ko failed" ;;
	unload) fail $NOT_LOADED "rmmod rkernfs failed" ;;
	leak) fail $REPORTED "kmemleak found leaks (listed above)" ;;
	transition) fail $NOT_LOADED "some task still runs the kernel's own functions after a minute (livepatch's transition)" ;;
	*)
		fatal=$(console "$LOG" | grep -m 1 -E 'BUG:|Oops|general protection fault|Kernel panic') || :
		case $1 in
		0) fail $DIED "the guest died: ${fatal:-it reset itself without a word}" ;;
		137) fail $TIMED_OUT "the guest did not end within $TIMEOUT s${report:+, after: $report}" ;;
		*) fail $NOT_STARTED "QEMU ended with status $1" ;;
		esac
		;;
	esac
	if [ -n "$report" ] && [ "$KLOG" != ignore ] && [ "$status" = 0 ]; then
		fail $REPORTED "the command returned 0, but the kernel reports: $report" \
			"$(console "$LOG" | grep -m 1 -A 25 -E "$REPORTS")"
	fi
	[ -z "$report" ] || [ "$KLOG" = ignore ] || say "the kernel reports: $report ($LOG)"
	return "$status"
}

main() {
	local ended=0
	[ "$INTERACTIVE" = 1 ] || [ -n "$RUN" ] ||
		die "RUN='command' is missing: what the guest shall run (make shell has a prompt)"
	"$here/deps.sh" vm || exit $NOT_STARTED
	KDIR=$("$here/kernel.sh") || exit $NOT_STARTED
	export KDIR
	if [ -z "${KO+set}" ]; then
		KO=$("$here/module.sh") || exit $NOT_STARTED
	fi
	[ -z "$DISK" ] || [ -e "$DISK/disk" ] || die "DISK=$DISK has no disk: selftests/debian/image.sh makes one"
	[ -e "$KDIR/$image" ] || die "KDIR=$KDIR has no $image to boot"
	[ "$MODULE" != 1 ] || [ -e "$KO" ] || die "MODULE=1, but KO= names no module"
	if [ -z "${TIMEOUT:-}" ]; then
		TIMEOUT=$([ "$(config_of "$KDIR" CONFIG_KASAN)" = y ] && echo 600 || echo 120)
	fi
	if [ -z "$MODPARAMS" ] && ! has_livepatch; then
		MODPARAMS=cover=own
	fi
	choose_accel

	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	if [ "$INTERACTIVE" = 1 ]; then
		[ -t 0 ] || die "a shell needs a terminal; make vm RUN='...' doesn't"
		# shellcheck disable=SC2034 # one of the settings
		SIZE="rows $(tput lines) cols $(tput cols)"
	fi
	run_files
	if [ -n "$DISK" ]; then
		tar -cf "$tmp/run.tar" --owner=0 --group=0 -C "$tmp/run" .
	else
		find_busybox
		base_image >"$tmp/initrd"
		pack "$tmp/run" >>"$tmp/initrd"
	fi

	keep=$LOG
	LOG=${LOG:-$root/build/logs/console.$$.log}
	mkdir -p "$(dirname "$LOG")"
	: >"$LOG"
	[ -z "${V:-}" ] || tail -f "$LOG" --pid=$$ >&2 &

	qemu || ended=$?
	judge $ended || ended=$?
	[ -n "$keep" ] || [ $ended -ne 0 ] || rm "$LOG"
	exit $ended
}

main
