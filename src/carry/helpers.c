// SPDX-License-Identifier: GPL-2.0
/*
 * The C functions that the crates call instead of macros and inline functions:
 * those of the kernel's rust/helpers that are needed, which Kbuild picks.
 */
#include "helpers_generated.h"
