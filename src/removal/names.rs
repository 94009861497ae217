// SPDX-License-Identifier: GPL-2.0

//! Finding a child by its name, in the order that kernfs keeps siblings in.
//!
//! C headers: `include/linux/kernfs.h`, `include/linux/stringhash.h`.

use super::{locks::Tree, node::Member};
use crate::{compat::c_ptr, node::Kind, shim};
use core::{
    cmp::Ordering,
    ffi::{c_void, CStr},
    marker::PhantomData,
};
use kernel::{bindings, ffi::c_char};

const NS: u16 = bindings::kernfs_node_flag_KERNFS_NS as u16;

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
        // SAFETY: The caller promises what `ns` is.
        let key = unsafe { ns_key(ns) };
        let (hash, size) = name.hash(key);
        // SAFETY: `tree` keeps the children as they are.
        let mut rb = unsafe { (*self.children()).rb_node };
        while !rb.is_null() {
            // SAFETY: `rb` links a child, and stays while `tree` is borrowed.
            let child = unsafe { Self::from_rb(rb) };
            // SAFETY: The invariant of `Node` keeps it; a linked node's hash is constant.
            let child_hash = unsafe { (*child.as_ptr()).hash };
            let order = if hash == child_hash {
                child.compare(key, name, size, tree)
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
    fn compare(&self, ns: u64, name: Name<'_>, size: usize, _tree: &Tree<'id>) -> Ordering {
        let kn = self.as_ptr();
        // SAFETY: A node's tag is null or one of the root's namespace type.
        let own_ns = unsafe { ns_key((*kn).ns.cast()) };
        // SAFETY: The invariant of `Node` keeps it; the name does not change under `_tree`.
        let own_name = unsafe { shim::rkernfs_name(kn) };
        // SAFETY: Both names are terminated, and `size` is that of the first.
        if ns == own_ns && unsafe { shim::rkernfs_same_name(name.ptr, own_name, size) } {
            return Ordering::Equal;
        }
        ns.cmp(&own_ns)
            // SAFETY: Both are terminated strings that stay under `_tree`.
            .then_with(|| unsafe { bindings::strcmp(name.ptr, own_name) }.cmp(&0))
    }
}

/// What names are hashed and compared with: 0 for no namespace.
///
/// # Safety
///
/// `ns` must be null or a tag of the root's namespace type.
unsafe fn ns_key(ns: *const c_void) -> u64 {
    if ns.is_null() {
        return 0;
    }
    // SAFETY: The caller promises a tag, which has a key.
    unsafe { shim::rkernfs_ns_key(ns.cast()) }
}

/// A name whose length is not known yet: it is walked once, to hash it.
///
/// # Invariants
///
/// `ptr` is a terminated string, which neither changes nor goes away for `'a`.
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
    /// `ptr` must be a terminated string, which neither changes nor goes away for the lifetime.
    pub(super) unsafe fn from_ptr(ptr: *const c_char) -> Self {
        // INVARIANT: The caller promises it.
        Self {
            ptr,
            _name: PhantomData,
        }
    }

    /// The hash, and the size of the name with its end. As the kernel's static `kernfs_name_hash()`,
    /// which made `hash` of each node: the functions of `linux/stringhash.h` for 64-bit machines,
    /// and what is left free for readdir's own positions.
    fn hash(self, key: u64) -> (u32, usize) {
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
        (hash.min(MAX - 1), pos as usize - self.ptr as usize)
    }
}
