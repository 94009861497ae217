// SPDX-License-Identifier: GPL-2.0

//! Removed nodes on their way to the release stage.
//!
//! Nothing is allocated for it: a removed node lends the fields that it has no use for any more.
//!
//! | field of `struct kernfs_node` | is free, as | carries |
//! |---|---|---|
//! | `hash` | only siblings in a tree are compared by it | [`Todo`] |
//! | `rb.rb_left` | the node is unlinked; `RB_EMPTY_NODE()` reads another one | the next node of the [`Batch`], or of [`Retries`] |
//! | `rb.rb_right` | the same | the next [`Head`] of a queue |
//! | `rcu` | it is used when the last reference goes, and a [`Head`] has one | the task work of a [`Head`] |

use super::{deferral, locks::Tree, node::Member, stats};
use crate::{
    compat::{ARef, Atomic, Full, Relaxed},
    data::Retired,
    node::Node,
};
use core::ptr::{self, NonNull};
use kernel::bindings;

/// What is left to do for a removed node.
#[derive(Clone, Copy, Default)]
pub(super) struct Todo {
    /// Inodes whose link count was cleared, and whose last dentry VFS has not reported yet as far
    /// as is known.
    pub(super) cleared: u16,
    /// How often the node was looked at.
    pub(super) attempts: u8,
    /// There are inodes that have no dentry, but marks.
    pub(super) orphans: bool,
    /// Somebody may be about to make another inode.
    pub(super) late: bool,
}

/// The batch that began with the node was taken; see [`Batch::claim`].
const CLAIMED: u32 = 1 << 31;
/// A [`Head`] of the node, of which there are up to three.
const HEAD: u32 = 1 << 28;
/// What is no [`Todo`].
const OTHERS: u32 = CLAIMED | (3 * HEAD);

/// What `hash` of a node carries: a [`Todo`], [`CLAIMED`], and the number of [`Head`]s.
///
/// # Safety
///
/// `kn` must be an unlinked node, kept for `'a`.
unsafe fn word<'a>(kn: *mut bindings::kernfs_node) -> &'a Atomic<u32> {
    // SAFETY: The caller keeps the node; nobody else uses the field of an unlinked one.
    unsafe { Atomic::from_ptr(ptr::addr_of_mut!((*kn).hash)) }
}

/// How many references of `node`, which was taken from a batch, are those of [`Head`]s. Never too
/// many: they are put after they were counted out.
pub(super) fn head_references(node: &Node) -> i32 {
    // SAFETY: Nodes of a batch are unlinked; `node` keeps it.
    let bits = unsafe { word(node.as_ptr()) }.load(Relaxed);
    ((bits / HEAD) & 3) as i32
}

impl Todo {
    fn to_bits(self) -> u32 {
        let [a, b] = self.cleared.to_ne_bytes();
        let flags = u8::from(self.orphans) | u8::from(self.late) << 1;
        u32::from_le_bytes([a, b, self.attempts, flags])
    }

    fn from_bits(bits: u32) -> Self {
        let [a, b, attempts, flags] = bits.to_le_bytes();
        Self {
            cleared: u16::from_ne_bytes([a, b]),
            attempts,
            orphans: flags & 1 != 0,
            late: flags & 2 != 0,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.cleared == 0 && !self.orphans && !self.late
    }

    /// Counts an inode as ended, `how`.
    pub(super) fn count(&mut self, how: &stats::Counter) {
        if self.cleared > 0 {
            self.cleared -= 1;
            how.add(1);
        }
    }
}

/// Removed nodes, in the order of their removal.
///
/// # Invariants
///
/// `first` and what follows from it through `rb.rb_left`, up to null, are unlinked nodes; the batch
/// owns a reference of each. `last` is the last of them, or null if there is none.
pub(super) struct Batch {
    first: *mut bindings::kernfs_node,
    last: *mut bindings::kernfs_node,
    /// Private data of all removed nodes, also of those that are not in the batch.
    retired: Retired,
}

impl Batch {
    pub(super) fn new() -> Self {
        // INVARIANT: There is none.
        Self {
            first: ptr::null_mut(),
            last: ptr::null_mut(),
            retired: Retired::new(),
        }
    }

    /// Takes the private data of a node that was just unlinked, to drop it without locks.
    pub(super) fn retire<'id>(&mut self, node: &Member<'id>, tree: &Tree<'id>) {
        // SAFETY: A node is drained before it is unlinked, and in the hierarchy of `tree`.
        unsafe { self.retired.push(node.as_ptr(), tree.root()) };
    }

    /// Adds a node that was just unlinked, with its creation reference, if there is more to do.
    pub(super) fn push(&mut self, node: ARef<Node>, todo: Todo) {
        if todo.is_done() || cfg!(omit_release) {
            return;
        }
        stats::NODES_QUEUED.add(1);
        let kn: *mut bindings::kernfs_node = ARef::into_raw(node).as_ptr().cast();
        // SAFETY: The reference keeps the node; nobody else uses the fields of an unlinked one.
        unsafe {
            (*kn).rb.rb_left = ptr::null_mut();
            (*kn).hash = todo.to_bits();
        }
        if self.last.is_null() {
            self.first = kn;
        } else {
            // SAFETY: The type's invariant keeps the last node.
            unsafe { (*self.last).rb.rb_left = kn.cast() };
        }
        // INVARIANT: `kn` follows what was last, or is the only one; its reference is the batch's.
        self.last = kn;
    }

    pub(super) fn pop(&mut self) -> Option<(ARef<Node>, Todo)> {
        let kn = NonNull::new(self.first)?;
        // SAFETY: The type's invariant keeps the node, and says what the fields are.
        let (next, bits) = unsafe { ((*kn.as_ptr()).rb.rb_left, (*kn.as_ptr()).hash) };
        // INVARIANT: What follows is a batch still, with the same last node or none; the reference
        // of `kn` goes to the caller.
        self.first = next.cast();
        if self.first.is_null() {
            self.last = ptr::null_mut();
        }
        // SAFETY: The type's invariant owned a reference, which becomes the value's.
        let node = unsafe { ARef::from_raw(kn.cast()) };
        Some((node, Todo::from_bits(bits & !OTHERS)))
    }

    /// Hands the batch over to the release stage. Private data is dropped here. Not to be called
    /// with locks.
    #[inline(always)]
    pub(super) fn submit(self) {
        // Most removals leave nothing to do.
        if let Some(first) = NonNull::new(self.first) {
            deferral::defer(self.into_head(first));
        }
    }

    /// The batch as its first node, `kn`, for [`Batch::claim`].
    #[cold]
    fn into_head(self, kn: NonNull<bindings::kernfs_node>) -> Head {
        // SAFETY: The type's invariant keeps the node until it is claimed, and after that `Head`'s
        // own reference.
        let node = unsafe { Node::from_raw(kn.as_ptr()) };
        // SAFETY: It is unlinked, and `node` keeps it.
        unsafe { word(kn.as_ptr()) }.add(HEAD, Relaxed);
        // INVARIANT: It is the first of a batch, which nobody has claimed, and counted.
        Head(node.into())
    }

    /// Takes the batch that begins with `head`, unless somebody took it before.
    pub(super) fn claim(head: &Head) -> Option<Self> {
        let kn = head.as_ptr();
        // SAFETY: It is unlinked, and `head` keeps it.
        let word = unsafe { word(kn) };
        let mut bits = word.load(Relaxed);
        loop {
            if bits & CLAIMED != 0 {
                return None;
            }
            match word.cmpxchg(bits, bits | CLAIMED, Full) {
                Ok(_) => break,
                Err(now) => bits = now,
            }
        }
        // SAFETY: By `head`'s invariant it begins a batch, which is ours now.
        Some(unsafe { Self::from_first(kn) })
    }

    /// # Safety
    ///
    /// `first` must be null or an unlinked node, and so on through `rb.rb_left`; a reference of each
    /// must be the caller's to give away.
    unsafe fn from_first(first: *mut bindings::kernfs_node) -> Self {
        let (mut last, mut next) = (ptr::null_mut(), first);
        while !next.is_null() {
            last = next;
            // SAFETY: The caller promises a node.
            next = unsafe { (*last).rb.rb_left }.cast();
        }
        // INVARIANT: The caller promises the nodes and their references.
        Self {
            first,
            last,
            retired: Retired::new(),
        }
    }
}

/// Nodes that are to be looked at again, in no order.
///
/// # Invariants
///
/// The number is the address of a node, or 0. It, and what follows from it through `rb.rb_left`, is
/// unlinked and claimed; a reference of each is owned.
pub(super) struct Retries(Atomic<usize>);

impl Retries {
    pub(super) const fn new() -> Self {
        // INVARIANT: There is none.
        Self(Atomic::new(0))
    }

    /// Adds a node that was taken from a batch.
    pub(super) fn push(&self, node: ARef<Node>, todo: Todo) {
        let kn: *mut bindings::kernfs_node = ARef::into_raw(node).as_ptr().cast();
        // SAFETY: It is unlinked, and the reference keeps it.
        let word = unsafe { word(kn) };
        // It stays claimed, and its heads are counted: somebody may have one yet.
        let mut bits = word.load(Relaxed);
        while let Err(now) = word.cmpxchg(bits, bits & OTHERS | CLAIMED | todo.to_bits(), Full) {
            bits = now;
        }
        let mut next = self.0.load(Relaxed);
        loop {
            // SAFETY: The reference keeps the node; nobody else uses the field of a claimed one.
            unsafe { (*kn).rb.rb_left = next as *mut bindings::rb_node };
            // INVARIANT: The reference of `node` is owned now.
            match self.0.cmpxchg(next, kn as usize, Full) {
                Ok(_) => return,
                Err(now) => next = now,
            }
        }
    }

    /// Takes all that there are.
    pub(super) fn take(&self) -> Batch {
        // INVARIANT: There is none any more.
        let first = self.0.xchg(0, Full);
        // SAFETY: The type's invariant says what it is; what was owned is the batch's now.
        unsafe { Batch::from_first(first as *mut bindings::kernfs_node) }
    }
}

/// The first node of a batch that may be claimed once.
///
/// # Invariants
///
/// The node was the first of a [`Batch`]; until that is claimed, it owns its nodes as it did. The
/// value is one of the [`HEAD`]s that are counted.
pub(super) struct Head(ARef<Node>);

impl Clone for Head {
    fn clone(&self) -> Self {
        // SAFETY: The type's invariant has an unlinked node, and `self` keeps it.
        unsafe { word(self.as_ptr()) }.add(HEAD, Relaxed);
        // INVARIANT: Just counted.
        Self(self.0.clone())
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        // SAFETY: The type's invariant has an unlinked node, and `self` keeps it.
        unsafe { word(self.as_ptr()) }.fetch_sub(HEAD, Full);
    }
}

impl Head {
    fn as_ptr(&self) -> *mut bindings::kernfs_node {
        self.0.as_ptr()
    }

    /// Where the task work is, whose user gets the reference back by [`Head::from_work`].
    pub(super) fn into_work(self) -> *mut bindings::callback_head {
        let kn = self.as_ptr();
        core::mem::forget(self);
        // SAFETY: The reference, which is given away, keeps the node.
        unsafe { ptr::addr_of_mut!((*kn).rcu) }
    }

    /// # Safety
    ///
    /// `work` must come from [`Head::into_work`], once for each.
    pub(super) unsafe fn from_work(work: *mut bindings::callback_head) -> Self {
        // SAFETY: A node embeds what `into_work()` returned.
        let kn = unsafe { kernel::container_of!(work.cast_const(), bindings::kernfs_node, rcu) };
        // SAFETY: The caller has the only right to the reference.
        unsafe { Self::from_address(kn as usize) }
    }

    /// The reference as a number, and the place where the number of another one may be kept.
    pub(super) fn into_address(self) -> (usize, &'static Atomic<usize>) {
        let kn = self.as_ptr();
        core::mem::forget(self);
        // SAFETY: The reference keeps the node until `from_address()` gives it back, and who uses
        // the place does not longer. Nobody else uses the field of an unlinked node.
        let link = unsafe { Atomic::from_ptr(ptr::addr_of_mut!((*kn).rb.rb_right).cast()) };
        (kn as usize, link)
    }

    /// # Safety
    ///
    /// `address` must come from [`Head::into_address`], once for each.
    pub(super) unsafe fn from_address(address: usize) -> Self {
        let kn = address as *mut Node;
        // SAFETY: The caller has the only right to the reference, so it is not null.
        // INVARIANT: As it was in `into_address()` or `into_work()`.
        Self(unsafe { ARef::from_raw(NonNull::new_unchecked(kn)) })
    }

    /// The number that is kept in the place that [`Head::into_address`] told.
    pub(super) fn link(&self) -> usize {
        // SAFETY: The reference keeps the node; nobody else uses the field of an unlinked one.
        unsafe { (*self.as_ptr()).rb.rb_right as usize }
    }
}
