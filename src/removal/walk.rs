// SPDX-License-Identifier: GPL-2.0

//! Removing a subtree: as the kernel's static `__kernfs_remove()` and `kernfs_drain()`.

use super::{batch::Batch, locks::Tree, member::Member, nlink, stats::COUNTERS};
use crate::{
    compat::ARef,
    node::{Kind, Node},
    shim,
};
use core::ptr::{self, NonNull};

/// Removes `top`, of which the caller has taken a reference, and what is below it.
///
/// The locks are released and taken again whenever a node has to be drained.
pub(super) fn remove_subtree<'id>(
    mut tree: Tree<'id>,
    top: &Member<'id>,
    batch: &mut Batch,
) -> Tree<'id> {
    // kernfs_remove_self() removes a node before its owner does.
    if !top.is_root() && !top.is_linked(&tree) {
        return tree;
    }

    set_removing(&tree, top);
    for n in 1.. {
        let pos = top.leftmost_descendant(&tree);
        let is_top = ptr::eq(pos, top);
        // The creation reference, and that of `top`.
        let known = 1 + i32::from(is_top);
        if pos.is_drained(&tree) {
            unlink_and_clean_up(&tree, pos, known, false, batch);
        } else {
            // Another remover may put the creation reference while the locks are released.
            let pos: ARef<Member<'id>> = pos.into();
            let woken;
            (tree, woken) = drain(tree, &pos);
            unlink_and_clean_up(&tree, &pos, known + 1, woken, batch);
        }
        if is_top {
            break;
        }
        if shim::resched_every(n) {
            tree = tree.give_way();
        }
    }
    tree
}

/// Removes a file of which the caller has no reference, if it is unused: as most removed files are.
/// Otherwise returns false, and [`remove_subtree`] has to drain it.
pub(super) fn remove_unused_file<'id>(
    tree: &Tree<'id>,
    file: &Member<'id>,
    batch: &mut Batch,
) -> bool {
    if file.kind() != Kind::File {
        return false;
    }
    set_removing_one(tree, file);
    let drained = file.is_drained(tree);
    if drained {
        unlink_and_clean_up(tree, file, 1, false, batch);
    }
    drained
}

/// Prevents new use of the subtree. If there is a directory in it, under `kernfs_iattr_rwsem`, so
/// that a refresh of its inode sees `KERNFS_REMOVING` before the link count is cleared.
fn set_removing<'id>(tree: &Tree<'id>, top: &Member<'id>) {
    if top.kind() != Kind::Dir {
        return set_removing_one(tree, top);
    }
    // SAFETY: A `Member` is a node; its name does not change under `tree`.
    unsafe { shim::rkernfs_debug_removing(top.as_ptr()) };
    let _iattr = tree.iattr();
    let mut next = Some(top.leftmost_descendant(tree));
    for n in 1.. {
        let Some(pos) = next else { break };
        pos.set_removing(tree);
        next = pos.next_descendant_post(top, tree);
        shim::resched_every(n);
    }
}

#[inline]
fn set_removing_one<'id>(tree: &Tree<'id>, node: &Member<'id>) {
    // SAFETY: A `Member` is a node; its name does not change under `tree`.
    unsafe { shim::rkernfs_debug_removing(node.as_ptr()) };
    node.set_removing(tree);
}

/// Waits until no task uses `node`, and returns whether its pollers were woken with that.
///
/// Neither outer lock is held across the wait: a task that uses the node may need one to finish.
fn drain<'id>(tree: Tree<'id>, node: &Member<'id>) -> (Tree<'id>, bool) {
    if node.is_active() {
        // SAFETY: It warns, and does nothing else.
        unsafe { shim::rkernfs_warn_active() };
    }
    let mut woken = false;
    let tree = tree.unlocked(|| woken = node.wait_drained());
    (tree, woken)
}

/// Unlinks `node`, which is drained, and clears its inodes. `woken`: its pollers were woken.
fn unlink_and_clean_up<'id>(
    tree: &Tree<'id>,
    node: &Member<'id>,
    known: i32,
    woken: bool,
    batch: &mut Batch,
) {
    let parent = node.parent(tree);
    if unlink(tree, node, parent) {
        if !woken && node.is_open() {
            batch.push_polled(node, tree);
        }
        clean_up(tree, node, parent, known, batch);
    }
}

/// Takes `node` out of its directory. Succeeds once for each node, and so decides which of
/// several removers cleans up. The root has no directory and only one remover. As
/// `kernfs_unlink_sibling()`.
fn unlink<'id>(tree: &Tree<'id>, node: &Member<'id>, parent: Option<&Member<'id>>) -> bool {
    let Some(parent) = parent else {
        return true;
    };
    if !node.is_linked(tree) {
        return false;
    }
    node.erase(parent, tree);
    parent.inc_rev(tree);
    true
}

/// Takes the creation reference of the unlinked `node`, clears the link count of its inodes, and
/// sets the times of its directory. `known` is the number of references that are accounted for.
fn clean_up<'id>(
    tree: &Tree<'id>,
    node: &Member<'id>,
    parent: Option<&Member<'id>>,
    known: i32,
    batch: &mut Batch,
) {
    COUNTERS.nodes_removed.add(1);
    // SAFETY: `unlink()` succeeds for one caller, whose the node's creation reference is.
    let creation: ARef<Node> = unsafe { ARef::from_raw(NonNull::from(&**node)) };
    batch.retire(node, tree);

    let look_up = nlink::may_have_inode(node, known) || tree.supers().any_reports_removal();
    // Most removals are of a file that was never looked up, in a directory with default times.
    if look_up || node.kind() == Kind::Dir || parent.is_some_and(Member::has_iattr) {
        clean_up_attributes(tree, node, parent, look_up, batch);
    }
    drop(creation);
}

/// The part of that under `kernfs_iattr_rwsem`. `look_up`: there may be inodes.
#[inline(always)]
fn clean_up_attributes<'id>(
    tree: &Tree<'id>,
    node: &Member<'id>,
    parent: Option<&Member<'id>>,
    look_up: bool,
    batch: &mut Batch,
) {
    let is_dir = node.kind() == Kind::Dir;
    let iattr = tree.iattr();
    if let Some(parent) = parent {
        if is_dir {
            parent.dec_subdirs(&iattr);
        }
        parent.touch(&iattr);
    }
    if look_up {
        COUNTERS.nodes_looked_up.add(1);
        nlink::clear(&iattr, node, batch);
    }
    // After `clear()`: an inode that it creates is to have a link.
    if is_dir {
        node.keep_nlink_clear(&iattr);
    }
}
