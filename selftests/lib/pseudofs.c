// SPDX-License-Identifier: GPL-2.0
#include "pseudofs.h"

#include <errno.h>
#include <sys/mount.h>
#include <unistd.h>

#include "system.h"

const char *mount_pseudofs(char root[PATH_MAX])
{
	if (why_not_root())
		return why_not_root();
	if (!make_mount_point(root))
		return "no directory to mount on";
	if (!mount("none", root, "rkernfs", 0, NULL))
		return NULL;
	rmdir(root);
	root[0] = '\0';
	return "no rkernfs file system here";
}

void unmount_pseudofs(const char *root)
{
	if (root[0])
		remove_mount_point(root);
}

const char *mount_for_object(char root[PATH_MAX], char object[PATH_MAX], char value[PATH_MAX])
{
	const char *reason = mount_pseudofs(root);

	format_path(object, "%.3900s/object", root);
	format_path(value, "%.3900s/value", object);
	return reason;
}

bool write_object(const char *object, const char *file, const char *text)
{
	char path[PATH_MAX];

	return write_text(format_path(path, "%.3800s/%.200s", object, file), text);
}

int write_error(const char *object, const char *file, const char *text)
{
	return write_object(object, file, text) ? 0 : errno;
}
