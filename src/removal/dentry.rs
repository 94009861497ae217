// SPDX-License-Identifier: GPL-2.0

//! The dentries that lead to an inode.
//!
//! C header: `include/linux/dcache.h`.

use crate::shim;
use core::ptr::{self, NonNull};
use kernel::bindings;

/// `d_count()`.
///
/// # Safety
///
/// `dentry` must be one that is kept.
pub(super) unsafe fn count(dentry: *mut bindings::dentry) -> i32 {
    // SAFETY: The caller keeps it; others may change the number.
    unsafe {
        ptr::addr_of!((*dentry).d_lockref.__bindgen_anon_1.__bindgen_anon_1.count).read_volatile()
    }
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

/// A reference to a dentry. Dropping it is `dput()`, which may sleep and, with the last one, has
/// VFS report an inode without links.
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

    pub(super) fn is_unhashed(&self) -> bool {
        // SAFETY: The reference keeps the dentry.
        unsafe { shim::rkernfs_dentry_unhashed(self.as_ptr()) }
    }

    /// Of a directory: drops what it has of names that were not found, which would keep its own
    /// dentry; in use, with the last reference. And what nobody uses: `shrink_dcache_parent()`. May
    /// sleep.
    pub(super) fn drop_children(&self) {
        self.unhash_negative_children();
        // SAFETY: The reference keeps the dentry.
        unsafe { bindings::shrink_dcache_parent(self.as_ptr()) };
    }

    fn unhash_negative_children(&self) {
        let lock = |dentry| {
            // SAFETY: Only called with a dentry that a reference, or its parent's lock, keeps.
            unsafe { lock_of(dentry) }
        };
        let mut child = ptr::null_mut();
        // SAFETY: The lock is that of a dentry that the reference keeps.
        unsafe { shim::rkernfs_spin_lock(lock(self.as_ptr())) };
        loop {
            // SAFETY: The parent's lock keeps the list; `child` is null or on it.
            child = unsafe { shim::rkernfs_next_child(self.as_ptr(), child) };
            if child.is_null() {
                break;
            }
            // SAFETY: A child stays while its parent is locked, whose lock comes first.
            unsafe { shim::rkernfs_spin_lock_nested(lock(child)) };
            // SAFETY: The lock of `child` is held.
            if unsafe { shim::rkernfs_dentry_is_negative(child) } {
                // SAFETY: `child` is kept, and its lock held.
                unsafe { bindings::__d_drop(child) };
            }
            // SAFETY: This task took the lock above.
            unsafe { shim::rkernfs_spin_unlock(lock(child)) };
        }
        // SAFETY: This task took the lock above.
        unsafe { shim::rkernfs_spin_unlock(lock(self.as_ptr())) };
    }
}

impl Drop for Alias {
    fn drop(&mut self) {
        // SAFETY: The type's invariant has a reference, which goes.
        unsafe { bindings::dput(self.as_ptr()) };
    }
}
