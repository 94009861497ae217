// SPDX-License-Identifier: GPL-2.0

//! The lines that are printed.

use crate::cgroup::{Id, Memory, State};
use serde::Serialize;
use std::{
    ffi::OsStr,
    fmt::{self, Write as _},
    io::{self, Write},
    path::Path,
    time::SystemTime,
};

/// Whether this kernel reports a removal to watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removals {
    /// It does.
    Delivered,
    /// It does not; why we think so.
    NotTold(String),
    /// It could not be tried; why.
    Unknown(String),
}

impl Removals {
    fn delivered(&self) -> Option<bool> {
        match self {
            Self::Delivered => Some(true),
            Self::NotTold(_) => Some(false),
            Self::Unknown(_) => None,
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Delivered => None,
            Self::NotTold(reason) | Self::Unknown(reason) => Some(reason),
        }
    }
}

impl fmt::Display for Removals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered => write!(f, "delivered"),
            Self::NotTold(reason) => write!(f, "not delivered ({reason})"),
            Self::Unknown(reason) => write!(f, "unknown ({reason})"),
        }
    }
}

/// By what the kernel reports events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// One fanotify mark on the whole hierarchy
    OneMark,
    /// An inotify watch for each cgroup
    Watches,
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneMark => "one mark",
            Self::Watches => "a watch for each",
        })
    }
}

/// What happened to a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The first line: what is followed, by which means, and why not by one mark
    Watching(Means, Option<String>, Removals),
    /// It was there before
    Present(State),
    /// It was made
    Created,
    /// Its first process came, or the last one went
    Populated(bool),
    /// Its processes stand still, or do so no longer
    Frozen(bool),
    /// A counter of its memory events rose
    Memory {
        /// Which one
        name: String,
        /// By how much
        added: u64,
        /// What it is now
        total: u64,
    },
    /// It cannot be watched; its removal is reported, what happens in it is not
    Unwatched(String),
    /// It was removed; what its memory events said last, if that can be known
    Removed(Memory),
    /// The kernel dropped events; what is there now is looked for
    Overflow,
}

/// What reports go to.
pub trait Sink {
    /// Something happened to the cgroup of that path; `id` if it is known.
    fn report(&mut self, cgroup: &Path, id: Option<Id>, what: &What);
}

/// The fields of a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    event: &'a str,
    cgroup: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Id>,
    #[serde(flatten)]
    details: Details<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Details<'a> {
    None {},
    Watching {
        means: Means,
        #[serde(skip_serializing_if = "Option::is_none")]
        no_mark: Option<&'a str>,
        removals_delivered: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    State(&'a State),
    Populated {
        populated: bool,
    },
    Frozen {
        frozen: bool,
    },
    Memory {
        added: u64,
        total: u64,
    },
    Reason {
        reason: &'a str,
    },
    Removed {
        #[serde(skip_serializing_if = "Memory::is_empty")]
        memory: &'a Memory,
    },
}

impl What {
    fn name(&self) -> String {
        match self {
            Self::Watching(..) => "watching",
            Self::Present(_) => "present",
            Self::Created => "created",
            Self::Populated(_) => "populated",
            Self::Frozen(_) => "frozen",
            Self::Memory { name, .. } => return format!("memory.{name}"),
            Self::Unwatched(_) => "unwatched",
            Self::Removed(_) => "removed",
            Self::Overflow => "overflow",
        }
        .to_owned()
    }

    fn details(&self) -> Details<'_> {
        match self {
            Self::Watching(means, no_mark, removals) => Details::Watching {
                means: *means,
                no_mark: no_mark.as_deref(),
                removals_delivered: removals.delivered(),
                reason: removals.reason(),
            },
            Self::Present(state) => Details::State(state),
            Self::Populated(populated) => Details::Populated {
                populated: *populated,
            },
            Self::Frozen(frozen) => Details::Frozen { frozen: *frozen },
            Self::Memory { added, total, .. } => Details::Memory {
                added: *added,
                total: *total,
            },
            Self::Unwatched(reason) => Details::Reason { reason },
            Self::Removed(memory) => Details::Removed { memory },
            Self::Created | Self::Overflow => Details::None {},
        }
    }

    /// What a line of text says after the path.
    fn remark(&self) -> String {
        match self {
            Self::Watching(means, None, removals) => {
                format!("{means}, removal events: {removals}")
            }
            Self::Watching(means, Some(no_mark), removals) => {
                format!("{means} (no mark: {no_mark}), removal events: {removals}")
            }
            Self::Present(state) => describe(state),
            Self::Populated(on) | Self::Frozen(on) => u8::from(*on).to_string(),
            Self::Memory { added, total, .. } => format!("+{added} ({total})"),
            Self::Unwatched(reason) => reason.clone(),
            Self::Removed(memory) => describe_memory(memory).trim_start().to_owned(),
            Self::Created | Self::Overflow => String::new(),
        }
    }
}

fn describe(state: &State) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    if let Some(populated) = state.populated {
        let _ = write!(text, " populated={}", u8::from(populated));
    }
    if state.frozen == Some(true) {
        text += " frozen=1";
    }
    text += &describe_memory(&state.memory);
    text.trim_start().to_owned()
}

fn describe_memory(memory: &Memory) -> String {
    let mut text = String::new();
    for (name, count) in memory.iter().filter(|(_, count)| **count > 0) {
        // Writing to a String does not fail.
        let _ = write!(text, " {name}={count}");
    }
    text
}

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: time, event, path, remark
    Text,
    /// One object a line
    Json,
}

/// Prints lines, and remembers the first error.
pub struct Printer<W> {
    out: W,
    format: Format,
    failed: io::Result<()>,
}

impl<W: Write> Printer<W> {
    /// Prints to `out`.
    pub fn new(out: W, format: Format) -> Self {
        Self {
            out,
            format,
            failed: Ok(()),
        }
    }

    /// Writes out what was printed.
    ///
    /// # Errors
    ///
    /// The first since the last call: the reader may have exited.
    pub fn flush(&mut self) -> io::Result<()> {
        std::mem::replace(&mut self.failed, Ok(()))?;
        self.out.flush()
    }

    fn print(&mut self, time: String, path: &Path, id: Option<Id>, what: &What) -> io::Result<()> {
        match self.format {
            Format::Text => {
                let line = format!(
                    "{time} {:<16} {} {}",
                    what.name(),
                    printable(path.as_os_str()),
                    what.remark()
                );
                writeln!(self.out, "{}", line.trim_end())
            }
            Format::Json => {
                let line = Line {
                    time,
                    event: &what.name(),
                    cgroup: &path.to_string_lossy(),
                    id,
                    details: what.details(),
                };
                serde_json::to_writer(&mut self.out, &line)?;
                self.out.write_all(b"\n")
            }
        }
    }
}

impl<W: Write> Sink for Printer<W> {
    fn report(&mut self, cgroup: &Path, id: Option<Id>, what: &What) {
        if self.failed.is_ok() {
            let time = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
            self.failed = self.print(time, cgroup, id, what);
        }
    }
}

/// The creator of a cgroup chooses its name: it must not steer a terminal.
fn printable(path: &OsStr) -> String {
    let mut text = String::new();
    for c in path.to_string_lossy().chars() {
        if c.is_control() {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(format: Format, what: &What) -> String {
        let mut out = Vec::new();
        let mut printer = Printer::new(&mut out, format);
        let path = Path::new("/a\u{1b}[2J/b");
        printer
            .print("T".to_owned(), path, Some(7), what)
            .expect("a Vec takes everything");
        String::from_utf8(out).expect("lines are UTF-8")
    }

    #[test]
    fn text_is_one_line_without_control_characters() {
        let what = What::Memory {
            name: "high".to_owned(),
            added: 2,
            total: 5,
        };
        assert_eq!(
            print(Format::Text, &what),
            "T memory.high      /a\\u{1b}[2J/b +2 (5)\n"
        );
        assert_eq!(
            print(Format::Text, &What::Removed(Memory::new())),
            "T removed          /a\\u{1b}[2J/b\n"
        );
        let last = [("oom_kill".to_owned(), 1), ("high".to_owned(), 0)];
        assert_eq!(
            print(Format::Text, &What::Removed(last.into())),
            "T removed          /a\\u{1b}[2J/b oom_kill=1\n"
        );
    }

    #[test]
    fn json_has_the_fields_of_the_event() {
        let state = State::parse("populated 1\nfrozen 0\n", "");
        assert_eq!(
            print(Format::Json, &What::Present(state)),
            "{\"time\":\"T\",\"event\":\"present\",\"cgroup\":\"/a\\u001b[2J/b\",\"id\":7,\
             \"populated\":true,\"frozen\":false}\n"
        );
        let unknown = What::Watching(
            Means::Watches,
            None,
            Removals::Unknown("no right".to_owned()),
        );
        let line: serde_json::Value =
            serde_json::from_str(&print(Format::Json, &unknown)).expect("JSON");
        assert_eq!(line["means"], "watches");
        assert_eq!(line["removals_delivered"], serde_json::Value::Null);
        assert_eq!(line["reason"], "no right");
    }

    #[test]
    fn leaves_out_what_the_root_does_not_say() {
        let root = What::Present(State::parse("", "high 0\noom 2\n"));
        assert_eq!(
            print(Format::Text, &root),
            "T present          /a\\u{1b}[2J/b oom=2\n"
        );
        assert!(!print(Format::Json, &root).contains("populated"));
    }

    #[test]
    fn says_why_there_is_no_mark() {
        let why = Some("rkernfs is in transition".to_owned());
        let watching = What::Watching(Means::Watches, why, Removals::Delivered);
        assert_eq!(
            print(Format::Text, &watching),
            "T watching         /a\\u{1b}[2J/b a watch for each \
             (no mark: rkernfs is in transition), removal events: delivered\n"
        );
        assert!(
            print(Format::Json, &watching).contains("\"no_mark\":\"rkernfs is in transition\"")
        );
    }

    #[test]
    fn remembers_that_the_reader_has_gone() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut printer = Printer::new(Gone, Format::Text);
        printer.report(Path::new("/"), None, &What::Created);
        let error = printer.flush().expect_err("the write failed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(printer.flush().is_ok());
    }
}
