// SPDX-License-Identifier: GPL-2.0

//! The locks that a notification needs of a hierarchy.

use crate::{
    compat::c_str,
    node::{name_of, parent_of, Node},
    removal::locks::Supers,
};
use core::ffi::CStr;
use kernel::bindings;

/// `kernfs_rwsem` held shared, under [`Supers`]: nodes neither go nor get another name or parent,
/// and inodes may be made of them, as `kernfs_iop_lookup()` does.
///
/// # Invariants
///
/// The current task holds the lock of the root of `supers`.
pub(super) struct SharedTree<'r> {
    supers: Supers<'r>,
}

impl<'r> SharedTree<'r> {
    /// Takes the lock under the one that is held; sleeps until it is free.
    pub(super) fn lock(supers: Supers<'r>) -> Self {
        // SAFETY: The invariant of `Root` keeps it; what comes before in the order is held.
        unsafe { bindings::down_read(supers.root().kernfs_rwsem()) };
        // INVARIANT: Just taken.
        Self { supers }
    }

    pub(super) fn supers(&self) -> &Supers<'r> {
        &self.supers
    }

    /// The directory that the file `node` is, or was, in.
    pub(super) fn parent<'t>(&'t self, node: &'t Node) -> &'t Node {
        // SAFETY: Only the root, which is no file, has none. A node keeps a reference of its
        // parent, which a rename changes under `kernfs_rwsem` (exclusive).
        unsafe { Node::from_raw(parent_of(node.as_ptr())) }
    }

    pub(super) fn name<'t>(&'t self, node: &'t Node) -> &'t CStr {
        // SAFETY: The name is a string, which a rename changes under `kernfs_rwsem` (exclusive).
        unsafe { c_str(name_of(node.as_ptr())) }
    }
}

impl Drop for SharedTree<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant this task holds it. `supers` follows when the fields are
        // dropped.
        unsafe { bindings::up_read(self.supers.root().kernfs_rwsem()) };
    }
}
