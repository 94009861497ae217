// SPDX-License-Identifier: GPL-2.0

//! The locks of a hierarchy. A held lock is a value.
//!
//! Lock order, outermost first:
//!
//! 1. `kernfs_supers_rwsem`, shared: [`Supers`]
//! 2. `kernfs_rwsem`, exclusive: [`Tree`], which contains the former
//! 3. `kernfs_iattr_rwsem`, exclusive: [`Iattr`], which borrows the former
//! 4. `i_lock` of an inode: [`LockedInode`](super::inode::LockedInode)
//!
//! A function that needs a lock takes a reference to the value, where C has
//! `lockdep_assert_held()`. `'id` ties a lock to the nodes of its own hierarchy: each call of
//! [`Tree::lock`] has one of its own, and only what was reached from the node that it locked is a
//! [`Member`] with the same.
//!
//! C header: `fs/kernfs/kernfs-internal.h`.

use super::{
    member::{Brand, Member},
    supers::Supers,
};
use crate::{
    node::{Node, Root},
    shim,
};
use core::{marker::PhantomData, ops::Deref};
use kernel::bindings;

/// What must be released by the task that took it: not `Send`.
type NotSend = PhantomData<*mut ()>;

/// `kernfs_rwsem` held, shared or exclusively: children, parents and names stay as they are while
/// the value is borrowed.
///
/// # Invariants
///
/// The current task holds the lock, and each [`Member`] with this `'id` is a node of its hierarchy.
pub(super) struct Shape<'id>(Brand<'id>, NotSend);

/// `kernfs_rwsem` held shared: nothing is removed. Below none of the others; only
/// `kernfs_iattr_rwsem` (shared) and `i_lock` may follow.
///
/// # Invariants
///
/// The current task holds the lock of `root`, whose nodes each [`Member`] with this `'id` is one of.
pub(super) struct Shared<'id> {
    root: &'id Root,
    shape: Shape<'id>,
}

impl Shared<'_> {
    /// Takes the lock of the hierarchy of `node`, sleeping until it is free, and has `f` work on
    /// it. The reference of `node` keeps the hierarchy.
    pub(super) fn lock<R>(
        node: &Node,
        f: impl for<'new, 'm> FnOnce(&'m Shared<'new>, &'m Member<'new>) -> R,
    ) -> R {
        let root = node.root();
        // SAFETY: The invariant of `Root` keeps it while it is borrowed.
        unsafe { bindings::down_read(root.kernfs_rwsem()) };
        // `f` takes any lifetime, so it cannot know that this one is that of the reference.
        // INVARIANT: Just taken; `f` gets the only brand of its kind.
        let lock = Shared {
            root,
            shape: Shape(PhantomData, PhantomData),
        };
        // SAFETY: `lock` locks the hierarchy of `node`, and has the only brand of its kind.
        f(&lock, unsafe { Member::new(node) })
    }
}

impl<'id> Deref for Shared<'id> {
    type Target = Shape<'id>;

    fn deref(&self) -> &Shape<'id> {
        &self.shape
    }
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant this task holds it, as the value cannot be sent.
        unsafe { bindings::up_read(self.root.kernfs_rwsem()) };
    }
}

/// `kernfs_rwsem` held exclusively, under [`Supers`]: only the owner of the value changes the tree's
/// shape.
///
/// # Invariants
///
/// The current task holds the lock of the root of `supers`, and each [`Member`] with this `'id` is
/// a node of that hierarchy.
pub(super) struct Tree<'id> {
    supers: Supers<'id>,
    shape: Shape<'id>,
}

impl<'id> Deref for Tree<'id> {
    type Target = Shape<'id>;

    fn deref(&self) -> &Shape<'id> {
        &self.shape
    }
}

impl<'id> Tree<'id> {
    /// Takes both locks of the hierarchy of `node` in order, sleeping until they are free, and has
    /// `f` work on it. The reference of `node` keeps the hierarchy.
    pub(super) fn lock<R>(
        node: &Node,
        f: impl for<'new, 'm> FnOnce(Tree<'new>, &'m Member<'new>) -> R,
    ) -> R {
        // `f` takes any lifetime, so it cannot know that this one is that of the reference.
        let tree = Tree::relock(node.root());
        // SAFETY: `tree` locks the hierarchy of `node`, and has the only brand of its kind.
        f(tree, unsafe { Member::new(node) })
    }

    fn relock(root: &'id Root) -> Self {
        let supers = Supers::lock(root);
        // SAFETY: The invariant of `Root` keeps it while it is borrowed.
        unsafe { bindings::down_write(root.kernfs_rwsem()) };
        // INVARIANT: Just taken; `lock()` and `unlocked()` ensure that the brand is right.
        Self {
            supers,
            shape: Shape(PhantomData, PhantomData),
        }
    }

    /// Releases both locks around `f`, and takes them again in order.
    ///
    /// For a drain: an active user may need either lock to finish.
    pub(super) fn unlocked(self, f: impl FnOnce()) -> Self {
        let root = self.supers.root();
        drop(self);
        f();
        // The hierarchy is the same, and so is what `'id` stands for.
        Self::relock(root)
    }

    /// Lets other tasks have the locks, if any waits for them.
    pub(super) fn give_way(self) -> Self {
        let root = self.root();
        // SAFETY: The invariant of `Root` keeps it; the locks are only looked at.
        let is_contended = |lock| unsafe { shim::rkernfs_rwsem_is_contended(lock) };
        let contended =
            is_contended(root.kernfs_rwsem()) || is_contended(root.kernfs_supers_rwsem());
        if contended {
            return self.unlocked(|| ());
        }
        self
    }

    pub(super) fn supers(&self) -> &Supers<'id> {
        &self.supers
    }

    pub(super) fn root(&self) -> &'id Root {
        self.supers.root()
    }

    /// Takes `kernfs_iattr_rwsem`.
    pub(super) fn iattr(&self) -> Iattr<'_, 'id> {
        // SAFETY: The invariant of `Root` keeps it; this task holds what comes before in the order.
        unsafe { bindings::down_write(self.root().kernfs_iattr_rwsem()) };
        // INVARIANT: Just taken.
        Iattr { tree: self }
    }

    /// Lockdep asserts what the types promise: that the locks of `member`'s own root are held.
    pub(super) fn assert_held(&self, member: &Member<'id>) {
        if cfg!(CONFIG_PROVE_LOCKING) {
            let root = member.root();
            // SAFETY: `member` is a node, whose root lives as long as it.
            unsafe { shim::rkernfs_rwsem_assert_held_read(root.kernfs_supers_rwsem()) };
            // SAFETY: The same.
            unsafe { shim::rkernfs_rwsem_assert_held_write(root.kernfs_rwsem()) };
        }
    }
}

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant this task holds it. `supers` follows when the fields are
        // dropped.
        unsafe { bindings::up_write(self.supers.root().kernfs_rwsem()) };
    }
}

/// `kernfs_iattr_rwsem` held exclusively, under [`Tree`]: no inode is refreshed.
///
/// # Invariants
///
/// The current task holds the lock of the root of `tree`.
pub(super) struct Iattr<'t, 'id> {
    tree: &'t Tree<'id>,
}

impl<'t, 'id> Iattr<'t, 'id> {
    pub(super) fn tree(&self) -> &'t Tree<'id> {
        self.tree
    }
}

impl Drop for Iattr<'_, '_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant this task holds it; a reference to a `Tree` is not sent.
        unsafe { bindings::up_write(self.tree.root().kernfs_iattr_rwsem()) };
    }
}
