// SPDX-License-Identifier: GPL-2.0
/* rkernfs's own file system: rmdir, control, remove, unmounted */
#include "matrix.h"

#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[PATH_MAX];

static const char *no_pseudofs(void)
{
	bool ok;

	make_mount_point(root);
	ok = !mount("none", root, "rkernfs", 0, NULL);
	remove_mount_point(root);
	return ok ? NULL : "no rkernfs file system here";
}

static char *object_path(char *path, int kind, int watch)
{
	return format_path(path, "%.4000s/%c%d", root, kind == FILES ? 'f' : 'd', watch);
}

static bool make_objects(struct nodes *nodes, const char *file)
{
	char object[PATH_MAX];

	if (!make_mount_point(root) || mount("none", root, "rkernfs", 0, NULL))
		return false;
	for (int watch = 0; watch < NR_WATCHES; watch++) {
		if (mkdir(object_path(nodes->path[DIRS][watch], DIRS, watch), 0755) ||
		    mkdir(object_path(object, FILES, watch), 0755))
			return false;
		format_path(nodes->path[FILES][watch], "%.4000s/%s", object, file);
	}
	return true;
}

static bool for_all_objects(bool (*act)(const char *object))
{
	char object[PATH_MAX];
	bool ok = true;

	for (int kind = 0; kind < NR_KINDS; kind++)
		for (int watch = 0; watch < NR_WATCHES; watch++)
			ok &= act(object_path(object, kind, watch));
	return ok;
}

static bool remove_object(const char *object)
{
	return !rmdir(object);
}

static bool remove_objects(void)
{
	return for_all_objects(remove_object);
}

static void restore_root(void)
{
	remove_objects();
	remove_mount_point(root);
}

static bool prepare_value(struct nodes *nodes, enum state_id state)
{
	return make_objects(nodes, "value");
}

const struct cause cause_own_rmdir = {
	.name = "own-rmdir",
	.kinds = BOTH,
	.states = ALL_BUT_MAPPED,
	.own = true,
	.missing = no_pseudofs,
	.prepare = prepare_value,
	.remove = remove_objects,
	.restore = restore_root,
};

/* control: a write to another file removes it by name */

static bool add_aux(const char *object)
{
	char path[PATH_MAX];

	return write_text(format_path(path, "%.4000s/control", object), "+aux");
}

static bool take_aux(const char *object)
{
	char path[PATH_MAX];

	return write_text(format_path(path, "%.4000s/control", object), "-aux");
}

static bool prepare_aux(struct nodes *nodes, enum state_id state)
{
	return make_objects(nodes, "aux") && for_all_objects(add_aux);
}

static bool take_all_aux(void)
{
	return for_all_objects(take_aux);
}

const struct cause cause_own_control = {
	.name = "own-control",
	.kinds = BIT(FILES),
	.states = ALL_BUT_MAPPED,
	.own = true,
	.missing = no_pseudofs,
	.prepare = prepare_aux,
	.remove = take_all_aux,
	.restore = restore_root,
};

/* remove: an object is removed inside the write to its own file */

static bool prepare_remove(struct nodes *nodes, enum state_id state)
{
	return make_objects(nodes, "remove");
}

static bool write_remove(const char *object)
{
	char path[PATH_MAX];

	return write_text(format_path(path, "%.4000s/remove", object), "1");
}

static bool write_all_remove(void)
{
	return for_all_objects(write_remove);
}

const struct cause cause_own_remove = {
	.name = "own-remove",
	.kinds = BOTH,
	.states = ALL_BUT_MAPPED,
	.own = true,
	.writes = true,
	.missing = no_pseudofs,
	.prepare = prepare_remove,
	.remove = write_all_remove,
	.restore = restore_root,
};

static bool unmount_root(void)
{
	return !umount(root);
}

/* The objects outlive the mount. */
static void restore_unmounted(void)
{
	mount("none", root, "rkernfs", 0, NULL);
	restore_root();
}

const struct cause cause_own_unmount = {
	.name = "own-unmount",
	.kinds = BOTH,
	.states = UNHELD,
	.own = true,
	.unmounts = true,
	.missing = no_pseudofs,
	.prepare = prepare_value,
	.remove = unmount_root,
	.restore = restore_unmounted,
};
