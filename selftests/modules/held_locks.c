// SPDX-License-Identifier: GPL-2.0
/*
 * For selftests/locks.c: how often fsnotify() is called, and with which locks of
 * kernfs held. Lockdep knows which locks a task has.
 */
#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>

MODULE_DESCRIPTION("Counts events that are sent under locks of kernfs, for tests");
MODULE_LICENSE("GPL");

#ifdef CONFIG_LOCKDEP

static atomic_t events, under_supers, under_tree;
module_param_named(events, events.counter, int, 0444);
MODULE_PARM_DESC(events, "calls of fsnotify()");
module_param_named(under_supers, under_supers.counter, int, 0444);
MODULE_PARM_DESC(under_supers, "of these, with kernfs_supers_rwsem held");
module_param_named(under_tree, under_tree.counter, int, 0444);
MODULE_PARM_DESC(under_tree, "of these, with kernfs_rwsem or kernfs_iattr_rwsem held");

/* As init_rwsem() names it */
static bool holds(const char *lock)
{
	for (int i = 0; i < current->lockdep_depth; i++)
		if (!strcmp(current->held_locks[i].instance->name, lock))
			return true;
	return false;
}

static int before(struct kprobe *p, struct pt_regs *regs)
{
	atomic_inc(&events);
	if (holds("&root->kernfs_supers_rwsem"))
		atomic_inc(&under_supers);
	if (holds("&root->kernfs_rwsem") || holds("&root->kernfs_iattr_rwsem"))
		atomic_inc(&under_tree);
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "fsnotify",
	.pre_handler = before,
};

static int __init held_locks_init(void)
{
	return register_kprobe(&probe);
}

static void __exit held_locks_exit(void)
{
	unregister_kprobe(&probe);
}

#else

static int __init held_locks_init(void)
{
	return -EOPNOTSUPP;
}

static void __exit held_locks_exit(void) { }

#endif

module_init(held_locks_init);
module_exit(held_locks_exit);
