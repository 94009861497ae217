// SPDX-License-Identifier: GPL-2.0

//! Clearing the link count of a removed node's inodes: `kernfs_clear_inode_nlink()` of the series.
//!
//! VFS reports an inode as deleted (`fsnotify_inoderemove()`) when its last dentry is dropped and its
//! link count is 0. `dentry_unlink_inode()` reads both together, under `i_lock`. Under the same lock,
//! and while `kernfs_rwsem` is held for writing, [`clear`] decides from the state of each inode of the
//! node whether to clear the link count now, and whether VFS or the [release stage](super::release)
//! reports the inode:
//!
//! | state of the inode | link count | reported by |
//! |---|---|---|
//! | no mark, and no task with a dentry to add one | cleared | nobody needs a report: VFS drops the inode now, or when memory is short |
//! | dentries in use, or that rmdir(2) is about to drop | cleared | VFS, with the last dentry: none stays in the cache |
//! | an unused dentry | cleared | VFS, when the release stage drops the dentry |
//! | no dentry, but a mark on it, or an interested one on the superblock | kept | the release stage |
//! | a directory with such a mark that no rmdir(2) removes: dentries in it pin its own | kept | decided by the release stage |
//! | the same, that rmdir(2) removes, while files in it have yet to be reported | kept | decided by the release stage, after the files |
//!
//! A task that has no dentry of the inode at that moment gets none any more
//! ([`lookup`](super::lookup)), so the decision stays right, whatever reference to the inode tasks
//! hold, and however long. (Before 6.12.117, and in 7.2, VFS reads the count after it released
//! `i_lock`: a task that dropped the last dentry before the removal may report the inode once more,
//! when it has no marks any more.)

use super::{
    batch::Batch,
    deferral,
    inode::{HeldInode, Inode, LockedInode},
    locks::{Iattr, Tree},
    member::Member,
    stats,
    supers::Super,
};
use crate::node::{Kind, Node};

/// Whether any superblock may have an inode of `node`, which has just been unlinked: each inode
/// holds a reference of its node, from `kernfs_init_inode()` to `kernfs_evict_inode()`, when it has
/// no marks any more. `known` is the number of references that are accounted for.
///
/// Read under `kernfs_rwsem` (exclusive), the count misses none. These make inodes
/// (`kernfs_get_inode()`):
///
/// | caller | excluded from a removal by |
/// |---|---|
/// | [`lookup`](super::lookup), `kernfs_fill_super()` | `kernfs_rwsem` (shared) |
/// | `cgroup_may_write()`, of `cgroup.procs` | `cgroup_mutex`, under which that file is removed |
/// | [`notify`](crate::notify), to report a change | `kernfs_rwsem` (shared) |
/// | [`make`] | it is the removal |
///
/// Other references make the count higher than it need be, which costs a lookup: of an open
/// directory, at its readdir(3) position; of `sysfs_break_active_protection()` and the like, by
/// `kernfs_find_and_get()`; and to a directory, of its children, the cgroup until it is freed,
/// `kobject_del()` and `sysfs_remove_group()`. A directory with one reference too many has an owner
/// or an inode; as these cannot be told apart, it is looked up.
pub(super) fn may_have_inode(node: &Node, known: i32) -> bool {
    node.references() > known
}

/// Clears the link count of the inode that `node` has in each superblock. Where a mark on the whole
/// superblock asks for the removal, the inode is created if there is none. Inodes that are left to the
/// release stage are added to `batch`.
#[inline(always)]
pub(super) fn clear<'id>(iattr: &Iattr<'_, 'id>, node: &Member<'id>, batch: &mut Batch) {
    if cfg!(omit_clear_nlink) {
        return;
    }
    for sb in iattr.tree().supers().may_have_inode_of(node) {
        stats::LOOKUPS.add(1);
        let by_sb = sb.reports_removal_of(node);
        match LockedInode::find(&sb, node) {
            Some(inode) if inode.is_of(node) => {
                if !by_sb && inode.is_unused() {
                    clear_unused(iattr, &inode);
                } else {
                    clear_in_use(iattr, node, &inode, by_sb, batch);
                }
            }
            None if !by_sb => {}
            found => {
                drop(found);
                clear_new(iattr, node, &sb, by_sb, batch);
            }
        }
    }
}

/// An inode without a mark, and without a task that could add one: as most are.
fn clear_unused(iattr: &Iattr<'_, '_>, inode: &LockedInode<'_>) {
    if inode.is_linked() {
        inode.refuse_lookups();
        inode.clear_nlink(iattr);
        stats::LEFT_TO_VFS.add(1);
    }
}

/// Any other. `by_sb`: a mark on the whole superblock asks for the removal.
#[cold]
fn clear_in_use(
    iattr: &Iattr<'_, '_>,
    node: &Node,
    inode: &LockedInode<'_>,
    by_sb: bool,
    batch: &mut Batch,
) {
    if !inode.is_linked() {
        return;
    }
    inode.refuse_lookups();
    let is_asked_for = by_sb || inode.is_watched();
    let is_dir = node.kind() == Kind::Dir;
    let in_rmdir = inode.is_in_rmdir();
    // Before the link count is cleared: a task that is not seen to use a dentry has put it before that,
    // and the dentry stays in the cache.
    let unused = inode.uncache(!is_dir);
    let is_kept = if in_rmdir {
        has_files_to_report(batch)
    } else {
        is_dir
    };
    if is_asked_for && (is_kept || inode.lacks_dentry()) {
        push(batch, inode.hold());
        return;
    }
    inode.clear_nlink(iattr);
    let is_left = is_dir || unused;
    let held = if is_left && !in_rmdir && (by_sb || !inode.is_unused()) {
        inode.hold()
    } else {
        None
    };
    if held.is_some() {
        stats::INODES_CLEARED.add(1);
        stats::DENTRIES_UNCACHED.add(1);
    } else {
        stats::LEFT_TO_VFS.add(1);
    }
    push(batch, held);
}

/// Whether files that the current task removed have yet to be reported: rmdir(2) removes one by one.
fn has_files_to_report(batch: &Batch) -> bool {
    batch.has_inodes() || deferral::has_own_batch()
}

fn push(batch: &mut Batch, inode: Option<HeldInode>) {
    if let Some(inode) = inode {
        if !cfg!(omit_release) {
            batch.push(inode);
        }
    }
}

/// An inode that is created for a mark on the whole superblock; or that another task is creating, as
/// long as livepatch lets tasks run the kernel's functions.
#[cold]
fn clear_new<'id>(
    iattr: &Iattr<'_, 'id>,
    node: &Member<'id>,
    sb: &Super<'_>,
    by_sb: bool,
    batch: &mut Batch,
) {
    let inode = match Inode::lookup(sb, node) {
        None if by_sb => make(sb, node, iattr.tree()),
        found => found,
    };
    if let Some(inode) = inode {
        clear_in_use(iattr, node, &inode.lock(), by_sb, batch);
    }
}

/// Creates an inode to report it. Without memory for it, the mark gets an overflow event instead.
fn make<'s>(sb: &Super<'s>, node: &Node, tree: &Tree<'_>) -> Option<Inode<'s>> {
    let inode = Inode::get(sb, node, tree);
    match inode {
        Some(_) => stats::INODES_MADE.add(1),
        None => {
            stats::OVERFLOWS.add(1);
            sb.queue_overflow();
        }
    }
    inode
}
