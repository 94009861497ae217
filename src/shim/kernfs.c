// SPDX-License-Identifier: GPL-2.0
/*
 * Members of structures that are private to fs/kernfs, or that differ between
 * kernels, and what kernfs logs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/rcupdate.h>
#ifdef CONFIG_DCACHE_WORD_ACCESS
#include <asm/word-at-a-time.h>
#endif

#include "compat.h"
#include "shim.h"

/* --- nodes --- */

struct kernfs_root *rkernfs_root(struct kernfs_node *kn)
{
	return compat_root(kn);
}

struct kernfs_node *rkernfs_parent(struct kernfs_node *kn)
{
	return compat_parent(kn);
}

struct kernfs_node *rkernfs_parent_rcu(struct kernfs_node *kn)
{
	return compat_parent_rcu(kn);
}

const char *rkernfs_name(struct kernfs_node *kn)
{
	return compat_name(kn);
}

u64 rkernfs_ns_key(const void *ns)
{
	return compat_ns_key(ns);
}

/*
 * !strcmp(). Most nodes are removed by name, so this goes by words, as
 * dentry_cmp() of fs/dcache.c does; only C can read a word that may reach into
 * the next page.
 */
bool rkernfs_same_name(const char *a, const char *b)
{
#ifdef CONFIG_DCACHE_WORD_ACCESS
	const struct word_at_a_time constants = WORD_AT_A_TIME_CONSTANTS;
	unsigned long x, y, zero;

	for (;; a += sizeof(long), b += sizeof(long)) {
		x = load_unaligned_zeropad(a);
		y = load_unaligned_zeropad(b);
		if (has_zero(x, &zero, &constants))
			break;
		if (x != y)
			return false;
	}
	zero = create_zero_mask(prep_zero_mask(x, zero, &constants));
	/* what is before the end, and the end itself */
	return !((x ^ y) & (zero_bytemask(zero) << 8 | 0xff));
#else
	return !strcmp(a, b);
#endif
}

/* ctime and mtime of a node that has any besides the default ones */
void rkernfs_set_times(struct kernfs_node *kn)
{
	ktime_get_real_ts64(&kn->iattr->ia_ctime);
	kn->iattr->ia_mtime = kn->iattr->ia_ctime;
}

void rkernfs_keep_nlink_clear(struct kernfs_node *kn)
{
	compat_keep_nlink_clear(kn);
}

bool rkernfs_handles_bypass_rwsem(struct kernfs_root *root)
{
	return compat_handles_bypass_rwsem(root);
}

/* --- struct kernfs_root --- */

struct kernfs_node *rkernfs_root_node(struct kernfs_root *root)
{
	return root->kn;
}

unsigned int rkernfs_root_flags(struct kernfs_root *root)
{
	return root->flags;
}

struct idr *rkernfs_root_idr(struct kernfs_root *root)
{
	return &root->ino_idr;
}

struct wait_queue_head *rkernfs_deactivate_waitq(struct kernfs_root *root)
{
	return &root->deactivate_waitq;
}

void rkernfs_supers_down_read(struct kernfs_root *root)
{
	down_read(&root->kernfs_supers_rwsem);
}

void rkernfs_supers_up_read(struct kernfs_root *root)
{
	up_read(&root->kernfs_supers_rwsem);
}

void rkernfs_supers_down_write(struct kernfs_root *root)
{
	down_write(&root->kernfs_supers_rwsem);
}

void rkernfs_supers_up_write(struct kernfs_root *root)
{
	up_write(&root->kernfs_supers_rwsem);
}

bool rkernfs_supers_down_write_trylock(struct kernfs_root *root)
{
	return down_write_trylock(&root->kernfs_supers_rwsem);
}

bool rkernfs_supers_is_contended(struct kernfs_root *root)
{
	return rwsem_is_contended(&root->kernfs_supers_rwsem);
}

void rkernfs_tree_down_read(struct kernfs_root *root)
{
	down_read(&root->kernfs_rwsem);
}

void rkernfs_tree_up_read(struct kernfs_root *root)
{
	up_read(&root->kernfs_rwsem);
}

void rkernfs_tree_down_write(struct kernfs_root *root)
{
	down_write(&root->kernfs_rwsem);
}

void rkernfs_tree_up_write(struct kernfs_root *root)
{
	up_write(&root->kernfs_rwsem);
}

bool rkernfs_tree_is_contended(struct kernfs_root *root)
{
	return rwsem_is_contended(&root->kernfs_rwsem);
}

void rkernfs_tree_assert_held(struct kernfs_root *root)
{
	lockdep_assert_held_read(&root->kernfs_supers_rwsem);
	lockdep_assert_held_write(&root->kernfs_rwsem);
}

void rkernfs_iattr_down_write(struct kernfs_root *root)
{
	down_write(&root->kernfs_iattr_rwsem);
}

void rkernfs_iattr_up_write(struct kernfs_root *root)
{
	up_write(&root->kernfs_iattr_rwsem);
}

/* What lockdep is told of a drain: it waits for the readers of a node. */
#ifdef CONFIG_DEBUG_LOCK_ALLOC
void rkernfs_drain_acquire(struct kernfs_node *kn)
{
	if (!(kn->flags & KERNFS_LOCKDEP))
		return;
	rwsem_acquire(&kn->dep_map, 0, 0, _RET_IP_);
	if (atomic_read(&kn->active) != KN_DEACTIVATED_BIAS)
		lock_contended(&kn->dep_map, _RET_IP_);
}

void rkernfs_drain_release(struct kernfs_node *kn)
{
	if (!(kn->flags & KERNFS_LOCKDEP))
		return;
	lock_acquired(&kn->dep_map, _RET_IP_);
	rwsem_release(&kn->dep_map, _RET_IP_);
}
#else
void rkernfs_drain_acquire(struct kernfs_node *kn) { }
void rkernfs_drain_release(struct kernfs_node *kn) { }
#endif

/* --- struct kernfs_super_info --- */

/* list_for_each_entry() over root->supers: NULL starts and ends it. */
struct kernfs_super_info *rkernfs_next_super(struct kernfs_root *root,
					     struct kernfs_super_info *info)
{
	info = list_prepare_entry(info, &root->supers, node);
	list_for_each_entry_continue(info, &root->supers, node)
		return info;
	return NULL;
}

void rkernfs_move_super_to_front(struct kernfs_root *root,
				 struct kernfs_super_info *info)
{
	list_move(&info->node, &root->supers);
}

struct super_block *rkernfs_super_sb(struct kernfs_super_info *info)
{
	return info->sb;
}

const void *rkernfs_super_ns(struct kernfs_super_info *info)
{
	return info->ns;
}

struct kernfs_super_info *rkernfs_info(struct super_block *sb)
{
	return kernfs_info(sb);
}

/* --- the log --- */

void rkernfs_debug_removing(struct kernfs_node *kn)
{
	pr_debug("%s: removing\n", compat_name(kn));
}

void rkernfs_warn_active(void)
{
	WARN_ONCE(1, "rkernfs: draining an active node\n");
}

void rkernfs_warn_linked(void)
{
	WARN_ONCE(1, "rkernfs: a node that removed itself is still linked\n");
}

void rkernfs_warn_ns(struct kernfs_node *parent, const char *name)
{
	WARN(1, "rkernfs: ns %s in '%s' for '%s'\n",
	     kernfs_ns_enabled(parent) ? "required" : "invalid",
	     compat_name(parent), name);
}

void rkernfs_warn_no_parent(const char *name)
{
	WARN(1, "rkernfs: can not remove '%s', no directory\n", name);
}
