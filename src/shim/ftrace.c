// SPDX-License-Identifier: GPL-2.0
/*
 * Functions of the kernel that ftrace calls Rust from. Not kprobes: disarming one
 * takes memory, and these have to be removed in any case.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fsnotify_backend.h>
#include <linux/ftrace.h>
#include <linux/rcupdate.h>

#include "shim.h"

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS
static const struct rkernfs_ftrace_callbacks *callbacks;

/*
 * A task that adds a mark, or changes its mask, holds a reference of it, and puts
 * that before the system call returns.
 */
static void notrace mark_put(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct fsnotify_mark *mark = (void *)ftrace_regs_get_argument(fregs, 0);
	struct fsnotify_mark_connector *conn = READ_ONCE(mark->connector);
	struct super_block *sb;

	/* It is not detached from what it is on as long as a mark is. */
	if (!conn || conn->type != FSNOTIFY_OBJ_TYPE_SB)
		return;
	sb = conn->obj;
	/*
	 * Some kernels drop the marks at the end of an unmount, when a hierarchy may
	 * be gone; before that, RCU keeps it.
	 */
	rcu_read_lock();
	if (READ_ONCE(sb->s_root))
		callbacks->super_marked(sb);
	rcu_read_unlock();
}

static void notrace renamed(unsigned long ip, unsigned long parent_ip,
			    struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	/* node, new parent, new name, new tag */
	callbacks->renamed((void *)ftrace_regs_get_argument(fregs, 0),
			   (void *)ftrace_regs_get_argument(fregs, 1),
			   (void *)ftrace_regs_get_argument(fregs, 3));
}

static struct traced_function {
	const char *name;
	struct ftrace_ops ops;
} traced[] = {
	{
		.name = "fsnotify_put_mark",
		.ops = {
			.func = mark_put,
			.flags = FTRACE_OPS_FL_PERMANENT,
		},
	},
	{
		.name = "kernfs_rename_ns",
		.ops = {
			.func = renamed,
			.flags = FTRACE_OPS_FL_PERMANENT,
		},
	},
};

static int start(struct traced_function *function)
{
	unsigned long ip = rkernfs_address_of(function->name);
	int ret = ip ? ftrace_set_filter_ip(&function->ops, ip, 0, 0) : -ENOENT;

	if (!ret)
		ret = register_ftrace_function(&function->ops);
	if (ret) {
		ftrace_free_filter(&function->ops);
		pr_err("cannot trace %s() (%d)\n", function->name, ret);
	}
	return ret;
}

static void stop(struct traced_function *function)
{
	unregister_ftrace_function(&function->ops);
	ftrace_free_filter(&function->ops);
}

int rkernfs_ftrace_start(const struct rkernfs_ftrace_callbacks *to_call)
{
	int ret;

	callbacks = to_call;
	for (int i = 0; i < ARRAY_SIZE(traced); i++) {
		ret = start(&traced[i]);
		if (ret) {
			while (i)
				stop(&traced[--i]);
			return ret;
		}
	}
	return 0;
}

void rkernfs_ftrace_stop(void)
{
	for (int i = 0; i < ARRAY_SIZE(traced); i++)
		stop(&traced[i]);
}
#else
/*
 * Without what livepatch needs, so with cover=own alone. The module's own
 * hierarchy has no namespaces.
 */
int rkernfs_ftrace_start(const struct rkernfs_ftrace_callbacks *to_call)
{
	return 1;
}

void rkernfs_ftrace_stop(void) { }
#endif
