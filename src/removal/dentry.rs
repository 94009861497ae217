// SPDX-License-Identifier: GPL-2.0

//! The dentries that lead to an inode.
//!
//! C header: `include/linux/dcache.h`.

use crate::shim;
use core::{
    ptr::{self, NonNull},
    sync::atomic::{fence, Ordering},
};
use kernel::bindings;

/// `d_count()`. Who finds it 0 sees what the last user did before.
///
/// # Safety
///
/// `dentry` must be one that is kept.
pub(super) unsafe fn count(dentry: *mut bindings::dentry) -> i32 {
    // SAFETY: The caller keeps it; others may change the number.
    let count = unsafe {
        ptr::addr_of!((*dentry).d_lockref.__bindgen_anon_1.__bindgen_anon_1.count).read_volatile()
    };
    fence(Ordering::Acquire);
    count
}

/// `d_lock`.
///
/// # Safety
///
/// `dentry` must be one that is kept.
pub(super) unsafe fn lock_of(dentry: *mut bindings::dentry) -> *mut bindings::spinlock {
    // SAFETY: The caller keeps it.
    unsafe { ptr::addr_of_mut!((*dentry).d_lockref.__bindgen_anon_1.__bindgen_anon_1.lock) }
}

/// A reference to a dentry. Dropping it is `dput()`, which may sleep; with the last one, VFS reports
/// an inode without links.
///
/// # Invariants
///
/// Holds a reference.
pub(super) struct Alias(NonNull<bindings::dentry>);

impl Alias {
    // INVARIANT: Only called with what C returned with a reference.
    pub(super) fn from_referenced(ptr: NonNull<bindings::dentry>) -> Self {
        Self(ptr)
    }

    fn as_ptr(&self) -> *mut bindings::dentry {
        self.0.as_ptr()
    }

    /// Of a directory: drops the dentries in it, which pin its own. The unused ones at once; VFS drops
    /// the others with their last reference, also those that a lookup has yet to complete. `false` if
    /// more than `max_dropped` would have to be dropped, or more than `max_visited` visited.
    ///
    /// Users can create as many as they like, also of names that were not found. So no lock is held
    /// for longer than one takes.
    pub(super) fn drop_children(&self, max_dropped: usize, max_visited: usize) -> bool {
        let (mut last, mut dropped) = (ptr::null_mut(), 0);
        for n in 1.. {
            let mut used = false;
            // SAFETY: The reference keeps the directory, and that of `last` it.
            let child =
                unsafe { shim::rkernfs_uncache_child_after(self.as_ptr(), last, &mut used) };
            // Drops the dentry, unless another task uses it.
            Self::put(last);
            last = child;
            dropped += usize::from(!used);
            if child.is_null() {
                return true;
            }
            if dropped > max_dropped || n > max_visited {
                break;
            }
            shim::resched_every(n);
        }
        Self::put(last);
        false
    }

    /// Of a directory: whether neither it nor any dentry in it is in use, however many there are. A task
    /// that uses one of these could reach the directory from there; no other task can any more.
    pub(super) fn is_unused(&self) -> bool {
        let (mut nr, mut used) = (0, 0);
        let mut last = ptr::null_mut();
        loop {
            // SAFETY: The reference keeps the directory, and that of `last` it.
            let next = unsafe {
                shim::rkernfs_count_children_after(self.as_ptr(), last, &mut nr, &mut used)
            };
            Self::put(last);
            last = next;
            if used > 0 {
                Self::put(last);
                return false;
            }
            if last.is_null() {
                break;
            }
            shim::resched_every(0);
        }
        // SAFETY: The reference keeps the directory. Each child has one of it, and this is another.
        unsafe { count(self.as_ptr()) as usize == nr + 1 }
    }

    /// Puts a reference that C took, if it did.
    fn put(dentry: *mut bindings::dentry) {
        // INVARIANT: C took one.
        drop(NonNull::new(dentry).map(Self::from_referenced));
    }
}

impl Drop for Alias {
    fn drop(&mut self) {
        // SAFETY: The type's invariant has a reference, which is dropped here.
        unsafe { bindings::dput(self.as_ptr()) };
    }
}
