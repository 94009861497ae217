#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs unmodified clients on 6.12 and 7.3, with the patch enabled and then
# disabled in one boot. Prints TAP and the table, and puts the table and the
# plot into Documentation/. The last line tells how many tests passed and
# failed.
#
#   KERNEL='6.12 7.3'	on which kernels
#   CLIENTS='names'	only these
#
# Documentation/ is left alone if one of them is given.
set -euo pipefail
kernels=${KERNEL:-6.12 7.3}
partial=${KERNEL:-}${CLIENTS:-}
# shellcheck source=../qemu/lib.sh
. "$(dirname "$0")/../qemu/lib.sh"

clients=$root/selftests/clients
out=$root/build/clients
: "${CLIENTS:=}"

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
cp -t "$out/clients" "$clients"/{guest.py,watch-python,watch-node}
# Not packaged by Debian; one wheel that says what it must contain.
[ -d "$out/clients/inotify_simple" ] ||
	step clients-python "inotify_simple" : python3 -m pip install --quiet --no-deps --require-hashes \
		--target "$out/clients" -r "$clients/requirements.txt"

# --- the runs ------------------------------------------------------------

in_guest="
	insmod /lib/modules/dummy.ko numdummies=0 && mount -t tmpfs -o size=90% tmpfs /root &&
	tar -C /root -xf /add/root.tar && cp -r /add/clients /root/opt/ || exit 1
	for folder in proc sys dev tmp; do mount --rbind /\$folder /root/\$folder; done
	chroot /root /opt/clients/guest.py $CLIENTS 2>&1"

: >"$out/results"
for kernel in $kernels; do
	say "testing: clients on $kernel ..."
	ended=0
	KERNEL=$kernel DEBUG=0 MEM=3G TIMEOUT=400 ADD="$out/root.tar $out/clients" RUN=$in_guest \
		"$here/vm.sh" >"$out/$kernel.log" || ended=$?
	sed "s/^/$kernel /" "$out/$kernel.log" >>"$out/results"
	echo "$kernel status $ended" >>"$out/results"
done

exec "$clients/report.py" "$out/results" ${partial:+--partial}
