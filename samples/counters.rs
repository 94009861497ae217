// SPDX-License-Identifier: GPL-2.0

//! A file system of counters: mkdir(2) makes one, a number written to its file `count` is added to
//! it, rmdir(2) removes it. Watches and pollers of `count` are notified.

use core::{
    ffi::CStr,
    str,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
};
use kernel::prelude::*;
use rkernfs::kernfs::{
    Active, Dir, DirOperations, File, FileOperations, FileSystem, Flags, Hierarchy, Mode, Owner,
    Registration, Rename, SeqFile,
};

module! {
    type: CountersModule,
    name: "counters",
    description: "A kernfs file system of counters",
    license: "GPL",
}

static FILE_SYSTEM: FileSystem<Counters> = FileSystem::new(c"counters", 0x636e_7472);

struct CountersModule {
    _registration: Registration<Counters>,
}

impl kernel::Module for CountersModule {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let root = Hierarchy::new(Flags::EXTRA_OPEN_PERM_CHECK, ())?;
        Ok(Self {
            _registration: FILE_SYSTEM.register(module, root)?,
        })
    }
}

/// What system calls do to the directories.
struct Counters;

#[vtable]
impl DirOperations for Counters {
    type Data = ();

    fn mkdir(parent: Active<'_, Dir<Self>>, name: &CStr, mode: Mode) -> Result {
        let owner = Owner::current();
        let dir = parent.create_dir(name, mode, owner, ())?;
        if let Err(e) = dir.create_file(c"count", 0o644, owner, Count(AtomicI64::new(0))) {
            Dir::remove(&dir)?;
            return Err(e);
        }
        Ok(())
    }

    fn rmdir(dir: Active<'_, Dir<Self>>) -> Result {
        if dir.has_subdirs() {
            return Err(EBUSY);
        }
        Dir::remove(&dir.break_protection())
    }

    fn rename(rename: Rename<'_, Self>) -> Result {
        rename.commit()
    }
}

/// The file `count`.
struct Count(AtomicI64);

#[vtable]
impl FileOperations for Count {
    type Dir = Counters;
    // Longer text would be cut, and the number with it.
    const ATOMIC_WRITE_LEN: usize = 32;

    fn show(file: Active<'_, File<Self>>, m: &SeqFile) -> Result {
        m.print(format_args!("{}\n", file.data().0.load(Relaxed)));
        Ok(())
    }

    fn write(file: Active<'_, File<Self>>, data: &[u8], _offset: u64) -> Result<usize> {
        let text = str::from_utf8(data).map_err(|_| EINVAL)?;
        let n: i64 = text.trim().parse().map_err(|_| EINVAL)?;
        file.data().0.fetch_add(n, Relaxed);
        file.notify();
        Ok(data.len())
    }
}
