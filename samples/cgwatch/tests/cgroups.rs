// SPDX-License-Identifier: GPL-2.0

//! cgwatch on real cgroups. Needs root and cgroup2; elsewhere the tests say so and pass.
//!
//! In the environment: `CGWATCH`, the program, if it was moved; `REMOVALS=delivered` or `not-delivered`,
//! what the kernel is known to do; `MEANS=one-mark` or `watches`, what cgwatch is to use;
//! `DEFAULT`, the same, what it is to use when it may choose.

use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::Value;
use std::{
    env,
    ffi::OsString,
    fmt, fs,
    io::{BufRead, BufReader},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio, id},
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, channel},
    },
    thread::{sleep, spawn},
    time::{Duration, Instant},
};

/// How long an event may take, in a guest on a busy host
const PATIENCE: Duration = Duration::from_secs(20);

/// A user without root's rights
const NOBODY: u32 = 65534;

/// The tests change system settings.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A cgroup for one test, removed with all below it.
struct Base {
    path: PathBuf,
    name: String,
    _lock: MutexGuard<'static, ()>,
}

/// The cgroup, or `None` where tests of this kind can't run.
fn base(test: &str) -> Option<Base> {
    let lock = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    await_patched();
    let root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .find(|root| Path::new(root).join("cgroup.controllers").exists());
    let name = format!("cgwatch-{test}-{}", id());
    match root {
        Some(root) if geteuid().is_root() => {
            // Not there, or on already
            let _ = fs::write(Path::new(root).join("cgroup.subtree_control"), "+memory");
            let path = Path::new(root).join(&name);
            fs::create_dir(&path).expect("a cgroup");
            Some(Base {
                path,
                name,
                _lock: lock,
            })
        }
        _ => {
            println!("{test}: skipped, this needs root and cgroup2");
            None
        }
    }
}

/// A patch that was just loaded is not in force before livepatch has moved all tasks over.
fn await_patched() {
    let deadline = Instant::now() + PATIENCE;
    let transition = "/sys/kernel/livepatch/rkernfs/transition";
    while fs::read_to_string(transition).is_ok_and(|text| text.trim() == "1") {
        assert!(Instant::now() < deadline, "rkernfs stays in transition");
        sleep(Duration::from_millis(20));
    }
}

impl Base {
    fn make(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir(&path).expect("a cgroup");
        path
    }

    /// The name of a cgroup in cgwatch's lines
    fn named(&self, name: &str) -> String {
        format!("/{}/{name}", self.name)
            .trim_end_matches('/')
            .to_owned()
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        remove_tree(&self.path);
    }
}

fn remove_tree(path: &Path) {
    if let Ok(entries) = fs::read_dir(path) {
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_tree(&entry.path());
            }
        }
    }
    rmdir(path);
}

/// Removes a cgroup, whose last process may be just about to end.
fn rmdir(path: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while fs::remove_dir(path).is_err() && path.exists() && Instant::now() < deadline {
        sleep(Duration::from_millis(5));
    }
}

/// A running cgwatch and what it said.
struct Cgwatch {
    child: Child,
    lines: Receiver<Value>,
    seen: Vec<Value>,
}

fn program() -> OsString {
    env::var_os("CGWATCH").unwrap_or_else(|| env!("CARGO_BIN_EXE_cgwatch").into())
}

impl Cgwatch {
    /// Starts it with the means that are to be tested, and waits until it watches.
    fn start(path: &Path) -> Self {
        let mut command = Command::new(program());
        if let Ok(means) = env::var("MEANS") {
            command.arg(format!("--{means}"));
        }
        Self::start_as(command.arg(path))
    }

    fn start_as(command: &mut Command) -> Self {
        let mut child = command
            .arg("--json")
            .stdout(Stdio::piped())
            .spawn()
            .expect("cgwatch");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("a line of JSON");
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut this = Self {
            child,
            lines,
            seen: Vec::new(),
        };
        this.wait("present or gone", |line| line["event"] == "present");
        this
    }

    /// Waits for a line, which may have been seen already.
    fn wait(&mut self, what: impl fmt::Display, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        if let Some(line) = self.seen.iter().find(|line| is_it(line)) {
            return line.clone();
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no line: {what}; there were {:#?}", self.seen);
            };
            self.seen.push(line.clone());
            if is_it(&line) {
                return line;
            }
        }
    }

    fn wait_for(&mut self, event: &str, cgroup: &str) -> Value {
        self.wait(format!("{event} {cgroup}"), |line| {
            line["event"] == event && line["cgroup"] == cgroup
        })
    }

    /// How often that was said so far
    fn count(&mut self, event: &str) -> usize {
        self.seen.extend(self.lines.try_iter());
        self.seen
            .iter()
            .filter(|line| line["event"] == event)
            .count()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits for its end.
    fn status(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status.code();
            }
            sleep(Duration::from_millis(5));
        }
        panic!("cgwatch does not end; there were {:#?}", self.seen);
    }

    /// (descriptors, watches and marks)
    fn holds(&self) -> (usize, usize) {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let infos = fs::read_dir(proc.join("fdinfo")).expect("it runs");
        let infos: Vec<String> = infos
            .flatten()
            .map(|entry| fs::read_to_string(entry.path()).unwrap_or_default())
            .collect();
        let is_watch =
            |line: &&str| line.starts_with("inotify ") || line.starts_with("fanotify sdev:");
        let watches = infos.iter().flat_map(|info| info.lines().filter(is_watch));
        (infos.len(), watches.count())
    }

    /// Does one mark stand for all watches?
    fn has_one_mark(&mut self) -> bool {
        let is_first = |line: &Value| line["event"] == "watching";
        self.wait("watching", is_first)["means"] == "one-mark"
    }

    /// How often it had something to do
    fn wakeups(&self) -> String {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).expect("it runs");
        let line = status
            .lines()
            .find(|line| line.starts_with("voluntary_ctxt_switches"));
        line.expect("the kernel counts them").to_owned()
    }

    fn wait_until_holds(&self, watches: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.holds().1 != watches {
            assert!(Instant::now() < deadline, "holds {:?}", self.holds());
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Cgwatch {
    fn drop(&mut self) {
        // Not killed: it would leave half a line.
        for signal in [Signal::TERM, Signal::CONT] {
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
        let _ = self.child.wait();
    }
}

/// Runs a shell command in a cgroup.
fn run_in(cgroup: &Path, command: &str) -> Child {
    Command::new("sh")
        .arg("-c")
        .arg(format!(
            "echo $$ >{}/cgroup.procs; {command}",
            cgroup.display()
        ))
        .stdout(Stdio::null())
        .spawn()
        .expect("sh")
}

#[test]
fn says_whether_removals_are_told() {
    let Some(base) = base("probe") else { return };
    let mut cgwatch = Cgwatch::start(&base.path);
    let line = cgwatch.wait_for("watching", &base.named(""));
    let delivered = line["removals_delivered"].as_bool();
    match env::var("REMOVALS").as_deref() {
        Ok("delivered") => assert_eq!(delivered, Some(true), "{line}"),
        Ok("not-delivered") => assert_eq!(delivered, Some(false), "{line}"),
        _ => println!("{line}"),
    }
    let left: Vec<_> = fs::read_dir(&base.path)
        .expect("the cgroup")
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .collect();
    assert!(left.is_empty(), "the probe left {left:?}");
    // The probe was over before anything was watched.
    assert_eq!(cgwatch.count("created"), 0);
}

#[test]
fn tells_a_life_and_ends_with_the_top() {
    let Some(base) = base("life") else { return };
    let mut cgwatch = Cgwatch::start(&base.path);
    let (path, name) = (base.make("a"), base.named("a"));
    let created = cgwatch.wait_for("created", &name);

    let mut process = run_in(&path, "exec sleep 1000");
    assert_eq!(cgwatch.wait_for("populated", &name)["populated"], true);
    process.kill().expect("it sleeps");
    process.wait().expect("our child");
    cgwatch.wait("empty", |line| {
        line["cgroup"] == name.as_str() && line["populated"] == false
    });
    rmdir(&path);
    let removed = cgwatch.wait_for("removed", &name);
    assert_eq!(created["id"], removed["id"]);

    rmdir(&base.path);
    cgwatch.wait_for("removed", &base.named(""));
    assert_eq!(cgwatch.status(), Some(0));
    assert_eq!(cgwatch.count("removed"), 2);
}

#[test]
fn tells_memory_events() {
    let Some(base) = base("memory") else { return };
    let path = base.make("a");
    if fs::write(base.path.join("cgroup.subtree_control"), "+memory").is_err() {
        println!("memory: skipped, no memory controller");
        return;
    }
    let name = base.named("a");
    let mut cgwatch = Cgwatch::start(&base.path);
    fs::write(path.join("memory.high"), "4M").expect("memory.high");
    fs::write(path.join("memory.max"), "16M").expect("memory.max");
    let mut process = run_in(&path, "exec tail /dev/zero");
    let high = cgwatch.wait_for("memory.high", &name);
    assert!(high["added"].as_u64() > Some(0) && high["total"].as_u64() >= high["added"].as_u64());
    // So that it gets to the limit at once
    fs::write(path.join("memory.high"), "max").expect("memory.high");
    cgwatch.wait_for("memory.oom_kill", &name);
    process.wait().expect("our child");
    assert!(
        !cgwatch
            .seen
            .iter()
            .any(|line| { line["cgroup"] == base.named("").as_str() && line["total"].is_number() }),
        "reported of the parent, too"
    );
}

/// Only one mark does: a watch of the directory would wait for the file to be closed.
#[test]
fn tells_how_a_cgroup_ended_where_the_kernel_keeps_it() {
    let Some(base) = base("ended") else { return };
    let parameter = "/sys/module/rkernfs/parameters/final_events";
    if !Path::new(parameter).exists()
        || fs::write(base.path.join("cgroup.subtree_control"), "+memory").is_err()
    {
        println!("ended: skipped, no final_events or no memory controller");
        return;
    }
    let _setting = Setting::new(parameter.to_owned(), "1");
    let mut cgwatch = Cgwatch::start(&base.path);
    let (path, name) = (base.make("a"), base.named("a"));
    cgwatch.wait_for("created", &name);

    // It is all over before cgwatch can look.
    cgwatch.signal(Signal::STOP);
    fs::write(path.join("memory.max"), "4M").expect("memory.max");
    let mut process = run_in(&path, "exec tail /dev/zero");
    process.wait().expect("our child");
    rmdir(&path);
    cgwatch.signal(Signal::CONT);
    let removed = cgwatch.wait_for("removed", &name);
    let oom_kill = removed["memory"]["oom_kill"].as_u64();
    if cgwatch.has_one_mark() {
        assert_eq!(oom_kill, Some(1), "{removed}");
        assert_eq!(cgwatch.wait_for("memory.oom_kill", &name)["added"], 1);
    } else {
        assert_eq!(oom_kill, None, "{removed}");
    }
}

#[test]
fn notices_a_controller_that_comes_later() {
    let Some(base) = base("later") else { return };
    let path = base.make("a");
    let mut cgwatch = Cgwatch::start(&base.path);
    if fs::write(base.path.join("cgroup.subtree_control"), "+memory").is_err() {
        println!("later: skipped, no memory controller");
        return;
    }
    sleep(Duration::from_millis(200));
    fs::write(path.join("memory.max"), "4M").expect("memory.max");
    let mut process = run_in(&path, "exec tail /dev/zero");
    cgwatch.wait_for("memory.oom_kill", &base.named("a"));
    process.wait().expect("our child");
}

#[test]
fn chooses_its_means() {
    let Some(base) = base("means") else { return };
    let mut cgwatch = Cgwatch::start_as(Command::new(program()).arg(&base.path));
    let line = cgwatch.wait_for("watching", &base.named(""));
    match env::var("DEFAULT") {
        Ok(means) => assert_eq!(line["means"], means, "{line}"),
        Err(_) => println!("{line}"),
    }
}

#[test]
fn holds_one_mark_or_one_watch_for_each_cgroup() {
    const CGROUPS: usize = 200;
    let Some(base) = base("watches") else { return };
    for n in 0..CGROUPS / 2 {
        base.make(&n.to_string());
    }
    let mut cgwatch = Cgwatch::start(&base.path);
    let one_mark = cgwatch.has_one_mark();
    let delivered = cgwatch.wait_for("watching", &base.named(""))["removals_delivered"] == true;
    // Without removal events, one more for the end of the top
    let above = usize::from(!delivered);
    let watches_of = |cgroups| {
        if one_mark { 1 } else { cgroups + above }
    };
    // Lines come when it has closed the directories that they are about.
    for n in 0..CGROUPS / 2 {
        cgwatch.wait_for("present", &base.named(&n.to_string()));
    }
    let (descriptors_before, _) = cgwatch.holds();
    for n in CGROUPS / 2..CGROUPS {
        base.make(&n.to_string());
    }
    cgwatch.wait_for("created", &base.named(&(CGROUPS - 1).to_string()));
    let (descriptors, watches) = cgwatch.holds();
    assert_eq!(watches, watches_of(CGROUPS + 1));
    println!(
        "{} cgroups: {descriptors} descriptors, {watches} watches",
        CGROUPS + 1
    );
    assert_eq!(descriptors, descriptors_before, "with half as many cgroups");

    for n in 0..CGROUPS {
        rmdir(&base.path.join(n.to_string()));
    }
    for n in 0..CGROUPS {
        cgwatch.wait_for("removed", &base.named(&n.to_string()));
    }
    cgwatch.wait_until_holds(watches_of(1));
    let (descriptors, watches) = cgwatch.holds();
    println!("1 cgroup: {descriptors} descriptors, {watches} watches");
    assert_eq!(
        cgwatch.count("created") + cgwatch.count("present"),
        CGROUPS + 1
    );
}

#[test]
fn follows_paths_that_are_too_long_for_the_kernel() {
    let Some(base) = base("deep") else { return };
    let name = "n".repeat(200);
    let mut path = base.path.clone();
    // As deep as a path can say
    while path.as_os_str().len() + name.len() < 4000 {
        path.push(&name);
        fs::create_dir(&path).expect("a cgroup");
    }
    // And deeper
    for _ in 0..2 {
        let script = format!("cd {} && mkdir -p {name}/{name}", path.display());
        let status = Command::new("sh").arg("-c").arg(script).status();
        assert!(status.expect("sh").success());
    }
    let deepest = base.named(
        path.strip_prefix(&base.path)
            .expect("below")
            .to_str()
            .expect("n"),
    );
    let deepest = format!("{deepest}/{name}/{name}");
    let mut cgwatch = Cgwatch::start(&base.path);
    cgwatch.wait_for("present", &deepest);
    let script = format!("cd {} && rmdir {name}/{name} {name}", path.display());
    let status = Command::new("sh").arg("-c").arg(script).status();
    assert!(status.expect("sh").success());
    cgwatch.wait_for("removed", &deepest);
}

/// Puts a setting back.
struct Setting {
    path: String,
    before: String,
}

impl Setting {
    fn new(path: String, value: &str) -> Self {
        let before = fs::read_to_string(&path).expect("the setting");
        fs::write(&path, value).expect("root may");
        Self { path, before }
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        let _ = fs::write(&self.path, &self.before);
    }
}

#[test]
fn survives_an_overflow_of_the_queue() {
    let Some(base) = base("overflow") else { return };
    let goes = base.make("goes");
    let settings = ["inotify", "fanotify"]
        .map(|api| Setting::new(format!("/proc/sys/fs/{api}/max_queued_events"), "16"));
    let mut cgwatch = Cgwatch::start(&base.path);
    drop(settings);
    cgwatch.wait_for("present", &base.named("goes"));

    cgwatch.signal(Signal::STOP);
    for n in 0..100 {
        base.make(&n.to_string());
        if n % 2 == 1 {
            rmdir(&base.path.join(n.to_string()));
        }
    }
    rmdir(&goes);
    cgwatch.signal(Signal::CONT);
    cgwatch.wait_for("overflow", &base.named(""));
    assert_eq!(cgwatch.count("overflow"), 1);
    cgwatch.wait_for("removed", &base.named("goes"));
    for n in (0..100).step_by(2) {
        cgwatch.wait_for("created", &base.named(&n.to_string()));
    }
    assert_eq!(
        cgwatch.count("created") - (cgwatch.count("removed") - 1),
        50
    );

    base.make("after");
    cgwatch.wait_for("created", &base.named("after"));
}

#[test]
fn keeps_count_of_cgroups_that_come_and_go() {
    let Some(base) = base("churn") else { return };
    let mut cgwatch = Cgwatch::start(&base.path);
    for n in 0..300 {
        let path = base.make(&(n % 3).to_string());
        if n % 5 == 0 {
            rmdir(&base.make(&format!("{}/b", n % 3)));
        }
        rmdir(&path);
    }
    base.make("last");
    cgwatch.wait_for("created", &base.named("last"));
    rmdir(&base.path.join("last"));
    cgwatch.wait_for("removed", &base.named("last"));
    assert_eq!(cgwatch.count("created"), cgwatch.count("removed"));
}

#[test]
fn hears_of_what_happens_after_reclaim() {
    let Some(base) = base("reclaim") else { return };
    let (path, name) = (base.make("a"), base.named("a"));
    let mut cgwatch = Cgwatch::start(&base.path);
    cgwatch.wait_for("present", &name);
    for _ in 0..6 {
        fs::write("/proc/sys/vm/drop_caches", "2").expect("root may");
    }
    let mut process = run_in(&path, "exec sleep 1000");
    assert_eq!(cgwatch.wait_for("populated", &name)["populated"], true);
    process.kill().expect("it sleeps");
    process.wait().expect("our child");
    for _ in 0..6 {
        fs::write("/proc/sys/vm/drop_caches", "2").expect("root may");
    }
    rmdir(&path);
    cgwatch.wait_for("removed", &name);
    rmdir(&base.path);
    assert_eq!(cgwatch.status(), Some(0));
}

/// Where no event is lost, there is nothing to look for.
#[test]
fn sleeps_while_nothing_happens() {
    let Some(base) = base("idle") else { return };
    let mut cgwatch = Cgwatch::start(&base.path);
    if env::var("DEFAULT").as_deref() != Ok("one-mark") {
        println!("idle: skipped, this kernel may lose events");
        return;
    }
    cgwatch.wait_for("present", &base.named(""));
    sleep(Duration::from_millis(500));
    let before = cgwatch.wakeups();
    sleep(Duration::from_secs(3));
    assert_eq!(cgwatch.wakeups(), before);
}

#[test]
fn needs_the_right_to_mark() {
    let Some(base) = base("right") else { return };
    let output = Command::new(program())
        .arg("--one-mark")
        .arg(&base.path)
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("cgwatch");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("fanotify"), "{error}");
}

#[test]
fn goes_on_without_permission() {
    let Some(base) = base("nobody") else { return };
    let (path, name) = (base.make("secret"), base.named("secret"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("chmod");
    let mut cgwatch = Cgwatch::start_as(
        Command::new(program())
            .arg(&base.path)
            .uid(NOBODY)
            .gid(NOBODY),
    );
    let line = cgwatch.wait_for("watching", &base.named(""));
    assert!(line["removals_delivered"].is_null(), "{line}");
    cgwatch.wait_for("unwatched", &name);
    rmdir(&path);
    cgwatch.wait_for("removed", &name);
}

#[test]
fn ends_on_a_signal() {
    let Some(base) = base("signal") else { return };
    for signal in [Signal::INT, Signal::TERM] {
        let mut cgwatch = Cgwatch::start(&base.path);
        cgwatch.signal(signal);
        assert_eq!(cgwatch.status(), Some(0));
    }
}

#[test]
fn refuses_what_is_no_cgroup() {
    let run = |path: &str| Command::new(program()).arg(path).output().expect("cgwatch");
    for path in ["/", "/proc/self/exe", "/nowhere"] {
        let output = run(path);
        assert_eq!(output.status.code(), Some(1), "{path}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            error.starts_with(&format!("cgwatch: {path}")) || path.contains("exe"),
            "{error}"
        );
    }
}
