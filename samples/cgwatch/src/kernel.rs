// SPDX-License-Identifier: GPL-2.0

//! cgroup2, inotify and fanotify as the kernel offers them.

use crate::{
    cgroup::{EVENTS, Id, MEMORY_EVENTS, Memory, SUBTREE_CONTROL, State},
    mark::Mark,
};
use rustix::{
    fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    fs::{
        AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, fstatfs,
        inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
        openat, statat,
    },
    io::{Errno, Result, pread, read},
    process::{Resource, getrlimit},
};
use std::{
    ffi::{OsStr, OsString},
    mem::MaybeUninit,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

/// What [`Follower`](crate::follow::Follower) needs of a kernel.
pub trait Kernel {
    /// An open directory. As long as it is open, its removal is not reported: drop it soon.
    type Dir;
    /// The memory events of a cgroup, kept open to be read when it is removed.
    type Last;

    /// Opens the directory at an absolute path.
    fn open(&self, path: &Path) -> Result<Self::Dir>;
    /// Opens the subdirectory `name` of `dir`.
    fn open_in(&self, dir: &Self::Dir, name: &OsStr) -> Result<Self::Dir>;
    /// The number of a cgroup that is open.
    fn id(&self, dir: &Self::Dir) -> Result<Id>;
    /// The number of the subdirectory `name`, which need not be readable.
    fn id_in(&self, dir: &Self::Dir, name: &OsStr) -> Result<Id>;
    /// The names of the subdirectories.
    fn children(&self, dir: &Self::Dir) -> Result<Vec<OsString>>;
    /// What the cgroup's files say. `ENODEV` or `ENOENT`: it was removed.
    fn state(&self, dir: &Self::Dir) -> Result<State>;
    /// Keeps its memory events open, if they can be read when the cgroup is removed.
    fn keep(&self, dir: &Self::Dir) -> Option<Self::Last>;
    /// What they say, or said last. `None`: this kernel didn't keep it.
    fn last(&self, last: &Self::Last) -> Option<Memory>;
    /// Watches a cgroup.
    fn watch(&mut self, dir: &Self::Dir) -> Result<Watch>;
    /// Gives a watch back.
    fn unwatch(&mut self, watch: Watch);
}

/// A watch descriptor of inotify, or the cgroup's number where one mark is for all. 0, that of
/// [`Flags::QUEUE_OVERFLOW`], is neither.
pub type Watch = u64;
/// What an event says.
pub type Flags = ReadFlags;

/// One event of inotify, or one of fanotify put in its words.
#[derive(Clone, Debug)]
pub struct Event {
    /// Which watch got it
    pub watch: Watch,
    /// What happened
    pub flags: Flags,
    /// To which file in the watched directory; empty: to the directory
    pub name: OsString,
}

/// The running kernel, and how it reports events.
#[derive(Debug)]
pub enum Running {
    /// An inotify instance, with a watch for each cgroup
    Watches(OwnedFd),
    /// One fanotify mark for all
    Mark(Mark),
}

/// Left free by [`Kernel::keep`]
const SPARE_DESCRIPTORS: u64 = 32;

/// Longer paths are opened in steps.
const LONGEST_PATH: usize = 4000;

impl Running {
    /// With an inotify instance.
    pub fn with_watches() -> Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self::Watches(inotify))
    }

    /// With one mark on all of the hierarchy that `top` is in.
    pub fn with_mark(top: &Path) -> Result<Self> {
        Ok(Self::Mark(Mark::new(top)?))
    }

    /// Watches a file or directory for these events. One mark hears of them anyway, of a directory.
    pub fn watch_for(&self, fd: BorrowedFd<'_>, events: WatchFlags) -> Result<Watch> {
        let Self::Watches(inotify) = self else {
            return Ok(fstat(fd)?.st_ino);
        };
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        inotify::add_watch(inotify, path, events).map(watch_of)
    }

    /// The events that are queued, up to a buffer full of them; none: the queue is empty.
    pub fn events(&self) -> Result<Vec<Event>> {
        let inotify = match self {
            Self::Watches(inotify) => inotify,
            Self::Mark(mark) => return mark.events(),
        };
        let mut buffer = [MaybeUninit::uninit(); 16384];
        let mut reader = Reader::new(inotify.as_fd(), &mut buffer);
        let mut events = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => events.push(Event {
                    watch: watch_of(event.wd()),
                    flags: event.events(),
                    name: event.file_name().map_or_else(OsString::new, |name| {
                        OsString::from_vec(name.to_bytes().to_vec())
                    }),
                }),
                Err(Errno::AGAIN | Errno::INTR) => return Ok(events),
                Err(e) => return Err(e),
            }
            if reader.is_buffer_empty() {
                return Ok(events);
            }
        }
    }

    /// Forgets the events that are queued.
    pub fn discard_events(&self) -> Result<()> {
        while !self.events()?.is_empty() {}
        Ok(())
    }
}

impl AsFd for Running {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Watches(inotify) => inotify.as_fd(),
            Self::Mark(mark) => mark.as_fd(),
        }
    }
}

impl Kernel for Running {
    type Dir = OwnedFd;
    type Last = OwnedFd;

    fn open(&self, path: &Path) -> Result<OwnedFd> {
        open(path)
    }

    fn open_in(&self, dir: &OwnedFd, name: &OsStr) -> Result<OwnedFd> {
        open_dir(dir.as_fd(), Path::new(name))
    }

    fn id(&self, dir: &OwnedFd) -> Result<Id> {
        Ok(fstat(dir)?.st_ino)
    }

    fn id_in(&self, dir: &OwnedFd, name: &OsStr) -> Result<Id> {
        Ok(statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?.st_ino)
    }

    fn children(&self, dir: &OwnedFd) -> Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if entry.file_type() == FileType::Directory && name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        Ok(names)
    }

    fn state(&self, dir: &OwnedFd) -> Result<State> {
        let events = read_file(dir, EVENTS)?;
        let memory = read_file(dir, MEMORY_EVENTS)?;
        if events.is_none() && memory.is_none() {
            // The root has neither, a removed cgroup no files at all.
            statat(dir, SUBTREE_CONTROL, AtFlags::empty())?;
        }
        Ok(State::parse(
            &events.unwrap_or_default(),
            &memory.unwrap_or_default(),
        ))
    }

    /// Not where it would delay the report of the directory's removal, as to a watch; and not of
    /// so many that no descriptor is left for anything else.
    fn keep(&self, dir: &OwnedFd) -> Option<OwnedFd> {
        let Self::Mark(mark) = self else {
            return None;
        };
        let file = mark
            .reads_last()
            .then(|| open_file(dir, MEMORY_EVENTS).ok())??;
        let limit = getrlimit(Resource::Nofile).current;
        let number = u64::try_from(file.as_raw_fd()).ok()?;
        limit
            .is_none_or(|limit| number + SPARE_DESCRIPTORS < limit)
            .then_some(file)
    }

    fn last(&self, last: &OwnedFd) -> Option<Memory> {
        let mut text = [0; 4096];
        let len = pread(last, &mut text, 0).ok()?;
        Some(State::parse("", &String::from_utf8_lossy(&text[..len])).memory)
    }

    fn watch(&mut self, dir: &OwnedFd) -> Result<Watch> {
        self.watch_for(
            dir.as_fd(),
            WatchFlags::CREATE
                | WatchFlags::DELETE
                | WatchFlags::MODIFY
                | WatchFlags::DELETE_SELF
                | WatchFlags::ONLYDIR,
        )
    }

    fn unwatch(&mut self, watch: Watch) {
        let (Self::Watches(inotify), Ok(wd)) = (self, i32::try_from(watch)) else {
            return;
        };
        // The kernel may have been faster.
        let _ = inotify::remove_watch(inotify, wd);
    }
}

/// They begin with 1; an overflow has -1.
fn watch_of(wd: i32) -> Watch {
    u64::try_from(wd).unwrap_or(0)
}

/// Is that directory one of cgroup2?
pub fn is_cgroup(dir: &OwnedFd) -> Result<bool> {
    // CGROUP2_SUPER_MAGIC, whose type is not the same everywhere
    Ok(fstatfs(dir)?.f_type == 0x6367_7270)
}

/// Opens the directory at an absolute path.
pub fn open(path: &Path) -> Result<OwnedFd> {
    if path.as_os_str().len() < LONGEST_PATH {
        return open_dir(CWD, path);
    }
    let mut dir = open_dir(CWD, Path::new("/"))?;
    for component in path.iter().skip(1) {
        dir = open_dir(dir.as_fd(), Path::new(component))?;
    }
    Ok(dir)
}

fn open_dir(at: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, path, flags, Mode::empty())
}

fn open_file(dir: &OwnedFd, name: &str) -> Result<OwnedFd> {
    openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// The text of a file of a cgroup; `None` if it has no such file.
fn read_file(dir: &OwnedFd, name: &str) -> Result<Option<String>> {
    let file = match open_file(dir, name) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::ACCESS) => return Ok(None),
        Err(e) => return Err(e),
    };
    // They are a few lines long, and come in one piece.
    let mut text = [0; 4096];
    let len = read(&file, &mut text)?;
    Ok(Some(String::from_utf8_lossy(&text[..len]).into_owned()))
}
