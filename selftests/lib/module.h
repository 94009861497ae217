/* SPDX-License-Identifier: GPL-2.0 */
/* rkernfs.ko itself, and the modules of the tests, to be loaded and unloaded */
#ifndef SELFTESTS_LIB_MODULE_H
#define SELFTESTS_LIB_MODULE_H

#include <stdbool.h>

/*
 * Takes the module out, unless an earlier test of this program has; from
 * $RKERNFS_KO or /rkernfs.ko it can come back, and does as the program ends. NULL,
 * or why a test cannot have it so; then nothing was done.
 */
const char *borrow_module(void);
/* Has it loaded as it was found, if it was taken out. */
bool return_module(void);

/* 0, or the error */
int load_module(const char *parameters);
int unload_module(void);

/* Neither is waited for. */
bool disable_patch(void);
bool enable_patch(void);
/* Every task runs the replacements: false while some may not, or without patch */
bool is_patched(void);
bool await_patched(void);
/* The patch is out, and the module can be unloaded. */
bool await_unpatched(void);

/* A module of selftests/modules, and its parameters; 0, or the error */
bool has_test_module(const char *name);
int insert_test_module(const char *name, const char *parameters);
int remove_test_module(const char *name);
long module_parameter(const char *module, const char *name);

#endif
