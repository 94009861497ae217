// SPDX-License-Identifier: GPL-2.0

//! When the release stage runs: never under the locks of the remover.
//!
//! It is task work of the remover, as fput() has: it runs when the task returns to user space, after
//! VFS dropped what it drops by itself, and before the system call returns. A kernel thread does not
//! return to user space, and leaves it to a work queue.
//!
//! A system call may sleep after its removal for as long as its user likes, for example sendmmsg(2)
//! that removes a network device and then waits for a full socket. Other tasks' watches do not wait
//! for that: the work queue gets each batch, too, and processes it once it is [`TASK_WORK_TIMEOUT_MS`]
//! old. Whichever claims the batch first runs the release stage ([`Batch::claim`]). A task that comes
//! second waits until it is done, so that all events are sent when its call returns. A task that has
//! yet to run its task work holds a reference of the module.
//!
//! What may take long, because a user created much, has a work item of its own, and no task waits
//! for that: a removed directory with many dentries in it, the last reference of a superblock. So have
//! marks whose group another task keeps locked, for which unloading the module does not wait either.
//!
//! C headers: `include/linux/task_work.h`, `include/linux/workqueue.h`.

use super::{
    batch::{Batch, BatchRef},
    inode::HeldInode,
    release::{self, Left},
    stats::COUNTERS,
};
use crate::{
    compat::{Atomic, Full, Relaxed},
    shim,
};
use core::{
    mem::ManuallyDrop,
    ptr::{self, NonNull},
};
use kernel::{bindings, error::to_result, prelude::*};

/// How long a task may take from its removal to its task work, before the work queue runs the release
/// stage for it.
const TASK_WORK_TIMEOUT_MS: u32 = 8;

/// Between two portions of what takes long: RCU frees what the first one dropped.
const LATER_MS: u32 = 8;

/// A list of addresses, the last one first; 0 ends it. Each has a link to the next.
struct Queue {
    work: shim::rkernfs_work,
    last: Atomic<usize>,
}

impl Queue {
    const fn new(work: shim::rkernfs_work) -> Self {
        Self {
            work,
            last: Atomic::new(0),
        }
    }

    fn push(&self, address: usize, link: &Atomic<usize>) {
        let mut last = self.last.load(Relaxed);
        loop {
            link.store(last, Relaxed);
            match self.last.cmpxchg(last, address, Full) {
                Ok(_) => return,
                Err(now) => last = now,
            }
        }
    }

    fn push_batch(&self, batch_ref: BatchRef) {
        let (address, link) = batch_ref.into_address();
        self.push(address, link);
    }

    /// Takes all batches off, and calls `f` for each, the first one first.
    fn take_batches(&self, mut f: impl FnMut(BatchRef)) {
        let mut rest = self.last.xchg(0, Full);
        let mut first = 0;
        while rest != 0 {
            // SAFETY: Addresses on the queue are from `into_address()`, and this one was taken off.
            let batch_ref = unsafe { BatchRef::from_address(rest) };
            rest = batch_ref.link();
            let (address, link) = batch_ref.into_address();
            link.store(first, Relaxed);
            first = address;
        }
        while first != 0 {
            // SAFETY: As above: this is the only use of the address just stored.
            let batch_ref = unsafe { BatchRef::from_address(first) };
            first = batch_ref.link();
            f(batch_ref);
        }
    }

    fn run_in(&self, delay_ms: u32) {
        // SAFETY: The works are there as long as the module.
        unsafe { shim::rkernfs_work_queue(self.work, delay_ms) };
    }
}

/// In cache lines which nothing is in that other removals read; what most deferrals write is in the first.
#[repr(C, align(64))]
struct Queues {
    /// The number of batches and inodes in all queues that are not processed yet.
    pending: Atomic<usize>,
    /// Batches that are left to task work until they are overdue.
    overdue: Queue,
    /// Batches that no task work is to process.
    now: Queue,
    /// Inodes that may take long.
    later: Queue,
    /// Inodes that were reported, with marks whose group was locked. Each has a reference of the module.
    marks: Queue,
}

static QUEUES: Queues = Queues {
    pending: Atomic::new(0),
    overdue: Queue::new(shim::rkernfs_work_RKERNFS_WORK_OVERDUE),
    now: Queue::new(shim::rkernfs_work_RKERNFS_WORK_NOW),
    later: Queue::new(shim::rkernfs_work_RKERNFS_WORK_LATER),
    marks: Queue::new(shim::rkernfs_work_RKERNFS_WORK_MARKS),
};

/// The module is being unloaded: nothing more is waited for.
static EXITING: Atomic<bool> = Atomic::new(false);

fn enqueue(queue: &Queue, batch_ref: BatchRef, delay_ms: u32) {
    QUEUES.pending.add(1, Relaxed);
    queue.push_batch(batch_ref);
    queue.run_in(delay_ms);
}

/// The batch that the current task has task work for.
fn own_batch() -> Option<ManuallyDrop<BatchRef>> {
    // SAFETY: Only looks at the current task.
    let work = NonNull::new(unsafe { shim::rkernfs_task_work_find(Some(run_task_work)) })?;
    // SAFETY: The task runs the work later.
    Some(unsafe { BatchRef::at_work(work) })
}

/// Whether the current task has task work for a batch that is not claimed yet.
pub(super) fn has_own_batch() -> bool {
    own_batch().is_some_and(|batch_ref| !batch_ref.is_claimed())
}

/// Wakes pollers, drops private data, and schedules the release stage for the inodes. Not to be called
/// with locks.
#[inline(always)]
pub(super) fn submit(mut batch: Batch) {
    batch.wake_pollers();
    // Most removals leave nothing to do.
    if batch.has_inodes() {
        defer(batch);
    }
}

/// Schedules the release stage for a batch. If the same task has one that waits already, adds the
/// inodes to that: task works run in no order, and files are to be reported before their directory.
#[cold]
fn defer(mut batch: Batch) {
    if let Some(own) = own_batch() {
        match own.append(batch) {
            Ok(()) => return,
            Err(rest) => batch = rest,
        }
    }
    let batch_ref = batch.into_ref();
    // SAFETY: Only looks at the current task.
    if unsafe { shim::rkernfs_returns_to_user() } && add_task_work(&batch_ref) {
        enqueue(&QUEUES.overdue, batch_ref, TASK_WORK_TIMEOUT_MS);
    } else {
        enqueue(&QUEUES.now, batch_ref, 0);
    }
}

/// Adds task work for the batch to the current task. `false` if the task is exiting, or the module is
/// being unloaded.
fn add_task_work(batch_ref: &BatchRef) -> bool {
    // SAFETY: Called from the module's own code, which the caller keeps.
    if !unsafe { shim::rkernfs_module_get() } {
        return false;
    }
    let work = batch_ref.clone().into_work();
    // SAFETY: `work` is unused, and stays until it was run, as its reference is given away.
    let added = unsafe { shim::rkernfs_task_work_add(work, Some(run_task_work)) } == 0;
    if !added {
        // SAFETY: It was not added.
        drop(unsafe { BatchRef::from_work(work) });
        // SAFETY: Taken above.
        unsafe { shim::rkernfs_module_put() };
    }
    added
}

/// # Safety
///
/// `work` must be what [`add_task_work`] added.
unsafe extern "C" fn run_task_work(work: *mut bindings::callback_head) {
    // SAFETY: The task runs each work once.
    let batch_ref = unsafe { BatchRef::from_work(work) };
    match Batch::claim(&batch_ref) {
        Some(batch) => release_all(batch),
        None => batch_ref.wait_done(),
    }
    drop(batch_ref);
    // SAFETY: Taken when the work was added. The rest of this function is waited for: `Works`.
    unsafe { shim::rkernfs_module_put() };
}

/// Runs the release stage for the batch, unless that is claimed. Gives the reference back if the remover
/// is adding to the batch.
fn process(batch_ref: BatchRef) -> Option<BatchRef> {
    if let Some(batch) = Batch::claim(&batch_ref) {
        release_all(batch);
        batch_ref.set_done();
    } else if !batch_ref.is_claimed() {
        return Some(batch_ref);
    }
    drop(batch_ref);
    finish_one();
    None
}

/// Processes the batches that have waited long enough.
fn process_overdue() {
    let mut next_ms = None;
    QUEUES.overdue.take_batches(|batch_ref| {
        let left_ms = TASK_WORK_TIMEOUT_MS.saturating_sub(batch_ref.age_ms());
        let is_due = left_ms == 0 || batch_ref.is_claimed() || EXITING.load(Relaxed);
        let left = if is_due {
            process(batch_ref)
        } else {
            Some(batch_ref)
        };
        if let Some(batch_ref) = left {
            QUEUES.overdue.push_batch(batch_ref);
            next_ms = Some(next_ms.unwrap_or(left_ms.max(1)));
        }
    });
    if let Some(next_ms) = next_ms {
        // What was queued meanwhile has more time.
        // SAFETY: The works are there as long as the module.
        unsafe { shim::rkernfs_work_requeue(QUEUES.overdue.work, next_ms) };
    }
}

/// Runs the release stage for each inode.
fn release_all(mut batch: Batch) {
    while let Some(inode) = batch.pop() {
        shim::forget_over_high();
        match release::release(&inode) {
            Left::Nothing => {
                if let Some(inode) = inode.put_unless_last() {
                    put_later(inode);
                }
            }
            Left::Dentries => put_later(inode),
            Left::Marks => destroy_marks_later(inode),
        }
        COUNTERS.inodes_released.add(1);
    }
}

/// Queues the marks of an inode that could not be destroyed.
fn destroy_marks_later(inode: HeldInode) {
    // SAFETY: Called from the module's own code, which the caller keeps.
    if !unsafe { shim::rkernfs_module_get() } {
        // There is no later.
        return inode.destroy_marks();
    }
    COUNTERS.inodes_queued.add(1);
    QUEUES.pending.add(1, Relaxed);
    let (address, link) = inode.into_address();
    QUEUES.marks.push(address, link);
    QUEUES.marks.run_in(0);
}

/// Waits for one group at a time; in between, it looks at what was queued meanwhile.
fn run_marks() {
    let mut locked = 0;
    loop {
        let mut address = QUEUES.marks.last.xchg(0, Full);
        while address != 0 {
            // SAFETY: Addresses on the queue are from `into_address()`, and this one was taken off it.
            let (inode, next) = unsafe { HeldInode::from_address(address) };
            address = next;
            shim::forget_over_high();
            if inode.destroy_free_marks() {
                finish_marks(inode);
            } else {
                let (address, link) = inode.into_address();
                link.store(locked, Relaxed);
                locked = address;
            }
        }
        if locked == 0 {
            return;
        }
        // SAFETY: It was stored above, and is taken off here.
        let (inode, next) = unsafe { HeldInode::from_address(locked) };
        locked = next;
        shim::forget_over_high();
        inode.destroy_marks();
        finish_marks(inode);
    }
}

fn finish_marks(inode: HeldInode) {
    drop(inode);
    COUNTERS.inodes_released.add(1);
    finish_one();
    // SAFETY: Taken when it was queued. The rest of this function is waited for: `Works`.
    unsafe { shim::rkernfs_module_put() };
}

/// Queues what may take long for an inode: the rest of the release stage, and putting it.
fn put_later(inode: HeldInode) {
    COUNTERS.inodes_queued.add(1);
    QUEUES.pending.add(1, Relaxed);
    push_later(inode, release::CHECKS);
    QUEUES.later.run_in(0);
}

fn push_later(inode: HeldInode, checks_left: usize) {
    let (address, link) = inode.into_address();
    // SAFETY: The references were just given away.
    unsafe { HeldInode::second_link_at(address) }.store(checks_left, Relaxed);
    QUEUES.later.push(address, link);
}

fn run_later() {
    let mut address = QUEUES.later.last.xchg(0, Full);
    let mut again = false;
    while address != 0 {
        // SAFETY: Addresses on the queue are from `into_address()`.
        let checks_left = unsafe { HeldInode::second_link_at(address) }.load(Relaxed);
        // SAFETY: The same, and this one was taken off it.
        let (inode, next) = unsafe { HeldInode::from_address(address) };
        address = next;
        shim::forget_over_high();
        match release::resume(&inode, checks_left, EXITING.load(Relaxed)) {
            Left::Dentries => {
                push_later(inode, checks_left.saturating_sub(1));
                again = true;
                continue;
            }
            Left::Marks => destroy_marks_later(inode),
            Left::Nothing => drop(inode),
        }
        COUNTERS.inodes_released.add(1);
        finish_one();
    }
    if again {
        QUEUES.later.run_in(LATER_MS);
    }
}

/// Counts one of [`Queues::pending`] as processed.
fn finish_one() {
    if QUEUES.pending.fetch_sub(1, Full) == 1 {
        // SAFETY: The address is that of a static; nothing is read through it.
        unsafe { bindings::wake_up_var(ptr::addr_of!(QUEUES.pending).cast_mut().cast()) };
    }
}

extern "C" fn run_work(which: shim::rkernfs_work) {
    if which == QUEUES.now.work {
        // No task work has these.
        QUEUES
            .now
            .take_batches(|batch_ref| drop(process(batch_ref)));
    } else if which == QUEUES.overdue.work {
        process_overdue();
    } else if which == QUEUES.later.work {
        run_later();
    } else {
        run_marks();
    }
}

/// The works, from loading the module to unloading it.
///
/// # Invariants
///
/// They are initialized.
pub(super) struct Works(());

impl Works {
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new() -> Result<Self> {
        // SAFETY: Called once, before anything is deferred.
        to_result(unsafe { shim::rkernfs_work_init(Some(run_work)) })?;
        // INVARIANT: Just done.
        Ok(Self(()))
    }
}

impl Drop for Works {
    /// Returns when everything deferred has run, and no task runs this module's code any more.
    fn drop(&mut self) {
        EXITING.store(true, Relaxed);
        // SAFETY: The type's invariant has the works initialized.
        unsafe { shim::rkernfs_work_requeue(QUEUES.overdue.work, 0) };
        // SAFETY: The address is that of a static counter, which is only read.
        unsafe { shim::rkernfs_wait_var_zero(ptr::addr_of!(QUEUES.pending).cast_mut().cast()) };
        // SAFETY: Nothing is deferred any more.
        unsafe { shim::rkernfs_work_exit() };
        // A task may have been preempted between the last instructions of `run_task_work()`.
        // SAFETY: No lock is held, so it may sleep.
        unsafe { shim::rkernfs_synchronize_rcu_tasks() };
    }
}
