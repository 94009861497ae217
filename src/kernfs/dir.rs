// SPDX-License-Identifier: GPL-2.0

//! Directories, and what system calls do to them.
//!
//! C header: `include/linux/kernfs.h` (`struct kernfs_syscall_ops`).

use super::{
    file::{File, FileOperations},
    Active, Counted, Node, Owner, Typed,
};
use crate::{
    compat::{c_ptr, c_str, ARef},
    data::Data,
    removal::{self, RemovalsExcluded},
    shim,
};
use core::{
    borrow::Borrow,
    ffi::CStr,
    marker::PhantomData,
    ops::Deref,
    ptr::{self, NonNull},
};
use kernel::{
    bindings,
    error::{from_err_ptr, from_result, to_result, VTABLE_DEFAULT_ERROR},
    ffi::{c_char, c_int},
    prelude::*,
};

/// Permission bits of a file or directory. C's `umode_t`.
///
/// # Examples
///
/// ```
/// # fn example(dir: &Dir<Groups>) -> Result {
/// const READ_ONLY: Mode = 0o444;
///
/// dir.create_file(c"level", READ_ONLY, Owner::ROOT, Level::new())?;
/// # Ok(())
/// # }
/// ```
pub type Mode = u16;

/// A directory of a hierarchy with operations `T`, each of which carries a `T::Data`.
///
/// A value only stands for the node, which may have been removed: then nothing can be created in
/// it, and removing it again does nothing. Its data is at hand in operations only; see [`Active`].
///
/// # Examples
///
/// ```
/// # fn example(parent: &Dir<Groups>) -> Result {
/// let dir = parent.create_dir(c"users", 0o755, Owner::ROOT, ())?;
/// dir.create_file(c"level", 0o644, Owner::ROOT, Level::new())?;
/// Dir::remove(&dir)?;
/// # Ok(())
/// # }
/// ```
///
/// # Invariants
///
/// The node is a directory that was created with data of type `Data<T::Data>`.
#[repr(transparent)]
pub struct Dir<T>(Node, PhantomData<fn() -> T>);

// SAFETY: It is such a wrapper.
unsafe impl<T> Typed for Dir<T> {}

impl<T> Borrow<Node> for Dir<T> {
    fn borrow(&self) -> &Node {
        &self.0
    }
}

impl<T> Deref for Dir<T> {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.0
    }
}

impl<T: DirOperations> Dir<T> {
    /// # Safety
    ///
    /// As for [`Node::from_raw`]; the type's invariant must hold.
    pub(super) unsafe fn from_raw<'a>(kn: *mut bindings::kernfs_node) -> &'a Self {
        // SAFETY: The caller promises a node that lives for `'a`; the layout is that of the C type.
        // INVARIANT: The caller promises a directory with such data.
        unsafe { &*kn.cast() }
    }

    /// Creates a directory. Wraps `kernfs_create_dir_ns()`.
    ///
    /// # Errors
    ///
    /// `EEXIST` if the name is taken, `ENOENT` if `self` is removed, `ENOMEM`.
    pub fn create_dir(
        &self,
        name: &CStr,
        mode: Mode,
        owner: Owner,
        data: T::Data,
    ) -> Result<Counted<Self>> {
        let name = c_ptr(name);
        self.create(data, |parent, data| {
            // SAFETY: `parent` is a directory and `name` a string; a node carries its data.
            unsafe { shim::rkernfs_create_dir(parent, name, mode, owner.uid, owner.gid, data) }
        })
    }

    /// Creates a file. Wraps `__kernfs_create_file()`.
    ///
    /// # Errors
    ///
    /// As for [`Dir::create_dir`].
    pub fn create_file<F: FileOperations<Dir = T>>(
        &self,
        name: &CStr,
        mode: Mode,
        owner: Owner,
        data: F,
    ) -> Result<Counted<File<F>>> {
        let (name, ops, class) = (c_ptr(name), File::<F>::OPS, File::<F>::lock_class());
        self.create(data, |parent, data| {
            // SAFETY: `parent` is a directory and `name` a string; `ops` is for data of type `F`.
            unsafe {
                shim::rkernfs_create_file(
                    parent, name, mode, owner.uid, owner.gid, ops, data, class,
                )
            }
        })
    }

    /// Creates a node of type `N`, with `data`, by `make`.
    fn create<N, D>(
        &self,
        data: D,
        make: impl FnOnce(
            *mut bindings::kernfs_node,
            *mut shim::rkernfs_data,
        ) -> *mut bindings::kernfs_node,
    ) -> Result<Counted<N>>
    where
        N: Typed,
        D: Send + Sync + 'static,
    {
        let data = Data::into_raw(Data::new(data)?);
        // No task can remove the new node before there is a reference of it.
        let removals_excluded = RemovalsExcluded::lock(self.root());
        let made = from_err_ptr(make(self.as_ptr(), data)).map(|kn| {
            // SAFETY: `kn` is not null, and the layout of `N` that of the C type.
            let node: &N = unsafe { &*kn.cast() };
            Counted::get(node)
        });
        drop(removals_excluded);
        if made.is_err() {
            // SAFETY: The creation failed, so the data was not taken over.
            unsafe { Data::<D>::release(data) };
        }
        made
    }

    /// Finds a file or directory in this one, also one that is hidden. Wraps
    /// `kernfs_find_and_get()`.
    pub fn find_and_get(&self, name: &CStr) -> Option<ARef<Node>> {
        // SAFETY: The invariant of `Node` keeps the directory; `name` is a string.
        let kn =
            unsafe { bindings::kernfs_find_and_get_ns(self.as_ptr(), c_ptr(name), ptr::null()) };
        // SAFETY: `kernfs_find_and_get_ns()` returned a reference, which becomes the value's.
        NonNull::new(kn).map(|kn| unsafe { ARef::from_raw(kn.cast()) })
    }

    /// Whether there are directories in this one, as its link count says.
    pub fn has_subdirs(&self) -> bool {
        // SAFETY: The invariant of `Node` keeps the directory. As in C, read without a lock.
        let subdirs =
            unsafe { ptr::addr_of!((*self.as_ptr()).__bindgen_anon_1.dir.subdirs).read_volatile() };
        subdirs > 0
    }

    /// Removes the directory and what is below it, and drops the data of all. Waits until no
    /// operation of them runs. Does nothing if it is removed already.
    ///
    /// Takes a counted reference, which an operation makes of that to its own directory by
    /// [`Active::break_protection`] only.
    ///
    /// # Errors
    ///
    /// `EBUSY` for the root of a hierarchy: only the [`Hierarchy`](super::Hierarchy) removes it.
    pub fn remove(this: &Counted<Self>) -> Result {
        if this.is_root() {
            return Err(EBUSY);
        }
        removal::remove(this);
        Ok(())
    }

    /// Removes a file or directory that is in this one. An operation must not name itself, nor
    /// what it is in.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is none with that name.
    pub fn remove_by_name(&self, name: &CStr) -> Result {
        removal::remove_by_name(self, name)
    }
}

impl<T: DirOperations> Active<'_, Dir<T>> {
    /// What the directory carries.
    pub fn data(&self) -> &T::Data {
        // SAFETY: By the invariant of `Dir`. The data is there while an active reference is, which
        // giving up consumes `self`.
        unsafe { Data::of(self.as_ptr()) }.value()
    }
}

/// System calls on the directories of a hierarchy; those that are not implemented fail with
/// `EPERM`. Wraps `struct kernfs_syscall_ops`.
///
/// # Examples
///
/// ```
/// struct Groups;
///
/// #[vtable]
/// impl DirOperations for Groups {
///     type Data = ();
///
///     fn mkdir(parent: Active<'_, Dir<Self>>, name: &CStr, mode: Mode) -> Result {
///         parent.create_dir(name, mode, Owner::current(), ()).map(drop)
///     }
/// }
/// ```
#[vtable]
pub trait DirOperations: Sized + 'static {
    /// What each directory carries.
    type Data: Send + Sync + 'static;

    /// mkdir(2) in `parent`.
    fn mkdir(_parent: Active<'_, Dir<Self>>, _name: &CStr, _mode: Mode) -> Result {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// rmdir(2) of `dir`, which is not the root.
    fn rmdir(_dir: Active<'_, Dir<Self>>) -> Result {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// rename(2) of a file or directory, to a name that is free as far as VFS knows.
    fn rename(_rename: Rename<'_, Self>) -> Result {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// A rename(2) that an operation may carry out.
///
/// Only an operation gets one: while it runs, VFS holds the locks that keep a directory from being
/// moved below itself.
///
/// # Examples
///
/// ```
/// fn rename(rename: Rename<'_, Groups>) -> Result {
///     if rename.node().kind() != Kind::Dir {
///         return Err(EPERM);
///     }
///     rename.commit()
/// }
/// ```
pub struct Rename<'a, T> {
    node: Active<'a, Node>,
    new_parent: Active<'a, Dir<T>>,
    new_name: &'a CStr,
}

impl<T: DirOperations> Rename<'_, T> {
    /// What is renamed.
    pub fn node(&self) -> &Active<'_, Node> {
        &self.node
    }

    /// The directory that it is moved to, which may be the one that it is in.
    pub fn new_parent(&self) -> &Active<'_, Dir<T>> {
        &self.new_parent
    }

    /// Its name there.
    pub fn new_name(&self) -> &CStr {
        self.new_name
    }

    /// Carries it out. Wraps `kernfs_rename_ns()`.
    ///
    /// # Errors
    ///
    /// `EEXIST` if the name is taken, `ENOENT` if either is being removed, `ENOMEM`.
    pub fn commit(self) -> Result {
        let (node, parent) = (self.node.as_ptr(), self.new_parent.as_ptr());
        // SAFETY: Both are nodes of one hierarchy, as VFS does not rename between superblocks.
        to_result(unsafe { shim::rkernfs_rename(node, parent, c_ptr(self.new_name)) })
    }
}

/// The functions that `struct kernfs_syscall_ops` points to.
impl<T: DirOperations> Dir<T> {
    /// # Safety
    ///
    /// kernfs must call it, for a hierarchy with operations `T`.
    unsafe extern "C" fn mkdir_op(
        parent: *mut bindings::kernfs_node,
        name: *const c_char,
        mode: bindings::umode_t,
    ) -> c_int {
        // SAFETY: kernfs calls it with a directory of the hierarchy, and a reference.
        let parent = unsafe { Self::from_raw(parent) };
        // SAFETY: VFS gives a terminated string, which stays until this returns.
        let name = unsafe { c_str(name) };
        // SAFETY: `kernfs_iop_mkdir()` holds an active reference until this returns.
        let made = unsafe { Active::enter(parent, |parent| T::mkdir(parent, name, mode)) };
        from_result(|| made.map(|()| 0))
    }

    /// # Safety
    ///
    /// kernfs must call it, for a hierarchy with operations `T`.
    unsafe extern "C" fn rmdir_op(kn: *mut bindings::kernfs_node) -> c_int {
        // SAFETY: kernfs calls it with a reference; VFS checked that it is a directory.
        let dir = unsafe { Self::from_raw(kn) };
        // SAFETY: `kernfs_iop_rmdir()` holds an active reference until this returns.
        let removed = unsafe { Active::enter(dir, T::rmdir) };
        from_result(|| removed.map(|()| 0))
    }

    /// # Safety
    ///
    /// kernfs must call it, for a hierarchy with operations `T`.
    unsafe extern "C" fn rename_op(
        kn: *mut bindings::kernfs_node,
        new_parent: *mut bindings::kernfs_node,
        new_name: *const c_char,
    ) -> c_int {
        // SAFETY: kernfs calls it with a reference of the node.
        let node = unsafe { Node::from_raw(kn) };
        // SAFETY: kernfs calls it with a directory of the hierarchy, and a reference.
        let new_parent = unsafe { Self::from_raw(new_parent) };
        // SAFETY: VFS gives a terminated string, which stays until this returns.
        let new_name = unsafe { c_str(new_name) };
        // SAFETY: `kernfs_iop_rename()` holds active references of both until this returns.
        let renamed = unsafe {
            Active::enter(node, |node| {
                Active::enter(new_parent, |new_parent| {
                    T::rename(Rename {
                        node,
                        new_parent,
                        new_name,
                    })
                })
            })
        };
        from_result(|| renamed.map(|()| 0))
    }

    pub(super) const SYSCALL_OPS: &'static bindings::kernfs_syscall_ops =
        &bindings::kernfs_syscall_ops {
            show_options: None,
            mkdir: if T::HAS_MKDIR {
                Some(Self::mkdir_op)
            } else {
                None
            },
            rmdir: if T::HAS_RMDIR {
                Some(Self::rmdir_op)
            } else {
                None
            },
            rename: if T::HAS_RENAME {
                Some(Self::rename_op)
            } else {
                None
            },
            show_path: None,
        };
}
