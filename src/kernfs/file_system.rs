// SPDX-License-Identifier: GPL-2.0

//! File system types, and mounting a hierarchy.
//!
//! C headers: `include/linux/fs.h` (`struct file_system_type`), `include/linux/fs_context.h`.

use super::{Counted, Dir, DirOperations, Hierarchy};
use crate::{
    compat::{c_ptr, Atomic, Relaxed},
    shim,
};
use core::{cell::UnsafeCell, ffi::CStr, mem};
use kernel::{
    bindings,
    error::to_result,
    ffi::{c_int, c_ulong},
    prelude::*,
    types::Opaque,
};

/// A type of file systems that mounts one hierarchy, wherever it is mounted. Wraps
/// `struct file_system_type`.
///
/// There are no mount options: mounting with one fails with `EINVAL`, and the log names it. Only
/// a privileged user can mount (no `FS_USERNS_MOUNT`).
///
/// # Examples
///
/// ```
/// static GROUPS: FileSystem<Groups> = FileSystem::new(c"groups", 0x67727073);
///
/// struct GroupsModule {
///     _registration: Registration<Groups>,
/// }
///
/// impl kernel::Module for GroupsModule {
///     fn init(module: &'static ThisModule) -> Result<Self> {
///         let root = Hierarchy::new(Flags::NONE, ())?;
///         Ok(Self { _registration: GROUPS.register(module, root)? })
///     }
/// }
/// ```
// `fs_type` comes first, so that a pointer to it is one to the whole.
#[repr(C)]
pub struct FileSystem<T: DirOperations> {
    fs_type: Opaque<bindings::file_system_type>,
    name: &'static CStr,
    magic: c_ulong,
    registered: Atomic<bool>,
    /// What to mount; see `with_root()`.
    root: UnsafeCell<Option<Counted<Dir<T>>>>,
}

// SAFETY: `fs_type` is VFS's to lock, `root` is under a lock, the rest does not change.
unsafe impl<T: DirOperations> Sync for FileSystem<T> {}

impl<T: DirOperations> FileSystem<T> {
    /// Describes a type called `name`, whose superblocks have the `f_type` `magic` for statfs(2).
    pub const fn new(name: &'static CStr, magic: u32) -> Self {
        Self {
            // SAFETY: All pointers in the C type may be null, and numbers 0.
            fs_type: Opaque::new(unsafe { mem::zeroed() }),
            name,
            magic: magic as c_ulong,
            registered: Atomic::new(false),
            root: UnsafeCell::new(None),
        }
    }

    /// Makes the type known, and `root` what it mounts. Wraps `register_filesystem()`.
    ///
    /// Superblocks keep `module` loaded.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there is a type of that name, or if this was called before.
    pub fn register(
        &'static self,
        module: &'static ThisModule,
        root: Hierarchy<T>,
    ) -> Result<Registration<T>> {
        if self.registered.xchg(true, Relaxed) {
            return Err(EBUSY);
        }
        let fs_type = self.fs_type.get();
        // SAFETY: The type is not registered yet.
        unsafe {
            (*fs_type).name = c_ptr(self.name);
            (*fs_type).owner = module.as_ptr();
            (*fs_type).init_fs_context = Some(Self::init_fs_context);
            (*fs_type).kill_sb = Some(shim::rkernfs_kill_sb);
        }
        self.with_root(|slot| *slot = Some(root.dir()));
        let registration = Registration {
            fs: self,
            _root: root,
        };
        // SAFETY: The type is static. Undone when the registration is dropped.
        to_result(unsafe { bindings::register_filesystem(fs_type) })?;
        Ok(registration)
    }

    fn with_root<R>(&self, f: impl FnOnce(&mut Option<Counted<Dir<T>>>) -> R) -> R {
        // SAFETY: Only called where sleeping is fine; `f` does not call this.
        unsafe { shim::rkernfs_fs_lock() };
        // SAFETY: The lock is held, so this is the only reference to the slot.
        let ret = f(unsafe { &mut *self.root.get() });
        // SAFETY: This task locked it above.
        unsafe { shim::rkernfs_fs_unlock() };
        ret
    }

    /// # Safety
    ///
    /// VFS must call it, for a context of a type that is embedded in a `FileSystem<T>`.
    unsafe extern "C" fn init_fs_context(fc: *mut bindings::fs_context) -> c_int {
        // SAFETY: VFS gives a context of the type, which is static and begins a `FileSystem<T>`.
        let fs: &Self = unsafe { &*shim::rkernfs_fs_type(fc).cast() };
        let Some(root) = fs.with_root(|root| root.clone()) else {
            return ENODEV.to_errno();
        };
        let root = root.into_raw();
        // SAFETY: It is a reference, which the context takes over.
        unsafe { shim::rkernfs_fs_init_context(fc, root, fs.magic) }
    }
}

/// A [`FileSystem`] that can be mounted. Dropping it is `unregister_filesystem()`, and drops the
/// hierarchy.
///
/// It belongs into the module's state, to be dropped when the module is unloaded. As superblocks
/// keep the module, there are none then. Dropped earlier, those that there are become empty.
///
/// Not to be leaked (`mem::forget()`), as no registration of the kernel crate is: VFS would keep the
/// type of a module that is unloaded. Rust takes a leak for safe, so no type can rule it out.
///
/// # Examples
///
/// ```
/// struct GroupsModule {
///     groups: Registration<Groups>,
/// }
///
/// impl GroupsModule {
///     fn add_level(&self) -> Result {
///         let root = self.groups.root();
///         root.create_file(c"level", 0o444, Owner::ROOT, Level::new())?;
///         Ok(())
///     }
/// }
/// ```
pub struct Registration<T: DirOperations> {
    fs: &'static FileSystem<T>,
    _root: Hierarchy<T>,
}

impl<T: DirOperations> Registration<T> {
    /// The root directory.
    pub fn root(&self) -> &Dir<T> {
        &self._root
    }
}

impl<T: DirOperations> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: A type that is not registered is an error, and nothing else.
        unsafe { bindings::unregister_filesystem(self.fs.fs_type.get()) };
        drop(self.fs.with_root(Option::take));
    }
}
