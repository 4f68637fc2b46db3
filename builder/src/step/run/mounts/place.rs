//! Where mounts go: through the links of the tree, and into each other.

use std::collections::{BTreeMap, VecDeque};

use layer::{EntryPath, NodeKind, ResolveError, Tree};

use crate::error::{Error, ErrorKind};
use crate::plan::excerpt;
use crate::step::run::mounts::{Asked, Shape, Stub};
use crate::step::run::stubs::DIRECTORIES;

/// Is a mount that has its place.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) asked: Asked,
    pub(super) target: EntryPath,
    pub(super) stub: Stub,
}

/// The one directory that comes with every command and takes mounts.
const DEVICES: &str = "/dev";
/// How many links a path may lead through, as the kernel has it.
const LINKS_LIMIT: usize = 40;

/// Places mounts, each after those that the way to it leads through, and
/// otherwise in the order of their targets. The order of the file does not
/// matter: no two have one target.
pub(super) fn place(mut asked: Vec<Asked>, tree: &Tree) -> Result<Vec<Placed>, Error> {
    let mut placed: Vec<Placed> = Vec::with_capacity(asked.len());
    while !asked.is_empty() {
        let (at, target) = next(&placed, tree, &asked)?;
        let asked = asked.remove(at);
        if placed.iter().any(|before| before.target == target) {
            return Err(refuse(
                &asked.text,
                "is the target of two mounts",
                "give one of them another `target`",
            ));
        }
        placed.push(lay(&placed, target, asked)?);
    }
    for (at, mount) in placed.iter().enumerate() {
        let others = placed.iter().enumerate();
        let others = others.filter(|(other, _)| *other != at);
        let others = others.map(|(_, other)| &other.target);
        if walk(others.collect(), tree, &mount.asked.text)?.end != mount.target {
            return Err(tangled(&mount.asked.text));
        }
    }
    Ok(placed)
}

/// Finds the mount that comes next, and its target.
fn next(placed: &[Placed], tree: &Tree, asked: &[Asked]) -> Result<(usize, EntryPath), Error> {
    let targets: Vec<&EntryPath> = placed.iter().map(|mount| &mount.target).collect();
    let mut ways = BTreeMap::new();
    for (at, asked) in asked.iter().enumerate() {
        let way = walk(targets.clone(), tree, &asked.text)?;
        ways.insert((way.end, at), way.through);
    }
    let is_end = |path: &EntryPath| {
        let mut from = ways.range((path.clone(), 0)..);
        from.next().is_some_and(|((end, _), _)| end == path)
    };
    let free = ways
        .iter()
        .find(|(_, through)| !through.iter().any(is_end))
        .map(|((end, at), _)| (*at, end.clone()));
    free.ok_or_else(|| {
        let first = asked.first().map_or("", |asked| asked.text.as_str());
        tangled(first)
    })
}

/// Is the way of a path.
struct Way {
    /// The directories that it leads through.
    through: Vec<EntryPath>,
    /// Where it ends, without links.
    end: EntryPath,
}

/// Follows a path as [`Tree::resolve`] does, but into mounts, too: nothing is
/// known of what is in them, so that the rest counts as it is written.
fn walk(mounted: Vec<&EntryPath>, tree: &Tree, text: &str) -> Result<Way, Error> {
    let parts = |text: &[u8]| -> Vec<Vec<u8>> {
        let parts = text.split(|byte| *byte == b'/');
        let parts = parts.filter(|part| !part.is_empty() && *part != b".");
        parts.map(<[u8]>::to_vec).collect()
    };
    let wrong = |error: ResolveError| {
        let message = format!("nothing can be mounted at `{}`", excerpt(text));
        Error::caused(ErrorKind::Step, message, error)
    };
    let mut rest: VecDeque<Vec<u8>> = parts(text.as_bytes()).into();
    let mut way = Way {
        through: Vec::new(),
        end: EntryPath::root(),
    };
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        if part == b".." {
            way.end = way.end.parent().unwrap_or_default();
            continue;
        }
        let part = EntryPath::parse(&part).map_err(|error| wrong(error.into()))?;
        let next = part.below(&way.end);
        // Says so in the words of all other paths that are too long.
        EntryPath::parse(next.as_bytes()).map_err(|error| wrong(error.into()))?;
        let is_hidden = mounted.iter().any(|mount| next.is_in(mount));
        let node = tree.node(&next).filter(|_| !is_hidden);
        match node.map(|node| &node.kind) {
            Some(NodeKind::Symlink { target }) => {
                links += 1;
                if links > LINKS_LIMIT {
                    return Err(wrong(ResolveError::Loop(excerpt(text))));
                }
                if target.starts_with(b"/") {
                    way.end = EntryPath::root();
                }
                for part in parts(target).into_iter().rev() {
                    rest.push_front(part);
                }
                continue;
            }
            None | Some(NodeKind::Directory(_)) => {}
            Some(_) if rest.is_empty() => {}
            Some(_) => return Err(wrong(ResolveError::NotADirectory(next))),
        }
        way.end = next;
        if !rest.is_empty() {
            way.through.push(way.end.clone());
        }
    }
    Ok(way)
}

/// Says what a mount is laid on.
fn lay(placed: &[Placed], target: EntryPath, asked: Asked) -> Result<Placed, Error> {
    let outer = placed
        .iter()
        .enumerate()
        .filter(|(_, outer)| target.is_in(&outer.target))
        .max_by_key(|(_, outer)| outer.target.names().count());
    let stub = match outer {
        None => on_tree(&target, &asked)?,
        Some((_, outer)) if outer.asked.shape == Shape::File => {
            let reason = format!("leads through `{}`, where a file is mounted", outer.target);
            return Err(refuse(&asked.text, &reason, "choose a `target` beside it"));
        }
        Some((mount, outer)) => Stub::Inside {
            mount,
            path: below(&target, &outer.target),
        },
    };
    Ok(Placed {
        asked,
        target,
        stub,
    })
}

/// Says what a mount is laid on that is in no other one.
fn on_tree(target: &EntryPath, asked: &Asked) -> Result<Stub, Error> {
    let hint = "choose a directory of the image, or one that is not there yet";
    if target.is_root() {
        return Err(refuse(&asked.text, "is the root", hint));
    }
    for directory in DIRECTORIES {
        let own = EntryPath::parse(directory.as_bytes()).unwrap_or_default();
        if !target.is_in(&own) {
            continue;
        }
        if *target == own || directory != DEVICES {
            let reason = format!("is or is in `{directory}`, which every command has its own of");
            return Err(refuse(&asked.text, &reason, hint));
        }
        return Ok(Stub::Devices {
            path: below(target, &own),
        });
    }
    Ok(Stub::Tree)
}

/// Gives the path from a directory that a path is in.
fn below(path: &EntryPath, directory: &EntryPath) -> EntryPath {
    let names = path.names().skip(directory.names().count());
    names.fold(EntryPath::root(), |path, name| path.child(name))
}

/// Reports mounts of which none can come first.
fn tangled(text: &str) -> Error {
    refuse(
        text,
        "leads through a link that another mount hides",
        "write where the link leads",
    )
}

fn refuse(text: &str, reason: &str, hint: &str) -> Error {
    let message = format!("the target `{}` of the mount {reason}", excerpt(text));
    Error::new(ErrorKind::Step, message).with_hint(hint)
}
