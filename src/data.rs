// SPDX-License-Identifier: GPL-2.0

//! Private data of nodes.
//!
//! In C, the owner of a hierarchy has to know when no task can reach `kernfs_node.priv` any more. Here the data belongs to the node: it comes with its creation, operations borrow it while
//! they have an active reference, and the removal path [retires](Retired) it when it has drained
//! and unlinked the node, so that there are none.

use crate::{node::Root, shim};
use core::ptr;
use kernel::{bindings, prelude::*, types::Opaque};

/// Data of type `T` as `kernfs_node.priv` has it: behind a header that knows how to drop it.
///
/// # Invariants
///
/// `header.release` is [`Data::<T>::release`](Data::release).
#[repr(C)]
pub(crate) struct Data<T> {
    header: Opaque<shim::rkernfs_data>,
    value: T,
}

// SAFETY: The header is only changed by the task that retires the data, and only once.
unsafe impl<T: Send> Send for Data<T> {}
// SAFETY: The header is not changed through a shared reference; `value` is `Sync` itself.
unsafe impl<T: Sync> Sync for Data<T> {}

impl<T: Send + Sync> Data<T> {
    pub(crate) fn new(value: T) -> Result<KBox<Self>> {
        let header = shim::rkernfs_data {
            release: Some(Self::release),
            next: ptr::null_mut(),
        };
        // INVARIANT: `release` is that of this type.
        let data = Self {
            header: Opaque::new(header),
            value,
        };
        Ok(KBox::new(data, GFP_KERNEL)?)
    }

    /// Turns it into what C carries, whose `release` drops it.
    pub(crate) fn into_raw(data: KBox<Self>) -> *mut shim::rkernfs_data {
        KBox::into_raw(data).cast()
    }

    /// # Safety
    ///
    /// `data` must come from [`Data::into_raw`] of the same type, and be given up.
    pub(crate) unsafe extern "C" fn release(data: *mut shim::rkernfs_data) {
        // SAFETY: The caller gives up what `into_raw()` of this type returned.
        drop(unsafe { KBox::from_raw(data.cast::<Self>()) });
    }
}

impl<T> Data<T> {
    /// The data of a node.
    ///
    /// # Safety
    ///
    /// `kn` must have been created with data of this type, which must not be released for `'a`.
    pub(crate) unsafe fn of<'a>(kn: *mut bindings::kernfs_node) -> &'a Self {
        // SAFETY: The caller promises the type, and that it is not released for `'a`.
        unsafe { &*(*kn).priv_.cast::<Self>() }
    }

    pub(crate) fn value(&self) -> &T {
        &self.value
    }
}

/// Data of removed nodes, dropped with the value: not under the locks of a hierarchy, as the drop
/// runs code of the hierarchy's owner. Nothing is allocated, nothing recurses.
///
/// # Invariants
///
/// `first` and what follows from it through `next`, up to null, is owned.
pub(crate) struct Retired {
    first: *mut shim::rkernfs_data,
}

impl Retired {
    pub(crate) const fn new() -> Self {
        // INVARIANT: There is nothing to own.
        Self {
            first: ptr::null_mut(),
        }
    }

    /// Takes the data of the node `kn`, if it has any that [`Data`] gave it.
    ///
    /// # Safety
    ///
    /// The caller must have drained and unlinked `kn`, a node of `root`.
    pub(crate) unsafe fn push(&mut self, kn: *mut bindings::kernfs_node, root: &Root) {
        if root.flags() & shim::RKERNFS_OWNS_DATA == 0 {
            return;
        }
        // SAFETY: The caller has the node; in such a hierarchy `priv` is what `into_raw()` gave.
        let data: *mut shim::rkernfs_data = unsafe { (*kn).priv_.cast() };
        // SAFETY: A node is unlinked once, so no other task retires its data; it is drained, so no
        // operation uses it.
        unsafe { (*data).next = self.first };
        // INVARIANT: What the node owned is the list's now.
        self.first = data;
    }
}

impl Drop for Retired {
    #[inline(always)]
    fn drop(&mut self) {
        // Only hierarchies of file systems in Rust have any.
        if !self.first.is_null() {
            self.release();
        }
    }
}

impl Retired {
    #[cold]
    fn release(&mut self) {
        for n in 1.. {
            let data = self.first;
            if data.is_null() {
                break;
            }
            // SAFETY: The type's invariant owns `data`, so it can be read.
            let (next, release) = unsafe { ((*data).next, (*data).release) };
            // INVARIANT: `data` is given to `release`, the rest stays.
            self.first = next;
            if let Some(release) = release {
                // SAFETY: By the invariant of `Data` it is the type's own; `data` is given up.
                unsafe { release(data) };
            }
            shim::resched_every(n);
        }
    }
}
