//! The order of a layer, and the order of what has to be done.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::{Entry, Kind, Metadata};
use crate::live::Form;
use crate::live::diff::names::Names;
use crate::live::diff::states::{State, States};
use crate::live::diff::{Changed, Source};
use crate::live::observe::SeenKind;
use crate::live::settle::Settlement;
use crate::path::EntryPath;

/// Gives the entries in the order of layers: in each directory first what is
/// removed.
pub(super) fn changed(states: &States<'_>, names: &Names) -> Vec<Changed> {
    let whiteouts = states.hidden.keys().map(|path| Changed {
        entry: Entry {
            path: path.clone(),
            kind: Kind::Whiteout,
            metadata: Metadata::default(),
        },
        source: None,
    });
    let list = states.list.iter().enumerate();
    let kept = list.filter(|(_, state)| state.changed);
    let kept = kept.filter_map(|(at, state)| entry(states, state, names.first(at), at));
    let mut changed: Vec<Changed> = whiteouts.chain(kept).collect();
    changed.sort_by(|one, other| one.entry.layer_order(&other.entry));
    changed
}

fn entry(states: &States<'_>, state: &State<'_>, first: usize, at: usize) -> Option<Changed> {
    let path = state.seen.path.clone();
    if first != at {
        let target = states.list.get(first)?.seen.path.clone();
        return Some(Changed {
            entry: Entry {
                path,
                kind: Kind::HardLink { target },
                metadata: Metadata::default(),
            },
            source: None,
        });
    }
    let mut source = None;
    let kind = match &state.seen.kind {
        SeenKind::Directory { .. } => Kind::Directory,
        SeenKind::File { size, digest } => {
            let digest = *digest;
            let path = path.clone();
            source = Some(Source { path, digest });
            Kind::File { size: *size }
        }
        SeenKind::Symlink { target } => Kind::Symlink {
            target: target.clone(),
        },
        SeenKind::Fifo => Kind::Fifo,
        SeenKind::Device { kind, major, minor } => Kind::Device {
            kind: *kind,
            major: *major,
            minor: *minor,
        },
        SeenKind::Socket => return None,
    };
    Some(Changed {
        entry: Entry {
            path,
            kind,
            metadata: state.metadata.clone(),
        },
        source,
    })
}

/// Lists what has to be done: first what adds and removes names, what is in a
/// directory before it; then metadata, in the same order, so that it stays.
pub(super) fn settlements(states: &States<'_>, names: &Names, form: Form) -> Vec<Settlement> {
    let mut list = Settlements {
        states,
        done: Vec::new(),
        touched: BTreeSet::new(),
        finished: vec![false; states.list.len()],
    };
    match form {
        Form::Plain => list.discard_sockets(),
        Form::Overlay { .. } => list.discard(),
    }
    list.join(names, form);
    list.metadata(names);
    list.done
}

#[derive(Debug)]
struct Settlements<'a> {
    states: &'a States<'a>,
    done: Vec<Settlement>,
    /// The directories that get a new time by what is done.
    touched: BTreeSet<EntryPath>,
    /// The states that nothing has to be done to any more.
    finished: Vec<bool>,
}

impl Settlements<'_> {
    fn add(&mut self, path: &EntryPath, settlement: Settlement) {
        self.touched.extend(path.parent());
        self.done.push(settlement);
    }

    fn finish(&mut self, at: usize) {
        if let Some(finished) = self.finished.get_mut(at) {
            *finished = true;
        }
    }

    fn is_finished(&self, at: usize) -> bool {
        self.finished.get(at).copied().unwrap_or(true)
    }

    fn discard_sockets(&mut self) {
        let states = self.states;
        for (at, state) in states.list.iter().enumerate() {
            if state.is_socket() {
                let path = state.seen.path.clone();
                self.add(&state.seen.path, Settlement::Discard { path });
                self.finish(at);
            }
        }
    }

    /// Has a directory over others have what its layer has, and the directories
    /// on the way.
    fn discard(&mut self) {
        let states = self.states;
        for path in &states.stale {
            let path = path.clone();
            self.add(&path.clone(), Settlement::Discard { path });
        }
        for (path, is_marked) in &states.hidden {
            if !is_marked {
                let path = path.clone();
                self.add(&path.clone(), Settlement::Whiteout { path });
            }
        }
        let hidden = states.hidden.keys();
        let mut needed: BTreeSet<EntryPath> = hidden.filter_map(EntryPath::parent).collect();
        // What is in a directory comes before it.
        for (at, state) in states.list.iter().enumerate().rev() {
            let path = &state.seen.path;
            let is_needed = state.is_directory() && needed.contains(path);
            if state.changed || is_needed || path.is_root() {
                needed.extend(path.parent());
                if state.hides() {
                    let path = path.clone();
                    self.done.push(Settlement::Reveal { path });
                }
                continue;
            }
            self.finish(at);
            // In the place of a socket there is a whiteout now.
            if !states.hidden.contains_key(path) {
                let path = path.clone();
                self.add(&path.clone(), Settlement::Discard { path });
            }
        }
    }

    /// Has each file of the tree have its names and no other.
    fn join(&mut self, names: &Names, form: Form) {
        let states = self.states;
        // Files that did not change keep what they are.
        let (mut files, new): (Vec<usize>, Vec<usize>) = (0..states.list.len())
            .filter(|at| !self.is_finished(*at))
            .partition(|at| states.list.get(*at).is_some_and(|state| !state.changed));
        if form != Form::Plain {
            files.clear();
        }
        files.extend(new);
        // Whose each inode is; and which files got one of their own.
        let mut owners: BTreeMap<(u64, u64), usize> = BTreeMap::new();
        let mut separate: BTreeSet<usize> = BTreeSet::new();
        for at in files {
            let (Some(state), first) = (states.list.get(at), names.first(at)) else {
                continue;
            };
            if state.is_directory() {
                continue;
            }
            let path = state.seen.path.clone();
            if first == at {
                if *owners.entry(state.seen.inode).or_insert(at) != at {
                    let metadata = state.metadata.clone();
                    self.add(&path.clone(), Settlement::Separate { path, metadata });
                    separate.insert(at);
                    self.finish(at);
                }
                continue;
            }
            self.finish(at);
            let Some(of) = states.list.get(first) else {
                continue;
            };
            if separate.contains(&first) || of.seen.inode != state.seen.inode {
                let target = of.seen.path.clone();
                self.add(&path.clone(), Settlement::Link { path, target });
            }
        }
    }

    fn metadata(&mut self, names: &Names) {
        let states = self.states;
        let mut given: BTreeMap<&EntryPath, &Metadata> = BTreeMap::new();
        for (at, state) in states.list.iter().enumerate() {
            let path = &state.seen.path;
            let is_touched = self.touched.remove(path);
            let is_settled = states.is_settled(state) && !is_touched;
            if !self.is_finished(at) && names.first(at) == at && !is_settled {
                given.insert(path, &state.metadata);
            }
        }
        // The others are as they were but for what is done.
        for path in &self.touched {
            if let Some(node) = states.before.node(path) {
                given.insert(path, &node.metadata);
            }
        }
        let given = given.into_iter().rev();
        self.done
            .extend(given.map(|(path, metadata)| Settlement::Metadata {
                path: path.clone(),
                metadata: metadata.clone(),
            }));
    }
}
