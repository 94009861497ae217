// SPDX-License-Identifier: GPL-2.0
/*
 * What Rust cannot reach by itself: macros, inline functions, and the
 * structures of fs/kernfs/kernfs-internal.h.
 */
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/fsnotify.h>
#include <linux/idr.h>
#include <linux/stringhash.h>
#include <linux/wait.h>
#ifdef CONFIG_DCACHE_WORD_ACCESS
#include <asm/word-at-a-time.h>
#endif

#include "compat.h"
#include "shim.h"

/* As kernfs_root(), which before 6.15 follows a parent that a rename may free. */
struct kernfs_root *rkernfs_root(struct kernfs_node *kn)
{
	struct kernfs_root *root;

	if (kernfs_type(kn) == KERNFS_DIR)
		return kn->dir.root;
	rcu_read_lock();
	root = compat_parent_rcu(kn)->dir.root;
	rcu_read_unlock();
	return root;
}

struct kernfs_node *rkernfs_parent(struct kernfs_node *kn)
{
	return compat_parent(kn);
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
 * As kernfs_name_hash(), which is static: kn->hash was made by it. @size gets
 * that of the string, with its end.
 */
unsigned int rkernfs_name_hash(const char *name, u64 ns_key, size_t *size)
{
	unsigned long hash = init_name_hash(ns_key);
	const char *pos = name;

	while (*pos)
		hash = partial_name_hash(*pos++, hash);
	*size = pos - name + 1;
	hash = end_name_hash(hash) & INT_MAX;
	/* 0, 1 and INT_MAX are positions that readdir keeps for itself */
	if (hash < 2)
		hash += 2;
	return min(hash, INT_MAX - 1UL);
}

/*
 * !strcmp(), where @size is that of @a with its end. Most nodes are removed by
 * name, so this goes by words, as dentry_cmp() of fs/dcache.c does.
 */
bool rkernfs_same_name(const char *a, const char *b, size_t size)
{
#ifdef CONFIG_DCACHE_WORD_ACCESS
	for (; size >= sizeof(long); size -= sizeof(long)) {
		if (load_unaligned_zeropad(a) != load_unaligned_zeropad(b))
			return false;
		a += sizeof(long);
		b += sizeof(long);
	}
	return !((load_unaligned_zeropad(a) ^ load_unaligned_zeropad(b)) &
		 bytemask_from_count(size));
#else
	return !strcmp(a, b);
#endif
}

void rkernfs_warn_ns(struct kernfs_node *parent, const char *name)
{
	WARN(1, "rkernfs: ns %s in '%s' for '%s'\n",
	     kernfs_ns_enabled(parent) ? "required" : "invalid",
	     compat_name(parent), name);
}

void rkernfs_warn_no_parent(const char *name)
{
	WARN(1, "rkernfs: can not remove '%s', no directory\n",
	     name);
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

void rkernfs_tree_down_write(struct kernfs_root *root)
{
	down_write(&root->kernfs_rwsem);
}

void rkernfs_tree_up_write(struct kernfs_root *root)
{
	up_write(&root->kernfs_rwsem);
}

void rkernfs_iattr_down_write(struct kernfs_root *root)
{
	down_write(&root->kernfs_iattr_rwsem);
}

void rkernfs_iattr_up_write(struct kernfs_root *root)
{
	up_write(&root->kernfs_iattr_rwsem);
}

bool rkernfs_is_contended(struct kernfs_root *root)
{
	return rwsem_is_contended(&root->kernfs_rwsem) ||
	       rwsem_is_contended(&root->kernfs_supers_rwsem);
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

u32 rkernfs_current_fsuid(void)
{
	return __kuid_val(current_fsuid());
}

u32 rkernfs_current_fsgid(void)
{
	return __kgid_val(current_fsgid());
}

bool rkernfs_handles_bypass_rwsem(struct kernfs_root *root)
{
	return compat_handles_bypass_rwsem(root);
}

/* The node with the lower half of @id, with a reference. */
struct kernfs_node *rkernfs_idr_find(struct kernfs_root *root, u64 id)
{
	struct kernfs_node *kn;

	rcu_read_lock();
	kn = idr_find(&root->ino_idr, (u32)id);
	if (kn && !atomic_inc_not_zero(&kn->count))
		kn = NULL;
	rcu_read_unlock();
	return kn;
}

/* The type of the number differs between kernels. */
struct inode *rkernfs_ilookup(struct super_block *sb, u64 ino)
{
	return ilookup(sb, ino);
}

/*
 * Keeps @inode, of which the caller gives a reference away, and its superblock
 * until the release stage comes to it. Fails if the superblock is going, and
 * if it is pinned. i_devices, which only inodes of devices use, tells.
 */
static LIST_HEAD(pinned);
static DEFINE_SPINLOCK(pinned_lock);

bool rkernfs_pin_inode(struct inode *inode)
{
	if (!list_empty(&inode->i_devices) ||
	    !atomic_inc_not_zero(&inode->i_sb->s_active))
		return false;
	spin_lock(&pinned_lock);
	list_add(&inode->i_devices, &pinned);
	spin_unlock(&pinned_lock);
	return true;
}

bool rkernfs_inode_is_pinned(struct inode *inode)
{
	return !list_empty_careful(&inode->i_devices);
}

/* The caller gets a reference of @inode, and one of its superblock, back. */
struct super_block *rkernfs_unpin_inode(struct inode *inode)
{
	spin_lock(&pinned_lock);
	list_del_init(&inode->i_devices);
	spin_unlock(&pinned_lock);
	return inode->i_sb;
}

void rkernfs_inode_lock(struct inode *inode)
	__acquires(&inode->i_lock)
{
	spin_lock(&inode->i_lock);
}

void rkernfs_inode_unlock(struct inode *inode)
	__releases(&inode->i_lock)
{
	spin_unlock(&inode->i_lock);
}

int rkernfs_inode_count(struct inode *inode)
{
	return atomic_read(&inode->i_count);
}

/*
 * The number of dentries, and whether somebody has a reference of any; the
 * caller holds i_lock.
 */
int rkernfs_inode_dentries(struct inode *inode, bool *used)
{
	struct dentry *dentry;
	int n = 0;

	*used = false;
	for_each_alias(dentry, inode) {
		*used |= d_count(dentry) > 0;
		n++;
	}
	return n;
}

bool rkernfs_dentry_unhashed(struct dentry *dentry)
{
	return d_unhashed(dentry);
}

/*
 * What vfs_rmdir() does to a directory, for one that was removed without it:
 * lookups in it make no dentry any more. False while one that began before may
 * be under way.
 */
bool rkernfs_mark_dead(struct inode *dir)
{
	inode_set_flags(dir, S_DEAD, S_DEAD);
	/* A lookup locks the directory, then looks at the flag. */
	smp_mb__after_atomic();
	return !inode_is_locked(dir);
}

/*
 * A name that was not found has a dentry, too, which keeps the directory's: has
 * those that are in use go with their last reference, and the others now.
 */
void rkernfs_drop_children(struct dentry *dir)
{
	struct dentry *child;

	spin_lock(&dir->d_lock);
	hlist_for_each_entry(child, &dir->d_children, d_sib) {
		spin_lock_nested(&child->d_lock, DENTRY_D_LOCK_NESTED);
		if (d_really_is_negative(child))
			__d_drop(child);
		spin_unlock(&child->d_lock);
	}
	spin_unlock(&dir->d_lock);
	shrink_dcache_parent(dir);
}

void rkernfs_inoderemove(struct inode *inode)
{
	fsnotify_inoderemove(inode);
}
