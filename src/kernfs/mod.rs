// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over kernfs.
//!
//! C header: `include/linux/kernfs.h`, and `fs/kernfs/kernfs-internal.h` through the shim.

mod inode;
mod locks;
mod node;
mod root;

pub(crate) use inode::{ActiveSuper, Inode};
pub(crate) use locks::{Iattr, Supers, Tree};
pub(crate) use node::{Kind, Node};
pub(crate) use root::{Root, Super};
