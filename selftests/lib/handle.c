// SPDX-License-Identifier: GPL-2.0
#include "handle.h"

bool get_handle(const char *path, struct handle *handle)
{
	int mount_id;

	handle->head.handle_bytes = MAX_HANDLE_SZ;
	return !name_to_handle_at(AT_FDCWD, path, &handle->head, &mount_id, 0);
}
