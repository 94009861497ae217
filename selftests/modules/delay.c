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

#define MAX_FUNCTIONS	2

static char *function[MAX_FUNCTIONS];
static int nr_functions;
module_param_array(function, charp, &nr_functions, 0444);
MODULE_PARM_DESC(function, "where");

static unsigned int ms[MAX_FUNCTIONS] = { 20, 20 };
module_param_array(ms, uint, NULL, 0444);
MODULE_PARM_DESC(ms, "how long in each");

static unsigned int hits;
module_param(hits, uint, 0444);
MODULE_PARM_DESC(hits, "how often a task was delayed");

static struct kprobe probes[MAX_FUNCTIONS];
static struct kprobe *used[] = { &probes[0], &probes[1] };

static int before(struct kprobe *p, struct pt_regs *regs)
{
	if (!strcmp(current->comm, "delayed")) {
		hits++;
		mdelay(ms[p - probes]);
	}
	return 0;
}

static int __init delay_init(void)
{
	for (int i = 0; i < nr_functions; i++) {
		probes[i].symbol_name = function[i];
		probes[i].pre_handler = before;
	}
	return register_kprobes(used, nr_functions);
}

static void __exit delay_exit(void)
{
	unregister_kprobes(used, nr_functions);
}

module_init(delay_init);
module_exit(delay_exit);
