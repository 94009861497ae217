// SPDX-License-Identifier: GPL-2.0

//! Hierarchies that these abstractions create.
//!
//! C header: `include/linux/kernfs.h` (`kernfs_create_root()`).

use super::{Counted, Dir, DirOperations};
use crate::{data::Data, node::Root, removal, shim};
use core::ops::{BitOr, Deref};
use kernel::{bindings, error::from_err_ptr, prelude::*};

/// A hierarchy, which is removed when the value is dropped.
///
/// Nodes that are left of it then stay valid until the last reference of them is put.
///
/// Dereferences to the root directory. Its mode is 0555 and its owner root, until chmod(2) and
/// chown(2) say otherwise.
///
/// # Examples
///
/// ```
/// # fn example() -> Result {
/// let root = Hierarchy::<Groups>::new(Flags::NONE, ())?;
/// root.create_file(c"level", 0o444, Owner::ROOT, Level::new())?;
/// # Ok(())
/// # }
/// ```
///
/// # Invariants
///
/// `dir` is the root directory of a hierarchy that only this value removes.
pub struct Hierarchy<T: DirOperations> {
    dir: Counted<Dir<T>>,
}

impl<T: DirOperations> Hierarchy<T> {
    /// Creates a hierarchy whose root directory carries `data`. Wraps `kernfs_create_root()`.
    pub fn new(flags: Flags, data: T::Data) -> Result<Self> {
        let data = Data::into_raw(Data::new(data)?);
        // SAFETY: The operations are for directories that carry a `T::Data`, as this one does.
        let root = unsafe { shim::rkernfs_create_root(Dir::<T>::SYSCALL_OPS, flags.0, data) };
        let root = from_err_ptr(root).inspect_err(|_| {
            // SAFETY: The creation failed, so the data was not taken over.
            unsafe { Data::<T::Data>::release(data) }
        })?;
        // SAFETY: The root was just created, so it is there.
        let dir: &Dir<T> = unsafe { Dir::from_raw(Root::from_raw(root).kn()) };
        // INVARIANT: `Dir::remove()` refuses roots, and C code does not know of this one.
        Ok(Self {
            dir: Counted::get(dir),
        })
    }

    pub(super) fn dir(&self) -> Counted<Dir<T>> {
        self.dir.clone()
    }
}

impl<T: DirOperations> Deref for Hierarchy<T> {
    type Target = Dir<T>;

    fn deref(&self) -> &Dir<T> {
        &self.dir
    }
}

impl<T: DirOperations> Drop for Hierarchy<T> {
    fn drop(&mut self) {
        // As in kernfs_destroy_root(), with a reference.
        removal::remove(&self.dir);
    }
}

/// Properties of a hierarchy. Wraps `enum kernfs_root_flag`.
///
/// # Examples
///
/// ```
/// let flags = Flags::EXTRA_OPEN_PERM_CHECK | Flags::SUPPORT_EXPORTOP;
/// ```
#[derive(Clone, Copy)]
pub struct Flags(u32);

impl Flags {
    /// None of the following.
    pub const NONE: Self = Self(0);
    /// Opening for what a file's mode or operations do not allow fails with `EACCES`, also for the
    /// superuser.
    pub const EXTRA_OPEN_PERM_CHECK: Self =
        Self(bindings::kernfs_root_flag_KERNFS_ROOT_EXTRA_OPEN_PERM_CHECK);
    /// Nodes can be opened by file handle.
    pub const SUPPORT_EXPORTOP: Self =
        Self(bindings::kernfs_root_flag_KERNFS_ROOT_SUPPORT_EXPORTOP);
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
