// SPDX-License-Identifier: GPL-2.0
/*
 * sysfs may have a superblock for each container, and a removal must not take
 * a look at each. What it would look for is noted here instead, when it comes
 * to be, which is hardly ever. A note may say yes where it is no (more) true.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/fsnotify_backend.h>
#include <linux/ftrace.h>
#include <linux/hash.h>

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

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS
static void notrace mark_added(unsigned long ip, unsigned long parent_ip,
			       struct ftrace_ops *ops,
			       struct ftrace_regs *fregs)
{
	/* mark, object, object's type, flags */
	if ((u32)ftrace_regs_get_argument(fregs, 2) == FSNOTIFY_OBJ_TYPE_SB)
		WRITE_ONCE(has_marks, true);
}

static void notrace renamed(unsigned long ip, unsigned long parent_ip,
			    struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct kernfs_node *kn, *new_parent;
	const void *new_ns;
	bool was_moved;

	/* node, new parent, new name, new tag */
	kn = (void *)ftrace_regs_get_argument(fregs, 0);
	new_parent = (void *)ftrace_regs_get_argument(fregs, 1);
	new_ns = (void *)ftrace_regs_get_argument(fregs, 3);
	if (!new_ns)
		new_ns = rkernfs_shown_in(new_parent, &was_moved);
	if (new_ns != rkernfs_shown_in(kn, &was_moved))
		set_bit(moved_bit(kn), moved);
}

/* Not kprobes: to disarm one takes memory, and these have to go in any case. */
static struct probe {
	const char *name;
	struct ftrace_ops ops;
} probes[] = {
	{
		.name = "fsnotify_add_mark_locked",
		.ops = {
			.func = mark_added,
			.flags = FTRACE_OPS_FL_PERMANENT,
		},
	},
	{
		.name = "kernfs_rename_ns",
		.ops = {
			.func = renamed,
			.flags = FTRACE_OPS_FL_PERMANENT,
		},
	},
};

static int start(struct probe *probe)
{
	unsigned long ip = rkernfs_address_of(probe->name);
	int ret = ip ? ftrace_set_filter_ip(&probe->ops, ip, 0, 0) : -ENOENT;

	if (!ret)
		ret = register_ftrace_function(&probe->ops);
	if (ret) {
		ftrace_free_filter(&probe->ops);
		pr_err("cannot trace %s() (%d)\n", probe->name, ret);
	}
	return ret;
}

static void stop(struct probe *probe)
{
	unregister_ftrace_function(&probe->ops);
	ftrace_free_filter(&probe->ops);
}

static int start_probes(void)
{
	int ret;

	for (int i = 0; i < ARRAY_SIZE(probes); i++) {
		ret = start(&probes[i]);
		if (ret) {
			while (i)
				stop(&probes[--i]);
			return ret;
		}
	}
	return 0;
}

static void stop_probes(void)
{
	for (int i = 0; i < ARRAY_SIZE(probes); i++)
		stop(&probes[i]);
}
#else
/* Without livepatch's means, which only cover=own can do without. */
static int start_probes(void)
{
	has_marks = true;
	return 0;
}

static void stop_probes(void) { }
#endif

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
	int ret = start_probes();

	if (!ret)
		rkernfs_iterate_supers(note);
	return ret;
}

void rkernfs_supers_exit(void)
{
	stop_probes();
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
