// SPDX-License-Identifier: GPL-2.0

//! A node that is known to be in the hierarchy whose locks are held.

use crate::{compat::AlwaysRefCounted, node::Node};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::{self, NonNull},
};
use kernel::bindings;

/// A lifetime that is equal to none but itself.
pub(super) type Brand<'id> = PhantomData<fn(&'id ()) -> &'id ()>;

/// A node of the hierarchy whose lock has the brand `'id`.
///
/// # Invariants
///
/// The node is in the hierarchy that [`Tree<'id>`](super::locks::Tree) locks.
#[repr(transparent)]
pub(super) struct Member<'id>(Node, Brand<'id>);

// SAFETY: References are counted by `Node`, whose layout this is.
unsafe impl AlwaysRefCounted for Member<'_> {
    fn inc_ref(&self) {
        self.0.inc_ref();
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference that it owns; the layout is that of `Node`.
        unsafe { Node::dec_ref(obj.cast()) };
    }
}

impl Deref for Member<'_> {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.0
    }
}

impl<'id> Member<'id> {
    /// # Safety
    ///
    /// `node` must be in the hierarchy that `Tree<'id>` locks.
    pub(super) unsafe fn new(node: &Node) -> &Self {
        // SAFETY: The layout is that of `Node`.
        // INVARIANT: The caller promises the hierarchy.
        unsafe { &*ptr::from_ref(node).cast() }
    }

    /// # Safety
    ///
    /// `kn` must be a node of the hierarchy that `Tree<'id>` locks, with a reference for `'t`.
    pub(super) unsafe fn from_raw<'t>(kn: *mut bindings::kernfs_node) -> &'t Self {
        // SAFETY: The caller promises the reference and the hierarchy.
        unsafe { Self::new(Node::from_raw(kn)) }
    }
}
