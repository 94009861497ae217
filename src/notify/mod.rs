// SPDX-License-Identifier: GPL-2.0

//! What `kernfs_notify()` does once the module is loaded: the kernel's way to say that a file
//! (`cgroup.events`, `memory.events`, a sysfs attribute) has other contents now.
//!
//! Pollers of the file are woken at once. Watches get `FS_MODIFY` of the file's inode, with the name
//! and the directory, from a work item. The kernel's own work item skips a file that has no inode, as
//! it was never looked up, or memory was reclaimed. That is right for watches of the file itself, which
//! would hold its inode, and loses the event for others: a mark on the whole superblock, and a watch of
//! the directory. Where one of these asks for the event, the inode is created, reported, and put.
//!
//! Queueing allocates nothing. Where the work item lacks memory for an inode, the mark or watch that
//! asks gets an overflow event instead (`FAN_Q_OVERFLOW`, `IN_Q_OVERFLOW`).

mod locks;
mod queue;

use crate::{
    node::{parent_of, Kind, Node},
    removal::{
        entry::on_its_stack,
        inode::Inode,
        stats::COUNTERS,
        supers::{Super, Supers},
    },
    shim,
};
use core::ptr;
use kernel::{bindings, error::to_result, prelude::*};
use locks::{Name, SharedTree};

/// Says that `kn` changed; from any context but NMI.
///
/// # Safety
///
/// The caller must hold a reference of `kn`.
pub(crate) unsafe extern "C" fn kernfs_notify(kn: *mut bindings::kernfs_node) {
    // SAFETY: The caller holds a reference.
    let file = unsafe { Node::from_raw(kn) };
    if file.kind() != Kind::File {
        // SAFETY: It warns, and does nothing else.
        return unsafe { shim::rkernfs_warn_not_file(kn) };
    }
    on_its_stack(|| {
        // SAFETY: The caller holds a reference; it is a file.
        unsafe { shim::rkernfs_wake_pollers(kn) };
        queue::push(file);
    });
}

/// Sends `FS_MODIFY` for every queued file.
extern "C" fn report_queued() {
    while let Some(file) = queue::pop() {
        shim::forget_over_high();
        report(&file);
        // As many files may be queued as there are.
        shim::resched_every(0);
    }
}

/// Sends `FS_MODIFY` for `file` in each superblock.
fn report(file: &Node) {
    let supers = Supers::lock(file.root());
    for sb in supers.iter().filter(|sb| may_have_watch(sb, file)) {
        Change::find(file, &supers, &sb).report();
    }
}

/// A changed file, as one superblock shows it: what to report, without `kernfs_rwsem`, as that may
/// take as long as there are watches.
struct Change<'s> {
    inode: Option<Inode<'s>>,
    dir: Option<Inode<'s>>,
    name: Name,
}

impl<'s> Change<'s> {
    fn find(file: &Node, supers: &Supers<'_>, sb: &Super<'s>) -> Self {
        let tree = SharedTree::lock(supers);
        let parent = tree.parent(file);
        let mut dir = Inode::lookup(sb, parent);
        // As for a lookup: a node that is removed, being removed or hidden gets no inode.
        let may_make = file.is_active() && sb.shows(file);
        let sb_asks = may_make && reports_modify(sb);
        if sb_asks && dir.is_none() {
            // Without it, the event would have no name, and many marks ask for one.
            dir = make(&tree, sb, parent);
        }
        let asked = sb_asks || may_make && dir.as_ref().is_some_and(dir_reports_modify);
        let inode = match Inode::lookup(sb, file) {
            None if asked => make(&tree, sb, file),
            found => found,
        };
        if asked && (inode.is_none() || sb_asks && dir.is_none()) {
            queue_overflow(sb, dir.as_ref());
        }
        Self {
            inode,
            dir,
            name: tree.name(file),
        }
    }

    fn report(&self) {
        let Some(inode) = &self.inode else { return };
        let dir = self.dir.as_ref().map_or(ptr::null_mut(), Inode::as_ptr);
        // SAFETY: Both inodes are referenced, `dir` may be null, the name is a string.
        unsafe { shim::rkernfs_fsnotify_modify(inode.as_ptr(), dir, self.name.as_ptr()) };
    }
}

/// Creates an inode, or finds it. The lock excludes removals, which count references.
fn make<'s>(_tree: &SharedTree<'_>, sb: &Super<'s>, node: &Node) -> Option<Inode<'s>> {
    // SAFETY: `_tree` has it held, and `node` is of the same hierarchy.
    let inode = unsafe { Inode::get_shared(sb, node) };
    if inode.is_some() {
        COUNTERS.notify_inodes_made.add(1);
    }
    inode
}

/// Sends an overflow event to marks on the superblock and watches of the directory that ask for the event.
fn queue_overflow(sb: &Super<'_>, dir: Option<&Inode<'_>>) {
    COUNTERS.overflows.add(1);
    let dir = dir.map_or(ptr::null_mut(), Inode::as_ptr);
    // SAFETY: The superblock is alive, `dir` is null or referenced.
    unsafe { shim::rkernfs_queue_modify_overflow(sb.sb(), dir) };
}

/// As in `linux/fsnotify_backend.h`.
const FS_MODIFY: u32 = 0x2;
const FS_EVENT_ON_CHILD: u32 = 0x0800_0000;

/// Whether any watch in the superblock may ask for a change of `file`: of the superblock, the file
/// or its directory. Mostly none does, and this is all that a change costs.
fn may_have_watch(sb: &Super<'_>, file: &Node) -> bool {
    // SAFETY: A `Super` keeps the superblock alive.
    if !unsafe { shim::rkernfs_sb_has_watchers(sb.sb()) } {
        return false;
    }
    // SAFETY: The read-side section ends below, and nothing in it sleeps.
    unsafe { shim::rkernfs_rcu_read_lock() };
    // SAFETY: A file has a parent; RCU keeps it, and its id is constant.
    let parent = unsafe { (*parent_of(file.as_ptr())).id };
    let mask = sb_mask(sb) | peek_mask(sb, file.id()) | peek_mask(sb, parent);
    // SAFETY: The section was entered above.
    unsafe { shim::rkernfs_rcu_read_unlock() };
    mask & FS_MODIFY != 0
}

/// The events that the watches of the inode with the number `ino` ask for, if there is one. Under RCU.
fn peek_mask(sb: &Super<'_>, ino: u64) -> u32 {
    // SAFETY: A `Super` keeps the superblock alive; the caller is in a read-side section.
    let inode = unsafe { shim::rkernfs_peek_inode(sb.sb(), ino) };
    if inode.is_null() {
        return 0;
    }
    // SAFETY: RCU keeps the inode's memory.
    unsafe { ptr::addr_of!((*inode).i_fsnotify_mask).read_volatile() }
}

/// The events that marks on the whole superblock ask for.
fn sb_mask(sb: &Super<'_>) -> u32 {
    // SAFETY: A `Super` keeps the superblock alive.
    unsafe { ptr::addr_of!((*sb.sb()).s_fsnotify_mask).read_volatile() }
}

/// Whether a mark on the whole superblock asks for `FAN_MODIFY`.
fn reports_modify(sb: &Super<'_>) -> bool {
    sb_mask(sb) & FS_MODIFY != 0
}

/// Whether a watch of the directory asks for `IN_MODIFY` or `FAN_MODIFY` of what is in it.
fn dir_reports_modify(dir: &Inode<'_>) -> bool {
    const ON_CHILD: u32 = FS_MODIFY | FS_EVENT_ON_CHILD;
    // SAFETY: An `Inode` has a reference of it.
    let mask = unsafe { ptr::addr_of!((*dir.as_ptr()).i_fsnotify_mask).read_volatile() };
    mask & ON_CHILD == ON_CHILD
}

/// What notifications need, from loading the module to unloading it.
pub(crate) struct Notify(());

impl Notify {
    /// Finds what the kernel's own notifications use. Unexported functions must have been found.
    ///
    /// # Errors
    ///
    /// `ENOENT` if the kernel lacks it; the log names the thing.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: Called once, before anything that uses it.
        to_result(unsafe { shim::rkernfs_notify_init(Some(report_queued)) })?;
        Ok(Self(()))
    }
}

impl Drop for Notify {
    fn drop(&mut self) {
        // SAFETY: livepatch holds the module until no task is in `kernfs_notify()` any more.
        unsafe { shim::rkernfs_notify_exit() };
    }
}
