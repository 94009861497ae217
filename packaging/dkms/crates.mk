# SPDX-License-Identifier: GPL-2.0
#
# Read in after a kernel's Makefile: of all that it builds, CRATES= in rust/.

PHONY += rkernfs-crates
rkernfs-crates:
ifdef CONFIG_X86_64
	$(Q)$(MAKE) $(build)=scripts scripts/target.json
endif
	$(Q)$(MAKE) $(build)=rust $(CRATES)
