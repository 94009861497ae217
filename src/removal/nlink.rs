// SPDX-License-Identifier: GPL-2.0

//! Who reports a removed node's inodes, and clearing their link counts:
//! `kernfs_clear_inode_nlink()` of the series.
//!
//! VFS reports an inode as deleted (`fsnotify_inoderemove()`) when its last dentry is dropped and its
//! link count is 0. `dentry_unlink_inode()` reads both together, under `i_lock`. Under the same lock,
//! and while `kernfs_rwsem` is held for writing, [`clear`] decides from the state of each inode of the
//! node whether to clear the link count now, and whether VFS or the [release stage](super::release)
//! reports the inode. It is *marked* if it has a mark of any mask, or if a file system mark asks for
//! `FAN_DELETE_SELF`. The first row that matches applies:
//!
//! | state of the inode | link count | reported by |
//! |---|---|---|
//! | not marked, and no task with a dentry to add a mark | cleared, unless only the dentries of a file have it | nobody needs a report: VFS drops the inode now, or when memory is short |
//! | a marked directory that no rmdir(2) removes: dentries in it pin its own | kept | decided by the release stage |
//! | the same, that rmdir(2) removes, while files in it have yet to be reported | kept | decided by the release stage, after the files |
//! | marked, no dentry, or none in use and no rmdir(2) to drop it | kept | the release stage |
//! | dentries in use, or that rmdir(2) is about to drop | cleared | VFS, with the last dentry: none stays in the cache |
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
    stats::COUNTERS,
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
/// Other holders raise the count, too, which only costs a lookup: readdir(3) of an open directory, at
/// its position; users of `kernfs_find_and_get()`, such as `sysfs_break_active_protection()`; for a
/// directory also its children, its cgroup until it is freed, `kobject_del()` and
/// `sysfs_remove_group()`. An inode and an owner cannot be told apart, so a directory is looked up.
pub(super) fn may_have_inode(node: &Node, known: i32) -> bool {
    node.references() > known
}

/// For the inode that `node` has in each superblock: decides what reports it, and clears the link count
/// unless the release stage is to decide or report. Where a file system mark asks for the removal, the
/// inode is created if there is none. Inodes for the release stage are added to `batch`.
#[inline(always)]
pub(super) fn clear<'id>(iattr: &Iattr<'_, 'id>, node: &Member<'id>, batch: &mut Batch) {
    for sb in iattr.tree().supers().may_have_inode_of(node) {
        COUNTERS.lookups.add(1);
        let by_sb = sb.reports_removal_of(node);
        match LockedInode::find(&sb, node) {
            Some(inode) if inode.is_of(node) => {
                if !by_sb && inode.is_unused() {
                    clear_unused(iattr, node, &inode);
                } else {
                    clear_marked_or_in_use(iattr, node, &inode, by_sb, batch);
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

/// An inode without a mark, and without a task that could add one: as most are. If nobody but its
/// dentries has a file, nobody sees its link count any more, and a report, which costs more than all that
/// is done here, would find nobody. A walk under RCU may still begin at a directory that its task just
/// left, and take a reference then.
fn clear_unused(iattr: &Iattr<'_, '_>, node: &Node, inode: &LockedInode<'_>) {
    if inode.is_linked() {
        inode.refuse_lookups();
        if node.kind() == Kind::Dir || !inode.is_only_cached() {
            inode.clear_nlink(iattr);
        }
        COUNTERS.left_to_vfs.add(1);
    }
}

/// Any other: it has a mark, or a dentry in use, or a file system mark asks for the removal (`by_sb`).
#[cold]
fn clear_marked_or_in_use(
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
    // Before the link count is cleared: from here on the last dput() of a dentry drops it, and reports
    // the inode then. A dentry that has no reference now stays cached until the release stage drops it.
    let (unused, used) = inode.uncache(!is_dir);
    let must_wait = if in_rmdir {
        has_files_to_report(batch)
    } else {
        is_dir || !used
    };
    if is_asked_for && (must_wait || inode.lacks_dentry()) {
        push(batch, inode.hold());
        return;
    }
    inode.clear_nlink(iattr);
    let is_left = is_dir || unused;
    // rmdir(2) drops the dentry itself; and if the last user has put it meanwhile, and there is no mark,
    // nobody needs the report.
    let held = if is_left && !in_rmdir && (by_sb || !inode.is_unused()) {
        inode.hold()
    } else {
        None
    };
    if held.is_some() {
        COUNTERS.inodes_cleared.add(1);
        COUNTERS.dentries_uncached.add(1);
    } else {
        COUNTERS.left_to_vfs.add(1);
    }
    push(batch, held);
}

/// Whether files that the current task removed have yet to be reported: rmdir(2) removes one by one.
fn has_files_to_report(batch: &Batch) -> bool {
    batch.has_inodes() || deferral::has_own_batch()
}

/// `None`: the superblock is being unmounted, which removes its marks.
fn push(batch: &mut Batch, inode: Option<HeldInode>) {
    if let Some(inode) = inode {
        batch.push(inode);
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
        clear_marked_or_in_use(iattr, node, &inode.lock(), by_sb, batch);
    }
}

/// Creates an inode to report it. Without memory for it, the mark gets an overflow event instead.
fn make<'s>(sb: &Super<'s>, node: &Node, tree: &Tree<'_>) -> Option<Inode<'s>> {
    let inode = Inode::get(sb, node, tree);
    match inode {
        Some(_) => COUNTERS.inodes_made.add(1),
        None => {
            COUNTERS.overflows.add(1);
            sb.queue_overflow();
        }
    }
    inode
}
