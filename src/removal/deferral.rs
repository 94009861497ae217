// SPDX-License-Identifier: GPL-2.0

//! When the release stage runs: never under the locks of the one who removed the nodes.
//!
//! A task does it on its way back to user space, as fput() does: after VFS ended what it ends by
//! itself, and before the system call returns. A kernel thread, which has no such way, leaves it to
//! a work queue.
//!
//! A system call may sleep between its removal and its end for as long as its user likes, for
//! example sendmmsg(2) that removes a network device and then waits for a full socket. What others
//! watch is not to wait with it. So the work queue gets each batch, too, [`GRACE_MS`] later, and the
//! first who comes takes it ([`Batch::claim`]).
//!
//! C headers: `include/linux/task_work.h`, `include/linux/workqueue.h`.

use super::{
    batch::{Batch, Head, Retries, Todo},
    release, stats,
};
use crate::{
    compat::{ARef, Atomic, Full, Relaxed},
    node::Node,
    shim,
};
use core::ptr;
use kernel::{bindings, error::to_result, prelude::*};

/// How long a task may take from its removal to its way back to user space before the work queue
/// does the release stage for it.
const GRACE_MS: u32 = 8;

/// A node that could not be released is looked at again after 1, 2, 4… ms, but at least this often.
const MAX_RETRY_MS: u32 = 1024;

/// Batches that [`RELEASE`] is to come for, the last one first: the address of a [`Head`], or 0.
/// Linked through [`Head::into_address`].
static HEADS: Atomic<usize> = Atomic::new(0);

/// Nodes that [`RETRY`] is to look at again.
static RETRIES: Retries = Retries::new();

const RELEASE: shim::rkernfs_work = shim::rkernfs_work_RKERNFS_WORK_RELEASE;
/// A work of its own, so that it never holds the other one up.
const RETRY: shim::rkernfs_work = shim::rkernfs_work_RKERNFS_WORK_RETRY;

/// How many heads and retries somebody has yet to come for.
static PENDING: Atomic<usize> = Atomic::new(0);

/// The module goes: nobody is waited for any more.
static EXITING: Atomic<bool> = Atomic::new(false);

/// Has [`RELEASE`] come for `head` in `delay_ms`, or sooner.
fn enqueue(head: Head, delay_ms: u32) {
    PENDING.add(1, Relaxed);
    let (address, link) = head.into_address();
    let mut last = HEADS.load(Relaxed);
    loop {
        link.store(last, Relaxed);
        match HEADS.cmpxchg(last, address, Full) {
            Ok(_) => break,
            Err(now) => last = now,
        }
    }
    // SAFETY: The works are there as long as the module.
    unsafe { shim::rkernfs_work_queue(RELEASE, delay_ms) };
}

/// Comes for all heads that there are, the first one first.
fn run_release() {
    let mut rest = HEADS.xchg(0, Full);
    let mut first = 0;
    while rest != 0 {
        // SAFETY: Addresses on the queue are from `into_address()`, and this one was taken off it.
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
        come_for(head);
    }
}

/// Runs the release stage for the batch of `head`, unless somebody did.
fn come_for(head: Head) {
    if let Some(batch) = Batch::claim(&head) {
        release_all(batch);
    }
    drop(head);
    done(1);
}

fn run_retry() {
    done(release_all(RETRIES.take()));
}

/// Runs the release stage for each node, and returns how many there were.
fn release_all(mut batch: Batch) -> usize {
    let mut nodes = 0;
    while let Some((node, todo)) = batch.pop() {
        nodes += 1;
        let todo = release::release(&node, todo);
        if todo.is_done() {
            stats::NODES_RELEASED.add(1);
        } else {
            retry(node, todo);
        }
    }
    nodes
}

/// Puts a node off.
fn retry(node: ARef<Node>, mut todo: Todo) {
    stats::RETRIES.add(1);
    let delay_ms = MAX_RETRY_MS.min(1 << todo.attempts.min(31));
    todo.attempts = todo.attempts.saturating_add(1);
    PENDING.add(1, Relaxed);
    RETRIES.push(node, todo);
    // SAFETY: The works are there as long as the module.
    unsafe { shim::rkernfs_work_queue(RETRY, delay_ms) };
}

/// Takes `n` off those that somebody has yet to come for.
fn done(n: usize) {
    if n > 0 && PENDING.fetch_sub(n, Full) == n {
        // SAFETY: The address is that of a static; nothing is read through it.
        unsafe { bindings::wake_up_var(ptr::addr_of!(PENDING).cast_mut().cast()) };
    }
}

/// Has the release stage run for a batch, soon.
pub(super) fn defer(head: Head) {
    // SAFETY: Only looks at the current task.
    if unsafe { shim::rkernfs_returns_to_user() } {
        PENDING.add(1, Relaxed);
        let work = head.clone().into_work();
        // SAFETY: `work` is unused, and stays until it was run, as its reference is given away.
        if unsafe { shim::rkernfs_task_work_add(work, Some(run_task_work)) } == 0 {
            if !cfg!(omit_grace) {
                enqueue(head, GRACE_MS);
            }
            return;
        }
        // SAFETY: It was not added. The task exits.
        drop(unsafe { Head::from_work(work) });
        PENDING.fetch_sub(1, Relaxed);
    }
    enqueue(head, 0);
}

/// Whether the module goes, so that this is the last look.
pub(super) fn is_exiting() -> bool {
    EXITING.load(Relaxed)
}

/// # Safety
///
/// `work` must be what [`defer`] added.
unsafe extern "C" fn run_task_work(work: *mut bindings::callback_head) {
    // SAFETY: The task runs each work once.
    come_for(unsafe { Head::from_work(work) });
}

extern "C" fn run_work(which: shim::rkernfs_work) {
    if which == RELEASE {
        run_release();
    } else {
        run_retry();
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
        for which in [RELEASE, RETRY] {
            // SAFETY: The type's invariant has the works initialized.
            unsafe { shim::rkernfs_work_queue(which, 0) };
        }
        // SAFETY: The address is that of a static counter, which is only read.
        unsafe { shim::rkernfs_wait_var_zero(ptr::addr_of!(PENDING).cast_mut().cast()) };
        // SAFETY: Nothing is deferred any more.
        unsafe { shim::rkernfs_work_exit() };
        // A task may have been preempted between the last instructions of `run_task_work()`.
        // SAFETY: No lock is held, so it may sleep.
        unsafe { shim::rkernfs_synchronize_rcu_tasks() };
    }
}
