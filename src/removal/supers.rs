// SPDX-License-Identifier: GPL-2.0

//! The superblocks that show a hierarchy, and the lock of their list.
//!
//! sysfs may have one for each container, and a removal must not search them all. So what it would
//! search for is tracked, which hardly ever exists: marks on whole superblocks, and nodes that were
//! moved between namespaces ([`tracking`](super::tracking)). A hint may be stale by saying yes, never
//! by saying no. And the superblock of a namespace whose nodes are being removed is near the front of
//! the list.
//!
//! C headers: `fs/kernfs/kernfs-internal.h` (`struct kernfs_super_info`), `include/linux/fs.h`.

use super::{
    namespace::{namespace_of, ShownIn},
    stats::COUNTERS,
};
use crate::{
    compat::{Atomic, Full, Relaxed},
    node::{Node, Root},
    shim,
};
use core::{
    ffi::c_void,
    marker::PhantomData,
    ptr::{self, NonNull},
};
use kernel::bindings;

/// As in `linux/fsnotify_backend.h`; it is `IN_DELETE_SELF` of the user's headers.
const FS_DELETE_SELF: u32 = 0x400;

/// `kernfs_supers_rwsem` held shared: no superblock is added or removed.
///
/// # Invariants
///
/// The current task holds the lock of `root`.
pub(crate) struct Supers<'r> {
    root: &'r Root,
    /// [`hints`] when the lock was taken.
    hints: u32,
    _not_send: PhantomData<*mut ()>,
}

impl<'r> Supers<'r> {
    /// Takes the lock; sleeps until it is free.
    pub(crate) fn lock(root: &'r Root) -> Self {
        let hints = hints();
        move_requested_to_front(root, hints);
        // SAFETY: The invariant of `Root` keeps it while it is borrowed.
        unsafe { bindings::down_read(root.kernfs_supers_rwsem()) };
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
}

impl Drop for Supers<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant this task holds it, as the value cannot be sent.
        unsafe { bindings::up_read(self.root.kernfs_supers_rwsem()) };
    }
}

/// `kernfs_supers_rwsem` held exclusively: nothing is removed, as that takes [`Supers`]. A
/// node that was just created stays until there is a reference of it.
///
/// # Invariants
///
/// The current task holds the lock of `root`.
pub(crate) struct RemovalsExcluded<'r> {
    root: &'r Root,
    _not_send: PhantomData<*mut ()>,
}

impl<'r> RemovalsExcluded<'r> {
    /// Takes the lock; sleeps until it is free.
    pub(crate) fn lock(root: &'r Root) -> Self {
        // SAFETY: The invariant of `Root` keeps it while it is borrowed.
        unsafe { bindings::down_write(root.kernfs_supers_rwsem()) };
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
        unsafe { bindings::up_write(self.root.kernfs_supers_rwsem()) };
    }
}

/// A superblock that shows a hierarchy. Wraps `struct kernfs_super_info`.
///
/// Neither it nor its superblock is freed while [`Supers`] is held: `kernfs_kill_sb()` takes it
/// off the root's list under the same lock, exclusively, before anything else.
///
/// # Invariants
///
/// `info` is on the list of a root whose `kernfs_supers_rwsem` is held for `'s`.
pub(crate) struct Super<'s> {
    info: NonNull<shim::kernfs_super_info>,
    _supers: PhantomData<&'s Supers<'s>>,
}

impl Super<'_> {
    pub(crate) fn sb(&self) -> *mut bindings::super_block {
        // SAFETY: The type's invariant keeps it.
        unsafe { *shim::member(self.info.as_ptr(), shim::RKERNFS_SUPER_INFO_SB) }
    }

    /// What links it on the list of its root.
    fn link(&self) -> *mut bindings::list_head {
        // SAFETY: The type's invariant keeps it.
        unsafe { link_of(self.info.as_ptr()) }
    }

    /// The namespace whose nodes the superblock shows, as an opaque tag.
    fn ns(&self) -> *const c_void {
        // SAFETY: The type's invariant keeps it.
        unsafe { namespace_of(self.info.as_ptr()) }
    }

    /// Whether the superblock shows `node`.
    pub(crate) fn shows(&self, node: &Node) -> bool {
        let shown_in = ShownIn::of(node).ns;
        shown_in.is_null() || shown_in == self.ns()
    }

    /// Whether a mark on the whole superblock asks for `FAN_DELETE_SELF` of `node`. One whose creation
    /// failed was seen by nobody.
    pub(super) fn reports_removal_of(&self, node: &Node) -> bool {
        self.reports_removal() && node.is_activated() && self.shows(node)
    }

    /// Whether a mark on the whole superblock asks for `FAN_DELETE_SELF`.
    fn reports_removal(&self) -> bool {
        // SAFETY: The type's invariant keeps the superblock.
        let mask = unsafe { ptr::addr_of!((*self.sb()).s_fsnotify_mask).read_volatile() };
        mask & FS_DELETE_SELF != 0
    }

    /// Sends an overflow event (`FAN_Q_OVERFLOW`) to marks on the whole superblock: a removal is missed.
    pub(super) fn queue_overflow(&self) {
        // SAFETY: The type's invariant keeps the superblock.
        unsafe { shim::rkernfs_queue_overflow(self.sb()) };
    }
}

impl Supers<'_> {
    /// All superblocks.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Super<'_>> + '_ {
        let mut pos = self.root().supers();
        core::iter::from_fn(move || {
            let sb = self.after(pos)?;
            pos = sb.link();
            Some(sb)
        })
    }

    /// The superblock that follows `link` on the list, which begins with its head.
    fn after(&self, link: *mut bindings::list_head) -> Option<Super<'_>> {
        // SAFETY: The lock keeps the list as it is, and `link` is on it.
        let info = unsafe { info_after(link, self.root().supers()) }?;
        // INVARIANT: On the list, whose lock is held as long as `self` is borrowed.
        Some(Super {
            info,
            _supers: PhantomData,
        })
    }

    /// Whether any superblock has a mark that asks for `FAN_DELETE_SELF` of all it shows.
    pub(super) fn any_reports_removal(&self) -> bool {
        (self.root().may_have_super_marks() || self.hints & UNTRACKED != 0)
            && self.find_super_marks()
    }

    #[cold]
    fn find_super_marks(&self) -> bool {
        COUNTERS.supers_searched.add(1);
        let any = || self.iter().any(|sb| sb.reports_removal());
        if any() {
            return true;
        }
        // If a task adds one meanwhile, tracking sets this again, after the mark was added.
        self.root().set_may_have_super_marks(false);
        let any = any();
        if any {
            self.root().set_may_have_super_marks(true);
        }
        any
    }

    /// The superblocks that may have an inode of a node: all of them, unless it is, and always
    /// was, shown in one namespace only. Each namespace has one at most: `kernfs_get_tree()`.
    #[inline]
    pub(super) fn may_have_inode_of(&self, node: &Node) -> impl Iterator<Item = Super<'_>> + '_ {
        let mut next = self.after(self.root().supers());
        // Where one shows all nodes, so do the others: most hierarchies have no namespaces.
        let only = match &next {
            Some(first) if !first.ns().is_null() => ShownIn::of(node).only(),
            _ => ptr::null(),
        };
        if !only.is_null() {
            next = self.of_namespace(only);
        }
        core::iter::from_fn(move || {
            let sb = next.take()?;
            if only.is_null() {
                next = self.after(sb.link());
            }
            Some(sb)
        })
    }

    #[inline(never)]
    fn of_namespace(&self, ns: *const c_void) -> Option<Super<'_>> {
        let mut passed = 0;
        let sb = self
            .iter()
            .inspect(|_| passed += 1)
            .find(|sb| sb.ns() == ns)?;
        if passed > FRONT_THRESHOLD {
            request_front(ns);
        }
        Some(sb)
    }
}

/// Number of list entries skipped before a lookup is worth speeding up by moving the superblock to the
/// front.
const FRONT_THRESHOLD: u32 = 16;

/// What a removal has to know beforehand, in one word that is read once: the following bits.
static HINTS: Atomic<u32> = Atomic::new(0);
/// Marks on whole superblocks (`FAN_MARK_FILESYSTEM`) are not tracked.
const UNTRACKED: u32 = 1;
/// [`FRONT_NAMESPACE`] is set.
const FRONT_REQUESTED: u32 = 2;

/// The namespace whose superblock was last found far from the front.
static FRONT_NAMESPACE: Atomic<usize> = Atomic::new(0);

/// See [`HINTS`].
fn hints() -> u32 {
    HINTS.load(Relaxed)
}

fn set_hint(hint: u32, on: bool) {
    let mut seen = hints();
    loop {
        let new = if on { seen | hint } else { seen & !hint };
        match HINTS.cmpxchg(seen, new, Full) {
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}

/// Sets whether marks on whole superblocks are tracked.
pub(super) fn set_super_marks_tracked(tracked: bool) {
    set_hint(UNTRACKED, !tracked);
}

#[cold]
fn request_front(ns: *const c_void) {
    FRONT_NAMESPACE.store(ns as usize, Relaxed);
    set_hint(FRONT_REQUESTED, true);
}

/// Moves the superblock that was last found far from the front there, unless another task has the
/// lock: nodes of one namespace are often removed together. The list has no order.
fn move_requested_to_front(root: &Root, hints: u32) {
    if hints & FRONT_REQUESTED != 0 {
        move_to_front(root);
    }
}

#[cold]
fn move_to_front(root: &Root) {
    let lock = root.kernfs_supers_rwsem();
    // SAFETY: The invariant of `Root` keeps it while it is borrowed.
    if unsafe { bindings::down_write_trylock(lock) } == 0 {
        return;
    }
    set_hint(FRONT_REQUESTED, false);
    let requested = FRONT_NAMESPACE.load(Relaxed) as *const c_void;
    let head = root.supers();
    let mut link = head;
    // SAFETY: The lock, which is held exclusively, keeps the list, on which `link` is.
    while let Some(info) = unsafe { info_after(link, head) } {
        // SAFETY: It is on the list.
        link = unsafe { link_of(info.as_ptr()) };
        // SAFETY: The same.
        if ptr::eq(unsafe { namespace_of(info.as_ptr()) }, requested) {
            // SAFETY: It is on the list, which no other task walks, as the lock is exclusive.
            unsafe { shim::rkernfs_list_move(link, head) };
            break;
        }
    }
    // SAFETY: This task took the lock above.
    unsafe { bindings::up_write(lock) };
}

/// What follows `link` on the list of a root's superblocks that begins at `head`.
///
/// # Safety
///
/// `link` must be on that list, or `head` itself, and the list must not change meanwhile.
unsafe fn info_after(
    link: *mut bindings::list_head,
    head: *mut bindings::list_head,
) -> Option<NonNull<shim::kernfs_super_info>> {
    // SAFETY: The caller keeps the list.
    let next = unsafe { (*link).next };
    if ptr::eq(next, head) {
        return None;
    }
    // SAFETY: What is linked there, but for the head, is in one of these.
    NonNull::new(unsafe { shim::container(next, shim::RKERNFS_SUPER_INFO_NODE) })
}

/// What links `info` on the list of its root.
///
/// # Safety
///
/// `info` must be one that is not freed before this returns.
unsafe fn link_of(info: *mut shim::kernfs_super_info) -> *mut bindings::list_head {
    // SAFETY: The caller keeps it.
    unsafe { shim::member(info, shim::RKERNFS_SUPER_INFO_NODE) }
}
