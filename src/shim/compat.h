/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only place that knows how kernels differ. What differs between those that
 * rkernfs supports is given one name here. RKERNFS_HAS_ is what Kbuild found in
 * the kernel's source (src/compared): a vendor's version says little of that.
 * In comments, the version that brought it upstream.
 */
#ifndef _RKERNFS_COMPAT_H
#define _RKERNFS_COMPAT_H

#include <linux/fs.h>
#include <linux/version.h>
#include <linux/wait.h>
#include "compared_generated.h"
#include "kernfs-internal.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "rkernfs needs Linux 6.12 or later"
#endif

/* Since 6.15 a node's parent and name are RCU pointers. */
#if RKERNFS_HAS_RCU_PARENT
#define compat_parent_member	__parent

static inline struct kernfs_node *compat_parent_rcu(struct kernfs_node *kn)
{
	return rcu_dereference(kn->__parent);
}

static inline const char *compat_name(struct kernfs_node *kn)
{
	return rcu_dereference_protected(kn->name, true);
}
#else
#define compat_parent_member	parent

/* Not marked as an RCU pointer, but nodes are freed after a grace period. */
static inline struct kernfs_node *compat_parent_rcu(struct kernfs_node *kn)
{
	return READ_ONCE(kn->parent);
}

static inline const char *compat_name(struct kernfs_node *kn)
{
	return kn->name;
}
#endif

/* As kernfs_root(), which before 6.15 follows a parent that a rename may free. */
static inline struct kernfs_root *compat_root(struct kernfs_node *kn)
{
	struct kernfs_root *root;

	if (kernfs_type(kn) == KERNFS_DIR)
		return kn->dir.root;
	rcu_read_lock();
	root = compat_parent_rcu(kn)->dir.root;
	rcu_read_unlock();
	return root;
}

/* Since 6.16 each root has a lock for its nodes' numbers. */
#if RKERNFS_HAS_ROOT_IDR_LOCK
#define COMPAT_GLOBAL_IDR_LOCK	0

static inline spinlock_t *compat_idr_lock(struct kernfs_root *root,
					  spinlock_t *global)
{
	return &root->kernfs_idr_lock;
}
#else
#define COMPAT_GLOBAL_IDR_LOCK	1

static inline spinlock_t *compat_idr_lock(struct kernfs_root *root,
					  spinlock_t *global)
{
	return global;
}
#endif

/* Since 7.1 names are hashed and compared by the namespace's id. */
#if RKERNFS_HAS_NS_ID
#include <linux/ns_common.h>

typedef const struct ns_common *compat_ns;

static inline u64 compat_ns_key(compat_ns ns)
{
	return ns->ns_id;
}
#else
typedef const void *compat_ns;

static inline u64 compat_ns_key(compat_ns ns)
{
	return (unsigned long)ns;
}
#endif

/*
 * Private to fs/kernfs/file.c: what an open file's node has, as far as its
 * pollers and its last text need it.
 */
struct kernfs_open_node {
	struct rcu_head rcu_head;
	atomic_t event;
	wait_queue_head_t poll;
	struct list_head files;
};

/* What links the dentries of an inode; a newer kernel has a macro for all. */
#ifdef for_each_alias
#define compat_alias	d_alias
#else
#define compat_alias	d_u.d_alias
#endif

/* Since 6.19 i_state has accessors. */
#if RKERNFS_HAS_INODE_STATE_SET
static inline void compat_set_creating(struct inode *inode)
{
	inode_state_set(inode, I_CREATING);
}

static inline bool compat_is_creating(struct inode *inode)
{
	return inode_state_read_once(inode) & I_CREATING;
}
#else
static inline void compat_set_creating(struct inode *inode)
{
	inode->i_state |= I_CREATING;
}

static inline bool compat_is_creating(struct inode *inode)
{
	return READ_ONCE(inode->i_state) & I_CREATING;
}
#endif

/*
 * The hunk of kernfs_refresh_inode() in patch 1. Since 7.1 the kernel leaves
 * the link count of a node that is KERNFS_REMOVING alone. Before, every stat
 * and every permission check sets it to subdirs + 2: choose the number of
 * subdirectories that makes this 0, so that they repeat what the removal did
 * instead of undoing it. A removed directory gets no children any more
 * (kernfs_add_one() refuses), so nothing else uses the number.
 */
static inline void compat_keep_nlink_clear(struct kernfs_node *kn)
{
	if (!RKERNFS_HAS_STABLE_NLINK)
		kn->dir.subdirs = -2UL;
}

#endif /* _RKERNFS_COMPAT_H */
