// SPDX-License-Identifier: GPL-2.0

//! When the release stage runs: never under the locks of the one who removed the nodes.
//!
//! A task does it on its way back to user space, as fput() does: after VFS ended what it ends by
//! itself, and before the system call returns. A kernel thread, which has no such way, leaves it to
//! a work queue.
//!
//! A system call may sleep between its removal and its end for as long as its user likes, for
//! example sendmmsg(2) that removes a network device and then waits for a full socket. What others
//! watch is not to wait with it. So the work queue gets each batch, too, and takes it when it has
//! waited for [`GRACE_MS`]: who comes first has it ([`Batch::claim`]). A task that comes second
//! waits for the end, so that everything is told when its call returns. A task that is still to come
//! holds the module, whose code it has yet to run.
//!
//! What may take long, because a user made much, is left to a work of its own, and nobody waits for
//! that: a removed directory with many dentries in it, the last reference of a superblock.
//!
//! C headers: `include/linux/task_work.h`, `include/linux/workqueue.h`.

use super::{
    batch::{Batch, Head},
    inode::HeldInode,
    release, stats,
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

/// How long a task may take from its removal to its way back to user space before the work queue
/// does the release stage for it.
const GRACE_MS: u32 = 8;

/// How long RCU has for what was freed of what takes long.
const LATER_MS: u32 = 8;

/// Addresses, the last one first, or 0. Each has a place that tells the next.
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

    fn push_head(&self, head: Head) {
        let (address, link) = head.into_address();
        self.push(address, link);
    }

    /// Takes all heads that there are, and has `f` do each, the first one first.
    fn take_heads(&self, mut f: impl FnMut(Head)) {
        let mut rest = self.last.xchg(0, Full);
        let mut first = 0;
        while rest != 0 {
            // SAFETY: Addresses on the queue are from `into_address()`, and this one was taken off.
            let head = unsafe { Head::from_address(rest) };
            rest = head.link();
            let (address, link) = head.into_address();
            link.store(first, Relaxed);
            first = address;
        }
        while first != 0 {
            // SAFETY: As above: this is the only use of the address just stored.
            let head = unsafe { Head::from_address(first) };
            first = head.link();
            f(head);
        }
    }

    fn run_in(&self, delay_ms: u32) {
        // SAFETY: The works are there as long as the module.
        unsafe { shim::rkernfs_work_queue(self.work, delay_ms) };
    }
}

/// Heads of batches that no task comes for.
static NOW: Queue = Queue::new(shim::rkernfs_work_RKERNFS_WORK_NOW);
/// Heads of batches that a task is to come for.
static OVERDUE: Queue = Queue::new(shim::rkernfs_work_RKERNFS_WORK_OVERDUE);
/// Inodes that may take long.
static LATER: Queue = Queue::new(shim::rkernfs_work_RKERNFS_WORK_LATER);

/// How many somebody has yet to come for, in all queues.
static PENDING: Atomic<usize> = Atomic::new(0);

/// The module goes: nothing more is waited for.
static EXITING: Atomic<bool> = Atomic::new(false);

fn enqueue(queue: &Queue, head: Head, delay_ms: u32) {
    PENDING.add(1, Relaxed);
    queue.push_head(head);
    queue.run_in(delay_ms);
}

/// What the current task is to come for.
fn own_head() -> Option<ManuallyDrop<Head>> {
    // SAFETY: Only looks at the current task.
    let work = NonNull::new(unsafe { shim::rkernfs_task_work_find(Some(run_task_work)) })?;
    // SAFETY: The task runs the work later.
    Some(unsafe { Head::at_work(work) })
}

/// Whether there is something that the current task is to come for, and nobody came for yet.
pub(super) fn has_own() -> bool {
    own_head().is_some_and(|head| !head.is_claimed())
}

/// Has the release stage run for a batch, soon. One of the same task that waits already gets what is
/// in it: works of a task run in no order, and files are to be told before their directory.
#[cold]
pub(super) fn defer(mut batch: Batch) {
    if let Some(own) = own_head() {
        match own.append(batch) {
            Ok(()) => return,
            Err(rest) => batch = rest,
        }
    }
    let head = batch.into_head();
    // SAFETY: Only looks at the current task.
    if unsafe { shim::rkernfs_returns_to_user() } && add_task_work(&head) {
        if !cfg!(omit_grace) {
            enqueue(&OVERDUE, head, GRACE_MS);
        }
    } else {
        enqueue(&NOW, head, 0);
    }
}

/// Has the current task come for the batch of `head`. `false` if it exits, or the module goes.
fn add_task_work(head: &Head) -> bool {
    // SAFETY: Called from the module's own code, which the caller keeps.
    if !unsafe { shim::rkernfs_module_get() } {
        return false;
    }
    let work = head.clone().into_work();
    // SAFETY: `work` is unused, and stays until it was run, as its reference is given away.
    let added = unsafe { shim::rkernfs_task_work_add(work, Some(run_task_work)) } == 0;
    if !added {
        // SAFETY: It was not added.
        drop(unsafe { Head::from_work(work) });
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
    let head = unsafe { Head::from_work(work) };
    match Batch::claim(&head) {
        Some(batch) => release_all(batch),
        None => head.wait_done(),
    }
    drop(head);
    // SAFETY: Taken when the work was added. The rest of this function is waited for: `Works`.
    unsafe { shim::rkernfs_module_put() };
}

/// Runs the release stage for the batch of `head`, unless somebody did. Gives it back if its remover
/// is busy with it.
fn come_for(head: Head) -> Option<Head> {
    if let Some(batch) = Batch::claim(&head) {
        release_all(batch);
        head.set_done();
    } else if !head.is_claimed() {
        return Some(head);
    }
    drop(head);
    done();
    None
}

/// Comes for those batches that have waited long enough.
fn come_for_overdue() {
    let mut next_ms = None;
    OVERDUE.take_heads(|head| {
        let left_ms = GRACE_MS.saturating_sub(head.age_ms());
        let is_due = left_ms == 0 || head.is_claimed() || EXITING.load(Relaxed);
        let left = if is_due { come_for(head) } else { Some(head) };
        if let Some(head) = left {
            OVERDUE.push_head(head);
            next_ms = Some(next_ms.unwrap_or(left_ms.max(1)));
        }
    });
    if let Some(next_ms) = next_ms {
        // What was queued meanwhile has more time.
        // SAFETY: The works are there as long as the module.
        unsafe { shim::rkernfs_work_requeue(OVERDUE.work, next_ms) };
    }
}

/// Runs the release stage for each inode.
fn release_all(mut batch: Batch) {
    while let Some(inode) = batch.pop() {
        if let Some(inode) = release::release(inode) {
            put_later(inode);
        }
        stats::INODES_RELEASED.add(1);
    }
}

/// Has what may take long done for an inode: the rest of the release stage, and what it is let go
/// with.
pub(super) fn put_later(inode: HeldInode) {
    stats::INODES_QUEUED.add(1);
    PENDING.add(1, Relaxed);
    push_later(inode, release::LOOKS);
    LATER.run_in(0);
}

fn push_later(inode: HeldInode, looks_left: usize) {
    let (address, link) = inode.into_address();
    // SAFETY: The references were just given away.
    unsafe { HeldInode::second_link_at(address) }.store(looks_left, Relaxed);
    LATER.push(address, link);
}

fn run_later() {
    let mut address = LATER.last.xchg(0, Full);
    let mut again = false;
    while address != 0 {
        // SAFETY: Addresses on the queue are from `into_address()`.
        let looks_left = unsafe { HeldInode::second_link_at(address) }.load(Relaxed);
        // SAFETY: The same, and this one was taken off it.
        let (inode, next) = unsafe { HeldInode::from_address(address) };
        address = next;
        if release::resume(&inode, looks_left, EXITING.load(Relaxed)) {
            inode.put();
            stats::INODES_RELEASED.add(1);
            done();
        } else {
            push_later(inode, looks_left.saturating_sub(1));
            again = true;
        }
    }
    if again {
        LATER.run_in(LATER_MS);
    }
}

/// One of those that somebody has yet to come for is done.
fn done() {
    if PENDING.fetch_sub(1, Full) == 1 {
        // SAFETY: The address is that of a static; nothing is read through it.
        unsafe { bindings::wake_up_var(ptr::addr_of!(PENDING).cast_mut().cast()) };
    }
}

extern "C" fn run_work(which: shim::rkernfs_work) {
    if which == NOW.work {
        // Nobody else has these.
        NOW.take_heads(|head| drop(come_for(head)));
    } else if which == OVERDUE.work {
        come_for_overdue();
    } else {
        run_later();
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
    /// Returns when everything deferred has run, and nobody is in this module's code any more.
    fn drop(&mut self) {
        EXITING.store(true, Relaxed);
        // SAFETY: The type's invariant has the works initialized.
        unsafe { shim::rkernfs_work_requeue(OVERDUE.work, 0) };
        // SAFETY: The address is that of a static counter, which is only read.
        unsafe { shim::rkernfs_wait_var_zero(ptr::addr_of!(PENDING).cast_mut().cast()) };
        // SAFETY: Nothing is deferred any more.
        unsafe { shim::rkernfs_work_exit() };
        // A task may have been preempted between the last instructions of `run_task_work()`.
        // SAFETY: No lock is held, so it may sleep.
        unsafe { shim::rkernfs_synchronize_rcu_tasks() };
    }
}
