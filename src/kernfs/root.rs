// SPDX-License-Identifier: GPL-2.0

//! Hierarchies and the superblocks that show them.
//!
//! C header: `fs/kernfs/kernfs-internal.h` (`struct kernfs_root`, `struct kernfs_super_info`).

use super::{Node, Supers};
use crate::{compat::ARef, shim};
use core::{
    ffi::c_void,
    marker::PhantomData,
    ptr::{self, NonNull},
};
use kernel::{bindings, types::Opaque};

/// A kernfs hierarchy. Wraps `struct kernfs_root`.
#[repr(transparent)]
pub(crate) struct Root(Opaque<bindings::kernfs_root>);

impl Root {
    /// # Safety
    ///
    /// `ptr` must be valid for `'a`.
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::kernfs_root) -> &'a Self {
        // SAFETY: By the safety requirements; the layout is that of the C type.
        unsafe { &*ptr.cast() }
    }

    /// Whether inodes are made from file handles without `kernfs_rwsem`.
    pub(crate) fn handles_bypass_rwsem(&self) -> bool {
        // SAFETY: The root is valid.
        unsafe { shim::rkernfs_handles_bypass_rwsem(self.as_ptr()) }
    }

    /// The active node with the number `id`. As `kernfs_find_and_get_node_by_id()`, but the
    /// reference is taken before the last look at whether the node is active: a remover, which
    /// deactivates and then looks at the references, sees either.
    pub(crate) fn find_by_id(&self, id: u64) -> Option<ARef<Node>> {
        // SAFETY: The root is valid.
        let kn = NonNull::new(unsafe { shim::rkernfs_idr_find(self.as_ptr(), id) })?;
        // SAFETY: It came with a reference.
        let node: ARef<Node> = unsafe { ARef::from_raw(kn.cast()) };
        (node.id() == id && node.is_active()).then_some(node)
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::kernfs_root {
        self.0.get()
    }
}

/// A superblock that shows a hierarchy. Wraps `struct kernfs_super_info`.
///
/// Neither it nor its superblock goes away while [`Supers`] is held: `kernfs_kill_sb()` takes it
/// off the root's list under the same lock, exclusively, before anything else.
///
/// # Invariants
///
/// `info` is on the list of a root whose `kernfs_supers_rwsem` is held for `'s`.
pub(crate) struct Super<'s> {
    info: *mut shim::kernfs_super_info,
    _supers: PhantomData<&'s Supers<'s>>,
}

impl Super<'_> {
    pub(crate) fn sb(&self) -> *mut bindings::super_block {
        // SAFETY: By the type invariant.
        unsafe { shim::rkernfs_super_sb(self.info) }
    }

    /// The namespace whose nodes the superblock shows, as an opaque tag.
    fn ns(&self) -> *const c_void {
        // SAFETY: By the type invariant.
        unsafe { shim::rkernfs_super_ns(self.info).cast() }
    }

    /// Whether a mark on the whole superblock asks for `FAN_DELETE_SELF`.
    pub(crate) fn reports_removal(&self) -> bool {
        // SAFETY: The superblock is alive, by the type invariant.
        unsafe { shim::rkernfs_sb_reports_removal(self.sb()) }
    }

    /// Tells who watches the whole superblock that an event was lost (`FAN_Q_OVERFLOW`).
    pub(crate) fn queue_overflow(&self) {
        // SAFETY: The superblock is alive, by the type invariant.
        unsafe { shim::rkernfs_queue_overflow(self.sb()) };
    }
}

/// Which superblocks show a node.
pub(crate) struct ShownIn {
    /// The namespace, as an opaque tag; null if all do.
    pub(super) ns: *const c_void,
    /// Once others may have shown it.
    pub(super) was_moved: bool,
}

impl ShownIn {
    /// Whether `sb` shows it.
    pub(crate) fn contains(&self, sb: &Super<'_>) -> bool {
        self.ns.is_null() || self.ns == sb.ns()
    }
}

/// Superblocks passed over on the way to the one that was looked for, from which on it is worth
/// being found sooner.
const FAR: u32 = 16;

/// Iterates over superblocks of a root; see [`Supers::knowing`].
pub(crate) struct Iter<'s> {
    supers: &'s Supers<'s>,
    /// Null: all of them. Each namespace has one at most (`kernfs_get_tree()` sees to that).
    ns: *const c_void,
    pos: *mut shim::kernfs_super_info,
}

impl<'s> Iter<'s> {
    pub(super) fn new(supers: &'s Supers<'s>, ns: *const c_void) -> Self {
        Self {
            supers,
            ns,
            pos: ptr::null_mut(),
        }
    }
}

impl<'s> Iterator for Iter<'s> {
    type Item = Super<'s>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.ns.is_null() && !self.pos.is_null() {
            return None;
        }
        let root = self.supers.root().as_ptr();
        let mut passed = 0;
        // SAFETY: `supers` keeps the list as it is; `pos` is null or on it.
        self.pos = unsafe { shim::rkernfs_next_super(root, self.pos, self.ns.cast(), &mut passed) };
        if self.pos.is_null() {
            return None;
        }
        if passed > FAR {
            self.supers.bring_forward(self.ns);
        }
        // INVARIANT: Just found on the list, whose lock `supers` holds for `'s`.
        Some(Super {
            info: self.pos,
            _supers: PhantomData,
        })
    }
}
