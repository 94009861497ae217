// SPDX-License-Identifier: GPL-2.0
/*
 * What is replaced in the running kernel, and the parameter that says whether.
 * The replacements come from src/livepatch.rs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/livepatch.h>
#include <linux/module.h>

#include "compat.h"
#include "shim.h"

MODULE_AUTHOR("The rkernfs authors");
MODULE_VERSION(RKERNFS_VERSION);

static char *cover = "all";
module_param(cover, charp, 0444);
MODULE_PARM_DESC(cover, "what is livepatched: all (default): every kernfs user; own: nothing, only the rkernfs file system reports");

#ifdef CONFIG_LIVEPATCH
MODULE_INFO(livepatch, "Y");

static struct klp_func funcs[] = {
	{ .old_name = "kernfs_remove" },
	{ .old_name = "kernfs_remove_self" },
	{ .old_name = "kernfs_remove_by_name_ns" },
	{ .old_name = "kernfs_notify" },
	{ .old_name = "kernfs_iop_lookup" },
	{ .old_name = "kernfs_fh_to_dentry" },
	{ .old_name = "kernfs_fh_to_parent" },
	{ .old_name = "kernfs_get_parent_dentry" },
	{ }
};

static struct klp_object objs[] = {
	{ .funcs = funcs },	/* name NULL: vmlinux */
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int enable(const struct rkernfs_replacements *by)
{
	/* in the order of @funcs */
	void *const new_funcs[] = {
		by->remove,
		by->remove_self,
		by->remove_by_name_ns,
		by->notify,
		by->iop_lookup,
		by->fh_to_dentry,
		by->fh_to_parent,
		by->get_parent_dentry,
	};

	for (int i = 0; funcs[i].old_name; i++)
		funcs[i].new_func = new_funcs[i];
	return klp_enable_patch(&patch);
}
#else
static int enable(const struct rkernfs_replacements *by)
{
	pr_err("this kernel has no CONFIG_LIVEPATCH: load with cover=own\n");
	return -EOPNOTSUPP;
}
#endif

int rkernfs_livepatch_enable(const struct rkernfs_replacements *by)
{
#ifdef RKERNFS_UNREVIEWED
	pr_warn(RKERNFS_UNREVIEWED "; built with RKERNFS_UNREVIEWED=1\n");
#endif
	if (!strcmp(cover, "own"))
		return 0;
	if (!strcmp(cover, "all"))
		return enable(by);
	pr_err("cover=%s: must be all or own\n", cover);
	return -EINVAL;
}
