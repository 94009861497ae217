#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the clients in Go, static, against the libraries that Debian packages,
# unmodified. Prints the folder that has them.
# shellcheck source=../../debian/lib.sh
. "$(dirname "$0")/../../debian/lib.sh"

clients=$root/selftests/clients/go
libraries=(golang-go golang-github-containerd-cgroups-dev)

build() {
	open_root "$work/upper" "$debian_root"
	root apt-get update -q
	apt_install "${libraries[@]}"
	cp -r "$clients" "$in/go"
	mkdir "$in/out"
	# shellcheck disable=SC2016 # for the shell in the root
	root sh -ec 'export GO111MODULE=off GOPATH=/usr/share/gocode CGO_ENABLED=0 GOFLAGS=-trimpath GOCACHE=/tmp/go
		for main in /go/*/main.go; do
			dir=${main%/main.go}
			(cd "$dir" && go build -o "/out/${dir##*/}" .)
		done
		dpkg-query -W "$@" >/out/versions' sh "${libraries[@]}"
	rm -rf "$out.part"
	cp -r "$in/out" "$out.part"
	mv "$out.part" "$out"
}

out=$cache/go-clients-$(find "$clients" -type f -print0 | sort -z | xargs -0 cat | sha256sum | cut -c 1-8)
if [ ! -e "$out" ]; then
	need_debian_root
	rm -rf "$cache"/go-clients-*
	step go-clients "clients in Go" : build
fi
echo "$out"
