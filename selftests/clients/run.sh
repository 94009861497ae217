#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs unmodified clients with the patch enabled and disabled in one boot: what
# needs no system on 6.12 and 7.3 (guest.py), what does on Debian's own kernel
# (system.py). Prints TAP and the table, and puts the table and the plot into
# Documentation/. The last line tells how many tests passed and failed.
#
#   KERNEL='6.12 7.3 debian'	on which kernels
#   CLIENTS='names'	only these
#
# Documentation/ is left alone if one of them is given.
set -euo pipefail
kernels=${KERNEL:-6.12 7.3 debian}
partial=${KERNEL:-}${CLIENTS:-}
# shellcheck source=../qemu/lib.sh
. "$(dirname "$0")/../qemu/lib.sh"

clients=$root/selftests/clients
out=$root/build/clients
: "${CLIENTS:=}"

# What runs on which of them, by the names that the programs know
known() { # PROGRAM
	sed -n '/^CLIENTS = {/,/^}/s/^    "\([^"]*\)":.*/\1/p' "$clients/$1" | tr '\n' ' '
}
chosen() { # PROGRAM
	local name
	# shellcheck disable=SC2086 # one name a word
	for name in ${CLIENTS:-$(known "$1")}; do
		[[ " $(known "$1") " != *" $name "* ]] || printf '%s ' "$name"
	done
}
all="$(known guest.py)$(known system.py)"
for name in $CLIENTS; do
	[[ " $all" == *" $name "* ]] || { say "error: CLIENTS: $name: none of $all"; exit 2; }
done
on_dev=$(chosen guest.py) on_debian=$(chosen system.py)
[ -n "$on_dev" ] || kernels=$(tr ' ' '\n' <<<"$kernels" | grep -x debian || :)
[ -n "$on_debian" ] || kernels=$(tr ' ' '\n' <<<"$kernels" | grep -vx debian || :)
[ -n "$kernels" ] || { say "error: CLIENTS=$CLIENTS: none of them runs on KERNEL=$KERNEL"; exit 2; }

"$here/deps.sh" build cargo vm bench clients
root_clients=$("$clients/root.sh")
mkdir -p "$out/clients"
cp "$("$clients/go/build.sh")/watch-go" "$out/clients/"

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
cp -t "$out/clients" "$clients"/{guest.py,patch.py,watch-python,watch-node}
# Not packaged by Debian; one wheel that says what it must contain.
[ -e "$out/clients/inotify_simple.py" ] ||
	step clients-python "inotify_simple" : python3 -m pip install --quiet --no-deps --require-hashes \
		--target "$out/clients" -r "$clients/requirements.txt"

# --- the runs ------------------------------------------------------------

packages=(runc crun podman systemd-oomd libpam-systemd dbus-user-session fatrace inotify-tools
	stress-ng busybox-static python3)

in_guest="
	insmod /lib/modules/dummy.ko numdummies=0 && mount -t tmpfs -o size=90% tmpfs /root &&
	tar -C /root -xf /add/root.tar && cp -r /add/clients /rkernfs.ko /root/opt/ &&
	cp /bin/busybox /root/usr/bin/insmod && ln -s insmod /root/usr/bin/rmmod || exit 1
	for folder in proc sys dev tmp; do mount --rbind /\$folder /root/\$folder; done
	LOAD='insmod /opt/rkernfs.ko' chroot /root /opt/clients/guest.py $on_dev 2>&1"

on() { # KERNEL
	if [ "$1" = debian ]; then
		# Caches that are merged can't be told apart.
		KO='' DISK=$("$root/selftests/debian/image.sh" clients "${packages[@]}") TIMEOUT=1500 APPEND=slab_nomerge \
			ADD="$(echo "$clients"/*.py)" RUN="/add/system.py $on_debian 2>&1" "$here/vm.sh"
	else
		MEM=3G TIMEOUT=900 ADD="$out/root.tar $out/clients" RUN=$in_guest "$here/vm.sh"
	fi
}

# The kernels of a lane one after another
lane() { # KERNEL...
	local kernel ended
	for kernel; do
		say "testing: clients on $kernel ..."
		ended=0
		KERNEL=$kernel DEBUG=0 on "$kernel" >"$out/$kernel.log" || ended=$?
		{
			sed "s/^/$kernel /" "$out/$kernel.log"
			echo "$kernel status $ended"
		} >"$out/$kernel.results"
	done
}

rm -f "$out"/*.results
case " $kernels " in
*debian*) lane debian & ;;
esac
# shellcheck disable=SC2046 # one kernel a word
lane $(tr ' ' '\n' <<<"$kernels" | grep -vx debian)
wait
cat "$out"/*.results >"$out/results"

exec "$clients/report.py" "$out/results" ${partial:+--partial}
