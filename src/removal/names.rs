// SPDX-License-Identifier: GPL-2.0

//! Finding a child by its name, in the order that kernfs keeps siblings in.
//!
//! C headers: `include/linux/kernfs.h`, `include/linux/stringhash.h`.

use super::{
    locks::{Shape, Tree},
    member::Member,
    node::is_linked,
    stats::COUNTERS,
};
use crate::{
    compat::{c_ptr, Atomic, Relaxed},
    node::{name_of, parent_of, Kind},
    shim,
};
use core::{
    cmp::Ordering,
    ffi::{c_void, CStr},
    marker::PhantomData,
    ptr,
};
use kernel::{bindings, ffi::c_char};

pub(super) const NS: u16 = bindings::kernfs_node_flag_KERNFS_NS as u16;

/// The directory in which a child was last found, and the child's id. A hint: cgroup and sysfs remove a
/// group of files in the order in which they created them, and ids are assigned one after the other.
pub(super) struct LastFound {
    dir: Atomic<usize>,
    id: Atomic<usize>,
}

impl LastFound {
    pub(super) const fn new() -> Self {
        Self {
            dir: Atomic::new(0),
            id: Atomic::new(0),
        }
    }
}

impl<'id> Member<'id> {
    /// Finds a child by its name and namespace tag. As the kernel's static `kernfs_find_ns()`.
    ///
    /// # Safety
    ///
    /// `ns` must be null or a tag of the root's namespace type.
    pub(super) unsafe fn find<'t>(
        &'t self,
        name: Name<'_>,
        ns: *const c_void,
        tree: &'t Tree<'id>,
    ) -> Option<&'t Self> {
        if (self.flags() & NS != 0) == ns.is_null() {
            // SAFETY: The invariant of `Node` keeps it; `name` is terminated.
            unsafe { shim::rkernfs_warn_ns(self.as_ptr(), name.ptr) };
            return None;
        }
        if self.kind() != Kind::Dir {
            return None;
        }
        let next = if ns.is_null() {
            self.next_by_id(name, tree)
        } else {
            None
        };
        let found = next.or_else(|| {
            // SAFETY: The caller promises what `ns` is.
            self.search(name, unsafe { ns_key(ns) }, tree)
        })?;
        let last = &COUNTERS.last_found;
        last.dir.store(self.as_ptr() as usize, Relaxed);
        last.id.store(found.id() as usize, Relaxed);
        Some(found)
    }

    /// The child whose id follows that of the one found before, if it has the name: saves hashing the
    /// name, which is a third of a search.
    fn next_by_id<'t>(&'t self, name: Name<'_>, tree: &'t Tree<'id>) -> Option<&'t Self> {
        let last = &COUNTERS.last_found;
        if last.dir.load(Relaxed) != self.as_ptr() as usize {
            return None;
        }
        let id = last.id.load(Relaxed).wrapping_add(1) as u32;
        // SAFETY: The lock of `tree` keeps the root.
        let lock = unsafe { shim::rkernfs_idr_lock(tree.root().as_ptr()) };
        // SAFETY: The lock of a hierarchy that is kept.
        unsafe { shim::rkernfs_spin_lock(lock) };
        // SAFETY: The lock of `tree` keeps the root.
        let kn = unsafe { bindings::idr_find(tree.root().ino_idr(), id as kernel::ffi::c_ulong) };
        let is_child = |kn: &*mut bindings::kernfs_node| {
            if kn.is_null() {
                return false;
            }
            // SAFETY: Nodes are removed from the IDR before they are freed, without a grace period if
            // their creation failed; that takes the lock.
            let parent = unsafe { parent_of(*kn) };
            // SAFETY: The same.
            parent == self.as_ptr() && unsafe { is_linked(*kn, tree) }
        };
        let kn = Some(kn.cast()).filter(is_child);
        // SAFETY: This task took the lock above.
        unsafe { shim::rkernfs_spin_unlock(lock) };
        // SAFETY: It is linked, and stays while `tree` is borrowed.
        let child = unsafe { Self::from_rb(ptr::addr_of_mut!((*kn?).rb)) };
        child.has_name(name, tree).then_some(child)
    }

    /// Finds a child by its hash, name and namespace's key.
    pub(super) fn search<'t>(
        &'t self,
        name: Name<'_>,
        key: u64,
        tree: &'t Shape<'id>,
    ) -> Option<&'t Self> {
        let hash = name.hash(key);
        // SAFETY: `tree` keeps the children as they are.
        let mut rb = unsafe { (*self.children()).rb_node };
        while !rb.is_null() {
            // SAFETY: `rb` links a child, and stays while `tree` is borrowed.
            let child = unsafe { Self::from_rb(rb) };
            // SAFETY: The invariant of `Node` keeps it; a linked node's hash is constant.
            let child_hash = unsafe { (*child.as_ptr()).hash };
            let order = if hash == child_hash {
                child.compare(key, name, tree)
            } else {
                hash.cmp(&child_hash)
            };
            rb = match order {
                // SAFETY: `rb` is linked, and `tree` keeps it so.
                Ordering::Less => unsafe { (*rb).rb_left },
                // SAFETY: `rb` is linked, and `tree` keeps it so.
                Ordering::Greater => unsafe { (*rb).rb_right },
                Ordering::Equal => return Some(child),
            };
        }
        None
    }

    /// Compares a namespace's key and a name with those of the node. With the hash before them,
    /// this is what siblings are ordered by: `kernfs_name_compare()`.
    fn compare(&self, ns: u64, name: Name<'_>, tree: &Shape<'id>) -> Ordering {
        let kn = self.as_ptr();
        // SAFETY: A node's tag is null or one of the root's namespace type.
        let own_ns = unsafe { ns_key((*kn).ns.cast()) };
        if ns == own_ns && self.has_name(name, tree) {
            return Ordering::Equal;
        }
        // SAFETY: The invariant of `Node` keeps it; the name does not change under `tree`.
        let own_name = unsafe { name_of(kn) };
        ns.cmp(&own_ns)
            // SAFETY: Both are terminated strings that stay under `tree`.
            .then_with(|| unsafe { bindings::strcmp(name.ptr, own_name) }.cmp(&0))
    }

    fn has_name(&self, name: Name<'_>, _tree: &Shape<'id>) -> bool {
        // SAFETY: The invariant of `Node` keeps it; the name does not change under `_tree`.
        let own_name = unsafe { name_of(self.as_ptr()) };
        // SAFETY: Both names are terminated.
        unsafe { shim::rkernfs_same_name(name.ptr, own_name) }
    }
}

/// The key with which names are hashed and compared: 0 for no namespace.
///
/// # Safety
///
/// `ns` must be null or a tag of the root's namespace type.
pub(super) unsafe fn ns_key(ns: *const c_void) -> u64 {
    if ns.is_null() {
        return 0;
    }
    // SAFETY: The caller promises a tag, which has a key.
    unsafe { shim::rkernfs_ns_key(ns.cast()) }
}

/// A name whose length is not known: hashing it is the only pass over it.
///
/// # Invariants
///
/// `ptr` is a terminated string, which is neither changed nor freed for `'a`.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    ptr: *const c_char,
    _name: PhantomData<&'a CStr>,
}

impl<'a> From<&'a CStr> for Name<'a> {
    fn from(name: &'a CStr) -> Self {
        // INVARIANT: That is what a `CStr` is.
        Self {
            ptr: c_ptr(name),
            _name: PhantomData,
        }
    }
}

impl Name<'_> {
    /// # Safety
    ///
    /// `ptr` must be a terminated string, which is neither changed nor freed for the lifetime.
    pub(super) unsafe fn from_ptr(ptr: *const c_char) -> Self {
        // INVARIANT: The caller promises it.
        Self {
            ptr,
            _name: PhantomData,
        }
    }

    /// As the kernel's static `kernfs_name_hash()`, which made `hash` of each node: the functions of
    /// `linux/stringhash.h` for 64-bit machines, and what is left free for readdir's own positions.
    fn hash(self, key: u64) -> u32 {
        /// `GOLDEN_RATIO_64` of `linux/hash.h`
        const GOLDEN_RATIO: u64 = 0x61c8_8646_80b5_83eb;
        const MAX: u32 = i32::MAX as u32;

        let (mut hash, mut pos) = (key, self.ptr);
        loop {
            // SAFETY: The type's invariant has a string, of which the end was not seen yet.
            let byte = u64::from(unsafe { *pos.cast::<u8>() });
            // SAFETY: As far as the end, at most to behind it.
            pos = unsafe { pos.add(1) };
            if byte == 0 {
                break;
            }
            hash = hash
                .wrapping_add(byte << 4)
                .wrapping_add(byte >> 4)
                .wrapping_mul(11);
        }
        let hash = (hash.wrapping_mul(GOLDEN_RATIO) >> 32) as u32 & MAX;
        // 0, 1 and INT_MAX are positions that readdir keeps for itself.
        let hash = if hash < 2 { hash + 2 } else { hash };
        hash.min(MAX - 1)
    }
}
