/* SPDX-License-Identifier: GPL-2.0 */
/* A PCI device to remove: only one that QEMU makes and that has no driver */
#ifndef SELFTESTS_LIB_PCI_H
#define SELFTESTS_LIB_PCI_H

#include <stdbool.h>

/* Its folder in sysfs, or NULL */
const char *expendable_pci(void);
/* Brings removed devices back. */
bool rescan_pci(void);

#endif
