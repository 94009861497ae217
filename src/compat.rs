// SPDX-License-Identifier: GPL-2.0

//! Items of the `kernel` crate that moved between the kernels that rkernfs supports.

#[cfg(not(aref_in_sync))]
pub(crate) use kernel::types::{ARef, AlwaysRefCounted};

#[cfg(aref_in_sync)]
pub(crate) use kernel::sync::aref::{ARef, AlwaysRefCounted};
