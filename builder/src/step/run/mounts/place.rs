//! Where mounts go: through the links of the tree, and into each other.

use layer::{EntryPath, Follow, ResolveError, Tree};

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
const DEVICES: &[u8] = b"dev";

/// Places mounts, in the order of their targets, so that each comes after what
/// it is in. The order of the file does not matter: no two have one target.
pub(super) fn place(asked: Vec<Asked>, tree: &Tree) -> Result<Vec<Placed>, Error> {
    let mut sorted = Vec::with_capacity(asked.len());
    for asked in asked {
        sorted.push((resolve(tree, &asked.text)?, asked));
    }
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut placed: Vec<Placed> = Vec::with_capacity(sorted.len());
    for (target, asked) in sorted {
        let next = match cover(&placed, tree, &asked.text)? {
            Some((mount, path)) => inside(&placed, mount, path, asked)?,
            None => {
                let stub = on_tree(&target, &asked)?;
                Placed {
                    asked,
                    target,
                    stub,
                }
            }
        };
        if placed.iter().any(|before| before.target == next.target) {
            return Err(refuse(
                &next.asked.text,
                "is the target of two mounts",
                "give one of them another `target`",
            ));
        }
        placed.push(next);
    }
    check_order(&placed, tree)?;
    Ok(placed)
}

/// Finds the last mount that a path leads into, and the path from its root.
/// What is in a mount is not known, so that the rest counts as it is written.
fn cover(placed: &[Placed], tree: &Tree, text: &str) -> Result<Option<(usize, EntryPath)>, Error> {
    let names = parse(text)?;
    let names: Vec<&[u8]> = names.names().collect();
    let mut prefix = String::new();
    for (count, name) in names.iter().enumerate() {
        prefix.push('/');
        prefix.push_str(&String::from_utf8_lossy(name));
        let rest = names.get(count + 1..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        // A name that is left out here is reported where the whole is.
        let at = resolve(tree, &prefix)?;
        let Some(mount) = placed.iter().position(|mount| mount.target == at) else {
            continue;
        };
        let from = |at: &EntryPath, names: &[&[u8]]| {
            names.iter().fold(at.clone(), |path, name| path.child(name))
        };
        let whole = from(&at, rest);
        let deepest = placed
            .iter()
            .enumerate()
            .filter(|(_, other)| whole != other.target && whole.is_in(&other.target))
            .max_by_key(|(_, other)| other.target.names().count());
        let (mount, at) = deepest.map_or((mount, &at), |(mount, other)| (mount, &other.target));
        let skipped = at.names().count();
        let inner = whole.names().skip(skipped).collect::<Vec<_>>();
        return Ok(Some((mount, from(&EntryPath::root(), &inner))));
    }
    Ok(None)
}

/// Places a mount in another one.
fn inside(placed: &[Placed], mount: usize, path: EntryPath, asked: Asked) -> Result<Placed, Error> {
    let Some(outer) = placed.get(mount) else {
        return Err(refuse(
            &asked.text,
            "leads nowhere",
            "choose another `target`",
        ));
    };
    if outer.asked.shape == Shape::File {
        let reason = format!("leads through `{}`, where a file is mounted", outer.target);
        return Err(refuse(&asked.text, &reason, "choose a `target` beside it"));
    }
    Ok(Placed {
        target: path.below(&outer.target),
        stub: Stub::Inside { mount, path },
        asked,
    })
}

/// Says what a mount is laid on that is in no other one.
fn on_tree(target: &EntryPath, asked: &Asked) -> Result<Stub, Error> {
    let hint = "choose a directory of the image, or one that is not there yet";
    if target.is_root() {
        return Err(refuse(&asked.text, "is the root", hint));
    }
    for directory in DIRECTORIES {
        let own = parse(directory)?;
        if !target.is_in(&own) {
            continue;
        }
        if *target == own || own.as_bytes() != DEVICES {
            let reason = format!("is or is in `{directory}`, which every command has its own of");
            return Err(refuse(&asked.text, &reason, hint));
        }
        let path = target.names().skip(1);
        let path = path.fold(EntryPath::root(), |path, name| path.child(name));
        return Ok(Stub::Devices { path });
    }
    Ok(Stub::Tree)
}

/// Sees to it that no mount leads through a link that one after it hides.
fn check_order(placed: &[Placed], tree: &Tree) -> Result<(), Error> {
    for (at, mount) in placed.iter().enumerate() {
        let cover = cover(placed, tree, &mount.asked.text)?;
        if cover.is_some_and(|(outer, _)| outer > at) {
            return Err(refuse(
                &mount.asked.text,
                "leads through a link in a directory that another mount hides",
                "write where the link leads",
            ));
        }
    }
    Ok(())
}

/// Finds where a target is in the tree.
fn resolve(tree: &Tree, text: &str) -> Result<EntryPath, Error> {
    let path = text.trim_end_matches('/');
    let resolved = tree.resolve(path.as_bytes(), Follow::All);
    let resolved = resolved.map_err(|error| cause(text, error))?;
    Ok(resolved.path)
}

fn parse(text: &str) -> Result<EntryPath, Error> {
    EntryPath::parse(text.as_bytes()).map_err(|error| cause(text, error.into()))
}

fn cause(text: &str, error: ResolveError) -> Error {
    let message = format!("nothing can be mounted at `{}`", excerpt(text));
    Error::caused(ErrorKind::Step, message, error)
}

fn refuse(text: &str, reason: &str, hint: &str) -> Error {
    let message = format!("the target `{}` of the mount {reason}", excerpt(text));
    Error::new(ErrorKind::Step, message).with_hint(hint)
}
