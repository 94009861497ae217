// SPDX-License-Identifier: GPL-2.0

//! Reports the removal of kernfs nodes (cgroup, sysfs, …) to their watches.
//!
//! Each module uses only those below it:
//!
//! - [`pseudofs`]: a file system for tests and demonstrations.
//! - [`kernfs`]: safe abstractions over kernfs, for file systems. No policy.
//! - [`livepatch`]: what replaces the kernel's own functions, of the next two.
//! - [`notify`]: reports changes of files to their watches.
//! - [`removal`]: the removal path.
//! - [`node`], [`data`]: a node, its hierarchy, and what it carries.
//! - [`btf`]: whether the running kernel's structures are those that it was compiled with.
//! - [`shim`]: what only C can do: livepatch tables, unexported functions, macros.

use kernel::prelude::*;

mod btf;
mod compat;
mod data;
pub mod kernfs;
mod livepatch;
mod node;
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
    _removal: removal::Removal,
}

impl kernel::Module for Rkernfs {
    fn init(module: &'static ThisModule) -> Result<Self> {
        if cfg!(any(omit_sanity, omit_printing)) {
            panic!("a panic on purpose");
        }
        let removal = removal::Removal::new()?;
        let notify = notify::Notify::new()?;
        let pseudofs = pseudofs::register(module)?;
        livepatch::enable(&removal, &notify)?;
        Ok(Self {
            _pseudofs: pseudofs,
            _notify: notify,
            _removal: removal,
        })
    }
}
