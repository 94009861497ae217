/* SPDX-License-Identifier: GPL-2.0 */
/* A file whose readers wait for its user: a file system in user space */
#ifndef SELFTESTS_HOSTILE_FUSE_H
#define SELFTESTS_HOSTILE_FUSE_H

/*
 * Opens one in this process's own mount namespace. A reader gets @text, and
 * reading on waits for ever. -1 if it cannot be had.
 */
int open_fuse(const char *text);

#endif
