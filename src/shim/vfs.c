// SPDX-License-Identifier: GPL-2.0
/*
 * Macros and inline functions of inodes and dentries.
 */
#include <linux/fsnotify.h>
#include <linux/rcupdate.h>

#include "compat.h"
#include "shim.h"

/*
 * The inode with the number, also one that rkernfs_refuse_lookups() hides; but
 * none that is still being made, which ilookup() would have waited for.
 */
struct inode *rkernfs_ilookup(struct super_block *sb, u64 ino)
{
	struct inode *inode = ilookup(sb, ino);

	if (inode)
		return inode;
	rcu_read_lock();
	inode = find_inode_by_ino_rcu(sb, ino);
	inode = inode && compat_is_creating(inode) ? igrab(inode) : NULL;
	rcu_read_unlock();
	return inode;
}

/*
 * Has iget_locked(), and so kernfs_get_inode(), not find the inode any more, as
 * other file systems refuse a handle of an inode without links. Under i_lock,
 * where some kernels look at the flag; the others look without a lock, but under
 * kernfs_rwsem.
 */
void rkernfs_refuse_lookups(struct inode *inode)
{
	compat_set_creating(inode);
}

/* The inode with the number, if there is one, without a reference: under RCU */
struct inode *rkernfs_peek_inode(struct super_block *sb, u64 ino)
{
	return find_inode_by_ino_rcu(sb, ino);
}

bool rkernfs_get_active_super(struct super_block *sb)
{
	return atomic_inc_not_zero(&sb->s_active);
}

bool rkernfs_inode_is_locked(struct inode *inode)
{
	return inode_is_locked(inode);
}

/*
 * Whether the current task has the inode's lock exclusively. The owner is only
 * told where the lock is no rt_mutex; a reader's has RWSEM_READER_OWNED, and
 * either may have RWSEM_NONSPINNABLE.
 */
bool rkernfs_is_locked_by_current(struct inode *inode)
{
#ifdef CONFIG_PREEMPT_RT
	return false;
#else
	unsigned long owner = atomic_long_read(&inode->i_rwsem.owner);

	return (owner & ~2UL) == (unsigned long)current &&
	       inode_is_locked(inode);
#endif
}

void rkernfs_set_dead(struct inode *dir)
{
	inode_set_flags(dir, S_DEAD, S_DEAD);
}

/* for each of d_children: NULL starts and ends it; under d_lock */
struct dentry *rkernfs_next_child(struct dentry *dir, struct dentry *child)
{
	return child ? d_next_sibling(child) : d_first_child(dir);
}

bool rkernfs_dentry_unhashed(struct dentry *dentry)
{
	return d_unhashed(dentry);
}

bool rkernfs_dentry_is_negative(struct dentry *dentry)
{
	return d_really_is_negative(dentry);
}

void rkernfs_inoderemove(struct inode *inode)
{
	fsnotify_inoderemove(inode);
}
