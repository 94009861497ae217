// SPDX-License-Identifier: GPL-2.0

//! Follows a subtree of cgroups.
//!
//! What is known is kept equal to what is there by looking: an event only says where. Nothing
//! else holds up when names are used again, when events are dropped, and when a cgroup is removed while
//! it is being looked at. Each look opens the directory and compares its number, so that what is
//! read, watched and reported belongs to the same cgroup. A cgroup is watched before its children are
//! listed: a child that is made meanwhile is in the list, or in an event, or in both.

use crate::{
    cgroup::{EVENTS, Id, MEMORY_EVENTS, Memory, SUBTREE_CONTROL, State},
    kernel::{Event, Flags, Kernel, Watch},
    report::{Sink, What},
};
use anyhow::{Context, Result};
use rustix::io::Errno;
use std::{
    collections::{BTreeMap, HashMap},
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

/// One cgroup that is known.
#[derive(Debug)]
struct Cgroup<L> {
    parent: Option<Id>,
    name: OsString,
    /// `None`: it cannot be watched, or the watch was removed.
    watch: Option<Watch>,
    children: BTreeMap<OsString, Id>,
    state: State,
    last: Option<L>,
}

/// What is known of a subtree, and the sink to which changes are reported.
pub struct Follower<K: Kernel, S: Sink> {
    kernel: K,
    sink: S,
    top: Id,
    /// Where the top is in the file system, and in the hierarchy.
    top_path: PathBuf,
    top_name: PathBuf,
    cgroups: HashMap<Id, Cgroup<K::Last>>,
    watched: HashMap<Watch, Id>,
}

/// When a cgroup was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// At the start
    Before,
    /// Since then
    Since,
}

/// Was it removed, or did something fail?
fn is_gone(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NODEV | Errno::NOTDIR)
}

impl<K: Kernel, S: Sink> Follower<K, S> {
    /// Follows the cgroup at `path`, which is called `name` in its hierarchy.
    ///
    /// # Errors
    ///
    /// It cannot be watched.
    pub fn new(kernel: K, sink: S, path: &Path, name: &Path) -> Result<Self> {
        let mut this = Self {
            kernel,
            sink,
            top: 0,
            top_path: path.to_owned(),
            top_name: name.to_owned(),
            cgroups: HashMap::new(),
            watched: HashMap::new(),
        };
        let dir = this.kernel.open(path)?;
        this.top = this.kernel.id(&dir)?;
        this.add(None, OsString::new(), this.top, dir, Found::Before)?;
        Ok(this)
    }

    /// Reports what exists. To be called once, before anything else.
    ///
    /// # Errors
    ///
    /// Those of [`Follower::handle`].
    pub fn start(&mut self) -> Result<()> {
        self.scan(self.top, Found::Before)
    }

    /// Was the top removed?
    pub fn is_finished(&self) -> bool {
        !self.cgroups.contains_key(&self.top)
    }

    /// The kernel that was given.
    pub fn kernel(&self) -> &K {
        &self.kernel
    }

    /// The sink that was given.
    pub fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Takes in one event that is not an overflow.
    ///
    /// # Errors
    ///
    /// What has nothing to do with one cgroup: no descriptor left, for example.
    pub fn handle(&mut self, event: &Event) -> Result<()> {
        let Some(&id) = self.watched.get(&event.watch) else {
            return Ok(());
        };
        if event.flags.intersects(Flags::DELETE_SELF | Flags::IGNORED) {
            self.watched.remove(&event.watch);
            if let Some(cgroup) = self.cgroups.get_mut(&id) {
                cgroup.watch = None;
            }
            self.end(id);
        } else if event.flags.contains(Flags::ISDIR) {
            self.look_at_child(id, &event.name, event.flags.contains(Flags::CREATE))?;
        } else if event.name == EVENTS || event.name == MEMORY_EVENTS {
            self.refresh(id)?;
        } else if event.name == SUBTREE_CONTROL {
            for child in self.children_of(id) {
                self.refresh(child)?;
            }
        }
        Ok(())
    }

    /// Looks at everything, after events were dropped.
    ///
    /// # Errors
    ///
    /// Those of [`Follower::handle`].
    pub fn rescan(&mut self) -> Result<()> {
        self.report(self.top, &What::Overflow);
        self.refresh_all()?;
        let mut todo = vec![self.top];
        while let Some(id) = todo.pop() {
            todo.extend(self.children_of(id));
            self.scan(id, Found::Since)?;
        }
        Ok(())
    }

    /// Reads the files of all cgroups.
    ///
    /// # Errors
    ///
    /// Those of [`Follower::handle`].
    pub fn refresh_all(&mut self) -> Result<()> {
        let ids: Vec<Id> = self.cgroups.keys().copied().collect();
        for id in ids {
            self.refresh(id)?;
        }
        Ok(())
    }

    /// Reads the files of a cgroup, and reports what changed.
    ///
    /// # Errors
    ///
    /// Those of [`Follower::handle`].
    pub fn refresh(&mut self, id: Id) -> Result<()> {
        let Some(dir) = self.open(id)? else {
            return Ok(());
        };
        let state = match self.kernel.state(&dir) {
            Ok(state) => state,
            Err(e) if is_gone(e) => {
                self.end(id);
                return Ok(());
            }
            Err(e) => return Err(e).with_context(|| self.name(id).display().to_string()),
        };
        // The controller may have been away meanwhile, and its file be another one.
        let last = self.kernel.keep(&dir);
        self.known_mut(id).last = last;
        self.update(id, state);
        Ok(())
    }

    /// The top's number.
    pub fn top(&self) -> Id {
        self.top
    }

    /// Opens a cgroup that is known. `None`: it can't be opened, or was removed.
    fn open(&mut self, id: Id) -> Result<Option<K::Dir>> {
        let Some(path) = self.path(id) else {
            return Ok(None);
        };
        let dir = match self.kernel.open(&path) {
            Ok(dir) => dir,
            Err(e) if is_gone(e) => {
                self.end(id);
                return Ok(None);
            }
            Err(Errno::ACCESS | Errno::PERM) => return Ok(None),
            Err(e) => return Err(e).with_context(|| path.display().to_string()),
        };
        if self.kernel.id(&dir)? != id {
            self.end(id);
            return Ok(None);
        }
        Ok(Some(dir))
    }

    /// Something happened to a name in a cgroup.
    fn look_at_child(&mut self, parent: Id, name: &OsStr, created: bool) -> Result<()> {
        let Some(dir) = self.open(parent)? else {
            return Ok(());
        };
        let child = self.look(parent, &dir, name, Found::Since)?;
        drop(dir);
        match child {
            Child::New(id) => self.scan(id, Found::Since)?,
            // It came and went before we got here.
            Child::None if created => {
                let path = self.name(parent).join(name);
                self.sink.report(&path, None, &What::Created);
                self.sink.report(&path, None, &What::Removed(Memory::new()));
            }
            _ => {}
        }
        Ok(())
    }

    /// Gets to know what is below `top`.
    fn scan(&mut self, top: Id, found: Found) -> Result<()> {
        let mut todo = vec![top];
        while let Some(id) = todo.pop() {
            let Some(dir) = self.open(id)? else {
                continue;
            };
            let mut names = match self.kernel.children(&dir) {
                Ok(names) => names,
                Err(e) if is_gone(e) => {
                    drop(dir);
                    self.end(id);
                    continue;
                }
                Err(e) => return Err(e).with_context(|| self.name(id).display().to_string()),
            };
            names.sort_unstable();
            let mut new = Vec::new();
            for name in names {
                if let Child::New(child) = self.look(id, &dir, &name, found)? {
                    new.push(child);
                }
            }
            // So that they are looked into in the order of their names
            todo.extend(new.into_iter().rev());
        }
        Ok(())
    }

    /// Compares what is known of a name in a cgroup with what is there.
    fn look(&mut self, parent: Id, dir: &K::Dir, name: &OsStr, found: Found) -> Result<Child> {
        let known = self
            .cgroups
            .get(&parent)
            .and_then(|p| p.children.get(name).copied());
        let child = self.kernel.open_in(dir, name);
        let id = match &child {
            Ok(child) => self.kernel.id(child),
            Err(Errno::ACCESS | Errno::PERM) => self.kernel.id_in(dir, name),
            Err(e) => Err(*e),
        };
        let id = match id {
            Ok(id) => Some(id),
            Err(e) if is_gone(e) => None,
            Err(e) => {
                return Err(e).with_context(|| self.name(parent).join(name).display().to_string());
            }
        };
        if let (Some(known), true) = (known, known != id) {
            self.end(known);
        }
        let Some(id) = id else {
            return Ok(known.map_or(Child::None, |_| Child::Known));
        };
        if known == Some(id) {
            return Ok(Child::Known);
        }
        match child {
            Ok(child) => self.add(Some(parent), name.to_owned(), id, child, found)?,
            Err(e) => self.add_unwatched(Some(parent), name.to_owned(), id, e, found),
        }
        Ok(Child::New(id))
    }

    /// Gets to know a cgroup.
    fn add(
        &mut self,
        parent: Option<Id>,
        name: OsString,
        id: Id,
        dir: K::Dir,
        found: Found,
    ) -> Result<()> {
        let watch = match self.kernel.watch(&dir) {
            Ok(watch) => watch,
            Err(e @ (Errno::ACCESS | Errno::PERM | Errno::NOSPC)) if parent.is_some() => {
                self.add_unwatched(parent, name, id, e, found);
                return Ok(());
            }
            Err(e) => return Err(explain(e)),
        };
        self.insert(parent, name, id, Some(watch));
        // After watching: what changes later is an event.
        let state = self.kernel.state(&dir).unwrap_or_default();
        let last = self.kernel.keep(&dir);
        self.known_mut(id).last = last;
        drop(dir);
        match found {
            Found::Before => {
                self.report(id, &What::Present(state.clone()));
                self.known_mut(id).state = state;
            }
            Found::Since => {
                self.report(id, &What::Created);
                self.update(id, state);
            }
        }
        Ok(())
    }

    /// Gets to know a cgroup that we can't look into.
    fn add_unwatched(
        &mut self,
        parent: Option<Id>,
        name: OsString,
        id: Id,
        error: Errno,
        found: Found,
    ) {
        self.insert(parent, name, id, None);
        if found == Found::Since {
            self.report(id, &What::Created);
        }
        self.report(id, &What::Unwatched(explain(error).to_string()));
    }

    fn insert(&mut self, parent: Option<Id>, name: OsString, id: Id, watch: Option<Watch>) {
        if let Some(watch) = watch {
            self.watched.insert(watch, id);
        }
        if let Some(parent) = parent {
            self.known_mut(parent).children.insert(name.clone(), id);
        }
        self.cgroups.insert(
            id,
            Cgroup {
                parent,
                name,
                watch,
                children: BTreeMap::new(),
                state: State::default(),
                last: None,
            },
        );
    }

    /// Reports the difference between two states.
    fn update(&mut self, id: Id, mut state: State) {
        let old = std::mem::take(&mut self.known_mut(id).state);
        // A removed cgroup changes no more.
        state.frozen = state.frozen.or(old.frozen);
        state.populated = state.populated.or(old.populated);
        self.known_mut(id).state = state.clone();
        for (name, total) in state.memory {
            let before = old.memory.get(&name).copied().unwrap_or(0);
            // When the controller was away meanwhile, it counts from zero again.
            let added = total.checked_sub(before).unwrap_or(total);
            if added > 0 {
                self.report(id, &What::Memory { name, added, total });
            }
        }
        // What begins is empty.
        if let Some(frozen) = state.frozen.filter(|on| *on != old.frozen.unwrap_or(false)) {
            self.report(id, &What::Frozen(frozen));
        }
        if let Some(populated) = state
            .populated
            .filter(|on| *on != old.populated.unwrap_or(false))
        {
            self.report(id, &What::Populated(populated));
        }
    }

    /// A cgroup was removed, and so was what was below it.
    fn end(&mut self, top: Id) {
        let mut gone = vec![top];
        let mut next = 0;
        while let Some(&id) = gone.get(next) {
            gone.extend(self.children_of(id));
            next += 1;
        }
        for id in gone.into_iter().rev() {
            if let Some(cgroup) = self.cgroups.get(&id) {
                let last = cgroup.last.as_ref();
                let memory = last.and_then(|last| self.kernel.last(last));
                self.end_one(id, memory);
            }
            self.forget(id);
        }
    }

    /// What happened last is reported before the removal.
    fn end_one(&mut self, id: Id, memory: Option<Memory>) {
        if let Some(memory) = &memory {
            let mut state = self.known_mut(id).state.clone();
            state.memory.clone_from(memory);
            self.update(id, state);
        }
        self.report(id, &What::Removed(memory.unwrap_or_default()));
    }

    fn forget(&mut self, id: Id) {
        let Some(cgroup) = self.cgroups.remove(&id) else {
            return;
        };
        if let Some(watch) = cgroup.watch {
            self.watched.remove(&watch);
            self.kernel.unwatch(watch);
        }
        if let Some(parent) = cgroup.parent.and_then(|id| self.cgroups.get_mut(&id)) {
            parent.children.remove(&cgroup.name);
        }
    }

    fn children_of(&self, id: Id) -> Vec<Id> {
        self.cgroups
            .get(&id)
            .map(|cgroup| cgroup.children.values().copied().collect())
            .unwrap_or_default()
    }

    fn known_mut(&mut self, id: Id) -> &mut Cgroup<K::Last> {
        self.cgroups
            .get_mut(&id)
            .expect("a cgroup that was just found")
    }

    fn report(&mut self, id: Id, what: &What) {
        let path = self.name(id);
        self.sink.report(&path, Some(id), what);
    }

    /// Where a cgroup is in its hierarchy.
    fn name(&self, id: Id) -> PathBuf {
        self.below(&self.top_name, id).unwrap_or_default()
    }

    /// Where it is in the file system, unless it was removed.
    fn path(&self, id: Id) -> Option<PathBuf> {
        self.below(&self.top_path, id)
    }

    fn below(&self, top: &Path, id: Id) -> Option<PathBuf> {
        let mut names = Vec::new();
        let mut cgroup = self.cgroups.get(&id)?;
        while let Some(parent) = cgroup.parent {
            names.push(&cgroup.name);
            cgroup = self.cgroups.get(&parent)?;
        }
        let mut path = top.to_owned();
        path.extend(names.into_iter().rev());
        Some(path)
    }
}

/// What [`Follower::look`] found.
enum Child {
    /// Nothing, and nothing was known
    None,
    /// What was known, or that it was removed
    Known,
    /// A cgroup that is new to us
    New(Id),
}

fn explain(error: Errno) -> anyhow::Error {
    let error = anyhow::Error::from(error);
    match error.downcast_ref() {
        Some(&Errno::NOSPC) => error.context("no more watches: raise fs.inotify.max_user_watches"),
        _ => error,
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
