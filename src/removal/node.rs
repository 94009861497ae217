// SPDX-License-Identifier: GPL-2.0

//! Nodes of a locked hierarchy: the shape of the tree, and what a removal changes in it.
//!
//! C header: `include/linux/kernfs.h` (`struct kernfs_node`).

use super::{
    final_text,
    locks::{Brand, Iattr, Tree},
};
use crate::{
    compat::{AlwaysRefCounted, Atomic, Full, Relaxed, Release},
    node::{parent_of, Kind, Node},
    shim,
};
use core::{
    mem::MaybeUninit,
    ops::Deref,
    ptr::{self, NonNull},
};
use kernel::bindings;

/// Whether `kn` is in its parent's tree, for as long as `_tree` is held.
///
/// # Safety
///
/// `kn` must not be freed before this returns; its hierarchy is that of `_tree`.
pub(super) unsafe fn is_linked(kn: *const bindings::kernfs_node, _tree: &Tree<'_>) -> bool {
    // SAFETY: The caller keeps it; `rb` changes under `_tree`.
    let (rb, color) = unsafe { (ptr::addr_of!((*kn).rb), (*kn).rb.__rb_parent_color) };
    // RB_EMPTY_NODE(): the node is its own parent.
    color != rb as usize
}

const REMOVING: u16 = bindings::kernfs_node_flag_KERNFS_REMOVING as u16;
const SUICIDAL: u16 = bindings::kernfs_node_flag_KERNFS_SUICIDAL as u16;
const SUICIDED: u16 = bindings::kernfs_node_flag_KERNFS_SUICIDED as u16;

/// `KN_DEACTIVATED_BIAS`: what `active` reads when a node has no users and gets none.
const DEACTIVATED: i32 = i32::MIN + 1;

/// A node of the hierarchy whose lock has the brand `'id`.
///
/// # Invariants
///
/// The node is in the hierarchy that [`Tree<'id>`](Tree) locks.
#[repr(transparent)]
pub(super) struct Member<'id>(Node, Brand<'id>);

// SAFETY: References are counted by `Node`, whose layout this is.
unsafe impl AlwaysRefCounted for Member<'_> {
    fn inc_ref(&self) {
        self.0.inc_ref();
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference that it owns; the layout is that of `Node`.
        unsafe { Node::dec_ref(obj.cast()) };
    }
}

impl Deref for Member<'_> {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.0
    }
}

impl<'id> Member<'id> {
    /// # Safety
    ///
    /// `node` must be in the hierarchy that `Tree<'id>` locks.
    pub(super) unsafe fn new(node: &Node) -> &Self {
        // SAFETY: The layout is that of `Node`.
        // INVARIANT: The caller promises the hierarchy.
        unsafe { &*ptr::from_ref(node).cast() }
    }

    /// # Safety
    ///
    /// `kn` must be a node of the hierarchy that `Tree<'id>` locks, with a reference for `'t`.
    unsafe fn from_raw<'t>(kn: *mut bindings::kernfs_node) -> &'t Self {
        // SAFETY: The caller promises the reference and the hierarchy.
        unsafe { Self::new(Node::from_raw(kn)) }
    }

    fn set_flag(&self, flag: u16, tree: &Tree<'id>) {
        tree.assert_held(self);
        // SAFETY: The invariant of `Node` keeps it; flags change under `kernfs_rwsem`, exclusive.
        unsafe { (*self.as_ptr()).flags |= flag };
    }
}

/// Walking the tree.
impl<'id> Member<'id> {
    /// # Safety
    ///
    /// `rb` must be the `rb` of a node that is linked in a tree with the brand `'id`, for `'t`.
    pub(super) unsafe fn from_rb<'t>(rb: *mut bindings::rb_node) -> &'t Self {
        // SAFETY: The caller promises that a node embeds it.
        let kn = unsafe { kernel::container_of!(rb.cast_const(), bindings::kernfs_node, rb) };
        // SAFETY: A linked node has its creation reference, and siblings share a hierarchy.
        unsafe { Self::from_raw(kn.cast_mut()) }
    }

    pub(super) fn children(&self) -> *mut bindings::rb_root {
        debug_assert!(self.kind() == Kind::Dir);
        // SAFETY: The invariant of `Node` keeps it; this is only called for directories.
        unsafe { ptr::addr_of_mut!((*self.as_ptr()).__bindgen_anon_1.dir.children) }
    }

    /// The directory that the node is, or was, in. A node keeps a reference of it; a rename changes
    /// it under `_tree`.
    pub(super) fn parent<'t>(&'t self, _tree: &'t Tree<'id>) -> Option<&'t Self> {
        // SAFETY: The invariant of `Node` keeps it, and `_tree` its parent the same.
        let parent = unsafe { parent_of(self.as_ptr()) };
        // SAFETY: A node has a reference of its parent, which is in the same hierarchy.
        (!parent.is_null()).then(|| unsafe { Self::from_raw(parent) })
    }

    /// The first node of the subtree in post-order: the deepest first child, or the node itself.
    pub(super) fn leftmost_descendant<'t>(&'t self, _tree: &'t Tree<'id>) -> &'t Self {
        let mut pos = self;
        while pos.kind() == Kind::Dir {
            // SAFETY: `_tree` keeps the children as they are.
            let rb = unsafe { bindings::rb_first(pos.children()) };
            if rb.is_null() {
                break;
            }
            // SAFETY: `rb` links a child, and stays while `_tree` is borrowed.
            pos = unsafe { Self::from_rb(rb) };
        }
        pos
    }

    /// The node that follows `self` in a post-order walk of `top`; `None` after `top`.
    pub(super) fn next_descendant_post<'t>(
        &'t self,
        top: &Self,
        tree: &'t Tree<'id>,
    ) -> Option<&'t Self> {
        if ptr::eq(self, top) {
            return None;
        }
        // SAFETY: `tree` keeps the siblings as they are.
        let rb = unsafe { bindings::rb_next(ptr::addr_of!((*self.as_ptr()).rb)) };
        if rb.is_null() {
            return self.parent(tree);
        }
        // SAFETY: `rb` links a sibling, and stays while `tree` is borrowed.
        Some(unsafe { Self::from_rb(rb) }.leftmost_descendant(tree))
    }
}

/// Removing.
impl<'id> Member<'id> {
    /// Marks the node `KERNFS_REMOVING` and deactivates it: no new users.
    pub(super) fn mark_removing(&self, tree: &Tree<'id>) {
        if !cfg!(omit_guard) {
            self.set_flag(REMOVING, tree);
        }
        if self.is_active() {
            // SAFETY: The invariant of `Node` keeps it; the field is an `atomic_t`.
            let active: &Atomic<i32> =
                unsafe { Atomic::from_ptr(ptr::addr_of_mut!((*self.as_ptr()).active.counter)) };
            active.fetch_add(DEACTIVATED, Full);
        }
    }

    /// Whether nobody uses the node and no open file of it has to be dealt with.
    pub(super) fn is_drained(&self, _tree: &Tree<'id>) -> bool {
        self.is_deactivated() && !self.should_drain_open_files()
    }

    /// Whether nobody uses the node or ever will: `active` is `KN_DEACTIVATED_BIAS`.
    fn is_deactivated(&self) -> bool {
        self.active() == DEACTIVATED
    }

    /// Whether it is a file that somebody holds open. Nobody opens it any more once it is
    /// deactivated.
    pub(super) fn is_open(&self) -> bool {
        // SAFETY: The invariant of `Node` keeps it. The pointer, which a file has, is not followed.
        let open = unsafe { ptr::addr_of!((*self.as_ptr()).__bindgen_anon_1.attr.open) };
        // SAFETY: The same; the last close clears it meanwhile.
        self.kind() == Kind::File && unsafe { !open.read_volatile().is_null() }
    }

    fn should_drain_open_files(&self) -> bool {
        self.is_open()
            // SAFETY: The invariant of `Node` keeps it; it is deactivated, as callers see to.
            && unsafe { shim::rkernfs_should_drain_open_files(self.as_ptr()) }
    }

    /// Waits for the users to leave, then unmaps and releases open files. Returns whether those
    /// who poll the file were woken with that, as the release of a PSI trigger does, and so found
    /// it gone.
    ///
    /// Not to be called with the locks of the hierarchy: users may need them to leave.
    pub(super) fn wait_drained(&self) -> bool {
        // SAFETY: The invariant of `Node` keeps it.
        unsafe { shim::rkernfs_drain_acquire(self.as_ptr()) };
        self.wait_until(|| self.is_deactivated());
        // SAFETY: The invariant of `Node` keeps it; it was acquired above.
        unsafe { shim::rkernfs_drain_release(self.as_ptr()) };
        if !self.should_drain_open_files() {
            return false;
        }
        final_text::keep(self);
        let notified = self.notified();
        // SAFETY: The invariant of `Node` keeps it; it is deactivated and has no users.
        unsafe { shim::rkernfs_drain_open_files(self.as_ptr()) };
        notified != self.notified()
    }

    /// How often those were woken who poll the file.
    fn notified(&self) -> i32 {
        // SAFETY: The invariant of `Node` keeps it; callers see to it being a file.
        unsafe { shim::rkernfs_notified(self.as_ptr()) }
    }

    /// Sleeps until `done`, which users that leave the node make true: they wake
    /// `deactivate_waitq`. As `wait_event()`.
    fn wait_until(&self, done: impl Fn() -> bool) {
        let queue = self.root().deactivate_waitq();
        let mut entry = MaybeUninit::<bindings::wait_queue_entry>::uninit();
        let entry = entry.as_mut_ptr();
        // SAFETY: It initializes `entry` for the current task.
        unsafe { bindings::init_wait_entry(entry, 0) };
        loop {
            // SAFETY: Both are initialized, and stay until `finish_wait()`.
            unsafe {
                bindings::prepare_to_wait_event(
                    queue,
                    entry,
                    bindings::TASK_UNINTERRUPTIBLE as kernel::ffi::c_int,
                )
            };
            if done() {
                break;
            }
            // SAFETY: No lock is held under which sleeping is wrong; lockdep and
            // CONFIG_DEBUG_ATOMIC_SLEEP see to it.
            unsafe { bindings::schedule() };
        }
        // SAFETY: `entry` was prepared on `queue`.
        unsafe { bindings::finish_wait(queue, entry) };
    }

    /// Whether the node is in its parent's tree (the root never is).
    pub(super) fn is_linked(&self, tree: &Tree<'id>) -> bool {
        // SAFETY: The invariant of `Node` keeps it.
        unsafe { is_linked(self.as_ptr(), tree) }
    }

    /// Takes the node out of its parent's tree. It keeps reading as `RB_EMPTY_NODE()`.
    pub(super) fn erase(&self, parent: &Self, tree: &Tree<'id>) {
        tree.assert_held(self);
        let kn = self.as_ptr();
        // SAFETY: The node is linked in `parent`, whose children change under `tree`.
        unsafe { bindings::rb_erase(ptr::addr_of_mut!((*kn).rb), parent.children()) };
        // SAFETY: The invariant of `Node` keeps it. RB_CLEAR_NODE().
        unsafe { (*kn).rb.__rb_parent_color = ptr::addr_of!((*kn).rb) as usize };
    }

    /// Counts a change of the directory's children, which was made. As `kernfs_inc_rev()`, but for
    /// those, too, who read the number without `kernfs_rwsem`: who sees it, sees the change.
    pub(super) fn inc_rev(&self, _tree: &Tree<'id>) {
        // SAFETY: The invariant of `Node` keeps it, a directory; others change the number under
        // `kernfs_rwsem`, exclusive, and read it as a whole.
        let rev: &Atomic<usize> = unsafe {
            Atomic::from_ptr(ptr::addr_of_mut!((*self.as_ptr()).__bindgen_anon_1.dir.rev).cast())
        };
        rev.store(rev.load(Relaxed).wrapping_add(1), Release);
    }

    /// Takes a directory that was removed from this one off the link count.
    pub(super) fn dec_subdirs(&self, _iattr: &Iattr<'_, 'id>) {
        // SAFETY: The invariant of `Node` keeps it, a directory; others read it under
        // `kernfs_iattr_rwsem`, shared.
        unsafe { (*self.as_ptr()).__bindgen_anon_1.dir.subdirs -= 1 };
    }

    /// Keeps the link count of a removed directory's inodes at 0, whenever they are refreshed.
    pub(super) fn keep_nlink_clear(&self, _iattr: &Iattr<'_, 'id>) {
        debug_assert!(self.kind() == Kind::Dir);
        if !cfg!(omit_guard) {
            // SAFETY: The invariant of `Node` keeps it, a directory; others read the number under
            // `kernfs_iattr_rwsem`, shared.
            unsafe { shim::rkernfs_keep_nlink_clear(self.as_ptr()) };
        }
    }

    /// Whether the node has times of its own, which [`Member::touch`] sets.
    pub(super) fn has_iattr(&self) -> bool {
        // SAFETY: The invariant of `Node` keeps it. The pointer is not followed.
        unsafe {
            !ptr::addr_of!((*self.as_ptr()).iattr)
                .read_volatile()
                .is_null()
        }
    }

    /// Sets the node's `ctime` and `mtime` to now, if it has any.
    pub(super) fn touch(&self, _iattr: &Iattr<'_, 'id>) {
        if self.has_iattr() {
            // SAFETY: The invariant of `Node` keeps it, with the attributes, which are never taken
            // away; others read the times under `kernfs_iattr_rwsem`.
            unsafe { shim::rkernfs_set_times(self.as_ptr()) };
        }
    }
}

/// Removing a node from within its own file operation: `kernfs_remove_self()`.
impl<'id> Member<'id> {
    /// Claims the removal; only the first caller gets `true`.
    pub(super) fn claim_suicide(&self, tree: &Tree<'id>) -> bool {
        let first = self.flags() & SUICIDAL == 0;
        self.set_flag(SUICIDAL, tree);
        first
    }

    /// Says that the winner has removed the node.
    pub(super) fn set_suicided(&self, tree: &Tree<'id>) {
        self.set_flag(SUICIDED, tree);
    }

    /// Whether the winner has removed the node and left its file operation.
    pub(super) fn is_suicide_complete(&self, _tree: &Tree<'id>) -> bool {
        self.may_be_suicide_complete()
    }

    fn may_be_suicide_complete(&self) -> bool {
        self.flags() & SUICIDED != 0 && self.is_deactivated()
    }

    /// Sleeps until [`Member::is_suicide_complete`] is worth another look: the winner sets the flag
    /// and takes its active reference back under `kernfs_rwsem`.
    pub(super) fn wait_suicide(&self) {
        self.wait_until(|| self.may_be_suicide_complete());
    }
}
