// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps tasks that are called "delayed" in one function of the kernel for a
 * while, for selftests/handles.c: what goes on meanwhile is not left to chance.
 */
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>

MODULE_DESCRIPTION("Delays a task in a function, for tests");
MODULE_LICENSE("GPL");

static char *function;
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "where");

static unsigned int ms = 20;
module_param(ms, uint, 0444);
MODULE_PARM_DESC(ms, "how long");

static unsigned int hits;
module_param(hits, uint, 0444);
MODULE_PARM_DESC(hits, "how often a task was delayed");

static int before(struct kprobe *p, struct pt_regs *regs)
{
	if (!strcmp(current->comm, "delayed")) {
		hits++;
		mdelay(ms);
	}
	return 0;
}

static struct kprobe probe = { .pre_handler = before };

static int __init delay_init(void)
{
	probe.symbol_name = function;
	return register_kprobe(&probe);
}

static void __exit delay_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(delay_init);
module_exit(delay_exit);
