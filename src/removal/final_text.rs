// SPDX-License-Identifier: GPL-2.0

//! The last text of a removed cgroup's `*.events` files, for tasks that have one open: whether a cgroup
//! was OOM-killed stands in its `memory.events`, which cannot be read any more when its removal is
//! reported. Only with the parameter `final_events`: programs rely on `ENODEV`.
//!
//! The remover calls the file's `show()` once its node is deactivated and has no users, so that the text
//! is the last; before it returns, so that what the file shows still exists, as for
//! `kernfs_ops.release()`. No lock of the hierarchy is held, but the remover's own are: `*.events` take
//! none. A text is at most [`MAX_TEXT`] bytes, and is charged to the opener of the file. Without memory
//! for it, there is no text.
//!
//! C header: `include/linux/kernfs.h` (`struct kernfs_open_file`).

use crate::{
    compat::c_str,
    node::{name_of, Node},
    shim,
};
use core::{marker::PhantomData, ptr};
use kernel::bindings;

/// The longest of 6.12 and 7.3, `memory.events`, has six numbers.
const MAX_TEXT: usize = 512;

/// The open files of a node: none of them is closed meanwhile.
///
/// # Invariants
///
/// The current task holds kernfs's lock of the open files of the node.
struct OpenFiles<'a>(&'a Node, PhantomData<*mut ()>);

impl<'a> OpenFiles<'a> {
    fn lock(file: &'a Node) -> Self {
        // SAFETY: The invariant of `Node` keeps it; unexported symbols were resolved before.
        unsafe { shim::rkernfs_open_files_lock(file.as_ptr()) };
        // INVARIANT: Just taken.
        Self(file, PhantomData)
    }

    fn iter(&self) -> impl Iterator<Item = *mut bindings::kernfs_open_file> + '_ {
        // SAFETY: The type's invariant has the lock, which keeps the list; the node is a file.
        let next = |of| unsafe { shim::rkernfs_next_open_file(self.0.as_ptr(), of) };
        core::iter::successors(Some(next(ptr::null_mut())), move |of| Some(next(*of)))
            .take_while(|of| !of.is_null())
    }
}

impl Drop for OpenFiles<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant this task holds it, as the value cannot be sent.
        unsafe { shim::rkernfs_open_files_unlock(self.0.as_ptr()) };
    }
}

/// Keeps the text of `file`, which is deactivated and has no users, for tasks that have it open.
pub(super) fn keep(file: &Node) {
    // SAFETY: It only reads a variable.
    if !unsafe { shim::rkernfs_keeps_final_events() } {
        return;
    }
    let open = OpenFiles::lock(file);
    let mut shown = None;
    let may_have_text = |of: &*mut bindings::kernfs_open_file| {
        // SAFETY: The lock keeps the open file.
        unsafe { shim::rkernfs_may_have_final_text(*of) }
    };
    for of in open.iter().filter(may_have_text) {
        if !is_events(file) {
            return;
        }
        let Some(text) = shown.get_or_insert_with(|| Text::show(of)).as_ref() else {
            return;
        };
        // SAFETY: The lock keeps the open file, whose text is not longer than what is given.
        unsafe { shim::rkernfs_set_final_text(of, text.bytes.as_ptr().cast(), text.len) };
    }
}

/// Whether a file of cgroup2 counts events: the `show()` of such a file takes no lock.
fn is_events(file: &Node) -> bool {
    // SAFETY: The invariant of `Node` keeps it; cgroup2 renames no file, so its name stays.
    let name = unsafe { c_str(name_of(file.as_ptr())) }.to_bytes();
    name.ends_with(b".events") || name.ends_with(b".events.local")
}

struct Text {
    bytes: [u8; MAX_TEXT],
    len: usize,
}

impl Text {
    /// `None`: the file has none, or a longer one.
    fn show(of: *mut bindings::kernfs_open_file) -> Option<Self> {
        let mut bytes = [0; MAX_TEXT];
        // SAFETY: The caller has an open file of a node without users, which it removes.
        let len = unsafe { shim::rkernfs_show_file(of, bytes.as_mut_ptr().cast(), MAX_TEXT) };
        Some(Self {
            bytes,
            len: usize::try_from(len).ok()?,
        })
    }
}
