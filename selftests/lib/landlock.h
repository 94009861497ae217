/* SPDX-License-Identifier: GPL-2.0 */
/* Landlock rulesets: each rule has the inode of a path kept, without a dentry. */
#ifndef SELFTESTS_LIB_LANDLOCK_H
#define SELFTESTS_LIB_LANDLOCK_H

#include <stdbool.h>

/* An empty ruleset, or -1 */
int open_ruleset(void);
/* Keeps the inode until the ruleset is closed; needs no right but to find it. */
bool keep_by_rule(int ruleset, const char *path);

#endif
