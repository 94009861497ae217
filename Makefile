# SPDX-License-Identifier: GPL-2.0
#
# The targets for people. How the module itself is built is in Kbuild, so
# "make -C KDIR M=$PWD modules" works as for any other module.

# What a user sets is for the scripts, and goes there as it was written:
# RUN='echo $HOME' is for the guest's shell, not for make.
settings := ARCH KERNEL DEBUG KCONFIG KSRC KDIR INSTALL V \
	    RUN ADD MODULE MODPARAMS TIMEOUT APPEND QEMU_ARGS ACCEL SMP MEM \
	    KLOG UNLOAD LOG DISK TESTS CLIENTS SEED NODES ROUNDS SOAK_S FUZZ_S FULL REPORT CLOCKS WITHOUT ON
literally = $(if $(filter undefined,$(origin $1)),,$(eval override export $1 := $$(value $1)))
$(foreach s,$(settings),$(call literally,$s))

qemu := selftests/qemu

.DEFAULT_GOAL := module
.PHONY: module kernel cgwatch bench hostile lost clean install uninstall deb vm shell demo test stress fuzz coverage test-cgwatch test-package test-debian test-clients test-upstream \
	rust-analyzer doc fmt lint help

##@ Build
module: ## rkernfs.ko for KERNEL=6.12 (default), 7.3 or debian, or for the built tree KDIR=
	@$(qemu)/module.sh

kernel: ## the dev kernel KERNEL=, or one from the tree KSRC=; DEBUG=1 the one that checks
	@$(qemu)/kernel.sh

cgwatch: ## samples/cgwatch/target/release/cgwatch, which follows a cgroup subtree
	@$(qemu)/deps.sh cargo
	cargo build --release --locked --manifest-path samples/cgwatch/Cargo.toml

clean: ## forget what was built here (the kernels stay in the cache)
	$(RM) -r build samples/cgwatch/target

##@ Install
install: ## for the running kernel, or KDIR= KERNEL=; INSTALL_MOD_PATH= before /lib/modules
	@packaging/install.sh

uninstall: ## the same away
	@packaging/install.sh remove

deb: ## a Debian package that installs the module through DKMS
	@packaging/deb.sh

##@ Run, in a virtual machine
demo: ## what a watcher of a cgroup is told, without the module and with it
	@$(qemu)/demo.sh

vm: ## run RUN='command' with the files ADD='...' in /add and the module loaded
	@$(qemu)/vm.sh

shell: ## the same with a prompt
	@INTERACTIVE=1 $(qemu)/vm.sh

##@ Test
test: ## all tests on 6.12 and 7.3, normal and debug; KERNEL= TESTS= DEBUG= narrow
	@$(qemu)/test.sh

stress: ## a million removals, a hundred loads, stress-ng on debug kernels; NODES= ROUNDS= SOAK_S= SEED= KERNEL= DEBUG=
	@$(qemu)/stress.sh

fuzz: ## random programs of calls, FUZZ_S= seconds on 6.12 and 7.3; SEED= KERNEL= DEBUG=
	@$(qemu)/fuzz.sh

coverage: ## which lines of src the tests reach; KERNEL= DEBUG= TESTS= FUZZ_S=
	@selftests/coverage/run.sh

test-cgwatch: ## cgwatch: unit tests, and on both kernels without and with the module
	@samples/cgwatch/test.sh

test-debian: ## the package on a Debian with systemd and its own kernel: install, boot, purge
	@selftests/debian/system_test.sh

test-package: ## the package with a kernel of your own: install, load, upgrade, remove
	@selftests/debian/package_test.sh

test-clients: ## programs that others wrote, with the patch disabled and enabled; KERNEL= CLIENTS= narrow
	@selftests/clients/run.sh

test-upstream: ## upstream/, the series in C, against 7.3 as it is and with the module; WITHOUT=0004 TESTS= ON=
	@$(qemu)/upstream.sh

##@ Measure
lost: ## which watches the kernels lose by themselves: tables for README and Documentation
	@$(qemu)/lost.sh

hostile: ## how long a user without rights holds others up: tables for Documentation; KERNEL= ROUNDS=
	@$(qemu)/hostile.sh

bench: ## what the patch costs on KERNEL=: build/bench/; FULL=1 all sizes
	@selftests/bench/run.sh

##@ Develop
rust-analyzer: ## rust-project.json for the editor, as KERNEL= or KDIR= sees the sources
	@scripts/rust-analyzer.sh

doc: ## rustdoc of the module: build/doc/rkernfs/index.html
	@scripts/doc.sh

fmt: ## format the Rust sources
	@scripts/fmt.sh

lint: ## rustfmt, clippy, sparse, checkpatch, shellcheck, examples and more: all clean?
	@scripts/lint.sh

##@ Help
help: ## this list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'ARCH=arm64 builds and runs for arm64; selftests/qemu/README.md tells all settings.'
