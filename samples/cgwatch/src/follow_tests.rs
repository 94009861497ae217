// SPDX-License-Identifier: GPL-2.0

//! A made-up kernel that changes its cgroups between any two calls, so that every race between
//! looking and events comes up, again and again the same for a seed.

use super::*;
use std::{
    cell::{Ref, RefCell, RefMut},
    collections::{BTreeSet, VecDeque},
    rc::Rc,
};

const TOP: Id = 1;
const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Default)]
struct Node {
    parent: Option<Id>,
    name: String,
    children: BTreeMap<String, Id>,
    populated: bool,
    high: u64,
    /// Is there an inode of its files? Without, they send no events.
    cached: bool,
    removed: bool,
    opened: usize,
    watch: Option<Watch>,
}

/// What gets the events of a removal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Notified {
    None,
    Watches,
    Mark,
}

/// What the made-up kernel does.
#[derive(Clone, Copy)]
struct Manner {
    removals: Notified,
    reclaims: bool,
    longest_queue: usize,
    secret: bool,
}

const PLAIN: Manner = Manner {
    removals: Notified::Watches,
    reclaims: false,
    longest_queue: usize::MAX,
    secret: false,
};

impl Manner {
    fn has_mark(self) -> bool {
        self.removals == Notified::Mark
    }

    fn tells_watches(self) -> bool {
        self.removals == Notified::Watches
    }
}

struct World {
    manner: Manner,
    nodes: BTreeMap<Id, Node>,
    queue: VecDeque<Event>,
    random: u64,
    changes_left: usize,
    next_id: Id,
    next_watch: Watch,
}

impl World {
    fn new(manner: Manner, seed: u64, changes: usize) -> Self {
        Self {
            manner,
            nodes: BTreeMap::from([(TOP, Node::default())]),
            queue: VecDeque::new(),
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            changes_left: changes,
            next_id: TOP,
            next_watch: 0,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).expect("31 bits") % limit
    }

    fn alive(&self) -> Vec<Id> {
        let ids = self.nodes.iter().filter(|(_, n)| !n.removed);
        ids.map(|(id, _)| *id).collect()
    }

    fn is_secret(&self, id: Id) -> bool {
        self.manner.secret && self.nodes[&id].name == "c"
    }

    /// Can a user that may not open secret cgroups know of it?
    fn in_sight(&self, id: Id) -> bool {
        self.nodes[&id]
            .parent
            .is_none_or(|parent| !self.is_secret(parent) && self.in_sight(parent))
    }

    fn node(&mut self, id: Id) -> &mut Node {
        self.nodes.get_mut(&id).expect("nodes stay")
    }

    fn send(&mut self, to: Id, flags: Flags, name: &str) {
        let watch = if self.manner.has_mark() {
            to
        } else if let Some(watch) = self.node(to).watch {
            watch
        } else {
            return;
        };
        if self.queue.len() > self.manner.longest_queue {
            return;
        }
        let event = if self.queue.len() == self.manner.longest_queue {
            Event {
                watch: 0,
                flags: Flags::QUEUE_OVERFLOW,
                name: OsString::new(),
            }
        } else {
            Event {
                watch,
                flags,
                name: name.into(),
            }
        };
        self.queue.push_back(event);
    }

    fn end_watch(&mut self, id: Id) {
        self.send(id, Flags::DELETE_SELF, "");
        self.send(id, Flags::IGNORED, "");
        self.node(id).watch = None;
    }

    fn mkdir(&mut self, parent: Id, name: &str) {
        if self.node(parent).children.contains_key(name) {
            return;
        }
        self.next_id += 1;
        let id = self.next_id;
        self.node(parent).children.insert(name.to_owned(), id);
        let node = Node {
            parent: Some(parent),
            name: name.to_owned(),
            ..Node::default()
        };
        self.nodes.insert(id, node);
        self.send(parent, Flags::CREATE | Flags::ISDIR, name);
    }

    fn rmdir(&mut self, id: Id) {
        let Some(parent) = self.node(id).parent else {
            return;
        };
        if !self.node(id).children.is_empty() {
            return;
        }
        let name = self.node(id).name.clone();
        self.node(id).removed = true;
        self.node(parent).children.remove(&name);
        if self.manner.has_mark() {
            // By its own handle, whichever process has it open.
            return self.send(id, Flags::DELETE_SELF, "");
        }
        if self.manner.tells_watches() && self.node(id).opened == 0 {
            self.end_watch(id);
        }
        self.send(parent, Flags::DELETE | Flags::ISDIR, &name);
    }

    fn modify(&mut self, id: Id, file: &str) {
        if self.node(id).cached {
            self.send(id, Flags::MODIFY, file);
        }
    }

    /// Perhaps changes something.
    fn change(&mut self) {
        if self.changes_left == 0 || self.below(3) != 0 {
            return;
        }
        self.changes_left -= 1;
        let alive = self.alive();
        let id = alive[self.below(alive.len())];
        let name = NAMES[self.below(NAMES.len())];
        match self.below(12) {
            0..4 => self.mkdir(id, name),
            4..8 => self.rmdir(id),
            8..10 => {
                self.node(id).populated ^= true;
                self.modify(id, EVENTS);
            }
            10 => {
                self.node(id).high += 1;
                self.modify(id, MEMORY_EVENTS);
            }
            _ if self.manner.reclaims => self.node(id).cached = false,
            _ => self.send(id, Flags::MODIFY, "cgroup.procs"),
        }
    }
}

#[derive(Clone)]
struct Fake(Rc<RefCell<World>>);

struct FakeDir {
    id: Id,
    fake: Fake,
}

impl Drop for FakeDir {
    fn drop(&mut self) {
        let mut world = self.fake.0.borrow_mut();
        let node = world.node(self.id);
        node.opened -= 1;
        if node.opened == 0 && node.removed && world.manner.tells_watches() {
            world.end_watch(self.id);
        }
    }
}

impl Fake {
    fn world(&self) -> Ref<'_, World> {
        self.0.borrow()
    }

    /// The world, a moment later.
    fn later(&self) -> RefMut<'_, World> {
        let mut world = self.0.borrow_mut();
        world.change();
        world
    }

    fn opened(&self, mut world: RefMut<'_, World>, id: Id) -> rustix::io::Result<FakeDir> {
        if world.is_secret(id) {
            return Err(Errno::ACCESS);
        }
        world.node(id).opened += 1;
        Ok(FakeDir {
            id,
            fake: self.clone(),
        })
    }

    fn find(world: &mut World, id: Id, name: &OsStr) -> rustix::io::Result<Id> {
        let name = name.to_str().expect("our names");
        world
            .node(id)
            .children
            .get(name)
            .copied()
            .ok_or(Errno::NOENT)
    }
}

impl Kernel for Fake {
    type Dir = FakeDir;
    type Last = Id;

    fn open(&self, path: &Path) -> rustix::io::Result<FakeDir> {
        let mut world = self.later();
        let mut id = TOP;
        for name in path.strip_prefix("/top").expect("below the top") {
            id = Self::find(&mut world, id, name)?;
        }
        self.opened(world, id)
    }

    fn open_in(&self, dir: &FakeDir, name: &OsStr) -> rustix::io::Result<FakeDir> {
        let mut world = self.later();
        let id = Self::find(&mut world, dir.id, name)?;
        self.opened(world, id)
    }

    fn id(&self, dir: &FakeDir) -> rustix::io::Result<Id> {
        self.later();
        Ok(dir.id)
    }

    fn id_in(&self, dir: &FakeDir, name: &OsStr) -> rustix::io::Result<Id> {
        Self::find(&mut self.later(), dir.id, name)
    }

    fn children(&self, dir: &FakeDir) -> rustix::io::Result<Vec<OsString>> {
        let mut world = self.later();
        let node = world.node(dir.id);
        if node.removed {
            return Err(Errno::NOENT);
        }
        Ok(node.children.keys().map(OsString::from).collect())
    }

    fn state(&self, dir: &FakeDir) -> rustix::io::Result<State> {
        let mut world = self.later();
        let node = world.node(dir.id);
        if node.removed {
            return Err(Errno::NODEV);
        }
        node.cached = true;
        Ok(state_of(node))
    }

    fn keep(&self, dir: &FakeDir) -> Option<Id> {
        self.later().manner.has_mark().then_some(dir.id)
    }

    fn last(&self, last: &Id) -> Option<Memory> {
        Some(state_of(self.later().node(*last)).memory)
    }

    fn watch(&mut self, dir: &FakeDir) -> rustix::io::Result<Watch> {
        let mut world = self.later();
        if world.manner.has_mark() {
            return Ok(dir.id);
        }
        world.next_watch += 1;
        let watch = world.next_watch;
        world.node(dir.id).watch = Some(watch);
        Ok(watch)
    }

    fn unwatch(&mut self, watch: Watch) {
        let mut world = self.later();
        let found = world.nodes.iter().find(|(_, n)| n.watch == Some(watch));
        if let Some(id) = found.map(|(id, _)| *id) {
            world.send(id, Flags::IGNORED, "");
            world.node(id).watch = None;
        }
    }
}

fn state_of(node: &Node) -> State {
    State::parse(
        &format!("populated {}\nfrozen 0\n", u8::from(node.populated)),
        &format!("high {}\n", node.high),
    )
}

/// Checks what is reported, line by line.
#[derive(Default)]
struct Listener {
    known: BTreeMap<Id, State>,
    over: BTreeSet<Id>,
    last: BTreeMap<Id, Memory>,
    lines: Vec<String>,
}

impl Sink for Listener {
    fn report(&mut self, cgroup: &Path, id: Option<Id>, what: &What) {
        self.lines
            .push(format!("{} {id:?} {what:?}", cgroup.display()));
        let Some(id) = id else {
            return;
        };
        assert!(
            !self.over.contains(&id),
            "reported after its removal: {:#?}",
            self.lines
        );
        match what {
            What::Present(state) => {
                assert!(
                    self.known.insert(id, state.clone()).is_none(),
                    "present twice"
                );
            }
            What::Created => {
                let empty = state_of(&Node::default());
                assert!(self.known.insert(id, empty).is_none(), "created twice");
            }
            What::Populated(populated) => {
                let state = self.known.get_mut(&id).expect("known");
                assert_ne!(state.populated, Some(*populated), "nothing changed");
                state.populated = Some(*populated);
            }
            What::Memory { name, added, total } => {
                let memory = &mut self.known.get_mut(&id).expect("known").memory;
                let before = memory.insert(name.clone(), *total).unwrap_or(0);
                assert_eq!(before + added, *total);
            }
            What::Removed(memory) => {
                let state = self.known.remove(&id).expect("known");
                // Reported before, one by one
                for (name, count) in memory {
                    assert_eq!(state.memory.get(name).copied().unwrap_or(0), *count);
                }
                self.last.insert(id, memory.clone());
                self.over.insert(id);
            }
            What::Unwatched(_) => {
                self.known.entry(id).or_default();
            }
            What::Watching(..) | What::Frozen(_) | What::Overflow => {}
        }
    }
}

fn follow(fake: &Fake) -> Follower<Fake, Listener> {
    let (path, name) = (Path::new("/top"), Path::new("/"));
    Follower::new(fake.clone(), Listener::default(), path, name).expect("can be watched")
}

fn handle_events(fake: &Fake, follower: &mut Follower<Fake, Listener>) {
    loop {
        let next = fake.later().queue.pop_front();
        let Some(event) = next else {
            if fake.world().changes_left == 0 {
                return;
            }
            continue;
        };
        if event.flags.contains(Flags::QUEUE_OVERFLOW) {
            fake.0.borrow_mut().queue.clear();
            follower.rescan().expect("no error");
        } else {
            follower.handle(&event).expect("no error");
        }
    }
}

/// A world changes at random, and in the end all of it is known and nothing else.
fn run(manner: Manner, seed: u64) {
    let fake = Fake(Rc::new(RefCell::new(World::new(manner, seed, 300))));
    for _ in 0..50 {
        fake.later();
    }
    let mut follower = follow(&fake);
    follower.start().expect("no error");
    handle_events(&fake, &mut follower);
    if manner.reclaims {
        follower.refresh_all().expect("no error");
    }

    let world = fake.world();
    let reported = &follower.sink.known;
    let there: Vec<Id> = world
        .alive()
        .into_iter()
        .filter(|id| world.in_sight(*id))
        .collect();
    assert_eq!(
        reported.keys().copied().collect::<Vec<_>>(),
        there,
        "seed {seed}"
    );
    for (id, node) in &world.nodes {
        if node.removed {
            if let (true, Some(memory)) = (manner.has_mark(), follower.sink.last.get(id)) {
                assert!(
                    memory.is_empty() || *memory == state_of(node).memory,
                    "seed {seed}, cgroup {id}: {memory:?}"
                );
            }
            assert_eq!(node.watch, None, "seed {seed}: a watch is left");
            assert!(
                !follower.watched.contains_key(id) || !manner.has_mark(),
                "seed {seed}: {id} is left in the table"
            );
        } else if world.in_sight(*id) && !world.is_secret(*id) {
            let mut state = state_of(node);
            state.memory.retain(|_, count| *count > 0);
            let mut known = reported[id].clone();
            known.memory.retain(|_, count| *count > 0);
            assert_eq!(known, state, "seed {seed}, cgroup {id}");
            assert!(
                node.watch.is_some() || manner.has_mark(),
                "seed {seed}: cgroup {id} is not watched"
            );
        }
    }
    let known = if manner.has_mark() {
        there.len()
    } else {
        world.nodes.values().filter(|n| n.watch.is_some()).count()
    };
    assert_eq!(follower.watched.len(), known, "seed {seed}");
}

fn run_many(manner: Manner) {
    for seed in 1..=200 {
        run(manner, seed);
    }
}

#[test]
fn knows_what_is_there() {
    run_many(PLAIN);
}

#[test]
fn knows_it_without_removal_events() {
    run_many(Manner {
        removals: Notified::None,
        ..PLAIN
    });
}

#[test]
fn knows_it_after_overflows() {
    for longest_queue in [1, 3, 10] {
        for removals in [Notified::None, Notified::Watches] {
            run_many(Manner {
                removals,
                longest_queue,
                ..PLAIN
            });
        }
    }
}

#[test]
fn knows_it_by_one_mark() {
    for longest_queue in [3, usize::MAX] {
        run_many(Manner {
            removals: Notified::Mark,
            longest_queue,
            ..PLAIN
        });
    }
}

#[test]
fn catches_up_after_reclaim() {
    run_many(Manner {
        reclaims: true,
        ..PLAIN
    });
}

#[test]
fn goes_on_where_it_may_not_look() {
    run_many(Manner {
        secret: true,
        ..PLAIN
    });
}

fn still_world(removals: Notified) -> Fake {
    let manner = Manner { removals, ..PLAIN };
    Fake(Rc::new(RefCell::new(World::new(manner, 1, 0))))
}

#[test]
fn tells_a_life_in_order() {
    for removals in [Notified::None, Notified::Watches, Notified::Mark] {
        let fake = still_world(removals);
        let mut follower = follow(&fake);
        follower.start().expect("no error");
        fake.0.borrow_mut().mkdir(TOP, "a");
        handle_events(&fake, &mut follower);
        {
            let mut world = fake.0.borrow_mut();
            world.node(2).populated = true;
            world.modify(2, EVENTS);
        }
        handle_events(&fake, &mut follower);
        fake.0.borrow_mut().rmdir(2);
        handle_events(&fake, &mut follower);
        assert_eq!(
            follower.sink.lines[1..],
            [
                "/a Some(2) Created",
                "/a Some(2) Populated(true)",
                if removals == Notified::Mark {
                    "/a Some(2) Removed({\"high\": 0})"
                } else {
                    "/a Some(2) Removed({})"
                }
            ]
        );
    }
}

#[test]
fn tells_what_happened_last_where_the_kernel_keeps_it() {
    let fake = still_world(Notified::Mark);
    let mut follower = follow(&fake);
    follower.start().expect("no error");
    fake.0.borrow_mut().mkdir(TOP, "a");
    handle_events(&fake, &mut follower);
    {
        let mut world = fake.0.borrow_mut();
        world.node(2).high = 3;
        world.rmdir(2);
    }
    handle_events(&fake, &mut follower);
    assert_eq!(
        follower.sink.lines[2..],
        [
            "/a Some(2) Memory { name: \"high\", added: 3, total: 3 }",
            "/a Some(2) Removed({\"high\": 3})"
        ]
    );
}

#[test]
fn tells_of_those_that_went_before_it_looked() {
    let fake = still_world(Notified::Watches);
    let mut follower = follow(&fake);
    follower.start().expect("no error");
    {
        let mut world = fake.0.borrow_mut();
        world.mkdir(TOP, "a");
        world.rmdir(2);
    }
    handle_events(&fake, &mut follower);
    assert_eq!(
        follower.sink.lines[1..],
        ["/a None Created", "/a None Removed({})"]
    );
}

#[test]
fn ends_children_before_their_parent() {
    let fake = still_world(Notified::None);
    {
        let mut world = fake.0.borrow_mut();
        world.mkdir(TOP, "a");
        world.mkdir(2, "b");
    }
    let mut follower = follow(&fake);
    follower.start().expect("no error");
    {
        let mut world = fake.0.borrow_mut();
        world.rmdir(3);
        world.rmdir(2);
        world.queue.clear();
    }
    follower.rescan().expect("no error");
    assert_eq!(
        follower.sink.lines[3..],
        [
            "/ Some(1) Overflow",
            "/a/b Some(3) Removed({})",
            "/a Some(2) Removed({})"
        ]
    );
    assert!(!follower.is_finished());
}
