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
 * Makes iget_locked(), and so kernfs_get_inode(), not find the inode any more, as
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

/*
 * Whether the inode, of which a lookup is about to make a dentry, has one. That of
 * a directory is used again.
 */
bool rkernfs_has_other_alias(struct inode *inode)
{
	return !S_ISDIR(inode->i_mode) && !hlist_empty(&inode->i_dentry);
}

bool rkernfs_get_active_super(struct super_block *sb)
{
	return atomic_inc_not_zero(&sb->s_active);
}

/*
 * Whether the current task has the inode's lock exclusively. The owner is only
 * known where the lock is no rt_mutex; a reader's has RWSEM_READER_OWNED, and
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

/*
 * Makes VFS drop the dentry with its last reference, instead of caching it, and
 * returns how many references there are. If there are any, may @unhash it, unless
 * something is mounted on it, which happens under d_lock.
 */
int rkernfs_uncache_dentry(struct dentry *dentry, bool unhash)
{
	int count;

	spin_lock(&dentry->d_lock);
	dentry->d_flags |= DCACHE_DONTCACHE;
	count = dentry->d_lockref.count;
	if (unhash && count > 0 && !d_mountpoint(dentry))
		__d_drop(dentry);
	spin_unlock(&dentry->d_lock);
	return count;
}

/* What follows @child, or is first; it may have been moved. Under d_lock of @dir. */
static struct dentry *child_after(struct dentry *dir, struct dentry *child)
{
	return child && child->d_parent == dir ? d_next_sibling(child) :
						 d_first_child(dir);
}

/*
 * The same of the child of @dir that follows @child, of which the caller has a
 * reference, or NULL: with a reference. A dying one is skipped. @used: another
 * task has a reference, too.
 */
struct dentry *rkernfs_uncache_child_after(struct dentry *dir,
					   struct dentry *child, bool *used)
{
	spin_lock(&dir->d_lock);
	for (child = child_after(dir, child); child;
	     child = d_next_sibling(child)) {
		int count;

		spin_lock_nested(&child->d_lock, DENTRY_D_LOCK_NESTED);
		count = child->d_lockref.count;
		if (count >= 0) {
			child->d_flags |= DCACHE_DONTCACHE;
			child->d_lockref.count++;
		}
		spin_unlock(&child->d_lock);
		*used = count > 0;
		if (count >= 0)
			break;
	}
	spin_unlock(&dir->d_lock);
	return child;
}

/*
 * Looks at the children of @dir that follow @child, some at a time, and returns
 * the last of them, with a reference; NULL at the end. Adds to @nr how many there
 * are, and to @used how many of them are in use.
 */
struct dentry *rkernfs_count_children_after(struct dentry *dir,
					    struct dentry *child,
					    unsigned long *nr,
					    unsigned long *used)
{
	struct dentry *last = NULL;
	int left = 64;

	spin_lock(&dir->d_lock);
	for (child = child_after(dir, child); child && left--;
	     child = d_next_sibling(child)) {
		++*nr;
		*used += READ_ONCE(child->d_lockref.count) > 0;
		last = child;
	}
	if (!child)
		last = NULL;
	if (last) {
		spin_lock_nested(&last->d_lock, DENTRY_D_LOCK_NESTED);
		if (last->d_lockref.count >= 0)
			last->d_lockref.count++;
		else
			last = NULL;
		spin_unlock(&last->d_lock);
	}
	spin_unlock(&dir->d_lock);
	return last;
}

const char *rkernfs_dentry_name(struct dentry *dentry)
{
	return dentry->d_name.name;
}

/* What revalidation of a negative dentry needs. */
void rkernfs_set_rev(struct kernfs_node *parent, struct dentry *dentry)
{
	kernfs_set_rev(parent, dentry);
}

/* The two halves of fsnotify_inoderemove(): the event, and IN_IGNORED */
void rkernfs_delete_self(struct inode *inode)
{
	fsnotify_inode(inode, FS_DELETE_SELF);
}

void rkernfs_destroy_marks(struct inode *inode)
{
	__fsnotify_inode_delete(inode);
}
