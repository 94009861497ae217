// SPDX-License-Identifier: GPL-2.0

//! Counted references.
//!
//! C header: `include/linux/kernfs.h` (`kernfs_get()`).

use super::Node;
use crate::compat::ARef;
use core::{borrow::Borrow, marker::PhantomData, ops::Deref, ptr::NonNull};
use kernel::bindings;

/// What stands for a node, and has its layout.
///
/// # Safety
///
/// The type must be a transparent wrapper of [`Node`].
pub unsafe trait Typed: Borrow<Node> {}

// SAFETY: It is the type itself.
unsafe impl Typed for Node {}

/// A counted reference of a node.
///
/// Creating a node returns one; none can be made of the reference that an operation has of
/// its own node, or of the directory that this is in: removing these waits for the operation.
///
/// # Examples
///
/// ```
/// # fn example(parent: &Dir<Groups>) -> Result {
/// let dir: Counted<Dir<Groups>> = parent.create_dir(c"users", 0o755, Owner::ROOT, ())?;
/// Dir::remove(&dir)?;
/// # Ok(())
/// # }
/// ```
///
/// # Invariants
///
/// The node is one that an `N` stands for.
pub struct Counted<N>(ARef<Node>, PhantomData<fn() -> N>);

impl<N: Typed> Counted<N> {
    /// Takes another reference.
    pub(super) fn get(node: &N) -> Self {
        // INVARIANT: `node` stands for it.
        Self(node.borrow().into(), PhantomData)
    }

    /// # Safety
    ///
    /// `kn` must be a node that an `N` stands for, with a reference that is the caller's to give.
    pub(super) unsafe fn from_raw(kn: NonNull<bindings::kernfs_node>) -> Self {
        // INVARIANT: The caller promises what it is.
        // SAFETY: The caller gives the reference.
        Self(unsafe { ARef::from_raw(kn.cast()) }, PhantomData)
    }

    /// The node, with the reference.
    pub(super) fn into_raw(self) -> *mut bindings::kernfs_node {
        ARef::into_raw(self.0).as_ptr().cast()
    }
}

impl<N> Clone for Counted<N> {
    fn clone(&self) -> Self {
        // INVARIANT: The same node.
        Self(self.0.clone(), PhantomData)
    }
}

impl<N: Typed> Deref for Counted<N> {
    type Target = N;

    fn deref(&self) -> &N {
        // SAFETY: By the type's invariant; the layout is the same. `self` keeps the node.
        unsafe { &*self.0.as_ptr().cast::<N>() }
    }
}
