// SPDX-License-Identifier: GPL-2.0

//! What the files of a cgroup say about it.

use serde::Serialize;
use std::collections::BTreeMap;

/// `populated` and `frozen`.
pub const EVENTS: &str = "cgroup.events";
/// What happened in this very cgroup; `memory.events` adds up its descendants, too.
pub const MEMORY_EVENTS: &str = "memory.events.local";
/// A write here makes files appear in the children, and makes them go.
pub const SUBTREE_CONTROL: &str = "cgroup.subtree_control";

/// A cgroup's number, the inode number of its directory. No other cgroup gets it after it.
pub type Id = u64;

/// Counters of [`MEMORY_EVENTS`] by name: `high`, `max`, `oom`, `oom_kill`…
pub type Memory = BTreeMap<String, u64>;

/// What a cgroup's files said when they were last read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// Are there processes, here or below? The root of the hierarchy does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub populated: Option<bool>,
    /// Are all of them frozen?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<bool>,
    /// What happened for want of memory
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub memory: Memory,
}

impl State {
    /// Takes in the text of [`EVENTS`] and of [`MEMORY_EVENTS`].
    pub fn parse(events: &str, memory: &str) -> Self {
        let event = |wanted| {
            let found = values(events).find(|(name, _)| *name == wanted);
            found.map(|(_, value)| value == 1)
        };
        Self {
            populated: event("populated"),
            frozen: event("frozen"),
            memory: values(memory)
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }
}

/// The lines "name value" of a flat keyed file; what does not look so is left out.
fn values(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.split_once(' ')?;
        Some((name, value.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_both_files() {
        let state = State::parse(
            "populated 1\nfrozen 0\n",
            "low 0\nhigh 12\noom_kill 1\nsock_throttled 0\n",
        );
        assert_eq!((state.populated, state.frozen), (Some(true), Some(false)));
        assert_eq!(state.memory["high"], 12);
        assert_eq!(state.memory["oom_kill"], 1);
        assert_eq!(state.memory.len(), 4);
    }

    #[test]
    fn is_empty_without_files() {
        assert_eq!(State::parse("", ""), State::default());
    }

    #[test]
    fn leaves_out_what_it_does_not_know() {
        let state = State::parse(
            "populated\npopulated yes\nfrozen 1 2\nnew 7\n",
            "high -1\n\n",
        );
        assert_eq!(state, State::default());
    }
}
