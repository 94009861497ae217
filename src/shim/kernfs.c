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

u64 rkernfs_ns_key(const void *ns)
{
	return compat_ns_key(ns);
}

/*
 * !strcmp(). Most nodes are removed by name, so this compares words, as
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

/* --- locks --- */

bool rkernfs_rwsem_is_contended(struct rw_semaphore *sem)
{
	return rwsem_is_contended(sem);
}

void rkernfs_rwsem_assert_held_read(struct rw_semaphore *sem)
{
	lockdep_assert_held_read(sem);
}

void rkernfs_rwsem_assert_held_write(struct rw_semaphore *sem)
{
	lockdep_assert_held_write(sem);
}

/* Lockdep annotations of a drain, which waits for the readers of a node */
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

void rkernfs_list_move(struct list_head *list, struct list_head *head)
{
	list_move(list, head);
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
