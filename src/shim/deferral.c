// SPDX-License-Identifier: GPL-2.0
/*
 * When the release stage runs: never under the locks of whoever removed the
 * nodes. A task does it on its way back to user space, as fput() does: after
 * VFS ended what it ends by itself, and before the system call returns. A
 * kernel thread, which has no such way, leaves it to a work queue.
 *
 * A struct callback_head is enough for both; the removed nodes lend theirs
 * (kernfs_node.rcu, unused until the last reference goes), so nothing is
 * allocated.
 */
#include <linux/llist.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/task_work.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>

#include "shim.h"

static_assert(sizeof(struct llist_node) <= sizeof(struct callback_head));

static struct workqueue_struct *wq;
static LLIST_HEAD(queue);
static atomic_t pending;

static void run(struct callback_head *head)
{
	rkernfs_deferred(head);
	if (atomic_dec_and_test(&pending))
		wake_up_var(&pending);
}

static void queue_fn(struct work_struct *work)
{
	struct llist_node *pos, *next;

	llist_for_each_safe(pos, next, llist_reverse_order(llist_del_all(&queue)))
		run((struct callback_head *)pos);
}

static DECLARE_DELAYED_WORK(queue_work_item, queue_fn);

static void enqueue(struct callback_head *head)
{
	llist_add((struct llist_node *)head, &queue);
}

static bool returns_to_user(void)
{
	return !in_interrupt() &&
	       !(current->flags & (PF_KTHREAD | PF_USER_WORKER));
}

/* Has rkernfs_deferred() called for @head, soon. */
void rkernfs_defer(struct callback_head *head)
{
	atomic_inc(&pending);
	if (returns_to_user()) {
		init_task_work(head, run);
		if (!task_work_add(current, head, TWA_RESUME))
			return;
	}
	enqueue(head);
	mod_delayed_work(wq, &queue_work_item, 0);
}

/* The same from within rkernfs_deferred(), in @delay_ms or later. */
void rkernfs_defer_again(struct callback_head *head, unsigned int delay_ms)
{
	atomic_inc(&pending);
	enqueue(head);
	queue_delayed_work(wq, &queue_work_item, msecs_to_jiffies(delay_ms));
}

int rkernfs_deferral_init(void)
{
	wq = alloc_workqueue("rkernfs", WQ_UNBOUND | WQ_HIGHPRI, 1);
	return wq ? 0 : -ENOMEM;
}

/* Returns when everything deferred has run and nobody is in run() any more. */
void rkernfs_deferral_exit(void)
{
	wait_var_event(&pending, !atomic_read(&pending));
	destroy_workqueue(wq);
	/* a task may have been preempted between run()'s last two instructions */
	synchronize_rcu_tasks();
}
