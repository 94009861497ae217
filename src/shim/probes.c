// SPDX-License-Identifier: GPL-2.0
/*
 * Functions of the kernel whose calls Rust notes. Not kprobes: to disarm one
 * takes memory, and these have to go in any case.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fsnotify_backend.h>
#include <linux/ftrace.h>

#include "shim.h"

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS
static const struct rkernfs_probes *to;

/*
 * Who adds a mark or changes what it asks for has a reference of it, and puts that
 * before the system call returns.
 */
static void notrace mark_put(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct fsnotify_mark *mark = (void *)ftrace_regs_get_argument(fregs, 0);
	struct fsnotify_mark_connector *conn = READ_ONCE(mark->connector);

	/* It is not detached from what it is on as long as a mark is. */
	if (conn && conn->type == FSNOTIFY_OBJ_TYPE_SB)
		to->super_marked(conn->obj);
}

static void notrace renamed(unsigned long ip, unsigned long parent_ip,
			    struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	/* node, new parent, new name, new tag */
	to->renamed((void *)ftrace_regs_get_argument(fregs, 0),
		    (void *)ftrace_regs_get_argument(fregs, 1),
		    (void *)ftrace_regs_get_argument(fregs, 3));
}

static struct probe {
	const char *name;
	struct ftrace_ops ops;
} probes[] = {
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

static int start(struct probe *probe)
{
	unsigned long ip = rkernfs_address_of(probe->name);
	int ret = ip ? ftrace_set_filter_ip(&probe->ops, ip, 0, 0) : -ENOENT;

	if (!ret)
		ret = register_ftrace_function(&probe->ops);
	if (ret) {
		ftrace_free_filter(&probe->ops);
		pr_err("cannot trace %s() (%d)\n", probe->name, ret);
	}
	return ret;
}

static void stop(struct probe *probe)
{
	unregister_ftrace_function(&probe->ops);
	ftrace_free_filter(&probe->ops);
}

int rkernfs_probes_start(const struct rkernfs_probes *callbacks)
{
	int ret;

	to = callbacks;
	for (int i = 0; i < ARRAY_SIZE(probes); i++) {
		ret = start(&probes[i]);
		if (ret) {
			while (i)
				stop(&probes[--i]);
			return ret;
		}
	}
	return 0;
}

void rkernfs_probes_stop(void)
{
	for (int i = 0; i < ARRAY_SIZE(probes); i++)
		stop(&probes[i]);
}
#else
/*
 * Without livepatch's means, which only cover=own can do without. The module's
 * own hierarchy has no namespaces.
 */
int rkernfs_probes_start(const struct rkernfs_probes *callbacks)
{
	return 1;
}

void rkernfs_probes_stop(void) { }
#endif
