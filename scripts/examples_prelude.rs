// SPDX-License-Identifier: GPL-2.0

//! What the examples in the documentation of src/kernfs take for granted: they are compiled with
//! this in front, by scripts/examples.sh.

use core::{
    ffi::CStr,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};
use kernel::prelude::*;
use rkernfs::kernfs::*;

struct Groups;

#[vtable]
impl DirOperations for Groups {
    type Data = ();
}

struct Level(AtomicU32);

impl Level {
    fn new() -> Self {
        Self(AtomicU32::new(0))
    }
}

#[vtable]
impl FileOperations for Level {
    type Dir = Groups;

    fn show(file: Active<'_, File<Self>>, m: &SeqFile) -> Result {
        m.print(format_args!("{}\n", file.data().0.load(Relaxed)));
        Ok(())
    }
}

struct Examples;

impl kernel::Module for Examples {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

module! {
    type: Examples,
    name: "examples",
    description: "Examples",
    license: "GPL",
}
