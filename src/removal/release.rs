// SPDX-License-Identifier: GPL-2.0

//! The release stage: ends the inodes of removed nodes that VFS would not end by itself.
//!
//! VFS reports an inode without links when its last dentry goes. For what rmdir(2) removes, VFS
//! sees to that at once. It does not when a write or the kernel itself removed the node, or when
//! memory was reclaimed. [`nlink`] hands over what that is about. What is done for an
//! inode:
//!
//! | it has | its link count | done | counted as |
//! |---|---|---|---|
//! | dentries, some of which nobody uses | cleared | `d_prune_aliases()`: these go at once, the others with their last reference | `dentries_uncached` |
//! | no dentry, but a mark | kept | `fsnotify_inoderemove()` | `events_sent` |
//! | a directory's dentry | kept | `S_DEAD`; the dentries in it go, as they keep its own; then it is as the others | |
//! | the same, and nobody uses it | | it goes, unreported: as without one | `events_sent` |
//! | the same, and somebody does | | cleared: it goes with its last reference | `ended_by_vfs` |
//!
//! Each is reported once: an inode whose link count is not cleared is not reported by VFS, whatever
//! becomes of its dentries; and one without a dentry gets none any more ([`lookup`](super::lookup)).
//! So nobody's reference is waited for, and nothing is looked at again for it.
//!
//! No lock is held: what is told here, or dropped, is as much as others made it. Nothing is
//! unmounted, as `d_invalidate()` would, and no dentry unhashed that something may be mounted on or
//! below: that stays, until a lookup by name finds it gone, as without this module. Nothing is
//! allocated.
//!
//! A directory may have as many dentries in it as users looked for names that are not there. To drop
//! them all takes long, and what is dropped is freed by RCU, which others then wait for. So what is
//! more than a [`FEW`] stays, as without this module; that nobody uses the directory is then seen by
//! a look at each. If somebody does, they go a few at a time.

use super::{inode::HeldInode, nlink, stats};
use crate::node::Kind;

/// So many dentries in a directory are dropped at a time.
const FEW: usize = 256;
/// So many are looked at before others are told.
const STEPS: usize = 4 * FEW;

/// Ends an inode. Returns it if there is more to do than others should wait for: [`resume`].
pub(super) fn release(inode: HeldInode) -> Option<HeldInode> {
    if !drop_children(&inode, FEW, STEPS) {
        return Some(inode);
    }
    end(&inode);
    None
}

/// How often it is seen whether somebody uses such a directory: who is on his way to something in it
/// does, and nobody sets out any more.
pub(super) const LOOKS: usize = 2;

/// Goes on with what [`release`] returned; with all that is left, if it is `now` or never. `false` if
/// others should have a chance before the rest; then it is to be called again, after one more of
/// [`LOOKS`]. Does nothing if it is ended.
pub(super) fn resume(inode: &HeldInode, looks_left: usize, now: bool) -> bool {
    let locked = inode.lock();
    let (is_kept, is_watched) = (locked.is_linked(), locked.is_watched());
    drop(locked);
    // Else VFS reports it, once its dentry goes.
    let stays_fine = is_kept || !is_watched;
    let is_unused = || inode.find_alias().is_some_and(|alias| alias.is_unused());
    if looks_left > 0 && stays_fine {
        if is_unused() {
            if is_kept {
                report(inode);
            }
            return true;
        }
        if looks_left > 1 && !now {
            return false;
        }
    }
    clear_kept(inode);
    let is_last = drop_children(inode, if now { usize::MAX } else { FEW }, usize::MAX);
    if is_last {
        end(inode);
    }
    is_last
}

/// Has the dentries in a directory go. `false` if not all did.
fn drop_children(inode: &HeldInode, few: usize, steps: usize) -> bool {
    if inode.node().kind() != Kind::Dir {
        return true;
    }
    inode.mark_dead();
    inode
        .find_alias()
        .is_none_or(|alias| alias.drop_children(few, steps))
}

fn end(inode: &HeldInode) {
    inode.prune_aliases();
    clear_kept(inode);
    if inode.lock().is_linked() {
        report(inode);
        inode.lock().end();
    }
}

/// Leaves an inode that was kept to VFS, if somebody uses a dentry of it.
fn clear_kept(inode: &HeldInode) {
    let locked = inode.lock();
    if locked.is_linked() && !locked.lacks_dentry() {
        drop(locked);
        nlink::clear_kept(inode);
    }
}

fn report(inode: &HeldInode) {
    stats::INODES_CLEARED.add(1);
    stats::EVENTS_SENT.add(1);
    inode.report_removed();
}
