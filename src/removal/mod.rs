// SPDX-License-Identifier: GPL-2.0

//! The removal path: what `kernfs_remove()`, `kernfs_remove_self()` and
//! `kernfs_remove_by_name_ns()` do once the module is loaded.
//!
//! In the order of use, each file uses only those below it:
//!
//! 1. [`lookup`] and [`entry`]: the functions that livepatch puts in the place of the kernel's.
//!    `lookup` has those that give an inode a dentry, with which VFS could report it: they run while
//!    nothing is removed.
//! 2. [`walk`]: sets `KERNFS_REMOVING` in the subtree; then, node by node and children first, drains
//!    and unlinks.
//! 3. [`nlink`]: clears the link count of the inode that each superblock has of the node. Because of
//!    that, VFS sends `IN_DELETE_SELF` and `IN_IGNORED` with the last dentry.
//! 4. [`deferral`]: when the release stage runs, without the caller's locks.
//! 5. [`release`]: the release stage, which reports the inodes that VFS would not report by itself.
//! 6. [`batch`]: inodes on their way there, without an allocation. [`pollers`]: woken on that way.
//! 7. What is worked on: [`node`] (with the locks held) and its children by [name](names),
//!    [`final_text`]; [`inode`] and [`dentry`].
//! 8. The locks of a hierarchy: [`locks`], of a [`member`] of it; [`supers`] with the list of
//!    superblocks. What is known of these: [`namespace`], kept up to date by [`tracking`].
//! 9. Counters: [`stats`].
//!
//! Nothing here allocates where that can fail, except for an inode that only a mark on the whole
//! superblock asks for.

pub(crate) mod lookup;

pub(crate) mod entry;

mod walk;

mod nlink;

mod deferral;

mod release;

mod batch;
mod pollers;

pub(crate) mod inode;
mod names;

mod dentry;
mod node;

mod final_text;

mod tracking;

mod locks;
mod member;

pub(crate) mod supers;

mod namespace;

pub(crate) mod stats;

#[cfg(compile_fail)]
#[path = "../../selftests/compile_fail/cases.rs"]
mod compile_fail;

pub(crate) use entry::{remove, remove_by_name, remove_self, Removal};
pub(crate) use supers::RemovalsExcluded;
