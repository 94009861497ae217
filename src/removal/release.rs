// SPDX-License-Identifier: GPL-2.0

//! The release stage: ends the inodes of removed nodes that VFS would not end by itself.
//!
//! A cleared link count makes VFS report an inode (`fsnotify_inoderemove()`) when its last dentry
//! goes. For the children of a directory that rmdir(2) removes, VFS sees to that at once. It does
//! not when
//!
//! - the dentry stays in the cache, because a write or the kernel itself removed the node, or
//!   because a file was open at rmdir: invalidate it ([`Inode::hashed_alias`]), so that the last
//!   reference, not memory pressure, ends it; the same with the dentries of names that are looked up
//!   in a removed directory by whoever has it open, and are not found ([`Inode::mark_dead`]);
//! - the dentry was reclaimed before, so that none is left to go: give the inode another one, and
//!   let that go ([`Inode::obtain_alias`]).
//!
//! Either way its marks are dropped with the report, so that a second one would find nobody. What
//! is left to exclude is two at the same time: VFS holds a reference of an inode while it reports
//! it, and so does whoever is about to give it a dentry. An inode with a reference that is not
//! accounted for ([`Inode::holders`]) is looked at again later.
//!
//! The stage runs where [`shim::rkernfs_defer`] says. Nothing of it depends on memory. Removed
//! nodes lend it the fields that they have no use for any more: `rb.rb_left` and `rb.rb_right` of an
//! unlinked node (`RB_EMPTY_NODE()` reads the third), and `rcu` of one that has references. Without
//! memory for a dentry, the inode is reported directly.

use super::{clear_nlink, lookup, stats};
use crate::{
    compat::ARef,
    kernfs::{
        internals::{ActiveSuper, Inode, Retired, Supers, Tree},
        Kind, Node,
    },
    shim,
};
use core::ptr::{self, NonNull};
use kernel::bindings;

shim::export!(rkernfs_deferred(_));

/// Looks at an inode that somebody else is busy with, 1, 2, 4… ms apart, up to 8 s in all.
const MAX_ATTEMPTS: u8 = 16;
const MAX_DELAY_MS: u32 = 1024;

/// Looks, a millisecond or more apart, at whether somebody still reports an inode that was given a
/// dentry. That task may be preempted for as long as others have the CPU: 16 looks were too few on
/// a busy host, and a watch was told twice.
const MAX_REPORT_LOOKS: u32 = 8192;

/// What is left to do for a removed node. Travels in `rb.rb_right`.
#[derive(Clone, Copy, Default)]
pub(super) struct Todo {
    /// Inodes whose link count was cleared and that are not ended yet.
    pub(super) cleared: u32,
    /// How often the node was looked at.
    attempts: u8,
    /// There are inodes to report, kept by [`Inode::pin`].
    pub(super) pinned: bool,
    /// Somebody may be about to make another inode.
    pub(super) late: bool,
}

impl Todo {
    fn to_bits(self) -> usize {
        let [a, b, c, d] = self.cleared.to_ne_bytes();
        usize::from_ne_bytes([
            a,
            b,
            c,
            d,
            self.attempts,
            self.pinned.into(),
            self.late.into(),
            0,
        ])
    }

    fn from_bits(bits: usize) -> Self {
        let [a, b, c, d, attempts, pinned, late, _] = bits.to_ne_bytes();
        Self {
            cleared: u32::from_ne_bytes([a, b, c, d]),
            attempts,
            pinned: pinned != 0,
            late: late != 0,
        }
    }

    /// Counts an inode as ended.
    fn count(&mut self, how: &stats::Counter) {
        how.add(1);
        self.cleared = self.cleared.saturating_sub(1);
    }

    fn is_done(&self) -> bool {
        self.cleared == 0 && !self.late
    }

    fn is_last_attempt(&self) -> bool {
        self.attempts >= MAX_ATTEMPTS
    }
}

/// Removed nodes on their way to the release stage, in the order of their removal.
///
/// # Invariants
///
/// `first` and what follows from it through `rb.rb_left`, up to `last`, are unlinked nodes; the
/// batch owns a reference of each.
pub(super) struct Batch {
    first: *mut bindings::kernfs_node,
    last: *mut bindings::kernfs_node,
    /// Private data of all removed nodes, also of those that are not in the batch.
    retired: Retired,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            first: ptr::null_mut(),
            last: ptr::null_mut(),
            retired: Retired::new(),
        }
    }

    /// Takes the private data of a node that was just unlinked, to drop it without locks.
    pub(super) fn retire(&mut self, node: &Node, tree: &Tree<'_>) {
        // SAFETY: Nodes are drained before they are unlinked.
        unsafe { self.retired.push(node, tree) };
    }

    /// Adds a node that was just unlinked, with its creation reference, if there is more to do.
    pub(super) fn push(&mut self, node: ARef<Node>, todo: Todo) {
        if !todo.is_done() && !cfg!(omit_release) {
            stats::NODES_QUEUED.add(1);
            self.append(node, todo);
        }
    }

    fn append(&mut self, node: ARef<Node>, todo: Todo) {
        let kn: *mut bindings::kernfs_node = ARef::into_raw(node).as_ptr().cast();
        // SAFETY: The node is unlinked, so nobody else uses the fields.
        unsafe {
            (*kn).rb.rb_left = ptr::null_mut();
            (*kn).rb.rb_right = todo.to_bits() as *mut bindings::rb_node;
        }
        if self.last.is_null() {
            self.first = kn;
        } else {
            // SAFETY: By the type invariant.
            unsafe { (*self.last).rb.rb_left = kn.cast() };
        }
        // INVARIANT: The reference of `node` is the batch's now.
        self.last = kn;
    }

    fn pop(&mut self) -> Option<(ARef<Node>, Todo)> {
        let kn = NonNull::new(self.first)?;
        // SAFETY: By the type invariant.
        let (next, todo) = unsafe { ((*kn.as_ptr()).rb.rb_left, (*kn.as_ptr()).rb.rb_right) };
        // INVARIANT: The rest is still a batch, and `kn`'s reference goes to the caller.
        self.first = next.cast();
        if self.first.is_null() {
            self.last = ptr::null_mut();
        }
        // SAFETY: By the type invariant, the batch owned a reference.
        let node = unsafe { ARef::from_raw(kn.cast()) };
        Some((node, Todo::from_bits(todo as usize)))
    }

    /// Hands the batch over; [`rkernfs_deferred`] gets it back without the caller's locks. Private
    /// data is dropped here.
    #[inline]
    pub(super) fn submit(self) {
        if let Some(head) = self.into_head() {
            // SAFETY: `head` is unused until `rkernfs_deferred()` gets it.
            unsafe { shim::rkernfs_defer(head) };
        }
    }

    /// The batch as the `rcu` of its first node.
    fn into_head(self) -> Option<*mut bindings::callback_head> {
        let kn = NonNull::new(self.first)?;
        // SAFETY: By the type invariant.
        Some(unsafe { ptr::addr_of_mut!((*kn.as_ptr()).rcu) })
    }

    /// # Safety
    ///
    /// `head` must come from [`Batch::into_head`].
    unsafe fn from_head(head: *mut bindings::callback_head) -> Self {
        // SAFETY: By the safety requirements.
        let first = unsafe { kernel::container_of!(head.cast_const(), bindings::kernfs_node, rcu) }
            .cast_mut();
        // INVARIANT: As it was in `into_head()`. `last` is not needed to pop.
        Self {
            first,
            last: first,
            retired: Retired::new(),
        }
    }
}

/// Runs the release stage for a batch.
///
/// # Safety
///
/// `head` must come from [`Batch::into_head`].
#[no_mangle]
unsafe extern "C" fn rkernfs_deferred(head: *mut bindings::callback_head) {
    // SAFETY: By the safety requirements.
    let mut batch = unsafe { Batch::from_head(head) };
    while let Some((node, todo)) = batch.pop() {
        let todo = release(&node, todo);
        if todo.is_done() {
            stats::NODES_RELEASED.add(1);
        } else {
            again(node, todo);
        }
    }
}

/// Puts a node off.
fn again(node: ARef<Node>, mut todo: Todo) {
    stats::RETRIES.add(1);
    let delay_ms = MAX_DELAY_MS.min(1 << todo.attempts);
    todo.attempts += 1;
    let mut batch = Batch::new();
    batch.append(node, todo);
    if let Some(head) = batch.into_head() {
        // SAFETY: `head` is unused until `rkernfs_deferred()` gets it.
        unsafe { shim::rkernfs_defer_again(head, delay_ms) };
    }
}

/// Ends the inodes of `node`. Returns what is left to do if somebody is busy with one.
fn release(node: &Node, mut todo: Todo) -> Todo {
    if todo.late {
        look_again(node, &mut todo);
    }
    if todo.pinned {
        release_pinned(node, &mut todo);
    }

    let locked = Supers::lock(node.root());
    let mut busy = u32::from(todo.pinned);
    for sb in locked.knowing(&node.shown_in()) {
        let Some(inode) = lookup(&sb, node) else {
            continue;
        };
        if inode.is_pinned() {
            continue;
        }
        match end(node, &inode, false, &todo) {
            Some(how) => todo.count(how),
            None => busy += 1,
        }
    }
    // VFS saw to the rest.
    while todo.cleared > busy {
        todo.count(&stats::ENDED_BY_VFS);
    }
    todo
}

/// Looks for an inode that was made when the node was removed already.
fn look_again(node: &Node, todo: &mut Todo) {
    let tree = Tree::lock(node.root());
    let found = clear_nlink(&tree.iattr(), node, 1);
    todo.cleared += found.cleared;
    todo.pinned |= found.pinned;
    todo.late = found.late && !todo.is_last_attempt();
}

/// Reports the inodes that were kept for it.
fn release_pinned(node: &Node, todo: &mut Todo) {
    // The last reference of a superblock unmounts it, which takes `kernfs_supers_rwsem`: it is
    // dropped here, without.
    while release_one_pinned(node, todo).is_some() {}
}

/// Reports the first inode that was kept, and returns the reference of its superblock. `None`:
/// there is none left, or somebody is busy with it.
fn release_one_pinned(node: &Node, todo: &mut Todo) -> Option<ActiveSuper> {
    let locked = Supers::lock(node.root());
    let Some(inode) = locked
        .knowing(&node.shown_in())
        .filter_map(|sb| lookup(&sb, node))
        .find(Inode::is_pinned)
    else {
        todo.pinned = false;
        return None;
    };
    let how = end(node, &inode, true, todo)?;
    todo.count(how);
    Some(inode.unpin())
}

/// Ends one inode, and says how. `None`: somebody is, or may come to be, busy with it. `report`:
/// it is to be reported even if it carries no mark itself.
fn end(
    node: &Node,
    inode: &Inode<'_>,
    report: bool,
    todo: &Todo,
) -> Option<&'static stats::Counter> {
    let mut invalidated = false;
    while let Some(alias) = inode.hashed_alias() {
        alias.invalidate();
        invalidated = true;
    }
    let searched = node.kind() == Kind::Dir && !inode.mark_dead();
    let holders = inode.holders();
    if (searched || holders.others || todo.late) && !todo.is_last_attempt() {
        return None;
    }
    if invalidated || holders.dentries > 0 {
        // The last reference of the last dentry reports it, or just did.
        return Some(&stats::DENTRIES_INVALIDATED);
    }
    if !holders.watched && !report {
        // VFS reported it; somebody is just slow to let go.
        return Some(&stats::ENDED_BY_VFS);
    }
    report_by_dentry(inode);
    Some(&stats::EVENTS_SENT)
}

/// Reports an inode that has no dentry, by giving it one whose end does. Who opens the inode by a
/// file handle meanwhile gets the same one, and its end is after his.
fn report_by_dentry(inode: &Inode<'_>) {
    let Some(alias) = inode.obtain_alias() else {
        // No memory.
        return inode.report_removed();
    };
    // Somebody may have opened it before, and be reporting it right now, as he closed it.
    for _ in 0..MAX_REPORT_LOOKS {
        if !inode.holders().others {
            break;
        }
        // SAFETY: Only `kernfs_supers_rwsem` is held, under which sleeping is fine.
        unsafe { bindings::msleep(1) };
    }
    drop(alias);
}
