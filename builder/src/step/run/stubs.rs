//! What has to be in the file system of a command, so that something can be
//! mounted there: empty files and directories that never reach a layer.

use std::collections::BTreeMap;

use layer::{EntryPath, Follow, Metadata, Operation, Time, Tree};

use crate::error::{Error, ErrorKind};
use crate::plan::excerpt;
use crate::step::run::mounts::Shape;

/// Is a place to mount something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Where, without links.
    pub(crate) path: EntryPath,
    /// What has to be there.
    pub(crate) shape: Shape,
}

/// Is what has to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Stubs {
    /// What makes a directory that can be laid over the file system: the
    /// directories on the way are as they are there. Nothing where nothing is
    /// missing.
    pub(crate) operations: Vec<Operation>,
    /// What was not there before, parents first: where the file system itself
    /// gets the stubs, these have to go away again.
    pub(crate) created: Vec<EntryPath>,
}

/// The directories that every command has its own of.
pub(crate) const DIRECTORIES: [&str; 3] = ["/proc", "/sys", "/dev"];
/// The files that every command has its own of.
pub(crate) const FILES: [&str; 3] = ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname"];

/// The permissions of directories that are missing.
const DIRECTORY_MODE: u16 = 0o755;
/// The permissions of files that are missing.
const FILE_MODE: u16 = 0o644;

/// Finds where the things are mounted that every command has: first
/// [`DIRECTORIES`], then [`FILES`], each in their order. Links of the image
/// are followed to files, and not to directories.
pub(crate) fn standing(tree: &Tree) -> Result<Vec<Target>, Error> {
    let directories = DIRECTORIES.map(|text| (text, Shape::Directory, Follow::AllButLast));
    let files = FILES.map(|text| (text, Shape::File, Follow::All));
    let mut targets = Vec::with_capacity(directories.len() + files.len());
    for (text, shape, follow) in directories.into_iter().chain(files) {
        let resolved = tree.resolve(text.as_bytes(), follow).map_err(|error| {
            let message = format!("nothing can be mounted at `{text}` of the image");
            Error::caused(ErrorKind::Step, message, error)
        })?;
        let path = resolved.path;
        let own = |target: &Target| target.shape == Shape::Directory && path.is_in(&target.path);
        if targets.iter().any(own) {
            let message = format!(
                "`{text}` of the image is a link to `{path}`, which every command has its own of"
            );
            return Err(Error::new(ErrorKind::Step, message).with_hint(format!(
                "take the link away, as `COPY` of a file to `{text}` does"
            )));
        }
        targets.push(Target { path, shape });
    }
    Ok(targets)
}

/// Says what is missing in a tree for these targets. What is made belongs to
/// root, and has this time.
pub(crate) fn stubs(tree: &Tree, targets: &[Target], time: Time) -> Result<Stubs, Error> {
    let mut missing = BTreeMap::new();
    for target in targets {
        if let Some(node) = tree.node(&target.path) {
            if Shape::of(&node.kind) != target.shape {
                return Err(unfit(target));
            }
            continue;
        }
        let before = missing.insert(target.path.clone(), target.shape);
        if before.is_some_and(|shape| shape != target.shape) {
            return Err(unfit(target));
        }
        let mut above = target.path.parent();
        while let Some(path) = above {
            match tree.node(&path) {
                Some(node) if node.is_directory() => break,
                Some(_) => return Err(unfit_above(target, &path)),
                None => {}
            }
            if *missing.entry(path.clone()).or_insert(Shape::Directory) == Shape::File {
                return Err(unfit_above(target, &path));
            }
            above = path.parent();
        }
    }
    Ok(Stubs {
        operations: operations(tree, &missing, time),
        created: missing.into_keys().collect(),
    })
}

/// Lists what is made, and the directories on the way to it, parents first.
fn operations(tree: &Tree, missing: &BTreeMap<EntryPath, Shape>, time: Time) -> Vec<Operation> {
    let mut operations = BTreeMap::new();
    for (path, shape) in missing {
        let metadata = |mode| Metadata {
            mode,
            mtime: time,
            ..Metadata::default()
        };
        let path = path.clone();
        let operation = match shape {
            Shape::Directory => Operation::Directory {
                path: path.clone(),
                metadata: metadata(DIRECTORY_MODE),
                links: BTreeMap::new(),
            },
            Shape::File => Operation::File {
                path: path.clone(),
                metadata: metadata(FILE_MODE),
                size: 0,
                offset: 0,
            },
        };
        let mut above = path.parent();
        operations.insert(path, operation);
        while let Some(path) = above {
            if let Some(kept) = Operation::directory_of(tree, &path) {
                operations.insert(path.clone(), kept);
            }
            above = path.parent();
        }
    }
    operations.into_values().collect()
}

fn unfit(target: &Target) -> Error {
    let (is, needed) = match target.shape {
        Shape::Directory => ("no directory", "a directory"),
        Shape::File => ("a directory", "a file"),
    };
    let path = excerpt(&target.path.to_string());
    let message = format!("`{path}` is {is}, and {needed} would be mounted there");
    Error::new(ErrorKind::Step, message)
        .with_hint("choose another `target`, or take away what is there")
}

fn unfit_above(target: &Target, path: &EntryPath) -> Error {
    let target = excerpt(&target.path.to_string());
    let path = excerpt(&path.to_string());
    let message = format!("nothing can be mounted at `{target}`, since `{path}` is no directory");
    Error::new(ErrorKind::Step, message)
        .with_hint("choose another `target`, or take away what is there")
}

#[cfg(test)]
mod tests;
