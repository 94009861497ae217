// SPDX-License-Identifier: GPL-2.0

//! Files that changed, and whose watches have yet to get the event.
//!
//! A list of its own, under the lock of the kernel's. Both link nodes by `attr.notify_next`, where
//! anything but null says that a node is queued: so each is in one of them at most, also while
//! livepatch moves tasks from one `kernfs_notify()` to the other.

use crate::{compat::ARef, node::Node, shim};
use core::{
    cell::UnsafeCell,
    ptr::{self, NonNull},
};
use kernel::bindings;

/// # Invariants
///
/// `first` and what follows from it through `attr.notify_next`, up to `last` with [`END`], are
/// files; the queue owns a reference of each. Both are [`END`] if there are none.
struct List {
    first: *mut bindings::kernfs_node,
    last: *mut bindings::kernfs_node,
}

struct Queue(UnsafeCell<List>);

// SAFETY: The list is only reached through `Locked`.
unsafe impl Sync for Queue {}

/// What the last node points to: not null, and never followed.
const END: *mut bindings::kernfs_node = NonNull::dangling().as_ptr();

static QUEUE: Queue = Queue(UnsafeCell::new(List {
    first: END,
    last: END,
}));

/// The lock of both queues, held with interrupts off.
struct Locked {
    flags: kernel::ffi::c_ulong,
}

impl Locked {
    fn new() -> Self {
        // SAFETY: `Notify` exists, so the lock was found.
        let flags = unsafe { shim::rkernfs_notify_lock() };
        Self { flags }
    }

    fn list(&mut self) -> &mut List {
        // SAFETY: The value exists, so this CPU holds the lock; the borrow ends with the value.
        unsafe { &mut *QUEUE.0.get() }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // SAFETY: The value exists, so this CPU holds the lock.
        unsafe { shim::rkernfs_notify_unlock(self.flags) };
    }
}

/// The link of a file.
///
/// # Safety
///
/// `kn` must be a file with a reference that is held.
unsafe fn next(kn: *mut bindings::kernfs_node) -> *mut *mut bindings::kernfs_node {
    // SAFETY: The caller promises a file with a reference.
    unsafe { ptr::addr_of_mut!((*kn).__bindgen_anon_1.attr.notify_next) }
}

/// Adds `file`, unless it is queued already. Allocates nothing; from any context but NMI.
pub(super) fn push(file: &Node) {
    let kn = file.as_ptr();
    let mut locked = Locked::new();
    let list = locked.list();
    // SAFETY: The invariant of `Node` keeps the file; links change under the lock.
    if unsafe { !(*next(kn)).is_null() } {
        return;
    }
    // SAFETY: As for the look at it.
    unsafe { *next(kn) = END };
    // INVARIANT: The queue takes a reference with the file.
    let _: NonNull<Node> = ARef::into_raw(ARef::from(file));
    if list.first == END {
        list.first = kn;
    } else {
        // SAFETY: The type's invariant has a reference of the last file.
        unsafe { *next(list.last) = kn };
    }
    list.last = kn;
    drop(locked);
    // SAFETY: The current task, which is in a replacement, keeps the module loaded.
    unsafe { shim::rkernfs_notify_schedule() };
}

/// Takes the file that has been waiting longest. From here on it can be queued again.
pub(super) fn pop() -> Option<ARef<Node>> {
    let mut locked = Locked::new();
    let list = locked.list();
    let kn = list.first;
    if kn == END {
        return None;
    }
    // SAFETY: The type's invariant has a reference of the first file; links change under the lock.
    // INVARIANT: The rest is still a queue, and `kn`'s reference is the caller's.
    list.first = unsafe { next(kn).replace(ptr::null_mut()) };
    // SAFETY: The queue owned a reference, which becomes the value's.
    NonNull::new(kn.cast()).map(|node| unsafe { ARef::from_raw(node) })
}
