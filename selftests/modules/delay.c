// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps tasks that are called "delayed" in a function of the kernel, or in two,
 * for a while, for selftests/handles.c: what goes on meanwhile is not left to chance.
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

static char *also;
module_param(also, charp, 0444);
MODULE_PARM_DESC(also, "where else");

static unsigned int also_ms = 20;
module_param(also_ms, uint, 0444);
MODULE_PARM_DESC(also_ms, "how long there");

static unsigned int hits;
module_param(hits, uint, 0444);
MODULE_PARM_DESC(hits, "how often a task was delayed");

static void delay(unsigned int how_long)
{
	if (!strcmp(current->comm, "delayed")) {
		hits++;
		mdelay(how_long);
	}
}

static int before(struct kprobe *p, struct pt_regs *regs)
{
	delay(ms);
	return 0;
}

static int before_also(struct kprobe *p, struct pt_regs *regs)
{
	delay(also_ms);
	return 0;
}

static struct kprobe probes[] = { { .pre_handler = before }, { .pre_handler = before_also } };
static struct kprobe *used[] = { &probes[0], &probes[1] };

static int number(void)
{
	return also ? 2 : 1;
}

static int __init delay_init(void)
{
	probes[0].symbol_name = function;
	probes[1].symbol_name = also;
	return register_kprobes(used, number());
}

static void __exit delay_exit(void)
{
	unregister_kprobes(used, number());
}

module_init(delay_init);
module_exit(delay_exit);
