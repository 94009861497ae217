// SPDX-License-Identifier: GPL-2.0
/*
 * Functions that the kernel does not export, found by name when the module
 * loads. They are called through static_call(), which patches direct calls
 * into the text: an indirect one faults on a kernel with IBT, where functions
 * whose address nobody takes have no landing pad.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fsnotify_backend.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/srcu.h>
#include <linux/static_call.h>

#include "compat.h"
#include "shim.h"

#define UNEXPORTED(_)				\
	_(fsnotify_insert_event)		\
	_(kernfs_break_active_protection)	\
	_(kernfs_drain_open_files)		\
	_(kernfs_get_inode)			\
	_(kernfs_should_drain_open_files)	\
	_(kernfs_unbreak_active_protection)

#define DEFINE(name) DEFINE_STATIC_CALL_NULL(unexported_##name, name);
UNEXPORTED(DEFINE)
DEFINE_STATIC_CALL_NULL(unexported_lookup, kallsyms_lookup_name);

#define call(name) static_call(unexported_##name)

/* What the marks of an object are read under; private to fs/notify. */
static struct srcu_struct *mark_srcu;

/* kallsyms_lookup_name() is not exported either; a kprobe knows where it is. */
static int find_lookup(void)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name" };
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

#define RESOLVE(name) {							\
	void *addr = (void *)static_call(unexported_lookup)(#name);	\
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
	mark_srcu = (void *)static_call(unexported_lookup)("fsnotify_mark_srcu");
	if (!mark_srcu) {
		pr_err("this kernel has no fsnotify_mark_srcu (is CONFIG_KALLSYMS_ALL on?)\n");
		return -ENOENT;
	}
	return 0;
}

struct inode *rkernfs_get_inode(struct super_block *sb, struct kernfs_node *kn)
{
	return call(kernfs_get_inode)(sb, kn);
}

/* Tells whoever watches all of @sb that a removal got lost (FAN_Q_OVERFLOW). */
void rkernfs_queue_overflow(struct super_block *sb)
{
	struct fsnotify_mark_connector *conn;
	struct fsnotify_mark *mark;
	int idx = srcu_read_lock(mark_srcu);

	conn = srcu_dereference(fsnotify_sb_info(sb)->sb_marks, mark_srcu);
	if (conn)
		hlist_for_each_entry_srcu(mark, &conn->list, obj_list,
					  srcu_read_lock_held(mark_srcu)) {
			struct fsnotify_group *group = mark->group;

			if (!(mark->mask & FS_DELETE_SELF))
				continue;
			call(fsnotify_insert_event)(group, group->overflow_event,
						    NULL, NULL);
		}
	srcu_read_unlock(mark_srcu, idx);
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
