// SPDX-License-Identifier: GPL-2.0

//! What VFS has of a node: an inode in each superblock, and the dentries that lead to it.
//!
//! C headers: `include/linux/fs.h`, `include/linux/dcache.h`, `include/linux/fsnotify.h`.

use super::{Iattr, Node, Super, Tree};
use crate::shim;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{bindings, error::from_err_ptr};

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
        // SAFETY: A `Super` is alive. The node's id is its `kernfs_ino()` on 64-bit machines.
        let inode = Self::from_raw(unsafe { shim::rkernfs_ilookup(sb.sb(), node.id()) })?;
        // SAFETY: `i_private` is set before the inode is unlocked, which `ilookup()` waits for.
        let owner = unsafe { (*inode.as_ptr()).i_private };
        (owner.cast() == node.as_ptr()).then_some(inode)
    }

    /// Looks the inode up, or makes it. Wraps `kernfs_get_inode()`; allocates, may sleep.
    ///
    /// The lock is what `kernfs_iop_lookup()` calls it under.
    pub(crate) fn get(sb: &Super<'s>, node: &Node, _tree: &Tree<'_>) -> Option<Self> {
        // SAFETY: A `Super` is alive, and so is `node`, by its invariant.
        Self::from_raw(unsafe { shim::rkernfs_get_inode(sb.sb(), node.as_ptr()) })
    }

    /// The same as [`Inode::get`], whose caller holds `kernfs_rwsem` shared.
    pub(crate) fn get_shared(sb: &Super<'s>, node: &Node) -> Option<Self> {
        // SAFETY: As in `Inode::get()`.
        Self::from_raw(unsafe { shim::rkernfs_get_inode(sb.sb(), node.as_ptr()) })
    }

    // INVARIANT: Only called with what C returned with a reference.
    fn from_raw(ptr: *mut bindings::inode) -> Option<Self> {
        Some(Self {
            ptr: NonNull::new(ptr)?,
            _super: PhantomData,
        })
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::inode {
        self.ptr.as_ptr()
    }

    /// Whether a link to the inode is left.
    pub(crate) fn is_linked(&self, _iattr: &Iattr<'_>) -> bool {
        // SAFETY: By the type invariant; link counts of kernfs inodes change under `_iattr`.
        unsafe { (*self.as_ptr()).__bindgen_anon_1.i_nlink != 0 }
    }

    /// Says that no link to the inode is left, and returns who keeps it. Wraps `clear_nlink()`.
    ///
    /// Both under `i_lock`, as VFS decides what the last dentry's end means. `_iattr` keeps
    /// `kernfs_refresh_inode()` away.
    pub(crate) fn clear_nlink(&self, _iattr: &Iattr<'_>) -> Holders {
        self.locked(|| {
            // SAFETY: By the type invariant; link counts of kernfs inodes change under `_iattr`.
            unsafe { bindings::clear_nlink(self.as_ptr()) };
            self.holders_locked()
        })
    }

    /// Keeps the inode and its superblock until [`Inode::unpin`].
    ///
    /// Does nothing if the superblock is being unmounted, which ends its watches.
    pub(crate) fn pin(self) -> bool {
        // SAFETY: By the type invariant.
        let pinned = unsafe { shim::rkernfs_pin_inode(self.as_ptr()) };
        if pinned {
            // The pin took the reference over.
            core::mem::forget(self);
        }
        pinned
    }

    pub(crate) fn is_pinned(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { shim::rkernfs_inode_is_pinned(self.as_ptr()) }
    }

    /// Undoes [`Inode::pin`]; the caller ends up with the reference of the superblock.
    pub(crate) fn unpin(self) -> ActiveSuper {
        debug_assert!(self.is_pinned());
        // SAFETY: By the type invariant.
        let sb = unsafe { shim::rkernfs_unpin_inode(self.as_ptr()) };
        // SAFETY: The pin's reference.
        unsafe { bindings::iput(self.as_ptr()) };
        ActiveSuper(sb)
    }

    /// Finds a dentry of the inode by which it can be looked up; of a directory, also an unhashed
    /// one. Wraps `d_find_alias()`.
    fn alias(&self) -> Option<Alias> {
        // SAFETY: By the type invariant.
        let ptr = NonNull::new(unsafe { bindings::d_find_alias(self.as_ptr()) })?;
        // INVARIANT: `d_find_alias()` took a reference.
        Some(Alias(ptr))
    }

    /// Finds a dentry of the inode by which it can still be looked up.
    pub(crate) fn hashed_alias(&self) -> Option<Alias> {
        self.alias().filter(|alias| !alias.is_unhashed())
    }

    /// Of a removed directory: has lookups in it make no dentry any more, and drops those of names
    /// that were not found, which would keep the directory's. `false` while a lookup that began
    /// before may be under way. What rmdir(2) does with `S_DEAD` and `shrink_dcache_parent()`; may
    /// sleep.
    pub(crate) fn mark_dead(&self) -> bool {
        // SAFETY: By the type invariant.
        let unsearched = unsafe { shim::rkernfs_mark_dead(self.as_ptr()) };
        if let Some(alias) = self.alias() {
            alias.drop_children();
        }
        unsearched
    }

    /// Gives the inode a dentry, as whoever opens a file handle of it would, or finds the one that
    /// it has. Being in no directory, it goes with its last reference. `None` if there is no memory
    /// for it. Wraps `d_obtain_alias()`; may sleep.
    pub(crate) fn obtain_alias(&self) -> Option<Alias> {
        // SAFETY: By the type invariant.
        unsafe { bindings::ihold(self.as_ptr()) };
        // SAFETY: The reference just taken is consumed.
        let dentry = unsafe { bindings::d_obtain_alias(self.as_ptr()) };
        // INVARIANT: `d_obtain_alias()` took a reference.
        from_err_ptr(dentry).ok().and_then(NonNull::new).map(Alias)
    }

    /// Who keeps the inode.
    pub(crate) fn holders(&self) -> Holders {
        self.locked(|| self.holders_locked())
    }

    /// Runs `f` under `i_lock`.
    fn locked<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: By the type invariant.
        unsafe { shim::rkernfs_inode_lock(self.as_ptr()) };
        let ret = f();
        // SAFETY: Locked above.
        unsafe { shim::rkernfs_inode_unlock(self.as_ptr()) };
        ret
    }

    fn holders_locked(&self) -> Holders {
        let ours = 1 + i32::from(self.is_pinned());
        let inode = self.as_ptr();
        let mut dentry_used = false;
        // SAFETY: By the type invariant; `i_lock` is held.
        let dentries = unsafe { shim::rkernfs_inode_dentries(inode, &mut dentry_used) };
        // SAFETY: Reading a pointer that is not followed.
        let watched = unsafe { !(*inode).i_fsnotify_marks.is_null() };
        // SAFETY: By the type invariant.
        let references = unsafe { shim::rkernfs_inode_count(inode) };
        Holders {
            dentries,
            dentry_used,
            watched,
            // One for each dentry, one for all marks together.
            others: references > ours + dentries + i32::from(watched),
        }
    }

    /// Reports the inode as deleted and drops its marks. Wraps `fsnotify_inoderemove()`.
    pub(crate) fn report_removed(&self) {
        // SAFETY: By the type invariant.
        unsafe { shim::rkernfs_inoderemove(self.as_ptr()) };
    }
}

impl Drop for Inode<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::iput(self.as_ptr()) };
    }
}

/// Who keeps an inode, besides the caller and a pin.
pub(crate) struct Holders {
    /// Number of dentries.
    pub(crate) dentries: i32,
    /// Somebody has a reference of a dentry: an open file, a walk, a mount.
    dentry_used: bool,
    /// The inode itself carries marks of inotify or fanotify.
    pub(crate) watched: bool,
    /// Somebody else: about to make a dentry, or to report the inode.
    pub(crate) others: bool,
}

impl Holders {
    /// Whether nobody watches the inode or has what a watch is added with. If its node was removed,
    /// nobody comes to have it either: `kernfs_dop_revalidate()`, which a walk calls with a
    /// reference of the dentry, refuses.
    pub(crate) fn is_idle(&self) -> bool {
        !self.watched && !self.others && !self.dentry_used
    }
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

    /// Drops what the dentry has of names that were not found; in use, with the last reference. May
    /// sleep.
    fn drop_children(&self) {
        // SAFETY: By the type invariant.
        unsafe { shim::rkernfs_drop_children(self.0.as_ptr()) };
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

/// A reference that keeps a superblock mounted. Dropping it is `deactivate_super()`, which may
/// unmount: not under locks.
pub(crate) struct ActiveSuper(*mut bindings::super_block);

impl Drop for ActiveSuper {
    fn drop(&mut self) {
        // SAFETY: The value is only made with a reference of `s_active`.
        unsafe { bindings::deactivate_super(self.0) };
    }
}
