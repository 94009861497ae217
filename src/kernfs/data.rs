// SPDX-License-Identifier: GPL-2.0

//! Private data of nodes.
//!
//! C leaves it to the owner of a hierarchy to know when nobody can reach `kernfs_node.priv` any
//! more. Here the data belongs to the node: it comes with its creation, operations borrow it while
//! they have an active reference, and the removal path [retires](Retired) it when it has drained
//! and unlinked the node, so that there are none.

use super::{Node, Tree};
use crate::shim;
use core::ptr;
use kernel::{bindings, prelude::*, types::Opaque};

/// Drops between two scheduling points.
const RESCHED_INTERVAL: usize = 64;

/// Data of type `T` as `kernfs_node.priv` has it: behind a header that knows how to drop it.
#[repr(C)]
pub(super) struct Data<T> {
    header: Opaque<shim::rkernfs_data>,
    value: T,
}

// SAFETY: The header is only changed by whoever retires the node, and only once.
unsafe impl<T: Send> Send for Data<T> {}
// SAFETY: As above.
unsafe impl<T: Sync> Sync for Data<T> {}

impl<T: Send + Sync> Data<T> {
    pub(super) fn new(value: T) -> Result<KBox<Self>> {
        let header = shim::rkernfs_data {
            release: Some(Self::release),
            next: ptr::null_mut(),
        };
        let data = Self {
            header: Opaque::new(header),
            value,
        };
        Ok(KBox::new(data, GFP_KERNEL)?)
    }

    /// Turns it into what C carries, whose `release` drops it.
    pub(super) fn into_raw(data: KBox<Self>) -> *mut shim::rkernfs_data {
        KBox::into_raw(data).cast()
    }

    /// # Safety
    ///
    /// `data` must come from [`Data::into_raw`] of the same type.
    pub(super) unsafe extern "C" fn release(data: *mut shim::rkernfs_data) {
        // SAFETY: By the safety requirements.
        drop(unsafe { KBox::from_raw(data.cast::<Self>()) });
    }
}

impl<T> Data<T> {
    /// The data of a node.
    ///
    /// # Safety
    ///
    /// `kn` must have been created with data of this type, which must not be released for `'a`.
    pub(super) unsafe fn of<'a>(kn: *mut bindings::kernfs_node) -> &'a Self {
        // SAFETY: By the safety requirements.
        unsafe { &*(*kn).priv_.cast::<Self>() }
    }

    pub(super) fn value(&self) -> &T {
        &self.value
    }
}

/// Data of removed nodes, dropped with the value: not under the locks of a hierarchy, as the drop
/// runs code of the hierarchy's owner. Nothing is allocated, nothing recurses.
///
/// # Invariants
///
/// `first` and what follows from it through `next` are owned references.
pub(crate) struct Retired {
    first: *mut shim::rkernfs_data,
}

impl Retired {
    pub(crate) const fn new() -> Self {
        Self {
            first: ptr::null_mut(),
        }
    }

    /// Takes the data of `node`, if it has any that these abstractions gave it.
    ///
    /// # Safety
    ///
    /// The caller must have drained and unlinked `node`.
    pub(crate) unsafe fn push(&mut self, node: &Node, tree: &Tree<'_>) {
        let root = tree.supers().root();
        // SAFETY: By `node`'s invariant; it is in the locked tree.
        let data = unsafe { shim::rkernfs_data_of(root.as_ptr(), node.as_ptr()) };
        if !data.is_null() {
            // SAFETY: A node is unlinked once, so nobody else retires it.
            unsafe { (*data).next = self.first };
            // INVARIANT: The node's reference is the list's now.
            self.first = data;
        }
    }
}

impl Drop for Retired {
    fn drop(&mut self) {
        for n in 1.. {
            let data = self.first;
            if data.is_null() {
                break;
            }
            // SAFETY: By the type invariant.
            self.first = unsafe { (*data).next };
            // SAFETY: By the type invariant; the list lets go of it.
            unsafe { shim::rkernfs_data_release(data) };
            if n % RESCHED_INTERVAL == 0 {
                // SAFETY: No lock is held.
                unsafe { shim::rkernfs_cond_resched() };
            }
        }
    }
}
