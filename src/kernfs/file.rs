// SPDX-License-Identifier: GPL-2.0

//! Files.
//!
//! C header: `include/linux/kernfs.h` (`struct kernfs_ops`).

use super::{Active, Counted, Dir, DirOperations, Node, SeqFile, Typed};
use crate::{data::Data, removal, shim};
use core::{
    borrow::Borrow,
    marker::PhantomData,
    ops::Deref,
    ptr::{self, NonNull},
    slice,
};
use kernel::{
    bindings,
    error::{from_result, VTABLE_DEFAULT_ERROR},
    ffi::{c_char, c_int, c_void},
    prelude::*,
};

/// A file that carries an `F`.
///
/// As with [`Dir`], a value only stands for the node; the data is at hand in operations only.
///
/// # Examples
///
/// ```
/// # fn example(dir: &Dir<Groups>) -> Result {
/// let file = dir.create_file(c"level", 0o444, Owner::ROOT, Level::new())?;
/// // Later, when the level has changed:
/// file.notify();
/// # Ok(())
/// # }
/// ```
///
/// # Invariants
///
/// The node is a file that was created with data of type `Data<F>`.
#[repr(transparent)]
pub struct File<F>(Node, PhantomData<fn() -> F>);

// SAFETY: It is such a wrapper.
unsafe impl<F> Typed for File<F> {}

impl<F> Borrow<Node> for File<F> {
    fn borrow(&self) -> &Node {
        &self.0
    }
}

impl<F> Deref for File<F> {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.0
    }
}

impl<F: FileOperations> File<F> {
    /// Says that the content has changed: wakes who polls for `EPOLLPRI`, and tells watchers
    /// `IN_MODIFY`. Wraps `kernfs_notify()`; may be called from any context.
    pub fn notify(&self) {
        // SAFETY: The invariant of `Node` keeps it; `kernfs_notify()` takes any file from any context.
        unsafe { bindings::kernfs_notify(self.as_ptr()) };
    }

    /// The table's address: it tells files of one kind from those of another, and is static,
    /// which is all that lockdep asks of a class. Null turns it off.
    pub(super) fn lock_class() -> *const c_void {
        if F::IGNORE_LOCKDEP {
            ptr::null()
        } else {
            ptr::from_ref(Self::OPS).cast()
        }
    }
}

impl<'a, F: FileOperations> Active<'a, File<F>> {
    /// What the file carries.
    pub fn data(&self) -> &F {
        // SAFETY: By the invariant of `File`. The data is there while an active reference is, which
        // giving up consumes `self`.
        unsafe { Data::of(self.as_ptr()) }.value()
    }

    /// The directory that the file is in.
    pub fn parent(&self) -> Parent<'_, F::Dir> {
        Parent(parent(self), PhantomData)
    }

    /// Removes the file from within its own operation. Of several operations that try, one does,
    /// and gets the directory that the file was in, which it may remove as well. The others get
    /// `None` when that one has returned.
    pub fn remove_self(self) -> Option<Counted<Dir<F::Dir>>> {
        let file = self.into_node();
        let parent = parent(file);
        // SAFETY: An operation of the file runs, with an active reference.
        unsafe { removal::remove_self(file) }.then_some(parent)
    }
}

fn parent<F: FileOperations>(file: &File<F>) -> Counted<Dir<F::Dir>> {
    // SAFETY: The invariant of `Node` keeps it. A file has a parent, of which it has a reference.
    let kn = unsafe { NonNull::new_unchecked(shim::rkernfs_get_parent(file.as_ptr())) };
    // SAFETY: C returned a reference; the directories of a hierarchy are of one type.
    unsafe { Counted::from_raw(kn) }
}

/// The directory of a file whose operation runs. It is not to be had as a counted reference, as
/// removing it would wait for that operation.
///
/// # Examples
///
/// ```
/// fn write(file: Active<'_, File<Level>>, data: &[u8], _offset: u64) -> Result<usize> {
///     file.parent().remove_by_name(c"level")?;
///     Ok(data.len())
/// }
/// ```
pub struct Parent<'a, T: DirOperations>(Counted<Dir<T>>, PhantomData<&'a ()>);

impl<T: DirOperations> Deref for Parent<'_, T> {
    type Target = Dir<T>;

    fn deref(&self) -> &Dir<T> {
        &self.0
    }
}

/// What reading, writing and polling a file does. The type is what each file of this kind carries.
/// Wraps `struct kernfs_ops`.
///
/// Operations on one open file do not run concurrently, except for `poll`; those on several do.
///
/// # Examples
///
/// ```
/// struct Level(AtomicU32);
///
/// #[vtable]
/// impl FileOperations for Level {
///     type Dir = Groups;
///
///     fn show(file: Active<'_, File<Self>>, m: &SeqFile) -> Result {
///         m.print(format_args!("{}\n", file.data().0.load(Relaxed)));
///         Ok(())
///     }
/// }
/// ```
#[vtable]
pub trait FileOperations: Sized + Send + Sync + 'static {
    /// The operations of the directories that the files are in.
    type Dir: DirOperations;

    /// Writes up to this size, in bytes, are passed on whole, larger ones fail with `E2BIG`. 0:
    /// what exceeds a page is cut off.
    const ATOMIC_WRITE_LEN: usize = 0;

    /// Leaves the files out of lockdep's checks: for those whose operations remove others of
    /// their kind, in directories below.
    const IGNORE_LOCKDEP: bool = false;

    /// Shows the content.
    fn show(_file: Active<'_, File<Self>>, _m: &SeqFile) -> Result {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads from `offset` into `buf`, which has at most the size of a page, and returns how much.
    /// Not called if there is a `show`.
    fn read(_file: Active<'_, File<Self>>, _buf: &mut [u8], _offset: u64) -> Result<usize> {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes `data` and returns how much of it.
    fn write(_file: Active<'_, File<Self>>, _data: &[u8], _offset: u64) -> Result<usize> {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Waits for events, and returns the `EPOLL` bits of those that are there. If it is not
    /// implemented, [`Poll::wait`] is done.
    fn poll(_file: Active<'_, File<Self>>, _poll: Poll<'_>) -> u32 {
        kernel::build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// A poll of an open file.
///
/// # Examples
///
/// ```
/// fn poll(file: Active<'_, File<Level>>, poll: Poll<'_>) -> u32 {
///     // Wait first: what changes after the look at the data wakes up.
///     let events = poll.wait();
///     if file.data().0.load(Relaxed) == 0 {
///         return events & !Poll::READABLE;
///     }
///     events
/// }
/// ```
///
/// # Invariants
///
/// Both are what VFS polls an open file with, for `'a`.
pub struct Poll<'a> {
    of: *mut bindings::kernfs_open_file,
    table: *mut bindings::poll_table_struct,
    _poll: PhantomData<&'a ()>,
}

impl Poll<'_> {
    /// `EPOLLIN | EPOLLRDNORM`, which bindgen does not find behind their casts.
    pub const READABLE: u32 = 0x41;

    /// Waits for [`File::notify`]. The file is readable and writable; `EPOLLPRI` and `EPOLLERR` are
    /// there if that was called since the content was read. Wraps `kernfs_generic_poll()`.
    pub fn wait(&self) -> u32 {
        // SAFETY: The type's invariant has what VFS polls with, for as long as it does.
        unsafe { shim::rkernfs_generic_poll(self.of, self.table) }
    }
}

/// The functions that `struct kernfs_ops` points to.
impl<F: FileOperations> File<F> {
    /// # Safety
    ///
    /// `of` must be an open file of a node that carries an `F`, and the caller hold an active
    /// reference of the node.
    unsafe fn enter<R>(
        of: *mut bindings::kernfs_open_file,
        operation: impl FnOnce(Active<'_, Self>) -> R,
    ) -> R {
        // SAFETY: The caller promises an open file of a node with an `F`; the layout is that of the C type.
        let file: &Self = unsafe { &*(*of).kn.cast() };
        // SAFETY: The caller holds an active reference until this returns.
        unsafe { Active::enter(file, operation) }
    }

    /// # Safety
    ///
    /// kernfs must call it, for an open file of a node that carries an `F`.
    unsafe extern "C" fn show_op(m: *mut bindings::seq_file, _pos: *mut c_void) -> c_int {
        // SAFETY: `kernfs_fop_open()` put the open file there, which outlives its `seq_file`.
        let of = unsafe { (*m).private }.cast();
        // SAFETY: `seq_read_iter()` holds the lock of `m` until the operation returns.
        let m = unsafe { SeqFile::from_raw(m) };
        // SAFETY: `kernfs_seq_start()` took an active reference, which `kernfs_seq_stop()` puts.
        let shown = unsafe { Self::enter(of, |file| F::show(file, m)) };
        from_result(|| shown.map(|()| 0))
    }

    /// # Safety
    ///
    /// kernfs must call it, for an open file of a node that carries an `F`.
    unsafe extern "C" fn read_op(
        of: *mut bindings::kernfs_open_file,
        buf: *mut c_char,
        len: usize,
        offset: bindings::loff_t,
    ) -> isize {
        // SAFETY: `kernfs_file_read_iter()` allocated `len` bytes, of which it is the only user.
        unsafe { ptr::write_bytes(buf, 0, len) };
        // SAFETY: The bytes are initialized now, and nothing else uses them until this returns.
        let buf = unsafe { slice::from_raw_parts_mut(buf, len) };
        // SAFETY: `kernfs_file_read_iter()` holds an active reference until this returns.
        let read = unsafe { Self::enter(of, |file| F::read(file, buf, offset as u64)) };
        from_result(|| read.map(|n| n.min(len) as isize))
    }

    /// # Safety
    ///
    /// kernfs must call it, for an open file of a node that carries an `F`.
    unsafe extern "C" fn write_op(
        of: *mut bindings::kernfs_open_file,
        buf: *mut c_char,
        len: usize,
        offset: bindings::loff_t,
    ) -> isize {
        // SAFETY: `kernfs_fop_write_iter()` filled `len` bytes, and leaves them alone until this returns.
        let data = unsafe { slice::from_raw_parts(buf, len) };
        // SAFETY: `kernfs_fop_write_iter()` holds an active reference until this returns.
        let written = unsafe { Self::enter(of, |file| F::write(file, data, offset as u64)) };
        from_result(|| written.map(|n| n.min(len) as isize))
    }

    /// # Safety
    ///
    /// kernfs must call it, for an open file of a node that carries an `F`.
    unsafe extern "C" fn poll_op(
        of: *mut bindings::kernfs_open_file,
        table: *mut bindings::poll_table_struct,
    ) -> u32 {
        // INVARIANT: `kernfs_fop_poll()` gives both for this call.
        let poll = Poll {
            of,
            table,
            _poll: PhantomData,
        };
        // SAFETY: `kernfs_fop_poll()` holds an active reference until this returns.
        unsafe { Self::enter(of, |file| F::poll(file, poll)) }
    }

    pub(super) const OPS: &'static bindings::kernfs_ops = &bindings::kernfs_ops {
        open: None,
        release: None,
        seq_show: if F::HAS_SHOW {
            Some(Self::show_op)
        } else {
            None
        },
        seq_start: None,
        seq_next: None,
        seq_stop: None,
        read: if F::HAS_READ {
            Some(Self::read_op)
        } else {
            None
        },
        atomic_write_len: F::ATOMIC_WRITE_LEN,
        prealloc: false,
        write: if F::HAS_WRITE {
            Some(Self::write_op)
        } else {
            None
        },
        poll: if F::HAS_POLL {
            Some(Self::poll_op)
        } else {
            None
        },
        mmap: None,
        llseek: None,
    };
}
