// SPDX-License-Identifier: GPL-2.0

//! Clearing the link count of a removed node's inodes: `kernfs_clear_inode_nlink()` of the series.
//!
//! VFS reports an inode (`fsnotify_inoderemove()`) when its last dentry goes and its link count is
//! 0; `dentry_unlink_inode()` reads both together, under `i_lock`. Nobody gets a dentry of the inode
//! any more who has none ([`lookup`](super::lookup)). So what it looks like as its node is removed
//! says what follows, whoever keeps it without a dentry, and for however long. (Before 6.12.117, and
//! in 7.2, the count is read when the lock was let go: who dropped the last dentry before the removal
//! may report the inode once more, when it has no marks any more.)
//!
//! | it has | its link count | then |
//! |---|---|---|
//! | no mark, and nobody who could add one | cleared | nothing: VFS ends it, now or when memory is short |
//! | dentries that somebody uses, or that rmdir(2) is about to drop | cleared | VFS reports it with the last one, as none stays in the cache |
//! | a dentry that nobody uses | cleared | the same, but the release stage has the dentry go |
//! | no dentry, but a mark, or a mark on the whole superblock asks | kept | the release stage reports it |
//! | the same, of a directory that rmdir(2) does not remove: its dentry is kept by those in it, too | kept | the release stage looks who does |
//! | what rmdir(2) removes, and files in it have yet to be reported | kept | the release stage ends it, after its files |

use super::{
    batch::Batch,
    deferral,
    inode::{HeldInode, Inode, LockedInode},
    locks::{Iattr, Tree},
    node::Member,
    stats,
    supers::Super,
};
use crate::node::{Kind, Node};

/// Whether any superblock may have an inode of `node`, which has just been unlinked: each inode
/// holds a reference of its node, from `kernfs_init_inode()` to `kernfs_evict_inode()`, when nobody
/// can watch it any more. `known` is the number of references that are accounted for.
///
/// Read under `kernfs_rwsem` (exclusive), the count misses none. These make inodes
/// (`kernfs_get_inode()`):
///
/// | who | excluded from a removal by |
/// |---|---|
/// | [`lookup`](super::lookup), `kernfs_fill_super()` | `kernfs_rwsem` (shared) |
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

/// Clears the link count of the inode that `node` has in each superblock. Where a mark on the whole
/// superblock wants to hear of the removal, the inode is made if there is none. What that leaves to
/// do goes to `batch`.
#[inline(always)]
pub(super) fn clear<'id>(iattr: &Iattr<'_, 'id>, node: &Member<'id>, batch: &mut Batch) {
    if cfg!(omit_clear_nlink) {
        return;
    }
    for sb in iattr.tree().supers().may_know(node) {
        stats::LOOKUPS.add(1);
        let report = sb.reports_removal_of(node);
        match LockedInode::find(&sb, node) {
            Some(inode) if inode.is_of(node) => {
                if !report && inode.is_idle() {
                    clear_idle(iattr, &inode);
                } else {
                    clear_in_use(iattr, node, &inode, report, batch);
                }
            }
            None if !report => {}
            found => {
                drop(found);
                clear_new(iattr, node, &sb, report, batch);
            }
        }
    }
}

/// The inode that nobody watches, nor could: most are.
fn clear_idle(iattr: &Iattr<'_, '_>, inode: &LockedInode<'_>) {
    if inode.is_linked() {
        inode.refuse_lookups();
        inode.clear_nlink(iattr);
        stats::LEFT_TO_VFS.add(1);
    }
}

/// Any other. `report`: a mark on the whole superblock wants to hear of it.
#[cold]
fn clear_in_use(
    iattr: &Iattr<'_, '_>,
    node: &Node,
    inode: &LockedInode<'_>,
    report: bool,
    batch: &mut Batch,
) {
    if !inode.is_linked() {
        return;
    }
    inode.refuse_lookups();
    let is_told = report || inode.is_watched();
    let is_dir = node.kind() == Kind::Dir;
    let in_rmdir = inode.is_in_rmdir();
    // Before the link count is cleared: whoever is not seen to use a dentry let it go before that,
    // and it stays in the cache.
    let unused = inode.uncache(!is_dir);
    let is_kept = if in_rmdir { waits(batch) } else { is_dir };
    if is_told && (is_kept || inode.lacks_dentry()) {
        push(batch, inode.hold());
        return;
    }
    inode.clear_nlink(iattr);
    let is_left = is_dir || unused;
    let held = if is_left && !in_rmdir && (report || !inode.is_idle()) {
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

/// Whether files that the current task removed are not told yet, by rmdir(2) one by one.
fn waits(batch: &Batch) -> bool {
    batch.has_inodes() || deferral::has_own()
}

fn push(batch: &mut Batch, inode: Option<HeldInode>) {
    if let Some(inode) = inode {
        if !cfg!(omit_release) {
            batch.push(inode);
        }
    }
}

/// Clears the link count of an inode for which it was kept, if it has a dentry: somebody uses that,
/// and VFS reports the inode when he does not any more.
pub(super) fn clear_kept(inode: &HeldInode) {
    Tree::lock(inode.node(), |tree, _node| {
        let iattr = tree.iattr();
        let locked = inode.lock();
        if locked.is_linked() && !locked.lacks_dentry() {
            locked.clear_nlink(&iattr);
            stats::LEFT_TO_VFS.add(1);
        }
    });
}

/// An inode that is made for a mark on the whole superblock; or that somebody else is making, while
/// livepatch has tasks run the kernel's functions yet.
#[cold]
fn clear_new<'id>(
    iattr: &Iattr<'_, 'id>,
    node: &Member<'id>,
    sb: &Super<'_>,
    report: bool,
    batch: &mut Batch,
) {
    let inode = match Inode::lookup(sb, node) {
        None if report => make(sb, node, iattr.tree()),
        found => found,
    };
    if let Some(inode) = inode {
        clear_in_use(iattr, node, &inode.lock(), report, batch);
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
