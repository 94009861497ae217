// SPDX-License-Identifier: GPL-2.0

//! The locks that a notification needs of a hierarchy.

use crate::{
    compat::c_str,
    node::{name_of, parent_of, Node},
    removal::supers::Supers,
};
use core::ffi::CStr;
use kernel::{bindings, ffi::c_char};

/// `kernfs_rwsem` held shared, under [`Supers`]: no node is removed or renamed, and inodes may be
/// created of them, as by `kernfs_iop_lookup()`.
///
/// # Invariants
///
/// The current task holds the lock of the root of `supers`.
pub(super) struct SharedTree<'a> {
    supers: &'a Supers<'a>,
}

impl<'a> SharedTree<'a> {
    /// Takes the lock under the one that is held; sleeps until it is free.
    pub(super) fn lock(supers: &'a Supers<'_>) -> Self {
        // SAFETY: The invariant of `Root` keeps it; what comes before in the order is held.
        unsafe { bindings::down_read(supers.root().kernfs_rwsem()) };
        // INVARIANT: Just taken.
        Self { supers }
    }

    /// The directory that the file `node` is, or was, in.
    pub(super) fn parent<'t>(&'t self, node: &'t Node) -> &'t Node {
        // SAFETY: Only the root, which is no file, has none. A node keeps a reference of its
        // parent, which a rename changes under `kernfs_rwsem` (exclusive).
        unsafe { Node::from_raw(parent_of(node.as_ptr())) }
    }

    pub(super) fn name(&self, node: &Node) -> Name {
        // SAFETY: The name is a string, which a rename changes under `kernfs_rwsem` (exclusive).
        Name::copy(unsafe { c_str(name_of(node.as_ptr())) })
    }
}

impl Drop for SharedTree<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant this task holds it.
        unsafe { bindings::up_read(self.supers.root().kernfs_rwsem()) };
    }
}

/// The longest name that can be looked up.
const NAME_MAX: usize = bindings::NAME_MAX as usize;

/// What a node was called under the lock.
pub(super) struct Name([u8; NAME_MAX + 1]);

impl Name {
    fn copy(name: &CStr) -> Self {
        let mut copy = [0; NAME_MAX + 1];
        for (to, from) in copy[..NAME_MAX].iter_mut().zip(name.to_bytes()) {
            *to = *from;
        }
        Self(copy)
    }

    pub(super) fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }
}
