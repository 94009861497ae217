// SPDX-License-Identifier: GPL-2.0

//! The file `stats`: counters of the whole removal path, for all users of kernfs.

use super::PseudoFs;
use crate::{
    kernfs::{Active, File, FileOperations, SeqFile},
    removal::stats,
};
use kernel::prelude::*;

/// Shows a counter a line, as `name value`.
pub(super) struct Stats;

#[vtable]
impl FileOperations for Stats {
    type Dir = PseudoFs;

    fn show(_file: Active<'_, File<Self>>, m: &SeqFile) -> Result {
        for (name, number) in stats::all() {
            m.write(name.as_bytes());
            m.print(format_args!(" {number}\n"));
        }
        m.print(format_args!("work_pending {}\n", stats::work_pending()));
        Ok(())
    }
}
