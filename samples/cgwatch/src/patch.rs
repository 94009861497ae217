// SPDX-License-Identifier: GPL-2.0

//! Is rkernfs's patch in force? Then no event is lost for want of an inode.

use std::{
    fs,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

const SYSFS: &str = "/sys/kernel/livepatch/rkernfs";
/// Tasks change over within a second or two; one that sleeps in a patched function may take long.
const PATIENCE: Duration = Duration::from_secs(5);

/// What livepatch says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    /// It is not there, or disabled
    Absent,
    /// Some tasks still run the kernel's own functions, or run them again
    InTransition,
    /// All tasks run the functions of the patch
    InForce,
}

/// Now.
pub fn state() -> Patch {
    state_in(Path::new(SYSFS))
}

/// After a transition that is under way, unless it takes long.
pub fn settled() -> Patch {
    settled_in(Path::new(SYSFS), PATIENCE)
}

fn state_in(dir: &Path) -> Patch {
    let says = |name: &str, what: &str| {
        fs::read_to_string(dir.join(name)).is_ok_and(|text| text.trim() == what)
    };
    if says("transition", "1") {
        Patch::InTransition
    } else if says("enabled", "1") {
        Patch::InForce
    } else {
        Patch::Absent
    }
}

fn settled_in(dir: &Path, patience: Duration) -> Patch {
    let deadline = Instant::now() + patience;
    loop {
        let state = state_in(dir);
        if state != Patch::InTransition || Instant::now() >= deadline {
            return state;
        }
        sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, path::PathBuf, process, thread};

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("cgwatch-{name}-{}", process::id()));
            fs::create_dir(&path).expect("a folder");
            Self(path)
        }

        fn write(&self, enabled: &str, transition: &str) {
            fs::write(self.0.join("enabled"), enabled).expect("written");
            fs::write(self.0.join("transition"), transition).expect("written");
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn reads_what_livepatch_says() {
        let dir = Dir::new("says");
        assert_eq!(state_in(&dir.0), Patch::Absent);
        dir.write("1\n", "0\n");
        assert_eq!(state_in(&dir.0), Patch::InForce);
        dir.write("1\n", "1\n");
        assert_eq!(state_in(&dir.0), Patch::InTransition);
        dir.write("0\n", "0\n");
        assert_eq!(state_in(&dir.0), Patch::Absent);
    }

    #[test]
    fn waits_for_a_transition() {
        let dir = Dir::new("waits");
        dir.write("1\n", "1\n");
        assert_eq!(settled_in(&dir.0, Duration::ZERO), Patch::InTransition);
        let state = thread::scope(|scope| {
            scope.spawn(|| {
                sleep(Duration::from_millis(50));
                fs::write(dir.0.join("transition"), "0\n").expect("written");
            });
            settled_in(&dir.0, Duration::from_secs(3600))
        });
        assert_eq!(state, Patch::InForce);
    }
}
