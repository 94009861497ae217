// SPDX-License-Identifier: GPL-2.0

//! Nodes.
//!
//! C header: `include/linux/kernfs.h` (`struct kernfs_node`).

use super::{root::ShownIn, Iattr, Root, Tree};
use crate::{
    compat::{c_ptr, AlwaysRefCounted},
    shim,
};
use core::{
    cmp::Ordering,
    ffi::CStr,
    ptr::{self, NonNull},
    sync::atomic::{AtomicI32, Ordering::Relaxed, Ordering::SeqCst},
};
use kernel::{bindings, prelude::*, types::Opaque};

const REMOVING: u16 = bindings::kernfs_node_flag_KERNFS_REMOVING as u16;
const SUICIDAL: u16 = bindings::kernfs_node_flag_KERNFS_SUICIDAL as u16;
const SUICIDED: u16 = bindings::kernfs_node_flag_KERNFS_SUICIDED as u16;
const HIDDEN: u16 = bindings::kernfs_node_flag_KERNFS_HIDDEN as u16;
const NS: u16 = bindings::kernfs_node_flag_KERNFS_NS as u16;

/// `KN_DEACTIVATED_BIAS`: what `active` reads when a node has no users and gets none.
const DEACTIVATED: i32 = i32::MIN + 1;

/// What a node is.
///
/// # Examples
///
/// ```ignore
/// if rename.node().kind() == Kind::Dir {
///     rename.commit()?;
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `KERNFS_DIR`
    Dir,
    /// `KERNFS_FILE`
    File,
    /// `KERNFS_LINK`
    Link,
}

/// A file, directory or symbolic link of a hierarchy. Wraps `struct kernfs_node`.
///
/// # Invariants
///
/// A `&Node` comes with a reference of the node (`kernfs_get()`) that outlives it.
#[repr(transparent)]
pub(crate) struct Node(Opaque<bindings::kernfs_node>);

// SAFETY: References are counted atomically; `kernfs_put()` may be called from any task.
unsafe impl Send for Node {}
// SAFETY: What is not constant is atomic, or is changed under locks that the methods ask for.
unsafe impl Sync for Node {}

// SAFETY: `kernfs_get()` and `kernfs_put()` count.
unsafe impl AlwaysRefCounted for Node {
    fn inc_ref(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::kernfs_get(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives a reference up.
        unsafe { bindings::kernfs_put(obj.as_ptr().cast()) };
    }
}

impl Node {
    /// # Safety
    ///
    /// `ptr` must be a node that somebody holds a reference of for `'a`.
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::kernfs_node) -> &'a Self {
        // SAFETY: By the safety requirements; the layout is that of the C type.
        // INVARIANT: The same.
        unsafe { &*ptr.cast() }
    }

    /// As [`Node::from_raw`], but null is `None`.
    ///
    /// # Safety
    ///
    /// As for [`Node::from_raw`], unless `ptr` is null.
    unsafe fn from_raw_or_null<'a>(ptr: *mut bindings::kernfs_node) -> Option<&'a Self> {
        // SAFETY: By the safety requirements.
        (!ptr.is_null()).then(|| unsafe { Self::from_raw(ptr) })
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::kernfs_node {
        self.0.get()
    }

    /// The node's number, which is its inode number in every superblock.
    pub(crate) fn id(&self) -> u64 {
        // SAFETY: Constant after creation.
        unsafe { (*self.as_ptr()).id }
    }

    pub(crate) fn kind(&self) -> Kind {
        // The type bits never change.
        match u32::from(self.flags()) & bindings::KERNFS_TYPE_MASK {
            bindings::kernfs_node_type_KERNFS_DIR => Kind::Dir,
            bindings::kernfs_node_type_KERNFS_LINK => Kind::Link,
            _ => Kind::File,
        }
    }

    /// The hierarchy.
    ///
    /// Not bound to the life of the node: a `kernfs_root` is freed with its last node, which
    /// whoever removes a subtree keeps (its parent, or the caller of `kernfs_destroy_root()`).
    pub(crate) fn root<'r>(&self) -> &'r Root {
        // SAFETY: See above.
        unsafe { Root::from_raw(shim::rkernfs_root(self.as_ptr())) }
    }

    /// The directory that the node is, or was, in. A node keeps a reference of it; a rename changes
    /// it under `_tree`.
    pub(crate) fn parent<'t>(&'t self, _tree: &'t Tree<'_>) -> Option<&'t Node> {
        // SAFETY: By the type invariant, and by `_tree`.
        unsafe { Node::from_raw_or_null(shim::rkernfs_parent(self.as_ptr())) }
    }

    /// Whether the node is the root directory of its hierarchy.
    pub(crate) fn is_root(&self) -> bool {
        // SAFETY: By the type invariant; a node that has a parent always has one.
        unsafe { shim::rkernfs_parent(self.as_ptr()).is_null() }
    }

    /// Which superblocks show the node.
    ///
    /// The tag is that of the nearest tagged directory or of the node itself.
    pub(crate) fn shown_in(&self) -> ShownIn {
        let mut was_moved = false;
        // SAFETY: By the type invariant. Only the way to the root may change meanwhile.
        let ns = unsafe { shim::rkernfs_shown_in(self.as_ptr(), &mut was_moved) };
        ShownIn {
            ns: ns.cast(),
            was_moved,
        }
    }

    fn flags(&self) -> u16 {
        // SAFETY: By the type invariant. As in C, flags are read without a lock.
        unsafe { ptr::addr_of!((*self.as_ptr()).flags).read_volatile() }
    }

    fn set_flag(&self, flag: u16, _tree: &Tree<'_>) {
        // SAFETY: By the type invariant; flags change under `kernfs_rwsem`.
        unsafe { (*self.as_ptr()).flags |= flag };
    }

    fn active(&self) -> &AtomicI32 {
        // SAFETY: By the type invariant; the field is an `atomic_t`.
        unsafe { AtomicI32::from_ptr(ptr::addr_of_mut!((*self.as_ptr()).active.counter)) }
    }

    /// Whether nobody uses the node or ever will: `active` is `KN_DEACTIVATED_BIAS`.
    fn is_deactivated(&self) -> bool {
        self.active().load(Relaxed) == DEACTIVATED
    }

    /// Whether the node may be used.
    pub(crate) fn is_active(&self) -> bool {
        self.active().load(SeqCst) >= 0
    }

    /// The number of references.
    pub(crate) fn references(&self) -> i32 {
        // SAFETY: By the type invariant; the field is an `atomic_t`.
        unsafe { AtomicI32::from_ptr(ptr::addr_of_mut!((*self.as_ptr()).count.counter)) }
            .load(SeqCst)
    }
}

/// Hiding.
impl Node {
    /// Hides the node from lookups, and shows it again. Wraps `kernfs_show()`.
    ///
    /// Hiding waits until no operation of the node runs. It is not a removal: no watcher is told.
    ///
    /// # Errors
    ///
    /// `EISDIR` for a directory, which kernfs cannot hide.
    pub(crate) fn show(&self, show: bool) -> Result {
        if self.kind() == Kind::Dir {
            return Err(EISDIR);
        }
        // SAFETY: By the type invariant.
        unsafe { shim::rkernfs_show(self.as_ptr(), show) };
        Ok(())
    }

    /// Whether the node is hidden.
    pub(crate) fn is_hidden(&self) -> bool {
        self.flags() & HIDDEN != 0
    }
}

/// Walking the tree.
impl Node {
    /// # Safety
    ///
    /// `rb` must be the `rb` of a linked node.
    unsafe fn from_rb<'t>(rb: *mut bindings::rb_node) -> &'t Node {
        // SAFETY: By the safety requirements.
        let kn = unsafe { kernel::container_of!(rb.cast_const(), bindings::kernfs_node, rb) };
        // SAFETY: A linked node has its creation reference.
        unsafe { Node::from_raw(kn.cast_mut()) }
    }

    fn children(&self) -> *mut bindings::rb_root {
        debug_assert!(self.kind() == Kind::Dir);
        // SAFETY: By the type invariant; only called for directories.
        unsafe { ptr::addr_of_mut!((*self.as_ptr()).__bindgen_anon_1.dir.children) }
    }

    /// The first node of the subtree in post-order: the deepest first child, or the node itself.
    pub(crate) fn leftmost_descendant<'t>(&'t self, _tree: &'t Tree<'_>) -> &'t Node {
        let mut pos = self;
        while pos.kind() == Kind::Dir {
            // SAFETY: The children are stable under `_tree`.
            let rb = unsafe { bindings::rb_first(pos.children()) };
            if rb.is_null() {
                break;
            }
            // SAFETY: `rb` links a child.
            pos = unsafe { Node::from_rb(rb) };
        }
        pos
    }

    /// The node that follows `self` in a post-order walk of `top`; `None` after `top`.
    pub(crate) fn next_descendant_post<'t>(
        &'t self,
        top: &Node,
        tree: &'t Tree<'_>,
    ) -> Option<&'t Node> {
        if ptr::eq(self, top) {
            return None;
        }
        // SAFETY: The siblings are stable under `tree`.
        let rb = unsafe { bindings::rb_next(ptr::addr_of!((*self.as_ptr()).rb)) };
        if rb.is_null() {
            return self.parent(tree);
        }
        // SAFETY: `rb` links a sibling.
        Some(unsafe { Node::from_rb(rb) }.leftmost_descendant(tree))
    }

    /// Finds a child by its name and namespace tag. As the kernel's static `kernfs_find_ns()`.
    pub(crate) fn find<'t>(
        &'t self,
        name: &CStr,
        ns: *const core::ffi::c_void,
        tree: &'t Tree<'_>,
    ) -> Option<&'t Node> {
        if (self.flags() & NS != 0) == ns.is_null() {
            // SAFETY: By the type invariant; `name` is terminated.
            unsafe { shim::rkernfs_warn_ns(self.as_ptr(), c_ptr(name)) };
            return None;
        }
        if self.kind() != Kind::Dir {
            return None;
        }
        // SAFETY: `ns` is null or a tag of the root's namespace type.
        let key = unsafe { ns_key(ns) };
        let mut size = 0;
        // SAFETY: `name` is terminated.
        let hash = unsafe { shim::rkernfs_name_hash(c_ptr(name), key, &mut size) };
        // SAFETY: The children are stable under `tree`.
        let mut rb = unsafe { (*self.children()).rb_node };
        while !rb.is_null() {
            // SAFETY: `rb` links a child.
            let child = unsafe { Node::from_rb(rb) };
            // SAFETY: By `child`'s invariant.
            let child_hash = unsafe { (*child.as_ptr()).hash };
            let order = if hash == child_hash {
                child.compare(key, name, size, tree)
            } else {
                hash.cmp(&child_hash)
            };
            rb = match order {
                // SAFETY: `rb` is linked.
                Ordering::Less => unsafe { (*rb).rb_left },
                // SAFETY: `rb` is linked.
                Ordering::Greater => unsafe { (*rb).rb_right },
                Ordering::Equal => return Some(child),
            };
        }
        None
    }

    /// Compares a namespace's key and a name, whose terminated size is known, with those of the
    /// node. With the hash before them, this is what siblings are ordered by:
    /// `kernfs_name_compare()`.
    fn compare(&self, ns: u64, name: &CStr, size: usize, _tree: &Tree<'_>) -> Ordering {
        let kn = self.as_ptr();
        // SAFETY: The tag is null or one of the root's namespace type.
        let own_ns = unsafe { ns_key((*kn).ns.cast()) };
        // SAFETY: By the type invariant; the name does not change under `_tree`.
        let own_name = unsafe { shim::rkernfs_name(kn) };
        // SAFETY: Names are terminated.
        if ns == own_ns && unsafe { shim::rkernfs_same_name(c_ptr(name), own_name, size) } {
            return Ordering::Equal;
        }
        ns.cmp(&own_ns)
            // SAFETY: Names are terminated.
            .then_with(|| unsafe { bindings::strcmp(c_ptr(name), own_name) }.cmp(&0))
    }
}

/// What names are hashed and compared with: 0 for no namespace.
///
/// # Safety
///
/// `ns` must be null or a tag of the root's namespace type.
unsafe fn ns_key(ns: *const core::ffi::c_void) -> u64 {
    if ns.is_null() {
        return 0;
    }
    // SAFETY: By the safety requirements.
    unsafe { shim::rkernfs_ns_key(ns.cast()) }
}

/// Removing.
impl Node {
    /// Marks the node `KERNFS_REMOVING` and deactivates it: no new users.
    pub(crate) fn mark_removing(&self, tree: &Tree<'_>) {
        if !cfg!(omit_guard) {
            self.set_flag(REMOVING, tree);
        }
        if self.is_active() {
            self.active().fetch_add(DEACTIVATED, SeqCst);
        }
    }

    /// Whether nobody uses the node and no open file of it has to be dealt with.
    pub(crate) fn is_drained(&self, _tree: &Tree<'_>) -> bool {
        self.is_deactivated() && !self.should_drain_open_files()
    }

    fn should_drain_open_files(&self) -> bool {
        self.kind() == Kind::File
            // SAFETY: By the type invariant, for a file. The pointer is not followed.
            && unsafe { !(*self.as_ptr()).__bindgen_anon_1.attr.open.is_null() }
            // SAFETY: By the type invariant.
            && unsafe { shim::rkernfs_should_drain_open_files(self.as_ptr()) }
    }

    /// Waits for the users to leave, then unmaps and releases open files.
    ///
    /// Must be called without the locks of the hierarchy: users may need them to leave.
    pub(crate) fn wait_drained(&self) {
        // SAFETY: By the type invariant.
        unsafe { shim::rkernfs_wait_drained(self.as_ptr()) };
        if self.should_drain_open_files() {
            // SAFETY: By the type invariant; the node is deactivated and has no users.
            unsafe { shim::rkernfs_drain_open_files(self.as_ptr()) };
        }
    }

    /// Whether the node is in its parent's tree (the root never is).
    pub(crate) fn is_linked(&self, _tree: &Tree<'_>) -> bool {
        let kn = self.as_ptr();
        // SAFETY: By the type invariant; `rb` changes under `_tree`.
        let (rb, color) = unsafe { (ptr::addr_of!((*kn).rb), (*kn).rb.__rb_parent_color) };
        // RB_EMPTY_NODE(): the node is its own parent.
        color != rb as usize
    }

    /// Takes the node out of its parent's tree. It keeps reading as `RB_EMPTY_NODE()`.
    pub(crate) fn erase(&self, parent: &Node, _tree: &Tree<'_>) {
        let kn = self.as_ptr();
        // SAFETY: The node is linked in `parent`, whose children change under `_tree`.
        unsafe { bindings::rb_erase(ptr::addr_of_mut!((*kn).rb), parent.children()) };
        // SAFETY: By the type invariant. RB_CLEAR_NODE().
        unsafe { (*kn).rb.__rb_parent_color = ptr::addr_of!((*kn).rb) as usize };
    }

    /// Counts a change of the directory's children. As `kernfs_inc_rev()`.
    pub(crate) fn inc_rev(&self, _tree: &Tree<'_>) {
        // SAFETY: By the type invariant; read under `kernfs_rwsem` (shared).
        unsafe { (*self.as_ptr()).__bindgen_anon_1.dir.rev += 1 };
    }

    /// Takes a directory that was removed from this one off the link count.
    pub(crate) fn dec_subdirs(&self, _iattr: &Iattr<'_>) {
        // SAFETY: By the type invariant; read under `kernfs_iattr_rwsem` (shared).
        unsafe { (*self.as_ptr()).__bindgen_anon_1.dir.subdirs -= 1 };
    }

    /// Keeps the link count of a removed directory's inodes at 0, whoever refreshes them.
    pub(crate) fn keep_nlink_clear(&self, _iattr: &Iattr<'_>) {
        debug_assert!(self.kind() == Kind::Dir);
        if !cfg!(omit_guard) {
            // SAFETY: By the type invariant.
            unsafe { shim::rkernfs_keep_nlink_clear(self.as_ptr()) };
        }
    }

    /// Whether the directory has times of its own, which [`Node::touch`] sets.
    pub(crate) fn has_iattr(&self) -> bool {
        // SAFETY: By the type invariant. The pointer is not followed.
        unsafe {
            !ptr::addr_of!((*self.as_ptr()).iattr)
                .read_volatile()
                .is_null()
        }
    }

    /// Sets the directory's `ctime` and `mtime` to now.
    pub(crate) fn touch(&self, _iattr: &Iattr<'_>) {
        // SAFETY: By the type invariant; the times are read under `kernfs_iattr_rwsem`.
        unsafe { shim::rkernfs_touch(self.as_ptr()) };
    }
}

/// Removing a node from within its own file operation.
impl Node {
    /// Lets go of the active reference that the file operation came with.
    ///
    /// # Safety
    ///
    /// The caller must be in an operation of the node that has one.
    pub(crate) unsafe fn break_active_protection(&self) {
        // SAFETY: By the safety requirements.
        unsafe { shim::rkernfs_break_active_protection(self.as_ptr()) };
    }

    /// Counts the file operation as a user again, so that its end is waited for.
    ///
    /// # Safety
    ///
    /// Must follow [`Node::break_active_protection`] in the same operation.
    pub(crate) unsafe fn unbreak_active_protection(&self) {
        // SAFETY: By the safety requirements.
        unsafe { shim::rkernfs_unbreak_active_protection(self.as_ptr()) };
    }

    /// Claims the removal; only the first caller gets `true`.
    pub(crate) fn claim_suicide(&self, tree: &Tree<'_>) -> bool {
        let first = self.flags() & SUICIDAL == 0;
        self.set_flag(SUICIDAL, tree);
        first
    }

    /// Says that the winner has removed the node.
    pub(crate) fn set_suicided(&self, tree: &Tree<'_>) {
        self.set_flag(SUICIDED, tree);
    }

    /// Whether the winner has removed the node and left its file operation.
    pub(crate) fn is_suicide_complete(&self, _tree: &Tree<'_>) -> bool {
        self.flags() & SUICIDED != 0 && self.is_deactivated()
    }

    /// Sleeps until [`Node::is_suicide_complete`] is worth another look.
    pub(crate) fn wait_suicide(&self) {
        // SAFETY: By the type invariant.
        unsafe { shim::rkernfs_wait_self_removed(self.as_ptr()) };
    }
}
