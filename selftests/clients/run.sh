#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs unmodified clients with the patch enabled and disabled in one boot: what
# needs no system (guest.py), what does on Debian's kernels (system.py), and suites
# (suites.py). Prints TAP, tables and the
# time taken, and puts tables and the plot into Documentation/. The last line
# tells how many tests passed and failed.
#
#   KERNEL='stable backports'	on which kernels
#   CLIENTS='names'		only these
#   DEBUG=1			stress-ng on the debug kernels 6.12 and 7.3, unless the
#				two above say otherwise; without, it runs on backports
#   STRESS_SECONDS=5		how long each of its stressors runs
#   TIMEOUT=			seconds for a kernel; 1200, for a debug kernel 1800
#
# Documentation/ is left alone if one of them is given.
set -euo pipefail
partial=${KERNEL:-}${CLIENTS:-}${DEBUG:-}${STRESS_SECONDS:-}
if [ "${DEBUG:-0}" = 1 ]; then
	: "${KERNEL:=6.12 7.3}" "${CLIENTS:=stress-ng}"
fi
kernels=${KERNEL:-stable backports} several=y
# shellcheck source=../qemu/lib.sh
. "$(dirname "$0")/../qemu/lib.sh"
only_for x86_64

clients=$root/selftests/clients
out=$root/build/clients
: "${CLIENTS:=}" "${STRESS_SECONDS:=5}"

# What runs on which of them, by the names that the programs know
known() { # PROGRAM...
	(cd "$clients" && sed -n '/^CLIENTS = {/,/^}/s/^    "\([^"]*\)":.*/\1/p' "$@") | tr '\n' ' '
}
chosen() { # BY_DEFAULT KNOWN
	local name
	# shellcheck disable=SC2086 # one name a word
	for name in ${CLIENTS:-$1}; do
		[[ " $2" != *" $name "* ]] || printf '%s ' "$name"
	done
}
all="$(known guest.py system.py suites.py)"
for name in $CLIENTS; do
	[[ " $all" == *" $name "* ]] || { say "error: CLIENTS: $name: none of $all"; exit 2; }
done
# The guests of a kernel: one without a system, and on Debian's kernels one with it
# and one for the suites, which the dev kernels run without a system.
has_system() { [[ $1 =~ ^(stable|backports)-(system|suites)$ ]]; }
names_of() { # GUEST
	case $1 in
	backports-suites) chosen 'kselftest livepatch stress-ng' "$(known suites.py)" ;;
	stable-suites) chosen 'kselftest livepatch' "$(known suites.py)" ;;
	*-suites) chosen kselftest "$(known suites.py)" ;;
	*-system) ! has_system "$1" || chosen "$(known system.py)" "$(known system.py)" ;;
	*) chosen "$(known guest.py)" "$(known guest.py)" ;;
	esac
}
guests=()
for kernel in $kernels; do
	for guest in "$kernel" "$kernel-system" "$kernel-suites"; do
		[ -z "$(names_of "$guest")" ] || guests+=("$guest")
	done
done
[ ${#guests[@]} -gt 0 ] || { say "error: CLIENTS=$CLIENTS: none of them runs on KERNEL=$KERNEL"; exit 2; }

"$here/deps.sh" build cargo vm bench clients
root_clients=$("$clients/root.sh")
mkdir -p "$out/clients"
cp "$("$clients/go/build.sh")"/* "$out/clients/"

# --- what the guest gets -------------------------------------------------

# Static, so that the guest's libraries don't matter
build_rust() {
	local host
	host=$(rustc -vV | sed -n 's/^host: //p')
	RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked --target "$host" \
		--target-dir "$out/rust" --manifest-path "$clients/rust/Cargo.toml"
	cp "$out/rust/$host/release/watch-rust" "$out/clients/"
}

# The root as the guest unpacks it into memory
pack_root() {
	[ ! -e "$out/root.tar" ] || [ "$root_clients" -nt "$out/root.tar" ] || return 0
	tar -C "$root_clients" --exclude='./usr/share/'{doc,man,locale,info} \
		--exclude='./var/cache' --exclude='./var/lib/apt' -cf "$out/root.tar.part" .
	mv "$out/root.tar.part" "$out/root.tar"
}

step clients-rust "the clients in Rust" : build_rust
step clients-pack "the clients' root" : pack_root
cp -t "$out/clients" "$clients"/{guest.py,patch.py,suites.py,watch-python,watch-node}
# Not packaged by Debian; one wheel that says what it must contain.
[ -e "$out/clients/inotify_simple.py" ] ||
	step clients-python "inotify_simple" : python3 -m pip install --quiet --no-deps --require-hashes \
		--target "$out/clients" -r "$clients/requirements.txt"

# --- the runs ------------------------------------------------------------

packages=(runc crun podman systemd-oomd libpam-systemd dbus-user-session fatrace inotify-tools
	stress-ng busybox-static python3 xz-utils zstd)

given=${KDIR:-}

# What a guest needs: KDIR, KO or DISK, and the kernel's selftests if they are asked
# for.
prepare() { # GUEST NAMES
	KDIR=$(KDIR=$given "$here/kernel.sh") || return
	export KDIR KO='' DISK='' suites=''
	if has_system "$1"; then
		DISK=$("$root/selftests/debian/image.sh" clients "${packages[@]}") || return
	else
		KO=$("$here/module.sh") || return
	fi
	[[ ! " $2" =~ " "(kselftest|livepatch)" " ]] || suites=$("$clients/suites.sh")
}

# KDIR= is where the livepatch suite would compile its modules, which are there:
# without such a folder it skips all.
run_in_memory() { # NAMES
	MEM=3G UNLOAD=1 TIMEOUT=${TIMEOUT:-$((DEBUG ? 1800 : 1200))} ADD="$out/root.tar $out/clients $suites" RUN="
		insmod /lib/modules/dummy.ko numdummies=0 && mount -t tmpfs -o size=90% tmpfs /root &&
		tar -C /root -xf /add/root.tar && cp -r /add/clients /rkernfs.ko /root/opt/ || exit 1
		[ -z '$suites' ] || cp -r /add/${suites##*/} /root/opt/suites || exit 1
		ln -s /proc/self/fd /dev/fd; ln -s fd/0 /dev/stdin; ln -s fd/1 /dev/stdout; ln -s fd/2 /dev/stderr
		for folder in proc sys dev tmp; do mount --rbind /\$folder /root/\$folder; done
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin LOAD='insmod /opt/rkernfs.ko' KSELFTEST=/opt/suites STRESS_SECONDS=$STRESS_SECONDS KDIR=/opt/suites
		chroot /root /opt/clients/guest.py $1 2>&1" "$here/vm.sh"
}

# Caches that are merged can't be told apart. The firmware suite mounts over a
# folder that Debian has with its first firmware, and is to load through sysfs
# what is in no folder, as Android's kernels do; a rule of udev cancels that.
run_on_disk() { # NAMES
	TIMEOUT=${TIMEOUT:-1200} APPEND=slab_nomerge ADD="$(echo "$clients"/*.py) $suites" RUN="
		mkdir -p /lib/firmware
		echo 1 >/proc/sys/kernel/firmware_config/force_sysfs_fallback
		ln -s /dev/null /etc/udev/rules.d/50-firmware.rules && udevadm control --reload
		export KSELFTEST=/add/${suites##*/} STRESS_SECONDS=$STRESS_SECONDS
		/add/system.py $1 2>&1" "$here/vm.sh"
}

# A line tells how it ended, and the seconds it took.
run() { # GUEST KERNEL
	local name=$1 begun=$SECONDS ended=0 command=run_in_memory page
	! has_system "$1" || command=run_on_disk
	[ "$DEBUG" = 0 ] || name+=-debug
	page=$(KERNEL=$2 page_name)$([ "$DEBUG" = 0 ] || echo -debug)
	say "testing: clients on $name ..."
	KERNEL=$2 $command "$(names_of "$1")" >"$out/$name.log" || ended=$?
	{
		sed "s/^/$page /" "$out/$name.log"
		echo "$name status $ended $((SECONDS - begun))"
	} >"$out/$name.results"
}

# Side by side, as most of the time they wait.
rm -f "$out"/*.results
for guest in "${guests[@]}"; do
	kernel=${guest%-s*}
	if KERNEL=$kernel prepare "$guest" "$(names_of "$guest")"; then
		run "$guest" "$kernel" &
	else
		echo "$guest status 125 0" >"$out/$guest.results"
	fi
done
wait
cat "$out"/*.results >"$out/results"

exec "$clients/report.py" "$out/results" ${partial:+--partial}
