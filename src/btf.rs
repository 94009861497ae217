// SPDX-License-Identifier: GPL-2.0

//! Compares layouts of structures with those of the running kernel, which its BTF describes.
//!
//! A distribution's kernel may be replaced by another build of the same release, and the module be
//! loaded that was built for the former. Headers, and above all the private
//! `fs/kernfs/kernfs-internal.h`, are compiled in: a member that moved would be read from where it
//! was. A kernel without BTF is not compared.
//!
//! C header: `include/uapi/linux/btf.h`.

use crate::{
    compat::{c_ptr, c_str},
    shim,
};
use core::slice;
use kernel::prelude::*;

/// `BTF_MAGIC`
const MAGIC: u32 = 0xeb9f;
const STRUCT: u32 = 4;
const UNION: u32 = 5;

/// Bytes of `struct btf_type` and of `struct btf_member`.
const TYPE_SIZE: usize = 12;
const MEMBER_SIZE: usize = 12;

/// What follows a `struct btf_type` of each kind, in bytes: once, and for each of its `vlen`.
const EXTRA: [(usize, usize); 20] = [
    (0, 0),
    (4, 0),  // INT
    (0, 0),  // PTR
    (12, 0), // ARRAY
    (0, 12), // STRUCT
    (0, 12), // UNION
    (0, 8),  // ENUM
    (0, 0),  // FWD
    (0, 0),  // TYPEDEF
    (0, 0),  // VOLATILE
    (0, 0),  // CONST
    (0, 0),  // RESTRICT
    (0, 0),  // FUNC
    (0, 8),  // FUNC_PROTO
    (4, 0),  // VAR
    (0, 12), // DATASEC
    (0, 0),  // FLOAT
    (4, 0),  // DECL_TAG
    (0, 0),  // TYPE_TAG
    (0, 12), // ENUM64
];

/// Anonymous structures and unions within one another; the kernel's own are 3 deep.
const MAX_DEPTH: u32 = 8;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(word.try_into().ok()?))
}

/// The types of a kernel and their names, in BTF's encoding.
#[derive(Clone, Copy)]
struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
}

/// A `struct btf_type` and what follows it.
#[derive(Clone, Copy)]
struct Type<'a> {
    btf: Btf<'a>,
    at: usize,
}

impl<'a> Btf<'a> {
    /// Splits what the kernel carries. `None`: it is no BTF.
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let header = |n: usize| usize::try_from(word(bytes, 4 * n)?).ok();
        if word(bytes, 0)? & 0xffff != MAGIC {
            return None;
        }
        let body = bytes.get(header(1)?..)?;
        let section = |start: usize, len: usize| body.get(start..start.checked_add(len)?);
        Some(Self {
            types: section(header(2)?, header(3)?)?,
            strings: section(header(4)?, header(5)?)?,
        })
    }

    /// Whether `name` is what stands at `offset` of the strings.
    fn is_name(&self, offset: u32, name: &[u8]) -> bool {
        usize::try_from(offset)
            .ok()
            .and_then(|start| self.strings.get(start..)?.strip_prefix(name))
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    /// All types, in the order of their numbers, which start at 1. Ends early at one of a kind that
    /// is not known.
    fn types(self) -> impl Iterator<Item = Type<'a>> {
        let first = Type { btf: self, at: 0 };
        core::iter::successors(first.info().map(|_| first), |t| t.next())
    }

    /// The structure that is called `name`.
    fn find(self, name: &str) -> Option<Type<'a>> {
        self.types()
            .find(|t| t.kind() == Some(STRUCT) && t.is_called(name))
    }
}

impl<'a> Type<'a> {
    fn word(&self, n: usize) -> Option<u32> {
        word(self.btf.types, self.at + 4 * n)
    }

    fn is_called(&self, name: &str) -> bool {
        self.word(0)
            .is_some_and(|offset| self.btf.is_name(offset, name.as_bytes()))
    }

    fn info(&self) -> Option<u32> {
        self.word(1)
    }

    fn kind(&self) -> Option<u32> {
        Some(self.info()? >> 24 & 0x1f)
    }

    fn vlen(&self) -> Option<usize> {
        usize::try_from(self.info()? & 0xffff).ok()
    }

    fn next(&self) -> Option<Self> {
        let (once, each) = *EXTRA.get(usize::try_from(self.kind()?).ok()?)?;
        let at = self.at + TYPE_SIZE + once + each * self.vlen()?;
        let next = Self { btf: self.btf, at };
        next.info().map(|_| next)
    }

    fn size(&self) -> Option<usize> {
        usize::try_from(self.word(2)?).ok()
    }

    /// The byte that the member `name` starts at, also one of an anonymous structure or union.
    fn offset_of(&self, name: &[u8], depth: u32) -> Option<usize> {
        // Bit fields have their width in the upper byte.
        let has_bit_fields = self.info()? >> 31 == 1;
        let mask = if has_bit_fields { 0xff_ffff } else { !0 };
        (0..self.vlen()?).find_map(|n| {
            let member = (TYPE_SIZE + n * MEMBER_SIZE) / 4;
            let start = usize::try_from((self.word(member + 2)? & mask) / 8).ok()?;
            let own_name = self.word(member)?;
            if self.btf.is_name(own_name, name) {
                return Some(start);
            }
            if !self.btf.is_name(own_name, b"") || depth == MAX_DEPTH {
                return None;
            }
            let id = usize::try_from(self.word(member + 1)?).ok()?;
            let inner = self.btf.types().nth(id.checked_sub(1)?)?;
            matches!(inner.kind()?, STRUCT | UNION)
                .then(|| inner.offset_of(name, depth + 1))?
                .map(|offset| start + offset)
        })
    }
}

/// The running kernel's BTF, if it has any.
fn of_kernel() -> Option<&'static [u8]> {
    // SAFETY: Unexported symbols were resolved before; the names are strings.
    let start = unsafe { shim::rkernfs_address_of(c_ptr(c"__start_BTF")) };
    // SAFETY: Unexported symbols were resolved before; the name is a string.
    let stop = unsafe { shim::rkernfs_address_of(c_ptr(c"__stop_BTF")) };
    let (start, stop) = (start as usize, stop as usize);
    if start == 0 || stop <= start {
        return None;
    }
    // SAFETY: vmlinux.lds.h has both symbols bound the kernel's section .BTF, which is read-only
    // and stays.
    Some(unsafe { slice::from_raw_parts(start as *const u8, stop - start) })
}

/// A name of the shim's table.
///
/// # Safety
///
/// `name` must be from that table, and not null.
unsafe fn name_of<'a>(name: *const kernel::ffi::c_char) -> &'a str {
    // SAFETY: The table has literals only.
    unsafe { c_str(name) }.to_str().unwrap_or("?")
}

/// Compares one layout with that of `found`, the kernel's structure of this name. Logs what differs.
fn compare(found: Option<Type<'_>>, layout: &shim::rkernfs_layout) -> Result {
    // SAFETY: `layout` is of the table, in which `type_` is never null.
    let name = unsafe { name_of(layout.type_) };
    let (of, what, ours, kernels) = if layout.member.is_null() {
        ("", "size", layout.size, found.and_then(|t| t.size()))
    } else {
        // SAFETY: `layout` is of the table, and the name was just seen not to be null.
        let member = unsafe { name_of(layout.member) };
        let kernels = found.and_then(|t| t.offset_of(member.as_bytes(), 0));
        ("offset of ", member, layout.offset, kernels)
    };
    if kernels == Some(ours) {
        return Ok(());
    }
    match kernels {
        Some(there) => pr_err!("struct {name}: {of}{what} is {there} in this kernel, {ours} in the module: rebuild the module against this kernel's source\n"),
        None => pr_err!("struct {name}: {of}{what} is not found in this kernel, {ours} in the module: rebuild the module against this kernel's source\n"),
    }
    Err(EINVAL)
}

/// Whether the running kernel's structures are those that the module was compiled with.
///
/// # Errors
///
/// `EINVAL` if one is not, or if the kernel's BTF cannot be read. The log names it.
pub(crate) fn check_layouts() -> Result {
    let Some(bytes) = of_kernel() else {
        return Ok(());
    };
    let Some(btf) = Btf::new(bytes) else {
        pr_err!("this kernel's BTF cannot be read\n");
        return Err(EINVAL);
    };
    let mut n = 0;
    // SAFETY: `n` is where C stores the length.
    let layouts = unsafe { shim::rkernfs_layouts(&mut n) };
    // SAFETY: C returned a table of `n` entries, which is constant.
    let layouts = unsafe { slice::from_raw_parts(layouts, n) };
    let mut found = None;
    for layout in layouts {
        // Members of one structure follow each other in the table.
        // SAFETY: `layout` is of the table, in which `type_` is never null.
        let name = unsafe { name_of(layout.type_) };
        if !found.is_some_and(|t: Type<'_>| t.is_called(name)) {
            found = btf.find(name);
        }
        compare(found, layout)?;
    }
    Ok(())
}
