// SPDX-License-Identifier: GPL-2.0

//! What VFS has of a node: an inode in each superblock, and the dentries that lead to it.
//!
//! C headers: `include/linux/fs.h`, `include/linux/dcache.h`, `include/linux/fsnotify.h`.

use super::{Iattr, Node, Super};
use crate::shim;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::bindings;

/// A reference to the inode of a node in one superblock. Dropping it is `iput()`.
///
/// # Invariants
///
/// Holds a reference of the inode, which it got under a lock that keeps its superblock alive for
/// `'s`.
pub(crate) struct Inode<'s> {
    ptr: NonNull<bindings::inode>,
    _super: PhantomData<Super<'s>>,
}

impl<'s> Inode<'s> {
    /// Looks the inode of `node` up in `sb`, without making one. Wraps `ilookup()`; may sleep.
    pub(crate) fn lookup(sb: &Super<'s>, node: &Node) -> Option<Self> {
        // SAFETY: A `Super` is alive. `kernfs_ino()` is the id on 64-bit machines.
        let ptr = NonNull::new(unsafe { shim::rkernfs_ilookup(sb.sb(), node.id()) })?;
        // INVARIANT: `ilookup()` took a reference.
        let inode = Self {
            ptr,
            _super: PhantomData,
        };
        // SAFETY: `i_private` is set before the inode is unlocked, which `ilookup()` waits for.
        let owner = unsafe { (*ptr.as_ptr()).i_private };
        (owner.cast() == node.as_ptr()).then_some(inode)
    }

    /// Says that no link to the inode is left; VFS ends its watches with its last dentry then.
    ///
    /// Wraps `clear_nlink()`. The lock keeps `kernfs_refresh_inode()` away.
    pub(crate) fn clear_nlink(&self, _iattr: &Iattr<'_>) {
        // SAFETY: By the type invariant; link counts of kernfs inodes change under `_iattr`.
        unsafe { bindings::clear_nlink(self.ptr.as_ptr()) };
    }

    /// Finds a dentry of the inode by which it can still be looked up. Wraps `d_find_alias()`.
    pub(crate) fn hashed_alias(&self) -> Option<Alias> {
        // SAFETY: By the type invariant.
        let ptr = NonNull::new(unsafe { bindings::d_find_alias(self.ptr.as_ptr()) })?;
        // INVARIANT: `d_find_alias()` took a reference.
        let alias = Alias(ptr);
        // `d_find_alias()` also returns the unhashed dentry of a directory.
        (!alias.is_unhashed()).then_some(alias)
    }

    /// Who, besides the caller, keeps the inode.
    pub(crate) fn holders(&self) -> Holders {
        let inode = self.ptr.as_ptr();
        // SAFETY: By the type invariant.
        unsafe { shim::rkernfs_inode_lock(inode) };
        // SAFETY: By the type invariant; `i_lock` is held.
        let dentries = unsafe { shim::rkernfs_inode_dentries(inode) };
        // SAFETY: Reading a pointer that is not followed.
        let watched = unsafe { !(*inode).i_fsnotify_marks.is_null() };
        // SAFETY: By the type invariant.
        let references = unsafe { shim::rkernfs_inode_count(inode) };
        // SAFETY: Locked above.
        unsafe { shim::rkernfs_inode_unlock(inode) };
        Holders {
            dentries,
            watched,
            // The caller's own, one for each dentry, one for all marks together.
            others: references > 1 + dentries + i32::from(watched),
        }
    }

    /// Reports the inode as deleted and drops its marks. Wraps `fsnotify_inoderemove()`.
    pub(crate) fn report_removed(&self) {
        // SAFETY: By the type invariant.
        unsafe { shim::rkernfs_inoderemove(self.ptr.as_ptr()) };
    }
}

impl Drop for Inode<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::iput(self.ptr.as_ptr()) };
    }
}

/// What [`Inode::holders`] found.
pub(crate) struct Holders {
    /// Number of dentries.
    pub(crate) dentries: i32,
    /// The inode itself carries marks of inotify or fanotify.
    pub(crate) watched: bool,
    /// Somebody else: about to make a dentry, or to report the inode.
    pub(crate) others: bool,
}

/// A reference to a dentry. Dropping it is `dput()`.
///
/// # Invariants
///
/// Holds a reference.
pub(crate) struct Alias(NonNull<bindings::dentry>);

impl Alias {
    fn is_unhashed(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { shim::rkernfs_dentry_unhashed(self.0.as_ptr()) }
    }

    /// Makes the last reference end the dentry, and detaches what is mounted below.
    ///
    /// Wraps `d_invalidate()`; may sleep.
    pub(crate) fn invalidate(self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::d_invalidate(self.0.as_ptr()) };
    }
}

impl Drop for Alias {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::dput(self.0.as_ptr()) };
    }
}
