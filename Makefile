# SPDX-License-Identifier: GPL-2.0
#
# The targets for people. How the module itself is built is in Kbuild, so
# "make -C KDIR M=$PWD modules" works as for any other module.

# What a user sets is for the scripts, and goes there as it was written:
# RUN='echo $HOME' is for the guest's shell, not for make.
settings := ARCH KERNEL DEBUG KCONFIG KSRC KDIR RKERNFS_CARRY INSTALL V \
	    RUN ADD MODULE MODPARAMS TIMEOUT APPEND QEMU_ARGS ACCEL SMP MEM \
	    KLOG UNLOAD LOG DISK TESTS MUTANTS LANES CLIENTS SEED NODES ROUNDS SOAK_S FUZZ_S FULL REPORT CLOCKS WITHOUT ON
literally = $(if $(filter undefined,$(origin $1)),,$(eval override export $1 := $$(value $1)))
$(foreach s,$(settings),$(call literally,$s))

qemu := selftests/qemu

.DEFAULT_GOAL := module
.PHONY: module kernel cgwatch bench hostile lost clean install uninstall deb vm shell demo test test-all mutants stress fuzz coverage test-cgwatch test-package test-debian test-clients test-upstream \
	rust-analyzer doc fmt lint help

##@ Build
module: ## rkernfs.ko for KERNEL=stable (default), backports, 6.12 or 7.3, or for the built tree KDIR=
	@$(qemu)/module.sh

kernel: ## build the dev kernel KERNEL=, or the tree KSRC=; DEBUG=1 with lockdep, KASAN, kmemleak
	@$(qemu)/kernel.sh

cgwatch: ## build/cgwatch/cgwatch, which follows a cgroup subtree
	@samples/cgwatch/build.sh

clean: ## remove what was built here (kernels stay in the cache)
	$(RM) -r build samples/cgwatch/target

##@ Install
install: ## install the module for the running kernel, or KDIR= KERNEL=; INSTALL_MOD_PATH= before /lib/modules
	@packaging/install.sh

uninstall: ## remove what install put there
	@packaging/install.sh remove

deb: ## a Debian package that installs the module through DKMS
	@packaging/deb.sh

##@ Run, in a virtual machine
demo: ## which events the watches of a cgroup get, without the module and with it
	@$(qemu)/demo.sh

vm: ## run RUN='command' with the files ADD='...' in /add and the module loaded
	@$(qemu)/vm.sh

shell: ## a prompt in the same machine
	@INTERACTIVE=1 $(qemu)/vm.sh

##@ Test
test: ## all programs of selftests on Debian's kernels, in six minutes; KERNEL= TESTS= DEBUG= narrow
	@$(qemu)/test.sh

test-all: ## what a change must pass: that, debug kernels, packages, lint and more, in forty
	@$(qemu)/test_all.sh

mutants: ## small changes that slip in, one by one: a test fails with each; KERNEL= MUTANTS= narrow
	@selftests/mutants/run.sh

stress: ## a million removals, a hundred loads, stress-ng on debug kernels; NODES= ROUNDS= SOAK_S= SEED= KERNEL= DEBUG=
	@$(qemu)/stress.sh

fuzz: ## random programs of calls, FUZZ_S= seconds on each of Debian's kernels; SEED= KERNEL= DEBUG=
	@$(qemu)/fuzz.sh

coverage: ## which lines of src the tests reach; KERNEL= DEBUG= TESTS= FUZZ_S=
	@selftests/coverage/run.sh

test-cgwatch: ## cgwatch: unit tests, and on Debian's kernels without and with the module
	@samples/cgwatch/test.sh

test-debian: ## the package on a Debian with systemd and its own kernel: install, boot, purge
	@selftests/debian/system_test.sh

test-package: ## the package with a kernel of your own: install, load, upgrade, remove
	@selftests/debian/package_test.sh

test-clients: ## unmodified programs of others, with the patch disabled and enabled; KERNEL= CLIENTS= narrow
	@selftests/clients/run.sh

test-upstream: ## upstream/, the series in C, against 7.3 as it is and with the module; WITHOUT=0004 TESTS= ON=
	@$(qemu)/upstream.sh

##@ Measure
lost: ## which events unpatched kernels lose: README, Documentation/results
	@$(qemu)/lost.sh

hostile: ## delays that an unprivileged user causes: Documentation/results; KERNEL= ROUNDS=
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

lint: ## rustfmt, clippy, sparse, checkpatch, shellcheck, pages, examples and more
	@scripts/lint.sh

##@ Help
help: ## this list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'ARCH=arm64 builds and runs for arm64; selftests/qemu/README.md lists all settings.'
