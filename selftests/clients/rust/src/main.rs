// SPDX-License-Identifier: GPL-2.0

//! Watches with Rust's libraries the paths in its arguments:
//! `watch-rust notify|inotify PATH...`.
//!
//! It prints `ready` once it watches, and `end PATH` each time the library
//! reports the end of PATH.

use std::{collections::HashMap, env, path::Path, sync::mpsc};

use anyhow::{Context, Result, bail};
use inotify::{EventMask, Inotify, WatchMask};
use notify::{EventKind, RecursiveMode, Watcher};

fn with_notify(paths: &[String]) -> Result<()> {
    let (to, events) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(to)?;
    for path in paths {
        watcher
            .watch(Path::new(path), RecursiveMode::NonRecursive)
            .with_context(|| path.clone())?;
    }
    println!("ready");
    for event in events {
        let event = event?;
        if let EventKind::Remove(_) = event.kind {
            for path in event.paths {
                println!("end {}", path.display());
            }
        }
    }
    Ok(())
}

fn with_inotify(paths: &[String]) -> Result<()> {
    let mut inotify = Inotify::init()?;
    let mut watched = HashMap::new();
    for path in paths {
        let mask = WatchMask::DELETE_SELF | WatchMask::MODIFY;
        let watch = inotify.watches().add(path, mask).with_context(|| path.clone())?;
        watched.insert(watch, path);
    }
    println!("ready");
    let mut buffer = [0; 4096];
    loop {
        for event in inotify.read_events_blocking(&mut buffer)? {
            if event.mask.contains(EventMask::DELETE_SELF) {
                println!("end {}", watched[&event.wd]);
            }
        }
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.split_first() {
        Some((library, paths)) if library == "notify" => with_notify(paths),
        Some((library, paths)) if library == "inotify" => with_inotify(paths),
        _ => bail!("usage: watch-rust notify|inotify PATH..."),
    }
}
