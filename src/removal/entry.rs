// SPDX-License-Identifier: GPL-2.0

//! What livepatch puts in the place of kernfs's functions, and what the file systems of `src/kernfs`
//! call. Each entry takes `kernfs_supers_rwsem` before `kernfs_rwsem`.

use super::{
    batch::Batch,
    deferral::{submit, Works},
    locks::Tree,
    member::Member,
    names::Name,
    tracking::Tracking,
    walk::{remove_subtree, remove_unused_file},
};
use crate::{btf, compat::ARef, node::Node, shim};
use core::{
    ffi::{c_void, CStr},
    ptr,
    sync::atomic::{compiler_fence, Ordering},
};
use kernel::{
    bindings,
    error::{code::ENOENT, from_result, to_result},
    ffi::{c_char, c_int},
    prelude::*,
};

/// Does the work of a replacement.
///
/// livepatch lets the module be unloaded when no task has a replacement on its stack. So the call that
/// does the work must return to the replacement: the compiler would turn a tail call into a jump.
#[inline(always)]
pub(crate) fn on_its_stack<R>(work: impl FnOnce() -> R) -> R {
    let ret = work();
    compiler_fence(Ordering::SeqCst);
    ret
}

/// Removes `kn` and what is below it.
///
/// # Safety
///
/// `kn` must be null or a node that is not removed yet, or that the caller holds a reference of.
pub(crate) unsafe extern "C" fn kernfs_remove(kn: *mut bindings::kernfs_node) {
    if !kn.is_null() {
        // SAFETY: The caller has a reference, or the right to the creation reference.
        on_its_stack(|| remove(unsafe { Node::from_raw(kn) }));
    }
}

/// Removes `kn` from within one of its own file operations.
///
/// # Safety
///
/// The caller must be in a file operation of `kn`, which holds an active reference.
pub(crate) unsafe extern "C" fn kernfs_remove_self(kn: *mut bindings::kernfs_node) -> bool {
    // SAFETY: An active reference keeps the node from being removed, and so its creation reference;
    // the caller is in such an operation.
    on_its_stack(|| unsafe { remove_self(Node::from_raw(kn)) })
}

/// Finds a node and removes it.
///
/// # Safety
///
/// `parent` must be null or a node that the caller holds a reference of, `name` a string, `ns`
/// null or a tag of the root's namespace type.
pub(crate) unsafe extern "C" fn kernfs_remove_by_name_ns(
    parent: *mut bindings::kernfs_node,
    name: *const c_char,
    ns: *const kernel::ffi::c_void,
) -> c_int {
    let removed = || {
        if parent.is_null() {
            // SAFETY: The caller gives a string.
            unsafe { shim::rkernfs_warn_no_parent(name) };
            return Err(ENOENT);
        }
        // SAFETY: The caller has a reference of `parent` and gives a string.
        let (parent, name) = unsafe { (Node::from_raw(parent), Name::from_ptr(name)) };
        // SAFETY: The caller promises what `ns` is.
        unsafe { remove_by_name_ns(parent, name, ns.cast()) }?;
        Ok(0)
    };
    on_its_stack(|| from_result(removed))
}

/// Removes `node` and what is below it. Does nothing if it is removed already.
pub(crate) fn remove(node: &Node) {
    // Keeps the hierarchy, too: the creation reference might be the last one.
    let node: ARef<Node> = node.into();
    let mut batch = Batch::new();
    Tree::lock(&node, |tree, node| {
        remove_subtree(tree, node, &mut batch);
    });
    submit(batch);
}

/// Removes `node`, whose file operation is running; only one of several callers does, and gets
/// `true`. The others return when the winner's file operation has ended.
///
/// # Safety
///
/// The caller must be in an operation of `node` that has an active reference.
pub(crate) unsafe fn remove_self(node: &Node) -> bool {
    let node: ARef<Node> = node.into();
    let mut batch = Batch::new();
    let won = Tree::lock(&node, |mut tree, node| {
        // SAFETY: The caller is in an operation that has an active reference.
        unsafe { shim::rkernfs_break_active_protection(node.as_ptr()) };
        let won = node.claim_suicide(&tree);
        if won {
            tree = remove_subtree(tree, node, &mut batch);
            node.set_suicided(&tree);
        } else {
            while !node.is_suicide_complete(&tree) {
                tree = tree.unlocked(|| node.wait_suicide());
            }
            if node.is_linked(&tree) {
                // SAFETY: It warns, and does nothing else.
                unsafe { shim::rkernfs_warn_linked() };
            }
        }
        // Before the tree is unlocked: the others wait for KERNFS_SUICIDED and for no users, and
        // must not see the first without this user.
        // SAFETY: Broken above, in the same operation.
        unsafe { shim::rkernfs_unbreak_active_protection(node.as_ptr()) };
        won
    });
    submit(batch);
    won
}

/// Removes the child `name` of `parent`, in no namespace, and what is below it.
///
/// # Errors
///
/// `ENOENT` if there is no such child.
pub(crate) fn remove_by_name(parent: &Node, name: &CStr) -> Result {
    // SAFETY: Null stands for no namespace.
    unsafe { remove_by_name_ns(parent, name.into(), ptr::null()) }
}

/// The same, in the namespace `ns`.
///
/// # Safety
///
/// `ns` must be null or a tag of the root's namespace type.
unsafe fn remove_by_name_ns(parent: &Node, name: Name<'_>, ns: *const c_void) -> Result {
    let mut batch = Batch::new();
    Tree::lock(parent, |tree, parent| {
        // SAFETY: The caller promises what `ns` is.
        let node = unsafe { parent.find(name, ns, &tree) }.ok_or(ENOENT)?;
        if !remove_unused_file(&tree, node, &mut batch) {
            let node: ARef<Member<'_>> = node.into();
            remove_subtree(tree, &node, &mut batch);
        }
        Ok::<_, Error>(())
    })?;
    submit(batch);
    Ok(())
}

/// What the removal path needs, from loading the module to unloading it. livepatch holds the module
/// until no task is in a replacement any more; then what they deferred is finished, and tracking
/// stops.
pub(crate) struct Removal {
    _works: Works,
    _tracking: Tracking,
}

impl Removal {
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
        // SAFETY: The same; unexported symbols can be found now.
        to_result(unsafe { shim::rkernfs_final_init() })?;
        btf::check_layouts()?;
        let tracking = Tracking::new()?;
        Ok(Self {
            _works: Works::new()?,
            _tracking: tracking,
        })
    }
}
