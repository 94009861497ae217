// SPDX-License-Identifier: GPL-2.0

//! Tells watchers of kernfs nodes (cgroup, sysfs, …) when what they watch is removed.
//!
//! - [`kernfs`]: safe abstractions over kernfs. No policy.
//! - [`removal`]: the removal path that replaces the kernel's own.
//! - [`notify`]: how watches are told that a file changed, in place of the kernel's own.
//! - [`pseudofs`]: a file system to see it at work.
//! - [`btf`]: whether the running kernel's structures are those that it was compiled with.
//! - [`shim`]: what only C can do: livepatch tables, unexported functions, macros.

use kernel::prelude::*;

mod btf;
mod compat;
mod kernfs;
mod notify;
mod pseudofs;
mod removal;
mod shim;

module! {
    type: Rkernfs,
    name: "rkernfs",
    description: "inotify IN_DELETE_SELF and IN_IGNORED for kernfs",
    license: "GPL",
}

/// Dropped in this order: the file system's nodes are removed by the path that follows.
struct Rkernfs {
    _pseudofs: kernfs::Registration<pseudofs::PseudoFs>,
    _notify: notify::Notify,
    _removal: removal::Enabled,
}

impl kernel::Module for Rkernfs {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let removal = removal::Enabled::new()?;
        let notify = notify::Notify::new()?;
        let pseudofs = pseudofs::register(module)?;
        removal.patch()?;
        Ok(Self {
            _pseudofs: pseudofs,
            _notify: notify,
            _removal: removal,
        })
    }
}
