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

use super::{node::Member, supers};
use crate::{
    node::{Node, Root},
    shim,
};
use core::marker::PhantomData;

/// A lifetime that is equal to none but itself.
pub(super) type Brand<'id> = PhantomData<fn(&'id ()) -> &'id ()>;

/// What must be released by the task that took it: not `Send`.
type NotSend = PhantomData<*mut ()>;

/// `kernfs_supers_rwsem` held shared: superblocks neither come nor go.
///
/// # Invariants
///
/// The current task holds the lock of `root`.
pub(crate) struct Supers<'r> {
    root: &'r Root,
    /// [`supers::hints`] when the lock was taken.
    hints: u32,
    _not_send: NotSend,
}

impl<'r> Supers<'r> {
    /// Takes the lock; sleeps until it is free.
    pub(crate) fn lock(root: &'r Root) -> Self {
        let hints = supers::hints();
        supers::move_wanted_to_front(root, hints);
        // SAFETY: The invariant of `Root` keeps it while it is borrowed.
        unsafe { shim::rkernfs_supers_down_read(root.as_ptr()) };
        // INVARIANT: Just taken.
        Self {
            root,
            hints,
            _not_send: PhantomData,
        }
    }

    pub(crate) fn root(&self) -> &'r Root {
        self.root
    }

    pub(super) fn hints(&self) -> u32 {
        self.hints
    }
}

impl Drop for Supers<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant this task holds it, as the value cannot be sent.
        unsafe { shim::rkernfs_supers_up_read(self.root.as_ptr()) };
    }
}

/// `kernfs_supers_rwsem` held exclusively: nobody removes anything, as that takes [`Supers`]. A
/// node that was just created stays until there is a reference of it.
///
/// # Invariants
///
/// The current task holds the lock of `root`.
pub(crate) struct RemovalsExcluded<'r> {
    root: &'r Root,
    _not_send: NotSend,
}

impl<'r> RemovalsExcluded<'r> {
    /// Takes the lock; sleeps until it is free.
    pub(crate) fn lock(root: &'r Root) -> Self {
        // SAFETY: The invariant of `Root` keeps it while it is borrowed.
        unsafe { shim::rkernfs_supers_down_write(root.as_ptr()) };
        // INVARIANT: Just taken.
        Self {
            root,
            _not_send: PhantomData,
        }
    }
}

impl Drop for RemovalsExcluded<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant this task holds it, as the value cannot be sent.
        unsafe { shim::rkernfs_supers_up_write(self.root.as_ptr()) };
    }
}

/// `kernfs_rwsem` held exclusively, under [`Supers`]: the tree's shape does not change.
///
/// # Invariants
///
/// The current task holds the lock of the root of `supers`, and each [`Member`] with this `'id` is
/// a node of that hierarchy.
pub(super) struct Tree<'id> {
    supers: Supers<'id>,
    _brand: Brand<'id>,
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
        unsafe { shim::rkernfs_tree_down_write(root.as_ptr()) };
        // INVARIANT: Just taken; `lock()` and `unlocked()` see to the brand.
        Self {
            supers,
            _brand: PhantomData,
        }
    }

    /// Gives both locks up around `f`, and takes them back in order.
    ///
    /// For the one who waits: an active user may need either lock to finish.
    pub(super) fn unlocked(self, f: impl FnOnce()) -> Self {
        let root = self.supers.root();
        drop(self);
        f();
        // The hierarchy is the same, and so is what `'id` stands for.
        Self::relock(root)
    }

    /// Lets others have the locks, if they wait for them.
    pub(super) fn give_way(self) -> Self {
        let root = self.root().as_ptr();
        // SAFETY: The invariant of `Root` keeps it; the locks are only looked at.
        let contended = unsafe {
            shim::rkernfs_tree_is_contended(root) || shim::rkernfs_supers_is_contended(root)
        };
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
        unsafe { shim::rkernfs_iattr_down_write(self.root().as_ptr()) };
        // INVARIANT: Just taken.
        Iattr { tree: self }
    }

    /// Has lockdep say that the locks of `member`'s own root are held: what the types promise.
    pub(super) fn assert_held(&self, member: &Member<'id>) {
        if cfg!(CONFIG_PROVE_LOCKING) {
            // SAFETY: `member` is a node, whose root lives as long as it.
            unsafe { shim::rkernfs_tree_assert_held(member.root().as_ptr()) };
        }
    }
}

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant this task holds it. `supers` follows when the fields are
        // dropped.
        unsafe { shim::rkernfs_tree_up_write(self.supers.root().as_ptr()) };
    }
}

/// `kernfs_iattr_rwsem` held exclusively, under [`Tree`]: nobody refreshes an inode.
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
        unsafe { shim::rkernfs_iattr_up_write(self.tree.root().as_ptr()) };
    }
}
