// SPDX-License-Identifier: GPL-2.0

//! Counters of the removal path, since the module was loaded.

use super::names::LastFound;
use crate::compat::{Atomic, Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident $(+ $more:ident)?,)*) => {
        /// What removals on all processors write: two cache lines, which nothing else is in. A removal
        /// that leaves nothing to do writes the first only.
        #[repr(C, align(64))]
        pub(crate) struct Counters {
            /// No counter, but written as often.
            pub(super) last_found: LastFound,
            /// Inodes that were left to VFS at once, as most are: one counter for both.
            pub(super) left_to_vfs: Counter,
            $($(#[$doc])* pub(crate) $name: Counter,)*
        }

        pub(crate) static COUNTERS: Counters = Counters {
            last_found: LastFound::new(),
            left_to_vfs: Counter::new(),
            $($name: Counter::new(),)*
        };

        /// What users see: names and numbers.
        pub(crate) fn all() -> impl Iterator<Item = (&'static str, u64)> {
            [$((stringify!($name), COUNTERS.$name.get() $(+ COUNTERS.$more.get())?),)*].into_iter()
        }
    };
}

/// A number of events.
pub(crate) struct Counter(Atomic<u64>);

impl Counter {
    const fn new() -> Self {
        Self(Atomic::new(0))
    }

    pub(crate) fn add(&self, n: u64) {
        self.0.add(n, Relaxed);
    }

    /// The number so far.
    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

counters! {
    /// Nodes unlinked.
    nodes_removed,
    /// Lookups of an inode in a superblock.
    lookups,
    /// Nodes for which superblocks were searched; the others had no inode.
    nodes_looked_up,
    /// Searches of all superblocks for marks that ask for removals.
    supers_searched,
    /// Inodes that were reported, or whose report was left to VFS. Each is counted once more, by one of
    /// three: `ended_by_vfs`, `dentries_uncached`, `events_sent`.
    inodes_cleared + left_to_vfs,
    /// Inodes created to report them to a mark on the whole superblock.
    inodes_made,
    /// Inodes created to report a change to a mark on the superblock or the directory.
    notify_inodes_made,
    /// Inodes that could not be created, for lack of memory; `FAN_Q_OVERFLOW` was sent.
    overflows,
    /// Inodes that VFS reports, or drops, by itself.
    ended_by_vfs + left_to_vfs,
    /// Inodes whose unused dentries the release stage drops.
    dentries_uncached,
    /// Inodes without a dentry that the release stage reported.
    events_sent,
    /// Inodes handed to the release stage.
    inodes_queued,
    /// Inodes that the release stage is done with.
    inodes_released,
}

const _: () = assert!(core::mem::size_of::<Counters>() == 128);

/// Inodes that the release stage has yet to process.
pub(crate) fn work_pending() -> u64 {
    let (queued, released) = (&COUNTERS.inodes_queued, &COUNTERS.inodes_released);
    queued.get().saturating_sub(released.get())
}
