// SPDX-License-Identifier: GPL-2.0
/*
 * Delayed works, which only macros can make, and their queue. One does not
 * wait for the other.
 */
#include <linux/workqueue.h>

#include "shim.h"

static struct workqueue_struct *wq;
static void (*run)(unsigned int which);

static void release_fn(struct work_struct *work)
{
	run(RKERNFS_WORK_RELEASE);
}

static void retry_fn(struct work_struct *work)
{
	run(RKERNFS_WORK_RETRY);
}

static struct delayed_work works[RKERNFS_WORKS];

int rkernfs_work_init(void (*func)(unsigned int which))
{
	run = func;
	INIT_DELAYED_WORK(&works[RKERNFS_WORK_RELEASE], release_fn);
	INIT_DELAYED_WORK(&works[RKERNFS_WORK_RETRY], retry_fn);
	wq = alloc_workqueue("rkernfs", WQ_UNBOUND | WQ_HIGHPRI, 0);
	return wq ? 0 : -ENOMEM;
}

/* The works that are under way are waited for. */
void rkernfs_work_exit(void)
{
	destroy_workqueue(wq);
}

/* Has @which run in @delay_ms, or sooner if it is due sooner already. */
void rkernfs_work_queue(enum rkernfs_work which, unsigned int delay_ms)
{
	if (delay_ms)
		queue_delayed_work(wq, &works[which], msecs_to_jiffies(delay_ms));
	else
		mod_delayed_work(wq, &works[which], 0);
}
