/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's own modules */
#ifndef SELFTESTS_LIB_DRIVER_H
#define SELFTESTS_LIB_DRIVER_H

#include <stdbool.h>

/*
 * Loads one from @file (NULL: none), beside the program, where the guests of
 * selftests/qemu have it, or where modprobe finds it.
 */
bool load_driver(const char *name, const char *parameters, const char *file);

#endif
