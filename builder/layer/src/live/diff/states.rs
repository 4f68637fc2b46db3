//! What each thing that was seen is in the layer, and what is not there any
//! more.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::Metadata;
use crate::error::{Error, ErrorKind};
use crate::live::diff::Clamp;
use crate::live::observe::{Observation, Seen, SeenKind, TRUSTED, is_kept};
use crate::live::{Given, Rights};
use crate::path::EntryPath;
use crate::time::Time;
use crate::tree::{ContentPlace, Node, NodeKind, Tree};

/// The longest that clocks of file systems stand still: what is written after a
/// command was started may have a time that is so much earlier, in nanoseconds.
const TICK: u32 = 10_000_000;

/// What names begin with that mean something else in layers.
const WHITEOUT: &[u8] = b".wh.";

/// Is everything that was seen, in the order of paths, beside what was there.
#[derive(Debug)]
pub(super) struct States<'a> {
    pub(super) before: &'a Tree,
    rights: Rights,
    pub(super) list: Vec<State<'a>>,
    /// What the layer removes, and whether a whiteout is in its place already.
    pub(super) hidden: BTreeMap<EntryPath, bool>,
    /// What is marked as gone, and never was.
    pub(super) stale: Vec<EntryPath>,
}

/// Is one thing.
#[derive(Debug)]
pub(super) struct State<'a> {
    pub(super) seen: &'a Seen,
    /// What was there.
    pub(super) old: Option<&'a Node>,
    /// Whether the layer has it.
    pub(super) changed: bool,
    /// What is known of it in the layer, or in the tree.
    pub(super) metadata: Metadata,
}

impl State<'_> {
    pub(super) fn is_directory(&self) -> bool {
        matches!(self.seen.kind, SeenKind::Directory { .. })
    }

    pub(super) fn is_socket(&self) -> bool {
        self.seen.kind == SeenKind::Socket
    }

    /// Whether it hides what it must not hide when the layer says what is gone.
    pub(super) fn hides(&self) -> bool {
        matches!(self.seen.kind, SeenKind::Directory { opaque: true })
            && self.old.is_some_and(Node::is_directory)
    }
}

impl<'a> States<'a> {
    pub(super) fn of(
        (before, observation): (&'a Tree, &'a Observation),
        clamp: Clamp,
        rights: Rights,
    ) -> Result<Self, Error> {
        let mut states = Self {
            before,
            rights,
            list: Vec::with_capacity(observation.seen.len()),
            hidden: BTreeMap::new(),
            stale: Vec::new(),
        };
        for path in &observation.gone {
            if before.node(path).is_some() && !path.is_root() {
                states.hidden.insert(path.clone(), true);
            } else {
                states.stale.push(path.clone());
            }
        }
        // The directory that hides all below it, and has everything in it.
        let mut opaque: Option<&EntryPath> = None;
        for seen in &observation.seen {
            check(seen)?;
            opaque = opaque.filter(|opaque| seen.path.is_in(opaque));
            let old = before.node(&seen.path);
            match seen.kind {
                SeenKind::Directory { opaque: mark } => {
                    if mark && opaque.is_none() {
                        opaque = Some(&seen.path);
                    }
                    if opaque.is_some() {
                        states.hide(observation, &seen.path, old);
                    }
                }
                SeenKind::Socket if old.is_some() => {
                    states.hidden.insert(seen.path.clone(), false);
                }
                _ => {}
            }
            let state = state(seen, old, clamp, rights);
            states.list.push(state);
        }
        states.take_along();
        Ok(states)
    }

    /// Has the layer bring files along that did not change themselves but got
    /// another name: they stay one file. Those that had several names before do
    /// not: which of them are one file after a change depends on what lies below.
    fn take_along(&mut self) {
        let is_file = |state: &State<'_>| matches!(state.seen.kind, SeenKind::File { .. });
        let files = || self.list.iter().filter(|state| is_file(state));
        let named: BTreeSet<(u64, u64)> = files()
            .filter(|state| state.changed && state.old.is_none())
            .map(|state| state.seen.inode)
            .collect();
        let mut kept: BTreeMap<(u64, u64), (ContentPlace, Metadata)> = BTreeMap::new();
        for state in files().filter(|state| !state.changed && named.contains(&state.seen.inode)) {
            if let Some(NodeKind::File(file)) = state.old.map(|old| &old.kind) {
                let about = (file.place, state.metadata.clone());
                kept.insert(state.seen.inode, about);
            }
        }
        if kept.is_empty() {
            return;
        }
        let mut names: BTreeMap<ContentPlace, usize> = BTreeMap::new();
        for (_, node) in self.before.walk(&EntryPath::root()) {
            if let NodeKind::File(file) = &node.kind {
                *names.entry(file.place).or_default() += 1;
            }
        }
        kept.retain(|_, (place, _)| names.get(place) == Some(&1));
        for state in &mut self.list {
            if let Some((_, metadata)) = kept.get(&state.seen.inode) {
                state.changed = true;
                state.metadata = metadata.clone();
            }
        }
    }

    /// Takes down what was in a directory and is not in it now.
    fn hide(&mut self, observation: &Observation, path: &EntryPath, old: Option<&Node>) {
        let Some(NodeKind::Directory(children)) = old.map(|old| &old.kind) else {
            return;
        };
        for name in children.keys() {
            let path = path.child(name);
            let seen = &observation.seen;
            if seen.binary_search_by(|seen| seen.path.cmp(&path)).is_err() {
                self.hidden.entry(path).or_insert(false);
            }
        }
    }

    /// Says whether a thing has already what is known of it.
    pub(super) fn is_settled(&self, state: &State<'_>) -> bool {
        let is_link = matches!(state.seen.kind, SeenKind::Symlink { .. });
        let (now, then) = (&state.seen.metadata, &state.metadata);
        (is_link || now.mode == then.mode)
            && (now.uid, now.gid, now.mtime) == (then.uid, then.gid, then.mtime)
            && held(now, self.rights).eq(held(then, self.rights))
    }
}

fn check(seen: &Seen) -> Result<(), Error> {
    let is_reserved = |name: &[u8]| name.starts_with(WHITEOUT);
    let why = if seen.path.name().is_some_and(is_reserved) {
        "in a layer such a name says that something is removed"
    } else if let SeenKind::Device {
        kind: crate::entry::DeviceKind::Character,
        major: 0,
        minor: 0,
    } = seen.kind
    {
        "on a file system of layers such a device says that something is removed"
    } else {
        return Ok(());
    };
    let message = format!("`{}` can not be in a layer: {why}", seen.path);
    Err(Error::new(ErrorKind::Invalid, message))
}

fn state<'a>(seen: &'a Seen, old: Option<&'a Node>, clamp: Clamp, rights: Rights) -> State<'a> {
    let raw = seen.metadata.mtime;
    let same = old.filter(|old| is_same_kind(&seen.kind, &old.kind));
    let Some(same) = same else {
        return State {
            seen,
            old,
            changed: seen.kind != SeenKind::Socket,
            metadata: Metadata {
                mtime: clamped(raw, clamp),
                xattrs: held(&seen.metadata, rights).map(owned).collect(),
                ..seen.metadata.clone()
            },
        };
    };
    let is_directory = same.is_directory();
    let then = same.metadata.mtime;
    let is_noise = raw == then || (is_directory && is_of_command(raw, clamp));
    let kept = if is_noise && is_directory { then } else { raw };
    let mtime = clamped(kept, clamp);
    let mut metadata = Metadata {
        mtime,
        xattrs: attributes(&seen.metadata, &same.metadata, rights),
        ..seen.metadata.clone()
    };
    if matches!(seen.kind, SeenKind::Symlink { .. }) {
        metadata.mode = same.metadata.mode;
    }
    let is_time = is_noise || mtime == then;
    let is_same = is_time && is_same_but_time(&metadata, &same.metadata);
    let changed = !is_same || !is_same_content(&seen.kind, &same.kind);
    if !changed {
        metadata = same.metadata.clone();
    }
    State {
        seen,
        old,
        changed,
        metadata,
    }
}

/// Says whether the command gave something this time, by what it did to it.
fn is_of_command(time: Time, clamp: Clamp) -> bool {
    let (seconds, nanoseconds) = (clamp.started.seconds(), clamp.started.nanoseconds());
    let started = match nanoseconds.checked_sub(TICK) {
        Some(nanoseconds) => Time::new(seconds, nanoseconds),
        None => Time::new(
            seconds.saturating_sub(1),
            nanoseconds + 1_000_000_000 - TICK,
        ),
    };
    time > clamp.epoch || started.is_some_and(|started| time >= started)
}

/// Gives the time that a layer has: in whole seconds.
fn clamped(time: Time, clamp: Clamp) -> Time {
    if is_of_command(time, clamp) {
        return Time::from_seconds(clamp.epoch.seconds());
    }
    Time::from_seconds(time.seconds())
}

/// Gives the attributes that a layer can have of what was seen.
fn held(metadata: &Metadata, rights: Rights) -> impl Iterator<Item = (&[u8], &[u8])> {
    let xattrs = metadata.xattrs.iter();
    let xattrs = xattrs.map(|(name, value)| (&**name, &**value));
    xattrs.filter(move |(name, _)| is_held(name, rights))
}

fn is_held(name: &[u8], rights: Rights) -> bool {
    is_kept(name) && (rights.attributes == Given::Really || !name.starts_with(TRUSTED))
}

fn owned((name, value): (&[u8], &[u8])) -> (Box<[u8]>, Box<[u8]>) {
    (name.into(), value.into())
}

/// Gives the attributes that something has: those that can not be seen stay
/// what they were.
fn attributes(now: &Metadata, then: &Metadata, rights: Rights) -> BTreeMap<Box<[u8]>, Box<[u8]>> {
    let unseen = then.xattrs.iter();
    let unseen = unseen.map(|(name, value)| (&**name, &**value));
    let unseen = unseen.filter(|(name, _)| !is_held(name, rights));
    held(now, rights).chain(unseen).map(owned).collect()
}

fn is_same_but_time(one: &Metadata, other: &Metadata) -> bool {
    (one.mode, one.uid, one.gid, &one.xattrs) == (other.mode, other.uid, other.gid, &other.xattrs)
}

fn is_same_kind(now: &SeenKind, then: &NodeKind) -> bool {
    matches!(
        (now, then),
        (SeenKind::Directory { .. }, NodeKind::Directory(_))
            | (SeenKind::File { .. }, NodeKind::File(_))
            | (SeenKind::Symlink { .. }, NodeKind::Symlink { .. })
            | (SeenKind::Fifo, NodeKind::Fifo)
            | (SeenKind::Device { .. }, NodeKind::Device { .. })
    )
}

fn is_same_content(now: &SeenKind, then: &NodeKind) -> bool {
    match (now, then) {
        (SeenKind::File { size, digest }, NodeKind::File(file)) => {
            (*size, Some(*digest)) == (file.size, file.digest)
        }
        (SeenKind::Symlink { target: now }, NodeKind::Symlink { target: then }) => now == then,
        (
            SeenKind::Device { kind, major, minor },
            NodeKind::Device {
                kind: old_kind,
                major: old_major,
                minor: old_minor,
            },
        ) => (kind, major, minor) == (old_kind, old_major, old_minor),
        _ => is_same_kind(now, then),
    }
}
