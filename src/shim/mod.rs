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

/// The parameter `max_objects`.
pub(crate) fn max_objects() -> u32 {
    // SAFETY: It only reads a variable, which is there as long as the module.
    unsafe { rkernfs_max_objects() }
}

/// Steps of a long loop between two scheduling points.
const RESCHED_INTERVAL: usize = 64;

/// Lets others have the CPU, in each [`RESCHED_INTERVAL`]th step of a loop: the `n`th. Only where
/// sleeping is fine. Returns whether this was such a step.
pub(crate) fn resched_every(n: usize) -> bool {
    let due = n % RESCHED_INTERVAL == 0;
    if due {
        // SAFETY: The caller may sleep; a debug kernel reports who may not.
        unsafe { rkernfs_cond_resched() };
    }
    due
}
