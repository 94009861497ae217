// SPDX-License-Identifier: GPL-2.0

//! The superblocks that show a hierarchy.
//!
//! sysfs may have one for each container, and a removal must not take a look at each. What it would
//! look for is noted here instead when it begins to exist, which is hardly ever: marks on whole
//! superblocks, and nodes that were moved between namespaces. A note may say yes where it is no
//! (more) true. And the superblock of a namespace whose nodes go is near the front of the list.
//!
//! C headers: `fs/kernfs/kernfs-internal.h` (`struct kernfs_super_info`), `include/linux/fs.h`.

use super::locks::Supers;
use crate::{
    compat::{Atomic, Full, Relaxed},
    node::{parent_of, Node, Root},
    shim,
};
use core::{
    ffi::c_void,
    marker::PhantomData,
    ptr::{self, NonNull},
};
use kernel::{bindings, error::to_result, prelude::*};

/// As in `linux/fsnotify_backend.h`; it is `IN_DELETE_SELF` of the user's headers.
const FS_DELETE_SELF: u32 = 0x400;

/// A superblock that shows a hierarchy. Wraps `struct kernfs_super_info`.
///
/// Neither it nor its superblock goes away while [`Supers`] is held: `kernfs_kill_sb()` takes it
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

    /// Whether a mark on the whole superblock asks for `FAN_DELETE_SELF` of `node`.
    pub(super) fn reports_removal_of(&self, node: &Node) -> bool {
        self.reports_removal() && self.shows(node)
    }

    /// Whether a mark on the whole superblock asks for `FAN_DELETE_SELF`.
    fn reports_removal(&self) -> bool {
        // SAFETY: The type's invariant keeps the superblock.
        let mask = unsafe { ptr::addr_of!((*self.sb()).s_fsnotify_mask).read_volatile() };
        mask & FS_DELETE_SELF != 0
    }

    /// Tells those who watch the whole superblock that an event was lost (`FAN_Q_OVERFLOW`).
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
        (self.root().may_have_super_marks() || self.hints() & UNNOTED != 0)
            && self.look_for_super_marks()
    }

    #[cold]
    fn look_for_super_marks(&self) -> bool {
        let any = || self.iter().any(|sb| sb.reports_removal());
        if any() {
            return true;
        }
        // Who adds one meanwhile notes it after it is there.
        self.root().note_super_marks(false);
        let any = any();
        if any {
            self.root().note_super_marks(true);
        }
        any
    }

    /// The superblocks that may have an inode of a node: all of them, unless it is, and always
    /// was, shown in one namespace only. Each namespace has one at most: `kernfs_get_tree()`.
    #[inline]
    pub(super) fn may_know(&self, node: &Node) -> impl Iterator<Item = Super<'_>> + '_ {
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
        if passed > FAR {
            want_at_front(ns);
        }
        Some(sb)
    }
}

/// Superblocks passed over on the way to the one that was looked for, from which on it is worth
/// being found sooner.
const FAR: u32 = 16;

/// What there is to know before a removal, in one word that is read once: bits of what follows.
static HINTS: Atomic<u32> = Atomic::new(0);
/// Nobody notes marks on whole superblocks (`FAN_MARK_FILESYSTEM`).
const UNNOTED: u32 = 1;
/// [`WANTED`] is set.
const IS_WANTED: u32 = 2;

/// The namespace whose superblock was last found far from the front.
static WANTED: Atomic<usize> = Atomic::new(0);

/// See [`HINTS`].
pub(super) fn hints() -> u32 {
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

#[cold]
fn want_at_front(ns: *const c_void) {
    WANTED.store(ns as usize, Relaxed);
    set_hint(IS_WANTED, true);
}

/// Brings the superblock that was last found far from the front there, unless somebody has the
/// lock: nodes of one namespace often go together. The list has no order.
pub(super) fn move_wanted_to_front(root: &Root, hints: u32) {
    if hints & IS_WANTED != 0 {
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
    set_hint(IS_WANTED, false);
    let wanted = WANTED.load(Relaxed) as *const c_void;
    let head = root.supers();
    let mut link = head;
    // SAFETY: The lock, which is held exclusively, keeps the list, on which `link` is.
    while let Some(info) = unsafe { info_after(link, head) } {
        // SAFETY: It is on the list.
        link = unsafe { link_of(info.as_ptr()) };
        // SAFETY: The same.
        if ptr::eq(unsafe { namespace_of(info.as_ptr()) }, wanted) {
            // SAFETY: It is on the list, which nobody else walks, as the lock is exclusive.
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

/// # Safety
///
/// `info` must be one that is not freed before this returns.
unsafe fn namespace_of(info: *mut shim::kernfs_super_info) -> *const c_void {
    // SAFETY: The caller keeps it; the tag is constant.
    unsafe { *shim::member(info, shim::RKERNFS_SUPER_INFO_NS) }
}

/// The namespace whose nodes `sb` shows, as an opaque tag.
///
/// # Safety
///
/// `sb` must be alive, and one of kernfs.
pub(super) unsafe fn namespace_shown(sb: *mut bindings::super_block) -> *const c_void {
    // SAFETY: Such a superblock has its information as long as it is alive.
    unsafe { namespace_of(shim::rkernfs_info(sb)) }
}

/// Which superblocks show a node.
struct ShownIn {
    /// The namespace, as an opaque tag that is only compared; null if all do.
    ns: *const c_void,
    /// Once others may have shown it.
    was_moved: bool,
}

impl ShownIn {
    /// The tag of the nearest tagged node on the way up, which a rename may change.
    #[inline(never)]
    fn of(node: &Node) -> Self {
        // SAFETY: The invariant of `Node` keeps it.
        unsafe { Self::of_raw(node.as_ptr()) }
    }

    /// # Safety
    ///
    /// `kn` must be null or a node that is not freed before this returns.
    unsafe fn of_raw(mut kn: *mut bindings::kernfs_node) -> Self {
        let mut ns: *const c_void = ptr::null();
        let mut was_moved = false;
        // SAFETY: The read-side section ends below, and nothing in it sleeps.
        unsafe { shim::rkernfs_rcu_read_lock() };
        while !kn.is_null() && ns.is_null() {
            // SAFETY: The caller keeps the first, RCU those above; numbers and tags of nodes can be
            // read without a lock.
            let (id, tag) = unsafe { ((*kn).id, (*kn).ns) };
            was_moved |= moved(id).load(Relaxed);
            ns = tag.cast();
            // SAFETY: The caller keeps the first, RCU those above.
            kn = unsafe { parent_of(kn) };
        }
        // SAFETY: The section was entered above.
        unsafe { shim::rkernfs_rcu_read_unlock() };
        Self { ns, was_moved }
    }

    /// The one namespace that it is, and always was, shown in; null if there may be others.
    fn only(&self) -> *const c_void {
        if self.was_moved {
            ptr::null()
        } else {
            self.ns
        }
    }
}

const MOVED_BITS: u32 = 14;
#[allow(
    clippy::declare_interior_mutable_const,
    reason = "the start of each in an array"
)]
const NOT_MOVED: Atomic<bool> = Atomic::new(false);

/// The nodes that were moved to another namespace, with all below them, by a hash of their number:
/// superblocks that do not show them any more may have inodes of them.
static MOVED: [Atomic<bool>; 1 << MOVED_BITS] = [NOT_MOVED; 1 << MOVED_BITS];

/// The note on the node with the number `id`.
fn moved(id: u64) -> &'static Atomic<bool> {
    // The multiplier of Fibonacci hashing: 2^64 by the golden ratio.
    let hash = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - MOVED_BITS);
    &MOVED[hash as usize % MOVED.len()]
}

/// Calls that change what is noted.
static PROBES: shim::rkernfs_probes = shim::rkernfs_probes {
    super_marked: Some(super_marked),
    renamed: Some(renamed),
};

/// There may be a mark on the whole of `sb` now.
///
/// # Safety
///
/// `sb` must be alive.
unsafe extern "C" fn super_marked(sb: *mut bindings::super_block) {
    // SAFETY: The caller keeps the superblock.
    let root = unsafe { shim::rkernfs_root_from_sb(sb) };
    if !root.is_null() {
        // SAFETY: A superblock of kernfs keeps its hierarchy.
        unsafe { Root::from_raw(root) }.note_super_marks(true);
    }
}

/// `kernfs_rename_ns()` is about to run.
///
/// # Safety
///
/// Its caller has references of both nodes.
unsafe extern "C" fn renamed(
    kn: *mut bindings::kernfs_node,
    new_parent: *mut bindings::kernfs_node,
    new_ns: *const kernel::ffi::c_void,
) {
    // SAFETY: The caller has a reference.
    let old = unsafe { ShownIn::of_raw(kn) };
    let new_ns = if new_ns.is_null() {
        // SAFETY: The caller has a reference.
        unsafe { ShownIn::of_raw(new_parent) }.ns
    } else {
        new_ns.cast()
    };
    if old.ns != new_ns {
        // SAFETY: The caller has a reference; the number is constant.
        moved(unsafe { (*kn).id }).store(true, Relaxed);
    }
}

/// The notes, kept as long as the value lives.
///
/// # Invariants
///
/// The probes are in place.
pub(super) struct Notes(());

impl Notes {
    /// Starts noting, and notes what there is.
    ///
    /// # Errors
    ///
    /// `ENOENT` if the kernel lacks a function that is to be traced, and what ftrace returns. The
    /// log names it.
    pub(super) fn new() -> Result<Self> {
        // SAFETY: Called once, after unexported functions were found; the table is static.
        let error = unsafe { shim::rkernfs_probes_start(&PROBES) };
        to_result(error.min(0))?;
        set_hint(UNNOTED, error > 0);
        // SAFETY: Unexported functions were found before.
        unsafe { shim::rkernfs_iterate_supers(Some(note)) };
        // INVARIANT: Just started.
        Ok(Self(()))
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant they were started.
        unsafe { shim::rkernfs_probes_stop() };
    }
}

/// Notes what there was before the probes.
///
/// # Safety
///
/// `sb` must be alive: `iterate_supers()` has it locked.
unsafe extern "C" fn note(sb: *mut bindings::super_block, _arg: *mut kernel::ffi::c_void) {
    // SAFETY: The caller keeps the superblock.
    if unsafe { shim::rkernfs_root_from_sb(sb) }.is_null() {
        return;
    }
    // SAFETY: The caller keeps the superblock.
    unsafe { super_marked(sb) };
    // SAFETY: The caller keeps it, and it is one of kernfs.
    let ns = unsafe { namespace_shown(sb) };
    if !ns.is_null() {
        // SAFETY: The caller keeps it, and it is one of kernfs.
        unsafe { note_moved(sb, ns) };
    }
}

/// Notes the nodes that have an inode in `sb`, but are shown in another namespace than `ns`.
///
/// # Safety
///
/// `sb` must be alive, and one of kernfs.
unsafe fn note_moved(sb: *mut bindings::super_block, ns: *const c_void) {
    // SAFETY: The caller keeps the superblock.
    let (lock, head) = unsafe {
        (
            ptr::addr_of_mut!((*sb).s_inode_list_lock).cast(),
            ptr::addr_of_mut!((*sb).s_inodes),
        )
    };
    // SAFETY: The lock of a superblock that is kept.
    unsafe { shim::rkernfs_spin_lock(lock) };
    // SAFETY: The lock keeps the list.
    let mut pos = unsafe { (*head).next };
    while !ptr::eq(pos, head) {
        // SAFETY: `pos` is on the list of inodes, so one embeds it.
        let inode = unsafe { kernel::container_of!(pos.cast_const(), bindings::inode, i_sb_list) };
        // SAFETY: An inode on the list is alive; `i_private` is null, or a node that it has a
        // reference of until it is taken off the list.
        let kn: *mut bindings::kernfs_node =
            unsafe { ptr::addr_of!((*inode).i_private).read_volatile() }.cast();
        // SAFETY: It is null or a node with a reference, as said above.
        let shown_in = unsafe { ShownIn::of_raw(kn) }.ns;
        if !shown_in.is_null() && shown_in != ns {
            // SAFETY: It has a tag, so it is not null.
            moved(unsafe { (*kn).id }).store(true, Relaxed);
        }
        // SAFETY: The lock keeps the list.
        pos = unsafe { (*pos).next };
    }
    // SAFETY: This task took the lock above.
    unsafe { shim::rkernfs_spin_unlock(lock) };
}
