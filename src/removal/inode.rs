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
    sync::atomic::{fence, Ordering},
};
use kernel::{bindings, error::from_err_ptr};

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

    /// Takes `i_lock`, under which VFS decides what the end of the last dentry means.
    pub(super) fn lock(&self) -> LockedInode<'_> {
        // SAFETY: The reference keeps the inode, and `'_` the reference.
        unsafe { LockedInode::lock(self.ptr, 1) }
    }

    /// Has the dentries of the inode go with their last reference, rather than stay in the cache
    /// until memory is short. They can be looked up until then. Wraps `d_mark_dontcache()`.
    pub(super) fn mark_dontcache(&self) {
        // SAFETY: The reference keeps the inode.
        unsafe { bindings::d_mark_dontcache(self.as_ptr()) };
    }

    /// Finds a dentry by which the inode can be looked up; of a directory, also one that is
    /// unhashed. Wraps `d_find_alias()`.
    pub(super) fn find_alias(&self) -> Option<Alias> {
        // SAFETY: The reference keeps the inode.
        let ptr = NonNull::new(unsafe { bindings::d_find_alias(self.as_ptr()) })?;
        // INVARIANT: `d_find_alias()` took a reference.
        Some(Alias::from_referenced(ptr))
    }

    /// Gives the inode a dentry, as one who opens a file handle of it would, or finds the one that
    /// it has. Being in no directory, it goes with its last reference. `None` if there is no memory
    /// for it. Wraps `d_obtain_alias()`; may sleep.
    pub(super) fn obtain_alias(&self) -> Option<Alias> {
        // SAFETY: The reference keeps the inode, so its count is not 0.
        unsafe { bindings::ihold(self.as_ptr()) };
        // SAFETY: The reference just taken is consumed.
        let dentry = unsafe { bindings::d_obtain_alias(self.as_ptr()) };
        // INVARIANT: `d_obtain_alias()` took a reference.
        from_err_ptr(dentry)
            .ok()
            .and_then(NonNull::new)
            .map(Alias::from_referenced)
    }

    /// Of a removed directory: has lookups in it make no dentry any more. `false` while a lookup
    /// that began before may be under way. What rmdir(2) does with `S_DEAD`.
    pub(super) fn mark_dead(&self) -> bool {
        // SAFETY: The reference keeps the inode.
        unsafe { shim::rkernfs_set_dead(self.as_ptr()) };
        // A lookup locks the directory, then looks at the flag.
        fence(Ordering::SeqCst);
        // SAFETY: The reference keeps the inode, whose lock is only looked at.
        !unsafe { shim::rkernfs_inode_is_locked(self.as_ptr()) }
    }

    /// Reports the inode as deleted and drops its marks. Wraps `fsnotify_inoderemove()`.
    pub(super) fn report_removed(&self) {
        // SAFETY: The reference keeps the inode.
        unsafe { shim::rkernfs_inoderemove(self.as_ptr()) };
    }

    /// Keeps the inode, and its superblock, beyond `'s`. `None` if the superblock is being
    /// unmounted, which ends its watches.
    pub(super) fn hold(self) -> Option<HeldInode> {
        // SAFETY: The reference keeps the inode, and `'s` its superblock.
        let sb = unsafe { (*self.as_ptr()).i_sb };
        // SAFETY: `'s` keeps the superblock alive.
        let active = unsafe { shim::rkernfs_get_active_super(sb) };
        // INVARIANT: Just taken; it is what keeps the superblock from here on.
        active.then(|| HeldInode {
            inode: Inode::from_ptr(self),
            _super: ActiveSuper(sb),
        })
    }

    /// The same reference, for another lifetime.
    // INVARIANT: The caller sees to the superblock.
    fn from_ptr(inode: Inode<'s>) -> Inode<'static> {
        let ptr = inode.ptr;
        core::mem::forget(inode);
        Inode {
            ptr,
            _super: PhantomData,
        }
    }

    /// `i_devices`, which only inodes of devices use. It is empty, or tells a pinned inode.
    fn pin_mark(&self) -> *mut bindings::list_head {
        // SAFETY: The reference keeps the inode.
        unsafe { pin_mark(self.as_ptr()) }
    }

    /// Whether the inode is pinned: see [`HeldInode::pin`].
    pub(super) fn is_pinned(&self) -> bool {
        is_pinned(self.pin_mark())
    }

    /// Takes what [`HeldInode::pin`] left.
    pub(super) fn unpin(&self) -> Option<HeldInode> {
        if !self.is_pinned() {
            return None;
        }
        let list = self.pin_mark();
        // SAFETY: As `INIT_LIST_HEAD()`; only the one who removes the node has to do with the pin.
        unsafe {
            (*list).prev = list;
            (*list).next = list;
        }
        // SAFETY: The reference keeps the inode; an inode's superblock is constant.
        let sb = unsafe { (*self.as_ptr()).i_sb };
        // INVARIANT: The pin had a reference of both.
        Some(HeldInode {
            inode: Inode {
                ptr: self.ptr,
                _super: PhantomData,
            },
            _super: ActiveSuper(sb),
        })
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

/// # Safety
///
/// `inode` must be one that is kept.
unsafe fn pin_mark(inode: *mut bindings::inode) -> *mut bindings::list_head {
    // SAFETY: The caller keeps the inode.
    unsafe { shim::member(inode, shim::RKERNFS_INODE_DEVICES) }
}

fn is_pinned(list: *mut bindings::list_head) -> bool {
    // SAFETY: Callers have a reference of the inode that embeds it.
    !ptr::eq(unsafe { (*list).next }, list)
}

impl Drop for Inode<'_> {
    fn drop(&mut self) {
        // SAFETY: The type's invariant has a reference, which goes.
        unsafe { bindings::iput(self.as_ptr()) };
    }
}

/// An inode with a reference that keeps its superblock mounted. Not to be dropped under locks: the
/// last reference of a superblock unmounts it, which takes `kernfs_supers_rwsem`.
///
/// # Invariants
///
/// `_super` is that of `inode`, and is dropped after it.
pub(super) struct HeldInode {
    inode: Inode<'static>,
    _super: ActiveSuper,
}

impl HeldInode {
    /// Leaves both references at the inode, for [`Inode::unpin`]: a watch on the whole superblock
    /// keeps no inode.
    pub(super) fn pin(self) {
        let list = self.inode.pin_mark();
        let mark: *mut bindings::list_head = ptr::addr_of!(PINNED).cast_mut().cast();
        // SAFETY: Nobody uses `i_devices` of kernfs's inodes; only the one who removes the node has
        // to do with the pin. The mark is never followed.
        unsafe { (*list).next = mark };
        core::mem::forget(self);
    }

    pub(super) fn inode(&self) -> &Inode<'static> {
        &self.inode
    }
}

/// What `i_devices.next` of a pinned inode points to. Nothing is stored there.
static PINNED: Atomic<usize> = Atomic::new(0);

/// A reference that keeps a superblock mounted. Dropping it is `deactivate_super()`.
///
/// # Invariants
///
/// Holds a reference of `s_active`.
struct ActiveSuper(*mut bindings::super_block);

impl Drop for ActiveSuper {
    fn drop(&mut self) {
        // SAFETY: The type's invariant has a reference, which goes.
        unsafe { bindings::deactivate_super(self.0) };
    }
}

/// `i_lock` of an inode held: its dentries neither come nor go, and VFS does not decide whether to
/// report it. Nothing may sleep while the value lives.
///
/// # Invariants
///
/// The current task holds the lock. `inode` is alive for `'i`.
pub(super) struct LockedInode<'i> {
    inode: NonNull<bindings::inode>,
    /// References that the one who asks has.
    own: i32,
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
            // kernfs's are freed (`drop_inode()`), and whose end then waits for the lock.
            .map(|inode| unsafe { Self::lock(inode, 0) })
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
    unsafe fn lock(inode: NonNull<bindings::inode>, own: i32) -> Self {
        // SAFETY: The caller keeps the inode.
        unsafe { shim::rkernfs_spin_lock(ptr::addr_of_mut!((*inode.as_ptr()).i_lock).cast()) };
        // INVARIANT: Just taken; the caller promises the rest.
        Self {
            inode,
            own,
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

    /// Whether a link to the inode is left.
    pub(super) fn is_linked(&self) -> bool {
        // SAFETY: The type's invariant keeps the inode.
        unsafe { (*self.as_ptr()).__bindgen_anon_1.i_nlink != 0 }
    }

    /// Says that no link to the inode is left, and that nobody gets the inode any more who does not
    /// have it: with another dentry, he could have VFS report it twice. Wraps `clear_nlink()`.
    ///
    /// `_iattr` keeps `kernfs_refresh_inode()` away.
    pub(super) fn clear_nlink(&self, _iattr: &Iattr<'_, '_>) {
        // SAFETY: The type's invariant keeps the inode and has `i_lock`; link counts of kernfs's
        // change under `kernfs_iattr_rwsem`, and are read under `i_lock`.
        unsafe {
            bindings::clear_nlink(self.as_ptr());
            shim::rkernfs_refuse_lookups(self.as_ptr());
        }
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

    /// Whether nobody watches the inode or has what a watch is added with. If its node was removed,
    /// that stays so: `kernfs_dop_revalidate()`, which a walk calls with a reference of the dentry,
    /// refuses.
    pub(super) fn is_idle(&self) -> bool {
        let mut known = self.own;
        !self.is_watched()
            && self.aliases().all(|dentry| {
                known += 1;
                // SAFETY: `i_lock` keeps the dentry on the list.
                unsafe { count(dentry) == 0 }
            })
            && self.references() == known
    }

    /// Whether the inode itself carries marks of inotify or fanotify.
    fn is_watched(&self) -> bool {
        // SAFETY: The type's invariant keeps the inode; the pointer is not followed.
        unsafe { !(*self.as_ptr()).i_fsnotify_marks.is_null() }
    }

    /// Who keeps the inode, besides the one who asks.
    pub(super) fn holders(&self) -> Holders {
        let (mut dentries, mut unused) = (0, 0);
        for dentry in self.aliases() {
            dentries += 1;
            // SAFETY: `i_lock` keeps the dentry on the list.
            unused += i32::from(unsafe { count(dentry) } == 0);
        }
        let inode = self.as_ptr();
        let watched = self.is_watched();
        // SAFETY: The type's invariant keeps the inode.
        let pinned = is_pinned(unsafe { pin_mark(inode) });
        // That of the pin, one for each dentry, one for all marks together.
        let known = self.own + i32::from(pinned) + dentries + i32::from(watched);
        Holders {
            dentries,
            unused,
            watched,
            pinned,
            others: self.references() > known,
        }
    }

    /// Whether the current task is in vfs_rmdir(), for the directory of which this is the inode, or
    /// which this one is in. It then drops the dentries that nobody uses, and unhashes the
    /// directory's.
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

/// Who keeps an inode, besides the one who asks.
pub(super) struct Holders {
    /// Number of dentries.
    dentries: i32,
    /// Number of those that nobody has a reference of: no open file, no walk, no mount.
    unused: i32,
    /// The inode itself carries marks of inotify or fanotify.
    watched: bool,
    /// It is kept for a mark on the whole superblock.
    pinned: bool,
    /// Somebody has a reference of the inode without a dentry.
    pub(super) others: bool,
}

impl Holders {
    /// Whether the inode has no dentry, with whose end VFS would report it.
    pub(super) fn lacks_dentry(&self) -> bool {
        self.dentries == 0
    }

    /// Whether there is a dentry that nobody has a reference of, so that none goes.
    pub(super) fn has_unused_dentry(&self) -> bool {
        self.unused > 0
    }

    /// Whether VFS would never report the inode, though somebody waits for it.
    pub(super) fn is_orphan(&self) -> bool {
        self.lacks_dentry() && (self.watched || self.pinned)
    }
}
