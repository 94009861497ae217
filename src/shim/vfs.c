// SPDX-License-Identifier: GPL-2.0
/*
 * Macros and inline functions of inodes and dentries.
 */
#include <linux/fsnotify.h>

#include "compat.h"
#include "shim.h"

/* The type of the number differs between kernels. */
struct inode *rkernfs_ilookup(struct super_block *sb, u64 ino)
{
	return ilookup(sb, ino);
}

struct list_head *rkernfs_inode_devices(struct inode *inode)
{
	return &inode->i_devices;
}

bool rkernfs_get_active_super(struct super_block *sb)
{
	return atomic_inc_not_zero(&sb->s_active);
}

int rkernfs_inode_count(struct inode *inode)
{
	return atomic_read(&inode->i_count);
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

/* for_each_alias(): NULL starts and ends it; under i_lock */
struct dentry *rkernfs_next_alias(struct inode *inode, struct dentry *dentry)
{
	return compat_next_alias(inode, dentry);
}

/* for each of d_children: NULL starts and ends it; under d_lock */
struct dentry *rkernfs_next_child(struct dentry *dir, struct dentry *child)
{
	return child ? d_next_sibling(child) : d_first_child(dir);
}

struct spinlock *rkernfs_dentry_lock(struct dentry *dentry)
{
	return &dentry->d_lock;
}

unsigned int rkernfs_dentry_count(struct dentry *dentry)
{
	return d_count(dentry);
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
