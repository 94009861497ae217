// SPDX-License-Identifier: GPL-2.0

//! Nodes and their hierarchies, as file systems and the removal path see them both.
//!
//! C headers: `include/linux/kernfs.h` (`struct kernfs_node`), `fs/kernfs/kernfs-internal.h`
//! (`struct kernfs_root`).

use crate::{
    compat::{AlwaysRefCounted, Atomic, Full, Relaxed},
    shim,
};
use core::ptr::{self, NonNull};
use kernel::{bindings, ffi::c_char, types::Opaque};

/// What a node is.
///
/// # Examples
///
/// ```
/// fn rename(rename: Rename<'_, Groups>) -> Result {
///     if rename.node().kind() != Kind::Dir {
///         return Err(EPERM);
///     }
///     rename.commit()
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `KERNFS_DIR`
    Dir,
    /// `KERNFS_FILE`
    File,
    /// `KERNFS_LINK`
    Link,
}

/// A file, directory or symbolic link of a hierarchy. Wraps `struct kernfs_node`.
///
/// # Invariants
///
/// A `&Node` comes with a reference of the node (`kernfs_get()`) that outlives it.
#[repr(transparent)]
pub struct Node(Opaque<bindings::kernfs_node>);

// SAFETY: References are counted atomically; `kernfs_put()` may be called from any task.
unsafe impl Send for Node {}
// SAFETY: What is not constant is atomic, or is changed under locks that the methods ask for.
unsafe impl Sync for Node {}

// SAFETY: `kernfs_get()` and `kernfs_put()` count, and the node is freed with the last reference.
unsafe impl AlwaysRefCounted for Node {
    fn inc_ref(&self) {
        // SAFETY: The invariant of `Node` has a reference, so the count is not 0.
        unsafe { bindings::kernfs_get(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference that it owns.
        unsafe { bindings::kernfs_put(obj.as_ptr().cast()) };
    }
}

impl Node {
    /// # Safety
    ///
    /// `ptr` must be a node with a reference that is held for `'a`.
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::kernfs_node) -> &'a Self {
        // SAFETY: The caller promises a node that lives for `'a`; the layout is that of the C type.
        // INVARIANT: The caller promises the reference.
        unsafe { &*ptr.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::kernfs_node {
        self.0.get()
    }

    /// The node's id, which is its inode number in every superblock.
    pub fn id(&self) -> u64 {
        // SAFETY: The invariant of `Node` keeps it allocated; the id is constant.
        unsafe { (*self.as_ptr()).id }
    }

    /// What the node is; that never changes.
    pub fn kind(&self) -> Kind {
        match u32::from(self.flags()) & bindings::KERNFS_TYPE_MASK {
            bindings::kernfs_node_type_KERNFS_DIR => Kind::Dir,
            bindings::kernfs_node_type_KERNFS_LINK => Kind::Link,
            _ => Kind::File,
        }
    }

    /// The hierarchy. It is freed with its root node, of which each node holds a reference through
    /// its parent, and so on: it lives as long as the reference that `self` comes with.
    pub(crate) fn root(&self) -> &Root {
        // SAFETY: The invariant of `Node` keeps the node; a node is in a hierarchy from its
        // creation on, and what is returned lives for the borrow of `self`, as said above.
        unsafe { Root::from_raw(shim::rkernfs_root(self.as_ptr())) }
    }

    /// Whether the node is the root directory of its hierarchy. A rename changes a parent to
    /// another one, never to none.
    pub(crate) fn is_root(&self) -> bool {
        // SAFETY: The invariant of `Node` keeps it allocated. The parent is not followed.
        unsafe { parent_of(self.as_ptr()).is_null() }
    }

    pub(crate) fn flags(&self) -> u16 {
        // SAFETY: The invariant of `Node` keeps it allocated. As in C, flags are read without a
        // lock.
        unsafe { ptr::addr_of!((*self.as_ptr()).flags).read_volatile() }
    }

    /// The number of active references, or less than 0 once none can be taken any more.
    pub(crate) fn active(&self) -> i32 {
        // SAFETY: The invariant of `Node` keeps it allocated. `atomic_read()` is a volatile read.
        unsafe { ptr::addr_of!((*self.as_ptr()).active.counter).read_volatile() }
    }

    /// Whether active references can be taken. As `kernfs_active()`, but of this node alone.
    pub(crate) fn is_active(&self) -> bool {
        self.active() >= 0
    }

    /// Whether lookups could find the node, since its creation.
    pub(crate) fn is_activated(&self) -> bool {
        self.flags() & bindings::kernfs_node_flag_KERNFS_ACTIVATED as u16 != 0
    }

    /// Whether the node is removed, or is about to be.
    pub(crate) fn is_removing(&self) -> bool {
        self.flags() & bindings::kernfs_node_flag_KERNFS_REMOVING as u16 != 0
    }

    /// The number of references.
    pub(crate) fn references(&self) -> i32 {
        // SAFETY: The invariant of `Node` keeps it allocated. `atomic_read()` is a volatile read.
        unsafe { ptr::addr_of!((*self.as_ptr()).count.counter).read_volatile() }
    }
}

/// The directory that a node is, or was, in; null for the root.
///
/// A rename changes it under `kernfs_rwsem`; under RCU alone, it is not freed.
///
/// # Safety
///
/// `kn` must be a node that is not freed before this returns.
pub(crate) unsafe fn parent_of(kn: *mut bindings::kernfs_node) -> *mut bindings::kernfs_node {
    // SAFETY: The caller keeps the node.
    let parent: *mut *mut bindings::kernfs_node =
        unsafe { shim::member(kn, shim::RKERNFS_NODE_PARENT) };
    // SAFETY: The same. `rcu_dereference()` is a volatile read.
    unsafe { parent.read_volatile() }
}

/// The name of a node. A rename changes it under `kernfs_rwsem`.
///
/// # Safety
///
/// The same as of [`parent_of`].
pub(crate) unsafe fn name_of(kn: *mut bindings::kernfs_node) -> *const c_char {
    // SAFETY: The caller keeps the node.
    let name: *mut *const c_char = unsafe { shim::member(kn, shim::RKERNFS_NODE_NAME) };
    // SAFETY: The same. `rcu_dereference()` is a volatile read.
    unsafe { name.read_volatile() }
}

/// A kernfs hierarchy. Wraps `struct kernfs_root`.
///
/// # Invariants
///
/// The hierarchy of a `&Root` is not freed while the reference lives.
#[repr(transparent)]
pub(crate) struct Root(Opaque<bindings::kernfs_root>);

impl Root {
    /// # Safety
    ///
    /// `ptr` must be a hierarchy that is not freed for `'a`.
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::kernfs_root) -> &'a Self {
        // SAFETY: The caller promises that it lives for `'a`; the layout is that of the C type.
        // INVARIANT: The caller promises the same.
        unsafe { &*ptr.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::kernfs_root {
        self.0.get()
    }

    fn member<M>(&self, offset: u32) -> *mut M {
        // SAFETY: The invariant of `Root` keeps it; callers give an offset and its type.
        unsafe { shim::member(self.as_ptr(), offset) }
    }

    pub(crate) fn kn(&self) -> *mut bindings::kernfs_node {
        // SAFETY: The invariant of `Root` keeps it; the member is constant.
        unsafe { *self.member(shim::RKERNFS_ROOT_KN) }
    }

    pub(crate) fn flags(&self) -> u32 {
        self.flags_word().load(Relaxed)
    }

    fn flags_word(&self) -> &Atomic<u32> {
        // SAFETY: The invariant of `Root` keeps it. The kernel changes none once it is created.
        unsafe { Atomic::from_ptr(self.member(shim::RKERNFS_ROOT_FLAGS)) }
    }

    /// Whether there may be marks on whole superblocks of it (`FAN_MARK_FILESYSTEM`).
    pub(crate) fn may_have_super_marks(&self) -> bool {
        self.flags_word().load(Relaxed) & shim::RKERNFS_SUPER_MARKS != 0
    }

    pub(crate) fn set_may_have_super_marks(&self, any: bool) {
        let mut seen = self.flags_word().load(Relaxed);
        loop {
            let new =
                seen & !shim::RKERNFS_SUPER_MARKS | if any { shim::RKERNFS_SUPER_MARKS } else { 0 };
            match self.flags_word().cmpxchg(seen, new, Full) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// The nodes by the lower half of their ids.
    pub(crate) fn ino_idr(&self) -> *mut bindings::idr {
        self.member(shim::RKERNFS_ROOT_INO_IDR)
    }

    /// The list of `struct kernfs_super_info`.
    pub(crate) fn supers(&self) -> *mut bindings::list_head {
        self.member(shim::RKERNFS_ROOT_SUPERS)
    }

    pub(crate) fn deactivate_waitq(&self) -> *mut bindings::wait_queue_head {
        self.member(shim::RKERNFS_ROOT_DEACTIVATE_WAITQ)
    }

    pub(crate) fn kernfs_rwsem(&self) -> *mut bindings::rw_semaphore {
        self.member(shim::RKERNFS_ROOT_RWSEM)
    }

    pub(crate) fn kernfs_iattr_rwsem(&self) -> *mut bindings::rw_semaphore {
        self.member(shim::RKERNFS_ROOT_IATTR_RWSEM)
    }

    pub(crate) fn kernfs_supers_rwsem(&self) -> *mut bindings::rw_semaphore {
        self.member(shim::RKERNFS_ROOT_SUPERS_RWSEM)
    }
}
