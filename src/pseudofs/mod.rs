// SPDX-License-Identifier: GPL-2.0

//! A file system of objects: each way that a kernfs node can go, at hand from user space.
//!
//! Every directory is an object, which mkdir(2) makes at any depth and rmdir(2) removes. Its
//! files: [`files`]. The root has [`stats`] only.

mod files;
mod object;
mod stats;

use crate::{
    compat::errno,
    kernfs::{
        Active, Dir, DirOperations, FileSystem, Flags, Hierarchy, Kind, Mode, Owner, Registration,
        Rename,
    },
};
use core::ffi::CStr;
use kernel::{bindings, prelude::*, sync::Arc};
use object::Object;

/// "rkfs", the `f_type` of statfs(2).
const MAGIC: u32 = 0x726b_6673;

static FILE_SYSTEM: FileSystem<PseudoFs> = FileSystem::new(c"rkernfs", MAGIC);

/// Makes the file system known.
pub(crate) fn register(module: &'static ThisModule) -> Result<Registration<PseudoFs>> {
    let flags = Flags::EXTRA_OPEN_PERM_CHECK | Flags::SUPPORT_EXPORTOP;
    let root = Hierarchy::new(flags, None)?;
    root.create_file(c"stats", 0o444, Owner::ROOT, stats::Stats)?;
    FILE_SYSTEM.register(module, root)
}

/// What system calls do to the directories.
pub(crate) struct PseudoFs;

#[vtable]
impl DirOperations for PseudoFs {
    /// The object; the root is none.
    type Data = Option<Arc<Object>>;

    fn mkdir(parent: Active<'_, Dir<Self>>, name: &CStr, mode: Mode) -> Result {
        check_name(name)?;
        let object = Object::new()?;
        let owner = Owner::current();
        let dir = parent.create_dir(name, mode, owner, Some(object.clone()))?;
        files::create(&dir, owner, &object).or_else(|e| {
            Dir::remove(&dir)?;
            Err(e)
        })
    }

    fn rmdir(dir: Active<'_, Dir<Self>>) -> Result {
        let object = dir.data().clone().ok_or(EBUSY)?;
        // VFS keeps others from making one meanwhile.
        if dir.has_subdirs() {
            return Err(errno(bindings::ENOTEMPTY));
        }
        object.claim_removal()?;
        Dir::remove(&dir.break_protection())
    }

    fn rename(rename: Rename<'_, Self>) -> Result {
        if rename.node().kind() != Kind::Dir {
            return Err(EPERM);
        }
        check_name(rename.new_name())?;
        rename.commit()
    }
}

/// Refuses names that are too long, that would be two lines in a list, or that [`files`] needs.
fn check_name(name: &CStr) -> Result {
    let name = name.to_bytes();
    if name.len() > bindings::NAME_MAX as usize {
        return Err(errno(bindings::ENAMETOOLONG));
    }
    if name.contains(&b'\n') || name == files::AUX.to_bytes() {
        return Err(EINVAL);
    }
    Ok(())
}
