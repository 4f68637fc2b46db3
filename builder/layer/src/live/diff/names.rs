//! Which names are names of one file, in the layer and in the tree.

use std::collections::BTreeMap;

use crate::live::diff::states::{State, States};
use crate::live::observe::SeenKind;
use crate::tree::{ContentPlace, NodeKind};

/// How many files that differ now, of what were names of one file, a further
/// one is compared with.
const COMPARED: usize = 16;

/// Says, for each state, the first one that is a name of the same file: itself
/// where there is no other.
#[derive(Debug)]
pub(super) struct Names {
    first: Vec<usize>,
}

impl Names {
    pub(super) fn of(states: &States<'_>) -> Self {
        let mut names = Self {
            first: (0..states.list.len()).collect(),
        };
        let mut inodes: BTreeMap<(u64, u64), usize> = BTreeMap::new();
        let mut places: BTreeMap<(bool, ContentPlace), Vec<usize>> = BTreeMap::new();
        for (at, state) in states.list.iter().enumerate() {
            if !matches!(state.seen.kind, SeenKind::File { .. }) {
                continue;
            }
            if state.changed {
                let other = *inodes.entry(state.seen.inode).or_insert(at);
                names.unite(at, other);
            }
            let Some(place) = place(state) else {
                continue;
            };
            let others = places.entry((state.changed, place)).or_default();
            let equal = others.iter().copied().find(|other| {
                let other = states.list.get(*other);
                other.is_some_and(|other| is_equal(state, other))
            });
            match equal {
                Some(other) => names.unite(at, other),
                None if others.len() < COMPARED => others.push(at),
                None => {}
            }
        }
        names
    }

    /// Gives the first name of the file that has this one.
    pub(super) fn first(&self, at: usize) -> usize {
        let mut first = at;
        // Each is at or before the one that it is of.
        while let Some(&before) = self.first.get(first).filter(|before| **before < first) {
            first = before;
        }
        first
    }

    fn unite(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first(one), self.first(other));
        let (before, after) = (one.min(other), one.max(other));
        if let Some(first) = self.first.get_mut(after) {
            *first = before;
        }
    }
}

/// Gives what tells in the tree which names are of one file.
fn place(state: &State<'_>) -> Option<ContentPlace> {
    match &state.old?.kind {
        NodeKind::File(file) => Some(file.place),
        _ => None,
    }
}

fn is_equal(one: &State<'_>, other: &State<'_>) -> bool {
    one.seen.kind == other.seen.kind && one.metadata == other.metadata
}
