// SPDX-License-Identifier: GPL-2.0

//! Hiding files.
//!
//! C header: `include/linux/kernfs.h` (`kernfs_show()`).

use super::{Kind, Node};
use crate::shim;
use kernel::{bindings, prelude::*};

const HIDDEN: u16 = bindings::kernfs_node_flag_KERNFS_HIDDEN as u16;

impl Node {
    /// Hides the node from lookups, and shows it again. Wraps `kernfs_show()`.
    ///
    /// Hiding waits until no operation of the node runs, so an operation of the node itself must not
    /// hide it: it would wait for itself. It is not a removal: no event is sent.
    ///
    /// # Errors
    ///
    /// `EISDIR` for a directory, which kernfs cannot hide.
    pub fn show(&self, show: bool) -> Result {
        if self.kind() == Kind::Dir {
            return Err(EISDIR);
        }
        // SAFETY: The invariant of `Node` keeps it.
        unsafe { shim::rkernfs_show(self.as_ptr(), show) };
        Ok(())
    }

    /// Whether the node is hidden.
    pub fn is_hidden(&self) -> bool {
        self.flags() & HIDDEN != 0
    }
}
