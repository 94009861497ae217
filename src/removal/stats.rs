// SPDX-License-Identifier: GPL-2.0

//! Counters of the removal path, since the module was loaded.

use crate::compat::{Atomic, Relaxed};
use core::ffi::CStr;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $label:literal $(+ $more:ident)?,)*) => {
        $($(#[$doc])* pub(crate) static $name: Counter = Counter(Atomic::new(0));)*

        /// The names that users see, each with the counters that make its number.
        static ALL: &[(&CStr, &[&Counter])] = &[$(($label, &[&$name $(, &$more)?])),*];
    };
}

/// A number of events.
pub(crate) struct Counter(Atomic<u64>);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.add(n, Relaxed);
    }

    /// The number so far.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

counters! {
    /// Nodes unlinked.
    NODES_REMOVED = c"nodes_removed",
    /// Lookups of an inode in a superblock.
    LOOKUPS = c"lookups",
    /// Nodes for which superblocks were searched; the others had no inode.
    NODES_LOOKED_UP = c"nodes_looked_up",
    /// Searches of all superblocks for marks that ask for removals.
    SUPERS_SEARCHED = c"supers_searched",
    /// Inodes that were reported, or whose report was left to VFS. Each is counted once more, by one of
    /// three: `ended_by_vfs`, `dentries_uncached`, `events_sent`.
    INODES_CLEARED = c"inodes_cleared" + LEFT_TO_VFS,
    /// Inodes created to report them to a mark on the whole superblock.
    INODES_MADE = c"inodes_made",
    /// Inodes created to report a change to a mark on the superblock or the directory.
    NOTIFY_INODES_MADE = c"notify_inodes_made",
    /// Inodes that could not be created, for lack of memory; `FAN_Q_OVERFLOW` was sent.
    OVERFLOWS = c"overflows",
    /// Inodes that VFS reports, or drops, by itself.
    ENDED_BY_VFS = c"ended_by_vfs" + LEFT_TO_VFS,
    /// Inodes whose unused dentries the release stage drops.
    DENTRIES_UNCACHED = c"dentries_uncached",
    /// Inodes without a dentry that the release stage reported.
    EVENTS_SENT = c"events_sent",
    /// Inodes handed to the release stage.
    INODES_QUEUED = c"inodes_queued",
    /// Inodes that the release stage is done with.
    INODES_RELEASED = c"inodes_released",
}

/// Inodes that were left to VFS at once, as most are: one counter for both.
pub(super) static LEFT_TO_VFS: Counter = Counter(Atomic::new(0));

/// What users see: names and numbers.
pub(crate) fn all() -> impl Iterator<Item = (&'static CStr, u64)> {
    ALL.iter()
        .map(|(name, counters)| (*name, counters.iter().map(|counter| counter.get()).sum()))
}

/// Inodes that the release stage has yet to process.
pub(crate) fn work_pending() -> u64 {
    INODES_QUEUED.get().saturating_sub(INODES_RELEASED.get())
}
