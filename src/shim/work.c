// SPDX-License-Identifier: GPL-2.0
/*
 * Delayed works, which only macros can make, and their queues. None waits for
 * another.
 */
#include <linux/ktime.h>
#include <linux/workqueue.h>

#include "shim.h"

static struct workqueue_struct *wq;
/* For what may take long: at the priority of other tasks. */
static struct workqueue_struct *wq_later;
static void (*run)(unsigned int which);

static void now_fn(struct work_struct *work)
{
	run(RKERNFS_WORK_NOW);
}

static void overdue_fn(struct work_struct *work)
{
	run(RKERNFS_WORK_OVERDUE);
}

static void later_fn(struct work_struct *work)
{
	run(RKERNFS_WORK_LATER);
}

static void marks_fn(struct work_struct *work)
{
	run(RKERNFS_WORK_MARKS);
}

static struct delayed_work works[RKERNFS_WORKS];

int rkernfs_work_init(void (*func)(unsigned int which))
{
	run = func;
	INIT_DELAYED_WORK(&works[RKERNFS_WORK_NOW], now_fn);
	INIT_DELAYED_WORK(&works[RKERNFS_WORK_OVERDUE], overdue_fn);
	INIT_DELAYED_WORK(&works[RKERNFS_WORK_LATER], later_fn);
	INIT_DELAYED_WORK(&works[RKERNFS_WORK_MARKS], marks_fn);
	wq = alloc_workqueue("rkernfs", WQ_UNBOUND | WQ_HIGHPRI, 0);
	wq_later = alloc_workqueue("rkernfs_later", WQ_UNBOUND, 0);
	if (wq && wq_later)
		return 0;
	rkernfs_work_exit();
	return -ENOMEM;
}

/* The works that are under way are waited for. */
void rkernfs_work_exit(void)
{
	if (wq)
		destroy_workqueue(wq);
	if (wq_later)
		destroy_workqueue(wq_later);
}

static struct workqueue_struct *queue_of(enum rkernfs_work which)
{
	return which >= RKERNFS_WORK_LATER ? wq_later : wq;
}

/* Schedules @which in @delay_ms, unless it is scheduled already. */
void rkernfs_work_queue(enum rkernfs_work which, unsigned int delay_ms)
{
	queue_delayed_work(queue_of(which), &works[which], msecs_to_jiffies(delay_ms));
}

/* Schedules @which in @delay_ms, also if it was scheduled before. */
void rkernfs_work_requeue(enum rkernfs_work which, unsigned int delay_ms)
{
	mod_delayed_work(queue_of(which), &works[which], msecs_to_jiffies(delay_ms));
}

/* The time in ms, of which the lower bits are enough */
u32 rkernfs_now_ms(void)
{
	return ktime_to_ms(ktime_get());
}
