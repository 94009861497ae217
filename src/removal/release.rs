// SPDX-License-Identifier: GPL-2.0

//! The release stage: reports the inodes of removed nodes that VFS would not report by itself.
//!
//! VFS reports an inode whose link count is 0 when its last dentry is dropped. When rmdir(2) removes
//! a node, VFS drops the unused dentries at once. It does not when a write or the kernel itself
//! removed the node, or when memory reclaim had freed the dentry before. [`nlink`](super::nlink)
//! queues the inodes that are left. For each, the release stage does the following:
//!
//! | state of the inode | link count | action | counter |
//! |---|---|---|---|
//! | dentries, some of them unused, others in use | cleared | `d_prune_aliases()`: drops the unused ones; VFS drops the others with their last reference | `dentries_uncached` |
//! | no dentry, but a mark | kept | reports it, as `fsnotify_inoderemove()` | `events_sent` |
//! | unused dentries | kept | drops them unreported, and goes on as without a dentry | `events_sent` |
//! | a directory's dentry | kept | sets `S_DEAD` and drops the unused dentries in it, which pin its own; goes on as with an unused one | |
//! | the same, a dentry is in use then | | clears the link count: VFS reports the inode with the last reference | `ended_by_vfs` |
//!
//! Each is reported once: VFS does not report an inode whose link count is not 0, whatever becomes of
//! its dentries; and one without a dentry gets none any more ([`lookup`](super::lookup)). So no task's
//! reference is waited for, and nothing is retried.
//!
//! No lock is held while events are sent or dentries dropped: users decide how many there are. Nor is
//! a lock waited for that users hold as long as they like: to destroy a mark, its group must be locked.
//! A mark whose group another task has locked is left to a work item of its own
//! ([`HeldInode::destroy_free_marks`]), which VFS does not do when it drops a dentry. Nothing
//! is unmounted, as `d_invalidate()` would do, and no dentry unhashed that something may be mounted on
//! or below: a mount stays until a lookup by name finds the node removed, as without this module.
//! Nothing is allocated.
//!
//! A directory may have as many dentries in it as users looked up names that do not exist. To drop all
//! of them takes long, and RCU frees them, for which other tasks then wait. So if there are more than
//! [`MAX_DROPPED`], the rest stays, as without this module, and the children are counted instead to see
//! that the directory is unused. If it is in use, they are dropped in portions.

use super::{
    inode::{HeldInode, LockedInode},
    locks::Tree,
    stats::COUNTERS,
};
use crate::node::Kind;

/// How many dentries in a directory are dropped at a time.
const MAX_DROPPED: usize = 256;
/// How many are visited before other inodes are reported.
const MAX_VISITED: usize = 4 * MAX_DROPPED;

/// What is left to do for an inode, of which no other task is to wait for the end.
pub(super) enum Left {
    Nothing,
    /// A directory with many dentries in it: [`resume`].
    Dentries,
    /// Marks whose group another task has locked: [`HeldInode::destroy_marks`].
    Marks,
}

/// Reports an inode, or leaves it to VFS.
pub(super) fn release(inode: &HeldInode) -> Left {
    if drop_children(inode, MAX_DROPPED, MAX_VISITED) {
        finish(inode)
    } else {
        Left::Dentries
    }
}

/// How often such a directory is checked for being unused: a task on its way to something in it uses
/// it, and no further task starts on that way.
pub(super) const CHECKS: usize = 2;

/// Goes on where [`release`] stopped; `now`: with all that is left, as there is no later. If dentries are
/// still left, it is to be called again, with one less of [`CHECKS`]. Does nothing for an inode that is
/// finished.
pub(super) fn resume(inode: &HeldInode, checks_left: usize, now: bool) -> Left {
    // Before its marks: a task may add one before it puts the dentry.
    let is_unused = checks_left > 0 && inode.find_alias().is_some_and(|alias| alias.is_unused());
    let locked = inode.lock();
    let (is_kept, is_watched) = (locked.is_linked(), locked.is_watched());
    drop(locked);
    // Otherwise VFS reports it when its dentry is dropped.
    let stays_fine = is_kept || !is_watched;
    if checks_left > 0 && stays_fine {
        if is_unused {
            return if is_kept {
                report(inode)
            } else {
                Left::Nothing
            };
        }
        if checks_left > 1 && !now {
            return Left::Dentries;
        }
    }
    clear_kept(inode);
    let max_dropped = if now { usize::MAX } else { MAX_DROPPED };
    if drop_children(inode, max_dropped, usize::MAX) {
        finish(inode)
    } else {
        Left::Dentries
    }
}

/// Drops the dentries in a directory. `false` if some are left.
fn drop_children(inode: &HeldInode, max_dropped: usize, max_visited: usize) -> bool {
    if inode.node().kind() != Kind::Dir {
        return true;
    }
    inode.set_dead();
    match inode.find_alias() {
        Some(alias) => alias.drop_children(max_dropped, max_visited),
        None => true,
    }
}

fn finish(inode: &HeldInode) -> Left {
    inode.prune_aliases();
    clear_kept(inode);
    if !inode.lock().is_linked() {
        return Left::Nothing;
    }
    let left = report(inode);
    inode.lock().clear_nlink_reported();
    left
}

/// Clears the link count of an inode for which it was kept, if it has a dentry: that is in use, and VFS
/// reports the inode when it is dropped.
fn clear_kept(inode: &HeldInode) {
    let is_kept = |locked: &LockedInode<'_>| locked.is_linked() && !locked.lacks_dentry();
    if !is_kept(&inode.lock()) {
        return;
    }
    Tree::lock(inode.node(), |tree, _node| {
        let iattr = tree.iattr();
        let locked = inode.lock();
        if is_kept(&locked) {
            locked.clear_nlink(&iattr);
            COUNTERS.left_to_vfs.add(1);
        }
    });
}

fn report(inode: &HeldInode) -> Left {
    COUNTERS.inodes_cleared.add(1);
    COUNTERS.events_sent.add(1);
    inode.report_removed();
    if inode.destroy_free_marks() {
        Left::Nothing
    } else {
        Left::Marks
    }
}
