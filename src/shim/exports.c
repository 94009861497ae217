// SPDX-License-Identifier: GPL-2.0
/*
 * What other modules need of this one, to use src/kernfs: see Kbuild, which
 * makes the list. As rust/exports.c of the kernel.
 */
#include <linux/export.h>

#define EXPORT(name)	extern int name; EXPORT_SYMBOL_GPL(name)

#include "exports_generated.h"
