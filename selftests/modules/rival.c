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

/*
 * Call the kernel's own function, behind the call of ftrace that leads here.
 * In the midst of a function is neither a landing pad (BTI) nor a type (kCFI)
 * for an indirect call, so on arm64 it is returned to, as ftrace does.
 */
#ifdef CONFIG_ARM64
static __always_inline unsigned long call_own(int nr, const void *a, const void *b, const void *c)
{
	register const void *x0 asm("x0") = a;
	register const void *x1 asm("x1") = b;
	register const void *x2 asm("x2") = c;
	/* ftrace has two instructions, behind the landing pad */
	void *entry = funcs[nr].old_func +
		      (IS_ENABLED(CONFIG_ARM64_BTI_KERNEL) ? 3 : 2) * AARCH64_INSN_SIZE;

	/* The frame address, for livepatch to find the caller. */
	asm volatile("adr x30, 1f\n\tret %[entry]\n1:"
		     : "+r"(x0), "+r"(x1), "+r"(x2)
		     : [entry] "r"(entry), "r"(__builtin_frame_address(0))
		     : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
		       "x14", "x15", "x16", "x17", "x18", "x30", "cc", "memory");
	return (unsigned long)x0;
}
#else
static unsigned long call_own(int nr, const void *a, const void *b, const void *c)
{
	unsigned long (*own)(const void *a, const void *b, const void *c);
	void *entry = funcs[nr].old_func;

	if (IS_ENABLED(CONFIG_X86_KERNEL_IBT))
		entry += 4;	/* ENDBR64 */
	own = entry + MCOUNT_INSN_SIZE;
	return own(a, b, c);
}
#endif

static void remove(struct kernfs_node *kn)
{
	atomic_inc(&calls);
	call_own(REMOVE, kn, NULL, NULL);
}

static bool remove_self(struct kernfs_node *kn)
{
	atomic_inc(&calls);
	/* of the register, a bool is the lowest byte */
	return (u8)call_own(REMOVE_SELF, kn, NULL, NULL);
}

static int remove_by_name_ns(struct kernfs_node *parent, const char *name, const void *ns)
{
	atomic_inc(&calls);
	return call_own(REMOVE_BY_NAME, parent, name, ns);
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
