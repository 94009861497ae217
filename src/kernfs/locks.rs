// SPDX-License-Identifier: GPL-2.0

//! The locks of a hierarchy. A held lock is a value.
//!
//! Lock order, outermost first:
//!
//! 1. `kernfs_supers_rwsem`, shared: [`Supers`]
//! 2. `kernfs_rwsem`, exclusive: [`Tree`], which contains the former
//! 3. `kernfs_iattr_rwsem`, exclusive: [`Iattr`], which borrows the former
//!
//! A function that needs a lock takes a reference to the value, where C has
//! `lockdep_assert_held()`.
//!
//! C header: `fs/kernfs/kernfs-internal.h`.

use super::{root::Iter, root::ShownIn, Root};
use crate::shim;
use core::{cell::Cell, ffi::c_void, marker::PhantomData, ptr};

/// `kernfs_supers_rwsem` held shared: superblocks neither come nor go.
pub(crate) struct Supers<'r> {
    root: &'r Root,
    /// The namespace whose superblock shall be found sooner by the next one who looks for it.
    far: Cell<*const c_void>,
    // A lock is released by the task that took it: not `Send`.
    _not_send: PhantomData<*mut ()>,
}

impl<'r> Supers<'r> {
    /// Takes the lock; sleeps until it is free.
    pub(crate) fn lock(root: &'r Root) -> Self {
        // SAFETY: `root` is valid.
        unsafe { shim::rkernfs_supers_down_read(root.as_ptr()) };
        Self {
            root,
            far: Cell::new(ptr::null()),
            _not_send: PhantomData,
        }
    }

    pub(crate) fn root(&self) -> &'r Root {
        self.root
    }

    /// Whether any superblock has a mark that asks for `FAN_DELETE_SELF` of all it shows.
    pub(crate) fn any_reports_removal(&self) -> bool {
        // SAFETY: The list is stable under this lock.
        unsafe { shim::rkernfs_any_sb_reports_removal(self.root.as_ptr()) }
    }

    /// The superblocks that may have an inode of a node: all of them, unless it is, and always
    /// was, shown in one namespace only.
    pub(crate) fn knowing(&self, node: &ShownIn) -> Iter<'_> {
        Iter::new(self, if node.was_moved { ptr::null() } else { node.ns })
    }

    /// All superblocks.
    pub(crate) fn all(&self) -> Iter<'_> {
        Iter::new(self, ptr::null())
    }

    /// Brings the superblock of a namespace to the front of the list, when the lock is released.
    pub(super) fn bring_forward(&self, ns: *const c_void) {
        self.far.set(ns);
    }
}

impl Drop for Supers<'_> {
    fn drop(&mut self) {
        // SAFETY: The value exists, so this task holds the lock.
        unsafe { shim::rkernfs_supers_up_read(self.root.as_ptr()) };
        let far = self.far.get();
        if !far.is_null() {
            // SAFETY: The root is valid, and `far` is only compared.
            unsafe { shim::rkernfs_bring_forward(self.root.as_ptr(), far.cast()) };
        }
    }
}

/// `kernfs_supers_rwsem` held exclusively: nobody removes anything, as that takes [`Supers`]. A
/// node that was just created stays until there is a reference of it.
pub(super) struct Additions<'r> {
    root: &'r Root,
    _not_send: PhantomData<*mut ()>,
}

impl<'r> Additions<'r> {
    /// Takes the lock; sleeps until it is free.
    pub(super) fn lock(root: &'r Root) -> Self {
        // SAFETY: `root` is valid.
        unsafe { shim::rkernfs_supers_down_write(root.as_ptr()) };
        Self {
            root,
            _not_send: PhantomData,
        }
    }
}

impl Drop for Additions<'_> {
    fn drop(&mut self) {
        // SAFETY: The value exists, so this task holds the lock.
        unsafe { shim::rkernfs_supers_up_write(self.root.as_ptr()) };
    }
}

/// `kernfs_rwsem` held exclusively, under [`Supers`]: the tree's shape does not change.
pub(crate) struct Tree<'r> {
    supers: Supers<'r>,
}

impl<'r> Tree<'r> {
    /// Takes both locks in order; sleeps until they are free.
    pub(crate) fn lock(root: &'r Root) -> Self {
        let supers = Supers::lock(root);
        // SAFETY: `root` is valid.
        unsafe { shim::rkernfs_tree_down_write(root.as_ptr()) };
        Self { supers }
    }

    /// Gives both locks up around `f`, and takes them back in order.
    ///
    /// For whoever waits: an active user may need either lock to finish.
    pub(crate) fn unlocked(self, f: impl FnOnce()) -> Self {
        let root = self.supers.root();
        drop(self);
        f();
        Self::lock(root)
    }

    /// Lets others have the locks if they wait for them, and the CPU.
    pub(crate) fn give_way(self) -> Self {
        // SAFETY: Only locks are held under which sleeping is fine.
        unsafe { shim::rkernfs_cond_resched() };
        // SAFETY: The root is valid.
        if unsafe { shim::rkernfs_is_contended(self.supers.root().as_ptr()) } {
            return self.unlocked(|| ());
        }
        self
    }

    pub(crate) fn supers(&self) -> &Supers<'r> {
        &self.supers
    }

    /// Takes `kernfs_iattr_rwsem`.
    pub(crate) fn iattr(&self) -> Iattr<'_> {
        // SAFETY: The root is valid, as the guard borrows it.
        unsafe { shim::rkernfs_iattr_down_write(self.supers.root().as_ptr()) };
        Iattr { tree: self }
    }
}

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        // SAFETY: The value exists, so this task holds the lock. `supers` follows when the
        // fields are dropped.
        unsafe { shim::rkernfs_tree_up_write(self.supers.root().as_ptr()) };
    }
}

/// `kernfs_iattr_rwsem` held exclusively, under [`Tree`]: nobody refreshes an inode.
pub(crate) struct Iattr<'t> {
    tree: &'t Tree<'t>,
}

impl<'t> Iattr<'t> {
    pub(crate) fn tree(&self) -> &'t Tree<'t> {
        self.tree
    }
}

impl Drop for Iattr<'_> {
    fn drop(&mut self) {
        // SAFETY: The value exists, so this task holds the lock.
        unsafe { shim::rkernfs_iattr_up_write(self.tree.supers.root().as_ptr()) };
    }
}
