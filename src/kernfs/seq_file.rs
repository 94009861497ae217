// SPDX-License-Identifier: GPL-2.0

//! What a file shows.
//!
//! C header: `include/linux/seq_file.h`.

use core::fmt::{self, Write};
use kernel::{bindings, types::Opaque};

/// Collects output for user space. Wraps `struct seq_file`.
///
/// Output that does not fit is not an error here: the buffer grows, and the operation is called
/// again.
///
/// # Examples
///
/// ```
/// fn show(file: Active<'_, File<Level>>, m: &SeqFile) -> Result {
///     m.print(format_args!("{}\n", file.data().0.load(Relaxed)));
///     Ok(())
/// }
/// ```
///
/// # Invariants
///
/// The C object is valid and used by the current task only.
#[repr(transparent)]
pub struct SeqFile(Opaque<bindings::seq_file>);

impl SeqFile {
    /// # Safety
    ///
    /// `ptr` must be valid, and used by the current task only, for `'a`.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::seq_file) -> &'a Self {
        // SAFETY: The caller promises a valid object; the layout is that of the C type.
        // INVARIANT: The caller promises that this task is the only user.
        unsafe { &*ptr.cast() }
    }

    /// Adds bytes as they are. Wraps `seq_write()`.
    pub fn write(&self, bytes: &[u8]) {
        // SAFETY: The type's invariant has the object for this task; `bytes` is a slice.
        unsafe { bindings::seq_write(self.0.get(), bytes.as_ptr().cast(), bytes.len()) };
    }

    /// Adds formatted text.
    pub fn print(&self, args: fmt::Arguments<'_>) {
        // Never fails, as `write_str()` does not.
        let _ = (&mut &*self).write_fmt(args);
    }
}

impl Write for &SeqFile {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}
