/* SPDX-License-Identifier: GPL-2.0 */
/* File handles, with room for any */
#ifndef SELFTESTS_LIB_HANDLE_H
#define SELFTESTS_LIB_HANDLE_H

#include <fcntl.h>
#include <stdbool.h>

struct handle {
	struct file_handle head;
	unsigned char bytes[MAX_HANDLE_SZ];
};

/* One that open_by_handle_at() takes */
bool get_handle(const char *path, struct handle *handle);

#endif
