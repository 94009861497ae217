// SPDX-License-Identifier: GPL-2.0

//! The release stage: ends the inodes of removed nodes that VFS would not end by itself.
//!
//! VFS reports an inode without links when its last dentry goes. For what rmdir(2) removes, VFS
//! sees to that at once. It does not when a write or the kernel itself removed the node, or when
//! memory was reclaimed. What is done for an inode:
//!
//! | it has | done | counted as |
//! |---|---|---|
//! | a dentry that can be looked up | `d_mark_dontcache()`: it goes with its last reference, not with memory pressure | `dentries_uncached` |
//! | of a directory, also | `S_DEAD`, and dentries in it that nobody uses go, as they keep its own | |
//! | dentries that cannot be looked up, or none and no mark | nothing: they go with their last reference, or went | `ended_by_vfs` |
//! | a dentry, and somebody who has a reference of the inode without one | looked at again: he may make another | `retries` |
//! | no dentry, but a mark | `clear_nlink()`, `d_obtain_alias()`, `dput()` | `events_sent` |
//! | the same, and somebody has a reference of the inode | looked at again: he may be about to make a dentry, or to report it | `retries` |
//! | (it may get one, from a file handle, before 7.3) | looked at again, until nobody can | `retries` |
//!
//! No dentry is unhashed and nothing is unmounted, as `d_invalidate()` would: what is mounted on a
//! removed directory stays, until a lookup by name finds it gone, as without this module.
//!
//! Nothing depends on memory: without any for a dentry, the inode is reported directly. Nothing
//! depends on time either, but for the moment when the module is unloaded: who still has a reference
//! then is not waited for.

use super::{
    batch::{self, Todo},
    deferral,
    inode::{HeldInode, Inode},
    locks::{Supers, Tree},
    nlink::{self, Pass},
    stats,
    supers::Super,
};
use crate::node::{Kind, Node};

/// Ends the inodes of `node`. Returns what is left to do.
pub(super) fn release(node: &Node, mut todo: Todo) -> Todo {
    if todo.late || todo.orphans {
        look_again(node, &mut todo);
    }
    if todo.orphans {
        todo.orphans = report_orphans(node);
    }
    uncache_cleared(node, &mut todo);
    todo
}

/// Looks for inodes that were made when the node was removed already, and at those that had no
/// dentry then.
fn look_again(node: &Node, todo: &mut Todo) {
    // The stage's own, one of which is that of the batch.
    let known = 1 + batch::head_references(node);
    let found = Tree::lock(node, |tree, node| {
        nlink::clear(&tree.iattr(), node, known, Pass::Again)
    });
    todo.cleared = todo.cleared.saturating_add(found.cleared);
    todo.orphans = found.orphans;
    todo.late = found.late && !deferral::is_exiting();
}

/// Reports the inodes that have no dentry, but marks. Returns whether there are any left.
fn report_orphans(node: &Node) -> bool {
    loop {
        match next_orphan(node) {
            Next::None => return false,
            Next::Busy => return true,
            Next::Taken(orphan) => orphan.report(),
            Next::Adopted(inode) => drop(inode),
        }
    }
}

/// What [`next_orphan`] finds.
enum Next {
    /// There is none any more.
    None,
    /// Somebody has to do with each that there is.
    Busy,
    Taken(Orphan),
    /// One that was pinned, but has got a dentry, by file handle: VFS reports it with that.
    Adopted(HeldInode),
}

/// An inode whose link count was cleared, and that VFS reports when the dentry goes that it is
/// given. Nobody else can give it one.
struct Orphan(HeldInode);

impl Orphan {
    fn report(self) {
        stats::INODES_CLEARED.add(1);
        stats::EVENTS_SENT.add(1);
        let inode = self.0.inode();
        match inode.obtain_alias() {
            Some(alias) => drop(alias),
            None => inode.report_removed(),
        }
    }
}

/// Takes one inode of `node` that has no dentry, but marks.
fn next_orphan(node: &Node) -> Next {
    Tree::lock(node, |tree, member| {
        let iattr = tree.iattr();
        let mut next = Next::None;
        for sb in tree.supers().may_know(member) {
            let Some(inode) = lookup(&sb, member) else {
                continue;
            };
            let locked = inode.lock();
            let holders = locked.holders();
            if !holders.is_orphan() {
                // `look_again()` clears it, once nobody can make another dentry.
                if locked.is_linked() {
                    next = Next::Busy;
                    continue;
                }
                drop(locked);
                match inode.unpin() {
                    Some(inode) => return Next::Adopted(inode),
                    None => continue,
                }
            }
            if holders.others && !deferral::is_exiting() {
                next = Next::Busy;
                continue;
            }
            locked.clear_nlink(&iattr);
            drop(locked);
            let held = inode.unpin().or_else(|| inode.hold());
            // Else it is being unmounted, which reports it.
            if let Some(inode) = held {
                return Next::Taken(Orphan(inode));
            }
        }
        next
    })
}

fn lookup<'s>(sb: &Super<'s>, node: &Node) -> Option<Inode<'s>> {
    stats::LOOKUPS.add(1);
    Inode::lookup(sb, node)
}

/// Has the dentries go of the inodes whose link count was cleared.
fn uncache_cleared(node: &Node, todo: &mut Todo) {
    let supers = Supers::lock(node.root());
    let mut busy = 0;
    for sb in supers.may_know(node) {
        let Some(inode) = lookup(&sb, node) else {
            continue;
        };
        if inode.lock().holders().is_orphan() {
            continue;
        }
        match uncache(node, &inode) {
            Some(how) => todo.count(how),
            None => busy += 1,
        }
    }
    // VFS ended the rest.
    while todo.cleared > busy {
        todo.count(&stats::ENDED_BY_VFS);
    }
}

/// Has the dentries of one inode go with their last reference, and says how it ends. `None`:
/// somebody may be about to make another one in it.
fn uncache(node: &Node, inode: &Inode<'_>) -> Option<&'static stats::Counter> {
    inode.mark_dontcache();
    let is_dir = node.kind() == Kind::Dir;
    let unsearched = !is_dir || inode.mark_dead() || deferral::is_exiting();
    let alias = inode.find_alias();
    let hashed = alias.as_ref().is_some_and(|alias| !alias.is_unhashed());
    if let (true, Some(alias)) = (is_dir, &alias) {
        alias.drop_children();
    }
    unsearched.then_some(if hashed {
        &stats::DENTRIES_UNCACHED
    } else {
        &stats::ENDED_BY_VFS
    })
}
