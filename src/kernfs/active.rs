// SPDX-License-Identifier: GPL-2.0

//! Active references.
//!
//! C header: `include/linux/kernfs.h` (`kernfs_break_active_protection()`).

use super::{Counted, Typed};
use crate::shim;
use core::{cell::Cell, ops::Deref};

/// A node while one of its operations runs.
///
/// kernfs calls operations with an active reference: the removal of the node waits until they
/// return, so what the node carries can be used. An operation that removes the node itself has to
/// give that up first, or the removal would wait for it forever: [`Active::break_protection`]
/// consumes the value, and with it every borrow of the node's data. kernfs wants the reference
/// back when the operation ends; that is seen to, whatever the operation does.
///
/// # Examples
///
/// ```
/// fn rmdir(dir: Active<'_, Dir<Groups>>) -> Result {
///     if dir.has_subdirs() {
///         return Err(EBUSY);
///     }
///     Dir::remove(&dir.break_protection())
/// }
/// ```
///
/// # Invariants
///
/// The caller of the operation holds an active reference of `node`, unless `broken`.
pub struct Active<'a, N> {
    node: &'a N,
    // A shared `Cell` also keeps the value from being sent to another task.
    broken: &'a Cell<bool>,
}

impl<'a, N: Typed> Active<'a, N> {
    /// Runs an operation of `node`.
    ///
    /// # Safety
    ///
    /// The caller must hold an active reference of `node` until this returns.
    pub(super) unsafe fn enter<R>(node: &N, operation: impl FnOnce(Active<'_, N>) -> R) -> R {
        let broken = Cell::new(false);
        // INVARIANT: The caller holds the active reference.
        let ret = operation(Active {
            node,
            broken: &broken,
        });
        if broken.get() {
            // SAFETY: `break_protection()` broke it in this operation.
            unsafe { shim::rkernfs_unbreak_active_protection(node.borrow().as_ptr()) };
        }
        ret
    }

    /// Gives the active reference up: from here on the node may be removed, and can be by this
    /// operation.
    ///
    /// Wraps `kernfs_break_active_protection()`. `kernfs_unbreak_active_protection()` is called
    /// when the operation has returned.
    pub fn break_protection(self) -> Counted<N> {
        self.broken.set(true);
        // SAFETY: The type's invariant has an active reference; the value is consumed, so this is
        // done once.
        unsafe { shim::rkernfs_break_active_protection(self.node.borrow().as_ptr()) };
        Counted::get(self.node)
    }

    /// Gives the value up to C functions that break and unbreak the protection themselves.
    pub(super) fn into_node(self) -> &'a N {
        self.node
    }
}

impl<N> Deref for Active<'_, N> {
    type Target = N;

    fn deref(&self) -> &N {
        self.node
    }
}
