// SPDX-License-Identifier: GPL-2.0

//! Tells watchers of kernfs nodes (cgroup, sysfs, …) when what they watch is removed.
//!
//! - [`kernfs`]: safe abstractions over kernfs. No policy.
//! - [`removal`]: the removal path that replaces the kernel's own.
//! - [`shim`]: what only C can do: livepatch tables, unexported functions, macros.

use kernel::prelude::*;

mod compat;
mod kernfs;
mod removal;
mod shim;

module! {
    type: Rkernfs,
    name: "rkernfs",
    description: "inotify IN_DELETE_SELF and IN_IGNORED for kernfs",
    license: "GPL",
}

struct Rkernfs {
    _removal: removal::Enabled,
}

impl kernel::Module for Rkernfs {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _removal: removal::Enabled::new()?,
        })
    }
}
