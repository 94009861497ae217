// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over kernfs.
//!
//! A file system is a [`Hierarchy`] of [`Dir`]s and [`File`]s, which do what [`DirOperations`] and
//! [`FileOperations`] say, mounted through a [`FileSystem`]. Operations get their node as an
//! [`Active`] reference. Nodes are removed by this module's removal path, so that their watches get
//! events.
//!
//! Another module uses them with `--extern rkernfs`, as `samples/counters.rs` does: `Kbuild` exports
//! what they need.
//!
//! This module does not support the following kernfs features:
//!
//! - Symbolic links, empty directories, namespaces.
//! - Creating nodes deactivated (`KERNFS_ROOT_CREATE_DEACTIVATED`), extended attributes that users
//!   set (`KERNFS_ROOT_SUPPORT_USER_XATTR`).
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

mod active;
mod counted;
mod dir;
mod file;
mod file_system;
mod hierarchy;
mod owner;
mod seq_file;
mod visibility;

pub use crate::node::{Kind, Node};
pub use active::Active;
pub use counted::{Counted, Typed};
pub use dir::{Dir, DirOperations, Mode, Rename};
pub use file::{File, FileOperations, Parent, Poll};
pub use file_system::{FileSystem, Registration};
pub use hierarchy::{Flags, Hierarchy};
pub use owner::Owner;
pub use seq_file::SeqFile;
