// SPDX-License-Identifier: GPL-2.0

//! cgwatch: follow a cgroup subtree, with one fanotify mark or an inotify watch for each cgroup.
//!
//! - [`follow`]: what is known of the subtree, kept equal to what is there
//! - [`kernel`]: cgroup2, inotify and fanotify as the kernel offers them
//! - [`mark`]: one fanotify mark for all of the hierarchy
//! - [`patch`]: is rkernfs's patch in force?
//! - [`cgroup`]: what a cgroup's files say
//! - [`probe`]: does this kernel report a removal to watches?
//! - [`reclaim`]: when to read files again although no event says so
//! - [`report`]: the lines that are printed

#![forbid(unsafe_code)]

mod cgroup;
mod follow;
mod kernel;
mod mark;
mod patch;
mod probe;
mod reclaim;
mod report;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use follow::Follower;
use kernel::{Flags, Running, Watch};
use patch::Patch;
use reclaim::Reclaim;
use report::{Format, Means, Printer, Removals, Sink, What};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd,
    fs::{inotify::WatchFlags, stat},
    io::Errno,
};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::{
    fs,
    io::{self, BufWriter, ErrorKind, Stdout},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

/// Follow a cgroup and all below it: print what is there, then what changes, until it is removed.
///
/// A line is: time, event, cgroup, details. Events: watching, present, created, populated,
/// frozen, memory.high (and .max, .oom, .oom_kill…), unwatched, overflow, removed.
///
/// Exit status: 0 the cgroup was removed, or SIGINT or SIGTERM came; 1 an error; 2 wrong usage.
#[derive(Debug, Parser)]
#[command(version)]
#[expect(clippy::doc_markdown, reason = "this is what --help prints")]
struct Args {
    /// The cgroup's directory; by default all of the cgroup2 hierarchy
    cgroup: Option<PathBuf>,

    /// Print JSON, one object a line
    #[arg(short, long)]
    json: bool,

    #[command(flatten)]
    wanted: Wanted,

    /// Don't try, by making and removing a cgroup, whether the kernel reports removals
    #[arg(long)]
    no_probe: bool,

    /// Seconds between two checks for events that memory reclaim swallowed; 0: none. Where rkernfs
    /// is loaded there are none to check for
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    check: u32,
}

/// Which means to use, if it is not up to us.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Wanted {
    /// Follow with one fanotify mark on the whole hierarchy: the default where rkernfs is loaded and
    /// the process has `CAP_SYS_ADMIN`
    #[arg(long)]
    one_mark: bool,

    /// Follow with an inotify watch for each cgroup
    #[arg(long)]
    watches: bool,
}

type Out = Printer<BufWriter<Stdout>>;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            if let Some(e) = e.downcast_ref::<io::Error>() {
                if e.kind() == ErrorKind::BrokenPipe {
                    return ExitCode::SUCCESS;
                }
            }
            eprintln!("cgwatch: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    // Before anything is made that has to be removed again.
    let (stop, on_signal) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, on_signal.try_clone()?)?;
    }
    let top = match &args.cgroup {
        Some(path) => fs::canonicalize(path).with_context(|| path.display().to_string())?,
        None => find_hierarchy()?,
    };
    let mut watcher = Watcher::new(&top, args).with_context(|| top.display().to_string())?;
    let check = if patch::state() == Patch::InForce {
        0
    } else {
        args.check
    };
    watcher.run(&stop, check)
}

/// How to follow `top`, and why not with a mark, if rkernfs is there. With a mark, what happens
/// from here on is an event.
fn choose_means(top: &Path, wanted: &Wanted) -> Result<(Means, Option<String>, Running)> {
    let mut no_mark = None;
    if !wanted.watches {
        let patch = patch::settled();
        if wanted.one_mark || patch == Patch::InForce {
            match Running::with_mark(top) {
                Ok(kernel) => return Ok((Means::OneMark, None, kernel)),
                Err(e) if wanted.one_mark => return Err(e).context("fanotify"),
                // No right to, or fanotify is not there.
                Err(e) => no_mark = Some(format!("fanotify: {e}")),
            }
        } else if patch == Patch::InTransition {
            no_mark = Some("rkernfs is in transition".to_owned());
        }
    }
    let kernel = Running::with_watches().context("inotify_init1")?;
    Ok((Means::Watches, no_mark, kernel))
}

/// Where cgroup2 is mounted.
fn find_hierarchy() -> Result<PathBuf> {
    for path in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        let path = Path::new(path);
        if kernel::open(path).is_ok_and(|dir| kernel::is_cgroup(&dir) == Ok(true)) {
            return Ok(path.to_owned());
        }
    }
    bail!("no cgroup2 in /sys/fs/cgroup: name the cgroup to follow");
}

struct Watcher {
    follower: Follower<Running, Out>,
    /// Where the kernel doesn't report removals, two ways to learn of the top's: a watch on
    /// the cgroup that it is in, or looking now and then
    above: Option<Watch>,
    look: bool,
    reclaim: Reclaim,
}

impl Watcher {
    fn new(top: &Path, args: &Args) -> Result<Self> {
        ensure!(Path::new("/proc/self/fd").exists(), "/proc must be mounted");
        let dir = kernel::open(top)?;
        ensure!(kernel::is_cgroup(&dir)?, "not a directory of cgroup2");
        // First of all: nothing that happens during the walk is missed.
        let (means, no_mark, kernel) = choose_means(top, &args.wanted)?;

        let removals = if means == Means::OneMark {
            // By rmdir(2), on every kernel.
            Removals::Delivered
        } else if args.no_probe {
            Removals::Unknown("not tried".to_owned())
        } else {
            probe::try_removal(&dir).context("inotify")?
        };
        drop(dir);
        let root = root_of_hierarchy(top)?;
        let delivered = removals == Removals::Delivered;
        let above = if delivered {
            None
        } else {
            watch_above(&kernel, top, &root)
        };

        let format = if args.json {
            Format::Json
        } else {
            Format::Text
        };
        let mut out = Printer::new(BufWriter::new(io::stdout()), format);
        let name = Path::new("/").join(top.strip_prefix(&root)?);
        let id = stat(top)?.st_ino;
        out.report(&name, Some(id), &What::Watching(means, no_mark, removals));
        Ok(Self {
            reclaim: Reclaim::new(),
            follower: Follower::new(kernel, out, top, &name)?,
            look: !delivered && above.is_none(),
            above,
        })
    }

    fn run(&mut self, stop: &UnixStream, check: u32) -> Result<()> {
        self.follower.start()?;
        loop {
            self.follower.sink().flush()?;
            if self.follower.is_finished() {
                return Ok(());
            }
            if self.wait(stop, check)? {
                return Ok(());
            }
            self.handle_events()?;
            if self.look {
                self.follower.refresh(self.follower.top())?;
            }
            if check > 0 && self.reclaim.is_due() {
                let start = Instant::now();
                self.follower.refresh_all()?;
                self.reclaim.done(start.elapsed());
            }
        }
    }

    /// Waits for something to do; `true`: to stop.
    fn wait(&self, stop: &UnixStream, check: u32) -> Result<bool> {
        let time = Timespec::try_from(Duration::from_secs(check.into()))?;
        let mut fds = [
            PollFd::new(self.follower.kernel(), PollFlags::IN),
            PollFd::new(stop, PollFlags::IN),
        ];
        match poll(&mut fds, (check > 0).then_some(&time)) {
            Ok(_) | Err(Errno::INTR) => Ok(!fds[1].revents().is_empty()),
            Err(e) => Err(e.into()),
        }
    }

    fn handle_events(&mut self) -> Result<()> {
        for event in self.follower.kernel().events()? {
            if event.flags.contains(Flags::QUEUE_OVERFLOW) {
                // Whatever they say, a look at everything says, too.
                self.follower.kernel().discard_events()?;
                return self.follower.rescan();
            }
            if event.flags.contains(Flags::UNMOUNT) {
                bail!("the hierarchy was unmounted");
            }
            if Some(event.watch) == self.above {
                self.follower.refresh(self.follower.top())?;
            } else {
                self.follower.handle(&event)?;
            }
        }
        Ok(())
    }
}

/// The topmost directory of the mount that `top` is in, "/" in the names of cgroups.
fn root_of_hierarchy(top: &Path) -> Result<PathBuf> {
    let device = stat(top)?.st_dev;
    let mut root = top;
    while let Some(parent) = root.parent() {
        if stat(parent)?.st_dev != device {
            break;
        }
        root = parent;
    }
    Ok(root.to_owned())
}

/// Watches the directory that the top is in, if it is a cgroup and we may.
fn watch_above(kernel: &Running, top: &Path, root: &Path) -> Option<Watch> {
    if top == root {
        return None;
    }
    let dir = kernel::open(top.parent()?).ok()?;
    kernel.watch_for(dir.as_fd(), WatchFlags::DELETE).ok()
}
