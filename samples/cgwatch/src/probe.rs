// SPDX-License-Identifier: GPL-2.0

//! Does this kernel report a removal to watches? It is tried: a cgroup is made and removed.

use crate::{
    cgroup::EVENTS,
    kernel::{Event, Flags, Running, Watch},
    report::Removals,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, OwnedFd},
    fs::{AtFlags, Mode, OFlags, inotify::WatchFlags, mkdirat, openat, unlinkat},
    io::Errno,
    process::getpid,
};
use std::time::{Duration, Instant};

/// The events come before rmdir returns, or within milliseconds.
const PATIENCE: Duration = Duration::from_millis(500);

/// Tries it with a cgroup in `dir`.
///
/// # Errors
///
/// The inotify instance does not work; that no cgroup can be made is an answer.
pub fn try_removal(dir: &OwnedFd) -> rustix::io::Result<Removals> {
    let scratch = match Scratch::new(dir) {
        Ok(scratch) => scratch,
        Err(e) => {
            return Ok(Removals::Unknown(format!(
                "no cgroup can be made here: {e}"
            )));
        }
    };
    let kernel = Running::with_watches()?;
    let watches = scratch.watch(&kernel)?;
    if let Err(e) = scratch.remove() {
        return Ok(Removals::Unknown(format!("rmdir: {e}")));
    }

    let mut events = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while watches
        .iter()
        .any(|(watch, _)| !is_delivered(&events, *watch))
    {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        wait(&kernel, left)?;
        events.extend(kernel.events()?);
    }
    let missing: Vec<&str> = watches
        .iter()
        .filter(|(watch, _)| !is_delivered(&events, *watch))
        .map(|(_, what)| *what)
        .collect();
    Ok(if missing.is_empty() {
        Removals::Delivered
    } else {
        Removals::NotTold(format!(
            "tried: nothing for a watched {}",
            missing.join(" or ")
        ))
    })
}

fn is_delivered(events: &[Event], watch: Watch) -> bool {
    [Flags::DELETE_SELF, Flags::IGNORED].iter().all(|flag| {
        events
            .iter()
            .any(|event| event.watch == watch && event.flags.contains(*flag))
    })
}

fn wait(kernel: &Running, time: Duration) -> rustix::io::Result<()> {
    let time = Timespec::try_from(time).map_err(|_| Errno::INVAL)?;
    match poll(&mut [PollFd::new(kernel, PollFlags::IN)], Some(&time)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(e) => Err(e),
    }
}

/// A cgroup of our own. It is removed in any case.
struct Scratch<'a> {
    dir: &'a OwnedFd,
    name: String,
}

impl<'a> Scratch<'a> {
    fn new(dir: &'a OwnedFd) -> rustix::io::Result<Self> {
        let name = format!(".cgwatch-{}", getpid().as_raw_nonzero());
        mkdirat(dir, &name, Mode::from_raw_mode(0o755))?;
        Ok(Self { dir, name })
    }

    /// Watches the directory and a file in it.
    fn watch(&self, kernel: &Running) -> rustix::io::Result<[(Watch, &'static str); 2]> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let dir = openat(self.dir, &self.name, flags, Mode::empty())?;
        let file = openat(&dir, EVENTS, flags, Mode::empty())?;
        let watch = |fd: &OwnedFd| kernel.watch_for(fd.as_fd(), WatchFlags::DELETE_SELF);
        Ok([(watch(&dir)?, "directory"), (watch(&file)?, "file")])
    }

    fn remove(self) -> rustix::io::Result<()> {
        unlinkat(self.dir, &self.name, AtFlags::REMOVEDIR)
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        let _ = unlinkat(self.dir, &self.name, AtFlags::REMOVEDIR);
    }
}
