// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over kernfs.
//!
//! For file systems of one's own: a [`Hierarchy`] of [`Dir`]s and [`File`]s, which do what
//! [`DirOperations`] and [`FileOperations`] say, mounted through a [`FileSystem`]. Operations get
//! their node as an [`Active`] reference. Nodes are removed by the path that this module brings
//! along, so that whoever watches them is told.
//!
//! For that path itself: [`internals`].
//!
//! This module does not support the following kernfs features:
//!
//! - Symbolic links, empty directories, namespaces.
//! - Creating nodes deactivated (`KERNFS_ROOT_CREATE_DEACTIVATED`).
//! - `open` and `release` of files, and data of one open file.
//! - Custom iteration in `seq_file`, `mmap`, `llseek`, `prealloc`.
//! - Attributes set by the kernel (`kernfs_setattr()`, `kernfs_xattr_set()`).
//! - Renaming other than for rename(2), `show_path`.
//! - Mount options; more than one hierarchy for a file system type.
//!
//! C headers: `include/linux/kernfs.h`, and `fs/kernfs/kernfs-internal.h` through the shim.
//!
//! # Examples
//!
//! `samples/counters.rs` is a whole file system.

// No one module needs all of it.
#![allow(dead_code, unused_imports)]

mod active;
mod data;
mod dir;
mod file;
mod file_system;
mod hierarchy;
mod inode;
mod locks;
mod node;
mod owner;
mod root;
mod seq_file;

pub(crate) use active::Active;
pub(crate) use dir::{Dir, DirOperations, Mode, Rename};
pub(crate) use file::{File, FileOperations, Parent, Poll};
pub(crate) use file_system::{FileSystem, Registration};
pub(crate) use hierarchy::{Flags, Hierarchy};
pub(crate) use node::{Kind, Node};
pub(crate) use owner::Owner;
pub(crate) use seq_file::SeqFile;

use locks::{Iattr, Supers, Tree};
use root::{Root, Super};

/// For the removal path, which changes the trees of any kernfs user, under their locks. File
/// systems have no use for it.
pub(crate) mod internals {
    pub(crate) use super::{
        data::Retired,
        inode::{ActiveSuper, Inode},
        locks::{Iattr, Supers, Tree},
        root::{Root, Super},
    };
}
