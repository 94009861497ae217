// SPDX-License-Identifier: GPL-2.0

//! Items of the `kernel` crate that moved between the kernels that rkernfs supports, or that the
//! older one lacks.

use core::ffi::CStr;
use kernel::{
    error::Error,
    ffi::{c_char, c_int},
};

#[cfg(not(aref_in_sync))]
pub(crate) use kernel::types::{ARef, AlwaysRefCounted};

#[cfg(aref_in_sync)]
pub(crate) use kernel::sync::aref::{ARef, AlwaysRefCounted};

/// An error that not every kernel has a name for, from `kernel::bindings`.
pub(crate) fn errno(code: u32) -> Error {
    Error::from_errno(-(code as c_int))
}

/// A string as C takes it.
pub(crate) fn c_ptr(string: &CStr) -> *const c_char {
    string.to_bytes_with_nul().as_ptr()
}

/// A string that C gives.
///
/// # Safety
///
/// `string` must be terminated, and neither change nor go away for `'a`.
// The extension trait that clippy knows instead is not in every kernel.
#[allow(clippy::disallowed_methods)]
pub(crate) unsafe fn c_str<'a>(string: *const c_char) -> &'a CStr {
    // SAFETY: By the safety requirements.
    unsafe { CStr::from_ptr(string.cast()) }
}
