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
//! | no dentry, but a mark | kept | the release stage gives it a dentry, clears, and has that go |
//!
//! Without a dentry the count is kept, so that nobody but the release stage ever reports the inode:
//! also a dentry that somebody makes of a file handle, and lets go meanwhile, does not.

use super::{
    batch::Todo,
    inode::Inode,
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
    let mut ended_by_vfs = 0;
    for sb in iattr.tree().supers().may_know(node) {
        let report = pass == Pass::Removal && sb.reports_removal_of(node);
        let inode = match lookup(&sb, node) {
            None if report => make(&sb, node, iattr.tree()),
            found => found,
        };
        let Some(inode) = inode else { continue };
        known += 1;
        // Before the look at who holds the inode: who comes by file handle has the node first.
        let opened = may_get_inode(node, known);
        // It may have got a dentry since; the release stage takes what pins it.
        todo.orphans |= pass == Pass::Again && inode.is_pinned();
        match clear_one(iattr, node, &inode, report, opened) {
            Outcome::Unchanged => {}
            Outcome::EndedByVfs => ended_by_vfs += 1,
            Outcome::Cleared => todo.cleared = todo.cleared.saturating_add(1),
            Outcome::Orphan => {
                todo.orphans = true;
                pin_for_report(inode, report);
            }
        }
    }
    stats::INODES_CLEARED.add(u64::from(todo.cleared) + ended_by_vfs);
    stats::ENDED_BY_VFS.add(ended_by_vfs);
    // A directory's new inode comes with a cleared link count; see `keep_nlink_clear()`.
    todo.late = node.kind() == Kind::File && may_get_inode(node, known);
    todo
}

/// What was done with an inode.
enum Outcome {
    /// Cleared before.
    Unchanged,
    /// Cleared. VFS does the rest.
    EndedByVfs,
    /// Cleared. The release stage has its dentry go.
    Cleared,
    /// Not cleared: see [`Holders::is_orphan`](super::inode::Holders::is_orphan).
    Orphan,
}

/// `report`: a mark on the whole superblock wants to hear of it. `opened`: somebody may be opening
/// it by file handle, and find its dentry, which then goes with him.
fn clear_one(
    iattr: &Iattr<'_, '_>,
    node: &Node,
    inode: &Inode<'_>,
    report: bool,
    opened: bool,
) -> Outcome {
    if !report && !opened {
        let locked = inode.lock();
        if locked.holders().is_idle() {
            if !locked.is_linked() {
                return Outcome::Unchanged;
            }
            locked.clear_nlink(iattr);
            return Outcome::EndedByVfs;
        }
    }
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
    locked.clear_nlink(iattr);
    if holders.is_idle() && !report || locked.is_in_rmdir() {
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

pub(super) fn lookup<'s>(sb: &Super<'s>, node: &Node) -> Option<Inode<'s>> {
    stats::LOOKUPS.add(1);
    Inode::lookup(sb, node)
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
