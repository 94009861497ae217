// SPDX-License-Identifier: GPL-2.0
/*
 * Functions that the kernel does not export, found by name when the module
 * loads. They are called through static_call(), which patches direct calls
 * into the text: an indirect one faults on a kernel with IBT, where functions
 * whose address nobody takes have no landing pad. On arm64 it is an indirect
 * call, unless the kernel has kCFI; there, under BTI, each function that is not
 * static has a landing pad, and these are such.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fsnotify_backend.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/sched/mm.h>
#include <linux/srcu.h>
#include <linux/static_call.h>

#include "compat.h"
#include "shim.h"

#define UNEXPORTED(_)				\
	_(fsnotify_detach_mark)			\
	_(fsnotify_free_mark)			\
	_(fsnotify_insert_event)		\
	_(iterate_supers)			\
	_(__kernfs_create_file)			\
	_(kernfs_break_active_protection)	\
	_(kernfs_create_dir_ns)			\
	_(kernfs_create_root)			\
	_(kernfs_drain_open_files)		\
	_(kernfs_get_inode)			\
	_(kernfs_find_and_get_node_by_id)	\
	_(kernfs_free_fs_context)		\
	_(kernfs_generic_poll)			\
	_(kernfs_get_parent)			\
	_(kernfs_get_tree)			\
	_(kernfs_kill_sb)			\
	_(kernfs_rename_ns)			\
	_(kernfs_root_from_sb)			\
	_(kernfs_should_drain_open_files)	\
	_(kernfs_show)				\
	_(kernfs_unbreak_active_protection)

#define DEFINE(name) DEFINE_STATIC_CALL_NULL(unexported_##name, name);
UNEXPORTED(DEFINE)
DEFINE_STATIC_CALL_NULL(unexported_lookup, kallsyms_lookup_name);

#define call(name) static_call(unexported_##name)

/* What the marks of an object are read under; private to fs/notify. */
static struct srcu_struct *mark_srcu;

/* The lock for removing nodes from a root's IDR; NULL: each root has its own. */
static spinlock_t *global_idr_lock;

/*
 * kallsyms_lookup_name() is not exported either; a kprobe knows where it is.
 * It is not to be armed: without memory, the kernel may fail to disarm one.
 */
static int find_lookup(void)
{
	struct kprobe kp = {
		.symbol_name = "kallsyms_lookup_name",
		.flags = KPROBE_FLAG_DISABLED,
	};
	int ret = register_kprobe(&kp);

	if (ret) {
		pr_err("no kprobe on kallsyms_lookup_name (%d): is CONFIG_KPROBES on?\n",
		       ret);
		return ret;
	}
	static_call_update(unexported_lookup, (void *)kp.addr);
	unregister_kprobe(&kp);
	return 0;
}

/* Where something is, or 0 */
unsigned long rkernfs_address_of(const char *name)
{
	return static_call(unexported_lookup)(name);
}

#define RESOLVE(name) {							\
	void *addr = (void *)rkernfs_address_of(#name);			\
									\
	if (!addr) {							\
		pr_err("this kernel has no " #name "()\n");		\
		return -ENOENT;						\
	}								\
	static_call_update(unexported_##name, addr);			\
}

int rkernfs_resolve_unexported(void)
{
	int ret = find_lookup();

	if (ret)
		return ret;
	UNEXPORTED(RESOLVE)
	mark_srcu = (void *)rkernfs_address_of("fsnotify_mark_srcu");
	if (!mark_srcu) {
		pr_err("this kernel has no fsnotify_mark_srcu (is CONFIG_KALLSYMS_ALL on?)\n");
		return -ENOENT;
	}
	global_idr_lock = (void *)rkernfs_address_of("kernfs_idr_lock");
	if (COMPAT_GLOBAL_IDR_LOCK && !global_idr_lock) {
		pr_err("this kernel has no kernfs_idr_lock (is CONFIG_KALLSYMS_ALL on?)\n");
		return -ENOENT;
	}
	return 0;
}

struct spinlock *rkernfs_idr_lock(struct kernfs_root *root)
{
	return compat_idr_lock(root, global_idr_lock);
}

void rkernfs_iterate_supers(void (*f)(struct super_block *sb, void *arg))
{
	call(iterate_supers)(f, NULL);
}

/* NULL: not one of kernfs */
struct kernfs_root *rkernfs_root_from_sb(struct super_block *sb)
{
	return call(kernfs_root_from_sb)(sb);
}

struct kernfs_node *rkernfs_find_by_id(struct kernfs_root *root, u64 id)
{
	return call(kernfs_find_and_get_node_by_id)(root, id);
}

struct inode *rkernfs_get_inode(struct super_block *sb, struct kernfs_node *kn)
{
	return call(kernfs_get_inode)(sb, kn);
}

/* Queues an overflow event for marks at @connp that ask for all of @events. */
static void queue_overflow(struct fsnotify_mark_connector __rcu **connp,
			   u32 events)
{
	struct fsnotify_mark_connector *conn;
	struct fsnotify_mark *mark;
	int idx = srcu_read_lock(mark_srcu);

	conn = srcu_dereference(*connp, mark_srcu);
	if (conn)
		hlist_for_each_entry_srcu(mark, &conn->list, obj_list,
					  srcu_read_lock_held(mark_srcu)) {
			struct fsnotify_group *group = mark->group;

			/* dnotify's has none */
			if ((mark->mask & events) != events ||
			    !group->overflow_event)
				continue;
			call(fsnotify_insert_event)(group, group->overflow_event,
						    NULL, NULL);
		}
	srcu_read_unlock(mark_srcu, idx);
}

/* Queues it (FAN_Q_OVERFLOW) for marks on @sb that ask for removals. */
void rkernfs_queue_overflow(struct super_block *sb)
{
	queue_overflow(&fsnotify_sb_info(sb)->sb_marks, FS_DELETE_SELF);
}

/*
 * Queues an overflow event for marks on @sb with FAN_MODIFY, and for marks on
 * @dir (may be NULL) that want events of children.
 */
void rkernfs_queue_modify_overflow(struct super_block *sb, struct inode *dir)
{
	if (fsnotify_sb_info(sb))
		queue_overflow(&fsnotify_sb_info(sb)->sb_marks, FS_MODIFY);
	if (dir)
		queue_overflow(&dir->i_fsnotify_marks,
			       FS_MODIFY | FS_EVENT_ON_CHILD);
}

/*
 * Destroys the marks on @inode, as __fsnotify_inode_delete() does, but for those
 * whose group is locked, which a user may keep so for long. False if there are
 * any. Nobody can add another one: no dentry leads to @inode any more.
 */
bool rkernfs_destroy_free_marks(struct inode *inode)
{
	struct fsnotify_mark_connector *conn;
	struct fsnotify_mark *mark, *last = NULL;
	int idx = srcu_read_lock(mark_srcu);
	bool all = true;

	conn = srcu_dereference(inode->i_fsnotify_marks, mark_srcu);
	if (!conn)
		goto out;
	spin_lock(&conn->lock);
	hlist_for_each_entry(mark, &conn->list, obj_list) {
		struct fsnotify_group *group = mark->group;
		unsigned int nofs;

		if (!mutex_trylock(&group->mark_mutex)) {
			all = false;
			continue;
		}
		/* With it, the mark stays on the list. */
		refcount_inc(&mark->refcnt);
		spin_unlock(&conn->lock);
		if (last)
			fsnotify_put_mark(last);
		last = mark;
		nofs = memalloc_nofs_save();
		call(fsnotify_detach_mark)(mark);
		memalloc_nofs_restore(nofs);
		mutex_unlock(&group->mark_mutex);
		call(fsnotify_free_mark)(mark);
		spin_lock(&conn->lock);
	}
	spin_unlock(&conn->lock);
	if (last)
		fsnotify_put_mark(last);
out:
	srcu_read_unlock(mark_srcu, idx);
	return all;
}

bool rkernfs_should_drain_open_files(struct kernfs_node *kn)
{
	return call(kernfs_should_drain_open_files)(kn);
}

void rkernfs_drain_open_files(struct kernfs_node *kn)
{
	call(kernfs_drain_open_files)(kn);
}

void rkernfs_break_active_protection(struct kernfs_node *kn)
{
	call(kernfs_break_active_protection)(kn);
}

void rkernfs_unbreak_active_protection(struct kernfs_node *kn)
{
	call(kernfs_unbreak_active_protection)(kn);
}

struct kernfs_root *rkernfs_create_root(const struct kernfs_syscall_ops *ops,
					unsigned int flags,
					struct rkernfs_data *data)
{
	/* not const, but nothing writes to it */
	return call(kernfs_create_root)((struct kernfs_syscall_ops *)ops,
					flags | RKERNFS_OWNS_DATA, data);
}

struct kernfs_node *rkernfs_create_dir(struct kernfs_node *parent,
				       const char *name, unsigned short mode,
				       u32 uid, u32 gid,
				       struct rkernfs_data *data)
{
	return call(kernfs_create_dir_ns)(parent, name, mode, KUIDT_INIT(uid),
					  KGIDT_INIT(gid), data, NULL);
}

struct kernfs_node *rkernfs_create_file(struct kernfs_node *parent,
					const char *name, unsigned short mode,
					u32 uid, u32 gid,
					const struct kernfs_ops *ops,
					struct rkernfs_data *data,
					const void *lock_class)
{
	return call(__kernfs_create_file)(parent, name, mode, KUIDT_INIT(uid),
					  KGIDT_INIT(gid), 0, ops, data, NULL,
					  (struct lock_class_key *)lock_class);
}

struct kernfs_node *rkernfs_get_parent(struct kernfs_node *kn)
{
	return call(kernfs_get_parent)(kn);
}

int rkernfs_rename(struct kernfs_node *kn, struct kernfs_node *new_parent,
		   const char *new_name)
{
	return call(kernfs_rename_ns)(kn, new_parent, new_name, NULL);
}

void rkernfs_show(struct kernfs_node *kn, bool show)
{
	call(kernfs_show)(kn, show);
}

__poll_t rkernfs_generic_poll(struct kernfs_open_file *of,
			      struct poll_table_struct *table)
{
	return call(kernfs_generic_poll)(of, table);
}

int rkernfs_get_tree(struct fs_context *fc)
{
	return call(kernfs_get_tree)(fc);
}

void rkernfs_free_fs_context(struct fs_context *fc)
{
	call(kernfs_free_fs_context)(fc);
}

void rkernfs_kill_sb(struct super_block *sb)
{
	call(kernfs_kill_sb)(sb);
}
