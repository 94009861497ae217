// SPDX-License-Identifier: GPL-2.0
/*
 * The layouts of structures that this module was compiled with, for src/btf.rs
 * to compare with those of the running kernel.
 */
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/fs_context.h>
#include <linux/fsnotify_backend.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/livepatch.h>
#include <linux/mm_types.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "shim.h"

#define WHOLE(type)		{ #type, NULL, 0, sizeof(struct type) }
#define MEMBER(type, name)	{ #type, #name, offsetof(struct type, name), 0 }

static const struct rkernfs_layout layouts[] = {
	WHOLE(kernfs_root),
	MEMBER(kernfs_root, kn),
	MEMBER(kernfs_root, flags),
	MEMBER(kernfs_root, ino_idr),
	MEMBER(kernfs_root, supers),
	MEMBER(kernfs_root, deactivate_waitq),
	MEMBER(kernfs_root, kernfs_rwsem),
	MEMBER(kernfs_root, kernfs_iattr_rwsem),
	MEMBER(kernfs_root, kernfs_supers_rwsem),
	WHOLE(kernfs_super_info),
	MEMBER(kernfs_super_info, sb),
	MEMBER(kernfs_super_info, ns),
	MEMBER(kernfs_super_info, node),
	WHOLE(kernfs_iattrs),
	MEMBER(kernfs_iattrs, ia_mtime),
	MEMBER(kernfs_iattrs, ia_ctime),
	WHOLE(kernfs_node),
	MEMBER(kernfs_node, count),
	MEMBER(kernfs_node, active),
	MEMBER(kernfs_node, rb),
	MEMBER(kernfs_node, ns),
	MEMBER(kernfs_node, hash),
	MEMBER(kernfs_node, flags),
	MEMBER(kernfs_node, dir),
	MEMBER(kernfs_node, attr),
	MEMBER(kernfs_node, priv),
	MEMBER(kernfs_node, id),
	MEMBER(kernfs_node, iattr),
	MEMBER(kernfs_node, rcu),
	MEMBER(kernfs_elem_dir, subdirs),
	MEMBER(kernfs_elem_dir, children),
	MEMBER(kernfs_elem_dir, root),
	MEMBER(kernfs_elem_dir, rev),
	MEMBER(kernfs_elem_attr, open),
	MEMBER(kernfs_elem_attr, notify_next),
	MEMBER(kernfs_open_node, event),
	MEMBER(kernfs_open_node, poll),
	MEMBER(kernfs_open_node, files),
	WHOLE(kernfs_open_file),
	MEMBER(kernfs_open_file, kn),
	MEMBER(kernfs_open_file, file),
	MEMBER(kernfs_open_file, list),
	MEMBER(kernfs_open_file, prealloc_buf),
	MEMBER(kernfs_ops, seq_show),
	MEMBER(kernfs_ops, seq_start),
	WHOLE(inode),
	MEMBER(inode, i_flags),
	MEMBER(inode, i_sb),
	MEMBER(inode, i_sb_list),
	MEMBER(inode, i_nlink),
	MEMBER(inode, i_lock),
	MEMBER(inode, i_rwsem),
	MEMBER(inode, i_dentry),
	MEMBER(inode, i_count),
	MEMBER(inode, i_devices),
	MEMBER(inode, i_fsnotify_mask),
	MEMBER(inode, i_fsnotify_marks),
	MEMBER(inode, i_private),
	WHOLE(super_block),
	MEMBER(super_block, s_active),
	MEMBER(super_block, s_root),
	MEMBER(super_block, s_fsnotify_mask),
	MEMBER(super_block, s_inode_list_lock),
	MEMBER(super_block, s_inodes),
	WHOLE(dentry),
	MEMBER(dentry, d_parent),
	MEMBER(dentry, d_inode),
	MEMBER(dentry, d_sib),
	MEMBER(dentry, d_children),
	MEMBER(dentry, d_lockref),
	MEMBER(fs_context, ops),
	MEMBER(fs_context, fs_type),
	MEMBER(fs_context, fs_private),
	WHOLE(kernfs_fs_context),
	WHOLE(file_system_type),
	WHOLE(kernfs_syscall_ops),
	WHOLE(kernfs_ops),
	MEMBER(fsnotify_mark_connector, lock),
	MEMBER(fsnotify_mark_connector, list),
	MEMBER(fsnotify_mark, mask),
	MEMBER(fsnotify_mark, refcnt),
	MEMBER(fsnotify_mark, group),
	MEMBER(fsnotify_mark, obj_list),
	MEMBER(fsnotify_group, mark_mutex),
	MEMBER(fsnotify_group, overflow_event),
	WHOLE(delayed_work),
	WHOLE(wait_queue_entry),
	WHOLE(rw_semaphore),
#ifndef CONFIG_PREEMPT_RT
	MEMBER(rw_semaphore, owner),
#endif
	WHOLE(spinlock),
	/* Helpers of the kernel crate that the module carries look into these, too. */
	MEMBER(task_struct, usage),
	MEMBER(task_struct, flags),
#ifdef CONFIG_MEMCG
	MEMBER(task_struct, memcg_nr_pages_over_high),
#endif
	MEMBER(task_struct, cred),
	MEMBER(cred, fsuid),
	MEMBER(cred, fsgid),
	WHOLE(page),
	/* What the kernel gets of the module as a whole */
	WHOLE(module),
	WHOLE(kprobe),
	WHOLE(ftrace_ops),
#ifdef CONFIG_LIVEPATCH
	WHOLE(klp_func),
	WHOLE(klp_object),
	WHOLE(klp_patch),
#endif
};

const struct rkernfs_layout *rkernfs_layouts(size_t *n)
{
	*n = ARRAY_SIZE(layouts);
	return layouts;
}
