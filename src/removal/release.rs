// SPDX-License-Identifier: GPL-2.0

//! The release stage: ends the inodes of removed nodes that VFS would not end by itself.
//!
//! A cleared link count makes VFS report an inode (`fsnotify_inoderemove()`) when its last dentry
//! goes. For the children of a directory that rmdir(2) removes, VFS sees to that at once. It does
//! not when
//!
//! - the dentry stays in the cache, because a write or the kernel itself removed the node, or
//!   because a file was open at rmdir: [`Alias::invalidate`] it, so that the last reference, not
//!   memory pressure, ends it;
//! - the dentry was reclaimed before, so that none is left to go: report the inode directly.
//!
//! Either way its marks are dropped with the report, so that a second one would find nobody. What
//! is left to exclude is two at the same time: VFS holds a reference of an inode while it reports
//! it, and so does whoever is about to give it a dentry. An inode with a reference that is not
//! accounted for ([`Holders::others`]) is looked at again later.
//!
//! The stage runs where [`shim::rkernfs_defer`] says. It must not allocate where that can fail,
//! so removed nodes lend it the fields that they have no use for any more: `rb.rb_left` and
//! `rb.rb_right` of an unlinked node (`RB_EMPTY_NODE()` reads the third), and `rcu` of one that
//! has references.
//!
//! [`Alias::invalidate`]: crate::kernfs::Alias::invalidate
//! [`Holders::others`]: crate::kernfs::Holders::others

use super::{inodes, stats};
use crate::{
    compat::ARef,
    kernfs::{Inode, Node, Supers},
    shim,
};
use core::ptr::{self, NonNull};
use kernel::bindings;

shim::export!(rkernfs_deferred);

/// Looks at an inode that somebody else is busy with, 1, 2, 4… ms apart, up to 10 s in all.
const MAX_ATTEMPTS: u32 = 16;
const MAX_DELAY_MS: u32 = 1024;

/// What a queued node carries in `rb.rb_right`.
#[derive(Clone, Copy)]
struct Todo {
    /// Inodes whose link count was cleared and that are not ended yet.
    cleared: u32,
    /// How often the node was looked at.
    attempts: u32,
}

impl Todo {
    fn to_bits(self) -> usize {
        (self.attempts as usize) << 32 | self.cleared as usize
    }

    fn from_bits(bits: usize) -> Self {
        Self {
            cleared: bits as u32,
            attempts: (bits >> 32) as u32,
        }
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
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            first: ptr::null_mut(),
            last: ptr::null_mut(),
        }
    }

    /// Adds a node that was just unlinked, with its creation reference.
    pub(super) fn push(&mut self, node: ARef<Node>, cleared: usize) {
        stats::NODES_QUEUED.add(1);
        let todo = Todo {
            cleared: cleared as u32,
            attempts: 0,
        };
        self.append(node, todo);
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

    /// Hands the batch over; [`rkernfs_deferred`] gets it back without the caller's locks.
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
        let first = unsafe { kernel::container_of!(head.cast_const(), bindings::kernfs_node, rcu) }.cast_mut();
        // INVARIANT: As it was in `into_head()`. `last` is not needed to pop.
        Self { first, last: first }
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
        match release(&node, todo) {
            None => stats::NODES_RELEASED.add(1),
            Some(todo) => again(node, todo),
        }
    }
}

/// Puts a node off.
fn again(node: ARef<Node>, todo: Todo) {
    stats::RETRIES.add(1);
    let delay_ms = MAX_DELAY_MS.min(1 << todo.attempts);
    let mut batch = Batch::new();
    batch.append(
        node,
        Todo {
            attempts: todo.attempts + 1,
            ..todo
        },
    );
    if let Some(head) = batch.into_head() {
        // SAFETY: `head` is unused until `rkernfs_deferred()` gets it.
        unsafe { shim::rkernfs_defer_again(head, delay_ms) };
    }
}

/// Ends the inodes of `node`. Returns what is left to do if somebody is busy with one.
fn release(node: &Node, todo: Todo) -> Option<Todo> {
    let supers = Supers::lock(node.root());
    let last_attempt = todo.attempts >= MAX_ATTEMPTS;
    let (mut ended, mut busy) = (0, 0);
    for inode in inodes(&supers, node) {
        match end(&inode, last_attempt) {
            Some(how) => {
                how.add(1);
                ended += 1;
            }
            None => busy += 1,
        }
    }
    let by_vfs = todo.cleared.saturating_sub(ended + busy);
    stats::ENDED_BY_VFS.add(by_vfs as usize);
    (busy > 0).then_some(Todo {
        cleared: busy,
        ..todo
    })
}

/// Ends one inode, and says how. `None`: somebody else is busy with it.
fn end(inode: &Inode<'_>, last_attempt: bool) -> Option<&'static stats::Counter> {
    let mut invalidated = false;
    while let Some(alias) = inode.hashed_alias() {
        alias.invalidate();
        invalidated = true;
    }
    let holders = inode.holders();
    if holders.others && !last_attempt {
        return None;
    }
    if invalidated || holders.dentries > 0 {
        // The last reference of the last dentry reports it, or just did.
        return Some(&stats::DENTRIES_INVALIDATED);
    }
    if !holders.watched {
        // VFS reported it; somebody is just slow to let go.
        return Some(&stats::ENDED_BY_VFS);
    }
    inode.report_removed();
    Some(&stats::EVENTS_SENT)
}
