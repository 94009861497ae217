// SPDX-License-Identifier: GPL-2.0

//! What VFS has of a node: an inode in each superblock.
//!
//! C headers: `include/linux/fs.h`, `include/linux/dcache.h`, `include/linux/fsnotify.h`.

use super::{
    dentry::{count, lock_of, Alias},
    locks::{Iattr, Tree},
    supers::Super,
};
use crate::{compat::Atomic, node::Node, shim};
use core::{
    marker::PhantomData,
    ptr::{self, NonNull},
};
use kernel::bindings;

/// A reference to the inode of a node in one superblock. Dropping it is `iput()`.
///
/// # Invariants
///
/// Holds a reference of the inode, whose superblock is alive for `'s`.
pub(crate) struct Inode<'s> {
    ptr: NonNull<bindings::inode>,
    _super: PhantomData<&'s ()>,
}

impl<'s> Inode<'s> {
    /// Looks the inode of `node` up in `sb`, without making one; also after
    /// [`LockedInode::clear_nlink`]. Wraps `ilookup()`; may sleep.
    pub(crate) fn lookup(sb: &Super<'s>, node: &Node) -> Option<Self> {
        // SAFETY: A `Super` is alive. The node's id is its `kernfs_ino()` on 64-bit machines.
        let inode = unsafe { shim::rkernfs_ilookup(sb.sb(), node.id()) };
        // INVARIANT: `ilookup()` took a reference, and `sb` is alive for `'s`.
        let inode = Self::from_referenced(inode)?;
        // SAFETY: The reference keeps it; `i_private` is set before the inode is unlocked, which
        // `ilookup()` waits for.
        unsafe { is_of(inode.as_ptr(), node) }.then_some(inode)
    }

    /// Looks the inode up, or makes it. Wraps `kernfs_get_inode()`; allocates, may sleep.
    ///
    /// The lock is what `kernfs_iop_lookup()` calls it under.
    pub(super) fn get(sb: &Super<'s>, node: &Node, _tree: &Tree<'_>) -> Option<Self> {
        // SAFETY: A `Super` is alive, and so is a `Node`.
        let inode = unsafe { shim::rkernfs_get_inode(sb.sb(), node.as_ptr()) };
        // INVARIANT: `kernfs_get_inode()` took a reference, and `sb` is alive for `'s`.
        Self::from_referenced(inode)
    }

    /// The same as [`Inode::get`], whose caller holds `kernfs_rwsem` shared.
    ///
    /// # Safety
    ///
    /// The caller must hold `kernfs_rwsem` of the hierarchy of both.
    pub(crate) unsafe fn get_shared(sb: &Super<'s>, node: &Node) -> Option<Self> {
        // SAFETY: A `Super` is alive, and so is a `Node`.
        let inode = unsafe { shim::rkernfs_get_inode(sb.sb(), node.as_ptr()) };
        // INVARIANT: `kernfs_get_inode()` took a reference, and `sb` is alive for `'s`.
        Self::from_referenced(inode)
    }

    fn from_referenced(ptr: *mut bindings::inode) -> Option<Self> {
        Some(Self {
            ptr: NonNull::new(ptr)?,
            _super: PhantomData,
        })
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::inode {
        self.ptr.as_ptr()
    }

    /// Takes `i_lock`, under which VFS decides whether to report the inode with its last dentry.
    pub(super) fn lock(&self) -> LockedInode<'_> {
        // SAFETY: The reference keeps the inode, and `'_` the reference.
        unsafe { LockedInode::lock(self.ptr) }
    }
}

/// # Safety
///
/// `inode` must be one that is kept.
unsafe fn is_of(inode: *mut bindings::inode, node: &Node) -> bool {
    // SAFETY: The caller keeps the inode.
    let owner = unsafe { (*inode).i_private };
    owner.cast() == node.as_ptr()
}

impl Drop for Inode<'_> {
    fn drop(&mut self) {
        // SAFETY: The type's invariant has a reference, which is dropped here.
        unsafe { bindings::iput(self.as_ptr()) };
    }
}

/// An inode with a reference that keeps its superblock mounted. Not to be dropped under locks; the
/// drop may unmount the superblock, which may take long.
///
/// # Invariants
///
/// Holds a reference of the inode of a removed node, and one of `s_active` of its superblock.
/// There is no other value for the same inode, as its node is removed once.
pub(super) struct HeldInode(NonNull<bindings::inode>);

impl HeldInode {
    fn as_ptr(&self) -> *mut bindings::inode {
        self.0.as_ptr()
    }

    /// The removed node, of which the inode has a reference.
    pub(super) fn node(&self) -> &Node {
        // SAFETY: The type's invariant keeps the inode.
        unsafe { Node::from_raw((*self.as_ptr()).i_private.cast()) }
    }

    pub(super) fn lock(&self) -> LockedInode<'_> {
        // SAFETY: The type's invariant keeps the inode, and `'_` the value.
        unsafe { LockedInode::lock(self.0) }
    }

    /// Finds a dentry by which the inode can be looked up; of a directory, also one that is
    /// unhashed. Wraps `d_find_alias()`.
    pub(super) fn find_alias(&self) -> Option<Alias> {
        // SAFETY: The type's invariant keeps the inode.
        let ptr = NonNull::new(unsafe { bindings::d_find_alias(self.as_ptr()) })?;
        // INVARIANT: `d_find_alias()` took a reference.
        Some(Alias::from_referenced(ptr))
    }

    /// Drops all unused dentries: with the last one, VFS reports an inode without links. Wraps
    /// `d_prune_aliases()`; may sleep.
    pub(super) fn prune_aliases(&self) {
        // SAFETY: The type's invariant keeps the inode.
        unsafe { bindings::d_prune_aliases(self.as_ptr()) };
    }

    /// Of a removed directory: lookups, readdir(3) and so on fail, as after rmdir(2).
    pub(super) fn set_dead(&self) {
        // SAFETY: The type's invariant keeps the inode; the flags are changed atomically.
        unsafe { shim::rkernfs_set_dead(self.as_ptr()) };
    }

    /// Reports the inode as deleted: the first half of `fsnotify_inoderemove()`.
    pub(super) fn report_removed(&self) {
        // SAFETY: The type's invariant keeps the inode.
        unsafe { shim::rkernfs_delete_self(self.as_ptr()) };
    }

    /// Destroys the marks, which sends `IN_IGNORED`: the second half. Waits for each user who has their
    /// group locked, by reading `/proc/PID/fdinfo` for example, and keeps it so for long.
    pub(super) fn destroy_marks(&self) {
        // SAFETY: The type's invariant keeps the inode.
        unsafe { shim::rkernfs_destroy_marks(self.as_ptr()) };
    }

    /// The same without waiting; returns whether no mark is left. For an inode that cannot be looked up
    /// any more.
    pub(super) fn destroy_free_marks(&self) -> bool {
        // SAFETY: The type's invariant keeps the inode.
        unsafe { shim::rkernfs_destroy_free_marks(self.as_ptr()) }
    }

    /// Gives the references away, for a list: an address, and a link that can hold another one.
    pub(super) fn into_address(self) -> (usize, &'static Atomic<usize>) {
        let address = self.as_ptr() as usize;
        core::mem::forget(self);
        // SAFETY: The references were just given away.
        (address, unsafe { Self::link_at(address) })
    }

    /// # Safety
    ///
    /// `address` must be one that [`HeldInode::into_address`] returned, until
    /// [`HeldInode::from_address`].
    pub(super) unsafe fn link_at<'a>(address: usize) -> &'a Atomic<usize> {
        let inode: *mut bindings::inode = address as *mut bindings::inode;
        // SAFETY: The references that were given away keep the inode.
        let list = unsafe { devices(inode) };
        // SAFETY: The same; inodes of devices alone use `i_devices`.
        unsafe { Atomic::from_ptr(ptr::addr_of_mut!((*list).next).cast()) }
    }

    /// Another such link.
    ///
    /// # Safety
    ///
    /// As for [`HeldInode::link_at`].
    pub(super) unsafe fn second_link_at<'a>(address: usize) -> &'a Atomic<usize> {
        let inode: *mut bindings::inode = address as *mut bindings::inode;
        // SAFETY: The references that were given away keep the inode.
        let list = unsafe { devices(inode) };
        // SAFETY: The same; inodes of devices alone use `i_devices`.
        unsafe { Atomic::from_ptr(ptr::addr_of_mut!((*list).prev).cast()) }
    }

    /// The removed node.
    ///
    /// # Safety
    ///
    /// As for [`HeldInode::link_at`].
    pub(super) unsafe fn node_at<'a>(address: usize) -> &'a Node {
        let inode = address as *const bindings::inode;
        // SAFETY: The references that were given away keep the inode, which has one of its node.
        unsafe { Node::from_raw((*inode).i_private.cast()) }
    }

    /// The value, and what is stored in the link.
    ///
    /// # Safety
    ///
    /// `address` must come from [`HeldInode::into_address`], once for each.
    pub(super) unsafe fn from_address(address: usize) -> (Self, usize) {
        // SAFETY: It is that of an inode.
        let inode = unsafe { NonNull::new_unchecked(address as *mut bindings::inode) };
        // SAFETY: The references that were given away keep it.
        let list = unsafe { devices(inode.as_ptr()) };
        // SAFETY: The same. The next user of the memory expects an empty list.
        let link = unsafe { ptr::addr_of_mut!((*list).next).replace(list) };
        // SAFETY: The same.
        unsafe { (*list).prev = list };
        // INVARIANT: As it was in `into_address()`.
        (Self(inode), link as usize)
    }

    /// Drops the value, unless that would put the last reference of the superblock, and so unmount it:
    /// then gives it back. The task that unmounted the superblock does not wait for that, so no other
    /// task is to.
    pub(super) fn put_unless_last(self) -> Option<Self> {
        // SAFETY: The type's invariant keeps the inode, whose superblock is constant.
        let sb = unsafe { (*self.as_ptr()).i_sb };
        // SAFETY: The type's invariant keeps the superblock.
        let is_last = unsafe { ptr::addr_of!((*sb).s_active.counter).read_volatile() } == 1;
        is_last.then_some(self)
    }
}

impl Drop for HeldInode {
    fn drop(&mut self) {
        // SAFETY: The type's invariant keeps the inode, whose superblock is constant.
        let sb = unsafe { (*self.as_ptr()).i_sb };
        // SAFETY: The type's invariant has a reference, which is dropped here.
        unsafe { bindings::iput(self.as_ptr()) };
        // SAFETY: The type's invariant has a reference of the superblock, which is dropped here.
        unsafe { bindings::deactivate_super(sb) };
    }
}

/// `i_devices`.
///
/// # Safety
///
/// `inode` must be one that is kept.
unsafe fn devices(inode: *mut bindings::inode) -> *mut bindings::list_head {
    // SAFETY: The caller keeps the inode.
    unsafe { shim::member(inode, shim::RKERNFS_INODE_DEVICES) }
}

/// `i_lock` of an inode held: it neither gains nor loses dentries, and VFS does not decide whether to
/// report it. Nothing may sleep while the value lives.
///
/// # Invariants
///
/// The current task holds the lock. `inode` is alive for `'i`.
pub(super) struct LockedInode<'i> {
    inode: NonNull<bindings::inode>,
    _inode: PhantomData<(&'i (), *mut ())>,
}

impl<'s> LockedInode<'s> {
    /// Looks the inode of `node` up in `sb` and takes its lock, without a reference: under the lock
    /// it stays as it is. `None` also if it is being freed. Wraps `find_inode_by_ino_rcu()`.
    ///
    /// An inode that is being made may be found before it is complete: see [`LockedInode::is_of`].
    pub(super) fn find(sb: &Super<'s>, node: &Node) -> Option<Self> {
        // SAFETY: The read-side section ends below, and nothing in it sleeps.
        unsafe { shim::rkernfs_rcu_read_lock() };
        // SAFETY: A `Super` is alive, and RCU keeps what is found.
        let inode = NonNull::new(unsafe { shim::rkernfs_peek_inode(sb.sb(), node.id()) });
        let locked = inode
            // SAFETY: RCU keeps the inode until it is known to have a reference, without which
            // kernfs's are freed (`drop_inode()`), and whose eviction then waits for the lock.
            .map(|inode| unsafe { Self::lock(inode) })
            .filter(|locked| locked.references() > 0);
        // SAFETY: The section was entered above.
        unsafe { shim::rkernfs_rcu_read_unlock() };
        locked
    }
}

impl LockedInode<'_> {
    /// # Safety
    ///
    /// `inode` must be alive for the value's lifetime.
    unsafe fn lock(inode: NonNull<bindings::inode>) -> Self {
        // SAFETY: The caller keeps the inode.
        unsafe { shim::rkernfs_spin_lock(ptr::addr_of_mut!((*inode.as_ptr()).i_lock).cast()) };
        // INVARIANT: Just taken; the caller promises the rest.
        Self {
            inode,
            _inode: PhantomData,
        }
    }

    /// `i_count`.
    fn references(&self) -> i32 {
        // SAFETY: The type's invariant keeps the inode.
        unsafe { ptr::addr_of!((*self.as_ptr()).i_count.counter).read_volatile() }
    }

    /// Whether it is that of `node`, and known to be.
    pub(super) fn is_of(&self, node: &Node) -> bool {
        // SAFETY: The type's invariant keeps the inode.
        unsafe { is_of(self.as_ptr(), node) }
    }

    fn as_ptr(&self) -> *mut bindings::inode {
        self.inode.as_ptr()
    }

    /// Takes references of the inode and its superblock. `None` if that is being unmounted, which
    /// removes its watches.
    pub(super) fn hold(&self) -> Option<HeldInode> {
        // SAFETY: The type's invariant keeps the inode, whose superblock is constant.
        let sb = unsafe { (*self.as_ptr()).i_sb };
        // SAFETY: An inode that is alive keeps the memory of its superblock.
        if !unsafe { shim::rkernfs_get_active_super(sb) } {
            return None;
        }
        // SAFETY: The inode has a reference, as it was found or is referenced.
        unsafe { bindings::ihold(self.as_ptr()) };
        // INVARIANT: Both were just taken.
        Some(HeldInode(self.inode))
    }

    /// Whether a link to the inode is left.
    pub(super) fn is_linked(&self) -> bool {
        // SAFETY: The type's invariant keeps the inode.
        unsafe { (*self.as_ptr()).__bindgen_anon_1.i_nlink != 0 }
    }

    /// Sets the link count to 0. Wraps `clear_nlink()`.
    ///
    /// `_iattr` excludes `kernfs_refresh_inode()`.
    pub(super) fn clear_nlink(&self, _iattr: &Iattr<'_, '_>) {
        // SAFETY: The type's invariant keeps the inode and has `i_lock`; link counts of kernfs's
        // change under `kernfs_iattr_rwsem`, and are read under `i_lock`.
        unsafe { bindings::clear_nlink(self.as_ptr()) };
    }

    /// The same of an inode that was reported without a dentry, and gets none: only a task with a
    /// dentry can refresh it.
    pub(super) fn clear_nlink_reported(&self) {
        debug_assert!(self.lacks_dentry());
        // SAFETY: The type's invariant keeps the inode and has `i_lock`.
        unsafe { bindings::clear_nlink(self.as_ptr()) };
    }

    /// Makes lookups fail, so that no further task gets the inode: with another dentry, it could make
    /// VFS report the inode twice.
    pub(super) fn refuse_lookups(&self) {
        // SAFETY: The type's invariant keeps the inode and has `i_lock`.
        unsafe { shim::rkernfs_refuse_lookups(self.as_ptr()) };
    }

    fn aliases(&self) -> impl Iterator<Item = *mut bindings::dentry> + '_ {
        // SAFETY: The type's invariant keeps the inode.
        let head: *mut bindings::hlist_head =
            unsafe { shim::member(self.as_ptr(), shim::RKERNFS_INODE_DENTRY) };
        // SAFETY: `i_lock` keeps the list as it is.
        let mut link = unsafe { (*head).first };
        core::iter::from_fn(move || {
            if link.is_null() {
                return None;
            }
            // SAFETY: The list links dentries.
            let dentry = unsafe { shim::container(link, shim::RKERNFS_DENTRY_ALIAS) };
            // SAFETY: `i_lock` keeps the list as it is.
            link = unsafe { (*link).next };
            Some(dentry)
        })
    }

    /// Whether no dentry is in use, by which a task could add a mark, and none has added one. If its
    /// node was removed, that stays so for a file: `kernfs_dop_revalidate()`, which a walk calls with a
    /// reference of the dentry, refuses. A walk may still begin at a directory.
    pub(super) fn is_unused(&self) -> bool {
        let is_in_use = self.aliases().any(|dentry| {
            // SAFETY: `i_lock` keeps the dentry on the list.
            unsafe { count(dentry) != 0 }
        });
        // Last: who had a dentry may have added a mark before putting it.
        !is_in_use && !self.is_watched()
    }

    /// Whether only dentries have references of the inode: one each. Who has another, as the kernel's
    /// own functions while the patch is being enabled, may yet get a dentry.
    pub(super) fn is_only_cached(&self) -> bool {
        usize::try_from(self.references()).is_ok_and(|held| held == self.aliases().count())
    }

    /// Whether the inode itself carries marks of inotify or fanotify.
    pub(super) fn is_watched(&self) -> bool {
        // SAFETY: The type's invariant keeps the inode; the pointer is not followed.
        unsafe { !(*self.as_ptr()).i_fsnotify_marks.is_null() }
    }

    /// Whether the inode has no dentry, with which VFS would report it.
    pub(super) fn lacks_dentry(&self) -> bool {
        self.aliases().next().is_none()
    }

    /// Makes VFS drop each dentry with its last reference, instead of caching it until memory is short.
    /// Until then it can be looked up. Returns whether any has no reference now, so that none will be
    /// dropped, and whether any has one.
    ///
    /// `is_file`: dentries in use are unhashed as well, as by unlink(2), so that an open file can be told
    /// from one that still exists (`"(deleted)"`, `IN_EXCL_UNLINK`); but not mount points: a lookup by
    /// name is to find these, and detach the mount.
    pub(super) fn uncache(&self, is_file: bool) -> (bool, bool) {
        let (mut unused, mut used) = (false, false);
        for dentry in self.aliases() {
            // SAFETY: `i_lock` keeps the dentry, and comes before its lock.
            let count = unsafe { shim::rkernfs_uncache_dentry(dentry, is_file) };
            unused |= count == 0;
            used |= count > 0;
        }
        (unused, used)
    }

    /// Whether the current task is in vfs_rmdir(), for the directory of which this is the inode, or
    /// which this one is in. It then drops the unused dentries, and unhashes the directory's.
    pub(super) fn is_in_rmdir(&self) -> bool {
        // SAFETY: The type's invariant keeps the inode; only its lock is looked at.
        if unsafe { shim::rkernfs_is_locked_by_current(self.as_ptr()) } {
            return true;
        }
        self.aliases().any(|dentry| {
            // SAFETY: `i_lock` keeps the dentry, and comes before its lock.
            let lock = unsafe { lock_of(dentry) };
            // SAFETY: The lock of a dentry that `i_lock` keeps.
            unsafe { shim::rkernfs_spin_lock(lock) };
            // SAFETY: `d_lock` keeps the parent, which has an inode as it has a child.
            let locked =
                unsafe { shim::rkernfs_is_locked_by_current((*(*dentry).d_parent).d_inode) };
            // SAFETY: This task took the lock above.
            unsafe { shim::rkernfs_spin_unlock(lock) };
            locked
        })
    }
}

impl Drop for LockedInode<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant this task holds it.
        unsafe { shim::rkernfs_spin_unlock(ptr::addr_of_mut!((*self.as_ptr()).i_lock).cast()) };
    }
}
