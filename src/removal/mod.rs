// SPDX-License-Identifier: GPL-2.0

//! The removal path: what `kernfs_remove()`, `kernfs_remove_self()` and
//! `kernfs_remove_by_name_ns()` do once the module is loaded.
//!
//! The way of one removal:
//!
//! 1. [`mark`]: nobody starts to use the subtree any more.
//! 2. Node by node, children first: [`drain`] waits for who still does, and whoever
//!    [`unlink`]s the node owns the rest.
//! 3. [`clear_nlink`]: in every superblock, the node's inode has no link left. This is what makes
//!    VFS send `IN_DELETE_SELF` and `IN_IGNORED` with the last dentry.
//! 4. [`release`], later and without the caller's locks: ends what VFS would not end.
//!
//! Locks are taken in the order that [`kernfs::locks`](crate::kernfs) describes. Nothing here
//! allocates.

mod release;
pub(crate) mod stats;

use crate::{
    btf,
    compat::{c_str, ARef},
    kernfs::{
        internals::{Iattr, Inode, Root, Super, Tree},
        Kind, Node,
    },
    shim,
};
use core::{
    ffi::{c_void, CStr},
    ptr,
};
use kernel::{
    bindings,
    error::{code::ENOENT, to_result},
    ffi::c_int,
    prelude::*,
};
use release::{Batch, Todo};

shim::export!(
    rkernfs_remove(_),
    rkernfs_remove_self(_),
    rkernfs_remove_by_name_ns(_, _, _),
    rkernfs_find_and_get_node_by_id(_, _),
);

/// Nodes between two scheduling points.
const RESCHED_INTERVAL: usize = 64;

/// Removes `kn` and what is below it. Replaces `kernfs_remove()`.
///
/// # Safety
///
/// `kn` must be null or a node of which the caller, or its parent directory, holds a reference.
#[no_mangle]
unsafe extern "C" fn rkernfs_remove(kn: *mut bindings::kernfs_node) {
    if !kn.is_null() {
        // SAFETY: By the safety requirements.
        remove(unsafe { Node::from_raw(kn) });
    }
}

/// Removes `kn` from within one of its own file operations. Replaces `kernfs_remove_self()`.
///
/// # Safety
///
/// The caller must be in a file operation of `kn`, which holds an active reference.
#[no_mangle]
unsafe extern "C" fn rkernfs_remove_self(kn: *mut bindings::kernfs_node) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { remove_self(Node::from_raw(kn)) }
}

/// Finds a node and removes it. Replaces `kernfs_remove_by_name_ns()`.
///
/// # Safety
///
/// `parent` must be null or a node that the caller holds a reference of, `name` a string, `ns`
/// null or a tag of the root's namespace type.
#[no_mangle]
unsafe extern "C" fn rkernfs_remove_by_name_ns(
    parent: *mut bindings::kernfs_node,
    name: *const kernel::ffi::c_char,
    ns: *const kernel::ffi::c_void,
) -> c_int {
    if parent.is_null() {
        // SAFETY: By the safety requirements.
        unsafe { shim::rkernfs_warn_no_parent(name) };
        return ENOENT.to_errno();
    }
    // SAFETY: By the safety requirements.
    let (parent, name) = unsafe { (Node::from_raw(parent), c_str(name)) };
    match remove_by_name(parent, name, ns.cast()) {
        Ok(()) => 0,
        Err(e) => e.to_errno(),
    }
}

/// Finds a node by its number. Replaces `kernfs_find_and_get_node_by_id()` before 7.3, so that
/// [`may_have_inode`] holds.
///
/// # Safety
///
/// `root` must be valid.
#[no_mangle]
unsafe extern "C" fn rkernfs_find_and_get_node_by_id(
    root: *mut bindings::kernfs_root,
    id: u64,
) -> *mut bindings::kernfs_node {
    // SAFETY: By the safety requirements.
    let node = unsafe { Root::from_raw(root) }.find_by_id(id);
    node.map_or(ptr::null_mut(), |node| ARef::into_raw(node).as_ptr().cast())
}

/// Removes `node` and what is below it.
fn remove(node: &Node) {
    let mut batch = Batch::new();
    drop(remove_subtree(Tree::lock(node.root()), node, &mut batch));
    batch.submit();
}

/// Removes `node`, whose file operation is running; only one of several callers does, and gets
/// `true`. The others return when the winner's file operation has ended.
///
/// # Safety
///
/// The caller must be in an operation of `node` that has an active reference.
unsafe fn remove_self(node: &Node) -> bool {
    let mut batch = Batch::new();
    let mut tree = Tree::lock(node.root());
    // SAFETY: By the safety requirements.
    unsafe { node.break_active_protection() };

    let won = node.claim_suicide(&tree);
    if won {
        tree = remove_subtree(tree, node, &mut batch);
        node.set_suicided(&tree);
    } else {
        while !node.is_suicide_complete(&tree) {
            tree = tree.unlocked(|| node.wait_suicide());
        }
    }

    // Before the tree is unlocked: the others wait for KERNFS_SUICIDED and for no users, and must
    // not see the first without this user.
    // SAFETY: Broken above.
    unsafe { node.unbreak_active_protection() };
    drop(tree);
    batch.submit();
    won
}

/// Removes the child `name` of `parent` in namespace `ns`, and what is below it.
///
/// # Errors
///
/// `ENOENT` if there is no such child.
fn remove_by_name(parent: &Node, name: &CStr, ns: *const c_void) -> Result {
    let mut batch = Batch::new();
    let tree = Tree::lock(parent.root());
    let node: *const Node = parent.find(name, ns, &tree).ok_or(ENOENT)?;
    // SAFETY: It is linked, and stays until the tree is unlocked; before that, `remove_subtree()`
    // takes a reference.
    let node = unsafe { &*node };
    drop(remove_subtree(tree, node, &mut batch));
    batch.submit();
    Ok(())
}

/// Removes `top` and what is below it. As the kernel's static `__kernfs_remove()`.
///
/// The locks are given up and taken back whenever a node has to be waited for.
fn remove_subtree<'r>(mut tree: Tree<'r>, top: &Node, batch: &mut Batch) -> Tree<'r> {
    // kernfs_remove_self() removes a node before its owner does.
    if !top.is_root() && !top.is_linked(&tree) {
        return tree;
    }

    mark(&tree, top);
    // Somebody else may put the creation references while the locks are given up.
    let mut kept: Option<ARef<Node>> = None;
    for n in 1.. {
        let mut pos = top.leftmost_descendant(&tree);
        let is_top = ptr::eq(pos, top);
        let drained: ARef<Node>;
        let mut ours = 1;
        if !pos.is_drained(&tree) {
            kept.get_or_insert_with(|| top.into());
            drained = pos.into();
            tree = drain(tree, &drained);
            pos = &drained;
            ours += 1;
        }
        if unlink(&tree, pos) {
            let kept = is_top && kept.is_some();
            clean_up(&tree, pos, ours + i32::from(kept), batch);
        }
        if is_top {
            break;
        }
        if n % RESCHED_INTERVAL == 0 {
            kept.get_or_insert_with(|| top.into());
            tree = tree.give_way();
        }
    }
    tree
}

/// Prevents new use of the subtree. If there is a directory in it, under `kernfs_iattr_rwsem`, so
/// that whoever refreshes its inode sees `KERNFS_REMOVING` before the link count is cleared.
fn mark(tree: &Tree<'_>, top: &Node) {
    if top.kind() != Kind::Dir {
        return top.mark_removing(tree);
    }
    let _iattr = tree.iattr();
    let mut next = Some(top.leftmost_descendant(tree));
    for n in 1.. {
        let Some(pos) = next else { break };
        pos.mark_removing(tree);
        next = pos.next_descendant_post(top, tree);
        if n % RESCHED_INTERVAL == 0 {
            resched();
        }
    }
}

/// Waits until nobody uses `node`. As the kernel's static `kernfs_drain()`.
///
/// Neither outer lock is held across the wait: who uses the node may need one to finish.
fn drain<'r>(tree: Tree<'r>, node: &Node) -> Tree<'r> {
    tree.unlocked(|| node.wait_drained())
}

/// Takes `node` out of its directory. Succeeds once for each node, and so decides which of
/// several removers cleans up. The root has no directory and only one remover.
fn unlink(tree: &Tree<'_>, node: &Node) -> bool {
    let Some(parent) = node.parent(tree) else {
        return true;
    };
    if !node.is_linked(tree) {
        return false;
    }
    parent.inc_rev(tree);
    node.erase(parent, tree);
    true
}

/// Ends what the unlinked `node` was to others, and gives its creation reference away. `ours` is
/// the number of its references that are accounted for.
fn clean_up(tree: &Tree<'_>, node: &Node, ours: i32, batch: &mut Batch) {
    stats::NODES_REMOVED.add(1);
    // SAFETY: `unlink()` succeeded: the node's creation reference is ours.
    let creation = unsafe { ARef::from_raw(ptr::NonNull::from(node)) };
    batch.retire(node, tree);

    let is_dir = node.kind() == Kind::Dir;
    let look_up = may_have_inode(node, ours) || tree.supers().any_reports_removal();
    if !look_up {
        stats::LOOKUPS_SKIPPED.add(1);
    }
    // Most removals are of a file that nobody looked up, in a directory with default times.
    if !look_up && !is_dir && !node.parent(tree).is_some_and(Node::has_iattr) {
        return;
    }

    let iattr = tree.iattr();
    if let Some(parent) = node.parent(tree) {
        if is_dir {
            parent.dec_subdirs(&iattr);
        }
        parent.touch(&iattr);
    }
    if is_dir {
        node.keep_nlink_clear(&iattr);
    }
    if look_up {
        let todo = clear_nlink(&iattr, node, ours);
        drop(iattr);
        batch.push(creation, todo);
    }
}

/// Whether any superblock may have an inode of `node`, which has just been unlinked: each inode
/// holds a reference of its node, from `kernfs_init_inode()` to `kernfs_evict_inode()`, when nobody
/// can watch it any more.
///
/// Read under `kernfs_rwsem` (exclusive), the count misses none. These make inodes
/// (`kernfs_get_inode()`):
///
/// | who | excluded from a removal by |
/// |---|---|
/// | `kernfs_iop_lookup()`, `kernfs_fill_super()` | `kernfs_rwsem` (shared) |
/// | `kernfs_fh_to_dentry()`, `kernfs_fh_to_parent()`, `kernfs_get_parent_dentry()` since 7.3 | `kernfs_rwsem` (shared) |
/// | the same before 7.3 | nothing; but they have a reference meanwhile, which they got while the node was active (`Root::find_by_id()`), or an inode of a child |
/// | `cgroup_may_write()`, of `cgroup.procs` | `cgroup_mutex`, under which that file is removed |
/// | `notify`, to report a change | `kernfs_rwsem` (shared) |
/// | [`make`] | it is the removal |
///
/// Others who hold references make the count higher than it need be, which costs a lookup: an
/// iteration by readdir(3) of its position; `sysfs_break_active_protection()` and the like, by
/// `kernfs_find_and_get()`; and of a directory, its children, the cgroup until it is freed,
/// `kobject_del()` and `sysfs_remove_group()`. A directory with one reference too many has an owner
/// or an inode, and nothing tells which; it is looked up.
fn may_have_inode(node: &Node, ours: i32) -> bool {
    node.references() > ours
}

/// Whether `node` may get another inode yet, from a file handle: somebody has a reference besides
/// the `known` ones. Of a directory, its owner may always have one.
fn may_get_inode(node: &Node, known: i32) -> bool {
    node.root().handles_bypass_rwsem() && (node.kind() == Kind::Dir || may_have_inode(node, known))
}

/// Clears the link count of the inode that `node` has in each superblock, and returns what that
/// leaves to do. As `kernfs_clear_inode_nlink()` of the series.
///
/// Where a mark on the whole superblock wants to hear of the removal, makes the inode if there is
/// none. VFS reports an inode with its last dentry; one without a dentry is kept for the release
/// stage to report. One that nobody can watch is left to VFS, and to memory pressure.
fn clear_nlink(iattr: &Iattr<'_>, node: &Node, ours: i32) -> Todo {
    let mut todo = Todo::default();
    if cfg!(omit_clear_nlink) {
        return todo;
    }
    let shown_in = node.shown_in();
    let mut known = ours;
    let mut idle = 0;
    for sb in iattr.tree().supers().knowing(&shown_in) {
        let report = sb.reports_removal() && shown_in.contains(&sb);
        let inode = match lookup(&sb, node) {
            None if report => make(&sb, node, iattr.tree()),
            found => found,
        };
        let Some(inode) = inode else { continue };
        known += 1;
        let was_linked = u32::from(inode.is_linked(iattr));
        let holders = inode.clear_nlink(iattr);
        todo.cleared += was_linked;
        if report {
            todo.pinned |= holders.dentries == 0 && inode.pin();
        } else if holders.is_idle() {
            idle += was_linked;
        }
    }
    stats::INODES_CLEARED.add(todo.cleared.into());
    if may_get_inode(node, known) {
        // A directory's new inode comes with a cleared link count; see `Node::keep_nlink_clear()`.
        todo.late = node.kind() == Kind::File;
    } else {
        todo.cleared -= idle;
        stats::ENDED_BY_VFS.add(idle.into());
    }
    todo
}

fn lookup<'s>(sb: &Super<'s>, node: &Node) -> Option<Inode<'s>> {
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

fn resched() {
    // SAFETY: Only rwsems are held, under which sleeping is fine.
    unsafe { shim::rkernfs_cond_resched() };
}

/// The patch, from loading the module to unloading it.
pub(crate) struct Enabled {
    _supers: SuperNotes,
}

impl Enabled {
    /// Finds what the removal path needs. Hierarchies of the module's own can be removed from here
    /// on.
    ///
    /// # Errors
    ///
    /// `ENOENT` if the kernel lacks a function, `EINVAL` if its structures are not those that the
    /// module was compiled with. The log names the thing.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: Called once, before anything that uses it.
        to_result(unsafe { shim::rkernfs_resolve_unexported() })?;
        btf::check_layouts()?;
        let supers = SuperNotes::new()?;
        // SAFETY: As above; undone when `Enabled` is dropped.
        to_result(unsafe { shim::rkernfs_deferral_init() })?;
        Ok(Self { _supers: supers })
    }

    /// Puts the removal path under kernfs, unless `cover=own`. The last thing that loading the
    /// module does: once enabled, a patch cannot be taken back by failing.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a bad parameter, what `klp_enable_patch()` returns. The log names the thing.
    pub(crate) fn patch(&self) -> Result {
        // SAFETY: The replacements are ready to run.
        to_result(unsafe { shim::rkernfs_livepatch_enable() })
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        // SAFETY: livepatch holds the module until no task is in a replacement any more.
        unsafe { shim::rkernfs_deferral_exit() };
    }
}

/// Notes what concerns all superblocks, to save a look at each.
struct SuperNotes(());

impl SuperNotes {
    fn new() -> Result<Self> {
        // SAFETY: Called once, after unexported functions were found.
        to_result(unsafe { shim::rkernfs_supers_init() })?;
        Ok(Self(()))
    }
}

impl Drop for SuperNotes {
    fn drop(&mut self) {
        // SAFETY: `new()` was successful.
        unsafe { shim::rkernfs_supers_exit() };
    }
}
