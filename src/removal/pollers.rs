// SPDX-License-Identifier: GPL-2.0

//! Waking tasks that sleep in poll(2), select(2) or epoll on a removed file.
//!
//! `kernfs_fop_poll()` returns `EPOLLERR | EPOLLPRI` as soon as the node is deactivated, but only to a
//! task that calls it. A task that called it before, and sleeps, is woken as by `kernfs_notify()`.

use crate::{
    compat::{ARef, AlwaysRefCounted},
    node::Node,
    shim,
};
use core::ptr::{self, NonNull};
use kernel::bindings;

/// Removed files that were open, whose pollers are woken with the drop of the value: not under the
/// locks of a hierarchy, as any number of them may poll one file. Nothing is allocated.
///
/// # Invariants
///
/// `first` and what follows from it through `rb.rb_right`, up to null, are unlinked files; the value
/// owns a reference of each.
pub(super) struct Pollers {
    first: *mut bindings::kernfs_node,
}

impl Pollers {
    pub(super) const fn new() -> Self {
        // INVARIANT: There is none.
        Self {
            first: ptr::null_mut(),
        }
    }

    /// Adds `file`.
    ///
    /// # Safety
    ///
    /// The caller must have unlinked `file` just now.
    pub(super) unsafe fn push(&mut self, file: &Node) {
        file.inc_ref();
        let kn = file.as_ptr();
        // SAFETY: The invariant of `Node` keeps it; nothing else uses the field of an unlinked one
        // before its batch is submitted.
        unsafe { (*kn).rb.rb_right = self.first.cast() };
        // INVARIANT: `kn` is followed by the others, and its reference was taken above.
        self.first = kn;
    }
}

impl Drop for Pollers {
    #[inline(always)]
    fn drop(&mut self) {
        // Most removed files are not open.
        if !self.first.is_null() {
            self.wake();
        }
    }
}

impl Pollers {
    #[cold]
    fn wake(&mut self) {
        for n in 1.. {
            let Some(kn) = NonNull::new(self.first) else {
                break;
            };
            // SAFETY: The type's invariant owns a reference, which becomes the value's.
            let file: ARef<Node> = unsafe { ARef::from_raw(kn.cast()) };
            // INVARIANT: The rest is still a list, and the reference of `kn` is `file`'s now.
            // SAFETY: `file` keeps the node; the type's invariant says what the field is.
            self.first = unsafe { (*file.as_ptr()).rb.rb_right }.cast();
            // SAFETY: `file` keeps the node, which is a file.
            unsafe { shim::rkernfs_wake_all_pollers(file.as_ptr()) };
            shim::resched_every(n);
        }
    }
}
