// SPDX-License-Identifier: GPL-2.0
/*
 * What src/notify needs of C: the lock that the kernel's own kernfs_notify()
 * takes, a work item, and what fs/kernfs and fsnotify have as macros, inline
 * functions or private structures.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fsnotify.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "shim.h"

/*
 * kernfs_notify_lock, static in fs/kernfs/file.c: notify_next of every node
 * changes under it, also where the kernel's own function is still running.
 */
static spinlock_t *queue_lock;

static void (*run)(void);

static void work_fn(struct work_struct *work)
{
	run();
}

static DECLARE_WORK(work, work_fn);

int rkernfs_notify_init(void (*func)(void))
{
	run = func;
	queue_lock = (void *)rkernfs_address_of("kernfs_notify_lock");
	if (!queue_lock) {
		pr_err("this kernel has no kernfs_notify_lock (is CONFIG_KALLSYMS_ALL on?)\n");
		return -ENOENT;
	}
	return 0;
}

/* Returns when the events of all queued files were sent; none is queued any more. */
void rkernfs_notify_exit(void)
{
	flush_work(&work);
}

/* Schedules the work item that sends the events of queued files. */
void rkernfs_notify_schedule(void)
{
	schedule_work(&work);
}

unsigned long rkernfs_notify_lock(void)
	__acquires(queue_lock)
{
	unsigned long flags;

	spin_lock_irqsave(queue_lock, flags);
	return flags;
}

void rkernfs_notify_unlock(unsigned long flags)
	__releases(queue_lock)
{
	spin_unlock_irqrestore(queue_lock, flags);
}

void rkernfs_warn_not_file(struct kernfs_node *kn)
{
	WARN(1, "rkernfs: node %llu, which is no file, has a notification\n",
	     kn->id);
}

/* Wakes pollers of the file, as kernfs_generic_poll() lets them wait. */
void rkernfs_wake_pollers(struct kernfs_node *kn)
{
	struct kernfs_open_node *on;

	rcu_read_lock();
	on = rcu_dereference(kn->attr.open);
	if (on) {
		atomic_inc(&on->event);
		wake_up_interruptible(&on->poll);
	}
	rcu_read_unlock();
}

/*
 * Wakes all pollers of the file, also where several wait exclusively: it is
 * removed for each of them.
 */
void rkernfs_wake_all_pollers(struct kernfs_node *kn)
{
	struct kernfs_open_node *on;

	rcu_read_lock();
	on = rcu_dereference(kn->attr.open);
	if (on) {
		atomic_inc(&on->event);
		wake_up_interruptible_all(&on->poll);
	}
	rcu_read_unlock();
}

/* Wakes the pollers of the file that wait exclusively, and no others. */
void rkernfs_wake_exclusive_pollers(struct kernfs_node *kn)
{
	struct wait_queue_entry *entry, *next;
	struct kernfs_open_node *on;
	unsigned long flags;

	rcu_read_lock();
	on = rcu_dereference(kn->attr.open);
	if (!on)
		goto out;
	spin_lock_irqsave(&on->poll.lock, flags);
	list_for_each_entry_safe(entry, next, &on->poll.head, entry)
		if (entry->flags & WQ_FLAG_EXCLUSIVE)
			entry->func(entry, TASK_INTERRUPTIBLE, 0, NULL);
	spin_unlock_irqrestore(&on->poll.lock, flags);
out:
	rcu_read_unlock();
}

/* Changes whenever pollers of the file are woken; 0 if it is not open. */
int rkernfs_notified(struct kernfs_node *kn)
{
	struct kernfs_open_node *on;
	int event;

	rcu_read_lock();
	on = rcu_dereference(kn->attr.open);
	event = on ? atomic_read(&on->event) : 0;
	rcu_read_unlock();
	return event;
}

bool rkernfs_sb_has_watchers(struct super_block *sb)
{
	return fsnotify_sb_has_watchers(sb);
}

/* Reports that the file @name of @dir changed; without @dir, to its own watches. */
void rkernfs_fsnotify_modify(struct inode *inode, struct inode *dir,
			     const char *name)
{
	struct qstr qstr = QSTR_INIT(name, strlen(name));

	if (dir)
		fsnotify(FS_MODIFY | FS_EVENT_ON_CHILD, inode,
			 FSNOTIFY_EVENT_INODE, dir, &qstr, inode, 0);
	else
		fsnotify_inode(inode, FS_MODIFY);
}
