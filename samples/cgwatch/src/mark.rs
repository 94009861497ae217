// SPDX-License-Identifier: GPL-2.0

//! One fanotify mark on the whole hierarchy, instead of a watch for each cgroup.
//!
//! The mark has no names for directories, but file handles. One of kernfs begins with the number
//! of the node, which of a directory is the cgroup's [`Id`]: so it stands for a [`Watch`], and
//! what the follower knows by it is the table of names. That a cgroup was removed is reported by its
//! `rmdir(2)`, with its own handle (`FAN_REPORT_TARGET_FID`): `FAN_DELETE_SELF` would report the
//! same, but have the kernel make an inode for each of the dozens of files in it.

use crate::{
    cgroup::Id,
    kernel::{Event, Flags, Watch},
};
use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags};
use rustix::{
    fd::{AsFd, BorrowedFd},
    fs::CWD,
    io::{Errno, Result, read},
};
use std::{
    ffi::{OsStr, OsString},
    fmt, fs,
    os::unix::ffi::OsStrExt,
    path::Path,
};

/// `FAN_REPORT_DFID_NAME_TARGET`: the directory's handle, the name, and the node's own handle.
/// Since Linux 5.17.
const REPORT: u32 = 0x0200 | 0x0400 | 0x0800 | 0x1000;

/// Bytes of `struct fanotify_event_metadata`, and of a record before the handle's.
const METADATA: usize = 24;
const RECORD: usize = 12;
/// Bytes of `struct file_handle` before those of the handle
const HANDLE: usize = 8;

/// `FAN_EVENT_INFO_TYPE_FID` and `FAN_EVENT_INFO_TYPE_DFID_NAME`
const NODE: u8 = 1;
const NAME_IN: u8 = 2;

/// A fanotify group with a mark on all of the file system that a cgroup is in.
pub struct Mark {
    group: Fanotify,
    reads_last: bool,
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mark").field(&self.group.as_fd()).finish()
    }
}

impl Mark {
    /// Marks the file system of `top`. What happens from here on is an event.
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_SYS_ADMIN` of the initial user namespace; the errors of
    /// `fanotify_init(2)` and `fanotify_mark(2)`.
    pub fn new(top: &Path) -> Result<Self> {
        let flags = InitFlags::FAN_CLOEXEC | InitFlags::FAN_NONBLOCK;
        let group = Fanotify::init(
            flags | InitFlags::from_bits_retain(REPORT),
            EventFFlags::empty(),
        )
        .map_err(errno)?;
        let events = MaskFlags::FAN_CREATE
            | MaskFlags::FAN_DELETE
            | MaskFlags::FAN_MODIFY
            | MaskFlags::FAN_ONDIR;
        let flags = MarkFlags::FAN_MARK_ADD | MarkFlags::FAN_MARK_FILESYSTEM;
        group.mark(flags, events, CWD, Some(top)).map_err(errno)?;
        Ok(Self {
            group,
            reads_last: reads_last(),
        })
    }

    /// Can a removed cgroup's counters be read by a process that has their file open?
    pub fn reads_last(&self) -> bool {
        self.reads_last
    }

    /// The events that are queued, up to a buffer full of them; none: the queue is empty.
    pub fn events(&self) -> Result<Vec<Event>> {
        let mut buffer = vec![0; 65536];
        match read(&self.group, &mut buffer) {
            Ok(len) => Ok(parse(&buffer[..len])),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    }
}

impl AsFd for Mark {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
    }
}

/// That is up to the administrator who loads rkernfs.
fn reads_last() -> bool {
    fs::read_to_string("/sys/module/rkernfs/parameters/final_events")
        .is_ok_and(|text| text.trim() == "Y")
}

fn errno(error: nix::Error) -> Errno {
    Errno::from_raw_os_error(error as i32)
}

/// What a buffer full of events says. One that is not understood is left out.
fn parse(mut buffer: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(len) = word(buffer, 0).and_then(|len| usize::try_from(len).ok()) {
        let Some((event, rest)) = buffer.split_at_checked(len) else {
            break;
        };
        if len < METADATA {
            break;
        }
        add(&mut events, event);
        buffer = rest;
    }
    events
}

/// Adds what one event says, which may be several things that fanotify put together.
fn add(events: &mut Vec<Event>, event: &[u8]) {
    let mask = MaskFlags::from_bits_retain(double(event, 8).unwrap_or(0));
    let mut add = |watch: Watch, flags: Flags, name: &OsStr| {
        events.push(Event {
            watch,
            flags,
            name: name.to_owned(),
        });
    };
    if mask.contains(MaskFlags::FAN_Q_OVERFLOW) {
        return add(0, Flags::QUEUE_OVERFLOW, OsStr::new(""));
    }
    let about = About::parse(event);
    let of_directory = mask.contains(MaskFlags::FAN_ONDIR);
    if let Some(node) = about.node {
        if of_directory && mask.contains(MaskFlags::FAN_DELETE) {
            add(node, Flags::DELETE_SELF, OsStr::new(""));
        }
    }
    if let Some((dir, name)) = about.name_in {
        if of_directory && mask.contains(MaskFlags::FAN_CREATE) {
            add(dir, Flags::CREATE | Flags::ISDIR, &name);
        }
        if !of_directory && mask.contains(MaskFlags::FAN_MODIFY) {
            add(dir, Flags::MODIFY, &name);
        }
    }
}

/// What an event is about.
#[derive(Default)]
struct About {
    node: Option<Id>,
    name_in: Option<(Id, OsString)>,
}

impl About {
    fn parse(event: &[u8]) -> Self {
        let mut about = Self::default();
        let mut records = event.get(METADATA..).unwrap_or_default();
        while let Some(len) = half(records, 2).map(usize::from) {
            let Some((record, rest)) = records.split_at_checked(len) else {
                break;
            };
            if len < RECORD + HANDLE {
                break;
            }
            match record[0] {
                NODE => about.node = number(record),
                NAME_IN => about.name_in = number(record).zip(name(record)),
                _ => {}
            }
            records = rest;
        }
        about
    }
}

/// The number in a record's handle.
fn number(record: &[u8]) -> Option<Id> {
    double(record, RECORD + HANDLE)
}

/// The name after a record's handle, which ends with a NUL.
fn name(record: &[u8]) -> Option<OsString> {
    let handle = usize::try_from(word(record, RECORD)?).ok()?;
    let name = record.get(RECORD + HANDLE + handle..)?;
    let name = name.split(|byte| *byte == 0).next()?;
    Some(OsStr::from_bytes(name).to_owned())
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn double(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, id: u64, name: &[u8]) -> Vec<u8> {
        let len = (RECORD + HANDLE + 8 + name.len()).next_multiple_of(4);
        let mut bytes = vec![kind, 0];
        bytes.extend(u16::try_from(len).expect("short").to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(8_u32.to_ne_bytes());
        bytes.extend(0xfe_i32.to_ne_bytes());
        bytes.extend(id.to_ne_bytes());
        bytes.extend(name);
        bytes.resize(len, 0);
        bytes
    }

    fn event(mask: MaskFlags, records: &[Vec<u8>]) -> Vec<u8> {
        let records = records.concat();
        let len = u32::try_from(METADATA + records.len()).expect("short");
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend([3, 0, 24, 0]);
        bytes.extend(mask.bits().to_ne_bytes());
        bytes.extend([0xff; 8]);
        bytes.extend(records);
        bytes
    }

    fn events_in(buffer: &[u8]) -> Vec<(Watch, Flags, String)> {
        parse(buffer)
            .into_iter()
            .map(|e| (e.watch, e.flags, e.name.into_string().expect("our names")))
            .collect()
    }

    #[test]
    fn reads_a_life() {
        let directory = MaskFlags::FAN_ONDIR;
        let buffer = [
            event(
                MaskFlags::FAN_CREATE | directory,
                &[record(NAME_IN, 1, b"job\0")],
            ),
            event(
                MaskFlags::FAN_MODIFY,
                &[record(NAME_IN, 2, b"cgroup.events\0"), record(NODE, 3, b"")],
            ),
            event(
                MaskFlags::FAN_DELETE | directory,
                &[record(NAME_IN, 1, b"job\0"), record(NODE, 2, b"")],
            ),
        ]
        .concat();
        assert_eq!(
            events_in(&buffer),
            [
                (1, Flags::CREATE | Flags::ISDIR, "job".to_owned()),
                (2, Flags::MODIFY, "cgroup.events".to_owned()),
                (2, Flags::DELETE_SELF, String::new()),
            ]
        );
    }

    #[test]
    fn reads_that_events_were_dropped() {
        let buffer = event(MaskFlags::FAN_Q_OVERFLOW, &[]);
        assert_eq!(
            events_in(&buffer),
            [(0, Flags::QUEUE_OVERFLOW, String::new())]
        );
    }

    #[test]
    fn leaves_out_what_it_does_not_understand() {
        let whole = event(
            MaskFlags::FAN_CREATE | MaskFlags::FAN_ONDIR,
            &[record(NAME_IN, 1, b"job\0")],
        );
        for len in 0..whole.len() {
            assert_eq!(events_in(&whole[..len]), []);
        }
        let other = event(
            MaskFlags::FAN_CREATE | MaskFlags::FAN_ONDIR,
            &[record(9, 1, b"job\0")],
        );
        assert_eq!(events_in(&other), []);
        let file = event(MaskFlags::FAN_CREATE, &[record(NAME_IN, 1, b"file\0")]);
        assert_eq!(events_in(&file), []);
    }
}
