// SPDX-License-Identifier: GPL-2.0

//! Nodes of a locked hierarchy: the shape of the tree, and what a removal changes in it.
//!
//! C header: `include/linux/kernfs.h` (`struct kernfs_node`).

use super::{
    final_text,
    locks::{Iattr, Tree},
    member::Member,
};
use crate::{
    compat::{Atomic, Full, Relaxed, Release},
    node::{parent_of, Kind},
    shim,
};
use core::{mem::MaybeUninit, ptr};
use kernel::bindings;

/// Whether `kn` is in its parent's tree, for as long as `_tree` is held.
///
/// Needs no memory barrier: one that is being created, by a task that does not hold the lock yet, may be
/// seen with either of the values below, and with no other.
///
/// # Safety
///
/// `kn` must not be freed before this returns; its hierarchy is that of `_tree`.
pub(super) unsafe fn is_linked(kn: *const bindings::kernfs_node, _tree: &Tree<'_>) -> bool {
    // SAFETY: The caller keeps it.
    let rb = unsafe { ptr::addr_of!((*kn).rb) };
    // SAFETY: The same; of a linked node it changes under `_tree`.
    let color = unsafe { ptr::addr_of!((*rb).__rb_parent_color).read_volatile() };
    // Of a linked node it is its parent, or says that it is black. 0: as the memory was allocated.
    // RB_EMPTY_NODE(): the node is its own parent.
    color != 0 && color != rb as usize
}

const REMOVING: u16 = bindings::kernfs_node_flag_KERNFS_REMOVING as u16;
const SUICIDAL: u16 = bindings::kernfs_node_flag_KERNFS_SUICIDAL as u16;
const SUICIDED: u16 = bindings::kernfs_node_flag_KERNFS_SUICIDED as u16;

/// `KN_DEACTIVATED_BIAS`: `active` of a node that has no active references and gets none.
const DEACTIVATED: i32 = i32::MIN + 1;

impl<'id> Member<'id> {
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
    /// Sets `KERNFS_REMOVING` and deactivates the node: no new users.
    pub(super) fn set_removing(&self, tree: &Tree<'id>) {
        self.set_flag(REMOVING, tree);
        if self.is_active() {
            // SAFETY: The invariant of `Node` keeps it; the field is an `atomic_t`.
            let active: &Atomic<i32> =
                unsafe { Atomic::from_ptr(ptr::addr_of_mut!((*self.as_ptr()).active.counter)) };
            active.fetch_add(DEACTIVATED, Full);
        }
    }

    /// Whether the node has no users, and no open file of it has to be drained.
    pub(super) fn is_drained(&self, _tree: &Tree<'id>) -> bool {
        self.is_deactivated() && !self.should_drain_open_files()
    }

    /// Whether the node has no users and gets none: `active` is `KN_DEACTIVATED_BIAS`.
    fn is_deactivated(&self) -> bool {
        self.active() == DEACTIVATED
    }

    /// Whether it is a file that is open. Once it is deactivated, it cannot be opened any more.
    pub(super) fn is_open(&self) -> bool {
        // SAFETY: The invariant of `Node` keeps it. The pointer, which a file has, is not followed.
        let open = unsafe { ptr::addr_of!((*self.as_ptr()).__bindgen_anon_1.attr.open) };
        // SAFETY: The same; the last close clears it meanwhile.
        self.kind() == Kind::File && unsafe { !open.read_volatile().is_null() }
    }

    fn should_drain_open_files(&self) -> bool {
        self.is_open()
            // SAFETY: The invariant of `Node` keeps it; callers have deactivated it.
            && unsafe { shim::rkernfs_should_drain_open_files(self.as_ptr()) }
    }

    /// Waits for the users to leave, then unmaps and releases open files. Returns whether pollers of the
    /// file were woken with that, as the release of a PSI trigger does, and so found it removed. Of those
    /// that wait exclusively, it wakes one, and this wakes the others.
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
        let woken = notified != self.notified();
        if woken {
            // SAFETY: The invariant of `Node` keeps it, a file.
            unsafe { shim::rkernfs_wake_exclusive_pollers(self.as_ptr()) };
        }
        woken
    }

    /// How often pollers of the file were woken.
    fn notified(&self) -> i32 {
        // SAFETY: The invariant of `Node` keeps it; callers have checked that it is a file.
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
            // CONFIG_DEBUG_ATOMIC_SLEEP check that.
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

    /// Unlinks the node from its parent's tree, for good: `RB_EMPTY_NODE()` stays true.
    pub(super) fn erase(&self, parent: &Self, tree: &Tree<'id>) {
        tree.assert_held(self);
        let kn = self.as_ptr();
        // SAFETY: The node is linked in `parent`, whose children change under `tree`.
        unsafe { bindings::rb_erase(ptr::addr_of_mut!((*kn).rb), parent.children()) };
        // SAFETY: The invariant of `Node` keeps it. RB_CLEAR_NODE().
        unsafe { (*kn).rb.__rb_parent_color = ptr::addr_of!((*kn).rb) as usize };
    }

    /// Counts a change of the directory's children, after it was made. As `kernfs_inc_rev()`, but also
    /// for readers without `kernfs_rwsem`: a task that reads the new count sees the change.
    pub(super) fn inc_rev(&self, _tree: &Tree<'id>) {
        // SAFETY: The invariant of `Node` keeps it, a directory; others change the number under
        // `kernfs_rwsem`, exclusive, and read it as a whole.
        let rev: &Atomic<usize> = unsafe {
            Atomic::from_ptr(ptr::addr_of_mut!((*self.as_ptr()).__bindgen_anon_1.dir.rev).cast())
        };
        rev.store(rev.load(Relaxed).wrapping_add(1), Release);
    }

    /// Subtracts a directory that was removed from this one from the link count.
    pub(super) fn dec_subdirs(&self, _iattr: &Iattr<'_, 'id>) {
        // SAFETY: The invariant of `Node` keeps it, a directory; others read it under
        // `kernfs_iattr_rwsem`, shared.
        unsafe { (*self.as_ptr()).__bindgen_anon_1.dir.subdirs -= 1 };
    }

    /// Keeps the link count of a removed directory's inodes at 0, whenever they are refreshed.
    pub(super) fn keep_nlink_clear(&self, _iattr: &Iattr<'_, 'id>) {
        debug_assert!(self.kind() == Kind::Dir);
        // SAFETY: The invariant of `Node` keeps it, a directory; others read the number under
        // `kernfs_iattr_rwsem`, shared.
        unsafe { shim::rkernfs_keep_nlink_clear(self.as_ptr()) };
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

    /// Sets `KERNFS_SUICIDED`: the winner has removed the node.
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
