// SPDX-License-Identifier: GPL-2.0

//! The removal path: what `kernfs_remove()`, `kernfs_remove_self()` and
//! `kernfs_remove_by_name_ns()` do once the module is loaded.
//!
//! One file for each chapter:
//!
//! 1. [`entry`]: the functions that livepatch puts in the place of the kernel's. They take
//!    `kernfs_supers_rwsem` before `kernfs_rwsem` ([`locks`]).
//! 2. [`walk`]: marks the subtree `KERNFS_REMOVING`; then, node by node and children first, drains
//!    and unlinks.
//! 3. [`nlink`]: in every superblock that shows the node ([`supers`]), its inode ([`inode`]) has no
//!    link left. This is what makes VFS send `IN_DELETE_SELF` and `IN_IGNORED` with the last dentry.
//! 4. [`release`]: ends what VFS would not end by itself. Not under the caller's locks:
//!    [`deferral`] says when.
//!
//! Beside it, [`lookup`]: who gives an inode a dentry, and so could have VFS report it, does that
//! while nothing is removed.
//!
//! Nothing here allocates where that can fail, but for an inode that only a mark on the whole
//! superblock asks for.

mod batch;
mod deferral;
mod dentry;
pub(crate) mod entry;
mod final_text;
pub(crate) mod inode;
pub(crate) mod locks;
pub(crate) mod lookup;
mod names;
mod nlink;
mod node;
mod pollers;
mod release;
pub(crate) mod stats;
pub(crate) mod supers;
mod walk;

#[cfg(compile_fail)]
#[path = "../../selftests/compile_fail/cases.rs"]
mod compile_fail;

pub(crate) use entry::{remove, remove_by_name, remove_self, Removal};
pub(crate) use locks::RemovalsExcluded;
