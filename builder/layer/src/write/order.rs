//! The order of the entries of a layer.
//!
//! Whoever unpacks a layer by its order alone must not remove what the layer
//! itself brought; so what removes stands before what is added, in each
//! directory (image-spec, "Whiteouts": SHOULD).

use std::cmp::Ordering;

use crate::entry::{Entry, Kind};
use crate::error::Error;
use crate::path::EntryPath;

use super::invalid;

/// Is where an entry stands. A layer has no two entries of one position, and
/// they ascend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position<'a> {
    /// The directory that the entry is in, or is itself, with its last name.
    path: &'a EntryPath,
    rank: Rank,
}

/// Is where something stands among what is in the same directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Removes all that lower layers have there.
    Opaque,
    /// Removes one name.
    Whiteout,
    /// Is there.
    Plain,
}

impl<'a> Position<'a> {
    pub(super) fn of(entry: &'a Entry) -> Self {
        let rank = match entry.kind {
            Kind::Opaque => Rank::Opaque,
            Kind::Whiteout => Rank::Whiteout,
            _ => Rank::Plain,
        };
        Self {
            path: &entry.path,
            rank,
        }
    }

    pub(super) fn plain(path: &'a EntryPath) -> Self {
        Self {
            path,
            rank: Rank::Plain,
        }
    }

    pub(super) fn whiteout(path: &'a EntryPath) -> Self {
        Self {
            path,
            rank: Rank::Whiteout,
        }
    }

    /// Gives the steps from the root, each a rank and a name. All but the last
    /// are directories on the way; what makes a directory opaque is in it.
    fn steps(self) -> impl Iterator<Item = (Rank, &'a [u8])> {
        let mut names = self.path.names().peekable();
        let opaque = (self.rank == Rank::Opaque).then_some((Rank::Opaque, &[][..]));
        std::iter::from_fn(move || {
            let name = names.next()?;
            let is_last = names.peek().is_none();
            let rank = match self.rank {
                Rank::Whiteout if is_last => Rank::Whiteout,
                _ => Rank::Plain,
            };
            Some((rank, name))
        })
        .chain(opaque)
    }
}

impl Ord for Position<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.steps().cmp(other.steps())
    }
}

impl PartialOrd for Position<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Entry {
    /// Compares the places of two entries in a layer: paths ascend, and in each
    /// directory what is removed comes first.
    #[must_use]
    pub fn layer_order(&self, other: &Self) -> Ordering {
        Position::of(self).cmp(&Position::of(other))
    }
}

/// Checks that an entry may follow another.
pub(super) fn check(last: &Entry, next: &Entry) -> Result<(), Error> {
    let (before, after) = (Position::of(last), Position::of(next));
    match before.cmp(&after) {
        Ordering::Less => {}
        Ordering::Equal => return Err(invalid(next, "it is there twice")),
        Ordering::Greater => {
            let why = format!("it belongs before `{}`", last.path);
            return Err(invalid(next, &why));
        }
    }
    // What is in something follows it directly, so that the one before is all
    // that has to be looked at.
    let is_leaf = before.rank == Rank::Plain && !matches!(last.kind, Kind::Directory);
    if is_leaf && next.path.is_in(&last.path) {
        let why = format!("`{}` is no directory", last.path);
        return Err(invalid(next, &why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::Metadata;

    fn entry(path: &str, kind: Kind) -> Entry {
        Entry {
            path: EntryPath::parse(path.as_bytes()).expect("valid"),
            kind,
            metadata: Metadata::default(),
        }
    }

    #[test]
    fn in_each_directory_what_removes_stands_first() {
        let layer = [
            entry("", Kind::Directory),
            entry("", Kind::Opaque),
            entry("z", Kind::Whiteout),
            entry("a", Kind::Directory),
            entry("a", Kind::Opaque),
            entry("a/b", Kind::Whiteout),
            entry("a/z", Kind::Whiteout),
            entry("a/a", Kind::Directory),
            entry("a/a/z", Kind::Whiteout),
            entry("a/a/a", Kind::File { size: 0 }),
            entry("a/c", Kind::Fifo),
            entry("a-b", Kind::Fifo),
        ];
        for (at, last) in layer.iter().enumerate() {
            for next in &layer[at + 1..] {
                assert!(check(last, next).is_ok(), "{last:?} {next:?}");
                assert!(check(next, last).is_err(), "{next:?} {last:?}");
            }
            assert!(check(last, last).is_err(), "{last:?}");
        }
    }

    #[test]
    fn nothing_is_in_what_is_no_directory() {
        for kind in [Kind::Fifo, Kind::File { size: 0 }] {
            for next in [
                entry("a/b", Kind::Fifo),
                entry("a/b/c", Kind::Whiteout),
                entry("a", Kind::Opaque),
            ] {
                let error = check(&entry("a", kind.clone()), &next).expect_err("a leaf");
                assert!(
                    error.to_string().contains("`/a` is no directory"),
                    "{error}"
                );
            }
            assert!(check(&entry("a", kind), &entry("a-b", Kind::Fifo)).is_ok());
        }
    }

    proptest! {
        #[test]
        fn without_whiteouts_it_is_the_order_of_paths(
            one in "[ab]{1,2}(/[ab-]{1,2}){0,3}", other in "[ab]{1,2}(/[ab-]{1,2}){0,3}",
        ) {
            let (one, other) = (entry(&one, Kind::Fifo), entry(&other, Kind::Fifo));
            let order = Position::of(&one).cmp(&Position::of(&other));
            prop_assert_eq!(order, one.path.cmp(&other.path));
        }
    }
}
