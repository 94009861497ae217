// SPDX-License-Identifier: GPL-2.0

//! Clearing the link count of a removed node's inodes: `kernfs_clear_inode_nlink()` of the series.
//!
//! VFS reports an inode (`fsnotify_inoderemove()`) when its last dentry goes and its link count is
//! 0; both are read together, under `i_lock`. So what an inode looks like at that moment says what
//! follows:
//!
//! | it has | its link count | then |
//! |---|---|---|
//! | no mark, and nobody who could add one | cleared | nothing: VFS ends it, now or when memory is short |
//! | dentries that somebody uses, or that rmdir(2) is about to drop | cleared | VFS reports it with the last one, as `d_mark_dontcache()` has that go with its last reference |
//! | a dentry that nobody uses, or a directory's that rmdir(2) does not remove | cleared | the same, but the release stage has the dentry go |
//! | somebody who has it without a dentry, and so may make one | kept | the release stage looks again |
//! | no dentry, but a mark | kept | the release stage clears, gives it a dentry, and has that go |
//!
//! Without a dentry the count is kept, so that nobody but the release stage ever reports the inode:
//! also a dentry that somebody makes of a file handle, and lets go meanwhile, does not.

use super::{
    batch::Todo,
    deferral,
    inode::{Inode, LockedInode},
    locks::{Iattr, Tree},
    node::Member,
    stats,
    supers::Super,
};
use crate::{
    node::{Kind, Node},
    shim,
};

/// Whether any superblock may have an inode of `node`, which has just been unlinked: each inode
/// holds a reference of its node, from `kernfs_init_inode()` to `kernfs_evict_inode()`, when nobody
/// can watch it any more. `known` is the number of references that are accounted for.
///
/// Read under `kernfs_rwsem` (exclusive), the count misses none. These make inodes
/// (`kernfs_get_inode()`):
///
/// | who | excluded from a removal by |
/// |---|---|
/// | `kernfs_iop_lookup()`, `kernfs_fill_super()` | `kernfs_rwsem` (shared) |
/// | `kernfs_fh_to_dentry()`, `kernfs_fh_to_parent()`, `kernfs_get_parent_dentry()` since 7.3 | `kernfs_rwsem` (shared) |
/// | the same before 7.3 | nothing; but they have a reference meanwhile, which they got while the node was active ([`find_by_id`](super::entry)), or an inode of a child |
/// | `cgroup_may_write()`, of `cgroup.procs` | `cgroup_mutex`, under which that file is removed |
/// | [`notify`](crate::notify), to report a change | `kernfs_rwsem` (shared) |
/// | [`make`] | it is the removal |
///
/// Others who hold references make the count higher than it need be, which costs a lookup: an
/// iteration by readdir(3) of its position; `sysfs_break_active_protection()` and the like, by
/// `kernfs_find_and_get()`; and of a directory, its children, the cgroup until it is freed,
/// `kobject_del()` and `sysfs_remove_group()`. A directory with one reference too many has an owner
/// or an inode, and nothing tells which; it is looked up.
pub(super) fn may_have_inode(node: &Node, known: i32) -> bool {
    node.references() > known
}

/// Whether inodes of `node` may be made of file handles without `kernfs_rwsem`.
fn bypasses_rwsem(node: &Node) -> bool {
    // SAFETY: A node's root lives as long as it.
    unsafe { shim::rkernfs_handles_bypass_rwsem(node.root().as_ptr()) }
}

/// Whether the file `node` may get another inode yet, from a file handle: somebody has a reference
/// besides the `known` ones.
fn may_get_inode(node: &Node, known: i32) -> bool {
    may_have_inode(node, known) && bypasses_rwsem(node)
}

/// When [`clear`] is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// As the node is removed. Where a mark on the whole superblock wants to hear of that, the inode
    /// is made if there is none.
    Removal,
    /// From the release stage.
    Again,
}

/// Clears the link count of the inode that `node` has in each superblock, and returns what that
/// leaves to do.
#[inline(always)]
pub(super) fn clear<'id>(
    iattr: &Iattr<'_, 'id>,
    node: &Member<'id>,
    known: i32,
    pass: Pass,
) -> Todo {
    let mut todo = Todo::default();
    if cfg!(omit_clear_nlink) {
        return todo;
    }
    let mut known = known;
    for sb in iattr.tree().supers().may_know(node) {
        stats::LOOKUPS.add(1);
        let report = pass == Pass::Removal && sb.reports_removal_of(node);
        let outcome = if report {
            Outcome::InUse
        } else {
            clear_idle(iattr, node, &sb, known + 1)
        };
        let outcome = match outcome {
            Outcome::InUse => clear_in_use(iattr, node, &sb, report, pass, &mut todo),
            done => done,
        };
        known += i32::from(outcome != Outcome::NoInode);
        match outcome {
            Outcome::EndedByVfs => stats::LEFT_TO_VFS.add(1),
            Outcome::Cleared => todo.cleared = todo.cleared.saturating_add(1),
            _ => {}
        }
    }
    if todo.cleared > 0 {
        stats::INODES_CLEARED.add(u64::from(todo.cleared));
    }
    // A directory's new inode comes with a cleared link count; see `keep_nlink_clear()`.
    todo.late = may_get_inode(node, known) && node.kind() == Kind::File;
    todo
}

/// What was done with the inode in one superblock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// There is none.
    NoInode,
    /// Nothing yet: it has to be looked at with a reference.
    InUse,
    /// Cleared before.
    Unchanged,
    /// Cleared. VFS does the rest.
    EndedByVfs,
    /// Cleared. The release stage has its dentry go.
    Cleared,
    /// Not cleared: see [`Holders::is_orphan`](super::inode::Holders::is_orphan), or somebody may
    /// make a dentry of it.
    Orphan,
}

/// The inode that nobody watches, nor could: most are, and need no reference. `known` includes the
/// inode's own reference of the node.
#[inline(always)]
fn clear_idle(iattr: &Iattr<'_, '_>, node: &Node, sb: &Super<'_>, known: i32) -> Outcome {
    let Some(inode) = LockedInode::find(sb, node) else {
        return Outcome::NoInode;
    };
    // Before the look at who holds the inode: who comes by file handle has the node first.
    if may_get_inode(node, known) || !inode.is_of(node) || !inode.is_idle() {
        return Outcome::InUse;
    }
    if !inode.is_linked() {
        return Outcome::Unchanged;
    }
    inode.clear_nlink(iattr);
    Outcome::EndedByVfs
}

/// Any other. `report`: a mark on the whole superblock wants to hear of it.
#[cold]
fn clear_in_use(
    iattr: &Iattr<'_, '_>,
    node: &Node,
    sb: &Super<'_>,
    report: bool,
    pass: Pass,
    todo: &mut Todo,
) -> Outcome {
    let inode = match Inode::lookup(sb, node) {
        None if report => make(sb, node, iattr.tree()),
        found => found,
    };
    let Some(inode) = inode else {
        return Outcome::NoInode;
    };
    // It may have got a dentry since; the release stage takes what pins it.
    todo.orphans |= pass == Pass::Again && inode.is_pinned();
    let outcome = clear_held(iattr, node, &inode, report);
    if outcome == Outcome::Orphan {
        todo.orphans = true;
        pin_for_report(inode, report);
    }
    outcome
}

fn clear_held(iattr: &Iattr<'_, '_>, node: &Node, inode: &Inode<'_>, report: bool) -> Outcome {
    // Before the look at who uses a dentry: who is seen to, lets it go by this.
    inode.mark_dontcache();
    let locked = inode.lock();
    let holders = locked.holders();
    if holders.is_orphan() || report && holders.lacks_dentry() {
        return Outcome::Orphan;
    }
    if !locked.is_linked() {
        return Outcome::Unchanged;
    }
    // He may make a dentry as the one that there is goes, and VFS would report both.
    if holders.others && !deferral::is_exiting() {
        return Outcome::Orphan;
    }
    locked.clear_nlink(iattr);
    if locked.is_idle() && !report || locked.is_in_rmdir() {
        return Outcome::EndedByVfs;
    }
    if node.kind() == Kind::Dir || holders.has_unused_dentry() {
        return Outcome::Cleared;
    }
    Outcome::EndedByVfs
}

/// A mark on the whole superblock keeps no inode.
fn pin_for_report(inode: Inode<'_>, report: bool) {
    if report && !inode.is_pinned() {
        if let Some(held) = inode.hold() {
            held.pin();
        }
    }
}

/// Makes an inode to report it. Without memory for it, the watcher is told that it missed one.
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
