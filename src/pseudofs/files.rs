// SPDX-License-Identifier: GPL-2.0

//! The files of an object.
//!
//! | file | does |
//! |---|---|
//! | `value` | holds up to 4095 bytes; a write wakes pollers and sends `IN_MODIFY`. Readable (`EPOLLIN`) unless empty |
//! | `control` | `+aux` and `-aux` make and remove the file `aux`, which shows the value, too |
//! | `remove` | `1` removes the object and all below it, from inside the write |
//! | `hide` | `1` and `0` hide and show `value` |
//!
//! A word may end with a newline. Every other one is `EINVAL`.

use super::{object::Object, PseudoFs};
use crate::kernfs::{Active, Dir, File, FileOperations, Owner, Poll, SeqFile};
use core::ffi::CStr;
use kernel::{prelude::*, sync::Arc};

pub(super) const AUX: &CStr = c"aux";
const VALUE: &CStr = c"value";

/// Creates the files of a new object.
pub(super) fn create(dir: &Dir<PseudoFs>, owner: Owner, object: &Arc<Object>) -> Result {
    dir.create_file(VALUE, 0o644, owner, Value(object.clone()))?;
    dir.create_file(c"control", 0o200, owner, Control(object.clone()))?;
    dir.create_file(c"remove", 0o200, owner, Remove(object.clone()))?;
    dir.create_file(c"hide", 0o644, owner, Hide)?;
    Ok(())
}

fn word(data: &[u8]) -> &[u8] {
    data.strip_suffix(b"\n").unwrap_or(data)
}

struct Value(Arc<Object>);

#[vtable]
impl FileOperations for Value {
    type Dir = PseudoFs;

    fn read(file: Active<'_, File<Self>>, buf: &mut [u8], offset: u64) -> Result<usize> {
        Ok(file.data().0.with_value(|value| {
            let rest = value.get(offset as usize..).unwrap_or_default();
            let len = rest.len().min(buf.len());
            buf[..len].copy_from_slice(&rest[..len]);
            len
        }))
    }

    fn write(file: Active<'_, File<Self>>, data: &[u8], _offset: u64) -> Result<usize> {
        file.data().0.set_value(data)?;
        file.notify();
        Ok(data.len())
    }

    fn poll(file: Active<'_, File<Self>>, poll: Poll<'_>) -> u32 {
        let events = poll.wait();
        if file.data().0.with_value(<[u8]>::is_empty) {
            return events & !Poll::READABLE;
        }
        events
    }
}

struct Aux(Arc<Object>);

#[vtable]
impl FileOperations for Aux {
    type Dir = PseudoFs;

    fn show(file: Active<'_, File<Self>>, m: &SeqFile) -> Result {
        file.data().0.with_value(|value| m.write(value));
        Ok(())
    }
}

struct Control(Arc<Object>);

#[vtable]
impl FileOperations for Control {
    type Dir = PseudoFs;

    fn write(file: Active<'_, File<Self>>, data: &[u8], _offset: u64) -> Result<usize> {
        let object = &file.data().0;
        match word(data) {
            b"+aux" => drop(file.parent().create_file(
                AUX,
                0o444,
                Owner::current(),
                Aux(object.clone()),
            )?),
            b"-aux" => file.parent().remove_by_name(AUX)?,
            _ => return Err(EINVAL),
        }
        Ok(data.len())
    }
}

struct Remove(Arc<Object>);

#[vtable]
impl FileOperations for Remove {
    type Dir = PseudoFs;

    // Takes those of the objects below along.
    const IGNORE_LOCKDEP: bool = true;

    fn write(file: Active<'_, File<Self>>, data: &[u8], _offset: u64) -> Result<usize> {
        if word(data) != b"1" {
            return Err(EINVAL);
        }
        let object = file.data().0.clone();
        let dir = file.remove_self().ok_or(ENODEV)?;
        object.claim_removal()?;
        Dir::remove(&dir)?;
        Ok(data.len())
    }
}

struct Hide;

#[vtable]
impl FileOperations for Hide {
    type Dir = PseudoFs;

    fn show(file: Active<'_, File<Self>>, m: &SeqFile) -> Result {
        let value = file.parent().find_and_get(VALUE).ok_or(ENODEV)?;
        m.print(format_args!("{}\n", u8::from(value.is_hidden())));
        Ok(())
    }

    fn write(file: Active<'_, File<Self>>, data: &[u8], _offset: u64) -> Result<usize> {
        let show = match word(data) {
            b"0" => true,
            b"1" => false,
            _ => return Err(EINVAL),
        };
        file.parent()
            .find_and_get(VALUE)
            .ok_or(ENODEV)?
            .show(show)?;
        Ok(data.len())
    }
}
