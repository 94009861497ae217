// SPDX-License-Identifier: GPL-2.0

//! What gives an inode a dentry: a lookup of its name, or of a file handle.
//!
//! The kernel's own functions get the inode under `kernfs_rwsem` (shared), or before 7.3 without, and
//! give it a dentry after they released the lock. A task that is delayed in between has an inode with
//! which it could make VFS report a removed node twice, or prevent that it is ever reported; and it
//! cannot be told from a task that holds the inode for other reasons, for as long as it likes. Here
//! both is done under the lock. So while a node is removed, every dentry that a task has of it is on
//! `i_dentry` of its inode, and no task that has none gets one any more.
//!
//! C headers: `include/linux/exportfs.h`, `include/linux/dcache.h`.

use super::{
    entry::on_its_stack,
    locks::Shared,
    member::Member,
    names::{ns_key, Name, NS},
    namespace::namespace_shown,
};
use crate::{
    compat::{errno, ARef},
    node::{parent_of, Node, Root},
    shim,
};
use core::ptr::{self, NonNull};
use kernel::{
    bindings,
    error::code::ENOMEM,
    ffi::{c_int, c_uint},
};

/// Looks a name up in the directory `dir`, for `dentry`.
///
/// # Safety
///
/// VFS must call it, as `inode_operations.lookup` of a directory of kernfs.
pub(crate) unsafe extern "C" fn kernfs_iop_lookup(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    _flags: c_uint,
) -> *mut bindings::dentry {
    on_its_stack(|| {
        // SAFETY: VFS has a reference of the inode, and that of its node.
        let parent = unsafe { Node::from_raw((*dir).i_private.cast()) };
        let mut renamed = ptr::null_mut();
        // SAFETY: VFS gives both.
        let found = Shared::lock(parent, |tree, parent| unsafe {
            lookup(tree, parent, dir, dentry, &mut renamed)
        });
        if !renamed.is_null() {
            // SAFETY: `dentry`, which VFS has a reference of, keeps it.
            unsafe { bindings::d_prune_aliases(renamed) };
        }
        found
    })
}

/// `renamed` becomes the inode of a file that has a dentry of another name, which only the kernel's own
/// `kernfs_rename_ns()` leaves. It is not to keep all of them: what a removal does under locks must not
/// grow with how often a user renamed what is removed.
///
/// # Safety
///
/// `dir` must be an inode of `parent`, and `dentry` one that VFS looks up in it.
unsafe fn lookup<'id>(
    tree: &Shared<'id>,
    parent: &Member<'id>,
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    renamed: &mut *mut bindings::inode,
) -> *mut bindings::dentry {
    // A dentry that is not hashed is dropped with the lookup, and pins no directory.
    let unhashed = ptr::null_mut();
    if parent.is_removing() {
        return unhashed;
    }
    // SAFETY: The caller has the inode.
    let sb = unsafe { (*dir).i_sb };
    let mut key = 0;
    if parent.flags() & NS != 0 {
        // SAFETY: The inode keeps its superblock, which is one of kernfs.
        key = unsafe { ns_key(namespace_shown(sb)) };
    }
    // SAFETY: VFS keeps the name while it looks it up.
    let name = unsafe { Name::from_ptr(shim::rkernfs_dentry_name(dentry)) };
    let mut inode = ptr::null_mut();
    if let Some(node) = parent.search(name, key, tree) {
        // It is hidden, but may be shown soon.
        if !node.is_active() {
            return unhashed;
        }
        // SAFETY: `dir` keeps the superblock, `tree` the node.
        inode = unsafe { shim::rkernfs_get_inode(sb, node.as_ptr()) };
        if inode.is_null() {
            return ENOMEM.to_ptr();
        }
        // SAFETY: It was just made, or found, with a reference.
        if unsafe { shim::rkernfs_has_other_alias(inode) } {
            *renamed = inode;
        }
    }
    // SAFETY: `parent` is a directory; VFS gives the dentry.
    unsafe { shim::rkernfs_set_rev(parent.as_ptr(), dentry) };
    // SAFETY: The inode is null, or comes with a reference, which is given away.
    unsafe { bindings::d_splice_alias(inode, dentry) }
}

/// Finds a dentry of the node that a file handle names.
///
/// # Safety
///
/// Must be called as `export_operations.fh_to_dentry` of a superblock of kernfs.
pub(crate) unsafe extern "C" fn kernfs_fh_to_dentry(
    sb: *mut bindings::super_block,
    fid: *mut shim::fid,
    len: c_int,
    kind: c_int,
) -> *mut bindings::dentry {
    // SAFETY: The caller gives a handle.
    on_its_stack(|| match unsafe { id_in(fid, len, kind) } {
        // SAFETY: The caller keeps the superblock, which is one of kernfs.
        Some(id) => unsafe { dentry_of(sb, id, Some) },
        None => ptr::null_mut(),
    })
}

/// The same of the directory that the node is in.
///
/// # Safety
///
/// Must be called as `export_operations.fh_to_parent` of a superblock of kernfs.
pub(crate) unsafe extern "C" fn kernfs_fh_to_parent(
    sb: *mut bindings::super_block,
    fid: *mut shim::fid,
    len: c_int,
    kind: c_int,
) -> *mut bindings::dentry {
    // SAFETY: The caller gives a handle.
    on_its_stack(|| match unsafe { id_in(fid, len, kind) } {
        // SAFETY: The caller keeps the superblock, which is one of kernfs.
        Some(id) => unsafe { dentry_of(sb, id, |node| parent(&node)) },
        None => ptr::null_mut(),
    })
}

/// The same of the directory that an open file or directory is in.
///
/// # Safety
///
/// Must be called as `export_operations.get_parent` of a superblock of kernfs.
pub(crate) unsafe extern "C" fn kernfs_get_parent_dentry(
    child: *mut bindings::dentry,
) -> *mut bindings::dentry {
    on_its_stack(|| {
        // SAFETY: The caller has a reference of the dentry, and that of its inode.
        let inode = unsafe { (*child).d_inode };
        // SAFETY: The inode has a reference of its node.
        let node = unsafe { Node::from_raw((*inode).i_private.cast()) };
        Shared::lock(node, |_tree, node| {
            let Some(parent) = parent(node) else {
                return stale();
            };
            // SAFETY: The inode keeps its superblock; the lock is held.
            unsafe { alias_of((*inode).i_sb, &parent) }
        })
    })
}

/// The id of the node that a handle names: `FILEID_KERNFS` has the whole of it, and the generic
/// ones its two halves.
///
/// # Safety
///
/// `fid` must have `len` 32-bit words.
unsafe fn id_in(fid: *mut shim::fid, len: c_int, kind: c_int) -> Option<u64> {
    const INO32_GEN: c_int = shim::RKERNFS_FILEID_INO32_GEN as c_int;
    const INO32_GEN_PARENT: c_int = shim::RKERNFS_FILEID_INO32_GEN_PARENT as c_int;
    const KERNFS: c_int = shim::RKERNFS_FILEID_KERNFS as c_int;
    let has_id = len >= 2 && matches!(kind, INO32_GEN | INO32_GEN_PARENT | KERNFS);
    // SAFETY: The caller promises the words; both kinds are the same on a little-endian machine.
    has_id.then(|| unsafe { fid.cast::<u64>().read_unaligned() })
}

/// A dentry of the node that `of` returns for the active node `id`.
///
/// # Safety
///
/// `sb` must be a superblock of kernfs that is alive.
unsafe fn dentry_of(
    sb: *mut bindings::super_block,
    id: u64,
    of: impl FnOnce(ARef<Node>) -> Option<ARef<Node>>,
) -> *mut bindings::dentry {
    // SAFETY: The caller keeps the superblock, and that its hierarchy.
    let root = unsafe { Root::from_raw(shim::rkernfs_root_from_sb(sb)) };
    // SAFETY: The root node lives as long as the hierarchy.
    let top = unsafe { Node::from_raw(root.kn()) };
    Shared::lock(top, |_tree, _top| {
        // SAFETY: The hierarchy is kept.
        let node = NonNull::new(unsafe { shim::rkernfs_find_by_id(root.as_ptr(), id) })
            // SAFETY: C returned a reference.
            .map(|kn| unsafe { ARef::from_raw(kn.cast()) })
            .and_then(of);
        let Some(node) = node else {
            return stale();
        };
        // SAFETY: The caller keeps the superblock; the lock is held.
        unsafe { alias_of(sb, &node) }
    })
}

fn stale() -> *mut bindings::dentry {
    errno(bindings::ESTALE).to_ptr()
}

fn parent(node: &Node) -> Option<ARef<Node>> {
    // SAFETY: The invariant of `Node` keeps it. Its parent is kept by `kernfs_rwsem`, which
    // callers hold, and by the reference that a node has of it.
    let parent = NonNull::new(unsafe { parent_of(node.as_ptr()) })?;
    // SAFETY: The same.
    Some(unsafe { Node::from_raw(parent.as_ptr()) }.into())
}

/// A dentry of `node`, unless it is removed: any that there is, or a new one.
///
/// # Safety
///
/// `sb` must be a superblock that is alive; the caller must hold `kernfs_rwsem` of both.
unsafe fn alias_of(sb: *mut bindings::super_block, node: &Node) -> *mut bindings::dentry {
    if node.is_removing() {
        return stale();
    }
    // SAFETY: The caller keeps the superblock, and `node` is alive.
    let inode = unsafe { shim::rkernfs_get_inode(sb, node.as_ptr()) };
    // SAFETY: The inode is null, for which it returns `ESTALE`, or its reference is given away.
    unsafe { bindings::d_obtain_alias(inode) }
}
