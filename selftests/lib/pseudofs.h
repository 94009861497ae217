/* SPDX-License-Identifier: GPL-2.0 */
/* A mount of rkernfs's own file system for one test */
#ifndef SELFTESTS_LIB_PSEUDOFS_H
#define SELFTESTS_LIB_PSEUDOFS_H

#include <limits.h>
#include <stdbool.h>

/* NULL, or why there is no such file system here */
const char *mount_pseudofs(char root[PATH_MAX]);
void unmount_pseudofs(const char *root);
/* The same, with the names of an object in it, which is not made, and its value */
const char *mount_for_object(char root[PATH_MAX], char object[PATH_MAX], char value[PATH_MAX]);
/* Writes to a file of an object, "" being the root. */
bool write_object(const char *object, const char *file, const char *text);
/* The same: 0 or the error */
int write_error(const char *object, const char *file, const char *text);

#endif
