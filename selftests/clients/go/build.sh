#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the clients in Go, static, against the libraries that Debian packages.
# Prints the folder that has them.
#
# cadvisor is packaged only within the source of an older Kubernetes. It is built
# as it is there, and with the newer k8s.io/utils that is packaged by itself.
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
	download_source kubernetes "$work/source" bookworm
	mkdir -p "$in/go/src"
	cp -r "$go" "$in/go/src/watch-go"
	tar -C "$in/go/src/watch-go/cadvisor" --strip-components=1 --wildcards \
		-xf "$work"/source/kubernetes_*.orig.tar.gz 'kubernetes-*/vendor'
	mkdir -p "$out.part"
	build_one . watch-go
	build_one cadvisor watch-go-cadvisor-0.38
	rm -r "$in/go/src/watch-go/cadvisor/vendor/k8s.io/utils/inotify"
	build_one cadvisor watch-go-cadvisor
	mv "$out.part" "$out"
}

build_one() { # FOLDER PROGRAM
	root env CGO_ENABLED=0 GO111MODULE=off GOPATH=/go:/usr/share/gocode GOCACHE=/tmp/go \
		sh -ec "cd /go/src/watch-go/$1 && go build -o /go/$2 ."
	cp "$in/go/$2" "$out.part/"
}

out=$cache/clients-go-$(find "$go" -type f -print0 | sort -z | xargs -0 cat | sha256sum | cut -c 1-8)
if [ ! -e "$out" ]; then
	need_debian_root
	rm -rf "$cache"/clients-go-*
	step clients-go "the clients in Go" : build
fi
echo "$out"
