// SPDX-License-Identifier: GPL-2.0

//! When must files be read again although no event says so?
//!
//! The kernel sends `IN_MODIFY` for `cgroup.events` and `memory.events.local` only while it has
//! an inode of that file (`kernfs_notify_workfn()` looks it up). The watch of the directory does
//! not hold it: after we read the file, it stays in the dentry cache until memory is short.
//! `slabs_scanned` in `/proc/vmstat` moves when caches are reclaimed; then all files are read
//! again, which finds what was missed and makes the inodes again.

use std::{
    fs,
    time::{Duration, Instant},
};

/// Without the counter: read again after that time anyway.
const WITHOUT_COUNTER: Duration = Duration::from_secs(10);
/// Reading takes at most one part in that many of the time.
const SHARE: u32 = 20;

/// Looks whether caches were reclaimed.
#[derive(Debug)]
pub struct Reclaim {
    scanned: Option<u64>,
    not_before: Instant,
}

impl Reclaim {
    /// From now on.
    pub fn new() -> Self {
        Self {
            scanned: slabs_scanned(),
            not_before: Instant::now(),
        }
    }

    /// Is it time to read all files again? If so, that is what the caller does now.
    pub fn is_due(&mut self) -> bool {
        let now = Instant::now();
        if now < self.not_before {
            return false;
        }
        let before = self.scanned;
        self.scanned = slabs_scanned();
        if self.scanned.is_none() {
            self.not_before = now + WITHOUT_COUNTER;
            return true;
        }
        self.scanned != before
    }

    /// It was done, and took that long.
    pub fn done(&mut self, taken: Duration) {
        self.not_before = self.not_before.max(Instant::now() + taken * SHARE);
    }
}

fn slabs_scanned() -> Option<u64> {
    parse(&fs::read_to_string("/proc/vmstat").ok()?)
}

fn parse(vmstat: &str) -> Option<u64> {
    vmstat
        .lines()
        .find_map(|line| line.strip_prefix("slabs_scanned "))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_counter() {
        assert_eq!(parse("nr_x 1\nslabs_scanned 4711\npgsteal 2\n"), Some(4711));
        assert_eq!(parse("nr_slabs_scanned 3\n"), None);
    }

    #[test]
    fn waits_after_an_expensive_round() {
        let mut reclaim = Reclaim {
            scanned: Some(u64::MAX),
            not_before: Instant::now(),
        };
        // u64::MAX is not what the counter is now.
        assert!(reclaim.is_due());
        reclaim.scanned = Some(u64::MAX);
        reclaim.done(Duration::from_secs(1));
        assert!(!reclaim.is_due());
    }
}
