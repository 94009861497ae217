// SPDX-License-Identifier: GPL-2.0

//! Inodes of removed nodes on their way to the release stage.
//!
//! Nothing is allocated for it: an inode lends its `i_devices`, for the next one of the [`Batch`] and,
//! of the first, for the last; and a removed node the fields that nothing reads any more.
//!
//! | field of `struct kernfs_node` | is free, as | carries |
//! |---|---|---|
//! | `hash` | only siblings in a tree are compared by it | what became of the batch, and since when it waits |
//! | `rb.rb_left` | the node is unlinked; `RB_EMPTY_NODE()` reads another one | the first inode of the [`Batch`] |
//! | `rb.rb_right` | the same | the next of the [`Pollers`]; then the next [`BatchRef`] of a queue |
//! | `rcu` | it is used when the last reference is put, and a [`BatchRef`] has one | the task work of a [`BatchRef`] |

use super::{inode::HeldInode, locks::Tree, member::Member, pollers::Pollers, stats::COUNTERS};
use crate::{
    compat::{ARef, Atomic, Full, Relaxed},
    data::Retired,
    node::Node,
    shim,
};
use core::{
    mem::ManuallyDrop,
    ptr::{self, NonNull},
};
use kernel::bindings;

/// The batch was taken; see [`Batch::claim`].
const CLAIMED: u32 = 1 << 31;
/// The release stage is done with it.
const DONE: u32 = 1 << 30;
/// More is being added to it, so that it cannot be taken.
const BUSY: u32 = 1 << 29;
/// When the batch began to wait, in ms, as far as it fits.
const SINCE: u32 = BUSY - 1;

fn now_ms() -> u32 {
    // SAFETY: Any time is fine for it.
    unsafe { shim::rkernfs_now_ms() }
}

/// Inodes of removed nodes, in the order of the removal.
///
/// # Invariants
///
/// `first` and what follows from it, up to 0, are addresses of [`HeldInode`]s, which the batch owns.
/// `last` is the last of them; both are 0 if there is none.
pub(super) struct Batch {
    first: usize,
    last: usize,
    /// Of all removed files, also of those that have no inode in the batch.
    pollers: Pollers,
    /// Private data of all removed nodes, also of those that are not in the batch.
    retired: Retired,
}

impl Batch {
    pub(super) fn new() -> Self {
        // INVARIANT: There is none.
        Self {
            first: 0,
            last: 0,
            pollers: Pollers::new(),
            retired: Retired::new(),
        }
    }

    /// Takes a file that was just unlinked, to wake its pollers without locks.
    pub(super) fn push_polled<'id>(&mut self, file: &Member<'id>, _tree: &Tree<'id>) {
        // SAFETY: The caller says so; `_tree` keeps it.
        unsafe { self.pollers.push(file) };
    }

    /// Wakes the pollers, before a [`BatchRef`] needs the fields that link their files. Not to be called
    /// with locks.
    #[inline(always)]
    pub(super) fn wake_pollers(&mut self) {
        self.pollers = Pollers::new();
    }

    /// Takes the private data of a node that was just unlinked, to drop it without locks.
    pub(super) fn retire<'id>(&mut self, node: &Member<'id>, tree: &Tree<'id>) {
        // SAFETY: A node is drained before it is unlinked, and in the hierarchy of `tree`.
        unsafe { self.retired.push(node.as_ptr(), tree.root()) };
    }

    /// Whether there are any inodes.
    pub(super) fn has_inodes(&self) -> bool {
        self.first != 0
    }

    pub(super) fn push(&mut self, inode: HeldInode) {
        COUNTERS.inodes_queued.add(1);
        let (address, link) = inode.into_address();
        link.store(0, Relaxed);
        if self.last == 0 {
            self.first = address;
        } else {
            // SAFETY: By the type's invariant it is an inode, whose link is the batch's.
            unsafe { HeldInode::link_at(self.last) }.store(address, Relaxed);
        }
        // INVARIANT: It follows what was last, or is the only one.
        self.last = address;
    }

    pub(super) fn pop(&mut self) -> Option<HeldInode> {
        if self.first == 0 {
            return None;
        }
        // SAFETY: By the type's invariant it is an inode that the batch owns.
        let (inode, next) = unsafe { HeldInode::from_address(self.first) };
        // INVARIANT: What follows is a batch still.
        self.first = next;
        if next == 0 {
            self.last = 0;
        }
        Some(inode)
    }

    /// The batch as the node of its first inode, for [`Batch::claim`].
    pub(super) fn into_ref(self) -> BatchRef {
        // SAFETY: By the type's invariant it is an inode.
        let node = unsafe { HeldInode::node_at(self.first) };
        let kn = node.as_ptr();
        // SAFETY: The inode keeps the node; nothing else uses the fields of a removed one, which has
        // one inode at most in each superblock, all of them in this batch.
        unsafe {
            (*kn).hash = now_ms() & SINCE;
            (*kn).rb.rb_left = self.first as *mut bindings::rb_node;
        }
        // SAFETY: By the type's invariant it is an inode.
        unsafe { HeldInode::second_link_at(self.first) }.store(self.last, Relaxed);
        // INVARIANT: It is the first of a batch that is not claimed.
        BatchRef(node.into())
    }

    /// Takes the batch that begins with `batch_ref`. `None` if another task or work item took it
    /// before, or if its remover is adding to it.
    pub(super) fn claim(batch_ref: &BatchRef) -> Option<Self> {
        if !batch_ref.begin(CLAIMED) {
            return None;
        }
        let first = batch_ref.first();
        // SAFETY: By `batch_ref`'s invariant it is the first of a batch, which is ours now.
        let last = unsafe { HeldInode::second_link_at(first) }.load(Relaxed);
        // INVARIANT: By `batch_ref`'s invariant.
        Some(Self {
            first,
            last,
            pollers: Pollers::new(),
            retired: Retired::new(),
        })
    }
}

/// A reference to a batch, by which it may be claimed once: the node of its first inode.
///
/// # Invariants
///
/// The node is removed, and `rb.rb_left` of it the address of its inode, with which a [`Batch`]
/// begins; until that is claimed, it owns its inodes as it did.
pub(super) struct BatchRef(ARef<Node>);

impl Clone for BatchRef {
    fn clone(&self) -> Self {
        // INVARIANT: The same node.
        Self(self.0.clone())
    }
}

impl BatchRef {
    fn as_ptr(&self) -> *mut bindings::kernfs_node {
        self.0.as_ptr()
    }

    /// What `hash` of the node carries.
    fn word(&self) -> &Atomic<u32> {
        // SAFETY: The reference keeps the node; nothing else uses the field of a removed one.
        unsafe { Atomic::from_ptr(ptr::addr_of_mut!((*self.as_ptr()).hash)) }
    }

    /// The address of the first inode.
    fn first(&self) -> usize {
        // SAFETY: The reference keeps the node; the field does not change any more.
        unsafe { (*self.as_ptr()).rb.rb_left as usize }
    }

    /// Sets `state`, unless the batch is claimed or busy.
    fn begin(&self, state: u32) -> bool {
        let word = self.word();
        let mut bits = word.load(Relaxed);
        while bits & (CLAIMED | BUSY) == 0 {
            match word.cmpxchg(bits, bits | state, Full) {
                Ok(_) => return true,
                Err(now) => bits = now,
            }
        }
        false
    }

    /// Adds the inodes of `batch` to this one, which the same task made; gives `batch` back if this one
    /// is claimed.
    pub(super) fn append(&self, batch: Batch) -> Result<(), Batch> {
        if !self.begin(BUSY) {
            return Err(batch);
        }
        // SAFETY: By the type's invariant it is an inode, which is not taken while the batch is busy.
        let last = unsafe { HeldInode::second_link_at(self.first()) };
        // SAFETY: The same is the last of its batch.
        unsafe { HeldInode::link_at(last.load(Relaxed)) }.store(batch.first, Relaxed);
        // INVARIANT: What followed from `batch.first` follows from what was the last one.
        last.store(batch.last, Relaxed);
        self.word().fetch_sub(BUSY, Full);
        Ok(())
    }

    pub(super) fn is_claimed(&self) -> bool {
        self.word().load(Relaxed) & CLAIMED != 0
    }

    /// For how long the batch has been waiting.
    pub(super) fn age_ms(&self) -> u32 {
        now_ms().wrapping_sub(self.word().load(Relaxed)) & SINCE
    }

    /// Wakes tasks in [`BatchRef::wait_done`]: the release stage is done with the batch.
    pub(super) fn set_done(&self) {
        self.word().fetch_add(DONE, Full);
        // SAFETY: The address is that of a field of a node that is kept; nothing is read through it.
        unsafe { bindings::wake_up_var(ptr::from_ref(self.word()).cast_mut().cast()) };
    }

    /// Returns when the release stage is done with the batch. For a task that could not claim it.
    pub(super) fn wait_done(&self) {
        // SAFETY: The reference keeps the node meanwhile.
        unsafe { shim::rkernfs_wait_var_bits(ptr::addr_of_mut!((*self.as_ptr()).hash), DONE) };
    }

    /// The task work, which owns the reference until [`BatchRef::from_work`].
    pub(super) fn into_work(self) -> *mut bindings::callback_head {
        let kn = self.as_ptr();
        core::mem::forget(self);
        // SAFETY: The reference, which is given away, keeps the node.
        unsafe { ptr::addr_of_mut!((*kn).rcu) }
    }

    /// The value, without the reference.
    ///
    /// # Safety
    ///
    /// `work` must come from [`BatchRef::into_work`], and its reference not be used meanwhile.
    pub(super) unsafe fn at_work(work: NonNull<bindings::callback_head>) -> ManuallyDrop<Self> {
        // SAFETY: The caller promises not to use it before the value is dropped.
        ManuallyDrop::new(unsafe { Self::from_work(work.as_ptr()) })
    }

    /// # Safety
    ///
    /// `work` must come from [`BatchRef::into_work`], once for each.
    pub(super) unsafe fn from_work(work: *mut bindings::callback_head) -> Self {
        // SAFETY: A node embeds what `into_work()` returned.
        let kn = unsafe { kernel::container_of!(work.cast_const(), bindings::kernfs_node, rcu) };
        // SAFETY: The caller has the only right to the reference.
        unsafe { Self::from_address(kn as usize) }
    }

    /// The reference as an address, and a link that can hold the address of another one.
    pub(super) fn into_address(self) -> (usize, &'static Atomic<usize>) {
        let kn = self.as_ptr();
        core::mem::forget(self);
        // SAFETY: The reference keeps the node until `from_address()` gives it back, and callers do
        // not use the link for longer. Nothing else uses the field of a removed node.
        let link = unsafe { Atomic::from_ptr(ptr::addr_of_mut!((*kn).rb.rb_right).cast()) };
        (kn as usize, link)
    }

    /// # Safety
    ///
    /// `address` must come from [`BatchRef::into_address`], once for each.
    pub(super) unsafe fn from_address(address: usize) -> Self {
        let kn = address as *mut Node;
        // SAFETY: The caller has the only right to the reference, so it is not null.
        // INVARIANT: As it was in `into_address()` or `into_work()`.
        Self(unsafe { ARef::from_raw(NonNull::new_unchecked(kn)) })
    }

    /// What was stored in the link that [`BatchRef::into_address`] returned.
    pub(super) fn link(&self) -> usize {
        // SAFETY: The reference keeps the node; nothing else uses the field of a removed one.
        unsafe { (*self.as_ptr()).rb.rb_right as usize }
    }
}
