// SPDX-License-Identifier: GPL-2.0

//! The C side of the module.

pub(crate) use bindings::*;

/// Declared by bindgen from `shim.h`.
#[allow(
    clippy::all,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    unreachable_pub,
    unused_imports
)]
mod bindings {
    use kernel::bindings::*;
    include!("bindings_generated.rs");
}

/// The member of a structure that is at `offset`, one of those in `offsets.c`.
///
/// # Safety
///
/// `ptr` must point to such a structure, in which an `M` is there.
pub(crate) unsafe fn member<T, M>(ptr: *mut T, offset: u32) -> *mut M {
    // SAFETY: The caller promises that it is within the structure.
    unsafe { ptr.byte_add(offset as usize).cast() }
}

/// The structure whose member at `offset` is `*member`. Wraps `container_of()`.
///
/// # Safety
///
/// `member` must be that of such a structure.
pub(crate) unsafe fn container<M, T>(member: *mut M, offset: u32) -> *mut T {
    // SAFETY: The caller promises that it is within the structure.
    unsafe { member.byte_sub(offset as usize).cast() }
}

/// The parameter `max_objects`.
pub(crate) fn max_objects() -> u32 {
    // SAFETY: It only reads a variable, which is there as long as the module.
    unsafe { rkernfs_max_objects() }
}

/// Of a kernel thread, before each of many inodes whose events it sends: see the C function.
pub(crate) fn forget_over_high() {
    // SAFETY: It changes a field of the current task, which no other task uses.
    unsafe { rkernfs_forget_over_high() };
}

/// Steps of a long loop between two scheduling points.
const RESCHED_INTERVAL: usize = 64;

/// Lets other tasks have the CPU, in each [`RESCHED_INTERVAL`]th step of a loop: the `n`th. Only where
/// sleeping is fine. Returns whether this was such a step.
pub(crate) fn resched_every(n: usize) -> bool {
    let due = n % RESCHED_INTERVAL == 0;
    if due {
        // SAFETY: The caller may sleep; a debug kernel reports a caller that may not.
        unsafe { rkernfs_cond_resched() };
    }
    due
}
