// SPDX-License-Identifier: GPL-2.0
/*
 * Macros and inline functions of locks and tasks.
 */
#include <linux/cred.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/task_work.h>
#include <linux/wait_bit.h>

#include "shim.h"

void rkernfs_rcu_read_lock(void)
	__acquires(RCU)
{
	rcu_read_lock();
}

void rkernfs_rcu_read_unlock(void)
	__releases(RCU)
{
	rcu_read_unlock();
}

void rkernfs_spin_lock(struct spinlock *lock)
	__acquires(lock)
{
	spin_lock(lock);
}

void rkernfs_spin_unlock(struct spinlock *lock)
	__releases(lock)
{
	spin_unlock(lock);
}

void rkernfs_cond_resched(void)
{
	cond_resched();
}

void rkernfs_synchronize_rcu_tasks(void)
{
	synchronize_rcu_tasks();
}

void rkernfs_wait_var_zero(size_t *var)
{
	wait_var_event(var, !READ_ONCE(*var));
}

/* Until another task sets one of @bits, and wakes the variable */
void rkernfs_wait_var_bits(u32 *var, u32 bits)
{
	wait_var_event(var, READ_ONCE(*var) & bits);
}

/* False if the module is being unloaded. */
bool rkernfs_module_get(void)
{
	return try_module_get(THIS_MODULE);
}

/* Unloading the module waits for tasks that have yet to leave its code. */
void rkernfs_module_put(void)
{
	module_put(THIS_MODULE);
}

/*
 * Memory for an event is charged to the watcher's memory cgroup. If that is over
 * its memory.high, the kernel has a task sleep for it, once it charged enough: a
 * user's as it returns to user space, but a kernel thread at once.
 */
void rkernfs_forget_over_high(void)
{
#ifdef CONFIG_MEMCG
	if (current->flags & PF_KTHREAD)
		current->memcg_nr_pages_over_high = 0;
#endif
}

/* Whether the current task runs task work on its way to user space. */
bool rkernfs_returns_to_user(void)
{
	return !in_interrupt() &&
	       !(current->flags & (PF_KTHREAD | PF_USER_WORKER));
}

int rkernfs_task_work_add(struct callback_head *head,
			  void (*func)(struct callback_head *head))
{
	init_task_work(head, func);
	return task_work_add(current, head, TWA_RESUME);
}

/* The last one with the function that the current task has yet to run */
struct callback_head *
rkernfs_task_work_find(void (*func)(struct callback_head *head))
{
	struct callback_head *work;
	unsigned long flags;

	/* Others may add works, and under the lock take back theirs. */
	raw_spin_lock_irqsave(&current->pi_lock, flags);
	work = READ_ONCE(current->task_works);
	while (work && work->func != func)
		work = READ_ONCE(work->next);
	raw_spin_unlock_irqrestore(&current->pi_lock, flags);
	return work;
}

u32 rkernfs_current_fsuid(void)
{
	return __kuid_val(current_fsuid());
}

u32 rkernfs_current_fsgid(void)
{
	return __kgid_val(current_fsgid());
}
