// SPDX-License-Identifier: GPL-2.0
/*
 * Another livepatch for the functions that rkernfs replaces: counts the calls
 * and has the kernel's own do them. For selftests/company.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/ftrace.h>
#include <linux/kernfs.h>
#include <linux/livepatch.h>
#include <linux/module.h>

MODULE_DESCRIPTION("A second livepatch for kernfs, for tests");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");

static bool cumulative;
module_param(cumulative, bool, 0444);
MODULE_PARM_DESC(cumulative, "replace all patches that are there");

static atomic_t calls;

static int get_calls(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&calls));
}

static const struct kernel_param_ops calls_ops = { .get = get_calls };
module_param_cb(calls, &calls_ops, NULL, 0444);
MODULE_PARM_DESC(calls, "how often the replacements were called");

static void remove(struct kernfs_node *kn);
static bool remove_self(struct kernfs_node *kn);
static int remove_by_name_ns(struct kernfs_node *parent, const char *name, const void *ns);

enum { REMOVE, REMOVE_SELF, REMOVE_BY_NAME };

static struct klp_func funcs[] = {
	[REMOVE] = { .old_name = "kernfs_remove", .new_func = remove },
	[REMOVE_SELF] = { .old_name = "kernfs_remove_self", .new_func = remove_self },
	[REMOVE_BY_NAME] = {
		.old_name = "kernfs_remove_by_name_ns",
		.new_func = remove_by_name_ns,
	},
	{ }
};

static struct klp_object objs[] = {
	{ .funcs = funcs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

/* The kernel's own function, behind the call of ftrace that leads here */
static void *own(int nr)
{
	void *entry = funcs[nr].old_func;

	if (IS_ENABLED(CONFIG_X86_KERNEL_IBT))
		entry += 4;	/* ENDBR64 */
	return entry + MCOUNT_INSN_SIZE;
}

static void remove(struct kernfs_node *kn)
{
	void (*old)(struct kernfs_node *kn) = own(REMOVE);

	atomic_inc(&calls);
	old(kn);
}

static bool remove_self(struct kernfs_node *kn)
{
	bool (*old)(struct kernfs_node *kn) = own(REMOVE_SELF);

	atomic_inc(&calls);
	return old(kn);
}

static int remove_by_name_ns(struct kernfs_node *parent, const char *name, const void *ns)
{
	int (*old)(struct kernfs_node *parent, const char *name, const void *ns) =
		own(REMOVE_BY_NAME);

	atomic_inc(&calls);
	return old(parent, name, ns);
}

static int __init rival_init(void)
{
	patch.replace = cumulative;
	return klp_enable_patch(&patch);
}

/* livepatch lets the module go when no task is in a replacement any more. */
static void __exit rival_exit(void)
{
}

module_init(rival_init);
module_exit(rival_exit);
