//! What a command changed: a file system before it, and what was seen after
//! it. Every tier comes to the same answer.

mod names;
mod order;
mod states;

use oci::Digest;

use crate::entry::Entry;
use crate::error::Error;
use crate::live::observe::Observation;
use crate::live::settle::Settlement;
use crate::live::{Form, Rights};
use crate::path::EntryPath;
use crate::time::Time;
use crate::tree::Tree;

use names::Names;
use states::States;

/// Says which times a layer can not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clamp {
    /// The time of the build: nothing is younger.
    pub epoch: Time,
    /// When the command started: what has this time or a later one is of the
    /// command, and gets the time of the build.
    pub started: Time,
}

/// Is what a command changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diff {
    /// The entries of the layer, in its order. It is empty where nothing that a
    /// layer has was changed.
    pub changed: Vec<Changed>,
    /// What has to be done to the directory so that it is what the layer says,
    /// in the order in which it can be done.
    pub settlements: Vec<Settlement>,
}

/// Is an entry of the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The entry.
    pub entry: Entry,
    /// Where the content is; of regular files alone.
    pub source: Option<Source>,
}

/// Says where the content of a changed file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it was seen.
    pub path: EntryPath,
    /// Its digest.
    pub digest: Digest,
}

/// Finds out what changed. The tree is then what [`Tree::apply`] makes of it
/// with the layer. The time that it takes grows with what was seen, not with
/// the tree.
///
/// A directory that was there before, and has a time that the command gave it
/// by changing what is in it, keeps the time that it had. A file that is what
/// it was is no change. Each name that is gone is a whiteout, also of a
/// directory that hides what lower layers have in it. Names of one file that are
/// all here are one file in the layer, as are those that were one in the tree
/// and are still equal; a name of a file that was not changed otherwise is a
/// file of its own.
///
/// # Errors
///
/// Fails with [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) where something
/// is that no layer can have: a name that starts with `.wh.`, or a character
/// device with the number 0:0, which is a whiteout of overlayfs.
pub fn diff(
    before: &Tree,
    observation: &Observation,
    clamp: Clamp,
    (form, rights): (Form, Rights),
) -> Result<Diff, Error> {
    let states = States::of((before, observation), clamp, rights)?;
    let names = Names::of(&states);
    Ok(Diff {
        changed: order::changed(&states, &names),
        settlements: order::settlements(&states, &names, form),
    })
}

#[cfg(test)]
mod tests;
