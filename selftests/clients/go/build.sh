#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds watch-go, static, against the libraries that Debian packages. Prints
# the folder that has it.
# shellcheck source=../../debian/lib.sh
. "$(dirname "$0")/../../debian/lib.sh"

go=$root/selftests/clients/go
packages=(golang-go golang-golang-x-sys-dev golang-github-containerd-cgroups-dev
	golang-github-fsnotify-fsnotify-dev golang-k8s-utils-dev golang-github-snapcore-snapd-dev
	golang-dbus-dev golang-gopkg-tomb.v2-dev golang-gopkg-yaml.v2-dev)

# shellcheck disable=SC2317 # called by name
build() {
	open_root "$work/upper" "$debian_root"
	root apt-get update -q
	apt_install "${packages[@]}"
	mkdir -p "$in/go/src"
	cp -r "$go" "$in/go/src/watch-go"
	root env CGO_ENABLED=0 GO111MODULE=off GOPATH=/go:/usr/share/gocode GOCACHE=/tmp/go \
		sh -ec 'cd /go/src/watch-go && go build -o /go/watch-go .'
	mkdir -p "$out.part"
	cp "$in/go/watch-go" "$out.part/"
	mv "$out.part" "$out"
}

out=$cache/clients-go-$(find "$go" -type f -print0 | sort -z | xargs -0 cat | sha256sum | cut -c 1-8)
if [ ! -e "$out" ]; then
	need_debian_root
	rm -rf "$cache"/clients-go-*
	step clients-go "the clients in Go" : build
fi
echo "$out"
