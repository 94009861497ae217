// SPDX-License-Identifier: GPL-2.0

//! The owner of a new file or directory.
//!
//! C header: `include/linux/cred.h`.

use crate::shim;

/// A user and a group, as the initial user namespace numbers them.
///
/// # Examples
///
/// ```
/// fn mkdir(parent: Active<'_, Dir<Groups>>, name: &CStr, mode: Mode) -> Result {
///     parent.create_dir(name, mode, Owner::current(), ())?;
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Owner {
    /// The superuser.
    pub const ROOT: Self = Self { uid: 0, gid: 0 };

    /// Whom files belong to that the current task makes. Wraps `current_fsuid_fsgid()`.
    pub fn current() -> Self {
        // SAFETY: A task may always read its own credentials.
        let uid = unsafe { shim::rkernfs_current_fsuid() };
        // SAFETY: A task may always read its own credentials.
        let gid = unsafe { shim::rkernfs_current_fsgid() };
        Self { uid, gid }
    }
}
