// SPDX-License-Identifier: GPL-2.0
/*
 * sysfs may have a superblock for each container, and a removal must not take
 * a look at each. What it would look for is kept here instead, by kprobes on
 * what hardly ever happens. Both may say yes where it is no (more) true.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/fsnotify_backend.h>
#include <linux/hash.h>
#include <linux/kprobes.h>

#include "compat.h"
#include "shim.h"

/* Whether there may be a mark on a whole superblock (FAN_MARK_FILESYSTEM). */
static bool has_marks;

/*
 * The nodes that were moved to another namespace, with all below them, by a
 * hash of their number: superblocks that do not show them any more may have
 * inodes of them.
 */
#define MOVED_BITS 16
static DECLARE_BITMAP(moved, 1 << MOVED_BITS);

static unsigned int moved_bit(struct kernfs_node *kn)
{
	return hash_64(kn->id, MOVED_BITS);
}

/*
 * The tag of the nearest tagged node on the way up, which a rename may change.
 * @was_moved gets whether a node on that way was moved from another one.
 */
const void *rkernfs_shown_in(struct kernfs_node *kn, bool *was_moved)
{
	const void *ns = NULL;

	*was_moved = false;
	rcu_read_lock();
	for (; kn && !ns; kn = compat_parent_rcu(kn)) {
		*was_moved |= test_bit(moved_bit(kn), moved);
		ns = kn->ns;
	}
	rcu_read_unlock();
	return ns;
}

static int mark_added(struct kprobe *kp, struct pt_regs *regs)
{
	/* mark, object, object's type, flags */
	if (regs_get_kernel_argument(regs, 2) == FSNOTIFY_OBJ_TYPE_SB)
		WRITE_ONCE(has_marks, true);
	return 0;
}

static int renamed(struct kprobe *kp, struct pt_regs *regs)
{
	struct kernfs_node *kn, *new_parent;
	const void *new_ns;
	bool was_moved;

	/* node, new parent, new name, new tag */
	kn = (void *)regs_get_kernel_argument(regs, 0);
	new_parent = (void *)regs_get_kernel_argument(regs, 1);
	new_ns = (void *)regs_get_kernel_argument(regs, 3);
	if (!new_ns)
		new_ns = rkernfs_shown_in(new_parent, &was_moved);
	if (new_ns != rkernfs_shown_in(kn, &was_moved))
		set_bit(moved_bit(kn), moved);
	return 0;
}

static struct kprobe probe_marks = {
	.symbol_name = "fsnotify_add_mark_locked",
	.pre_handler = mark_added,
};

static struct kprobe probe_renames = {
	.symbol_name = "kernfs_rename_ns",
	.pre_handler = renamed,
};

static struct kprobe *probes[] = { &probe_marks, &probe_renames };

/* What there is of both before the probes */
static void note(struct super_block *sb, void *unused)
{
	struct inode *inode;
	const void *ns;
	bool was_moved;

	if (READ_ONCE(sb->s_fsnotify_mask))
		WRITE_ONCE(has_marks, true);
	if (!rkernfs_is_kernfs(sb) || !kernfs_info(sb)->ns)
		return;
	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		struct kernfs_node *kn = READ_ONCE(inode->i_private);

		ns = kn ? rkernfs_shown_in(kn, &was_moved) : NULL;
		if (ns && ns != kernfs_info(sb)->ns)
			set_bit(moved_bit(kn), moved);
	}
	spin_unlock(&sb->s_inode_list_lock);
}

int rkernfs_supers_init(void)
{
	int ret = register_kprobes(probes, ARRAY_SIZE(probes));

	if (ret) {
		pr_err("no kprobe on %s or %s (%d)\n", probe_marks.symbol_name,
		       probe_renames.symbol_name, ret);
		return ret;
	}
	rkernfs_iterate_supers(note);
	return 0;
}

void rkernfs_supers_exit(void)
{
	unregister_kprobes(probes, ARRAY_SIZE(probes));
}

/* Whether a mark on all of @sb asks for FAN_DELETE_SELF. */
bool rkernfs_sb_reports_removal(struct super_block *sb)
{
	return READ_ONCE(sb->s_fsnotify_mask) & FS_DELETE_SELF;
}

bool rkernfs_any_sb_reports_removal(struct kernfs_root *root)
{
	struct kernfs_super_info *info;

	if (likely(!READ_ONCE(has_marks)))
		return false;
	list_for_each_entry(info, &root->supers, node)
		if (rkernfs_sb_reports_removal(info->sb))
			return true;
	return false;
}

/*
 * list_for_each_entry() over root->supers; NULL starts and ends it. With @ns,
 * others are passed over, and @passed counts them.
 */
struct kernfs_super_info *rkernfs_next_super(struct kernfs_root *root,
					     struct kernfs_super_info *info,
					     const void *ns,
					     unsigned int *passed)
{
	info = list_prepare_entry(info, &root->supers, node);
	list_for_each_entry_continue(info, &root->supers, node) {
		if (!ns || info->ns == ns)
			return info;
		++*passed;
	}
	return NULL;
}

/*
 * Brings the superblock of namespace @ns to the front, where the next removal
 * finds it at once, unless somebody has the lock. The list has no order.
 */
void rkernfs_bring_forward(struct kernfs_root *root, const void *ns)
{
	struct kernfs_super_info *info;

	if (!down_write_trylock(&root->kernfs_supers_rwsem))
		return;
	list_for_each_entry(info, &root->supers, node)
		if (info->ns == ns) {
			list_move(&info->node, &root->supers);
			break;
		}
	up_write(&root->kernfs_supers_rwsem);
}
