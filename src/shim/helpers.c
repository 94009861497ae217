// SPDX-License-Identifier: GPL-2.0
/*
 * What Rust cannot reach by itself: macros, inline functions, and the
 * structures of fs/kernfs/kernfs-internal.h.
 */
#include <linux/fsnotify.h>
#include <linux/stringhash.h>
#include <linux/wait.h>

#include "compat.h"
#include "shim.h"

struct kernfs_root *rkernfs_root(struct kernfs_node *kn)
{
	return kernfs_root(kn);
}

struct kernfs_node *rkernfs_parent(struct kernfs_node *kn)
{
	return compat_parent(kn);
}

const char *rkernfs_name(struct kernfs_node *kn)
{
	return compat_name(kn);
}

const void *rkernfs_node_ns(struct kernfs_node *kn)
{
	return kn->ns;
}

u64 rkernfs_ns_key(const void *ns)
{
	return compat_ns_key(ns);
}

/* As kernfs_name_hash(), which is static: kn->hash was made by it. */
unsigned int rkernfs_name_hash(const char *name, u64 ns_key)
{
	unsigned long hash = init_name_hash(ns_key);

	while (*name)
		hash = partial_name_hash(*name++, hash);
	hash = end_name_hash(hash) & INT_MAX;
	/* 0, 1 and INT_MAX are positions that readdir keeps for itself */
	if (hash < 2)
		hash += 2;
	return min(hash, INT_MAX - 1UL);
}

void rkernfs_warn_ns(struct kernfs_node *parent, const char *name)
{
	WARN(1, KERN_WARNING "rkernfs: ns %s in '%s' for '%s'\n",
	     kernfs_ns_enabled(parent) ? "required" : "invalid",
	     compat_name(parent), name);
}

void rkernfs_warn_no_parent(const char *name)
{
	WARN(1, KERN_WARNING "rkernfs: can not remove '%s', no directory\n",
	     name);
}

struct rw_semaphore *rkernfs_supers_rwsem(struct kernfs_root *root)
{
	return &root->kernfs_supers_rwsem;
}

struct rw_semaphore *rkernfs_rwsem(struct kernfs_root *root)
{
	return &root->kernfs_rwsem;
}

struct rw_semaphore *rkernfs_iattr_rwsem(struct kernfs_root *root)
{
	return &root->kernfs_iattr_rwsem;
}

/* list_for_each_entry() over root->supers; NULL starts and ends it. */
struct kernfs_super_info *rkernfs_next_super(struct kernfs_root *root,
					     struct kernfs_super_info *prev)
{
	if (!prev)
		return list_first_entry_or_null(&root->supers,
						struct kernfs_super_info, node);
	if (list_is_last(&prev->node, &root->supers))
		return NULL;
	return list_next_entry(prev, node);
}

struct super_block *rkernfs_super_sb(struct kernfs_super_info *info)
{
	return info->sb;
}

const void *rkernfs_super_ns(struct kernfs_super_info *info)
{
	return info->ns;
}

#ifdef CONFIG_DEBUG_LOCK_ALLOC
static void drain_acquire(struct kernfs_node *kn)
{
	if (!(kn->flags & KERNFS_LOCKDEP))
		return;
	rwsem_acquire(&kn->dep_map, 0, 0, _RET_IP_);
	if (atomic_read(&kn->active) != KN_DEACTIVATED_BIAS)
		lock_contended(&kn->dep_map, _RET_IP_);
}

static void drain_release(struct kernfs_node *kn)
{
	if (!(kn->flags & KERNFS_LOCKDEP))
		return;
	lock_acquired(&kn->dep_map, _RET_IP_);
	rwsem_release(&kn->dep_map, _RET_IP_);
}
#else
static void drain_acquire(struct kernfs_node *kn) { }
static void drain_release(struct kernfs_node *kn) { }
#endif

/* Waits for the last active reference, and tells lockdep that it does. */
void rkernfs_wait_drained(struct kernfs_node *kn)
{
	drain_acquire(kn);
	wait_event(kernfs_root(kn)->deactivate_waitq,
		   atomic_read(&kn->active) == KN_DEACTIVATED_BIAS);
	drain_release(kn);
}

/*
 * Waits until the winner of kernfs_remove_self() may have left its file
 * operation. The caller looks again under kernfs_rwsem, under which the winner
 * sets KERNFS_SUICIDED and takes its active reference back.
 */
void rkernfs_wait_self_removed(struct kernfs_node *kn)
{
	wait_event(kernfs_root(kn)->deactivate_waitq,
		   (READ_ONCE(kn->flags) & KERNFS_SUICIDED) &&
		   atomic_read(&kn->active) == KN_DEACTIVATED_BIAS);
}

/* Sets a directory's times, if it has any besides the default ones. */
void rkernfs_touch(struct kernfs_node *kn)
{
	struct kernfs_iattrs *attrs = kn->iattr;

	if (attrs) {
		ktime_get_real_ts64(&attrs->ia_ctime);
		attrs->ia_mtime = attrs->ia_ctime;
	}
}

void rkernfs_keep_nlink_clear(struct kernfs_node *kn)
{
	compat_keep_nlink_clear(kn);
}

void rkernfs_cond_resched(void)
{
	cond_resched();
}

/* The type of the number differs between kernels. */
struct inode *rkernfs_ilookup(struct super_block *sb, u64 ino)
{
	return ilookup(sb, ino);
}

bool rkernfs_sb_has_watchers(struct super_block *sb)
{
	return fsnotify_sb_has_watchers(sb);
}

void rkernfs_inode_lock(struct inode *inode)
{
	spin_lock(&inode->i_lock);
}

void rkernfs_inode_unlock(struct inode *inode)
{
	spin_unlock(&inode->i_lock);
}

int rkernfs_inode_count(struct inode *inode)
{
	return atomic_read(&inode->i_count);
}

/* The number of dentries; the caller holds i_lock. */
int rkernfs_inode_dentries(struct inode *inode)
{
	struct hlist_node *pos;
	int n = 0;

	hlist_for_each(pos, &inode->i_dentry)
		n++;
	return n;
}

bool rkernfs_dentry_unhashed(struct dentry *dentry)
{
	return d_unhashed(dentry);
}

void rkernfs_inoderemove(struct inode *inode)
{
	fsnotify_inoderemove(inode);
}
