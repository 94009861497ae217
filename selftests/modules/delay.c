// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps tasks that are called "delayed" in functions of the kernel, for
 * selftests/handles.c: what happens meanwhile is not left to chance. The task that comes
 * first to the one function, and the next two who come to the other, wait each
 * until the next comes, and then let that get on.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>

MODULE_DESCRIPTION("Delays tasks in functions, for tests");
MODULE_LICENSE("GPL");

#define MAX_FUNCTIONS	2
#define MAX_WAITS	3
/* QEMU's processors take turns of 100 ms. */
#define HEAD_START_MS	150

static char *function[MAX_FUNCTIONS];
static int nr_functions;
module_param_array(function, charp, &nr_functions, 0444);
MODULE_PARM_DESC(function, "where");

static unsigned int ms = 20;
module_param(ms, uint, 0444);
MODULE_PARM_DESC(ms, "how long each waits at most");

static atomic_t hits;
module_param_named(hits, hits.counter, int, 0444);
MODULE_PARM_DESC(hits, "how often a task came by");

static struct kprobe probes[MAX_FUNCTIONS];
static struct kprobe *used[] = { &probes[0], &probes[1] };

static int before(struct kprobe *p, struct pt_regs *regs)
{
	int own;

	if (strcmp(current->comm, "delayed") ||
	    (p == &probes[0] && atomic_read(&hits)))
		return 0;
	own = atomic_inc_return(&hits);
	if (own > MAX_WAITS)
		return 0;
	for (unsigned int i = 0; i < ms; i++) {
		if (atomic_read(&hits) != own) {
			mdelay(HEAD_START_MS);
			break;
		}
		mdelay(1);
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
