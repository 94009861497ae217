// SPDX-License-Identifier: GPL-2.0

//! Which superblocks show a node: those of its namespace, or all where it is in none.
//!
//! C header: `fs/kernfs/kernfs-internal.h` (`struct kernfs_super_info`).

use crate::{
    compat::{Atomic, Relaxed},
    node::{parent_of, Node},
    shim,
};
use core::{ffi::c_void, ptr};
use kernel::bindings;

/// # Safety
///
/// `info` must be one that is not freed before this returns.
pub(super) unsafe fn namespace_of(info: *mut shim::kernfs_super_info) -> *const c_void {
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
pub(super) struct ShownIn {
    /// The namespace, as an opaque tag that is only compared; null if all do.
    pub(super) ns: *const c_void,
    /// Whether it was in another namespace before, whose superblock may have an inode of it.
    was_moved: bool,
}

impl ShownIn {
    /// The tag of the nearest tagged node on the way up, which a rename may change.
    #[inline(never)]
    pub(super) fn of(node: &Node) -> Self {
        // SAFETY: The invariant of `Node` keeps it.
        unsafe { Self::of_raw(node.as_ptr()) }
    }

    /// # Safety
    ///
    /// `kn` must be null or a node that is not freed before this returns.
    pub(super) unsafe fn of_raw(mut kn: *mut bindings::kernfs_node) -> Self {
        let mut ns: *const c_void = ptr::null();
        let mut was_moved = false;
        // SAFETY: The read-side section ends below, and nothing in it sleeps.
        unsafe { shim::rkernfs_rcu_read_lock() };
        while !kn.is_null() && ns.is_null() {
            // SAFETY: The caller keeps the first, RCU those above; ids and tags of nodes can be
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

    /// The only namespace that it is, and always was, in; null if there may be others.
    pub(super) fn only(&self) -> *const c_void {
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

/// The nodes that were moved to another namespace, with all below them, by a hash of their id:
/// superblocks that do not show them any more may have inodes of them.
static MOVED: [Atomic<bool>; 1 << MOVED_BITS] = [NOT_MOVED; 1 << MOVED_BITS];

/// Whether the node with the id `id`, or one with the same hash, was moved.
pub(super) fn moved(id: u64) -> &'static Atomic<bool> {
    // The multiplier of Fibonacci hashing: 2^64 by the golden ratio.
    let hash = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - MOVED_BITS);
    &MOVED[hash as usize % MOVED.len()]
}
