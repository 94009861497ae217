// SPDX-License-Identifier: GPL-2.0
/* A kprobe on a function that rkernfs replaces, for selftests/company.c */
#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/module.h>

MODULE_DESCRIPTION("A kprobe on a kernfs function, for tests");
MODULE_LICENSE("GPL");

static bool post;
module_param(post, bool, 0444);
MODULE_PARM_DESC(post, "with a handler for after the instruction, too");

static atomic_t hits;

static int get_hits(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&hits));
}

static const struct kernel_param_ops hits_ops = { .get = get_hits };
module_param_cb(hits, &hits_ops, NULL, 0444);
MODULE_PARM_DESC(hits, "how often the probe was hit");

static int before(struct kprobe *p, struct pt_regs *regs)
{
	atomic_inc(&hits);
	return 0;
}

static void after(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
	atomic_inc(&hits);
}

static struct kprobe probe = {
	.symbol_name = "kernfs_remove_by_name_ns",
	.pre_handler = before,
};

static int __init probe_init(void)
{
	if (post)
		probe.post_handler = after;
	return register_kprobe(&probe);
}

static void __exit probe_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(probe_init);
module_exit(probe_exit);
