// SPDX-License-Identifier: GPL-2.0
/*
 * Whether there may be a mark on a whole superblock (FAN_MARK_FILESYSTEM) at
 * all. Hardly any machine has one, sysfs may have a superblock for each
 * container, and every removal asks: it must not take a look at each of them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fsnotify_backend.h>
#include <linux/kprobes.h>

#include "compat.h"
#include "shim.h"

static bool possible;

static int added(struct kprobe *kp, struct pt_regs *regs)
{
	/* mark, object, object's type, flags */
	if (regs_get_kernel_argument(regs, 2) == FSNOTIFY_OBJ_TYPE_SB)
		WRITE_ONCE(possible, true);
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "fsnotify_add_mark_locked",
	.pre_handler = added,
};

static void note(struct super_block *sb, void *unused)
{
	if (READ_ONCE(sb->s_fsnotify_mask))
		WRITE_ONCE(possible, true);
}

/* From here on no mark is missed: later ones pass the probe. */
int rkernfs_sb_marks_init(void)
{
	int ret = register_kprobe(&probe);

	if (ret) {
		pr_err("no kprobe on %s (%d)\n", probe.symbol_name, ret);
		return ret;
	}
	rkernfs_iterate_supers(note);
	return 0;
}

void rkernfs_sb_marks_exit(void)
{
	unregister_kprobe(&probe);
}

/* Whether a mark on all of @sb asks for FAN_DELETE_SELF. */
bool rkernfs_sb_reports_removal(struct super_block *sb)
{
	return READ_ONCE(sb->s_fsnotify_mask) & FS_DELETE_SELF;
}

bool rkernfs_any_sb_reports_removal(struct kernfs_root *root)
{
	struct kernfs_super_info *info;

	if (likely(!READ_ONCE(possible)))
		return false;
	list_for_each_entry(info, &root->supers, node)
		if (rkernfs_sb_reports_removal(info->sb))
			return true;
	return false;
}
