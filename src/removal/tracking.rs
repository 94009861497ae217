// SPDX-License-Identifier: GPL-2.0

//! Tracks what [`supers`] and [`namespace`](super::namespace) have to know: ftrace calls back from the
//! kernel's functions that add marks or move nodes.
//!
//! C headers: `include/linux/fs.h`, `include/linux/ftrace.h`.

use super::{
    namespace::{moved, namespace_shown, ShownIn},
    supers,
};
use crate::{compat::Relaxed, node::Root, shim};
use core::{ffi::c_void, ptr};
use kernel::{bindings, error::to_result, prelude::*};

/// What ftrace calls.
static CALLBACKS: shim::rkernfs_ftrace_callbacks = shim::rkernfs_ftrace_callbacks {
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
        unsafe { Root::from_raw(root) }.set_may_have_super_marks(true);
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
        // SAFETY: The caller has a reference; the id is constant.
        moved(unsafe { (*kn).id }).store(true, Relaxed);
    }
}

/// Tracks as long as the value lives.
///
/// # Invariants
///
/// The callbacks are registered.
pub(super) struct Tracking(());

impl Tracking {
    /// Starts tracking, from what exists already.
    ///
    /// # Errors
    ///
    /// `ENOENT` if the kernel lacks a function that is to be traced, and what ftrace returns. The
    /// log names it.
    pub(super) fn new() -> Result<Self> {
        // SAFETY: Called once, after unexported functions were found; the table is static.
        let error = unsafe { shim::rkernfs_ftrace_start(&CALLBACKS) };
        to_result(error.min(0))?;
        supers::set_super_marks_tracked(error <= 0);
        // SAFETY: Unexported functions were found before.
        unsafe { shim::rkernfs_iterate_supers(Some(track_existing)) };
        // INVARIANT: Just registered.
        Ok(Self(()))
    }
}

impl Drop for Tracking {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant they are registered.
        unsafe { shim::rkernfs_ftrace_stop() };
    }
}

/// Tracks what existed before the callbacks were registered.
///
/// # Safety
///
/// `sb` must be alive: `iterate_supers()` has it locked.
unsafe extern "C" fn track_existing(
    sb: *mut bindings::super_block,
    _arg: *mut kernel::ffi::c_void,
) {
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
        unsafe { track_moved(sb, ns) };
    }
}

/// Tracks the nodes that have an inode in `sb`, but are shown in another namespace than `ns`.
///
/// # Safety
///
/// `sb` must be alive, and one of kernfs.
unsafe fn track_moved(sb: *mut bindings::super_block, ns: *const c_void) {
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
